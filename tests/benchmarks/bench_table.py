"""All that people wait for, here and in another checkout, in one table: `bench_table.py ../other [--only WORD] [--memory]`.

By turns in one run, a process of its own for each figure: medians, ranges, and here as a ratio of there. Ten minutes on two quiet
cores. `reproduce` is the notebooks 01, 02 and 03, which are in both, with all their processes. Asserts nothing about time.
"""

import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import bench_live
import bench_people
import bench_regression
import bench_size

HERE = Path(__file__).parents[2]
NOTEBOOKS = "01", "02", "03"
REGRESSIONS = {
    "logit of 100000 doses": "logit with a continuous covariate, 100,000 rows, s",
    "3902 clusters": "logit with 3,902 clusters, s",
    "Firth of 20 parameters, cells": "Firth with 20 parameters, s",
    "separated by a dose, 200 rows": "Firth, separated by a continuous covariate, s",
}


class Table:
    """What was measured, by row and side; printed as it grows."""

    def __init__(self, there):
        self.sides, self.taken = {"here": HERE, "there": there}, {}

    def turns(self, rounds):
        """The sides, each as often, first the one and then the other."""
        for turn in range(rounds):
            yield from list(self.sides.items())[:: 1 if turn % 2 else -1]

    def add(self, row, side, value):
        self.taken.setdefault(row, {}).setdefault(side, []).append(value)

    def show(self):
        for row, sides in self.taken.items():
            told = [(statistics.median(some), f"{min(some):.4g}–{max(some):.4g}") for some in map(sides.get, self.sides) if some]
            ratio = f"{told[0][0] / told[1][0]:7.2f}" if len(told) == 2 and told[1][0] else ""
            print(f"{row:<66}" + "".join(f"{median:10.4g}{spread:>16}" for median, spread in told) + ratio, flush=True)
        self.taken.clear()


def python(code, checkout, **more):
    """What code prints last in a new process that has the package of this checkout, and these benchmarks."""
    paths = os.pathsep.join([str(checkout), str(Path(__file__).parent)])
    command, env = [sys.executable, "-c", code], os.environ | more | {"PYTHONPATH": paths}
    return subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[-1]


@contextlib.contextmanager
def at(checkout):
    """Processes that are started import the package of this checkout."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(checkout)
    try:
        yield
    finally:
        os.environ.pop("PYTHONPATH") if before is None else os.environ.update(PYTHONPATH=before)


def people(table, folder, rounds=3):
    asked = argparse.Namespace(n=100, crowd=200)
    for place, (side, checkout) in enumerate(table.turns(rounds + 1)):
        took = bench_people.one_round(checkout, asked, str(folder / "bytecode"))
        for name, value in took.items() if place > 1 else ():  # the first round only compiles
            table.add(bench_people.ROWS[name], side, value)


def size(table, folder, rounds=2, rows=200_000):
    """Some way into the store of a large study; what is made there is made there."""
    stores = {}
    for side, checkout in table.sides.items():
        path = folder / f"{side}.sqlite"
        code = f"import pathlib, bench_size as b; print(b.multiplied(pathlib.Path({str(path)!r}), {rows}), len(b.conditions()))"
        done = python(code, checkout)
        n, cells = map(int, done.split())
        stores[side] = path, n, n * cells * len(bench_size.MODELS)
    for side, checkout in table.turns(rounds):
        path, n, number = stores[side]
        for way in ("run", "frame", "spent", "plan", *(["search"] if side == "here" else [])):  # it was not there
            with at(checkout):
                seconds, grown = bench_size.measured(way, path, n)
            table.add(f"{way} on {number:,} stored, s", side, seconds)
            table.add(f"{way} on {number:,} stored, bytes a row", side, grown / number)


def regression(table, folder, patience=60):
    for case, row in REGRESSIONS.items():
        for side, checkout in table.turns(1):
            took = bench_regression.run(case, checkout, patience)
            if "fault" in took:
                print(f"{row}: {side} {took['fault']}", flush=True)
            table.add(row, side, took["seconds"])
            table.add(row[:-3] + ", MB", side, took["megabytes"])


def live(table, folder, rounds=2):
    asked = argparse.Namespace(conversations=60, concurrency=16, turns=10, long=0, model="openai/m")
    for side, checkout in table.turns(rounds):
        own, _, _ = bench_live.one_round(side, checkout, asked)
        bare, _, _ = bench_live.one_round("bare", checkout, asked)
        table.add("a live call to a server of one's own, ms of a processor", side, own)
        table.add("as many times the calls of bare litellm for as much of it", side, bare / own)


PLAN = """
import time, bench_live, bench_size, ppres as pp
peers, data = ["neutral", "cooperative"], ["factual", "creativity", "red"]
cells = pp.grid(scenario="tampering", peer=peers, dataset=data, subject=["self", "peer"])
with bench_live.serving(turns=4) as url:
    model = pp.Model("openai/m", api_base=url, family="Gemini")
    pp.run(cells[:3], model, 20, progress=False)
    bench_size.multiply("{path}", 20, 100)
    pp.plan(cells, model, n=1)
    started = time.process_time()
    pp.plan(cells, model, n=4000)
    print((time.process_time() - started) / len(cells) * 1e3)
"""


def plan(table, folder, rounds=2):
    """Of a real model, of which 6,000 rollouts are stored."""
    for side, checkout in table.turns(rounds):
        with tempfile.TemporaryDirectory(dir=folder) as fresh:
            path = Path(fresh, "store.sqlite")
            told = python(PLAN.format(path=path), checkout, PPRES_STORE=str(path))
            table.add("plan of a real model with 6,000 stored, ms a cell", side, float(told))


def memory(table, folder):
    asked = argparse.Namespace(conversations=2000, concurrency=2000, turns=30, long=4000, model="openai/m")
    table.add("2,000 live conversations of 30 long turns, MB", "here", bench_live.one_round("here", HERE, asked)[2])


def reproduce(table, folder, rounds=1):
    for side, checkout in table.turns(rounds):
        copy = folder / f"{side}-notebooks"
        for name in ("notebooks", "data"):
            shutil.copytree(checkout / name, copy / name, ignore=shutil.ignore_patterns("*.sqlite*", "__pycache__"))
        shutil.copy(checkout / "pyproject.toml", copy)
        (copy / "figures").mkdir()
        code = f"import sys; from ppres.cli import main; sys.exit(main(['reproduce', '--only', *{NOTEBOOKS}]))"
        with at(checkout):
            started, more = time.time(), {"PPRES_STORE": str(copy / "store.sqlite")}
            process = subprocess.Popen([sys.executable, "-c", code], cwd=copy, env=os.environ | more, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        assert status == 0, f"{checkout}: reproduce ended with {status}"
        first = min(path.stat().st_mtime for path in (copy / "figures").glob("*.png"))
        table.add(f"reproduce {' '.join(NOTEBOOKS)}, s of processors", side, used.ru_utime + used.ru_stime)
        table.add(f"reproduce {' '.join(NOTEBOOKS)}, s by the clock", side, time.time() - started)
        table.add("reproduce, s until the first figure", side, first - started)
        shutil.rmtree(copy)


PARTS = people, live, plan, size, regression, reproduce
if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("other", type=Path, help="folder of the other checkout, with the package ppres in it")
    parser.add_argument("--only", default="", help="parts with this in their name: " + ", ".join(part.__name__ for part in PARTS))
    parser.add_argument("--memory", action="store_true", help="2,000 live conversations as well, here alone (some minutes)")
    asked = parser.parse_args()
    table = Table(asked.other.resolve())
    print(f"{'':<66}{'here':>10}{'range':>16}{'there':>10}{'range':>16}  ratio")
    for part in [part for part in PARTS if asked.only in part.__name__] + ([memory] if asked.memory else []):
        with tempfile.TemporaryDirectory() as temporary:
            part(table, Path(temporary))
        table.show()
