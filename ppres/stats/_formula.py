"""What a formula says: its outcome, its right-hand side and the columns that they use.

A formula may come from a file, and patsy evaluates it as Python: nothing has a place in it but what computes, in bounded time.
"""

from __future__ import annotations

import ast
import re
from typing import Any

import numpy as np
import pandas as pd
import patsy

from ppres.stats._frame import columns_of


def parse(formula: str, frame: pd.DataFrame) -> tuple[str, str, list[str]]:
    """Outcome, right-hand side and the columns that it uses."""
    if not isinstance(formula, str):
        raise ValueError(f"the formula comes before the frame: 'preserved ~ peer_present', not a {type(formula).__name__}")
    outcome, tilde, right = (part.strip() for part in formula.partition("~"))
    if not tilde or not right:
        raise ValueError(f"{formula!r} is no formula such as 'preserved ~ peer_present + cooperativeness'")
    outcome = _unquoted(outcome)
    columns_of(frame, (), outcome)
    if re.search(rf"\*\*\s*\(?\s*\d{{{len(str(_MOST))},}}", right):
        raise ValueError(f"{formula!r}: a power is at most {_MOST - 1}")
    try:
        factors = [factor.code for term in patsy.ModelDesc.from_formula(right).rhs_termlist for factor in term.factors]
        words = [node for code in factors for node in ast.walk(ast.parse(code))]
    except (patsy.PatsyError, SyntaxError, RecursionError) as error:
        raise ValueError(f"{formula!r}: {error}") from None
    calls = [node for node in words if isinstance(node, ast.Call)]
    called = {node.func.id for node in calls if isinstance(node.func, ast.Name)}
    if "offset" in called:
        raise ValueError(f"{formula!r}: an offset has no place here; smf.glm(…, family=sm.families.Binomial(), offset=…) takes one")
    if strange := next((node for node in words if not _has_a_place(node)), None):
        what = "columns, numbers, texts, operators, functions of numpy such as np.log, and " + ", ".join(sorted(_CALLED))
        raise ValueError(f"{formula!r}: {ast.unparse(strange) or 'a sign of it'} has no place in a formula: there are {what}")
    names = {node.id for node in words if isinstance(node, ast.Name)}
    quoted = {ast.literal_eval(node.args[0]) for node in calls if ast.unparse(node.func) == "Q" and len(node.args) == 1}
    if unknown := names - called - set(frame.columns) - {"np", *_CALLED}:
        raise KeyError(f"the frame has no column {', '.join(sorted(unknown))}; it has {', '.join(map(str, frame.columns))}")
    used = [name for name in frame.columns if name in names - called or name in quoted]
    columns_of(frame, (), *used)
    return outcome, right, used


_CALLED = {
    *("C", "Q", "I", "Treatment", "Sum", "Helmert", "Poly", "Diff", "center", "scale", "standardize", "bs", "cr", "cc", "te", "abs")
}
_OF_NUMPY = {name for name, function in vars(np).items() if isinstance(function, np.ufunc)} | {"where", "clip", "round", "pi", "e"}
_COMPUTES = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Mod, ast.FloorDiv, ast.Pow, ast.BitAnd, ast.BitOr)
_FITS = (
    *(ast.Module, ast.Expr, ast.Name, ast.Constant, ast.List, ast.Tuple, ast.keyword, ast.UnaryOp, ast.BoolOp, ast.Compare),
    *(*_COMPUTES, ast.expr_context, ast.unaryop, ast.boolop, ast.cmpop),
)
_MOST = 100  # of a power, and of what a spline is told: larger numbers of numbers have no end
_SPLINES = ("bs", "cr", "cc", "te")


def _has_a_place(node: ast.AST) -> bool:
    """Whether a part of a formula only computes with columns, in bounded time."""
    if isinstance(node, ast.Call):
        return _is_called(node, ast.unparse(node.func))
    if isinstance(node, ast.Attribute):
        return isinstance(node.value, ast.Name) and node.value.id == "np" and node.attr in _OF_NUMPY
    if isinstance(node, ast.BinOp):
        sides: list[Any] = [side.value if isinstance(side, ast.Constant) else side for side in (node.left, node.right)]
        if any(isinstance(side, str | bytes | ast.List | ast.Tuple) for side in sides):
            return False  # times a number it is as long as that
        powers = sum(isinstance(part, ast.Pow) for part in ast.walk(node))  # a power of a power has digits without end
        return not isinstance(node.op, ast.Pow) or (powers == 1 and isinstance(sides[1], int | float) and sides[1] <= _MOST)
    return isinstance(node, _FITS)


def _is_called(node: ast.Call, name: str) -> bool:
    """Whether it is a function of those that there are, and a spline told no number that makes it large."""
    if name == "Q":
        return len(node.args) == 1 and isinstance(node.args[0], ast.Constant)
    if name in _SPLINES:
        told = [*node.args[1:], *(given.value for given in node.keywords)]
        return not any(isinstance(part, ast.BinOp) or _number(part) > _MOST for value in told for part in ast.walk(value))
    return isinstance(node.func, ast.Attribute) or (isinstance(node.func, ast.Name) and name in _CALLED)


def _number(node: ast.AST) -> float:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, int | float) else 0


def _unquoted(outcome: str) -> str:
    """The column of `Q("a name with spaces")`."""
    try:
        tree = ast.parse(outcome, mode="eval").body
    except (SyntaxError, RecursionError):
        return outcome
    quoted = isinstance(tree, ast.Call) and ast.unparse(tree.func) == "Q" and len(tree.args) == 1
    return str(ast.literal_eval(tree.args[0])) if quoted and isinstance(tree, ast.Call) else outcome
