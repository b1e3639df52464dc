"""What comes back is read however odd it is: what a model says is data, and a number that cannot be one is none."""

import copy
import json
import random
import re
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from providers import Telling, at, calling, completion, priced, run, turns, usual

import ppres as pp
from ppres.models import direct, replies, transport


def first(message, finish=None, **more):
    """A provider whose model says this in its first message, and goes on as usual."""
    return Telling(lambda body: usual(body) if turns(body) else completion(body, message, finish, **more))


PARTS = [{"type": "text", "text": "I will "}, {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}, "not. "]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (PARTS, "I will not. "),
        ([{"type": "output_text", "text": "Yes."}], "Yes."),
        ({"text": "x"}, '{"text": "x"}'),
        (5, "5"),
        ([], None),
        ([{"type": "image_url", "image_url": {"url": "x"}}], None),
    ],
)
def test_content_in_parts_is_text_and_kept_as_it_came(content, text, cell):
    with first({"content": content} | calling("list_files")) as server:
        frame = run(cell, at(server), 1)
        assert len(server.requests) == 2
        assert server.bodies[-1]["messages"][2].get("content") == text
    told = pp.transcript(frame.id[0])["messages"][2]
    assert (told["content"], told["received"]["content"]) == (text, content)
    assert frame.stop_reason.tolist() == ["ended"]
    assert told.get("reasoning_content") == ("Hm." if content is PARTS else None)


@pytest.mark.parametrize(
    "message", [{"reasoning_content": "Hm."}, {"reasoning": "Hm."}, {"content": "", "reasoning_content": "Hm."}]
)
def test_a_reply_with_reasoning_alone_is_what_the_model_did(message, cell):
    """Asked again until it says something, it would be another model."""
    with first(message) as server:
        frame = run(cell, at(server), 1)
        assert len(server.requests) == 1
    assert frame.stop_reason.tolist() == ["no_tool_call"]


@pytest.mark.parametrize(
    "block", [{"thinking": ["x"]}, {"thinking": "x", "signature": {}}, {"data": 5}, {"thinking": None}, {"cache_control": 5}]
)
def test_thoughts_in_blocks_of_another_form_lose_no_words(block, cell):
    blocks = [{"type": "thinking"} | block]
    with first({"content": "I keep it as it is.", "thinking_blocks": blocks} | calling("list_files")) as server:
        frame = run(cell, at(server), 1)
        assert len(server.requests) == 2
    told = pp.transcript(frame.id[0])["messages"][2]
    assert (told["content"], told.get("received", told)["thinking_blocks"]) == ("I keep it as it is.", blocks)


@pytest.mark.parametrize("finish", [{"a": 1}, 5, ["stop"]])
def test_a_reason_to_end_that_is_no_text_is_told_as_one(finish, cell):
    with first(calling("list_files"), finish) as server:
        frame = run(cell, at(server), 1)
    assert frame.stop_reason.tolist() == ["ended"]


WHOLE = {
    "id": "i",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "system_fingerprint": "f",
    "service_tier": "default",
    "provider": "p",
    "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}],  # words of a filter, which filtered nothing
    "usage": {
        **{"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10, "cost": 0.1, "cost_details": {"x": 1}},
        "prompt_tokens_details": {"cached_tokens": 1, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 1},
    },
    "choices": [
        {
            **{"index": 0, "finish_reason": "tool_calls", "native_finish_reason": "tool_calls", "logprobs": {"content": []}},
            "content_filter_results": {},
            "message": {
                **{"role": "assistant", "content": "Well.", "refusal": None, "reasoning": "r", "reasoning_content": "r"},
                **{"audio": None, "function_call": None, "images": [], "thinking_blocks": [], "provider_specific_fields": {}},
                "annotations": [{"type": "url_citation", "url_citation": {"url": "u", "title": "t", "start_index": 0}}],
                "reasoning_details": [{"type": "reasoning.text", "text": "t"}],
                "tool_calls": calling("list_files")["tool_calls"],
            },
        }
    ],
}
ODD = [None, 5, 1.5, "x", "", True, [], ["x"], [None], [{"a": [1]}], {}, {"a": 1}, -1, 10**30]
NEEDED = [("choices",), ("choices", 0), ("choices", 0, "message"), ("choices", 0, "message", "tool_calls")]


def places(value, above=()):
    """Where something stands in a reply: all of it but what makes it one."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, field in inner:
        if (*above, name) not in NEEDED:
            yield (*above, name)
        yield from places(field, (*above, name))


@pytest.mark.parametrize("seed", range(2))
def test_a_field_of_any_type_costs_no_reply_and_is_no_filter(seed, cell):
    """Each of 60 rollouts has another field of another type, and the words of a filter stand beside."""
    rng = random.Random(seed)
    cases = [(rng.choice([*places(WHOLE)]), rng.choice(ODD)) for _ in range(60)]

    def answer(body):
        if turns(body):
            return usual(body)
        place, odd = cases[int(re.search(r"Case (\d+)\.", str(body["messages"]))[1])]
        told = inner = copy.deepcopy(WHOLE)
        for name in place[:-1]:
            inner = inner[name]
        inner[place[-1]] = odd
        return 200, told

    with Telling(answer) as server, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # several model ids, and litellm's own
        frame = run(pp.grid(cell, user_note=[f"Case {i}." for i in range(60)], explain=False), at(server), 1)
        assert len(server.requests) == 120
    wrong = [(case, row.stop_reason) for case, row in zip(cases, frame.itertuples(), strict=True) if row.stop_reason != "ended"]
    assert not wrong and pp.verify().empty


def test_a_reply_that_litellm_cannot_read_is_read_all_the_same(cell, monkeypatch):
    """And what the model says in it is no error of the provider."""
    monkeypatch.setattr(replies, "legible", bytes)
    said = {"content": "It violates our content policy; the context length and my credit balance are used up.", "annotations": 5}
    with Telling(lambda body: completion(body, said)) as server:
        frame = run(cell, at(server), 1)
        assert len(server.requests) == 1
    assert frame.stop_reason.tolist() == ["no_tool_call"]
    told = pp.transcript(frame.id[0])["messages"][-1]
    assert told["content"] == said["content"] and told["received"]["annotations"] == 5


FIELDS = [
    "_hidden_params",
    "hidden_params",
    "_response_ms",
    "_response_headers",
    "stream",
    "model_dump",
    "json",
    "x_groq",
    "_x",
    "é",
]


@pytest.mark.parametrize("odd", ["x", 5, [1], {"response_cost": 77.0, "additional_headers": 5}, None], ids=str)
def test_a_field_that_is_of_no_protocol_says_nothing_to_litellm(odd, cell):
    """It would stand for what litellm itself knows of the call, as its cost."""
    with Telling(lambda body: (200, usual(body)[1] | dict.fromkeys(FIELDS, odd))) as server:
        frame = run(cell, at(server), 1)
        assert len(server.requests) == 2
    assert frame.stop_reason.tolist() == ["ended"] and not frame.cost.gt(1).any()


def test_whatever_breaks_when_a_reply_is_read_ends_one_conversation(cell, monkeypatch):
    """Of litellm or of ours: others go on, and the store says what it was."""
    tidy = replies._tidy
    monkeypatch.setattr(replies, "_tidy", lambda message: message["no such field"] if "Case 1" in str(message) else tidy(message))
    monkeypatch.setattr(direct, "plain", lambda *_: None)  # else litellm does not read it

    def answer(body):
        return completion(body, {"content": "Case 1."}) if "Case 1." in str(body["messages"]) else usual(body)

    with Telling(answer) as server:
        frame = run(pp.grid(cell, user_note=["Case 0.", "Case 1."], explain=False), at(server), 1)
    assert frame.stop_reason.tolist() == ["ended", "provider_error"]
    assert "cannot be read: " in pp.transcript(frame.id[1])["error"]


@pytest.mark.parametrize("name", ["model", "system_fingerprint", "provider"])
def test_what_a_provider_calls_itself_is_text_of_some_length(name, cell):
    for told in ({"a": 1}, 5, "x" * 100_000):
        with Telling(lambda body, told=told: (200, usual(body)[1] | {name: told})) as server:
            frame = run(cell, at(server, temperature=0.1), 1)
        call = pp.transcript(frame.id[0])["calls"][0]
        assert all(len(str(value)) <= 200 for value in call.values())
        pp.discard(frame.id)


def test_a_reply_that_nobody_can_read_ends_a_rollout_soon(cell):
    """What has a form that no provider has comes five times at most, not for 15 minutes."""
    with Telling(lambda body: (200, {"choices": {"message": "?"}})) as server:
        frame = run(cell, at(server), 1)
        assert len(server.requests) == transport.EMPTY_TRIES
    assert frame.stop_reason.tolist() == ["provider_error"]


LETTERS = st.characters(exclude_categories=["Cs"])  # as by default, which a process takes two seconds to find out
json_ = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(LETTERS, max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(LETTERS, max_size=8), inner, max_size=3),
    max_leaves=6,
)
messages = st.fixed_dictionaries(
    {},
    optional={
        "role": json_,
        "content": json_,
        "reasoning_content": json_,
        "refusal": json_,
        "tool_calls": json_
        | st.lists(json_ | st.fixed_dictionaries({}, optional=dict.fromkeys(("id", "type", "function"), json_)), max_size=3),
    },
)


@given(messages, json_, json_)
def test_whatever_comes_is_made_legible_once(message, finish, usage):
    body = json.dumps({"choices": [{"message": message, "finish_reason": finish}], "usage": usage}).encode()
    better = replies.legible(body)
    assert replies.legible(better) == better
    (choice,) = json.loads(better)["choices"]
    assert isinstance(choice["finish_reason"], str | None)
    assert isinstance(choice["message"].get("content"), str | None)
    for call in choice["message"].get("tool_calls") or ():
        assert isinstance(call["function"]["name"], str) and isinstance(call["function"]["arguments"], str)


def test_a_key_in_the_reason_why_a_reply_ended_is_cleared(cell, monkeypatch, capfd):
    monkeypatch.setenv("OPENAI_API_KEY", key := "sk-Zq7Rk2Lw9Xv4Tn8Bd3Fh6Jm1")
    with first({"content": "I will"}, f"error: refused {key}") as server:
        frame = run(cell, at(server), 1)
    said = str(pp.show(frame.id[0])) + str(pp.transcript(frame.id[0])) + "".join(capfd.readouterr())
    assert "refused" in said and "[secret]" in said and key not in said


OLD = {"name": "view_sheet", "arguments": '{"name": "Evaluation"}'}


ODD = [OLD | {"arguments": {"name": 5}}, OLD | {"arguments": None}, {"name": "no_such_tool"}, "list_files()"]


@pytest.mark.parametrize("finish", ["function_call", "stop", "tool_calls"])
@pytest.mark.parametrize("old", [OLD, *ODD], ids=str)
def test_a_call_in_openais_first_form_is_one_tool_call(old, finish, cell):
    """As some builds of llama.cpp and older gateways send it: the model said something, and goes on."""
    with first({"function_call": old}, finish) as server:
        frame = run(cell, at(server), 1)
        assert len(server.requests) == 2
        sent = server.bodies[1]["messages"]
    message, reply = pp.transcript(frame.id[0])["messages"][2:4]
    (call,) = message["tool_calls"]
    assert message["received"]["function_call"] == old
    assert call["function"]["name"] == (old["name"] if isinstance(old, dict) else "")
    assert reply["tool_call_id"] == call["id"] and frame.tool_calls[0] == 2
    assert sent[-1]["tool_call_id"] == sent[-2]["tool_calls"][0]["id"]


@pytest.mark.parametrize(
    "call",
    [
        {"id": "a", "type": "custom", "custom": {"name": "list_files", "input": "{}"}},
        {"id": "a", "type": "function", "name": "list_files", "arguments": "{}"},
        {"id": "a", "type": "function", "function": None, "name": "list_files", "input": {}},
    ],
)
def test_a_call_of_another_kind_is_read_by_its_name(call, cell):
    """OpenAI's custom tools, and servers that put the name beside the id."""
    with first({"tool_calls": [call]}) as server:
        frame = run(cell, at(server), 1)
    told = pp.transcript(frame.id[0])["messages"][2]
    assert [call["function"] for call in told["tool_calls"]] == [{"arguments": "{}", "name": "list_files"}]
    assert told["received"]["tool_calls"] == [call] and frame.tool_errors[0] == 0


@pytest.mark.parametrize("old", [{}, {"name": None, "arguments": None}, {"name": "", "arguments": ""}, "", []], ids=str)
def test_an_empty_function_call_is_none(old, cell):
    with first({"content": "I will not.", "function_call": old}) as server:
        frame = run(cell, at(server), 1)
    assert frame.stop_reason.tolist() == ["no_tool_call"] and frame.tool_calls[0] == 0


@pytest.mark.parametrize("name", [None, "priced"])
@pytest.mark.parametrize(
    "odd",
    [
        {"choices": {"message": {"content": "I will not."}}},
        {"choices": [5, {"message": {"content": "I will not."}, "finish_reason": "stop"}]},
        {"choices": [{"message": "I will not.", "finish_reason": "stop"}]},
        {"choices": [{"index": "a", "message": {"content": "I will not."}, "finish_reason": "stop"}]},
        {"usage": {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10, "completion_tokens_details": [1]}},
    ],
    ids=str,
)
def test_odd_parts_of_a_reply_are_no_warning_of_pydantics(odd, name, cell, monkeypatch):
    """pytest makes an error of a warning, and a user would see it with every call. The second is asked through litellm."""
    monkeypatch.setattr(transport, "FIRST_WAIT", 0.01)
    priced("priced")
    with Telling(lambda body: completion(body, {"content": "I will not."}, **odd)) as server:
        frame = run(cell, at(server, name) if name else at(server), 1)
    unread = not isinstance(odd.get("choices", []), list)
    assert frame.stop_reason[0] == ("provider_error" if unread else "no_tool_call")


@pytest.mark.parametrize("name", [None, "priced"])
def test_thoughts_that_are_sent_encrypted_alone_are_what_the_model_did(name, cell):
    """As OpenRouter hands on those of some models: asking again would be paid, and hide it."""
    priced("priced")
    hidden = [{"type": "reasoning.encrypted", "data": "gAAAA", "id": "rs_1", "format": "openai-responses-v1", "index": 0}]
    with Telling(lambda body: completion(body, {"content": "", "reasoning": None, "reasoning_details": hidden})) as server:
        frame = run(cell, at(server, name) if name else at(server), 1)
        assert len(server.requests) == 1
    assert frame.stop_reason.tolist() == ["no_tool_call"]
    assert "gAAAA" in json.dumps(pp.transcript(frame.id[0])["messages"][2])
