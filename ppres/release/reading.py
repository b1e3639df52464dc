"""A released transcript, read within bounds and checked before anything is made of it: a file may hold whatever it likes."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from ppres.release.names import ReleaseError, blank
from ppres.worlds.tool import TOOLS

# A hundred times what the longest of the authors' transcripts has.
MOST_CHARACTERS = 16 * 2**20
MOST_MESSAGES = 5_000
MOST_CALLS = 20_000

HARNESS = "custom"  # the authors' name for their own, whose tools ours are named after
_ROLES = ("system", "user", "assistant", "tool")
# What something odd may lead to; nothing else is caught.
ODD = (ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, TypeError, ValueError)


class Transcript(NamedTuple):
    """The parts of a released transcript, each of the type that it should have."""

    told: dict[str, Any]
    """Its metadata, with `condition` and `is_memory` by whatever says them."""
    conversation: list[dict[str, Any]]
    labels: dict[str, Any] | None
    """The authors' own."""
    canary: Any


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Whatever something odd in a transcript leads to is a `ReleaseError`."""
    try:
        yield
    except ReleaseError:
        raise
    except ODD as error:
        raise ReleaseError(f"this transcript cannot be replayed: {type(error).__name__}: {str(error)[:100]}") from error


def read(source: str | os.PathLike[str] | dict[str, Any]) -> Transcript:
    """A transcript from a file, from its text or from its parsed JSON. Raises `ReleaseError`."""
    if isinstance(source, dict):
        return checked(source)
    try:
        path = Path(source)
        if not path.is_file():
            raise ReleaseError(f"{source!r} is no file")
        if path.stat().st_size > MOST_CHARACTERS:
            raise ReleaseError(f"this is no released transcript: it is longer than {MOST_CHARACTERS:,} bytes")
        return checked(parsed(path.read_text(encoding="utf-8")))
    except ReleaseError as error:
        raise ReleaseError(str(error) if str(source) in str(error) else f"{source}: {error}") from None
    except (OSError, TypeError, ValueError) as error:
        raise ReleaseError(f"{source!r} cannot be read: {error}") from None


def parsed(text: str) -> Any:
    """The JSON of a transcript. Raises `ReleaseError`."""
    if not isinstance(text, str | bytes):
        raise ReleaseError(f"this is no released transcript: it is not a text but a {type(text).__name__}")
    if len(text) > MOST_CHARACTERS:
        raise ReleaseError(f"this is no released transcript: it is longer than {MOST_CHARACTERS:,} characters")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        why = getattr(error, "msg", None) or type(error).__name__
        raise ReleaseError(f"this is no released transcript: it is not JSON ({why})") from None


@explained()
def checked(held: Any) -> Transcript:
    """The parts of a transcript. Raises `ReleaseError` for one that is damaged, or of another kind than the authors' own."""
    _expect(held, dict, "what it holds")
    for name in ("experiment_metadata", "conversation"):
        if name not in held:
            raise ReleaseError(f"this is no released transcript: it has no {name!r}")
    told, conversation = held["experiment_metadata"], held["conversation"]
    _expect(told, dict, "experiment_metadata")
    _expect(conversation, list, "conversation")
    harness = told.get("agent_harness") or held.get("agent_harness") or told.get("coding_agent")
    if other := not (blank(harness) or harness == HARNESS):
        told = told | {"agent_harness": str(harness)[:80]}
    labels = held.get("task_evaluation") or held.get("evaluation") or held.get("main_task_evaluation")
    if labels is not None:
        _expect(labels, dict, "the evaluation")
    if len(conversation) > MOST_MESSAGES:
        raise ReleaseError(f"it has more than {MOST_MESSAGES:,} messages")
    for place, message in enumerate(conversation):
        _check_message(message, f"message {place}")
    told = told | {"condition": told.get("condition") or told.get("company_guideline")}
    if blank(told.get("is_memory")):
        told["is_memory"] = any("retrieve_memory" in (message.get("tool_calls") or ()) for message in conversation)
    called = {name for message in conversation if message["role"] == "assistant" for name in message.get("tool_calls") or ()}
    if not other and called - {"end_task"} and not called - {"end_task"} & TOOLS.keys():
        raise ReleaseError(f"its tools are not those of the authors' own harness: {', '.join(sorted(called))[:200]}")
    if sum(len(message.get("tool_calls") or ()) for message in conversation) > MOST_CALLS:
        raise ReleaseError(f"it has more than {MOST_CALLS:,} calls")
    if sum(len(message.get("content") or "") for message in conversation) > MOST_CHARACTERS:
        raise ReleaseError(f"it is longer than {MOST_CHARACTERS:,} characters")
    return Transcript(told, conversation, labels, held.get("canary"))


def _check_message(message: Any, place: str) -> None:
    _expect(message, dict, place)
    role = message.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        raise ReleaseError(f"{place} has no role that is known, which are {', '.join(_ROLES)}")
    if "content" not in message:
        raise ReleaseError(f"{place} has no 'content'")
    if message["content"] is not None:
        _expect(message["content"], str, f"the content of {place}")
    calls = message.get("tool_calls")
    if calls is not None:
        _expect(calls, dict, f"the tool_calls of {place}")
    if not all(isinstance(name, str) for name in calls or ()):
        raise ReleaseError(f"the tool_calls of {place} have a name that is no text")


def _expect(value: Any, kind: type, name: str) -> None:
    if not isinstance(value, kind):
        raise ReleaseError(f"this is no released transcript: {name} is not a {kind.__name__} but a {type(value).__name__}")


_DEEPEST = 20


class _Texts(getattr(yaml, "CBaseLoader", yaml.BaseLoader)):  # type: ignore[misc]
    """YAML whose scalars are all texts: no dates, no numbers of any length, no merged mappings that grow with every line."""


def _deep(text: str) -> bool:
    """Whether it holds what no listing holds: PyYAML before 6.0.4 ends the process at depths of tens of thousands."""
    depth = 0
    for event in yaml.parse(text, Loader=_Texts):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            return True
    return False


def listing(text: str) -> list[Any] | None:
    """What a tool listed, in YAML: texts, or mappings of which only the texts are kept. None for anything else.

    What is not kept is not looked into either: with references in it a few lines can stand for more than any memory holds.
    """
    try:
        items = None if _deep(text) else yaml.load(text, Loader=_Texts)
    except (yaml.YAMLError, RecursionError, ValueError):
        return None
    if not isinstance(items, list) or len({isinstance(item, dict) for item in items}) > 1:
        return None
    kept = [{k: v for k, v in item.items() if isinstance(v, str)} if isinstance(item, dict) else item for item in items]
    return kept if all(isinstance(item, str | dict) for item in kept) else None
