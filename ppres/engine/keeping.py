"""What becomes of rollouts as they end: handed to the store and counted, many commits as one, models that cannot go on."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from ppres.models.faults import ModelError
from ppres.store.cell import Cell
from ppres.store.rows import Finished, Packed
from ppres.store.store import Store

T = TypeVar("T")


Job = tuple[Cell, int]


_IN_VAIN = 8  # conversations that a provider ends, with no answer to any in between, until the model is given up


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


class Rejected(dict[str, ModelError]):
    """Models that cannot be asked, by label, and why."""

    def __init__(self) -> None:
        super().__init__()
        self._vain: dict[str, list[Finished]] = {}
        self._under_way: defaultdict[str, set[bytes]] = defaultdict(set)
        self._waited_for: dict[str, set[bytes]] = {}
        """Conversations that were under way when the first in vain ended: a slow answer to another condition may be coming."""

    @contextlib.contextmanager
    def under_way(self, label: str, key: bytes) -> Iterator[None]:
        """A conversation of a model."""
        self._under_way[label].add(key)
        try:
            yield
        finally:
            self._under_way[label].discard(key)

    def answered(self, label: str) -> None:
        """The model's provider answered a call."""
        self._vain.pop(label, None)

    def note(self, label: str, finished: Finished) -> list[Finished]:
        """Give a model up whose provider ends one conversation after another, and answers none meanwhile.

        What it says of so many, it says of all. Returns those conversations then: nothing was learnt of them.
        """
        if finished.record.conversation.stop_reason not in ("provider_error", "rejected"):
            return []
        if not (vain := self._vain.setdefault(label, [])):
            self._waited_for[label] = self._under_way[label] - {finished.key}
        vain.append(finished)
        if len(vain) < _IN_VAIN or self._waited_for[label] & self._under_way[label]:
            return []
        why = f"its provider refused {len(vain)} conversations in a row, the last: {finished.record.conversation.error}"
        self[label] = ModelError(f"{label}: {why}")
        return vain

    def tell(self) -> None:
        """Raise `ModelError` where there are any."""
        if self:
            left = "\n".join(map(str, self.values()))
            raise ModelError(f"{left}\nWhat was made is stored: pp.frame(conditions, models) returns it.")


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
