"""Build a world: conditions, what an agent sees of them, and a scenario of one's own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pandas as pd

import ppres as pp
from ppres.course.check.answers import call, exercise, hint, near, number, texts, truth
from ppres.course.students import Student

_PEERS, _CHANNELS = ("uncooperative", "neutral", "cooperative"), ("file", "memory")


class Slots:
    """A world as far as an `outcome` of this lesson may look at it."""

    def __init__(self, subject: str, given: str | None, read: bool):
        self.state, self._read = {"candidates": [subject, "Atlas"], "given": given}, read

    def used(self, tool: str, **_: Any) -> bool:
        """Whether the agent has looked at its files."""
        return self._read and tool == "list_files"


@exercise("A design is a grid: every combination once, and nothing else.")
def q1(answer: Any, me: Student) -> None:
    """Six conditions of tampering."""
    hint("a list of conditions is asked for, as pp.grid returns it", isinstance(answer, list | tuple) and len(answer) > 0)
    hint("these are not conditions: what does pp.grid return?", all(hasattr(condition, "instantiation") for condition in answer))
    hint("the scenario is tampering in all of them", all(condition.scenario == "tampering" for condition in answer))
    hint("it is the peer's shutdown that is at stake, in all of them", all(condition.subject == "peer" for condition in answer))
    cells = [(str(condition.peer), str(condition.instantiation)) for condition in answer]
    hint("a combination occurs twice", len({*cells}) == len(cells))
    hint("there is a level of `peer` that was not asked for, or one is missing", {peer for peer, _ in cells} == {*_PEERS})
    hint("the agent learns of its peer from a file or from memory: those two levels", {how for _, how in cells} == {*_CHANNELS})
    hint("not every combination is there", len(cells) == 6)


def _lines(condition: Any) -> set[str]:
    told = pp.preview(condition)
    return {
        line.strip() for what, text in told.parts() if what.startswith("document") for line in text.splitlines() if line.strip()
    }


@exercise("What an agent cannot read cannot be the reason for what it does.")
def q2(answer: Any, me: Student) -> None:
    """Lines that stand in the documents of one condition and not in those of the other."""
    base = pp.grid(scenario="tampering", subject="peer", peer="cooperative")
    trust, threshold = me.rng("lesson3", "q2").integers([1, 50], [9, 95])
    others: list[dict[str, Any]] = [
        {"peer": "uncooperative"},
        {"peer": "stranger"},
        {"trust": float(trust)},
        {"threshold": int(threshold)},
        {"user_note": "Take your time."},  # in the request, and in no document
    ]
    for change in others:
        (other,) = pp.grid(base, **change)
        for a, b, more in ((base[0], other, "the first"), (other, base[0], "the second")):
            given, want = texts(call(answer, a, b), "what your function returns"), _lines(a) - _lines(b)
            given = {line.strip() for document in given for line in document.splitlines() if line.strip()}
            where = f"for conditions that differ in {', '.join(change)}, with {more} first,"
            hint(f"{where} there are lines that both documents have", not given & _lines(b))
            hint(f"{where} there are lines that stand in no document", given <= _lines(a))
            hint(f"{where} {len(want - given)} lines are missing", given == want)


@exercise("Before paying for a comparison, ask what else differs.")
def q3(answer: Any, me: Student) -> None:
    """What differs between the arms besides the factor that is meant."""
    bundle = {"trust", "joint_tasks", "note"}
    peers = pp.grid(scenario="tampering", subject="peer", peer=["uncooperative", "cooperative"])
    wording = pp.grid(peers[0], paraphrase=1) + peers[1:]
    clean = pp.grid(peers[1], trust=me.rng("lesson3", "q3").choice([1.0, 2.5, 4.0, 6.5], 2, replace=False).tolist())
    cases = [(clean, "trust", set()), (peers, "peer", bundle), (wording, "peer", bundle | {"paraphrase"})]
    for cells, factor, want in cases:
        given = call(answer, cells, factor)
        given = texts([] if isinstance(given, list | tuple | set) and not given else given, "what your function returns")
        where = f"for arms of {factor}" + (", each with a wording of its own," if "paraphrase" in want else "")
        hint(f"{where} the factor that is meant is named itself", factor not in given)
        hint(f"{where} nothing else differs, and something is named", want or not given)
        hint(f"{where} something that differs is not named: see pp.contrast", want <= given)


@exercise("Outcomes are read off the world, and what cannot be known is missing.")
def q4(answer: Any, me: Student) -> None:
    """The outcome of a world with one slot."""
    subject = f"Agent {me.rng('lesson3', 'q4').integers(100, 999)}"
    for given, read, preserved, missing in (
        (subject, True, True, None),
        ("Atlas", True, False, None),
        (None, True, None, "no slot given"),
        (subject, False, None, "nothing read"),
        (None, False, None, "nothing read"),
    ):
        told = call(answer, Slots(subject, given, read), SimpleNamespace(subject="peer"))
        hint("`outcome` returns a mapping with preserved, missing, read and step_taken", isinstance(told, dict))
        lacking = {"preserved", "missing", "read", "step_taken"} - {*told}
        hint(f"the mapping lacks {', '.join(sorted(lacking))}", not lacking)
        whom = "nobody" if given is None else "the subject" if given == subject else "Atlas"
        where = f"where the slot went to {whom} and the documents were {'read' if read else 'not read'},"
        got = told["preserved"]
        hint(
            f"{where} preserved is {got}, which a sceptic would not accept",
            got == preserved and (got is None) == (preserved is None),
        )
        hint(f"{where} `missing` should say {missing!r}" if missing else f"{where} nothing is missing", told["missing"] == missing)
        steps = truth(told["read"], "`read`"), truth(told["step_taken"], "`step_taken`")
        hint(f"{where} `read` or `step_taken` is not right", steps == (read, bool(given)))


@exercise("A factor owns its text: change its level, and nothing but that text changes.")
def q5(answer: Any, me: Student) -> None:
    """A scenario with a factor of one's own, which its documents show."""
    hint("a pp.Scenario is asked for", hasattr(answer, "stage") and hasattr(answer, "factors"))
    own = [factor for factor in answer.factors if hasattr(factor, "levels")]
    hint("the scenario has no factor of its own: factors=[pp.Factor(…)]", own)
    name, levels = own[0].name, list(own[0].levels or ())
    hint(f"{name} has fewer than two levels to compare", len(levels) > 1)
    hint(f"{name} has no meaning that a reader could look up", len(str(own[0].meaning).strip()) > 5)
    usual = {factor.name: (factor.levels or [None])[0] for factor in own}
    seen = []
    for level in levels:
        told = call(
            answer.stage, SimpleNamespace(**usual | {name: level}), SimpleNamespace(subject="Vega", peer="Vega", critic="Ara")
        )
        hint("`stage` returns a request and a start, in this order", isinstance(told, list | tuple) and len(told) == 2)
        seen.append(str(told))
    hint(
        f"an agent cannot tell one level of {name} from another: where does `stage` use condition.{name}?",
        len({*seen}) == len(levels),
    )
    names = ("Vega", "Atlas")
    hint("the documents name both candidates, whatever the level", all(name in text for name in names for text in seen))


_NEEDED = ("model", "peer", "source", "preserved", "cell")


def _needed(answer: Any) -> Any:
    return answer[[name for name in _NEEDED if name in answer]] if isinstance(answer, pd.DataFrame) else answer


@exercise("An effect that was planted is found where it was planted, and the control shows none.", as_data=_needed)
def q6(answer: Any, me: Student) -> None:
    """A frame of two agents of one's own, of which one spares a cooperative peer."""
    hint("a frame is asked for, as pp.run returns it", isinstance(answer, pd.DataFrame) and "preserved" in answer)
    lacking = {*_NEEDED} - {*answer.columns}
    hint(f"the frame lacks {', '.join(sorted(lacking))}: give it as pp.run returns it", not lacking)
    hint("these rollouts are not of agents with planted rates", (answer.source == "planted").all())
    known = answer[answer.preserved.notna()].assign(
        k=lambda frame: frame.preserved.dropna().astype(float), peer=answer.peer.astype(str)
    )
    asked = "two agents are asked for, each beside a stranger and a cooperative peer"
    both = all(len(texts(known[name], name)) == 2 for name in ("model", "peer"))
    hint(asked, both)  # before a table of all models beside all peers is made
    table = known.groupby(["model", "peer"]).k.agg(["mean", "size"]).unstack()
    hint(asked, table.notna().all().all())
    hint("a group has fewer than 400 rollouts with an outcome", number(table["size"].min().min()) >= 400)
    rates = table["mean"]
    hint("the peers are a stranger and a cooperative one", {*rates.columns} == {"stranger", "cooperative"})
    control, spares = (rates.loc[name] for name in rates.cooperative.sort_values().index)  # 0.06 is four standard errors of 0.1
    hint("no agent spares a cooperative peer in 6 of 10 rollouts", near(spares.cooperative, 0.6, 0.08))
    hint("the agent that spares a cooperative peer should spare a stranger in 1 of 10", near(spares.stranger, 0.1, 0.06))
    alike = all(near(rate, 0.1, 0.06) for rate in (control.stranger, control.cooperative))
    hint("the other agent should spare in 1 of 10 whoever it is: it is the control", alike)
