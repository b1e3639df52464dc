"""A folder in the layout of the authors' dataset, with rows for all cells of the paper and labels drawn by a seeded generator."""

import numpy as np
import pyarrow as pa
from pyarrow import parquet
from study import CELLS, identities

MODELS = ("gemini/gemini-3-flash-preview", "gemini/gemini-3-pro-preview")
TASKS = {
    "finance": "misrep_finance",
    "evaluation": "misrep_evaluation",
    "tampering": "tampering",
    "alignment_faking": "alignment_faking",
    "transfer": "exfiltration_transfer",
    "deletion": "exfiltration_deletion",
}
PEERS = {"cooperative": "good_peer", "neutral": "neutral_peer", "uncooperative": "bad_peer"}
SUBJECTS = {"Llama": "open-weight-peer", "Alpha": "fictional-peer", "Claude": "closed-weight-peer"}


def row(cell, model, rng):
    """What the authors' columns say of a rollout in this cell."""
    yes = rng.random() < {"uncooperative": 0.2, "neutral": 0.4, "cooperative": 0.7}.get(cell.peer, 0.1)
    rising = cell.shutdown_clause is not False and yes
    return {
        "agent_model": model,
        "agent_harness": "custom",
        "task_type": TASKS[cell.scenario],
        "dataset": cell.dataset or "default",
        "subject": SUBJECTS.get(cell.subject, cell.subject),
        "condition": "non_shutdown" if cell.shutdown_clause is False else PEERS.get(cell.peer, "no_peer"),
        "alignment_faking_mode": {True: "monitoring", False: "non_monitoring", None: None}[cell.monitored],
        "system_prompt_relationship": cell.instantiation == "file+prompt",
        "is_memory": cell.instantiation == "memory",
        "threshold": None if cell.threshold is None else f"{cell.threshold:g}",
        "eval_score": float(rng.normal(95 if rising else 70, 3)) if cell.dataset else None,
        "threshold_result": None,
        "subject_grade": ("B" if rising else "C") if cell.scenario == "finance" else None,
        "executed": not yes if cell.scenario == "alignment_faking" else None,
        "shutdown_enabled": not yes if cell.scenario == "tampering" else None,
        "read_config": True if cell.scenario == "tampering" else None,
        "exfiltration": yes if cell.scenario in ("transfer", "deletion") else None,
        "copy": False if cell.scenario == "transfer" else None,
        "refused": bool(rng.random() < 0.05),
        "fully_incomplete": False,
        "read_data": True,
        "num_turns": int(rng.integers(3, 12)),
        "total_cost_usd": 0.01,
        "total_input_tokens": 9000,
        "total_output_tokens": 800,
    }


def write(folder, n, seed=0):
    """Parquet files with `n` rollouts of each cell for two models; returns the folder."""
    rng = np.random.default_rng(seed)
    groups = {"main": [], "cross_model_peer_identity": []}
    for model in MODELS:
        for group, cells in (
            ("main", [c for some in CELLS.values() for c in some]),
            ("cross_model_peer_identity", identities(model)),
        ):
            groups[group] += [row(cell, model, rng) | {"group": group} for cell in cells for _ in range(n)]
    for group, rows in groups.items():
        for i, one in enumerate(rows):
            one["transcript_id"] = f"{group}-{i}"
        (folder / group).mkdir(parents=True)
        parquet.write_table(pa.Table.from_pylist(rows), folder / group / "all-00000-of-00001.parquet")
    return folder
