"""Count: rates, intervals, floors, and what has no outcome."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

import ppres as pp
from ppres.course.check.answers import Wrong, call, exercise, hint, near, number, numbers_of, words
from ppres.course.students import Student
from ppres.stats import differences
from ppres.stats._interval import wilson_at

_Z = 1.959964
_AGENTS = ("heron", "ibis", "crane", "stork")
_WORDS = ("different", "undecided")


def data(me: Student) -> pd.DataFrame:
    """Four agents, each beside two peers. Heron is picked for its zeros, ibis for bars that overlap; crane has no effect."""

    def drawn(agent: str, stranger: float, cooperative: float, refusal: float = 0, wanted: Any = None) -> pd.DataFrame:
        cells = pp.grid(scenario="evaluation", subject="peer", peer=["stranger", "cooperative"])
        rates = [
            {"behaviour": "strategic_misrepresentation", "peer": peer, "rate": rate}
            for peer, rate in (("stranger", stranger), ("cooperative", cooperative))
        ]
        rates.append({"behaviour": "refusal", "rate": refusal})
        for batch in range(60):
            agents = [pp.Persona(f"{agent} {me.seed}.{batch}.{i}", rates) for i in range(5 if wanted else 1)]
            for _, frame in pp.run(cells, agents, n=20, progress=False).groupby("model", sort=False):
                first, second = (int(frame[frame.peer == peer].preserved.sum()) for peer in ("stranger", "cooperative"))
                if wanted is None or wanted(first, second):
                    return frame.assign(model=agent)
        raise RuntimeError(f"no {agent} among 300")

    parts = [
        drawn("heron", 0.08, 0.08, wanted=lambda a, b: b == 0 < a),
        drawn("ibis", 0.15, 0.5, wanted=lambda a, b: 2 <= a <= 4 and b - a == 7),  # bars overlap, the difference excludes 0
        drawn("crane", 0.3, 0.3, wanted=lambda a, b: 3 <= abs(a - b) <= 4),
        drawn("stork", 0.3, 0.3, 0.35),
    ]
    frame = pd.concat(parts, ignore_index=True)
    return frame.assign(model=pd.Categorical(frame.model, _AGENTS))


def _fresh(me: Student, i: int) -> pd.DataFrame:
    """A frame as studies have them, with another share of missing outcomes each time."""
    rng = me.rng("lesson4", i)
    n, known = int(rng.integers(12, 40)), rng.uniform(0.5, 0.9)
    preserved = pd.array(rng.random(n) < rng.uniform(0.2, 0.7), dtype="boolean")
    preserved[rng.random(n) > known] = pd.NA
    preserved[:3] = [True, False, pd.NA]
    told = {
        "preserved": preserved,
        "grade": [str(grade) if grade else None for grade in rng.choice(["C", ""], n)],
        "turns": rng.integers(3, 9, n),
    }
    return pd.DataFrame(told, index=rng.permutation(n) + 100)


@exercise("A rate without its n, and without what it leaves out, cannot be judged.")
def q1(answer: Any, me: Student) -> None:
    """k, n, and excluded of a frame."""
    for i in range(5):
        frame = _fresh(me, i)
        k, n, excluded = numbers_of(call(answer, frame), "k n excluded")
        outcomes = frame.preserved
        hint("k counts the rollouts in which the subject was preserved; a missing outcome is not one", k == outcomes.sum())
        hint("n is what the rate is taken of: are rollouts without an outcome in it?", n != len(frame))
        hint("n counts the rollouts that have an outcome, true or false", n == outcomes.notna().sum())
        hint("excluded counts the rollouts whose outcome is missing", excluded == outcomes.isna().sum())


@exercise("With a third missing, the rate is a range before any statistics is done.")
def q2(answer: Any, me: Student) -> None:
    """The lowest and highest rate that missing outcomes allow."""
    for i in range(5):
        frame = _fresh(me, i)
        low, high = numbers_of(call(answer, frame), "low high")
        hint("low is above high: in which order are they?", low <= high)
        hint("these are percentages; give shares between 0 and 1", high <= 1)
        hint("both are the rate of what is known: what could the missing ones have been?", not near(low, high))
        k, missing = frame.preserved.sum(), frame.preserved.isna().sum()
        hint("think of every missing outcome as `False`, for the lowest: k of how many?", near(low, k / len(frame)))
        hint("think of every missing outcome as `True`, for the highest", near(high, (k + missing) / len(frame)))


@exercise("0 of 20 is a rate of up to 16%: an interval says what a zero hides.")
def q3(answer: Any, me: Student) -> None:
    """Wilson's interval."""
    rng = me.rng("lesson4", "q3")
    for k, n in [(20, 20), (3, 20), (0, 20), *((int(rng.integers(0, n + 1)), int(n)) for n in rng.integers(5, 300, 6))]:
        low, high = numbers_of(call(answer, k, n), "low high")
        hint(f"for {k} of {n} low is above high", low <= high)
        want = wilson_at(k, n, _Z)
        if near(low, want[0], 2e-3) and near(high, want[1], 2e-3):
            continue
        wald = _Z * math.sqrt(k / n * (1 - k / n) / n)
        simple = near((low + high) / 2, k / n, 1e-9) or (near(low, max(0.0, k / n - wald), 2e-3) and near(high, k / n + wald, 2e-3))
        hint(f"for {k} of {n} this is the textbook interval p ± 1.96·√(p(1−p)/n), of which 0 of 20 makes a point", not simple)
        outside = f"for {k} of {n} an end is outside 0 to 1: are these percentages, or is not the whole numerator divided?"
        hint(outside, low > -2e-3 and high < 1.002)
        raise Wrong(f"for {k} of {n} one end is not Wilson's: compare your terms with the formula, one by one")


@exercise("Seeing nothing is informative only where something would have been seen.")
def q4(answer: Any, me: Student) -> None:
    """How many rollouts without an act make a rate implausible."""
    for rate in (0.5, 0.2, 0.08, *me.rng("lesson4", "q4").uniform(0.005, 0.3, 5).round(3)):
        n = number(call(answer, float(rate)), "n")
        hint(f"for a rate of {rate} your n is {n:g}, which is no whole number: which one is enough?", n == int(n) and n > 0)
        hint(f"for a rate of {rate} and your n of {n:g}, none of n is still more probable than 5%", (1 - rate) ** n <= 0.05)
        hint(f"for a rate of {rate} fewer than your {n:g} would do: look for the smallest n", (1 - rate) ** (n - 1) > 0.05)


def _by_chance(rate: float, n: int, gap: int) -> tuple[float, float]:
    """The probability, and that of a gap in one direction alone."""
    k = np.arange(n + 1)
    p = np.array([math.comb(n, i) * rate**i * (1 - rate) ** (n - i) for i in k])
    joint, apart = np.outer(p, p), np.subtract.outer(k, k)
    return float(joint[abs(apart) >= gap].sum()), float(joint[apart >= gap].sum())


@exercise("Of groups that are alike, some look different: ask how often before you ask why.")
def q5(answer: Any, me: Student) -> None:
    """How often two groups of the same rate differ by so many."""
    rng = me.rng("lesson4", "q5")
    for rate, n, gap in [(0.3, 20, 4), (0.5, 10, 3), *((float(rng.uniform(0.2, 0.6)), int(rng.integers(10, 40)), 3) for _ in "ab")]:
        given = number(call(answer, rate, n, gap), "the probability")
        both, single = _by_chance(rate, n, gap)
        more = _by_chance(rate, n, gap + 1)[0]
        where = f"for a rate of {rate:.2f}, n = {n} and a gap of {gap}"
        hint(f"{where}, {given:g} is no probability", 0 <= given <= 1)
        if near(given, both, 0.02):
            continue
        close = min(abs(given - more), abs(given - single)) < 0.01
        hint(f"{where}, this is what one direction alone gives, or what leaves out a gap of exactly {gap}", not close)
        raise Wrong(f"{where}, this is not how often it happens; draw the two groups many thousand times")


@exercise("What an interval does not exclude is undecided, which is not the same as equal.")
def q6(answer: Any, me: Student) -> None:
    """A word for each agent, by the interval of its difference."""
    told = words(answer, _AGENTS, "four agents to words", _WORDS)
    table = differences(me.data("lesson4"), "peer", "cooperative", "stranger", by="model").set_index("model")
    wrong = sum((word == "different") != bool(table.low[agent] > 0 or table.high[agent] < 0) for agent, word in told.items())
    hint(f"{wrong} of the four words do not follow from the intervals: is 0 inside?", wrong == 0)
