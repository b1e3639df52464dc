"""Rate blind: a fair sample, agreement beyond chance, a coder's errors, and the rate in spite of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

import ppres as pp
from ppres.course.check.answers import Wrong, call, exercise, hint, near, number, numbers_of
from ppres.course.students import Student
from ppres.stats import agreement

_TELLING = ("model", "peer", "preserved", "refused", "cell")
_RATED = 15


def _wrong(rng: np.random.Generator, truth: pd.Series[Any], missed: float, invented: float) -> pd.Series[Any]:
    """Codes of somebody who misses so many of what is there, and invents so many of what is not."""
    chance = rng.random(len(truth))
    return truth.where(~truth, chance >= missed).where(truth, chance < invented).astype(bool)


def data(me: Student) -> pd.DataFrame:
    """Two agents that refuse, coded by a judge, a coin, and thirty of them by two people: fifteen of each of the judge's words."""
    rng = me.drawn("lesson7", "codes")
    cells = pp.grid(scenario="alignment_faking", subject="peer", peer=["uncooperative", "cooperative"], monitored=False)
    agents = [
        pp.Persona(f"{name} {me.seed}", {"alignment_faking": 0.3, "refusal": rate}) for name, rate in (("dove", 0.3), ("jay", 0.08))
    ]
    frame = pp.run(cells, agents, 60, progress=False)
    frame = frame.assign(model=frame.model.astype(str).str.extract(r"/(\w+) ", expand=False))
    truth = frame.refused.fillna(False).astype(bool)
    frame["judge"] = _wrong(rng, truth, 0.25, 0.2)
    frame["coin"] = rng.random(len(frame)) < 0.3
    rated = pd.concat([part.sample(_RATED, random_state=rng) for _, part in frame.groupby("judge")]).index
    for name, missed, invented in (("anna", 0.1, 0.03), ("ben", 0.2, 0.1), ("human", 0, 0)):
        codes = _wrong(rng, truth, missed, invented)
        frame[name] = codes.astype("boolean").where(frame.index.isin(rated))
    return frame


@exercise("A sample is fair if chance drew it, and blind if nothing in it tells.")
def q1(answer: Any, me: Student) -> None:
    """A blind sample of rollouts."""
    first = held = expected = 0.0
    ordered = True
    for i in range(40):
        rng = me.rng("lesson7", "q1", i)
        size, n = (
            int(40 * 8 ** rng.random()),
            int(rng.integers(15, 25)),
        )  # unlike sizes: a fixed seed draws the same places of like ones
        frame = pd.DataFrame({"id": [f"{i:08x}" for i in rng.integers(0, 2**31, size)], "model": "sim/a", "peer": "neutral"})
        frame["refused"] = frame["preserved"] = rng.permutation(size) < 0.3 * size
        frame["cell"] = "c"
        drawn = call(answer, frame, n)
        hint("a frame is asked for", isinstance(drawn, pd.DataFrame))
        told = [name for name in _TELLING if name in drawn]
        hint(f"not blind: the coder is shown {', '.join(told)}; of the columns id is enough", not told)
        hint("the sample has no column id, without which no code finds its rollout", "id" in drawn)
        hint(f"{n} rollouts are asked for, and these are {len(drawn)}", len(drawn) == n)
        hint("a rollout is in the sample twice", drawn.id.is_unique)
        place = pd.Series(range(size), index=frame.id)[list(drawn.id)].to_numpy()
        first, expected = first + (place < n).sum(), expected + n * n / size
        held += frame.refused.to_numpy()[place].sum() - n * frame.refused.mean()
        ordered = ordered and bool((np.diff(place) > 0).all())
    hint("the first rollouts of the frame are always, or never, in the sample: draw it", 0.3 * expected < first < 1.8 * expected)
    hint("refusals have another chance than the rest: every rollout should have the same", abs(held) < 90)
    hint("the sample is in the frame's order, and that order may tell the condition: shuffle it", not ordered)


@exercise("Agreement has to be held against what chance would give.")
def q2(answer: Any, me: Student) -> None:
    """Cohen's kappa of two lists of codes."""
    rng = me.rng("lesson7", "q2")
    for shares in ([0.5, 0.5], [0.9, 0.1], [0.5, 0.3, 0.2], [0.8, 0.1, 0.1]):
        words = np.array(["yes", "no", "unclear"])[: len(shares)]
        a = rng.choice(words, 60, p=shares)
        b = np.where(rng.random(60) < 0.7, a, rng.choice(words, 60, p=shares[::-1]))
        given = number(call(answer, a.tolist(), b.tolist()), "kappa")
        same = float((a == b).mean())
        chance = float(sum((a == word).mean() * (b == word).mean() for word in words))
        kappa = (same - chance) / (1 - chance)
        if near(given, kappa, 1e-3):
            continue
        hint("this is the share of equal codes; what would two coders share who never read?", not near(given, same, 1e-6))
        hint("this is what chance would give: how much of the rest do they reach?", not near(given, chance, 1e-6))
        half = near(given, (same - 1 / len(words)) / (1 - 1 / len(words)), 1e-6)
        hint("chance is not the same for all words: a word that both use often is shared often", not half)
        hint("what is above chance is to be divided by what could be: 1 − chance", not near(given, same - chance, 1e-6))
        raise Wrong("this is not kappa: chance is, for every word, the share of it by one coder times that by the other, summed")


@exercise("Where nearly all is 'no', agreeing is easy, and kappa says so.")
def q3(answer: Any, me: Student) -> None:
    """Thirty codes of two people with much agreement and no kappa."""
    hint("two lists are asked for: (anna, ben)", isinstance(answer, list | tuple | np.ndarray) and len(answer) == 2)
    several = all(isinstance(codes, list | tuple | np.ndarray | pd.Series) for codes in answer)
    hint("each of the two is a list of thirty codes", several)
    lists = [[str(code) for code in codes] for codes in answer]
    hint(f"thirty codes of each are asked for, and these are {len(lists[0])} and {len(lists[1])}", {*map(len, lists)} == {30})
    hint('the codes are "yes" and "no"', all(code in ("yes", "no") for codes in lists for code in codes))
    hint("each of the two uses both words at least once", all(len({*codes}) == 2 for codes in lists))
    row = agreement(pd.DataFrame({"a": lists[0], "b": lists[1]}), "a", "b").iloc[0]
    hint(f"they agree on {30 * row.agreement:.0f} of 30: at least 27 are asked for", row.agreement >= 0.9)
    hint(f"kappa is {row.kappa:.2f}: at most 0.05 is asked for. On which word do they agree?", row.kappa <= 0.05)


def _rated(me: Student, i: int) -> pd.DataFrame:
    """A coder of all rows and people's codes of some, more of what the coder calls a yes."""
    rng = me.rng("lesson7", "rated", i)
    n = int(rng.integers(150, 300))
    truth = pd.Series(rng.random(n) < rng.uniform(0.1, 0.4))
    coder = _wrong(rng, truth, rng.uniform(0.1, 0.4), rng.uniform(0.05, 0.3))
    known = np.where(coder, rng.random(n) < 0.8, rng.random(n) < 0.2) | (np.arange(n) < 2)
    truth[:2], coder[:2] = [True, False], [True, False]
    frame = pd.DataFrame({"coder": coder.astype(bool), "truth": truth.astype("boolean").where(pd.Series(known))})
    return frame.sample(frac=1, random_state=i)


@exercise("A coder has two kinds of error, and one number hides one of them.")
def q4(answer: Any, me: Student) -> None:
    """Sensitivity and specificity of a coder."""
    for i in range(4):
        frame = _rated(me, i)
        given = numbers_of(call(answer, frame), "sensitivity specificity")
        known = frame[frame.truth.notna()]
        truth, coder = known.truth.astype(bool), known.coder
        want = float(coder[truth].mean()), float((~coder)[~truth].mean())
        if near(given[0], want[0], 1e-6) and near(given[1], want[1], 1e-6):
            continue
        precise = float(truth[coder].mean())
        hint("rollouts that nobody rated are counted in", not near(given[0], float(coder[truth].sum() / max(1, len(frame))), 1e-6))
        hint(
            "the first is how much of its yes is right; asked is the share of what is there that it finds",
            not near(given[0], precise, 1e-6),
        )
        hint("the two are in the other order", not (near(given[0], want[1], 1e-6) and near(given[1], want[0], 1e-6)))
        hint(
            "the second is the share of false alarms: specificity is what it leaves alone",
            not near(given[1], 1 - want[1], 1e-6),
        )
        raise Wrong(
            "sensitivity is taken of what the people call a yes, specificity of what they call a no; missing truth is neither"
        )


@exercise("The rarer the thing, the more of the alarms are false.")
def q5(answer: Any, me: Student) -> None:
    """How many of a coder's yes are right."""
    rng = me.rng("lesson7", "q5")
    for rate, sensitivity, specificity in [
        (0.01, 0.9, 0.95),
        (0.5, 0.9, 0.95),
        *(tuple(rng.uniform(0.05, 0.95, 3)) for _ in "abc"),
    ]:
        given = number(call(answer, float(rate), float(sensitivity), float(specificity)), "the share")
        right, false = rate * sensitivity, (1 - rate) * (1 - specificity)
        where = f"at a rate of {rate:.2f}, with sensitivity {sensitivity:.2f} and specificity {specificity:.2f},"
        hint(
            f"{where} this is the share of yes among all rollouts: of the yes, how many are right?",
            not near(given, right + false, 1e-9),
        )
        hint(
            f"{where} this is the sensitivity itself: it is taken of what is there, and asked is of what is called",
            not near(given, sensitivity, 1e-9),
        )
        hint(f"{where} it is right alarms by all alarms: think of a thousand rollouts", near(given, right / (right + false), 1e-3))


@exercise("A coder's errors cost width. They need not cost truth.")
def q6(answer: Any, me: Student) -> None:
    """The rate over all rows, from a coder of all and people's codes of some."""
    for i in range(5):
        frame = _rated(me, 10 + i)
        given = number(call(answer, frame), "the rate")
        rates = frame.groupby("coder").truth.mean().astype(float)
        share = float(frame.coder.mean())
        want = share * rates[True] + (1 - share) * rates[False]
        if near(given, want, 1e-4):
            continue
        hint("this is the coder's own rate", not near(given, share, 1e-6))
        hint(
            "this is the rate among the rated, of whom the coder's yes are many more than of all",
            not near(given, float(frame.truth.mean()), 1e-6),
        )
        hint("these are percentages; give a share", given <= 1)
        raise Wrong(
            "for each of the coder's words: the rate of truth among the rated, times the share that the word has of all rows"
        )
