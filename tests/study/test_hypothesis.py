"""Tests as data: they say what `pp.stats` says, come back from JSON the same, and give verdicts for a whole family."""

import json

import numpy as np
import pandas as pd
import pytest

import ppres as pp
from ppres.study.hypothesis import decided

ARMS = {"cooperative": 30, "neutral": 10, "none": 10}


def study(rates, n=60, **more):
    """k of n rollouts in each arm, exactly."""
    rows = [{"peer": arm, "preserved": i < k, **more} for arm, k in rates.items() for i in range(n)]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    "test",
    [
        pp.Test("differences", factor="peer", a="cooperative", b="none", by="model", margin=0.1, expect="equivalent"),
        pp.Test("contrasts", factors="peer", weights={"x": {"cooperative": 1, "none": -1}}, where={"paraphrase": [0, 1]}),
        pp.Test("contrasts", factors=["peer", "monitored"], weights={"x": {("none", True): 1, ("none", False): -1}}),
        pp.Test("logit", formula="preserved ~ cooperativeness", term="cooperativeness", expect="greater"),
    ],
    ids=["difference", "contrast", "interaction", "logit"],
)
def test_a_test_comes_back_from_json_the_same(test):
    back = pp.Test.of(json.loads(json.dumps(test.json())))
    assert repr(back) == repr(test) and back.arguments == test.arguments


def test_its_rows_are_those_of_the_statistic_on_the_rows_that_it_is_about():
    frame = pd.concat([study(ARMS, paraphrase=0), study({"cooperative": 0, "none": 0}, paraphrase=1)], ignore_index=True)
    test = pp.Test("differences", factor="peer", a="cooperative", b="none", where={"paraphrase": [0]})
    plain = pp.stats.differences(study(ARMS), "peer", "cooperative", "none")
    pd.testing.assert_frame_equal(test.rows(frame), plain)
    slope = pp.Test("logit", formula="preserved ~ C(peer)", term="C(peer)[T.none]")
    assert slope.rows(study(ARMS)).estimate[0] == pytest.approx(np.log(10 / 50) - 0)
    assert slope.outcome == "preserved" and slope.factors == ["peer"]


def test_weights_of_numpy_are_written_down_as_numbers():
    test = pp.Test("contrasts", factors="peer", weights={"x": {"a": np.int64(1), "b": np.float32(-1)}}, margin=np.float64(0.1))
    assert test.json()["arguments"] == {"factors": "peer", "weights": {"x": [["a", 1], ["b", -1.0]]}, "margin": 0.1}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"statistic": "p_values"}, "is not one of differences, contrasts"),
        ({"statistic": "differences", "factor": "peer", "a": "none"}, "missing a required argument: 'b'; .* takes factor, a, b"),
        ({"statistic": "differences", "factor": "peer", "a": 1, "b": 2, "cut": 3}, "unexpected keyword argument 'cut'"),
        ({"statistic": "differences", "factor": "peer", "a": 1, "b": 2, "expect": "equivalent"}, "needs margin="),
        ({"statistic": "differences", "factor": "peer", "a": 1, "b": 2, "expect": "more"}, "is not one of different, greater"),
    ],
)
def test_what_is_no_test_is_told_at_once(wrong, told):
    statistic = wrong.pop("statistic")
    with pytest.raises(pp.StudyError, match=told):
        pp.Test(statistic, **wrong)


def difference(expect, b="none", margin=0.2):
    return pp.Test("differences", factor="peer", a="cooperative", b=b, margin=margin, expect=expect)


@pytest.mark.parametrize(
    ("rates", "expect", "verdict", "hypothesis"),
    [
        ({"cooperative": 300, "none": 100}, "greater", "different", "supported"),
        ({"cooperative": 100, "none": 300}, "greater", "different", "contradicted"),
        ({"cooperative": 100, "none": 300}, "less", "different", "supported"),
        ({"cooperative": 205, "none": 200}, "greater", "equivalent", "contradicted"),
        ({"cooperative": 205, "none": 200}, "equivalent", "equivalent", "supported"),
        ({"cooperative": 300, "none": 100}, "equivalent", "different", "contradicted"),
        ({"cooperative": 250, "none": 180}, "equivalent", "different", "contradicted"),
    ],
)
def test_words(rates, expect, verdict, hypothesis):
    row = decided({"H1": difference(expect)}, study(rates, n=400)).iloc[0]
    assert (row.verdict, row.hypothesis) == (verdict, hypothesis)


def test_a_family_is_adjusted_as_one_and_what_cannot_be_run_stays_in_it():
    frame = study({"cooperative": 20, "neutral": 9, "none": 9})
    alone = decided({"H1": difference("greater")}, frame)
    p = alone.p[0]
    assert alone.p_holm[0] == p and 0.01 < p < 0.05 and alone.hypothesis[0] == "supported"
    family = {"H1": difference("greater"), "H2": difference("greater", b="stranger"), "H3": difference("greater", b="neutral")}
    table = decided(family, frame).set_index("test")
    assert table.p_holm["H1"] == pytest.approx(3 * p)
    assert table.hypothesis.tolist() == ["undecided"] * 3 and table.verdict["H2"] == "not run"
    assert "no row has peer='stranger'" in table.why["H2"]
