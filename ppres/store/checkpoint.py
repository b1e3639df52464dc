"""Rollouts of real models that are under way: their turns, committed as they arrive, and which run is at which.

A run that was killed leaves both behind. The next one finds that the owner is gone, takes the rollout over, and goes on from its
turns. Whether an owner lives is told by a lock that it holds on a file beside the store: the system lets go of it with the process,
whatever became of clocks, process numbers and containers.
"""

from __future__ import annotations

import contextlib
import glob
import itertools
import re
import uuid
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ppres import codec
from ppres.conversation import UNFINISHED, Call, Reply
from ppres.optional import for_real_models
from ppres.store.errors import StoreError, explained
from ppres.store.rows import compress, unpack
from ppres.store.store import Store

if TYPE_CHECKING:
    from filelock import FileLock


class Run:
    """One run on a store, as other runs see it; `with Run(store) as run`. Leaving lets go of its rollouts; their turns stay."""

    def __init__(self, store: Store):
        self.store, self.owner = store, uuid.uuid4().hex
        file = store.path.resolve()
        for path in file.parent.glob(f"{glob.escape(file.name)}-run-*"):
            _alive(path)  # tidies up after those that were killed
        self._lock = _file_lock(_lock_of(store, self.owner))

    def __enter__(self) -> Run:
        with explained(self.store.path):
            self._lock.acquire()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            with self.store.transaction() as db:
                db.execute("DELETE FROM claims WHERE owner=?", (self.owner,))
        except StoreError:
            if kind is None:  # else that error matters more; a claim without its lock counts for nothing
                raise
        finally:
            self._lock.release()
            Path(self._lock.lock_file).unlink(missing_ok=True)

    def take(self, key: bytes) -> list[Reply] | str:
        """Claim a rollout: its turns so far; or "stored", or "elsewhere" while another run is at it."""
        with self.store.transaction() as db:
            done = db.execute("SELECT stop_reason FROM rollouts WHERE key=?", (key,)).fetchone()
            if done and done[0] not in UNFINISHED:
                return "stored"
            claimed = db.execute("SELECT owner FROM claims WHERE key=?", (key,)).fetchone()
            if claimed and claimed[0] != self.owner and _lives(self.store, claimed[0]):
                return "elsewhere"
            db.execute("INSERT OR REPLACE INTO claims VALUES (?, ?)", (key, self.owner))
            return _turns(db.execute("SELECT turn, body FROM turns WHERE key=? ORDER BY turn", (key,)))


def _lives(store: Store, owner: object) -> bool:
    """Whether a run lives; what is no owner, in a store of a stranger, would name any other file as its lock."""
    return isinstance(owner, str) and re.fullmatch("[0-9a-f]{32}", owner) is not None and _alive(_lock_of(store, owner))


def _lock_of(store: Store, owner: str) -> Path:
    file = store.path.resolve()  # by whatever name the store was opened
    return file.with_name(f"{file.name}-run-{owner}")


def _file_lock(path: Path) -> FileLock:
    lock: FileLock = for_real_models("filelock").FileLock(path)
    return lock


def _alive(path: Path) -> bool:
    if not path.exists():
        return False
    lock = _file_lock(path)
    try:
        lock.acquire(timeout=0)
    except (TimeoutError, PermissionError):  # in a folder that cannot be written nobody can tell
        return True
    path.unlink(missing_ok=True)
    lock.release()
    return False


def _turns(rows: Iterable[tuple[int, bytes]]) -> list[Reply]:
    """The turns of a rollout, from their numbers and bodies in order."""
    turns: list[Reply] = []
    for place, body in rows:
        with contextlib.suppress(ValueError, TypeError, zlib.error):
            message, call = codec.loads(unpack(body))
            if place == len(turns) and isinstance(message, dict):
                turns.append(Reply(message, Call.of(call)))
                continue
        break  # damaged: what follows it is of no use either, and is asked for again
    return turns


def keep(store: Store, key: bytes, turn: int, reply: Reply) -> None:
    """Commit a turn."""
    body = compress(codec.dumps([reply.message, reply.call.json()]).encode(), 1)
    with store.transaction() as db:
        db.execute("INSERT OR REPLACE INTO turns VALUES (?, ?, ?)", (key, turn, body))


_LOST = 10**6  # a turn that no conversation has: there stand calls that were under way when it was stopped


def lose(store: Store, key: bytes, calls: tuple[Call, ...]) -> None:
    """Keep calls that a rollout was stopped in, which may be paid for all the same."""
    with store.transaction():
        keep(store, key, _LOST, Reply({}, Call(empty_replies=(*lost(store, key), *calls))))


def lost(store: Store, key: bytes | None = None) -> list[Call]:
    """Calls that a rollout was stopped in, or all of them, since its last record."""
    rows = store.query("SELECT 0, body FROM turns WHERE turn=?1 AND key=coalesce(?2, key)", _LOST, key)
    return [call for row in rows for told in _turns([row]) for call in told.call.empty_replies]


def moved(store: Store, key: bytes) -> list[Call]:
    """The same, which are told by a record from now on."""
    calls = lost(store, key)
    if calls:
        with store.transaction() as db:
            db.execute("DELETE FROM turns WHERE key=? AND turn=?", (key, _LOST))
    return calls


def under_way(store: Store) -> set[bytes]:
    """Rollouts that a run is at."""
    claims = store.query("SELECT key, owner FROM claims")
    alive = {owner for owner in {owner for _, owner in claims} if _lives(store, owner)}
    return {key for key, owner in claims if owner in alive}


def paid(store: Store) -> list[Call]:
    """Calls of the rollouts without an end, with those that gave no answer: all were paid for."""
    cells = "SELECT cell FROM tallies WHERE stop_reason IN (?1, ?2)"  # few: the rollouts of the others are not looked at
    asked = f"SELECT key FROM rollouts WHERE stop_reason IN (?1, ?2) AND cell IN ({cells})"
    paused = [store.unfinished(key) for (key,) in store.query(asked, *UNFINISHED)]
    calls = [turn.call for turns in partial(store).values() for turn in turns]
    calls += [call for conversation in paused if conversation for call in conversation.unanswered]
    return calls + lost(store)


def partial(store: Store) -> dict[bytes, list[Reply]]:
    """Rollouts with turns but no end, and their turns: calls that were paid for."""
    rows = store.query("SELECT key, turn, body FROM turns ORDER BY key, turn")
    grouped = itertools.groupby(rows, key=lambda row: row[0])
    return {key: turns for key, some in grouped if (turns := _turns((turn, body) for _, turn, body in some))}
