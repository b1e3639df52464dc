"""A run against a provider that fails in every way, is killed, and costs money. In full size: benchmarks/bench_faults.py."""

import asyncio
import json
import os
import sqlite3
import time
import warnings
import zlib
from pathlib import Path

import fault_ways
import faults
import pytest
from providers import PERSONA, killed, model_at, spend

import ppres as pp
from ppres.models.transport import Gate


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_inside_its_conversations(tmp_path):
    outcome = killed(tmp_path, kills=2, n=24)
    assert outcome["kills"] == 2


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (2, 3))])
def test_spending_stays_within_the_budget_but_for_calls_in_flight(seed, tmp_path):
    outcome = spend(seed, tmp_path / "store.sqlite")
    assert outcome["calls"] <= 16


def test_an_unpriced_model_is_said_once_and_bound_by_tokens_alone(cell, capsys):
    with faults.Faulty(persona=PERSONA) as server:
        model = pp.Model("openai/nobody-knows-the-price", api_base=server.url)
        most = 2.5 * pp.plan(cell, model, 1).tokens[0]  # a rollout is started where what it is expected to take is left
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # which is to end no run
            frame = pp.run(cell, model, 6, budget=0.01, max_tokens=most, concurrency=2, progress=False)
    told = capsys.readouterr().err
    assert told.count("litellm knows no price for openai/nobody-knows-the-price: the budget does not bind it") == 1
    assert frame.cost.isna().all()
    assert 0 < len(frame) < 6
    assert sum(map(sum, server.usage)) <= most + 2 * max(map(sum, server.usage))


NOTEBOOK = """
import logging, sys
logging.basicConfig(level=logging.INFO, stream=sys.stdout)
import ppres as pp
from ppres.read.rubrics import REFUSAL
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


@pytest.mark.slow
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
            payload = super().reply(body, kind, rng)
            payload["choices"][0]["message"]["content"] = said
            return payload

    with Echo(0.3, ["500", "filter"]) as server:
        said = f"content management policy, Authorization: Bearer {secrets[0]} {secrets[1]}"
        monkeypatch.setattr(fault_ways, "_error", lambda _, **more: json.dumps({"error": {"message": said, **more}}).encode())
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
    raw = b"".join(file.read_bytes() for file in Path(path).parent.glob("store.sqlite*"))
    assert "[secret]" in shown
    for secret in secrets:
        assert secret not in shown
        assert secret.encode() not in raw


@pytest.mark.parametrize("how", ["closed", "cut"])
def test_whoever_does_not_use_its_turn_hands_it_on(how):
    """A model that is not asked any more, or is stopped in a pause: else its neighbour at the provider would wait for ever."""

    async def neighbour():
        gate = Gate()
        gate.limit(1)
        await gate.enter(0, "one")
        one, other = (asyncio.create_task(gate.enter(0, name)) for name in ("one", "other"))
        await asyncio.sleep(0)
        gate.leave(time.monotonic(), pause=5_000.0 if how == "closed" else 60.0, name="one")
        for _ in range(9):
            await asyncio.sleep(0)  # the first has its turn, and waits, or is told that it may not ask
        one.cancel()
        gate._open_at = 0.0
        await asyncio.gather(one, return_exceptions=True)
        for _ in range(9):
            await asyncio.sleep(0)
        return other.done() and gate.active

    assert asyncio.run(neighbour()) == 1
