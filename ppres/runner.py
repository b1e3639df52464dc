"""`plan` and `run`: what is stored, what is missing, and getting it."""

from __future__ import annotations

import asyncio
import functools
import numbers
import os
import platform
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import loky
from tqdm.auto import tqdm

from ppres import outcomes, sim
from ppres.agent import Rollout, play
from ppres.cell import Cell, Conditions, Models, cells_of
from ppres.condition import Condition
from ppres.models import ModelError, wait_for
from ppres.scenarios import build
from ppres.store import Finished, Store, key_of
from ppres.world import World

if TYPE_CHECKING:
    import pandas as pd

# Rollouts in a transaction, and the number from which starting worker processes (a second) pays.
_BATCH = 200
_WORTH_PROCESSES = 3000


def _check_n(n: int) -> None:
    if isinstance(n, bool) or not isinstance(n, numbers.Integral) or n < 1:
        raise ValueError(f"n={n!r}: the number of rollouts per cell is a whole number from 1 up")


def plan(conditions: Conditions, models: Models, n: int, *, store: str | os.PathLike[str] | None = None) -> pd.DataFrame:
    """What `run` would do, before any call: a row per cell, with the condition's columns and

    stored, missing: rollouts; tokens: estimated tokens of the missing ones, prompt and completion together; dollars: their
    estimated price, NaN where litellm knows none.

    The estimate plays one simulated rollout in the cell and counts a token per four characters; it is rough, and a reasoning model
    uses more.
    """
    import pandas as pd

    _check_n(n)
    cells = cells_of(conditions, models)
    with Store(store) as opened:
        stored = opened.stored(cell.digest for cell in cells)
    rows = []
    for cell in cells:
        have = sum(replicate < n for replicate in stored[cell.digest])
        prompt, completion = _dry_run(cell.condition, cell.model.critic_family) if have < n else (0, 0)
        each = cell.model.price(prompt, completion)
        rows.append(
            {"model": cell.model.label, **cell.condition.columns(), "stored": have, "missing": n - have}
            | {"tokens": (n - have) * (prompt + completion), "dollars": float("nan") if each is None else (n - have) * each}
        )
    return pd.DataFrame(rows)


@functools.lru_cache(maxsize=8192)
def _dry_run(condition: Condition, family: str) -> tuple[int, int]:
    scene = build(condition, family)
    calls = drive(play(sim.Simulated("compliant", "0"), scene.messages, World(scene.start))).calls
    return sum(call["prompt_tokens"] for call in calls), sum(call["completion_tokens"] for call in calls)


def run(
    conditions: Conditions,
    models: Models,
    n: int,
    *,
    store: str | os.PathLike[str] | None = None,
    concurrency: int = 16,
    progress: bool = True,
) -> pd.DataFrame:
    """Make the missing ones of `n` rollouts per condition and model, and return all of them: a row per rollout.

    What is stored is never run again. Every rollout of a real model is stored as it finishes, so that stopping (Ctrl-C, the
    notebook's stop button) loses only those in flight; simulated ones are stored several at a time. `concurrency` is how many
    rollouts of real models go on at once.

    Raises before any call `ConditionError`, `ModelError`, `PersonaError`, `StoreError`, and `ValueError` for `n`. `ModelError` also
    where a provider rejects the key or the model: then after all other models are done.
    """
    _check_n(n)
    cells = cells_of(conditions, models)
    with Store(store) as opened:
        stored = opened.stored(cell.digest for cell in cells)
        missing = [(cell, i) for cell in cells for i in range(n) if i not in stored[cell.digest]]
        if missing:
            with tqdm(total=len(missing), unit="rollout", disable=not progress, leave=False) as bar:
                keeper = Keeper(opened, bar)
                _run_simulated([job for job in missing if job[0].model.simulated], keeper)
                _run_live([job for job in missing if not job[0].model.simulated], keeper, concurrency)
        return outcomes.frame(opened, [cell.stored() for cell in cells], n)


class Keeper:
    """Hands finished rollouts to the store, and counts them."""

    def __init__(self, store: Store, bar: Any):
        self.store, self.bar = store, bar
        self.specs: dict[bytes, dict[str, Any]] = {}

    def keep(self, cell: Cell, finished: list[Finished]) -> None:
        """Store rollouts of one cell, in one transaction."""
        if finished:
            if cell.digest not in self.specs:
                self.specs[cell.digest] = cell.spec()
            self.store.put(finished, self.specs)
            self.bar.update(len(finished))


def _finish(cell: Cell, replicate: int, rollout: Rollout) -> Finished:
    record = {
        "messages": rollout.messages,
        "calls": rollout.calls,
        "stop_reason": rollout.stop_reason,
        "error": rollout.error,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "provenance": provenance(cell.model.source),
    }
    row = outcomes.row(record, cell.condition, rollout.world)
    return Finished(key_of(cell.digest, replicate), cell.digest, replicate, record, outcomes.SCORER, row)


def simulate(cell: Cell, replicates: list[int]) -> list[Finished]:
    """Play simulated rollouts of a cell. Runs anywhere: it touches no store."""
    world = World(cell.scene.start)
    finished = []
    for replicate in replicates:
        seed = key_of(cell.digest, replicate).hex()[:12]
        rollout = drive(play(cell.model.asker(seed), cell.scene.messages, world.copy()))
        finished.append(_finish(cell, replicate, rollout))
    return finished


def _run_simulated(jobs: list[tuple[Cell, int]], keeper: Keeper) -> None:
    """Simulated rollouts are stored a batch at a time: one that is lost costs nothing to make again."""
    by_cell: dict[int, tuple[Cell, list[int]]] = {}
    for cell, replicate in jobs:
        by_cell.setdefault(id(cell), (cell, []))[1].append(replicate)
    batches = [(cell, list(part)) for cell, all in by_cell.values() for part in _chunks(all, _BATCH)]
    workers = loky.cpu_count()
    if len(jobs) < _WORTH_PROCESSES or workers < 2:
        for batch in batches:
            keeper.keep(batch[0], simulate(*batch))
        return
    pool = loky.get_reusable_executor(max_workers=workers, initializer=_start_worker, initargs=(os.getpid(),))
    under_way: deque[tuple[Cell, Future[list[Finished]]]] = deque()
    try:
        for batch in batches:
            under_way.append((batch[0], pool.submit(simulate, *batch)))
            while len(under_way) > 4 * workers:  # not all at once: memory stays flat
                cell, future = under_way.popleft()
                keeper.keep(cell, future.result())
        for cell, future in under_way:
            keeper.keep(cell, future.result())
    except BaseException:
        pool.shutdown(kill_workers=True)
        raise


def _start_worker(parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means

    def follow() -> None:  # a parent that was killed cannot tell its workers to stop
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _chunks(values: list[int], size: int) -> Iterator[list[int]]:
    return (values[start : start + size] for start in range(0, len(values), size))


def drive(work: Coroutine[Any, Any, Rollout]) -> Rollout:
    """Run a rollout that waits for nothing, without an event loop."""
    try:
        work.send(None)
    except StopIteration as end:
        rollout: Rollout = end.value
        return rollout
    finally:
        work.close()
    raise RuntimeError("a simulated rollout waited for something")


def _run_live(jobs: list[tuple[Cell, int]], keeper: Keeper, concurrency: int) -> None:
    if not jobs:
        return
    if concurrency < 1:
        raise ValueError(f"concurrency={concurrency!r}: it is a whole number from 1 up")
    wait_for(_all_live(jobs, keeper, concurrency))


async def _all_live(jobs: list[tuple[Cell, int]], keeper: Keeper, concurrency: int) -> None:
    queue = iter(jobs)  # shared: each worker takes the next job
    rejected: dict[str, ModelError] = {}

    async def worker() -> None:
        for cell, replicate in queue:
            if cell.model.label in rejected:
                continue
            try:
                rollout = await play(cell.model.asker(""), cell.scene.messages, World(cell.scene.start))
            except ModelError as error:
                rejected[cell.model.label] = error  # this model cannot go on; the others do
                continue
            keeper.keep(cell, [_finish(cell, replicate, rollout)])

    await asyncio.gather(*(worker() for _ in range(min(concurrency, len(jobs)))))
    if rejected:
        raise ModelError("\n".join(str(error) for error in rejected.values()))


@functools.cache
def provenance(source: str) -> dict[str, Any]:
    """What made a rollout: versions and, in a git checkout of ppres, the commit."""
    found = {"ppres": metadata.version("ppres"), "git_commit": _commit(), "python": platform.python_version()}
    return found | ({"notice": sim.NOTICE} if source == "sim" else {"litellm": metadata.version("litellm")})


def _commit() -> str | None:
    root = Path(__file__).parent.parent
    if not (root / ".git").exists():
        return None
    done = subprocess.run(
        ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or None
