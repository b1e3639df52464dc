"""What can be wrong with a store, in errors that say what to do."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

RESTORE = "restore the file from a backup, and delete what stands beside it with -wal and -shm at its end"
ELSEWHERE = "choose another path (store=… or PPRES_STORE)"


class StoreError(Exception):
    """The store cannot be used as asked. The message says what is wrong and what to do; what is stored stays as it was."""


class Damaged(StoreError):
    """Something that is stored cannot be read; the rest can."""


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn SQLite's errors about a file into ones that say what to do."""
    try:
        yield
    except (sqlite3.Error, OSError, UnicodeDecodeError) as error:  # what SQLite says may hold damaged names
        told = str(error)
        unread = not isinstance(error, OSError) and "decode" in told
        if unread or (
            "disk is full" in told and is_sound(path) is False
        ):  # SQLite says so of damaged sizes, which are beyond any disk
            told = "database disk image is malformed"
        text = told.lower()
        advice = "try again; if it stays, copy the file to a safe place and report the error"
        if "full" in text or getattr(error, "errno", 0) == errno.ENOSPC:
            advice = "the disk is full: free some space and run again. What was stored before is safe"
        elif (most := _largest_file()) and (getattr(error, "errno", 0) == errno.EFBIG or "i/o error" in text):
            advice = f"files may have {most} bytes at most here: raise that limit (ulimit -f), or {ELSEWHERE}"
        elif "malformed" in text or "corrupt" in text:
            advice = f"the file is damaged: {RESTORE}; or save what is readable with the sqlite3 tool's .recover"
        elif "not a database" in text:
            advice = "the file is not a ppres store: choose another path (store=… or PPRES_STORE)"
        elif "readonly" in text or "read-only" in text or "unable to open" in text or isinstance(error, OSError):
            advice = "the path cannot be written: check it and its permissions, or choose another (store=… or PPRES_STORE)"
        elif "locked" in text:
            advice = "another process has held the file for over a minute: wait for it, then run again"
        kind = Damaged if "malformed" in text or "corrupt" in text else StoreError
        raise kind(f"{path}: {told}. To do: {advice}.") from error


def read_only_address(path: Path) -> str:
    """By which SQLite opens a file of any name, and writes nothing to it."""
    return f"file:{urllib.parse.quote(os.fsencode(path.absolute()))}?mode=ro"


def is_sound(path: Path) -> bool | None:
    """Whether a file with its log is a sound database; None where that cannot be told.

    By a connection of its own: one that is open goes by what it has read before.
    """
    try:
        with contextlib.closing(sqlite3.connect(read_only_address(path), uri=True)) as file:
            return bool(file.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",))
    except sqlite3.OperationalError:
        return None
    except sqlite3.DatabaseError:  # it is no database
        return False


def _largest_file() -> int:
    """How large a file may grow in this process; 0 where nothing limits it, or nobody says."""
    try:
        import resource
    except ImportError:  # on Windows
        return 0
    most = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return 0 if most == resource.RLIM_INFINITY else most
