"""What a function is, as a hash: so that a changed tool is another cell, and a changed rule scores anew."""

from __future__ import annotations

import contextlib
import dis
import functools
import hashlib
import itertools
import json
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ppres.scenarios.constants import (
    as_seen,
    constant_of,
    fields_of,
    from_its_folder,
    full_name,
    is_code,
    is_named_otherwise,
    keywords,
    orders,
    shown,
    text_of,
)
from ppres.scenarios.source import lookups, normalised, plainly_set, source_of
from ppres.scenarios.values import is_object, is_ones_own, own_module, state_of

_Texts = Iterator[tuple[str | None, str]]
_Value = tuple[str, Any, str | None]
_MOST = 1000  # values that are looked at for code in them


def digest_of(function: Callable[..., Any], *more: str, now: bool = False, beside: Iterable[str] = ()) -> str:
    """A hash of a function's code, of the functions of one's own that it calls, and of the constants that it reads.

    Comments and layout do not count. Where the source cannot be had, the compiled code stands for it. What code itself changes, or
    code `beside` it (a counter), is no constant; and what a list, tuple, set, dictionary or object of one's own holds counts as it
    is `now`, or else as it was when it was first seen: a log or a cache grows.
    """
    changed = {*beside}
    parts = [*_parts(function, set(), changed, now)]  # whole, before what is changed is left out
    texts = [text if name is None else f"{name.removeprefix('self')}={text}" for name, text in parts if name not in changed]
    return hashlib.sha256(json.dumps([*more, *texts]).encode()).hexdigest()[:12]


def changed_by(functions: Iterable[Any]) -> set[str]:
    """The names outside of them that functions change, and those of one's own that they call."""
    changed: set[str] = set()
    seen: set[int] = set()
    for function in functions:
        for _ in _parts(function, seen, changed, now=False):
            pass
    return changed


def _parts(function: Any, seen: set[int], changed: set[str], now: bool, inside: bool = False) -> _Texts:
    """The texts that make up a function or class, its own (but for one `inside` a class, whose text has it) and those of what it
    uses, and of constants the names.

    `changed` gets the names that they change outside.
    """
    if isinstance(function, functools.partial | _OfAPackage):
        yield from _of_partial(function, seen, changed, now)
        return
    if isinstance(function, types.MethodType):  # with what it is bound to
        held = function.__self__
        if not isinstance(held, types.ModuleType) and (constant := constant_of(held, now)) is not None:
            yield None, constant
        yield from _parts(type(held) if not isinstance(held, type) else held, seen, changed, now)
        function = function.__func__
    *around, wrapped = _layers(function)
    if id(wrapped) not in seen:
        seen.add(id(wrapped))
        if not inside:
            yield None, _source(wrapped)
        if isinstance(wrapped, type):
            yield from _of_class(wrapped, seen, changed, now)
        elif hasattr(wrapped, "__code__"):
            yield from _uses(wrapped, seen, changed, now)
        elif is_object(wrapped):
            yield from _parts(type(wrapped), seen, changed, now)
    for layer in around:  # what one's own decorators put around it
        if isinstance(layer, types.FunctionType) and is_ones_own(layer.__globals__.get("__name__")) and id(layer) not in seen:
            seen.add(id(layer))
            yield None, _source(layer)
            yield from _uses(layer, seen, changed, now)
        for registered in vars(layer).get("registry", {}).values():  # of functools.singledispatch
            yield from _parts(registered, seen, changed, now)


def _of_partial(given: functools.partial[Any] | _OfAPackage, seen: set[int], changed: set[str], now: bool) -> _Texts:
    """The texts of a partial function: of what it is given, and of what it calls."""
    made, own = (given.partial, []) if isinstance(given, _OfAPackage) else (given, [given.func])
    yield None, as_seen(made.args, shown, now)
    yield None, as_seen(made.keywords, keywords, now)
    if not own:
        yield None, full_name(made.func)
    for part in (*own, *_code_in([made.args, made.keywords], getattr(made.func, "__module__", ""))):
        yield from _parts(part, seen, changed, now)


def _layers(function: Any) -> list[Any]:
    """What was put around a function, from outside, and at last itself."""
    layers = [function]
    while (inner := getattr(layers[-1], "__dict__", {}).get("__wrapped__")) is not None and len(layers) < _MOST:
        layers.append(inner)
    return layers


def _uses(function: Any, seen: set[int], changed: set[str], now: bool) -> _Texts:
    """The texts of what a function reads outside of itself."""
    names = _of_code(function.__code__)
    changed |= names.changed
    for name, value, file in _values(function, names):
        code = _code_in(value, function.__module__)
        for part in code:
            yield from _parts(part, seen, changed, now)
        if not is_code(value) and (constant := constant_of(value, now, file)) is not None:
            yield name, constant
        elif not code and is_named_otherwise(value, name.removeprefix(".")):
            yield name, full_name(value)
        if isinstance(value, dict | list | tuple) and (told := as_seen(value, orders, now)):
            deep = lookups(_source(function), name.removeprefix("."))
            yield from ((name, json.dumps(keys)) for depth, keys in told if depth >= deep)
    for defaults in (function.__defaults__, function.__kwdefaults__):
        for part in _code_in(defaults, function.__module__):
            yield from _parts(part, seen, changed, now)
        file = function.__globals__.get("__file__")
        yield None, from_its_folder(as_seen(defaults, shown, now, file), file)


def _of_class(made: type, seen: set[int], changed: set[str], now: bool) -> _Texts:
    """The texts of what a class takes over, and of what its methods use; its own text has their code."""
    for base in made.__bases__:
        if is_ones_own(base.__module__) or base.__module__ == made.__module__:
            yield from _parts(base, seen, changed, now)
    written = _source(made) != repr(made)  # that of a class in a notebook cannot be had, and its methods stand for it
    told = plainly_set(_source(made)) if written else frozenset()
    file = getattr(sys.modules.get(made.__module__), "__file__", None)
    for name, value in sorted(vars(made).items()):
        behind = (value.fget, value.fset, value.fdel) if isinstance(value, property) else (getattr(value, "__func__", value),)
        for part in (getattr(part, "func", part) for part in behind):  # of a cached property
            for code in _code_in(part, made.__module__):
                if getattr(getattr(code, "__code__", None), "co_filename", "") != "<string>":  # of a dataclass: Python wrote it
                    inside = written and getattr(code, "__qualname__", "").startswith(f"{made.__qualname__}.")
                    yield from _parts(code, seen, changed, now, inside)
            if (
                not (name.startswith("_" if written else "__") or is_code(part))
                and (constant := constant_of(part, now, file)) is not None
            ):
                yield f"self.{name}" if name in told else f".{name}", constant
    for name, field in () if written else fields_of(made):
        if (factory := field.default_factory) and (code := _code_in(factory, made.__module__)):
            yield from _parts(code[0], seen, changed, now)
        elif isinstance(factory, type | types.FunctionType):
            yield f".{name}", full_name(factory)
        elif getattr(made, name, None) is not field.default and (constant := constant_of(field.default, now)) is not None:
            yield f".{name}", constant


def _values(function: Any, names: _Names) -> Iterator[_Value]:
    """What a function looks up outside of itself, by name, and in modules of one's own by ".name"; not what is missing.

    With each the file of the module that has it.
    """
    file = function.__globals__.get("__file__")
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=False))
    modules = list[types.ModuleType]()
    for name in sorted(names.read | cells.keys()):
        with contextlib.suppress(ValueError, KeyError):  # a cell that is not filled yet, and what there is not
            value = cells[name].cell_contents if name in cells else function.__globals__[name]
            yield from _held(name, value, file, names.attributes, modules)
    for name in sorted(names.imported):  # by the function itself
        if (module := own_module(name)) is not None:
            yield from _held(name, module, file, names.attributes, modules)


def _held(name: str, value: Any, file: str | None, attributes: frozenset[str], modules: list[types.ModuleType]) -> Iterator[_Value]:
    """A value by its name; of a module of one's own the attributes that code may mean, and of modules in it, each once."""
    if not (isinstance(value, types.ModuleType) and is_ones_own(value.__name__)):
        yield name, value, file
    elif value not in modules:
        modules.append(value)
        for attribute in sorted(attributes & vars(value).keys()):
            yield from _held(f".{attribute}", vars(value)[attribute], getattr(value, "__file__", None), attributes, modules)


def _code_in(value: Any, module: str) -> list[Any]:
    """Functions and classes of one's own that a value is, or has in it: of the same module, or of one that is nobody's package."""
    code: list[Any] = []
    todo, seen = [value], {id(value)}
    while todo and len(seen) < _MOST:
        part = todo.pop()
        inside: Iterable[Any] = ()
        if isinstance(part, Mapping | list | tuple | set | frozenset):
            inside = [*(part.values() if isinstance(part, Mapping) else part), getattr(part, "default_factory", None)]
        if is_code(part):
            homes = [getattr(of, "__module__", None) for of in (getattr(part, "func", part), type(getattr(part, "__self__", None)))]
            if module in homes or any(map(is_ones_own, homes)):
                code.append(part)
            elif isinstance(part, functools.partial):
                code.append(_OfAPackage(part))
        elif is_object(part) or type(part).__module__ == module:
            code.append(type(part))
            inside = [*inside, *state_of(part).values()]
        new = [held for held in inside if id(held) not in seen]
        seen.update(map(id, new))
        todo += reversed(new)
    return code


class _OfAPackage(NamedTuple):
    """A partial function of an installed one, whose code does not count."""

    partial: functools.partial[Any]


class _Names(NamedTuple):
    """What code, and functions inside it, look up outside, change there, have as attributes, and import.

    An attribute that is changed is ".name", as it may be a module's or a class's, unless it is one of `self`, which is the
    object's own; and "self.name" in either case.
    """

    read: frozenset[str]
    changed: frozenset[str]
    attributes: frozenset[str]
    imported: frozenset[str]


@functools.lru_cache(1024)
def _of_code(code: types.CodeType) -> _Names:
    read, changed, attributes, imported = {*code.co_freevars}, set(), set(), set()
    steps = [step for step in dis.get_instructions(code) if step.opname != "EXTENDED_ARG"]
    for at, step in enumerate(steps):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            read.add(step.argval)
        elif step.opname in ("STORE_GLOBAL", "DELETE_GLOBAL") or (step.opname == "STORE_DEREF" and step.argval in code.co_freevars):
            changed.add(step.argval)
        elif step.opname == "IMPORT_NAME":
            imported.add(step.argval)
        elif step.opname in ("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR", "IMPORT_FROM"):
            attributes.add(step.argval)
        elif step.opname in ("STORE_ATTR", "DELETE_ATTR"):
            changed |= {f"self.{step.argval}", *(() if _is_of_self(steps[:at], step.argval) else (f".{step.argval}",))}
    for inner in (_of_code(constant) for constant in code.co_consts if isinstance(constant, types.CodeType)):
        read |= inner.read - {*code.co_cellvars}
        changed |= inner.changed - {*code.co_cellvars}
        attributes |= inner.attributes
        imported |= inner.imported
    return _Names(*map(frozenset, (read, changed, attributes, imported)))


def _is_of_self(before: list[dis.Instruction], attribute: str) -> bool:
    """Whether an attribute that is set or deleted after these steps is one of `self`."""
    if before[-1].opname == "SWAP":  # `+=`: the object was put on the stack twice, before the old value was read
        pairs = list(itertools.pairwise(before))
        before = before[
            : max((at for at, (one, two) in enumerate(pairs) if (one.opname, two.argval) == ("COPY", attribute)), default=1)
        ]
    loaded = before[-1].argval if before[-1].opname.startswith(("LOAD_FAST", "LOAD_DEREF", "STORE_FAST_LOAD")) else None
    return (loaded[-1] if isinstance(loaded, tuple) else loaded) == "self"


def _source(function: Any) -> str:
    """What was written, as it stood when it was first asked for: the file may change while it is executed."""
    made = getattr(function, "__code__", function)
    return as_seen(made, _written, not isinstance(made, types.CodeType | type))


def _written(made: Any) -> str:
    """The source of code or a class; of an object that can be called that of its class, and what it holds.

    Where a file was edited since what runs was read from it, compiled code stands for the source, and its methods for a class.
    """
    try:
        return normalised(source_of(made))
    except (OSError, TypeError, SyntaxError, IndentationError):
        if isinstance(made, types.CodeType):
            return _compiled(made)
        return f"{_written(type(made))} {text_of(made) or ''}" if is_object(made) else repr(made)


def _compiled(code: types.CodeType) -> str:
    constants = [_compiled(constant) if isinstance(constant, types.CodeType) else repr(constant) for constant in code.co_consts]
    return repr((code.co_code.hex(), constants, code.co_names, code.co_varnames))
