"""Simulated studies with known coefficients: do intervals cover, and do tests err as often as they say?

`python tests/benchmarks/bench_coverage.py [--studies 1000] [--only clusters]` prints each figure beside its criterion: coverage
93-97%, at a floor 93% or more, type-I error at most 5.5%, equivalence and sequential errors at most 5%, no finite Wald interval
where counts are separated. "pass" is within it, "error" within two Monte Carlo standard errors of it, "MISS" neither.
The study of most: 4 peer levels x 3 scenarios x 8 paraphrases.
"""

import argparse
import sys
import time
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit
from scipy.stats import chi2, norm

from ppres import stats
from ppres.stats import _fit
from ppres.stats._likelihood import Likelihood
from ppres.stats.proportions import two_sided

sys.path.append(str(Path(__file__).parent))
from bench_sequence import missed
from coverage_by_clusters import of_clusters, of_contrasts, of_logit, of_means, of_power, of_rates, of_thresholds

FORMULA = "preserved ~ peer_present + cooperativeness + C(scenario)"
TRUE = {"Intercept": -1.0, "peer_present": 0.6, "cooperativeness": 0.4, "C(scenario)[T.b]": 0.5, "C(scenario)[T.c]": -0.3}


def cells(paraphrases=8):
    levels = pd.DataFrame(
        {"peer": ["none", "bad", "neutral", "good"], "peer_present": [0, 1, 1, 1], "cooperativeness": [0, -1, 0, 1]}
    )
    table = levels.merge(pd.DataFrame({"scenario": list("abc")}), how="cross")
    return table.merge(pd.DataFrame({"paraphrase": range(paraphrases)}), how="cross")


def log_odds(table, peer=0.6, cooperativeness=0.4, intercept=-1.0):
    scenario = table.scenario.map({"a": 0, "b": 0.5, "c": -0.3})
    return intercept + peer * table.peer_present + cooperativeness * table.cooperativeness + scenario


def study(rng, table, chance, n):
    """n rollouts of each cell."""
    rows = table.loc[table.index.repeat(n)].reset_index(drop=True)
    rows["preserved"] = rng.random(len(rows)) < np.repeat(np.asarray(chance), n)
    return rows


def clustered(rng, table, intercept=0.5, slope=0.3, **coefficients):
    """Chances where each paraphrase shifts the intercept and the effect of a peer by draws of its own."""
    size = table.paraphrase.max() + 1
    shift, peer = rng.normal(0, intercept, size), rng.normal(0, slope, size)
    return expit(log_odds(table, **coefficients) + shift[table.paraphrase] + peer[table.paraphrase] * table.peer_present)


def marginal(table, **coefficients):
    """What a clustered logit estimates: coefficients of the chances averaged over all paraphrases that there could be."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(15)
    cell = table[table.paraphrase == 0].reset_index(drop=True)
    base = log_odds(cell, **coefficients).to_numpy()
    chance = (
        sum(
            u * v * expit(base + 0.5 * a + 0.3 * b * cell.peer_present.to_numpy())
            for a, u in zip(nodes, weights, strict=True)
            for b, v in zip(nodes, weights, strict=True)
        )
        / weights.sum() ** 2
    )
    x, info = _fit.matrix(FORMULA.partition("~")[2], cell)
    beta = Likelihood(x, chance * 1e6, np.full(len(cell), 1e6)).maximum().beta
    return dict(zip(info.column_names, beta, strict=True))


def covered(found, truth):
    return {term: row.low <= truth[term] <= row.high for term, row in found.set_index("term").iterrows()}


def coverage(rng, studies):
    """Rows (what, share, studies) of the 95% intervals."""
    kept = {}

    def keep(name, value):
        kept.setdefault(name, []).append(bool(value))

    table = cells()
    chance = expit(log_odds(table))
    for _ in range(studies):
        frame = study(rng, table, chance, 10)
        found = covered(stats.logit(FORMULA, frame), TRUE)
        for term in ("peer_present", "cooperativeness"):
            keep(f"logit, {term}", found[term])
        found = covered(stats.logit(FORMULA, study(rng, table[table.paraphrase == 0], chance[table.paraphrase == 0], 6)), TRUE)
        keep("logit, small study, peer_present", found["peer_present"])
        known = frame.assign(chance=np.repeat(np.asarray(chance), 10)).groupby(["peer", "scenario"]).chance.mean()
        for row in stats.rates(frame, ["peer", "scenario"]).itertuples():
            keep("rates, Wilson", row.low <= known[row.peer, row.scenario] <= row.high)
        for row in stats.differences(frame, "peer", "good", "bad", by="scenario").itertuples():
            keep("differences, Newcombe", row.low <= known["good", row.scenario] - known["bad", row.scenario] <= row.high)
        for row in stats.risk_ratios(frame, "peer", "good", "bad", by="scenario").itertuples():
            keep("risk ratios, Koopman", row.low <= known["good", row.scenario] / known["bad", row.scenario] <= row.high)
        effect = float((expit(log_odds(table.assign(peer_present=1))) - expit(log_odds(table.assign(peer_present=0)))).mean())
        row = stats.margins(FORMULA, frame).set_index("term").loc["peer_present"]
        keep("margins, peer_present", row.low <= effect <= row.high)
        (row,) = stats.predicted(FORMULA, frame, {"peer_present": 1, "cooperativeness": 1, "scenario": "a"}).itertuples()
        keep("predicted", row.low <= expit(0.0) <= row.high)
        keep("setting average, MOVER", setting(rng))
    return kept


def counted(table, formula=FORMULA, cluster=None):
    """The design of a formula over a table's cells, as the library makes it of rows, and where each cell's counts go in it.

    Studies are then drawn as counts and fitted as `logit` fits them, to the last digit, in a tenth of the time.
    """
    both = pd.concat([table.assign(preserved=True), table.assign(preserved=False)])
    made = _fit.design(formula, both, cluster)
    return made, table.groupby([*made.cells, *filter(None, [cluster])], sort=True).ngroup().to_numpy()


def fitted(made, place, k, n):
    """The fit of a study with k of n rollouts true in each cell, and the row of a term's contrast."""
    told = replace(made.likelihood, k=np.bincount(place, k).astype(float), n=np.bincount(place) * float(n))
    peak = told.maximum()
    return _fit.Fit(replace(made, likelihood=told), peak, np.linalg.inv(peak.information), "")


def of_terms(made, *terms):
    return made.basis[[made.terms.index(term) for term in terms]]


def of_clustered_logit(rng, studies):
    """Coverage of `logit(cluster="paraphrase")`, whose truth is that of all paraphrases that there could be."""
    kept, asked = {}, ("peer_present", "cooperativeness")
    for size in (3, 8, 24):
        table = cells(size)
        truth, (made, place) = marginal(table), counted(table, cluster="paraphrase")
        for _ in range(studies):
            fit = fitted(made, place, rng.binomial(240 // size, clustered(rng, table)), 240 // size)
            contrasts = of_terms(made, *asked)
            (_, _, low, high, _), _ = _fit.intervals(fit, contrasts, contrasts @ fit.peak.beta, 0.95)
            for i, term in enumerate(asked):
                kept.setdefault(f"logit clustered by {size} paraphrases, {term}", []).append(low[i] <= truth[term] <= high[i])
    return kept


def setting(rng):
    """One study of four settings with 40 rollouts each: is the average difference in its interval?"""
    rates = {"finance": (0.5, 0.2), "factual": (0.3, 0.1), "creativity": (0.8, 0.5), "red": (0.2, 0.2)}
    parts = []
    for name, pair in rates.items():
        for clause, rate in zip((True, False), pair, strict=True):
            true = rng.random(40) < rate
            fixed = {
                "scenario": "finance" if name == "finance" else "evaluation",
                "dataset": name,
                "threshold": 80.0,
                "missing": None,
            }
            parts.append(
                pd.DataFrame({"preserved": true, "reported_score": np.where(true, 90.0, 60.0)}).assign(
                    shutdown_clause=clause, **fixed
                )
            )
    (row,) = stats.setting_average(pd.concat(parts)).itertuples()
    return row.low <= np.mean([a - b for a, b in rates.values()]) <= row.high


def errors(rng, studies):
    """How often each test is below 5% where there is nothing to find."""
    kept = {}

    def keep(name, p):
        kept.setdefault(name, []).append(p < 0.05)

    nothing, n = {"peer": 0.0, "cooperativeness": 0.0}, 5
    table = cells()
    short, few = table.scenario == "a", table.paraphrase < 3
    made, place = counted(table)
    turn = np.linalg.qr(of_terms(made, "peer_present").T, mode="complete")[0]  # the term is the first coefficient
    for k in rng.binomial(n, expit(log_odds(table, **nothing)), (studies, len(table))):
        a, b = (k[table.peer == level].sum() for level in ("good", "bad"))
        keep("Fisher", two_sided(int(a), 24 * n, int(b), 24 * n)[0])
        a, b = (k[short & few & (table.peer == level)].sum() for level in ("good", "bad"))
        keep("Boschloo", two_sided(int(a), 3 * n, int(b), 3 * n)[0])
        fit = fitted(made, place, k, n)
        without = replace(fit.design.likelihood, x=fit.design.likelihood.x @ turn).maximum(fixed=1)
        keep("logit, profile likelihood: its p is the likelihood ratio's", chi2.sf(2 * (fit.peak.value - without.value), 1))
        scores = pd.DataFrame({"peer": np.repeat(["good", "bad"], 3 * n), "score": rng.normal(60, np.repeat([15, 5], 3 * n))})
        keep("Welch", stats.means(scores, "peer", "good", "bad", outcome="score").p[0])
    for size in (8, 3):
        table = cells(size)
        made, place = counted(table, cluster="paraphrase")
        for _ in range(studies):
            fit = fitted(made, place, rng.binomial(30, clustered(rng, table, **nothing)), 30)
            term = of_terms(made, "peer_present")
            keep(f"logit clustered by {size} paraphrases", _fit.intervals(fit, term, term @ fit.peak.beta, 0.95)[0][-1][0])
    rare = float(expit(log_odds(table[table.scenario == "a"], **nothing, intercept=-3.5)).iloc[0])
    for k in rng.binomial((32, 96), rare, (studies, 2)).tolist():
        profiled, ratio = of_rare(*k)
        keep("profile of logit, or of Firth where separated, rare outcomes", profiled)
        keep("likelihood ratio or penalised, rare outcomes", ratio)
    return kept


@cache
def of_rare(alone, with_peer):
    """p of `logit` and of `lr_test` for a peer's presence, of counts among 32 and 96."""
    if not alone + with_peer:
        return 1.0, 1.0
    true = np.concatenate([np.arange(32) < alone, np.arange(96) < with_peer])
    frame = pd.DataFrame({"peer_present": np.repeat([0, 1], (32, 96)), "preserved": true})
    told = stats.logit("preserved ~ peer_present", frame).set_index("term").p["peer_present"]
    return told, stats.lr_test("preserved ~ 1", "preserved ~ peer_present", frame).p[0]


def of_monitors(rng, studies):
    """Coverage of corrected rates by a coder of sensitivity 0.7 and specificity 0.95, and of areas under the curve."""
    kept = {}
    for rate, rows, rated in ((0.02, 10_000, 200), (0.1, 10_000, 200), (0.3, 10_000, 200), (0.3, 1000, 60)):
        for _ in range(studies):
            truth = rng.random(rows) < rate
            frame = pd.DataFrame({"coder": rng.random(rows) < np.where(truth, 0.7, 0.05), "human": truth.astype(float)})
            frame.loc[rated:, "human"] = np.nan
            (row,) = stats.corrected_rate(frame, "coder", "human").itertuples()
            kept.setdefault(f"corrected rate {rate}, {rated} of {rows} rated", []).append(row.low <= rate <= row.high)
    for true, false, apart in ((20, 80, 1.0), (10, 200, 1.5), (50, 50, 0.5), (30, 100, 2.5)):
        for _ in range(studies):
            score = np.concatenate([rng.normal(apart, 1, true), rng.normal(0, 1, false)])
            frame = pd.DataFrame({"score": score, "truth": np.arange(true + false) < true})
            row = stats.roc(frame, "score", "truth", false_positives=()).iloc[0]
            area = float(norm.cdf(apart / 2**0.5))
            kept.setdefault(f"AUC {area:.2f}, {true} and {false} rows", []).append(row.low <= area <= row.high)
    return kept


def separated(rng, studies):
    """Finite Wald intervals among studies in which no rollout without a peer preserves: (studies separated, such intervals)."""
    table, wrong, seen = cells(), 0, 0
    chance = np.where(table.peer_present == 0, 0, expit(log_odds(table)))
    for i in range(studies):
        found = stats.logit(FORMULA, study(rng, table, chance, 5), cluster="paraphrase" if i % 2 else None)
        seen += 1
        wrong += bool((~found.estimator.str.startswith("Firth") | found.se.notna()).any())
    return seen, wrong


# Title, the lowest and the highest share that are as promised, what is simulated, and how many times --studies of it.
SECTIONS = (
    ("coverage", 0.93, 0.97, coverage, 1),
    ("coverage of clustered logit", 0.93, 0.97, of_clustered_logit, 10),
    ("type-I error at 5%", 0, 0.055, errors, 10),
    ("contrasts: coverage (more at a floor), and equivalence: error", 0.93, 1, of_contrasts, 10),
    ("clusters: coverage of rates, differences, contrasts (more at a floor)", 0.93, 1, of_clusters, 2),
    (
        "clusters: coverage of logit, low rates and separation (more there)",
        0.93,
        1,
        of_logit,
        1,
    ),
    ("clusters: coverage of rates and differences, low rates and floors", 0.93, 1, of_rates, 1),
    ("clusters: coverage of means", 0.93, 0.97, of_means, 1),
    ("coverage of corrected rates and of AUC", 0.93, 0.97, of_monitors, 1),
    ("coverage of power's Monte Carlo interval", 0.93, 0.98, of_power, 1),
    ("coverage of a calibrated threshold (exact: at least 95)", 0.93, 1, of_thresholds, 1),
    ("sequential: the truth missed at any of 300 looks", 0, 0.05, missed, 10),
)


def told(share, studies, low, high):
    around = 2 * np.sqrt(max(share * (1 - share), 0.01 / studies) / studies)
    return "pass" if low <= share <= high else "error" if low - around <= share <= high + around else "MISS"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--only", default="", help="sections with this in their title")
    options = parser.parse_args()
    started, words = time.perf_counter(), []
    for title, low, high, simulate, times in SECTIONS:
        if options.only not in title:
            continue
        print(f"{title} ({100 * low:g}-{100 * high:g}%)", flush=True)
        for name, values in simulate(np.random.default_rng(2026), times * options.studies).items():
            studies = times * options.studies if np.isscalar(values) else len(values)
            share, limits = float(np.mean(values)), (0, 0.05) if str(name).startswith("error") else (low, high)
            compared = not str(name).startswith("    ")  # clusters ignored, for comparison
            words += [told(share, studies, *limits)] * compared
            print(f"  {100 * share:5.1f}%  {words[-1] if compared else '':5}  {name}  ({studies})", flush=True)
    if options.only in "separated":
        print("separated studies, and finite Wald intervals among them (0):", *separated(np.random.default_rng(3), options.studies))
    print({word: words.count(word) for word in ("pass", "error", "MISS")}, f"{time.perf_counter() - started:.0f} s")
