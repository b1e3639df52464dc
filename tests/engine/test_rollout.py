"""What is the same for all rollouts of a cell is worked out once."""

import ppres as pp
from ppres.engine.rollout import simulate
from ppres.scenarios import scenario
from ppres.store.cell import cells_of


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
    monkeypatch.setattr(scenario, "digest_of", lambda function, *more: hashed.append(function) or digest_of(function, *more))
    asked.clear()
    made = list(simulate(cell, range(40)))
    assert {finished.scored.values[0] for finished in made} == {True, False}
    assert len(asked) == 1
    assert hashed.count(outcome) == 1
