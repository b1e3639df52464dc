"""SQLite's log of a file that somebody else did away with while it was open: it must not be written into what stands there now."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
from pathlib import Path


def forget(connection: sqlite3.Connection, path: Path) -> None:
    """Keep SQLite from writing its log into the file under the path; who put that there may have deleted the log."""
    log = f"{path.absolute()}-wal"
    if sys.version_info >= (3, 12):
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE)
    for name, opened in _open_files():
        if name in (log, f"{log} (deleted)"):
            os.truncate(opened, 0)
    with contextlib.suppress(FileNotFoundError):
        os.truncate(log, 0)


def delete_own(path: Path) -> None:
    """Delete the log and its index that this process has open, beside another file by now: SQLite would take them to be its."""
    opened = [place for _, place in _open_files()]
    for end in ("-wal", "-shm"):
        log = path.with_name(f"{path.name}{end}")
        if log.exists() and any(os.path.exists(place) and os.path.samefile(place, log) for place in opened):
            log.unlink()


def _open_files() -> list[tuple[str, str]]:
    """What this process has open: names, and paths that lead there also where nothing has that name any more. Linux tells it."""
    opened = []
    for number in os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else ():
        with contextlib.suppress(OSError):  # it was closed meanwhile
            opened.append((os.readlink(f"/proc/self/fd/{number}"), f"/proc/self/fd/{number}"))
    return opened


def copied(connection: sqlite3.Connection, into: sqlite3.Connection) -> bool:
    """Whether what can be read of a file could be copied, and is a sound file."""
    try:
        connection.backup(into)
        return bool(into.execute("PRAGMA quick_check").fetchone() == ("ok",))
    except sqlite3.DatabaseError:
        return False
