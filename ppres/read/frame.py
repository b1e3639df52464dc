"""The tidy frame: a row per stored rollout, typed columns, outcomes from the cache or read off the transcript anew."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ppres.agent import replay
from ppres.condition import COOPERATIVENESS, RELATIONSHIPS, SCENARIOS, Condition, row_of
from ppres.factor import ConditionError
from ppres.models.model import Model
from ppres.read import outcomes
from ppres.read.columns import column, factors, own_column, with_numbers
from ppres.read.outcomes import COLUMNS
from ppres.simulated.agent import rate_source
from ppres.simulated.personas import PersonaError
from ppres.store.cell import rehearsed
from ppres.store.rows import Row, Scored, StoredCell
from ppres.store.store import Store

if TYPE_CHECKING:
    import pandas as pd


def frame(store: Store, cells: Sequence[StoredCell], n: int | dict[bytes, int] | None = None) -> pd.DataFrame:
    """The tidy frame: a row per stored rollout, in the order of the cells and of their first `n` replicates.

    `run` and `pp.frame` give the cells model by model, and for each model in the order of the conditions.

    Columns: id, model, source, rate_source, cell, replicate, the condition's, the outcomes', and then those that only some
    scenarios have: own factors and own outcomes. Rollouts that were scored by other rules than today's are scored anew, and their
    cache is replaced; those of a scenario that this session does not have keep the outcomes that they have.
    """
    import numpy as np
    import pandas as pd

    parts = [(cell, current(store, cell, n[cell.digest] if isinstance(n, dict) else n)) for cell in cells]
    parts = [(cell, rows) for cell, rows in parts if rows]  # the levels are those that occur
    flat = [stored for _, rows in parts for stored in rows]
    about = pd.DataFrame(_about(store, [cell for cell, _ in parts]))
    about = about.take(np.repeat(np.arange(len(parts)), [len(rows) for _, rows in parts])).reset_index(drop=True)
    about.insert(0, "id", column([stored.key.hex()[:16] for stored in flat], "id"))
    about.insert(5, "replicate", column([stored.replicate for stored in flat], "replicate"))
    scored = [outcomes_of(store, stored) for stored in flat]
    more = dict.fromkeys(name for values in scored if len(values) > len(COLUMNS) for name in values if name not in COLUMNS)
    made = {name: column([values.get(name) for values in scored], name) for name in COLUMNS}
    made |= {name: own_column([values.get(name) for values in scored], name, factor=False) for name in more}
    return with_numbers(pd.concat([about, pd.DataFrame(made)], axis=1))


def _about(store: Store, cells: Sequence[StoredCell]) -> dict[str, Any]:
    """Columns of what is known of cells: a value for each cell."""
    said: dict[str, list[Any]] = {
        "model": [cell.model for cell in cells],
        "source": [cell.source for cell in cells],
        "rate_source": [_rate_source(store, cell) for cell in cells],
        "cell": [cell.digest.hex()[:12] for cell in cells],
    }
    return {name: column(values, name) for name, values in said.items()} | factors([_factors(cell) for cell in cells])


def _factors(cell: StoredCell) -> dict[str, Any]:
    row = row_of(cell.condition)
    derived = {"peer_present": int(row["peer"] in RELATIONSHIPS), "cooperativeness": COOPERATIVENESS.get(str(row["peer"]), 0)}
    return row | derived | {"behaviour": cell.behaviour}


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


def stored_cell(store: Store, digest: bytes) -> StoredCell:
    """A stored cell, by what it was stored as."""
    spec = store.spec(digest)
    scenario = SCENARIOS.get(str(spec["condition"].get("scenario")))
    behaviour = spec.get("behaviour") or (scenario.behaviour if scenario else None)
    return StoredCell(digest, spec["condition"], spec["model"], spec["source"], behaviour)


def _rate_source(store: Store, cell: StoredCell) -> str | None:
    """Where the rates of a simulated cell come from; None for all others, and where this session could not tell."""
    if cell.source != "sim":
        return "planted" if cell.source == "planted" else None
    spec = store.spec(cell.digest)
    if "rate_source" in spec:
        return str(spec["rate_source"])
    condition = definition(spec)  # stored by version 0.1, which did not say
    try:
        return rate_source(rehearsed(condition, Model(spec["model"].split(" ")[0]))) if condition else None
    except PersonaError:
        return None
