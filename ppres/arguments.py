"""What callers give, checked where it comes in: an error names what was wrong, and says what is allowed."""

from __future__ import annotations

import contextlib
import errno
import inspect
import math
import numbers
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ppres.factor import as_python, brief, is_number, is_written

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = "a column of the frame, or several"


def rows(value: Any, *needed: str, name: str = "frame") -> pd.DataFrame:
    """A frame that has the columns that are needed."""
    import pandas as pd

    if not isinstance(value, pd.DataFrame):
        raise ValueError(f"{name}={brief(value)} is no frame, such as pp.frame() returns")
    for column in needed:
        if not isinstance(column, str | int):
            raise ValueError(f"{brief(column)} is no name of a column")
        if column not in value.columns:
            raise ValueError(f"{name} has no column {column!r}, only {brief([*map(str, value.columns)])}")
    return value


def ids(value: Any, name: str = "ids") -> list[str]:
    """Ids of rollouts as a list: of one, of several, or of a frame's rows."""
    if hasattr(value, "columns"):
        value = rows(value, "id", name=name)["id"]
    return several(value, name, "an id, as in the frame's column 'id', several, or a frame")


def columns(value: Any, name: str = "by") -> list[Any]:
    """Names of columns by which something is grouped, at least one."""
    if not (names := several(value, name, COLUMNS, (str, int))):
        raise ValueError(f"{name}={value!r} names no column: it is {COLUMNS}")
    return names


def several(value: Any, name: str, what: str, kind: type | tuple[type, ...] = str) -> list[Any]:
    """One of a kind, or several of it, as a list."""
    if isinstance(value, kind):
        value = [value]
    if not isinstance(value, Iterable) or isinstance(value, str | bytes | Mapping) or hasattr(value, "columns"):
        raise ValueError(f"{name}={brief(value)}: it is {what}")
    if what is COLUMNS and hasattr(value, "iloc"):
        raise ValueError(f"{name}= has the values of {getattr(value, 'name', None)!r}: it is {what}, by name")
    items = list(value)
    for item in items:
        if not isinstance(item, kind) or (isinstance(item, str) and not is_written(item)):
            raise ValueError(f"{name}: {brief(item)} is none; it is {what}")
    return items


def text(name: str, value: Any) -> str:
    """A text that can be written to a file."""
    if not isinstance(value, str) or not is_written(value):
        raise ValueError(f"{name}={brief(value)} is no text that can be written")
    return value


def flag(name: str, value: Any) -> bool:
    """True or False."""
    if not isinstance(value, bool):
        raise ValueError(f"{name}={brief(value)} is neither True nor False")
    return value


def mapping(name: str, value: Any, what: str) -> Mapping[str, Any]:
    """A mapping from texts; none for None."""
    if not isinstance(value, Mapping | None) or not all(isinstance(key, str) for key in value or {}):
        raise ValueError(f"{name}={brief(value)} is no mapping {what}")
    return value or {}


def number(value: Any) -> int | float | None:
    """A number of any type, numpy's and decimal ones too, as Python's own; None for what is none, True and False among it."""
    if isinstance(value, bool) or not isinstance(value, numbers.Number):
        return None
    with contextlib.suppress(TypeError, ValueError, OverflowError):  # complex, signalling, beyond all floats
        return int(value) if isinstance(value, numbers.Integral) else float(value)  # type: ignore[arg-type]
    return None


def plain(value: Any) -> str | bool | int | float | None:
    """A text, number, truth value or None as JSON has it: numpy's become Python's. Raises `TypeError` for what is none of these."""
    given = as_python(value)
    told = number(given)
    if told is None and not isinstance(given, str | bool | None):
        raise TypeError(f"{brief(value)} is no text, number, truth value or None")
    return given if told is None else told


MOST = 10**7  # rollouts of a cell, and whatever else is counted


def whole(name: str, value: Any, what: str = "it") -> int:
    """A whole number from 1 up."""
    if not isinstance(told := number(value), int) or not 1 <= told <= MOST:
        raise ValueError(f"{name}={brief(value)}: {what} is a whole number from 1 up, to ten million")
    return told


def seed(value: Any) -> int:
    """A whole number from 0 up."""
    if not isinstance(told := number(value), int) or not 0 <= told < 2**64:
        raise ValueError(f"seed={brief(value)} is no whole number from 0 up, of 64 bits")
    return told


def limit(name: str, value: Any) -> float:
    """A number above 0; infinite for None."""
    told = math.inf if value is None else number(value) or 0
    if not (0 < told < 1e300 or told == math.inf):
        raise ValueError(f"{name}={brief(value)}: it is a number above 0, or None for no limit")
    return float(told)


def between(name: str, value: Any, low: float, high: float, error: type[ValueError] = ValueError) -> None:
    """`ValueError` for what is no number between two others, without these."""
    if not is_number(value, low, high) or value in (low, high):
        raise error(f"{name}={brief(value)} is not between {low:g} and {high:g}")


def rule(until: Any, error: type[ValueError] = ValueError) -> None:
    """Raise for what does not say after each round whether a run goes on."""
    step = number(getattr(until, "step", None))
    if isinstance(until, type) or not callable(getattr(until, "next_round", None)) or not isinstance(step, int) or step < 1:
        own = "or an object with next_round(frame, wanted, n), and with step, a whole number from 1 up"
        raise error(f"until={brief(until)} is no rule: pp.Precision(0.05), pp.Decides(pp.Test(…)), {own}")


def function(name: str, value: Any, takes: str, error: type[Exception] = ValueError, *, asynchronous: bool = False) -> None:
    """Raise for what cannot be called with these arguments, "condition, cast"; what has no signature, as some in C, is believed."""
    fits = callable(value) and (asynchronous or not inspect.iscoroutinefunction(value))
    with contextlib.suppress(ValueError):
        try:
            fits = fits and bool(inspect.signature(value).bind(*takes.split(", ") if takes else ()))
        except TypeError:
            fits = False
    if not fits:
        raise error(f"{name}: it is a function ({takes}){'' if asynchronous else ' that is not async'}, not {brief(value)}")


def place(path: Any, name: str = "path") -> Path:
    """Where a file or folder is, or shall be; "~" is the home folder."""
    if not isinstance(path, str | os.PathLike):
        raise ValueError(f"{name}={brief(path)} is no path: it is a text or a pathlib.Path")
    if isinstance(path, str) and not path.strip():  # as of a variable that is not set; it would be the working folder
        raise ValueError(f"{name}={path!r} is no path: it is empty")
    try:
        told = Path(path).expanduser()
        os.fsencode(told)
    except (RuntimeError, TypeError, UnicodeEncodeError) as error:  # of somebody who is unknown; with half of a sign
        raise ValueError(f"{path!r} is no path: {str(error).rstrip('.')}") from None
    if "\0" in str(told):
        raise ValueError(f"{path!r} is no name of a file")
    try:
        told.stat()
    except OSError as error:  # of others it is told where the file is opened or made
        if error.errno == errno.ELOOP:
            raise ValueError(f"{path!r} is a link that leads to itself") from None
        if error.errno == errno.ENAMETOOLONG:
            raise ValueError(f"{brief(str(path))} is no name of a file: it is too long") from None
    return told


def file(path: Any) -> Path:
    """Where a file is that is to be read; where there is none, that is told as it is opened."""
    if (told := place(path)).is_dir():
        raise ValueError(f"{told} is a folder, and no file")
    return told


def path_text(path: Path) -> str:
    """A path as a text that every table takes: what is no UTF-8 in it is a question mark."""
    return str(path).encode(errors="replace").decode()
