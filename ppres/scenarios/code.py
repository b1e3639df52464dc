"""What a function is, as a hash: so that a changed tool is another cell, and a changed rule scores anew."""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import json
import textwrap
import types
from collections.abc import Callable
from typing import Any


def digest_of(function: Callable[..., Any], *more: str) -> str:
    """A hash of a function's code, of the functions beside it that it calls, and of the constants that it reads.

    Comments and layout do not count. Where the source cannot be had, the compiled code stands for it.
    """
    return hashlib.sha256(json.dumps([*more, *_parts(function, set())]).encode()).hexdigest()[:12]


def _parts(function: Any, seen: set[int]) -> list[str]:
    """The texts that make up a function: its own, and those of what it uses from its own module."""
    function = inspect.unwrap(function) if callable(function) else function
    if isinstance(function, functools.partial):
        return [repr(function.args), repr(sorted(function.keywords.items())), *_parts(function.func, seen)]
    if id(function) in seen:
        return []
    seen.add(id(function))
    parts = [_source(function)]
    code = getattr(function, "__code__", None)
    if code is None:
        return parts
    inside = dict(zip(code.co_freevars, (cell.cell_contents for cell in function.__closure__ or ()), strict=False))
    for name in _names(code):
        value = inside[name] if name in inside else function.__globals__.get(name, _Nothing)
        if isinstance(value, types.FunctionType | type) and getattr(value, "__module__", None) == function.__module__:
            parts += _parts(value, seen)
        elif (constant := _constant(value)) is not None:
            parts.append(f"{name}={constant}")
    parts += [repr(function.__defaults__), repr(function.__kwdefaults__)]
    return parts


class _Nothing:
    """There is no such name."""


def _names(code: types.CodeType) -> list[str]:
    """Names that the code looks up outside, those of functions inside it as well."""
    inner = [name for constant in code.co_consts if isinstance(constant, types.CodeType) for name in _names(constant)]
    return sorted({*code.co_names, *code.co_freevars, *inner})


def _constant(value: Any) -> str | None:
    """A constant as text; None for what has no text that is the same in every session."""
    try:
        return json.dumps(sorted(value) if isinstance(value, set | frozenset) else value, sort_keys=True)
    except (TypeError, ValueError, RecursionError):
        return None


def _source(function: Any) -> str:
    try:
        return ast.unparse(ast.parse(textwrap.dedent(inspect.getsource(function))))
    except (OSError, TypeError, SyntaxError, IndentationError):
        code = getattr(function, "__code__", None)
        return repr(function) if code is None else _compiled(code)


def _compiled(code: types.CodeType) -> str:
    constants = [_compiled(constant) if isinstance(constant, types.CodeType) else repr(constant) for constant in code.co_consts]
    return repr((code.co_code.hex(), constants, code.co_names, code.co_varnames))
