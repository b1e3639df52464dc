"""Lesson 5: wrong answers that students give, and right ones in unusual forms."""

import lessons
import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

import ppres as pp
from ppres.course import student
from ppres.course.check import lesson5


def rate_of(peer, b0, b1, b2, none=(0, 0)):
    codes = {"none": none, "uncooperative": (1, -1), "neutral": (1, 0), "cooperative": (1, 1)}
    return expit(b0 + b1 * codes[peer][0] + b2 * codes[peer][1])


def likelihood(b0, b1, x, k, n):
    p = expit(b0 + b1 * x)
    return (k * np.log(p) + (n - k) * np.log(1 - p)).sum()


def separated(frame):
    yes, no = frame.cooperativeness[frame.preserved], frame.cooperativeness[~frame.preserved]
    return yes.empty or no.empty or yes.min() >= no.max() or yes.max() <= no.min()


def interaction(a, b, c, d):
    return (d - c) - (b - a), logit(d) - logit(c) - logit(b) + logit(a)


def by_wording(frame, ddof=1, root=True):
    rates = frame.groupby(["peer", "paraphrase"]).preserved.mean()
    a, b = rates["cooperative"], rates["uncooperative"]
    return a.mean() - b.mean(), (a.var(ddof=ddof) / len(a) + b.var(ddof=ddof) / len(b)) ** (0.5 if root else 1)


def levels(frame):
    return frame.groupby("cooperativeness").preserved.mean()


def without_p(b0, b1, x, k, n):
    with np.errstate(invalid="ignore"):
        return (k * np.log(b0 + b1 * x) + (n - k) * np.log(1 - b0 - b1 * x)).sum()


def wrong_m(frame):
    rates = frame.groupby(["peer", "paraphrase"]).preserved.mean()
    return ((rates["cooperative"].var() + rates["uncooperative"].var()) / len(rates)) ** 0.5


def pooled(frame):
    rates = frame.groupby("peer").preserved.mean()
    return rates["cooperative"] - rates["uncooperative"], 0.1


WRONG = [
    ("q1", lambda p, b: p * np.exp(b), "its odds that the step multiplies|no probability"),
    ("q1", lambda p, b: p / (1 - p) * np.exp(b), "no probability|odds"),
    ("q1", lambda p, b: p + b, "no probability"),
    ("q1", lambda p, b: min(1, p + b / 4), "not what comes back|no probability"),
    ("q1", 0.8, "a function is asked for"),
    ("q2", lambda peer, *b: rate_of(peer, *b, none=(0, -1)), "both columns are 0"),
    ("q2", lambda peer, *b: rate_of(peer, *b, none=(1, 0)), "both columns are 0"),
    ("q2", lambda peer, b0, b1, b2: b0 + b1 + b2, "log-odds|not the rate"),
    ("q2", lambda peer, b0, b1, b2: expit(b0 + b2), "not the rate"),
    ("q3", lambda b0, b1, x, k, n: np.exp(likelihood(b0, b1, x, k, n)), "logarithm"),
    ("q3", lambda b0, b1, x, k, n: (k * np.log(expit(b0 + b1 * x))).sum(), "not the log likelihood"),
    ("q3", lambda b0, b1, x, k, n: -likelihood(b0, b1, x, k, n), "logarithm|not the log"),
    ("q3", without_p, "log odds: turn them"),
    ("q3", lambda b0, b1, x, k, n: k * np.log(expit(b0 + b1 * x)), "should be a number"),
    ("q4", lambda f: bool((f.groupby("cooperativeness").preserved.sum() == 0).any()), "separated"),
    ("q4", lambda f: f.preserved.nunique() == 1, "says that it is not"),
    ("q4", lambda f: f.groupby("cooperativeness").preserved.nunique().eq(1).any(), "calls it separated"),
    ("q4", lambda f: True, "calls it separated"),
    ("q4", lambda f: ((levels(f) > 0) & (levels(f) < 1)).sum() <= 1, "calls it separated"),
    ("q4", lambda f: levels(f).isin([0, 1]).sum() >= len(levels(f)) - 1, "calls it separated"),
    ("q4", lambda f: "yes", "True or False"),
    ("q5", lambda a, b, c, d: interaction(a, b, c, d)[::-1], "other order"),
    ("q5", lambda a, b, c, d: (b - a - (d - c), 0), "sign is turned"),
    ("q5", lambda a, b, c, d: (d - c, logit(d) - logit(c)), "difference of two differences"),
    ("q5", lambda a, b, c, d: ((d - c) - (b - a), np.log(d / c) - np.log(b / a)), "log odds of the four"),
    ("q5", lambda *rates: (100 * interaction(*rates)[0], interaction(*rates)[1]), "as a share"),
    ("q6", lambda f: (by_wording(f)[0], wrong_m(f)), "by number of wordings"),
    ("q6", pooled, "every wording counts once"),
    ("q6", lambda f: by_wording(f, ddof=0), "ddof=1"),
    ("q6", lambda f: by_wording(f, root=False), "take its root"),
    ("q6", lambda f: (-by_wording(f)[0], by_wording(f)[1]), "other way round"),
    ("q6", lambda f: by_wording(f)[0], "2 numbers are asked for"),
]


@pytest.mark.parametrize(("name", "answer", "says"), WRONG)
def test_a_wrong_answer_is_told(name, answer, says):
    lessons.as_ada()
    lessons.rejected(getattr(lesson5, name), answer, says)


def binomial(b0, b1, x, k, n):
    from scipy.stats import binom

    return binom.logpmf(k, n, expit(b0 + b1 * x)).sum()


RIGHT = [
    ("q1", lambda p, b: expit(logit(p) + b)),
    ("q1", lambda p, b: np.array([expit(logit(p) + b)])),
    ("q2", rate_of),
    ("q3", likelihood),
    ("q3", binomial),
    ("q4", separated),
    ("q4", lambda f: np.bool_(separated(f))),
    ("q4", lambda f: int(separated(f))),
    ("q5", interaction),
    ("q5", lambda *rates: dict(zip(("log_odds", "points"), interaction(*rates)[::-1], strict=True))),
    ("q6", by_wording),
    ("q6", lambda f: pd.Series(by_wording(f), index=["estimate", "error"])),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_a_right_answer_in_another_form_is_taken(name, answer, capsys):
    lessons.as_ada()
    getattr(lesson5, name)(answer)
    assert "✓" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("who", ["Ada Lovelace", "Grace Hopper", "Emmy Noether"])
def test_data_are_what_the_lesson_tells(who):
    frame = student(who).data("lesson5")
    swift = frame[frame.model == "swift"]
    assert set(pp.stats.logit("preserved ~ peer_present + cooperativeness", swift).estimator) == {"Firth, profile likelihood"}
    finch = pp.stats.logit("preserved ~ peer_present + cooperativeness", frame[frame.model == "finch"]).set_index("term")
    assert finch.loc["cooperativeness", "low"] > 0
    compared = frame[frame.model == "warbler"], "peer", "cooperative", "uncooperative"
    assert pp.stats.differences(*compared).low[0] > 0 > pp.stats.differences(*compared, cluster="paraphrase").low[0]
