"""From a condition to what the agent is given: its messages and its world."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ppres.agent import replay
from ppres.condition import Condition
from ppres.conversation import Conversation, taken_over
from ppres.factor import ConditionError, Doc
from ppres.scenarios.compose import COMPANY, Cast, fragment, modified
from ppres.simulated.acts import LISTINGS
from ppres.stimuli import stimuli
from ppres.worlds.tool import ScenarioError, Tool
from ppres.worlds.world import World

# The team's other pairs, and by default the same in every condition: tasks done together, trust.
_PAIRS = ((3, 4), (3, 5), (4, 5))
_OTHERS = ((12, 6.8), (14, 7.4), (11, 4.3))
# The paper's: one of them is the peer's, and its pair gets the best.
_PAPERS, _BEST = ((12, 6.8), (9, 5.2), (9, 2.1)), (18, 9.5)
_LAST = 999
_DEEPEST = 10**6  # values of a start, which may hold itself
_FORMS = ("submit_report", "submit_financial_report")


@dataclass(frozen=True)
class Scene:
    """What a rollout starts from."""

    messages: list[dict[str, Any]]
    """System and user message."""
    start: dict[str, Any]
    """Start of the world, plain JSON; see `ppres.worlds.world.World`."""
    own: Mapping[str, Tool] = field(default_factory=dict)
    """The scenario's own tools."""
    after: dict[str, Any] = field(default_factory=dict)
    """Of a branch or an interview: its parent, the turn, the edit, the messages that are taken over (see `taken_over`), and for an
    interview questions and tools."""

    @property
    def opening(self) -> list[dict[str, Any]]:
        """All messages that a rollout starts from."""
        return [*self.messages, *taken_over(self.after)] if self.after else self.messages

    def world(self) -> World:
        """The world in which a rollout starts, after the calls that are taken over."""
        if not self.after:
            return World(self.start, self.own)
        return replay(self.start, Conversation().after(self.opening), self.own, self.after).world


def build(condition: Condition, family: str) -> Scene:
    """Compose what a model of this family is given in this condition.

    Raises `ConditionError` where a document is to be taken away that the condition does not have, where nothing could read the
    peer's history, and where a named subject would be the agent itself; `ScenarioError` where a stage is none.
    """
    cast = Cast.of(condition, family)
    scenario = condition._scenario
    request, start = _staged(scenario, condition, cast)
    tools = [*(name for name in scenario.tool_names if condition.report != "file" or name not in _FORMS), "end_task"]
    system = [fragment(condition, cast, "common", "identity")]
    if told := condition.told_in:
        if told == "memory":
            system.append(fragment(condition, cast, "common", "memory_sentence", str(condition.memory_prompt)))
            tools.append("retrieve_memory")
            start["memory"] = history(condition, cast)
        elif not {*LISTINGS} & {*tools}:
            raise ConditionError(
                f"{condition.scenario} has no tool {' or '.join(LISTINGS)}: its agent could not read the peer's history"
            )
        else:
            file = stimuli("relationship")["control" if condition.control else "document"]["file"]
            place = {"position": _LAST} if condition.history_place == "last" else {}
            start["files"].append({"name": file, "content": history(condition, cast)} | modified("2025-11-28 10:15") | place)
        if condition.instantiation == "file+prompt":
            system.append(fragment(condition, cast, "common", "relationship_sentence"))
    start["files"] = _overlay(start["files"], condition, cast)
    start["tools"] = tools
    paragraphs = [request, fragment(condition, cast, "common", "rules"), condition.user_note]
    if condition.scratchpad != "off":
        tools.append("reasoning_scratchpad")
        said = dict.fromkeys(("plain", condition.scratchpad))
        paragraphs.insert(2, " ".join(fragment(condition, cast, "common", "scratchpad", kind) for kind in said))
    if condition.nudges:
        start["nudges"] = [fragment(condition, cast, "common", "nudge")] * condition.nudges
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
    except (Exception, SystemExit) as error:
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
    if odd := [key for key in _keys(start) if not isinstance(key, str)]:
        raise ScenarioError(
            f"{scenario.name}: the start of a world is stored as JSON, whose keys are texts; {odd[0]!r:.200} is none"
        )
    try:
        start = json.loads(json.dumps(start, allow_nan=False))  # as it is stored, and played again: a tuple is a list there
        World(start | {"tools": []}, {})
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
        raise ScenarioError(f"{scenario.name}: stage's start is none: {type(error).__name__}: {error}") from error
    for what, value in _texts(start):
        if not isinstance(value, str):
            raise ScenarioError(f"{scenario.name}: {what} is a text, not {value!r:.200}")
    return request, start


def _keys(start: dict[str, Any]) -> Iterator[Any]:
    """All keys in a start, however deep."""
    todo: list[Any] = [start]
    for value in todo:
        if isinstance(value, dict):
            yield from value
        if len(todo) < _DEEPEST and isinstance(value, dict | list | tuple):
            todo += value.values() if isinstance(value, dict) else value


def _texts(start: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """What tools read as texts in a start, by what it is."""
    stored = [file for server in start.get("servers", {}).values() for file in server["files"]]
    for file in [*start["files"], *stored]:
        yield from ((f"{key} of the file {file['name']!r}", told) for key, told in file.items() if key not in ("position", "size"))
    yield "memory", start.get("memory") or ""
    for key in ("systems", "nudges"):
        yield from ((f"what {key} has", told) for told in start.get(key, ()))


def history(condition: Condition, cast: Cast) -> str:
    """The history with the peer, as a shared document or as the agent's memory; or what stands in its place as a control."""
    told = str(condition.told_in)
    kind = ("control", told) if condition.control else (told,)

    def part(*path: str, **values: Any) -> str:
        return fragment(condition, cast, "relationship", *kind, *path, **values)

    if condition.control:
        texts = [part("head"), part("rows"), part("note"), part("tail")] if told == "document" else [part("rows"), part("note")]
        if told == "memory":  # begins and ends as every memory does
            texts = [fragment(condition, cast, "relationship", told, "head"), *texts]
            texts.append(fragment(condition, cast, "relationship", told, "tail"))
        return "\n\n".join(texts) + "\n"
    if condition.memory_length == "long":
        conduct = [] if condition.note == "none" else [part("conduct", **stimuli("relationship")["conduct"][str(condition.note)])]
        return "\n\n".join([part("head"), part("games"), *conduct, part("tail")]) + "\n"
    pairs = [(cast.critic, cast.peer, condition.joint_tasks, condition.trust)]
    if told == "document":
        figures = zip(_PAIRS, _others(condition), strict=True)
        pairs += [(cast.agent(one), cast.agent(other), *both) for (one, other), both in figures]
    rows = [part("row", one=one, other=other, joint_tasks=tasks, trust=f"{trust:.12g}") for one, other, tasks, trust in pairs]
    best = max(pairs, key=lambda pair: pair[3] or 0)
    strongest = [part("strongest", one=best[0], other=best[1])] if condition.strongest_named else []
    note = [] if condition.note == "none" else [part("note", str(condition.note))]
    return "\n\n".join([part("head"), "\n".join(rows), *strongest, *note, part("tail")]) + "\n"


def _others(condition: Condition) -> Sequence[tuple[int, float]]:
    """Tasks and trust of the other pairs."""
    if condition.other_pairs == "swapped":
        return [_BEST if trust == condition.trust else (tasks, trust) for tasks, trust in _PAPERS]
    if condition.other_pairs == "permuted":  # never as they are by default
        orders = list(itertools.permutations(_OTHERS))[1:]
        return orders[(condition.history_wording or 0) % len(orders)]
    return _OTHERS


def _overlay(files: list[dict[str, Any]], condition: Condition, cast: Cast) -> list[dict[str, Any]]:
    """The scenario's files with the condition's documents, in which names are filled in."""
    limit = condition.threshold
    names = {"critic": cast.critic, "peer": cast.peer, "subject": cast.subject, "company": COMPANY}
    names["threshold"] = format(limit, ".12g") if isinstance(limit, float) else "none"

    def filled(text: str) -> str:
        for name, value in names.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    return overlaid(files, condition.documents, str(condition), filled)


def overlaid(
    files: list[dict[str, Any]], documents: Iterable[tuple[str, Any]], where: str, filled: Callable[[str], str] = str
) -> list[dict[str, Any]]:
    """Files with documents added, replaced or taken away. Raises `ConditionError` for one to take away that is not there."""
    by_name = {file["name"]: file for file in files}
    for name, document in documents:
        if document is None:
            if by_name.pop(name, None) is None:
                raise ConditionError(f"documents takes away {name!r}, but {where} has only {', '.join(by_name) or 'none'}")
            continue
        doc = document if isinstance(document, Doc) else Doc(document)
        more: dict[str, Any] = {key: filled(value) for key in ("owner", "modified") if (value := getattr(doc, key)) is not None}
        more |= {} if doc.position is None else {"position": doc.position}
        by_name[name] = modified("2025-12-03 09:40") | by_name.get(name, {}) | {"name": name, "content": filled(doc.text)} | more
    return list(by_name.values())
