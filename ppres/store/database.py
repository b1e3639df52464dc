"""One SQLite file that is ours: opening it, and transactions."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ppres import arguments
from ppres.store.errors import ELSEWHERE, RESTORE, Damaged, StoreError, explained, read_only_address
from ppres.store.migrations import migrate
from ppres.store.watch import GONE, Watch, backed_up, beside, stray_log

APPLICATION_ID = 0x70707265  # "ppre" in the file's header: tells our files from other SQLite files
_PATIENCE = 60  # seconds to wait for another process
StorePath = str | os.PathLike[str] | None  # None: `default_path`


def _absolute(path: Path) -> Path:
    """Where it is, whatever becomes the working directory: a model's function may change it."""
    with contextlib.suppress(FileNotFoundError):  # there is none any more
        return path.absolute()
    return path


def default_path() -> Path:
    """`PPRES_STORE`, else data/ppres.sqlite of the project around the working directory, else ./ppres.sqlite."""
    if os.environ.get("PPRES_STORE"):
        return _at_home(os.environ["PPRES_STORE"])
    try:
        here = Path.cwd()
    except FileNotFoundError:
        raise StoreError(f"the working directory was deleted: change to one that is there, or {ELSEWHERE}") from None
    folder = next((folder / "data" for folder in (here, *here.parents) if (folder / "pyproject.toml").exists()), here)
    return folder / "ppres.sqlite"


def _at_home(path: str | os.PathLike[str]) -> Path:
    """A path, with "~" as the home folder. What SQLite keeps in memory would be gone with the session."""
    if isinstance(path, str) and (not path.strip() or path == ":memory:" or path.startswith("file:")):
        raise StoreError(f"{path!r} is no name of a file, and what is made is kept in one; {ELSEWHERE}")
    try:
        return arguments.place(path, "store")
    except ValueError as error:
        raise StoreError(f"{error}; {ELSEWHERE}") from None


class Database:
    """An open file with our tables; several threads and processes may use it.

    What cannot be written is read all the same (`read_only`), and so is what the caller will not write. Raises `StoreError` for a
    path where no file can be made, or with `existing` none is, and for files that are not ours.
    """

    def __init__(self, path: StorePath, tables: str, version: int, *, read_only: bool = False, existing: bool = False):
        self.path = _absolute(_at_home(path) if path is not None else default_path())
        self._lock, self._tables, self._version = threading.RLock(), tables, version
        self._watch: Watch | None = None
        self._wrote = False
        with explained(self.path):
            if self.path.exists() and not (self.path.is_file() or self.path.is_dir()):  # it would get a journal beside it
                raise StoreError(f"{self.path} is a device or a pipe, and no file; {ELSEWHERE}")
            self.read_only = read_only or (self.path.exists() and not _writable(self.path))
            if not self.read_only and (stray := stray_log(self.path)):  # SQLite would delete it
                raise StoreError(
                    f"{stray} is there without {self.path.name}: it holds what was stored last in a store that was moved or "
                    f"deleted, which may be in use. To do: move it beside that store or delete it; or {ELSEWHERE}"
                )
            if (existing or self.read_only) and not self.path.is_file():
                raise StoreError(f"there is no store {self.path}; {ELSEWHERE}")
            if not self.read_only:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = self._read_only_connection() if self.read_only else _connect(self.path)
            try:
                self._check()
                self._watch = None if self.read_only else Watch(self.path)
            except BaseException:
                self.close()
                raise

    def _read_only_connection(self) -> sqlite3.Connection:
        address = read_only_address(self.path)
        connection = _connect(address, uri=True)
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            return connection
        except BaseException as error:
            connection.close()
            if not isinstance(error, sqlite3.OperationalError):  # else its index of the log cannot be made here
                raise
        log = Path(beside(self.path)[0])
        if log.exists() and log.stat().st_size:
            raise StoreError(
                f"{self.path}: what was stored last stands in {log.name}, which can be read only where the folder can be written. "
                "To do: copy both files to such a folder and read them there."
            )
        return _connect(f"{address}&immutable=1", uri=True)

    def _check(self) -> None:
        self._connection.execute("BEGIN")  # one look at all three, while another process may be making the file
        asked = ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
        ours, written, filled = (self._connection.execute(question).fetchone()[0] for question in asked)
        self._connection.execute("COMMIT")
        if ours != APPLICATION_ID and (filled or self.read_only):
            raise StoreError(f"{self.path} is a database of another program; {ELSEWHERE}")
        if written > self._version:
            raise StoreError(
                f"{self.path} was written by a newer ppres (store version {written}, this one reads {self._version}); "
                f"upgrade ppres, or {ELSEWHERE}"
            )
        if ours == APPLICATION_ID:
            self._check_tables(written)
        if self.read_only:
            migrate(self._connection, written, self._version, read_only=True)
            return
        self._switch_to_wal()
        self._connection.execute("PRAGMA synchronous=FULL")  # a committed turn was paid for: it outlasts a power cut
        if ours != APPLICATION_ID:
            with self._transaction() as connection:
                # Another process may have been first; then its tables are there by now.
                if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                    self._make(connection)
        elif written < self._version:
            with self._transaction() as connection:  # another process may have been first
                migrate(connection, connection.execute("PRAGMA user_version").fetchone()[0], self._version)

    def _check_tables(self, written: int) -> None:
        """Whether the file has our tables and nothing else: a view or a trigger of a stranger may run for ever."""
        ours = {_plain(statement) for statement in self._tables.split(";\n")} - {""}
        # Indices that come with a table have no text; statistics of SQLite's ANALYZE are harmless.
        asked = "SELECT type, name, sql FROM sqlite_master WHERE sql NOT LIKE 'CREATE TABLE sqlite~_stat%' ESCAPE '~'"
        made = self._connection.execute(asked).fetchall()
        if strange := sorted(f"{kind} {name}" for kind, name, sql in made if _plain(str(sql)) not in ours):
            raise StoreError(f"{self.path} is no store as ppres makes them: the {strange[0]} in it is not ours; {ELSEWHERE}")
        if written < 1 or (written == self._version and len(made) < len(ours)):
            what = f"says that it is of version {written}" if written < 1 else "lacks a table"
            raise Damaged(f"{self.path} is damaged: it {what}. To do: {RESTORE}, or {ELSEWHERE}")

    def _make(self, connection: sqlite3.Connection) -> None:
        for statement in self._tables.split(";\n"):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={self._version}")

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
        """Close the file, when a commit that is under way in another thread is done."""
        with self._lock, explained(self.path):
            try:
                if self._wrote and (rescued := self._rescued()):  # else SQLite would write its log into another file, or leave it
                    warnings.warn(rescued, stacklevel=3)
            finally:
                self._connection.close()

    def _rescued(self) -> str | None:
        """Where somebody else did away with the file while it was open, go on in another one beside it; what to tell then.

        It has all that was stored; but where the file was overwritten, what can be read of it, if that is a sound file.
        """
        if not self._watch or (became := self._watch.became()) is None:
            return None
        aside = self.path.with_name(f"{self.path.stem}-rescued-{uuid.uuid4().hex[:8]}.sqlite")
        aside.parent.mkdir(parents=True, exist_ok=True)
        rescue, told = _connect(aside), f"All that was stored in it is in {aside}: move it to where you want it, or pp.merge it"
        try:
            if became != "overwritten":
                self._connection.backup(rescue)
            elif backed_up(self._connection, rescue):
                told = f"What could be read of it, and what was made since, is in {aside}: pp.verify tells whether that is whole"
            else:
                rescue.close()
                aside.rename(aside.with_suffix(".damaged"))
                rescue = _connect(aside)
                told = f"What is written from now on is in {aside}, beside a damaged copy. To do: restore the rest from a backup"
                self._make(rescue)
            if became == GONE:
                self._watch.delete_log()
            else:
                self._watch.forget_log(self._connection)
        except BaseException:
            rescue.close()
            raise
        self._connection.close()
        text = f"{self.path} was {became} while it was in use. {told}"
        self._connection, self.path = rescue, aside
        self._switch_to_wal()
        self._watch = Watch(aside)
        return text

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of what is written inside, or none of it; inside another one of the same thread it is part of that.

        Raises `StoreError` where the file cannot be written, and where it is no longer what it was: then after what was written
        inside is safe in another file, which the error names.
        """
        if self.read_only:
            raise StoreError(f"{self.path} cannot be written: it can be read, and nothing can be added. To write, {ELSEWHERE}")
        with self._lock:
            if self._connection.in_transaction:
                yield self._connection
                return
            with explained(self.path):
                rescued = self._rescued()
                with self._transaction() as connection:
                    yield connection
                self._wrote = True
                rescued = rescued or self._rescued()
            if rescued:
                raise StoreError(rescued)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection
            self._connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):  # a full disk may have rolled back already
                self._connection.execute("ROLLBACK")
            raise

    def query(self, sql: str, *values: Any) -> list[Any]:
        """The rows of a query, without those that are known by nothing that could be a key: these are told."""
        with self._lock, explained(self.path):
            try:
                asked = self._connection.execute(sql, values)
                rows = asked.fetchall()
            except sqlite3.OperationalError as error:
                if "decode" not in str(error):
                    raise
                # As far as a text is one: a damaged one holds up nothing else. Slower, so not before there is one.
                self._connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
                return self.query(sql, *values)
        for place, (name, *_) in enumerate(asked.description or ()):  # VACUUM and its like have none
            kind = _KNOWN_BY.get(name)
            if kind and not {type(row[place]) for row in rows} <= {kind}:
                sound = [row for row in rows if type(row[place]) is kind]
                text = f"{self.path} is damaged: {len(rows) - len(sound)} rows have a {name} of the wrong type, and are left out"
                warnings.warn(f"{text}. To do: {RESTORE}, or pp.merge the rest into a new one", stacklevel=2)
                rows = sound
        return rows


# Columns by which rows are known, and their types: SQLite itself takes any.
_KNOWN_BY = {"key": bytes, "digest": bytes, "replicate": int}


def _plain(statement: str) -> str:
    """A statement of SQL in one line, as SQLite keeps it, or as we write it."""
    return " ".join(statement.split()).rstrip(";")


def _connect(path: Path | str, *, uri: bool = False) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=_PATIENCE, check_same_thread=False, isolation_level=None, uri=uri)


def _writable(path: Path) -> bool:
    """Whether SQLite could write the file, and the log that it keeps beside it."""
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
