"""Tools: functions `(world, …) -> str`, of which signature and docstring make the JSON schema that a model is shown."""

from __future__ import annotations

import inspect
import json
import re
import typing
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass, replace
from typing import Any

Value = str | float | bool | None


class ToolError(Exception):
    """A call that a tool cannot carry out; its text is the reply that the agent reads."""


class ScenarioError(Exception):
    """A scenario's own code is wrong: a tool that fails or returns no text, a stage that is none. Mend it and run again.

    Of real models it ends the condition and model in which a tool failed, and is raised when all others are done.
    """


@dataclass(frozen=True)
class Tool:
    """A tool as the agent loop and the model see it."""

    run: Callable[..., str]
    parameters: dict[str, Any]
    """Name of each parameter -> its annotation."""
    schema: dict[str, Any]
    """OpenAI function schema."""
    optional: frozenset[str] = frozenset()
    """The parameters that a call may leave out: those with a default."""

    def takes(self, names: Set[str]) -> bool:
        """Whether a call with these arguments has all that it must have, and no other."""
        return self.parameters.keys() - self.optional <= names <= self.parameters.keys()


_JSON: dict[Any, tuple[str, dict[str, Any]]] = {
    str: ("a text", {"type": "string"}),
    float: ("a number", {"type": "number"}),
    int: ("a whole number", {"type": "integer"}),
    bool: ("true or false", {"type": "boolean"}),
    list[str]: ("a list of texts", {"type": "array", "items": {"type": "string"}}),
    list[float]: ("a list of numbers", {"type": "array", "items": {"type": "number"}}),
    list[int]: ("a list of whole numbers", {"type": "array", "items": {"type": "integer"}}),
    Value: (
        "a text, number, boolean or null",
        {"anyOf": [{"type": t} for t in ("string", "number", "boolean", "null")]},
    ),
}


def in_words(annotation: Any) -> tuple[str, dict[str, Any]]:
    """A type in words, and as a JSON schema."""
    if typing.get_origin(annotation) is typing.Literal:
        levels = typing.get_args(annotation)
        return f"one of {', '.join(levels)}", {"type": "string", "enum": list(levels)}
    return _JSON[annotation]


def fits(value: Any, annotation: Any) -> bool:
    """Whether an argument is of a parameter's type."""
    if annotation is str:  # nearly always
        return isinstance(value, str)
    if annotation in _SINGLE:
        return _SINGLE[annotation](value)
    if typing.get_origin(annotation) is typing.Literal:
        return isinstance(value, str) and value in typing.get_args(annotation)
    return isinstance(value, list) and all(map(_SINGLE[typing.get_args(annotation)[0]], value))


_NUMBER = (int, float)


def _number(value: Any) -> bool:
    # Bounded rather than finite: JSON allows integers that no float can hold.
    return isinstance(value, _NUMBER) and not isinstance(value, bool) and -1e15 < value < 1e15


_SINGLE: dict[Any, Callable[[Any], bool]] = {
    str: lambda value: isinstance(value, str),
    float: _number,
    int: lambda value: _number(value) and value == int(value),
    bool: lambda value: isinstance(value, bool),
    Value: lambda value: value is None or isinstance(value, str | bool) or _number(value),
}


def shown_value(value: Any) -> str:
    """A wrong argument as an error shows it, short whatever it is."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"  # of any depth, which json.dumps could not follow
    if isinstance(value, int) and not fits(value, Value):
        return "a number of that size"
    return json.dumps(value, ensure_ascii=False)[:80]


TOOLS: dict[str, Tool] = {}


def tool(function: Callable[..., str]) -> Callable[..., str]:
    """Register a function as one of the tools that every scenario may name."""
    TOOLS[function.__name__] = tool_of(function)
    return function


_HEADINGS = ("Args:", "Arguments:", "Parameters:")


def _told(docstring: str, parameters: Iterable[str]) -> tuple[str, dict[str, str]]:
    """What a docstring says of a tool, and of its parameters: each begins a line, "name: meaning" or "name (type): meaning"."""
    first, _, more = docstring.partition("\n\n")
    about, meanings, name, indent = [first], dict[str, str](), "", 0
    for line in more.splitlines():
        begins = re.match(r"( *)(\w+)(?: ?\([^()]*\))?: +(\S.*)", line)
        depth = len(line) - len(line.lstrip())
        if begins and begins[2] in parameters:
            name, indent = begins[2], depth
            meanings[name] = begins[3].rstrip()
        elif name and line.strip() and depth > indent:
            meanings[name] += f" {line.strip()}"
        else:
            name = ""
            about += [] if line.strip() in _HEADINGS else [line]
    return " ".join(" ".join(about).split()), meanings


def tool_of(function: Callable[..., str]) -> Tool:
    """A function of a world and arguments as a tool: annotations, docstring, and its "name: meaning" lines.

    Raises `ScenarioError` where it has no docstring, or a parameter of a type that a model could not be told.
    """
    name = getattr(function, "__name__", None)
    if not isinstance(name, str) or not name.isidentifier() or not (function.__doc__ or "").strip():
        raise ScenarioError(
            f"a tool is a function with a name and a docstring, which tells the model what it does, not {function!r}"
        )
    try:
        signature, hints = inspect.signature(function).parameters, typing.get_type_hints(function)
    except Exception as error:  # annotations are code
        raise ScenarioError(f"{name}: what it takes cannot be told: {type(error).__name__}: {error}") from error
    parameters = {parameter: hints.get(parameter) for parameter in list(signature)[1:]}
    kinds = [parameter.kind for parameter in signature.values()]
    by_name = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
    first = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
    if not {*kinds[:1]} & first or {*kinds[1:]} - by_name or inspect.iscoroutinefunction(function):
        raise ScenarioError(f"{name}: a tool takes the world first and its parameters by name, and is not async")
    for parameter, hint in parameters.items():
        literal = typing.get_origin(hint) is typing.Literal and all(isinstance(choice, str) for choice in typing.get_args(hint))
        if not literal and not any(hint == known for known in _JSON):  # it may be nothing that has a hash
            raise ScenarioError(
                f"{name}: the type of {parameter} is {hint!r}; a tool's parameters are str, float, int, bool, list[str], "
                "list[float], list[int], or Literal of texts"
            )
    about, described = _told(inspect.cleandoc(function.__doc__ or ""), parameters)
    optional = frozenset(parameter for parameter in parameters if signature[parameter].default is not inspect.Parameter.empty)
    properties = {
        parameter: in_words(hint)[1] | ({"description": described[parameter]} if parameter in described else {})
        for parameter, hint in parameters.items()
    }
    schema = {
        "type": "function",
        "function": {
            "name": name,
            "description": about,
            "parameters": {
                "type": "object",
                "properties": properties,
                "required": [parameter for parameter in parameters if parameter not in optional],
                "additionalProperties": False,
            },
        },
    }
    return Tool(function, parameters, schema, optional)


def rename(name: str, new: str) -> None:
    """Register a tool under another name as well."""
    same = TOOLS[name]
    function = same.schema["function"] | {"name": new}
    TOOLS[new] = replace(same, schema=same.schema | {"function": function})
