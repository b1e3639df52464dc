"""Whether an open file is what SQLite made of it, or somebody else overwrote it, moved it, or took its log away.

Between two commits SQLite changes the file itself by copying its log into it alone, and keeps account of that in the log's index
(sqlite.org/walformat.html). What changed the file otherwise was somebody else, and the content tells whether that did harm: a
program for backups may have set its time alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import struct
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from ppres.store.errors import is_sound

GONE = "deleted, moved or replaced"
_STILL = 2.0  # seconds for which nobody writes to a file into which SQLite does not copy any more
_UNBEGUN = bytes(8)  # the number of a log into which nothing was written
_PART, _PARTS = 4096, 64  # bytes of a file that are compared at each of so many places


class _State(NamedTuple):
    """What the system tells of a file: which it is, which log stands beside it, and when and how far it was written."""

    file: tuple[int, int] | None
    log: tuple[int, int] | None
    written: tuple[int, int] | None


class _Copying(NamedTuple):
    """How far a log was copied into its file: which log, how many of its pages, and how many it is to be."""

    log: bytes
    done: int
    begun: int


class Watch:
    """A file that SQLite has open with a log. Where the system does not tell enough, only that it is gone is noticed."""

    def __init__(self, path: Path):
        self.path = path
        self._place = os.path.realpath(path)  # beside which SQLite goes on writing, also where a link leads elsewhere by then
        self._log, self._index = beside(path)
        self._copying: _Copying | None = None
        self._state = self._now()  # the rest is looked at before the first commit: who only reads needs it not

    def _look(self) -> None:
        # In this order: what is copied meanwhile shows as a change of the account at the next look, and is SQLite's.
        self._copying = self._account()
        self._state = self._now()
        self._sample = self._sampled()
        if self._copying and (self._copying.done < self._copying.begun or self._account() != self._copying):
            self._sample = b""

    def became(self) -> str | None:
        """What somebody else did to the file since it was looked at last, if anything."""
        now, still = self._now(), 0.0
        if now == self._state:
            if self._copying is None:
                self._look()
            elif self._copying.log == _UNBEGUN:
                self._copying = self._account()
            return None
        while now.file == self._state.file:
            account = self._account()
            if account is None or now.log != self._state.log:
                return "robbed of its log (-wal)" if now.written == self._state.written else "overwritten"
            if account != self._copying:  # SQLite has copied, perhaps for another process
                self._look()
                return None
            if account.done == account.begun or still >= _STILL:
                if self._sample not in (b"", self._sampled()) or not is_sound(self.path):
                    return "overwritten"
                self._look()
                return None
            time.sleep(_STILL / 20)  # it copies just now, or was killed when it did
            before, now = now, self._now()
            still = still + _STILL / 20 if now == before else 0.0
        return GONE

    def forget_log(self, connection: sqlite3.Connection) -> None:
        """Keep SQLite from writing the log into what stands under the path now."""
        if sys.version_info >= (3, 12):
            connection.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE)
        for number, status in _open_files():
            if _which(status) == self._state.log:
                with contextlib.suppress(OSError):  # it was closed meanwhile
                    os.ftruncate(number, 0)

    def delete_log(self) -> None:
        """Delete the log, and its index, which stands beside no file or another by now: SQLite would take it to be that one's."""
        if (log := _status(self._log)) and _which(log) == self._state.log:
            for path in (self._log, self._index):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)

    def _now(self) -> _State:
        file = _status(self.path)
        if file and not _is_at(self._place, file):  # it was moved, and a link to it stands in its place
            file = None
        if not file or not self._copying:
            return _State(file and _which(file), None, None)
        log = _status(self._log)
        return _State(_which(file), log and _which(log), (file.st_mtime_ns, file.st_size))

    def _account(self) -> _Copying | None:
        index = _read(self._index, [0], 132)
        return _Copying(index[32:40], *struct.unpack_from("=I28xI", index, 96)) if len(index) == 132 else None

    def _sampled(self) -> bytes:
        """A digest of the file's beginning and of other parts of it; of one up to 256 kB, of all."""
        size = self._state.written[1] if self._state.written else 0
        step = max(1, size // (_PART * _PARTS)) * _PART
        return hashlib.blake2b(_read(self.path, range(0, size, step), _PART), digest_size=16).digest()


def stray_log(path: Path) -> str | None:
    """A log, or its index, that stands beside no file, or an empty one: SQLite fills the file before it begins a log."""
    stray = next((log for log in beside(path) if os.path.exists(log)), None)
    return stray if stray and not (path.exists() and path.stat().st_size) else None


def beside(path: Path) -> tuple[str, str]:
    """SQLite's log of a file, and the log's index."""
    file = os.path.realpath(path)
    return f"{file}-wal", f"{file}-shm"


def _status(path: str | Path) -> os.stat_result | None:
    with contextlib.suppress(FileNotFoundError):
        return os.stat(path)
    return None


def _is_at(place: str, file: os.stat_result) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.lstat(place), file)
    return False


def _which(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _open_files() -> Iterator[tuple[int, os.stat_result]]:
    """What this process has open, by number; nothing where the system does not tell, or may not."""
    names: list[str] = []
    with contextlib.suppress(OSError):
        names = os.listdir("/dev/fd")
    for name in names:
        with contextlib.suppress(OSError):  # it was closed meanwhile
            yield int(name), os.fstat(int(name))


def _read(path: str | Path, places: Iterable[int], most: int) -> bytes:
    """Parts of a file that SQLite has open, by its own descriptor: closing one of ours would let go of all of SQLite's locks."""
    if file := _status(path):
        for number, status in _open_files():
            if os.path.samestat(status, file):
                with contextlib.suppress(OSError):  # it was closed meanwhile
                    read = b"".join(os.pread(number, most, place) for place in places)
                    if os.path.samestat(os.fstat(number), file):
                        return read
    return b""


def backed_up(connection: sqlite3.Connection, into: sqlite3.Connection) -> bool:
    """Whether what can be read of a file could be copied, and is a sound file."""
    try:
        connection.backup(into)
        return bool(into.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",))
    except sqlite3.DatabaseError:
        return False
