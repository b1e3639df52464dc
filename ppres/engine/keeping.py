"""What becomes of rollouts as they end: handed to the store and counted, many commits as one."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from ppres.models.faults import ModelError
from ppres.store.cell import Cell
from ppres.store.rows import Finished, Packed
from ppres.store.store import Store
from ppres.worlds.tool import ScenarioError

T = TypeVar("T")


Job = tuple[Cell, int]


class Keeper:
    """Hands finished rollouts to the store, and counts them."""

    def __init__(self, store: Store, bar: Any):
        self.store, self.bar = store, bar
        self.specs: dict[bytes, dict[str, Any]] = {}
        self.kept: Counter[str] = Counter()
        """By stop reason."""

    def keep(self, cell: Cell, rollouts: Sequence[Finished | Packed]) -> None:
        """Store rollouts of one cell, in one transaction. The bar is told by the caller, after it: it may be anybody's function."""
        if rollouts:
            if cell.digest not in self.specs:
                self.specs[cell.digest] = cell.spec()
            self.store.put(rollouts, self.specs)
            self.kept.update(rollout.stop_reason for rollout in rollouts)


_TOLD = 3  # cells in which a tool failed


def raise_in_the_end(models: Sequence[ModelError], faults: Sequence[tuple[Cell, ScenarioError]]) -> None:
    """Raise what kept models and cells from going on, when all others are done."""
    errors = [*map(str, models)]
    if faults:
        errors.append(f"No more rollouts were begun in {len(faults)} cells, in which code of the scenario failed:")
        errors += [f"{cell.condition.scenario}: {error} ({cell.model.label} in {cell.condition})" for cell, error in faults[:_TOLD]]
        errors += [f"and in {len(faults) - _TOLD} others"] * (len(faults) > _TOLD)
    told = "\n".join([*errors, "What was made is stored: pp.frame(conditions, models) returns it."])
    if faults:
        raise ScenarioError(told) from faults[0][1]
    if models:
        raise ModelError(told)


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
            batch = [job for job in given if job is not None]
            try:
                with self._store.transaction():
                    results = [work() for work, _ in batch]
            except Exception as error:  # handed on to everyone who waits for this commit
                for _, future in batch:
                    future.set_exception(error)
            else:
                for (_, future), result in zip(batch, results, strict=True):
                    future.set_result(result)
