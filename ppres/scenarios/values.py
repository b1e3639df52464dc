"""What a value has in it, and what it is as JSON, in time that grows with what there is in it alone."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import functools
import hashlib
import importlib.util
import json
import operator
import re
import statistics
import string
import sys
import sysconfig
import textwrap
import types
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import Path, PurePath
from typing import Any
from uuid import UUID

_Apart = tuple[Collection[Any], Callable[[Any, list[Any]], Any]]
_Placed = Callable[[str], str]
_PATHS, _DEEPEST, _STEPS = 150_000, 200, 10  # what is written out in any case, and how deep; how far a hash of a part sees


def is_ones_own(module: str | None) -> bool:
    """Whether a module is a file of the user's, and no installed package, nor Python's."""
    known = sys.modules.get(module or "")
    if module == "__main__" and not hasattr(known, "__file__"):  # of a notebook
        return True
    file = getattr(known, "__file__", None) or next(iter(getattr(known, "__path__", ())), None)  # of a folder of modules
    return bool(file) and (module or "").partition(".")[0] != "ppres" and not _is_a_packages(str(file))


def own_module(name: str) -> types.ModuleType | None:
    """A module by its name, if it is a file of the user's; imported, since what it holds counts before it is first used as well."""
    with contextlib.suppress(Exception):  # a relative one, one that there is not, or that fails: where it is used, Python tells
        found = importlib.util.find_spec(name)
        if found and found.origin and name.partition(".")[0] != "ppres" and not _is_a_packages(found.origin):
            return importlib.import_module(name)
    return None


@functools.lru_cache(1024)
def _is_a_packages(file: str) -> bool:
    place = Path(file).resolve()
    return "site-packages" in place.parts or "dist-packages" in place.parts or place.is_relative_to(_PYTHON)


_PYTHON = Path(sysconfig.get_paths()["stdlib"]).resolve()


def is_object(value: Any) -> bool:
    """Whether it is of a class of one's own."""
    return not isinstance(value, type) and is_ones_own(type(value).__module__)


def state_of(value: Any) -> dict[str, Any]:
    """What an object holds."""
    slots = [name for made in type(value).__mro__ for name in _names(made.__dict__.get("__slots__", ()))]
    return {**getattr(value, "__dict__", {}), **{name: getattr(value, name) for name in slots if hasattr(value, name)}}


def _names(slots: Any) -> Iterable[str]:
    return [slots] if isinstance(slots, str) else [name for name in slots if name not in ("__dict__", "__weakref__")]


def plain(value: Any, within: tuple[int, ...] = ()) -> Any:
    """A value as JSON, also what JSON does not know in it. Raises `TypeError` for what is not the same in every session."""
    if _is_plain(value) or id(value) in within:
        return value if _is_plain(value) else "..."
    inside, form = _apart(value)
    within, told = (*within, id(value)), []
    for part in inside:
        try:
            told.append(plain(part, within))
        except TypeError:
            told.append(_unknown(part))  # the rest counts
    return form(value, told)


def is_tangled(value: Any) -> bool:
    """Whether what is in it is met on so many paths, or so deep, that it cannot be written out: objects that know each other."""
    return _left(value, set(), _PATHS) < 0 and _left(value, set(), 10 * sum(len(inside) for _, (inside, _) in all_in(value))) < 0


def tangled(value: Any, placed: _Placed) -> str:
    """A tangled value as text, which `placed` makes the same in another folder."""
    met = all_in(value)
    told, each, once = hashes(met, placed), list[str](), set[str]()
    for part, _ in met:
        if isinstance(part, tuple | frozenset | bytes):  # Python itself may make one of two that are equal
            once.add(told[id(part)])
        else:
            each.append(told[id(part)])
    return json.dumps([told[id(value)], sorted(once), sorted(each)])


def hashes(met: list[tuple[Any, _Apart]], placed: _Placed = str) -> dict[int, str]:
    """All that is in a value, each as a hash of what it is and of what is in it, some steps far: what is farther has its own hash.

    They are no numbers in the order in which it is met, since a set of objects has another one in each session.
    """
    told = {id(part): "" for part, _ in met}
    for _ in range(_STEPS):
        before, told = told, {}
        for part, (inside, form) in met:
            text = json.dumps(form(part, [held if _is_plain(held) else before[id(held)] for held in inside]))
            told[id(part)] = hashlib.sha256(placed(text).encode()).hexdigest()[:16]
        if len({*told.values()}) == len({*before.values()}):  # a further step tells no more of them apart
            break
    return told


def _left(value: Any, within: set[int], most: int) -> int:
    """How many more values may be met, of so many, after those that are in a value, on every path; below 0 for too many."""
    try:
        inside, _ = _apart(value)
    except TypeError:
        return most
    most = most - len(inside) if len(within) < _DEEPEST else -1
    within.add(id(value))
    for part in inside:
        if most >= 0 and type(part) not in _PLAIN and id(part) not in within:
            most = _left(part, within, most)
    within.discard(id(value))
    return most


def all_in(value: Any) -> list[tuple[Any, _Apart]]:
    """All that is in a value, each once, and what it is made of."""
    met: dict[int, tuple[Any, _Apart]] = {}
    todo = [value]
    while todo:
        part = todo.pop()
        if not _is_plain(part) and id(part) not in met:
            try:
                met[id(part)] = part, _apart(part)
            except TypeError:
                met[id(part)] = part, ((), lambda value, _: _unknown(value))
            todo += met[id(part)][1][0]
    return [*met.values()]


_PLAIN = (str, int, float, bool, types.NoneType)


def _is_plain(value: Any) -> bool:
    return type(value) in _PLAIN


def _unknown(value: Any) -> str:
    return f"<{type(value).__qualname__}>"


def _apart(value: Any) -> _Apart:
    """What a value has in it, and how it is put together, as JSON, of these as JSON. Raises `TypeError` as `plain` does."""
    for kinds, inside, form in _FORMS:
        if isinstance(value, kinds):
            return inside(value), form
    kind = type(value)  # a mock has whatever it is asked for, and its class has not
    if hasattr(kind, "to_numpy") and hasattr(kind, "index"):  # of pandas
        columns = value.items() if hasattr(value, "columns") else [(value.name, value)]
        flat = [part for name, column in columns for part in (name, column.to_numpy())]
        return [value.index.to_numpy(), *flat], lambda _, told: [told[0], *_pairs(told[1:])]
    if hasattr(kind, "dtype") and hasattr(kind, "tobytes"):  # of numpy
        about = [str(value.dtype), [*value.shape]]
        if value.dtype.hasobject:
            return [value.tolist()], lambda _, told: [*about, *told]
        return [], lambda value, _: [*about, hashlib.sha256(value.tobytes()).hexdigest()]
    if is_object(value) or isinstance(value, _STATED):
        return _items(state_of(value)), lambda value, told: [type(value).__qualname__, _sorted(told)]
    raise TypeError(f"a {type(value).__qualname__} has no text")


def _items(value: Mapping[Any, Any]) -> list[Any]:
    return [part for pair in value.items() for part in pair]


def _pairs(told: list[Any]) -> list[list[Any]]:
    return [[*pair] for pair in zip(told[::2], told[1::2], strict=True)]


def _sorted(told: list[Any]) -> list[list[Any]]:
    return sorted(_pairs(told), key=json.dumps)


_SHOWN = (
    *(datetime.date, datetime.time, datetime.timedelta, datetime.tzinfo, Decimal, Fraction, PurePath, UUID, range, complex),
    *(operator.attrgetter, operator.itemgetter, operator.methodcaller),
)
_STATED = (types.SimpleNamespace, argparse.Namespace, string.Template, textwrap.TextWrapper, statistics.NormalDist)
_FORMS: tuple[tuple[Any, Callable[[Any], Collection[Any]], Callable[[Any, list[Any]], Any]], ...] = (
    ((list, tuple, deque), lambda value: value, lambda value, told: told),
    ((dict, Mapping), _items, lambda value, told: _sorted(told)),
    ((set, frozenset), lambda value: value, lambda value, told: sorted(told, key=json.dumps)),
    (Enum, lambda value: [value.value], lambda value, told: [type(value).__qualname__, value.name, *told]),
    (re.Pattern, lambda value: [value.pattern], lambda value, told: [*told, value.flags]),
    ((bytes, bytearray), lambda value: (), lambda value, told: value.hex()),
    (_SHOWN, lambda value: (), lambda value, told: repr(value)),
    # code in it is told apart
    ((types.FunctionType, types.MethodType, type, types.ModuleType), lambda value: (), lambda value, told: value.__name__),
    # a method that is not Python's code, such as a pattern's `search`, or a function, such as `math.sqrt`
    (types.BuiltinMethodType, lambda value: [value.__self__], lambda value, told: [value.__qualname__, *told]),
)
