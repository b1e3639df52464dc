"""Where a reply holds what the model said, in the format of whichever provider, and what the parts of a message say.

litellm reads replies, but none in which a field is missing, empty or of another type than it expects. One that says something is a
reply, whatever else it lacks. The formats are those of OpenAI, of Gemini (on Vertex as well), of Anthropic (Claude on Vertex,
Bedrock and Azure as well), of Bedrock's Converse, and of Ollama and Cohere.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from ppres.conversation import Message


class Received(NamedTuple):
    """What a reply holds of its model."""

    message: Message
    """In OpenAI's format, but that its content may be parts of any; see `of_parts`."""
    raw: Any
    """The same as it came."""
    finish: Any
    """Why it ended, in the provider's word."""


def received(payload: Any) -> Received | None:
    """What a reply holds of its model; None where it is in none of the formats."""
    choice, candidate = _choice(payload), first(payload, "candidates")
    if message := _message(choice):
        return Received(message, message, choice.get("finish_reason", choice.get("done_reason")))
    if candidate:
        content = candidate.get("content")
        return _of_parts(content.get("parts") if isinstance(content, dict) else content, content, candidate.get("finishReason"))
    if blocked := inner(payload, "promptFeedback").get("blockReason"):
        return _of_parts([], blocked, "content_filter")
    if message := inner(payload, "output", "message"):
        return _of_parts(message.get("content"), message, payload.get("stopReason"))
    if isinstance(payload, dict) and "content" in payload and ("stop_reason" in payload or payload.get("role") == "assistant"):
        return _of_parts(payload["content"], payload["content"], payload.get("stop_reason"))
    return None


def _choice(payload: Any) -> dict[str, Any]:
    """The first of a reply's choices that says something (gateways put an empty one before it), or the reply itself."""
    choices = payload.get("choices") if isinstance(payload, dict) else None
    says = (told for told in choices if any(_message(told).get(name) for name in _SAYING)) if isinstance(choices, list) else ()
    whole = payload if inner(payload, "message").keys() & {"content", "tool_calls"} else {}
    return next(iter(says), first(payload, "choices") or whole)


_SAYING = ("content", "tool_calls", "function_call", "refusal", "reasoning_content", "reasoning")


def _message(choice: Any) -> Message:
    """What a choice holds of the model, also as a piece of a stream or as a bare text; empty where there is nothing."""
    if isinstance(choice, dict) and isinstance(choice.get("text"), str) and not choice.get("message"):
        return {"content": choice["text"]}
    return inner(choice, "message") or inner(choice, "delta")


def elsewhere(payload: Any) -> str | None:
    """The fields of a reply by which its server speaks another protocol, as every other reply of it will; None where none does."""
    told = payload[0] if isinstance(payload, list) and payload else payload
    if not isinstance(told, dict) or told.get("choices") or not any(told.get(name) for name in _ELSEWHERE):
        return None
    return ", ".join(map(str, told))[:200]


# Where the Responses of OpenAI, Ollama's generate, Hugging Face's servers, Cohere's first form, and others put what a model said.
_ELSEWHERE = ("output", "outputs", "response", "generated_text", "generations", "completion", "text", "results", "predictions")


def _of_parts(parts: Any, came: Any, finish: Any) -> Received:
    return Received({"content": parts if isinstance(parts, list) else [parts]}, came, finish)


def first(payload: Any, name: str) -> dict[str, Any]:
    """The first of a reply's choices; empty where there is none."""
    choices = payload.get(name) if isinstance(payload, dict) else None
    return choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}


def inner(value: Any, *names: str) -> dict[str, Any]:
    """The object that stands under these names; empty where there is none."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def of_parts(parts: list[Any]) -> Message:
    """A message in OpenAI's format, without what a part does not say: text, thoughts, and calls.

    Both of the latter with the signature without which their provider does not take them back.
    """
    texts: list[str] = []
    blocks: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    for part in ({"text": told} if isinstance(told, str) else told for told in parts if isinstance(told, str | dict)):
        kind, signature = part.get("type"), part.get("thoughtSignature")
        call = next((part[name] for name in ("functionCall", "toolUse") if name in part), part if kind == "tool_use" else None)
        if call is not None:
            signed = {"provider_specific_fields": {"thought_signature": signature}} if isinstance(signature, str) else {}
            calls.append(_call(call) | signed)
        elif kind == "redacted_thinking" and isinstance(part.get("data"), str):
            blocks.append(part)
        elif kind in ("thinking", "reasoning") or part.get("thought") or "reasoningContent" in part:
            thought = inner(part, "reasoningContent", "reasoningText") or part
            signature = thought.get("signature", signature)
            block = {"type": "thinking", "thinking": _text(thought.get("thinking", thought.get("text")))}
            blocks.append(block | ({"signature": signature} if isinstance(signature, str) else {}))
        else:
            texts.append(_text(part.get("text")))
    thoughts = "".join(block.get("thinking", "") for block in blocks)
    told = {"reasoning_content": thoughts, "thinking_blocks": blocks, "tool_calls": calls}
    return {"content": "".join(texts) or None} | {name: value for name, value in told.items() if value}


def _text(told: Any) -> str:
    """A text; of a list of parts, theirs."""
    if isinstance(told, list):
        return "".join(_text(part.get("text") if isinstance(part, dict) else part) for part in told)
    return told if isinstance(told, str) else "" if told is None else json.dumps(told)


def _call(call: Any) -> dict[str, Any]:
    call = call if isinstance(call, dict) else {"args": call}
    given: Any = next((call[name] for name in ("args", "input") if call.get(name) is not None), {})
    function = {"name": call.get("name"), "arguments": given if isinstance(given, str) else json.dumps(given)}
    return {"id": call.get("id", call.get("toolUseId")), "type": "function", "function": function}
