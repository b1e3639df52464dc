"""Lesson 8: wrong answers that students give, and right ones in unusual forms."""

import lessons
import numpy as np
import pandas as pd
import pytest

import ppres as pp
from ppres.course import student
from ppres.course.check import lesson8

RNG = np.random.default_rng(1)


def ever(rate, looks, which=slice(None)):
    k = (RNG.random((2, 10_000, looks[-1])) < rate).cumsum(axis=2)
    return np.any([lesson8.different(k[0, :, n - 1], k[1, :, n - 1], n) for n in looks[which]], axis=0).mean()


def power(a, b, n, found=lesson8.greater):
    return found(RNG.binomial(n, a, 20_000), RNG.binomial(n, b, 20_000), n).mean()


def how_many(a, b, power=lesson8._power):
    return next(n for n in range(10, 500, 10) if power(a, b, n) >= 0.8)


def _registered(folder, n, expect, wordings, reason, both, said, run):
    me = lessons.as_ada()
    birds = list(lesson8.agents(me).values())
    arms = pp.grid(scenario="tampering", subject="peer", peer=["uncooperative", "cooperative"], paraphrase=range(wordings))
    weights = {"effect": {"cooperative": 1, "uncooperative": -1}}
    each = [{"by": "model"}] if run == 1 else [{"where": {"model": bird.label}} for bird in birds[: 1 + both]]
    tests = [pp.Test("contrasts", factors="peer", weights=weights, expect=expect, **which) for which in each]
    why = dict.fromkeys(["trust", "joint_tasks", "note"], reason)
    sentences = [said, "Both do it more."][: len(tests)]
    return pp.preregister("study", sentences, arms, birds[:run], n, tests, acknowledge=why, folder=folder).record


@pytest.fixture
def registered(tmp_path):
    def make(n=10, expect="greater", wordings=3, reason="the levels are the paper's bundles", both=True, said="It does so.", run=2):
        return _registered(tmp_path, n, expect, wordings, reason, both, said, run)

    return make


def equivalent_if(given, rule):
    right = lesson8._verdict(*given)
    return "supported" if given[0] == "equivalent" and right == "undecided" and rule(*given[1:]) else right


WRONG = [
    ("q1", lambda rate, looks: ever(rate, looks, slice(-1, None)), "last look alone"),
    ("q1", lambda rate, looks: 1 - 0.95 ** len(looks), "independent|not how often"),
    ("q1", lambda rate, looks: 0.05, "last look|not how often"),
    ("q1", lambda rate, looks: 5, "no probability"),
    ("q2", lambda a, b, n: power(a, b, n, lesson8.different), "other direction|not how often"),
    ("q2", lambda a, b, n: power(b, a, n), "other direction"),
    ("q2", lambda a, b, n: 0.8, "not how often"),
    ("q2", lambda a, b, n: lesson8.greater(round(a * n), round(b * n), n), "should be a number"),
    ("q3", lambda a, b: how_many(a, b) - 10, "less often|no multiple"),
    ("q3", lambda a, b: 2 * how_many(a, b), "ten fewer"),
    ("q3", lambda a, b: how_many(a, b) + 3, "no multiple of ten"),
    ("q3", lambda a, b: 1000, "far too large.*not with 80"),
    ("q3", lambda a, b: 10, "not with 80"),
    ("q5", lambda expect, low, high, margin: "supported" if low > 0 else "undecided", "does not follow"),
    ("q5", lambda e, low, high, m: "supported" if low <= 0 <= high else "contradicted", "does not follow"),
    ("q5", lambda e, low, high, m: lesson8._verdict("greater", low, high, m), "does not follow"),
    (
        "q5",
        lambda *given: equivalent_if(given, lambda low, high, m: high - low < 2 * m and low < m and high > -m),
        "within the margin",
    ),
    ("q5", lambda *given: equivalent_if(given, lambda low, high, m: abs(low + high) / 2 < m), "within the margin"),
    ("q5", lambda *_: "yes", "not one of"),
    ("q6", list(lesson8._REPORT), "in order"),
    ("q6", ["peer"], "no aspect"),
    ("q6", [], "not named"),
    ("q6", [...], "names in a list"),
]


@pytest.mark.parametrize(("name", "answer", "says"), WRONG)
def test_a_wrong_answer_is_told(name, answer, says):
    lessons.as_ada()
    lessons.rejected(getattr(lesson8, name), answer, says)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"n": 4}, "45% against 10% are found in"),
        ({"n": 30}, "per cell, and an arm has 3"),
        ({"said": ""}, "a hypothesis is a sentence"),
        ({"run": 1}, "1 of your two agents"),
        ({"expect": "different"}, "expected to be greater"),
        ({"wordings": 1}, "one wording"),
        ({"reason": "why?"}, "trust, joint_tasks, note"),
        ({"both": False}, "each of your two agents"),
    ],
)
def test_a_registration_that_lacks_something_is_told(change, says, registered):
    lessons.rejected(lesson8.q4, registered(**change), says)


def test_what_was_run_before_is_no_registration(registered):
    me = lessons.as_ada()
    arms = pp.grid(scenario="tampering", subject="peer", peer="cooperative", paraphrase=0)
    pp.run(arms, list(lesson8.agents(me).values()), 2, progress=False)
    lessons.rejected(lesson8.q4, registered(n=11), "register first")
    lessons.rejected(lesson8.q4, "I predict that it does", "a record is asked for")


def test_a_registration_is_taken(registered, capsys):
    lesson8.q4(registered())
    assert "✓" in capsys.readouterr().out


RIGHT = [
    ("q1", ever),
    ("q1", lambda rate, looks: np.float64(ever(rate, looks))),
    ("q2", power),
    ("q2", lesson8._power),
    ("q3", how_many),
    ("q3", lambda a, b: np.int64(how_many(a, b, power))),
    ("q5", lesson8._verdict),
    ("q6", lambda: lesson8._flaws(lessons.as_ada())),
    ("q6", lambda: pd.Series(sorted(lesson8._flaws(lessons.as_ada())))),
    ("q6", lambda: tuple(lesson8._flaws(lessons.as_ada()))),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_a_right_answer_in_another_form_is_taken(name, answer, capsys):
    lessons.as_ada()
    getattr(lesson8, name)(answer() if name == "q6" else answer)
    assert "✓" in capsys.readouterr().out


def test_birds_and_reports_are_a_students_own():
    people = [student(name) for name in ("Ada Lovelace", "Grace Hopper", "Emmy Noether", "Mary Jackson", "Rosalind Franklin")]
    assert len({tuple(sorted(lesson8._flaws(one))) for one in people}) > 2
    assert all(3 <= len(lesson8._flaws(one)) <= 5 for one in people)
    friend = pp.grid(scenario="tampering", subject="peer", peer="cooperative")[0]
    moved = {name for one in people for name, bird in lesson8.agents(one).items() if bird.rates(friend) > 0.5}
    assert moved == {"robin", "wren"}
