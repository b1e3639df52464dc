"""What a model said is stored as it came, and sent back so that every provider takes it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from providers import Telling, at, calling, completion, refusal, run, turns, usual
from server import problem

import ppres as pp
from ppres.models import history
from ppres.store.cell import cells_of
from ppres.store.rows import cell_digest


def strict(first, status=400):
    """A provider whose model says `first` in its first message, and that reads what it is sent back."""

    def answer(body):
        if why := problem(body["messages"]):
            return refusal(status, message=why, type="invalid_request_error")
        status_and_reply = completion(body, first) if not turns(body) else usual(body)
        return status_and_reply[0], status_and_reply[1] | {"service_tier": "default"}  # litellm's Groq insists

    return Telling(answer)


def call(name="list_files", arguments="{}", **more):
    return {"id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}} | more


ODD = {
    "cut off": [call("view_sheet", '{"name": "Eval')],
    "no object": [call(arguments="[1, 2]")],
    "text": [call(arguments='"x"')],
    "nothing": [call(arguments="")],
    "null": [call(arguments=None)],
    "an object": [call(arguments={"a": 1})],
    "NaN": [call(arguments='{"a": NaN}')],
    "a raw line break": [call(arguments='{"a": "x\ny"}')],
    "half a character": [call(arguments='{"a": "\\ud83d"}')],
    "deep": [call(arguments='{"a":' * 500 + "1" + "}" * 500)],
    "too deep": [call(arguments='{"a":' * 20_000 + "1" + "}" * 20_000)],
    "a long number": [call(arguments='{"a": ' + "9" * 5_000 + "}")],
    "a name with blanks": [call("list files!")],
    "a long name": [call("x" * 300)],
    "no name": [call("")],
    "a name with a part": [call("functions.list_files")],
    "the same id twice": [call(), call("view_sheet")],
    "no id": [call(id=""), call(id=None)],
    "an id with blanks": [call(id="the first call")],
    "a number as id": [call(id=7)],
    "no function": [{"id": "c1", "type": "function"}],
    "no call": [None, "list_files()", 5],
    "one call, no list": call(),
    "more fields": [call(index=0, custom="x")],
}


# Which status it is, is no matter of what was odd: one of each is refused with another.
@pytest.mark.parametrize(
    ("odd", "status"),
    [(odd, 400) for odd in ODD] + [pytest.param(odd, 500, marks=() if odd == "cut off" else pytest.mark.slow) for odd in ODD],
)
def test_a_conversation_whose_own_history_a_provider_rejects_goes_on(odd, status, cell):
    with strict({"tool_calls": ODD[odd]}, status) as server:
        frame = run(cell, at(server), 1)
        assert frame.stop_reason.tolist() == ["ended"], pp.transcript(frame.id[0])["error"]
        assert len(server.requests) == 2 or odd == "no id"
    assert pp.verify().empty


def test_what_is_stored_is_what_came_and_what_was_mended_is_told(cell):
    raw = '{"name": "Eval'
    with strict({"tool_calls": [call("view_sheet", raw, id="")]}) as server:
        told = pp.transcript(run(cell, at(server), 1).id[0])
        sent = server.bodies[-1]["messages"][2]["tool_calls"][0]
    assert told["messages"][2]["tool_calls"][0]["function"] == {"name": "view_sheet", "arguments": raw}
    assert json.loads(sent["function"]["arguments"]) == {"invalid": raw}
    assert [call.get("mended") for call in told["calls"]] == [None, "id 1, arguments 1"]


def test_a_good_conversation_is_sent_back_letter_by_letter(cell):
    arguments = '{ "name" : "Caf\u00e9",\t"n":1.0 }'
    with strict({"content": "So.", "tool_calls": [call("view_sheet", arguments)]}) as server:
        told = pp.transcript(run(cell, at(server), 1).id[0])
        assert server.bodies[-1]["messages"][2] == told["messages"][2]
    assert not any("mended" in call for call in told["calls"])


@pytest.mark.parametrize(
    "name",
    ["openai/m", "cerebras/gpt-oss-120b", "groq/m", "xai/grok-4", "mistral/m", "lm_studio/m", "nvidia_nim/a/b", "azure_ai/m"],
)
def test_a_strict_server_gets_no_field_that_it_does_not_know(name, cell, monkeypatch):
    for key in ("CEREBRAS_API_KEY", "GROQ_API_KEY", "XAI_API_KEY", "MISTRAL_API_KEY", "NVIDIA_NIM_API_KEY", "AZURE_AI_API_KEY"):
        monkeypatch.setenv(key, "k" * 12)
    first = calling("list_files") | {"reasoning": "Hm.", "reasoning_details": [{"type": "reasoning.text", "text": "Hm."}]}
    with strict(first) as server:
        frame = run(cell, pp.Model(name, api_base=server.url, reasoning_effort=None), 1)
        assert len(server.requests) == 2
    assert frame.stop_reason.tolist() == ["ended"]
    told = pp.transcript(frame.id[0])["messages"][2]
    assert told.get("reasoning_content", told.get("reasoning")) == "Hm."


@pytest.mark.parametrize("name", ["deepseek/deepseek-reasoner", "moonshot/kimi-k2-thinking", "zai/glm-4.7", "openrouter/a/b"])
def test_reasoning_goes_back_to_those_who_want_it(name, cell, monkeypatch):
    for key in ("DEEPSEEK_API_KEY", "MOONSHOT_API_KEY", "ZAI_API_KEY", "OPENROUTER_API_KEY"):
        monkeypatch.setenv(key, "k" * 12)
    details = [{"type": "reasoning.encrypted", "data": "abc"}]
    said = calling("list_files") | {"reasoning_content": "Hm.", "reasoning_details": details}
    with Telling(lambda body: usual(body) if turns(body) else completion(body, said)) as server:
        run(cell, pp.Model(name, api_base=server.url), 1)
        back = server.bodies[-1]["messages"][2]
    assert back["reasoning_content"] == "Hm."
    assert (back.get("reasoning_details") == details) == name.startswith("openrouter")


def test_a_server_that_is_known_for_nothing_is_asked_the_other_way_once(cell):
    """A server of one's own may want the reasoning back. It is found out by its words, and remembered."""

    def answer(body):
        if any("reasoning_content" not in m for m in body["messages"] if m["role"] == "assistant"):
            return refusal(400, message="Missing `reasoning_content` field in the assistant message at message index 2")
        return completion(body, (calling("end_task") if turns(body) > 2 else calling("list_files")) | {"reasoning_content": "Hm."})

    with Telling(answer) as server:
        frame = run(cell, at(server), 3, concurrency=1)
        assert len(server.requests) == 3 * 4 + 1
    assert set(frame.stop_reason) == {"ended"}


def test_googles_signature_goes_back_behind_the_protocol_of_openai(cell):
    signed = [call(extra_content={"google": {"thought_signature": "S"}})]
    with Telling(lambda body: usual(body) if turns(body) else completion(body, {"tool_calls": signed})) as server:
        run(cell, at(server), 1)
        assert server.bodies[-1]["messages"][2]["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "S"}}


def gemini(body):
    """Gemini in its own protocol: it insists on its signature."""
    if len(body["contents"]) > 1:
        if not any("thoughtSignature" in part for part in body["contents"][1]["parts"]):
            return refusal(400, message="Function call is missing a thought_signature", status="INVALID_ARGUMENT")
        part = {"functionCall": {"name": "end_task", "args": {}}, "thoughtSignature": "U0lH"}
    else:
        part = {"functionCall": {"name": "list_files", "args": {}}, "thoughtSignature": "U0lH"}
    usage = {"promptTokenCount": 9, "candidatesTokenCount": 9, "totalTokenCount": 18}
    return 200, {"candidates": [{"content": {"role": "model", "parts": [part]}, "finishReason": "STOP"}], "usageMetadata": usage}


def claude(body):
    """Claude in its own protocol: it insists on its thinking, and on ids of its form."""
    said = body["messages"][1]["content"] if len(body["messages"]) > 1 else None
    if said and said[0].get("signature") != "SIG":
        return 400, {"type": "error", "error": {"type": "invalid_request_error", "message": "a thinking block is missing"}}
    call = {
        "type": "tool_use",
        "id": "toolu_1" if not said else "toolu_2",
        "name": "end_task" if said else "list_files",
        "input": {},
    }
    content = [{"type": "thinking", "thinking": "Hm.", "signature": "SIG"}, call]
    usage = {"input_tokens": 9, "output_tokens": 9}
    more = {"id": "m", "type": "message", "role": "assistant", "model": body["model"], "stop_reason": "tool_use"}
    return 200, more | {"content": content, "usage": usage, "stop_sequence": None}


@pytest.mark.parametrize(
    ("name", "answer", "more"),
    [
        ("gemini/gemini-3-flash-preview", gemini, {}),
        ("anthropic/claude-sonnet-4-5", claude, {"extra_body": {"thinking": {"type": "enabled", "budget_tokens": 2048}}}),
    ],
)
def test_signatures_and_thinking_go_back_in_the_providers_own_protocol(name, answer, more, cell, monkeypatch):
    monkeypatch.setenv("GEMINI_API_KEY", "k" * 12)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k" * 12)
    with Telling(answer) as server:
        frame = run(cell, pp.Model(name, api_base=server.url.removesuffix("/v1"), **more), 1)
        assert len(server.requests) == 2
    assert frame.stop_reason.tolist() == ["ended"]
    assert pp.verify().empty  # litellm rewrites tools in place for some providers; those of the cells are not its to change
    (same,) = cells_of(cell, "sim/compliant")
    assert cell_digest(same.spec()["sent"]) == same.digest


SIGNED = {"functionCall": {"name": "list_files", "args": {}}, "thoughtSignature": "U0lH"}
ODDLY_SIGNED = {
    "a list, beside a signed text": [{"text": "Hi.", "thoughtSignature": "U0lH"}, SIGNED | {"thoughtSignature": ["U0lH"]}],
    "a list": [SIGNED | {"thoughtSignature": ["U0lH"]}],
    "an object": [SIGNED | {"thoughtSignature": {"a": 1}}],
    "a number": [SIGNED | {"thoughtSignature": 5}],
    "a list, on a text": [{"text": "Hi.", "thoughtSignature": [1]}, SIGNED],
    "an object, on a text": [{"text": "Hi.", "thoughtSignature": {"a": 1}}, {"functionCall": SIGNED["functionCall"]}],
}


@pytest.mark.parametrize("what", ODDLY_SIGNED)
def test_a_signature_that_is_no_text_stops_nobody(what, cell, monkeypatch):
    """litellm failed on it before it asked, which was taken for the network's fault: 15 minutes, then the model's end."""
    monkeypatch.setenv("GEMINI_API_KEY", "k" * 12)

    def answer(body):
        parts = [SIGNED | {"functionCall": {"name": "end_task", "args": {}}}] if len(body["contents"]) > 1 else ODDLY_SIGNED[what]
        usage = {"promptTokenCount": 9, "candidatesTokenCount": 9, "totalTokenCount": 18}
        return 200, {"candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}], "usageMetadata": usage}

    with Telling(answer) as server:
        frame = run(cell, pp.Model("gemini/gemini-3-flash-preview", api_base=server.url.removesuffix("/v1")), 1)
        assert len(server.requests) == 2
    assert frame.stop_reason.tolist() == ["ended"] and pp.verify().empty


def test_what_lies_deep_in_what_was_signed_is_not_gone_through():
    deep = "x"
    for _ in range(20_000):
        deep = [{"a": deep}]
    block = {"type": "thinking", "thinking": "Hm.", "signature": ["S"]}
    message = {
        "role": "assistant",
        "content": "Hi.",
        "thinking_blocks": [block, {**block, "signature": "S"}],
        "extra_content": deep,
    }
    told = history._assistant(message, history.REASONING["anthropic"], set(), {})
    assert told["thinking_blocks"] == [{**block, "signature": "S"}]
    assert told["extra_content"][0]["a"][0]["a"] is deep[0]["a"][0]["a"]


def test_what_fails_in_the_middle_before_it_is_sent_ends_that_conversation_alone(cell, monkeypatch):
    """Of a conversation that has begun, for what was said in it: others of the model go on."""
    import litellm

    real = litellm.acompletion

    async def fails(*given, **named):
        if sum(message["role"] == "assistant" for message in named["messages"]) == 1 and not failed:
            failed.append(1)
            try:
                raise TypeError("unhashable type: 'list'")
            except TypeError as error:
                raise litellm.APIConnectionError(message=str(error), model="m", llm_provider="gemini") from error
        return await real(*given, **named)

    failed = []
    monkeypatch.setenv("GEMINI_API_KEY", "k" * 12)
    monkeypatch.setattr(litellm, "acompletion", fails)
    with Telling(gemini) as server:
        frame = run(cell, pp.Model("gemini/gemini-3-flash-preview", api_base=server.url.removesuffix("/v1")), 3, concurrency=1)
    assert sorted(frame.stop_reason) == ["ended", "ended", "provider_error"]
    assert (
        "it cannot be asked: TypeError: unhashable"
        in pp.transcript(frame.id[frame.stop_reason == "provider_error"].iloc[0])["error"]
    )


@pytest.mark.parametrize("content", [" \n", "I wonder."])
def test_a_nudged_message_is_sent_back_though_it_says_nothing(content):
    (cell,) = pp.grid(scenario="evaluation", nudges=1)
    with strict({"content": content}) as server:
        frame = run(cell, at(server), 1)
    assert frame.stop_reason.tolist() == ["ended"]
    said = pp.transcript(frame.id[0])["messages"]
    assert "end_task" in said[3]["content"]
    assert [message["role"] for message in said[2:5]] == ["assistant", "user", "assistant"]
    assert said[2]["content"] == content
    assert pp.verify().empty


LETTERS = st.characters(exclude_categories=["Cs"])  # as by default, which a process takes two seconds to find out
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(LETTERS, max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(LETTERS, max_size=8), inner, max_size=3),
    max_leaves=6,
)
calls = st.lists(
    anything
    | st.fixed_dictionaries(
        {},
        optional={
            "id": anything | st.sampled_from(["c1", "c2", ""]),
            "type": anything,
            "index": anything,
            "function": anything | st.fixed_dictionaries({}, optional={"name": anything, "arguments": anything | st.text(LETTERS)}),
        },
    ),
    max_size=5,
)


@given(st.lists(st.tuples(calls, anything), max_size=4))
def test_whatever_was_said_is_sent_back_valid(said):
    messages = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
    for some, more in said:
        messages.append({"role": "assistant", "content": None, "tool_calls": some, "odd": more, "reasoning_content": "Hm."})
        messages += [
            {"role": "tool", "tool_call_id": call.get("id") if isinstance(call, dict) else None, "content": "x"} for call in some
        ]
    before = repr(messages)
    sent, _ = history.valid(messages, "openai")
    assert problem(sent) is None
    json.dumps(sent, ensure_ascii=False).encode()
    assert repr(messages) == before
    assert history.valid(sent, "openai") == (sent, None)
