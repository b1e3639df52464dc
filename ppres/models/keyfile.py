"""The nearest file `.env`, from the working directory up to the project's root."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import stat
from pathlib import Path

from ppres.optional import MissingPackageError, for_real_models

_PROJECT = ("pyproject.toml", ".git")


def values() -> dict[str, str]:
    """What the file says; nothing without one. Raises `ValueError` where it cannot be read."""
    return _said_in(file) if (file := _nearest()) else {}


def _said_in(file: Path) -> dict[str, str]:
    try:
        said = for_real_models("dotenv").dotenv_values(file, interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} cannot be read: {error}") from None
    for name, value in said.items():
        if "=" in name or "\0" in f"{name}{value}":  # not told in full: it may be a key
            told = name.partition("=")[0]
            raise ValueError(f"{file} cannot be read: a name has no '=', and nothing has a NUL: see {told!r}")
    return {name: value or "" for name, value in said.items()}


def likely_values() -> dict[str, str]:
    """The same where no real model is asked: of a file that cannot be read in this process nothing can come out either."""
    with contextlib.suppress(OSError):
        if file := _nearest():
            status = file.stat()
            return _read_once(file, status.st_mtime_ns, status.st_size)
    return {}


@functools.lru_cache(8)
def _read_once(file: Path, written: int, size: int) -> dict[str, str]:
    try:
        return _said_in(file)
    except (MissingPackageError, ValueError):  # a light install, or no UTF-8: line by line, as nearly all of them are written
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        told = (re.match(r"\s*(?:export\s+)?(\w+)\s*=\s*(['\"]?)(.*?)\2\s*$", line) for line in lines)
        return {line[1]: line[3] for line in told if line}


def _nearest() -> Path | None:
    for folder in _folders():
        file = folder / ".env"
        if file.is_file():
            return None if _others_write(folder) and file.stat().st_uid != os.getuid() else file
    return None


def _folders() -> list[Path]:
    """The working directory and those above it within the project; without a project, the working directory alone."""
    try:
        here = Path.cwd()
    except FileNotFoundError:  # it was deleted
        return []
    folders = [here]
    for folder in (here, *here.parents):
        if folder != here:
            if _others_write(folder):  # whoever likes makes a project there
                break
            folders.append(folder)
        if any((folder / name).exists() for name in _PROJECT):
            return folders
    return [here]


def _others_write(folder: Path) -> bool:
    return os.name == "posix" and bool(folder.stat().st_mode & stat.S_IWOTH)
