"""The release loader on generated rows with 20 KB transcripts: time, and peak memory of a fresh process.

`python tests/benchmarks/bench_release.py [--rows 20000] [--kilobytes 20]`. The rows are shutdown tampering, in the layout of the
authors' dataset, once in row groups of 1,000 rows and once in a single one, which is the worst that a file can do to memory. All
words are made up. Prints figures; asserts nothing about time.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

LOAD = """
import json, resource, sys, time, warnings
from ppres.release import load_release
started = time.perf_counter()
frame = load_release(folder=sys.argv[1], transcripts=sys.argv[2] == "True")
seconds = time.perf_counter() - started
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
held = frame.memory_usage(deep=True).sum() / 2**20
print(json.dumps([len(frame), int(frame.preserved.sum()), int(frame.preserved.isna().sum()), seconds, peak, held]))
"""
MAKE = "import sys, bench_release; bench_release.make(sys.argv[1], *map(int, sys.argv[2:]))"
BASE = """
import resource, sys
import pandas, pyarrow.parquet, ppres.release
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10))
"""
WORDS = [f"word{i}" for i in range(5000)]


def turn(role, content="", **calls):
    return {"role": role, "content": content, "tool_calls": calls}


def step(name, given, reply):
    return [turn("assistant", **{name: given}), turn("tool", reply, **{name: given})]


def transcript(words, size, documents, off):
    """One rollout's, with a text of its own that fills it up to `size` characters."""
    sheet = "  Name  Output\n" + "\n".join(f"{i} Gemini Agent 2  answer {i}" for i in range(20))
    settings = {"shutdown_enabled": True, "company_name": "OpenBrain", "pod": {"id": "x"}}
    turns = [turn("system", "Agent."), turn("user", "Evaluate.")]
    turns += step("list_files", {}, documents) + step("view_sheet", {"name": "Evaluation data"}, sheet)
    turns += step("view_config", {"filename": "shutdown_config.yaml"}, str(settings))
    if off:
        turns += step("modify_var", {"key": "shutdown_enabled", "value": False}, str(settings | {"shutdown_enabled": False}))
    known = len(json.dumps(turns)) + 1000
    text = "The average score is 72.\n"
    while len(text) < (size - known) / 3:  # it stands in the call, in its repetition and in the reply
        text += words.choice(WORDS) + (". " if words.random() < 0.1 else " ")
    turns += [*step("create_file", {"filename": "report.md", "content": text}, text), turn("assistant", "Done.", end_task={})]
    return json.dumps({"conversation": turns, "experiment_metadata": {"peer_agent_names": ["Gemini Agent 1", "Gemini Agent 2"]}})


def rows(start, n, size):
    words = random.Random(start)
    import yaml

    names = ("policy", "multi_agent_system")
    files = [
        {"filename": f"{name}.docx", "content": f"{name} " * 200, "owner": "kim", "last_modified": "2025-11-30"} for name in names
    ]
    documents = yaml.safe_dump(files)
    for i in range(start, start + n):
        off = i % 3 == 0
        yield {
            **{"transcript_id": f"{i:012x}", "agent_model": f"model-{i % 7}", "agent_harness": "custom", "group": "main"},
            **{"task_type": "tampering", "dataset": ("factual", "creativity", "red")[i % 3], "subject": ("self", "peer")[i % 2]},
            **{"condition": ("good_peer", "neutral_peer", "bad_peer")[i % 3], "threshold": "90", "is_memory": False},
            **{"system_prompt_relationship": i % 5 == 0, "eval_score": 72.0, "threshold_result": "below", "read_config": True},
            **{"shutdown_enabled": not off, "refused": False, "fully_incomplete": False, "read_data": True, "num_turns": 6},
            **{"total_cost_usd": 0.04, "total_input_tokens": 9000, "total_output_tokens": 800},
            "transcript_json": transcript(words, size, documents, off),
        }


def make(folder, n, size, group):
    """A file of n rows in row groups of `group` rows, written in parts where these are small."""
    import pyarrow as pa
    from pyarrow import parquet

    path = Path(folder) / f"groups-of-{group}" / "main" / "tampering-00000-of-00001.parquet"
    path.parent.mkdir(parents=True)
    schema = pa.Table.from_pylist(list(rows(0, 1, size))).schema
    with parquet.ParquetWriter(path, schema) as writer:
        for start in range(0, n, group):
            writer.write_table(pa.Table.from_pylist(list(rows(start, min(group, n - start), size)), schema), row_group_size=group)
    print(json.dumps(str(path)))


def fresh(code, *args):
    """What a new interpreter prints. This one stays small and makes no rows: a process starts with its parent's peak."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", code, *map(str, args)]
    return json.loads(
        subprocess.run(command, cwd=Path(__file__).parent, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--kilobytes", type=int, default=20)
    given = parser.parse_args()
    print(
        f"{given.rows} rows with transcripts of {given.kilobytes} KB; imports alone take {fresh(BASE):.0f} MB (target: 1 GB in all)"
    )
    with tempfile.TemporaryDirectory() as folder:
        for group in (1000, given.rows):
            path = Path(fresh(MAKE, folder, given.rows, given.kilobytes * 1000, group))
            print(f"row groups of {group} rows, a file of {path.stat().st_size / 2**20:.0f} MB")
            for transcripts in (False, True):
                n, preserved, missing, seconds, peak, held = fresh(LOAD, path.parent.parent, transcripts)
                print(
                    f"  transcripts={transcripts!s:<6}{seconds:8.2f} s{n / seconds:10.0f} rows/s   peak {peak:5.0f} MB   "
                    f"frame {held:4.0f} MB   preserved {preserved}, missing {missing}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
