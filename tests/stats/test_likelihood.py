"""Firth's likelihood, its profiles and separation: published fits, R, firthmodels, a search without derivatives, by hand."""

import io
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from firthmodels import FirthLogisticRegression, detect_separation
from scipy.optimize import minimize
from scipy.special import expit, logit
from scipy.stats import chi2

from ppres import stats
from ppres.stats._likelihood import Likelihood

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
import bench_coverage as bench

# NV, PI, EH, HG of 79 women: the endometrial cancer study of Heinze and Schemper (2002), Statistics in Medicine 21:2409-2419, as in
# R's brglm2::endometrial.
ENDOMETRIAL = """
0,13,1.64,0;0,16,2.26,0;0,8,3.14,0;0,34,2.68,0;0,20,1.28,0;0,5,2.31,0;0,17,1.8,0;0,10,1.68,0;0,26,1.56,0;0,17,2.31,0;0,8,2.01,0;
0,7,1.89,0;0,20,3.15,0;0,10,1.23,0;0,18,1.27,0;0,16,1.76,0;0,18,2,0;0,8,2.64,1;0,29,0.88,1;0,12,1.27,1;0,20,1.37,1;1,38,0.97,1;
1,22,1.14,1;1,7,0.88,1;1,25,0.91,1;1,15,0.58,1;0,7,0.97,1;0,28,1.5,0;0,11,1.33,0;0,19,2.37,0;0,10,1.82,0;0,10,3.13,0;0,18,1.31,0;
0,14,1.92,0;0,21,1.64,0;0,11,2.01,0;0,17,1.88,0;0,25,1.93,0;0,16,2.11,0;0,19,1.29,0;0,15,1.72,0;0,33,0.75,0;0,24,1.92,0;
0,48,1.84,1;0,12,1.11,1;0,19,1.61,1;0,2,1.18,1;1,22,1.44,1;1,40,1.18,1;1,5,0.93,1;1,0,1.17,1;0,21,1.19,1;0,15,1.06,1;0,29,2.02,0;
0,15,2.29,0;0,12,2.33,0;0,3,2.9,0;0,20,1.7,0;0,23,1.41,0;0,12,2.25,0;0,22,1.54,0;0,42,1.97,0;0,15,1.75,0;0,13,2.16,0;0,14,2.57,0;
0,19,1.37,0;0,12,3.61,0;0,13,2.04,0;0,10,2.17,0;0,12,1.69,1;1,49,0.27,1;0,6,1.84,1;0,5,1.3,1;0,17,0.96,1;1,11,1.01,1;1,21,0.98,1;
0,5,0.35,1;1,19,1.02,1;0,33,0.85,1
"""


@pytest.fixture(scope="module")
def endometrial():
    table = pd.read_csv(io.StringIO(ENDOMETRIAL.replace("\n", "").replace(";", "\n")), names=["NV", "PI", "EH", "HG"])
    return table.assign(HG=table.HG == 1)


def test_firth_is_as_published_on_the_endometrial_data(endometrial):
    """Estimates and profile intervals of R's logistf 1.24, as kept in the tests of Python's firthlogist; Heinze and Schemper print
    them to 2 digits. p of NV and the likelihood ratio: 0.0091 (firthmodels below agrees)."""
    table = stats.logit("HG ~ NV + PI + EH", endometrial).set_index("term")
    expected = {
        "Intercept": (3.77455951, 1.0825371, 7.20928050),
        "NV": (2.92927330, 0.6097244, 7.85463171),
        "PI": (-0.03475175, -0.1244587, 0.04045547),
        "EH": (-2.60416387, -4.3651832, -1.23272106),
    }
    for term, numbers in expected.items():
        assert tuple(table.loc[term, ["estimate", "low", "high"]]) == pytest.approx(numbers, rel=2e-5)
    assert (table.estimator == "Firth, profile likelihood").all()
    assert table.se.isna().all()
    assert (table.k == 30).all() and (table.n == 79).all()
    theirs = FirthLogisticRegression().fit(endometrial[["NV", "PI", "EH"]], endometrial.HG.astype(int)).lrt()
    assert table.p[["NV", "PI", "EH", "Intercept"]].tolist() == pytest.approx(theirs.lrt_pvalues_.tolist(), rel=1e-3)
    (test,) = stats.lr_test("HG ~ PI + EH", "HG ~ NV + PI + EH", endometrial).itertuples()
    assert (test.p, test.df, test.estimator) == (pytest.approx(table.p["NV"]), 1, "Firth, penalised likelihood ratio")


def test_margins_and_predictions_under_separation(endometrial):
    """R 4.2.2, brglm2 0.9: glm(HG ~ NV + PI + EH, binomial, method = "brglmFit", type = "AS_mean"), its vcov, delta method."""
    beta = np.array([3.77455939814, 2.92927325858, -0.03475174945, -2.60416382414])
    lower = [2.216202686, -0.23243689, 2.40486803, -0.0352440519, -0.0102860902, 0.0015664296]
    lower += [-1.0085698300, 0.1986417591, 0.0059846469, 0.6022033485]
    vcov = np.zeros((4, 4))
    vcov[np.tril_indices(4)] = lower
    vcov = vcov + np.tril(vcov, -1).T
    x = np.column_stack([np.ones(79), endometrial[["NV", "PI", "EH"]]])
    p = expit(x @ beta)
    one, none = (np.column_stack([x[:, 0], np.full(79, v), x[:, 2:]]) for v in (1, 0))
    slope = (one.T * (expit(one @ beta) * expit(-one @ beta))).mean(axis=1) - (
        none.T * (expit(none @ beta) * expit(-none @ beta))
    ).mean(axis=1)
    table = stats.margins("HG ~ NV + PI + EH", endometrial).set_index("term")
    assert table.estimate["NV"] == pytest.approx((expit(one @ beta) - expit(none @ beta)).mean(), rel=1e-6)
    assert table.se["NV"] == pytest.approx(np.sqrt(slope @ vcov @ slope), rel=1e-5)
    assert table.estimate["EH"] == pytest.approx(beta[3] * (p * (1 - p)).mean(), rel=1e-6)
    assert table.estimator.unique().tolist() == ["Firth, delta method"]
    (row,) = stats.predicted("HG ~ NV + PI + EH", endometrial, {"NV": 0, "PI": 0, "EH": 0}).itertuples()
    assert (row.estimate, row.low, row.high) == pytest.approx(tuple(expit([3.77455951, 1.0825371, 7.20928050])), rel=1e-6)
    # anywhere else, it is the intercept of a model whose columns are 0 there
    (row,) = stats.predicted("HG ~ NV + PI + EH", endometrial, {"NV": 1, "PI": 17, "EH": 1.5}).itertuples()
    moved = endometrial.assign(NV=endometrial.NV - 1, PI=endometrial.PI - 17, EH=endometrial.EH - 1.5)
    (there, *_) = stats.logit("HG ~ NV + PI + EH", moved).itertuples()
    assert (row.estimate, row.low, row.high) == pytest.approx(tuple(expit([there.estimate, there.low, there.high])), rel=1e-6)
    assert row.p == pytest.approx(there.p, rel=1e-6)


def test_firth_of_two_proportions_adds_half_to_every_cell():
    """Saturated 2 x 2 table, as Firth (1993), section 3.3; 0/300 against 299/300, where clustered GLM is silently wrong."""
    frame = pd.DataFrame(
        {"x": [0] * 300 + [1] * 300, "preserved": [False] * 300 + [True] * 299 + [False], "block": list(range(20)) * 30}
    )
    table = stats.logit("preserved ~ x", frame, cluster="block")
    zero, one = logit(0.5 / 301), logit(299.5 / 301)
    assert table.estimate.tolist() == pytest.approx([zero, one - zero], abs=1e-6)
    label = "Firth clustered by block (20), profile likelihood stretched by CR2"
    assert table.estimator.tolist() == [label, f"{label}, correlation 0.3 assumed"]  # one block has the outcome that is rare
    alone = stats.logit("preserved ~ x", frame)
    # dependencies.md, section 5, by firthmodels: 9.23 to 16.72
    assert alone.loc[1, ["low", "high"]].tolist() == pytest.approx([9.23, 16.72], abs=0.01)
    assert table.low[1] < alone.low[1] and table.high[1] > alone.high[1]  # t, and never less than independent rollouts


def table_of(text, names=("x", "z", "k", "n")):
    """A row per rollout of cells such as "0,-1,3,5": x, z, preserved, all."""
    cells = pd.DataFrame([[float(number) for number in cell.split(",")] for cell in text.split()], columns=[*names])
    frame = cells.loc[cells.index.repeat(cells.n.astype(int))].reset_index()
    return frame.assign(preserved=frame.groupby("index").cumcount() < frame.k)


def penalised(beta, x, k, n):
    """Minus twice the logarithm of Firth's likelihood."""
    linear = x @ beta
    sign, log = np.linalg.slogdet((x.T * (n * expit(linear) * expit(-linear))) @ x)
    return 2 * (k @ np.logaddexp(0, -linear) + (n - k) @ np.logaddexp(0, linear)) - log if sign > 0 else 1e9


def simplex(function, starts):
    """The lowest value that Nelder and Mead's simplex finds: it knows no derivatives, and no saddle holds it."""
    return min(minimize(function, start, method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-9}).fun for start in starts)


ALL_EMPTY = "0,0,0,100 1,-1,0,100 1,0,0,100 1,1,0,100"  # the profile has a saddle where cooperativeness is 0
APART_A = """0,-2.2,0,1 0,-.6,0,1 0,-.2,0,2 0,-.1,0,2 0,.1,0,2 0,.2,0,2 0,.4,0,3 0,.5,0,1 0,.6,0,1 0,.7,0,2 0,1.2,0,1 0,1.3,0,1
0,1.6,0,2 0,2.2,0,1 1,-2.1,1,1 1,-1.4,1,1 1,-1.1,3,3 1,-1,1,1 1,-.5,1,1 1,-.3,1,1 1,-.2,1,1 1,-.1,1,1 1,.1,3,3 1,.5,2,2 1,.7,1,1
1,1.1,1,1 1,1.3,1,1"""
APART_B = """0,-1.3,0,1 0,-1.2,0,1 0,-.9,0,1 0,-.5,0,1 0,-.4,0,3 0,-.1,0,2 0,0,0,3 0,.2,0,1 0,.3,0,2 0,.5,0,1 0,.6,0,1 0,.9,0,1
0,1.1,0,1 0,1.2,0,1 0,1.5,0,1 0,1.7,0,1 1,-2,0,1 1,-1.1,1,1 1,-1,2,2 1,-.8,1,1 1,-.7,1,1 1,-.5,1,1 1,-.4,1,1 1,-.1,1,1 1,.1,1,1
1,.3,2,2 1,.5,1,1 1,.8,2,2 1,1.1,1,1 1,1.3,1,1 1,1.8,1,1"""
TEN = [
    "0,-1,0,4 0,0,0,2 0,1,0,1 1,-1,0,1 1,1,0,2",
    "0,-1,0,1 0,0,0,1 0,1,0,4 1,0,3,3 1,1,0,1",
    "0,-1,0,3 0,0,0,1 0,1,0,1 1,-1,0,1 1,0,0,2 1,1,2,2",
    "0,-1,1,2 0,0,0,5 0,1,0,1 1,-1,1,1 1,1,0,1",
    "0,-1,0,2 0,0,0,3 1,-1,2,2 1,0,1,1 1,1,2,2",
]


@pytest.mark.slow
@pytest.mark.parametrize("cells", [ALL_EMPTY, APART_A, APART_B, *TEN])
def test_penalised_profiles_are_the_highest_that_any_search_finds(cells):
    """At its bounds the likelihood has fallen by what the level says, whatever the other coefficients: many searches from afar."""
    frame = table_of(cells)
    found = stats.logit("preserved ~ x + z", frame)
    counts = frame.groupby(["x", "z"]).preserved.agg(["sum", "count"]).reset_index()
    x, k, n = np.column_stack([np.ones(len(counts)), counts.x, counts.z]), counts["sum"].to_numpy(), counts["count"].to_numpy()
    best = simplex(lambda beta: penalised(beta, x, k, n), [found.estimate, np.zeros(3), -found.estimate])
    assert penalised(found.estimate.to_numpy(), x, k, n) == pytest.approx(best, abs=1e-6)
    for j, row in enumerate(found.itertuples()):
        others = found.estimate.drop(j).to_numpy()

        def fallen(value, j=j, others=others):
            starts = [np.add(others, (a, b)) for a in (-8, -2, 2, 8) for b in (-8, -2, 2, 8)]
            return simplex(lambda rest: penalised(np.insert(rest, j, value), x, k, n), starts) - best

        assert [fallen(row.low), fallen(row.high)] == pytest.approx([chi2.ppf(0.95, 1)] * 2, abs=1e-3)
        assert row.p == pytest.approx(chi2.sf(max(fallen(0), 0), 1), abs=1e-4)


def test_the_interval_of_cells_that_are_all_empty_is_the_reviewers():
    table = stats.logit("preserved ~ x + z", table_of(ALL_EMPTY)).set_index("term")
    assert table.low["x"] == pytest.approx(-4.328, abs=1e-3)
    assert table.low["z"] == pytest.approx(-table.high["z"], abs=1e-5)


@pytest.mark.slow
def test_small_tables_always_have_an_interval():
    """Ten rollouts each, of x and z in -1, 0, 1: of these tables 1 in 6 once ended in an error."""
    rng = np.random.default_rng(5)
    for _ in range(60):
        frame = pd.DataFrame({"x": rng.integers(0, 2, 10), "z": rng.integers(-1, 2, 10)})
        frame["preserved"] = rng.random(10) < np.where(frame.x == 1, rng.choice([0.1, 0.5, 0.9, 0.99]), rng.choice([0, 0.05]))
        if np.linalg.matrix_rank(np.column_stack([np.ones(10), frame.x, frame.z])) == 3:
            table = stats.logit("preserved ~ x + z", frame)
            assert np.isfinite(table[["low", "high"]]).all(axis=None)
            assert (table.low < table.estimate).all() and (table.estimate < table.high).all()


@pytest.mark.parametrize(
    ("centre", "spread"),
    [(0, 1e-9), (1.7e9, 1e5), *(pytest.param(*one, marks=pytest.mark.slow) for one in [(1e9, 1e8), (4500, 1443)])],
)
@pytest.mark.parametrize("apart", [False, True])
def test_the_scale_of_a_covariate_does_not_matter(centre, spread, apart):
    """Tokens, dollars and seconds since 1970: against the same column in standard deviations, and that against statsmodels."""
    rng = np.random.default_rng(8)
    x, z = np.repeat([0, 1], 100), rng.normal(size=200)
    frame = pd.DataFrame(
        {"x": x, "z": z, "t": centre + spread * z, "preserved": rng.random(200) < np.where(x, 0.5, 0 if apart else 0.3)}
    )
    small, large = (stats.logit(f"preserved ~ x + {name}", frame) for name in "zt")
    assert (
        large.estimator.tolist()
        == small.estimator.tolist()
        == ["Firth, profile likelihood" if apart else "logit, profile likelihood"] * 3
    )
    numbers = ["estimate", "low", "high"]
    assert large.loc[1, [*numbers, "p"]].tolist() == pytest.approx(small.loc[1, [*numbers, "p"]].tolist(), rel=1e-4)
    assert (large.loc[2, numbers] * spread).tolist() == pytest.approx(small.loc[2, numbers].tolist(), rel=1e-4)
    if not apart:
        theirs = smf.logit("preserved ~ x + z", frame.assign(preserved=frame.preserved.astype(int))).fit(disp=False, tol=1e-12)
        assert large.loc[1, ["estimate", "se"]].tolist() == pytest.approx([theirs.params.x, theirs.bse.x], rel=1e-5)
    small, large = (stats.margins(f"preserved ~ x + {name}", frame).estimate for name in "zt")
    assert (large * [1, spread]).tolist() == pytest.approx(small.tolist(), rel=1e-3)
    small, large = (stats.lr_test("preserved ~ x", f"preserved ~ x + {name}", frame).p[0] for name in "zt")
    assert large == pytest.approx(small, rel=1e-4)


def test_whole_numbers_in_thousands_may_stand_beside_separation():
    rng = np.random.default_rng(9)
    for _ in range(4):
        frame = pd.DataFrame({"x": np.repeat([0, 1], 50), "tokens": rng.integers(2000, 7000, 100)})
        frame["preserved"] = (frame.x == 1) & (rng.random(100) < 0.5)
        large, small = (
            stats.logit("preserved ~ x + tokens", frame),
            stats.logit("preserved ~ x + s", frame.assign(s=frame.tokens / 7000)),
        )
        assert large.loc[1, ["low", "high"]].tolist() == pytest.approx(small.loc[1, ["low", "high"]].tolist(), rel=1e-5)


@pytest.mark.parametrize("value", [True, False])
def test_an_outcome_that_never_varies_has_firths_answer(value):
    frame = pd.DataFrame({"x": [0, 0, 1, 1, 1], "preserved": [value] * 5})
    (row,) = stats.logit("preserved ~ 1", frame).itertuples()
    assert row.estimate == pytest.approx((1 if value else -1) * np.log(5.5 / 0.5))
    assert np.isfinite([row.low, row.high]).all() and row.low < row.estimate < row.high
    assert stats.logit("preserved ~ x", frame).estimator.str.startswith("Firth").all()


def test_separation_is_found_where_firthmodels_finds_it():
    rng = np.random.default_rng(11)
    seen = []
    for _ in range(150):
        x = np.column_stack([np.ones(8), rng.integers(-1, 2, (8, 2))]).astype(float)
        if np.linalg.matrix_rank(x) < 3:
            continue
        n = rng.integers(1, 4, 8).astype(float)
        k = rng.binomial(n.astype(int), expit(2 * x[:, 1])).astype(float)
        long, y = np.repeat(x, n.astype(int), axis=0), np.concatenate([np.arange(m) < c for m, c in zip(n, k, strict=True)])
        expected = y.all() or not y.any() or detect_separation(long, y.astype(int), fit_intercept=False).separation
        seen.append(expected)
        assert Likelihood(np.linalg.qr(x)[0], k, n).separated() == expected
    assert 20 < sum(seen) < len(seen) - 20


@pytest.mark.slow
@pytest.mark.parametrize("rows", [9, 60])  # few for so many terms, and many
def test_its_second_derivatives_are_those_of_its_values(rows):
    """By differences of scores."""
    rng = np.random.default_rng(rows)
    x, n = np.linalg.qr(rng.normal(size=(rows, 8)))[0], rng.integers(1, 5, rows).astype(float)
    likelihood = Likelihood(x, rng.binomial(n.astype(int), 0.4).astype(float), n, firth=True)
    beta, step = rng.normal(size=8) / 4, 1e-5
    _, _, bent = likelihood.ascent(likelihood.at(beta), 1)
    moved = [
        likelihood.ascent(likelihood.at(beta + side * step * np.eye(8)[j]), 1, bent)[0] for j in range(1, 8) for side in (1, -1)
    ]
    slopes = (np.array(moved[0::2]) - np.array(moved[1::2])) / (2 * step)
    assert np.allclose(np.linalg.inv(bent), -slopes, atol=1e-6)
    heights = [likelihood.at(beta + side * step * np.eye(8)[3]).value for side in (1, -1)]
    assert likelihood.ascent(likelihood.at(beta), 1, bent)[0][2] == pytest.approx((heights[0] - heights[1]) / (2 * step), rel=1e-6)


def test_separated_studies_have_no_wald_interval():
    assert bench.separated(np.random.default_rng(4), 20) == (20, 0)


def test_a_profile_that_separation_hides_ends_after_so_many_fits(monkeypatch):
    """32 rows took 46 s: where a stride led nowhere it was halved, and each half again."""
    from ppres.stats import _likelihood

    fits = []
    real = _likelihood.Profile.follow
    monkeypatch.setattr(_likelihood.Profile, "follow", lambda *given: fits.append(1) or real(*given))
    rows = [(model, peer, wording) for model in "ab" for peer in (-1.0, 1.0) for wording in (0, 1) for _ in range(4)]
    frame = pd.DataFrame(rows, columns=["model", "cooperativeness", "paraphrase"])
    frame["preserved"] = [number < kept for kept in (0, 0, 4, 2, 0, 0, 0, 0) for number in range(4)]
    table = stats.logit("preserved ~ C(model) + cooperativeness", frame, cluster=["paraphrase", "model"])
    assert len(fits) <= 7 * (_likelihood._MOST + 1)
    assert (table.low <= table.estimate).all() and (table.estimate <= table.high).all()


def test_a_number_that_separates_with_clusters_has_a_table():
    """Where an outcome is certain, 0 was divided by 0, and numpy found no eigenvalues."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=200), "arm": ["a", "b"] * 100, "paraphrase": rng.integers(0, 20, 200)})
    table = stats.logit("preserved ~ x + C(arm)", frame.assign(preserved=frame.x > 0), cluster="paraphrase")
    assert np.isfinite(table.estimate).all() and "Firth clustered" in table.estimator[0]
    assert table.set_index("term").low["x"] > 0


def test_a_prediction_looks_at_the_columns_of_its_formula_alone():
    frame = pd.DataFrame({"x": [0.0, 1.0] * 20, "preserved": [False, True, True, True] * 10})
    at = frame.head(2).assign(monitored=pd.array([None, None], dtype="boolean"))
    assert np.allclose(stats.predicted("preserved ~ x", frame, at=at).estimate, [0.5, 1.0], atol=0.06)
