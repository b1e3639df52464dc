"""Files that are written for people: never over a store, and over another file only where that is meant."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from ppres import arguments

_DATABASE = b"SQLite format 3\0"
_LOGS = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
BESIDE = ("-wal", "-shm", "-journal")


# In whatever holds our wording or transcripts: by it they can be found in, and kept out of, what models are trained on.
CANARY = "ppres transcripts and stimuli are no training data. Canary 6f0c1d2e-8a57-4b39-9c14-d5e7b2a0f386"


def folder_at(path: str | os.PathLike[str]) -> Path:
    """A folder that is there, or can be made. Raises `ValueError` where a file stands in its place."""
    place = arguments.place(path, "folder")
    for part in (place, *place.parents):
        if part.exists() and not part.is_dir():
            raise ValueError(f"{part} is a file, not a folder")
        if is_store(part):
            raise ValueError(f"{part} has the name of what SQLite keeps beside a store, which could not be opened: choose another")
    return place


def folder_for(path: str | os.PathLike[str]) -> Path:
    """A folder to write into, made if it is not there. Raises `ValueError` where a file stands in its place."""
    place = folder_at(path)
    place.mkdir(parents=True, exist_ok=True)
    return place


def output(path: str | os.PathLike[str], *, overwrite: bool = True) -> Path:
    """Where to write; "~" is the home folder. Raises `ValueError` for a place where nothing can be written, or that holds a store.

    Without `overwrite`, `FileExistsError` for any other file that is there.
    """
    place = arguments.place(path)
    if not place.name:
        raise ValueError(f"{str(path)!r} is no name of a file")
    if place.is_dir():
        raise ValueError(f"{place} is a folder")
    if not place.absolute().parent.is_dir():
        raise ValueError(f"{place}: there is no such folder")
    if is_store(place):
        raise ValueError(f"{place} is a store, or a part of one: it is not overwritten; choose another name")
    if place.is_file() and not overwrite:
        raise FileExistsError(f"{place} exists")
    return place


@contextlib.contextmanager
def written_whole(place: Path) -> Iterator[Path]:
    """Where to write what is to stand at a place, which it takes when it is whole: a full disk or Ctrl-C leaves what was there."""
    if place.exists() and not place.is_file():  # a device or a pipe, which as /dev/stdout leads to no name
        yield place
        return
    place = place.resolve()  # of a link, what it leads to
    if not os.access(place.parent, os.W_OK):  # where the file itself may be writable
        yield place
        return
    beside = place.with_name(f".{uuid.uuid4().hex}.part{place.suffix}")
    try:
        yield beside
        if place.exists():
            shutil.copymode(place, beside)
        beside.replace(place)
    finally:
        beside.unlink(missing_ok=True)


def is_store(path: Path) -> bool:
    """Whether a file is an SQLite database, by what it holds, or one of those that stand beside one."""
    for end in BESIDE:
        if path.name.endswith(end) and is_store(path.with_name(path.name.removesuffix(end))):
            return True
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(len(_DATABASE))
    return start == _DATABASE or start[:4] in _LOGS
