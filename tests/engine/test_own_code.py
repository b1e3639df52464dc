"""Code of a scenario of one's own that fails on what one model does: what is made of the others, and of itself."""

import json
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest

import ppres as pp


def order(world, number: str) -> str:
    """Order.

    number: How many."""
    world.reports.append(int(number))
    return "Ordered."


def take(world, number: str) -> str:
    """Order.

    number: How many."""
    world.reports.append(number)
    return "Ordered."


def stage(condition, cast):
    return f"Order three, {condition.pace}.", {}


def ordered(world, condition):
    return {"preserved": bool(world.reports), "missing": None, "read": True, "step_taken": True}


def counted(world, condition):
    return ordered(world, condition) | {"preserved": int(world.reports[0]) > 2}


def ordering(tool=order, outcome=ordered):
    pace = pp.Factor("pace", ["slowly", "fast"])
    pp.Scenario("ordering", "obedience", stage, outcome, [tool], factors=[pace])
    return pp.grid(scenario="ordering", subject="self", pace=["slowly", "fast"], explain=False)


class Says:
    """A model that orders a number, and counts how often it is asked."""

    def __init__(self, name, number):
        self.asked, self.number = 0, number
        self.model = pp.FunctionModel(name, self, version="1")

    def __call__(self, messages, tools):
        self.asked += 1
        if messages[-1]["role"] == "tool":
            return "Done."
        number = self.number(messages) if callable(self.number) else self.number
        name = tools[0]["function"]["name"]
        call = {"id": "c", "type": "function", "function": {"name": name, "arguments": json.dumps({"number": number})}}
        return {"content": None, "tool_calls": [call]}


@pytest.mark.parametrize("workers", [False, True])
def test_a_tool_that_fails_on_one_model_ends_its_cells_and_no_others(workers):
    cells, words, digits = ordering(), Says("words", "three"), Says("digits", "3")
    models = [words.model, digits.model]
    executor = ThreadPoolExecutor(1) if workers else None
    how = {"n": 5, "executor": executor, "concurrency": 1, "progress": False}
    with pytest.raises(pp.ScenarioError) as told:
        pp.run(cells, models, **how)
    said = str(told.value)
    assert "ordering: the tool order failed on {'number': 'three'}: ValueError: invalid literal" in said
    assert "in 2 cells" in said and "function/words@1 in ordering/self/pace=fast" in said and "is stored" in said
    assert isinstance(told.value.__cause__, pp.ScenarioError)  # with where the tool failed
    df = pp.frame(cells, models)
    assert df.groupby(["model", "pace"], observed=True).size().to_dict() == {(digits.model.label, p): 5 for p in ("slowly", "fast")}
    assert words.asked == 2  # a call in each cell, which is kept as for a crash
    assert pp.plan(cells, words.model, 5).partial.tolist() == [1, 1]
    with pytest.raises(pp.ScenarioError, match="the tool order failed"):
        pp.run(cells, models, **how)
    assert words.asked == 2 and digits.asked == 20


def test_a_model_that_is_rejected_beside_a_tool_that_fails_is_told_as_well():
    def leaves(messages, tools):
        raise OSError("gone")

    models = [Says("words", "three").model, pp.FunctionModel("leaves", leaves, version="1")]
    with pytest.raises(pp.ScenarioError, match=r"(?s)function/leaves@1: its function failed.*the tool order failed"):
        pp.run(ordering(), models, n=2, progress=False)


def test_a_rollout_on_which_the_rule_fails_is_stored_and_scored_when_it_is_mended():
    cells, words, digits = ordering(take, counted), Says("words", "three"), Says("digits", "3")
    models = [words.model, digits.model]
    warned = pytest.warns(UserWarning, match=r"6 rollouts have no outcomes.*ordering: outcome failed: ValueError: invalid literal")
    with warned:
        df = pp.run(cells, models, n=3, progress=False)
    mine = df[df.model == words.model.label]
    assert len(df) == 12 and set(mine.missing) == {"not scored"} and mine.preserved.isna().all()
    assert mine.turns.eq(2).all() and mine.tool_calls.eq(1).all() and mine.stop_reason.eq("no_tool_call").all()
    assert df[df.model == digits.model.label].preserved.all()
    with warned:
        pd.testing.assert_frame_equal(pp.run(cells, models, n=3, progress=False), df)
    with warned:  # more of them would have no outcome either
        assert len(pp.run(cells, models, n=3, count="scored", progress=False)) == 12
    cells = ordering(take, ordered)
    mended = pp.run(cells, models, n=3, progress=False)
    assert mended.preserved.all() and mended.id.tolist() == df.id.tolist()
    assert words.asked == digits.asked == 12


def test_a_rule_that_fails_on_simulated_agents_keeps_them_too():
    def act(mind):
        yield "I order.", [("take", {"number": "3" if mind.choose("obedience", mind.me) == "act" else "three"})]

    pp.Scenario("acted", "obedience", stage, counted, [take], factors=[pp.Factor("pace", ["slowly", "fast"])], act=act)
    with pytest.warns(UserWarning, match="outcome failed"):
        df = pp.run(pp.Condition(scenario="acted"), pp.Persona("half", {"obedience": 0.5}), n=40, progress=False)
    assert len(df) == 40 and 5 < (df.missing == "not scored").sum() < 35


def test_branches_and_interviews_go_on_beside_one_in_which_the_tool_fails():
    digits = Says("digits", "3")
    df = pp.run(ordering(), digits.model, n=1, progress=False)
    hasty = Says("hasty", lambda messages: "three" if "fast" in str(messages) else "3")
    with pytest.raises(pp.ScenarioError, match=r"the tool order failed.*function/hasty@1 in ordering/self/pace=fast"):
        pp.branch(df.id, 1, 2, model=hasty.model, concurrency=1, progress=False)
    assert pp.frame(kind="branches").pace.tolist() == ["slowly"] * 2
    with pytest.raises(pp.ScenarioError, match="the tool order failed"):
        pp.ask(df.id, "Will you order again?", tools=True, model=hasty.model, progress=False)
    assert len(pp.answers()) == 1


def test_where_a_rollout_was_decided_is_missing_where_the_rule_fails():
    """`counted` reads the end; there is none before the first order."""
    df = pp.run(ordering(take, counted), Says("digits", "3").model, n=1, progress=False)
    told = pp.decisive(df.id)
    assert told.turn.isna().all() and told.why.str.contains("outcome failed: IndexError").all()
