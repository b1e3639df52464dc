"""One SQLite file that is ours: opening it, transactions, and errors that say what to do."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ppres.store.migrations import migrate

APPLICATION_ID = 0x70707265  # "ppre" in the file's header: tells our files from other SQLite files
_PATIENCE = 60  # seconds to wait for another process
ELSEWHERE = "choose another path (store=… or PPRES_STORE)"
StorePath = str | os.PathLike[str] | None  # None: `default_path`


class StoreError(Exception):
    """The store cannot be used as asked. The message says what is wrong and what to do; what is stored stays as it was."""


def default_path() -> Path:
    """`PPRES_STORE`, else data/ppres.sqlite of the project around the working directory, else ./ppres.sqlite."""
    if os.environ.get("PPRES_STORE"):
        return Path(os.environ["PPRES_STORE"]).expanduser()
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "pyproject.toml").exists():
            return folder / "data" / "ppres.sqlite"
    return here / "ppres.sqlite"


class Database:
    """An open file with our tables; several threads and processes may use it.

    Raises `StoreError` for a path that cannot be written and for files that are not ours to write.
    """

    def __init__(self, path: StorePath, tables: str, version: int):
        self.path = Path(path) if path is not None else default_path()
        self._lock = threading.RLock()
        with self._explained():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(self.path, timeout=_PATIENCE, check_same_thread=False, isolation_level=None)
            try:
                self._check(tables, version)
            except BaseException:
                self.close()
                raise

    def _check(self, tables: str, version: int) -> None:
        self._connection.execute("BEGIN")  # one look at all three, while another process may be making the file
        asked = ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
        ours, found, filled = (self._connection.execute(one).fetchone()[0] for one in asked)
        self._connection.execute("COMMIT")
        if ours != APPLICATION_ID and filled:
            raise StoreError(f"{self.path} is a database of another program; {ELSEWHERE}")
        if found > version:
            raise StoreError(
                f"{self.path} was written by a newer ppres (store version {found}, this one reads {version}); "
                f"upgrade ppres, or {ELSEWHERE}"
            )
        self._switch_to_wal()
        self._connection.execute("PRAGMA synchronous=FULL")  # a committed turn was paid for: it outlasts a power cut
        if ours != APPLICATION_ID:
            with self.transaction() as connection:
                # Another process may have been first; then its tables are there by now.
                if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                    for statement in tables.split(";\n"):
                        connection.execute(statement)
                    connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
                    connection.execute(f"PRAGMA user_version={version}")
        elif found < version:
            with self.transaction() as connection:
                # Another process may have been first.
                migrate(connection, connection.execute("PRAGMA user_version").fetchone()[0], version)

    def _switch_to_wal(self) -> None:
        end = time.monotonic() + _PATIENCE
        while True:  # SQLite does not wait by itself where another process is switching
            try:
                self._connection.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > end:
                    raise
                time.sleep(0.005)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn SQLite's errors into ones that say what to do."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            text = str(error).lower()
            advice = "try again; if it stays, copy the file to a safe place and report the error"
            if "full" in text or getattr(error, "errno", 0) == 28:
                advice = "the disk is full: free some space and run again. What was stored before is safe"
            elif "malformed" in text or "corrupt" in text:
                advice = "the file is damaged: restore it from a backup, or save what is readable with the sqlite3 tool's .recover"
            elif "not a database" in text:
                advice = "the file is not a ppres store: choose another path (store=… or PPRES_STORE)"
            elif "readonly" in text or "read-only" in text or "unable to open" in text or isinstance(error, OSError):
                advice = "the path cannot be written: check it and its permissions, or choose another (store=… or PPRES_STORE)"
            elif "locked" in text:
                advice = "another process has held the file for over a minute: wait for it, then run again"
            raise StoreError(f"{self.path}: {error}. To do: {advice}.") from error

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of what is written inside, or none of it; inside another one of the same thread it is part of that."""
        with self._lock, self._explained():
            if self._connection.in_transaction:
                yield self._connection
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):  # a full disk may have rolled back already
                    self._connection.execute("ROLLBACK")
                raise

    def query(self, sql: str, *values: Any) -> list[Any]:
        """The rows of a query."""
        with self._lock, self._explained():
            return self._connection.execute(sql, values).fetchall()
