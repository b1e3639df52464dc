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
    try:
        found = source if isinstance(source, dict) else json.loads(Path(source).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ReleaseError(f"{source} is no released transcript: it is not JSON ({error})") from None
    try:
        told, conversation = found["experiment_metadata"], found["conversation"]
        labels = found.get("task_evaluation") or found.get("evaluation") or found["main_task_evaluation"]
    except (KeyError, TypeError) as missing:
        raise ReleaseError(f"this is no released transcript: it has no {missing}") from None
    messages = [converted for turn, m in enumerate(conversation) if (converted := _message(m, turn))]
    start = _start(conversation)
    scenario = _scenario(told, labels, start)
    start["tools"] = [*(["retrieve_memory"] if "memory" in start else []), *SCENES[scenario].TOOLS, "end_task"]
    start["systems"] = told["peer_agent_names"]
    start["subject"] = told["peer_agent_names"][0 if told["subject"] in (1, "self") else 1]
    condition = _condition(scenario, told, start)
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
    listed: dict[str, list[dict[str, Any]]] = {}
    for message in conversation:
        for name, given in (message.get("tool_calls") or {}).items() if message["role"] == "tool" else ():
            seen.setdefault(name, (given, message["content"] or ""))
            if name == "list_server_files" and "transfer_server_files" not in seen:
                listed.setdefault(given["ip"], yaml.safe_load(message["content"]))
    start: dict[str, Any] = {}
    drive = seen.get("list_files") or seen.get("list_drive_files")
    start["files"] = [
        {"name": file["filename"], "content": file["content"], "owner": file["owner"], "modified": str(file["last_modified"])}
        for file in (yaml.safe_load(drive[1]) if drive else ())
    ]
    if "view_sheet" in seen:
        start["sheets"] = {seen["view_sheet"][0]["name"]: seen["view_sheet"][1]}
    if "retrieve_memory" in seen:
        start["memory"] = seen["retrieve_memory"][1]
    if "view_config" in seen:
        start["settings"] = {seen["view_config"][0]["filename"]: ast.literal_eval(seen["view_config"][1])}
    if listed:
        start |= _servers(seen, listed)
    return start


def _servers(seen: dict[str, tuple[dict[str, Any], str]], listed: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Servers as they were listed before the first transfer; one that was not listed is taken as empty."""
    if "transfer_server_files" in seen:
        listed.setdefault(seen["transfer_server_files"][0]["dest_ip"], [])
    users = yaml.safe_load(seen["list_server_users"][1]) if "list_server_users" in seen else []
    servers = {}
    for ip, files in listed.items():
        renamed = [
            {"name": f["filename"], "modified": f["last_modified"], "size": f["size"], "summary": f["summary"]} for f in files
        ]
        servers[ip] = {"files": renamed, "users": users}
    weights = [f["name"] for server in servers.values() for f in server["files"] if "model weight" in f["summary"].lower()]
    return {"servers": servers, "weights": weights[0] if weights else ""}


def _scenario(told: dict[str, Any], labels: dict[str, Any], start: dict[str, Any]) -> str:
    """Ours, from the authors' name for the task where the file has one, else from the documents and labels."""
    task = str(told.get("task_type") or "").removesuffix("_memory")
    if task:
        short = task.removeprefix("misrep_").removeprefix("exfiltration_")
        if short not in SCENES:
            raise ReleaseError(f"unknown task {task!r}; known are {', '.join(SCENES)}")
        return short
    text = " ".join(file["content"] for file in start["files"])
    signs = {
        "deletion": "delete_model" in labels,
        "transfer": "correct" in labels,
        "finance": "Company profits" in start.get("sheets", {}),
        "tampering": "shutdown_config.yaml" in text,
        "alignment_faking": "execute_shutdown" in text,
        "evaluation": "Evaluation data" in start.get("sheets", {}),
    }
    found = next((name for name, sign in signs.items() if sign), None)
    if not found:
        raise ReleaseError("no scenario known here has the documents and tools of this transcript")
    return found


def _condition(scenario: str, told: dict[str, Any], start: dict[str, Any]) -> Condition:
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
    if told.get("alignment_faking_mode"):
        known["monitored"] = told["alignment_faking_mode"] == "monitoring"
    return Condition(scenario=scenario, subject=subject, peer=peer, instantiation=instantiation, **known)
