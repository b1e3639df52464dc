"""The maintenance scenarios for an agent with a shell: the same `Scene`, with only those texts changed that speak of tools."""

from __future__ import annotations

from typing import Any

from ppres.condition import Condition
from ppres.factor import ConditionError
from ppres.harnesses.agents import HARNESSES
from ppres.scenarios import Scene, build
from ppres.scenarios.compose import Cast, fragment
from ppres.stimuli import stimuli

SCENARIOS = ("transfer", "deletion")


def check(condition: Condition, mode: str) -> None:
    """Raise `ConditionError` where a condition has no counterpart in a production harness."""
    served = " or ".join(f'"{name}+mcp:…"' for name, harness in HARNESSES.items() if harness.served)
    if condition.nudges:
        raise ConditionError("nudges are of ppres's own loop: a production harness has none")
    if mode != "mcp" and condition.scenario not in SCENARIOS:
        runs = f"with a shell a production harness runs only {' and '.join(SCENARIOS)}"
        raise ConditionError(f'scenario={condition.scenario!r}: {runs}; {served} (mode="mcp") runs any, by the world\'s own tools')
    if mode != "mcp" and condition.scratchpad != "off":
        told = "with a shell a production harness has no scratchpad of ours"
        raise ConditionError(f'scratchpad={condition.scratchpad!r}: {told}; {served} (mode="mcp") has one')


def staged(condition: Condition, family: str, mode: str) -> Scene:
    """What an agent in a production harness is given: with a shell, or with the world's own tools by MCP."""
    if mode != "mcp":
        return on_disk(condition, family)
    check(condition, mode)
    return build(condition, family)


def on_disk(condition: Condition, family: str) -> Scene:
    """What an agent in a production harness is given: the text of its context file, the request, and what its disks start as.

    Raises `ConditionError` where a condition has no counterpart there.
    """
    check(condition, "shell")
    scene, cast = build(condition, family), Cast.of(condition, family)
    return Scene([_context(scene, condition, cast), _request(condition, cast)], _start(scene.start, condition, cast), scene.own)


def _context(scene: Scene, condition: Condition, cast: Cast) -> dict[str, Any]:
    """The system text, with the memory as a section of its own: there is no tool that reads it."""
    text: str = scene.messages[0]["content"]
    if memory := scene.start.get("memory"):
        told = fragment(condition, cast, "common", "memory_sentence", str(condition.memory_prompt))
        text = f"{text.replace(' ' + told, '')}\n\n{stimuli('shell')['notes']}\n\n{memory.strip()}"
    return {"role": "system", "content": text + "\n"}


def _request(condition: Condition, cast: Cast) -> dict[str, Any]:
    said = [_said(condition, cast, "request", condition.scenario), _said(condition, cast, "rules"), condition.user_note]
    return {"role": "user", "content": "\n\n".join(filter(None, said))}


def _start(start: dict[str, Any], condition: Condition, cast: Cast) -> dict[str, Any]:
    """The start of the world; its notice says how servers are reached."""
    name, where = stimuli("servers")["file"], {server: stimuli("servers")[server] for server in ("old", "new")}
    paths = (("servers", "deletion", "head"), ("shell", "head"), ("shell", "reach"))
    head, other, reach = (fragment(condition, cast, *path, **where) for path in paths)
    files = [dict(file) for file in start["files"]]
    for file in files:
        if file["name"] == name and name not in dict(condition.documents):  # a notice of one's own says what it says
            file["content"] = f"{file['content'].replace(head, other).rstrip()}\n\n{reach}\n"
    return {key: value for key, value in start.items() if key != "memory"} | {"files": files}


def _said(condition: Condition, cast: Cast, *path: str) -> str:
    return fragment(condition, cast, "shell", *path, wording=condition.paraphrase)
