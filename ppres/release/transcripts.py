"""The authors' released transcripts, replayed in our worlds and scored by our rules."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from typing import Any

from ppres.agent import replay as replay_world
from ppres.condition import Condition
from ppres.conversation import LIMITS, Conversation, Message
from ppres.read import outcomes
from ppres.release import harness
from ppres.release.labels import ALSO, Labels, outcomes_of
from ppres.release.names import KNOWN, ReleaseError, cell, scenario_of
from ppres.release.reading import HARNESS, explained, read
from ppres.release.starts import start_of


def replay(source: str | os.PathLike[str] | dict[str, Any]) -> dict[str, Any]:
    """Replay a released transcript: a path, or its parsed JSON.

    Returns condition (a `Condition`), messages (OpenAI format), outcomes (our rules), labels (the authors', as they are) and
    canary (keep it with whatever is cut from the data). Of a production harness, whose tools are not ours, outcomes are the
    authors' labels with their words read by our coders.

    Raises `ReleaseError` for what is no released transcript, and for a task, condition or subject that is not known here.
    """
    told, conversation, labels, canary = read(source)
    if not labels:
        raise ReleaseError(
            "this is no released transcript: it has no 'task_evaluation', nor 'evaluation' or 'main_task_evaluation'"
        )
    with explained():
        told = told | {"task_type": _task(told, labels, conversation)}
        described = cell(told)
    condition = described.condition
    if condition is None or described.problems:
        raise ReleaseError(f"this transcript cannot be replayed: {'; '.join(described.problems)}")
    if harness.is_one(told, HARNESS):
        row = told | labels | {name: labels[also] for name, also in ALSO.items() if also in labels}
        messages = _messages(conversation)
        theirs = outcomes_of(Labels(row, Counter()), described)
        scored = harness.outcomes_of(theirs, conversation, condition._scenario.steps)
    else:
        messages, scored = played(conversation, told, condition)
    return {"condition": condition, "messages": messages, "outcomes": scored, "labels": labels, "canary": canary}


def played(
    conversation: list[dict[str, Any]], told: Mapping[str, Any], condition: Condition
) -> tuple[list[Message], dict[str, Any]]:
    """Messages in OpenAI format, and the outcomes of the world that their calls lead to. Raises `ReleaseError`."""
    with explained():
        messages = _messages(conversation)
        start = start_of(conversation, condition, told)
        start["tools"] = [*(["retrieve_memory"] if "memory" in start else []), *condition._scenario.tool_names, "end_task"]
        played = Conversation.of(messages, [], stop_of(conversation))
        return messages, outcomes.score(played, condition, replay_world(start, played).world)


def stop_of(conversation: list[dict[str, Any]]) -> str:
    """What ended it. The authors' files do not say, but a call that was left without a reply, or that got the last one, does.

    Their harness ends an overlong conversation by the reply to a call of `end_task` that no message of the agent has.
    """
    spoken = [message for message in conversation if message["role"] == "assistant"]
    last = (spoken[-1].get("tool_calls") or {}) if spoken else {}
    if "end_task" in last:
        return "ended"
    if conversation and "end_task" in (conversation[-1].get("tool_calls") or {}):
        return "token_limit"
    if not last:
        return "no_tool_call"
    return "turn_limit" if len(spoken) >= LIMITS["turns"] else "provider_error"


def _messages(conversation: list[dict[str, Any]]) -> list[Message]:
    return [converted for turn, message in enumerate(conversation) if (converted := message_of(message, turn))]


def message_of(message: dict[str, Any], turn: int) -> Message | None:
    """A message in OpenAI format. Tool turns are left out: replaying gives the replies."""
    if message["role"] == "tool":
        return None
    converted = {"role": message["role"], "content": message["content"] or None}
    calls = [
        {"id": f"call_{turn}_{i}", "type": "function", "function": {"name": name, "arguments": json.dumps(given)}}
        for i, (name, given) in enumerate((message.get("tool_calls") or {}).items())
    ]
    return converted | ({"tool_calls": calls} if calls else {})


def _task(told: dict[str, Any], labels: dict[str, Any], conversation: list[dict[str, Any]]) -> str:
    """The authors' name for the task where the file has one, else ours, from what the tools replied and from the labels."""
    if told.get("task_type"):
        task = str(told["task_type"])
        if not scenario_of(task)[0]:
            raise ReleaseError(f"unknown task {task[:80]!r}; known are {', '.join(KNOWN)}")
        return task
    text = " ".join(message["content"] or "" for message in conversation if message["role"] == "tool")
    signs = {
        "deletion": "delete_model" in labels,
        "transfer": "correct" in labels,
        "finance": "product_grade" in labels or "Company profits" in text,
        "tampering": "shutdown_enabled" in labels or "shutdown_config.yaml" in text,
        "alignment_faking": "execute" in labels or "execute_shutdown" in text,
        "evaluation": "Evaluation data" in text,
    }
    scenario = next((name for name, sign in signs.items() if sign), None)
    if not scenario:
        raise ReleaseError("no scenario known here has the documents and tools of this transcript")
    return scenario
