"""Power by simulated studies, against exact enumeration."""

import functools
import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, fisher_exact

from ppres import stats

ARMS = pd.DataFrame({"peer": ["cooperative", "none"], "rate": [0.5, 0.15]})


def fisher(frame):
    return fisher_p(frame) < 0.05


def counts(frame, first):
    """How many were preserved in the first arm and in the other, and the size of each."""
    here, preserved = frame.peer.to_numpy() == first, frame.preserved.to_numpy(bool)
    return int((preserved & here).sum()), int((preserved & ~here).sum()), len(frame) // 2


def fisher_p(frame):
    return table_p(*counts(frame, "cooperative"))


@functools.cache
def table_p(a, b, n):
    return fisher_exact([[a, n - a], [b, n - b]]).pvalue


def exact(n, alpha=0.05):
    """Power of Fisher's test, summed over all tables that there can be."""
    a_is, b_is = (binom.pmf(range(n + 1), n, rate) for rate in ARMS.rate)
    return sum(a_is[a] * b_is[b] for a in range(n + 1) for b in range(n + 1) if table_p(a, b, n) < alpha)


def remembered(test, first):
    """A test of two arms that is made once for each pair of counts."""
    known = {}

    def of(frame):
        key = counts(frame, first)
        if key not in known:
            known[key] = test(frame)
        return known[key]

    return of


def test_power_is_that_of_an_exact_enumeration():
    row = stats.power(ARMS, fisher, 20, reps=1000, seed=3).iloc[0]
    assert row.power == pytest.approx(exact(20), abs=4 * math.sqrt(0.25 / 1000))
    assert row.low <= exact(20) <= row.high
    assert (row.n, row.rollouts, row.reps) == (20, 40, 1000)


def test_no_effect_is_found_as_often_as_the_test_errs():
    nothing = ARMS.assign(rate=0.4)
    differ = remembered(lambda df: stats.differences(df, "peer", "cooperative", "none").p[0] < 0.05, "cooperative")
    row = stats.power(nothing, differ, 20, reps=300).iloc[0]
    assert row.low < 0.05


def test_power_grows_with_n_and_costs_what_it_costs():
    table = stats.power(ARMS, fisher, [10, 40], cost=0.02, reps=200)
    assert table.power.is_monotonic_increasing
    assert table.dollars.tolist() == pytest.approx([0.4, 1.6])


def test_the_same_seed_gives_the_same_studies():
    kept = []
    for seed in (1, 1, 2):
        stats.power(ARMS, lambda df: kept.append(df.preserved.tolist()) or False, 5, reps=1, seed=seed)
    assert kept[0] == kept[1] != kept[2]


def test_rates_of_a_pilot_are_cells():
    pilot = pd.DataFrame({"peer": ["a"] * 4 + ["b"] * 4, "preserved": [True, True, True, False, False, False, False, True]})
    columns = []
    stats.power(stats.rates(pilot, "peer"), lambda df: columns.append([*df.columns]) or False, 2, reps=1)
    assert columns == [["peer", "preserved"]]


def test_power_for_a_score_is_that_of_the_noncentral_t():
    """Against statsmodels, for equal variances, where Welch's test and Student's are the same."""
    from statsmodels.stats.power import TTestIndPower

    cells = pd.DataFrame({"peer": ["cooperative", "none"], "mean": [70.0, 65.0], "sd": [10.0, 10.0]})

    def differ(df):
        return stats.means(df, "peer", "cooperative", "none", outcome="score").p[0] < 0.05

    row = stats.power(cells, differ, 40, outcome="score", reps=150, seed=5).iloc[0]
    exact = TTestIndPower().power(effect_size=0.5, nobs1=40, alpha=0.05)
    assert row.low <= exact <= row.high
    told = stats.power(cells.assign(wording=[0, 0]), differ, 40, outcome="score", cluster="wording", spread=50.0, reps=50, seed=5)
    assert told.power[0] == pytest.approx(row.power, abs=0.2)  # both arms shift together


def test_power_of_equivalence_is_that_of_all_tables():
    n, largest = 25, 7  # more than 7 of 25 at a chance of 0.1 hardly happen

    equivalent = remembered(lambda df: stats.differences(df, "peer", "a", "b", margin=0.3).verdict[0] == "equivalent", "a")

    def study(a, b):
        return pd.DataFrame({"peer": ["a"] * n + ["b"] * n, "preserved": [i < k for k in (a, b) for i in range(n)]})

    chance = [binom.pmf(k, n, 0.1) for k in range(largest + 1)]
    pairs = [(a, b) for a in range(largest + 1) for b in range(largest + 1) if equivalent(study(a, b))]
    row = stats.power(pd.DataFrame({"peer": ["a", "b"], "rate": [0.1, 0.1]}), equivalent, n, reps=150, seed=1).iloc[0]
    assert row.low <= sum(chance[a] * chance[b] for a, b in pairs) <= row.high


def test_power_of_a_family_is_that_of_holms_steps():
    family = pd.concat([ARMS.assign(model="m1"), ARMS.assign(model="m2")])

    def both(df):
        tests = pd.DataFrame({"p": [fisher_p(part) for _, part in df.groupby("model")]})
        return (stats.holm(tests).p_holm < 0.05).all()

    # both at 5%, and not both above 2.5%
    loose, strict = exact(20), exact(20, 0.025)
    row = stats.power(family, both, 20, reps=300, seed=2).iloc[0]
    assert row.low <= loose**2 - (loose - strict) ** 2 <= row.high


def test_wordings_that_differ_make_studies_vary_more():
    cells = pd.DataFrame({"wording": range(6), "rate": 0.5})
    means = {}
    for spread in (0.0, 1.5):
        kept = means.setdefault(spread, [])

        def keep(df, kept=kept):
            kept.append(df.preserved.mean())
            return False

        stats.power(cells, keep, 50, cluster="wording", spread=spread, reps=80)
    assert pd.Series(means[0.0]).std() == pytest.approx(math.sqrt(0.25 / 300), rel=0.2)
    assert pd.Series(means[1.5]).std() > 3 * pd.Series(means[0.0]).std()


def test_clusters_are_named_by_one_column_or_several():
    cells = pd.DataFrame({"wording": [0, 0, 1, 1], "peer": ["a", "b"] * 2, "rate": 0.5})

    def rates(cluster):
        kept = []
        stats.power(cells, lambda df: kept.append(df.preserved.tolist()) or False, 9, cluster=cluster, spread=1.0, reps=3)
        return kept

    assert rates(["wording"]) == rates("wording") != rates(["wording", "peer"])


@pytest.mark.slow
def test_the_smallest_n_has_the_power_and_fewer_have_not():
    table = stats.sample_size(ARMS, fisher, 0.8, reps=400, seed=5)
    best = table.iloc[-1]
    assert best.power >= 0.8
    assert (table.power[table.n < best.n] < 0.8).all()
    wanted = next(n for n in range(10, 60) if exact(n) >= 0.8)
    assert abs(best.n - wanted) <= 4


def test_the_smallest_effect_that_n_finds():
    table = stats.mde(lambda effect: ARMS.assign(rate=[0.15 + effect, 0.15]), fisher, 30, 0.8, largest=0.85, reps=200)
    assert table.effect.iloc[-1] == pytest.approx(0.36, abs=0.06)  # of which the exact power is 0.7999
    assert table.power.iloc[-1] >= 0.8


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: stats.power(ARMS.drop(columns="rate"), fisher, 5), KeyError, "'rate'"),
        (lambda: stats.power(ARMS.assign(rate=50), fisher, 5), ValueError, "probability"),
        (lambda: stats.power(ARMS, fisher, 0), ValueError, "n=0: it is a whole number"),
        (lambda: stats.power(ARMS, fisher, 5, cluster="wording"), KeyError, "'wording'"),
        (lambda: stats.power(ARMS, fisher, 5, cluster="peer", spread="x"), ValueError, "spread='x' is the standard deviation"),
        (lambda: stats.power(ARMS.assign(preserved="a"), fisher, 5), ValueError, "'preserved', which is that of the outcome"),
        (lambda: stats.power(ARMS.assign(rate=["0.5", "0.1"]), fisher, 5), ValueError, "rate is a number in each cell"),
        (lambda: stats.power({"rate": [0.5]}, fisher, 5), ValueError, "is no frame"),
        (lambda: stats.power(ARMS, fisher, []), ValueError, "names no number"),
        (lambda: stats.power(ARMS, fisher, "5"), ValueError, "n='5'"),
        (lambda: stats.power(ARMS, fisher, 5, seed=None), ValueError, "seed=None"),
        *(
            (lambda odd=odd: stats.power(ARMS, fisher, 5, cost=odd), ValueError, "cost=")
            for odd in (-1, math.nan, math.inf, "1", True)
        ),
        (lambda: stats.sample_size(ARMS, fisher, 80), ValueError, "target=80"),
        (lambda: stats.sample_size(ARMS, lambda df: False, reps=1), ValueError, "is there an effect"),
        (lambda: stats.mde(lambda effect: ARMS, lambda df: False, 5, reps=1), ValueError, "below 0.8"),
        (lambda: stats.mde(lambda effect: ARMS, lambda df: True, 5, largest=0), ValueError, "largest=0 is no effect"),
        *(
            (lambda odd=odd: stats.mde(lambda effect: ARMS, lambda df: True, 5, largest=odd), ValueError, "largest=")
            for odd in (math.nan, math.inf, -math.inf, "1", True, None)
        ),
    ],
)
def test_what_is_wrong_is_said(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_an_effect_that_lowers_a_rate_is_searched_like_one_that_raises_it():
    def far(frame):
        return bool(abs(frame.preserved[frame.peer == "cooperative"].mean() - 0.5) > 0.2)

    def of(largest):
        cells = lambda effect: pd.DataFrame({"peer": ["cooperative", "none"], "rate": [0.5 + effect, 0.5]})  # noqa: E731
        return stats.mde(cells, far, 40, largest=largest, reps=60)

    down, up = of(-0.5), of(0.5)
    assert len(down) > 5 and down.effect.iloc[-1] == pytest.approx(-up.effect.iloc[-1], abs=0.05)
    assert down.power.iloc[-1] >= 0.8 and -0.45 < down.effect.iloc[-1] < -0.1


@pytest.mark.parametrize("verdict", [0.03, float("nan"), np.float64(1), "undecided", (False,), 1, pd.NA, None])
def test_a_decision_is_true_or_false_and_no_p(verdict):
    with pytest.raises(ValueError, match="it is True or False"):
        stats.power(pd.DataFrame({"rate": [0.5]}), lambda frame: verdict, 10, reps=1)


def test_sizes_and_weights_are_numpys_as_well():
    cells = pd.DataFrame({"peer": ["a", "b"], "rate": [0.0, 1.0]})
    weights = {"a": np.int64(-1), "b": np.int64(1)}

    def decide(frame):
        return stats.contrasts(frame, "peer", {"b against a": weights}).low[0] > 0

    table = stats.power(cells, decide, np.array([20, 40]), reps=2)
    assert table.power.tolist() == [1.0, 1.0] and stats.power(cells, decide, np.int64(20), reps=2).n.tolist() == [20]
    with pytest.raises(ValueError, match="cluster= names none"):
        stats.power(cells, decide, 20, spread=0.5)
    with pytest.raises(ValueError, match="spread=-1"):
        stats.power(cells, decide, 20, cluster="peer", spread=-1)
