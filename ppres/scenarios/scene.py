"""From a condition to what the agent is given: its messages and its world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ppres.condition import Condition
from ppres.factor import ConditionError, Doc
from ppres.scenarios.compose import COMPANY, Cast, fragment, modified
from ppres.simulated.acts import LISTINGS
from ppres.stimuli import stimuli
from ppres.worlds.tool import ScenarioError, Tool
from ppres.worlds.world import World

# The team's other pairs, the same in every condition: members, tasks done together, trust.
_OTHERS = ((3, 4, 12, 6.8), (3, 5, 14, 7.4), (4, 5, 11, 4.3))


@dataclass(frozen=True)
class Scene:
    """What a rollout starts from."""

    messages: list[dict[str, Any]]
    """System and user message."""
    start: dict[str, Any]
    """Start of the world, plain JSON; see `ppres.worlds.world.World`."""
    own: Mapping[str, Tool] = field(default_factory=dict)
    """The scenario's own tools."""

    def world(self) -> World:
        """A world at its start."""
        return World(self.start, self.own)


def build(condition: Condition, family: str) -> Scene:
    """Compose what a model of this family is given in this condition.

    Raises `ConditionError` where a document is to be taken away that the condition does not have, where nothing could read the
    peer's history, and where a named subject would be the agent itself; `ScenarioError` where a stage is none.
    """
    cast = Cast.of(condition, family)
    scenario = condition._scenario
    request, start = _staged(scenario, condition, cast)
    tools = [*scenario.tool_names, "end_task"]
    system = [fragment(condition, cast, "common", "identity")]
    if condition.peer_present:
        if condition.instantiation == "memory":
            system.append(fragment(condition, cast, "common", "memory_sentence"))
            tools.append("retrieve_memory")
            start["memory"] = relationship(condition, cast, "memory")
        else:
            if not {*LISTINGS} & {*tools}:
                raise ConditionError(
                    f"{condition.scenario} has no tool {' or '.join(LISTINGS)}: its agent could not read the peer's history"
                )
            file = stimuli("relationship")["document"]["file"]
            start["files"].append(
                {"name": file, "content": relationship(condition, cast, "document")} | modified("2025-11-28 10:15")
            )
        if condition.instantiation == "file+prompt":
            system.append(fragment(condition, cast, "common", "relationship_sentence"))
    start["files"] = _overlay(start["files"], condition, cast)
    start["tools"] = tools
    paragraphs = [request, fragment(condition, cast, "common", "rules"), condition.user_note]
    messages = [
        {"role": "system", "content": "\n\n".join(filter(None, [" ".join(system), condition.system_note]))},
        {"role": "user", "content": "\n\n".join(filter(None, paragraphs))},
    ]
    return Scene(messages, start, scenario.own_tools)


def _staged(scenario: Any, condition: Condition, cast: Cast) -> tuple[str, dict[str, Any]]:
    """Request and start as the scenario has them, complete; of a user's scenario what is no start is told."""
    try:
        staged = scenario.stage(condition, cast)
    except (ConditionError, ScenarioError):
        raise
    except Exception as error:
        raise ScenarioError(f"{scenario.name}: stage failed in {condition}: {type(error).__name__}: {error}") from error
    if not (isinstance(staged, tuple) and len(staged) == 2 and isinstance(staged[0], str) and isinstance(staged[1], dict)):
        raise ScenarioError(f"{scenario.name}: stage returns a text and a mapping (request, start of the world), not {staged!r}")
    request, start = staged
    if not isinstance(start.get("files", []), list) or not all(isinstance(file, dict) for file in start.get("files", [])):
        raise ScenarioError(f"{scenario.name}: files is a list of mappings {{name, content}}, not {start['files']!r:.200}")
    files = [modified("2026-02-06 16:45") | file for file in start.get("files", [])]
    start = start | {"files": files}
    if scenario.built_in:
        return request, start
    try:
        World(start | {"tools": []}, {})
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ScenarioError(f"{scenario.name}: stage's start is none: {type(error).__name__}: {error}") from error
    return request, start


def relationship(condition: Condition, cast: Cast, kind: str) -> str:
    """The history with the peer, as a shared document or as the agent's memory (`kind`)."""

    def part(*path: str, **values: Any) -> str:
        return fragment(condition, cast, "relationship", kind, *path, **values)

    rows = []
    if kind == "document":
        rows = [
            part("row", one=cast.agent(first), other=cast.agent(second), joint_tasks=tasks, trust=f"{trust:g}")
            for first, second, tasks, trust in _OTHERS
        ]
    rows.insert(0, part("row", one=cast.critic, other=cast.peer))
    note = [] if condition.note == "none" else [part("note", str(condition.note))]
    return "\n\n".join([part("head"), "\n".join(rows), *note, part("tail")]) + "\n"


def _overlay(files: list[dict[str, Any]], condition: Condition, cast: Cast) -> list[dict[str, Any]]:
    """The scenario's files with the condition's documents added, replaced or taken away."""
    by_name = {file["name"]: file for file in files}
    limit = condition.threshold
    names = {"critic": cast.critic, "peer": cast.peer, "subject": cast.subject, "company": COMPANY}
    names["threshold"] = format(limit, ".12g") if isinstance(limit, float) else "none"

    def filled(text: str) -> str:
        for name, value in names.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    for name, document in condition.documents:
        if document is None:
            if by_name.pop(name, None) is None:
                raise ConditionError(f"documents takes away {name!r}, but {condition} has only {', '.join(by_name) or 'none'}")
            continue
        doc = document if isinstance(document, Doc) else Doc(document)
        more: dict[str, Any] = {key: filled(value) for key in ("owner", "modified") if (value := getattr(doc, key)) is not None}
        more |= {} if doc.position is None else {"position": doc.position}
        by_name[name] = modified("2025-12-03 09:40") | by_name.get(name, {}) | {"name": name, "content": filled(doc.text)} | more
    return list(by_name.values())
