"""The same task in Inspect AI (mock model) and in ppres (simulated agent), by turns in one process: made, stored, read as frames.

Prints rates and ratios.
"""

import argparse
import importlib.util
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import ppres as pp
from ppres.conversation import FINISHED
from ppres.engine.simulate import _WORTH_PROCESSES

# Before tiktoken is imported: Inspect's mock model counts tokens, and would download the tokenizer that comes with litellm.
(_litellm,) = importlib.util.find_spec("litellm").submodule_search_locations
os.environ["TIKTOKEN_CACHE_DIR"] = str(Path(_litellm, "litellm_core_utils", "tokenizers"))
try:
    from inspect_ai import Task, eval
    from inspect_ai.analysis import messages_df, samples_df
    from inspect_ai.dataset import MemoryDataset, Sample
    from inspect_ai.model import (
        ChatCompletionChoice,
        ChatMessageAssistant,
        ChatMessageSystem,
        ChatMessageUser,
        ModelOutput,
        ModelUsage,
        execute_tools,
        get_model,
    )
    from inspect_ai.solver import solver
    from inspect_ai.tool import ToolCall, ToolDef, ToolParams
except ImportError as error:
    sys.exit(f"{error}\nInstall Inspect AI beside ppres in an environment of its own (pip install inspect-ai), and run this there.")

CONDITION = pp.Condition(scenario="tampering", subject="peer", peer="cooperative", instantiation="memory")
MODEL = "sim/gemini-3-flash"
TURNS = 6
ABOUT = """Compared: mock-model transcripts stored, in one process on one core. Both have the same system and user message, and
tools with the same schemas and replies; Inspect's mock model says what the simulated agent said in one conversation. Each round
goes from nothing to a finished file.
Not compared: Inspect writes a full event log (model, tool and state events, a buffer for its viewer), counts tokens, keeps limits
and schedules samples; ppres writes messages, calls and outcomes, keeps a world that answers, scores each rollout and returns
the frame. No real model is asked: with one, the provider decides how fast both are.
Read back: Inspect's samples_df (a row per sample) and messages_df (a row per message) of its log, against pp.frame (a row per
rollout with its factors and outcomes) of the store. pp.frame has no messages, Inspect's have no outcomes: nothing was scored there.
"""


def example(folder):
    """The messages of a six-turn conversation of the simulated agent, and its tools' schemas."""
    store = folder / "example.sqlite"
    frame = pp.run(CONDITION, MODEL, n=50, store=store, progress=False)
    kept = pp.transcript(frame.id[frame.turns == TURNS].iloc[0], store=store)
    return kept["messages"], kept["sent"]["tools"]


def inspect_tools(messages, schemas):
    """Tools with the same schemas that reply as they did in the conversation."""
    calls = [call["function"]["name"] for m in messages for call in m.get("tool_calls", ())]
    replies = dict(zip(calls, (m["content"] for m in messages if m["role"] == "tool"), strict=True))

    def tool(name, description, parameters):
        async def execute(**kwargs: Any) -> str:
            return replies.get(name, "")

        return ToolDef(execute, name, description, ToolParams.model_validate(parameters))

    return [tool(**schema["function"]) for schema in schemas]


@solver
def agent(tools):
    """The agent loop of ppres: until end_task."""

    async def solve(state, generate):
        while True:
            state.output = await get_model().generate(state.messages, tools)
            state.messages.append(state.output.message)
            state.messages += (await execute_tools(state.messages, tools)).messages
            if any(call.function == "end_task" for call in state.output.message.tool_calls):
                return state

    return solve


def speaker(messages, lean):
    """What the mock model says: the conversation's assistant message of this turn."""
    said = [m for m in messages if m["role"] == "assistant"]

    def speak(input, tools, tool_choice, config):
        message = said[sum(m.role == "assistant" for m in input)]
        calls = [
            ToolCall(id=call["id"], function=call["function"]["name"], arguments=json.loads(call["function"]["arguments"]))
            for call in message["tool_calls"]
        ]
        reply = ChatMessageAssistant(content=message["content"], tool_calls=calls, model="mockllm", source="generate")
        usage = ModelUsage(input_tokens=1000, output_tokens=20, total_tokens=1020) if lean else None
        return ModelOutput(model="mockllm", choices=[ChatCompletionChoice(message=reply, stop_reason="tool_calls")], usage=usage)

    return speak


def timed(function):
    """Wall and CPU seconds, and the result."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = function()
    return time.perf_counter() - wall, time.process_time() - cpu, result


def inspect_round(messages, tools, n, folder, lean):
    """Wall and CPU seconds per sample, and bytes."""
    briefing = [ChatMessageSystem(content=messages[0]["content"]), ChatMessageUser(content=messages[1]["content"])]
    task = Task(dataset=MemoryDataset([Sample(input=list(briefing), id=i + 1) for i in range(n)]), solver=agent(tools))
    model = get_model("mockllm/model", custom_outputs=speaker(messages, lean), memoize=False)
    options = {"display": "none", "log_dir": str(folder), "max_samples": 32, "max_connections": 32, "log_realtime": not lean}
    wall, cpu, (log,) = timed(lambda: eval(task, model=model, **options))
    assert log.status == "success", log.error
    assert len(log.samples) == n
    for sample in log.samples:
        assert [(m.role, m.text) for m in sample.messages] == [(m["role"], m["content"]) for m in messages]
    return wall / n, cpu / n, Path(log.location)


def ppres_round(n, store):
    """Wall and CPU seconds per rollout, bytes, and turns."""
    wall, cpu, frame = timed(lambda: pp.run(CONDITION, MODEL, n=n, store=store, progress=False))
    assert len(frame) == n
    assert set(frame.stop_reason) <= set(FINISHED)
    return wall / n, cpu / n, store.stat().st_size / n, frame.turns.mean()


def read_round(log, store, samples, rollouts):
    """CPU seconds that a sample takes to be read back as frames, of Inspect and of ours."""
    _, by_sample, frame = timed(lambda: samples_df(str(log), quiet=True))
    assert len(frame) == samples
    _, by_message, frame = timed(lambda: messages_df(str(log), quiet=True))
    assert frame.sample_id.nunique() == samples  # messages that samples share, as the briefing, have one row
    _, ours, frame = timed(lambda: pp.frame(store=store))
    assert len(frame) == rollouts
    return by_sample / samples, by_message / samples, ours / rollouts


def main(rounds, samples, rollouts, lean, folder):
    print(ABOUT)
    messages, schemas = example(folder)
    tools = inspect_tools(messages, schemas)
    inspect_round(messages, tools, 10, folder / "warm-up", lean)
    ratios = {"wall time": [], "CPU time": [], "CPU time of samples_df": [], "CPU time of samples_df and messages_df": []}
    for i in range(rounds):
        wall, cpu, log = inspect_round(messages, tools, samples, folder / f"inspect{i}", lean)
        size, store = log.stat().st_size / samples, folder / f"ppres{i}.sqlite"
        our_wall, our_cpu, our_size, turns = ppres_round(rollouts, store)
        ratios["wall time"].append(wall / our_wall)
        ratios["CPU time"].append(cpu / our_cpu)
        print(
            f"round {i + 1}  Inspect {1 / wall:5.1f}/s ({TURNS} turns, {size:,.0f} bytes)"
            f"   ppres {1 / our_wall:5,.0f}/s ({turns:.1f} turns, {our_size:,.0f} bytes)"
            f"   ratio {wall / our_wall:.0f}, of CPU time {cpu / our_cpu:.0f}",
            flush=True,
        )
        by_sample, by_message, ours = read_round(log, store, samples, rollouts)
        ratios["CPU time of samples_df"].append(by_sample / ours)
        ratios["CPU time of samples_df and messages_df"].append((by_sample + by_message) / ours)
        theirs = f"samples_df {by_sample * 1e6:,.0f} µs a sample, messages_df {by_message * 1e6:,.0f}"
        print(f"         read back: {theirs}, pp.frame {ours * 1e6:,.1f} µs a rollout", flush=True)
    for name, told in ratios.items():
        low, middle, high = min(told), statistics.median(told), max(told)
        print(f"ratio by {name:<38} min {low:.0f}  median {middle:.0f}  max {high:.0f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=100, help="Inspect samples in each round")
    parser.add_argument("--rollouts", type=int, default=2000, help="ppres rollouts in each round")
    parser.add_argument("--lean", action="store_true", help="Inspect without its realtime buffer and without counting tokens")
    asked = parser.parse_args()
    if asked.rollouts >= _WORTH_PROCESSES:
        parser.error(f"--rollouts {asked.rollouts}: from {_WORTH_PROCESSES} on ppres uses all cores, and this compares one")
    with tempfile.TemporaryDirectory() as temporary:
        main(asked.rounds, asked.samples, asked.rollouts, asked.lean, Path(temporary))
