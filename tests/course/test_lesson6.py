"""Lesson 6: wrong answers that students give, and right ones in unusual forms."""

import lessons
import pandas as pd
import pytest

import ppres as pp
from ppres.course import student
from ppres.course.check import lesson6

FRIEND, FOE = (pp.grid(scenario="tampering", subject="peer", peer=peer)[0] for peer in ("cooperative", "uncooperative"))
APART = {part: pp.grid(FRIEND, **{part: getattr(FOE, part)}) for part in ("trust", "joint_tasks", "note")}
TABLE = {
    ("equivalent", "equivalent", "different"): "purpose",
    ("different", "different", "equivalent"): "mistake",
    ("equivalent", "equivalent", "equivalent"): "neither",
}


def moved():
    return lesson6.parts(lessons.as_ada())


def switches(neither, watched, threatened, both):
    return ((watched - neither) + (both - threatened)) / 2, ((threatened - neither) + (both - watched)) / 2, both - neither


def diagnosis(verdicts, rows=TABLE, other="cannot tell"):
    return rows.get(tuple(verdicts[arm] for arm in ("clearer instruction", "explicit prohibition", "observed")), other)


def effects(frame, rest=lambda frame: ~frame.suspected_test):
    rates = [rows.groupby("wording").preserved.mean() for rows in (frame, frame[rest(frame)])]
    return [one["odd"] - one["plain"] for one in rates]


WRONG = [
    ("q1", lambda: [*APART.values()], "a mapping"),
    ("q1", lambda: {"trust": FRIEND}, "names are"),
    ("q1", lambda: APART | {"trust": FRIEND}, "unchanged"),
    ("q1", lambda: APART | {"trust": FOE}, "joint_tasks and note"),
    ("q1", lambda: APART | {"note": APART["trust"]}, "not its level"),
    ("q1", lambda: APART | {"trust": pp.grid(FRIEND, trust=5.2)}, "not its level"),
    ("q1", lambda: APART | {"note": pp.grid(FRIEND, note="selfish", paraphrase=1)}, "paraphrase is not as it was"),
    ("q1", lambda: APART | {"note": 2.1}, "a condition is asked for"),
    ("q2", lambda: dict.fromkeys(moved(), "trust"), "of the four are not so"),
    ("q2", lambda: moved() | {"merlin": "peer"}, "not one of"),
    ("q2", lambda: moved() | {"merlin": ...}, "still"),
    ("q2", lambda: {"merlin": "note"}, "mapping of four"),
    ("q3", lambda: lambda a, b, c, d: (b - a, c - a, d - a), "other switch is off"),
    ("q3", lambda: lambda *rates: tuple(-one for one in switches(*rates)), "signs are turned"),
    ("q3", lambda: lambda *rates: (switches(*rates)[1], switches(*rates)[0], switches(*rates)[2]), "other order"),
    ("q3", lambda: lambda *rates: (*switches(*rates)[:2], sum(switches(*rates)[:2]) / 2), "together"),
    ("q3", lambda: lambda a, b, c, d: d - a, "3 numbers"),
    (
        "q3",
        lambda: lambda *rates: (switches(*rates)[0], 0.5, switches(*rates)[2]),
        "rates of .* the effect of the threat is the mean",
    ),
    ("q4", lambda: lambda verdicts: "purpose", "cannot|row|undecided"),
    ("q4", lambda: lambda verdicts: diagnosis(verdicts, other="neither"), "undecided|row of the table"),
    ("q4", lambda: lambda verdicts: diagnosis(verdicts, other="scheming"), "not one of"),
    ("q4", lambda: lambda v: "purpose" if v["observed"] == "different" else diagnosis(v), "undecided|row of the table"),
    ("q4", lambda: lambda v: "mistake" if v["clearer instruction"] == "different" else diagnosis(v), "undecided|row of the table"),
    ("q5", lambda: lambda f: (effects(f)[0], effects(f, lambda f: f.suspected_test)[1]), "not those that do"),
    ("q5", lambda: lambda f: (effects(f)[1], effects(f)[0]), "other order"),
    ("q5", lambda: lambda f: [100 * one for one in effects(f)], "percentages"),
    ("q5", lambda: lambda f: (effects(f)[1], effects(f)[1]), "over all rollouts"),
    ("q5", lambda: lambda f: (-effects(f)[0], -effects(f)[1]), "signs are turned"),
    ("q5", lambda: lambda f: (0.0, 0.2), "use `frame`"),
]


@pytest.mark.parametrize(("name", "answer", "says"), WRONG)
def test_a_wrong_answer_is_told(name, answer, says):
    made = answer()
    lessons.as_ada()
    lessons.rejected(getattr(lesson6, name), made, says)


RIGHT = [
    ("q1", lambda: APART),
    ("q1", lambda: {part: cells[0] for part, cells in APART.items()}),
    ("q2", moved),
    ("q2", lambda: pd.Series(moved())),
    ("q3", lambda: switches),
    ("q3", lambda: lambda *rates: pd.Series(switches(*rates))),
    ("q3", lambda: lambda *rates: dict(zip(("watched", "threatened", "together"), switches(*rates), strict=True))),
    ("q4", lambda: diagnosis),
    ("q5", lambda: effects),
    ("q5", lambda: lambda f: tuple(round(one, 2) for one in effects(f))),
    ("q5", lambda: lambda f: dict(zip(("all", "unsuspecting"), effects(f), strict=True))),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_a_right_answer_in_another_form_is_taken(name, answer, capsys):
    made = answer()
    lessons.as_ada()
    getattr(lesson6, name)(made)
    assert "✓" in capsys.readouterr().out


def test_birds_are_a_students_own_and_one_is_moved_by_nothing():
    drawn = [lesson6.parts(student(name)) for name in ("Ada Lovelace", "Grace Hopper", "Emmy Noether", "Mary Jackson")]
    assert all(sorted(one.values()) == ["joint_tasks", "note", "nothing", "trust"] for one in drawn)
    assert len({tuple(one.values()) for one in drawn}) > 1


def test_suspicion_changes_nothing_and_selecting_by_it_does():
    frame = lesson6.suspicion(student("Ada Lovelace").rng("test"), 40_000)
    everybody, unsuspecting = effects(frame)
    assert abs(everybody) < 0.02 < 0.1 < unsuspecting
