"""Logistic regressions against published fits, R, statsmodels, firthmodels and tables solved by hand."""

import io
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from firthmodels import FirthLogisticRegression, detect_separation
from scipy.linalg import sqrtm
from scipy.special import expit, logit

from ppres import stats
from ppres.stats import _fit

sys.path.append(str(Path(__file__).parent / "benchmarks"))
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
FORMULA = "preserved ~ peer_present + cooperativeness + C(scenario)"


@pytest.fixture(scope="module")
def endometrial():
    table = pd.read_csv(io.StringIO(ENDOMETRIAL.replace("\n", "").replace(";", "\n")), names=["NV", "PI", "EH", "HG"])
    return table.assign(HG=table.HG == 1)


@pytest.fixture(scope="module")
def study():
    """960 rollouts of 4 peer levels, 3 scenarios and 8 paraphrases, clusters of unequal size, some outcomes missing."""
    rng = np.random.default_rng(5)
    table = bench.cells()
    frame = bench.study(rng, table, bench.clustered(rng, table), 10)
    frame["preserved"] = frame.preserved.astype("boolean")
    frame.loc[frame.sample(100, random_state=1).index, "preserved"] = pd.NA
    frame["scenario"] = frame.scenario.astype("str")
    return frame.drop(frame[(frame.paraphrase == 7) & (frame.scenario != "a")].index)


def rows(frame):
    """As statsmodels wants them."""
    return frame.dropna(subset="preserved").assign(preserved=lambda f: f.preserved.astype(int))


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
    assert table.estimator.unique().tolist() == ["Firth (clusters of block ignored), profile likelihood"]
    # dependencies.md, section 5, by firthmodels: 9.23 to 16.72
    assert table.loc[1, ["low", "high"]].tolist() == pytest.approx([9.23, 16.72], abs=0.01)


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
        assert _fit.separated(x, k, n) == expected
    assert 20 < sum(seen) < len(seen) - 20


def test_without_clusters_it_is_statsmodels(study):
    formula = FORMULA + " + peer_present:C(scenario)"
    theirs = smf.logit(formula, rows(study)).fit(disp=False, tol=1e-12)
    table = stats.logit(formula, study).set_index("term").loc[theirs.params.index]
    assert table.estimate.to_numpy() == pytest.approx(theirs.params.to_numpy(), abs=1e-6)
    assert table[["low", "high"]].to_numpy() == pytest.approx(theirs.conf_int().to_numpy(), abs=1e-5)
    assert table.p.to_numpy() == pytest.approx(theirs.pvalues.to_numpy(), rel=1e-4)
    assert table.excluded.unique().tolist() == [study.preserved.isna().sum()]
    assert table.n.unique().tolist() == [study.preserved.count()] and table.k.unique().tolist() == [study.preserved.sum()]


def test_many_clusters_give_statsmodels_errors(study):
    """Beyond a hundred clusters CR2 is within 2% of statsmodels' correction."""
    frame = study.assign(cell=np.random.default_rng(3).integers(0, 150, len(study)))
    known = rows(frame)
    theirs = smf.glm(FORMULA, known, family=sm.families.Binomial()).fit(cov_type="cluster", cov_kwds={"groups": known.cell})
    table = stats.logit(FORMULA, frame, cluster="cell").set_index("term").loc[theirs.params.index]
    assert table.estimate.to_numpy() == pytest.approx(theirs.params.to_numpy(), abs=1e-6)
    assert table.se.to_numpy() == pytest.approx(theirs.bse.to_numpy(), rel=0.02)
    assert table.estimator.unique().tolist() == ["logit clustered by cell (150), CR2 and t"]


def test_few_clusters_have_the_textbooks_variance_and_degrees_of_freedom(study):
    """CR2 and Satterthwaite's df written out as in Pustejovsky and Tipton (2018), with dense matrices over rollouts."""
    known = rows(study)
    theirs = smf.logit(FORMULA, known).fit(disp=False, tol=1e-12)
    x, p = theirs.model.exog, theirs.predict()
    root = np.sqrt(p * (1 - p))
    x, residual = x * root[:, None], (theirs.model.endog - p) / root
    bread = np.linalg.inv(x.T @ x)
    rest = np.eye(len(x)) - x @ bread @ x.T
    pieces, variance = [], 0
    j = theirs.params.index.get_loc("peer_present")
    for g in sorted(known.paraphrase.unique()):
        of = np.flatnonzero(known.paraphrase == g)
        adjusted = x[of].T @ np.linalg.inv(np.real(sqrtm(rest[np.ix_(of, of)])))
        variance += (bread[j] @ adjusted @ residual[of]) ** 2
        pieces.append(rest[:, of] @ (bread[j] @ adjusted))
    spread = np.array(pieces) @ np.array(pieces).T
    (row,) = stats.logit(FORMULA, study, cluster="paraphrase").query("term == 'peer_present'").itertuples()
    assert (row.se, row.df) == pytest.approx((np.sqrt(variance), np.trace(spread) ** 2 / (spread**2).sum()), rel=1e-5)
    assert 1 < row.df < 7


def test_clusters_within_one_level_of_a_term_are_welchs():
    """Equal clusters nested in two groups: CR2 is the variance of cluster means over their number, df Satterthwaite's; by hand."""
    counts = {0: [2, 5, 3, 6], 1: [12, 15, 9]}
    parts = [
        pd.DataFrame({"x": x, "cell": f"{x}{i}", "preserved": np.arange(20) < k})
        for x, ks in counts.items()
        for i, k in enumerate(ks)
    ]
    (row,) = stats.logit("preserved ~ x", pd.concat(parts), cluster="cell").query("term == 'x'").itertuples()
    variances, model = [], []
    for ks in counts.values():
        p, g = np.mean(ks) / 20, len(ks)
        variances.append(np.var(np.array(ks) / 20, ddof=1) / g / (p * (1 - p)) ** 2)
        model.append(1 / (20 * g * p * (1 - p)))
    assert row.se == pytest.approx(np.sqrt(sum(variances)))
    assert row.df == pytest.approx(sum(model) ** 2 / (model[0] ** 2 / 3 + model[1] ** 2 / 2))


def test_a_term_about_which_clusters_say_nothing_has_no_interval(study):
    table = stats.logit("preserved ~ peer_present + C(paraphrase)", study, cluster="paraphrase").set_index("term")
    dummies = table.index.str.startswith("C(paraphrase)")
    assert table.loc[dummies, ["low", "high", "p"]].isna().all(axis=None)
    assert table.loc["peer_present", ["low", "high", "p"]].notna().all()


def test_margins_are_statsmodels(study):
    theirs = smf.logit("preserved ~ peer_present + cooperativeness", rows(study)).fit(disp=False, tol=1e-12)
    slopes = theirs.get_margeff().summary_frame()
    table = stats.margins("preserved ~ peer_present + cooperativeness", study).set_index("term")
    assert table.estimate["cooperativeness"] == pytest.approx(slopes.loc["cooperativeness", "dy/dx"], rel=1e-5)
    assert table.se["cooperativeness"] == pytest.approx(slopes.loc["cooperativeness", "Std. Err."], rel=1e-5)
    steps = theirs.get_margeff(dummy=True).summary_frame()
    assert tuple(table.loc["peer_present", ["estimate", "se"]]) == pytest.approx(tuple(steps.iloc[0, :2]), rel=1e-5)


def test_margins_of_text_and_booleans_are_differences_from_the_first_level(study):
    frame = study.assign(watched=pd.array(study.paraphrase % 2 == 0, dtype="boolean"))
    table = stats.margins("preserved ~ peer_present * watched + scenario", frame).set_index("term")
    assert table.index.tolist() == ["peer_present", "scenario: b - a", "scenario: c - a", "watched: True - False"]
    theirs = smf.logit(
        "preserved ~ peer_present * watched + scenario", rows(frame).assign(watched=lambda f: f.watched.astype(bool))
    )
    fitted = theirs.fit(disp=False, tol=1e-12)
    known = rows(frame).assign(watched=lambda f: f.watched.astype(bool))
    for name, low, high, term in (("scenario", "a", "c", "scenario: c - a"), ("watched", False, True, "watched: True - False")):
        expected = fitted.predict(known.assign(**{name: high})).mean() - fitted.predict(known.assign(**{name: low})).mean()
        assert table.estimate[term] == pytest.approx(expected, rel=1e-5)


def test_predictions_are_statsmodels(study):
    at = pd.DataFrame({"peer_present": [0, 1, 1], "cooperativeness": [0, -1, 1], "scenario": ["a", "b", "c"]})
    theirs = smf.glm(FORMULA, rows(study), family=sm.families.Binomial()).fit(tol=1e-12).get_prediction(at).summary_frame()
    table = stats.predicted(FORMULA, study, at)
    assert table[["estimate", "low", "high"]].to_numpy() == pytest.approx(
        theirs[["mean", "mean_ci_lower", "mean_ci_upper"]].to_numpy(), abs=1e-6
    )
    crossed = stats.predicted(FORMULA, study, {"peer_present": 1, "cooperativeness": [-1, 1], "scenario": ["a", "b"]})
    assert len(crossed) == 4 and crossed.columns[:3].tolist() == ["peer_present", "cooperativeness", "scenario"]
    with pytest.raises(ValueError, match="at= lacks cooperativeness"):
        stats.predicted(FORMULA, study, {"peer_present": 1, "scenario": "a"})
    with pytest.raises(ValueError, match="does not match"):
        stats.predicted(FORMULA, study, at.assign(scenario="z"))


def test_nominal_against_ordinal_is_statsmodels_likelihoods(study):
    ordinal, nominal = "preserved ~ peer_present + cooperativeness", "preserved ~ C(peer)"
    small, large = (smf.logit(one, rows(study)).fit(disp=False, tol=1e-12) for one in (ordinal, nominal))
    (row,) = stats.lr_test(ordinal, nominal, study).itertuples()
    assert (row.estimate, row.df, row.n) == (pytest.approx(2 * (large.llf - small.llf), abs=1e-6), 1, small.nobs)
    with pytest.raises(ValueError, match="is not a special case"):
        stats.lr_test(nominal, ordinal, study)
    with pytest.raises(ValueError, match="is not a special case"):
        stats.lr_test("preserved ~ C(scenario)", "preserved ~ C(peer)", study)


def test_groups_are_fitted_apart(study):
    table = stats.logit("preserved ~ peer_present", study, by=["scenario"])
    assert table.columns[:9].tolist() == ["scenario", "term", "estimate", "low", "high", "p", "k", "n", "estimator"]
    alone = stats.logit("preserved ~ peer_present", study[study.scenario == "b"])
    pd.testing.assert_frame_equal(table[table.scenario == "b"].drop(columns="scenario").reset_index(drop=True), alone)


@pytest.mark.parametrize(
    ("formula", "error", "match"),
    [
        ("preserved", ValueError, "is no formula"),
        ("preserved ~ peer_present + C(peer)", ValueError, "not identified: peer_present"),
        ("preserved ~ trust", ValueError, r"'trust' is missing in \d+ rows.*fillna"),
        ("preserved ~ presnt", KeyError, "presnt.*peer_present"),
        ("presrved ~ peer_present", KeyError, "presrved"),
        ("paraphrase ~ peer_present", ValueError, "'paraphrase' is not true, false or missing"),
        ("preserved ~ center(cooperativeness)", ValueError, "looks at all rows"),
    ],
)
def test_mistakes_are_named(study, formula, error, match):
    frame = study.assign(trust=study.cooperativeness.where(study.peer_present == 1))
    with pytest.raises(error, match=match):
        stats.logit(formula, frame)


def test_one_cluster_and_no_outcome_are_refused(study):
    with pytest.raises(ValueError, match="single value"):
        stats.logit(FORMULA, study.assign(lab="x"), cluster="lab")
    with pytest.raises(ValueError, match="missing in all"):
        stats.logit(FORMULA, study[study.preserved.isna()])


def test_known_coefficients_are_recovered():
    """40 studies of each kind; tests/benchmarks/bench_coverage.py has more. 8 misses of 40 at 95% have a chance of 0.05%."""
    kept = bench.coverage(np.random.default_rng(1), 40)
    assert {name: values.count(False) for name, values in kept.items() if np.mean(values) < 33 / 40} == {}
    kept = bench.errors(np.random.default_rng(2), 40)
    assert {name: sum(values) for name, values in kept.items() if np.mean(values) > 7 / 40} == {}


def test_separated_studies_have_no_wald_interval():
    assert bench.separated(np.random.default_rng(4), 20) == (20, 0)
