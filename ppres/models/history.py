"""A conversation as it is sent back: valid, whatever the model said in it.

What is stored stays as it came. But a provider that reads back arguments that are no JSON, a call without an id, or a field that it
does not know, refuses the conversation for good, though the model that wrote them is its own.
"""

from __future__ import annotations

import json
import re
from typing import Any

from ppres.conversation import Message
from ppres.models.faults import Fault

# What is sent back of a model's reasoning, because without it the provider refuses the conversation or the model loses its thread.
# Strict servers refuse fields that they do not know, so every other provider gets none.
_TEXT = frozenset({"reasoning_content"})
_DETAILS = "reasoning_details"  # litellm finds it, and leaves it where it is not sent from
_SIGNED = _TEXT | {"thinking_blocks", "provider_specific_fields"}  # litellm makes of them what the provider wants
REASONING = {
    **dict.fromkeys(("anthropic", "bedrock", "gemini", "vertex_ai", "azure_ai", "databricks", "ollama_chat"), _SIGNED),
    **dict.fromkeys(("deepseek", "moonshot", "zai", "dashscope", "volcengine", "xiaomi_mimo"), _TEXT),
    **dict.fromkeys(("fireworks_ai", "together_ai", "hosted_vllm"), _TEXT),
    **dict.fromkeys(("openrouter", "minimax"), _TEXT | {_DETAILS}),
}
_SIGNATURE = "extra_content"  # of Google's models behind OpenAI's protocol, on the call that they sign

_FIELD = re.compile(
    r"(?i)reasoning|thinking|thought|unsupported|unknown|unrecognized|unexpected|extra|additional|not permitted|forbidden"
)
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_ID = re.compile(r"[!-~]{1,64}|[!-~]{1,64}__thought__[!-~]*")  # litellm puts Gemini's signatures into ids
_DEEPEST = 100  # of arguments; parsers stop at 128


def valid(messages: list[Message], provider: str, other_way: bool = False) -> tuple[list[Message], str | None]:
    """The messages as they are sent to a provider, and what of them had to be made valid, if anything; None else.

    `other_way`: with the reasoning, where it is usually kept from the provider; without, where it is sent.
    """
    kept = REASONING.get(provider, frozenset())
    if other_way:
        kept = frozenset() if kept else _TEXT
    sent: list[Message] = []
    mended: dict[str, int] = {}
    ids: set[str] = set()
    answered: list[str] = []
    for message in messages:
        if message["role"] == "assistant":
            told = _assistant(message, kept, ids, mended)
            answered = [call["id"] for call in told.get("tool_calls", ())]
        elif message["role"] == "tool":  # the world answers each call, in their order
            told = message | {"tool_call_id": answered.pop(0) if answered else message["tool_call_id"]}
        else:
            told = message
        sent.append(told)
    return _encodable(sent), ", ".join(f"{name} {count}" for name, count in mended.items()) or None


def disputed(messages: list[Message], fault: Fault) -> bool:
    """Whether a provider refused a conversation for the reasoning in it, or for want of it."""
    reasoned = any(name in message for message in messages for name in (*_SIGNED, _SIGNATURE))
    return fault.means == "rejected" and reasoned and _FIELD.search(str(fault)) is not None


def _assistant(message: Message, kept: frozenset[str], ids: set[str], mended: dict[str, int]) -> Message:
    told = {"role": "assistant", "content": message.get("content")}
    told |= {name: _signed(message[name]) for name in message if name in kept or name == _SIGNATURE}
    if _DETAILS in kept and (details := (message.get("provider_specific_fields") or {}).get(_DETAILS)):
        told[_DETAILS] = details
    content = told["content"]
    if not message.get("tool_calls") and (content is None or (isinstance(content, str) and not content.strip())):
        told["content"] = "(no text)"  # where the conversation went on after it; no provider takes a message of nothing
        mended["content"] = mended.get("content", 0) + 1
    if calls := message.get("tool_calls"):
        told["tool_calls"] = [_call(call, kept, ids, mended) for call in calls]
    return told


def _call(call: Any, kept: frozenset[str], ids: set[str], mended: dict[str, int]) -> dict[str, Any]:
    """A call that every provider takes. Counts in `mended` what was not so."""
    call = call if isinstance(call, dict) else {"function": {"arguments": call}}
    function = call.get("function")
    function = function if isinstance(function, dict) else {"arguments": function}
    id, name, raw = call.get("id"), function.get("name"), function.get("arguments")
    better = {"id": _id(id, ids), "name": _name(name), "arguments": _arguments(raw)}
    for field, value, valid in (("id", id, better["id"]), ("name", name, better["name"]), ("arguments", raw, better["arguments"])):
        if value != valid:
            mended[field] = mended.get(field, 0) + 1
    ids.add(better["id"])
    told = {name: _signed(call[name]) for name in call if name in kept or name == _SIGNATURE}
    return told | {
        "id": better["id"],
        "type": "function",
        "function": {"name": better["name"], "arguments": better["arguments"]},
    }


def _signed(told: Any, depth: int = 3) -> Any:
    """What a model thought and signed, without signatures that are no text: litellm fails on them, and no request is made.

    They stand within `depth` levels; what lies deeper may be anything, and is not gone through.
    """
    if depth < 0 or not isinstance(told, list | dict):
        return told
    if isinstance(told, list):
        pairs = [(item, _signed(item, depth - 1)) for item in told]
        return [signed for item, signed in pairs if not (isinstance(item, dict) and signed.keys() != item.keys())]
    odd = {name for name, value in told.items() if "signature" in name and not _is_signature(name, value)}
    return {name: _signed(value, depth - 1) for name, value in told.items() if name not in odd}


def _is_signature(name: str, value: Any) -> bool:
    several = name.endswith("s") and isinstance(value, list)
    return all(isinstance(item, str) for item in (value if several else [value]))


def _id(id: Any, ids: set[str]) -> str:
    """An id of its own: the one that it has, or one that the strictest take (Mistral: nine letters or digits)."""
    if isinstance(id, str) and id not in ids and _ID.fullmatch(id):
        return id
    place = len(ids)
    while (made := f"call{place:05d}") in ids:
        place += 1
    return made


def _name(name: Any) -> str:
    return (
        name if isinstance(name, str) and _NAME.fullmatch(name) else re.sub(r"[^a-zA-Z0-9_-]", "_", str(name or ""))[:64] or "none"
    )


def _arguments(raw: Any) -> str:
    """An object as JSON: the one that was sent, letter by letter, or one that holds what was sent instead."""
    if raw is None or raw == "":
        return "{}"
    text = raw if isinstance(raw, str) else json.dumps(raw)
    try:
        arguments = _read(text)
        nested = text.count("{") + text.count("[") > _DEEPEST
        if isinstance(arguments, dict) and not (nested and _deeper(arguments, _DEEPEST)):
            (_write(arguments) if "\\" in text else text).encode()  # half a character, written out, is no text to others
            return text
    except (ValueError, RecursionError):
        pass
    return json.dumps({"invalid": text.encode("utf-8", "replace").decode()})


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


# Both look the same for every call of every earlier turn: json.loads and json.dumps would make them anew each time.
_read = json.JSONDecoder(parse_constant=_refuse).decode
_write = json.JSONEncoder(ensure_ascii=False).encode


def _deeper(value: Any, depth: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return depth < 0 or any(_deeper(item, depth - 1) for item in inner)


def _encodable(messages: list[Message]) -> list[Message]:
    """The messages, without halves of characters, which no request can hold: a model may have named a file so."""
    raw = _write(messages)
    try:
        raw.encode()
    except UnicodeEncodeError:
        messages = json.loads(raw.encode("utf-8", "replace"))
    return messages
