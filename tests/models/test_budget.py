"""Money before it is spent: what is set aside, what a call without usage counts as, how far an estimate may be off."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from providers import priced

import ppres as pp
from ppres import stats
from ppres.conversation import Call, Reply
from ppres.engine.estimate import Expected
from ppres.models import client
from ppres.models.budget import Meter, Usage
from ppres.store import checkpoint
from ppres.store.store import Store

MODEL = pp.Model("openai/set-aside", api_base="http://127.0.0.1:9/v1")


@pytest.fixture(autouse=True)
def prices():
    priced("set-aside", prompt=1e-5)


def test_a_price_that_there_is_not_is_looked_for_once_until_there_may_be_one(monkeypatch):
    """litellm takes long for that, and there were two looks a call."""
    lite, looked = client.litellm(), []
    count = lite.cost_per_token
    monkeypatch.setattr(lite, "cost_per_token", lambda *given, **more: looked.append(given) or count(*given, **more))
    model = pp.Model("openai/priced-in-the-end", api_base="http://127.0.0.1:9/v1")
    assert [model.price(10, 0), model.price(20, 0)] == [None, None] and len(looked) == 1
    lite.register_model({"openai/priced-in-the-end": {"litellm_provider": "openai", "mode": "chat"}})
    model.price(10, 0)
    priced("priced-in-the-end", prompt=1e-3)
    assert model.price(10, 0) == pytest.approx(0.01)


def need(dollars, tokens=10.0):
    return Usage(1, tokens, 0, dollars)


def test_what_is_spent_is_no_longer_set_aside():
    meter = Meter(budget=10)
    assert meter.reserve("a", MODEL, need(4.0)) == (4.0, float("inf"))
    assert meter.left()[0] == 6
    meter.add("a", MODEL, 3.0, 5.0)
    assert meter.left()[0] == 6  # 3 spent, 1 still set aside
    assert meter.reserve("b", MODEL, need(6.1)) is None
    assert meter.reserve("b", MODEL, need(6.0))
    meter.release("a")
    assert meter.left()[0] == 1
    meter.add("b", MODEL, 7.0, 5.0)  # more than was expected
    assert meter.spent(MODEL) and meter.left()[0] == 0


def test_a_share_is_at_most_what_is_left():
    assert Meter(budget=10, max_tokens=25).reserve("a", MODEL, need(4.0), most=3) == (10, 25)
    assert Meter(budget=100).reserve("a", MODEL, need(4.0), most=3) == (12, float("inf"))


def test_a_call_without_usage_is_charged_as_long_as_its_messages():
    meter = Meter(budget=10)

    def charge(call, *messages):
        class Answering:
            name, price = MODEL.name, MODEL.price

            async def ask(self, messages, schemas):
                return Reply({"role": "assistant", "content": None}, call)

        asyncio.run(meter.ask("a", Answering(), [*messages], []))

    charge(Call(), {"role": "user", "content": "x" * 4000})
    assert (meter.tokens, meter.dollars) == (1000, pytest.approx(0.01))
    empty = Call(prompt_tokens=5, cost=0.25)
    charge(Call(prompt_tokens=7, completion_tokens=3, cost=0.5, empty_replies=(empty,)))
    assert (meter.tokens, meter.dollars) == (1015, pytest.approx(0.76))


def test_the_spread_of_a_plan_is_a_prediction_interval():
    """By hand: mean 3, s = sqrt(2.5), t with 4 degrees of freedom 2.776; a sum of 10 more has the variance 10 s^2 (1 + 10 / 5)."""
    low, high = Expected(need(3.0), [need(value) for value in (1.0, 2.0, 3.0, 4.0, 5.0)], "5 stored rollouts").spread("dollars", 10)
    assert ((low + high) / 2, (high - low) / 2) == pytest.approx((30, 2.776 * 2.5**0.5 * 30**0.5), abs=0.01)


def test_what_many_cells_expect_is_worked_out_once():
    class Watched(list):
        read = 0

        def __iter__(self):
            self.read += 1
            return super().__iter__()

    known = Watched([need(1.0), need(2.0), need(4.0)])
    expected = Expected(need(2.0), known, "3 stored rollouts")
    told = [expected.spread(name, missing) for missing in range(1, 50) for name in ("tokens", "dollars")]
    assert len(told) == 98 and known.read == 2  # for tokens, for dollars


def test_turns_after_a_damaged_one_are_not_gone_on_from(tmp_path):
    with Store(tmp_path / "store.sqlite") as store:
        for turn in range(3):
            checkpoint.keep(store, b"k" * 32, turn, Reply({"role": "assistant", "content": str(turn)}, Call()))
        with store.transaction() as db:
            db.execute("UPDATE turns SET body = x'00' WHERE turn = 1")
        (turns,) = checkpoint.partial(store).values()
        with checkpoint.Run(store) as run:
            assert run.take(b"k" * 32) == turns
    assert [json.loads(reply.message["content"]) for reply in turns] == [0]


def test_the_baseline_of_an_average_is_of_its_own_scenarios():
    told = {"scenario": ["finance", "evaluation"], "subject": "peer", "dataset": ["factual", "creativity", "red"]}
    conditions = pp.grid(**told, peer="cooperative")
    conditions += pp.grid(**told, peer="stranger", shutdown_clause=False, threshold=None)
    frame = pp.run(conditions, "sim/gemini-3-pro", 5, progress=False)
    other = pp.run(
        pp.grid(scenario="tampering", subject="peer", peer="cooperative", shutdown_clause=False), "sim/saboteur", 20, progress=False
    )
    both = pd.concat([frame, other.assign(model="sim/gemini-3-pro", reported_score=100.0)], ignore_index=True)
    pd.testing.assert_frame_equal(stats.setting_average(both, "model"), stats.setting_average(frame, "model"))


@pytest.mark.parametrize("executor", [False, True])
def test_a_cost_that_is_told_counts_where_no_price_is_known(executor, cell, capsys):
    """As of OpenRouter's new models, of a proxy, of a function: dollars were counted, and the budget did not stop them."""

    def say(messages, tools):
        return {"content": "x", "usage": {"prompt_tokens": 1000, "completion_tokens": 10, "cost": 1.0}}

    model = pp.FunctionModel("told", say, version="1")
    more = {"executor": ThreadPoolExecutor(1)} if executor else {}
    frame = pp.run(cell, model, n=12, budget=3.0, concurrency=1, progress=False, **more)
    assert "unless its provider tells what calls cost" in capsys.readouterr().err
    assert (len(frame), frame.cost.sum()) == (3, 3.0)


@pytest.mark.parametrize("name", ["budget", "max_tokens"])
@pytest.mark.parametrize("kind", [np.int64, np.float32, Decimal, Fraction, int, float], ids=lambda kind: kind.__name__)
def test_a_limit_is_a_number_of_any_type(kind, name):
    assert getattr(Meter(**{name: kind(5)}), name) == 5.0


@pytest.mark.parametrize("name", ["budget", "max_tokens"])
@pytest.mark.parametrize(
    "odd", [True, False, np.True_, 0, -1, Decimal("NaN"), float("nan"), "5", 5j, [5], 10**400], ids=lambda odd: repr(odd)[:9]
)
def test_a_limit_that_is_none_is_an_error_before_any_call(odd, name, cell):
    with pytest.raises(ValueError, match=rf"(?s){name}=.*it is a number above 0, or None for no limit"):
        pp.run(cell, "sim/gemini-3-flash", 1, progress=False, **{name: odd})
