"""A frame as a CSV file that is safe to open in a spreadsheet, and back again as the same frame."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ppres import arguments
from ppres.condition import LEVELLED, SCENARIOS
from ppres.outputs import output, written_whole
from ppres.read.columns import KINDS, absent, column, own_type, plain, with_numbers

if TYPE_CHECKING:
    import pandas as pd

_TRUTH = {"True": True, "False": False, "TRUE": True, "FALSE": False}  # of a spreadsheet
_NUMBER = r"-?(?:inf|(?:0|[1-9]\d*)(?:\.\d+)?(?:e[-+]?\d+)?)"
# What a spreadsheet takes for a formula, and what would be read back as something else: an empty text, and our own mark.
_MARKED = re.compile(r"'*(?:[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]|$)")


def to_csv(frame: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write a frame, a row per rollout. `read_csv` gives the same frame back.

    A text that a spreadsheet would take for a formula stands behind an apostrophe there; numbers stay numbers. Raises `ValueError`
    for a place that holds a store.
    """
    place = output(path)
    texts = [name for name in arguments.rows(frame).columns if _is_text(frame[name])]
    marked = frame.assign(**{name: frame[name].astype(object).map(_mark, na_action="ignore") for name in texts})
    marked.columns = [_mark(str(name)) for name in frame.columns]
    # A carriage return alone ends a line where it is not quoted, and pandas does not quote it.
    returns = any("\r" in text for name in texts for text in set(map(str, frame[name])))
    with written_whole(place) as file:
        marked.to_csv(file, index=False, quoting=csv.QUOTE_NONNUMERIC if returns else csv.QUOTE_MINIMAL, errors="replace")


def read_csv(path: str | os.PathLike[str]) -> pd.DataFrame:
    """A frame from a file of `to_csv` or of another version, with the types that `pp.columns()` tells.

    What a spreadsheet makes of it is read as well: columns between semicolons or tabs, TRUE and FALSE, its own encodings.
    """
    import pandas as pd

    place = arguments.place(path)
    table, sign = texts_in(place)
    table = table.map(unmark).mask(table == "", None)
    if sign == ";":  # of a spreadsheet that writes numbers with a comma
        for name in table.columns:
            if KINDS.get(name, own_type(name)) in ("float64", "int64", "Int64"):
                table[name] = table[name].str.replace(",", ".")
    try:
        made = typed(table)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None
    for name in table.columns.difference(list(KINDS)):  # of your own: numbers where all are, and truth values
        known = table[name].dropna()
        if len(known) and known.str.fullmatch(_NUMBER).all():
            made[name] = pd.to_numeric(table[name])
        elif len(known) and own_type(name) is None and known.isin([*_TRUTH]).all():
            made[name] = table[name].map(_TRUTH).astype("bool" if len(known) == len(table) else "boolean")
    return made


def texts_in(place: Path) -> tuple[pd.DataFrame, str]:
    """A CSV file as texts, "" where there is none, and the sign between its columns: as to_csv or a spreadsheet writes them.

    Raises `ValueError`, which names the file, for what is no such table.
    """
    import pandas as pd
    from pandas.io.common import get_handle  # type: ignore[import-not-found]  # which unpacks by the name, as to_csv packs

    try:
        with get_handle(place, "rb", compression="infer", is_text=False) as file:
            raw = file.handle.read()
        try:
            text = raw.decode("utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
        except UnicodeDecodeError:
            text = raw.decode("cp1252")  # Excel's own CSV
        first = text.lstrip("\r\n").partition("\n")[0]
        sign = max((",", ";", "\t"), key=lambda sign: len(next(csv.reader([first], delimiter=sign), [])))
        # The first line says how many columns there are.
        lines = pd.read_csv(io.StringIO(text, newline=""), sep=sign, header=None, dtype=str, keep_default_na=False)
    except (ValueError, csv.Error) as error:
        raise ValueError(f"{place} is no table: {str(error).strip()}") from None
    with contextlib.suppress(csv.Error):  # a text that is too long for this reader; all else was an error above
        for number, row in enumerate(csv.reader(io.StringIO(text, newline=""), delimiter=sign), start=1):
            if 0 < len(row) < lines.shape[1]:
                raise ValueError(f"{place} is no table: its row {number} has fewer columns than its first")
    names = [unmark(name) for name in lines.iloc[0]]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"{place} has more than one column {twice[0]!r}")
    return lines.iloc[1:].reset_index(drop=True).set_axis(names, axis=1), sign


def _is_text(values: pd.Series[Any]) -> bool:
    return values.dtype.kind not in "biufmM" and values.dtype.name not in ("boolean", "Int64", "Float64")


def _mark(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and _MARKED.match(value) else value


def unmark(text: str) -> str:
    """A text without the apostrophe that keeps a spreadsheet from taking it for a formula."""
    return text[1:] if text.startswith("'") and _MARKED.match(text[1:]) else text


def typed(table: pd.DataFrame) -> pd.DataFrame:
    """A table with the columns of a frame in their types, whatever types it was read with; columns of your own stay as they are.

    Of a CSV read everything as text, `pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""])`: an id may look like a
    number, a label like a missing value. In frames of before `preserved01` a factor was missing where it does not apply, as `peer`
    without a peer; they get the levels that say so. Raises `ValueError` for what is no number or no truth value.
    """
    import pandas as pd

    old = "preserved" in table.columns and "preserved01" not in table.columns
    made = table.copy()
    for name in table.columns:
        values, kind = table[name], KINDS.get(name, own_type(name))
        if old and name in LEVELLED:
            values = values.astype(object).mask(values.isna() & _without(table, name), absent(name))
        if kind is not None:
            made[name] = pd.Series(_parsed(plain(values), name, kind) if kind else _guessed(plain(values), name), index=table.index)
    return with_numbers(made) if old else made


def _without(table: pd.DataFrame, name: str) -> pd.Series[bool]:
    """Rows of an old frame in which a factor does not apply; in others it is missing because nobody knows it."""
    if name == "dataset":
        return table["scenario"].isin([scenario.name for scenario in SCENARIOS.values() if name not in scenario.scoped])
    return table["peer"].isna() | table["peer"].eq("stranger") | (name not in ("instantiation", "note"))


def _parsed(values: list[Any], name: str, kind: str) -> Any:
    """A column of values or of the texts that stand for them."""
    readers: dict[str, Callable[[Any], Any]] = {"boolean": lambda value: _TRUTH[str(value)], "int64": _whole, "float64": float}
    read, parsed = readers.get(kind, str), []
    for value in values:
        try:
            parsed.append(None if value is None else read(value))
        except (KeyError, ValueError):
            raise ValueError(f"the column {name!r} has {value!r}, which is not of the type {kind}") from None
    return column(parsed, name, "Int64" if kind == "int64" and None in parsed else kind)


def _whole(value: Any) -> int:
    number = float(value)
    if number % 1:
        raise ValueError(value)
    return int(number)


def _guessed(values: list[Any], name: str) -> Any:
    """A column of truth values or numbers, where all are, else of text."""
    for kind in ("boolean", "float64"):
        with contextlib.suppress(ValueError):
            return _parsed(values, name, kind)
    return _parsed(values, name, "str")
