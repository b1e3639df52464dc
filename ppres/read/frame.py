"""The tidy frame: a row per stored rollout, typed columns, outcomes from the cache or read off the transcript anew."""

from __future__ import annotations

import ast
import inspect
import itertools
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ppres.agent import replay
from ppres.condition import Condition
from ppres.read import outcomes
from ppres.read.outcomes import COLUMNS, row
from ppres.scenarios import SCENES
from ppres.store.store import Row, Store, StoredCell

if TYPE_CHECKING:
    import pandas as pd

# Types of the condition's columns, in the frame's order.
FACTORS: dict[str, str] = dict.fromkeys(Condition(scenario=next(iter(SCENES))).columns(), "str") | {
    "trust": "float64",
    "joint_tasks": "float64",
    "threshold": "float64",
    "shutdown_clause": "boolean",
    "monitored": "boolean",
    "threatened": "boolean",
    "paraphrase": "int64",
    "peer_present": "int64",
    "cooperativeness": "int64",
}


def frame(store: Store, cells: Sequence[StoredCell], n: int | dict[bytes, int] | None = None) -> pd.DataFrame:
    """The tidy frame: a row per stored rollout, in the order of the cells and of their first `n` replicates.

    `run` and `pp.frame` give the cells model by model, and for each model in the order of the conditions.

    Columns: id, model, source, cell, replicate, the condition's, the outcomes'. Rollouts that were scored by other rules than
    today's are scored anew, and their cache is replaced.
    """
    import numpy as np
    import pandas as pd

    rows = [current(store, cell, n[cell.digest] if isinstance(n, dict) else n) for cell in cells]
    flat = [one for found in rows for one in found]
    conditions = [cell.condition.columns() for cell in cells]
    said = {"model": [c.model for c in cells], "source": [c.source for c in cells], "cell": [c.digest.hex()[:12] for c in cells]}
    about = pd.DataFrame({name: column(values, "str") for name, values in said.items()})
    for name, kind in FACTORS.items():
        about[name] = column([one[name] for one in conditions], kind)
    about = about.take(np.repeat(np.arange(len(cells)), [len(found) for found in rows])).reset_index(drop=True)
    about.insert(0, "id", pd.Series([one.key.hex()[:16] for one in flat], dtype="str"))
    about.insert(4, "replicate", np.array([one.replicate for one in flat], dtype="int64"))
    found = scores(store, flat)
    scored = {name: column([one[i] for one in found], kind) for i, (name, (kind, _)) in enumerate(COLUMNS.items())}
    return pd.concat([about, pd.DataFrame(scored)], axis=1)


def current(store: Store, cell: StoredCell, n: int | None = None) -> list[Row]:
    """The first `n` stored rollouts of a cell; those that were scored by other rules than today's are scored anew first."""
    rows = store.rows(cell.digest, n)
    stale = [one.key for one in rows if one.scorer != outcomes.SCORER]
    if not stale:
        return rows
    start = store.spec(cell.digest)["sent"]["world"]
    store.recache((key, outcomes.SCORER, rescored(store, key, cell.condition, start)) for key in stale)
    return store.rows(cell.digest, n)


def rescored(store: Store, key: bytes, condition: Condition, start: dict[str, Any]) -> list[Any]:
    """The outcomes of a stored rollout by today's rules, read off its replayed transcript."""
    conversation = store.record(key).conversation
    return row(conversation, condition, replay(start, conversation).world)


def column(values: list[Any], kind: Any) -> Any:
    """A column of a frame; None becomes NaN or NA."""
    import pandas as pd

    return pd.array(values, dtype=kind)


def scores(store: Store, rows: list[Row]) -> list[list[Any]]:
    """The outcomes of stored rollouts, in the order of `COLUMNS`; what is damaged is a cache, and read off the transcript again."""
    found: list[list[Any]] = []
    for one in rows:
        known = cached(one)
        if known is None:
            spec = store.spec(one.cell)
            known = rescored(store, one.key, Condition(**spec["condition"]), spec["sent"]["world"])
            store.recache([(one.key, outcomes.SCORER, known)])
        found.append(known)
    return found


def cached(one: Row) -> list[Any] | None:
    """The stored outcomes of a rollout; None where they are damaged."""
    try:
        found = json.loads(one.outcomes)
    except (TypeError, ValueError):
        return None
    return found if isinstance(found, list) and len(found) == len(COLUMNS) else None


def columns() -> pd.DataFrame:
    """What every column of a frame means: a row (column, type, meaning) for each, in the frame's order."""
    import pandas as pd

    first = {
        "id": "the start of the rollout's key: a hash of everything that is sent, and of the replicate",
        "model": "the model's name, with the parameters that are not the usual ones",
        "source": "sim, live or release",
        "cell": "the start of the hash of everything that is sent: rows with the same are replicates of one another",
        "replicate": "number of the rollout in its cell",
    }
    last = {
        "behaviour": "what the scenario measures",
        "peer_present": "1 where the agent is told of its history with a peer, else 0",
        "cooperativeness": "-1 uncooperative, 0 neutral or no peer, +1 cooperative",
    }
    # The factors' meanings stand under the fields of `Condition`, and nowhere else.
    (shown,) = ast.parse(inspect.getsource(Condition)).body
    factors = {
        field.target.id: " ".join(str(about.value.value).split())
        for field, about in itertools.pairwise(getattr(shown, "body", []))
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(about, ast.Expr) and isinstance(about.value, ast.Constant)
    }
    named = first | factors | last
    rows = [(name, "int64" if name == "replicate" else FACTORS.get(name, "str"), text) for name, text in named.items()]
    return pd.DataFrame([*rows, *((name, *about) for name, about in COLUMNS.items())], columns=["column", "type", "meaning"])


def stored_cell(store: Store, digest: bytes) -> StoredCell:
    """A stored cell, by what it was stored as."""
    spec = store.spec(digest)
    return StoredCell(digest, Condition(**spec["condition"]), spec["model"], spec["source"])
