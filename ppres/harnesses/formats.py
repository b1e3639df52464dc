"""The protocols that harnesses speak: requests become messages in OpenAI's format, and replies what is sent back."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator
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


class Format(NamedTuple):
    """One protocol."""

    path: str
    """A pattern of its address, with the model's name as a group where it stands there."""
    read: Callable[[dict[str, Any], str], Request]
    write: Callable[[Reply, str], dict[str, Any]]
    """A reply whose calls are valid, as the answer to a request that is not streamed."""
    events: Callable[[dict[str, Any]], list[dict[str, Any]]]
    """The same as a stream."""
    named: bool = False
    """Whether an event's type stands before it."""
    done: bytes = b""
    """What ends a stream."""


def _calls(reply: Reply) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for id, name, given in map(parts, calls_of(reply.message)):
        yield id, name, given if isinstance(given, dict) else {}


def _ending(reply: Reply, ended: str, called: str, cut: str, withheld: str) -> str:
    """Why a reply ended, in a protocol's words."""
    if calls_of(reply.message):
        return called
    return {"length": cut, "content_filter": withheld}.get(str(reply.call.finish_reason), ended)


def _usage(reply: Reply, prompt: str, completion: str, total: str = "") -> dict[str, int]:
    counts = {prompt: reply.call.prompt_tokens or 0, completion: reply.call.completion_tokens or 0}
    return counts | ({total: sum(counts.values())} if total else {})


def _tool(told: dict[str, Any], schema: dict[str, Any] | None) -> dict[str, Any]:
    about = {"name": told["name"], "description": told.get("description") or ""}
    return {"type": "function", "function": about | {"parameters": schema or {"type": "object", "properties": {}}}}


def _call(id: str | None, name: str, arguments: str) -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def _text(content: Any) -> str:
    """A content's texts, whether it is one or a list of parts; without thoughts."""
    if not isinstance(content, list):
        return "" if content is None else codec.text(content)
    kept = [part for part in content if not isinstance(part, dict) or not part.get("thought")]
    return "\n".join(codec.text(part.get("text", part) if isinstance(part, dict) else part) for part in kept)


def _rest(body: dict[str, Any], *known: str) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key not in ("model", "tools", "stream", *known)}


# -- OpenAI's chat completions ----------------------------------------------------------------------------------------------


def _read_chat(body: dict[str, Any], _: str) -> Request:
    messages = [one | {"content": _text(one.get("content"))} for one in body["messages"]]
    return Request(body["model"], messages, body.get("tools") or [], _rest(body, "messages", "stream_options"))


def _write_chat(reply: Reply, model: str) -> dict[str, Any]:
    calls = reply.message.get("tool_calls")
    message = {"role": "assistant", "content": reply.message.get("content")} | ({"tool_calls": calls} if calls else {})
    choice = {"index": 0, "message": message, "finish_reason": _ending(reply, "stop", "tool_calls", "length", "content_filter")}
    head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "object": "chat.completion", "created": 0, "model": model}
    return head | {"choices": [choice], "usage": _usage(reply, "prompt_tokens", "completion_tokens", "total_tokens")}


def _chat_events(whole: dict[str, Any]) -> list[dict[str, Any]]:
    (choice,) = whole["choices"]
    message = choice["message"]
    calls = [{"index": i, **call} for i, call in enumerate(message.get("tool_calls", []))]
    delta = message | ({"tool_calls": calls} if calls else {})
    head = {name: whole[name] for name in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
    return [
        head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
        head | {"choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]},
        head | {"choices": [], "usage": whole["usage"]},
    ]


# -- Gemini -----------------------------------------------------------------------------------------------------------------


def _read_gemini(body: dict[str, Any], model: str) -> Request:
    system = _gemini_text(body.get("systemInstruction") or {})
    messages: list[Message] = [{"role": "system", "content": system}] if system else []
    for content in body.get("contents", []):
        found = content.get("parts", [])
        if content.get("role") == "model":
            told = [part["functionCall"] for part in found if "functionCall" in part]
            calls = [_call(call.get("id"), call["name"], codec.dumps(call.get("args", {}))) for call in told]
            messages.append({"role": "assistant", "content": _gemini_text(content)} | ({"tool_calls": calls} if calls else {}))
            continue
        for part in found:
            if answer := part.get("functionResponse"):
                messages.append({"role": "tool", "tool_call_id": answer.get("id"), "content": _answer(answer.get("response"))})
        if said := _gemini_text(content):
            messages.append({"role": "user", "content": said})
    declared = [one for tool in body.get("tools", []) for one in tool.get("functionDeclarations", [])]
    tools = [_tool(one, one.get("parametersJsonSchema") or one.get("parameters")) for one in declared]
    return Request(model, messages, tools, body.get("generationConfig", {}))


def _gemini_text(content: dict[str, Any]) -> str:
    return _text([part for part in content.get("parts", []) if part.get("text")])


def _answer(response: Any) -> str:
    """What a tool said, as text: alone where there is nothing beside it."""
    if isinstance(response, dict) and len(response) == 1:
        (only,) = response.values()
        if isinstance(only, str):
            return only
    return codec.dumps(response)


def _write_gemini(reply: Reply, model: str) -> dict[str, Any]:
    told: list[dict[str, Any]] = [{"text": said}] if (said := said_in(reply.message)) else []
    told += [{"functionCall": {"id": id, "name": name, "args": given}} for id, name, given in _calls(reply)]
    content = {"role": "model", "parts": told or [{"text": ""}]}
    candidate = {"content": content, "finishReason": _ending(reply, "STOP", "STOP", "MAX_TOKENS", "SAFETY"), "index": 0}
    usage = _usage(reply, "promptTokenCount", "candidatesTokenCount", "totalTokenCount")
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": model}


# -- Anthropic's messages ---------------------------------------------------------------------------------------------------


def _read_messages(body: dict[str, Any], _: str) -> Request:
    messages: list[Message] = [{"role": "system", "content": _text(body["system"])}] if body.get("system") else []
    for one in body["messages"]:
        blocks = one["content"] if isinstance(one["content"], list) else [{"type": "text", "text": one["content"]}]
        said = [block for block in blocks if block["type"] not in ("tool_use", "tool_result", "thinking", "redacted_thinking")]
        if one["role"] == "assistant":
            calls = [_call(b["id"], b["name"], codec.dumps(b["input"])) for b in blocks if b["type"] == "tool_use"]
            messages.append({"role": "assistant", "content": _text(said)} | ({"tool_calls": calls} if calls else {}))
            continue
        for block in blocks:
            if block["type"] == "tool_result":
                messages.append({"role": "tool", "tool_call_id": block["tool_use_id"], "content": _text(block.get("content"))})
        if said:
            messages.append({"role": "user", "content": _text(said)})
    tools = [_tool(one, one["input_schema"]) for one in body.get("tools", []) if "input_schema" in one]
    return Request(body["model"], messages, tools, _rest(body, "messages", "system", "metadata"))


def _write_messages(reply: Reply, model: str) -> dict[str, Any]:
    content: list[dict[str, Any]] = [{"type": "text", "text": said}] if (said := said_in(reply.message)) else []
    content += [{"type": "tool_use", "id": id, "name": name, "input": given} for id, name, given in _calls(reply)]
    head = {"id": f"msg_{uuid.uuid4().hex}", "type": "message", "role": "assistant", "model": model, "content": content}
    ended = {"stop_reason": _ending(reply, "end_turn", "tool_use", "max_tokens", "refusal"), "stop_sequence": None}
    return head | ended | {"usage": _usage(reply, "input_tokens", "output_tokens")}


def _messages_events(whole: dict[str, Any]) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = [{"type": "message_start", "message": whole | {"content": [], "stop_reason": None}}]
    for i, block in enumerate(whole["content"]):
        if block["type"] == "text":
            empty: dict[str, Any] = {"text": ""}
            delta = {"type": "text_delta", "text": block["text"]}
        else:
            empty = {"input": {}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        events.append({"type": "content_block_start", "index": i, "content_block": block | empty})
        events.append({"type": "content_block_delta", "index": i, "delta": delta})
        events.append({"type": "content_block_stop", "index": i})
    ended = {name: whole[name] for name in ("stop_reason", "stop_sequence")}
    return [*events, {"type": "message_delta", "delta": ended, "usage": whole["usage"]}, {"type": "message_stop"}]


# -- OpenAI's responses -----------------------------------------------------------------------------------------------------


def _read_responses(body: dict[str, Any], _: str) -> Request:
    messages: list[Message] = [{"role": "system", "content": body["instructions"]}] if body.get("instructions") else []
    given = body["input"] if isinstance(body["input"], list) else [{"role": "user", "content": body["input"]}]
    for item in given:
        kind = item.get("type", "message")
        if kind == "function_call_output":
            messages.append({"role": "tool", "tool_call_id": item["call_id"], "content": _text(item["output"])})
        elif kind == "function_call" or item.get("role") == "assistant":
            if not messages or messages[-1]["role"] != "assistant":  # a message and its calls come one by one
                messages.append({"role": "assistant", "content": None})
            if kind == "function_call":
                messages[-1].setdefault("tool_calls", []).append(_call(item["call_id"], item["name"], item["arguments"]))
            else:
                messages[-1]["content"] = _text(item["content"])
        elif kind == "message":
            role = "system" if item["role"] == "developer" else item["role"]
            messages.append({"role": role, "content": _text(item["content"])})
    tools = [_tool(one, one.get("parameters")) for one in body.get("tools", []) if one["type"] == "function"]
    return Request(body["model"], messages, tools, _rest(body, "input", "instructions"))


def _write_responses(reply: Reply, model: str) -> dict[str, Any]:
    output: list[dict[str, Any]] = []
    if said := said_in(reply.message):
        content = [{"type": "output_text", "text": said, "annotations": []}]
        output.append({"type": "message", "id": f"msg_{uuid.uuid4().hex}", "role": "assistant", "content": content})
    for id, name, given in _calls(reply):
        call = {"call_id": id, "name": name, "arguments": json.dumps(given)}
        output.append({"type": "function_call", "id": f"fc_{uuid.uuid4().hex}"} | call)
    cut = _ending(reply, "", "", "max_output_tokens", "content_filter")
    ended = {"status": "incomplete", "incomplete_details": {"reason": cut}} if cut else {"status": "completed"}
    head = {"id": f"resp_{uuid.uuid4().hex}", "object": "response", "created_at": 0, "model": model, "output": output}
    return head | ended | {"usage": _usage(reply, "input_tokens", "output_tokens", "total_tokens")}


def _responses_events(whole: dict[str, Any]) -> list[dict[str, Any]]:
    begun = {name: value for name, value in whole.items() if name != "usage"} | {"status": "in_progress", "output": []}
    events: list[dict[str, Any]] = [{"type": "response.created", "response": begun}]
    for i, item in enumerate(whole["output"]):
        at = {"output_index": i, "item_id": item["id"]}
        events.append({"type": "response.output_item.added", "output_index": i, "item": item})
        if item["type"] == "message":
            events.append({"type": "response.output_text.delta", "content_index": 0, "delta": item["content"][0]["text"]} | at)
        events.append({"type": "response.output_item.done", "output_index": i, "item": item})
    return [*events, {"type": f"response.{whole['status']}", "response": whole}]


FORMATS = (
    Format(r"/chat/completions$", _read_chat, _write_chat, _chat_events, done=b"data: [DONE]\n\n"),
    Format(r"/models/([^:/]+):(?:streamG|g)enerateContent$", _read_gemini, _write_gemini, lambda whole: [whole]),
    Format(r"/messages$", _read_messages, _write_messages, _messages_events, named=True),
    Format(r"/responses$", _read_responses, _write_responses, _responses_events, named=True),
)


def format_of(path: str) -> tuple[Format, str] | None:
    """The protocol of an address, and the model's name in it."""
    for known in FORMATS:
        if found := re.search(known.path, path):
            return known, found[1] if found.groups() else ""
    return None


def stream(known: Format, whole: dict[str, Any]) -> bytes:
    """An answer as server-sent events."""
    told = [
        (f"event: {event['type']}\n" if known.named else "") + f"data: {json.dumps(event)}\n\n" for event in known.events(whole)
    ]
    return "".join(told).encode() + known.done
