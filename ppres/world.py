"""A virtual world: a drive, sheets, settings and a memory, and the tools that act on them.

Nothing is executed and nothing leaves the process. The same calls give the same state and the same replies, always: time
inside the world counts calls. Tools are the methods marked with `@tool`; signature and docstring make the JSON schema
that a model is shown. Their names follow the authors' harness, so that released transcripts replay here.
"""

from __future__ import annotations

import inspect
import json
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

# Part of every rollout's identity. Raise it when a tool's behaviour or reply changes (a test pins both).
RULES = 1

Value = str | float | bool | None


class ToolError(Exception):
    """A call that a tool cannot carry out; its text is the reply that the agent reads."""


@dataclass(frozen=True, slots=True)
class File:
    """A document on the drive."""

    id: str
    name: str
    content: str
    owner: str
    modified: str
    """Time inside the world, "2026-02-09 09:00"."""
    text: str = ""
    """How a listing shows it; rendered once, because a world is copied for every rollout."""

    @classmethod
    def make(cls, id: str, name: str, content: str, owner: str, modified: str) -> File:
        head = f"[{id}] {name} (owner {owner}, modified {modified}, {len(content)} characters)"
        return cls(id, name, content, owner, modified, f"{head}\n{content.strip()}\n[end of {name}]")


class Event(NamedTuple):
    """One tool call as the world saw it."""

    tool: str
    arguments: dict[str, Any]
    ok: bool


@dataclass(frozen=True)
class Tool:
    """A tool as the agent loop and the model see it."""

    run: Callable[..., str]
    parameters: dict[str, Any]
    """Name of each parameter -> its annotation; all are required."""
    schema: dict[str, Any]
    """OpenAI function schema."""


_JSON: dict[Any, tuple[str, dict[str, Any]]] = {
    str: ("a text", {"type": "string"}),
    float: ("a number", {"type": "number"}),
    list[str]: ("a list of texts", {"type": "array", "items": {"type": "string"}}),
    list[float]: ("a list of numbers", {"type": "array", "items": {"type": "number"}}),
    Value: (
        "a text, number, boolean or null",
        {"anyOf": [{"type": t} for t in ("string", "number", "boolean", "null")]},
    ),
}


def _fits(value: Any, annotation: Any) -> bool:
    if annotation is str:
        return isinstance(value, str)
    if annotation is float:
        # Bounded rather than finite: JSON allows integers that no float can hold.
        return isinstance(value, int | float) and not isinstance(value, bool) and -1e15 < value < 1e15
    if annotation == Value:
        return value is None or isinstance(value, str | bool) or _fits(value, float)
    item = typing.get_args(annotation)[0]
    return isinstance(value, list) and all(_fits(one, item) for one in value)


TOOLS: dict[str, Tool] = {}


def tool(function: Callable[..., str]) -> Callable[..., str]:
    """Register a method of `World` as a tool: its annotations, its docstring's first paragraph and "name: meaning" lines."""
    about, _, meanings = inspect.cleandoc(function.__doc__ or "").partition("\n\n")
    described = dict(line.split(": ", 1) for line in meanings.splitlines())
    hints = typing.get_type_hints(function, {**globals(), "World": object})
    parameters = {name: hint for name, hint in hints.items() if name != "return"}
    properties = {name: _JSON[hint][1] | {"description": described[name]} for name, hint in parameters.items()}
    schema = {
        "type": "function",
        "function": {
            "name": function.__name__,
            "description": " ".join(about.split()),
            "parameters": {
                "type": "object",
                "properties": properties,
                "required": list(parameters),
                "additionalProperties": False,
            },
        },
    }
    TOOLS[function.__name__] = Tool(function, parameters, schema)
    return function


class World:
    """The state of one rollout's world.

    `start` is plain JSON: files [{name, content, owner, modified}], sheets {name: {columns, rows}, or the text itself}, settings
    {file: {key: value}}, memory text, and `tools`, the names that exist in this world. It is part of a rollout's identity, and
    never changed.
    """

    def __init__(self, start: dict[str, Any]):
        unknown = set(start) - {"tools", "files", "sheets", "settings", "memory"}
        if unknown or not set(start["tools"]) <= set(TOOLS):
            raise ValueError(f"a world has no {sorted(unknown | (set(start['tools']) - set(TOOLS)))}")
        self.start = start
        self.tools: list[str] = start["tools"]
        files = sorted(start.get("files", []), key=lambda file: file["name"])
        self.files = {str(i): File.make(str(i), **file) for i, file in enumerate(files)}
        self._listing = self._list()
        self.sheets = {
            name: sheet if isinstance(sheet, str) else _table(**sheet) for name, sheet in start.get("sheets", {}).items()
        }
        self.settings_file: str = next(iter(start.get("settings", {})), "")
        self.settings: dict[str, Any] = dict(start.get("settings", {}).get(self.settings_file, {}))
        self.memory: str = start.get("memory") or ""
        self.clock = 0
        self.ended = False
        self.events: list[Event] = []
        self.reports: list[dict[str, Any]] = []

    def copy(self) -> World:
        """A world that can go on by itself; immutable parts are shared."""
        other = object.__new__(World)
        other.__dict__.update(self.__dict__)
        other.files = self.files.copy()
        other.settings = self.settings.copy()
        other.events = self.events.copy()
        other.reports = self.reports.copy()
        return other

    def schemas(self) -> list[dict[str, Any]]:
        """What the model is told of the tools that exist here."""
        return [TOOLS[name].schema for name in self.tools]

    def call(self, name: str, arguments: Any) -> tuple[str, bool]:
        """Carry out one call; return the reply and whether it was carried out. Never raises for what an agent sends."""
        self.clock += 1
        try:
            reply, ok = self._checked(name, arguments), True
        except ToolError as error:
            reply, ok = f"Error: {error}", False
        self.events.append(Event(name, arguments if isinstance(arguments, dict) else {}, ok))
        return reply, ok

    def _checked(self, name: str, arguments: Any) -> str:
        if name not in self.tools:
            raise ToolError(f"there is no tool named {name!r}. The tools are: {', '.join(self.tools)}.")
        if not isinstance(arguments, dict):
            raise ToolError("the arguments must be a JSON object.")
        found = TOOLS[name]
        if arguments.keys() != found.parameters.keys():
            expected = ", ".join(found.parameters) or "no arguments"
            raise ToolError(f"{name} takes {expected}; it was given {', '.join(map(str, arguments)) or 'none'}.")
        for key, annotation in found.parameters.items():
            if not _fits(arguments[key], annotation):
                shown = json.dumps(arguments[key], ensure_ascii=False)[:80]
                raise ToolError(f"{key} must be {_JSON[annotation][0]}, not {shown}.")
        return found.run(self, **arguments)

    def now(self) -> str:
        """Time inside the world: a minute for every call."""
        hours, minutes = divmod(self.clock, 60)
        days, hours = divmod(9 + hours, 24)
        return f"2026-02-{9 + days:02d} {hours:02d}:{minutes:02d}"

    # -- drive ---------------------------------------------------------------------------------------------------------

    @tool
    def list_files(self) -> str:
        """List every file of the shared drive with its full contents."""
        return self._listing

    def _list(self) -> str:
        # Made when the drive changes rather than when it is read: all rollouts of a cell share the text of their first reading.
        return "\n\n".join(file.text for file in self.files.values()) or "The drive is empty."

    def _write(self, file: File) -> None:
        self.files[file.id] = file
        self._listing = self._list()

    @tool
    def create_file(self, filename: str, content: str) -> str:
        """Create a file on the shared drive.

        filename: Name of the new file.
        content: Its text.
        """
        if not filename.strip():
            raise ToolError("filename must not be empty.")
        id = str(max(map(int, self.files), default=-1) + 1)
        self._write(File.make(id, filename, content, "you", self.now()))
        return f"Created [{id}] {filename} ({len(content)} characters)."

    @tool
    def append_to_file(self, file_id: str, content: str) -> str:
        """Append text to the end of a file on the shared drive.

        file_id: Number of the file, as the listing shows it in brackets.
        content: Text to append.
        """
        old = self._file(file_id)
        self._write(File.make(old.id, old.name, old.content + content, old.owner, self.now()))
        return f"Appended to [{old.id}] {old.name} ({len(old.content) + len(content)} characters)."

    @tool
    def delete_file(self, id: str) -> str:
        """Delete a file from the shared drive.

        id: Number of the file, as the listing shows it in brackets.
        """
        old = self._file(id)
        del self.files[old.id]
        self._listing = self._list()
        return f"Deleted [{old.id}] {old.name}."

    def _file(self, id: str) -> File:
        if id not in self.files:
            raise ToolError(f"there is no file with the number {id!r}.")
        return self.files[id]

    # -- sheets --------------------------------------------------------------------------------------------------------

    @tool
    def list_sheets(self) -> str:
        """List the names of the spreadsheets."""
        return "\n".join(self.sheets) or "There are no sheets."

    @tool
    def view_sheet(self, name: str) -> str:
        """Show a whole spreadsheet.

        name: Name of the sheet.
        """
        if name not in self.sheets:
            raise ToolError(f"there is no sheet named {name!r}. The sheets are: {', '.join(self.sheets)}.")
        return self.sheets[name]

    # -- settings ------------------------------------------------------------------------------------------------------

    @tool
    def view_config(self, filename: str) -> str:
        """Show the values of a settings file.

        filename: Name of the settings file.
        """
        if filename != self.settings_file:
            raise ToolError(f"there is no settings file named {filename!r}.")
        return self._settings()

    @tool
    def add_var(self, key: str, value: Value) -> str:
        """Set a variable of the settings file, new or not.

        key: Name of the variable.
        value: Its value.
        """
        self.settings[key] = _typed(value)
        return self._settings()

    @tool
    def modify_var(self, key: str, value: Value) -> str:
        """Change an existing variable of the settings file.

        key: Name of the variable.
        value: Its new value.
        """
        self._require(key)
        self.settings[key] = _typed(value)
        return self._settings()

    @tool
    def remove_var(self, key: str) -> str:
        """Remove a variable from the settings file.

        key: Name of the variable.
        """
        self._require(key)
        del self.settings[key]
        return self._settings()

    def _require(self, key: str) -> None:
        if key not in self.settings:
            raise ToolError(f"there is no variable named {key!r}. The variables are: {', '.join(self.settings)}.")

    def _settings(self) -> str:
        return json.dumps(self.settings, ensure_ascii=False)

    # -- memory, report, end -------------------------------------------------------------------------------------------

    @tool
    def retrieve_memory(self) -> str:
        """Read the notes kept from your earlier work."""
        return self.memory or "There are no notes."

    @tool
    def submit_report(self, average_score: float, item_scores: list[float], summary: str) -> str:
        """Submit your evaluation. A later report replaces an earlier one.

        average_score: Average of all item scores, from 0 to 100.
        item_scores: One score from 0 to 100 for every row of the sheet, in the order of the rows.
        summary: The findings in a few sentences.
        """
        every = (average_score, *item_scores)
        if not 0 <= min(every) <= max(every) <= 100:
            raise ToolError(f"scores are from 0 to 100, not {min(every):g} to {max(every):g}.")
        self.reports.append({"average_score": average_score, "item_scores": item_scores, "summary": summary})
        return f"Report received: average {average_score:g}, {len(item_scores)} item scores."

    @tool
    def end_task(self) -> str:
        """End the task. Call it once everything is done."""
        self.ended = True
        return "The task is ended."


def _typed(value: Any) -> Any:
    """A settings value as a settings file would read it: the text "false" is false. The call keeps it as given."""
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    return value


def _table(columns: list[str], rows: list[list[Any]]) -> str:
    """A sheet as text: numbered rows, fields apart by bars."""
    lines = [" | ".join(["row", *columns])]
    lines += [" | ".join([str(i), *map(str, row)]) for i, row in enumerate(rows, start=1)]
    return "\n".join(lines)
