"""Real models in a harness, as far as the gateway: a provider on loopback, litellm, and clients that speak as the harnesses do."""

import json
import sqlite3
import threading

import pytest
from boxes import condition
from clients import MADE, Gemini, installed
from providers import Telling, completion, nothing_open, priced, refusal, turns

import ppres as pp

NAMES = ("opencode", "gemini-cli")
KEY = "sk-sentinel-0123456789abcdef"


@pytest.fixture(autouse=True)
def _harnesses(monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    installed(monkeypatch, tmp_path / "harnesses")


def shell(body):
    """The name of the shell tool in a request."""
    return body["tools"][0]["function"]["name"]


def calling(body, *commands, **more):
    calls = [
        {"id": f"c{i}", "type": "function", "function": {"name": shell(body), "arguments": json.dumps({"command": command})}}
        for i, command in enumerate(commands)
    ]
    return {"content": "Let me look.", "tool_calls": calls} | more


def working(body):
    """Two calls, two more, and a word."""
    return completion(body, calling(body, "cat docs/*", "ls") if turns(body) < 2 else {"content": "Done."})


def at(server, harness, name="gpt-5.2", **more):
    return pp.InHarness(harness, pp.Model(f"openai/{name}", api_base=server.url, family="ChatGPT", **more))


def run(server, harness, n=1, cell=None, name="gpt-5.2", **more):
    return pp.run(cell or condition(), at(server, harness, name), n, progress=False, **more)


@pytest.mark.parametrize("harness", NAMES)
def test_calls_results_usage_and_price_of_a_real_model_are_recorded(harness):
    priced("gpt-priced", 1e-5, 1e-4)
    with Telling(working) as server:
        frame = run(server, harness, name="gpt-priced")
        bodies = server.bodies
    assert frame.stop_reason.tolist() == ["ended"] and frame.source.tolist() == ["live"] and frame.harness[0] == harness
    assert (frame.turns[0], frame.prompt_tokens[0], frame.completion_tokens[0]) == (3, 300, 15)
    assert frame.cost[0] == pytest.approx(3 * (100 * 1e-5 + 5 * 1e-4))
    told = pp.transcript(frame.id[0])
    assert [m["role"] for m in told["messages"][2:]] == ["assistant", "tool", "tool", "assistant", "tool", "tool", "assistant"]
    assert [call["finish_reason"] for call in told["calls"]] == ["tool_calls", "tool_calls", "stop"]
    last = bodies[-1]["messages"]  # what the provider was sent is what is kept, with each result at its call
    assert [m["content"] for m in last if m["role"] == "tool"] == [m["content"] for m in told["messages"] if m["role"] == "tool"]
    asked = [call["id"] for m in last for call in m.get("tool_calls", ())]
    assert asked == [m["tool_call_id"] for m in last if m["role"] == "tool"] and len({*asked}) == 4
    assert bodies[0]["temperature"] == 1.0 and bodies[0]["tools"][0]["function"]["name"] == shell(bodies[1])
    assert pp.verify().empty


@pytest.mark.parametrize("harness", NAMES)
def test_geminis_signature_comes_back_in_its_own_protocol(harness):
    def answer(body):
        said = body["contents"][1:]
        if said and not any("thoughtSignature" in part for part in said[0]["parts"]):
            return refusal(400, message="Function call is missing a thought_signature", status="INVALID_ARGUMENT")
        name = body["tools"][0]["function_declarations"][0]["name"]
        part = (
            {"functionCall": {"name": name, "args": {"command": "ls"}}, "thoughtSignature": "U0lH"}
            if not said
            else {"text": "Done."}
        )
        usage = {"promptTokenCount": 9, "candidatesTokenCount": 9, "totalTokenCount": 18}
        content = {"role": "model", "parts": [{"text": "I think.", "thought": True}, part]}
        return 200, {"candidates": [{"content": content, "finishReason": "STOP"}], "usageMetadata": usage}

    with Telling(answer) as server:
        model = pp.Model("gemini/gemini-3-flash-preview", api_base=server.url.removesuffix("/v1"))
        frame = pp.run(condition(), pp.InHarness(harness, model), 1, progress=False)
        assert len(server.requests) == 2
    assert frame.stop_reason.tolist() == ["ended"], pp.transcript(frame.id[0])["error"]
    assert frame.prompt_tokens[0] == 18 and pp.verify().empty


@pytest.mark.parametrize("harness", NAMES)
def test_a_model_reasons_and_its_provider_gets_that_back_and_the_harness_does_not(harness, monkeypatch):
    monkeypatch.setenv("DEEPSEEK_API_KEY", KEY)

    def answer(body):
        reply = calling(body, "ls") if not turns(body) else {"content": "Done."}
        return completion(body, reply | {"reasoning_content": "Nobody is to read this."})

    with Telling(answer) as server:
        model = pp.Model("deepseek/deepseek-reasoner", api_base=server.url)
        frame = pp.run(condition(), pp.InHarness(harness, model), 1, progress=False)
        assert server.bodies[-1]["messages"][2]["reasoning_content"] == "Nobody is to read this."
    assert "Nobody" in json.dumps(pp.transcript(frame.id[0])) and "Nobody" not in MADE[-1].heard


@pytest.mark.parametrize("harness", NAMES)
def test_a_provider_that_fails_in_passing_is_asked_again_and_the_harness_waits(harness, monkeypatch):
    monkeypatch.setattr("ppres.harnesses.gateway.SILENCE", 0.05)
    failing = [429, 500, 503]

    def answer(body):
        return refusal(failing.pop(), message="try again", type="x") if failing else working(body)

    with Telling(answer) as server:
        frame = run(server, harness)
        assert len(server.requests) == 6
    told = pp.transcript(frame.id[0])
    assert frame.stop_reason.tolist() == ["ended"] and told["calls"][0]["attempts"] == 4 and frame.turns[0] == 3


@pytest.mark.parametrize("harness", NAMES)
@pytest.mark.parametrize(
    ("reply", "stop"),
    [
        (lambda body: completion(body, {"content": None}, "content_filter"), "content_filter"),
        (lambda body: completion(body, {"content": "It is"}, "length"), "token_limit"),
        (
            lambda body: refusal(400, message="This model's maximum context length is 8 tokens", code="context_length_exceeded"),
            "token_limit",
        ),
        (lambda body: refusal(400, message="The response was filtered", code="content_filter"), "content_filter"),
        (
            lambda body: refusal(400, message="messages.3: tool_use ids must be unique", type="invalid_request_error"),
            "provider_error",
        ),
        (
            lambda body: completion(body, calling(body, "ls"), usage={"prompt_tokens": 130_000, "completion_tokens": 9}),
            "token_limit",
        ),
        (lambda body: completion(body, {"content": None, "reasoning_content": "Hm."}), "ended"),
    ],
)
def test_how_a_reply_ends_is_how_the_rollout_stops(harness, reply, stop):
    with Telling(lambda body: reply(body) if turns(body) else working(body)) as server:
        frame = run(server, harness)
    assert frame.stop_reason.tolist() == [stop], pp.transcript(frame.id[0])["error"]
    assert frame.turns[0] in (1, 2) and pp.verify().empty


@pytest.mark.parametrize("harness", NAMES)
def test_a_budget_stops_in_the_middle_and_what_was_paid_counts_when_it_begins_anew(harness):
    priced("gpt-budget", 1e-4)
    with Telling(lambda body: expensive(body)) as server:
        budget = pp.plan(condition(), at(server, harness, "gpt-budget"), 1).dollars[0] * 1.1
        each = {"prompt_tokens": round(0.6 * budget * 1e4), "completion_tokens": 9}
        expensive = lambda body: (200, working(body)[1] | {"usage": each})  # noqa: E731
        frame = run(server, harness, name="gpt-budget", budget=budget)
        assert frame.stop_reason.tolist() == ["budget"] and len(server.requests) == frame.turns[0] == 2
        assert frame.cost[0] == pytest.approx(1.2 * budget, rel=0.01)
        frame = run(server, harness, name="gpt-budget", budget=20 * budget)
        assert frame.stop_reason.tolist() == ["ended"] and turns(server.bodies[2]) == 0 and len(server.requests) == 2 + 3
    assert frame.cost[0] == pytest.approx(3 * budget, rel=0.01) and frame.turns[0] == 3
    assert pp.verify().empty


@pytest.mark.parametrize("harness", NAMES)
def test_a_run_that_was_cut_off_begins_anew_with_its_paid_turns_counted(harness, tmp_path):
    priced("gpt-cut", 1e-4)
    broken = [True]

    def answer(body):
        if broken and turns(body) == 2:
            return refusal(401, message="Incorrect API key provided", code="invalid_api_key")
        return working(body)

    with Telling(answer) as server:
        with pytest.raises(pp.ModelError, match="Incorrect API key"):
            run(server, harness, name="gpt-cut")
        assert pp.frame().empty and len(server.requests) == 3
        broken.clear()
        frame = run(server, harness, name="gpt-cut")
        assert turns(server.bodies[3]) == 0
    assert frame.stop_reason.tolist() == ["ended"] and frame.turns[0] == 3
    assert frame.cost[0] == pytest.approx(5 * 0.01) and frame.prompt_tokens[0] == 500
    nothing_open(tmp_path / "store.sqlite")


def test_a_harness_that_is_another_for_once_is_not_asked_for_and_tried_again(monkeypatch):
    """That is of another cell, and nobody is paid."""
    with Telling(working) as server:
        first = run(server, "gemini-cli")
        with monkeypatch.context() as patch:
            patch.setattr(Gemini, "tools", (("run_shell_command", "Runs otherwise.", {"type": "object"}),))
            frame = run(server, "gemini-cli", 2)
            assert frame.stop_reason.tolist() == ["ended", "provider_error"] and len(server.requests) == 3
            assert "are not what they were when asked first" in (told := pp.transcript(frame.id[1])["error"])
            assert "otherwise" in told
        frame = run(server, "gemini-cli", 2)
    assert frame.stop_reason.tolist() == ["ended", "ended"] and frame.id[0] == first.id[0] and len(server.requests) == 6


def test_an_order_that_changes_from_start_to_start_is_no_other_harness(monkeypatch):
    """Gemini CLI reads its skills at once, and lists them in the prompt and in a tool as they come."""
    with Telling(working) as server:
        for skills in (("creator", "support"), ("support", "creator")):
            told = {"type": "object", "properties": {"skill": {"enum": skills}}, "required": ["skill"]}
            more = (*Gemini.tools[:1], ("activate_skill", f"Known: {' and '.join(skills)}.", told))
            monkeypatch.setattr(Gemini, "tools", more)
            monkeypatch.setattr("clients.SYSTEM", "".join(f"<skill>{skill}</skill>" for skill in skills))
            frame = run(server, "gemini-cli", 1 if skills[0] == "creator" else 2)
    assert frame.stop_reason.tolist() == ["ended", "ended"] and len(server.requests) == 6


@pytest.mark.parametrize("harness", NAMES)
def test_the_key_is_in_no_box_and_in_no_record(harness, tmp_path):
    def answer(body):
        assert KEY not in json.dumps(body)
        return completion(body, calling(body, f"echo {KEY}") if not turns(body) else {"content": f"{KEY} it is."})

    path = tmp_path / "store.sqlite"
    with Telling(answer) as server:
        frame = run(server, harness, store=path)
        assert all(KEY in json.dumps(headers) for _, headers, _ in server.requests)
    with sqlite3.connect(path) as db:
        assert KEY not in "\n".join(db.iterdump())
    db.close()
    assert KEY not in json.dumps(pp.transcript(frame.id[0], store=path)) and "[secret]" in json.dumps(
        pp.transcript(frame.id[0], store=path)
    )
    box = MADE[-1]
    assert KEY not in json.dumps([box.environment, box.files, box.task, box.heard])


@pytest.mark.parametrize("harness", NAMES)
def test_whatever_a_model_calls_the_harness_can_read_it_and_the_transcript_has_it(harness):
    odd = [
        {"id": "", "type": "function", "function": {"name": "bash", "arguments": '{"command": "cut o'}},
        {"id": "same", "type": "function", "function": {"name": "no such tool!", "arguments": "[1]"}},
        {"id": "same", "type": "function", "function": {"name": "bash", "arguments": '{"a": "\\ud83d"}'}},
    ]
    with Telling(lambda body: completion(body, {"tool_calls": odd} if turns(body) < 2 else {"content": "Done."})) as server:
        frame = run(server, harness)
        sent = [call["id"] for m in server.bodies[-1]["messages"] for call in m.get("tool_calls", ())]
    assert len({*sent}) == 6 and frame.stop_reason.tolist() == ["ended"]
    told = pp.transcript(frame.id[0])["messages"]
    assert told[2]["tool_calls"][0]["function"]["arguments"] == '{"command": "cut o' and len(told) == 2 + 2 * 4 + 1


@pytest.mark.parametrize("harness", NAMES)
def test_a_slow_model_outlives_the_time_and_nothing_is_asked_or_kept_after(harness, tmp_path):
    free = threading.Event()

    def answer(body):
        if turns(body):
            MADE[-1].expire()
            free.wait(30)
        return working(body)

    with Telling(answer) as server:
        frame = run(server, harness)
        free.set()
    assert frame.stop_reason.tolist() == ["time_limit"] and frame.turns[0] == 1
    (cut,) = pp.transcript(frame.id[0])["unanswered"]  # it may be paid for all the same
    assert cut["estimated"] == "no answer" and frame.prompt_tokens[0] == 100 + cut["prompt_tokens"] > 100
    nothing_open(tmp_path / "store.sqlite")
