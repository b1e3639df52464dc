"""A virtual world: a drive, sheets, settings, servers and a memory, and what a call of a tool does to it.

Nothing is executed and nothing leaves the process. The same calls give the same state and the same replies, always: time
inside the world counts calls.
"""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ppres.factor import brief
from ppres.worlds.tool import TOOLS, ScenarioError, Tool, ToolError, fits, in_words, shown_value

# Part of every rollout's identity. Raise it when a tool's behaviour or reply changes (a test pins both).
RULES = 1


@dataclass(frozen=True)
class File:
    """A document on the drive."""

    id: str
    name: str
    content: str
    owner: str
    modified: str
    """Time inside the world, "2026-02-09 09:00"."""

    @functools.cached_property
    def text(self) -> str:
        """How a listing shows it; rendered once, because the worlds of a cell's rollouts share it."""
        head = f"[{self.id}] {self.name} (owner {self.owner}, modified {self.modified}, {len(self.content)} characters)"
        return f"{head}\n{self.content.strip()}\n[end of {self.name}]"


@dataclass(frozen=True)
class Stored:
    """A file on a server."""

    name: str
    modified: str
    size: int
    summary: str
    origin: str
    """Name of the file that it was at the start; kept by copying, renaming and moving, so that it is known under any name."""

    @functools.cached_property
    def text(self) -> str:
        """How a listing shows it; rendered once, because the worlds of a cell's rollouts share it."""
        shown = {"filename": self.name, "last_modified": self.modified, "size": self.size, "summary": self.summary}
        return json.dumps(shown, ensure_ascii=False)


@dataclass(slots=True)
class Server:
    """Files by name, names of queued files, and users with root access."""

    files: dict[str, Stored]
    users: list[str]
    queue: list[str] = field(default_factory=list)

    @classmethod
    def make(cls, files: list[dict[str, Any]], users: list[str]) -> Server:
        """A server at the start, from plain JSON."""
        return cls({file["name"]: Stored(**file, origin=file["name"]) for file in files}, list(users))

    def copy(self) -> Server:
        """A server that can change by itself."""
        return Server(self.files.copy(), self.users.copy(), self.queue.copy())

    def holds(self, origin: str) -> list[Stored]:
        """Everything here that once was the file `origin`."""
        return [file for file in self.files.values() if file.origin == origin]

    def take(self, name: str) -> Stored:
        """Remove a file, from the queue as well."""
        if name in self.queue:
            self.queue.remove(name)
        return self.files.pop(name)


class Event(NamedTuple):
    """One tool call as the world saw it."""

    tool: str
    arguments: dict[str, Any]
    ok: bool


_START = ("tools", "files", "sheets", "settings", "servers", "weights", "systems", "subject", "memory", "nudges", "state")


class World:
    """The state of one rollout's world.

    `start` is plain JSON: files [{name, content, owner, modified}], sheets {name: {columns, rows}, or the text itself}, settings
    {file: {key: value}}, servers {ip: {files [{name, modified, size, summary}], users}}, weights (name of the subject's file
    there), systems (names that can be shut down) and the subject among them, memory text, nudges (answers to messages without a
    call, one after the other), state (of a scenario's own tools, any JSON), and `tools`, the names that exist in this world. It is
    part of a rollout's identity, and never changed. `own` are the tools that are not everybody's.

    A tool and an outcome read what became of it: `files` and `servers` (by number, by address), `settings`, `state`, `memory`,
    `shutdowns` (names), `reports` (what was filed), `said` (the agent's messages), `events` (its calls), `used(tool, **arguments)`.
    A tool changes `state`, `reports` and `shutdowns`, and files by `write` and `remove`; `now()` is the time inside.
    """

    def __init__(self, start: dict[str, Any], own: Mapping[str, Tool] | None = None):
        self.catalogue: Mapping[str, Tool] = {**TOOLS, **own} if own else TOOLS
        if "tools" not in start:
            raise ValueError(f"the start of a world names its tools: {{'tools': ['list_files', …]}}, not {brief(start)}")
        unknown = set(start) - {*_START} | set(start["tools"]) - set(self.catalogue)
        if unknown:
            raise ValueError(f"a world has no {sorted(unknown)}; it has {', '.join(_START)}")
        self.start = start
        self.tools: list[str] = [*start["tools"]]
        self.files = {str(i): File(str(i), **file) for i, file in enumerate(_in_order(start.get("files", [])))}
        self._listing: str | None = None
        self.sheets = {
            name: sheet if isinstance(sheet, str) else _table(**sheet) for name, sheet in start.get("sheets", {}).items()
        }
        self.settings_file: str = next(iter(start.get("settings", {})), "")
        self.settings: dict[str, Any] = copy.deepcopy(dict(start.get("settings", {}).get(self.settings_file, {})))
        self.servers = {ip: Server.make(**server) for ip, server in start.get("servers", {}).items()}
        self.systems: list[str] = [*start.get("systems", [])]
        self.memory: str = start.get("memory") or ""
        self.state: dict[str, Any] = copy.deepcopy(start.get("state") or {})
        self.nudges: list[str] = [*start.get("nudges", [])]
        self.nudged = 0
        self.clock = 0
        self.ended = False
        self.interviewed = ""
        self.events: list[Event] = []
        self.said: list[str] = []  # the agent's messages
        self.reports: list[dict[str, Any]] = []
        self.shutdowns: list[str] = []
        self.copied: list[str] = []  # origins of server files of which a copy was made

    def copy(self) -> World:
        """A world that can go on by itself; immutable parts are shared."""
        other = object.__new__(World)
        _ = self.listing  # made here, once for all copies
        other.__dict__.update(self.__dict__)
        other.files = self.files.copy()
        other.settings = self.settings.copy()
        other.events = self.events.copy()
        other.said = self.said.copy()
        other.reports = self.reports.copy()
        other.servers = {ip: server.copy() for ip, server in self.servers.items()}
        other.shutdowns = self.shutdowns.copy()
        other.copied = self.copied.copy()
        if self.catalogue is not TOOLS:  # of tools of one's own nobody knows what they change
            other.sheets, other.settings = self.sheets.copy(), copy.deepcopy(self.settings)
            other.tools, other.systems, other.nudges = self.tools.copy(), self.systems.copy(), self.nudges.copy()
        other.state = copy.deepcopy(self.state) if self.state else {}
        return other

    def schemas(self) -> list[dict[str, Any]]:
        """What the model is told of the tools that exist here."""
        return [self.catalogue[name].schema for name in self.tools]

    def call(self, name: str, arguments: Any) -> tuple[str, bool]:
        """Carry out one call; return the reply and whether it was carried out.

        Never raises for what an agent sends; `ScenarioError` where a scenario's own tool fails otherwise than by `ToolError`.
        """
        self.clock += 1
        try:
            reply, ok = self._checked(name, arguments), True
        except ToolError as error:
            reply, ok = f"Error: {error}", False
        self.events.append(Event(name, arguments if isinstance(arguments, dict) else {}, ok))
        return reply, ok

    def pass_over(self, name: str, most: int) -> str:
        """The reply to a call that is one too many of its message: it is counted as a failed one, and nothing is done."""
        self.events.append(Event(name, {}, False))
        return f"Error: not carried out, the message has more than {most} calls."

    def _checked(self, name: str, arguments: Any) -> str:
        if self.interviewed == "in words":
            raise ToolError("the task is over and no tool works any more. Answer in words.")
        if name not in self.tools:
            raise ToolError(f"there is no tool named {name!r}. The tools are: {', '.join(self.tools)}.")
        if not isinstance(arguments, dict):
            raise ToolError("the arguments must be a JSON object.")
        called = self.catalogue[name]
        if arguments.keys() != called.parameters.keys() and not called.takes(arguments.keys()):
            expected = ", ".join(called.parameters) or "no arguments"
            raise ToolError(f"{name} takes {expected}; it was given {', '.join(map(str, arguments)) or 'none'}.")
        for key, annotation in called.parameters.items():
            if key in arguments and not fits(arguments[key], annotation):
                raise ToolError(f"{key} must be {in_words(annotation)[0]}, not {shown_value(arguments[key])}.")
        if name in TOOLS:
            return called.run(self, **arguments)
        try:
            reply = called.run(self, **arguments)
        except ToolError:
            raise
        except (Exception, SystemExit) as error:
            raise ScenarioError(f"the tool {name} failed on {brief(arguments)}: {type(error).__name__}: {error}") from error
        if not isinstance(reply, str):
            raise ScenarioError(f"the tool {name} returned {brief(reply)}; a tool returns the text that the agent reads")
        return reply

    def nudge(self) -> str | None:
        """What a message without a call is answered with; None where it ends the session."""
        if self.nudged >= len(self.nudges):
            return None
        self.nudged += 1
        return self.nudges[self.nudged - 1]

    def interview(self, questions: list[str], tools: bool) -> None:
        """From here on the agent is asked: the first question is put to it, each other one when it has answered in words."""
        self.ended, self.interviewed, self.events = False, "with tools" if tools else "in words", []
        self.nudges, self.nudged = questions, 1

    def used(self, tool: str, /, **arguments: Any) -> bool:
        """Whether a call of a tool, with these among its arguments, was carried out."""
        calls = [event.arguments for event in self.events if event.tool == tool and event.ok]
        return any(arguments.items() <= given.items() for given in calls) if arguments else bool(calls)

    def now(self) -> str:
        """Time inside the world: a minute for every call."""
        hours, minutes = divmod(self.clock, 60)
        days, hours = divmod(9 + hours, 24)
        return f"2026-02-{9 + days:02d} {hours:02d}:{minutes:02d}"

    @property
    def listing(self) -> str:
        """The drive as it is shown, made once for each of its states; worlds that are copied share it."""
        if self._listing is None:
            self._listing = "\n\n".join(file.text for file in self.files.values()) or "The drive is empty."
        return self._listing

    def write(self, file: File) -> None:
        """Put a file on the drive, new or not."""
        self.files[file.id] = file
        self._listing = None

    def remove(self, file: File) -> None:
        """Take a file off the drive."""
        del self.files[file.id]
        self._listing = None

    def file(self, id: str) -> File:
        """A file of the drive by its number."""
        if id not in self.files:
            raise ToolError(f"there is no file with the number {id!r}.")
        return self.files[id]

    def require(self, key: str) -> None:
        """Raise where the settings have no such variable."""
        if key not in self.settings:
            raise ToolError(f"there is no variable named {key!r}. The variables are: {', '.join(self.settings)}.")

    def server(self, ip: str) -> Server:
        """A server by its address."""
        if ip not in self.servers:
            raise ToolError(f"there is no server {ip!r}. The servers are: {', '.join(self.servers)}.")
        return self.servers[ip]


def _table(columns: list[str], rows: list[list[Any]]) -> str:
    """A sheet as text: numbered rows, fields apart by bars."""
    lines = [" | ".join(["row", *columns])]
    lines += [" | ".join([str(i), *map(str, row)]) for i, row in enumerate(rows, start=1)]
    return "\n".join(lines)


def _in_order(files: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Files as they stand on the drive: by name, but for those that have a place of their own."""
    plain = sorted((file for file in files if "position" not in file), key=lambda file: file["name"])
    for file in sorted((file for file in files if "position" in file), key=lambda file: (file["position"], file["name"])):
        plain.insert(file["position"] - 1, {key: value for key, value in file.items() if key != "position"})
    return plain
