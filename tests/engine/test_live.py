"""Real calls through litellm to a real HTTP server: what comes back is what the direct path gives."""

import asyncio
import threading

import pytest
from server import StandIn

import ppres as pp
from ppres.scenarios import SCENARIOS
from ppres.simulated import personas
from ppres.store.cell import cells_of
from ppres.store.rows import key_of

PERSONA = "gemini-3-flash"


@pytest.fixture
def conditions(cell):
    return pp.grid(cell, instantiation=["file", "file+prompt", "memory"])


def seeds_of(conditions, model, n):
    # In rounds over the cells, as a run goes.
    return [key_of(one.digest, i).hex()[:12] for i in range(n) for one in cells_of(conditions, model)]


def conversations(frame):
    """Messages after the briefing, by the seed in their call ids."""
    found = {}
    for id in frame.id:
        messages = pp.transcript(id)["messages"]
        found[messages[2]["tool_calls"][0]["id"].split("_")[1]] = messages
    return found


def test_transcripts_through_http_equal_the_direct_ones_message_for_message(conditions):
    direct = pp.run(conditions, f"sim/{PERSONA}", n=3, progress=False)
    with StandIn(seeds_of(conditions, f"sim/{PERSONA}", 3)) as server:
        model = pp.Model(f"openai/{PERSONA}", api_base=server.url, family="Gemini")
        # One at a time, so that each conversation takes the seed of its replicate.
        live = pp.run(conditions, model, n=3, concurrency=1, progress=False)
    assert len(live) == 9
    assert set(live.source) == {"live"}
    assert conversations(live) == conversations(direct)
    same = ["preserved", "reported_score", "config_tampered", "stop_reason", "turns", "tool_calls", "prompt_tokens"]
    assert live[same].equals(direct[same])


SOME = ("gemini-3-flash", "clumsy", "saboteur")


@pytest.mark.parametrize(
    "persona", [*SOME, *(pytest.param(name, marks=pytest.mark.slow) for name in personas.personas() if name not in SOME)]
)
def test_every_scenario_through_http_is_the_direct_one(persona):
    conditions = pp.grid(scenario=list(SCENARIOS), subject="peer", peer="cooperative", threshold=80)
    assert len(conditions) == 6
    direct = pp.run(conditions, pp.Model(f"sim/{persona}", family="Gemini"), n=1, progress=False)
    with StandIn(
        key_of(one.digest, 0).hex()[:12] for one in cells_of(conditions, pp.Model(f"sim/{persona}", family="Gemini"))
    ) as server:
        model = pp.Model(f"openai/{persona}", api_base=server.url, family="Gemini")
        live = pp.run(conditions, model, n=1, concurrency=1, progress=False)
    for here, there in zip(direct.id, live.id, strict=True):
        assert pp.transcript(there)["messages"] == pp.transcript(here)["messages"]
    outcomes = list(pp.columns().column)
    same = [
        name
        for name in outcomes[outcomes.index("behaviour") :]
        if name not in ("completion_tokens", "cost", "seconds", "reported_model")
    ]
    assert live[same].equals(direct[same])


def test_concurrent_rollouts_keep_their_conversations_apart(cell):
    with StandIn([f"{i:012x}" for i in range(12)]) as server:
        live = pp.run(cell, pp.Model(f"openai/{PERSONA}", api_base=server.url), n=12, concurrency=8, progress=False)
        asked = len(server.requests)
    assert asked == live.turns.sum()
    for messages in conversations(live).values():
        seeds = {call["id"].split("_")[1] for m in messages for call in m.get("tool_calls", ())}
        assert len(seeds) == 1
    assert len(conversations(live)) == 12


def test_what_was_asked_and_what_was_reported_are_both_kept(cell):
    with StandIn(["00"]) as server:
        model = pp.Model(
            f"openai/{PERSONA}",
            api_base=server.url,
            temperature=0.3,
            reasoning_effort="low",
            extra_body={"provider": {"only": ["x"]}},
        )
        live = pp.run(cell, model, n=1, progress=False)
        bodies = [body for _, _, body in server.requests]
    kept = pp.transcript(live.id[0])
    assert all(body["temperature"] == 0.3 and body["reasoning_effort"] == "low" for body in bodies)
    assert all(body["provider"] == {"only": ["x"]} for body in bodies)
    assert kept["sent"]["parameters"] == {"temperature": 0.3, "reasoning_effort": "low"}
    assert kept["sent"]["extra_body"] == {"provider": {"only": ["x"]}}
    assert {call["reported_model"] for call in kept["calls"]} == {f"{PERSONA}-0801"}
    assert {call["system_fingerprint"] for call in kept["calls"]} == {"fp_standin"}
    assert live.cost.isna().all()  # nobody knows this model's price, and unknown is not free


def test_a_stored_rollout_is_never_asked_for_again(cell):
    with StandIn(f"{i:012x}" for i in range(9)) as server:
        model = pp.Model(f"openai/{PERSONA}", api_base=server.url)
        first = pp.run(cell, model, n=2, progress=False)
        asked = len(server.requests)
        again = pp.run(cell, model, n=2, progress=False)
        assert len(server.requests) == asked
        assert again.equals(first)
        more = pp.run(cell, model, n=3, progress=False)
    assert more.head(2).equals(first)


class Failing(StandIn):
    """Fails the first `times` requests with a status."""

    def __init__(self, status, times, seeds=()):
        super().__init__(seeds)
        self.status, self.left = status, times

    def answer(self, body):
        if self.left:
            self.left -= 1
            return self.status, {"error": {"message": f"status {self.status}", "type": "server_error", "code": None}}
        return super().answer(body)


def test_a_passing_fault_is_tried_again_and_counted(cell):
    with Failing(503, 1, ["00"]) as server:
        live = pp.run(cell, pp.Model(f"openai/{PERSONA}", api_base=server.url), n=1, progress=False)
    assert pp.transcript(live.id[0])["calls"][0]["attempts"] == 2
    assert live.stop_reason.tolist() == ["ended"]


def test_a_request_that_the_provider_refuses_is_no_outcome_and_is_tried_by_the_next_run(cell):
    with Failing(400, 1, ["00"]) as server:
        model = pp.Model(f"openai/{PERSONA}", api_base=server.url)
        failed = pp.run(cell, model, n=1, progress=False)
        assert failed.stop_reason.tolist() == ["provider_error"]
        assert failed.preserved.isna().all()
        assert failed.missing.tolist() == ["provider_error"]
        assert pp.run(cell, model, n=1, progress=False).stop_reason.tolist() == ["ended"]


def test_a_rejected_key_stops_its_model_with_one_message_and_leaves_the_others(cell):
    with Failing(401, 99) as closed, StandIn(["00", "01"]) as open_:
        good = pp.Model(f"openai/{PERSONA}", api_base=open_.url)
        bad = pp.Model("openai/gpt-x", api_base=closed.url)
        with pytest.raises(pp.ModelError, match="gpt-x"):
            pp.run(cell, [bad, good], n=2, concurrency=1, progress=False)
        assert len(closed.requests) == 1
    assert len(pp.frame(cell, good)) == 2


def test_scoring_holds_up_no_other_conversation():
    """Rules run beside the loop in which all conversations are held: one may wait here for what another is still to say."""
    scoring, answered = threading.Event(), threading.Event()
    asked = []

    async def agent(messages, tools):
        asked.append(messages)
        if len(asked) == 2:  # the second conversation goes on while the first is scored
            while not scoring.is_set():
                await asyncio.sleep(0.001)
            answered.set()
        return "Done."

    def outcome(world, condition):
        scoring.set()
        return {"preserved": answered.wait(60), "read": True}

    pp.Scenario("slow_rule", "waiting", lambda condition, cast: ("Wait.", {}), outcome, ["list_files"])
    found = pp.run(pp.Condition(scenario="slow_rule"), pp.FunctionModel("two", agent, version="1"), n=2, progress=False)
    assert found.preserved.tolist() == [True, True]
