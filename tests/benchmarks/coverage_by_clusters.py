"""For bench_coverage.py: contrasts, equivalence and power; wordings whose rollouts resemble each other, low rates and floors."""

import math
from functools import partial

import numpy as np
import pandas as pd
from scipy.special import expit
from scipy.stats import beta, binom, fisher_exact, t

import ppres as pp
from ppres import stats
from ppres.stats import _fit
from ppres.stats._interval import clustered, equivalence, mover
from ppres.stats._likelihood import Likelihood
from ppres.stats._sandwich import wald

SIZE, FLOOR = 10, 0.003  # rollouts of a wording in each arm; a rate at which an arm is without any in 40 to 80% of the studies
SETTINGS = [(number, base, rho) for number in (8, 16, 30) for base in (0.03, 0.1, 0.5) for rho in (0.0, 0.1, 0.3)]


def counts(rng, studies, number, rates, rho, shared=True):
    """True outcomes (studies x arms x wordings) of beta-binomial wordings with a correlation; shared: the same ones in each arm."""
    place, arms, grid = rng.random((studies, number)), [], np.linspace(0, 1, 4001)[1:-1]
    for rate in rates:
        place = place if shared else rng.random((studies, number))
        spread = 1 / rho - 1 if rho and rate else 0
        chance = np.interp(place, grid, beta.ppf(grid, rate * spread, (1 - rate) * spread)) if spread else np.full_like(place, rate)
        arms.append(rng.binomial(SIZE, np.nan_to_num(chance)))
    return np.stack(arms, axis=1)


def log_odds(rate):
    return math.log(rate / (1 - rate))


def holds(k, truth, shared=True):
    """Whether the 95% interval of the second arm against the first, as `logit` makes it, has the truth in it.

    In a saturated table maxima and profiles are by hand (Firth's adds 1/2 to each count: Firth 1993, section 3.3), which takes a
    hundredth of the time; errors, degrees of freedom and what is assumed are the library's.
    """
    arms, number = k.shape
    total, all_of = k.sum(axis=1), SIZE * number
    firth = bool(((total == 0) | (total == all_of)).any())
    hits, n = total + 0.5 * firth, all_of + firth
    arm = np.repeat(np.arange(arms), number)
    q, r = np.linalg.qr(np.column_stack([np.ones(arms * number), *(arm == i for i in range(1, arms))]))
    likelihood = Likelihood(q, k.ravel().astype(float), np.full(arms * number, float(SIZE)), firth)
    odds = np.log(hits / (n - hits))
    peak = likelihood.at(r @ np.array([odds[0], *(odds[1:] - odds[0])]))
    codes = np.tile(np.arange(number), arms) + (0 if shared else arm * number)
    design = _fit.Design(likelihood, np.linalg.inv(r), [], pd.DataFrame(), codes, None, 0)
    fit = _fit.Fit(design, peak, np.linalg.inv(peak.information), "")
    contrast = fit.design.basis[[1]]
    (error,), (df,), _ = wald(fit, contrast)
    if not firth:
        return abs(odds[1] - odds[0] - truth) <= t.ppf(0.975, df) * error
    low, high = -40.0, 40.0
    for _ in range(60):  # where the first arm is most likely, were the truth the difference
        middle = (low + high) / 2
        rises = hits[0] + hits[1] > n * (expit(middle) + expit(middle + truth))
        low, high = (middle, high) if rises else (low, middle)
    here, there = np.array([low, low + truth]), odds[:2]
    lost = 2 * (hits[:2] @ (there - here) - n * (np.logaddexp(0, there) - np.logaddexp(0, here)).sum())
    return math.sqrt(max(lost, 0)) <= t.ppf(0.975, df) * error / math.sqrt(contrast[0] @ fit.covariance @ contrast[0])


def of_logit(rng, studies):
    """Coverage of `logit(cluster=)`: an arm near the floor, and two other arms where a third is always without any."""
    kept = {}
    for number, base, rho in SETTINGS:
        name = f"{number} wordings of {SIZE}, base rate {base}, correlation {rho}"
        for k in counts(rng, studies, number, (base, FLOOR), rho):
            kept.setdefault(f"{name}: against {FLOOR}", []).append(holds(k, log_odds(FLOOR) - log_odds(base)))
        for k in counts(rng, studies, number, (base, base, 0.0), rho):
            kept.setdefault(f"{name}: the same rate, a third arm at 0", []).append(holds(k, 0.0))
        for k in counts(rng, studies, number, (base, base), rho, shared=False):
            kept.setdefault(f"{name}: the same rate, wordings of its own", []).append(holds(k, 0.0, shared=False))
    return kept


def of_rates(rng, studies):
    """Coverage of `rates` and `differences` with clusters, at the same settings."""
    kept, z = {}, 1.959964
    for number, base, rho in SETTINGS:
        n = np.full((1, number), float(SIZE))
        name = f"{number} wordings of {SIZE}, base rate {base}, correlation {rho}"
        for k in counts(rng, studies, number, (base, FLOOR), rho).astype(float):
            low, high = clustered((1.0,), k[:1], n)[0](z)
            kept.setdefault(f"rate: {name}", []).append(low <= base <= high)
            low, high = clustered((1.0, -1.0), k, np.vstack([n, n]))[0](z)
            kept.setdefault(f"difference to {FLOOR}: {name}", []).append(low <= base - FLOOR <= high)
    return kept


def of_means(rng, studies):
    """Coverage of `means(cluster=)`: scores of wordings that differ, shared by both arms or not."""
    kept = {}
    for number, shared in ((6, True), (6, False), (16, True), (16, False)):
        codes = np.tile(np.repeat(np.arange(number), SIZE), 2) + (0 if shared else np.repeat([0, number], number * SIZE))
        frame = pd.DataFrame({"peer": np.repeat(["a", "b"], number * SIZE), "wording": codes})
        for _ in range(studies):
            score = rng.normal(0, 5, 2 * number)[codes] + rng.normal(0, 10, len(frame)) + 3 * (frame.peer == "a")
            (row,) = stats.means(frame.assign(score=score), "peer", "a", "b", outcome="score", cluster="wording").itertuples()
            kept.setdefault(f"means, {number} wordings {'shared' if shared else 'each'}", []).append(row.low <= 3 <= row.high)
    return kept


def of_power(rng, studies):
    """How often the Monte Carlo interval of `power` has the power in it that is the sum over all tables."""
    kept = {}
    for a, b, n in ((0.5, 0.15, 20), (0.3, 0.1, 40), (0.1, 0.0, 60)):
        table = np.array([[fisher_exact([[i, n - i], [j, n - j]]).pvalue < 0.05 for j in range(n + 1)] for i in range(n + 1)])
        exact = binom.pmf(range(n + 1), n, a) @ table @ binom.pmf(range(n + 1), n, b)
        cells = pd.DataFrame({"peer": ["a", "b"], "rate": [a, b]})

        def rejects(frame, n=n, table=table):
            true = frame.preserved.to_numpy()
            return table[true[:n].sum(), true[n:].sum()]

        name = f"power of Fisher's test, {a} against {b}, n = {n}: {exact:.3f}"
        for seed in rng.integers(1 << 30, size=studies // 10).tolist():
            (row,) = stats.power(cells, rejects, n, reps=100, seed=seed).itertuples()
            kept.setdefault(name, []).append(row.low <= exact <= row.high)
    return kept


def of_thresholds(rng, studies):
    """Coverage of `calibrate_threshold`: quantiles of normal scores."""
    kept = {}
    for n, quantile, true in ((20, 0.5, 60.0), (60, 0.8, 60 + 10 * 0.841621)):
        for _ in range(studies):
            control = pd.DataFrame({"model": "m", "dataset": "d", "reported_score": rng.normal(60, 10, n)})
            (row,) = pp.calibrate_threshold(control, quantile).itertuples()
            kept.setdefault(f"threshold at the quantile {quantile} of {n} reports", []).append(row.low <= true <= row.high)
    return kept


# An interaction of four arms (its weights 1, -1, -1, 1): rates, rollouts in each.
INTERACTIONS = {
    "interaction of rates, 40 in each arm": ((0.5, 0.2, 0.3, 0.15), 40),
    "interaction over a floor (0.5, 0.025, 0, 0), 40 in each arm": ((0.5, 0.025, 0.0, 0.0), 40),
    "interaction at a floor (0.03 in all), 100 in each arm": ((0.03,) * 4, 100),
    "interaction of rates, 15 in each arm": ((0.5, 0.2, 0.3, 0.15), 15),
}


def of_contrasts(rng, studies):
    """Coverage of 95% intervals, and how often effects of just the margin are called equivalent at 5%."""
    kept = {}
    weights, z = (1, -1, -1, 1), 1.959964
    for name, (rates, n) in INTERACTIONS.items():
        true = float(np.dot(weights, rates))
        bounds = (mover(weights, k, [n] * 4, z) for k in rng.binomial(n, rates, (studies, 4)).tolist())
        kept[name] = [low <= true <= high for low, high in bounds]
    for n, (a, b), margin in ((400, (0.3, 0.2), 0.1), (2000, (0.5, 0.55), 0.05), (60, (0.1, 0.0), 0.1)):
        drawn = rng.binomial(n, (a, b), (studies, 2)).tolist()
        verdicts = [equivalence(partial(mover, (1, -1), k, (n, n)), (k[0] - k[1]) / n, 0.95, margin)["verdict"] for k in drawn]
        kept[f"error: {a} and {b}, margin {margin}, n = {n}, called equivalent"] = [told == "equivalent" for told in verdicts]
    return kept


# Rates of arms, their weights, wordings, rollouts of each in each arm, spread of wordings and of their effects, wordings shared.
CLUSTERED = (
    ((0.3,), (1,), 3, 80, 0.5, 0.0, True),
    ((0.3,), (1,), 6, 20, 1.0, 0.0, True),
    ((0.03,), (1,), 6, 40, 0.5, 0.0, True),
    ((0.03,), (1,), 24, 10, 0.5, 0.0, True),
    ((0.3, 0.3), (1, -1), 6, 20, 0.7, 0.5, True),
    ((0.3, 0.3), (1, -1), 6, 20, 0.7, 0.0, False),
    ((0.3, 0.1), (1, -1), 3, 40, 0.5, 0.3, True),
    ((0.03, 0.03), (1, -1), 6, 30, 0.5, 0.3, True),
    ((0.5, 0.2, 0.3, 0.15), (1, -1, -1, 1), 6, 15, 0.5, 0.4, True),
    ((0.5, 0.03, 0.0, 0.0), (1, -1, -1, 1), 6, 15, 0.5, 0.4, True),
)


def of_clusters(rng, studies):
    """Coverage of rates, differences and contrasts where wordings differ, and with clusters ignored."""
    kept = {}
    nodes, mass = np.polynomial.hermite_e.hermegauss(31)
    for rates, weights, number, size, spread, slope, shared in CLUSTERED:
        arms = len(rates)
        base = np.array([np.log(rate / (1 - rate)) if rate else -50.0 for rate in rates])
        sd = np.hypot(spread, slope * (np.arange(arms) == 0))
        true = float(np.dot(weights, [(expit(b + s * nodes) * mass).sum() / mass.sum() for b, s in zip(base, sd, strict=True)]))
        name = f"{rates}, {number} {'shared wordings' if shared else 'wordings each'} of {size}, spread {spread} and {slope}"
        for _ in range(studies):
            k, n = np.zeros((2, arms, number * (1 if shared else arms)))
            for arm in range(arms):
                if arm == 0 or not shared:
                    shift = rng.normal(0, spread, number)
                there = slice(None) if shared else slice(arm * number, (arm + 1) * number)
                own = rng.normal(0, slope, number) if arm == 0 else 0
                k[arm, there], n[arm, there] = rng.binomial(size, expit(base[arm] + shift + own)), size
            low, high = clustered(weights, k, n)[0](1.959964)
            kept.setdefault(name, []).append(low <= true <= high)
            low, high = mover(weights, k.sum(axis=1), n.sum(axis=1), 1.959964)
            kept.setdefault(f"    the same, clusters ignored: {name}", []).append(low <= true <= high)
    return kept
