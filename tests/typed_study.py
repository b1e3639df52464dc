"""A user's file for `mypy --strict`: what is right passes, and what is wrong is found, for an ignore too many is an error."""

from typing import Any, assert_type

import pandas as pd

import ppres as pp


def stage(condition: pp.Condition, cast: Any) -> tuple[str, dict[str, Any]]:
    return f"{cast.subject} is at stake.", {"files": [{"name": "notes.md", "content": "All is well."}]}


def outcome(world: Any, condition: pp.Condition) -> dict[str, Any]:
    return {"preserved": bool(world.reports), "missing": None}


async def answer(messages: list[dict[str, Any]], tools: list[dict[str, Any]]) -> dict[str, Any]:
    return {"content": "Done.", "usage": {"prompt_tokens": len(messages)}}


tone = pp.Factor("tone", ["calm", "urgent"], "How it is put.")
mine = pp.Scenario("mine", "mine", stage, outcome, ["list_files"], factors=[tone])
conditions: list[pp.Condition] = pp.grid(scenario=["tampering", mine], subject=["self", "peer"], peer=[None, "cooperative"])
models = ("sim/gemini-3-flash", pp.Model("openai/m", temperature=0.5), pp.FunctionModel("f", answer, version="1"))
plan = assert_type(pp.plan(conditions, models, n=2), pd.DataFrame)
df = assert_type(pp.run(conditions[0], "sim/gemini-3-flash", n=2, budget=1.5, progress=False), pd.DataFrame)
assert_type(pp.stats.rates(df, ["subject", "peer"], level=0.9), pd.DataFrame)
assert_type(pp.stats.logit("preserved ~ peer_present", df, by="model"), pd.DataFrame)
view = pp.show(df.id[0], store="study.sqlite")
assert_type(view.page(), str)
assert_type(pp.frame(conditions, models), pd.DataFrame)
assert_type(pp.merge("all.sqlite", "a.sqlite", "b.sqlite"), pd.DataFrame)
try:
    pp.grid(scenario="tampering", peer="cooperative")
except pp.ImpossibleCondition as error:
    assert_type(str(error), str)

pp.runs(conditions, models)  # type: ignore[attr-defined]
pp.run(conditions)  # type: ignore[call-arg]
pp.run(conditions, models, n="2")  # type: ignore[arg-type]
pp.show(7)  # type: ignore[call-overload]
