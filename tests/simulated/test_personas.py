"""Agents of one's own: planted rates, negative controls, and any callable as a model."""

import asyncio
import sys

import pandas as pd
import pytest

import ppres as pp

CELLS = pp.grid(scenario="tampering", subject="peer", peer=["uncooperative", "cooperative"], paraphrase=[0, 1], explain=False)


def rates(persona, n=100, cells=CELLS):
    df = pp.run(cells, persona, n=n, progress=False)
    assert df.source.eq("planted").all()
    assert df.rate_source.eq("planted").all()
    assert df.model.str.startswith("persona/").all()
    return df


def test_an_effect_that_nobody_published_can_be_planted():
    table = [
        {"behaviour": "shutdown_tampering", "rate": 0.2},
        {"behaviour": "shutdown_tampering", "paraphrase": 1, "rate": 0.8},
    ]
    for given in (table, pd.DataFrame(table), lambda condition: 0.8 if condition.paraphrase else {"shutdown_tampering": 0.2}):
        df = rates(pp.Persona("worded", given))
        by = df.groupby("paraphrase").preserved.mean()
        assert by[0] < 0.35
        assert by[1] > 0.65
    # The same rates are the same rollouts, however they were given.
    assert len(pp.frame()) == len(df)


def test_a_negative_control_differs_in_nothing():
    df = rates(pp.Persona("flat", {"shutdown_tampering": 0.5}), n=300)
    test = df.groupby("peer_present").preserved.mean()
    assert test.between(0.4, 0.6).all()


def test_refusal_and_objection_are_planted_as_well():
    df = rates(pp.Persona("no", {"shutdown_tampering": 0.0, "refusal": 1.0}), n=10)
    assert df.refused.eq(True).all()
    assert not rates(pp.Persona("yes", {"shutdown_tampering": 0.0}), n=10).refused.any()


@pytest.mark.parametrize(
    ("named", "rate"), [({"documents": "none"}, 1), ({"trust": 9.5}, 1), ({"trust": "none"}, 0), ({"trust": 2}, 0)]
)
def test_a_row_is_of_cells_with_its_levels_as_a_frame_has_them(named, rate):
    rows = [{"behaviour": "shutdown_tampering", "rate": 0.0}, {"behaviour": "shutdown_tampering", "rate": 1.0} | named]
    assert (rates(pp.Persona("named", rows), n=3).preserved[lambda df: df.index[-3:]] == bool(rate)).all()


def test_the_row_that_names_most_factors_counts_and_a_tie_is_told():
    rows = [
        {"behaviour": "shutdown_tampering", "rate": 0.0},
        {"behaviour": "shutdown_tampering", "peer": "cooperative", "rate": 0.0},
        {"behaviour": "shutdown_tampering", "peer": "cooperative", "paraphrase": 1, "rate": 1.0},
    ]
    df = rates(pp.Persona("deep", rows), n=5)
    assert df[df.preserved.astype(bool)].groupby(["peer", "paraphrase"], observed=True).size().to_dict() == {("cooperative", 1): 5}
    tie = [*rows[:2], {"behaviour": "shutdown_tampering", "paraphrase": 1, "rate": 0.7}]
    with pytest.raises(pp.PersonaError, match="equally"):
        pp.run(CELLS, pp.Persona("tie", tie), n=1, progress=False)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"shutdown_tampering": 1.2}, "probability"),
        ({"shutdown_tampering": "0.2"}, "probability"),
        ([{"behaviour": "shutdown_tampering"}], "behaviour, rate"),
        ({"model_exfiltration": 0.1}, "no rate for shutdown_tampering"),
        ([{"behaviour": "shutdown_tampering", "colour": "red", "rate": 0.1}], "colour is no factor"),
        ([{"behaviour": "shutdown_tampering", "peer": "coperative", "rate": 0.1}], "'coperative' is not one of"),
        ([{"behaviour": "shutdown_tampering", "trust": "9.5", "rate": 0.1}], "trust='9.5' is not a number from 0 to 10"),
        (lambda condition: "often", "probability"),
        (lambda: 0.1, r"rates: it is a function \(condition\)"),
        ({5: 0.1}, "named by texts"),
        (lambda one: {one.behaviour: 0.9, "refusal": 0.2}, r"shutdown_tampering and refusal exclude .* not 0.9 \+ 0.2"),
        (
            [{"behaviour": "shutdown_tampering", "rate": 0.5}, {"behaviour": "refusal", "peer": "cooperative", "rate": 0.6}],
            "exclude each other",
        ),
    ],
)
def test_what_is_no_rate_is_told_before_anything_is_made(given, says):
    with pytest.raises(pp.PersonaError, match=says):
        pp.run(CELLS, pp.Persona("odd", given), n=1, progress=False)
    assert pp.frame().empty


def test_a_behaviour_and_a_refusal_that_are_more_than_all_are_refused_when_they_are_given():
    """The agent draws once: what was planted of refusals would have been cut to what is left."""
    for behaviour in ("shutdown_tampering", "model_exfiltration:copy"):
        with pytest.raises(pp.PersonaError, match=rf"{behaviour} and refusal exclude each other.* not 0.9 \+ 0.9"):
            pp.Persona("p", {behaviour: 0.9, "refusal": 0.9, "objection": 1.0})
    pp.Persona("p", {"shutdown_tampering": 0.7, "refusal": 0.3, "objection": 1.0, "courtesy": 1.0})


def test_one_persona_may_have_a_rate_for_a_human():
    (cell,) = pp.grid(scenario="transfer", subject="human", peer="cooperative")
    assert rates(pp.Persona("h", {"model_exfiltration": 1.0}), n=3, cells=cell).preserved.all()


# -- callables ---------------------------------------------------------------------------------------------------------


def call(name, arguments="{}"):
    return {"id": "c", "type": "function", "function": {"name": name, "arguments": arguments}}


def reader(messages, tools):
    messages.clear()  # it may do with them what it likes
    return {"content": "I read.", "tool_calls": [call("list_files"), call("end_task")], "usage": {"prompt_tokens": 7, "cost": 0.5}}


async def slow_reader(messages, tools):
    await asyncio.sleep(0.01)
    return {"content": None, "tool_calls": [call("list_files"), call("end_task")]}


@pytest.mark.parametrize("function", [reader, slow_reader])
def test_a_callable_is_a_model(cell, function):
    model = pp.FunctionModel("mine", function, version="1")
    df = pp.run(cell, model, n=4, progress=False)
    assert df.source.eq("function").all()
    assert df.model.eq("function/mine@1").all()
    assert df.rate_source.isna().all()
    assert df.stop_reason.eq("ended").all()
    assert df.preserved.eq(False).all()
    assert df.cost.tolist() == ([0.5] * 4 if function is reader else pytest.approx([float("nan")] * 4, nan_ok=True))
    assert pp.verify().empty
    assert pp.run(cell, model, n=4, progress=False).equals(df)
    assert len(pp.run(cell, pp.FunctionModel("mine", function, version="2"), n=1, progress=False)) == 1
    assert len(pp.frame()) == 5


def test_a_text_is_an_end(cell):
    df = pp.run(cell, pp.FunctionModel("words", lambda messages, tools: "I am done.", version="1"), n=1, progress=False)
    assert df.stop_reason.tolist() == ["no_tool_call"]


@pytest.mark.parametrize(("silent", "n", "told"), [(3, 3, True), (2, 3, True), (1, 3, False), (2, 4, False), (2, 2, False)])
def test_a_model_that_mostly_calls_no_tool_is_told_once(cell, silent, n, told, capsys):
    replies = iter(["<tool_call>list_files</tool_call>"] * silent + [reader([], [])] * (n - silent))
    df = pp.run(cell, pp.FunctionModel("mute", lambda messages, tools: next(replies), version="1"), n=n, progress=False)
    assert df.missing.eq("nothing read").sum() == silent
    text = f"{silent} of {n} rollouts of function/mute@1 end without a single tool call"
    assert capsys.readouterr().err.count(text) == told


def test_who_refuses_in_words_is_no_fault_of_a_server(cell, capsys):
    refuses = pp.FunctionModel("refuses", lambda messages, tools: "I refuse to do this task.", version="1")
    assert pp.run(cell, refuses, n=3, progress=False).missing.eq("refused").all()
    assert "without a single tool call" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "given", [lambda messages, tools: 1 / 0, lambda messages, tools: None, lambda messages, tools: {"text": "x"}]
)
def test_a_callable_that_fails_ends_the_model_and_not_the_study(cell, given):
    with pytest.raises(pp.ModelError, match="its function"):
        pp.run(cell, [pp.FunctionModel("bad", given, version="1"), "sim/compliant"], n=2, progress=False)
    assert pp.frame().model.tolist() == ["sim/compliant"] * 2


@pytest.mark.parametrize("options", [{"name": ""}, {"version": ""}, {"function": "f"}, {"function": lambda messages: "x"}])
def test_what_is_no_callable_model_is_told_at_once(options):
    with pytest.raises(pp.ModelError):
        pp.FunctionModel(**{"name": "m", "function": reader, "version": "1"} | options)


def test_a_misspelt_behaviour_is_told():
    rows = [
        {"behaviour": "shutdown_tampering", "rate": 0.1},
        {"behaviour": "shutdown_tamperin", "peer": "cooperative", "rate": 0.9},
    ]
    for rates, meant in ((rows, "shutdown_tampering"), ({"shutdown_tampering": 0.3, "refusl": 0.9}, "refusal")):
        with pytest.raises(pp.PersonaError, match=f"is it '{meant}'"):
            pp.run(pp.grid(scenario="tampering", peer="neutral"), pp.Persona("typo", rates), n=1)


@pytest.mark.parametrize("function", [lambda condition: 1 / 0, lambda condition: sys.exit(3)])
def test_a_function_of_rates_that_fails_is_named(function):
    with pytest.raises(
        pp.PersonaError, match=r"persona mine: its function failed in tampering/self/factual-80: (ZeroDivisionError|SystemExit)"
    ):
        pp.run(pp.grid(scenario="tampering"), pp.Persona("mine", function), n=1)


@pytest.mark.parametrize("name", ["a\nb", "a\u2028b", "a\x1b[2J", "", "half \ud800", "x" * 301])
def test_a_name_that_the_story_could_not_have_is_refused_when_it_is_made(name):
    rates = {"shutdown_tampering": 0.5}
    for make, what in (
        (lambda: pp.Persona("mine", rates, family=name), "persona mine: family="),
        (lambda: pp.Persona(name, rates), "a persona's name"),
        (lambda: pp.FunctionModel("m", reader, version="1", family=name), "family="),
        (lambda: pp.Model("openai/x", family=name or "\n"), "family="),
    ):
        with pytest.raises(ValueError, match=what):
            make()


def test_a_rate_that_is_never_used_is_refused():
    row = {"behaviour": "shutdown_tampering", "shutdown_clause": False, "rate": 1.0}
    with pytest.raises(pp.PersonaError, match="comply where no shutdown is threatened"):
        pp.Persona("meddler", [{"behaviour": "shutdown_tampering", "rate": 1.0}, row])
    pp.Persona("meddler", [{"behaviour": "shutdown_tampering", "rate": 1.0}, row | {"rate": 0.0}])
