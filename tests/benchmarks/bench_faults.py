"""The proofs of the live engine in full size, and its throughput against bare litellm. Prints figures; see README.md here.

python tests/benchmarks/bench_faults.py [storm] [kills] [budget] [speed] [leaks]
"""

import asyncio
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
import psutil

import ppres as pp
from ppres.models import transport
from ppres.store.cell import cells_of
from ppres.worlds.world import World

CELL = pp.Condition(scenario="tampering", subject="peer", peer="cooperative")


def show(name, **figures):
    print(f"{name}: " + ", ".join(f"{key} {value}" for key, value in figures.items()), flush=True)


def storm(folder):
    import providers

    transport.FIRST_WAIT, transport.LONGEST_WAIT = 0.02, 0.2
    os.environ["PPRES_STORE"] = str(folder / "storm.sqlite")
    show("storm", **providers.storm(CELL, 2000, 0.3, concurrency=32))


def kills(folder):
    import providers

    os.environ["PPRES_STORE"] = str(folder / "kills.sqlite")
    started = time.perf_counter()
    show("kills", **providers.killed(folder, kills=100, n=1200, latency=0.02), seconds=round(time.perf_counter() - started))


def budget(folder):
    import providers

    found = [providers.spend(seed, folder / f"budget{seed}.sqlite") for seed in range(50)]
    over = [one for one in found if one["over"] > 0]
    worst = max(found, key=lambda one: one["calls"])
    shares = [one["share"] for one in found]
    show(
        "budget",
        runs=50,
        exceeded=len(over),
        worst=f"{worst['calls']:.1f} calls, ${worst['over']:.5f} over ${worst['budget']:.5f}",
        share=f"{min(shares):.2f} to {max(shares):.2f}, median {statistics.median(shares):.2f}",
    )


def _serve(latency, pipe):
    import faults

    with faults.Faulty(latency=latency) as server:
        pipe.send(server.url)
        pipe.recv()


class Elsewhere:
    """The provider in a process of its own."""

    def __init__(self, latency):
        self.pipe, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.get_context("spawn").Process(target=_serve, args=(latency, theirs))

    def __enter__(self):
        self.process.start()
        return self.pipe.recv()

    def __exit__(self, *_):
        self.pipe.send(None)
        self.process.join()


async def _bare(conversations, schemas, url, concurrency):
    """The same calls by litellm alone."""
    import litellm

    todo = iter(conversations)

    async def worker():
        for messages in todo:
            for turn in [i for i, m in enumerate(messages) if m["role"] == "assistant"]:
                await litellm.acompletion(
                    model="openai/gemini-3-flash",
                    messages=messages[:turn],
                    tools=schemas,
                    api_base=url,
                    api_key="none",
                    temperature=1.0,
                    max_retries=0,
                )

    await asyncio.gather(*(worker() for _ in range(concurrency)))


def speed(folder):
    schemas = World(cells_of(CELL, "sim/gemini-3-flash")[0].scene.start).schemas()
    loop = asyncio.new_event_loop()
    for latency in (0, 0.05):
        for concurrency in (8, 32, 128):
            ratios = []
            with Elsewhere(latency) as url:
                model = pp.Model("openai/gemini-3-flash", api_base=url, family="Gemini")
                n = max(200, 2 * concurrency)
                pp.run(CELL, model, 10, store=folder / "warm.sqlite", concurrency=8, progress=False)
                for turn in range(3):
                    store = folder / f"{latency}-{concurrency}-{turn}.sqlite"
                    started = time.perf_counter()
                    frame = pp.run(CELL, model, n, store=store, concurrency=concurrency, progress=False)
                    ours = frame.turns.sum() / (time.perf_counter() - started)
                    conversations = [pp.transcript(id, store=store)["messages"] for id in frame.id]
                    started = time.perf_counter()
                    loop.run_until_complete(_bare(conversations, schemas, url, concurrency))
                    ratios.append((ours, frame.turns.sum() / (time.perf_counter() - started)))
            shown = {
                "calls/s": f"{statistics.median(a for a, _ in ratios):.0f}",
                "bare": f"{statistics.median(b for _, b in ratios):.0f}",
            }
            shown["ratio"] = " ".join(f"{a / b:.2f}" for a, b in ratios)
            show(f"latency {1000 * latency:.0f} ms, concurrency {concurrency}", **shown)


def leaks(folder):
    process, seen = psutil.Process(), []
    with Elsewhere(0) as url:
        model = pp.Model("openai/gemini-3-flash", api_base=url, family="Gemini")
        for i in range(21):
            pp.run(CELL, model, 20 * (i + 1), store=folder / "leaks.sqlite", progress=False)
            seen.append((process.num_fds(), process.memory_info().rss / 1e6))
    show("20 runs", files=f"{seen[1][0]} to {seen[-1][0]}", megabytes=f"{seen[1][1]:.0f} to {seen[-1][1]:.0f}")


if __name__ == "__main__":
    chosen = sys.argv[1:] or ["storm", "kills", "budget", "speed", "leaks"]
    with tempfile.TemporaryDirectory() as temporary:
        for name in chosen:
            globals()[name](Path(temporary))
