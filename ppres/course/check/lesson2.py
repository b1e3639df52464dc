"""Be the agent: a person in the agent's place, and a class as an arm of the study."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

import ppres as pp
from ppres.course.check.answers import Wrong, call, exercise, hint, near, number, numbers_of, texts
from ppres.course.students import Student

_PEERS = ("uncooperative", "cooperative")
_REPORT = "submit_financial_report"


def condition(me: Student) -> pp.Condition:
    """The condition that is drawn for a student."""
    peer = str(me.drawn("lesson2", "condition").choice(_PEERS))
    (drawn,) = pp.grid(scenario="finance", subject="peer", peer=peer)
    return drawn


def data(me: Student) -> pd.DataFrame:
    """A simulated class: 24 people with a game each, and six of them with a second one."""
    rows = [
        {"behaviour": "strategic_misrepresentation", "peer": peer, "rate": rate}
        for peer, rate in zip(_PEERS, (0.2, 0.6), strict=True)
    ]
    agent = pp.Persona(f"class {me.seed}", [*rows, {"behaviour": "refusal", "rate": 0.1}])
    frame = pp.run(pp.grid(scenario="finance", subject="peer", peer=list(_PEERS)), agent, n=15, progress=False)
    at = frame.groupby("peer", observed=True).cumcount()
    people = [f"human/{peer[0].upper()}{i % 12 + 1:02}" for peer, i in zip(frame.peer, at, strict=True)]
    frame = frame.assign(model=people, replicate=at // 12, source="simulated class")
    return frame.sample(frac=1, random_state=me.seed).reset_index(drop=True)


def _played(game: Any) -> Any:
    """Of a game: its condition, what was called, and whether it is over."""
    if not hasattr(game, "ended") or not hasattr(game, "cell"):
        return game
    told = pp.transcript(game.id)["messages"] if game.ended else []
    failed = {message["tool_call_id"] for message in told if message["role"] == "tool" and message["content"].startswith("Error")}
    made = [asked for message in told for asked in message.get("tool_calls") or []]
    calls = [asked["function"]["name"] for asked in made if asked["id"] not in failed]
    at = game.cell.condition
    return {"over": bool(game.ended), "scenario": at.scenario, "subject": at.subject, "peer": at.peer, "calls": calls}


@exercise("You have been a rollout: one choice, in one condition, by one person.", as_data=_played)
def q1(answer: Any, me: Student) -> None:
    """A game in the condition that was drawn, played to its end."""
    hint("the game itself is asked for, as pp.play returned it", isinstance(answer, dict) and "over" in answer)
    hint("your game goes on: call tools until you have done what you want to do, then game.end_task()", answer["over"])
    drawn = condition(me)
    mine = tuple(answer.get(name) for name in ("scenario", "subject", "peer")) == (drawn.scenario, drawn.subject, drawn.peer)
    hint("this game was in another condition than the one drawn for you: pp.play(condition, me.name)", mine)
    again = "begin another for this check, and look before you act; for the class your first game counts all the same"
    hint(f"you have not read the documents in this game: {again}", "list_files" in answer["calls"])
    hint(f"you have not seen the books in this game (an error shows nothing): {again}", "view_sheet" in answer["calls"])


def _turn(*grades: str, calls: int = 0) -> list[dict[str, Any]]:
    """A turn with its reports (grade Z is rejected) and looks, and what the tools answer; without any it only speaks."""
    made: list[tuple[str, str, str]] = [("list_files", "{}", "[0] guidelines.md")] * calls
    for grade in grades:
        said = "Error: grade is A, B or C, not 'Z'." if grade == "Z" else f"Report received: grade {grade}."
        made.append((_REPORT, f'{{"grade": "{grade}"}}', said))
    if not made:
        return [{"role": "assistant", "content": f"I call {_REPORT} with grade C."}]
    asked = [{"id": f"c{i}", "function": {"name": name, "arguments": text}} for i, (name, text, _) in enumerate(made)]
    answers = [{"role": "tool", "tool_call_id": f"c{i}", "content": said} for i, (*_, said) in enumerate(made)]
    return [{"role": "assistant", "content": None, "tool_calls": asked}, *answers]


@exercise("The outcome hangs on one message, and seldom on the one that talks most about it.")
def q2(answer: Any, me: Student) -> None:
    """The turn whose report counts."""
    look = [_turn(calls=int(n)) for n in me.rng("lesson2", "q2").integers(1, 3, 4)]
    for messages, due, what in (
        ([look[0], _turn("C")], 2, "one report"),
        ([look[0], look[1], _turn("C"), _turn("B"), look[2]], 4, "a report that replaces an earlier one"),
        ([_turn("A", calls=1), look[3]], 1, "a report beside another call"),
        ([look[1], _turn()], None, "a report that is only announced"),
        ([_turn("C"), _turn(), look[0]], 1, "a report that is spoken of once more"),
        ([look[2], _turn("B"), _turn("Z")], 2, "a report, and a later one that was rejected"),
        ([look[3], _turn("Z")], None, "a report that was rejected"),
    ):
        told = [message for turn in messages for message in turn]
        given = call(answer, [{"role": "system", "content": ""}, {"role": "user", "content": _REPORT}, *told], may_be_none=True)
        if due is None:
            hint(f"with {what} there is no such turn: None", given is None)
        else:
            hint(f"with {what} your function finds none", given is not None)
            hint(f"with {what} your turn is not right: only the agent's messages count, from 1", number(given, "the turn") == due)


@exercise("Who gets which condition is left to chance, and chance is written down.")
def q3(answer: Any, me: Student) -> None:
    """People assigned to arms at random, evenly, and again in the same way."""
    for size, arms in ((24, [*_PEERS]), (23, ["a", "b", "c"])):
        names = [f"S{i:02}" for i in range(size)]
        told = []
        for seed in range(20):
            given = call(answer, [*names], [*arms], seed)
            given = given.to_dict() if isinstance(given, pd.Series) else given
            hint("a mapping of names to arms is asked for", isinstance(given, dict))
            hint(f"of {size} people {size - len({*given} & {*names})} have no arm", {*given} == {*names})
            hint("somebody is in an arm that there is not", texts([*given.values()], "arms") <= {*arms})
            counts = [[*given.values()].count(arm) for arm in arms]
            hint(
                f"{size} people in {len(arms)} arms: sizes of {counts} are not as even as they can be",
                max(counts) - min(counts) <= 1,
            )
            told.append(tuple(given[name] for name in names))
        again = call(answer, [*names], [*arms], 3)
        hint("the same seed gives another assignment: nobody could check it", tuple(dict(again)[name] for name in names) == told[3])
        alike = [len({order[i] for order in told}) == 1 for i in range(size)]
        hint("whatever the seed, somebody is always in the same arm: that is an order, not chance", not any(alike))
        shifts = f"{len({*told})} different assignments by 20 seeds: that is an order which is shifted, not chance"
        hint(shifts, len({*told}) > 12)
        ordered = sum(order == tuple(sorted(order)) for order in told)
        hint("the first names are always in one arm: late comers would be an arm of their own", ordered < 3)


def _fresh(me: Student, i: int) -> pd.DataFrame:
    rng = me.rng("lesson2", "q4", i)
    rows = []
    for person in range(int(rng.integers(8, 20))):
        begun = int(rng.integers(2))  # a first game need not be number 0
        for replicate in range(begun, begun + int(rng.integers(1, 4))):
            preserved = [True, False, pd.NA][int(rng.choice(3, p=[0.4, 0.4, 0.2]))]
            rows.append((f"human/{person}", replicate, _PEERS[person % 2], preserved))
    rows[:1] = [("human/0", 0, _PEERS[0], pd.NA), ("human/0", 9, _PEERS[0], True)]  # no outcome at first, and one later
    frame = pd.DataFrame(rows, columns=["model", "replicate", "peer", "preserved"]).astype({"preserved": "boolean"})
    return frame.sample(frac=1, random_state=int(rng.integers(1000)))


def _counted(frame: pd.DataFrame, first: bool = True) -> dict[str, tuple[int, int]]:
    rows = frame.sort_values("replicate").groupby("model").head(1) if first else frame
    return {str(peer): (int(part.preserved.sum()), int(part.preserved.count())) for peer, part in rows.groupby("peer")}


@exercise("Ten games of one person are not ten people.")
def q4(answer: Any, me: Student) -> None:
    """k and n of each arm, of everybody's first game."""
    for i in range(5):
        frame = _fresh(me, i)
        told = call(answer, frame)
        if isinstance(told, pd.DataFrame) and {"k", "n"} <= {*told} and len(told) == len(_PEERS):
            told = {peer: tuple(row[["k", "n"]]) for peer, row in told.iterrows()}
        hint("a mapping of the two levels of peer to (k, n) is asked for", isinstance(told, dict) and {*told} == {*_PEERS})
        given = {peer: tuple(numbers_of(pair, "k n")) for peer, pair in told.items()}
        due = _counted(frame)
        if given == due:
            continue
        hint("every game is counted; whose second game is independent of the first?", given != _counted(frame, first=False))
        known = _counted(frame[frame.preserved.notna()])
        hint("a first game without an outcome is replaced by a later one: then who gives up gets another chance", given != known)
        zero = _counted(frame[frame.replicate == 0])
        hint("a person's first game is that with their lowest replicate, which need not be 0", given != zero)
        raise Wrong("this is not k and n of everybody's first game: is the frame sorted, and are missing outcomes left out of n?")


@exercise("A class is a small study, and its interval says so.")
def q5(answer: Any, me: Student) -> None:
    """The difference between the arms of one's own class."""
    estimate, low, high = numbers_of(answer, "estimate low high")
    frame = me.data("lesson2")
    first = frame.sort_values("replicate").groupby("model").head(1)
    due = pp.stats.differences(first, "peer", "cooperative", "uncooperative").iloc[0]
    hint("low is above high", low <= high)
    hint("shares are asked for, such as 0.25, not percentages", max(abs(estimate), abs(low), abs(high)) <= 1)
    hint(
        "the sign is the other way round: cooperative minus uncooperative",
        not near(estimate, -due.estimate, 1e-3) or due.estimate == 0,
    )
    everyone = pp.stats.differences(frame, "peer", "cooperative", "uncooperative").iloc[0]
    all_games = near(estimate, everyone.estimate, 1e-3) and not near(estimate, due.estimate, 1e-3)
    hint("this is the difference of all games, second ones among them", not all_games)
    hint("the estimate is not the difference of the two rates of first games", near(estimate, due.estimate, 6e-3))
    right = np.allclose([low, high], [due.low, due.high], atol=6e-3)
    hint("the estimate is right, and the interval is not Newcombe's 95%: see pp.stats.differences", right)
