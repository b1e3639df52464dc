"""Outcomes of what is stored: from the cache, or by today's rules off the replayed transcript. There is no other way to them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ppres.agent import replay
from ppres.condition import SCENARIOS, Condition
from ppres.conversation import Conversation, Message
from ppres.factor import ConditionError
from ppres.read import outcomes
from ppres.store.rows import Row, Scored, StoredCell
from ppres.store.store import Store

_LOST = "outcomes are damaged, and this session lacks the scenario"


class Replayed(NamedTuple):
    """A stored conversation, carried out again."""

    replies: list[Message]
    """The world's."""
    scored: Scored


class CellOutcomes(NamedTuple):
    """Stored rollouts of a cell, and their outcomes."""

    rows: list[Row]
    columns: dict[str, Sequence[Any]]
    """By name, a value for each row."""

    def column(self, name: str) -> Sequence[Any]:
        """One outcome; None where it is missing, or the rules that were in force had no such column."""
        return self.columns.get(name) or [None] * len(self.rows)


def definition(spec: Mapping[str, Any]) -> Condition | None:
    """The condition of a stored cell, where this session has its scenario as it was; else nothing can be scored or replayed."""
    try:
        condition = Condition.of(spec["condition"])
    except ConditionError:
        return None
    return condition if condition._scenario.code() == spec["sent"].get("code", {}) else None


def replayed(spec: Mapping[str, Any], condition: Condition, conversation: Conversation) -> Replayed:
    """The world's replies and the outcomes of a stored conversation, by today's rules."""
    world, replies = replay(spec["sent"]["world"], conversation, condition._scenario.own_tools)
    return Replayed(replies, outcomes.scored(conversation, condition, world))


def outcomes_of(store: Store, cell: StoredCell, n: int | None = None) -> CellOutcomes:
    """The first `n` stored rollouts of a cell with their outcomes.

    Those that were scored by other rules than today's, or whose cache is damaged, are scored anew, and the cache is replaced. Where
    this session lacks the scenario, they keep the outcomes that they have.
    """
    rows = store.rows(cell.digest, n)
    caches = cached(rows)
    scenario = SCENARIOS.get(str(cell.condition.get("scenario")))
    scorer = outcomes.scorer_of(scenario) if scenario else None
    stale = [i for i, row in enumerate(rows) if (scorer and row.scorer != scorer) or caches[i] is None]
    spec = store.spec(cell.digest) if stale else {}
    condition = definition(spec) if stale else None
    if condition:
        fresh = {i: replayed(spec, condition, store.record(rows[i].key).conversation).scored for i in stale}
        store.recache((rows[i].key, scored) for i, scored in fresh.items())
        rows = [row._replace(columns=fresh[i].columns) if i in fresh else row for i, row in enumerate(rows)]
        caches = [fresh[i].values if i in fresh else values for i, values in enumerate(caches)]
    return CellOutcomes(rows, _by_name(rows, caches))


def cached(rows: Sequence[Row]) -> list[list[Any] | None]:
    """The cached outcomes of rollouts, each a list in the order of its row's columns; None where the cache is damaged."""
    try:
        read = json.loads(f"[{','.join(row.outcomes or 'null' for row in rows)}]")  # together: a tenth of the time
    except (ValueError, RecursionError):
        read = []
    if len(read) != len(rows):
        read = [_read(row) for row in rows]
    whole = (isinstance(one, list) and len(one) == len(row.columns) > 0 for one, row in zip(read, rows, strict=True))
    return [one if fits else None for one, fits in zip(read, whole, strict=True)]


def _read(row: Row) -> Any:
    try:
        return json.loads(row.outcomes or "null")
    except (ValueError, RecursionError):
        return None


def _by_name(rows: Sequence[Row], caches: Sequence[list[Any] | None]) -> dict[str, Sequence[Any]]:
    names = dict.fromkeys(tuple(row.columns) for row in rows)
    whole = [values for values in caches if values is not None]
    if len(names) == 1 and len(whole) == len(caches):  # nearly always: all by the same rules
        return dict(zip(*names, zip(*whole, strict=True), strict=True))
    told = [
        {"missing": _LOST} if values is None else dict(zip(row.columns, values, strict=True))
        for row, values in zip(rows, caches, strict=True)
    ]
    return {name: [one.get(name) for one in told] for name in dict.fromkeys(name for one in told for name in one)}
