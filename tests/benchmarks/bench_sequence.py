"""Looking after every round: how often is the truth missed at any look, and how many rollouts does stopping save?

`python tests/benchmarks/bench_sequence.py [--studies 10000]`; target: at most 5% of the studies miss at any of 300 looks.
Savings are against the fixed n whose Fisher test has power 80%, with the longest sequential study chosen for the same power, and
against a limit of 200, on the published rates: a cooperative peer's shutdown against an uncooperative one's, and against the
agent's own where there is no peer. Dollars are those of both arms at `--price` for a rollout (`pp.plan` has a model's).
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
    counts = np.stack([np.cumsum(values == value, axis=1) for value in told], axis=-1)
    capital = np.log(1 + BETS * ((told - lowest) / (mean - lowest) - 1)[:, None])
    return np.maximum.accumulate(logsumexp(counts @ capital, axis=-1) - np.log(len(BETS)), axis=1)


def excluded(rng, weights, rates, mean, studies, rounds=ROUNDS):
    """At which looks the 95% interval has excluded a mean: what `sequence` finds by halving, for one value and many studies."""
    weights, rates = np.array(weights, dtype=float), np.array(rates)
    lowest, highest, parts = np.minimum(weights, 0).sum(), np.maximum(weights, 0).sum(), []
    size = min(studies, 250, 40_000 // rounds)
    for _ in range(studies // size):
        values = np.einsum("a,san->sn", weights, rng.random((size, len(weights), rounds)) < rates[:, None])
        parts.append((won(values, lowest, mean) >= np.log(40)) | (won(-values, -highest, -mean) >= np.log(40)))
    return np.concatenate(parts)


def missed(rng, studies):
    """Share of studies that miss the truth at some look, for each truth."""
    return {told: excluded(rng, *told, float(np.dot(*told)), studies)[:, -1].mean() for told in TRUTHS}


def pairs():
    """Published rates of each model with a cooperative peer, and of what it is compared with: an uncooperative one, and none."""
    known = pd.read_csv(Path(__file__).parents[2] / "data" / "published_rates.csv").query(
        "measure == 'rate' and harness == 'custom'"
    )
    with_peer = known.query("subject == 'peer' and statistic == 'mean_over_instantiations'")
    wide = with_peer.pivot_table(index=["model", "behaviour"], columns="peer", values="percent", aggfunc="first") / 100
    alone = (
        known.query("subject == 'self' and peer == 'none' and scenario == 'all'").set_index(["model", "behaviour"]).percent / 100
    )
    columns = {"uncooperative": wide.uncooperative, "none (own shutdown)": alone}
    both = pd.concat([wide.cooperative.rename("a").to_frame().assign(against=name, b=rates) for name, rates in columns.items()])
    return both.dropna().reset_index()


def fixed(rng, a, b, studies=1000):
    """Rollouts in each arm at which Fisher's test has power 80%."""
    kept = {}

    def power(n):
        rejected = 0
        for k in rng.binomial(n, (a, b), (studies, 2)).tolist():
            key = (n, *k)
            if key not in kept:
                kept[key] = fisher_exact([[k[0], n - k[0]], [k[1], n - k[1]]]).pvalue < 0.05
            rejected += kept[key]
        return rejected / studies

    low, high = 2, 4
    while power(high) < 0.8:
        low, high = high, 2 * high
    while high - low > max(1, high // 50):
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle) >= 0.8 else (middle, high)
    return high


def saved(rng, studies, price):
    """Rollouts in each arm: fixed, sequential on average and at most, at 80% power; and stopping under a limit of 200."""
    rows = []
    for pair in pairs().itertuples():
        told = {"model": pair.model, "behaviour": pair.behaviour, "against": pair.against, "rates": f"{pair.a:.3f}, {pair.b:.3f}"}
        if abs(pair.a - pair.b) < 0.05:
            rows.append(told)  # thousands of rollouts, however one looks
            continue
        n = fixed(rng, pair.a, pair.b)
        out = excluded(rng, (1, -1), [pair.a, pair.b], 0.0, studies, 4 * n + 40)
        stop = np.where(out[:, -1], out.argmax(axis=1) + 1, out.shape[1])
        most = int(np.quantile(stop, 0.8))
        mean, limited = np.minimum(stop, most).mean(), np.minimum(stop, 200).mean()
        told |= {"fixed": n, "sequential": mean.round(1), "at most": most, "dollars saved": round(2 * price * (n - mean), 2)}
        told |= {
            "of 200": limited.round(1),
            "decided": out[:, :200].any(axis=1).mean(),
            "dollars of 200": round(2 * price * (200 - limited), 2),
        }
        rows.append(told)
    return pd.DataFrame(rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--studies", type=int, default=10_000)
    parser.add_argument("--price", type=float, default=0.01)
    options = parser.parse_args()
    asked = options.studies
    print(f"the truth missed at any of {ROUNDS} looks (at most 5%), {asked} studies each")
    for (weights, rates), share in missed(np.random.default_rng(2026), asked).items():
        print(f"  {100 * share:4.1f}%  rates {rates}, weights {weights}")
    table = saved(np.random.default_rng(7), min(asked, 1000), options.price)
    print("rollouts in each arm at power 80%, and when stopping under a limit of 200, to find the effect of a cooperative peer")
    print(table.to_string(index=False))
    less = table["sequential"] < table["fixed"]
    print(f"fewer rollouts than with a fixed n at equal power in {less.sum()} of {table['fixed'].notna().sum()} comparisons")
    print("sequential / fixed, median:", (table["sequential"] / table["fixed"]).median().round(2))
    print("of 200 / 200, median:", (table["of 200"] / 200).median().round(2))
