"""What a function is, as a hash: so that a changed tool is another cell, and a changed rule scores anew."""

from __future__ import annotations

import ast
import contextlib
import dis
import functools
import hashlib
import inspect
import json
import re
import sys
import sysconfig
import textwrap
import types
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple


def digest_of(function: Callable[..., Any], *more: str, now: bool = False, beside: Iterable[str] = ()) -> str:
    """A hash of a function's code, of the functions of one's own that it calls, and of the constants that it reads.

    Comments and layout do not count. Where the source cannot be had, the compiled code stands for it. What code itself changes, or
    code `beside` it (a counter), is no constant; and what a list, tuple, set, dictionary or object of one's own holds counts as it
    is `now`, or else as it was when it was first seen: a log or a cache grows.
    """
    changed = {*beside}
    parts = [*_parts(function, set(), changed, now)]  # whole, before what is changed is left out
    texts = [text if name is None else f"{name}={text}" for name, text in parts if name not in changed]
    return hashlib.sha256(json.dumps([*more, *texts]).encode()).hexdigest()[:12]


def changed_by(functions: Iterable[Any]) -> set[str]:
    """The names outside of them that functions change, and those of one's own that they call."""
    changed: set[str] = set()
    seen: set[int] = set()
    for function in functions:
        for _ in _parts(function, seen, changed, now=False):
            pass
    return changed


def _parts(function: Any, seen: set[int], changed: set[str], now: bool) -> Iterator[tuple[str | None, str]]:
    """The texts that make up a function, its own and those of what it uses, and of constants the names.

    `changed` gets the names that they change outside.
    """
    function = inspect.unwrap(function) if callable(function) else function
    if isinstance(function, functools.partial):
        yield None, str(_told(function.args, repr, now))
        yield None, str(_told(function.keywords, lambda held: repr(sorted(held.items())), now))
        yield from _parts(function.func, seen, changed, now)
        return
    if isinstance(function, types.MethodType):  # with what it is bound to
        held = function.__self__
        if not isinstance(held, types.ModuleType) and (constant := _constant(held, now)) is not None:
            yield None, constant
        yield from _parts(type(held) if not isinstance(held, type) else held, seen, changed, now)
        function = function.__func__
    if id(function) in seen:
        return
    seen.add(id(function))
    yield None, _source(function)
    if (code := getattr(function, "__code__", None)) is None:
        return
    names = _of_code(code)
    changed |= names.changed
    for name, value in _values(function, names):
        used = [*_functions(value, function.__module__)]
        for part in used:
            yield from _parts(part, seen, changed, now)
        if not used and (constant := _constant(value, now)) is not None:
            yield name, constant
    yield from ((None, str(_told(value, repr, now))) for value in (function.__defaults__, function.__kwdefaults__))


def _values(function: Any, names: _Names) -> Iterator[tuple[str, Any]]:
    """What a function looks up outside of itself, by name, and in modules of one's own by ".name"; not what is missing."""
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=False))
    modules = list[types.ModuleType]()
    for name in sorted(names.read | cells.keys()):
        with contextlib.suppress(ValueError, KeyError):  # a cell that is not filled yet, and what there is not
            value = cells[name].cell_contents if name in cells else function.__globals__[name]
            yield from _held(name, value, names.attributes, modules)


def _held(name: str, value: Any, attributes: frozenset[str], modules: list[types.ModuleType]) -> Iterator[tuple[str, Any]]:
    """A value by its name; of a module of one's own the attributes that code may mean, and of modules in it, each once."""
    if not (isinstance(value, types.ModuleType) and _is_ones_own(value.__name__)):
        yield name, value
    elif value not in modules:
        modules.append(value)
        for attribute in sorted(attributes & vars(value).keys()):
            yield from _held(f".{attribute}", vars(value)[attribute], attributes, modules)


def _functions(value: Any, module: str) -> Iterator[Any]:
    """Functions and classes of one's own that a value is, or has in it: of the same module, or of one that is nobody's package."""
    inside = [value]
    if isinstance(value, dict | list | tuple):
        inside = [*(value.values() if isinstance(value, dict) else value)][:_MOST]
    for used in inside:
        home = getattr(used, "__module__", None)
        if isinstance(used, types.FunctionType | type) and (home == module or _is_ones_own(home)):
            yield used


class _Names(NamedTuple):
    """What code, and functions inside it, look up outside, what they change there (".name" in anything), and their attributes."""

    read: frozenset[str]
    changed: frozenset[str]
    attributes: frozenset[str]


@functools.lru_cache(1024)
def _of_code(code: types.CodeType) -> _Names:
    read, changed, attributes = {*code.co_freevars}, set(), set()
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            read.add(step.argval)
        elif step.opname in ("STORE_GLOBAL", "DELETE_GLOBAL") or (step.opname == "STORE_DEREF" and step.argval in code.co_freevars):
            changed.add(step.argval)
        elif step.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            attributes.add(step.argval)
        elif step.opname in ("STORE_ATTR", "DELETE_ATTR"):
            changed.add(f".{step.argval}")
    for inner in (_of_code(constant) for constant in code.co_consts if isinstance(constant, types.CodeType)):
        read |= inner.read - {*code.co_cellvars}
        changed |= inner.changed - {*code.co_cellvars}
        attributes |= inner.attributes
    return _Names(frozenset(read), frozenset(changed), frozenset(attributes))


def _is_ones_own(module: str | None) -> bool:
    """Whether a module is a file of the user's, and no installed package, nor Python's."""
    known = sys.modules.get(module or "")
    file = getattr(known, "__file__", None) or next(iter(getattr(known, "__path__", ())), None)  # of a folder of modules
    return bool(file) and (module or "").partition(".")[0] != "ppres" and not _is_a_packages(str(file))


@functools.lru_cache(1024)
def _is_a_packages(file: str) -> bool:
    place = Path(file).resolve()
    return "site-packages" in place.parts or "dist-packages" in place.parts or place.is_relative_to(_PYTHON)


_PYTHON = Path(sysconfig.get_paths()["stdlib"]).resolve()
_MOST = 1000  # values of a container that are looked at
_seen: dict[int, tuple[Any, str | None]] = {}  # with what was seen, so that no other thing gets its number


def _constant(value: Any, now: bool) -> str | None:
    """A constant as text; None for what has no text that is the same in every session."""
    if isinstance(value, re.Pattern):
        return repr((value.pattern, value.flags))
    own = not isinstance(value, type) and _is_ones_own(type(value).__module__) and hasattr(value, "__dict__")
    text = (lambda held: _json(vars(held))) if own else _json
    return _told(value, text, now or not (own or isinstance(value, list | tuple | set | dict)))


def _told(value: Any, text: Callable[[Any], str | None], now: bool) -> str | None:
    """A value as text, as it is now or as it was when it was first seen."""
    if now:
        return text(value)
    if id(value) not in _seen:
        _seen[id(value)] = value, text(value)
    return _seen[id(value)][1]


def _json(value: Any) -> str | None:
    try:
        return json.dumps(sorted(value) if isinstance(value, set | frozenset) else value, sort_keys=True)
    except (TypeError, ValueError, RecursionError):
        return None


def _source(function: Any) -> str:
    """What was written, as it stood when it was first asked for: the file may change while it is executed."""
    made = getattr(function, "__code__", function if isinstance(function, type) else None)
    return str(_told(made, lambda _: _written(function), made is None))


def _written(function: Any) -> str:
    try:
        return ast.unparse(ast.parse(textwrap.dedent(inspect.getsource(function))))
    except (OSError, TypeError, SyntaxError, IndentationError):
        code = getattr(function, "__code__", None)
        if code is None and not isinstance(function, type) and _is_ones_own(type(function).__module__):
            return f"{_written(type(function))} {_json(vars(function)) if hasattr(function, '__dict__') else ''}"
        return repr(function) if code is None else _compiled(code)


def _compiled(code: types.CodeType) -> str:
    constants = [_compiled(constant) if isinstance(constant, types.CodeType) else repr(constant) for constant in code.co_consts]
    return repr((code.co_code.hex(), constants, code.co_names, code.co_varnames))
