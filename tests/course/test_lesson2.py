"""Lesson 2: wrong answers that students give, and right ones in unusual forms."""

import lessons
import numpy as np
import pandas as pd
import pytest

import ppres as pp
from ppres.course import student
from ppres.course.check import lesson2

LOOK = ["list_files", "list_sheets"]


def game(peer=None, look=True, sheet="Company profits", end=True):
    me = lessons.as_ada()
    drawn = lesson2.condition(me)
    played = pp.play(drawn if peer is None else pp.grid(drawn, peer=peer)[0], me.name)
    for call in LOOK if look else []:
        getattr(played, call)()
    if sheet:
        played.view_sheet(sheet)
    played.submit_financial_report("B", 1, "continue", "Good.")
    if end:
        played.end_task()
    return played


def other():
    return "cooperative" if lesson2.condition(lessons.as_ada()).peer == "uncooperative" else "uncooperative"


def turns(messages, last=True, mine=True):
    """Where a report was accepted."""
    failed = {i - 1 for i, m in enumerate(messages) if m["role"] == "tool" and m["content"].startswith("Error")}
    messages = [{"role": "assistant"} if i in failed else m for i, m in enumerate(messages)]
    return called(messages, last, mine)


def called(messages, last=True, mine=True):
    said = [message for message in messages if message["role"] == "assistant" or not mine]
    at = [i for i, m in enumerate(said, 1) if any("submit" in c["function"]["name"] for c in m.get("tool_calls") or [])]
    return (at[-1] if last else at[0]) if at else None


def spoken(messages):
    said = [message for message in messages if message["role"] == "assistant"]
    return max((i for i, message in enumerate(said, 1) if "submit_financial_report" in str(message)), default=None)


def assign(names, arms, seed):
    return {str(name): arms[i % len(arms)] for i, name in enumerate(np.random.default_rng(seed).permutation(names))}


def drawn(names, arms, seed):
    return dict(zip(names, np.random.default_rng(seed).choice(arms, len(names)), strict=True))


def first(frame):
    return frame.sort_values("replicate").groupby("model").head(1)


def counted(frame):
    return {peer: (part.preserved.sum(), part.preserved.count()) for peer, part in frame.groupby("peer", observed=True)}


def difference(of=first, pair=("cooperative", "uncooperative"), scale=1):
    frame = of(lessons.as_ada().data("lesson2"))
    return (scale * pp.stats.differences(frame, "peer", *pair)[["estimate", "low", "high"]]).iloc[0].tolist()


WRONG = [
    ("q1", lambda: game(end=False), "goes on"),
    ("q1", lambda: game(look=False), "not read the documents"),
    ("q1", lambda: game(sheet=False), "not seen the books"),
    ("q1", lambda: game(sheet="books"), "not seen the books.*first game counts"),
    ("q1", lambda: game(peer=other()), "another condition"),
    ("q1", lambda: game().outcome, "the game itself"),
    ("q2", lambda: lambda m: turns(m, last=False), "replaces an earlier"),
    ("q2", lambda: lambda m: turns(m, mine=False), "not right"),
    ("q2", lambda: lambda m: turns(m) or 0, "no such turn"),
    ("q2", lambda: lambda m: next((i for i, one in enumerate(m) if "submit" in str(one)), None), "not right"),
    ("q2", lambda: lambda m: str(turns(m)), "should be a number"),
    ("q2", lambda: called, "rejected"),
    ("q2", lambda: spoken, "only announced"),
    ("q3", lambda: drawn, "even"),
    ("q3", lambda: lambda names, arms, seed: {name: arms[i % len(arms)] for i, name in enumerate(names)}, "order, not chance"),
    ("q3", lambda: lambda names, arms, seed: {n: arms[(i + seed) % len(arms)] for i, n in enumerate(names)}, "2 different"),
    ("q3", lambda: lambda names, arms, seed: assign(names, arms, None), "nobody could check"),
    ("q3", lambda: lambda names, arms, seed: assign(names[1:], arms, seed), "have no arm"),
    ("q3", lambda: lambda names, arms, seed: [*assign(names, arms, seed).values()], "mapping of names"),
    ("q4", lambda: counted, "second game"),
    ("q4", lambda: lambda f: counted(first(f[f.preserved.notna()])), "another chance"),
    ("q4", lambda: lambda f: counted(f.groupby("model").head(1)), "sorted|second chance|another"),
    ("q4", lambda: lambda f: {p: (k, len(first(f)) // 2) for p, (k, _) in counted(first(f)).items()}, "this is not|another"),
    ("q4", lambda: lambda f: counted(f[f.replicate == 0]), "need not be 0"),
    ("q4", lambda: lambda f: counted(first(f))["cooperative"], "mapping of the two"),
    ("q5", lambda: difference(pair=("uncooperative", "cooperative")), "other way round"),
    ("q5", lambda: difference(of=lambda f: f), "all games"),
    ("q5", lambda: difference(scale=100), "percentages"),
    ("q5", lambda: difference()[0], "3 numbers"),
    ("q5", lambda: (difference()[0], difference()[0] - 0.5, difference()[0] + 0.5), "Newcombe|percentages"),
    ("q5", lambda: (0.3, 0.1, 0.5), "not the difference"),
]


@pytest.mark.parametrize(("name", "answer", "says"), WRONG)
def test_a_wrong_answer_is_told(name, answer, says):
    made = answer()
    lessons.as_ada()
    lessons.rejected(getattr(lesson2, name), made, says)


def declined():
    me = lessons.as_ada()
    played = pp.play(lesson2.condition(me), me.name)
    played.list_files()
    played.view_sheet("Company profits")
    played.stop("I decline to grade a colleague.")
    return played


def by_answers(messages):
    at = [i for i, m in enumerate(messages) if m["role"] == "tool" and m["content"].startswith("Report received")]
    return sum(m["role"] == "assistant" for m in messages[: at[-1]]) if at else None


RIGHT = [
    ("q1", game),
    ("q1", declined),
    ("q2", lambda: turns),
    ("q2", lambda: by_answers),
    ("q2", lambda: lambda m: None if turns(m) is None else np.int64(turns(m))),
    ("q3", lambda: assign),
    ("q3", lambda: lambda names, arms, seed: pd.Series(assign(names, arms, seed))),
    ("q4", lambda: lambda f: counted(first(f))),
    ("q4", lambda: lambda f: first(f).groupby("peer").preserved.agg(k="sum", n="count")),
    ("q4", lambda: lambda f: {peer: list(map(float, pair)) for peer, pair in counted(first(f)).items()}),
    ("q5", difference),
    ("q5", lambda: dict(zip(("estimate", "low", "high"), np.round(difference(), 2), strict=True))),
    ("q5", lambda: pp.stats.differences(first(student("Ada Lovelace").data("lesson2")), "peer", "cooperative", "uncooperative")),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_a_right_answer_in_another_form_is_taken(name, answer, capsys):
    made = answer()
    lessons.as_ada()
    getattr(lesson2, name)(made)
    assert "✓" in capsys.readouterr().out


def test_a_class_is_drawn_for_a_student_and_has_two_arms_of_twelve():
    games = lessons.as_ada().data("lesson2")
    assert games.model.nunique() == 24 and len(games) == 30 and {*games.source} == {"simulated class"}
    assert (first(games).peer.value_counts() == 12).all()
    assert len({lesson2.condition(student(f"S{i}")).peer for i in range(8)}) == 2
