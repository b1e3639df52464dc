"""Replies in the formats of Gemini, Anthropic and Bedrock that lack what litellm expects, from public reports of such replies; and
those of servers that speak another protocol than they are asked in."""

import copy
import json
import random
import re
import warnings

import pytest
from providers import Telling, at, run, usual

import ppres as pp
from ppres.models import client, formats, replies, transport, wire
from ppres.models.loop import wait_for

GEMINI, CLAUDE, NOVA = "gemini/gemini-2.5-flash", "anthropic/claude-sonnet-4-5", "bedrock/us.amazon.nova-pro-v1:0"
TEXT, CALL = "So be it.", "list_files"


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    for name in ("GEMINI_API_KEY", "ANTHROPIC_API_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "made-up-0123456789abcdef")
    monkeypatch.setenv("AWS_REGION_NAME", "us-east-1")


def gemini(*parts, usage=True, **candidate):
    told = {"candidates": [{"content": {"role": "model", "parts": [*parts]}, "finishReason": "STOP"} | candidate]}
    return told | ({"usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 5, "totalTokenCount": 10}} if usage else {})


def claude(*blocks, **more):
    told = {"id": "m", "type": "message", "role": "assistant", "model": "c", "content": [*blocks], "stop_reason": "end_turn"}
    told |= {"usage": {"input_tokens": 5, "output_tokens": 5}} | more
    return {name: value for name, value in told.items() if value is not ...}


def nova(*blocks, **more):
    told = {"output": {"message": {"role": "assistant", "content": [*blocks]}}, "stopReason": "end_turn"}
    told |= {"usage": {"inputTokens": 5, "outputTokens": 5, "totalTokens": 10}} | more
    return {name: value for name, value in told.items() if value is not ...}


SO, TOOL, USE = (
    {"text": TEXT},
    {"functionCall": {"name": CALL, "args": {}}},
    {"toolUse": {"toolUseId": "t", "name": CALL, "input": {}}},
)
SAID, USED = {"type": "text", "text": TEXT}, {"type": "tool_use", "id": "t", "name": CALL, "input": {}}
# What a reply says: a text, and the names that its calls have; None where nothing is said, or the stop reason instead.
REPLIES = {
    GEMINI: [
        (gemini(SO, usage=False), [TEXT]),
        (gemini(SO) | {"usageMetadata": None}, [TEXT]),
        (gemini(SO) | {"usageMetadata": {"promptTokenCount": 9056, "totalTokenCount": 9056}}, [TEXT]),
        (gemini(SO, {"text": None}, None), [TEXT]),
        (gemini(SO, {"functionCall": {"args": {}}}), [TEXT, ""]),
        (gemini({"functionCall": {"name": CALL}}), [None, CALL]),
        (gemini({"functionCall": {"name": CALL, "args": None}, "thoughtSignature": "c2ln"}), [None, CALL]),
        (gemini({"functionCall": None}, SO), [TEXT]),
        (gemini({"executableCode": {"language": "PYTHON", "code": "1"}}, SO), [TEXT]),
        (gemini(SO, finishReason=None), [TEXT]),
        (gemini(SO, finishReason=5), [TEXT]),
        (gemini(SO, TOOL, index="0", safetyRatings=None, groundingMetadata=5), [TEXT, CALL]),
        (gemini(content={"parts": [SO]}), [TEXT]),
        (gemini(content=[SO]), [TEXT]),
        (gemini(SO) | {"promptFeedback": None}, [TEXT]),
        (gemini(SO) | {"promptFeedback": {"blockReason": None}}, [TEXT]),
        (gemini(SO) | {"modelVersion": 5, "responseId": 7}, [TEXT]),
        ({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}, "content_filter"),
        ({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 5}}, "content_filter"),
        ({"candidates": [{"finishReason": "SAFETY", "index": 0}]}, "content_filter"),
        ({"candidates": [{"finishReason": "MAX_TOKENS", "index": 0}], "usageMetadata": None}, "token_limit"),
        ({"candidates": [{"content": {}, "finishReason": "MALFORMED_FUNCTION_CALL"}], "usageMetadata": {}}, 2),
        (gemini(content={"parts": None}), None),
        ({"candidates": [], "usageMetadata": {"promptTokenCount": 5}}, None),
    ],
    CLAUDE: [
        (claude(SAID, usage=...), [TEXT]),
        (claude(SAID, usage=None), [TEXT]),
        (claude(SAID, usage={}), [TEXT]),
        (claude(SAID, id=..., model=...), [TEXT]),
        (claude(SAID, stop_reason=..., type=...), [TEXT]),
        (claude(SAID, stop_reason=None), [TEXT]),
        (claude(content=TEXT), [TEXT]),
        (claude(SAID, None), [TEXT]),
        (claude(SAID, {"type": "text", "text": None}), [TEXT]),
        (claude(SAID, {"type": "text"}), [TEXT]),
        (claude(SAID, {}), [TEXT]),
        (claude(SAID, {"type": "a_block_of_tomorrow", "x": 5}), [TEXT]),
        (claude({"type": "a_text_of_tomorrow", "text": TEXT}), [TEXT]),
        (claude({"type": "thinking", "thinking": "Hm."}, SAID, usage=None), [TEXT]),
        (claude({"type": "redacted_thinking"}, SAID), [TEXT]),
        (claude(SAID, {"type": "tool_use", "id": "t", "input": {}}), [TEXT, ""]),
        (claude(SAID, {"type": "tool_use", "name": CALL}), [TEXT, CALL]),
        (claude(USED | {"input": None}, stop_reason="tool_use"), [None, CALL]),
        (claude(USED | {"input": "{}"}, usage=..., stop_reason="tool_use"), [None, CALL]),
        (claude(stop_reason="refusal", usage=...), "content_filter"),
        (claude(stop_reason="max_tokens", usage=...), "token_limit"),
        (claude(content=None), None),
        (claude(SAID, stop_reason="pause_turn"), None),
        (claude(SAID, stop_reason="compaction"), None),
    ],
    NOVA: [
        (nova(SO, usage=...), [TEXT]),
        (nova(SO, usage=None, stopReason=...), [TEXT]),
        (nova(SO, {"text": None}, None), [TEXT]),
        (nova(SO, {"toolUse": {"input": {}}}), [TEXT, ""]),
        (nova({"toolUse": {"toolUseId": "t", "name": CALL}}, stopReason="tool_use"), [None, CALL]),
        (nova({"reasoningContent": None}, SO, USE, usage=...), [TEXT, CALL]),
        (nova(stopReason="guardrail_intervened", usage=...), "content_filter"),
        (nova(output={"message": {"role": "assistant"}}), None),
    ],
}


@pytest.mark.filterwarnings("ignore:within a cell the provider reported", "ignore:(?s).*Pydantic")
@pytest.mark.parametrize("name", REPLIES)
def test_a_reply_that_says_something_is_one_whatever_it_lacks(name, cell, monkeypatch):
    monkeypatch.setattr(transport, "FIRST_WAIT", 0.01)
    after = {GEMINI: gemini({"text": "Done."}), CLAUDE: claude({"type": "text", "text": "Done."}), NOVA: nova({"text": "Done."})}

    def answer(body):
        case = int(re.search(r"Case (\d+)\.", str(body))[1])
        asked = body.get("contents") or body["messages"]
        return 200, REPLIES[name][case][0] if len(asked) == 1 else after[name]

    cells = pp.grid(cell, user_note=[f"Case {i}." for i in range(len(REPLIES[name]))], explain=False)
    with Telling(answer) as server, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frame = run(cells, pp.Model(name, api_base=server.url.removesuffix("/v1"), family="Gemini"), 1)
    wrong = []
    for (reply, expected), row in zip(REPLIES[name], frame.itertuples(), strict=True):
        told = pp.transcript(row.id)
        message = next((message for message in told["messages"] if message["role"] == "assistant"), {})
        calls = [call["function"]["name"] for call in message.get("tool_calls") or ()]
        tries = len(told.get("unanswered", ()))
        got = (
            [message["content"], *calls] if isinstance(expected, list) else row.stop_reason if isinstance(expected, str) else tries
        )
        wrong += [] if got == (expected or transport.EMPTY_TRIES) else [(reply, expected, got, told["error"])]
    assert not wrong
    assert pp.verify().empty


WHOLE = {
    GEMINI: gemini({"text": "Hm.", "thought": True}, SO, TOOL | {"thoughtSignature": "c2ln"}, index=0, safetyRatings=[{"x": "y"}])
    | {"modelVersion": "m", "responseId": "r", "promptFeedback": {"safetyRatings": []}},
    CLAUDE: claude({"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}, SAID, USED, stop_reason="tool_use"),
    NOVA: nova({"reasoningContent": {"reasoningText": {"text": "Hm."}}}, SO, USE, stopReason="tool_use", metrics={"latencyMs": 5}),
}
ODD = [None, 5, 1.5, "x", "", True, [], ["x"], [None], [{"a": [1]}], {}, {"a": 1}, -1, 10**30, ...]  # the last: it is not there


def changed(reply):
    """A reply with each of its fields in turn another value, where it still says the text and the call."""
    for *place, name in places(reply):
        for odd in ODD:
            told = inner = copy.deepcopy(reply)
            for above in place:
                inner = inner[above]
            if odd is ...:
                del inner[name]
            else:
                inner[name] = odd
            if f'"{TEXT}"' in json.dumps(told) and f'"{CALL}"' in json.dumps(told):
                yield (*place, name), odd, told


def places(value, above=()):
    for name, field in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*above, name)
        yield from places(field, (*above, name))


async def read(model, reply):
    """What becomes of a reply, as if it had come."""
    with wire.exchange(replies.legible) as seen:
        seen.status, seen.headers, seen.body, seen.arrived = 200, {}, json.dumps(reply).encode(), True
        lite = client.litellm()
        try:
            return replies.read(await lite.acompletion(**model.request([{"role": "user", "content": "x"}], [], {})), seen, 1.0)
        except Exception:
            return replies.by_hand(lite, seen, 1.0)


# A block that is called something else beside a good one: litellm leaves it out, and what came is kept.
UNKNOWN = [("content", place, "type") for place in (1, 2)]


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("share", [0.1, pytest.param(1.0, marks=pytest.mark.slow)])
def test_no_field_of_another_type_costs_the_text_or_the_call(name, share):
    model, wrong = pp.Model(name, api_base="http://127.0.0.1:9", temperature=None), []
    cases = [case for case in changed(WHOLE[name]) if case[0] not in UNKNOWN]
    for place, odd, reply in random.Random(0).sample(cases, round(share * len(cases))):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            told = wait_for(read(model, reply))
        message = told.message if told else {"content": None}
        if TEXT not in (message["content"] or "") or CALL not in json.dumps(message.get("tool_calls")):
            wrong.append((place, odd, message))
    assert not wrong


def test_what_came_is_kept_where_it_was_not_read_by_litellm(cell):
    reply = gemini({"text": "Hm.", "thought": True}, TOOL | {"thoughtSignature": "c2ln"}, {"text": None})
    with Telling(lambda body: (200, reply if len(body["contents"]) == 1 else gemini(SO))) as server:
        frame = run(cell, pp.Model(GEMINI, api_base=server.url.removesuffix("/v1")), 1)
        again = server.bodies[-1]["contents"][1]["parts"]
    assert [part["thoughtSignature"] for part in again if "function_call" in part] == ["c2ln"]  # Gemini takes none back without it
    told = next(message for message in pp.transcript(frame.id[0])["messages"] if message["role"] == "assistant")
    assert told["received"] == reply["candidates"][0]["content"] and told["reasoning_content"] == "Hm."
    assert frame.prompt_tokens[0] == 10


def test_usage_is_kept_where_it_was_not_read_by_litellm(cell):
    for name, reply in ((GEMINI, gemini(SO, None)), (CLAUDE, claude(SAID, None)), (NOVA, nova(SO, None))):
        told = wait_for(read(pp.Model(name, api_base="http://127.0.0.1:9", temperature=None), reply))
        assert (told.call.prompt_tokens, told.call.completion_tokens) == (5, 5)


@pytest.mark.parametrize("payload", [None, 5, [], "x", {}, {"content": "x"}, {"choices": [5]}, {"candidates": {}}, {"output": []}])
def test_what_is_no_reply_holds_nothing(payload):
    assert formats.received(payload) is None


# -- servers that speak another protocol than they are asked in -----------------------------------------------------------


DONE = {"role": "assistant", "content": "Done."}
TOOK = {"prompt_tokens": 7, "completion_tokens": 2}
OTHERS = {
    "ollama": {"model": "m", "created_at": "2026-01-01T00:00:00Z", "message": DONE, "done_reason": "stop", "done": True},
    "cohere": {"id": "c", "message": DONE | {"content": [{"type": "text", "text": "Done."}]}, "finish_reason": "COMPLETE"},
    "text": {"choices": [{"index": 0, "text": "Done.", "finish_reason": "stop"}], "usage": TOOK},
    "delta": {"choices": [{"index": 0, "delta": DONE, "finish_reason": "stop"}], "usage": TOOK},
    "second": {"choices": [{"message": DONE | {"content": None}, "finish_reason": "stop"}, {"message": DONE}], "usage": TOOK},
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_a_model_said_is_read_wherever_a_server_puts_it(name, cell):
    with Telling(lambda _: (200, OTHERS[name])) as server:
        frame = run(cell, at(server), 1)
        assert len(server.requests) == 1
    assert frame.stop_reason.tolist() == ["no_tool_call"]
    assert pp.transcript(frame.id[0])["messages"][2]["content"] == "Done."
    assert "usage" not in OTHERS[name] or frame.prompt_tokens[0] == 7


FOREIGN = {
    "model, response, done": {"model": "m", "response": "Done.", "done": True},
    "id, object, output": {"id": "r", "object": "response", "output": [{"type": "message", "content": [{"text": "x"}]}]},
    "generated_text": [{"generated_text": "Done."}],
}


@pytest.mark.parametrize(("fields", "reply"), FOREIGN.items())
def test_a_server_of_another_protocol_is_asked_once_and_that_is_said(fields, reply, cell):
    """Each further call would be paid for, and answered in the same way."""
    with Telling(lambda _: (200, reply)) as server:
        with pytest.raises(pp.ModelError, match=rf"its fields: {fields}\): check api_base"):
            run(cell, at(server), 1)
        assert len(server.requests) == 1


def test_a_reply_of_another_protocol_among_others_is_asked_for_again(cell):
    replies = iter([None, FOREIGN["generated_text"]])
    with Telling(lambda body: (200, next(replies, None) or usual(body)[1])) as server:
        assert run(cell, at(server), 1).stop_reason.tolist() == ["ended"]
        assert len(server.requests) == 3


@pytest.mark.parametrize(
    "payload", [None, 5, [], {}, {"choices": []}, {"detail": "busy"}, {"id": "x", "usage": {}}, {"output": []}]
)
def test_a_reply_of_nothing_speaks_no_other_protocol(payload):
    assert formats.elsewhere(payload) is None
