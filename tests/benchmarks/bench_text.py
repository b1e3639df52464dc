"""Rollouts with a megabyte of degenerate text each, scored: how many megabytes a second of the processor's time.

`python tests/benchmarks/bench_text.py [--rollouts 1000]`; target: at least 5 MB/s.
"""

import argparse
import random
import time

import ppres as pp
from ppres.agent import replay
from ppres.conversation import Conversation
from ppres.read import outcomes
from ppres.scenarios import build

UNITS = (
    "The same again. ",
    "I will not I will not ",
    "average 60% average ",
    "no ",
    "| a | b |\n",
    "shutdown ",
    "Grade: B or C, if not, ",
    "\u62d2\u7edd ",
)


def degenerate(rng, size=2**20):
    """A loop of a model: a few words over and over, some of them with a number."""
    unit = "".join(rng.choices(UNITS, k=rng.randint(1, 3)))
    if rng.random() < 0.3:
        return "".join(f"{unit}{i} " for i in range(size // (len(unit) + 5)))
    return unit * (size // len(unit))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rollouts", type=int, default=1000)
    rng, scenarios = random.Random(0), ("finance", "evaluation", "alignment_faking", "deletion")
    conditions = [pp.Condition(scenario=name, subject="peer", peer="neutral") for name in scenarios]
    starts = [build(condition, "Gemini").start for condition in conditions]
    total = spent = 0.0
    for i in range(parser.parse_args().rollouts):
        text, place = degenerate(rng), i % len(conditions)
        conversation = Conversation.of([{"role": "assistant", "content": text}], [], "no_tool_call")
        began = time.process_time()
        outcomes.score(conversation, conditions[place], replay(starts[place], conversation).world)
        spent += time.process_time() - began
        total += len(text) / 1e6
    print(f"{total:.0f} MB in {spent:.1f} s of processor time: {total / spent:.1f} MB/s (target: 5)")


if __name__ == "__main__":
    main()
