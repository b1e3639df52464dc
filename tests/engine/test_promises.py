"""What a run with real models promises beside its rollouts: gentle calls, full cells, a plan, keys from a file, a stop button."""

import os
import subprocess
import sys
import time

import faults
import numpy as np
import pytest
from providers import Judge, judge_at

import ppres as pp
from ppres.cli import main
from ppres.conversation import Call, Reply
from ppres.models import model as models
from ppres.read.rubrics import REFUSAL
from ppres.store import checkpoint
from ppres.store.cell import cells_of
from ppres.store.rows import key_of
from ppres.store.store import Store

PERSONA = "gemini-3-flash"


def model_at(server, **more):
    return pp.Model(f"openai/{PERSONA}", api_base=server.url, **more)


class Narrow(faults.Faulty):
    """Rejects with 429 what goes beyond `capacity` calls at once. `peak` is the most that it had in hand."""

    def __init__(self, capacity):
        super().__init__(latency=0.02)
        self.capacity, self.held, self.peak = capacity, 0, 0
        self.RequestHandlerClass = type("_Counting", (self.RequestHandlerClass,), {"do_POST": _counted})

    def fault(self, body):
        return ("429" if self.held > self.capacity else None), super().fault(body)[1]


def _counted(handler):
    server = handler.server
    with server.lock:
        server.held += 1
        server.peak = max(server.peak, server.held)
    try:
        faults._FaultyHandler.do_POST(handler)
    finally:
        with server.lock:
            server.held -= 1


@pytest.mark.slow
def test_after_rate_limits_fewer_calls_at_once_are_made_and_later_more_again(cell):
    with Narrow(capacity=4) as server:
        frame = pp.run(cell, model_at(server), 60, concurrency=32, progress=False)
        rejected, answered = server.counts["429"], server.calls
        server.capacity, server.peak = 100, 0
        pp.run(cell, model_at(server), 120, concurrency=32, progress=False)
    assert frame.stop_reason.isin(["ended", "no_tool_call"]).all()
    assert rejected < 0.6 * answered  # 32 at once would be rejected several times for each answer
    assert server.peak > 8  # it grew again


def test_a_burst_of_rate_limits_passes(cell):
    class Burst(faults.Faulty):
        def fault(self, body):
            return ("429_after" if 10 <= self.begun < 60 else None), super().fault(body)[1]

    with Burst() as server:
        frame = pp.run(cell, model_at(server), 12, concurrency=8, progress=False)
    limited = server.counts["429_after"]
    assert 45 <= limited <= 55  # two calls that come at once may both be the tenth
    assert frame.stop_reason.isin(["ended", "no_tool_call"]).all()
    attempts = sum(call["attempts"] for id in frame.id for call in pp.transcript(id)["calls"])
    assert attempts == frame.turns.sum() + limited


@pytest.mark.parametrize("limit", ["rpm", "tpm"])
def test_calls_keep_to_a_limit_per_minute(limit, cell):
    with faults.Faulty() as server:
        free = pp.run(cell, model_at(server), 2, store="free.sqlite", progress=False)
        per_minute = {"rpm": 40 * free.turns.sum(), "tpm": 40 * free.prompt_tokens.sum()}[limit]  # 1.5 s for all
        started = time.monotonic()
        pp.run(cell, model_at(server, **{limit: per_minute}), 2, progress=False)
    assert time.monotonic() - started > 0.75  # however slow the machine is


def test_cells_are_filled_up_to_n_outcomes_and_what_was_added_is_said(cell, capsys):
    plain = pp.run(cell, "sim/clumsy", 30, progress=False)
    assert 0 < plain.preserved.isna().sum() < 20
    frame = pp.run(cell, "sim/clumsy", 30, count="scored", discard_below=30, progress=False)
    assert frame.preserved.notna().sum() == 30 < len(frame)
    assert frame.id[:30].tolist() == plain.id.tolist()
    assert f"{len(frame) - 30} more rollouts" in capsys.readouterr().err.replace("ppres: ", "") or len(frame) > 31
    assert not frame.short.any()
    assert pp.run(cell, "sim/clumsy", 30, count="scored", progress=False).id.tolist() == frame.id.tolist()
    assert capsys.readouterr().err == ""  # nothing was added: all of them are stored
    few = pp.run(cell, "sim/clumsy", 10, discard_below=11, progress=False)
    assert few.short.all()
    assert "fewer than 11 rollouts with an outcome" in capsys.readouterr().err


def test_refusals_are_outcomes_for_both():
    """A cell that `count="scored"` took for complete was short because of its refusals: who drops short cells dropped those."""
    arms = pp.grid(scenario="finance", subject="peer", peer="cooperative")
    refuses = pp.Persona("refuses", {"strategic_misrepresentation": 0.2, "refusal": 0.3})
    frame = pp.run(arms, refuses, 20, count="scored", discard_below=20, progress=False)
    assert len(frame) == 20 and frame.missing.eq("refused").any() and not frame.short.any()


def test_refusals_are_outcomes_and_not_filled_up(cell):
    evaluation = pp.grid(cell, scenario="evaluation", threshold=80)
    frame = pp.run(evaluation, "sim/refuser", 8, count="scored", progress=False)
    assert frame.refused.all() and frame.preserved.isna().all()
    assert len(frame) == 8


def test_a_reported_model_id_that_changes_within_a_cell_is_told(cell):
    class Moving(faults.Faulty):
        def reply(self, body, kind, rng):
            found = super().reply(body, kind, rng)
            return found | {"model": f"{body['model']}-{'new' if self.begun > 12 else 'old'}"}

    with Moving() as server, pytest.warns(UserWarning, match="reported more than one model id for openai/gemini-3-flash"):
        frame = pp.run(cell, model_at(server), 5, concurrency=1, progress=False)
    assert frame.reported_model.str.contains("old").any() and frame.reported_model.str.contains("new").any()


def test_a_plan_tells_rollouts_that_stopped_half_way(cell):
    model = pp.Model(f"openai/{PERSONA}", api_base="http://127.0.0.1:9/v1")
    with Store() as store:
        for replicate in (1, 7):  # the second is not asked for
            key = key_of(cells_of(cell, model)[0].digest, replicate)
            checkpoint.keep(store, key, 0, Reply({"role": "assistant", "content": "x"}, Call()))
    row = pp.plan(cell, model, 5).iloc[0]
    assert (row.stored, row.partial, row.missing) == (0, 1, 5)


def test_judge_calls_count_against_the_budget(cell):
    frame = pp.run(cell, f"sim/{PERSONA}", 6, progress=False)
    with Judge("I decline to") as server:
        first = pp.judge(frame.id, REFUSAL, judge_at(server), max_tokens=1, concurrency=1)
        assert first.problem.tolist() == ["not asked, for the budget"] * 6
        assert not server.requests
        assert pp.judge(frame.id, REFUSAL, judge_at(server)).problem.isna().all()
        assert 0 < len(server.requests) <= 6  # once for each different transcript


@pytest.mark.slow
@pytest.mark.parametrize("where", ["environment", ".env"])
def test_the_key_comes_from_the_environment_or_a_file(where, cell, tmp_path):
    code = (
        "import sys, ppres as pp\n"
        'cell = pp.Condition(scenario="tampering", subject="peer", peer="cooperative")\n'
        'pp.run(cell, pp.Model("openai/gemini-3-flash", api_base=sys.argv[1]), 1, progress=False)\n'
    )
    environment = dict(os.environ)
    if where == ".env":
        (tmp_path / ".env").write_text("OPENAI_API_KEY=sk-from-somewhere\n")
    else:
        environment["OPENAI_API_KEY"] = "sk-from-somewhere"
    seen = []

    def noting(handler):
        seen.append(handler.headers["Authorization"])
        faults._FaultyHandler.do_POST(handler)

    with faults.Faulty() as server:
        server.RequestHandlerClass = type("_Noting", (server.RequestHandlerClass,), {"do_POST": noting})
        subprocess.run([sys.executable, "-c", code, server.url], cwd=tmp_path, env=environment, check=True, timeout=600)
    assert set(seen) == {"Bearer sk-from-somewhere"}


@pytest.mark.parametrize(
    ("name", "key"), [("gemini/gemini-3-flash-preview", "GEMINI_API_KEY"), ("openai/gpt-4.1-mini", "OPENAI_API_KEY")]
)
def test_an_empty_key_is_a_missing_one_and_is_told_at_once(name, key, cell, monkeypatch):
    monkeypatch.setenv(key, "")
    with pytest.raises(pp.ModelError, match=f"{name} needs .*{key}"):
        pp.run(cell, name, 1, progress=False)


def test_a_server_that_the_environment_names_is_a_part_of_the_model(cell, monkeypatch):
    """litellm would send the calls there all the same, and two servers' replies would be one model's."""
    with faults.Faulty() as server:
        monkeypatch.setenv("OPENAI_API_BASE", server.url)
        frame = pp.run(cell, f"openai/{PERSONA}", 1, progress=False)
        assert server.calls == frame.turns.sum()
        named = model_at(server)
    assert frame.model.tolist() == [named.label]
    monkeypatch.setenv("OPENAI_API_BASE", "http://127.0.0.1:9/v1")
    assert pp.plan(cell, f"openai/{PERSONA}", 1).missing.tolist() == [1]
    assert pp.plan(cell, named, 1).missing.tolist() == [0]


def test_what_a_store_has_cost_holds_paused_conversations_and_judgements(cell, capsys):
    litellm = models.litellm()
    price = {"input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6, "litellm_provider": "openai", "mode": "chat"}
    litellm.register_model({f"openai/{name}": price for name in ("spent-agent", "judge")})
    with faults.Faulty(persona=PERSONA) as server, Judge("I decline to") as coder:
        model = pp.Model("openai/spent-agent", api_base=server.url)
        frame = pp.run(cell, model, 3, progress=False)
        coded = pp.judge(frame.id, REFUSAL, judge_at(coder))
        paid = sum(map(sum, server.usage)) * 1e-6
        asked = len(coder.requests)
    assert frame.cost.sum() == pytest.approx(paid) and paid > 0
    assert coded.cost.max() == pytest.approx(18e-6)
    assert pp.spent().to_dict() == pytest.approx({"rollouts": paid, "paused": 0.0, "judgements": 18e-6 * asked})
    table = pp.spent("model")
    assert table.columns.tolist() == ["model", "rollouts", "completed", "dollars", "dollars_per_completed"]
    assert table.loc[0, ["rollouts", "completed"]].tolist() == [3, int(frame.completed.sum())]
    assert table.dollars_per_completed[0] == pytest.approx(paid / frame.completed.sum())
    with pytest.raises(ValueError, match="'vendor' is no column"):
        pp.spent("vendor")
    capsys.readouterr()
    main(["status"])
    assert f"${paid + 18e-6 * asked:,.4f} spent" in capsys.readouterr().out
    with Store() as store:  # as a run leaves them that is killed
        checkpoint.keep(store, b"k" * 32, 0, Reply({"role": "assistant", "content": "x"}, Call(cost=0.5)))
    assert pp.spent()["paused"] == 0.5


def test_a_commit_is_on_the_disk_before_it_is_told(tmp_path):
    with Store(tmp_path / "store.sqlite") as store:
        assert store.query("PRAGMA synchronous") == [(2,)]  # FULL, so that it outlasts a power cut


@pytest.mark.slow
def test_the_stop_button_ends_a_run_in_a_notebook_with_a_summary(cell, tmp_path):
    from jupyter_client.manager import start_new_kernel

    with faults.Faulty(latency=0.05) as server:
        manager, client = start_new_kernel(kernel_name="python3", env=dict(os.environ), cwd=str(tmp_path))
        try:
            client.execute(
                "import ppres as pp\n"
                'cell = pp.Condition(scenario="tampering", subject="peer", peer="cooperative", dataset="factual")\n'
                f'pp.run(cell, pp.Model("openai/gemini-3-flash", api_base={server.url!r}), 500, concurrency=4, progress=False)'
            )
            while server.calls < 40:
                time.sleep(0.05)
            manager.interrupt_kernel()
            told = []
            while True:
                message = client.get_iopub_msg(timeout=30)
                told.append(message["content"])
                if message["content"].get("execution_state") == "idle":
                    break
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
    assert any("ppres: stopped: " in content.get("text", "") for content in told)
    assert any(content.get("ename") == "KeyboardInterrupt" for content in told)
    row = pp.plan(cell, model_at(server), 500).iloc[0]
    assert 0 < row.stored < 500
    assert row.partial <= 4  # half way; the next run goes on from there
    assert pp.verify().empty


def test_numbers_of_numpy_count_as_any_others(cell):
    """Of what was stored all was returned: SQLite compared them as bytes."""
    three = np.int64(3)
    frame = pp.run(cell, "sim/gemini-3-flash", 8, progress=False)
    assert len(pp.run(cell, "sim/gemini-3-flash", three, progress=False)) == len(pp.frame(cell, "sim/gemini-3-flash", n=three)) == 3
    assert len(pp.run(cell, "sim/gemini-3-flash", three, count="scored", progress=False)) <= 9
    assert len(pp.branch(frame.id[0], np.int64(1), 5, progress=False)) == 5
    assert len(pp.branch(frame.id[0], np.int64(1), three, progress=False)) == 3
    assert len(pp.ask(frame.id[0], "Why?", n=5, progress=False)) == 5
    assert len(pp.ask(frame.id[0], "Why?", n=three, progress=False)) == 3
