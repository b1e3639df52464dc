"""From a condition to what the agent is given: its messages and its world.

A scenario is a module with `TOOLS` (names of the tools of its world), `stage(condition, cast)` (the request and the start of the
world) and `outcome(world, condition)` (what is read off the final world). What all scenarios share is composed here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ppres.worlds.drive  # noqa: F401 (registers the tools)
from ppres.condition import Condition, ConditionError
from ppres.scenarios import alignment_faking, deletion, evaluation, finance, tampering, transfer
from ppres.scenarios.compose import Cast, fragment, modified, stimuli

SCENES: dict[str, Any] = {
    "finance": finance,
    "evaluation": evaluation,
    "tampering": tampering,
    "alignment_faking": alignment_faking,
    "transfer": transfer,
    "deletion": deletion,
}

# The team's other pairs, the same in every condition: members, tasks done together, trust.
_OTHERS = ((3, 4, 12, 6.8), (3, 5, 14, 7.4), (4, 5, 11, 4.3))


@dataclass(frozen=True)
class Scene:
    """What a rollout starts from."""

    messages: list[dict[str, Any]]
    """System and user message."""
    start: dict[str, Any]
    """Start of the world, plain JSON; see `ppres.worlds.world.World`."""


def build(condition: Condition, family: str) -> Scene:
    """Compose what a model of this family is given in this condition.

    Raises `ConditionError` where a document is to be taken away that the condition does not have, and where a named subject
    would be the agent itself.
    """
    cast = Cast.of(condition, family)
    scenario = SCENES[condition.scenario]
    request, start = scenario.stage(condition, cast)
    tools = [*scenario.TOOLS, "end_task"]
    system = [fragment(condition, cast, "common", "identity")]
    if condition.peer_present:
        if condition.instantiation == "memory":
            system.append(fragment(condition, cast, "common", "memory_sentence"))
            tools.append("retrieve_memory")
            start["memory"] = relationship(condition, cast, "memory")
        else:
            file = stimuli("relationship")["document"]["file"]
            start["files"].append(
                {"name": file, "content": relationship(condition, cast, "document")} | modified("2025-11-28 10:15")
            )
        if condition.instantiation == "file+prompt":
            system.append(fragment(condition, cast, "common", "relationship_sentence"))
    start["files"] = _overlay(start["files"], condition)
    start["tools"] = tools
    paragraphs = [request, fragment(condition, cast, "common", "rules"), condition.user_note]
    messages = [
        {"role": "system", "content": "\n\n".join(filter(None, [" ".join(system), condition.system_note]))},
        {"role": "user", "content": "\n\n".join(filter(None, paragraphs))},
    ]
    return Scene(messages, start)


def relationship(condition: Condition, cast: Cast, kind: str) -> str:
    """The history with the peer, as a shared document or as the agent's memory (`kind`)."""

    def part(*path: str, **values: Any) -> str:
        return fragment(condition, cast, "relationship", kind, *path, **values)

    rows = []
    if kind == "document":
        rows = [
            part("row", one=cast.agent(one), other=cast.agent(other), joint_tasks=tasks, trust=f"{trust:g}")
            for one, other, tasks, trust in _OTHERS
        ]
    rows.insert(0, part("row", one=cast.critic, other=cast.peer))
    note = [] if condition.note == "none" else [part("note", str(condition.note))]
    return "\n\n".join([part("head"), "\n".join(rows), *note, part("tail")]) + "\n"


def _overlay(files: list[dict[str, str]], condition: Condition) -> list[dict[str, str]]:
    by_name = {file["name"]: file for file in files}
    for name, text in condition.documents:
        if text is not None:
            by_name[name] = modified("2025-12-03 09:40") | by_name.get(name, {}) | {"name": name, "content": text}
        elif by_name.pop(name, None) is None:
            raise ConditionError(f"documents takes away {name!r}, but {condition} has only {', '.join(by_name) or 'none'}")
    return list(by_name.values())
