"""Stores brought together: of several machines, of several labs."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from ppres.conversation import UNFINISHED
from ppres.store.database import StoreError, StorePath
from ppres.store.rows import Finished, Row, Scored
from ppres.store.store import Store

if TYPE_CHECKING:
    import pandas as pd


def merge(into: StorePath, *others: StorePath) -> pd.DataFrame:
    """Bring all that is in other stores into one, and leave them as they are; a row (store, what, count, ids) for each kind.

    `what` is: added, already there, conflict (the same key with another conversation: the one that is there stays), superseded
    (unfinished here, and finished there), damaged (left out), judgements, paused turns. A rollout that is unfinished in `into`
    gives way to a finished one. All of a store is merged, or where it is interrupted none of it. Raises `StoreError` where a
    store cannot be read, or `into` not be written.
    """
    import pandas as pd

    if not others:
        raise StoreError("merge takes the store to write, and one or more to read: pp.merge('all.sqlite', 'a.sqlite', 'b.sqlite')")
    told = []
    with Store(into) as target:
        for path in others:
            with Store(path, read_only=True) as source:
                if source.path.resolve() == target.path.resolve():
                    raise StoreError(f"{source.path} cannot be merged into itself")
                with target.transaction():
                    what, ids = _rollouts(target, source)
                    what["judgements"] = _copied(target, source, "judgements", "SELECT key FROM judgements")
                    what["paused turns"] = _paused(target, source)
            told += [(str(source.path), kind, count, ", ".join(ids.get(kind, []))) for kind, count in what.items() if count]
    return pd.DataFrame(told, columns=["store", "what", "count", "ids"])


def _rollouts(target: Store, source: Store) -> tuple[Counter[str], dict[str, list[str]]]:
    """What became of each rollout, and the ids of those in which somebody may want to look."""
    what, ids = Counter[str](), dict[str, list[str]]()
    for cell in source.cells():
        rows = source.rows(cell)
        try:
            spec = source.spec(cell)
        except StoreError:
            spec = None
        for row in rows:
            kind = _rollout(target, source, row, spec) if spec else "damaged"
            what[kind] += 1
            if kind in ("conflict", "damaged"):
                ids.setdefault(kind, []).append(row.key.hex()[:16])
    return what, ids


def _rollout(target: Store, source: Store, row: Row, spec: dict[str, object]) -> str:
    try:
        record = source.record(row.key)
    except StoreError:
        return "damaged"
    there = target.query("SELECT stop_reason FROM rollouts WHERE key=?", row.key)
    finished = record.conversation.stop_reason not in UNFINISHED
    if there and (there[0][0] not in UNFINISHED or not finished):
        if not finished:
            return "superseded"
        try:
            same = target.record(row.key).conversation == record.conversation
        except StoreError:
            return "conflict"
        return "already there" if same else "conflict"
    values = json.loads(row.outcomes) if row.outcomes and row.columns else []
    scored = Scored(str(row.scorer), tuple(row.columns), values) if values else Scored("none", ("none",), [None])
    target.put([Finished(row.key, row.cell, row.replicate, record, scored)], {row.cell: spec})
    return "added"


def _copied(target: Store, source: Store, table: str, keys: str) -> int:
    known = {key for (key,) in target.query(keys)}
    new = [row for row in source.query(f"SELECT * FROM {table}") if row[0] not in known]
    with target.transaction() as db:
        for row in new:
            db.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
    return len(new)


def _paused(target: Store, source: Store) -> int:
    """Turns of conversations that have no end in either store; of two, the longer one."""
    count = 0
    asked = "SELECT t.key, count(*) FROM turns t GROUP BY t.key"
    ended = {key for (key,) in target.query("SELECT key FROM rollouts WHERE stop_reason NOT IN (?, ?)", *UNFINISHED)}
    known = dict(target.query(asked))
    for key, length in source.query(asked):
        if key in ended or known.get(key, 0) >= length:
            continue
        with target.transaction() as db:
            db.execute("DELETE FROM turns WHERE key=?", (key,))
            for row in source.query("SELECT * FROM turns WHERE key=?", key):
                db.execute("INSERT INTO turns VALUES (?, ?, ?)", row)
        count += length
    return count
