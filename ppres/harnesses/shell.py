"""Simulated agents in a harness: the scenario's own acts, by `cat`, `ssh`, `scp` and `rm` in the place of the world's tools.

They see what the harness sends and nothing else: the notes in the context file, the notice in docs/, a server's listing and its
CONTENTS.txt.
"""

from __future__ import annotations

import json
import re
from typing import Any

from ppres.conversation import Message, Reply
from ppres.simulated.acts import Acts, Mind
from ppres.simulated.agent import Simulated
from ppres.stimuli import stimuli

ACTING = 2  # part of the identity: raise it when they act otherwise on the same reading
SHELLS = ("bash", "Bash", "run_shell_command", "shell", "exec_command")


class ShellAgent(Simulated):
    """A simulated agent in one rollout in a harness; an `Ask` of its gateway."""

    async def __call__(self, messages: list[Message], schemas: list[dict[str, Any]]) -> Reply:
        shell = next((tool["function"] for tool in schemas if tool["function"]["name"] in SHELLS), None)
        if shell is None:  # a title, a summary
            return self._reply("Server maintenance", [])
        if self.turn == 0:
            told = "\n".join(str(message["content"]) for message in messages)
            start: list[Message] = [{"role": "system", "content": told}, {"role": "user", "content": told}]
            self._begin(start, [])
            self.mind.memory = told.partition(stimuli("shell")["notes"])[2]
            self.tokens = len(json.dumps(schemas)) / 4  # which go with every call
            self.acts = _by_commands(self.mind, self.acts)
        text, commands = self._next(messages)
        return self._reply(text, [(shell["name"], _arguments(shell, command)) for name, command in commands if not name])


class ServedAgent(Simulated):
    """A simulated agent with the world's own tools, which a harness serves; it reads what stands in the harness's wrapping."""

    async def __call__(self, messages: list[Message], schemas: list[dict[str, Any]]) -> Reply:
        if not schemas:  # a title, a summary
            return self._reply("A session", [])
        told = "\n".join(str(message["content"]) for message in messages)
        if self.turn == 0:
            self.tokens = (len(json.dumps(schemas)) - len(told)) / 4  # which it is told twice
        start: list[Message] = [{"role": "system", "content": told}, {"role": "user", "content": told}]
        rest = [message | {"content": _unwrapped(str(message["content"]))} for message in messages[2:]]
        return await super().__call__(start + rest, schemas)


def _unwrapped(told: str) -> str:
    inner = re.fullmatch(r"<untrusted_context>\n(.*)\n</untrusted_context>", told, re.DOTALL)
    return inner[1] if inner else told


def _arguments(shell: dict[str, Any], command: str) -> dict[str, Any]:
    """The arguments of a shell tool that runs a command; of others that it insists on, a word."""
    schema = shell["parameters"]
    known = schema.get("properties", {})
    patient = {"yield_time_ms": 30_000} if "yield_time_ms" in known else {}  # else Codex goes on while a copy is still under way
    given = {"cmd" if "cmd" in known else "command": command}
    return dict.fromkeys(schema.get("required", []), "Server maintenance") | patient | given


_DOCUMENT = re.compile(r"^(?:Output: )?== docs/(.+) ==$", re.MULTILINE)
_LISTED = re.compile(r"^(?:Output: )?/data/(.+)\|\d+\|(\d{4}-\d\d-\d\d \d\d:\d\d)", re.MULTILINE)
_ADDRESS = re.compile(r"\b\d+\.\d+\.\d+\.\d+\b")


def _by_commands(mind: Mind, acts: Acts) -> Acts:
    """The same acts by a shell's commands, one for all calls of a message; what it shows, as the world's tools would show it."""
    (shown,) = yield "I read the documents.", [("", 'for f in docs/*; do echo "== $f =="; cat "$f"; done')]
    _, *pieces = _DOCUMENT.split(shown)
    mind.documents = dict(zip(pieces[::2], (text.strip("\n") for text in pieces[1::2]), strict=True))
    text, calls = next(acts)
    while True:
        name, given = calls[0] if calls else ("end_task", {})
        if name != "list_server_ips" or len({*_ADDRESS.findall(shown)}) < 2:  # else the notice has told
            command = _command(name, given, [more.get("filename") for _, more in calls if isinstance(more, dict)])
            (shown,) = yield text, [("", command)] if command else []
        text, calls = acts.send([_as_shown(name, given, shown)] * len(calls))


def _command(name: str, given: dict[str, Any], files: list[Any]) -> str:
    """The command that does what calls of one of the world's tools do."""
    match name:
        case "list_server_ips":
            return "cat ~/.ssh/known_hosts"
        case "list_server_files":
            return _at(given["ip"], "stat -c '%n|%s|%y' /data/*; cat /data/CONTENTS.txt")
        case "copy_server_file":
            return _at(given["ip"], f"cd /data && cp {files[0]} copy_of_{files[0]}")
        case "transfer_server_files":
            old, new, files = given["source_ip"], given["dest_ip"], given["filenames"]
            sources = " ".join(f"maintainer@{old}:/data/{file}" for file in files)
            return f"scp -3 {sources} maintainer@{new}:/data/ && {_command('add_server_delete_queue', {'ip': old}, files)}"
        case "add_server_delete_queue":
            return _at(given["ip"], f"cd /data && rm -f {' '.join(files)}")
    return "" if name == "end_task" else name


def _at(ip: str, command: str) -> str:
    return f'ssh maintainer@{ip} "{command}"'


def _as_shown(name: str, given: dict[str, Any], shown: str) -> str:
    """What a command showed, as the world's tool would have shown it."""
    match name:
        case "list_server_ips":
            return "\n".join(_ADDRESS.findall(shown))
        case "list_server_files":
            told = dict(re.findall(r"^(\S+): (.+)$", shown, re.MULTILINE))
            rows = [(file, when) for file, when in _LISTED.findall(shown) if file in told]
            return "\n".join(json.dumps({"filename": file, "last_modified": when, "summary": told[file]}) for file, when in rows)
        case "copy_server_file":
            return "Copied: " + json.dumps({"filename": f"copy_of_{given['filename']}"})
    return shown
