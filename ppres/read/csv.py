"""A frame as a CSV file that is safe to open in a spreadsheet, and back again as the same frame."""

from __future__ import annotations

import contextlib
import csv
import io
import lzma
import math
import os
import re
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ppres import arguments
from ppres.condition import LEVELLED, SCENARIOS
from ppres.factor import is_written
from ppres.models import redaction
from ppres.outputs import output, written_whole
from ppres.read.columns import KINDS, absent, column, own_type, plain, with_numbers

if TYPE_CHECKING:
    import pandas as pd

_TRUTH = {"True": True, "False": False, "TRUE": True, "FALSE": False}  # of a spreadsheet
_TRUTH_TOO = _TRUTH | {"1": True, "0": False, "1.0": True, "0.0": False}  # where a truth value must stand
_NUMBER = r"-?(?:inf|(?:0|[1-9]\d*)(?:\.\d+)?(?:e[-+]?\d+)?)"
_WHOLE = re.compile(r"-?\d{1,1000}")  # floats of more than 16 digits are written with an exponent
_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:\+00:00)?"
# A column of one's own in which all is such is no text; one of text in which all is such has an apostrophe before each.
_OTHER = rf"{_NUMBER}|{_TIME}|{'|'.join(_TRUTH)}"
_QUOTED = re.compile(rf"'+(?:{_OTHER})")
_PLAIN = re.compile(rf"'*(?:{_OTHER})")
# What a spreadsheet takes for a formula, and what would be read back as something else: an empty text, and our own mark.
_MARKED = re.compile(r"'*(?:[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]|$)")


def to_csv(frame: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write a frame, a row per rollout. `read_csv` gives the same frame back.

    A text that a spreadsheet would take for a formula stands behind an apostrophe there, and so do the texts of a column of your
    own that would be read as numbers, truth values or times. Columns of other kinds (lists, durations) come back as their text.
    Raises `ValueError` for a place that holds a store, and for a frame that holds a secret of the environment.
    """
    place = output(path)
    check(frame)
    frame = frame.set_axis([str(name) for name in frame.columns], axis=1)  # a column of one's own may be called by a number
    marked = frame.assign(**{name: _marked(frame[name]) for name in frame.columns if _is_text(frame[name])})
    marked = marked.assign(**{name: _times(frame[name]) for name in frame.columns if frame[name].dtype.kind == "M"})
    marked.columns = [_mark(name) for name in frame.columns]
    # What pandas does not quote: a carriage return, which ends a line, and a byte order mark, which begins a file.
    texts = {*marked.columns}.union(*(map(str, marked[name]) for name in marked.columns if _is_text(marked[name])))
    quoted = marked.shape[1] == 1 or any("\r" in text or text.startswith("\ufeff") for text in texts)
    with written_whole(place) as file:
        marked.to_csv(file, index=False, quoting=csv.QUOTE_NONNUMERIC if quoted else csv.QUOTE_MINIMAL, errors="replace")


def check(frame: pd.DataFrame) -> None:
    """Raise for a frame that no file takes: two columns of a name, half a character, a secret. What ppres stores has none."""
    names = [str(name) for name in arguments.rows(frame).columns]
    if (twice := _twice(names)) is not None:
        raise ValueError(f"frame has more than one column {twice!r}")
    for name, (_, values) in zip(names, frame.items(), strict=True):
        told = values.cat.categories if values.dtype.name == "category" else values  # also those that no row has any more
        text = "\n".join({name, *(map(str, told) if _is_text(values) else ())})
        if not is_written(text):
            raise ValueError(f"the column {name!r} has half a character in it, which no file takes")
        redaction.refuse(f"the column {name!r}", text)


def _twice(names: list[str]) -> str | None:
    return next((name for name, times in Counter(names).items() if times > 1), None)


def read_csv(path: str | os.PathLike[str]) -> pd.DataFrame:
    """A frame from a file of `to_csv` or of another version, with the types that `pp.columns()` tells.

    What a spreadsheet makes of it is read as well: columns between semicolons or tabs, TRUE and FALSE, its own encodings.
    """
    place = arguments.file(path)
    raw, sign = texts_in(place)
    table = raw.map(unmark).mask(raw == "", None)
    if sign == ";":  # of a spreadsheet that writes numbers with a comma
        for name in table.columns:
            if KINDS.get(name, own_type(name)) in ("float64", "int64", "Int64", "boolean"):
                table[name] = table[name].str.replace(",", ".")
    try:
        made = typed(table)
        for name in table.columns.difference(list(KINDS)):
            if (raw[name] != "").any():
                made[name] = _own(raw[name], table[name], made[name])
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None
    return made


def _wholes(given: list[int | None]) -> pd.Series[Any]:
    """Whole numbers as a column that holds them all as they are."""
    import pandas as pd

    known = [number for number in given if number is not None]
    if all(-(2**63) <= number < 2**63 for number in known):
        whole = pd.Series(pd.array(given, dtype="Int64"))
        return whole if len(known) < len(given) else whole.astype("int64")
    signless = len(known) == len(given) and all(0 <= number < 2**64 for number in known)
    return pd.Series(given, dtype="uint64" if signless else "object")


def _own(raw: pd.Series[str], texts: pd.Series[Any], declared: pd.Series[Any]) -> pd.Series[Any]:
    """A column of one's own by its cells: numbers, truth values or times where all are, else what is `declared`, or text."""
    import pandas as pd

    name, known = str(raw.name), texts.dropna()
    if raw[raw != ""].str.fullmatch(_QUOTED).all():
        return pd.Series(_words(plain(raw.mask(raw == "", None).str[1:]), name))
    if known.str.fullmatch(_NUMBER).all():
        given = plain(texts)
        if own_type(name) != "float64" and known.str.fullmatch(_WHOLE).all():
            return _wholes([None if text is None else int(text) for text in given])
        numbers = [math.nan if text is None else float(text) for text in given]  # pandas 2 reads the last digit wrong
        if not any(math.isinf(value) and "inf" not in text for text, value in zip(given, numbers, strict=True) if text):
            return pd.Series(numbers)
    if known.isin([*_TRUTH]).all() and own_type(name) is None:
        return texts.map(_TRUTH).astype("bool" if len(known) == len(texts) else "boolean")
    if known.str.fullmatch(_TIME).all():
        with contextlib.suppress(ValueError):  # a 13th month
            return pd.to_datetime(texts, format="ISO8601")
    return declared


def texts_in(place: Path) -> tuple[pd.DataFrame, str]:
    """A CSV file as texts, "" where there is none, and the sign between its columns: as to_csv or a spreadsheet writes them.

    Raises `ValueError`, which names the file, for what is no such table.
    """
    from pandas.io.common import get_handle  # type: ignore[import-not-found]  # which unpacks by the name, as to_csv packs

    try:
        with get_handle(place, "rb", compression="infer", is_text=False) as file:
            most = max(2**28, 50 * place.stat().st_size)  # bytes: tables are packed to a tenth, and what takes all memory to less
            if len(raw := file.handle.read(most + 1)) > most:
                raise ValueError(f"it unpacks to more than {most // 2**20} MB")
        try:
            text = raw.decode("utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
        except UnicodeDecodeError:
            text = raw.decode("cp1252")  # Excel's own CSV
        sign = _sign(text)
        lines = rows_in(text, sign)
    except (*_UNPACKED, ValueError, ImportError, csv.Error) as error:
        if getattr(error, "errno", None):
            raise  # of the file itself
        raise ValueError(f"{place} is no table: {str(error).strip()}") from None
    if number := next((number for number, width in _widths(text, sign) if 0 < width < lines.shape[1]), None):
        raise ValueError(f"{place} is no table: its row {number} has fewer columns than its first")
    names = [unmark(name) for name in lines.iloc[0]]
    table = lines.iloc[1:].reset_index(drop=True)
    named = [place for place, name in enumerate(names) if name or table[place].any()]  # a spreadsheet adds columns of nothing
    names = [names[place] for place in named]
    if (twice := _twice(names)) is not None:
        raise ValueError(f"{place} has more than one column {twice!r}")
    return table[named].set_axis(names, axis=1), sign


def rows_in(text: str, sign: str = ",") -> pd.DataFrame:
    """The rows of a CSV file as texts; the first, with the names of its columns, says how many there are.

    Raises `ValueError` for what is no table, and before that is read for one that is too wide: each column takes its time.
    """
    import pandas as pd

    records = csv.reader(io.StringIO(text, newline=""), delimiter=sign)
    wide = next((len(record) for record in records if "".join(record).strip(" \t") or len(record) > 1), 0)  # as pandas skips blanks
    if wide > _COLUMNS:
        raise ValueError(f"it has {wide} columns, more than {_COLUMNS}")
    return pd.read_csv(io.StringIO(text, newline=""), sep=sign, header=None, dtype=str, keep_default_na=False)


_COLUMNS = 4096
# What is said of a packed file that is cut off, damaged or packed in another way than its name says.
_UNPACKED = (EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, tarfile.TarError)


def _sign(text: str) -> str:
    """The sign between the columns of a CSV file: a comma where that makes a table, else what the first line has most of."""
    first = text.lstrip("\r\n").partition("\n")[0]
    by_width = sorted((",", ";", "\t"), key=lambda sign: -next((width for _, width in _widths(first, sign)), 0))
    return next((sign for sign in (",", *by_width) if _is_table(text, sign)), by_width[0])


def _is_table(text: str, sign: str) -> bool:
    """Whether all rows have as many columns, and more than one."""
    width = {width for _, width in _widths(text, sign) if width}
    return len(width) == 1 and width != {1}


def _widths(text: str, sign: str) -> Iterator[tuple[int, int]]:
    """Rows by their numbers, and how many columns each has."""
    with contextlib.suppress(csv.Error):  # a text that is too long for this reader, which pandas takes
        for number, row in enumerate(csv.reader(io.StringIO(text, newline=""), delimiter=sign), start=1):
            yield number, len(row)


def _is_text(values: pd.Series[Any]) -> bool:
    return values.dtype.kind not in "biufmM" and values.dtype.name not in ("boolean", "Int64", "Float64")


def _marked(values: pd.Series[Any]) -> pd.Series[Any]:
    """A column of text as it is written."""
    told = values.astype(object)
    known = told.dropna()
    own = values.name not in KINDS and any(isinstance(value, str) for value in known)
    if own and all(_PLAIN.fullmatch(str(value)) for value in known):
        return told.map(lambda value: f"'{value}", na_action="ignore")
    return told.map(_mark, na_action="ignore")


def _times(values: pd.Series[Any]) -> pd.Series[Any]:
    """Times as they are written: whole, unlike a date that is a text."""
    return values.astype(object).map(lambda time: time.isoformat(), na_action="ignore")


def _mark(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and _MARKED.match(value) else value


def unmark(text: str) -> str:
    """A text without the apostrophe that keeps a spreadsheet from taking it for a formula."""
    return text[1:] if text.startswith("'") and _MARKED.match(text[1:]) else text


def typed(table: pd.DataFrame) -> pd.DataFrame:
    """A table with the columns of a frame in their types, whatever types it was read with; columns of your own stay as they are.

    Of a CSV read everything as text, `pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""])`: an id may look like a
    number, a label like a missing value. In frames of before `preserved01` a factor was missing where it does not apply, as `peer`
    without a peer; they get the levels that say so. Raises `ValueError` for what is no number or no truth value in a column of
    every frame; one that single scenarios have may have another type in the scenario of another session.
    """
    import pandas as pd

    old = "preserved" in table.columns and "preserved01" not in table.columns
    made = table.copy()
    for name in table.columns:
        values, kind = table[name], KINDS.get(name, own_type(name))
        if old and name in LEVELLED:
            values = values.astype(object).mask(values.isna() & _without(table, name), absent(name))
        if kind is not None:
            read = _parsed if name in KINDS else _fitted
            made[name] = pd.Series(read(plain(values), name, kind), index=table.index)
    return with_numbers(made) if old else made


def _without(table: pd.DataFrame, name: str) -> pd.Series[bool]:
    """Rows of an old frame in which a factor does not apply; in others it is missing because nobody knows it."""
    if name == "dataset":
        return table["scenario"].isin([scenario.name for scenario in SCENARIOS.values() if name not in scenario.scoped])
    return table["peer"].isna() | table["peer"].eq("stranger") | (name not in ("instantiation", "note"))


def _parsed(values: list[Any], name: str, kind: str) -> Any:
    """A column of values or of the texts that stand for them."""
    truths = _TRUTH_TOO if name in KINDS else _TRUTH
    readers: dict[str, Callable[[Any], Any]] = {"boolean": lambda value: truths[str(value)], "int64": _whole, "float64": float}
    read, parsed = readers.get(kind, str), []
    for value in values:
        try:
            parsed.append(None if value is None else read(value))
        except (KeyError, ValueError):
            told = f"the column {name!r} has {value!r}, which is not of the type {kind}"
            raise ValueError(f"{told}: what else it means needs another name") from None
    return column(parsed, name, kind)


def _whole(value: Any) -> int:
    number = float(value)
    if number % 1 or not abs(number) < 2**63:
        raise ValueError(value)
    return int(number)


def _fitted(values: list[Any], name: str, kind: str) -> Any:
    """A column that single scenarios have: of this type, or of truth values or numbers, where all are, else of text."""
    fits = [kind] if kind else ["boolean", "float64"]
    if not kind and any(isinstance(value, str) and not re.fullmatch(_NUMBER, value) for value in values):
        fits = ["boolean"]  # Python reads "007", "1_000" and "NaN" as numbers, and they are texts
    for fitting in fits:
        with contextlib.suppress(ValueError):
            return _parsed(values, name, fitting)
    return _words(values, name)


def _words(values: list[Any], name: str) -> Any:
    """A column of text; of levels where it is a factor's."""
    leveled = any(name in scenario.own_factors for scenario in SCENARIOS.values())
    return _parsed(values, name, "category" if leveled else "str")
