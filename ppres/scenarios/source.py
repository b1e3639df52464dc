"""What was written, as a text that is the same in every version of Python: comments and layout do not count."""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
import os
import sys
import textwrap
import types
import warnings
from typing import Any

_QUOTES = ("'", '"', '"""', "'''")


def normalised(source: str) -> str:
    """Source code as `ast.unparse` writes it, and f-strings as it does in Python 3.11: later versions write these otherwise, and
    what was made under one of them would not be found under another."""
    return ast.unparse(_FStrings().visit(ast.parse(textwrap.dedent(source))))


def source_of(made: Any) -> str:
    """What was written of code or a class. Raises `OSError` where there is no source, or none any more of what runs."""
    source = inspect.getsource(made)
    parts = [made] if isinstance(made, types.CodeType) else [*vars(made).values()]
    for part in parts:
        code = getattr(getattr(part, "fget", None) or getattr(part, "__func__", part), "__code__", part)
        if isinstance(code, types.CodeType) and os.path.isfile(code.co_filename) and not _is_as_written(code):
            warnings.warn(
                f"{code.co_filename} was edited since {code.co_qualname} was read from it, which runs as it was: restart, or "
                "reload the module, to run what the file says",
                stacklevel=2,
            )
            raise OSError(f"{code.co_filename} no longer has what runs")
    return source


def _is_as_written(code: types.CodeType) -> bool:
    """Whether the file of some code has it still, at its place."""
    if any(name.startswith("@") for name in code.co_names):  # pytest has rewritten its asserts
        return True
    try:
        now = _read("".join(linecache.getlines(code.co_filename)), code.co_filename)
    except SyntaxError:  # in the midst of an edit
        return False
    return any(_does(there) == _does(code) for there in now.get((code.co_qualname, code.co_firstlineno), []))


@functools.lru_cache(64)
def _read(text: str, file: str) -> dict[tuple[str, int], list[types.CodeType]]:
    """The code of a file, by name and first line, which lambdas may share."""
    todo = [compile(text, file, "exec", dont_inherit=True)]
    known: dict[tuple[str, int], list[types.CodeType]] = {}
    while todo:
        code = todo.pop()
        known.setdefault((code.co_qualname, code.co_firstlineno), []).append(code)
        todo += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return known


def _does(code: types.CodeType) -> list[Any]:
    """All of code but where it stands."""
    return [code.co_code, code.co_names, code.co_varnames, code.co_freevars, *map(_constant, code.co_consts)]


def _constant(value: Any) -> Any:
    if isinstance(value, types.CodeType):
        return _does(value)
    return sorted(map(repr, value)) if isinstance(value, frozenset) else repr(value)  # a set has an order of its own


def plainly_set(source: str) -> set[str]:
    """The names that a class sets to what its source alone tells."""
    body = getattr(ast.parse(source).body[0], "body", [])
    names = set[str]()
    for part in body:
        if isinstance(part, ast.Assign | ast.AnnAssign) and not any(
            isinstance(of, ast.Name) for of in ast.walk(part.value or part)
        ):
            targets = part.targets if isinstance(part, ast.Assign) else [part.target]
            names |= {of.id for target in targets for of in ast.walk(target) if isinstance(of, ast.Name)}
    return names


@functools.lru_cache(1024)
def lookups(source: str, name: str) -> int:
    """How often in a row, at least, what a name holds is looked up in wherever source has it: twice in `TABLE[a].get(b)`.

    Dictionaries above that are not listed, and their order does not count.
    """
    try:
        nodes = [*ast.walk(ast.parse(source))]
    except SyntaxError:  # it is no source but what stands for it
        return 0
    above = {id(inner): node for node in nodes for inner in ast.iter_child_nodes(node)}
    named = [node for node in nodes if name in (getattr(node, "id", ""), getattr(node, "attr", ""))]
    imported = any(isinstance(node, ast.alias) and name in (node.name, node.asname) for node in nodes)
    return 0 if imported else min((_depth(node, above) for node in named), default=0)


def _depth(node: ast.AST, above: dict[int, ast.AST]) -> int:
    depth = 0
    while up := above.get(id(node)):
        call = above.get(id(up))
        if isinstance(up, ast.Subscript) and up.value is node:
            node = up
        elif isinstance(up, ast.Attribute) and up.attr == "get" and isinstance(call, ast.Call) and call.func is up:
            node = call
        else:
            contains = (
                isinstance(up, ast.Compare) and up.left is not node and all(isinstance(how, ast.In | ast.NotIn) for how in up.ops)
            )
            counts = isinstance(up, ast.Call) and getattr(up.func, "id", "") in ("len", "sorted", "set") and not up.keywords
            return sys.maxsize if contains or counts else depth
        depth += 1
    return depth


class _FStrings(ast.NodeTransformer):
    """Puts a name in the place of each f-string, which is the text to be written for it."""

    within = False  # an f-string, whose inner texts have no escapes where there is a way without

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.Name:
        parts = [(self._part(part), isinstance(part, ast.Constant)) for part in node.values]
        return ast.Name("f" + _quoted([("".join(text for text, _ in parts), False)] if self.within else parts))

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        if not (self.within and isinstance(node.value, str)):
            return node
        return ast.Name((node.kind or "") + _quoted([(node.value, False)]))

    def _part(self, part: ast.expr) -> str:
        if isinstance(part, ast.Constant):
            return str(part.value).replace("{", "{{").replace("}", "}}")
        if isinstance(part, ast.JoinedStr):  # a format
            return "".join(map(self._part, part.values))
        assert isinstance(part, ast.FormattedValue)
        outer, self.within = self.within, True
        inner = self.visit(part.value)
        self.within = outer
        text = ast.unparse(inner)
        if isinstance(inner, ast.IfExp | ast.Lambda):
            text = f"({text})"
        conversion = f"!{chr(part.conversion)}" if part.conversion != -1 else ""
        form = f":{self._part(part.format_spec)}" if part.format_spec else ""
        return "{" + " " * text.startswith("{") + text + conversion + form + "}"


def _quoted(parts: list[tuple[str, bool]]) -> str:
    """Texts, and whether line breaks and tabs are escaped in each, as one literal: in the first quotes that are in none of them."""
    quotes, written = [*_QUOTES], list[str]()
    for text, escapes in parts:
        kept = "" if escapes else "\n\t"
        told = "".join(sign if sign in kept or (sign.isprintable() and sign != "\\") else _escaped(sign) for sign in text)
        fit = [quote for quote in quotes if quote not in told and (len(quote) == 3 or "\n" not in told)]
        if fit:
            quotes = sorted(fit, key=lambda quote: told.endswith(quote[0]))
            if told.endswith(quotes[0][0]):  # it would be one of the three at the end
                told = f"{told[:-1]}\\{told[-1]}"
        else:
            own = repr(text)[0]
            quotes, told = [quote for quote in quotes if own in quote][:1], repr(text)[1:-1]
            if not quotes:  # none will do: all in these
                return "'''" + "".join(repr(f'"{text}')[2:-1] for text, _ in parts) + "'''"
        written.append(told)
    return quotes[0] + "".join(written) + quotes[0]


def _escaped(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")
