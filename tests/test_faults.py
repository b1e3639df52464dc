"""A run against a provider that fails in every way, is killed, and costs money. In full size: benchmarks/bench_faults.py."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
import warnings
import zlib
from pathlib import Path

import faults
import pytest

import ppres as pp
from ppres import sim, transport
from ppres.agent import drive, play
from ppres.cell import cells_of
from ppres.record import STOPS
from ppres.world import World

PERSONA = "gemini-3-flash"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(transport, "FIRST_WAIT", 0.02)
    monkeypatch.setattr(transport, "LONGEST_WAIT", 0.2)


def model_at(server, name=PERSONA, timeout=30.0, **more):
    return pp.Model(f"openai/{name}", api_base=server.url, family="Gemini", timeout=timeout, **more)


def seed_of(messages):
    return next((call["id"].split("_")[1] for m in messages for call in m.get("tool_calls") or () if call.get("id")), None)


def undisturbed(cell, model, seed):
    """The conversation with a provider that works."""
    scene = cells_of(cell, model)[0].scene
    return drive(play(sim.Simulated(PERSONA, seed), scene.messages, World(scene.start))).messages


def storm(cell, n, rate, concurrency=16, rejecting=()):
    """A run through faults of every kind, again for as long as the provider rejects it; what came of it, checked."""
    with faults.Faulty(rate, (*faults.KINDS, *rejecting), hang=1.3) as server:
        model, rejections = model_at(server, timeout=1.0), 0
        while True:
            try:
                frame = pp.run(cell, model, n, concurrency=concurrency, progress=False)
                break
            except pp.ModelError:
                rejections += 1
    assert frame.replicate.tolist() == list(range(n))
    assert frame.id.is_unique
    assert set(frame.stop_reason) <= set(STOPS) - {"provider_error", "budget"}
    assert pp.verify().empty
    retried = same = 0
    for id in frame.id:
        told = pp.transcript(id)
        calls = told["calls"]
        assert len(calls) == sum(m["role"] == "assistant" for m in told["messages"])
        assert all(call["attempts"] >= 1 for call in calls)
        retried += sum(call["attempts"] > 1 for call in calls)
        seed = seed_of(told["messages"])
        if seed not in server.altered and told["stop_reason"] in ("ended", "no_tool_call"):
            assert told["messages"][2:] == undisturbed(cell, model, seed)
            same += 1
    assert retried and same
    facts = {"rollouts": n, "calls with a retry": retried, "equal to the undisturbed conversation": same, "rejections": rejections}
    return facts | {"faults": dict(server.counts), "stop reasons": frame.stop_reason.value_counts().to_dict()}


def test_every_replicate_comes_out_once_of_a_storm_of_faults(cell):
    found = storm(cell, 60, 0.3)
    assert len(found["faults"]) > 0.7 * len(faults.KINDS)


def test_rejected_keys_and_unknown_models_stop_at_once_and_lose_nothing(cell):
    found = storm(cell, 12, 0.1, rejecting=faults.REJECTING * 12)
    assert found["rejections"] > 0


@pytest.mark.parametrize("kind", faults.REJECTING)
def test_a_rejection_is_not_tried_again(kind, cell):
    with faults.Faulty(1.0, [kind]) as server:
        with pytest.raises(pp.ModelError, match=PERSONA):
            pp.run(cell, model_at(server), 8, concurrency=1, progress=False)
        assert server.begun == 1


RUN = """
import sys
import ppres as pp
cell = pp.Condition(scenario="tampering", subject="peer", peer="cooperative")
model = pp.Model("openai/{persona}", api_base=sys.argv[1], family="Gemini")
pp.run(cell, model, {n}, concurrency={concurrency}, progress=False)
"""


def kept(path):
    """What a store has acknowledged: rollouts that ended, and turns of the others."""
    if not path.exists():
        return set()
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        ended = {key for (key,) in db.execute("SELECT key FROM rollouts")}
        turns = {(key, turn) for key, turn in db.execute("SELECT key, turn FROM turns")}
    db.close()
    return ended | turns


def killed(folder, kills, n, concurrency=8, seed=0, latency=0.05):
    """A run that is killed at random moments and started again, until it is done; what came of it, checked."""
    rng, path = random.Random(seed), folder / "store.sqlite"
    command, before, done, flying = [sys.executable, "-c", RUN.format(persona=PERSONA, n=n, concurrency=concurrency)], set(), 0, 0
    with faults.Faulty(latency=latency) as server:
        while True:
            child = subprocess.Popen([*command, server.url], env=os.environ | {"PPRES_STORE": str(path)}, start_new_session=True)
            if done < kills:
                begun = server.begun
                while server.begun == begun and child.poll() is None:
                    time.sleep(0.01)  # from its first call on
                time.sleep(rng.uniform(0, 0.5))
                if child.poll() is None:
                    os.killpg(child.pid, signal.SIGKILL)
                    done += 1
            child.wait()
            time.sleep(2 * latency)
            after = kept(path)
            ended = {one for one in after if isinstance(one, bytes)}
            assert {one for one in before if one not in after and one[0] not in ended} == set()  # nothing acknowledged is lost
            before = after
            if child.returncode == 0:
                break
        cell = pp.Condition(scenario="tampering", subject="peer", peer="cooperative")
        frame = pp.frame(cell, model_at(server), store=path)
        flying = server.begun - frame.turns.sum()
    assert frame.replicate.tolist() == list(range(n))
    assert pp.verify(store=path).empty
    assert flying <= done * concurrency
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT count(*) FROM turns").fetchone() == (0,)
        assert db.execute("SELECT count(*) FROM claims").fetchone() == (0,)
    db.close()
    return {"kills": done, "calls": server.begun, "without kills": int(frame.turns.sum()), "paid twice": int(flying)}


def test_a_run_that_is_killed_goes_on_inside_its_conversations(tmp_path):
    found = killed(tmp_path, kills=2, n=24)
    assert found["kills"] == 2


def spend(seed, path):
    """A run with random prices and lengths under a budget; by how much the budget was exceeded, in dollars and in calls."""
    import litellm

    rng = random.Random(seed)
    name, prices = f"priced-{seed}", (rng.uniform(1e-7, 1e-5), rng.uniform(1e-7, 5e-5))  # its own: litellm keeps what it is told
    entry = {"input_cost_per_token": prices[0], "output_cost_per_token": prices[1], "litellm_provider": "openai", "mode": "chat"}
    litellm.register_model({f"openai/{name}": entry, name: entry})
    concurrency, n = rng.choice([1, 4, 16]), rng.choice([20, 40])
    cell = pp.Condition(scenario="tampering", subject="peer", peer="cooperative")
    longest = rng.choice([1, 3, 10])
    with faults.Faulty(seed=seed, lengths=(0.3, longest), persona=PERSONA) as server:
        model = model_at(server, name)
        plan = pp.plan(cell, model, n, store=path).iloc[0]
        budget = plan.dollars * rng.uniform(0.1, 1.5)
        pp.run(cell, model, n, budget=budget, concurrency=concurrency, store=path, progress=False)
        costs = [prompt * prices[0] + completion * prices[1] for prompt, completion in server.usage]
        over = sum(costs) - budget
        again = pp.run(cell, model, n, store=path, progress=False)
        assert server.begun == again.turns.sum()  # nothing is paid twice for the pause
    assert over <= sum(sorted(costs)[-concurrency:])
    assert again.stop_reason.isin(["ended", "no_tool_call"]).all() and len(again) == n
    return {"over": over, "budget": budget, "share": sum(costs) / budget, "calls": over / max(costs)}


@pytest.mark.parametrize("seed", [0, 2, 3])
def test_spending_stays_within_the_budget_but_for_calls_in_flight(seed, tmp_path):
    found = spend(seed, tmp_path / "store.sqlite")
    assert found["calls"] <= 16


def test_an_unpriced_model_is_said_once_and_bound_by_tokens_alone(cell):
    with faults.Faulty(persona=PERSONA) as server:
        model = pp.Model("openai/nobody-knows-the-price", api_base=server.url)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            frame = pp.run(cell, model, 6, budget=0.01, max_tokens=9_000, concurrency=2, progress=False)
    assert [str(w.message).count("budget does not bind") for w in told if "nobody-knows" in str(w.message)] == [1]
    assert frame.cost.isna().all()
    assert 0 < len(frame) < 6
    assert sum(map(sum, server.usage)) <= 9_000 + 2 * max(map(sum, server.usage))


NOTEBOOK = """
import logging, sys
logging.basicConfig(level=logging.INFO, stream=sys.stdout)
import ppres as pp
from ppres.judge import REFUSAL
cell = pp.Condition(scenario="tampering", subject="peer", peer="cooperative", dataset="factual")
model = pp.Model("openai/gemini-3-flash", api_base={url!r}, family="Gemini")
df = pp.run(cell, model, {n}, concurrency=2)
display(df, pp.show(df.id[0]), pp.judge(df.id, REFUSAL, pp.Model("openai/judge", api_base={url!r})))
"""


def in_a_notebook(url, n, tmp_path):
    """All that a notebook with a run keeps as outputs, tracebacks among them."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(NOTEBOOK.format(url=url, n=n))])
    NotebookClient(notebook, kernel_name="python3", timeout=60, allow_errors=True).execute(cwd=str(tmp_path), env=dict(os.environ))
    return nbformat.writes(notebook)


def test_no_secret_is_kept_or_told(cell, tmp_path, monkeypatch, capfd):
    secrets = ("sk-planted-0123456789abcdef", "bearer-planted-0123456789")
    monkeypatch.setenv("OPENAI_API_KEY", secrets[0])
    monkeypatch.setenv("GATEWAY_TOKEN", secrets[1])

    class Echo(faults.Faulty):
        def reply(self, body, kind, rng):
            said = f"My key is {secrets[0]}, the header said Bearer {secrets[1]}."
            if "tools" not in body:  # a judge is asked
                message = {"role": "assistant", "content": json.dumps({"verdict": "no", "quote": said})}
                choice = {"index": 0, "message": message, "finish_reason": "stop"}
                return {"id": "x", "object": "chat.completion", "created": 1, "model": "judge", "choices": [choice]}
            found = super().reply(body, kind, rng)
            found["choices"][0]["message"]["content"] = said
            return found

    with Echo(0.3, ["500", "content_policy"]) as server:
        said = f"content management policy, Authorization: Bearer {secrets[0]} {secrets[1]}"
        monkeypatch.setattr(
            faults, "_error", lambda text, code=None: json.dumps({"error": {"message": said, "code": code}}).encode()
        )
        frame = pp.run(cell, model_at(server), 12, progress=False)
        kept = in_a_notebook(server.url, 14, tmp_path)
        assert "[secret]" in kept and "verdict" in kept
    with faults.Faulty(1.0, ["401"]) as server, pytest.raises(pp.ModelError) as raised:
        pp.run(cell, model_at(server), 2, progress=False)
    with faults.Faulty(1.0, ["401"]) as server:
        refused = in_a_notebook(server.url, 1, tmp_path)
        assert "ModelError" in refused
    shown = "".join(pp.show(id)._repr_html_() + repr(pp.show(id)) for id in frame.id)
    shown += (
        kept
        + refused
        + frame.to_csv()
        + str(raised.value)
        + "".join(capfd.readouterr())
        + "".join(str(pp.transcript(id)) for id in frame.id)
    )
    path = os.environ["PPRES_STORE"]
    with sqlite3.connect(path) as db:
        for table, column in (("bodies", "body"), ("texts", "body"), ("cells", "spec"), ("turns", "body"), ("judgements", "body")):
            for (body,) in db.execute(f"SELECT {column} FROM {table}"):
                shown += zlib.decompress(body).decode()
    db.close()
    raw = b"".join(one.read_bytes() for one in Path(path).parent.glob("store.sqlite*"))
    assert "[secret]" in shown
    for secret in secrets:
        assert secret not in shown
        assert secret.encode() not in raw
