"""What becomes of rollouts as they end: handed to the store and counted, many commits as one, models that cannot go on."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from ppres.models.faults import ModelError
from ppres.models.model import Model
from ppres.store.cell import Cell
from ppres.store.rows import Finished
from ppres.store.store import Store

T = TypeVar("T")


Job = tuple[Cell, int]


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
            self.kept.update(one.record.conversation.stop_reason for one in finished)
            self.bar.update(len(finished))


class Rejected(dict[str, ModelError]):
    """Models that cannot be asked, by label, and why."""

    def __init__(self) -> None:
        super().__init__()
        self._vain: Counter[str] = Counter()

    def note(self, model: Model, finished: Finished) -> None:
        """Give a model up whose provider refuses every conversation at its start: what it says of one, it says of all."""
        ended = finished.record.conversation
        vain = ended.stop_reason == "provider_error" and not ended.turns and self._vain[model.label] >= 0
        self._vain[model.label] = self._vain[model.label] + 1 if vain else -1
        if self._vain[model.label] >= _IN_VAIN:
            why = f"its provider refused {_IN_VAIN} conversations at their first call, and none went on: {ended.error}"
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
