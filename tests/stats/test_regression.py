"""Logistic regressions against statsmodels, and tables solved by hand; `test_likelihood.py` has what separation changes."""

import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from scipy.linalg import sqrtm
from scipy.optimize import brentq
from scipy.special import expit, logit, xlogy
from scipy.stats import chi2

from ppres import stats

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
import bench_coverage as bench

FORMULA = "preserved ~ peer_present + cooperativeness + C(scenario)"


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


def lost(theirs, column, others, value):
    """Twice the log likelihood that statsmodels loses where the coefficient of a column is held at a value."""
    held = sm.GLM(theirs.model.endog, others, family=sm.families.Binomial(), offset=value * column).fit(tol=1e-12)
    return 2 * (theirs.llf - held.llf)


def test_without_clusters_it_is_statsmodels(study):
    """Its bounds are where a likelihood-ratio test by statsmodels just rejects, and p is that test's of 0."""
    formula = FORMULA + " + peer_present:C(scenario)"
    theirs = smf.logit(formula, rows(study)).fit(disp=False, tol=1e-12)
    table = stats.logit(formula, study).set_index("term").loc[theirs.params.index]
    assert table.estimate.to_numpy() == pytest.approx(theirs.params.to_numpy(), abs=1e-6)
    assert table.se.to_numpy() == pytest.approx(theirs.bse.to_numpy(), rel=1e-5)
    x = theirs.model.exog
    for j, row in enumerate(table.itertuples()):
        column, others = x[:, j], np.delete(x, j, axis=1)
        for bound in (row.low, row.high):
            assert lost(theirs, column, others, bound) == pytest.approx(chi2.ppf(0.95, 1), rel=1e-5)
        assert row.p == pytest.approx(chi2.sf(lost(theirs, column, others, 0), 1), rel=1e-4)
    assert table.estimator.unique().tolist() == ["logit, profile likelihood"]
    assert table.df.isna().all()
    assert table.excluded.unique().tolist() == [study.preserved.isna().sum()]
    assert table.n.unique().tolist() == [study.preserved.count()] and table.k.unique().tolist() == [study.preserved.sum()]


@pytest.mark.parametrize(("k", "n"), [(1, 300), (1, 8), (7, 9), (299, 300)])
def test_near_separation_the_interval_is_as_lopsided_as_the_likelihood(k, n):
    """One proportion, by hand. Wald's interval for 1 of 300 is -7.7 to -3.7, and misses what a rate of 1 in 1,500 would mean."""
    (row,) = stats.logit("preserved ~ 1", pd.DataFrame({"preserved": np.arange(n) < k})).itertuples()

    def beyond(x):
        p = expit(x)
        return 2 * (xlogy(k, k / n / p) + xlogy(n - k, (1 - k / n) / (1 - p))) - chi2.ppf(0.95, 1)

    middle = logit(k / n)
    expected = (middle, brentq(beyond, middle - 20, middle), brentq(beyond, middle, middle + 20))
    assert (row.estimate, row.low, row.high) == pytest.approx(expected, rel=1e-5)


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


def test_profile_intervals_of_so_many_terms_are_refused():
    frame = pd.DataFrame(
        {"item": [f"i{i}" for i in range(301)] * 4, "arm": ["a", "b"] * 602, "preserved": [True, False, False] * 401 + [True]}
    )
    frame.loc[frame["item"] == "i0", "preserved"] = True
    with pytest.raises(ValueError, match=r"301 terms are more than the 100 .* separated counts"):
        stats.logit("preserved ~ item", frame)
    frame["preserved"] = [True] * 602 + [False] * 602
    with pytest.raises(ValueError, match=r"302 terms are more than the 300 .* without clusters"):
        stats.logit("preserved ~ item + arm", frame)
    assert len(stats.logit("preserved ~ arm", frame, cluster="item")) == 2


def test_a_formula_of_thousands_of_terms_is_told_of_not_by_a_raw_error():
    with pytest.raises(ValueError, match="recursion"):
        stats.logit("preserved ~ " + "+".join(["peer"] * 5000), pd.DataFrame({"preserved": [True, False], "peer": ["a", "b"]}))


def test_margins_where_nothing_varies_are_missing_and_say_why(study):
    frame = pd.concat([study.assign(model="a"), study[study.scenario == "b"].assign(model="b")], ignore_index=True)
    table = stats.margins("preserved ~ scenario", frame, by="model").set_index("model")
    assert table.term["a"].tolist() == ["scenario: b - a", "scenario: c - a"]
    row = table.loc["b"]
    assert (
        row[["term", "estimate", "low", "high", "p", "se", "df"]].isna().all()
        and "no column of the formula varies" in row.estimator
    )
    (n,) = {*stats.logit("preserved ~ 1", frame[frame.model == "b"]).n}
    assert row.n == n == stats.margins("preserved ~ 1", frame[frame.model == "b"]).n[0]


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
    theirs = smf.glm(FORMULA, rows(study), family=sm.families.Binomial()).fit(tol=1e-12)
    table = stats.predicted(FORMULA, study, at)
    assert table.estimate.to_numpy() == pytest.approx(theirs.predict(at).to_numpy(), abs=1e-6)
    x, places = theirs.model.exog, [[0, 0, 0, 0], [1, 0, 1, -1], [0, 1, 1, 1]]  # scenario b, c, peer, cooperativeness
    for place, row in zip(places, table.itertuples(), strict=True):  # the intercept of columns that are 0 there
        for bound in (row.low, row.high):
            assert lost(theirs, x[:, 0], x[:, 1:] - place, logit(bound)) == pytest.approx(chi2.ppf(0.95, 1), rel=1e-5)
        assert row.p == pytest.approx(chi2.sf(lost(theirs, x[:, 0], x[:, 1:] - place, 0), 1), rel=1e-4)
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


LEVELS = ["none", "good", "bad", "neutral"]


@pytest.mark.parametrize("factor", ["peer", "C(peer)", "C(peer, Treatment('good'))"])
def test_categories_keep_their_order(study, factor):
    """The reference is statsmodels'; margins have the same, and the differences that statsmodels' predictions have."""
    frame = study.assign(peer=pd.Categorical(study.peer, categories=[*LEVELS, "never"]))
    known = rows(frame).assign(peer=lambda f: pd.Categorical(f.peer.astype(object), categories=LEVELS))
    theirs = smf.logit(f"preserved ~ {factor}", known).fit(disp=False, tol=1e-12)
    table = stats.logit(f"preserved ~ {factor}", frame)
    assert table.term.tolist() == theirs.params.index.tolist()
    assert table.estimate.tolist() == pytest.approx(theirs.params.tolist(), abs=1e-6)
    first = "good" if "good" in factor else "none"
    effects = stats.margins(f"preserved ~ {factor}", frame).set_index("term").estimate
    assert effects.index.tolist() == [f"peer: {level} - {first}" for level in LEVELS if level != first]
    expected = theirs.predict(pd.DataFrame({"peer": ["bad", first]}))
    assert effects[f"peer: bad - {first}"] == pytest.approx(expected[0] - expected[1], rel=1e-5)
    at = pd.DataFrame({"peer": pd.Categorical(["bad"])})
    assert stats.predicted(f"preserved ~ {factor}", frame, at).estimate[0] == pytest.approx(expected[0], rel=1e-5)


def test_a_group_without_any_outcome_does_not_stop_the_others(study):
    frame = study.assign(preserved=study.preserved.where(study.scenario != "a"))
    at = {"peer_present": [0, 1]}
    for function in (
        lambda f: stats.logit("preserved ~ peer_present", f, by="scenario"),
        lambda f: stats.margins("preserved ~ peer_present", f, by="scenario"),
        lambda f: stats.predicted("preserved ~ peer_present", f, at, by="scenario"),
        lambda f: stats.lr_test("preserved ~ 1", "preserved ~ peer_present", f, by="scenario"),
    ):
        table = function(frame)
        (row,) = table[table.scenario == "a"].itertuples()
        assert (row.k, row.n, row.excluded, row.estimator) == (0, 0, (frame.scenario == "a").sum(), "no outcome known")
        assert table[table.scenario == "a"][["term", "estimate", "low", "high", "p"]].isna().all(axis=None)
        alone = function(frame[frame.scenario != "a"])
        pd.testing.assert_frame_equal(table[table.scenario != "a"].reset_index(drop=True), alone, check_dtype=False)
        with pytest.raises(ValueError, match="missing in all"):
            function(frame[frame.scenario == "a"])


def test_a_column_of_the_result_is_no_group(study):
    with pytest.raises(ValueError, match=r"by= has 'n'.*rename"):
        stats.logit("preserved ~ peer_present", study.assign(n=study.scenario), by="n")


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
        ("preserved ~ trust", ValueError, r"'trust' is missing in \d+ rows.*dropna\(subset='trust'\)$"),
        ("preserved ~ told", ValueError, r"'told' is missing in \d+ rows.*fillna\('none'\)\)$"),
        ("preserved ~ presnt", KeyError, "presnt.*peer_present"),
        ("presrved ~ peer_present", KeyError, "presrved"),
        ("paraphrase ~ peer_present", ValueError, "'paraphrase' is not true, false or missing"),
        ("preserved ~ center(cooperativeness)", ValueError, "looks at all rows"),
        ("preserved ~ peer_present + offset(cooperativeness)", ValueError, "offset has no place here"),
        ("preserved ~ dose", ValueError, "'dose' is infinite in 3 rows"),
    ],
)
def test_mistakes_are_named(study, formula, error, match):
    frame = study.assign(trust=study.cooperativeness.where(study.peer_present == 1))
    frame["told"] = study.scenario.where(study.peer_present == 1)
    frame["dose"] = np.where(np.arange(len(frame)) < 3, np.inf, 1.0)
    frame.loc[frame.index[:3], "preserved"] = True
    with pytest.raises(error, match=match):
        stats.logit(formula, frame)


def test_one_cluster_and_no_outcome_are_refused(study):
    with pytest.raises(ValueError, match="single value"):
        stats.logit(FORMULA, study.assign(lab="x"), cluster="lab")
    with pytest.raises(ValueError, match="missing in all"):
        stats.logit(FORMULA, study[study.preserved.isna()])


def test_a_fit_that_converges_needs_no_search_for_separation(monkeypatch):
    """The linear program takes minutes on 100,000 sorted rows; the fit itself proves that there is an estimate: statsmodels'."""
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"dose": np.sort(rng.normal(size=3000)), "a": rng.integers(0, 2, 3000)})
    frame["preserved"] = rng.random(3000) < expit(0.5 * frame.dose - 0.4 * frame.a - 1)
    monkeypatch.setattr("ppres.stats._likelihood.linprog", None)
    table = stats.logit("preserved ~ dose + a", frame)
    theirs = smf.logit("preserved ~ dose + a", rows(frame)).fit(disp=False, tol=1e-12)
    assert table.estimate.to_numpy() == pytest.approx(theirs.params.to_numpy(), abs=1e-6)
    assert (
        stats.logit("preserved ~ dose", frame.assign(preserved=frame.dose > 0).iloc[1200:1600:20]).estimator[0].startswith("Firth")
    )


def test_what_a_formula_makes_infinite_is_named(study):
    with np.errstate(divide="ignore"), pytest.raises(ValueError, match=r"np.log\(peer_present\) is infinite or no number"):
        stats.logit("preserved ~ np.log(peer_present)", study)


def test_quoted_outcomes_and_several_cluster_columns(study):
    frame = study.rename(columns={"preserved": "was preserved"}).assign(both=study.paraphrase.astype(str) + study.scenario)
    table = stats.logit('Q("was preserved") ~ peer_present', frame, cluster=["paraphrase", "scenario"])
    alone = stats.logit("preserved ~ peer_present", study.assign(both=frame.both), cluster="both")
    pd.testing.assert_frame_equal(table.drop(columns="estimator"), alone.drop(columns="estimator"))
    assert table.estimator[0] == "logit clustered by paraphrase x scenario (22), CR2 and t"


def test_thousands_of_clusters_need_no_matrix_of_their_pairs():
    rng = np.random.default_rng(4)
    frame = pd.DataFrame(
        {"cell": np.repeat(np.arange(1500), 2), "a": rng.integers(0, 2, 3000), "preserved": rng.random(3000) < 0.4}
    )
    tracemalloc.start()
    table = stats.logit("preserved ~ a", frame, cluster="cell")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1500**2 * 8  # bytes of a single one
    theirs = smf.logit("preserved ~ a", rows(frame)).fit(disp=False, cov_type="cluster", cov_kwds={"groups": frame.cell})
    assert table.se.to_numpy() == pytest.approx(theirs.bse.to_numpy(), rel=2e-3)


@pytest.mark.slow
def test_known_coefficients_are_recovered():
    """40 studies of each kind; tests/benchmarks/bench_coverage.py has more. 8 misses of 40 at 95% have a chance of 0.05%."""
    kept = bench.coverage(np.random.default_rng(1), 40) | bench.of_clustered_logit(np.random.default_rng(3), 40)
    assert {name: values.count(False) for name, values in kept.items() if np.mean(values) < 33 / 40} == {}
    kept = bench.errors(np.random.default_rng(2), 40)
    assert {name: sum(values) for name, values in kept.items() if np.mean(values) > 7 / 40} == {}


@pytest.mark.parametrize(
    "right",
    [
        *(
            "C(subject, Treatment('peer'))",
            "C(subject, levels=['peer', 'self'])",
            "I(trust**2)",
            "np.log1p(trust)",
            "trust > 5",
            "abs(trust)",
        ),
        *("np.where(trust > 5, 1, 0)", "(subject + peer)**2", "C(subject, Sum)", "trust + subject - 1"),
    ],
)
def test_formulas_of_columns_and_numbers_are_taken(right):
    frame = pd.DataFrame(
        {"subject": ["self", "peer"] * 40, "peer": ["none"] * 40 + ["cooperative"] * 40, "trust": [2.0, 5, 9, 5, 3] * 16}
    )
    assert len(stats.logit(f"preserved ~ {right}", frame.assign(preserved=[True, False, False, True, False] * 16)))


@pytest.mark.parametrize(
    "right",
    [
        *(
            "__import__('os').system('touch owned')",
            "exit()",
            "breakpoint()",
            "print(trust)",
            "np.loadtxt.__globals__['os']",
            "np.load('x')",
        ),
        *(
            "trust.__class__",
            "C(exit())",
            "Q(exit())",
            "np.add.at(trust, [0], 1)",
            "[a for a in trust]",
            "I(9**9**9**9)",
            "subject[0]",
        ),
        *(
            "I('a'*10**9)",
            "I([0]*10**9)",
            "(subject + trust)**999999999",
            "I(1 << trust)",
            "trust if exit() else 1",
            "I(trust**(10**10))",
            "I(trust + 0*((((9**99)**99)**99)**99)**99)",
            "I(trust > (trust + 9**99)**99)",
            "bs(trust, df=200000)",
            "bs(trust, 200000)",
            "cr(trust, df=99*99*99)",
        ),
    ],
)
def test_a_formula_runs_no_code_and_ends(right, tmp_path, monkeypatch):
    """A registration is a file, and its formulas were evaluated as Python, whatever stood in them."""
    monkeypatch.chdir(tmp_path)
    frame = pd.DataFrame({"preserved": [True, False], "subject": ["self", "peer"], "trust": [1.0, 2.0]})
    with pytest.raises(ValueError, match=r"has no place in a formula|a power is at most"):
        stats.logit(f"preserved ~ {right}", frame)
    assert not list(tmp_path.iterdir())


def test_a_level_in_a_formula_is_no_column_of_the_same_name():
    frame = pd.DataFrame({"subject": ["self", "peer"] * 40, "peer": ["none"] * 40 + ["cooperative"] * 40})
    frame["preserved"] = [True, False, False, True, False] * 16
    assert stats.margins("preserved ~ C(subject, Treatment('peer'))", frame).term.tolist() == ["subject: self - peer"]
    spaced = frame.rename(columns={"subject": "at stake"})
    assert stats.margins('preserved ~ Q("at stake")', spaced).term.tolist() == ["at stake: self - peer"]


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (lambda df: stats.logit("preserved ~ 0", df), "has no term"),
        (lambda df: stats.logit("preserved ~ subject", pd.concat([df, df[["subject"]]], axis=1)), "'subject' more than once"),
        (lambda df: stats.logit("preserved ~ codes", df.assign(codes=[["a"]] * 20)), "'codes' has a list in some rows"),
        (
            lambda df: stats.logit("preserved ~ id", pd.concat([df, df]).assign(id=[f"a{i}" for i in range(40)])),
            "'id' has 40 terms for 40 rollouts",
        ),
        (lambda df: stats.holm(df, p="subject"), "'subject' is no column of numbers, as p-values are"),
        (
            lambda df: stats.bootstrap(df, lambda _: None, "subject"),
            "statistic returns a number, or a Series of numbers .* not None",
        ),
        (lambda df: stats.predicted("preserved ~ trust", df, {"trust": ["5"]}), "at= has '5' for trust, which is a number"),
        (lambda df: stats.predicted("preserved ~ trust", df, [1]), r"at= is a mapping .* not \[1\]"),
        (lambda df: stats.predicted("preserved ~ trust", df, {"trust": []}), "at= is a mapping"),
        (
            lambda df: stats.rates(df.set_index("subject", drop=False), ["subject"]),
            "'subject' is a level of the frame's index as well",
        ),
    ],
)
def test_what_is_wrong_with_a_formula_or_a_frame_is_named(ask, told):
    frame = pd.DataFrame(
        {"subject": ["self", "peer"] * 10, "trust": [2.0, 5, 9, 5, 3] * 4, "preserved": [True, False, False, True] * 5}
    )
    with pytest.raises(ValueError, match=told):
        ask(frame)


def test_columns_of_any_name_are_the_users_own():
    frame = pd.DataFrame({"preserved": [True, False, False, True] * 10, "_k": [0.0, 1.0, 2.0, 3.0, 4.0] * 8})
    frame["_n"], frame["x"] = frame["_k"], frame["_k"]
    expected = stats.logit("preserved ~ x", frame).estimate.tolist()
    for name in ("_k", "_n"):
        assert stats.logit(f"preserved ~ {name}", frame).estimate.tolist() == expected
        assert (
            stats.lr_test("preserved ~ 1", f"preserved ~ {name}", frame).p.tolist()
            == stats.lr_test("preserved ~ 1", "preserved ~ x", frame).p.tolist()
        )
