"""JSON of any depth, and with whole numbers of any length: Python's own gives up at 1,000 levels and at 4,300 digits."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

_write = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode  # what holds itself is too deep for it
_AT_ONCE = 600  # digits of a whole number: fewer than the least that Python can be told to give up at
_LONGEST = 20_000  # digits of a whole number: the time that it takes grows with their square
_DEEPEST = 1_000_000  # levels
VALUES = 4_000_000  # of a text: in memory each takes a hundred bytes, where the text may have two of it
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)  # or what begins one: nothing is looked at twice
_TOKEN = re.compile(r'[\s,:]*(?:([\[{\]}])|(-?\d+)(?![\d.eE])|("[^"\\]*(?:\\.[^"\\]*)*"|[^\s,:\[\]{}"]+))')


def dumps(value: Any) -> str:
    """A value as JSON, without spaces. Raises `TypeError` for what is no JSON, `ValueError` for what holds itself."""
    try:
        return _write(value)
    except (RecursionError, ValueError):  # it is too deep, or a number is too long
        return "".join(_pieces(value))


def loads(text: str | bytes) -> Any:
    """A value from its JSON. Raises `ValueError` for what is none, or has values without bound."""
    check(text)
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except (RecursionError, ValueError):
        return _grown(text if isinstance(text, str) else text.decode())


def check(text: str | bytes, most: int = VALUES, signs: str = ",[{") -> None:
    """Raise `ValueError` for a text with more values than any record has: what it takes in memory is many times its length.

    With "{" for `signs`, more objects.
    """
    if len(text) > most:
        told = text if isinstance(text, str) else text.decode("latin-1")
        if _count(told, signs) > most and _count(_STRING.sub("", told), signs) > most:
            raise ValueError(f"it has more than {most:,} {'objects' if signs == '{' else 'values'}")


def _count(text: str, signs: str) -> int:
    """How many it has at most: each value but the first stands behind a comma, or is the first in brackets."""
    empty = text.count("[]") + text.count("{}") if "," in signs else 0
    return sum(map(text.count, signs)) - empty


def text(value: Any) -> str:
    """A value in words, as `str` has it, or as JSON where that gives up as well."""
    try:
        return str(value)
    except (RecursionError, ValueError):
        return dumps(value)


def _pieces(value: Any) -> Iterator[str]:
    """Its JSON, found without a call for each level."""
    levels: list[tuple[str, Iterator[tuple[str, Any]], int]] = [("", iter([("", value)]), 0)]
    around: set[int] = set()  # what the value that is written stands in
    while levels:
        end, items, itself = levels[-1]
        before, item = next(items, ("", _END))
        yield before
        if item is _END:
            yield end
            levels.pop()
            around.discard(itself)
        elif isinstance(item, dict | list | tuple):
            if id(item) in around or len(levels) > _DEEPEST:
                raise ValueError("a value holds itself, or has a million levels")
            around.add(id(item))
            start, end, inside = ("{", "}", _named(item)) if isinstance(item, dict) else ("[", "]", _listed(item))
            yield start
            levels.append((end, inside, id(item)))
        else:
            yield _digits(item) if isinstance(item, int) and not isinstance(item, bool) else _write(item)


_END = object()
_TOO_LONG = f"a whole number has more than {_LONGEST:,} digits"


def _named(item: dict[Any, Any]) -> Iterator[tuple[str, Any]]:
    for i, (name, value) in enumerate(item.items()):
        yield f"{',' if i else ''}{_write(name if isinstance(name, str) else _write(name))}:", value


def _listed(items: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    for i, item in enumerate(items):
        yield "," if i else "", item


def _grown(text: str) -> Any:
    """A value from its JSON, token by token."""
    levels: list[Any] = [[]]
    names: list[str | None] = [None]
    place = 0
    while match := _TOKEN.match(text, place):
        bracket, number, word = match.groups()
        place = match.end()
        if bracket in ("]", "}"):
            value = levels.pop()
            names.pop()
        elif bracket:
            levels.append([] if bracket == "[" else {})
            names.append(None)
            if len(levels) > _DEEPEST:
                break
            continue
        else:
            value = _whole(number) if number else json.loads(word)
        if not levels:
            break
        if isinstance(levels[-1], list):
            levels[-1].append(value)
        elif names[-1] is None and isinstance(value, str):
            names[-1] = value
        elif names[-1] is None:
            break
        else:
            levels[-1][names[-1]], names[-1] = value, None
    if len(levels) != 1 or len(levels[0]) != 1 or text[place:].strip():
        raise ValueError("the JSON ends in its middle, or goes on after its end")
    return levels[0][0]


def _digits(number: int) -> str:
    if number.bit_length() > 10 * _LONGEST // 3:
        raise ValueError(_TOO_LONG)
    parts, rest = [], abs(number)
    while True:
        rest, part = divmod(rest, 10**_AT_ONCE)
        if not rest:
            break
        parts.append(str(part).zfill(_AT_ONCE))
    return "-" * (number < 0) + str(part) + "".join(reversed(parts))


def _whole(digits: str) -> int:
    if len(digits) > _LONGEST:
        raise ValueError(_TOO_LONG)
    number, unsigned = 0, digits.removeprefix("-")
    for start in range(0, len(unsigned), _AT_ONCE):
        part = unsigned[start : start + _AT_ONCE]
        number = number * 10 ** len(part) + int(part)
    return -number if digits[0] == "-" else number
