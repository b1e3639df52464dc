"""Cost against size: `bench_size.py --rows 10000 100000 1000000 [--plot FOLDER]` prints CPU seconds, µs a row and peak memory.

A store of simulated rollouts is multiplied by SQL: the same conversations under other replicates, as many to a cell as it takes.
Each row of the table is a process of its own, which has read one rollout of each cell before. `verify` replays every rollout, and
is left out above `--verify` rows. Asserts nothing about time.
"""

import argparse
import contextlib
import hashlib
import json
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench_people import SCENARIOS

import ppres as pp

MODELS = "sim/gemini-3-flash", "sim/gpt-5.2"
FIRST = 40  # rollouts a cell that are made
WAYS = {
    "run": lambda n: len(pp.run(conditions(), MODELS, n=n, progress=False)),
    "plan": lambda n: len(pp.plan(conditions(), MODELS, n=n)),
    "frame": lambda n: len(pp.frame()),
    "spent": lambda n: len(pp.spent()),
    "search": lambda n: len(pp.search("decline|refuse")),
    "verify": lambda n: len(pp.verify()),
}


def conditions():
    peers, places = [None, "cooperative", "uncooperative"], ["file", "memory"]
    return [cell for name in SCENARIOS for cell in pp.grid(scenario=name, peer=peers, instantiation=places)]


def multiplied(path, rows):
    """A store of at least so many rollouts; how many a cell has."""
    made = len(pp.run(conditions(), MODELS, n=FIRST, store=path, progress=False))
    multiply(path, FIRST, -(-rows // made))
    return FIRST * -(-rows // made)


def multiply(path, first, times):
    """The same conversations under other replicates: each cell has `first`, and then so many times as many."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.create_function("key_of", 2, lambda cell, replicate: hashlib.sha256(cell + b":%d" % replicate).digest())
        db.execute("PRAGMA synchronous=OFF")
        db.execute("CREATE TEMP TABLE first AS SELECT rollouts.*, digest FROM rollouts JOIN cells ON cells.id = cell")
        (last,) = db.execute("SELECT max(id) FROM rollouts").fetchone()
        for place in range(1, times):
            more = {"ids": place * last, "more": place * first, "last": last}
            db.execute(
                "INSERT INTO rollouts SELECT id + :ids, key_of(digest, replicate + :more), cell, replicate + :more, stop_reason,"
                " scorer, outcomes FROM first",
                more,
            )
            db.execute("INSERT INTO bodies SELECT rollout + :ids, crc, body FROM bodies WHERE rollout <= :last", more)
            db.commit()


def measure(way, n):
    """In this process: CPU seconds, and by how many bytes the peak of its memory rose."""
    pp.frame(n=1)
    if way == "search":
        pp.search("decline", where=pp.frame(n=1).id[:1])
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    WAYS[way](n)
    return time.process_time() - started, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024


def measured(way, path, n):
    """The same in a new process."""
    command = [sys.executable, __file__, "--measure", way, "--n", str(n)]
    done = subprocess.run(command, env=os.environ | {"PPRES_STORE": str(path)}, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def plot(took, path):
    """CPU seconds against rollouts, both logarithmic, beside a line that is proportional."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    for way in WAYS:
        points = [(rows, seconds) for (name, rows), (seconds, _) in took.items() if name == way]
        axes.loglog(*zip(*points, strict=True), marker="o", label=way)
    ends = [min(rows for _, rows in took), max(rows for _, rows in took)]
    axes.loglog(ends, [rows * 1e-5 for rows in ends], color="0.6", linestyle=":", label="10 µs a rollout")
    axes.set(xlabel="stored rollouts (simulated)", ylabel="CPU seconds")
    figure.legend(loc="outside right upper", frameon=False)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--verify", type=int, default=100_000, help="the most rollouts that are replayed")
    parser.add_argument("--plot", type=Path, help="folder for bench_size.png")
    parser.add_argument("--measure", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--n", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        print(json.dumps(measure(asked.measure, asked.n)))
        sys.exit()
    took = {}
    with tempfile.TemporaryDirectory() as folder:
        for wanted in sorted(asked.rows):
            path = Path(folder, f"{wanted}.sqlite")
            n = multiplied(path, wanted)
            rows = n * len(conditions()) * len(MODELS)
            print(f"{rows:,} rollouts, {path.stat().st_size / rows:,.0f} bytes each on disk", flush=True)
            for way in WAYS:
                if way != "verify" or rows <= asked.verify * 1.1:
                    took[way, rows] = seconds, grown = measured(way, path, n)
                    each = f"{seconds / rows * 1e6:8.2f} µs and {grown / rows:6.0f} bytes a row"
                    print(f"  {way:<8}{seconds:8.2f} CPU s {grown / 1e6:8.0f} MB{each}", flush=True)
            path.unlink()
    if asked.plot:
        plot(took, asked.plot / "bench_size.png")
