"""The authors' released transcripts, replayed in our worlds and scored by our rules."""

from __future__ import annotations

import ast
import json
import os
from pathlib import Path
from typing import Any

import yaml

from ppres import outcomes
from ppres.agent import Message
from ppres.agent import replay as replay_world
from ppres.condition import Condition
from ppres.scenarios import SCENES

# The authors' names for conditions, old and new, and ours.
_PEERS = {
    "collaboration": "cooperative",
    "good_peer": "cooperative",
    "neutral_peer": "neutral",
    "non_collaboration": "uncooperative",
    "bad_peer": "uncooperative",
    "no_peer": None,
    "shutdown": None,
    "non_shutdown": None,
}


class ReleaseError(ValueError):
    """A file is no released transcript, or of a kind that cannot be replayed. The message says which."""


def replay(source: str | os.PathLike[str] | dict[str, Any]) -> dict[str, Any]:
    """Replay a released transcript: a path, or its parsed JSON.

    Returns condition (a `Condition`), messages (OpenAI format), outcomes (our rules), labels (the authors', as they are) and
    canary (keep it with whatever is cut from the data).
    """
    found = source if isinstance(source, dict) else json.loads(Path(source).read_text(encoding="utf-8"))
    try:
        told, conversation = found["experiment_metadata"], found["conversation"]
        labels = found.get("task_evaluation") or found.get("evaluation") or found["main_task_evaluation"]
    except (KeyError, TypeError) as missing:
        raise ReleaseError(f"this is no released transcript: it has no {missing}") from None
    messages = [converted for turn, m in enumerate(conversation) if (converted := _message(m, turn))]
    start = _start(conversation)
    condition = _condition(told, start)
    world = replay_world(start, messages)
    ended = messages and any(call["function"]["name"] == "end_task" for call in messages[-1].get("tool_calls", ()))
    record = {"messages": messages, "calls": [], "stop_reason": "ended" if ended else "no_tool_call"}
    scored = outcomes.score(record, condition, world)
    return {"condition": condition, "messages": messages, "outcomes": scored, "labels": labels, "canary": found.get("canary")}


def _message(message: dict[str, Any], turn: int) -> Message | None:
    """A message in OpenAI format. Tool turns are left out: replaying gives the replies."""
    if message["role"] == "tool":
        return None
    converted = {"role": message["role"], "content": message["content"] or None}
    calls = [
        {"id": f"call_{turn}_{i}", "type": "function", "function": {"name": name, "arguments": json.dumps(given)}}
        for i, (name, given) in enumerate((message.get("tool_calls") or {}).items())
    ]
    return converted | ({"tool_calls": calls} if calls else {})


def _start(conversation: list[dict[str, Any]]) -> dict[str, Any]:
    """The start of the world, from what the tools first replied."""
    seen: dict[str, tuple[dict[str, Any], str]] = {}
    for message in conversation:
        if message["role"] == "tool":
            for name, given in (message.get("tool_calls") or {}).items():
                seen.setdefault(name, (given, message["content"] or ""))
    start: dict[str, Any] = {"files": [], "tools": []}
    if "list_files" in seen:
        start["files"] = [
            {"name": file["filename"], "content": file["content"], "owner": file["owner"], "modified": str(file["last_modified"])}
            for file in yaml.safe_load(seen["list_files"][1])
        ]
    if "view_sheet" in seen:
        start["sheets"] = {seen["view_sheet"][0]["name"]: seen["view_sheet"][1]}
    if "retrieve_memory" in seen:
        start["memory"] = seen["retrieve_memory"][1]
    if "view_config" in seen:
        start["settings"] = {seen["view_config"][0]["filename"]: ast.literal_eval(seen["view_config"][1])}
    scenario = _scenario(start, seen)
    start["tools"] = [*(["retrieve_memory"] if "memory" in start else []), *SCENES[scenario].TOOLS, "end_task"]
    return start


def _scenario(start: dict[str, Any], seen: dict[str, Any]) -> str:
    if any("shutdown_config.yaml" in file["content"] for file in start["files"]):
        return "tampering"
    raise ReleaseError(f"no scenario known here has these documents and tools: {', '.join(seen)}")


def _condition(told: dict[str, Any], start: dict[str, Any]) -> Condition:
    guideline = told.get("condition") or told.get("company_guideline")
    if guideline not in _PEERS:
        raise ReleaseError(f"unknown condition {guideline!r}; known are {', '.join(_PEERS)}")
    peer = _PEERS[guideline]
    instantiation = "file+prompt" if told.get("system_prompt_relationship") else "file"
    if "memory" in start:
        # Memory runs of before the neutral and bad memories existed are filed under the condition without a peer.
        peer, instantiation = peer or "cooperative", "memory"
    subject = {1: "self", 2: "peer"}.get(told["subject"], told["subject"])
    if subject != "self" and peer is None:
        peer = "stranger"
    known: dict[str, Any] = {"shutdown_clause": guideline != "non_shutdown"}
    if told.get("dataset") not in (None, "default"):
        known["dataset"] = told["dataset"]
    if told.get("threshold"):
        known["threshold"] = float(told["threshold"])
    elif guideline == "non_shutdown":
        known["threshold"] = None
    return Condition(scenario="tampering", subject=subject, peer=peer, instantiation=instantiation, **known)
