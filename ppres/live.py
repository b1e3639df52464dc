"""Rollouts of real models: many conversations at once, every turn committed, nothing begun that the budget does not hold."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from ppres import progress
from ppres.agent import Message, ProviderError, Reply, play
from ppres.budget import Expected, Meter, expectations
from ppres.cell import Cell
from ppres.generate import finish
from ppres.models import wait_for
from ppres.store import Finished, Store, key_of
from ppres.transport import ModelError, say
from ppres.world import World

T = TypeVar("T")
Job = tuple[Cell, int]
_LOOK_AGAIN = 0.5  # seconds between looks at rollouts that another process is making


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


class Writer:
    """A thread that commits what many conversations hand in, together: one wait for the disk serves all."""

    def __init__(self, store: Store):
        self._store = store
        self._given: queue.SimpleQueue[tuple[Callable[[], Any], asyncio.Future[Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="ppres-writer", daemon=True)
        self._thread.start()

    async def do(self, work: Callable[[], T]) -> T:
        """The result of `work`, once it is committed."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._given.put((work, future))
        return await future

    def close(self) -> None:
        """Commit what was handed in, and end."""
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
            results: list[Any] = []
            error = None
            try:
                with self._store.transaction():
                    results = [work() for work, _ in batch]
            except Exception as raised:  # handed on to everyone who waits for this commit
                error = raised
            if batch:
                batch[0][1].get_loop().call_soon_threadsafe(_tell, [future for _, future in batch], results, error)


def _tell(futures: list[asyncio.Future[Any]], results: list[Any], error: Exception | None) -> None:
    for i, future in enumerate(futures):
        if not future.done():  # whoever was cancelled waits no more
            if error:
                future.set_exception(error)
            else:
                future.set_result(results[i])


def run_live(jobs: list[Job], keeper: Keeper, meter: Meter, concurrency: int) -> None:
    """Make rollouts of real models, `concurrency` at a time. Raises `ModelError` for models that cannot be asked, in the end."""
    if not jobs:
        return
    for cell, _ in jobs:
        cell.model.gate.limit(concurrency)
    expected = expectations(keeper.store, [cell for cell, _ in jobs]) if meter.bounded else {}
    work = _Work(keeper, meter, expected)
    try:
        wait_for(work.all(jobs, concurrency))
    except KeyboardInterrupt:
        say(f"stopped: {work.kept} rollouts stored, {len(work.open)} paused in conversation (the next run goes on), {meter}")
        raise
    finally:
        work.writer.close()
        progress.release(keeper.store, work.owner)
    if meter.refused:
        say(f"the budget ends it: {work.kept} rollouts stored, {meter.refused} paused or not started, {meter}")
    if work.rejected:
        left = "\n".join(map(str, work.rejected.values()))
        raise ModelError(f"{left}\nEverything else is done and stored: pp.frame(conditions, models) returns it.")


class _Work:
    """What one `run_live` has in hand."""

    def __init__(self, keeper: Keeper, meter: Meter, expected: dict[bytes, Expected]):
        self.keeper, self.meter, self.expected = keeper, meter, expected
        self.writer, self.owner = Writer(keeper.store), progress.new_owner()
        self.rejected: dict[str, ModelError] = {}
        self.open: set[bytes] = set()
        self.elsewhere: deque[Job] = deque()
        self.kept = 0

    async def all(self, jobs: list[Job], concurrency: int) -> None:
        """Every job; those of another process when it has ended them, or itself."""
        todo = deque(jobs)
        workers = [asyncio.create_task(self._worker(todo)) for _ in range(min(concurrency, len(jobs)))]
        try:
            await asyncio.gather(*workers)
        finally:  # of an error, or of a person who stops it
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _worker(self, todo: deque[Job]) -> None:
        while todo or self.elsewhere:
            if not todo:
                await asyncio.sleep(_LOOK_AGAIN)
            waiting = todo or self.elsewhere
            if waiting:
                cell, replicate = waiting.popleft()
                if cell.model.label not in self.rejected:
                    await self._one(cell, replicate)

    async def _one(self, cell: Cell, replicate: int) -> None:
        key, store = key_of(cell.digest, replicate), self.keeper.store
        if self.meter.bounded and not self.meter.reserve(key, cell.model, self.expected[cell.digest].mean):
            return
        taken = await self.writer.do(lambda: progress.take(store, key, self.owner))
        if not isinstance(taken, list):
            self.meter.release(key)
            if taken == "elsewhere":
                self.elsewhere.append((cell, replicate))
            else:
                self.keeper.bar.update(1)
            return
        self.open.add(key)
        try:
            rollout = await play(self._asker(cell, key, taken), cell.scene.messages, World(cell.scene.start))
        except ModelError as error:
            self.rejected[cell.model.label] = error  # this model cannot go on; the others do
            return
        finally:
            self.meter.release(key)
        if rollout.stop_reason == "budget":
            self.meter.refused += 1
        else:
            self.open.discard(key)
        finished = finish(cell, replicate, rollout)
        await self.writer.do(lambda: self.keeper.keep(cell, [finished]))
        self.kept += 1

    def _asker(self, cell: Cell, key: bytes, past: list[Reply]) -> Callable[..., Any]:
        """Asks the model, and keeps every answer; the first answers are those that are kept already."""
        turn = -1

        async def ask(messages: list[Message], schemas: list[dict[str, Any]]) -> Reply:
            nonlocal turn
            turn += 1
            if turn < len(past):
                return past[turn]
            if self.meter.spent:
                raise ProviderError("the budget was spent", "budget")
            reply = await cell.model.ask(messages, schemas)
            self.meter.charge(key, reply.call, cell.model, messages)
            place = turn
            await self.writer.do(lambda: progress.keep(self.keeper.store, key, place, reply))
            return reply

        return ask
