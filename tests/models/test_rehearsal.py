"""What is recorded as sent is what is sent: litellm clamps and drops some parameters, and says nothing."""

import pytest
from providers import Telling, run, usual

import ppres as pp
from ppres.models.loop import wait_for
from ppres.models.model import litellm


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    for name in ("MOONSHOT", "ANTHROPIC", "XAI", "MISTRAL", "GEMINI", "OPENROUTER", "DEEPSEEK", "ZAI", "COHERE", "GROQ", "AZURE"):
        monkeypatch.setenv(f"{name}_API_KEY", "k" * 12)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k" * 16)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "k" * 30)
    monkeypatch.setenv("AWS_REGION_NAME", "us-east-1")


REFUSED = [
    ("moonshot/kimi-k2", {"temperature": 1.5}, r"would not send temperature=1\.5 but 1: set temperature=1"),
    ("moonshot/kimi-k2.5", {"temperature": 0.3}, "would not send temperature=0.3 to this model: set temperature=None"),
    ("moonshot/kimi-k2.5", {}, "would not send temperature=1.0 to this model: set temperature=None"),
    ("xai/grok-4", {"reasoning_effort": "low"}, "takes no reasoning_effort='low'.*set reasoning_effort=None.*extra_body="),
    ("azure/gpt-5", {"temperature": 0.3, "api_base": "http://127.0.0.1:9"}, r"takes no temperature=0\.3"),
    ("mistral/m", {"reasoning_effort": "low"}, "takes no reasoning_effort"),
    ("anthropic/claude-sonnet-4-5", {"extra_body": {"metadata": {"a": "b"}}}, "'metadata' of extra_body"),
    ("anthropic/claude-sonnet-4-5", {"extra_body": {"temperature": 0.5}}, "temperature=1.0 to this model: set temperature=None"),
]


@pytest.mark.parametrize(("name", "parameters", "says"), REFUSED)
def test_what_would_not_be_sent_is_refused_before_any_call(name, parameters, says, cell, monkeypatch):
    monkeypatch.setenv("AZURE_API_VERSION", "2025-01-01-preview")
    with Telling(usual) as server:
        model = pp.Model(name, **{"api_base": server.url} | parameters)
        with pytest.raises(pp.ModelError, match=says):
            run(cell, model, 1)
        assert not server.requests


SENT = [
    ("openai/m", {"reasoning_effort": "low", "top_p": 0.4, "max_tokens": 4096}),
    ("openai/gpt-5.1", {"max_tokens": 777}),
    ("anthropic/claude-sonnet-4-5", {"max_tokens": 4096}),
    ("anthropic/claude-sonnet-4-5", {"reasoning_effort": "low"}),
    ("anthropic/claude-sonnet-4-5", {"extra_body": {"thinking": {"type": "enabled", "budget_tokens": 2048}, "top_k": 5}}),
    ("gemini/gemini-3-flash-preview", {"reasoning_effort": "low", "max_tokens": 500, "top_p": 0.9}),
    ("openrouter/z-ai/glm-4.7", {"extra_body": {"provider": {"only": ["z-ai"]}}, "reasoning_effort": "high"}),
    ("deepseek/deepseek-chat", {"temperature": 1.5, "max_tokens": 100}),
    ("zai/glm-4.7", {"extra_body": {"thinking": {"type": "disabled"}}}),
    ("moonshot/kimi-k2.5", {"temperature": None}),
    ("moonshot/kimi-k2", {"temperature": 1.0}),
    ("cohere/command-a-03-2025", {"top_p": 0.7}),
    ("groq/openai/gpt-oss-120b", {"reasoning_effort": "low"}),
    ("bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0", {"max_tokens": 50, "extra_body": {"top_k": 5}}),
    ("bedrock/us.amazon.nova-pro-v1:0", {"top_p": 0.5}),
]


@pytest.mark.parametrize(("name", "parameters"), SENT, ids=[f"{name} {more}" for name, more in SENT])
def test_what_is_sent_as_it_is_passes_the_rehearsal(name, parameters):
    from ppres.models import rehearsal

    wait_for(rehearsal.check(pp.Model(name, **parameters), litellm()))  # the test's network is loopback: nothing is sent


def test_extra_body_reaches_anthropic_in_the_body(cell):
    thinking = {"type": "enabled", "budget_tokens": 2048}

    def answer(body):
        call = {"type": "tool_use", "id": "toolu_1", "name": "end_task", "input": {}}
        more = {"id": "m", "type": "message", "role": "assistant", "model": body["model"], "stop_reason": "tool_use"}
        return 200, more | {"content": [call], "usage": {"input_tokens": 9, "output_tokens": 9}, "stop_sequence": None}

    with Telling(answer) as server:
        base = server.url.removesuffix("/v1")
        frame = run(cell, pp.Model("anthropic/claude-sonnet-4-5", api_base=base, extra_body={"thinking": thinking}), 1)
        assert server.bodies[0]["thinking"] == thinking and "extra_body" not in server.bodies[0]
    assert frame.stop_reason.tolist() == ["ended"]
    assert pp.transcript(frame.id[0])["sent"]["extra_body"] == {"thinking": thinking}


def test_a_parameter_that_a_user_lets_litellm_drop_is_refused_all_the_same(cell, monkeypatch):
    monkeypatch.setattr(litellm(), "drop_params", True)
    with Telling(usual) as server:
        with pytest.raises(pp.ModelError, match="does not send reasoning_effort"):
            run(cell, pp.Model("xai/grok-4-fast", api_base=server.url, reasoning_effort="minimal"), 1)
        assert not server.requests


def test_a_judge_is_rehearsed_too(cell):
    frame = run(cell, "sim/gemini-3-flash", 1)
    with Telling(usual) as server:
        with pytest.raises(pp.ModelError, match="set temperature=None"):
            pp.judge(frame.id, pp.Rubric("x", "Is it?"), pp.Model("moonshot/kimi-k2.5", api_base=server.url))
        assert not server.requests


@pytest.mark.parametrize("field", ["messages", "tools", "contents", "system", "model", "stream"])
def test_a_body_may_not_replace_the_conversation(field):
    with pytest.raises(pp.ModelError, match=f"must not hold '{field}'"):
        pp.Model("openai/m", api_base="http://127.0.0.1:9/v1", extra_body={field: []})
    for body in ([1], "x"):
        with pytest.raises(pp.ModelError, match="no mapping of fields"):
            pp.Model("openai/m", api_base="http://127.0.0.1:9/v1", extra_body=body)


@pytest.mark.parametrize("address", ["localhost:8000/v1", "127.0.0.1:8000/v1", "http//127.0.0.1:8000"])
def test_an_address_says_how_it_is_reached(address):
    with pytest.raises(pp.ModelError, match="no address such as http"):
        pp.Model("openai/m", api_base=address)


def test_an_empty_address_is_none(monkeypatch):
    monkeypatch.setenv("OPENAI_API_BASE", "http://127.0.0.1:9/v1")
    assert pp.Model("openai/m", api_base="").api_base == "http://127.0.0.1:9/v1"
