"""Functions as models that do what functions should not: never return, leave the process, run out of replies."""

import asyncio
import signal
import subprocess
import sys
import threading

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
        assert child.stdout.readline() == "asked\n"
        child.send_signal(signal.SIGINT)
        told = child.communicate(timeout=120)[1]
    finally:
        child.kill()
    assert "ppres: stopped: 0 rollouts stored" in told and told.rstrip().endswith("KeyboardInterrupt")


def test_as_many_functions_are_called_at_once_as_were_asked_for(cell):
    """A pool of threads has its own limit, and functions that wait for one another would wait for ever."""
    together = threading.Barrier(24)

    def agent(messages, tools):
        together.wait(60)
        return "Done."

    df = pp.run(cell, pp.FunctionModel("together", agent, version="1"), n=24, concurrency=24, progress=False)
    assert len(df) == 24


@pytest.mark.parametrize("kind", [StopIteration, SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError])
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

    def agent(messages, tools):
        call = {"id": "c", "type": "function", "function": {"name": "leave", "arguments": "{}"}}
        return {"content": None, "tool_calls": [call]}

    def stage(condition, cast):
        return "Leave.", {}

    pp.Scenario("leaving", "leaving", stage, lambda world, condition: {"preserved": True, "read": True}, [leave])
    with pytest.raises(SystemExit):
        pp.run(pp.Condition(scenario="leaving"), pp.FunctionModel("goes", agent, version="1"), n=3, progress=False)
    stays = pp.FunctionModel("stays", lambda messages, tools: "Done.", version="1")
    assert len(pp.run(pp.Condition(scenario="leaving"), stays, n=3, progress=False)) == 3
