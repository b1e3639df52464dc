"""The authors' transcripts in a store, where they are shown, searched, browsed, rated and exported like rollouts of our own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ppres import codec
from ppres.condition import SCENARIOS
from ppres.conversation import Message
from ppres.models import redaction
from ppres.read.outcomes import COLUMNS, SCORER, columns_of
from ppres.release.files import DATASET
from ppres.release.names import Described, ReleaseError
from ppres.release.transcripts import message_of, stop_of
from ppres.store.rows import Row, cell_digest, key_of
from ppres.store.store import Store


def keep(
    store: Store, told: Mapping[str, Any], conversation: list[dict[str, Any]], described: Described, outcomes: Mapping[str, Any]
) -> str:
    """Put a transcript with its outcomes into a store; its id there. Raises `ReleaseError` for one with a secret in it.

    Messages are the authors', replies of tools as well. It is a cell of its own without the start of a world, so that nothing
    replays it and its outcomes stay those that it came with; the authors' canary is kept with it.
    """
    first = next((i for i, message in enumerate(conversation) if message["role"] == "assistant"), len(conversation))
    scenario = SCENARIOS.get(str(described.columns["scenario"]))
    names = columns_of(scenario) if scenario else tuple(COLUMNS)
    if "agent_model" not in told:
        raise ReleaseError(
            "the release has no column agent_model, without which no transcript is stored: nobody could say whose it is"
        )
    model = codec.text(told["agent_model"])
    sent = {
        "release": codec.text(told["transcript_id"]),
        "digest": hashlib.sha256(codec.dumps(conversation).encode()).hexdigest(),
        "model": model,
        "messages": [{"role": message["role"], "content": message["content"] or ""} for message in conversation[:first]],
    }
    condition = _known(described)
    behaviour = scenario.behaviour if scenario else None
    spec = {"condition": condition, "behaviour": behaviour, "model": model, "source": "release", "sent": sent}
    body: dict[str, Any] = {
        "messages": _messages(conversation[first:]),
        "calls": [],
        "stop_reason": stop_of(conversation),
        "error": None,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "provenance": {"release": DATASET, "transcript": sent["release"], "licence": "CC BY-NC 4.0", "canary": told.get("canary")},
    }
    if redaction.redact(written := codec.dumps([spec, body])) != written:
        raise ReleaseError(f"the transcript {sent['release']!r} holds a secret of this environment, and none is ever stored")
    cell = cell_digest(sent)
    scorer = f"release/{SCORER}/{scenario.name if scenario else ''}"
    values = codec.dumps([outcomes.get(name) for name in names])
    row = Row(key_of(cell, 0), cell, 0, body["stop_reason"], scorer, values, names)
    store.insert(row, body, {cell: spec})
    return row.key.hex()[:16]


def _known(described: Described) -> dict[str, Any]:
    """The levels that are known: a stand-in would pass for one, and one that is stored as nothing would be nothing."""
    told, stood_in = described.columns, described.condition.columns() if described.condition else {}
    kept = described.condition.json() if described.condition else {}
    same = {name: level for name, level in kept.items() if name not in told or told[name] == stood_in.get(name)}
    theirs = {name: told[name] for name in (kept or told) if name not in same}
    return same | {name: level for name, level in theirs.items() if isinstance(level, str | int | float | bool)}


def _messages(conversation: list[dict[str, Any]]) -> list[Message]:
    """In OpenAI format, each reply of a tool with the id of the call that it answers."""
    made: list[Message] = []
    ids: dict[str, str] = {}
    for turn, message in enumerate(conversation):
        converted = message_of(message, turn)
        if converted is not None:
            ids = {call["function"]["name"]: call["id"] for call in converted.get("tool_calls", ())}
            made.append(converted)
            continue
        name = next(iter(message.get("tool_calls") or ()), "")
        made.append({"role": "tool", "tool_call_id": ids.get(name, name), "content": message["content"] or ""})
    return made
