"""Judges' replies, as they came."""

from __future__ import annotations

from typing import Any

from ppres import codec
from ppres.store.rows import compress, unpack
from ppres.store.store import Store


def put(store: Store, key: bytes, rollout: bytes, rubric: str, model: str, reply: dict[str, Any]) -> None:
    """Keep a judge's raw reply; a later reply to the same question replaces it."""
    body = compress(codec.dumps(reply).encode())
    with store.transaction() as db:
        db.execute("INSERT OR REPLACE INTO judgements VALUES (?, ?, ?, ?, ?)", (key, rollout, rubric, model, body))


def find(store: Store, key: bytes) -> dict[str, Any] | None:
    """A judge's stored reply. Raises `Damaged`."""
    for (body,) in store.query("SELECT body FROM judgements WHERE key=?", key):
        with store.readable(f"the judgement {key.hex()[:16]}", "pp.judge asks it again"):
            return dict(codec.loads(unpack(body)))
    return None


def keys(store: Store) -> list[bytes]:
    """Keys of all judges' stored replies."""
    return [key for (key,) in store.query("SELECT key FROM judgements")]
