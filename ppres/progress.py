"""Rollouts of real models that are under way: their turns, committed as they arrive, and which process is at which.

A run that was killed leaves both behind. The next one finds that the owner is gone, takes the rollout over, and goes on from its
turns.
"""

from __future__ import annotations

import json
import os
import sqlite3
import uuid
import zlib
from typing import Any

import psutil

from ppres.agent import UNFINISHED, Reply
from ppres.store import Store


def new_owner() -> str:
    """A name for this run: its process, by number and start, because numbers are used again."""
    return f"{os.getpid()}:{psutil.Process().create_time()}:{uuid.uuid4().hex}"


def _alive(owner: str) -> bool:
    pid, started, _ = owner.split(":")
    try:
        return str(psutil.Process(int(pid)).create_time()) == started
    except psutil.NoSuchProcess:
        return False


def take(store: Store, key: bytes, owner: str) -> list[Reply] | str:
    """Claim a rollout: its turns so far; or "stored", or "elsewhere" while another run is at it."""
    with store.transaction() as db:
        done = db.execute("SELECT stop_reason FROM rollouts WHERE key=?", (key,)).fetchone()
        if done and done[0] not in UNFINISHED:
            return "stored"
        claimed = db.execute("SELECT owner FROM claims WHERE key=?", (key,)).fetchone()
        if claimed and claimed[0] != owner and _alive(claimed[0]):
            return "elsewhere"
        db.execute("INSERT OR REPLACE INTO claims VALUES (?, ?)", (key, owner))
        return _turns(db, key)


def _turns(db: sqlite3.Connection, key: bytes) -> list[Reply]:
    turns: list[Reply] = []
    for place, body in db.execute("SELECT turn, body FROM turns WHERE key=? ORDER BY turn", (key,)):
        try:
            found = json.loads(zlib.decompress(body))
        except (ValueError, zlib.error):
            break  # damaged: what follows it is of no use either, and is asked for again
        if place != len(turns):
            break
        turns.append(Reply(*found))
    return turns


def keep(store: Store, key: bytes, turn: int, reply: Reply) -> None:
    """Commit a turn."""
    body = zlib.compress(json.dumps([reply.message, reply.call]).encode(), 1)
    with store.transaction() as db:
        db.execute("INSERT OR REPLACE INTO turns VALUES (?, ?, ?)", (key, turn, body))


def release(store: Store, owner: str) -> None:
    """Let go of all claims of a run; the turns stay."""
    with store.transaction() as db:
        db.execute("DELETE FROM claims WHERE owner=?", (owner,))


def partial(store: Store) -> dict[bytes, dict[str, Any]]:
    """Rollouts with turns but no end: how many turns, and the calls that were paid for."""
    with store.transaction() as db:
        keys = [row[0] for row in db.execute("SELECT DISTINCT key FROM turns")]
        return {key: {"turns": len(found), "calls": [one.call for one in found]} for key in keys if (found := _turns(db, key))}
