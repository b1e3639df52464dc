"""Rollouts made in other processes, and stored in this one: all cores for simulated agents, and any executor for a cluster."""

from __future__ import annotations

import concurrent.futures
import math
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Iterable
from typing import Any

import loky

from ppres import generate, progress
from ppres.budget import Meter, expectations
from ppres.cell import Cell
from ppres.live import Job, Keeper, Rejected, tell
from ppres.store import Finished, key_of

# Rollouts in a transaction, and the number from which starting worker processes (a second) pays.
_BATCH = 200
_WORTH_PROCESSES = 3000
_SHARE = 3.0  # how many times what it is expected to take a rollout may take in a worker, where nobody can stop it
_LOOK_AGAIN = 0.5  # seconds between looks at rollouts that another process is making

Executor = concurrent.futures.Executor


def run_simulated(jobs: list[Job], keeper: Keeper, executor: Executor | None, ahead: int) -> None:
    """Simulated rollouts, stored a batch at a time: one that is lost costs nothing to make again."""
    batches, cores = _batches(jobs), loky.cpu_count()
    if executor:
        _simulate_in(executor, batches, keeper, ahead)
    elif len(jobs) < _WORTH_PROCESSES or cores < 2:
        for batch in batches:
            keeper.keep(batch[0], generate.simulate(*batch))
    else:
        pool = loky.get_reusable_executor(max_workers=cores, initializer=_start_worker, initargs=(os.getpid(),))
        try:
            _simulate_in(pool, batches, keeper, 4 * cores)
        except BaseException:
            pool.shutdown(kill_workers=True)
            raise


def _simulate_in(executor: Executor, batches: deque[tuple[Cell, list[int]]], keeper: Keeper, ahead: int) -> None:
    under_way: dict[concurrent.futures.Future[list[Finished]], Cell] = {}
    while batches or under_way:
        while batches and len(under_way) < ahead:  # so that memory stays flat
            batch = batches.popleft()
            under_way[executor.submit(generate.simulate, *batch)] = batch[0]
        for future in _first(under_way):
            keeper.keep(under_way.pop(future), future.result())


def _batches(jobs: list[Job]) -> deque[tuple[Cell, list[int]]]:
    by_cell: dict[bytes, tuple[Cell, list[int]]] = {}
    for cell, replicate in jobs:
        by_cell.setdefault(cell.digest, (cell, []))[1].append(replicate)
    return deque((cell, all[start : start + _BATCH]) for cell, all in by_cell.values() for start in range(0, len(all), _BATCH))


def _first(under_way: Iterable[concurrent.futures.Future[Any]]) -> set[concurrent.futures.Future[Any]]:
    return concurrent.futures.wait(under_way, return_when=concurrent.futures.FIRST_COMPLETED).done


def run_elsewhere(jobs: list[Job], keeper: Keeper, meter: Meter, concurrency: int, executor: Executor) -> None:
    """Rollouts of real models in an executor's workers. Raises `ModelError` for models that cannot be asked, in the end."""
    if not jobs:
        return
    with progress.Run(keeper.store) as run:
        work = _Elsewhere(keeper, meter, run)
        if meter.bounded:
            work.expected = expectations(keeper.store, [cell for cell, _ in jobs])
        todo = deque(jobs)
        try:
            while todo or work.under_way:
                while todo and len(work.under_way) < concurrency and work.start(todo, executor):
                    pass
                for future in _first(work.under_way):
                    work.end(future)
        except BaseException as error:  # what was made was paid for; a person who stops it does not wait for the rest
            running = [future for future in work.under_way if not future.cancel()]
            concurrent.futures.wait(running, timeout=0 if isinstance(error, KeyboardInterrupt) else None)
            for future in running:
                if future.done() and not future.exception():
                    work.end(future)
            raise
    tell(keeper, meter)
    work.rejected.tell()


class _Elsewhere:
    """What one `run_elsewhere` has in hand."""

    def __init__(self, keeper: Keeper, meter: Meter, run: progress.Run):
        self.keeper, self.meter, self.run = keeper, meter, run
        self.expected: Any = {}
        self.rejected = Rejected()
        self.under_way: dict[concurrent.futures.Future[generate.Made], tuple[Cell, int, int]] = {}

    def start(self, todo: deque[Job], executor: Executor) -> bool:
        """Begin the next rollout, or leave it out; False where it has to wait for another one to end."""
        cell, replicate = todo.popleft()
        if cell.model.label in self.rejected:
            return True
        key, share = key_of(cell.digest, replicate), (math.inf, math.inf)
        if self.meter.bounded:
            found = self.meter.reserve(key, cell.model, self.expected[cell.digest].mean, _SHARE)
            if not found and self.under_way and not self.meter.spent:
                todo.appendleft((cell, replicate))
                return False
            if not found:
                self.meter.refused += 1
                return True
            share = found
        past = self.run.take(key)
        if isinstance(past, list):
            limits = (limit if 0 < limit < math.inf else None for limit in share)
            future = executor.submit(generate.ask, cell, replicate, past, *limits)
            self.under_way[future] = cell, replicate, len(past)
            return True
        self.meter.release(key)
        if past == "stored":
            self.keeper.bar.update(1)
            return True
        todo.append((cell, replicate))  # another process is at it
        time.sleep(_LOOK_AGAIN)
        return not self.under_way

    def end(self, future: concurrent.futures.Future[generate.Made]) -> None:
        """Store what came of a rollout, at least its turns."""
        cell, replicate, past = self.under_way.pop(future)
        key = key_of(cell.digest, replicate)
        made = future.result()
        self.meter.add(key, made.dollars, made.tokens)
        self.meter.release(key)
        for turn, reply in enumerate(made.replies, past):
            progress.keep(self.keeper.store, key, turn, reply)
        if made.error:
            self.rejected[cell.model.label] = made.error
        if made.finished:
            self.meter.refused += made.finished.record["stop_reason"] == "budget"
            self.keeper.keep(cell, [made.finished])
            self.rejected.note(cell.model, made.finished)


def _start_worker(parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means

    def follow() -> None:  # a parent that was killed cannot tell its workers to stop
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
