"""The shape of a registration's record: a file that anybody may have edited, and that is read long after it was written."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ppres.factor import brief, is_written
from ppres.study.hypothesis import StudyError, Test


class _Kind(NamedTuple):
    """What stands in one place."""

    words: str
    fits: Callable[[Any], bool]


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


_TEXT = _Kind("a text", lambda value: isinstance(value, str))
_TEXT_OR_NONE = _Kind("a text or null", lambda value: isinstance(value, str | None))
_COUNT = _Kind("a whole number", _whole)
_POSITIVE = _Kind("a whole number above 0", lambda value: _whole(value) and value > 0)
_SHARE = _Kind("a number from 0 to 1", _share)
_HASH = _Kind("64 hexadecimal digits", lambda value: isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None)
_LEVEL = _Kind("a text, a number, true, false or null", lambda value: not isinstance(value, dict | list))
_ANY = _Kind("anything", lambda value: True)
_OTHERS = "…"  # all names that are not given by themselves
_DEEPEST = 100  # levels of a nest; what takes Python's stack to its end is read in one place and not in the next

_TEST = {
    "statistic": _TEXT,
    "arguments": {_OTHERS: _ANY},
    "expect": _TEXT,
    "term": _TEXT_OR_NONE,
    "where": {_OTHERS: _ANY},
}
_CELL = {
    "digest": _HASH,
    "name": _TEXT,
    "condition": {"scenario": _TEXT, _OTHERS: _ANY},
    "model": _TEXT,
    "source": _TEXT,
    "sent": {_OTHERS: _ANY},
}
_RECORD = {
    "name": _TEXT,
    "format": _COUNT,
    "hypotheses": {_OTHERS: _TEXT},
    "tests": {_OTHERS: _TEST},
    "alpha": _SHARE,
    "n": _POSITIVE,
    "until": _TEXT_OR_NONE,
    "exclusions": {_OTHERS: {_OTHERS: _ANY}},
    "cells": [_CELL],
    "shared": {_OTHERS: _ANY},
    "texts": {_OTHERS: _TEXT},
    "confounds": [{"tests": [_TEXT], "confound": _TEXT, "arms": {_OTHERS: _LEVEL}, "acknowledged": _TEXT_OR_NONE}],
    "created": _TEXT,
    "made_by": {_OTHERS: _LEVEL},
    "scorers": {_OTHERS: _TEXT},
    "made_before": _COUNT,
    "power": [{"power": _SHARE, "reps": _POSITIVE, _OTHERS: _LEVEL}],
    "sha256": _TEXT,
}


def check(record: Any) -> None:
    """Raise `StudyError`, which names the field, for what is no record. Fields that a later version adds may be there."""
    _check_plain(record, "")
    _check(record, _RECORD, "")
    for name, test in record["tests"].items():
        try:
            Test.of(test)
        except (ValueError, TypeError, AttributeError) as error:  # of weights that are no pairs
            raise StudyError(f"its field tests.{name} is no test: {error}") from None
    for name in ("tests", "cells"):
        if not record[name]:
            raise StudyError(f"its field {name} is empty")
    if lost := record["tests"].keys() ^ record["hypotheses"].keys():
        raise StudyError(f"its fields tests and hypotheses do not go together: {min(lost)!r} is in one of them alone")


def _check(value: Any, shape: Any, place: str) -> None:
    if isinstance(shape, _Kind):
        if not shape.fits(value):
            raise StudyError(f"its field {place} is {shape.words}, not {brief(value)}")
        return
    kind, words = (dict, "names with values") if isinstance(shape, Mapping) else (list, "a list")
    if not isinstance(value, kind):
        raise StudyError(f"{_its(place)} is {words}, not {brief(value)}")
    if isinstance(value, list):
        for i, item in enumerate(value):
            _check(item, shape[0], f"{place}[{i}]")
        return
    inside = f"{place}." if place else ""
    for name in shape.keys() - {_OTHERS} - value.keys():
        raise StudyError(f"its field {inside}{name} is missing")
    for name, item in value.items():
        _check(item, shape.get(name, shape.get(_OTHERS, _ANY)), inside + name)


def _check_plain(value: Any, place: str, depth: int = 0) -> None:
    """JSON has no Infinity, and no file half of a character, though Python's JSON reads both."""
    if depth > _DEEPEST:
        raise StudyError(f"its field {re.split('[.[]', place, maxsplit=1)[0]} nests more than {_DEEPEST} levels")
    if isinstance(value, float) and not math.isfinite(value):
        raise StudyError(f"{_its(place)} holds {value}, which is no number of JSON")
    for text in value if isinstance(value, dict) else [value]:
        if isinstance(text, str) and not is_written(text):
            raise StudyError(f"{_its(place)} holds half of a character: {brief(text)}")
    if isinstance(value, dict):
        for name, item in value.items():
            _check_plain(item, f"{place}.{name}" if place else name, depth + 1)
    elif isinstance(value, list):
        for i, item in enumerate(value):
            _check_plain(item, f"{place}[{i}]", depth + 1)


def _its(place: str) -> str:
    return f"its field {place}" if place else "its content"
