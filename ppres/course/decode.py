"""What a submission has sent, as data: with this it meets the grader's own process, which no clock and no limit ends.

So everything is bounded before it is made: members of a list, names, tables. Names and the cells of a table are texts and numbers,
of which pandas makes no levels and numpy no shape.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pandas as pd

from ppres.course.check import answers

MANY = 1_000  # members: of numbers that are looked up at one place, and of what else a rule may do, the time is the square
ODD = "sent the grader what no exercise sends"


class Ended(BaseException):
    """The submission's process is no more, or is ended for what it sent. No rule may take it for a wrong answer."""


class Decoder:
    """What `inside.encode` has encoded, of one line; `call` is given the number of a function, and what it is called with."""

    def __init__(self, call: Callable[..., Any]):
        self._call, self._room = call, MANY  # for tables and their columns

    def decode(self, value: Any) -> Any:
        """One value, with what is in it."""
        if _plain(value):
            return value
        if not isinstance(value, dict):
            raise Ended(ODD)
        ((kind, what), *rest) = value.items()
        if kind == "series":
            self._tables([what])
            return pd.Series(_cells(what), self._names(_few(_values(rest[0][1]))))
        if kind == "frame":
            self._tables(what)
            columns, rows = dict(enumerate(_cells(column) for _, column in what)), _values(rest[0][1])
            index = self._names(rows) if len(rows) <= MANY else None  # names of rows are asked for where they are few
            return pd.DataFrame(columns, index).set_axis(self._names([name for name, _ in what]), axis=1)
        if kind in ("mapping", "record"):
            pairs = {_name(self.decode(key)): self.decode(member) for key, member in _few(what)}
            return pairs if kind == "mapping" else SimpleNamespace(**pairs)
        if kind in ("tuple", "list", "set"):
            members = (self.decode(member) for member in _few(what))
            return {*map(_name, members)} if kind == "set" else tuple(members) if kind == "tuple" else [*members]
        if kind == "large":
            raise answers.Wrong(f"it has {what} characters, which is more than is handed in: fewer rows will do")
        stand_in: dict[str, Any] = {"function": functools.partial(self._call, what), "ellipsis": ...}
        return stand_in.get(kind, SimpleNamespace(unknown=what))

    def _tables(self, columns: list[Any]) -> None:
        self._room -= 1 + len(_few(columns))
        if self._room < 0:
            raise answers.Wrong(f"it has more than {MANY} tables and columns; no exercise asks for so many")

    def _names(self, told: list[Any]) -> Any:
        return pd.Index([_name(self.decode(name)) for name in told], tupleize_cols=False)


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float)


def _name(value: Any) -> Any:
    """What it is looked up by: a tuple, as pandas has them where there are levels, is a text here."""
    return value if _plain(value) else str(value)[:100]


def _values(column: Any) -> list[Any]:
    """A column or an index: each value was sent, because pandas repeats a single one for every row."""
    values = column.get("list") if isinstance(column, dict) else None
    if not isinstance(values, list):
        raise Ended(ODD)
    return values


def _cells(column: Any) -> list[Any]:
    return [value if _plain(value) else SimpleNamespace(unknown=str(value)[:100]) for value in _values(column)]


def _few(members: Any) -> Any:
    if len(members) > MANY:
        raise answers.Wrong(f"it has {len(members)} names or members; no exercise asks for more than {MANY}")
    return members
