"""Grids: levels of factors, crossed into a list of conditions."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from ppres.condition import SCENARIOS, Condition, ConditionError, ImpossibleCondition, is_document, one_of


def grid(base: Condition | Iterable[Condition] | None = None, /, **factors: Any) -> list[Condition]:
    """Cross levels of factors into a list of distinct conditions, in the order in which they were given.

    `base` is a condition, or several, whose other factors are kept; without it the factors start from the defaults of
    `Condition`. A factor is one value or a list of values; a mapping (`documents`) is one value. Combinations that mean the
    same are merged and impossible ones dropped, so none is run twice.

    Raises `ConditionError` for an unknown factor or value, and where every combination is impossible.
    """
    names = [f.name for f in fields(Condition)]
    for name in factors:
        one_of("factor", name, tuple(names))
    if base is None:
        starts: list[dict[str, Any]] = [{}]
    else:
        bases = [base] if isinstance(base, Condition) else list(base)
        if not all(isinstance(one, Condition) for one in bases):
            raise ConditionError("grid varies conditions: pass a Condition or a list of them, and factors by name")
        starts = [one._given for one in bases]
    levels = [_levels(name, value) for name, value in factors.items()]
    found: dict[Condition, None] = {}
    reasons: dict[str, None] = {}
    for start, combination in itertools.product(starts, itertools.product(*levels)):
        cell = start | dict(zip(factors, combination, strict=True))
        if "scenario" not in cell:
            raise ConditionError("grid needs a scenario: one of " + ", ".join(SCENARIOS))
        try:
            found[Condition(**cell)] = None
        except ImpossibleCondition as error:
            reasons[str(error)] = None
    if not found and reasons:
        raise ImpossibleCondition("every combination is impossible:\n" + "\n".join(reasons))
    return list(found)


def _levels(name: str, value: Any) -> Sequence[Any]:
    if isinstance(value, str | Mapping) or not isinstance(value, Iterable):
        return [value]
    if name == "documents" and isinstance(value, tuple) and all(map(is_document, value)):
        return [value]  # as a condition holds them
    levels = list(value)
    if not levels:
        raise ConditionError(f"{name}=[] has no level")
    return levels
