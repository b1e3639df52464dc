"""A study as one page: a table of rollouts to filter, sort and search, their transcripts, and the rates of what is selected."""

from __future__ import annotations

import json
import math
import os
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ppres import arguments, codec
from ppres.conversation import visible
from ppres.form import FORM
from ppres.read.columns import TYPES, columns, plain
from ppres.read.csv import check
from ppres.read.page import template, write_page
from ppres.read.stored import transcripts
from ppres.read.view import View
from ppres.simulated.agent import NOTICE, SIMULATED
from ppres.store.database import StorePath

if TYPE_CHECKING:
    import pandas as pd

# Shown at first where they vary, around the factors that do, with columns of the user's own; the others are there to choose.
_BEFORE, _AFTER = ("model", "kind", "edit", "preserved"), ("refused", "objected", "faked", "suspected_test", "missing", "turns")
_NEVER = ("id", "cell", "preserved01")
_EXACT = 2**53  # up to which a browser tells whole numbers apart


def browse(frame: pd.DataFrame, path: str | os.PathLike[str], *, title: str = "Rollouts", store: StorePath = None) -> Path:
    """Write a frame's rollouts as one HTML file that needs no server and no network; returns its place.

    The page has the frame as a table to filter by every factor and outcome, to sort and to search, the rates of what is selected
    with Wilson's intervals, and every transcript, to which `#id` behind the file's address leads. Columns of your own are in it
    like all others. Raises `ValueError` for a frame without ids or with one twice, `StoreError` for a rollout that is not stored.
    """
    check(arguments.rows(frame, "id"))
    arguments.text("title", title)
    if frame["id"].isna().any() or frame["id"].duplicated().any():
        raise ValueError("browse takes a frame with a row per rollout, each with an id of its own in the column 'id'")
    pieces: dict[str, int] = {}
    rollouts = []
    for content in transcripts(frame["id"], store=store):
        view = View(content)
        rollouts.append([pieces.setdefault(piece, len(pieces)) for piece in [view.head(), *view.pieces()]])
    values = {name: [_value(value) for value in plain(frame[name])] for name in frame if name not in _NEVER}
    same = {name: told[0] for name, told in values.items() if len({*map(repr, told)}) == 1}
    known = [f"{name}={visible(codec.text(value))}" for name, value in same.items() if value is not None]
    simulated = "source" in frame and bool(frame["source"].isin(SIMULATED).any())
    body = template("browse").format(
        title=escape(title),
        note=f'<p class="note"><b>{escape(NOTICE)}</b></p>' if simulated else "",
        same=f"<details><summary>The same in all rows ({len(known)})</summary>{escape(', '.join(known))}</details>"
        if known
        else "",
    )
    about = columns().set_index("column")["meaning"].to_dict()
    told = [_column(frame[name], values[name], about.get(name, "")) for name in values if name not in same]
    told.sort(key=lambda column: (not column["shown"], _place(column["name"])))
    data = {"ids": [str(id) for id in frame["id"]], "columns": told, "pieces": list(pieces), "rollouts": rollouts}
    return write_page(path, "browse", title, body, data)


def _column(values: pd.Series[Any], told: list[Any], about: str) -> dict[str, Any]:
    """A column as the page has it."""
    levelled, name = values.dtype.name == "category", str(values.name)
    return {
        "name": name,
        "about": about,
        "order": [_value(level) for level in values.cat.categories] if levelled else [],
        "shown": (levelled and name not in FORM) or name in _BEFORE + _AFTER or not about,
        "rate": {type(value) for value in told} - {type(None)} == {bool} and name not in TYPES,
        "values": told,
    }


def _place(name: str) -> int:
    return _BEFORE.index(name) if name in _BEFORE else len(_BEFORE) + 1 + _AFTER.index(name) if name in _AFTER else len(_BEFORE)


def _value(value: Any) -> Any:
    """A cell as JSON that a browser reads; None where it is missing."""
    if isinstance(value, list | dict | tuple):
        return json.dumps(value, default=str)
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float):
        return None if math.isnan(value) else value if math.isfinite(value) else str(value)
    exact = isinstance(value, bool | str | None) or (isinstance(value, int) and abs(value) <= _EXACT)
    return value if exact else visible(str(value))
