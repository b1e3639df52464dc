"""The paper's 57 tampering cells, or with --matrix all 271 cells, × its 8 models, simulated: speed, size and memory.

Prints figures; asserts nothing about time.
"""

import argparse
import json
import os
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import loky
import pandas as pd

import ppres as pp
from ppres.read import outcomes

MODELS = [
    f"sim/{name}"
    for name in (
        *("gpt-5.2", "gemini-3-flash", "gemini-3-pro", "claude-haiku-4.5"),
        *("claude-opus-4.5", "glm-4.7", "kimi-k2.5", "deepseek-v3.1"),
    )
]
CONDITIONS = pp.grid(
    pp.grid(scenario="tampering", dataset=["factual", "creativity", "red"]),
    subject=["self", "peer"],
    peer=[None, "uncooperative", "neutral", "cooperative"],
    instantiation=["file", "file+prompt", "memory"],
)
MATRIX = 271 * 8 * 100  # all cells of the paper
if "--matrix" in sys.argv:
    sys.path.insert(0, str(Path(__file__).parents[2] / "notebooks"))
    from study import CELLS

    CONDITIONS = [cell for cells in CELLS.values() for cell in cells]
IMPORT = """
import sys, time
started = time.perf_counter()
import ppres
print(time.perf_counter() - started, *(name for name in ("pandas", "litellm", "statsmodels") if name in sys.modules))
"""
AGAIN = """
import json, sys, time
import ppres as pp
from bench_simulated import CONDITIONS, MODELS
n, store = int(sys.argv[1]), sys.argv[2]  # --matrix may follow
started = time.perf_counter()
pp.run(CONDITIONS, MODELS, n=n, store=store, progress=False)
ran = time.perf_counter()
pp.frame(store=store)
print(json.dumps([ran - started, time.perf_counter() - ran]))
"""


def show(name, value, unit, target="none"):
    print(f"{name:<46}{value:>12}  {unit:<12}(target {target})", flush=True)


def timed(function, *args, **kwargs):
    started = time.perf_counter()
    result = function(*args, **kwargs)
    return time.perf_counter() - started, result


def megabytes(who):
    return resource.getrusage(who).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def fresh(code, *args):
    """Output of a new interpreter that may write and read .pyc files."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", code, *map(str, args)]
    done = subprocess.run(command, cwd=Path(__file__).parent, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def checkpointed(store):
    """Bytes of the main file once it holds everything."""
    database = sqlite3.connect(store)
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return store.stat().st_size


def measure(n, store):
    seconds, first = timed(pp.run, CONDITIONS, MODELS, n=n, store=store, progress=False)
    total = len(first)
    assert total == len(CONDITIONS) * len(MODELS) * n
    loky.get_reusable_executor().shutdown(wait=True)  # only children that have ended are counted below
    print(f"{len(CONDITIONS)} cells × {len(MODELS)} models × {n} = {total:,} rollouts, {loky.cpu_count()} cores, {seconds:.1f} s")
    show("rollouts stored, from nothing to the frame", f"{total / seconds:,.0f}", "per second", ">= 2,000 on 2 cores")
    show("the paper's 216,800 rollouts at that rate", f"{MATRIX / total * seconds:.0f}", "s", "<= 180")
    show("disk per rollout", f"{checkpointed(store) / total:,.0f}", "bytes", "<= 2,048")
    show("peak memory, this process", f"{megabytes(resource.RUSAGE_SELF):,.0f}", "MB", "<= 1,024")
    show("peak memory, largest worker", f"{megabytes(resource.RUSAGE_CHILDREN):,.0f}", "MB", "<= 1,024 with all processes")

    seconds, again = timed(pp.run, CONDITIONS, MODELS, n=n, store=store, progress=False)
    pd.testing.assert_frame_equal(first, again)
    show("second run, nothing missing", f"{seconds:.2f}", "s")
    seconds, _ = timed(pp.frame, store=store)
    show("read the frame", f"{seconds:.2f}", "s", "<= 5 for 216,800")
    show("read the frame, 216,800 at that rate", f"{MATRIX / total * seconds:.2f}", "s", "<= 5")
    ran, read = json.loads(fresh(AGAIN, n, store, *sys.argv[1:]))
    show("second run, in a new process", f"{ran:.2f}", "s")
    show("read the frame, later in that process", f"{read:.2f}", "s")

    outcomes.SCORER = "benchmark"
    seconds, rescored = timed(pp.frame, CONDITIONS, MODELS, store=store)
    pd.testing.assert_frame_equal(first, rescored)
    show("score everything anew", f"{seconds:.2f}", "s")
    show("scored anew", f"{total / seconds:,.0f}", "per second")
    show("scoring 100,000 at that rate", f"{100_000 / total * seconds:.1f}", "s")


def measure_import():
    fresh(IMPORT)  # writes what .pyc files are missing
    results = [fresh(IMPORT).split() for _ in range(5)]
    show("import ppres, median of 5", f"{statistics.median(float(result[0]) for result in results):.2f}", "s", "<= 0.6")
    for name in ("pandas", "litellm", "statsmodels"):
        loaded = "yes" if name in results[0] else "no"
        show(f"import ppres loads {name}", loaded, "", "none" if name == "pandas" else "no")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=100, help="rollouts per cell and model")
    parser.add_argument("--matrix", action="store_true", help="all six scenarios")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(asked.n, Path(folder).resolve() / "bench.sqlite")
    measure_import()
