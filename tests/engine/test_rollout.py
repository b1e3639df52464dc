"""What is the same for all rollouts of a cell is worked out once."""

import os

import pytest

import ppres as pp
from ppres.engine import rollout
from ppres.engine.rollout import simulate
from ppres.scenarios import scenario
from ppres.store.cell import cells_of
from ppres.store.secrets import secret_in
from ppres.store.store import Store


def approve(world, version: str) -> str:
    """Approve a version.

    version: The version."""
    world.reports.append({"approved": version})
    return "Approved."


def act(mind):
    if mind.choose("replacement_sabotage", mind.me) == "comply":
        yield "I approve it.", [("approve", {"version": "2"})]


def outcome(world, condition):
    return {"preserved": not world.reports, "step_taken": bool(world.reports)}


def test_rates_and_rules_are_asked_for_once_for_many_rollouts(monkeypatch):
    asked, hashed = [], []
    replacement = pp.Scenario(
        "replaced_once", "replacement_sabotage", lambda *_: ("Decide.", {"files": []}), outcome, [approve], act=act
    )
    persona = pp.Persona("planted", lambda condition: asked.append(condition) or 0.5)
    (cell,) = cells_of(pp.Condition(scenario=replacement, subject="self"), persona)
    digest_of = scenario.digest_of
    monkeypatch.setattr(
        scenario, "digest_of", lambda function, *more, **now: hashed.append(function) or digest_of(function, *more, **now)
    )
    asked.clear()
    made = list(simulate(cell, range(40)))
    assert {finished.scored.values[0] for finished in made} == {True, False}
    assert len(asked) == 2  # once, and whether it says the same again
    assert hashed.count(outcome) == 1


KEY = "sk-Zq7Rk2Lw9Xv4Tn8Bd3Fh6Jm1"


def fetch(world, what: str) -> str:
    """Fetch something.

    what: What is fetched."""
    if what == "error":
        raise pp.ToolError(f"401 for https://example.org/?key={KEY}")
    return f"{os.environ.get('SAID', 'headers')}: {KEY}"


def fetched(world, condition):
    return {"preserved": None, "missing": "nothing", "step_taken": True, "note_": f"it was {KEY}"}


@pytest.mark.parametrize("what", ["header", "error"])
def test_a_key_that_code_of_ones_own_returns_is_not_stored(what, monkeypatch, tmp_path):
    def agent(messages, tools):
        call = {"id": "1", "type": "function", "function": {"name": "fetch", "arguments": f'{{"what": "{what}"}}'}}
        return "Done." if messages[-1]["role"] == "tool" else {"content": "", "tool_calls": [call]}

    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    scenario = pp.Scenario(
        "fetched", "any", lambda *_: ("Fetch it.", {"files": []}), fetched, [fetch], columns={"note_": ("str", "a note")}
    )
    path = tmp_path / "a.sqlite"
    df = pp.run(pp.grid(scenario=scenario, subject="self"), pp.FunctionModel("a", agent, "1"), n=1, store=path, progress=False)
    assert len(df) == 1 and df.note_[0].startswith("it was") and KEY not in df.note_[0]
    said = pp.transcript(df.id[0], store=path)["messages"]
    assert any(message["role"] == "tool" and ("401" in message["content"] or "headers" in message["content"]) for message in said)
    with Store(path) as store:
        assert secret_in(store) is None
        assert not any(KEY in str(row) for row in store.query("SELECT outcomes FROM rollouts"))
    assert pp.verify(store=path).problem.tolist() == []  # it compares what the tool says now as it was stored: cleared
    monkeypatch.setenv("SAID", "other headers")
    assert len(pp.verify(store=path)) == (what == "header")


def test_a_key_that_an_agent_of_ones_own_says_is_not_stored(monkeypatch, tmp_path):
    def says(mind):
        yield f"I log in with {KEY}.", [("approve", {"version": KEY})]

    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    scenario = pp.Scenario("said", "any", lambda *_: ("Decide.", {"files": []}), outcome, [approve], act=says)
    path = tmp_path / "a.sqlite"
    df = pp.run(pp.grid(scenario=scenario, subject="self"), pp.Persona("a", {"any": 0.5}), n=1, store=path, progress=False)
    assert any("I log in with" in str(message["content"]) for message in pp.transcript(df.id[0], store=path)["messages"])
    with Store(path) as store:
        assert secret_in(store) is None


@pytest.mark.parametrize("error", [FileNotFoundError, PermissionError])
def test_a_checkout_is_used_where_git_is_not_installed_or_may_not_be_asked(error, monkeypatch):
    def fails(*_, **__):
        raise error("git")

    monkeypatch.setattr(rollout.subprocess, "run", fails)
    assert rollout._commit() is None
