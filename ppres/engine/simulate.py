"""Simulated rollouts, made on all cores or in an executor's workers, and stored in this process."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future

from ppres.engine import rollout as generate
from ppres.engine.keeping import Job, Keeper
from ppres.store.cell import Cell
from ppres.store.rows import Finished

# Rollouts in a transaction, and the number from which starting worker processes (a second) pays.
_BATCH = 200
_WORTH_PROCESSES = 3000


def run_simulated(jobs: list[Job], keeper: Keeper, executor: Executor | None, ahead: int) -> None:
    """Simulated rollouts, stored a batch at a time: one that is lost costs nothing to make again."""
    batches = _batches(jobs)
    if executor:
        _simulate_in(executor, batches, keeper, ahead)
    elif len(jobs) < _WORTH_PROCESSES or (cores := _cores()) < 2:
        for batch in batches:
            keeper.keep(batch[0], generate.simulate(*batch))
            keeper.bar.update(len(batch[1]))
    else:
        import loky

        with _no_interrupt():  # which the workers inherit: one that Ctrl-C met while it starts would end with a traceback, or never
            pool = loky.get_reusable_executor(max_workers=cores, initializer=_start_worker, initargs=(os.getpid(),))
            pool.submit(os.getpid)  # starts them
        try:
            _simulate_in(pool, batches, keeper, 4 * cores)
        except BaseException:
            pool.shutdown(kill_workers=True)
            raise


def _cores() -> int:
    """How many processes there may be: one where loky is not installed."""
    try:
        import loky
    except ModuleNotFoundError:
        return 1
    return int(loky.cpu_count())


def _simulate_in(executor: Executor, batches: deque[tuple[Cell, list[int]]], keeper: Keeper, ahead: int) -> None:
    under_way: dict[Future[list[Finished]], Cell] = {}
    done: queue.SimpleQueue[Future[list[Finished]]] = queue.SimpleQueue()  # futures.wait, interrupted, may leave their locks held
    while batches or under_way:
        while batches and len(under_way) < ahead:  # so that memory stays flat
            batch = batches.popleft()
            future = executor.submit(generate.simulate, *batch)
            under_way[future] = batch[0]
            future.add_done_callback(done.put)
        future = done.get()
        keeper.keep(under_way.pop(future), finished := future.result())
        keeper.bar.update(len(finished))


def _batches(jobs: list[Job]) -> deque[tuple[Cell, list[int]]]:
    by_cell: dict[bytes, tuple[Cell, list[int]]] = {}
    for cell, replicate in jobs:
        by_cell.setdefault(cell.digest, (cell, []))[1].append(replicate)
    return deque((cell, all[start : start + _BATCH]) for cell, all in by_cell.values() for start in range(0, len(all), _BATCH))


@contextlib.contextmanager
def _no_interrupt() -> Iterator[None]:
    """Ctrl-C waits until this is left."""
    if not hasattr(signal, "pthread_sigmask"):  # not on Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_worker(parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means

    def follow() -> None:  # a parent that was killed cannot tell its workers to stop
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
