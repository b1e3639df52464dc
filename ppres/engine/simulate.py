"""Simulated rollouts, made on all cores or in an executor's workers, and stored in this process.

The first of each cell is made here: by which numbers the store knows its texts is then told to whoever makes the others, so that
they come packed, and all that is left to do in this process is to insert them.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor, Future

from ppres.engine.keeping import Job, Keeper
from ppres.engine.rollout import made_in, simulate, simulate_packed, submitted
from ppres.store.cell import Cell
from ppres.store.rows import Finished, Packed

Batch = tuple[Cell, list[int], dict[str, int]]  # replicates of a cell, and the numbers of its texts

# Rollouts in a transaction, and the number from which starting worker processes (a second) pays.
_BATCH = 200
_CELLS = 20  # of which the first rollouts are made together
_WORTH_PROCESSES = 3000


def run_simulated(jobs: list[Job], keeper: Keeper, executor: Executor | None, ahead: int) -> None:
    """Simulated rollouts, stored a batch at a time: one that is lost costs nothing to make again."""
    batches = _batches(jobs, keeper)
    if executor:
        _simulate_in(executor, batches, keeper, ahead)
    elif len(jobs) < _WORTH_PROCESSES or (several := cores()) < 2:
        for batch in batches:
            keeper.keep(batch[0], made := simulate_packed(*batch))
            keeper.bar.update(len(made))
    else:
        import loky

        with _no_interrupt():  # which the workers inherit: one that Ctrl-C met while it starts would end with a traceback, or never
            pool = loky.get_reusable_executor(max_workers=several, initializer=_start_worker, initargs=(os.getpid(),))
            pool.submit(os.getpid)  # starts them
        try:
            _simulate_in(pool, batches, keeper, 4 * several)
        except BaseException:
            pool.shutdown(kill_workers=True)
            raise


def cores() -> int:
    """How many processes there may be: one where loky is not installed."""
    try:
        import loky
    except ModuleNotFoundError:
        return 1
    return int(loky.cpu_count())


def _simulate_in(executor: Executor, batches: Iterator[Batch], keeper: Keeper, ahead: int) -> None:
    under_way: dict[Future[list[Finished | Packed]], Cell] = {}
    # futures.wait, interrupted, may leave their locks held
    done: queue.SimpleQueue[Future[list[Finished | Packed]]] = queue.SimpleQueue()
    while True:
        while len(under_way) < ahead and (batch := next(batches, None)):  # so that memory stays flat
            future = submitted(executor, simulate_packed, *batch)
            under_way[future] = batch[0]
            future.add_done_callback(done.put)
        if not under_way:
            return
        future = done.get()
        keeper.keep(under_way.pop(future), made := made_in(future, list))
        keeper.bar.update(len(made))


def _batches(jobs: list[Job], keeper: Keeper) -> Iterator[Batch]:
    """What is to be made, but for the first of each cell, which is made and stored by then."""
    by_cell: dict[bytes, tuple[Cell, list[int]]] = {}
    for cell, replicate in jobs:
        by_cell.setdefault(cell.digest, (cell, []))[1].append(replicate)
    cells = list(by_cell.values())
    for place in range(0, len(cells), _CELLS):
        some = cells[place : place + _CELLS]
        numbers = _first(some, keeper)
        for cell, replicates in some:
            for start in range(1, len(replicates), _BATCH):
                yield cell, replicates[start : start + _BATCH], numbers[cell.digest]


def _first(cells: list[tuple[Cell, list[int]]], keeper: Keeper) -> dict[bytes, dict[str, int]]:
    """Make and store the first rollout of each cell; the numbers of their texts in the store."""
    made = [(cell, next(simulate(cell, replicates))) for cell, replicates in cells]
    with keeper.store.transaction():
        for cell, rollout in made:
            keeper.keep(cell, [rollout])
        numbers = {cell.digest: keeper.store.numbers(rollout.record) for cell, rollout in made}
    keeper.bar.update(len(made))
    return numbers


@contextlib.contextmanager
def _no_interrupt() -> Iterator[None]:
    """Ctrl-C waits until this is left."""
    if not hasattr(signal, "pthread_sigmask"):  # not on Windows
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # else the first worker starts it, which lets Ctrl-C through again
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
