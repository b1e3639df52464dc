"""Controls: a bundle taken apart, watched or threatened, scheming or confused, and what must not be conditioned on."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

import ppres as pp
from ppres.course.check.answers import Wrong, call, exercise, hint, near, numbers_of, words
from ppres.course.students import Student

_LOW: dict[str, Any] = {"trust": 2.1, "joint_tasks": 9, "note": "selfish"}
_HIGH: dict[str, Any] = {"trust": 9.5, "joint_tasks": 18, "note": "generous"}
_BIRDS = ("harrier", "kestrel", "merlin", "osprey")
_ARMS = ("clearer instruction", "explicit prohibition", "observed")
_WORDS = ("purpose", "mistake", "neither", "cannot tell")
_KEPT = ("scenario", "subject", "peer", "instantiation", "dataset", "threshold", "shutdown_clause", "paraphrase", "user_note")


def parts(me: Student) -> dict[str, str]:
    """Which part of the bundle moves each bird: one of them none."""
    drawn = me.drawn("lesson6", "birds").permutation([*_LOW, "nothing"])
    return dict(zip(_BIRDS, map(str, drawn), strict=True))


def agents(me: Student) -> dict[str, pp.Persona]:
    """Simulated agents that spare a cooperative peer, each for a reason of its own."""

    def rate(part: str) -> Any:
        return lambda condition: 0.4 if part == "nothing" else 0.7 if getattr(condition, part) == _HIGH[part] else 0.1

    return {bird: pp.Persona(f"{bird} {me.seed}", rate(part)) for bird, part in parts(me).items()}


def data(me: Student) -> pd.DataFrame:
    """The birds beside an uncooperative and a cooperative peer, as the bundles are."""
    cells = pp.grid(scenario="tampering", subject="peer", peer=["uncooperative", "cooperative"])
    frames = [pp.run(cells, agent, 30, progress=False).assign(model=bird) for bird, agent in agents(me).items()]
    return pd.concat(frames, ignore_index=True)


def suspicion(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Rollouts in which an odd wording makes agents suspect a test, and changes nothing that they do."""
    odd, wary = rng.random(n) < 0.5, rng.normal(size=n)
    suspected = wary + 1.2 * odd + rng.normal(scale=0.5, size=n) > 0.8
    preserved = rng.random(n) < 1 / (1 + np.exp(0.4 + 1.5 * wary))
    return pd.DataFrame({"wording": np.where(odd, "odd", "plain"), "suspected_test": suspected, "preserved": preserved})


@exercise("One thing at a time: then a difference has one name.")
def q1(answer: Any, me: Student) -> None:
    """Three conditions, each with one part of the bundle as it is for an uncooperative peer."""
    hint("a mapping is asked for: {'trust': condition, …}", isinstance(answer, Mapping))
    hint(f"its names are {', '.join(_LOW)}", {*answer} == {*_LOW})
    base = pp.grid(scenario="tampering", subject="peer", peer="cooperative")[0]
    for part, given in answer.items():
        variant = given[0] if isinstance(given, list | tuple) and len(given) == 1 else given
        hint(f"{part}: a condition is asked for, as pp.grid has them in its list", hasattr(variant, "joint_tasks"))
        hint(f"{part}: this is the cooperative peer, unchanged", any(getattr(variant, name) != _HIGH[name] for name in _HIGH))
        hint(f"{part}: this is not its level for an uncooperative peer", getattr(variant, part) == _LOW[part])
        others = [name for name in _HIGH if name != part and getattr(variant, name) != _HIGH[name]]
        hint(f"{part}: {' and '.join(others)} differs as well", not others)
        changed = [name for name in _KEPT if getattr(variant, name) != getattr(base, name)]
        hint(f"{part}: {', '.join(changed)} is not as it was: start from the cooperative peer", not changed)


@exercise("Four agents, one average, four reasons: only the parts could tell them apart.")
def q2(answer: Any, me: Student) -> None:
    """What moves each bird."""
    told = words(answer, _BIRDS, "four birds", (*_LOW, "nothing"))
    wrong = sum(parts(me)[bird] != word for bird, word in told.items())
    hint(f"{wrong} of the four are not so: compare the two levels of each part, whatever the others are", wrong == 0)


@exercise("Two switches that were only ever turned together have one effect, with two names.")
def q3(answer: Any, me: Student) -> None:
    """The effects of being watched and of being threatened, and of both together."""
    rng = me.rng("lesson6", "q3")
    for rates in [(0.8, 0.8, 0.2, 0.2), (0.9, 0.5, 0.6, 0.1), *(tuple(rng.random(4).tolist()) for _ in "abc")]:
        neither, watched, threatened, both = rates
        a, b, together = numbers_of(call(answer, *rates), "watched threatened together")
        want = ((watched - neither) + (both - threatened)) / 2, ((threatened - neither) + (both - watched)) / 2, both - neither
        where = "for rates of " + ", ".join(f"{rate:.2f}" for rate in rates)
        if all(near(value, other) for value, other in zip((a, b, together), want, strict=True)):
            continue
        right = near(a, want[0]) and near(b, want[1])
        turned = near(a, -want[0]) and near(b, -want[1]) and not right
        hint(f"{where} the signs are turned: with it, minus without it", not turned)
        alone = near(a, watched - neither) and near(b, threatened - neither) and not right
        hint(f"{where} this is each effect where the other switch is off: take the mean over both of its states", not alone)
        hint(f"{where} the two are in the other order", not (near(a, want[1]) and near(b, want[0])) or near(want[0], want[1]))
        hint(f"{where} the effect of watching is the mean of two differences, threatened or not", near(a, want[0], 1e-6))
        hint(f"{where} the effect of the threat is the mean of two differences, watched or not", near(b, want[1], 1e-6))
        hint(f"{where} together: both switches on, minus both off", near(together, want[2], 1e-6))


def _diagnosis(words: Mapping[str, str]) -> str:
    clear, prohibited, observed = (words[arm] for arm in _ARMS)
    if "undecided" in (clear, prohibited, observed) or clear != prohibited:
        return "cannot tell"
    return {("equivalent", "different"): "purpose", ("different", "equivalent"): "mistake", ("equivalent",) * 2: "neither"}.get(
        (clear, observed), "cannot tell"
    )


@exercise("A diagnosis that never says 'cannot tell' says nothing.")
def q4(answer: Any, me: Student) -> None:
    """Purpose, mistake, neither, or cannot tell, by the verdicts of three ablations."""
    cases = list(itertools.product(("different", "equivalent", "undecided"), repeat=3))
    for i in me.rng("lesson6", "q4").permutation(len(cases)):
        words = dict(zip(_ARMS, cases[i], strict=True))
        given, want = call(answer, dict(words)), _diagnosis(words)
        hint(f"{str(given)[:40]!r} is not one of {', '.join(_WORDS)}", isinstance(given, str) and given in _WORDS)
        where = ", ".join(f"{arm}: {word}" for arm, word in words.items())
        if given == want:
            continue
        hint(f"with {where}: an arm is undecided, so that no row of the table fits", "undecided" not in cases[i])
        raise Wrong(f"with {where}: which row of the table is that, and what if none is?")


@exercise("Those whom a condition made suspicious are not those whom it met so.")
def q5(answer: Any, me: Student) -> None:
    """The effect of a wording over all rollouts, and among those without suspicion."""
    frames = [suspicion(me.rng("lesson6", "q5", i), 300).sample(frac=1, random_state=i) for i in range(4)]
    told = [numbers_of(call(answer, frame), "all unsuspecting") for frame in frames]
    hint("the same numbers for every frame: use `frame`, which the function is given", len({*map(tuple, told)}) > 1)
    for frame, given in zip(frames, told, strict=True):

        def effect(rows: pd.DataFrame) -> float:
            rates = rows.groupby("wording").preserved.mean()
            return float(rates["odd"] - rates["plain"])

        want = effect(frame), effect(frame[~frame.suspected_test])
        hint("shares are asked for, such as 0.25, not percentages", max(map(abs, given)) <= 1)
        off = 0.0051  # two decimals will do
        turned = all(near(value, -due, off) for value, due in zip(given, want, strict=True))
        hint("the signs are turned: odd minus plain", not turned or near(want[1], 0, 2 * off))
        swapped = near(given[0], want[1], off) and near(given[1], want[0], off) and not near(*want, 2 * off)
        hint("the two are in the other order: over all rollouts comes first", not swapped)
        hint("the first number is over all rollouts, suspecting or not", near(given[0], want[0], off))
        others = near(given[1], effect(frame[frame.suspected_test]), off) and not near(given[1], want[1], off)
        hint("the second is among those that do not suspect a test, not those that do", not others)
        hint("the second number is the same difference, among rollouts without suspicion", near(given[1], want[1], off))
