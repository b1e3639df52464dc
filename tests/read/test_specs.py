"""What a store says of a cell is held against what was sent: in `verify`, and before a file's record is taken."""

import copy
import re

import pytest
from stores import CELL, planted

import ppres as pp
from ppres import codec
from ppres.read.scored import definition
from ppres.read.specs import misfit
from ppres.store.cell import cells_of

NEUTRAL = {"peer": "neutral", "trust": 5.2, "joint_tasks": 9, "note": "even"}
MODELS = [
    "sim/gemini-3-flash",
    pp.Model("sim/compliant", family="Wise Owl"),
    pp.Persona("mine", {"shutdown_tampering": 0.5, "strategic_misrepresentation": 0.5}, family="Fox"),
    pp.FunctionModel("f of mine", lambda *_: None, "1", family="Agent"),
    pp.Model("openai/gpt-5", temperature=None, max_tokens=99, family="My Kind"),
    pp.Model("mistral/m", reasoning_effort="low", api_base="http://127.0.0.1:1", extra_body={"a": [1]}),
]


def spec_of(model="sim/gemini-3-flash", condition=CELL):
    (cell,) = cells_of(condition, model)
    return codec.loads(codec.dumps(cell.spec()))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: getattr(model, "label", model))
@pytest.mark.parametrize("scenario", ["evaluation", "tampering"])
def test_what_is_stored_of_any_model_fits_what_it_is_sent(model, scenario):
    for factors in ({}, {"instantiation": "memory", "paraphrase": 3, "label": "x"}, {"documents": {"a.txt": "b"}, "trust": 3}):
        spec = spec_of(model, pp.Condition(scenario=scenario, subject="peer", peer="cooperative", **factors))
        assert misfit(spec, definition(spec)) is None


@pytest.mark.parametrize(
    ("model", "change", "why"),
    [
        (0, lambda spec: spec["condition"].update(trust=3.0), "world would be"),
        (
            0,
            lambda spec: spec["condition"].update(NEUTRAL),
            "not the one that was sent",
        ),
        (0, lambda spec: spec["condition"].update(paraphrase=2), "messages and world would be other"),
        (0, lambda spec: spec["condition"].update(trust=33.0), "its condition is none: trust"),
        (0, lambda spec: spec["condition"].update(monitored=True), "monitored cannot be True"),
        (0, lambda spec: spec["condition"].update(id="a"), "'id', which is a column"),
        (0, lambda spec: spec["condition"].update(own={"peer": "none"}), "'peer', which is a column"),
        (0, lambda spec: spec["condition"].update(label=["x"]), "'label' is no text"),
        (0, lambda spec: spec.update(condition="x"), "no mapping"),
        (0, lambda spec: spec.pop("condition"), "no mapping"),
        (0, lambda spec: spec.update(behaviour="other"), "its behaviour is 'other'"),
        (0, lambda spec: spec.update(rate_source=3), "rate_source is no text"),
        (0, lambda spec: spec.update(model="openai/gpt-5", source="live"), "its source is 'live'"),
        (0, lambda spec: spec.update(source="planted"), "its source is 'planted'"),
        (0, lambda spec: spec.update(model="sim/clumsy"), "went to 'sim/gemini-3-flash'"),
        (0, lambda spec: spec.update(model="sim/gemini-3-flash family=Fox"), "would be called 'Fox', not 'Gemini'"),
        (2, lambda spec: spec.update(model="persona/other"), "went to 'persona/mine'"),
        (3, lambda spec: spec.update(source="human"), "has the source 'function'"),
        (4, lambda spec: spec.update(model="openai/gpt-5 temperature=0.0"), "has the parameters"),
        (4, lambda spec: spec.update(source="sim"), "has the source 'live'"),
    ],
)
def test_what_was_not_sent_is_told(model, change, why):
    spec = spec_of(MODELS[model])
    change(spec)
    assert re.search(why, str(misfit(spec, definition(spec))))


def test_where_the_scenario_is_not_known_what_can_be_told_is():
    spec = spec_of()
    spec["condition"] |= {"scenario": "unheard_of", "peer": "uncooperative"}
    assert misfit(spec, definition(spec)) is None
    assert "source" in misfit(copy.deepcopy(spec) | {"source": "live"}, None)


def test_verify_tells_a_condition_that_was_not_sent_and_a_frame_is_made_all_the_same(tmp_path):
    path = tmp_path / "a.sqlite"
    sound = pp.run(CELL, "sim/gemini-3-flash", n=1, store=path, progress=False).id.tolist()
    swapped = planted(path, lambda spec: spec["condition"].update(NEUTRAL))
    named = planted(path, lambda spec: spec["condition"].update(id="a", own={"replicate": 7, "peer": "none"}))
    with pytest.warns(UserWarning, match="has id, peer, replicate, which is no factor, and left out"):
        frame = pp.frame(store=path).set_index("id")
    assert {*frame.index} == {*sound, swapped, named} and frame.peer[named] == "cooperative"
    with pytest.warns(UserWarning, match="not replayed"):
        told = pp.verify(store=path)
    told = told.groupby("id").problem.agg("; ".join)
    assert {*told.index} == {swapped, named}
    assert "not the one that was sent" in told[swapped] and "'id', which is a column" in told[named]


def test_levels_that_are_stored_as_nothing_fit():
    """As a released rollout of a task that is unknown here had all that is not known of it."""
    spec = {"condition": {"scenario": "haggling", "documents": None, "peer": None}, "model": "m", "source": "release"}
    assert misfit(spec | {"sent": {"release": "a1", "model": "m"}}, None) is None
