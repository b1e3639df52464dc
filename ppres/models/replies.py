"""A provider's reply, as it is kept: the message as it came, and what is known of the call.

What a model says is data, however odd. litellm reads none of a reply in which one field has another type than it expects, so such a
field is put right before litellm sees it, and the message as it came is kept beside.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ppres.conversation import Call, Message, Reply, refusal_field
from ppres.models import faults, formats, redaction
from ppres.models.faults import Fault
from ppres.models.meanings import meaning
from ppres.models.thoughts import out_of_text, thoughts_apart
from ppres.models.usage import count, dollars, lost, plausible
from ppres.models.wire import Exchange

# How providers say that a text is at its end. litellm calls network errors and whatever else it does not know "stop" as well.
_ENDINGS = (
    *(None, "stop", "STOP", "FINISH_REASON_UNSPECIFIED", "end_turn", "stop_sequence"),
    *("STOP_SEQUENCE", "COMPLETE", "eos", "eos_token"),
)
_CUT = ("content_filter", "length")
_AT_LIMIT = ("model_length", "model_context_window_exceeded")
_WHOLE = (*_ENDINGS[1:], *_CUT, "tool_calls", "tool_use", "function_call")
_PAUSED = ("pause_turn", "compaction")  # by Claude's server, which would go on; litellm calls it cut off at a limit
_CALLING = ("tool_calls", "tool_use", "function_call", "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL")  # the last two: Gemini
_BROKEN = ("error", "network_error", "abort", "insufficient_system_resource")


def read(response: Any, seen: Exchange, seconds: float, received: Any = None) -> Reply:
    """A reply as we keep it. Raises `Fault` where there is none: that is the provider's fault, not the model's behaviour.

    `received`: the message as it came, where it was not litellm that read it.
    """
    choices = getattr(response, "choices", None) or [None]
    message = getattr(choices[0], "message", None)
    finish = getattr(choices[0], "finish_reason", None)
    native = (getattr(choices[0], "provider_specific_fields", None) or {}).get("native_finish_reason") or finish
    payload = seen.json()
    if (told := formats.received(payload)) and told.finish in _PAUSED:
        native = finish = told.finish
    finish = "length" if native in _AT_LIMIT else "tool_calls" if finish == "function_call" else finish
    usage = getattr(response, "usage", None)
    prompt = count(getattr(usage, "prompt_tokens", None)) or None  # litellm says 0 where the provider said nothing
    completion = count(getattr(usage, "completion_tokens", None))
    call = Call(
        prompt_tokens=prompt,
        completion_tokens=completion if prompt else completion or None,
        cost=dollars(response._hidden_params.get("response_cost")) if prompt else None,
        finish_reason=named(finish),
        native_finish_reason=named(native),
        seconds=round(seconds, 3),
        reported_model=named(response.model or None),
        system_fingerprint=named(getattr(response, "system_fingerprint", None)),
        provider=named(getattr(response, "provider", None)),
    )
    if native not in _WHOLE and isinstance(error := formats.first(payload, "choices").get("error"), dict) and error:
        raise _broken_off(error, call)
    kept = {} if message is None else thoughts_apart(_tidy(message.model_dump(exclude_none=True)))
    its = legible_message(told.message) if told else {}
    if not kept.get("tool_calls") and (lost_call := next((f for f in (told and told.finish, native) if f in _CALLING), None)):
        why = f"a tool call that its server lost or could not read (finish_reason {lost_call!r}, and no call)"
        raise _without_answer(why, call, "lost call")
    if not _says(kept) and (finish not in _CUT or (received is None and _says(its))):
        raise _without_answer("a reply without text and without a tool call", call)
    if finish not in _CUT and native not in _ENDINGS and (native in _BROKEN or not kept.get("tool_calls")):
        raise _without_answer(f"a reply that did not end by itself (finish_reason {native!r})", call)
    if told and received is None:
        received = _unread(kept, told, its)
    return cleared(kept if received is None else kept | {"received": received}, call)


def _unread(kept: Message, told: formats.Received, its: Message) -> Any:
    """A message as it came, where what litellm read of it is not all of it. Its calls are put right."""
    if told.raw is not told.message:  # in a format of its own
        return told.raw if (thoughts_apart(its)["content"] or "") != (kept["content"] or "") else None
    for mine, call in zip(kept.get("tool_calls") or (), its.get("tool_calls") or (), strict=False):
        mine["function"]["arguments"] = call["function"]["arguments"]  # litellm reads them, and some it cannot
    return told.raw if its != told.raw else None


def by_hand(lite: Any, seen: Exchange, seconds: float) -> Reply | None:
    """A reply that litellm cannot read, or in which it sees nothing that the model said; None where there is nothing."""
    payload = seen.json()
    told = formats.received(payload) if faults.went_well(seen.status) else None
    if not told or payload.get("error"):
        return None
    paid, finish = next(iter(lost(seen, seconds)), Call()), told.finish if isinstance(told.finish, str) else None
    usage = {"prompt_tokens": paid.prompt_tokens or 0, "completion_tokens": paid.completion_tokens or 0}
    choice = lite.Choices(finish_reason=finish or None, message=_legible_choice({"message": told.message})["message"])
    choice.provider_specific_fields = {"native_finish_reason": finish}
    response = lite.ModelResponse(choices=[choice], usage=usage, model=payload.get("modelVersion", payload.get("model")))
    response._hidden_params["response_cost"] = paid.cost
    try:
        return read(response, seen, seconds, told.raw)
    except Fault:
        return None


def cleared(message: Message, call: Call) -> Reply:
    """A reply without keys: a provider may put them into any field."""
    (message, told), places = redaction.clear([message, call.json()])
    return Reply(message, Call.of(told)._replace(cleared=places) if places else call)


def _broken_off(error: dict[str, Any], call: Call) -> Fault:
    """What a gateway says of a reply that broke off behind it: it had committed itself to status 200 by then."""
    codes, words = faults.told({"error": error})
    means, text = meaning(faults.status_in(error), codes, words), faults.line(words or json.dumps(error))
    return _without_answer(text, call, "passing" if means == "rejected" else means)


def _without_answer(text: str, call: Call, means: str = "passing") -> Fault:
    fault = Fault(text, means)
    fault.calls = (cleared({}, call).call,)
    return fault


def _tidy(message: Message) -> Message:
    """Without litellm's empty fields: what the provider sent, and what can be sent back."""
    kept = {k: v for k, v in message.items() if k in ("role", "content") or v not in (None, {}, [], "")}
    if kept.get("provider_specific_fields") and not any(kept["provider_specific_fields"].values()):
        del kept["provider_specific_fields"]
    return kept | {"role": "assistant", "content": message.get("content")}


def _says(message: Message) -> bool:
    """Whether a model said something; thoughts alone are what it did as well, and asking again would hide it."""
    thoughts = ("reasoning_content", "reasoning", "thinking_blocks")
    specific = message.get("provider_specific_fields")
    hidden = message.get("reasoning_details") or (isinstance(specific, dict) and specific.get("reasoning_details"))
    return bool(any(message.get(name) for name in ("content", "tool_calls", *thoughts)) or hidden or refusal_field(message))


def named(told: Any) -> str | None:
    """What a provider calls something, as a text of some length."""
    return None if told is None else str(told)[:200]


# -- before litellm reads it -------------------------------------------------------------------------------------------


def legible(body: bytes) -> bytes:
    """The body of a reply in OpenAI's format, so that litellm can read it; any other body as it is."""
    odd: list[str] = []

    def whole(digits: str) -> int | None:
        if len(digits) <= 300:
            return int(digits)
        odd.append(digits)  # Python refuses to read thousands of them
        return None

    try:
        payload = json.loads(body, parse_int=whole, parse_constant=odd.append)
    except (ValueError, RecursionError):
        return body
    if not isinstance(payload, dict):
        return body
    # litellm makes each field of a reply in OpenAI's format an attribute of its own, over what is there.
    better = {name: value for name, value in payload.items() if name in _READ or "choices" not in payload}
    better |= {name: plausible(payload[name], "choices" in payload) for name in ("usage", "usageMetadata") if name in better}
    better |= {name: _raw(payload[name]) for name in NAMES & payload.keys() if payload[name] is not None}
    if not isinstance(payload.get("created"), int | None):
        better["created"] = None
    if (choices := payload.get("choices")) is not None:
        told = choices if isinstance(choices, list) else []
        better["choices"] = [_legible_choice(choice) for choice in told if isinstance(choice, dict)]
    return json.dumps(better).encode() if odd or better != payload else body


NAMES = {"id", "object", "model", "system_fingerprint", "provider", "service_tier"}
_READ = NAMES | {"created", "choices", "usage", "error", "citations", "search_results"}


def _legible_choice(choice: dict[str, Any]) -> dict[str, Any]:
    better = {name: value for name, value in choice.items() if name != "logprobs" or value is None}
    if type(choice.get("index", 0)) is not int:
        better["index"] = 0
    if not isinstance(choice.get("finish_reason"), str | None):
        better["finish_reason"] = json.dumps(choice["finish_reason"])
    if (message := choice.get("message")) is not None:
        better["message"] = out_of_text(legible_message(message if isinstance(message, dict) else {"content": message}))
        calls = better["message"].get("tool_calls") or ()
        if not all(tame(call["function"]["arguments"]) for call in calls):
            better["message"]["tool_calls"] = [call | {"function": call["function"] | {"arguments": "{}"}} for call in calls]
    return better


def tame(raw: str) -> bool:
    """Whether a parser says at most that it is wrong."""
    try:
        json.loads(raw)
    except json.JSONDecodeError:
        return True
    except (ValueError, RecursionError):  # too long a number, too deep a nest
        return False
    return True


def legible_message(message: Message) -> Message:
    """A message whose fields have the types of the format; what is in others is told as text."""
    kept, content = dict(message), message.get("content")
    if isinstance(content, list):
        kept = formats.of_parts(content)
        kept |= {name: value for name, value in message.items() if name != "content" and (value or name not in kept)}
    elif not isinstance(content, str | None):
        kept["content"] = json.dumps(content)
    calls = kept.get("tool_calls")
    if not calls and (old := kept.get("function_call")) and not (isinstance(old, dict) and not any(old.values())):
        calls = [{"id": "function_call", "type": "function", "function": old}]  # of OpenAI's first form, which has no ids
    if calls:
        kept["tool_calls"] = [_call(call) for call in (calls if isinstance(calls, list) else [calls])]
    elif calls is not None and calls != []:
        kept["tool_calls"] = None
    for name in ("reasoning_content", "reasoning", "refusal"):
        if not isinstance(kept.get(name), str | None):
            kept[name] = json.dumps(kept[name])
    if message.get("role") is not None:
        kept["role"] = "assistant"
    return {name: value for name, value in kept.items() if name not in _UNREADABLE or not _UNREADABLE[name](value)}


def _is_odd_thought(blocks: Any) -> bool:
    return blocks is not None and not (isinstance(blocks, list) and all(map(_is_thought, blocks)))


def _is_thought(block: Any) -> bool:
    if not isinstance(block, dict) or block.get("type") not in ("thinking", "redacted_thinking"):
        return False
    return all(isinstance(block.get(name, ""), str) for name in ("thinking", "signature", "data")) and "cache_control" not in block


# Fields that litellm takes in few forms; the first four are of no use here, or were read already.
_UNREADABLE: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("annotations", "images"), lambda value: value not in (None, [])),
    **dict.fromkeys(("audio", "function_call"), lambda value: value is not None),
    "thinking_blocks": _is_odd_thought,
    "provider_specific_fields": lambda value: not isinstance(value, dict | None),
}


def _call(call: Any) -> dict[str, Any]:
    """A tool call in the format, whatever was sent in its place."""
    if not isinstance(call, dict):
        return {"type": "function", "function": {"name": "", "arguments": _raw(call)}}
    flat = {name: call[name] for name in ("name", "arguments", "input") if name in call} if "name" in call else None
    places = (call.get("function"), call.get("custom"), flat, {"name": "", "arguments": _raw(call.get("function"))})
    function = next(told for told in places if isinstance(told, dict))
    function = {"arguments": function["input"]} | function if "input" in function else function  # of a custom tool's call
    kept = {name: _raw(function[name]) if function.get(name) is not None else "" for name in ("name", "arguments")}
    told = {name: value for name, value in call.items() if name in _OF_A_CALL} | {"function": function | kept}
    told |= {"type": "function"} if "type" in call else {}
    return told | ({"id": _raw(call["id"])} if not isinstance(call.get("id"), str | None) else {})


_OF_A_CALL = ("id", "type", "function", "index", "extra_content", "provider_specific_fields")


def _raw(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
