"""What a value is, as a text that is the same in every session: the constants that code reads."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import functools
import hashlib
import importlib.util
import json
import linecache
import operator
import re
import statistics
import string
import sys
import sysconfig
import textwrap
import types
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import Path, PurePath
from typing import Any, TypeVar
from uuid import UUID


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
_seen: dict[tuple[int, Any], tuple[Any, Any]] = {}  # with what was seen, so that no other thing gets its number


def constant_of(value: Any, now: bool) -> str | None:
    """A constant as text; None for what has no text that is the same in every session."""
    if isinstance(value, re.Pattern):
        return repr((value.pattern, value.flags))
    grows = is_object(value) or isinstance(value, list | tuple | set | dict)
    return as_seen(value, text_of, now or not grows)


T = TypeVar("T")


def as_seen(value: Any, text: Callable[[Any], T], now: bool) -> T:
    """A value as text, as it is now or as it was when it was first seen."""
    if now:
        return text(value)
    key = id(value), text
    if key not in _seen:
        _seen[key] = value, text(value)
    told: T = _seen[key][1]
    return told


def text_of(value: Any) -> str | None:
    """A value as text; None for what has none that is the same in every session, and for code and modules, which are told apart."""
    if is_code(value) or isinstance(value, types.ModuleType) or isinstance(getattr(value, "__self__", 0), types.ModuleType):
        return None
    held = vars(value) if is_object(value) and hasattr(value, "__dict__") else value
    with contextlib.suppress(TypeError, ValueError, RecursionError):
        return json.dumps(sorted(held) if isinstance(held, set | frozenset) else held, sort_keys=True)
    with contextlib.suppress(TypeError, ValueError, RecursionError):
        return json.dumps(_plain(value, ()))
    return None


def orders(value: Any, depth: int = 0, within: tuple[int, ...] = ()) -> list[tuple[int, list[str]]]:
    """The keys of dictionaries in a value in their order, where it is none that is known without, and how deep these are in it."""
    if not isinstance(value, dict | list | tuple) or id(value) in within:
        return []
    keys = [text_of(key) or "" for key in value] if isinstance(value, dict) else []
    inside = value.values() if isinstance(value, dict) else value
    inner = [part for part in inside if isinstance(part, dict | list | tuple)]
    below = [found for part in inner for found in orders(part, depth + 1, (*within, id(value)))]
    return [(depth, keys), *below] if keys != sorted(keys) else below


def _plain(value: Any, within: tuple[int, ...]) -> Any:
    """A value as JSON, also what JSON does not know in it. Raises `TypeError` for what is not the same in every session."""
    if value is None or type(value) in (str, int, float, bool) or id(value) in within:
        return "..." if id(value) in within else value

    def inner(part: Any) -> Any:
        try:
            return _plain(part, (*within, id(value)))
        except TypeError:
            return f"<{type(part).__qualname__}>"  # the rest counts

    for kinds, form in _FORMS:
        if isinstance(value, kinds):
            return form(value, inner)
    if hasattr(value, "to_numpy") and hasattr(value, "index"):  # of pandas
        columns = value.items() if hasattr(value, "columns") else [(value.name, value)]
        return [inner(value.index.to_numpy()), *([inner(name), inner(column.to_numpy())] for name, column in columns)]
    if hasattr(value, "dtype") and hasattr(value, "tobytes"):  # of numpy
        told = inner(value.tolist()) if value.dtype.hasobject else hashlib.sha256(value.tobytes()).hexdigest()
        return [str(value.dtype), [*value.shape], told]
    if is_object(value) or isinstance(value, _STATED):
        return [type(value).__qualname__, inner(state_of(value))]
    raise TypeError(f"a {type(value).__qualname__} has no text")


def _bound(value: Any, inner: _Inner) -> Any:
    """A method that is not Python's code, such as a pattern's `search`, or a function, such as `math.sqrt`."""
    return [value.__qualname__, inner(value.__self__)]


_Inner = Callable[[Any], Any]
_SHOWN = (
    *(datetime.date, datetime.time, datetime.timedelta, datetime.tzinfo, Decimal, Fraction, PurePath, UUID, range, complex),
    *(operator.attrgetter, operator.itemgetter, operator.methodcaller),
)
_STATED = (types.SimpleNamespace, argparse.Namespace, string.Template, textwrap.TextWrapper, statistics.NormalDist)
_FORMS: tuple[tuple[Any, Callable[[Any, _Inner], Any]], ...] = (
    (Mapping, lambda value, inner: sorted(([inner(key), inner(held)] for key, held in value.items()), key=json.dumps)),
    ((list, tuple, deque), lambda value, inner: [*map(inner, value)]),
    ((set, frozenset), lambda value, inner: sorted(map(inner, value), key=json.dumps)),
    (Enum, lambda value, inner: [type(value).__qualname__, value.name, inner(value.value)]),
    (re.Pattern, lambda value, inner: [inner(value.pattern), value.flags]),
    ((bytes, bytearray), lambda value, inner: value.hex()),
    (_SHOWN, lambda value, inner: repr(value)),
    (
        (types.FunctionType, types.MethodType, type, types.ModuleType),
        lambda value, inner: value.__name__,
    ),  # their code is told apart
    (types.BuiltinMethodType, _bound),
)


def from_its_folder(text: str, file: str | None) -> str:
    """A constant as text, with paths below the folder of the module's file as from there: another checkout is no other code."""
    folder = _folder(file) if file else None
    return folder.sub("__file__/..", text) if folder else text


@functools.lru_cache(1024)
def _folder(file: str) -> re.Pattern[str] | None:
    """What finds the folder of a file where a path begins with it; None where the file itself names it (`/app`, of a world)."""
    source = "".join(linecache.getlines(file))
    folders = {str(path.parent) for path in (Path(file).absolute(), Path(file).resolve()) if path.parent.name}
    forms = {form for folder in folders if folder not in source for form in (folder, json.dumps(folder)[1:-1])}
    return re.compile(rf"""(?<=["'])(?:{"|".join(map(re.escape, sorted(forms)))})(?=[/\\"'])""") if forms else None


def shown(value: Any) -> str:
    """Defaults and the like, without addresses, and the same in every session."""
    told = repr(value)
    return (text_of(value) or "") if " at 0x" in told or _has_a_set(value) else told


def _has_a_set(value: Any, depth: int = 0) -> bool:
    """Whether a set of several is in a value: what it shows of itself has another order in each session."""
    if isinstance(value, set | frozenset):
        return len(value) > 1
    held = value if isinstance(value, list | tuple) else [*value.values()] if isinstance(value, dict) else []
    held = [*state_of(value).values()] if is_object(value) else held
    return depth < 10 and any(_has_a_set(part, depth + 1) for part in held)


def keywords(given: dict[str, Any]) -> str:
    """What a partial function is given by name."""
    return shown(sorted(given.items()))


def is_code(value: Any) -> bool:
    """Whether it is something to call that Python code makes, and no object with a state."""
    plain = isinstance(value, types.FunctionType | types.MethodType | type | functools.partial)
    return plain or (callable(value) and "__wrapped__" in getattr(value, "__dict__", {}))


def is_named_otherwise(value: Any, name: str) -> bool:
    """Whether it is a function or class by another name than its own (`from statistics import mean as middle`)."""
    return isinstance(value, types.FunctionType | types.MethodType | types.BuiltinFunctionType | type) and value.__name__ != name


def full_name(function: Any) -> str:
    """Which one of an installed package it is."""
    home = (getattr(function, "__module__", None) or "").partition(".")[0].lstrip("_")  # what is inside differs by version
    return f"{home}.{getattr(function, '__qualname__', type(function).__qualname__)}"


def fields_of(made: type) -> list[tuple[str, Any]]:
    """The fields of a data class, or of a model of pydantic's, by name."""
    return [field for kind in ("__dataclass_fields__", "__pydantic_fields__") for field in vars(made).get(kind, {}).items()]


def is_object(value: Any) -> bool:
    """Whether it is of a class of one's own."""
    return not isinstance(value, type) and is_ones_own(type(value).__module__)


def state_of(value: Any) -> dict[str, Any]:
    """What an object holds."""
    slots = [name for made in type(value).__mro__ for name in _names(made.__dict__.get("__slots__", ()))]
    return {**getattr(value, "__dict__", {}), **{name: getattr(value, name) for name in slots if hasattr(value, name)}}


def _names(slots: Any) -> Iterable[str]:
    return [slots] if isinstance(slots, str) else [name for name in slots if name not in ("__dict__", "__weakref__")]
