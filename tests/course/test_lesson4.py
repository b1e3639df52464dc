"""Lesson 4: wrong answers that students give, and right ones in unusual forms."""

import math

import lessons
import numpy as np
import pandas as pd
import pytest

import ppres as pp
from ppres.course import student
from ppres.course.check import lesson4


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PPRES_STORE", str(tmp_path_factory.mktemp("course") / "store.sqlite"))
        return lessons.as_ada().data("lesson4")


def wilson(k, n, z=1.959964):
    p = k / n
    middle, half = p + z * z / 2 / n, z * math.sqrt(p * (1 - p) / n + z * z / 4 / n / n)
    return (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


def undivided(k, n):
    low, high = wilson(k, n)
    middle = (low + high) / 2 * (1 + 1.959964**2 / n)  # the half alone is divided
    return middle - (high - low) / 2, middle + (high - low) / 2


def wald(k, n):
    return tuple(k / n + s * 1.96 * math.sqrt(k / n * (1 - k / n) / n) for s in (-1, 1))


def apart(rate, n, gap, at_least=True, both=True):
    k = np.random.default_rng(1).binomial(n, rate, (2, 60_000))
    difference = abs(k[0] - k[1]) if both else k[0] - k[1]
    return (difference >= gap if at_least else difference > gap).mean()


WRONG = [
    ("q1", lambda f: (f.preserved.sum(), len(f), f.preserved.isna().sum()), "without an outcome in it"),
    ("q1", lambda f: (f.preserved.isna().sum(), f.preserved.count(), f.preserved.sum()), "k counts"),
    ("q1", lambda f: (f.preserved.sum(), f.preserved.count(), len(f)), "excluded counts"),
    ("q1", (3, 18, 2), "a function is asked for"),
    ("q1", lambda f: f.preserved.sum(), "3 numbers are asked for"),
    ("q1", lambda f: print(f.preserved.sum()), "returns None"),
    ("q1", lambda f: (f.dropna().preserved.sum(), len(f.dropna()), len(f) - len(f.dropna())), "k counts"),
    ("q2", lambda f: (f.preserved.mean(), f.preserved.mean()), "what is known"),
    ("q2", lambda f: (f.preserved.fillna(True).mean(), f.preserved.fillna(False).mean()), "low is above"),
    ("q2", lambda f: (f.preserved.fillna(False).mean(), f.preserved.mean()), "True"),
    ("q2", lambda f: (f.preserved.mean(), f.preserved.fillna(True).mean()), "False"),
    ("q2", lambda f: (100 * f.preserved.fillna(False).mean(), 100 * f.preserved.fillna(True).mean()), "percentages"),
    ("q3", lambda k, n: wald(k, n), "textbook"),
    ("q3", lambda k, n: wilson(k, n, 1.645), "not Wilson"),
    ("q3", lambda k, n: tuple(reversed(wilson(k, n))), "above high"),
    ("q3", lambda k, n: (0.0521, 0.3604), "not Wilson"),
    ("q3", lambda k, n: tuple(100 * end for end in wilson(k, n)), "percentages"),
    ("q3", lambda k, n: undivided(k, n), "whole numerator"),
    ("q3", lambda k, n: (n / 0, 1), "ZeroDivisionError"),
    ("q4", lambda r: 3 / r + 0.1, "no whole number"),
    ("q4", lambda r: math.ceil(3 / r), "fewer|whole"),
    ("q4", lambda r: 37, "fewer|more probable"),
    ("q4", lambda r: math.ceil(1 / r), "more probable"),
    ("q5", lambda r, n, g: apart(r, n, g, both=False), "one direction"),
    ("q5", lambda r, n, g: apart(r, n, g, at_least=False), "leaves out a gap"),
    ("q5", lambda r, n, g: 0.05, "not how often"),
    ("q5", lambda r, n, g: "often", "should be a number"),
    ("q6", {"heron": "different", "ibis": "different", "crane": "different", "stork": "undecided"}, "do not follow"),
    ("q6", {"heron": "equal", "ibis": "different", "crane": "equal", "stork": "equal"}, "not one of different"),
    ("q6", {"ibis": "different"}, "mapping of four"),
    ("q6", "ibis", "mapping of four"),
]


@pytest.mark.parametrize(("name", "answer", "says"), WRONG)
def test_a_wrong_answer_is_told(name, answer, says, drawn):
    lessons.as_ada()
    lessons.rejected(getattr(lesson4, name), answer, says)


def series(f):
    return pd.Series({"k": f.preserved.sum(), "n": f.preserved.count(), "excluded": f.preserved.isna().sum()})


RIGHT = [
    ("q1", lambda f: [int(f.preserved.sum()), np.int64(f.preserved.count()), float(f.preserved.isna().sum())]),
    ("q1", lambda f: series(f).to_dict()),
    ("q1", series),
    ("q1", lambda f: np.array([f.preserved.sum(), f.preserved.count(), f.preserved.isna().sum()])),
    ("q2", lambda f: {"low": f.preserved.fillna(False).mean(), "high": 1 - (~f.preserved.astype("boolean")).sum() / len(f)}),
    ("q3", wilson),
    ("q3", lambda k, n: pd.Series(wilson(k, n), index=["low", "high"])),
    ("q3", lambda k, n: [np.float32(one) for one in wilson(k, n, 1.96)]),
    ("q3", lambda k, n: pp.stats.rates(pd.DataFrame({"preserved": [1] * k + [0] * (n - k), "g": "a"}), "g")[["low", "high"]]),
    ("q4", lambda r: np.ceil(np.log(0.05) / np.log(1 - r))),
    ("q4", lambda r: next(n for n in range(1, 10_000) if (1 - r) ** n <= 0.05)),
    ("q5", apart),
    ("q5", lambda r, n, g: lesson4._by_chance(r, n, g)[0]),
    ("q5", lambda r, n, g: np.array([apart(r, n, g)])),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_a_right_answer_in_another_form_is_taken(name, answer, capsys):
    lessons.as_ada()
    getattr(lesson4, name)(answer)
    assert "✓" in capsys.readouterr().out


def test_words_follow_from_ones_own_intervals(drawn):
    lessons.as_ada()
    table = pp.stats.differences(drawn, "peer", "cooperative", "stranger", by="model").set_index("model")
    words = {agent: "different" if row.low > 0 or row.high < 0 else "undecided" for agent, row in table.iterrows()}
    assert words["ibis"] == "different" and words["crane"] == "undecided"
    lesson4.q6(words)
    lesson4.q6(pd.Series(words))
    lessons.rejected(lesson4.q6, words | {"ibis": "undecided"}, "1 of the four")
    bars = pp.stats.rates(drawn, ["model", "peer"]).groupby("model", observed=True)
    overlap = {agent: "undecided" if rows.low.max() < rows.high.min() else "different" for agent, rows in bars}
    lessons.rejected(lesson4.q6, overlap, "of the four")


def test_data_are_a_students_own_and_what_the_lesson_tells(drawn):
    heron = drawn[(drawn.model == "heron") & (drawn.peer == "cooperative")]
    assert len(drawn) == 160 and heron.preserved.sum() == 0 and heron.preserved.notna().all()
    assert drawn[drawn.model == "stork"].preserved.isna().sum() > 3
    assert (drawn.rate_source == "planted").all()
    other = student("Grace Hopper").data("lesson4")
    assert not drawn.preserved.fillna(False).equals(other.preserved.fillna(False))
    assert drawn.equals(student("  ada   LOVELACE ").data("lesson4"))
