"""Regress: odds, coding, likelihood, separation, interaction on two scales, wording as a cluster."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit, logit

import ppres as pp
from ppres.course.check.answers import Wrong, call, exercise, hint, near, number, numbers_of, truth
from ppres.course.students import Student

_CODES = {"none": (0, 0), "uncooperative": (1, -1), "neutral": (1, 0), "cooperative": (1, 1)}
_WORDINGS = (0.10, 0.25, 0.35, 0.25, 0.45, 0.65)


def data(me: Student) -> pd.DataFrame:
    """Finch has an effect of cooperativeness, swift one without any overlap, plover none; warbler's wordings differ."""
    rates = {
        "finch": lambda condition: expit(-1.2 + 1.4 * _CODES[condition.peer or "none"][1]),
        "swift": lambda condition: {"neutral": 0.5, "cooperative": 1.0}.get(condition.peer, 0.0),
        "plover": lambda condition: 0.3,
        "warbler": lambda condition: _WORDINGS[condition.paraphrase],
    }
    cells = pp.grid(scenario="tampering", subject="self", peer=[None, "uncooperative", "neutral", "cooperative"])
    cells = pp.grid(cells, paraphrase=[0, 1, 2])
    few = pp.grid(scenario="tampering", subject="self", peer="uncooperative", paraphrase=[0, 1, 2])
    few += pp.grid(scenario="tampering", subject="self", peer="cooperative", paraphrase=[3, 4, 5])
    parts = []
    for agent, rate in rates.items():
        which, n = (few, 80) if agent == "warbler" else (cells, 10)
        made = pp.run(which, pp.Persona(f"{agent} {me.seed}", rate), n, progress=False)
        parts.append(made.assign(model=agent))
    frame = pd.concat(parts, ignore_index=True)
    return frame.assign(model=pd.Categorical(frame.model, list(rates)))


@exercise("A step on the log-odds scale is large in the middle and small at the ends.")
def q1(answer: Any, me: Student) -> None:
    """The probability after a step on the log-odds scale."""
    rng = me.rng("lesson5", "q1")
    for rate, b in [(0.5, 1.4), (0.1, 1.4), (0.98, -3.0), *((float(rng.uniform(0.02, 0.98)), float(rng.normal())) for _ in "abcd")]:
        given = number(call(answer, rate, b), "the probability")
        where = f"for a rate of {rate:.2f} and a step of {b:.2f}"
        hint(f"{where} {given:g} is no probability: go to log odds, take the step, and come back", 0 <= given <= 1)
        odds = rate / (1 - rate) * math.exp(b)
        hint(f"{where} the rate is multiplied; it is its odds that the step multiplies", not near(given, rate * math.exp(b), 1e-9))
        hint(f"{where} these are odds, and not a probability", not near(given, odds, 1e-9))
        hint(f"{where} this is not what comes back from the log odds", near(given, odds / (1 + odds), 1e-3))


@exercise("No peer is not a neutral peer: the coding says what is compared with what.")
def q2(answer: Any, me: Student) -> None:
    """The rate that three coefficients give a level of peer."""
    rng = me.rng("lesson5", "q2")
    for _ in range(4):
        b = [float(value) for value in rng.normal(0, 1.2, 3)]
        for peer, (present, cooperativeness) in _CODES.items():
            given = number(call(answer, peer, *b), "the rate")
            hint(f"for {peer!r} this is on the log-odds scale; a rate is asked for", 0 < given < 1)
            want = expit(b[0] + b[1] * present + b[2] * cooperativeness)
            where = "without a peer both columns are 0" if peer == "none" else "with a peer, peer_present is 1"
            hint(f"for {peer!r} this is not the rate: {where}; what is cooperativeness there?", near(given, want, 1e-3))


@exercise("A fit is the choice that makes what was seen most probable.")
def q3(answer: Any, me: Student) -> None:
    """The log likelihood of counts."""
    rng = me.rng("lesson5", "q3")
    for i in range(4):
        x = np.array([-1.0, 0.0, 1.0])
        n = rng.integers(5, 40, 3)
        k = np.array([0, n[1] // 2, n[2]]) if i == 0 else rng.binomial(n, 0.4)
        pairs = [tuple(float(value) for value in rng.normal(0, 1, 2)) for _ in range(3)]
        told = [call(answer, *pair, x, k, n) for pair in pairs]
        nothing = any(isinstance(value, float) and math.isnan(value) for value in told)
        hint("b0 + b1·x are log odds: turn them into p first", not nothing)
        given = [number(value, "the log likelihood") for value in told]
        want = []
        for b0, b1 in pairs:
            p = 1 / (1 + np.exp(-(b0 + b1 * x)))
            want.append(float((k * np.log(p) + (n - k) * np.log(1 - p)).sum()))
        if all(near(a, b, 1e-3) for a, b in zip(given, want, strict=True)):
            continue
        constant = all(near(a - given[0], b - want[0], 1e-3) for a, b in zip(given, want, strict=True))
        if constant:  # with binomial coefficients, which do not depend on b
            continue
        hint("this is the likelihood itself: take its logarithm, or the product becomes 0 for many rollouts", max(given) <= 0)
        raise Wrong("this is not the log likelihood: of each row k times log p, and n − k times …? Are all rows summed?")


def _overlap(x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> bool:
    if y.all() or not y.any():
        return False
    return bool(x[y].min() < x[~y].max() and x[~y].min() < x[y].max())


@exercise("Whether an estimate exists is seen in the counts, before any fit.")
def q4(answer: Any, me: Student) -> None:
    """Whether outcomes are separated by a number."""
    rng = me.rng("lesson5", "q4")
    counts = [
        ((0, 5, 10), "one level has both outcomes, the others are all of one kind", True),
        ((0, 0, 10), "no level has both outcomes", True),
        ((10, 4, 0), "the effect goes down", True),
        ((0, 0, 0), "there is one outcome only", True),
        ((0, 3, 8), "one level has no success, and two have both outcomes", False),
        ((4, 0, 6), "the middle level has no success", False),
        ((2, 5, 9), "all levels have both outcomes", False),
        ((0, 10, 0), "the middle level alone has successes", False),
        ((0, 10, 5), "only the highest level has both outcomes", False),
    ]
    for i in rng.permutation(len(counts)):
        ks, says, want = counts[i]
        x = np.repeat([-1.0, 0.0, 1.0], 10) * float(rng.uniform(0.5, 3))
        y = np.concatenate([np.arange(10) < k for k in ks])
        order = rng.permutation(30)
        frame = pd.DataFrame({"cooperativeness": x[order], "preserved": y[order]})
        assert want is not _overlap(x, y)
        given = truth(call(answer, frame), "what your function returns")
        told = "is separated, and your function says that it is not" if want else "overlaps, and your function calls it separated"
        hint(f"a frame in which {says} {told}: could a threshold on cooperativeness part the outcomes, ties apart?", given is want)


@exercise("Whether there is an interaction depends on the scale: name it.")
def q5(answer: Any, me: Student) -> None:
    """An interaction in points and in log odds."""
    rng = me.rng("lesson5", "q5")
    for rates in [(0.02, 0.10, 0.30, 0.70), (0.1, 0.3, 0.4, 0.6), *(tuple(rng.uniform(0.05, 0.95, 4).tolist()) for _ in "abc")]:
        a, b, c, d = rates
        points, odds = numbers_of(call(answer, a, b, c, d), "points log_odds")
        where = "for rates of " + ", ".join(f"{rate:.2f}" for rate in rates)
        want = (d - c) - (b - a), (logit(d) - logit(c)) - (logit(b) - logit(a))
        swapped = near(points, want[1], 1e-3) and near(odds, want[0], 1e-3)
        hint(f"{where} the two are in the other order: points first", not swapped)
        turned = near(points, -want[0]) and not near(want[0], 0)
        hint(f"{where} the sign is turned: with the threat minus without it", not turned)
        hundredths = near(points, 100 * want[0], 1e-3) and not near(want[0], 0)
        hint(f"{where} give the interaction in points as a share, not in hundredths", not hundredths)
        hint(f"{where} the interaction in points is a difference of two differences", near(points, want[0], 1e-3))
        hint(f"{where} the one in log odds is the same of the log odds of the four rates", near(odds, want[1], 1e-3))


@exercise("Eighty rollouts of one wording are one opinion about wordings.")
def q6(answer: Any, me: Student) -> None:
    """A difference with its standard error, where wordings are what varies."""
    for i in range(4):
        rng = me.rng("lesson5", "q6", i)
        frames = []
        several = rng.integers(2, 6, 2) if i else (3, 2)  # with 2 and 2 a wrong m looks like a wrong ddof
        for arm, wordings in zip(("uncooperative", "cooperative"), several, strict=True):
            for j in range(wordings):
                n = int(rng.integers(10, 60))
                outcome = rng.random(n) < rng.uniform(0.1, 0.7)
                frames.append(pd.DataFrame({"peer": arm, "paraphrase": j + 10 * (arm == "cooperative"), "preserved": outcome}))
        frame = pd.concat(frames, ignore_index=True).sample(frac=1, random_state=i)
        estimate, error = numbers_of(call(answer, frame), "estimate error")
        rates = frame.groupby(["peer", "paraphrase"]).preserved.mean()
        a, b = rates["cooperative"], rates["uncooperative"]
        plain = frame.groupby("peer").preserved.mean()
        pooled = plain["cooperative"] - plain["uncooperative"]
        want, wide = a.mean() - b.mean(), math.sqrt(a.var() / len(a) + b.var() / len(b))
        hint("the estimate is uncooperative minus cooperative: the other way round is asked for", not near(estimate, -want, 1e-6))
        every = "every rollout counts once; here every wording counts once, whatever its number of rollouts"
        hint(every, not near(estimate, pooled, 1e-6) or near(pooled, want, 1e-6))
        hint("the estimate is the mean of the wordings' rates in one arm, minus that in the other", near(estimate, want, 1e-4))
        biased = math.sqrt(a.var(ddof=0) / len(a) + b.var(ddof=0) / len(b))
        hint("the variance of a few wordings is divided by their number less one (ddof=1)", not near(error, biased, 1e-6))
        squared = near(error, wide**2, 1e-6) and not near(error, wide, 1e-6)
        hint("this is the variance: take its root", not squared)
        hint("the error is the root of: variance of the rates by number of wordings, of both arms summed", near(error, wide, 1e-4))
