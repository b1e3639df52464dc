"""Differences, ratios, means and adjusted p-values, against published examples, scipy and statsmodels."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import boschloo_exact, fisher_exact, norm, ttest_1samp, ttest_ind
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from ppres import stats


def two(k_a, n_a, k_b, n_b, levels=("a", "b")):
    outcome = [True] * k_a + [False] * (n_a - k_a) + [True] * k_b + [False] * (n_b - k_b)
    return pd.DataFrame({"arm": [levels[0]] * n_a + [levels[1]] * n_b, "preserved": pd.array(outcome, "boolean")})


@pytest.mark.parametrize(
    ("table", "low", "high"),
    [
        ((56, 70, 48, 80), 0.0524, 0.3339),
        ((9, 10, 3, 10), 0.1705, 0.8090),
        ((6, 7, 2, 7), 0.0582, 0.8062),
        ((5, 56, 0, 29), -0.0381, 0.1926),
        ((0, 10, 0, 20), -0.1611, 0.2775),
        ((0, 10, 0, 10), -0.2775, 0.2775),
        ((10, 10, 0, 20), 0.6791, 1.0000),
        ((10, 10, 0, 10), 0.6075, 1.0000),
    ],
)
def test_differences_are_those_that_newcombe_published(table, low, high):
    """Newcombe (1998), Statistics in Medicine 17:873-890, table II, method 10."""
    (row,) = stats.differences(two(*table), "arm", "a", "b").itertuples()
    assert row.estimate == pytest.approx(table[0] / table[1] - table[2] / table[3])
    assert (row.low, row.high) == pytest.approx((low, high), abs=6e-5)
    assert (row.k_a, row.n_a, row.k_b, row.n_b, row.k, row.n) == (*table, table[0] + table[2], table[1] + table[3])
    (turned,) = stats.differences(two(*table), "arm", "b", "a").itertuples()
    assert (turned.estimate, turned.low, turned.high, turned.p) == pytest.approx((-row.estimate, -row.high, -row.low, row.p))


def test_a_ratio_is_the_one_that_koopman_published():
    """Koopman (1984), Biometrics 40:513-517: 36 of 40 against 16 of 80, 95% interval 2.94 to 7.15."""
    (row,) = stats.risk_ratios(two(36, 40, 16, 80), "arm", "a", "b").itertuples()
    assert (row.estimate, row.low, row.high) == pytest.approx((4.5, 2.94, 7.15), abs=5e-3)


@pytest.mark.parametrize("table", [(10, 10, 10, 10), (3, 10, 0, 10), (0, 10, 3, 10), (299, 300, 0, 300), (7, 9, 5, 30)])
def test_a_ratio_on_the_bound_of_its_interval_is_just_rejected(table):
    """Pearson's chi-squared under the ratio, with the proportions that a grid finds most likely: what the interval inverts."""
    k_a, n_a, k_b, n_b = table
    (row,) = stats.risk_ratios(two(*table), "arm", "a", "b").itertuples()
    for ratio in (bound for bound in (row.low, row.high) if 0 < bound < np.inf):
        q = np.linspace(0, min(1, 1 / ratio), 2_000_001)[1:-1]
        with np.errstate(divide="ignore"):
            likely = k_a * np.log(ratio * q) + (n_a - k_a) * np.log1p(-ratio * q) + k_b * np.log(q) + (n_b - k_b) * np.log1p(-q)
        best = q[likely.argmax()]
        chi2 = (k_a - n_a * ratio * best) ** 2 / (n_a * ratio * best * (1 - ratio * best)) + (k_b - n_b * best) ** 2 / (
            n_b * best * (1 - best)
        )
        if likely.argmax() not in (0, len(q) - 1):  # inside, the grid is exact enough
            assert chi2 == pytest.approx(norm.ppf(0.975) ** 2, rel=1e-3)
    (turned,) = stats.risk_ratios(two(*table), "arm", "b", "a").itertuples()
    inverse = [np.inf if x == 0 else 0 if x == np.inf else 1 / x for x in (row.estimate, row.high, row.low)]
    assert (turned.estimate, turned.low, turned.high) == pytest.approx(inverse)


def test_a_ratio_of_nothing_to_nothing_is_missing():
    (row,) = stats.risk_ratios(two(0, 5, 0, 5), "arm", "a", "b").itertuples()
    assert np.isnan(row.estimate) and (row.low, row.high, row.p) == (0, np.inf, 1)


def test_small_tables_have_boschloos_p_and_large_ones_fishers():
    (row,) = stats.differences(two(9, 10, 3, 10), "arm", "a", "b").itertuples()
    assert (row.p, row.estimator) == (pytest.approx(boschloo_exact([[9, 3], [1, 7]]).pvalue), "Newcombe, Boschloo")
    (row,) = stats.differences(two(60, 100, 40, 100), "arm", "a", "b").itertuples()
    assert (row.p, row.estimator) == (pytest.approx(fisher_exact([[60, 40], [40, 60]]).pvalue), "Newcombe, Fisher")
    for k in (0, 10):
        (row,) = stats.differences(two(k, 10, k, 10), "arm", "a", "b").itertuples()
        assert row.p == 1


def test_a_missing_level_is_a_level_and_groups_are_counted_apart():
    frame = pd.concat([two(3, 9, 5, 8, (None, "kind")).assign(model="x"), two(1, 4, 4, 4, (None, "kind")).assign(model=None)])
    frame.loc[frame.index < 2, "preserved"] = pd.NA  # a repeated index: the first two rows of both models
    table = stats.differences(frame, "arm", "kind", None, by="model")
    assert table[["k_a", "n_a", "k_b", "n_b"]].to_numpy().tolist() == [[5, 8, 1, 7], [4, 4, 0, 2]]
    assert table.model.isna().tolist() == [False, True]
    assert table.columns[:9].tolist() == ["model", "term", "estimate", "low", "high", "p", "k", "n", "estimator"]
    assert table.term.unique().tolist() == ["arm: kind - None"]


def test_a_group_that_lacks_a_level_has_no_difference():
    frame = pd.concat([two(3, 9, 5, 8).assign(model="x"), two(3, 9, 0, 0).assign(model="y")])
    for compare in (stats.differences, stats.risk_ratios, lambda *a, **k: stats.means(*a, outcome="turns", **k)):
        table = compare(frame.assign(turns=range(len(frame))), "arm", "a", "b", by="model")
        assert table.estimate.isna().tolist() == table.p.isna().tolist() == table.low.isna().tolist() == [False, True]


def test_mistakes_are_named():
    frame = two(1, 2, 1, 2)
    with pytest.raises(ValueError, match="no row has arm='c'; its levels are 'a', 'b'"):
        stats.differences(frame, "arm", "a", "c")
    with pytest.raises(ValueError, match=r"its levels are True$"):  # and not np.True_
        stats.differences(frame.assign(arm=True), "arm", True, False)
    with pytest.raises(ValueError, match="same level"):
        stats.risk_ratios(frame, "arm", "a", "a")
    with pytest.raises(KeyError, match=r"'leg'.*arm, preserved"):
        stats.differences(frame, "leg", "a", "b")
    with pytest.raises(ValueError, match="level=95"):
        stats.differences(frame, "arm", "a", "b", level=95)
    with pytest.raises(ValueError, match="'arm' has no numbers"):
        stats.means(frame, "arm", "a", "b", outcome="arm")


def test_means_are_welchs():
    rng = np.random.default_rng(4)
    frame = pd.DataFrame(
        {"arm": rng.choice(["a", "b"], 60, p=[0.3, 0.7]), "score": rng.normal(60, 9, 60), "model": ["x", "y"] * 30}
    )
    frame.loc[5:9, "score"] = np.nan
    table = stats.means(frame, "arm", "a", "b", by="model", outcome="score", level=0.9)
    for row in table.itertuples():
        part = frame[frame.model == row.model].dropna()
        found = ttest_ind(part.score[part.arm == "a"], part.score[part.arm == "b"], equal_var=False)
        interval = found.confidence_interval(0.9)
        assert (row.p, row.low, row.high, row.df, row.n) == pytest.approx((found.pvalue, *interval, found.df, len(part)))


def test_means_without_spread_have_no_interval():
    for a, b in ((60.0, 80.0), (61.7, 60.1)):  # of three 61.7, rounding makes a variance of 1e-28
        frame = pd.DataFrame({"arm": ["a"] * 3 + ["b"] * 3, "score": [a] * 3 + [b] * 3})
        (row,) = stats.means(frame, "arm", "a", "b", outcome="score").itertuples()
        assert row.estimate == pytest.approx(a - b) and np.isnan([row.low, row.high, row.p]).all()
    frame.loc[0, "score"] = 62.7
    (row,) = stats.means(frame, "arm", "a", "b", outcome="score").itertuples()
    assert row.p == pytest.approx(ttest_1samp([62.7, 61.7, 61.7], 60.1).pvalue)


def coded(both, only_a, only_b, neither):
    pairs = [(True, True)] * both + [(True, False)] * only_a + [(False, True)] * only_b + [(False, False)] * neither
    return pd.DataFrame(pairs, columns=["a", "b"])


def test_kappa_has_no_interval_where_its_variance_is_0():
    for table, kappa in (((1, 0, 0, 2), 1), ((5, 5, 0, 0), 0)):
        (row,) = stats.agreement(coded(*table), "a", "b").itertuples()
        assert row.kappa == pytest.approx(kappa) and np.isnan([row.low, row.high]).all()


def test_kappas_interval_ends_where_kappa_does():
    (row,) = stats.agreement(coded(1, 0, 1, 20), "a", "b").itertuples()
    assert 0 < row.low < row.kappa < row.high == 1
    (row,) = stats.agreement(coded(0, 2, 3, 1), "a", "b").itertuples()
    assert -1 == row.low < row.kappa < row.high < 1
    with pytest.raises(ValueError, match="level=95"):
        stats.agreement(coded(1, 0, 1, 20), "a", "b", level=95)


@pytest.mark.parametrize("name", ["k", "n", "rate", "excluded"])
def test_a_column_of_the_result_is_no_group(name):
    with pytest.raises(ValueError, match=f"by= has '{name}'.*rename"):
        stats.rates(two(1, 2, 1, 2).assign(**{name: 1}), name)
    for function in (stats.differences, stats.risk_ratios):
        with pytest.raises(ValueError, match=r"by= has 'n'.*k_a.*rename"):
            function(two(1, 2, 1, 2).assign(n=1), "arm", "a", "b", by="n")


def test_cells_at_the_floor_and_the_ceiling_are_flagged():
    unknown = two(1, 1, 0, 0, ("e", "f")).assign(preserved=pd.array([None], "boolean"))
    frame = pd.concat([two(0, 3, 3, 3), two(1, 2, 0, 0, ("c", "d")), unknown])
    assert stats.rates(frame, "arm").set_index("arm").flag.to_dict() == {"a": "floor", "b": "ceiling", "c": "", "e": ""}


def test_holm_is_by_hand():
    """Family x: 0.01 x 3, 0.03 x 2, 0.04 x 1 but not below the one before; missing is no test. Family y: one test."""
    frame = pd.DataFrame(
        {"p": [0.04, np.nan, 0.01, 0.03, 0.5, np.nan], "family": ["x", "x", "x", "x", "y", "z"]}, index=[3, 3, 1, 1, 0, 0]
    )
    assert stats.holm(frame, "family").p_holm.tolist() == pytest.approx([0.06, np.nan, 0.03, 0.06, 0.5, np.nan], nan_ok=True)
    assert stats.holm(frame).p_holm.tolist() == pytest.approx([0.09, np.nan, 0.04, 0.09, 0.5, np.nan], nan_ok=True)
    assert stats.holm(frame[:0]).p_holm.tolist() == []
    with pytest.raises(ValueError, match="no p-value"):
        stats.holm(frame.assign(p=2.0))


def test_a_bootstrap_draws_rows_whose_cluster_is_missing_and_rollouts_more_than_once():
    frame = pd.DataFrame({"w": [0.0] * 10 + [1.0] * 10 + [None] * 20, "preserved": [False] * 20 + [True] * 20})
    frame["id"] = [f"{i:016x}" for i in range(40)]

    def rate(part):
        return stats.rates(part).rate[0]

    plain = stats.bootstrap(frame, rate, "w", reps=200)
    assert (plain.estimate[0], plain.low[0], plain.high[0], plain.clusters[0]) == (0.5, 0.0, 1.0, 3)
    named = frame.assign(w=pd.Categorical(frame.w))
    pd.testing.assert_frame_equal(stats.bootstrap(named, rate, "w", reps=200), plain)


def test_a_bootstrap_draws_whole_clusters():
    """Clusters of equal size and constant outcome: the interval is that of the mean of their values, however large they are."""
    values = np.random.default_rng(0).normal(size=40)
    frame = pd.DataFrame({"cell": np.repeat(range(40), 5), "x": np.repeat(values, 5)})

    def mean(part):
        return pd.Series({"mean": part.x.mean(), "top": part.x.max()})

    table = stats.bootstrap(frame, mean, "cell", reps=400, seed=3).set_index("term")
    row = table.loc["mean"]
    around = norm.ppf(0.975) * values.std() / np.sqrt(40)
    assert (row.estimate, row.low, row.high) == pytest.approx(
        (values.mean(), values.mean() - around, values.mean() + around), abs=0.04
    )
    assert (row.n, row.clusters, row.failed) == (200, 40, 0)
    pd.testing.assert_frame_equal(table, stats.bootstrap(frame, mean, ["cell"], reps=400, seed=3).set_index("term"))
    assert stats.bootstrap(frame, mean, "cell", reps=400, seed=4).low[0] != row.low
    with pytest.raises(ValueError, match="makes 1 clusters"):
        stats.bootstrap(frame[:5], mean, "cell")
    for reps in (0, 10**12, 2.5, True):
        with pytest.raises(ValueError, match=f"reps={reps}: it is a whole number from 1 up, to ten million"):
            stats.bootstrap(frame, mean, "cell", reps=reps)


def test_a_statistic_may_change_the_frame_that_it_is_given():
    frame = pd.DataFrame({"cell": range(20), "x": np.linspace(0, 1, 20)})
    before = frame.copy()

    def centred(part):
        part["x"] -= 0.5
        return part.x.mean()

    assert stats.bootstrap(frame, centred, "cell", reps=20).estimate[0] == pytest.approx(0)
    pd.testing.assert_frame_equal(frame, before)


def settings(rates, n=40, **fixed):
    """Rollouts of (setting, threshold, clause): k of n preserved."""
    parts = []
    for (setting, threshold, clause), k in rates.items():
        finance = setting == "finance"
        true = np.arange(n) < k
        part = pd.DataFrame({"preserved": pd.array(true, "boolean"), "reported_score": np.where(true, 95.0, 60.0)})
        place = {
            "scenario": "finance" if finance else "evaluation",
            "dataset": None if finance else setting,
            "threshold": threshold,
        }
        parts.append(part.assign(**place, shutdown_clause=clause, missing=None, model="m", subject="peer", **fixed))
    return pd.concat(parts, ignore_index=True)


FOUR = {("finance", np.nan): (20, 8), ("factual", 80.0): (12, 4), ("creativity", 80.0): (32, 20), ("red", 80.0): (8, 8)}


def test_the_four_settings_count_equally():
    frame = settings({(*place, clause): k for place, pair in FOUR.items() for clause, k in zip((True, False), pair, strict=True)})
    (row,) = stats.setting_average(frame, ["model", "subject"]).itertuples()
    assert row.estimate == pytest.approx((12 + 8 + 12 + 0) / 160)
    assert (row.k, row.n, row.k_baseline, row.n_baseline) == (72, 160, 40, 160)
    # Zou, Huang and Zhang's formula, written out with statsmodels' Wilson intervals
    weighted = [(sign / 4, k) for pair in FOUR.values() for sign, k in zip((1, -1), pair, strict=True)]
    low = high = 0.0
    for weight, k in weighted:
        wilson = proportion_confint(k, 40, method="wilson")
        low += (weight * (k / 40 - wilson[0 if weight > 0 else 1])) ** 2
        high += (weight * (wilson[1 if weight > 0 else 0] - k / 40)) ** 2
    assert (row.low, row.high) == pytest.approx((row.estimate - low**0.5, row.estimate + high**0.5))
    (at_p,) = stats.setting_average(frame, level=1 - row.p).itertuples()
    assert at_p.low == pytest.approx(0, abs=1e-9)


def test_a_baseline_is_held_against_each_threshold_and_counts_once():
    """Creativity at 80 and 90; the baseline has no threshold and no relationship, and 10 of its 40 scores are 85."""
    cells = {(*place, True): pair[0] for place, pair in FOUR.items()} | {("creativity", 90.0, True): 16}
    frame = settings(cells, peer="cooperative")
    baseline = settings({(*place, False): pair[1] for place, pair in FOUR.items()}, peer="stranger")
    scored = baseline.scenario == "evaluation"
    baseline.loc[scored, "threshold"], baseline.loc[scored, "missing"] = np.nan, "no threshold"
    baseline.loc[scored, "preserved"] = pd.NA
    baseline.loc[baseline[baseline.dataset == "creativity"].index[:10], "reported_score"] = 85.0
    for found in (
        stats.setting_average(frame, ["model", "subject", "peer"], baseline),
        stats.setting_average(pd.concat([frame, baseline]), ["model", "subject", "peer"]),
    ):
        (row,) = found.itertuples()
        creativity = (32 + 16) / 80 - (20 + 10) / 80
        assert row.estimate == pytest.approx((12 / 40 + 8 / 40 + creativity + 0) / 4)
        assert (row.n, row.n_baseline, row.peer) == (200, 160, "cooperative")


def test_what_an_average_leaves_out_is_counted():
    """3 threats and 5 baseline rollouts without an outcome, and 40 and 40 of a dataset that is no setting."""
    frame = settings({(*place, clause): k for place, pair in FOUR.items() for clause, k in zip((True, False), pair, strict=True)})
    (before,) = stats.setting_average(frame).itertuples()
    other = settings({("factual", 80.0, True): 40, ("factual", 80.0, False): 40}).assign(dataset="trivia")
    refused = frame.groupby("shutdown_clause").head(5).index[2:]  # of finance, 3 with the clause, 5 without
    frame.loc[refused, ["preserved", "reported_score"]] = [pd.NA, np.nan]
    frame["missing"] = frame.missing.astype(object).where(frame.preserved.notna(), "refused")
    (row,) = stats.setting_average(pd.concat([frame, other])).itertuples()
    assert (row.n, row.n_baseline, row.excluded, row.excluded_baseline) == (157, 155, 43, 45)
    assert row.k == before.k - 3 and row.k_baseline == before.k_baseline - 5
    assert row.estimate == pytest.approx(before.estimate + (17 / 37 - 20 / 40 - 3 / 35 + 8 / 40) / 4)


def test_refusals_may_be_counted_as_not_preserved():
    """Of evaluation too, where the baseline is judged by its scores."""
    frame = settings({(*place, clause): k for place, pair in FOUR.items() for clause, k in zip((True, False), pair, strict=True)})
    (before,) = stats.setting_average(frame).itertuples()
    refused = ~frame.preserved & (np.arange(len(frame)) % 2 == 0)
    frame.loc[refused, ["preserved", "reported_score"]] = [pd.NA, np.nan]
    frame["missing"] = frame.missing.astype(object).where(~refused, "refused")
    (without,) = stats.setting_average(frame).itertuples()
    assert without.n < before.n and without.n_baseline < before.n_baseline
    (counted,) = stats.setting_average(frame.assign(preserved=frame.preserved.where(~refused, False))).itertuples()
    assert counted == before


def test_an_average_without_a_setting_is_missing_and_says_so():
    frame = settings({(*place, clause): 5 for place in FOUR if place[0] != "red" for clause in (True, False)})
    (row,) = stats.setting_average(frame).itertuples()
    assert np.isnan([row.estimate, row.low, row.high, row.p]).all() and row.estimator == "no rollouts in red"
    with pytest.raises(ValueError, match="baseline"):
        stats.setting_average(frame[frame.shutdown_clause])


def random_counts(seed=11, studies=60):
    rng = np.random.default_rng(seed)
    for _ in range(studies):
        n_a, n_b = (int(n) for n in rng.integers(1, 120, 2))
        yield int(rng.integers(0, n_a + 1)), n_a, int(rng.integers(0, n_b + 1)), n_b


def test_intervals_are_those_of_statsmodels():
    for k_a, n_a, k_b, n_b in random_counts():
        (row,) = stats.differences(two(k_a, n_a, k_b, n_b), "arm", "a", "b", level=0.9).itertuples()
        newcombe = confint_proportions_2indep(k_a, n_a, k_b, n_b, method="newcomb", compare="diff", alpha=0.1)
        assert (row.low, row.high) == pytest.approx(newcombe, abs=1e-12)
        rates = stats.rates(two(k_a, n_a, k_b, n_b), "arm", level=0.9)
        low, high = proportion_confint([k_a, k_b], [n_a, n_b], alpha=0.1, method="wilson")
        assert (*rates.low, *rates.high) == pytest.approx((*low, *high), abs=1e-12)


def test_holms_p_is_that_of_statsmodels():
    rng = np.random.default_rng(12)
    for size in (1, 2, 5, 40):
        p = rng.choice([0, 1, 1e-300, *rng.uniform(size=size)], size).round(2)
        assert stats.holm(pd.DataFrame({"p": p})).p_holm.tolist() == pytest.approx(multipletests(p, method="holm")[1].tolist())


def test_kappa_and_its_interval_are_those_of_statsmodels():
    rng = np.random.default_rng(13)
    for codes in (2, 3, 5) * 6:
        table = rng.integers(1, 30, (codes, codes))
        a, b = np.indices(table.shape).reshape(2, -1).repeat(table.ravel(), axis=1)
        (row,) = stats.agreement(pd.DataFrame({"a": a, "b": b}), "a", "b", level=0.9).itertuples()
        known = cohens_kappa(table)
        around = norm.ppf(0.95) * known.std_kappa
        assert (row.kappa, row.low, row.high) == pytest.approx((known.kappa, known.kappa - around, known.kappa + around))
