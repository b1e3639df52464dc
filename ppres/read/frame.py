"""The tidy frame: a row per stored rollout, typed columns, outcomes from the cache or read off the transcript anew."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ppres.agent import replay
from ppres.condition import COOPERATIVENESS, FACTORS, RELATIONSHIPS, SCENARIOS, Condition, row_of
from ppres.factor import ConditionError
from ppres.read import outcomes
from ppres.read.outcomes import COLUMNS
from ppres.store.rows import Row, Scored, StoredCell
from ppres.store.store import Store

if TYPE_CHECKING:
    import pandas as pd

# Types of the condition's columns, in the frame's order.
TYPES: dict[str, str] = {name: factor.dtype for name, factor in FACTORS.items()} | {
    "joint_tasks": "float64",  # missing without a peer
    "behaviour": "str",
    "peer_present": "int64",
    "cooperativeness": "int64",
}


def frame(store: Store, cells: Sequence[StoredCell], n: int | dict[bytes, int] | None = None) -> pd.DataFrame:
    """The tidy frame: a row per stored rollout, in the order of the cells and of their first `n` replicates.

    `run` and `pp.frame` give the cells model by model, and for each model in the order of the conditions.

    Columns: id, model, source, rate_source, cell, replicate, the condition's, the outcomes', and then those that only some
    scenarios have: own factors and own outcomes. Rollouts that were scored by other rules than today's are scored anew, and their
    cache is replaced; those of a scenario that this session does not have keep the outcomes that they have.
    """
    import numpy as np
    import pandas as pd

    rows = [current(store, cell, n[cell.digest] if isinstance(n, dict) else n) for cell in cells]
    flat = [stored for of_cell in rows for stored in of_cell]
    about = pd.DataFrame(_about(cells))
    about = about.take(np.repeat(np.arange(len(cells)), [len(of_cell) for of_cell in rows])).reset_index(drop=True)
    about.insert(0, "id", pd.Series([stored.key.hex()[:16] for stored in flat], dtype="str"))
    about.insert(5, "replicate", np.array([stored.replicate for stored in flat], dtype="int64"))
    scored = [outcomes_of(store, stored) for stored in flat]
    more = dict.fromkeys(name for values in scored if len(values) > len(COLUMNS) for name in values if name not in COLUMNS)
    table = {name: column([values.get(name) for values in scored], kind) for name, (kind, _) in COLUMNS.items()}
    table |= {name: column([values.get(name) for values in scored], None) for name in more}
    return pd.concat([about, pd.DataFrame(table)], axis=1)


def _about(cells: Sequence[StoredCell]) -> dict[str, Any]:
    """Columns of what is known of cells: a value for each cell."""
    factors = [row_of(cell.condition) for cell in cells]
    peers = [one.get("peer") for one in factors]
    values: dict[str, Any] = {
        "model": column([cell.model for cell in cells], "str"),
        "source": column([cell.source for cell in cells], "str"),
        "rate_source": column([cell.rate_source for cell in cells], "str"),
        "cell": column([cell.digest.hex()[:12] for cell in cells], "str"),
    }
    derived: dict[str, list[Any]] = {
        "behaviour": [cell.behaviour for cell in cells],
        "peer_present": [int(peer in RELATIONSHIPS) for peer in peers],
        "cooperativeness": [COOPERATIVENESS.get(str(peer), 0) for peer in peers],
    }
    for name, kind in TYPES.items():
        values[name] = column(derived[name] if name in derived else [one.get(name) for one in factors], kind)
    more = dict.fromkeys(name for one in factors for name in one if name not in TYPES)
    return values | {name: column([one.get(name) for one in factors], None) for name in more}


def current(store: Store, cell: StoredCell, n: int | None = None) -> list[Row]:
    """The first `n` stored rollouts of a cell; those that were scored by other rules than today's are scored anew first."""
    rows = store.rows(cell.digest, n)
    scenario = SCENARIOS.get(str(cell.condition.get("scenario")))
    scorer = outcomes.scorer_of(scenario) if scenario else None
    stale = [stored.key for stored in rows if stored.scorer != scorer]
    condition = definition(store.spec(cell.digest)) if stale and scorer else None
    if condition is None:
        return rows
    start = store.spec(cell.digest)["sent"]["world"]
    store.recache((key, rescored(store, key, condition, start)) for key in stale)
    return store.rows(cell.digest, n)


def definition(spec: Mapping[str, Any]) -> Condition | None:
    """The condition of a stored cell, where this session has its scenario as it was; else nothing can be scored or replayed."""
    try:
        condition = Condition.of(spec["condition"])
    except ConditionError:
        return None
    return condition if condition._scenario.code() == spec["sent"].get("code", {}) else None


def rescored(store: Store, key: bytes, condition: Condition, start: dict[str, Any]) -> Scored:
    """The outcomes of a stored rollout by today's rules, read off its replayed transcript."""
    conversation = store.record(key).conversation
    return outcomes.scored(conversation, condition, replay(start, conversation, condition._scenario.own_tools).world)


def column(values: list[Any], kind: Any) -> Any:
    """A column of a frame; None becomes NaN or NA. Without a type, that of the values."""
    import pandas as pd

    if kind is None:
        kinds = {
            bool if isinstance(value, bool) else float if isinstance(value, int | float) else str
            for value in values
            if value is not None
        }
        kind = {bool: "boolean", float: "float64", str: "str"}[kinds.pop()] if len(kinds) == 1 else "str"
        values = [value if value is None or kind != "str" else str(value) for value in values]
    return pd.array(values, dtype=kind)


def outcomes_of(store: Store, stored: Row) -> dict[str, Any]:
    """The outcomes of a stored rollout by column; what is damaged is a cache, and read off the transcript again."""
    known = cached(stored)
    if known is None:
        spec = store.spec(stored.cell)
        condition = definition(spec)
        if condition is None:
            return {"missing": "outcomes are damaged, and this session lacks the scenario"}
        fresh = rescored(store, stored.key, condition, spec["sent"]["world"])
        store.recache([(stored.key, fresh)])
        known = dict(zip(fresh.columns, fresh.values, strict=True))
    return known


def cached(stored: Row) -> dict[str, Any] | None:
    """The stored outcomes of a rollout by column; None where they are damaged."""
    try:
        values = json.loads(stored.outcomes or "")
    except (TypeError, ValueError):
        return None
    known = isinstance(values, list) and len(values) == len(stored.columns) > 0
    return dict(zip(stored.columns, values, strict=True)) if known else None


def columns() -> pd.DataFrame:
    """What every column of a frame means: a row (column, type, meaning) for each, in the frame's order."""
    import pandas as pd

    first = {
        "id": "the start of the rollout's key: a hash of everything that is sent, and of the replicate",
        "model": "the model's name, with the parameters that are not the usual ones",
        "source": "sim and planted (simulated agents), live, function or release",
        "rate_source": "of a simulated agent's rates: published, assumed, or planted; missing for all others",
        "cell": "the start of the hash of everything that is sent: rows with the same are replicates of one another",
        "replicate": "number of the rollout in its cell",
    }
    last = {
        "behaviour": "what the scenario measures",
        "peer_present": "1 where the agent is told of its history with a peer, else 0",
        "cooperativeness": "-1 uncooperative, 0 neutral or no peer, +1 cooperative",
    }
    named = first | {name: factor.meaning for name, factor in FACTORS.items()} | last
    own = {name: factor.meaning for scenario in SCENARIOS.values() for name, factor in scenario.own_factors.items()}
    rows = [(name, "int64" if name == "replicate" else TYPES.get(name, "str"), text) for name, text in (named | own).items()]
    mine = {
        name: about if isinstance(about, tuple) else ("", about)
        for scenario in SCENARIOS.values()
        for name, about in scenario.columns.items()
    }
    return pd.DataFrame(
        [*rows, *((name, *about) for name, about in (COLUMNS | mine).items())], columns=["column", "type", "meaning"]
    )


def stored_cell(store: Store, digest: bytes) -> StoredCell:
    """A stored cell, by what it was stored as."""
    spec = store.spec(digest)
    scenario = SCENARIOS.get(str(spec["condition"].get("scenario")))
    behaviour = spec.get("behaviour") or (scenario.behaviour if scenario else None)
    return StoredCell(digest, spec["condition"], spec["model"], spec["source"], behaviour, spec.get("rate_source"))
