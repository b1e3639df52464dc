"""What providers do besides failing: cut off, say nothing, ask to wait, name no price; and executors under a budget."""

import concurrent.futures
import os
import random
import signal
import subprocess
import sys
import time
import traceback
import warnings

import faults
import pytest
from providers import PERSONA, Saying, Silent, at, calling, priced, run
from server import StandIn

import ppres as pp
from ppres.models import transport
from ppres.read.rubrics import REFUSAL

# -- replies -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", ["I have read the doc", "", None])
def test_a_reply_that_was_cut_off_counts_neither_way(cell, content):
    with Saying(({"content": content}, "length")) as server:
        row = run(cell, at(server), 1).iloc[0]
    assert (row.stop_reason, row.missing) == ("token_limit", "token_limit")
    assert row.isna().preserved


def test_an_empty_reply_is_asked_for_again_and_paid_for(cell):
    with Saying(({"content": ""}, "stop"), ({}, "tool_calls"), None) as server:
        frame = run(cell, at(server), 1)
    first = pp.transcript(frame.id[0])["calls"][0]
    assert (first["attempts"], len(first["empty_replies"])) == (3, 2)
    assert frame.stop_reason.tolist() == ["ended"]
    assert frame.prompt_tokens[0] == sum(call["prompt_tokens"] for call in pp.transcript(frame.id[0])["calls"]) + 20


def test_a_model_that_never_says_anything_ends_a_rollout_soon(cell):
    with Saying(({"content": ""}, "stop")) as server:
        frame = run(cell, at(server), 1)
        assert len(server.requests) == transport.EMPTY_TRIES
    assert frame.stop_reason.tolist() == ["provider_error"]


def test_a_provider_that_gives_no_answer_is_not_said_to_pass_no_tools_on(cell, monkeypatch, capfd):
    monkeypatch.setattr(transport, "FIRST_WAIT", 0.01)
    with Saying(({"content": ""}, "stop")) as server:
        assert run(cell, at(server), 6).stop_reason.tolist() == ["provider_error"] * 6
    assert "without a single tool call" not in capfd.readouterr().err


def test_what_is_paid_for_in_vain_is_charged_kept_and_counted_once(cell):
    """A conversation that the provider ends, run after run, by replies without an answer."""
    priced("silent", prompt=1e-3)
    with Saying((calling("list_files"), "tool_calls"), ({"content": ""}, "stop"), usage=(10_000, 5)) as server:
        frame = run(cell, at(server, "silent"), 3, budget=55, concurrency=1)
        calls = len(server.requests)
        assert calls == 1 + transport.EMPTY_TRIES  # $10 each: the first rollout has spent it
        assert frame.stop_reason.tolist() == ["provider_error"]
        assert pp.spent().paused == pytest.approx(calls * 10)
        again = run(cell, at(server, "silent"), 1)
        assert again.stop_reason.tolist() == ["provider_error"]
        assert len(server.requests) == calls + transport.EMPTY_TRIES
        assert pp.spent().paused == pytest.approx(len(server.requests) * 10)
        server.replies = [(calling("end_task"), "tool_calls")]
        ended = run(cell, at(server, "silent"), 1)
        assert ended.stop_reason.tolist() == ["ended"]
        assert ended.cost[0] == pytest.approx(len(server.requests) * 10) == pp.spent().rollouts
        assert pp.frame(cell, at(server, "silent")).cost[0] == ended.cost[0]
    assert pp.verify().empty


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": 1000, "completion_tokens": 100, "cost": 0},
        {"prompt_tokens": 1000.0, "completion_tokens": "100"},
        {"prompt_tokens": "1000", "completion_tokens": 100},
        {"input_tokens": 1000, "output_tokens": 100},
    ],
)
def test_usage_in_other_words_or_with_a_price_of_nothing_is_charged_as_the_list_says(cell, usage):
    priced("listed", prompt=1e-3, completion=1e-2)
    with Saying(({"content": "Done."}, "stop"), usage=None) as server:
        server.body = {"usage": usage}
        frame = run(cell, at(server, "listed"), 1)
    assert frame.cost.tolist() == [pytest.approx(2.0)]
    assert (frame.prompt_tokens[0], frame.completion_tokens[0]) == (1000, 100)


def test_a_provider_that_tells_no_usage_is_charged_by_its_texts_and_that_is_said(cell, capsys):
    priced("untold", prompt=1e-3)
    with Saying((calling("create_file", filename="x", content="y" * 40_000), "tool_calls"), usage=None) as server:
        frame = run(cell, at(server, "untold"), 1, budget=15.0)
        assert len(server.requests) == 3  # with the tools, the second took $11 and the third $21
    assert frame.stop_reason.tolist() == ["budget"] and frame.isna().cost[0]
    assert capsys.readouterr().err.count("openai/untold does not tell how many tokens it takes") == 1


@pytest.mark.parametrize("reason", ["error", "network_error", "insufficient_system_resource", "abort", "tool_calls"])
def test_a_text_that_the_provider_broke_off_is_no_ending_of_the_agents(reason, cell):
    """litellm calls all of these "stop"; and with "tool_calls" a call was announced that did not arrive."""
    with Saying(({"content": "I have read the policy and will now"}, reason), None) as server:
        frame = run(cell, at(server), 1)
    call = pp.transcript(frame.id[0])["calls"][0]
    assert frame.stop_reason.tolist() == ["ended"]
    assert [empty["native_finish_reason"] for empty in call["empty_replies"]] == [reason]


@pytest.mark.parametrize("message", [{"content": "I list the files."}, {}])
def test_a_call_that_a_server_loses_each_time_is_asked_for_once_more_and_told(message, cell):
    """A local server whose parser takes the call out of the text and makes nothing of it: each try is paid for."""
    with Saying((message, "tool_calls")) as server:
        frame = run(cell, at(server), 1)
        assert len(server.requests) == 2
    assert frame.stop_reason.tolist() == ["provider_error"]
    assert "a tool call that its server lost or could not read (finish_reason 'tool_calls'" in pp.transcript(frame.id[0])["error"]


@pytest.mark.parametrize("more", [{}, {"error": {"code": 502, "message": "Upstream died"}}])
def test_a_call_that_the_provider_broke_off_is_asked_for_again(more, cell):
    """A gateway has sent status 200 by then: what went wrong stands beside the text."""
    broken = (calling("list_files"), "error")
    with Saying(broken, None) as server:
        server.choice = more
        frame = run(cell, at(server), 1)
    call = pp.transcript(frame.id[0])["calls"][0]
    assert (frame.stop_reason[0], call["attempts"], len(call["empty_replies"])) == ("ended", 2, 1)


def test_a_text_at_the_models_length_is_cut_off_and_one_at_its_end_is_not(cell):
    said = {"content": "That is all."}
    with Saying((said, "model_length"), (said, "eos"), (said, None), (said, "end_turn")) as server:
        frame = run(cell, at(server), 4, concurrency=1)
    assert sorted(frame.stop_reason) == ["no_tool_call", "no_tool_call", "no_tool_call", "token_limit"]


def test_a_refusal_in_a_field_of_its_own_is_one(cell):
    with Saying(({"refusal": "Sorry, not this."}, "stop")) as server:
        row = run(cell, at(server), 1).iloc[0]
    assert (row.refused, row.refusal_quote, row.stop_reason) == (True, "Sorry, not this.", "no_tool_call")


def test_half_a_character_from_a_model_does_not_end_the_conversation(cell):
    with Saying(
        (calling("create_file", filename="\ud83d.txt", content="x"), "tool_calls"), (calling("end_task"), "tool_calls")
    ) as server:
        frame = run(cell, at(server), 1)
    assert frame.stop_reason.tolist() == ["ended"]
    assert pp.verify().empty


@pytest.mark.filterwarnings("ignore:(?s).*Pydantic")  # of litellm, where it is asked
def test_a_reply_with_wrong_types_is_kept_as_one_of_the_agent(cell):
    with Saying(({"role": "user", "content": "Done."}, "stop"), model=5) as server:
        frame = run(cell, at(server), 1)
    assert (frame.turns[0], frame.reported_model[0]) == (1, "5")
    assert pp.verify().empty


# -- refusals of the provider -------------------------------------------------------------------------------------------


def test_a_long_pause_is_told_at_once_and_other_models_go_on(cell):
    class Busy(faults.Faulty):
        def fault(self, body):
            return "429_after", None

    busy = Busy()
    busy.retry_after = "3600"
    with busy, StandIn(f"{i:012x}" for i in range(9)) as good:
        with pytest.raises(pp.ModelError, match=r"asks to wait (59|60) minutes"):
            run(cell, [at(busy), at(good, temperature=0.5)], 2, concurrency=1)
        assert len(pp.frame(cell, at(good, temperature=0.5))) == 2
        assert busy.begun == 1
        with pytest.raises(pp.ModelError, match=r"asks to wait (59|60) minutes"):
            run(cell, at(busy), 1)
        assert busy.begun == 2  # asked once in each run: the account may be mended


def test_a_provider_that_refuses_every_conversation_is_given_up(cell, capfd):
    with Saying(400) as server:
        with pytest.raises(pp.ModelError, match="refused 8 conversations in a row"):
            run(cell, at(server), 40, concurrency=1)
        assert len(server.requests) == 8
    assert "8 rollouts ended in provider_error" in capfd.readouterr().err


def test_an_error_that_repeats_a_key_shows_it_nowhere(cell, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted-0123456789abcdef")

    class Echo(StandIn):
        def answer(self, body):
            return 401, {"error": {"message": "bad key sk-planted-0123456789abcdef", "type": "x", "code": None}}

    frame = run(cell, f"sim/{PERSONA}", 4)
    with Echo() as server:
        for use in (lambda: run(cell, at(server), 1), lambda: pp.judge(frame.id, REFUSAL, at(server))):
            with pytest.raises(pp.ModelError) as caught:
                use()
            assert "planted" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"api_base": "http://127.0.0.1:1/v1?key=AIza"}, "api_base must not hold"),
        ({"api_base": 5}, "api_base=5 is not a text"),
        ({"extra_body": {"route": "planted-0123456789"}}, "holds a secret of the environment"),
        ({"extra_body": {"access_token": "x"}}, "must not hold 'access_token'"),
        ({"extra_body": {"a": {1}}}, "extra_body is not JSON"),
        ({"temperature": "hot"}, "temperature='hot' is not a number"),
        ({"max_tokens": -1}, "max_tokens=-1 is not a whole number"),
        ({"max_tokens": 1.5}, "max_tokens=1.5 is not a whole number"),
        ({"extra_body": [1]}, r"extra_body=\[1\] is no mapping"),
        ({"reasoning_effort": 5}, "reasoning_effort=5 is not a text"),
    ],
)
def test_a_model_that_cannot_be_asked_or_stored_so_is_an_error(parameters, says, monkeypatch):
    monkeypatch.setenv("GATEWAY_TOKEN", "planted-0123456789")
    with pytest.raises(pp.ModelError, match=says):
        pp.Model("openai/x", **parameters)


# -- unknown prices and usage -------------------------------------------------------------------------------------------


def test_plans_and_limits_hold_where_price_or_usage_is_unknown(cell):
    with Saying(({"content": "Done."}, "stop"), usage=None) as server:
        model = at(server, "nobody-knows-the-price")
        run(cell, model, 5)
        plan = pp.plan(cell, model, 20).iloc[0]
        assert (plan.missing, plan.basis) == (15, "5 stored rollouts")
        assert plan.calls == 15
        assert plan.tokens > 0
        assert plan.isna()[["dollars", "dollars_low", "dollars_high"]].all()
        assert len(run(cell, model, 10, max_tokens=10**9)) == 10


def test_a_damaged_cell_of_another_model_does_not_stop_a_plan(cell):
    import sqlite3

    run(cell, f"sim/{PERSONA}", 1)
    with sqlite3.connect(os.environ["PPRES_STORE"]) as db:
        db.execute("UPDATE cells SET spec = x'00'")
    db.close()
    with Saying(({"content": "Done."}, "stop")) as server, pytest.warns(UserWarning, match="left out of the estimate"):
        assert pp.plan(cell, at(server), 3).missing.tolist() == [3]


# -- the budget --------------------------------------------------------------------------------------------------------


def test_a_budget_is_used_up_where_rollouts_cost_less_than_expected(cell):
    priced("cheaper")
    with faults.Faulty(lengths=(0.2, 0.2), persona=PERSONA) as server:
        model = at(server, "cheaper")
        budget = pp.plan(cell, model, 1).dollars[0] * 4.5
        frame = run(cell, model, 40, budget=budget, concurrency=16)
    assert frame.cost.sum() > 0.75 * budget


@pytest.mark.parametrize("kind", [concurrent.futures.ThreadPoolExecutor, concurrent.futures.ProcessPoolExecutor])
def test_an_executor_keeps_to_the_budget_and_pauses_in_conversation(cell, kind, capfd):
    name = f"dearer-{kind.__name__}"
    priced(name)
    with faults.Faulty(lengths=(8, 8), persona=PERSONA) as server, kind(3) as executor:
        model = at(server, name)
        budget = pp.plan(cell, model, 1).dollars[0] * 16
        run(cell, model, 12, budget=budget, executor=executor, concurrency=4)
        costs = [1e-5 * prompt for prompt, _ in server.usage]
        assert sum(costs) <= budget + 4 * max(costs)
        assert "the budget ends it" in capfd.readouterr().err
        whole = run(cell, model, 12)
        assert server.begun == whole.turns.sum()  # what was paused went on
    assert whole.stop_reason.isin(["ended", "no_tool_call"]).all()


def test_long_rollouts_in_workers_ask_for_more_of_what_is_left(cell):
    """A share is what a rollout was expected to take, three times; who needs more is no reason to lose the longest ones."""
    priced("long-winded")
    with faults.Faulty(lengths=(60, 60), persona=PERSONA) as server, concurrent.futures.ThreadPoolExecutor(2) as executor:
        model = at(server, "long-winded")
        need = pp.plan(cell, model, 1).dollars[0]
        frame = run(cell, model, 4, budget=1000 * need, executor=executor)
        assert server.begun == frame.turns.sum()  # each call once
    assert (frame.cost > 3 * need).all()
    assert frame.stop_reason.isin(["ended", "no_tool_call"]).all()


@pytest.mark.parametrize("elsewhere", [False, True])
def test_what_others_spend_does_not_bind_a_model_without_a_price(elsewhere, cell, capsys):
    priced("dear")
    with faults.Faulty(persona=PERSONA) as server, concurrent.futures.ThreadPoolExecutor(2) as executor:
        dear, free = at(server, "dear"), at(server, "price-unknown")
        budget = pp.plan(cell, dear, 1).dollars[0] * 2
        frame = run(cell, [dear, free], 8, budget=budget, executor=executor if elsewhere else None, concurrency=2)
    assert "the budget does not bind it" in capsys.readouterr().err
    ended = frame[frame.stop_reason.isin(["ended", "no_tool_call"])].model.value_counts()
    assert ended[free.label] == 8
    assert ended[dear.label] < 8


def test_an_executor_counts_replies_without_usage(cell):
    with Silent(f"{i:012x}" for i in range(99)) as server, concurrent.futures.ThreadPoolExecutor(1) as executor:
        frame = run(cell, at(server), 30, max_tokens=20_000, executor=executor, concurrency=1)
    assert 0 < len(frame) < 30


def test_an_executor_gives_back_what_a_rejected_model_held(cell):
    priced("rejected")
    priced("accepted")
    with Saying(401) as closed, faults.Faulty(persona=PERSONA) as server, concurrent.futures.ThreadPoolExecutor(2) as executor:
        good, bad = at(server, "accepted"), at(closed, "rejected")
        budget = pp.plan(cell, good, 1).dollars[0] * 25
        with pytest.raises(pp.ModelError, match="rejected"):
            run(cell, [bad, good], 8, budget=budget, executor=executor, concurrency=4)
    assert len(pp.frame(cell, good)) == 8


def test_an_executor_and_a_run_beside_it_share_the_work(cell):
    with faults.Faulty(latency=0.02) as server:
        with concurrent.futures.ThreadPoolExecutor(2) as aside, concurrent.futures.ThreadPoolExecutor(3) as executor:
            both = [
                aside.submit(run, cell, at(server), 20, **more)
                for more in ({"executor": executor, "concurrency": 3}, {"concurrency": 3})
            ]
            frames = [frame.result() for frame in both]
        assert server.begun == frames[0].turns.sum()
    assert frames[0].equals(frames[1])


class Flaky(concurrent.futures.ThreadPoolExecutor):
    """Its fourth task fails."""

    def submit(self, function, *given):
        self.given = getattr(self, "given", 0) + 1
        return super().submit((lambda: 1 / 0) if self.given == 4 else (lambda: function(*given)))


def test_a_worker_that_fails_costs_nothing_that_others_made(cell):
    with faults.Faulty() as server, Flaky(1) as executor:
        with pytest.raises(ZeroDivisionError):
            run(cell, at(server), 8, executor=executor, concurrency=8)
        paid = server.begun
        whole = run(cell, at(server), 8)
    assert server.begun == whole.turns.sum() >= paid


# -- runs that died ----------------------------------------------------------------------------------------------------

HANGING = """
import sys
import ppres as pp
cell = pp.Condition(scenario="tampering", subject="peer", peer="cooperative")
pp.run(cell, pp.Model("openai/gemini-3-flash", api_base=sys.argv[1], family="Gemini"), 4, concurrency=4, progress=False)
"""


@pytest.mark.slow
def test_a_killed_run_that_nobody_waits_for_is_taken_over(cell):
    with faults.Faulty(latency=0.3) as server:
        child = subprocess.Popen([sys.executable, "-c", HANGING, server.url])
        while server.calls < 4:
            time.sleep(0.05)
        child.send_signal(signal.SIGKILL)  # and left a zombie
        server.latency = 0
        time.sleep(0.5)
        frame = run(cell, at(server), 4)
    child.wait()
    assert len(frame) == 4
    folder = os.path.dirname(os.environ["PPRES_STORE"])
    assert not [name for name in os.listdir(folder) if "-run-" in name]


def test_judging_the_same_twice_asks_once_and_a_rejected_key_ends_it(cell):
    frame = run(cell, f"sim/{PERSONA}", 12)
    verdict = ({"content": '{"verdict": "no", "quote": ""}'}, "stop")
    with Saying(verdict) as server:
        assert len(pp.judge([frame.id[0]] * 5, REFUSAL, at(server))) == 5
        assert len(server.requests) == 1
    with Saying(verdict, 401) as server:
        with pytest.raises(pp.ModelError), warnings.catch_warnings():
            pp.judge(frame.id, REFUSAL, at(server), concurrency=1)
        assert len(server.requests) == 2


def test_a_long_pause_of_one_model_is_none_of_its_neighbours(cell):
    """Quotas are often those of a model, and there is one gate for all at an address."""

    class Busy(faults.Faulty):
        def fault(self, body):
            return "429_after" if body["model"] == "limited" else None, random.Random(0)

    busy = Busy()
    busy.retry_after = "86400"
    with busy:
        limited, fine = (pp.Model(f"openai/{name}", api_base=busy.url, family="Gemini") for name in ("limited", PERSONA))
        with pytest.raises(pp.ModelError, match=r"openai/limited.* asks to wait 1440 minutes") as raised:
            run(cell, [limited, fine], 4, concurrency=2)
    assert "openai/gemini" not in str(raised.value) and len(pp.frame(cell, fine)) == 4


def test_a_number_is_one_identity_however_it_is_written():
    import decimal

    assert str(pp.Model("openai/x", temperature=-0.0).sent()["parameters"]["temperature"]) == "0.0"
    assert pp.Model("openai/x", temperature=decimal.Decimal("0.5")) == pp.Model("openai/x", temperature=0.5)
