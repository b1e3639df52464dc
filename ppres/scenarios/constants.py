"""What a value is, as a text that is the same in every session: the constants that code reads."""

from __future__ import annotations

import contextlib
import functools
import json
import linecache
import re
import sys
import types
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from ppres.scenarios.values import all_in, hashes, is_object, is_tangled, plain, state_of, tangled

_seen: dict[tuple[int, Any], tuple[Any, Any]] = {}  # with what was seen, so that no other thing gets its number


def constant_of(value: Any, now: bool, file: str | None = None) -> str | None:
    """A constant of a module's file as text; None for what has no text that is the same in every session."""
    if isinstance(value, re.Pattern):
        return from_its_folder(repr((value.pattern, value.flags)), file)
    grows = is_object(value) or isinstance(value, list | tuple | set | dict)
    told = as_seen(value, text_of, now or not grows, file)
    return told and from_its_folder(told, file)


T = TypeVar("T")


def as_seen(value: Any, text: Callable[..., T], now: bool, *file: str | None) -> T:
    """A value as text, as it is now or as it was when it was first seen, in that file."""
    if now:
        return text(value, *file)
    key = id(value), text
    if key not in _seen:
        _seen[key] = value, text(value, *file)
    told: T = _seen[key][1]
    return told


def text_of(value: Any, file: str | None = None) -> str | None:
    """A value as text; None for what has none that is the same in every session, and for code and modules, which are told apart."""
    if is_code(value) or isinstance(value, types.ModuleType) or isinstance(getattr(value, "__self__", 0), types.ModuleType):
        return None
    held = vars(value) if is_object(value) and hasattr(value, "__dict__") else value
    with contextlib.suppress(TypeError, ValueError):
        if is_tangled(value):
            return tangled(value, lambda text: from_its_folder(text, file))
    with contextlib.suppress(TypeError, ValueError):
        return json.dumps(sorted(held) if isinstance(held, set | frozenset) else held, sort_keys=True)
    with contextlib.suppress(TypeError, ValueError):
        return json.dumps(plain(value))
    return None


def orders(value: Any) -> list[tuple[int, list[str]]]:
    """The keys of dictionaries in a value in their order, where it is none that is known without, and how deep these are in it."""
    if not is_tangled(value):
        return _orders(value, 0, ())
    told, todo, seen = hashes(all_in(value)), [value], dict[int, Any]()
    while todo:
        part = todo.pop()
        if isinstance(part, dict | list | tuple) and id(part) not in seen:
            seen[id(part)] = part
            todo += part.values() if isinstance(part, dict) else part
    keys = [[told.get(id(key)) or text_of(key) or "" for key in part] for part in seen.values() if isinstance(part, dict)]
    return [(sys.maxsize, each) for each in keys if each != sorted(each)]  # on some path it is as deep as any


def _orders(value: Any, depth: int, within: tuple[int, ...]) -> list[tuple[int, list[str]]]:
    if not isinstance(value, dict | list | tuple) or id(value) in within:
        return []
    keys = [text_of(key) or "" for key in value] if isinstance(value, dict) else []
    inside = value.values() if isinstance(value, dict) else value
    inner = [part for part in inside if isinstance(part, dict | list | tuple)]
    below = [found for part in inner for found in _orders(part, depth + 1, (*within, id(value)))]
    return [(depth, keys), *below] if keys != sorted(keys) else below


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


def shown(value: Any, file: str | None = None) -> str:
    """Defaults and the like, without addresses, and the same in every session."""
    told = "" if is_tangled(value) else repr(value)
    return told if told and " at 0x" not in told and not _has_a_set(value) else text_of(value, file) or ""


def _has_a_set(value: Any) -> bool:
    """Whether a set of several is in a value, at most ten deep: what it shows of itself has another order in each session."""
    level, seen = [value], {id(value)}
    for _ in range(11):
        if any(isinstance(part, set | frozenset) and len(part) > 1 for part in level):
            return True
        inside = [held for part in level for held in _shows(part)]
        level = [*{id(part): part for part in inside if id(part) not in seen}.values()]
        seen.update(map(id, level))
    return False


def _shows(value: Any) -> Iterable[Any]:
    held = value if isinstance(value, list | tuple) else value.values() if isinstance(value, dict) else ()
    return state_of(value).values() if is_object(value) else held


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
