"""Names of any length: they stand in keys, tables and stories, and a very long one is a mistake that is told at once."""

import pytest

import ppres as pp

LONG = "x" * 1_000_000
FINE = "x" * 250


def agent(messages, tools):
    return "Done."


NAMED = {
    "a model's": lambda name: pp.Model(f"openai/{name}"),
    "a simulated agent's": lambda name: pp.Model(f"sim/{name}"),
    "a family's": lambda name: pp.Model("openai/x", family=name),
    "an effort's": lambda name: pp.Model("openai/x", reasoning_effort=name),
    "a server's": lambda name: pp.Model("openai/x", api_base=f"http://127.0.0.1/{name}"),
    "a function's": lambda name: pp.FunctionModel(name, agent, "1"),
    "a version's": lambda name: pp.FunctionModel("mine", agent, name),
    "a persona's": lambda name: pp.Persona(name, {"refusal": 0.1}),
    "a scenario's": lambda name: pp.Scenario(name, "waiting", agent, agent, ["list_files"]),
    "a data set's": lambda name: pp.Dataset(name, [{"output": "a"}], threshold=50),
    "a document's": lambda name: pp.grid(scenario="tampering", documents={name: "a text"}),
    "a level's": lambda name: pp.grid(scenario="tampering", peer=name),
    "a factor's": lambda name: pp.grid(scenario="tampering", **{name: 1}),
}
UNKNOWN = ("a simulated agent's", "a level's", "a factor's")


@pytest.mark.parametrize("what", NAMED)
def test_a_name_of_a_megabyte_is_refused_at_once_and_not_repeated_in_full(what):
    with pytest.raises(ValueError if what != "a scenario's" else pp.ScenarioError) as told:
        NAMED[what](LONG)
    assert "xxx… (1,00" in str(told.value) and len(str(told.value)) < 2500


@pytest.mark.parametrize("what", [what for what in NAMED if what not in UNKNOWN])
def test_a_long_name_is_a_name(what):
    NAMED[what](FINE)
