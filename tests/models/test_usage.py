"""Numbers that can be none are none, and what the provider made is paid for, whatever became of it."""

import contextlib
import dataclasses
import json
import math
from concurrent.futures import ThreadPoolExecutor

import faults
import pytest
from providers import PERSONA, Saying, Telling, at, calling, priced, refusal, run, usual

import ppres as pp
from ppres.agent import Rollout
from ppres.conversation import TRIES, Conversation, ProviderError
from ppres.engine.rollout import in_harness
from ppres.models import replies, transport, wire
from ppres.models.budget import Meter
from ppres.models.loop import wait_for
from ppres.models.usage import dollars
from ppres.read.rubrics import REFUSAL
from ppres.store.cell import cells_of

ABSURD = [-1_000_000, 10**400, 1.5, "lots", math.nan, math.inf, [1], True, 10**10]


@pytest.mark.parametrize("number", ABSURD, ids=str)
def test_an_absurd_count_is_not_believed_and_no_budget_is_endless(number, cell):
    priced("absurd", prompt=1e-3)
    usage = {"prompt_tokens": number, "completion_tokens": number, "total_tokens": number, "cost": number}
    usage["prompt_tokens_details"] = {"cached_tokens": number}
    with Telling(lambda body: (200, usual(body)[1] | {"usage": usage})) as server:
        plan = pp.plan(cell, at(server, "absurd"), 1).iloc[0]
        frame = run(cell, at(server, "absurd"), 20, concurrency=1, budget=plan.dollars * 1.2, max_tokens=plan.tokens * 1.2)
        assert 0 < len(server.requests) < 30  # what is not said is estimated, and spent
        assert frame.prompt_tokens.isna().all() and frame.cost.isna().all()
    assert pp.frame().equals(frame)
    with pytest.warns(UserWarning, match="since a price is not known or no usage was told"):
        dollars = pp.spent()
    assert dollars.isna().any() and dollars.judgements == 0  # what it took is no 0
    assert dollars[dollars.notna()].eq(0).all()


def test_what_was_refused_costs_nothing_and_is_known(cell):
    priced("refused")
    with Telling(lambda body: refusal(400, message="No.")) as server:
        for _ in range(TRIES):
            frame = run(cell, at(server, "refused"), 1)
    assert frame.stop_reason.tolist() == ["rejected"] and pp.spent().eq(0).all() and pp.spent("model").dollars.tolist() == [0]


def test_counts_that_are_none_are_left_out_and_the_others_stay(cell):
    usage = {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15, "prompt_tokens_details": {"cached_tokens": -5}}
    with Telling(lambda body: (200, usual(body)[1] | {"usage": usage})) as server:
        frame = run(cell, at(server), 1)
    assert (frame.prompt_tokens[0], frame.completion_tokens[0]) == (24, 6)


@pytest.mark.parametrize(
    "more",
    [
        {"prompt_tokens_details": {"cached_tokens": 10**7}},
        {"prompt_tokens_details": {"cache_creation_token_details": {"ephemeral_5m_input_tokens": 10**7}, "audio_tokens": 10**7}},
        {"completion_tokens_details": {"reasoning_tokens": 10**7, "audio_tokens": 10**7, "text_tokens": 10**7}},
        {"cache_read_input_tokens": 10**7},
        {"cache_creation_input_tokens": 10**7, "prompt_cache_hit_tokens": 10**7},
        {"server_tool_use": {"web_search_requests": 10**7, "tool_search_requests": -5}},
        {"server_tool_use": {"web_search_requests": -(10**9)}},
        {"server_side_tool_usage_details": {"web_search_calls": 10**9}, "num_sources_used": 10**9},
        {"prompt_tokens_details": {"image_count": 10**9, "query_count": 10**9, "web_search_requests": 10**9}},
        {"cost": 10**5},
        {"cost": -5.0, "cost_details": {"upstream_inference_cost": 10**9}, "cost_in_usd_ticks": 10**15},
        {"num_search_queries": 10**9, "citation_tokens": 10**9},
    ],
    ids=str,
)
def test_a_count_that_cannot_be_one_costs_nothing(more, cell):
    import litellm

    dear = {name: 1e-5 for name in litellm.model_cost["gpt-4o"] if name.endswith("_cost_per_token")}
    dear |= dict.fromkeys(("cache_read_input_token_cost", "cache_creation_input_token_cost", "input_cost_per_token"), 1e-5)
    dear |= dict.fromkeys(("output_cost_per_token", "output_cost_per_reasoning_token", "output_cost_per_audio_token"), 1e-5)
    dear |= {"search_context_cost_per_query": dict.fromkeys(("search_context_size_low", "search_context_size_medium"), 0.03)}
    litellm.register_model({"openai/parts": dear | {"litellm_provider": "openai", "mode": "chat"}})
    usage = {"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105} | more
    with Telling(lambda body: (200, usual(body)[1] | {"usage": usage})) as server:
        frame = run(cell, at(server, "parts"), 1)
    assert (frame.prompt_tokens[0], frame.completion_tokens[0]) == (200, 10)
    assert 0 < frame.cost[0] < 0.01


def test_parts_that_a_provider_counts_beside_the_whole_stay():
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 315}
    usage |= {"completion_tokens_details": {"reasoning_tokens": 300}, "prompt_tokens_details": {"cached_tokens": 10}}
    body = json.dumps({"choices": [], "usage": usage, "created": None}).encode()
    assert json.loads(replies.legible(body))["usage"] == usage


@pytest.mark.parametrize("usage", ["lots", [1], 5, None, {}])
def test_a_usage_that_is_none_at_all_is_unknown(usage, cell):
    with Telling(lambda body: (200, usual(body)[1] | {"usage": usage})) as server:
        frame = run(cell, at(server), 1)
    assert frame.stop_reason.tolist() == ["ended"]
    assert frame.prompt_tokens.isna().all()


@pytest.mark.parametrize("cost", [math.nan, math.inf, -1.0, 1e300, "1", None, 0])
def test_a_cost_that_is_none_is_unknown(cost):
    assert dollars(cost) is None
    meter = Meter(budget=1.0)
    assert meter.left()[0] == 1.0


READABLE = ("text_choices", "twice", "no_utf8", "no_gzip", "filter_in_choice")


@pytest.mark.parametrize("kind", [*READABLE, "cut", "stream", "closed_middle", "chunks_cut", "no_choices"])
def test_an_answer_of_no_use_is_charged_kept_and_counted(kind, cell):
    """The provider has made it, whatever became of it: by the usage that is left of it, or by what it may have been at most."""
    priced("useless", prompt=1e-2, completion=1e-2)
    with faults.Faulty(1.0, [kind], persona=PERSONA) as server:
        model = at(server, "useless", max_tokens=2_000)
        budget = 1.2 * pp.plan(cell, model, 1).dollars[0]
        frame = run(cell, model, 1 if kind in READABLE else 9, budget=budget, concurrency=1)
        tries, took = server.begun, sum(map(sum, server.usage))
    if kind in READABLE:
        ended = frame.cost[frame.stop_reason == "content_filter"].sum()
        assert pp.spent().paused + ended == pytest.approx(took / 100) and took
    else:  # of $20 each and the prompt: none is asked for, and no other rollout is begun, when they have spent it
        assert 20 * (tries - 1) < budget and frame.stop_reason.tolist() == ["budget"]


def test_what_was_paid_for_before_the_error_that_ends_it_is_charged(monkeypatch):
    """The last of several attempts may fail in a way of its own."""
    priced("useless", prompt=1e-3)
    meter, asked = Meter(budget=50), [{"role": "user", "content": "x"}]
    with Saying(*[({"content": ""}, "stop")] * 2, 401, usage=(10_000, 5)) as server, pytest.raises(pp.ModelError):
        wait_for(meter.ask("a", at(server, "useless"), asked, []))
    assert meter.dollars == pytest.approx(20)
    monkeypatch.setattr(wire, "MOST", 1_000)
    too_long = pytest.raises(ProviderError, match="that is not read: it has more than")
    with Saying(({"content": ""}, "stop"), ({"content": "x" * 2_000}, "stop"), usage=(10_000, 5)) as server, too_long:
        wait_for(meter.ask("a", at(server, "useless"), asked, []))
    assert (meter.dollars, meter.tokens) == (pytest.approx(40), 4 * 10_005)  # its usage had come by then


@pytest.mark.parametrize("elsewhere", [False, True])
def test_the_budget_ends_attempts_that_give_no_answer(elsewhere, cell, capfd):
    """Each is charged before the next; a later run goes on, and counts what was paid for."""
    priced("empty", prompt=1e-3)
    ending = ({"content": "I stop here."}, "stop")
    with Saying(({"content": ""}, "stop")) as server, ThreadPoolExecutor(1) as executor:
        model, more = at(server, "empty"), {"executor": executor} if elsewhere else {}
        need = pp.plan(cell, model, 1).dollars[0]
        server.usage = (round(600 * need), 0)
        frame = run(cell, model, 1, budget=1.1 * need, concurrency=1, **more)
        assert (len(server.requests), frame.stop_reason.tolist()) == (2, ["budget"])
        assert "the budget ends it" in capfd.readouterr().err
        assert pp.spent().paused == pytest.approx(1.2 * need, rel=1e-3)
        server.replies = [({"content": ""}, "stop"), ending]
        assert run(cell, model, 1, **more).stop_reason.tolist() == ["no_tool_call"]
    assert pp.spent().rollouts == pytest.approx(4 * 0.6 * need, rel=1e-3)


def test_a_share_of_a_worker_that_is_spent_in_vain_is_kept(cell):
    """It is given more then, of what is left."""
    priced("vain", prompt=1e-3)
    replies = [*[({"content": ""}, "stop")] * 4, ({"content": "I stop here."}, "stop")]
    with Saying(*replies) as server, ThreadPoolExecutor(1) as executor:
        model = at(server, "vain")
        need = pp.plan(cell, model, 1).dollars[0]
        server.usage = (round(2_000 * need), 0)
        frame = run(cell, model, 1, budget=100 * need, concurrency=1, executor=executor)
        assert (len(server.requests), frame.stop_reason.tolist()) == (5, ["no_tool_call"])
    assert frame.cost[0] == pytest.approx(5 * 2 * need, rel=1e-3) == pp.spent().rollouts
    assert pp.verify().empty


def test_the_budget_ends_a_judges_attempts_as_well(cell, capfd):
    priced("empty-judge", prompt=1e-3)
    frame = run(cell, f"sim/{PERSONA}", 3)
    with Saying(({"content": ""}, "stop"), usage=(10_000, 5)) as server:
        told = pp.judge(frame.id, REFUSAL, at(server, "empty-judge"), budget=15, concurrency=1)
        assert len(server.requests) == 2
    assert told.problem.tolist() == ["the budget was spent", *["not asked, for the budget"] * 2]
    assert "the budget ends it: 3 rollouts not judged" in capfd.readouterr().err
    assert pp.spent().judgements == pytest.approx(20)


def test_a_limit_counts_the_tools_where_no_usage_is_told(cell):
    with Saying(({"content": "I stop here."}, "stop"), usage=None) as server:
        run(cell, at(server), 40, max_tokens=30_000, concurrency=1)
        sizes = [len(json.dumps(body["messages"]) + json.dumps(body["tools"])) / 4 for *_, body in server.requests]
    assert len(sizes) < 40 and 0.8 * sum(sizes) < 30_000 + max(sizes)


# -- calls without an answer -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["hang", "drip", "reset_before", "closed"])
def test_a_call_without_an_answer_may_be_paid_for_and_is_estimated(kind, cell):
    """By what was asked, and what can be written in the time; and it is asked again for as long as any other."""
    priced("unheard", prompt=1e-3, completion=1e-3)
    with faults.Faulty(1.0, [kind], persona=PERSONA, times=1, hang=3.0) as server:
        model = at(server, "unheard", max_tokens=200, timeout=0.4 if kind in ("hang", "drip") else 30.0)
        frame = run(cell, model, 1)
    calls = pp.transcript(frame.id[0])["calls"]
    unheard = [empty for call in calls for empty in call["empty_replies"]]
    assert len(unheard) >= len(calls)  # more where a loaded machine is too late for a good answer
    assert {empty["estimated"] for empty in unheard} == {"no answer"}
    assert all(300 < empty["prompt_tokens"] < 10_000 and 0 < empty["completion_tokens"] <= 200 for empty in unheard)
    took = sum(call["prompt_tokens"] + call["completion_tokens"] for call in [*calls, *unheard])
    assert frame.cost[0] == pytest.approx(took / 1000) == pp.spent().rollouts
    assert frame.prompt_tokens[0] + frame.completion_tokens[0] == took


def test_calls_without_an_answer_are_tried_again_more_often_than_answers_of_no_use(cell, monkeypatch):
    monkeypatch.setattr(transport, "FIRST_WAIT", 0.001)
    with faults.Faulty(1.0, ["reset_before"], persona=PERSONA, times=transport.EMPTY_TRIES + 2) as server:
        frame = run(cell, at(server), 1)
    assert frame.stop_reason.isin(["ended", "no_tool_call"]).all()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_nobody_pays_for_a_call_that_reached_nobody(scheme, monkeypatch):
    monkeypatch.setattr(transport, "DEADLINE", 0.0)
    priced("closed", prompt=1e-3)
    meter, model = Meter(budget=50), pp.Model("openai/closed", api_base=f"{scheme}://127.0.0.1:9/v1")
    with pytest.raises(pp.ModelError, match="does not answer"):
        wait_for(meter.ask("a", model, [{"role": "user", "content": "x" * 4000}], []))
    assert (meter.dollars, meter.tokens) == (0, 0)


def test_what_is_estimated_is_said_with_what_was_spent(cell, capfd):
    priced("deaf", prompt=1e-3)
    with faults.Faulty(1.0, ["closed"], persona=PERSONA, times=1) as server:
        frame = run(cell, at(server, "deaf"), 1, budget=1e-3, max_tokens=10**6)
        assert frame.empty
        run(cell, at(server, "deaf"), 9, budget=pp.plan(cell, at(server, "deaf"), 1).dollars[0] * 1.5)
    assert "by estimate for calls without an answer" in capfd.readouterr().err


@pytest.mark.parametrize("elsewhere", [False, True])
def test_what_was_paid_for_before_a_model_could_not_be_asked_is_kept(elsewhere, cell):
    """With the turns so far, from which a later run goes on; and no conversation is given up for it, as for one that fails."""
    priced("ended", prompt=1e-3)
    nothing = ({"content": ""}, "stop")
    with Saying((calling("list_files"), "tool_calls"), usage=(10_000, 5)) as server, ThreadPoolExecutor(1) as executor:
        model, more = at(server, "ended"), {"executor": executor} if elsewhere else {}
        for i in range(TRIES + 1):
            server.replies = [*server.replies[: i == 0], nothing, 401]
            with pytest.raises(pp.ModelError, match="status 401"):
                run(cell, model, 1, **more)
            assert pp.spent().paused == pytest.approx(10 * (i + 2))
            told = pp.frame(cell, model).iloc[0]
            assert (told.stop_reason, told.turns) == ("provider_error", 1) and "status 401" in pp.transcript(told.id)["error"]
        server.replies = [(calling("end_task"), "tool_calls")]
        frame = run(cell, model, 1, **more)
    assert frame.stop_reason.tolist() == ["ended"] and frame.turns.tolist() == [2]
    assert frame.cost[0] == pytest.approx(10 * (TRIES + 3)) == pp.spent().rollouts
    assert pp.verify().empty


def test_what_a_judge_took_in_vain_is_counted(cell):
    priced("judge", prompt=1e-3)
    frame = run(cell, f"sim/{PERSONA}", 1)
    verdict = ({"content": json.dumps({"verdict": "no", "quote": ""})}, "stop")
    with Saying(({"content": ""}, "stop"), 401, ({"content": "?"}, "stop"), verdict, usage=(10_000, 5)) as server:
        with pytest.raises(pp.ModelError):
            pp.judge(frame.id, REFUSAL, at(server, "judge"))
        assert pp.spent().judgements == pytest.approx(10)
        assert pp.judge(frame.id, REFUSAL, at(server, "judge")).verdict.isna().all()
        assert pp.judge(frame.id, REFUSAL, at(server, "judge")).verdict.tolist() == ["no"]
    assert pp.spent().judgements == pytest.approx(30)


def test_what_a_harness_took_in_vain_is_kept_also_where_it_goes_on(cell):
    class Boxed:
        def __init__(self, model):
            self.model = model

        def __getattr__(self, name):
            return getattr(self.model, name)

        def seated(self, *_):
            return self.model

        async def play(self, scene, ask):
            with contextlib.suppress(ProviderError):
                await ask(scene.messages, scene.world().schemas())
            return Rollout(Conversation(stop_reason="no_tool_call"), scene.world())

    with Saying(({"content": ""}, "stop"), 400, usage=(10_000, 5)) as server:
        boxed = dataclasses.replace(cells_of(cell, at(server))[0], model=Boxed(at(server)))
        rollout = wait_for(in_harness(boxed, 0, Meter(), [], None))
    assert [call.prompt_tokens for call in rollout.conversation.unanswered] == [10_000]


@pytest.mark.parametrize("number", [-5, 10**400, 10**7, 10**9, "lots", "7", math.nan, [1], {}, True, None], ids=str)
def test_parts_of_anthropics_usage_that_cannot_be_cost_nothing(number, cell, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "made-up-0123456789")
    usage = {"input_tokens": 100, "output_tokens": 5, "cache_creation_input_tokens": 4, "cache_read_input_tokens": 0}
    rounds = [{"type": "message", "input_tokens": number, "output_tokens": number, "cache_creation": {"a_tokens": number}}]
    odd = [{"cache_creation": dict.fromkeys(("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"), number)}]
    odd += [{"server_tool_use": {"web_search_requests": number}}] if number != "7" else []
    odd += [{"iterations": rounds}] if number != 10**7 else []  # which adds up
    said = {"type": "message", "role": "assistant", "model": "c", "content": [{"type": "text", "text": "Done."}], "id": "m"}
    for more in ({}, *odd):
        with Telling(lambda body, more=more: (200, said | {"stop_reason": "end_turn", "usage": usage | more})) as server:
            frame = run(cell, pp.Model("anthropic/claude-sonnet-4-5", api_base=server.url.removesuffix("/v1")), 1)
            pp.discard(frame.id)
        assert (frame.prompt_tokens[0], frame.completion_tokens[0]) == (104, 5)
        assert 0 < frame.cost[0] < 0.0005


def test_anthropics_rounds_before_the_last_are_counted(cell):
    rounds = [{"type": "compaction", "input_tokens": 900, "output_tokens": 50}, {"input_tokens": 100, "output_tokens": 5}]
    usage = {"input_tokens": 100, "output_tokens": 5, "iterations": rounds}
    usage |= {"cache_creation_input_tokens": 7, "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4}}
    body = json.dumps({"content": [], "usage": usage, "created": None}).encode()
    assert json.loads(replies.legible(body))["usage"] == usage
