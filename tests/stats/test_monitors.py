"""Corrected rates and monitors against likelihoods, published examples and plain counting."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.stats import binomtest

from ppres import stats


def coded(flagged, unflagged, **rated):
    """A frame of so many rows that the coder flags or not, the first of which are rated: flagged=(k, n), unflagged=(k, n)."""
    parts = []
    for code, rows, (k, n) in ((True, flagged, rated["hits"]), (False, unflagged, rated["misses"])):
        truth = [True] * k + [False] * (n - k) + [None] * (rows - n)
        parts.append(pd.DataFrame({"coder": code, "human": pd.array(truth, dtype="boolean")}))
    return pd.concat(parts, ignore_index=True)


def test_a_corrected_rate_is_the_most_likely_one_of_all_that_was_seen():
    """The likelihood of double sampling, maximised over rate, sensitivity and specificity: rated cells, and unrated verdicts."""
    row = stats.corrected_rate(coded(600, 2400, hits=(30, 40), misses=(9, 160)), "coder", "human").iloc[0]

    def lost(told):
        rate, hit, miss = 1 / (1 + np.exp(-told))
        cells = np.log([rate * hit, rate * (1 - hit), (1 - rate) * miss, (1 - rate) * (1 - miss)])
        flagged = rate * hit + (1 - rate) * miss
        return -(cells @ [30, 9, 10, 151] + 560 * math.log(flagged) + 2240 * math.log(1 - flagged))

    best = 1 / (1 + np.exp(-minimize(lost, [-1.0, 0.0, -2.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12}).x[0]))
    assert row.estimate == pytest.approx(best, abs=1e-6) == pytest.approx(0.2 * 0.75 + 0.8 * 9 / 160)
    assert (row.k, row.n, row.rows, row.coded) == (39, 200, 3000, 0.2)
    # the error by the large-sample variance of the same likelihood (Tenenbein 1970), a little narrower than Wilson's
    p, q = np.array([0.75, 9 / 160]), np.array([0.2, 0.8])
    error = math.sqrt((q**2 * p * (1 - p) / [40, 160]).sum() + (q * (p - best) ** 2).sum() / 3000)
    assert row.high - row.low == pytest.approx(2 * 1.96 * error, rel=0.06)


def test_the_sample_may_be_drawn_more_often_from_what_the_coder_flags():
    one = stats.corrected_rate(coded(600, 2400, hits=(15, 20), misses=(10, 100)), "coder", "human").iloc[0]
    other = stats.corrected_rate(coded(600, 2400, hits=(150, 200), misses=(10, 100)), "coder", "human").iloc[0]
    assert one.estimate == other.estimate
    assert other.high - other.low < one.high - one.low


def test_where_all_is_rated_it_is_the_rate():
    row = stats.corrected_rate(coded(60, 90, hits=(40, 60), misses=(6, 90)), "coder", "human").iloc[0]
    assert row.estimate == pytest.approx(46 / 150)
    known = binomtest(46, 150).proportion_ci(method="wilson")
    assert (row.low, row.high) == pytest.approx((known.low, known.high), abs=0.01)


def test_a_missing_code_is_a_code_and_strata_are_weighted_apart():
    frame = coded(600, 2400, hits=(15, 20), misses=(10, 100)).astype({"coder": "boolean"})
    unclear = pd.DataFrame({"coder": pd.array([None] * 1000, dtype="boolean"), "human": pd.array([True] * 5 + [None] * 995)})
    row = stats.corrected_rate(pd.concat([frame, unclear]), "coder", "human").iloc[0]
    assert row.estimate == pytest.approx((600 * 0.75 + 2400 * 0.1 + 1000) / 4000)
    assert row.coded == pytest.approx(0.2)
    two = pd.concat([frame.assign(model="a"), coded(300, 300, hits=(2, 4), misses=(3, 6)).assign(model="b")])
    together = stats.corrected_rate(two, "coder", "human", strata="model").iloc[0]
    assert together.estimate == pytest.approx((600 * 0.75 + 2400 * 0.1 + 300 * 0.5 + 300 * 0.5) / 3600)
    assert together.estimator == "double sampling, few rated"
    apart = stats.corrected_rate(two, "coder", "human", by="model").set_index("model")
    assert apart.estimator.tolist() == ["double sampling", "double sampling, few rated"]


def test_a_code_that_nobody_rated_has_no_rate_and_is_named():
    row = stats.corrected_rate(coded(50, 100, hits=(0, 0), misses=(3, 20)), "coder", "human").iloc[0]
    assert math.isnan(row.estimate)
    assert row.estimator == "no rated row where coder is True"
    with pytest.raises(ValueError, match="'human' is known in no row"):
        stats.corrected_rate(coded(50, 100, hits=(0, 0), misses=(0, 0)), "coder", "human")


def test_corrected_rates_cover_with_a_bad_coder():
    rng, kept = np.random.default_rng(1), []
    for _ in range(150):  # sensitivity 0.7, specificity 0.95
        truth = rng.random(1000) < 0.1
        frame = pd.DataFrame({"coder": rng.random(1000) < np.where(truth, 0.7, 0.05), "human": pd.array(truth, dtype="boolean")})
        frame.loc[200:, "human"] = pd.NA
        row = stats.corrected_rate(frame, "coder", "human").iloc[0]
        kept.append(row.low <= 0.1 <= row.high)
    assert np.mean(kept) >= 0.89  # three and a half standard errors; bench_coverage has more


# Hanley and McNeil (1982), Radiology 143:29, table I: ratings 1 to 5 of 58 normal and 51 abnormal scans.
CT = {False: (33, 6, 6, 11, 2), True: (3, 2, 2, 11, 33)}


def scans():
    rows = [(grade, truth) for truth, told in CT.items() for grade, n in enumerate(told, 1) for _ in range(n)]
    return pd.DataFrame(rows, columns=["score", "ill"])


def test_the_area_is_that_of_a_published_example():
    table = stats.roc(scans(), "score", "ill", false_positives=(2 / 58, 13 / 58, 0.9))
    area = table.iloc[0]
    assert area.estimate == pytest.approx(0.893, abs=5e-4)
    assert (area.high - area.low) / 2 / 1.96 == pytest.approx(0.032, abs=0.002)  # their standard error
    assert table.threshold.tolist()[1:] == [5, 4, 2]
    assert table.k.tolist()[1:] == [33, 44, 48]
    assert table.k_false.tolist()[1:] == [2, 13, 25]
    known = binomtest(44, 51).proportion_ci(method="wilson")
    assert (table.low[2], table.high[2]) == pytest.approx((known.low, known.high))


def test_the_area_counts_pairs_and_holds_at_its_ends():
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"score": rng.integers(0, 6, 40), "ill": rng.random(40) < 0.4})
    hits, misses = frame.score[frame.ill], frame.score[~frame.ill]
    pairs = [1.0 if a > b else 0.5 if a == b else 0.0 for a in hits for b in misses]
    assert stats.roc(frame, "score", "ill").estimate[0] == pytest.approx(np.mean(pairs))
    turned = stats.roc(frame.assign(score=-frame.score), "score", "ill").iloc[0]
    row = stats.roc(frame, "score", "ill").iloc[0]
    assert (1 - turned.estimate, 1 - turned.high, 1 - turned.low) == pytest.approx((row.estimate, row.low, row.high))
    perfect = stats.roc(pd.DataFrame({"score": range(30), "ill": [i > 20 for i in range(30)]}), "score", "ill").iloc[0]
    assert (perfect.estimate, perfect.high) == (1, 1) and 0.7 < perfect.low < 1


@pytest.mark.parametrize("sign", [1, -1])
def test_the_area_has_an_interval_where_one_pair_of_a_billion_is_wrong(sign):
    """Or right. Newcombe's bounds are where the distance to the area is z standard errors at the bound."""
    n = 40_000
    score = np.arange(2.0 * n)
    score[[n - 1, n]] = score[[n, n - 1]]
    row = stats.roc(pd.DataFrame({"score": sign * score, "ill": np.arange(2 * n) >= n}), "score", "ill").iloc[0]
    assert row.estimate == (1 - 1 / n**2 if sign > 0 else 1 / n**2)
    assert 0 < row.low < row.estimate < row.high <= 1  # to 16 digits
    bound = row.low if sign > 0 else row.high
    more = (n - 1) * ((1 - bound) / (2 - bound) + bound / (1 + bound))
    assert abs(bound - row.estimate) == pytest.approx(1.959964 * math.sqrt(bound * (1 - bound) * (1 + more)) / n, rel=1e-5)


def test_no_threshold_is_low_enough_for_a_monitor_that_takes_all_for_ill():
    frame = pd.DataFrame({"score": [1.0] * 10, "ill": [True] * 4 + [False] * 6})
    row = stats.roc(frame, "score", "ill", false_positives=0.1).iloc[1]
    assert (row.k, row.k_false, row.threshold) == (0, 0, math.inf)
    frame.loc[0, "score"] = math.nan
    table = stats.roc(frame, "score", "ill", by=[])
    assert table.excluded.tolist() == [1, 1, 1]
    assert stats.roc(frame[frame.ill], "score", "ill").estimator[0] == "no row is false"


def test_a_score_may_be_infinite():
    frame = pd.DataFrame({"score": [math.inf, 1.0, 2.0, math.inf], "ill": [False, False, True, True]})
    row = stats.roc(frame, "score", "ill", false_positives=np.float32(0.01)).iloc[1]
    assert (row.k, row.k_false, row.threshold) == (0, 0, math.inf)  # nothing is above the false one
    row = stats.roc(frame, "score", "ill", false_positives=0.5).iloc[1]
    assert (row.k, row.k_false, row.threshold) == (2, 1, 2.0)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda f: stats.roc(f, "score", "sick"), KeyError, "'sick'"),
        (lambda f: stats.roc(f, "score", "score"), ValueError, "not true, false or missing"),
        (lambda f: stats.roc(f.assign(score="high"), "score", "ill"), ValueError, "has no numbers"),
        (lambda f: stats.roc(f.assign(score=1j), "score", "ill"), ValueError, "has no numbers"),
        (lambda f: stats.roc(f, "score", "ill", false_positives=5), ValueError, "no share"),
        (lambda f: stats.roc(f, "score", "ill", level=95), ValueError, "level=95"),
        (lambda f: stats.corrected_rate(f, "ill", "score"), ValueError, "not true, false or missing"),
        (lambda f: stats.corrected_rate(f, "ill", "ill", strata="lab"), KeyError, "'lab'"),
    ],
)
def test_what_is_wrong_is_said(call, error, says):
    with pytest.raises(error, match=says):
        call(scans())
