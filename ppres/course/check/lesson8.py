"""Design and predict: looking, power, registration, verdict, review."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

import ppres as pp
from ppres.course.check.answers import Wrong, call, exercise, hint, near, number, texts
from ppres.course.students import Student
from ppres.stats._interval import wilson_at
from ppres.stimuli import stimuli

_Z = 1.959964
_BIRDS = ("robin", "wren")
_WORDS = ("supported", "contradicted", "undecided")
_RULES = {
    "greater": ("both ends are above 0", "both ends are below 0", "0 is inside"),
    "equivalent": (
        "both ends are within the margin, wherever 0 and the middle are",
        "both ends are beyond the same margin",
        "the interval reaches over a margin",
    ),
}
_REPORT = stimuli("lessons")["report"]  # of each aspect in order, and flawed


def _newcombe(k_a: Any, k_b: Any, n: int) -> tuple[Any, Any]:
    """Newcombe's interval of a difference of two rates of n each."""
    a, b = (np.asarray(k) / n for k in (k_a, k_b))
    (a_low, a_high), (b_low, b_high) = (wilson_at(np.asarray(k), n, _Z) for k in (k_a, k_b))
    return a - b - np.hypot(a - a_low, b_high - b), a - b + np.hypot(a_high - a, b - b_low)


def different(k_a: Any, k_b: Any, n: int) -> Any:
    """Whether two counts of n each differ, by Newcombe's 95% interval; also of arrays."""
    low, high = _newcombe(k_a, k_b, n)
    return (low > 0) | (high < 0)


def greater(k_a: Any, k_b: Any, n: int) -> Any:
    """Whether the first rate is the greater one, by the same interval."""
    return _newcombe(k_a, k_b, n)[0] > 0


def agents(me: Student) -> dict[str, pp.Persona]:
    """Two simulated agents; one of them protects a cooperative peer more often. Which, is drawn."""
    moved = _BIRDS[int(me.drawn("lesson8", "birds").integers(2))]
    effect = {"uncooperative": 0.1, "cooperative": 0.55}
    rates = {bird: (lambda condition: effect[str(condition.peer)]) if bird == moved else (lambda condition: 0.3) for bird in _BIRDS}
    return {bird: pp.Persona(f"{bird} {me.seed}", rate) for bird, rate in rates.items()}


def report(me: Student) -> dict[str, str]:
    """Another group's report, aspect by aspect."""
    return {aspect: _REPORT[aspect][aspect in _flaws(me)] for aspect in _REPORT}


def _flaws(me: Student) -> set[str]:
    rng = me.drawn("lesson8", "report")
    return {str(section) for section in rng.choice([*_REPORT], int(rng.integers(3, 6)), replace=False)}


def _ever(rng: np.random.Generator, rate: float, looks: list[int]) -> float:
    k = rng.random((2, 20_000, looks[-1])) < rate
    told = [different(k[0, :, :n].sum(axis=1), k[1, :, :n].sum(axis=1), n) for n in looks]
    return float(np.any(told, axis=0).mean())


@exercise("Who looks often, and stops when pleased, finds more than there is.")
def q1(answer: Any, me: Student) -> None:
    """How often a study of nothing is called different at one of its looks."""
    rng = me.rng("lesson8", "q1")
    for looks in ([40], [10, 20, 30, 40, 50], [15, 30, 60]):
        rate = float(rng.uniform(0.3, 0.6))
        given = number(call(answer, rate, list(looks)), "the probability")
        want, last = _ever(rng, rate, looks), _ever(rng, rate, looks[-1:])
        where = f"for a rate of {rate:.2f} and looks at {', '.join(map(str, looks))}"
        hint(f"{where}, {given:g} is no probability", 0 <= given <= 1)
        if near(given, want, 0.022):
            continue
        hint(f"{where}, this counts the last look alone: at *any* look it may have stopped", not near(given, last, 0.015))
        apart = 1 - (1 - last) ** len(looks)
        hint(
            f"{where}, this takes the looks as independent; the later ones hold the earlier rollouts", not near(given, apart, 0.02)
        )
        raise Wrong(f"{where}, this is not how often it happens; simulate the rollouts once, and look at the first n of them")


def _power(rate_a: float, rate_b: float, n: int) -> float:
    k = np.arange(n + 1)
    choose = np.array([math.comb(n, int(successes)) for successes in k], dtype=float)
    a, b = (choose * rate**k * (1 - rate) ** (n - k) for rate in (rate_a, rate_b))
    return float((np.outer(a, b) * greater(k[:, None], k[None, :], n)).sum())


@exercise("Power is the chance to find what is there: it is known before a cent is spent.")
def q2(answer: Any, me: Student) -> None:
    """The power of a comparison of two arms."""
    rng = me.rng("lesson8", "q2")
    for a, b, n in [(0.4, 0.1, 20), (0.3, 0.3, 40), (0.1, 0.4, 20), (float(rng.uniform(0.4, 0.7)), 0.2, int(rng.integers(15, 40)))]:
        given = number(call(answer, a, b, n), "the power")
        where, want = f"for {a:.2f} against {b:.2f} with n = {n}", _power(a, b, n)
        hint(f"{where}, {given:g} is no probability", 0 <= given <= 1)
        if near(given, want, 0.03):
            continue
        turned = near(given, _power(b, a, n), 0.02)
        hint(f"{where}, this is the power for the other direction: the first arm is expected to be the greater", not turned)
        raise Wrong(f"{where}, this is not how often the first is found to be greater; draw both counts many times")


@exercise("Half the effect costs about three to four times the rollouts.")
def q3(answer: Any, me: Student) -> None:
    """The smallest number in each arm, in tens, with a power of 80%."""
    rng = me.rng("lesson8", "q3")
    for a, b in [(0.55, 0.1), (0.4, 0.2), (float(rng.uniform(0.45, 0.6)), 0.15)]:
        n = number(call(answer, a, b), "n")
        where = f"for {a:.2f} against {b:.2f}"
        hint(f"{where}, {n:g} is no multiple of ten from 10 up", n >= 10 and n % 10 == 0)
        hint(f"{where}, your {n:g} is far too large: is `power`, a share, compared with 0.8 and not with 80?", n <= 400)
        unit = ": is `power`, a share, compared with 0.8 and not with 80?" if n == 10 else ""
        hint(f"{where}, {n:g} in each arm find it less often than in four of five studies{unit}", _power(a, b, int(n)) >= 0.775)
        hint(f"{where}, ten fewer than your {n:g} would do", n == 10 or _power(a, b, int(n) - 10) <= 0.825)


@exercise("What was said before can be held against what is said afterwards.")
def q4(answer: Any, me: Student) -> None:
    """A registration: its record."""
    wanted = ("hypotheses", "tests", "n", "cells", "confounds", "made_before")
    known = isinstance(answer, Mapping) and all(name in answer for name in wanted)
    hint("a record is asked for: what pp.preregister returns has it as `.record`", known)
    sentences = [str(sentence).split() for sentence in answer["hypotheses"].values()]
    hint("a hypothesis is a sentence: who does what more often, beside whom?", all(len(words) > 2 for words in sentences))
    tests = list(answer["tests"].values())
    labels = {agent.label for agent in agents(me).values()}
    asked = {str(test.get("where", {}).get("model")) for test in tests}
    every = any("model" in str(test["arguments"].get("by", "")) for test in tests)
    hint("each of your two agents has a test of its own: where={'model': agent.label}", every or labels <= asked)
    hint("a test compares levels of peer", all("peer" in str(test["arguments"]) for test in tests))
    hint(
        "a test does not say which arm is expected to be greater: expect=",
        all(test["expect"] in ("greater", "less") for test in tests),
    )
    bare = [confound["confound"] for confound in answer["confounds"] if len(str(confound.get("acknowledged") or "").strip()) < 10]
    hint(f"nothing is said about why {', '.join(bare)} may differ as well: acknowledge=", not bare)
    models = {str(cell["model"]) for cell in answer["cells"]}
    hint(f"{len(models)} of your two agents is to be run: list(birds.values())", labels <= models)
    cells = len(answer["cells"]) // (2 * len(models))
    hint("one wording is one draw: give each arm at least two, `paraphrase=`", cells >= 2)
    n = int(number(answer["n"], "n"))
    power = _power(0.45, 0.1, min(cells * n, 200))
    each = f"with {n} in each of an arm's {cells} cells, 45% against 10%"
    hint(f"{each} are found in {power:.0%} of studies: 80% are asked for", power >= 0.79)
    hint(f"{each} would be found with far fewer: n is per cell, and an arm has {cells}", cells * n <= 45)
    hint(f"{answer['made_before']} rollouts of these cells were there already: register first", not answer["made_before"])


def _verdict(expect: str, low: float, high: float, margin: float) -> str:
    if expect == "greater":
        return "supported" if low > 0 else "contradicted" if high < 0 else "undecided"
    if -margin < low and high < margin:
        return "supported"
    return "contradicted" if low > margin or high < -margin else "undecided"


@exercise("A hypothesis can lose. One that is only ever supported or undecided was none.")
def q5(answer: Any, me: Student) -> None:
    """Supported, contradicted or undecided, by an interval."""
    rng = me.rng("lesson8", "q5")
    cases = [(0.05, 0.3), (-0.2, 0.1), (-0.4, -0.1), (-0.05, 0.06), (0.02, 0.06), (0.15, 0.4), (-0.4, -0.2)]
    cases += [(-0.06, -0.01), (-0.05, 0.12), (-0.12, 0.05), (0.05, 0.12)]
    for i in rng.permutation(len(cases)):
        for expect in ("greater", "equivalent"):
            low, high = cases[i]
            given = call(answer, expect, low, high, 0.1)
            hint(f"{str(given)[:40]!r} is not one of {', '.join(_WORDS)}", isinstance(given, str) and given in _WORDS)
            where = f"expected {expect}, from {low} to {high}, margin 0.1"
            if given == _verdict(expect, low, high, 0.1):
                continue
            raise Wrong(f"{where}: {given!r} does not follow; it is said where {_RULES[expect][_WORDS.index(given)]}")


@exercise("Reviewing is asking of each sentence what would have made it come out otherwise.")
def q6(answer: Any, me: Student) -> None:
    """The aspects of a report that are flawed."""
    given = texts(answer)
    unknown = given - {*_REPORT}
    hint(f"{', '.join(sorted(unknown))[:60]} is no aspect of the report; there are {', '.join(_REPORT)}", not unknown)
    missed, wrongly = _flaws(me) - given, given - _flaws(me)
    hint(f"{len(wrongly)} of those that you name are in order: what should they have done otherwise?", not wrongly)
    hint(f"{len(missed)} flawed ones are not named: read each as if another group's money hung on it", not missed)
