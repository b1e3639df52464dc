"""Whether a store holds a secret of this environment: another one may have stored it, where nobody knew it for one."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from ppres.models import redaction
from ppres.store.rows import unpack
from ppres.store.store import Store

_TOGETHER = 4 * 2**20  # bytes that are looked through at once
_BATCH = 1000  # rollouts; looked through as one text, which is faster
_OTHERS = {
    "the cell": "SELECT digest, spec FROM cells",
    "a judgement of the rollout": "SELECT rollout, body FROM judgements",
    "the paused rollout": "SELECT key, body FROM turns",
}


def secret_in(store: Store) -> str | None:
    """What in a store holds a secret, by its id; None where nothing does. What is damaged holds nothing that can be read."""
    redaction.read()
    for what, rows in _OTHERS.items():
        if id := _first(store.query(rows)):
            return f"{what} {id.hex()[:16]}"
    text = _first(store.query("SELECT id, body FROM texts"))
    said = text and re.compile(rf'"(?:content|provenance)":{text}[,}}]'.encode())
    for batch in store.bodies(_BATCH):
        bodies = [(key, body) for _, key, _, body in batch]
        id = next((id for id, body in bodies if said.search(_unpacked(body))), None) if said else _first(bodies)
        if id:
            return f"the rollout {id.hex()[:16]}"
    return "a text that no rollout has any more" if text else None


def _first(rows: Iterable[tuple[Any, bytes]]) -> Any:
    """By what the first of these rows is known that holds a secret; nothing where none does."""
    for texts in _together(rows):
        if _holds(b"\n".join(text for _, text in texts)) and (found := [id for id, text in texts if _holds(text)]):
            return found[0]
    return None


def _together(rows: Iterable[tuple[Any, bytes]]) -> Iterator[list[tuple[Any, bytes]]]:
    """What they hold, in parts of some MB."""
    texts: list[tuple[Any, bytes]] = []
    size = 0
    for id, body in rows:
        texts.append((id, _unpacked(body)))
        size += len(texts[-1][1])
        if size > _TOGETHER:
            yield texts
            texts, size = [], 0
    yield texts


def _holds(raw: bytes) -> bool:
    text = raw.decode("utf-8", "replace")
    return redaction.redact(text) != text


def _unpacked(body: bytes) -> bytes:
    try:
        return unpack(body)
    except (TypeError, zlib.error):
        return b""
