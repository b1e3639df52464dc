"""The protocols that harnesses speak: requests become messages in OpenAI's format, and replies what is sent back."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from ppres import codec
from ppres.conversation import Message, Reply, calls_of, parts, said_in


class Request(NamedTuple):
    """What a harness asks of a model."""

    model: str
    messages: list[Message]
    """OpenAI's format; replies to calls have no id where the protocol has none."""
    tools: list[dict[str, Any]]
    parameters: dict[str, Any]


@dataclass(frozen=True)
class Format:
    """One protocol."""

    path: str
    """A pattern of its address, with the model's name as a group where it stands there."""
    read: Callable[[dict[str, Any], str], Request]
    write: Callable[[Reply, str], list[dict[str, Any]]]
    """The events of a stream; of which one that is not streamed is the last."""
    done: bytes = b""
    """What ends a stream."""


def _chat(body: dict[str, Any], _: str) -> Request:
    known = ("model", "messages", "tools", "stream", "stream_options")
    messages = [_plain(message) for message in body["messages"]]
    return Request(body["model"], messages, body.get("tools") or [], {key: body[key] for key in body if key not in known})


def _plain(message: Message) -> Message:
    content = message.get("content")
    if isinstance(content, list):  # of parts
        content = "\n".join(codec.text(part.get("text", part)) for part in content)
    return message | {"content": content}


def _chat_events(reply: Reply, model: str) -> list[dict[str, Any]]:
    head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "object": "chat.completion.chunk", "created": 0, "model": model}
    calls = [{"index": i, **call} for i, call in enumerate(reply.message.get("tool_calls") or [])]
    delta = {"role": "assistant", "content": reply.message.get("content")} | ({"tool_calls": calls} if calls else {})
    prompt, completion = reply.call.prompt_tokens or 0, reply.call.completion_tokens or 0
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return [
        head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
        head | {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls" if calls else "stop"}]},
        head | {"choices": [], "usage": usage},
    ]


def _gemini(body: dict[str, Any], model: str) -> Request:
    system = _texts(body.get("systemInstruction") or {})
    messages: list[Message] = [{"role": "system", "content": system}] if system else []
    for content in body.get("contents", []):
        found = content.get("parts", [])
        if content.get("role") == "model":
            calls = [_gemini_call(part["functionCall"]) for part in found if "functionCall" in part]
            messages.append({"role": "assistant", "content": _texts(content)} | ({"tool_calls": calls} if calls else {}))
            continue
        for part in found:
            if answer := part.get("functionResponse"):
                messages.append({"role": "tool", "tool_call_id": answer.get("id"), "content": _answer(answer.get("response"))})
        if said := _texts(content):
            messages.append({"role": "user", "content": said})
    declared = [one for tool in body.get("tools", []) for one in tool.get("functionDeclarations", [])]
    return Request(model, messages, [_gemini_tool(one) for one in declared], body.get("generationConfig", {}))


def _texts(content: dict[str, Any]) -> str:
    return "\n".join(part["text"] for part in content.get("parts", []) if part.get("text") and not part.get("thought"))


def _gemini_call(call: dict[str, Any]) -> dict[str, Any]:
    function = {"name": call["name"], "arguments": codec.dumps(call.get("args", {}))}
    return {"id": call.get("id"), "type": "function", "function": function}


def _gemini_tool(one: dict[str, Any]) -> dict[str, Any]:
    schema = one.get("parametersJsonSchema") or one.get("parameters") or {"type": "object", "properties": {}}
    return {"type": "function", "function": {"name": one["name"], "description": one.get("description", ""), "parameters": schema}}


def _answer(response: Any) -> str:
    """What a tool said, as text: alone where there is nothing beside it."""
    if isinstance(response, dict) and len(response) == 1:
        (only,) = response.values()
        if isinstance(only, str):
            return only
    return codec.dumps(response)


def _gemini_events(reply: Reply, model: str) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = [{"text": said}] if (said := said_in(reply.message)) else []
    for call in calls_of(reply.message):
        id, name, given = parts(call)
        told.append({"functionCall": {"id": id, "name": name, "args": given if isinstance(given, dict) else {}}})
    prompt, completion = reply.call.prompt_tokens or 0, reply.call.completion_tokens or 0
    usage = {"promptTokenCount": prompt, "candidatesTokenCount": completion, "totalTokenCount": prompt + completion}
    candidate = {"content": {"role": "model", "parts": told or [{"text": ""}]}, "finishReason": "STOP", "index": 0}
    return [{"candidates": [candidate], "usageMetadata": usage, "modelVersion": model}]


FORMATS = (
    Format(r"/v1/chat/completions$", _chat, _chat_events, b"data: [DONE]\n\n"),
    Format(r"/v1beta/models/([^:/]+):streamGenerateContent$", _gemini, _gemini_events),
)


def format_of(path: str) -> tuple[Format, str] | None:
    """The protocol of an address, and the model's name in it."""
    for known in FORMATS:
        if found := re.search(known.path, path):
            return known, found[1] if found.groups() else ""
    return None


def stream(known: Format, reply: Reply, model: str) -> bytes:
    """A reply as server-sent events."""
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in known.write(reply, model)) + known.done
