"""Looking after every round: how often is the truth missed at any look, and how many rollouts does stopping save?

`python tests/benchmarks/bench_sequence.py [--studies 10000]`; target: at most 5% of the studies miss at any of 300 looks.
Savings are against the fixed n whose Fisher test has power 80%, with the longest sequential study chosen for the same power, and
against a limit of 200, on the published rates of cooperative and uncooperative peers.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import logsumexp
from scipy.stats import fisher_exact

from ppres.stats.sequence import _BETS

BETS, ROUNDS = np.array(_BETS), 300
TRUTHS = (
    *(((1,), (rate,)) for rate in (0.5, 0.2, 0.03)),
    *(((1, -1), rates) for rates in ((0.3, 0.3), (0.03, 0.03), (0.5, 0.15), (0.95, 0.7), (0.08, 0.0))),
    ((1, -1, -1, 1), (0.5, 0.2, 0.3, 0.15)),
    ((1, -1, -1, 1), (0.5, 0.03, 0.0, 0.0)),
)


def won(values, lowest, mean):
    """Log of the most that betting on a higher mean has made at each look of each study (studies x looks)."""
    told = np.unique(values)
    counts = np.stack([np.cumsum(values == one, axis=1) for one in told], axis=-1)
    capital = np.log(1 + BETS * ((told - lowest) / (mean - lowest) - 1)[:, None])
    return np.maximum.accumulate(logsumexp(counts @ capital, axis=-1) - np.log(len(BETS)), axis=1)


def excluded(rng, weights, rates, mean, studies, rounds=ROUNDS):
    """At which looks the 95% interval has excluded a mean: what `sequence` finds by halving, for one value and many studies."""
    weights, rates = np.array(weights, dtype=float), np.array(rates)
    lowest, highest, parts = np.minimum(weights, 0).sum(), np.maximum(weights, 0).sum(), []
    size = min(250, 40_000 // rounds)
    for _ in range(studies // size):
        values = np.einsum("a,san->sn", weights, rng.random((size, len(weights), rounds)) < rates[:, None])
        parts.append((won(values, lowest, mean) >= np.log(40)) | (won(-values, -highest, -mean) >= np.log(40)))
    return np.concatenate(parts)


def missed(rng, studies):
    """Share of studies that miss the truth at some look, for each truth."""
    return {told: excluded(rng, *told, float(np.dot(*told)), studies)[:, -1].mean() for told in TRUTHS}


def pairs():
    """Published rates of a model with a cooperative and an uncooperative peer, and the authors' n."""
    path = Path(__file__).parents[2] / "data" / "published_rates.csv"
    known = pd.read_csv(path).query("subject == 'peer' and statistic == 'mean_over_instantiations' and harness == 'custom'")
    wide = known.pivot_table(index=["model", "behaviour", "measure"], columns="peer", values="percent", aggfunc="first")
    rates = wide.query("measure == 'rate'")[["cooperative", "uncooperative"]].dropna() / 100
    return rates[(rates.cooperative - rates.uncooperative).abs() > 0.05]


def fixed(rng, a, b, studies=1000):
    """Rollouts in each arm at which Fisher's test has power 80%."""
    kept = {}

    def power(n):
        found = 0
        for k in rng.binomial(n, (a, b), (studies, 2)).tolist():
            key = (n, *k)
            if key not in kept:
                kept[key] = fisher_exact([[k[0], n - k[0]], [k[1], n - k[1]]]).pvalue < 0.05
            found += kept[key]
        return found / studies

    low, high = 2, 4
    while power(high) < 0.8:
        low, high = high, 2 * high
    while high - low > max(1, high // 50):
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle) >= 0.8 else (middle, high)
    return high


def saved(rng, studies):
    """Rollouts in each arm: fixed, sequential on average and at most, at 80% power; and stopping under a limit of 200."""
    rows = []
    for (model, behaviour, _), pair in pairs().iterrows():
        n = fixed(rng, *pair)
        out = excluded(rng, (1, -1), [*pair], 0.0, studies, 4 * n + 40)
        stop = np.where(out[:, -1], out.argmax(axis=1) + 1, out.shape[1])
        most = int(np.quantile(stop, 0.8))
        row = {"model": model, "behaviour": behaviour, "rates": f"{pair.iloc[0]:.3f}, {pair.iloc[1]:.3f}", "fixed": n}
        row |= {"sequential": np.minimum(stop, most).mean().round(1), "at most": most}
        rows.append(row | {"of 200": np.minimum(stop, 200).mean().round(1), "decided": (out[:, :200].any(axis=1)).mean()})
    return pd.DataFrame(rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--studies", type=int, default=10_000)
    asked = parser.parse_args().studies
    print(f"the truth missed at any of {ROUNDS} looks (at most 5%), {asked} studies each")
    for (weights, rates), share in missed(np.random.default_rng(2026), asked).items():
        print(f"  {100 * share:4.1f}%  rates {rates}, weights {weights}")
    table = saved(np.random.default_rng(7), min(asked, 1000))
    print("rollouts in each arm at power 80%, and when stopping under a limit of 200, to find the effect of a cooperative peer")
    print(table.to_string(index=False))
    print("sequential / fixed, median:", (table["sequential"] / table["fixed"]).median().round(2))
    print("of 200 / 200, median:", (table["of 200"] / 200).median().round(2))
