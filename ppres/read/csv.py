"""A frame as a CSV file that is safe to open in a spreadsheet, and back again as the same frame."""

from __future__ import annotations

import csv
import os
import re
from typing import TYPE_CHECKING, Any

from ppres import arguments
from ppres.outputs import output, written_whole
from ppres.read.columns import KINDS, typed

if TYPE_CHECKING:
    import pandas as pd

_NUMBER = r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:e[-+]?\d+)?"
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
    returns = any("\r" in str(text) for name in texts for text in frame[name].unique())
    with written_whole(place) as file:
        marked.to_csv(file, index=False, quoting=csv.QUOTE_NONNUMERIC if returns else csv.QUOTE_MINIMAL, errors="replace")


def read_csv(path: str | os.PathLike[str]) -> pd.DataFrame:
    """A frame from a file of `to_csv` or of another version, with the types that `pp.columns()` tells."""
    import pandas as pd

    table = pd.read_csv(arguments.place(path), dtype=str, keep_default_na=False, na_values=[""])
    table.columns = [unmark(name) for name in table.columns]
    made = typed(table.map(lambda text: unmark(text) if isinstance(text, str) else text))
    for name in table.columns.difference(list(KINDS)):  # of your own: numbers where all are
        known = table[name].dropna()
        if len(known) and known.str.fullmatch(_NUMBER).all():
            made[name] = pd.to_numeric(table[name])
    return made


def _is_text(values: pd.Series[Any]) -> bool:
    return values.dtype.kind not in "biufmM" and values.dtype.name not in ("boolean", "Int64", "Float64")


def _mark(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and _MARKED.match(value) else value


def unmark(text: str) -> str:
    """A text without the apostrophe that keeps a spreadsheet from taking it for a formula."""
    return text[1:] if text.startswith("'") and _MARKED.match(text[1:]) else text
