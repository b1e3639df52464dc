"""Where people wait, beside another checkout: `bench_people.py --against ../other` (its folder, with the package ppres in it).

Each round starts a new process for either, in turns, so that both meet the same neighbours; printed are the medians over rounds of
CPU seconds, their range, and ours as a ratio of the other's. Asserts nothing about time.
"""

import argparse
import contextlib
import cProfile
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MODEL, SCENARIOS = "sim/gemini-3-flash", ("finance", "evaluation", "tampering", "alignment_faking", "transfer", "deletion")
ROWS = {
    "import": "import ppres, ms",
    "alone": "a simulated rollout, all in one process, µs",
    "calls": "Python calls of a simulated rollout",
    "parent": "a simulated rollout made in workers, this process alone, µs",
    "nothing": "run with nothing to do, µs a row",
    "frame": "frame of all that is stored, µs a row",
    "spent": "spent, µs a row",
    "plan": "plan, µs a row",
    "verify": "verify, µs a row",
    "verify_wall": "verify of some thousands, µs a row by the clock",
}


@contextlib.contextmanager
def timed(name, per, unit, into, clock=time.process_time):
    started = clock()
    yield
    into[name] = (clock() - started) / per * unit


def measure(n, crowd):
    """CPU time of each row, in this process: `n` rollouts a cell alone, then `crowd` in workers."""
    took = {}
    with timed("import", 1, 1e3, took):
        import ppres as pp
    cells = [
        cell for name in SCENARIOS for cell in pp.grid(scenario=name, peer=[None, "cooperative"], instantiation=["file", "memory"])
    ]
    pp.run(cells, MODEL, n=5, progress=False)  # pandas is there, and every cell is rendered
    with timed("alone", (n - 5) * len(cells), 1e6, took):
        pp.run(cells, MODEL, n=n, progress=False)
    with cProfile.Profile() as profile:
        pp.run(cells, MODEL, n=n + 10, progress=False)
    took["calls"] = sum(entry.callcount for entry in profile.getstats()) / (10 * len(cells))
    n += 10
    rows = n * len(cells)
    with timed("nothing", rows, 1e6, took):
        pp.run(cells, MODEL, n=n, progress=False)
    with timed("frame", rows, 1e6, took):
        pp.frame()
    with timed("spent", rows, 1e6, took):
        pp.spent()
    with timed("plan", rows, 1e6, took):
        pp.plan(cells, MODEL, n=n)
    with timed("verify", rows, 1e6, took):
        assert pp.verify().empty
    with timed("parent", crowd * len(cells), 1e6, took):
        pp.run(cells, MODEL, n=n + crowd, progress=False)
    with timed("verify_wall", rows + crowd * len(cells), 1e6, took, time.perf_counter):
        assert pp.verify().empty
    return took


def one_round(checkout, asked, bytecode):
    """A new process with a store of its own; the checkouts are compiled once, as an installed package is."""
    with tempfile.TemporaryDirectory() as folder:
        more = {"PYTHONPATH": str(checkout), "PPRES_STORE": str(Path(folder) / "bench.sqlite")}
        more |= {"PYTHONPYCACHEPREFIX": bytecode, "PYTHONDONTWRITEBYTECODE": ""}
        command = [sys.executable, __file__, "--measure", "--n", str(asked.n), "--crowd", str(asked.crowd)]
        done = subprocess.run(command, env=os.environ | more, cwd=folder, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def show(ours, theirs):
    print(f"{'':<62}{'here':>9}{'range':>17}{'there':>9}{'range':>17}{'ratio':>7}")
    for name, what in ROWS.items():
        here, there = ([took[name] for took in side] for side in (ours, theirs))
        shown = [f"{statistics.median(side):9.1f}{f'{min(side):.1f}–{max(side):.1f}':>17}" for side in (here, there)]
        print(f"{what:<62}{''.join(shown)}{statistics.median(here) / statistics.median(there):7.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", type=Path, help="folder of the other checkout (default: this one, which shows the noise)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--n", type=int, default=100, help="rollouts a cell, of 18 cells, made in one process (at most 150)")
    parser.add_argument("--crowd", type=int, default=200, help="rollouts a cell made in workers (at least 170)")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        print(json.dumps(measure(asked.n, asked.crowd)))
        sys.exit()
    here = Path(__file__).parents[2]
    there = (asked.against or here).resolve()
    sides = {"here": [], "there": []}
    with tempfile.TemporaryDirectory() as bytecode:
        for turn in range(-1, asked.rounds):  # the first only compiles
            for side in ("here", "there") if turn % 2 == 0 else ("there", "here"):
                took = one_round(here if side == "here" else there, asked, bytecode)
                sides[side] += [took] if turn >= 0 else []
    show(sides["here"], sides["there"])
