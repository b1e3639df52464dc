"""Rollouts that resemble each other: rates, differences, contrasts and means by clusters, against statsmodels, by simulation."""

import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy.special import expit
from scipy.stats import t, ttest_ind

from ppres import stats
from ppres.stats._interval import clustered, design_effect, mover, wilson_at


def study(seed=1, wordings=8, each=12, spread=1.0):
    """Two arms in which the same wordings occur, two models, some outcomes missing, a repeated index."""
    rng = np.random.default_rng(seed)
    cells = pd.MultiIndex.from_product(
        [range(wordings), ["a", "b"], ["x", "y"], range(each)], names=["wording", "peer", "model", "i"]
    )
    frame = cells.to_frame(index=False)
    chance = expit(rng.normal(0, spread, wordings)[frame.wording] + 0.5 * (frame.peer == "a") - 0.5)
    frame["preserved"] = pd.array(rng.random(len(frame)) < chance, dtype="boolean")
    frame["reported_score"] = 50 + 20 * chance + rng.normal(0, 5, len(frame))
    frame.loc[frame.sample(40, random_state=1).index, "preserved"] = pd.NA
    return frame.set_index(frame.i, drop=False)


def error_by_statsmodels(frame, formula, term, df=1):
    """Clustered by wording, without the correction for coefficients, and with that for the clusters."""
    known = frame.dropna(subset="preserved").reset_index(drop=True).assign(y=lambda f: f.preserved.astype(float))
    fitted = smf.ols(formula, known).fit(cov_type="cluster", cov_kwds={"groups": known.wording, "use_correction": False})
    number = known.wording.nunique()
    return fitted.bse[term] * math.sqrt(number / (number - df))


def test_the_design_effect_of_a_rate_is_by_statsmodels_error():
    frame = study()
    row = stats.rates(frame, cluster="wording").iloc[0]
    error = error_by_statsmodels(frame, "y ~ 1", "Intercept")
    assert row.design_effect == pytest.approx(error**2 / (row.rate * (1 - row.rate) / row.n))
    low, high = wilson_at(row.k / row.design_effect, row.n / row.design_effect, t.ppf(0.975, 7))
    assert (row.low, row.high, row.clusters) == (pytest.approx(low), pytest.approx(high), 8)
    plain = stats.rates(frame).iloc[0]
    assert row.high - row.low > 1.5 * (plain.high - plain.low)


def test_arms_that_share_wordings_are_compared_within_them():
    frame = study()
    row = stats.differences(frame, "peer", "a", "b", cluster="wording").iloc[0]
    error = error_by_statsmodels(frame, "y ~ peer", "peer[T.b]")
    usual = sum(k / n * (1 - k / n) / n for k, n in ((row.k_a, row.n_a), (row.k_b, row.n_b)))
    assert row.design_effect == pytest.approx(error**2 / usual)
    known = frame.dropna(subset="preserved")
    assert row.estimate == pytest.approx(known[known.peer == "a"].preserved.mean() - known[known.peer == "b"].preserved.mean())
    assert (row.n_a + row.n_b, row.clusters, row.estimator) == (row.n, 8, "MOVER, Wilson, 8 clusters")
    at = stats.differences(frame, "peer", "a", "b", cluster="wording", level=1 - row.p).iloc[0]
    assert min(abs(at.low), abs(at.high)) == pytest.approx(0, abs=1e-9)


def test_arms_with_wordings_of_their_own_are_compared_as_welch_does():
    """Of wordings of equal size: scipy's test of their means has the same error and degrees of freedom."""
    k, n = np.array([[3.0, 5, 4, 0, 0, 0, 0], [0, 0, 0, 2, 6, 9, 8]]), np.zeros((2, 7))
    n[0, :3] = n[1, 3:] = 10
    effect, df, assumed = design_effect((1, -1), k, n)
    theirs = ttest_ind(k[0, :3] / 10, k[1, 3:] / 10, equal_var=False)
    rate = k.sum(axis=1) / n.sum(axis=1)
    error = math.sqrt(effect * (rate * (1 - rate) / n.sum(axis=1)).sum())
    assert (df, (rate[0] - rate[1]) / error) == (pytest.approx(theirs.df), pytest.approx(theirs.statistic))
    assert not assumed
    assert design_effect((1, -1), k[:, [0, 1]] + k[:, [3, 4]], n[:, [0, 1]] + n[:, [3, 4]])[1] == pytest.approx(1)


def test_an_arm_with_a_single_wording_of_its_own_is_too_few():
    frame = study()
    frame = frame[(frame.peer == "a") | (frame.wording == 0)]
    frame["wording"] = frame.wording.where(frame.peer == "a", 99)
    row = stats.differences(frame, "peer", "a", "b", cluster="wording").iloc[0]
    assert row.estimator == "too few clusters (9)" and math.isnan(row.low)


def of_counts(*arms, size=10):
    """A frame of true outcomes in each wording of each arm, of `size` rollouts."""
    return pd.DataFrame(
        [(arm, i, j < k) for arm, counts in enumerate(arms) for i, k in enumerate(counts) for j in range(size)],
        columns=["arm", "wording", "preserved"],
    )


@pytest.mark.parametrize(
    ("counts", "flag"),
    [
        ([0] * 8, "floor"),
        ([10] * 8, "ceiling"),
        ([1, 1, 0, 0, 0, 0, 0, 0], "few clusters"),
        ([9, 9, 10, 10, 10, 10, 10, 10], "few clusters"),
        ([1, 1, 1, 0, 0, 0, 0, 0], ""),
        ([1, 0, 0], ""),
    ],
)
def test_where_too_few_wordings_tell_how_alike_rollouts_are_it_is_assumed(counts, flag):
    row = stats.rates(of_counts(counts), cluster="wording").iloc[0]
    assert row.flag == flag
    assert row.design_effect == pytest.approx(1 + 0.3 * 9) if flag else row.design_effect < 1.5
    both = stats.differences(of_counts(counts, [5, 6, 7, 4, 5, 3, 4, 6][: len(counts)]), "arm", 0, 1, cluster="wording")
    assert ("correlation 0.3 assumed" in both.estimator[0]) == (flag == "few clusters")  # at a floor the other arm tells


def test_a_logit_says_where_it_assumes_how_alike_rollouts_are():
    frame = of_counts([2, 0, 1, 0, 0, 0, 0, 0], [5, 6, 7, 4, 5, 3, 4, 6])
    table = stats.logit("preserved ~ arm", frame, cluster="wording")
    assert table.estimator.tolist() == ["logit clustered by wording (8), CR2 and t, correlation 0.3 assumed"] * 2
    alone = stats.logit("preserved ~ arm", frame)
    assert (table.se**2 >= 3.7 * alone.se**2 * (1 - 1e-9)).all()
    told = stats.logit("preserved ~ arm", of_counts([2, 1, 1, 0, 0, 0, 0, 0], [5, 6, 7, 4, 5, 3, 4, 6]), cluster="wording")
    assert not told.estimator.str.contains("assumed").any()


@pytest.mark.slow
def test_an_arm_without_any_takes_the_design_effect_of_the_others():
    """Residuals of an arm at the floor are nearly 0: its rollouts are taken to resemble each other as those of the others do."""
    even, odd = [5] * 8, [10, 0, 9, 1, 10, 0, 9, 1]
    widths = []
    for base in (even, odd):
        frame = of_counts(base, [0] * 8)
        frame["wording"] += 100 * frame.arm  # wordings of their own: nothing cancels
        row = stats.logit("preserved ~ arm", frame, cluster="wording").iloc[1]
        assert row.estimator == "Firth clustered by wording (16), profile likelihood stretched by CR2"
        alone = stats.logit("preserved ~ arm", frame).iloc[1]
        widths.append((row.high - row.estimate) / (alone.high - alone.estimate))
    assert widths[1] > 1.2 * widths[0] > 1.2


def test_groups_several_columns_and_margins():
    frame = study()
    table = stats.differences(frame, "peer", "a", "b", by="model", cluster=["wording", "model"], margin=0.3)
    assert table.clusters.tolist() == [8, 8]
    for model, row in table.set_index("model").iterrows():
        alone = stats.differences(frame[frame.model == model], "peer", "a", "b", cluster="wording", margin=0.3).iloc[0]
        assert alone.drop("verdict").drop(["term", "estimator"]).astype(float).to_dict() == pytest.approx(
            row.drop("verdict").drop(["term", "estimator"]).astype(float).to_dict()
        )
    together = stats.rates(frame, "model", cluster=["wording", "peer"])
    assert together.clusters.tolist() == [16, 16]
    weights = {"x": {("a", "x"): 1, ("b", "x"): -1, ("a", "y"): -1, ("b", "y"): 1}}
    assert stats.contrasts(frame, ["peer", "model"], weights, cluster="wording").clusters.tolist() == [8]


def test_means_have_statsmodels_error():
    frame = study()
    row = stats.means(frame, "peer", "a", "b", cluster="wording").iloc[0]
    fitted = smf.ols("reported_score ~ peer", frame.reset_index(drop=True)).fit(
        cov_type="cluster", cov_kwds={"groups": frame.wording.to_numpy(), "use_correction": False}
    )
    around = t.ppf(0.975, 7) * fitted.bse["peer[T.b]"] * math.sqrt(8 / 7)
    assert (row.low, row.high) == pytest.approx((row.estimate - around, row.estimate + around))
    assert (row.df, row.estimator) == (7, "t, 8 clusters")
    few = stats.means(frame[frame.wording == 0], "peer", "a", "b", cluster="wording").iloc[0]
    assert math.isnan(few.low) and few.estimator == "too few clusters (1)"


def test_of_many_groups_each_is_what_it_is_alone_and_its_rows_are_gone_through_once(monkeypatch):
    from ppres.stats import proportions

    rng, seen, real = np.random.default_rng(5), [], proportions.by_cluster
    frame = pd.DataFrame({"cell": rng.integers(0, 30, 600), "wording": rng.integers(0, 6, 600)})
    frame["preserved"] = pd.array(np.where(rng.random(600) < 0.1, None, rng.random(600) < 0.4), "boolean")
    frame.loc[frame.cell == 7, "preserved"] = pd.NA
    monkeypatch.setattr(proportions, "by_cluster", lambda true, *given: seen.append(len(true)) or real(true, *given))
    table = stats.rates(frame, "cell", cluster="wording")
    assert sum(seen) == frame.preserved.notna().sum()
    alone = [stats.rates(frame[frame.cell == cell], "cell", cluster="wording") for cell in table.cell]
    pd.testing.assert_frame_equal(table, pd.concat(alone, ignore_index=True))


def test_a_single_cluster_is_too_few_and_says_so():
    frame = study()
    one = frame[frame.wording == 0]
    row = stats.differences(one, "peer", "a", "b", cluster="wording", margin=0.1).iloc[0]
    assert row[["low", "high", "p"]].isna().all() and not math.isnan(row.estimate)
    assert (row.estimator, row.verdict) == ("too few clusters (1)", "")
    unknown = one.assign(preserved=pd.array([pd.NA] * len(one), dtype="boolean"), wording=99)
    table = stats.rates(pd.concat([frame, unknown]), "wording", cluster="wording")
    assert table.low.isna().all() and table.rate.notna().sum() == 8
    with pytest.raises(KeyError, match="'phrase'"):
        stats.rates(frame, cluster="phrase")


@pytest.mark.parametrize(
    ("rates", "weights", "wordings", "nested"),
    [
        ((0.3,), (1,), 6, False),
        ((0.03,), (1,), 6, False),
        ((0.3, 0.3), (1, -1), 6, True),
        ((0.5, 0.03, 0.0, 0.0), (1, -1, -1, 1), 6, False),
    ],
)
def test_intervals_cover_where_wordings_differ(rates, weights, wordings, nested):
    rng, held, held_apart = np.random.default_rng(3), 0, 0
    nodes, mass = np.polynomial.hermite_e.hermegauss(21)
    log_odds = np.log(np.maximum(rates, 1e-12) / (1 - np.array(rates)))
    true = float(np.dot(weights, [(expit(base + 0.6 * nodes) * mass).sum() / mass.sum() for base in log_odds]))
    arms, size = len(rates), 20
    for _ in range(400):
        k, n = np.zeros((arms, wordings * (arms if nested else 1))), np.zeros((arms, wordings * (arms if nested else 1)))
        shift = rng.normal(0, 0.6, wordings)
        for arm in range(arms):
            there = slice(arm * wordings, (arm + 1) * wordings) if nested else slice(None)
            shift = rng.normal(0, 0.6, wordings) if nested else shift
            k[arm, there], n[arm, there] = rng.binomial(size, expit(log_odds[arm] + shift)), size
        low, high = clustered(weights, k, n)[0](1.959964)
        held += low <= true <= high
        low, high = mover(weights, k.sum(axis=1), n.sum(axis=1), 1.959964)
        held_apart += low <= true <= high
    assert held / 400 >= 0.92  # 0.95 less three standard errors
    assert held >= held_apart
