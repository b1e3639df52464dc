"""What a plan expects where nothing of the same model is stored: a provider counts tools and a harness's own prompt as well."""

import json

import clients
import pytest
from providers import Telling, completion, turns

import ppres as pp
from ppres.engine.estimate import HARNESSED, RENDERED
from ppres.scenarios import build

CELL = pp.Condition(scenario="transfer", subject="peer", peer="cooperative", instantiation="memory")
NAMES = ("opencode", "gemini-cli", "opencode+mcp", "gemini-cli+mcp")


@pytest.fixture
def provider(monkeypatch, tmp_path):
    """Counts a token per four characters of what it is sent; the harnesses say much."""
    monkeypatch.setenv("OPENAI_API_KEY", "k" * 12)
    clients.installed(monkeypatch, tmp_path / "harnesses")
    monkeypatch.setattr(clients, "SYSTEM", "You are a harness. " * 800)

    def answer(body):
        named, given = body["tools"][0]["function"]["name"], json.dumps({"command": "ls"})
        call = {"id": f"c{turns(body)}", "type": "function", "function": {"name": named, "arguments": given}}
        reply = {"tool_calls": [call]} if turns(body) < 4 else {"content": "Done."}
        sent = len(json.dumps([body["messages"], body["tools"]]))
        return completion(body, reply, usage={"prompt_tokens": sent // 4, "completion_tokens": 20})

    with Telling(answer) as server:
        yield server


def at(server, harness, name="m"):
    return pp.InHarness(harness.partition("+")[0], model(server, name), mode="mcp" if "+" in harness else "shell")


def model(server, name="m"):
    return pp.Model(f"openai/{name}", api_base=server.url, family="Gemini")


def taken(agent):
    frame = pp.run(CELL, agent, 1, progress=False)
    assert frame.turns.tolist() == [5]
    return frame.prompt_tokens[0] + frame.completion_tokens[0]


@pytest.mark.parametrize("harness", NAMES)
def test_a_harnesss_own_prompt_and_tools_are_counted_with_every_call(harness, provider):
    agent = at(provider, harness)
    plan = pp.plan(CELL, agent, 1).iloc[0]
    own = len(clients.SYSTEM) / 4
    assert plan.basis == HARNESSED and plan.tokens > plan.calls * own
    assert plan.tokens_low < taken(agent) < plan.tokens_high and pp.frame().prompt_tokens[0] > 5 * own


def test_of_our_own_loop_the_tools_are_counted_with_every_call(provider):
    plan = pp.plan(CELL, [model(provider), "sim/gemini-3-flash"], 1)
    tools = len(json.dumps(build(CELL, "Gemini").world().schemas())) / 4
    assert (plan.basis == RENDERED).all() and plan.tokens[0] == pytest.approx(plan.tokens[1] + plan.calls[0] * tools, abs=1)
    assert 0.5 < taken(model(provider)) / plan.tokens[0] < 2


def test_rollouts_of_another_model_in_the_same_harness_tell_more_than_prompts(provider):
    tokens = taken(at(provider, "opencode"))
    plan = pp.plan(CELL, [at(provider, name, "another") for name in ("opencode", "gemini-cli")], 10)
    assert plan.basis.tolist() == ["stored rollouts in the same harness: 1", HARNESSED]
    assert plan.calls[0] == 50 and plan.tokens[0] == pytest.approx(10 * tokens)
    assert plan.tokens_low[0] < 10 * tokens < plan.tokens_high[0]  # of one model, nobody knows how far another is off
    assert pp.plan(CELL, model(provider), 10).basis.tolist() == [RENDERED]


@pytest.mark.parametrize("mode", ["shell", "mcp"])
def test_a_simulated_agent_in_a_harness_counts_what_a_provider_would(mode, provider):
    agent = pp.InHarness("opencode", "sim/gemini-3-flash", mode=mode)
    frame = pp.run(CELL, agent, 1, progress=False)
    sent = pp.transcript(frame.id[0])["sent"]
    each = (len(clients.SYSTEM) + len(json.dumps(sent["tools"]))) / 4
    first = pp.transcript(frame.id[0])["calls"][0]["prompt_tokens"]
    assert each < first < each + 500
