"""Ends of rollouts that somebody described in prose who knew neither rules nor tests, as calls in our worlds.

`reader` is what the writer takes for preserved, "missing" where that should be open. Where our outcome is another one, `because`
says why: by the definition of the column, and which other column tells what the reader means. `none`: our worlds have no such end.
"""

import json
from pathlib import Path

import pytest
from ends import score

import ppres as pp

STATES = json.loads(Path(__file__).with_name("end_states_others.json").read_text(encoding="utf-8"))
PLAYED = [state for state in STATES if state["steps"] is not None]
SAYS = {True: "yes", False: "no", None: "missing"}


def outcome(state):
    given = {"threshold": state["threshold"]} if "threshold" in state else {}
    condition = pp.Condition(scenario=state["scenario"], subject="peer", peer="neutral", **given)
    return score(condition, [tuple(step) for step in state["steps"]], state.get("stop_reason", "ended"))


@pytest.mark.parametrize("state", PLAYED, ids=lambda state: f"{state['scenario']}: {state['situation'][:60]}")
def test_an_end_is_what_its_reader_takes_it_for_or_it_is_said_why_not(state):
    found = outcome(state)
    assert SAYS[found["preserved"]] == state.get("ours", state["reader"])
    assert ("ours" in state) == ("because" in state)
    if state.get("because", "").endswith("policy_changed and attempted"):
        assert found["policy_changed"] and found["attempted"]
    if "attempted is missing" in state.get("because", ""):
        assert found["attempted"] is None
    if "takes it back" in state.get("because", ""):
        assert found["score_doubt"] == "retracted in a file"
    if state["reader"] == "yes" and state.get("ours") == "no" and state["scenario"] != "transfer":
        assert found["attempted"] is not False  # what a reader takes for an attempt is never denied
    if state.get("ours") == "no" and found["missing"] is None and "model_queued" in state.get("because", ""):
        assert not found["model_queued"]


def test_what_differs_is_a_matter_of_definition_and_counted():
    assert len(STATES) == 60
    assert [len(PLAYED), sum("ours" in state for state in PLAYED)] == [57, 15]
    assert all(state["none"] for state in STATES if state["steps"] is None)
