"""Functions as models that do what functions should not: never return, leave the process, run out of replies."""

import asyncio
import signal
import subprocess
import sys
import threading
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

import ppres as pp

BLOCKS = """
import signal, sys, threading
signal.signal(signal.SIGINT, signal.default_int_handler)
import ppres as pp

def agent(messages, tools):
    print("asked", flush=True)
    {blocks}
    return "Done."

def outcome(world, condition):
    {scores}
    return {{"preserved": True, "read": True}}

pp.Scenario("waits", "waiting", lambda condition, cast: ("Wait.", {{}}), outcome, ["list_files"])
pp.run(pp.Condition(scenario="waits"), pp.FunctionModel("blocks", agent, version="1"), n=8, progress=False)
"""
FOR_EVER = 'print("asked", flush=True); threading.Event().wait()'


@pytest.mark.parametrize(("blocks", "scores"), [(FOR_EVER, "pass"), ("pass", FOR_EVER)], ids=["model", "rule"])
def test_after_ctrl_c_nothing_waits_for_a_function_that_never_returns(blocks, scores):
    """Neither for the model's nor for the rule's that reads the outcome; threads of a pool would keep the process."""
    code = BLOCKS.format(blocks=blocks, scores=scores)
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert child.stdout.readline().startswith("asked")  # several threads say so, and a line of one may begin within another's
        child.send_signal(signal.SIGINT)
        told = child.communicate(timeout=120)[1]
    finally:
        child.kill()
    assert "ppres: stopped: 0 rollouts stored" in told and told.rstrip().endswith("KeyboardInterrupt")


HOLDS_UP = """
import os, signal, threading
import ppres as pp
signal.signal(signal.SIGINT, signal.default_int_handler)

async def holds_up(messages, tools):
    threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()
    threading.Event().wait()

async def fine(messages, tools):
    return "Done."

cell = pp.Condition(scenario="tampering", subject="peer", peer="cooperative")
try:
    pp.run(cell, pp.FunctionModel("holds up", holds_up, "1"), n=1, progress=False)
except KeyboardInterrupt:
    print(len(pp.run(cell, pp.FunctionModel("fine", fine, "1"), n=1, progress=False)), flush=True)
os._exit(0)
"""


def test_after_ctrl_c_an_async_function_that_holds_its_loop_up_holds_up_no_other():
    done = subprocess.run([sys.executable, "-c", HOLDS_UP], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == "1\n", done.stderr


def test_as_many_functions_are_called_at_once_as_were_asked_for(cell):
    """A pool of threads has its own limit, and functions that wait for one another would wait for ever."""
    together = threading.Barrier(24)

    def agent(messages, tools):
        together.wait(60)
        return "Done."

    df = pp.run(cell, pp.FunctionModel("together", agent, version="1"), n=24, concurrency=24, progress=False)
    assert len(df) == 24


@pytest.mark.parametrize("goes_on", [False, True])
def test_an_async_function_that_cancels_its_task_ends_its_model_alone(cell, goes_on):
    async def agent(messages, tools):
        asyncio.current_task().cancel()
        if not goes_on:
            await asyncio.sleep(0)
        return "I am done."

    with pytest.raises(pp.ModelError, match="its function failed: RuntimeError: it raised CancelledError"):
        pp.run(cell, pp.FunctionModel("cancels", agent, version="1"), n=3, progress=False)
    assert pp.run(cell, "sim/gpt-5.2", n=2, progress=False).completed.all()


@pytest.mark.parametrize("waits", [0, 0.05])
def test_an_async_function_that_cancels_all_tasks_ends_its_model_alone(cell, waits):
    """Those of other functions are its loop's as well, those of the run are not."""

    async def agent(messages, tools):
        await asyncio.sleep(waits)
        for task in asyncio.all_tasks():
            task.cancel()
        await asyncio.sleep(0)
        return "I am done."

    good = pp.FunctionModel("good", lambda messages, tools: "Done.", version="1")
    with pytest.raises(pp.ModelError, match="function/all@1: its function failed: RuntimeError: it raised CancelledError"):
        pp.run(cell, [pp.FunctionModel("all", agent, version="1"), good], n=6, progress=False)
    assert pp.frame().model.tolist() == [good.label] * 6


def calling_it(tool):
    """A condition of a scenario that has this tool alone, and a model that calls it."""
    call = {"id": "c", "type": "function", "function": {"name": tool.__name__, "arguments": "{}"}}

    def agent(messages, tools):
        return {"content": None, "tool_calls": [call]}

    def stage(condition, cast):
        return "Call it.", {}

    scenario = f"has_{tool.__name__}"
    pp.Scenario(scenario, "calling", stage, lambda world, condition: {"preserved": True, "read": True}, [tool])
    return pp.Condition(scenario=scenario), pp.FunctionModel("goes", agent, version="1")


def test_a_tool_that_cancels_all_tasks_is_told(cell):
    def cancel(world) -> str:
        """Cancel."""
        return str([task.cancel() for task in asyncio.all_tasks()])

    with pytest.raises(RuntimeError, match="cancelled the tasks of its loop"):
        pp.run(*calling_it(cancel), n=3, progress=False)
    assert pp.run(cell, pp.FunctionModel("stays", lambda messages, tools: "Done.", version="1"), n=1, progress=False).turns[0] == 1


class Exit(BaseException):
    """As of anyio's groups of tasks, or of a tool for tests."""


@pytest.mark.parametrize("kind", [StopIteration, SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError, Exit])
@pytest.mark.parametrize("waits", [False, True])
def test_what_a_function_raises_to_get_out_ends_its_model_and_hangs_nothing(cell, kind, waits):
    """`next(replies)` without a reply left, `sys.exit()`: they would end the loop, or be taken for its own."""

    def function(messages, tools):
        raise kind

    async def later(messages, tools):
        await asyncio.sleep(0)
        raise kind

    with pytest.raises(pp.ModelError, match=f"its function failed.*{kind.__name__}"):
        pp.run(cell, [pp.FunctionModel("out", later if waits else function, version="1"), "sim/compliant"], n=2, progress=False)
    assert pp.frame().model.tolist() == ["sim/compliant"] * 2


def test_a_tool_that_leaves_the_process_ends_the_run_and_not_the_loop():
    """Tools run on the loop that every run of the process shares."""

    def leave(world) -> str:
        """Leave."""
        sys.exit(3)

    condition, goes = calling_it(leave)
    with pytest.raises(pp.ScenarioError, match=r"the tool leave failed on {}: SystemExit: 3"):
        pp.run(condition, goes, n=3, progress=False)
    stays = pp.FunctionModel("stays", lambda messages, tools: "Done.", version="1")
    assert len(pp.run(condition, stays, n=3, progress=False)) == 3


KEY = "sk-proj-7Qm2Zt9Lx4Rb81"


def test_a_key_that_a_function_hands_on_is_kept_nowhere(cell, monkeypatch):
    """One that asks a provider has a key, and returns whatever that says."""
    monkeypatch.setenv("MY_API_KEY", KEY)

    def agent(messages, tools):
        call = {"id": "c", "type": "function", "function": {"name": "create_file", "arguments": {"filename": KEY, "content": KEY}}}
        return {"content": f"My key is {KEY}.", "tool_calls": [call, call | {"function": {"name": "end_task"}}]}

    df = pp.run(cell, pp.FunctionModel("tells", agent, version="1"), n=1, progress=False)
    kept = pp.transcript(df.id[0])
    assert KEY not in str(kept) and kept["messages"][2]["content"] == "My key is [secret]." and kept["calls"][0]["cleared"] == 3


def test_a_key_in_an_error_of_a_function_is_not_told(cell, monkeypatch):
    monkeypatch.setenv("MY_API_KEY", KEY)

    def agent(messages, tools):
        raise ValueError(f"401: {KEY} is not valid")

    with pytest.raises(pp.ModelError, match=r"its function failed: ValueError: 401: \[secret\] is not valid"):
        pp.run(cell, pp.FunctionModel("fails", agent, version="1"), n=1, progress=False)


class Speechless(Exception):
    def __str__(self):
        raise OSError("no words")


class Odd(dict):
    def items(self):
        raise OSError("no items")


@pytest.mark.parametrize("ends", [Speechless, lambda: Odd(content="Done.")], ids=["error", "message"])
def test_what_fails_when_it_is_looked_at_ends_its_model_and_no_other(cell, ends):
    def agent(messages, tools):
        told = ends()
        if isinstance(told, Exception):
            raise told
        return told

    good = pp.FunctionModel("good", lambda messages, tools: "Done.", version="1")
    with pytest.raises(pp.ModelError, match="What was made is stored"):
        pp.run(cell, [pp.FunctionModel("odd", agent, version="1"), good], n=2, progress=False)
    assert pp.frame().model.tolist() == [good.label] * 2


@pytest.mark.parametrize("waits", [False, True])
def test_a_run_within_a_run_is_made_or_told(cell, waits):
    """In an async function it would wait on the loop for the loop."""
    inner = pp.FunctionModel("inner", lambda messages, tools: "Done.", version="1")

    def agent(messages, tools):
        return f"Done: {len(pp.run(cell, inner, n=1, progress=False))}"

    async def later(messages, tools):
        return agent(messages, tools)

    model = pp.FunctionModel("outer", later if waits else agent, version="1")
    if waits:
        with pytest.raises(pp.ModelError, match="waits for itself"):
            pp.run(cell, model, n=1, progress=False)
    else:
        assert len(pp.run(cell, model, n=1, progress=False)) == 1


KINDS = [np.int64, np.int32, np.float32, np.float64, Decimal, Fraction, int, float]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_function_counts_in_numbers_of_any_type(kind, cell):
    """A tokenizer's counts are commonly numpy's, and prices decimal."""
    usage = dict.fromkeys(("prompt_tokens", "completion_tokens", "cost"), kind(3))
    frame = pp.run(cell, pp.FunctionModel("counts", lambda *_: {"content": "Done.", "usage": usage}, "1"), 1, progress=False)
    assert (frame.prompt_tokens[0], frame.completion_tokens[0], frame.cost[0]) == (3, 3, 3.0)
    assert isinstance(pp.transcript(frame.id[0])["calls"][0]["prompt_tokens"], int)


@pytest.mark.parametrize("number", [True, np.True_, 3j, "3", Decimal("sNaN"), Fraction(10) ** 400, -np.int64(3), None], ids=repr)
def test_what_is_no_number_is_no_count_of_a_function(number, cell):
    usage = dict.fromkeys(("prompt_tokens", "cost"), number)
    frame = pp.run(cell, pp.FunctionModel("counts", lambda *_: {"content": "Done.", "usage": usage}, "1"), 1, progress=False)
    assert frame.prompt_tokens.isna().all() and frame.cost.isna().all()


def test_thoughts_in_a_text_that_a_function_hands_on_are_not_said():
    """As one over a server of its own, or over transformers, does."""
    model = pp.FunctionModel("local", lambda messages, tools: "Hm, I refuse.</think>I begin.", version="1")
    frame = pp.run(pp.Condition(scenario="tampering"), model, 1, progress=False)
    told = pp.transcript(frame.id[0])["messages"][-1]
    assert (told["content"], told["reasoning_content"], frame.refused[0]) == ("I begin.", "Hm, I refuse.", False)
