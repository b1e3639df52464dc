"""Transcripts in one SQLite file.

A finished rollout is one row that is never changed, apart from the cache of its outcomes. Long texts are stored once by content:
the listing of a drive is the same in every rollout of a cell. Several processes may write; the first record of a rollout stays.
Of a rollout of a real model that has not ended, the turns so far are kept, and which process is at it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ppres import codec
from ppres.conversation import UNFINISHED, Conversation, Record
from ppres.store import rows
from ppres.store.database import Database, StorePath
from ppres.store.errors import RESTORE, Damaged, StoreError
from ppres.store.migrations import SCHEMA, TABLES
from ppres.store.remembered import Remembered
from ppres.store.rows import Finished, Packed, Row, Scored, body_of, filled, pack, packed, record_of, spec_of, text_of, unpack

_BODIES = "SELECT id, key, cell, body FROM rollouts JOIN bodies ON id = rollout WHERE id > ? ORDER BY id LIMIT ?"


class Store(Database):
    """An open store. Raises `StoreError` for a path that cannot be written and for files that are not ours to write.

    What only reads is for a store that is there (`existing`): a mistyped path is told, and makes none.
    """

    def __init__(self, path: StorePath = None, *, read_only: bool = False, existing: bool = False):
        self._texts, self._text_ids = Remembered(self._read_text), Remembered(self._keep_text)
        self._cell_ids: dict[bytes, int] = {}
        self._layouts: dict[str, tuple[str, ...]] = {}
        self._elsewhere = False  # whether the file was lost, and this is another one
        super().__init__(path, TABLES, SCHEMA, read_only=read_only, existing=existing)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of what is written inside, or none of it; what is inside may open transactions of its own, which join this one."""
        try:
            with super().transaction() as connection:
                yield connection
        except BaseException:
            self._forget()  # what was inserted is gone
            raise

    def _forget(self) -> None:
        self._texts.clear()
        self._text_ids.clear()
        self._cell_ids.clear()
        self._layouts.clear()

    def _rescued(self) -> str | None:
        told = super()._rescued()
        if told:
            self._forget()  # another file has other ids
            self._elsewhere = True
        return told

    def put(self, rollouts: Iterable[Finished | Packed], specs: dict[bytes, dict[str, Any]]) -> None:
        """Keep finished rollouts, all or none. `specs` says for each new cell's digest what the cell is."""
        ended = []
        with self.transaction() as db:
            for rollout in rollouts:
                if isinstance(rollout, Packed) and self._elsewhere:
                    continue  # its texts have other numbers here
                row, body = packed(rollout, self._text_ids.__getitem__) if isinstance(rollout, Finished) else rollout
                self._keep_layout(row.scorer, row.columns)
                if not self._add(row, body, specs):
                    # Somebody was first. What taught nothing about the agent gives way; anything else stays.
                    self._delete(row.key, UNFINISHED)
                    self._add(row, body, specs)
                ended.append(row)
            db.executemany("DELETE FROM claims WHERE key=?", [(row.key,) for row in ended])
            # Of one that did not end the next run goes on from its turns.
            db.executemany("DELETE FROM turns WHERE key=?", [(row.key,) for row in ended if row.stop_reason not in UNFINISHED])

    def insert(self, row: Row, body: dict[str, Any], specs: dict[bytes, dict[str, Any]]) -> bool:
        """Keep a rollout with its body as JSON; whether it was not there. Outcomes in another layout than ours are left out."""
        if row.columns and not self.layout(row.scorer):
            self._keep_layout(row.scorer, row.columns)
        return self._add(row, pack(body, self._text_ids.__getitem__), specs)

    def _add(self, row: Row, body: bytes, specs: dict[bytes, dict[str, Any]]) -> bool:
        cell = self._cell_id(row.cell, specs)
        known = row.columns and self.layout(row.scorer) == tuple(row.columns)
        cache = (row.scorer, row.outcomes) if known else (None, None)
        added = self._connection.execute(
            "INSERT INTO rollouts (key, cell, replicate, stop_reason, scorer, outcomes) VALUES (?, ?, ?, ?, ?, ?) "
            "ON CONFLICT DO NOTHING",
            (row.key, cell, row.replicate, row.stop_reason, *cache),
        )
        if added.rowcount:
            kept = (added.lastrowid, zlib.crc32(body), body)
            self._connection.execute("INSERT OR REPLACE INTO bodies VALUES (?, ?, ?)", kept)
        return bool(added.rowcount)

    def numbers(self, record: Record) -> dict[str, int]:
        """By which numbers the texts of a rollout that is stored here are known; see `Packed`."""
        known: dict[str, int] = {}

        def number(text: str) -> int:
            return known.setdefault(text, self._text_ids[text])

        pack(body_of(record), number)  # which asks for each
        return known

    def _delete(self, key: bytes, stop_reasons: Iterable[str] | None = None) -> int:
        """Delete a rollout, or where it stopped for one of these reasons."""
        row = self._connection.execute("SELECT id, stop_reason FROM rollouts WHERE key=?", (key,)).fetchone()
        if not row or (stop_reasons and row[1] not in stop_reasons):
            return 0
        self._connection.execute("DELETE FROM bodies WHERE rollout=?", row[:1])
        return self._connection.execute("DELETE FROM rollouts WHERE id=?", row[:1]).rowcount

    def _cell_id(self, digest: bytes, specs: dict[bytes, dict[str, Any]]) -> int:
        if digest not in self._cell_ids:
            self._cell_ids[digest] = self._shared("cells", "spec", digest, codec.dumps(specs[digest]).encode(), spec_of)
        return self._cell_ids[digest]

    def _keep_text(self, text: str) -> int:
        raw = text.encode("utf-8", "surrogatepass")
        return self._shared("texts", "body", hashlib.sha256(raw).digest()[:16], raw, text_of)

    def _shared(self, table: str, column: str, digest: bytes, raw: bytes, read: Callable[[bytes, bytes], Any]) -> int:
        """Id of what is stored once for many rollouts; put there if it is missing, and mended where `read` finds it damaged.

        What is sound stays: rollouts that are there keep the label under which their cell was stored first.
        """
        row = self._connection.execute(f"SELECT id, {column} FROM {table} WHERE digest=?", (digest,)).fetchone()
        if not row:
            kept = digest, rows.compress(raw)
            return int(self._connection.execute(f"INSERT INTO {table} (digest, {column}) VALUES (?, ?)", kept).lastrowid or 0)
        try:
            read(unpack(row[1]), digest)
        except UNREADABLE:
            self._connection.execute(f"UPDATE {table} SET {column}=? WHERE id=?", (rows.compress(raw), row[0]))
        return int(row[0])

    def recache(self, rows: Iterable[tuple[bytes, Scored]]) -> None:
        """Replace cached outcomes, by key; not where the file cannot be written, and they are read off transcripts each time."""
        if self.read_only:
            return
        with self.transaction():
            for key, scored in rows:
                self._keep_layout(scored.scorer, scored.columns)
                values = (scored.scorer, codec.dumps(scored.values), key)
                self._connection.execute("UPDATE rollouts SET scorer=?, outcomes=? WHERE key=?", values)

    def _keep_layout(self, scorer: str | None, columns: Sequence[str]) -> None:
        """What the outcomes of a scorer are a list of; those that were cached by another list of the same scorer are dropped."""
        if self.layout(scorer) != columns:
            scorer, columns = str(scorer), tuple(columns)
            self._connection.execute("UPDATE rollouts SET scorer=NULL, outcomes=NULL WHERE scorer=?", (scorer,))
            self._connection.execute("INSERT OR REPLACE INTO layouts VALUES (?, ?)", (scorer, json.dumps(columns)))
            self._layouts[scorer] = columns

    def layout(self, scorer: str | None) -> tuple[str, ...]:
        """Columns of a scorer's outcomes; none where they were never kept."""
        if scorer is not None and scorer not in self._layouts:
            for (columns,) in self.query("SELECT columns FROM layouts WHERE scorer=?", scorer):
                with contextlib.suppress(ValueError, TypeError):  # damaged, as good as none
                    known = codec.loads(columns)
                    self._layouts[scorer] = tuple(known) if all(isinstance(name, str) for name in known) else ()
        return self._layouts.get(scorer or "", ())

    def discard(self, keys: Iterable[bytes]) -> int:
        """Delete rollouts, so that the next run makes them anew; returns how many there were."""
        with self.transaction() as db:
            deleted = 0
            for key in keys:
                deleted += self._delete(key)
                db.execute("DELETE FROM turns WHERE key=?", (key,))
            return deleted

    def stored(self, cells: Iterable[bytes]) -> dict[bytes, set[int]]:
        """Replicates that need no run, of each cell."""
        replicates: dict[bytes, set[int]] = {}
        for digest in cells:
            rows = self.query(
                "SELECT replicate FROM rollouts WHERE cell = (SELECT id FROM cells WHERE digest=?) AND stop_reason NOT IN (?, ?)",
                digest,
                *UNFINISHED,
            )
            replicates[digest] = {row[0] for row in rows}
        return replicates

    def rows(self, cell: bytes, n: int | None = None) -> list[Row]:
        """The first `n` replicates of a cell, in their order."""
        rows = list(zip(*self.by_column(cell, n), strict=True))
        return [Row(key, cell, index, stop, scorer, cache, self.layout(scorer)) for key, index, stop, scorer, cache in rows]

    def by_column(self, cell: bytes, n: int | None = None) -> Sequence[Sequence[Any]]:
        """Keys, replicates, stop reasons, scorers and cached outcomes of the first `n` replicates of a cell, in their order."""
        rows = self.query(
            "SELECT key, replicate, stop_reason, scorer, outcomes FROM rollouts WHERE cell = (SELECT id FROM cells WHERE digest=?) "
            f"{'' if n is None else 'AND replicate < ?'} ORDER BY replicate",
            *([cell] if n is None else [cell, n]),
        )
        return tuple(zip(*rows, strict=True)) or ((),) * 5

    def cells(self) -> list[bytes]:
        """Digests of all cells with a rollout, oldest first."""
        asked = "SELECT digest FROM cells WHERE EXISTS (SELECT 1 FROM rollouts WHERE cell = cells.id) ORDER BY id"
        return [digest for (digest,) in self.query(asked)]

    def spec(self, cell: bytes) -> dict[str, Any]:
        """What a cell is: condition, model, source, and all that is sent."""
        try:
            ((body,),) = self.query("SELECT spec FROM cells WHERE digest=?", cell)
            return spec_of(unpack(body), cell)
        except UNREADABLE:
            ids = ", ".join(row.key.hex()[:16] for row in self.rows(cell))
            with self.readable(f"what the rollouts {ids} share" if ids else f"the index of cells, which lacks {cell.hex()[:12]},"):
                raise

    def find(self, id: str) -> Row:
        """The rollout whose key starts with `id` (hexadecimal)."""
        if not isinstance(id, str) or len(id) > 64 or set(id) - set("0123456789abcdef"):
            raise StoreError(f"{id!r} is no rollout id: ids are hexadecimal, as in the frame's column 'id'")
        if len(id) < 4:
            raise StoreError(
                f"{id!r} is no rollout id: it is too short; give the first 4 characters or more, as in the column 'id'"
            )
        low, high = bytes.fromhex(id.ljust(64, "0")), bytes.fromhex(id.ljust(64, "f"))
        rows = self.query(
            "SELECT key, digest, replicate, stop_reason, scorer, outcomes FROM rollouts JOIN cells ON cells.id = cell "
            "WHERE key BETWEEN ? AND ? LIMIT 2",
            low,
            high,
        )
        if len(rows) != 1:
            how_many, hint = ("more than one", "") if rows else ("no", "; store= names another file")
            raise StoreError(f"{self.path} has {how_many} rollout whose id starts with {id!r}{hint}")
        key, cell, replicate, stop, scorer, cache = rows[0]
        return Row(key, cell, replicate, stop, scorer, cache, self.layout(scorer))

    def record(self, key: bytes) -> Record:
        """A stored rollout's record, as it was put."""
        body = self.body(key)
        with self.readable(f"the rollout {key.hex()[:16]}"):
            return record_of(body)

    def body(self, key: bytes) -> dict[str, Any]:
        """A stored rollout's record as JSON, with whatever another version put there."""
        rows = self.query("SELECT crc, body FROM bodies JOIN rollouts ON id = rollout WHERE key=?", key)
        with self.readable(f"the rollout {key.hex()[:16]}"):
            if not rows:
                raise ValueError("its body is gone")
            ((crc, packed),) = rows
            if zlib.crc32(packed) != crc:
                raise ValueError("its checksum does not match")
            body: dict[str, Any] = codec.loads(unpack(packed))
            return filled(body, self._texts.__getitem__)

    def bodies(self, most: int) -> Iterator[list[tuple[int, bytes, int, bytes]]]:
        """(id, key, cell, packed body) of all rollouts, so many at a time. Raises `Damaged` where they are out of order."""
        last = -1
        while rows := self.query(_BODIES, last, most):
            if rows[-1][0] <= last:
                raise Damaged(f"{self.path} is damaged: its rollouts are out of order. To do: {RESTORE}")
            last = rows[-1][0]
            yield rows

    def unfinished(self, key: bytes) -> Conversation | None:
        """A stored rollout that a run replaces; None where there is none, or none that can be read."""
        rows = self.query("SELECT stop_reason FROM rollouts WHERE key=?", key)
        with contextlib.suppress(Damaged):
            return self.record(key).conversation if rows and rows[0][0] in UNFINISHED else None
        return None

    def _read_text(self, id: int) -> str:
        ((digest, body),) = self.query("SELECT digest, body FROM texts WHERE id=?", id)
        return text_of(unpack(body), digest)

    @contextlib.contextmanager
    def readable(self, what: str, instead: str = "pp.discard([id]) and run again") -> Iterator[None]:
        """Raise `Damaged` where what is inside cannot be read, with what to do."""
        try:
            yield
        except UNREADABLE as error:
            why = f"{what} is damaged ({error}). Nothing else is affected"
            raise Damaged(f"{self.path}: {why}. To do: {RESTORE}, or {instead}.") from error


# What becomes of reading what is damaged.
UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError, zlib.error)
