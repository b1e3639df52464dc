"""The protocols that harnesses speak: requests become messages in OpenAI's format, and replies what is sent back."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

from ppres import codec
from ppres.conversation import Message, Reply, calls_of, parts, said_in

Json = dict[str, Any]


class Request(NamedTuple):
    """What a harness asks of a model."""

    model: str
    messages: list[Message]
    """OpenAI's format; replies to calls have no id where the protocol has none."""
    tools: list[Json]
    parameters: Json


class Format(NamedTuple):
    """One protocol."""

    path: str
    """A pattern of its address, with the model's name as a group where it stands there."""
    read: Callable[[Json, str], Request]
    write: Callable[[Reply, str], Json]
    """A reply whose calls are valid, as the answer to a request that is not streamed."""
    events: Callable[[Json], list[Json]]
    """The same as a stream."""
    done: bytes = b""
    """What ends a stream."""


# -- what the protocols have in common --------------------------------------------------------------------------------------


def _messages(role: str, said: Any, calls: list[Json], answers: list[tuple[Any, str]]) -> list[Message]:
    """One party's content as messages: an assistant's text with its calls; answers to calls, then what was said."""
    text = _text(said)
    if role == "assistant":
        return [{"role": role, "content": text} | ({"tool_calls": calls} if calls else {})]
    told: list[Message] = [{"role": "tool", "tool_call_id": id, "content": answer} for id, answer in answers]
    return [*told, *([{"role": role, "content": text}] if text else [])]


def _text(content: Any) -> str:
    """A content's texts, whether it is one or a list of parts; without thoughts."""
    if not isinstance(content, list):
        return "" if content is None else codec.text(content)
    kept = [part for part in content if not isinstance(part, dict) or not part.get("thought")]
    return "\n".join(codec.text(part.get("text", part) if isinstance(part, dict) else part) for part in kept)


def _call(id: str | None, name: str, arguments: str) -> Json:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def _tool(told: Json, schema: Json | None) -> Json:
    about = {"name": told["name"], "description": told.get("description") or ""}
    return {"type": "function", "function": about | {"parameters": schema or {"type": "object", "properties": {}}}}


def _rest(body: Json, *known: str) -> Json:
    return {key: value for key, value in body.items() if key not in ("model", "tools", "stream", *known)}


def _called(reply: Reply) -> list[tuple[str, str, Json]]:
    return [(id, name, given if isinstance(given, dict) else {}) for id, name, given in map(parts, calls_of(reply.message))]


def _ending(reply: Reply, ended: str, called: str, cut: str, withheld: str) -> str:
    """Why a reply ended, in a protocol's words."""
    if calls_of(reply.message):
        return called
    return {"length": cut, "content_filter": withheld}.get(str(reply.call.finish_reason), ended)


def _usage(reply: Reply, prompt: str, completion: str, total: str = "") -> dict[str, int]:
    counts = {prompt: reply.call.prompt_tokens or 0, completion: reply.call.completion_tokens or 0}
    return counts | ({total: sum(counts.values())} if total else {})


# -- OpenAI's chat completions ----------------------------------------------------------------------------------------------


def _read_chat(body: Json, _: str) -> Request:
    messages = [message | {"content": _text(message.get("content"))} for message in body["messages"]]
    return Request(body["model"], messages, body.get("tools") or [], _rest(body, "messages", "stream_options"))


def _write_chat(reply: Reply, model: str) -> Json:
    calls = reply.message.get("tool_calls")
    message = {"role": "assistant", "content": reply.message.get("content")} | ({"tool_calls": calls} if calls else {})
    choice = {"index": 0, "message": message, "finish_reason": _ending(reply, "stop", "tool_calls", "length", "content_filter")}
    head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "object": "chat.completion", "created": 0, "model": model}
    return head | {"choices": [choice], "usage": _usage(reply, "prompt_tokens", "completion_tokens", "total_tokens")}


def _chat_events(whole: Json) -> list[Json]:
    (choice,) = whole["choices"]
    message = choice["message"]
    calls = [{"index": i, **call} for i, call in enumerate(message.get("tool_calls", []))]
    told = [
        [{"index": 0, "delta": message | ({"tool_calls": calls} if calls else {}), "finish_reason": None}],
        [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}],
    ]
    head = {name: whole[name] for name in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
    return [*(head | {"choices": choices} for choices in told), head | {"choices": [], "usage": whole["usage"]}]


# -- Gemini -----------------------------------------------------------------------------------------------------------------


def _read_gemini(body: Json, model: str) -> Request:
    messages: list[Message] = []
    for content in [{**(body.get("systemInstruction") or {}), "role": "system"}, *body.get("contents", [])]:
        given = content.get("parts", [])
        calls = [call for part in given if (call := part.get("functionCall"))]
        answers = [answer for part in given if (answer := part.get("functionResponse"))]
        messages += _messages(
            {"model": "assistant", "system": "system"}.get(content.get("role"), "user"),
            [part for part in given if part.get("text")],
            [_call(call.get("id"), call["name"], codec.dumps(call.get("args", {}))) for call in calls],
            [(answer.get("id"), _answer(answer.get("response"))) for answer in answers],
        )
    declared = [tool for group in body.get("tools", []) for tool in group.get("functionDeclarations", [])]
    tools = [_tool(tool, tool.get("parametersJsonSchema") or tool.get("parameters")) for tool in declared]
    return Request(model, messages, tools, body.get("generationConfig", {}))


def _answer(response: Any) -> str:
    """What a tool said, as text: alone where there is nothing beside it."""
    alone = [*response.values()] if isinstance(response, dict) else []
    return alone[0] if len(alone) == 1 and isinstance(alone[0], str) else codec.dumps(response)


def _write_gemini(reply: Reply, model: str) -> Json:
    told: list[Json] = [{"text": said}] if (said := said_in(reply.message)) else []
    told += [{"functionCall": {"id": id, "name": name, "args": given}} for id, name, given in _called(reply)]
    content = {"role": "model", "parts": told or [{"text": ""}]}
    candidate = {"content": content, "finishReason": _ending(reply, "STOP", "STOP", "MAX_TOKENS", "SAFETY"), "index": 0}
    usage = _usage(reply, "promptTokenCount", "candidatesTokenCount", "totalTokenCount")
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": model}


# -- Anthropic's messages ---------------------------------------------------------------------------------------------------


def _read_messages(body: Json, _: str) -> Request:
    messages: list[Message] = []
    for message in [{"role": "system", "content": body.get("system") or []}, *body["messages"]]:
        content = message["content"]
        blocks = content if isinstance(content, list) else [{"type": "text", "text": content}]
        messages += _messages(
            message["role"],
            [b for b in blocks if b["type"] not in ("tool_use", "tool_result", "thinking", "redacted_thinking")],
            [_call(b["id"], b["name"], codec.dumps(b["input"])) for b in blocks if b["type"] == "tool_use"],
            [(b["tool_use_id"], _text(b.get("content"))) for b in blocks if b["type"] == "tool_result"],
        )
    tools = [_tool(tool, tool["input_schema"]) for tool in body.get("tools", []) if "input_schema" in tool]
    return Request(body["model"], messages, tools, _rest(body, "messages", "system", "metadata"))


def _write_messages(reply: Reply, model: str) -> Json:
    content: list[Json] = [{"type": "text", "text": said}] if (said := said_in(reply.message)) else []
    content += [{"type": "tool_use", "id": id, "name": name, "input": given} for id, name, given in _called(reply)]
    head = {"id": f"msg_{uuid.uuid4().hex}", "type": "message", "role": "assistant", "model": model, "content": content}
    ended = {"stop_reason": _ending(reply, "end_turn", "tool_use", "max_tokens", "refusal"), "stop_sequence": None}
    return head | ended | {"usage": _usage(reply, "input_tokens", "output_tokens")}


def _messages_events(whole: Json) -> list[Json]:
    events: list[Json] = [{"type": "message_start", "message": whole | {"content": [], "stop_reason": None}}]
    for i, block in enumerate(whole["content"]):
        empty: Json = {"text": ""} if block["type"] == "text" else {"input": {}}
        delta = {"type": "text_delta", "text": block.get("text")}
        if block["type"] == "tool_use":
            delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        events.append({"type": "content_block_start", "index": i, "content_block": block | empty})
        events.append({"type": "content_block_delta", "index": i, "delta": delta})
        events.append({"type": "content_block_stop", "index": i})
    ended = {name: whole[name] for name in ("stop_reason", "stop_sequence")}
    return [*events, {"type": "message_delta", "delta": ended, "usage": whole["usage"]}, {"type": "message_stop"}]


# -- OpenAI's responses -----------------------------------------------------------------------------------------------------


def _read_responses(body: Json, _: str) -> Request:
    messages: list[Message] = []
    given = body["input"] if isinstance(body["input"], list) else [{"role": "user", "content": body["input"]}]
    for item in [{"role": "system", "content": body.get("instructions")}, *given]:
        kind, role = item.get("type", "message"), item.get("role")
        if kind == "message":
            new = _messages("system" if role == "developer" else role, item["content"], [], [])
        elif kind == "function_call":
            new = _messages("assistant", None, [_call(item["call_id"], item["name"], item["arguments"])], [])
        else:  # of other kinds there is nothing to be told
            answers = [(item["call_id"], _text(item["output"]))] if kind == "function_call_output" else []
            new = _messages("user", None, [], answers)
        if new and messages and messages[-1]["role"] == new[0]["role"] == "assistant":  # a message and its calls come one by one
            last = messages.pop()
            said = [text for message in (last, new[0]) if (text := message["content"])]
            new = _messages("assistant", said, [*calls_of(last), *calls_of(new[0])], [])
        messages += new
    tools = [_tool(tool, tool.get("parameters")) for tool in body.get("tools", []) if tool["type"] == "function"]
    return Request(body["model"], messages, tools, _rest(body, "input", "instructions"))


def _write_responses(reply: Reply, model: str) -> Json:
    output: list[Json] = []
    if said := said_in(reply.message):
        content = [{"type": "output_text", "text": said, "annotations": []}]
        output.append({"type": "message", "id": f"msg_{uuid.uuid4().hex}", "role": "assistant", "content": content})
    for id, name, given in _called(reply):
        call = {"call_id": id, "name": name, "arguments": json.dumps(given)}
        output.append({"type": "function_call", "id": f"fc_{uuid.uuid4().hex}"} | call)
    cut = _ending(reply, "", "", "max_output_tokens", "content_filter")
    ended = {"status": "incomplete", "incomplete_details": {"reason": cut}} if cut else {"status": "completed"}
    head = {"id": f"resp_{uuid.uuid4().hex}", "object": "response", "created_at": 0, "model": model, "output": output}
    return head | ended | {"usage": _usage(reply, "input_tokens", "output_tokens", "total_tokens")}


def _responses_events(whole: Json) -> list[Json]:
    begun = {name: value for name, value in whole.items() if name != "usage"} | {"status": "in_progress", "output": []}
    events: list[Json] = [{"type": "response.created", "response": begun}]
    for i, item in enumerate(whole["output"]):
        events.append({"type": "response.output_item.added", "output_index": i, "item": item})
        if item["type"] == "message":
            delta = {"output_index": i, "item_id": item["id"], "content_index": 0, "delta": item["content"][0]["text"]}
            events.append({"type": "response.output_text.delta"} | delta)
        events.append({"type": "response.output_item.done", "output_index": i, "item": item})
    return [*events, {"type": f"response.{whole['status']}", "response": whole}]


FORMATS = (
    Format(r"/chat/completions$", _read_chat, _write_chat, _chat_events, done=b"data: [DONE]\n\n"),
    Format(r"/models/([^:/]+):(?:streamG|g)enerateContent$", _read_gemini, _write_gemini, lambda whole: [whole]),
    Format(r"/messages$", _read_messages, _write_messages, _messages_events),
    Format(r"/responses$", _read_responses, _write_responses, _responses_events),
)


def format_of(path: str) -> tuple[Format, str] | None:
    """The protocol of an address, and the model's name in it."""
    for known in FORMATS:
        if match := re.search(known.path, path):
            return known, match[1] if match.groups() else ""
    return None


def stream(known: Format, whole: Json) -> bytes:
    """An answer as server-sent events; where events have types, these stand before them as well."""
    named = [(f"event: {event['type']}\n" if "type" in event else "", json.dumps(event)) for event in known.events(whole)]
    return "".join(f"{name}data: {event}\n\n" for name, event in named).encode() + known.done
