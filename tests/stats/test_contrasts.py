"""Linear contrasts of rates, and effects that are as good as none."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq
from scipy.stats import binom
from statsmodels.stats.proportion import confint_proportions_2indep, tost_proportions_2indep

from ppres import stats
from ppres.stats._interval import mover


def study(**cells):
    """A frame of cells peer_threat=(k, n)."""
    rows = []
    for name, (k, n) in cells.items():
        peer, threat = name.split("_")
        rows += [{"peer": peer, "threat": threat == "yes", "preserved": i < k} for i in range(n)]
    return pd.DataFrame(rows).astype({"preserved": "boolean"})


INTERACTION = {"threat x peer": {("cooperative", True): 1, ("none", True): -1, ("cooperative", False): -1, ("none", False): 1}}
FLOOR = {"cooperative_yes": (20, 40), "none_yes": (1, 40), "cooperative_no": (0, 40), "none_no": (0, 40)}


@pytest.mark.parametrize("counts", [(7, 34, 1, 34), (0, 20, 0, 20), (20, 20, 0, 20), (9, 10, 3, 10), (5, 56, 0, 29)])
def test_a_contrast_of_two_cells_is_newcombes_difference(counts):
    k_a, n_a, k_b, n_b = counts
    frame = study(a_yes=(k_a, n_a), b_yes=(k_b, n_b))
    row = stats.contrasts(frame, "peer", {"a - b": {"a": 1, "b": -1}}).iloc[0]
    same = stats.differences(frame, "peer", "a", "b").iloc[0]
    low, high = confint_proportions_2indep(k_a, n_a, k_b, n_b, method="newcomb", compare="diff")
    assert row.estimate == pytest.approx(k_a / n_a - k_b / n_b)
    assert (row.low, row.high) == pytest.approx((low, high), abs=1e-9)
    assert (same.low, same.high) == pytest.approx((low, high), abs=1e-9)


def test_an_interaction_over_a_floor_has_an_interval_where_log_odds_have_none():
    row = stats.contrasts(study(**FLOOR), ["peer", "threat"], INTERACTION).iloc[0]
    # By hand: Wilson's bounds of 20/40 are 0.35200 and 0.64800, of 1/40 0.00443 and 0.12881, of 0/40 0 and 0.08762.
    below = math.sqrt((0.5 - 0.35200) ** 2 + (0.12881 - 0.025) ** 2 + 0.08762**2)
    above = math.sqrt((0.64800 - 0.5) ** 2 + (0.025 - 0.00443) ** 2 + 0.08762**2)
    assert (row.estimate, row.low, row.high) == pytest.approx((0.475, 0.475 - below, 0.475 + above), abs=2e-5)
    assert (row.k, row.n, row.excluded) == (21, 160, 0)
    assert row.p < 0.001


def test_weights_scale_and_turn_a_contrast():
    frame = study(**FLOOR)
    usual = stats.contrasts(frame, ["peer", "threat"], INTERACTION).iloc[0]
    turned = {"x": {cell: -2 * weight for cell, weight in INTERACTION["threat x peer"].items()}}
    row = stats.contrasts(frame, ["peer", "threat"], turned).iloc[0]
    assert (row.estimate, row.low, row.high) == pytest.approx((-2 * usual.estimate, -2 * usual.high, -2 * usual.low))
    assert row.p == pytest.approx(usual.p)


@pytest.mark.parametrize("counts", [(12, 40, 4, 40), (3, 10, 5, 10), (1, 200, 9, 200)])
def test_p_is_the_level_at_which_the_interval_reaches_nothing(counts):
    k_a, n_a, k_b, n_b = counts
    frame = study(a_yes=(k_a, n_a), b_yes=(k_b, n_b))
    weights = {"a - b": {"a": 1, "b": -1}}
    p = stats.contrasts(frame, "peer", weights).p[0]
    row = stats.contrasts(frame, "peer", weights, level=1 - p).iloc[0]
    assert min(abs(row.low), abs(row.high)) == pytest.approx(0, abs=1e-9)


def test_no_difference_has_p_one_and_one_that_no_level_reaches_p_zero():
    frame = study(a_yes=(4, 20), b_yes=(4, 20))
    assert stats.contrasts(frame, "peer", {"a - b": {"a": 1, "b": -1}}).p[0] == 1
    assert stats.contrasts(study(a_yes=(18, 20), b_yes=(18, 20)), "peer", {"sum": {"a": 1, "b": 1}}).p[0] == 0


@pytest.mark.parametrize(
    ("counts", "verdict"),
    [((500, 1000, 505, 1000), "equivalent"), ((2, 10, 1, 10), "undecided"), ((90, 100, 10, 100), "different")],
)
def test_no_effect_is_a_finding_and_its_lack_is_not(counts, verdict):
    k_a, n_a, k_b, n_b = counts
    frame = study(a_yes=(k_a, n_a), b_yes=(k_b, n_b))
    told = [
        stats.differences(frame, "peer", "a", "b", margin=0.1).iloc[0],
        stats.contrasts(frame, "peer", {"a - b": {"a": 1, "b": -1}}, margin=0.1).iloc[0],
    ]
    inner = method_11(k_a, n_a, k_b, n_b, 1.644853627)
    score = tost_proportions_2indep(k_a, n_a, k_b, n_b, -0.1, 0.1, method="score").pvalue
    for row in told:
        assert row.verdict == verdict
        assert (row.low_equivalence, row.high_equivalence) == pytest.approx(inner)
        assert row.p_equivalence == pytest.approx(score, abs=0.08)  # another interval, nearly the same test


def method_11(k_a, n_a, k_b, n_b, z):
    """Newcombe's (1998, Stat Med 17:873), by roots of the corrected score |p - k/n| - 1/2n = z sqrt(p (1 - p) / n)."""

    def bounds(k, n):
        def beyond(p, sign):
            return sign * (p - k / n) - 1 / (2 * n) - z * math.sqrt(p * (1 - p) / n)

        low = brentq(lambda p: beyond(p, -1), 0, k / n) if k else 0.0
        return low, brentq(lambda p: beyond(p, 1), k / n, 1) if k < n else 1.0

    (low_a, high_a), (low_b, high_b), a, b = bounds(k_a, n_a), bounds(k_b, n_b), k_a / n_a, k_b / n_b
    return a - b - math.hypot(a - low_a, high_b - b), a - b + math.hypot(high_a - a, b - low_b)


@pytest.mark.parametrize(
    ("counts", "published"),  # Newcombe (1998), Table II, method 11
    [((56, 70, 48, 80), (0.0428, 0.3422)), ((9, 10, 3, 10), (0.1013, 0.8387))],
)
def test_the_interval_for_equivalence_is_newcombes_eleventh(counts, published):
    k_a, n_a, k_b, n_b = counts
    row = stats.differences(study(a_yes=(k_a, n_a), b_yes=(k_b, n_b)), "peer", "a", "b", margin=0.1, level=0.975).iloc[0]
    assert (row.low_equivalence, row.high_equivalence) == pytest.approx(method_11(*counts, 1.959964), abs=1e-6)
    assert (row.low_equivalence, row.high_equivalence) == pytest.approx(published, abs=6e-5)


@pytest.mark.parametrize(("n", "margin"), [(20, 0.2), (60, 0.1), (60, 0.2), (100, 0.1)])
def test_effects_of_just_the_margin_pass_in_at_most_5_percent_by_exact_enumeration(n, margin):
    """Without the continuity correction 6.9% (n = 20), 5.3%, 5.5% and 5.8%."""
    z, ends = 1.644853627, range(n + 1)
    passed = np.zeros((n + 1, n + 1), dtype=bool)
    for a in ends:
        for b in ends:
            low, high = mover((1, -1), (a, b), (n, n), z, corrected=True)
            passed[a, b] = -margin < low and high < margin
    errors = [binom.pmf(ends, n, p + margin) @ passed @ binom.pmf(ends, n, p) for p in np.linspace(0, 1 - margin, 33)]
    assert max(errors) <= 0.05


def test_a_small_effect_that_is_there_is_equivalent_and_its_p_says_so():
    frame = study(a_yes=(5200, 10000), b_yes=(5000, 10000))
    row = stats.differences(frame, "peer", "a", "b", margin=0.05).iloc[0]
    assert row.low > 0
    assert row.verdict == "equivalent"
    just = stats.differences(frame, "peer", "a", "b", margin=0.05, level=1 - row.p_equivalence).iloc[0]
    assert max(-just.low_equivalence, just.high_equivalence) == pytest.approx(0.05, abs=1e-6)


def test_groups_and_cells_without_an_outcome():
    frame = pd.concat([study(**FLOOR).assign(model="a"), study(**FLOOR).assign(model="b")], ignore_index=True)
    frame.loc[(frame.model == "b") & (frame.peer == "none") & frame.threat, "preserved"] = pd.NA
    table = stats.contrasts(frame, ["peer", "threat"], INTERACTION, by="model", margin=0.2).set_index("model")
    assert table.loc["a", "estimate"] == pytest.approx(0.475)
    assert math.isnan(table.loc["b", "estimate"])
    assert math.isnan(table.loc["b", "p_equivalence"])
    assert table.loc["b", "verdict"] == ""
    assert table.loc["b", "estimator"] == "a cell has no known outcome"
    assert table.loc["b", "excluded"] == 40


def test_a_missing_level_is_a_cell():
    frame = study(a_yes=(7, 34), b_yes=(1, 34))
    frame["peer"] = frame.peer.where(frame.peer == "a")
    row = stats.contrasts(frame, "peer", {"a - nobody": {"a": 1, None: -1}}).iloc[0]
    assert row.estimate == pytest.approx(6 / 34)
    for again in (math.nan, pd.NA, (None,)):  # all of them are that cell
        with pytest.raises(ValueError, match="a cell that has a weight already"):
            stats.contrasts(frame, "peer", {"x": {"a": 1, None: -1, again: -1}})


def test_numbers_of_numpy_are_numbers():
    frame = study(a_yes=(7, 34), b_yes=(1, 34))
    row = stats.differences(frame, "peer", "a", "b", margin=np.float32(0.2)).iloc[0]
    assert row.verdict == stats.differences(frame, "peer", "a", "b", margin=0.2).verdict[0]


@pytest.mark.parametrize("level", [["a"], {"a": 1}, {"a"}, np.array(["a"]), ("a", "b")])
def test_a_level_is_one_value(level):
    with pytest.raises(ValueError, match="is no level: it is one value"):
        stats.differences(study(a_yes=(7, 34), b_yes=(1, 34)), "peer", level, "b")


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"factors": "pear"}, KeyError, "no column 'pear'"),
        ({"weights": {"x": {"a": 1, "z": -1}}}, ValueError, "no row has 'z'; there are"),
        ({"weights": {"x": {("a", True): 1}}}, ValueError, "no level of peer"),
        ({"weights": {"x": {"a": "1"}}}, ValueError, "is a number"),
        ({"weights": {"x": {"a": math.inf}}}, ValueError, "is a number"),
        ({"weights": {"x": {"a": 0}}}, ValueError, "all its weights are 0"),
        ({"weights": {"x": {"a": 1, ("a",): -1}}}, ValueError, "a cell that has a weight already"),
        ({"weights": {"x": {"b": 1, "a": 0, ("a",): 1}}}, ValueError, "a cell that has a weight already"),
        ({"weights": {"x": {("a", "b"): 1}}}, ValueError, "is no level of peer each"),
        ({"weights": {}}, ValueError, "names no contrast"),
        ({"weights": {"a": 1, "b": -1}}, ValueError, "is no mapping of contrasts to weights of cells"),
        ({"weights": [1, -1]}, ValueError, "is no mapping of contrasts"),
        ({"level": 95}, ValueError, "between 0 and 1"),
        ({"margin": 10}, ValueError, "between 0 and 1"),
        ({"margin": True}, ValueError, "between 0 and 1"),
        ({"margin": math.nan}, ValueError, "between 0 and 1"),
        ({"by": "peer", "outcome": "threat_level"}, KeyError, "threat_level"),
    ],
)
def test_what_is_wrong_is_said(changes, error, says):
    usual = {"factors": "peer", "weights": {"x": {"a": 1, "b": -1}}}
    with pytest.raises(error, match=says):
        stats.contrasts(study(a_yes=(1, 2), b_yes=(1, 2)), **usual | changes)


def test_the_interval_of_an_interaction_covers_it():
    rng = np.random.default_rng(8)
    rates, weights, n, held = np.array([0.5, 0.1, 0.3, 0.05]), np.array([1, -1, -1, 1]), 40, 0
    frame, told = study(a_yes=(1, 2), b_yes=(1, 2), c_yes=(1, 2), d_yes=(1, 2)), dict(zip("abcd", weights.tolist(), strict=True))
    assert not frame.empty
    from ppres.stats._interval import mover

    for k in rng.binomial(n, rates, size=(4000, 4)):
        low, high = mover([*told.values()], k.tolist(), [n] * 4, 1.959964)
        held += low <= rates @ weights <= high
    assert 0.94 <= held / 4000 <= 0.97


def test_weights_in_a_series_are_told():
    with pytest.raises(ValueError, match="is no mapping of contrasts to weights"):
        stats.contrasts(pd.DataFrame({"peer": ["a", "b"], "preserved": [True, False]}), "peer", pd.Series({"a": 1, "b": -1}))
