"""Texts that are kept in memory, because rollouts of a cell share most of theirs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_ROOM = 32 * 2**20  # characters: the texts of a cell's rollouts have some MB
_EACH = 200  # what one takes beside its characters


class Remembered(dict[Any, Any]):
    """Texts by what `read` finds them by, or what it finds by texts; forgotten once they would take more than the room."""

    def __init__(self, read: Callable[[Any], Any]):
        self._read, self._room = read, _ROOM

    def __missing__(self, key: Any) -> Any:
        told = self._read(key)
        self._room -= _EACH + sum(len(text) for text in (key, told) if isinstance(text, str))
        if self._room < 0:
            self.clear()
        else:
            self[key] = told
        return told

    def clear(self) -> None:
        """Forget all."""
        super().clear()
        self._room = _ROOM
