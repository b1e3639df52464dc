"""Regressions that were slow, against another commit of ppres: CPU seconds by turns, as ratios, and whether numbers agree.

`python tests/benchmarks/bench_regression.py OTHER [--rounds 3] [--only WORD]`: OTHER is a folder with another commit (a worktree).
Each case runs in a process of its own, which is ended after `--patience` seconds.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parents[2]
FIVE = "preserved ~ dose + a + b + c"


def doses(rows, separated=False):
    """A continuous covariate, its rows sorted by it, and three others."""
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"dose": np.sort(rng.normal(size=rows)), **{name: rng.integers(0, 2, rows) for name in "abc"}})
    chance = 1 / (1 + np.exp(-(0.5 * frame.dose + 0.3 * frame.a - 0.5)))
    return frame.assign(preserved=frame.dose > 0 if separated else rng.random(rows) < chance)


def clustered(number):
    rng = np.random.default_rng(6)
    frame = pd.DataFrame({"cell": np.repeat(np.arange(number), 3), **{name: rng.integers(0, 2, 3 * number) for name in "abcd"}})
    shift = rng.normal(0, 0.5, number)[frame.cell]
    return frame.assign(preserved=rng.random(len(frame)) < 1 / (1 + np.exp(-(0.5 * frame.a - 0.5 + shift))))


def wide():
    """20 parameters, with a level that never preserves."""
    rng = np.random.default_rng(7)
    frame = pd.DataFrame({name: rng.integers(0, size, 2000) for name, size in (("a", 8), ("b", 7), ("c", 6), ("d", 3))})
    chance = 1 / (1 + np.exp(-(0.2 * frame.b - 0.3 * frame.c - 0.5)))
    return frame.assign(preserved=(rng.random(2000) < chance) & (frame.a != 3))


def many(terms=20, rows=1000):
    """As many parameters, all but one of them continuous, and a level that never preserves."""
    rng = np.random.default_rng(7)
    frame = pd.DataFrame({f"x{i}": rng.normal(size=rows) for i in range(terms - 2)} | {"never": rng.integers(0, 4, rows) == 0})
    return frame.assign(preserved=(rng.random(rows) < 1 / (1 + np.exp(1 - 0.5 * frame.x0))) & ~frame.never)


TWENTY = "preserved ~ never + " + " + ".join(f"x{i}" for i in range(18))
CASES = {
    **{f"logit of {rows} doses": ("logit", FIVE, partial(doses, rows), {}) for rows in (10_000, 100_000)},
    "logit of 100000 doses alone": ("logit", "preserved ~ dose", partial(doses, 100_000), {}),
    "statsmodels of 100000 doses": ("statsmodels", FIVE, partial(doses, 100_000), {}),
    **{f"{n} clusters": ("logit", "preserved ~ a * b + c + d", partial(clustered, n), {"cluster": "cell"}) for n in (500, 3902)},
    "Firth of 20 parameters, cells": ("logit", "preserved ~ C(a) + C(b) + C(c) + d", wide, {}),
    "Firth of 20 parameters, 1000 rows": ("logit", TWENTY, many, {}),
    **{f"separated by a dose, {n} rows": ("logit", FIVE, partial(doses, n, separated=True), {}) for n in (50, 200, 2000)},
    "separated by a dose alone, 50 rows": ("logit", "preserved ~ dose", partial(doses, 50, separated=True), {}),
}
NOTHING = {"seconds": float("nan"), "megabytes": float("nan"), "numbers": []}


def one(name):
    """Seconds, megabytes above those before, and the numbers of a case."""
    how, formula, data, options = CASES[name]
    frame = data()
    if how == "statsmodels":
        import statsmodels.formula.api as smf

        numbers = frame.assign(preserved=frame.preserved.astype(int))
        call = lambda: smf.logit(formula, numbers).fit(disp=False).params.rename("estimate").to_frame()  # noqa: E731
    else:
        from ppres import stats

        stats.logit("preserved ~ a", frame.head(0).pipe(lambda _: doses(200)))  # imports
        call = lambda: stats.logit(formula, frame, **options)  # noqa: E731
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.process_time()
    table = call()
    used = time.process_time() - start
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before.ru_maxrss) / 1024
    kept = [name for name in ("estimate", "low", "high", "p", "df") if name in table]
    print(json.dumps({"seconds": used, "megabytes": grown, "numbers": table[kept].to_numpy(dtype=float).tolist()}))


def run(name, folder, patience):
    environment = os.environ | {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, __file__, "--one", name]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=patience, check=False)
    except subprocess.TimeoutExpired:
        return NOTHING | {"fault": f"not in {patience:.0f} s"}
    return json.loads(done.stdout) if done.returncode == 0 else NOTHING | {"fault": done.stderr.strip().splitlines()[-1]}


def main(options):
    for name in [name for name in CASES if options.only in name]:
        sides = {"before": (options.other, []), "after": (HERE, [])}
        for _ in range(options.rounds):
            for folder, kept in sides.values():
                if not kept or "fault" not in kept[-1]:
                    kept.append(run(name, folder, options.patience))
        row = {"case": name}
        for side, (_, kept) in sides.items():
            seconds = [told["seconds"] for told in kept]
            row |= {
                side: np.median(seconds),
                f"{side} spread": f"{min(seconds):.2f}-{max(seconds):.2f}",
                f"{side} MB": kept[-1]["megabytes"],
            }
        a, b = (np.array(kept[-1]["numbers"], dtype=float) for _, kept in sides.values())
        row["ratio"] = row["before"] / row["after"]
        row["numbers differ by"] = np.nanmax(np.abs(a - b) / (1 + np.abs(b)), initial=0) if a.size and a.shape == b.shape else "?"
        row["fault"] = "; ".join(f"{side} {kept[-1]['fault']}" for side, (_, kept) in sides.items() if "fault" in kept[-1])
        print(pd.DataFrame([row]).to_string(index=False, float_format="%.3g"), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("other", nargs="?", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--patience", type=float, default=120)
    parser.add_argument("--only", default="")
    parser.add_argument("--one")
    asked = parser.parse_args()
    one(asked.one) if asked.one else main(asked)
