"""Who was answered: whether a refusal is of one conversation or of the whole model. One account, for runs and for judges."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from ppres.models.faults import ModelError

T = TypeVar("T")

IN_VAIN = 8  # conversations that a provider ends, with no answer to any in between, until the model is given up


class Standing(Generic[T]):
    """Of one model in one run: what its provider answers and refuses. `T` is what its conversations are known by."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.error: ModelError | None = None
        """Why the model is asked no more. It `may_pass` where that was concluded here, of refusals."""
        self.heard = False
        """Whether a call was answered."""
        self.vain: list[T] = []
        """Conversations that were refused since then: of which nothing was learnt, once the model is given up."""
        self._under_way = set[bytes]()
        self._waited_for = set[bytes]()
        """Those under way when the first in vain ended: a slow answer to another condition may be coming."""
        self._doubt: ModelError | None = None

    @contextlib.contextmanager
    def under_way(self, key: bytes) -> Iterator[None]:
        """A conversation."""
        self._under_way.add(key)
        try:
            yield
        finally:
            self._under_way.discard(key)

    def answered(self) -> None:
        """A call was: what was refused before is about those conversations."""
        self.heard = True
        if not self.error:
            self.vain.clear()

    def refused(self, key: bytes, what: T, said: str | None, doubt: ModelError | None = None) -> None:
        """A conversation was ended by the provider. `doubt` where what it said commonly is about the whole model.

        What it says of so many in a row, it says of all.
        """
        if self.error:
            return
        if not self.vain:
            self._waited_for = self._under_way - {key}
        self.vain.append(what)
        self._doubt = doubt or self._doubt
        if len(self.vain) >= IN_VAIN and not self._waited_for & self._under_way:
            self._give_up(f"its provider refused {len(self.vain)} conversations in a row, the last: {said}")

    def ended(self, before: Callable[[], bool]) -> ModelError | None:
        """Why the model was given up, when nothing is left to ask; also by few, where nobody was answered, nor `before`."""
        if not self.error and not self.heard and self._doubt and not before():
            self._give_up(str(self._doubt))
        return self.error

    def _give_up(self, why: str) -> None:
        self.error = ModelError(f"{self.label}: {why}")
        self.error.may_pass = True
