"""Grids: levels of factors, crossed into a list of conditions."""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ppres.condition import FACTORS, SCENARIOS, Condition
from ppres.factor import ConditionError, ImpossibleCondition, is_document, one_of

if TYPE_CHECKING:
    import pandas as pd


class Grid(list[Condition]):
    """The conditions of a grid, in the order of its levels; `combinations` says what became of each combination."""

    def __init__(self, conditions: Iterable[Condition], fates: list[tuple[dict[str, Any], str, str]]):
        super().__init__(conditions)
        self._fates = fates

    @property
    def combinations(self) -> pd.DataFrame:
        """A row per combination of levels: the levels, `fate` (kept, merged, impossible) and `why`."""
        import pandas as pd

        rows = [{**levels, "fate": fate, "why": why} for levels, fate, why in self._fates]
        return pd.DataFrame(rows, columns=[*(self._fates[0][0] if self._fates else ()), "fate", "why"])

    def summary(self) -> str:
        """One line: how many combinations became how many conditions, and why the others did not."""
        fates = Counter(fate for _, fate, _ in self._fates)
        parts = [f"{fates['merged']} mean the same as another"] if fates["merged"] else []
        reasons = dict.fromkeys(why for _, fate, why in self._fates if fate == "impossible")
        parts += [f"{fates['impossible']} are impossible ({'; '.join(reasons)})"] if reasons else []
        return f"grid: {len(self._fates)} combinations, {len(self)} conditions: {', '.join(parts) or 'all are kept'}"


def grid(base: Condition | Iterable[Condition] | None = None, /, *, explain: bool | None = None, **factors: Any) -> Grid:
    """Cross levels of factors into a list of distinct conditions, in the order in which they were given.

    `base` is a condition, or several, whose other factors are kept; without it the factors start from the defaults of
    `Condition`. A factor is one value or a list of values; a mapping (`documents`) is one value. A scenario's own factors are
    given by their names as well. Combinations that mean the same are merged and impossible ones dropped, so none is run twice: a
    line on stderr says how many and why (`explain=False`: no line; True: also where nothing was dropped), and the
    result's `combinations` is the table.

    Raises `ConditionError` for an unknown factor or value, for a factor that no scenario of the grid has, and where every
    combination is impossible.
    """
    starts = _starts(base)
    own = _own_factors(starts, factors)
    for name in factors:
        one_of("factor", name, (*FACTORS, *own))
    crossed = [levels(name, value) for name, value in factors.items()]
    kept: dict[Condition, None] = {}
    fates: list[tuple[dict[str, Any], str, str]] = []
    for start, combination in itertools.product(starts, itertools.product(*crossed)):
        chosen = dict(zip(factors, combination, strict=True))
        try:
            condition = _condition(start, chosen)
        except ImpossibleCondition as error:
            fates.append((chosen, "impossible", str(error)))
            continue
        fates.append((chosen, "merged", f"as {condition}") if condition in kept else (chosen, "kept", ""))
        kept[condition] = None
    if not kept and fates:
        raise ImpossibleCondition("every combination is impossible:\n" + "\n".join(dict.fromkeys(why for *_, why in fates)))
    _check_scope(kept, factors)
    check_datasets(kept)
    conditions = Grid(kept, fates)
    if explain or (explain is None and len(kept) < len(fates)):
        print(f"ppres: {conditions.summary()}", file=sys.stderr)
    return conditions


def check_datasets(conditions: Iterable[Condition]) -> None:
    """`ConditionError` for two datasets of one name."""
    named: dict[str, Any] = {}
    for dataset in (condition._dataset for condition in conditions if condition._dataset):
        known = named.setdefault(dataset.name, dataset)
        if known is not dataset and _made_of(known) != _made_of(dataset):
            raise ConditionError(f"two datasets are called {dataset.name!r}, and would be one level of a frame: rename one")


def _made_of(dataset: Any) -> tuple[Any, ...]:
    """What a dataset is beside its name: one that comes back from another process is the same."""
    return dataset.rows, dataset.key, dataset.threshold, dataset.criterion_in(0)


def _starts(base: Condition | Iterable[Condition] | None) -> list[dict[str, Any]]:
    if base is None:
        return [{}]
    bases = [base] if isinstance(base, Condition) or not isinstance(base, Iterable) else list(base)
    if not all(isinstance(condition, Condition) for condition in bases):
        raise ConditionError("grid varies conditions: pass a Condition or a list of them, and factors by name")
    return [condition._given | {"scenario": condition._scenario} for condition in bases]


def _own_factors(starts: list[dict[str, Any]], factors: Mapping[str, Any]) -> list[str]:
    """Names of the factors that the scenarios of a grid have of their own."""
    scenarios = [start["scenario"] for start in starts if "scenario" in start] + list(levels("scenario", factors.get("scenario")))
    for scenario in scenarios:
        if isinstance(scenario, str):
            one_of("scenario", scenario, tuple(SCENARIOS))  # before a factor of its own is called none
    defined = [SCENARIOS.get(scenario) if isinstance(scenario, str) else scenario for scenario in scenarios]
    return [name for scenario in defined for name in getattr(scenario, "own_factors", ())]


def _condition(start: Mapping[str, Any], chosen: Mapping[str, Any]) -> Condition:
    """The condition of a combination; a factor that is another scenario's own means nothing in it."""
    cell = {**start, **{name: value for name, value in chosen.items() if name in FACTORS}}
    if "scenario" not in cell:
        raise ConditionError("grid needs a scenario: one of " + ", ".join(SCENARIOS))
    scenario = SCENARIOS.get(cell["scenario"]) if isinstance(cell["scenario"], str) else cell["scenario"]
    mine = getattr(scenario, "own_factors", {})
    before = dict(start.get("own") or ()) if start.get("scenario") is scenario or "scenario" not in chosen else {}
    own = before | {name: value for name, value in chosen.items() if name in mine}
    return Condition(**{**cell, "own": own})


def _check_scope(conditions: Iterable[Condition], factors: Mapping[str, Any]) -> None:
    """`ConditionError` for a factor that means nothing in any scenario of the grid: its levels would vanish without a word."""
    scenarios = {condition._scenario.name: condition._scenario for condition in conditions}
    for name in factors:
        scoped = name in FACTORS and FACTORS[name].scoped
        if scoped and not any(name in scenario.scoped for scenario in scenarios.values()):
            having = ", ".join(scenario.name for scenario in SCENARIOS.values() if name in scenario.scoped) or "none"
            raise ConditionError(f"{name} means nothing in {', '.join(scenarios)}; scenarios that have it: {having}")


def levels(name: str, value: Any) -> Sequence[Any]:
    """The levels of a factor as `grid` is given them: one value, or several."""
    if isinstance(value, str | Mapping) or not isinstance(value, Iterable):
        return [value]
    if name == "documents" and isinstance(value, tuple) and all(map(is_document, value)):
        return [value]  # as a condition holds them
    several = list(value)
    if not several:
        raise ConditionError(f"{name}=[] has no level")
    return several
