"""Rollouts of real models: many conversations at once, every turn committed, nothing begun that the budget does not hold.

With an executor the conversations are held in its workers, and their turns come back when one ends or pauses.
"""

from __future__ import annotations

import asyncio
import math
import queue
import threading
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

from ppres import checkpoint
from ppres.agent import play
from ppres.budget import Meter
from ppres.cell import Cell
from ppres.estimate import Expected, expectations
from ppres.generate import Made, ask, asking, finish
from ppres.loop import wait_for
from ppres.models import Model
from ppres.record import Reply
from ppres.store import Finished, Store, key_of
from ppres.transport import ModelError, say
from ppres.world import World

T = TypeVar("T")
Job = tuple[Cell, int]
_LOOK_AGAIN = 0.5  # seconds between looks at rollouts that another process is making
_SHARE = 3.0  # how many times what it is expected to take a rollout may take in a worker until it asks for more
_IN_VAIN = 8  # conversations that end with their first call, and none that goes further, until a model is given up


class Keeper:
    """Hands finished rollouts to the store, and counts them."""

    def __init__(self, store: Store, bar: Any):
        self.store, self.bar = store, bar
        self.specs: dict[bytes, dict[str, Any]] = {}
        self.kept: Counter[str] = Counter()
        """By stop reason."""

    def keep(self, cell: Cell, finished: list[Finished]) -> None:
        """Store rollouts of one cell, in one transaction."""
        if finished:
            if cell.digest not in self.specs:
                self.specs[cell.digest] = cell.spec()
            self.store.put(finished, self.specs)
            self.kept.update(one.record["stop_reason"] for one in finished)
            self.bar.update(len(finished))


class Rejected(dict[str, ModelError]):
    """Models that cannot be asked, by label, and why."""

    def __init__(self) -> None:
        super().__init__()
        self._vain: Counter[str] = Counter()

    def note(self, model: Model, finished: Finished) -> None:
        """Give a model up whose provider refuses every conversation at its start: what it says of one, it says of all."""
        record = finished.record
        vain = record["stop_reason"] == "provider_error" and not record["calls"] and self._vain[model.label] >= 0
        self._vain[model.label] = self._vain[model.label] + 1 if vain else -1
        if self._vain[model.label] >= _IN_VAIN:
            why = f"its provider refused {_IN_VAIN} conversations at their first call, and none went on: {record['error']}"
            self[model.label] = ModelError(f"{model.label}: {why}")

    def tell(self) -> None:
        """Raise `ModelError` where there are any."""
        if self:
            left = "\n".join(map(str, self.values()))
            raise ModelError(f"{left}\nEverything else is done and stored: pp.frame(conditions, models) returns it.")


class Writer:
    """A thread that commits what many conversations hand in, together: one wait for the disk serves all."""

    def __init__(self, store: Store):
        self._store = store
        self._given: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="ppres-writer", daemon=True)
        self._thread.start()

    async def do(self, work: Callable[[], T]) -> T:
        """The result of `work`, once it is committed."""
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()  # whoever is cancelled waits no more, but it is committed all the same
        self._given.put((work, future))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Commit what was handed in, and end. May be called again."""
        self._given.put(None)
        self._thread.join()

    def _serve(self) -> None:
        going = True
        while going:
            given = [self._given.get()]
            while not self._given.empty():
                given.append(self._given.get())
            going = None not in given
            batch = [one for one in given if one is not None]
            try:
                with self._store.transaction():
                    results = [work() for work, _ in batch]
            except Exception as error:  # handed on to everyone who waits for this commit
                for _, future in batch:
                    future.set_exception(error)
            else:
                for (_, future), result in zip(batch, results, strict=True):
                    future.set_result(result)


def run_live(jobs: list[Job], keeper: Keeper, meter: Meter, concurrency: int, executor: Executor | None) -> None:
    """Make rollouts of real models, `concurrency` at a time. Raises `ModelError` for models that cannot be asked, in the end."""
    if not jobs:
        return
    for cell, _ in jobs:
        cell.model.gate.limit(concurrency)
    expected = expectations(keeper.store, [cell for cell, _ in jobs]) if meter.bounded else {}
    with checkpoint.Run(keeper.store) as run:
        work = _Work(keeper, meter, expected, run, executor)
        try:
            wait_for(work.all(jobs, concurrency))
        except KeyboardInterrupt:
            work.writer.close()
            kept, paused = keeper.kept.total(), len(work.open)
            say(f"stopped: {kept} rollouts stored, {paused} paused in conversation (the next run goes on), {meter}")
            raise
        finally:
            work.writer.close()
    if meter.refused:
        made = keeper.kept.total() - keeper.kept["budget"]
        say(f"the budget ends it: {made} rollouts stored, {meter.refused} paused or not started, {meter}")
    if failed := keeper.kept["provider_error"]:
        say(f"{failed} rollouts ended in provider_error (column 'stop_reason'); the next run tries them again")
    work.rejected.tell()


class _Work:
    """What one `run_live` has in hand."""

    def __init__(
        self, keeper: Keeper, meter: Meter, expected: dict[bytes, Expected], run: checkpoint.Run, executor: Executor | None
    ):
        self.keeper, self.meter, self.expected, self.run, self.executor = keeper, meter, expected, run, executor
        self.writer = Writer(keeper.store)
        self.rejected = Rejected()
        self.open: set[bytes] = set()
        self.todo: deque[Job] = deque()
        self.elsewhere: deque[Job] = deque()
        self.stopped = False
        """By a person, who does not wait for the workers."""

    async def all(self, jobs: list[Job], concurrency: int) -> None:
        """Every job; those of another process when it has ended them, or itself."""
        self.todo.extend(jobs)
        workers = [asyncio.create_task(self._worker()) for _ in range(min(concurrency, len(jobs)))]
        try:
            for worker in (await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION))[0]:
                worker.result()
        except asyncio.CancelledError:
            self.stopped = True
            raise
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _worker(self) -> None:
        while self.todo or self.elsewhere:
            if not self.todo:
                await asyncio.sleep(_LOOK_AGAIN)
            waiting = self.todo or self.elsewhere
            if waiting:
                cell, replicate = waiting.popleft()
                if cell.model.label not in self.rejected:
                    await self._one(cell, replicate)

    async def _one(self, cell: Cell, replicate: int) -> None:
        key = key_of(cell.digest, replicate)
        share: tuple[float, float] | None = (math.inf, math.inf)
        if self.meter.bounded:
            most = _SHARE if self.executor else 1.0
            share = await self.meter.room(key, cell.model, self.expected[cell.digest].mean, most)
        if not share:
            return
        try:
            taken = await self.writer.do(lambda: self.run.take(key))
            if taken == "elsewhere":
                self.elsewhere.append((cell, replicate))
            elif not isinstance(taken, list):
                self.keeper.bar.update(1)
            elif self.executor:
                await self._send(self.executor, cell, replicate, key, taken, share)
            else:
                await self._play(cell, replicate, key, taken)
        except ModelError as error:
            self.rejected[cell.model.label] = error  # this model cannot go on; the others do
        finally:
            self.meter.release(key)

    async def _play(self, cell: Cell, replicate: int, key: bytes, past: list[Reply]) -> None:
        async def keep(turn: int, reply: Reply) -> None:
            self.open.add(key)
            await self.writer.do(lambda: checkpoint.keep(self.keeper.store, key, turn, reply))

        if past:
            self.open.add(key)
        asker = asking(cell.model, self.meter, key, past, keep)
        rollout = await play(asker, cell.scene.messages, World(cell.scene.start))
        await self._keep(cell, key, finish(cell, replicate, rollout))

    async def _send(
        self, executor: Executor, cell: Cell, replicate: int, key: bytes, past: list[Reply], share: tuple[float, float]
    ) -> None:
        sent = await asyncio.to_thread(executor.submit, ask, cell, replicate, past, share)  # some executors make us wait
        made = asyncio.wrap_future(sent)
        try:
            await asyncio.wait([made])
        finally:
            sent.cancel()
            await asyncio.wait([made], timeout=0 if self.stopped else None)  # what a worker has begun is paid for
            if made.done() and not made.cancelled():
                await self._keep_made(cell, replicate, key, made.result(), len(past))

    async def _keep_made(self, cell: Cell, replicate: int, key: bytes, made: Made, past: int) -> None:
        self.meter.add(key, made.dollars, made.tokens)

        def store() -> None:
            for turn, reply in enumerate(made.replies, past):
                checkpoint.keep(self.keeper.store, key, turn, reply)

        await self.writer.do(store)
        if made.error:
            raise made.error
        if made.finished and made.finished.record["stop_reason"] == "budget" and not (self.meter.spent(cell.model) or self.stopped):
            self.todo.append((cell, replicate))  # its share was too small, and there is more
        elif made.finished:
            await self._keep(cell, key, made.finished)

    async def _keep(self, cell: Cell, key: bytes, finished: Finished) -> None:
        paused = finished.record["stop_reason"] == "budget"

        def store() -> None:
            self.keeper.keep(cell, [finished])
            if not paused:
                self.open.discard(key)

        self.meter.refused += paused
        await self.writer.do(store)
        self.rejected.note(cell.model, finished)
