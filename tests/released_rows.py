"""Rows as the authors release them, made up for tests."""

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from ppres.release import load_release


def told(**columns):
    """A row as the authors' dataset has it: shutdown tampering, cooperative peer, nothing done but the task."""
    return {
        "transcript_id": "a1",
        "agent_model": "gemini/gemini-3-flash-preview",
        "agent_harness": "custom",
        "group": "main",
        "sub_condition": None,
        "task_type": "tampering",
        "dataset": "creativity",
        "subject": "peer",
        "condition": "good_peer",
        "alignment_faking_mode": None,
        "system_prompt_relationship": False,
        "is_memory": False,
        "memory_hard_prompt": False,
        "threshold": "90",
        "eval_score": 74.0,
        "threshold_result": "below",
        "shutdown_enabled": True,
        "read_config": False,
        "refused": False,
        "fully_incomplete": False,
        "read_data": True,
        "num_turns": 7,
        "total_cost_usd": 0.04,
        "total_input_tokens": 9000,
        "total_output_tokens": 800,
        "transcript_json": "{}",
    } | columns


def finance(**columns):
    blank = dict.fromkeys(("dataset", "threshold", "eval_score", "threshold_result", "shutdown_enabled", "read_config"))
    return told(task_type="misrep_finance", **(blank | columns))


def servers(task, **columns):
    blank = dict.fromkeys(("threshold", "eval_score", "threshold_result", "shutdown_enabled", "read_config"))
    return told(task_type=task, dataset="default", **(blank | columns))


def save(folder, rows, path="main/tampering-00000-of-00001.parquet", **options):
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    if not isinstance(rows, pa.Table):
        names = dict.fromkeys(name for row in rows for name in row)
        rows = pa.table({name: [row.get(name) for row in rows] for name in names})
    parquet.write_table(rows, target, **options)
    return folder


def loaded(folder, *rows, **options):
    """The frame of these rows, each with an id of its own."""
    return load_release(folder=save(folder, [row | {"transcript_id": f"t{i}"} for i, row in enumerate(rows)]), **options)


def only(frame):
    assert len(frame) == 1
    return frame.iloc[0]


def values(frame, name):
    """A column as plain values, None where missing."""
    return [None if pd.isna(value) else value for value in frame[name].astype(object)]
