"""Linear contrasts of rates on the probability scale, and whether an effect is different from nothing or as good as none."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ppres.stats._frame import NoOutcome, at_level, by_cluster, check_level, codes_of, columns_of, counts, each
from ppres.stats._interval import ASSUMED, FAR, Interval, check_margin, clustered, equivalence, mover

if TYPE_CHECKING:
    import pandas as pd


def contrasts(
    frame: pd.DataFrame,
    factors: str | Sequence[str],
    weights: Mapping[str, Mapping[Any, float]],
    by: str | Sequence[str] = (),
    outcome: str = "preserved",
    level: float = 0.95,
    margin: float | None = None,
    cluster: str | Sequence[str] = (),
) -> pd.DataFrame:
    """Weighted sums of the rates of cells, for each group of a frame: a difference in differences, a trend, one arm against many.

    `factors` names the columns that make a cell, `weights` the contrasts: `{"threat x peer": {("cooperative", True): 1, ("none",
    True): -1, ("cooperative", False): -1, ("none", False): 1}}`; of one factor a cell is its level, and None stands for a missing
    value. Returns the groups and term, estimate (in rates), low, high, p, k and n of all its cells, estimator, excluded; NaN where
    a cell has no known outcome.

    The interval is Wilson's of each rate, put together by squares (MOVER: Zou, Huang and Zhang 2009, Computational Statistics and
    Data Analysis 53:1080); of two cells it is Newcombe's. It holds where an arm is at the floor, where a log-odds interaction has
    no estimate. p is the level at which the interval just reaches 0.

    Rollouts are taken as independent, unless `cluster` names the columns (wording, condition) whose values, or combinations of
    values, resemble each other: then see `clustered` for the interval, and two more columns say clusters and design_effect. It is
    NaN for a single one. Where nothing varies, or an arm has its rarer outcome in fewer than 6 clusters (and not in all), outcomes
    do not tell how alike a cluster's rollouts are: a correlation of at least 0.3 is assumed, and the estimator says so.

    `margin` asks whether the effect is as good as none: see `equivalence` for the columns that it adds.

    Raises `KeyError` for a missing column; `ValueError` for an outcome that is not true or false, a cell that does not occur, a
    weight that is no number, a bad level or margin.
    """
    import pandas as pd
    from scipy.stats import norm

    names = [factors] if isinstance(factors, str) else list(factors)
    columns_of(frame, by, outcome, *names, *columns_of(frame, cluster))
    check_level(level)
    check_margin(margin)
    z = float(norm.ppf((1 + level) / 2))
    cells = checked_cells(frame, names, weights)

    def of_group(part: pd.DataFrame) -> pd.DataFrame:
        rows = []
        codes = codes_of(part, cluster) if cluster else None
        for name, weighted in cells.items():
            weighing, arms = [*weighted.values()], [counts(part[rows_of_cell(part, names, cell)], outcome) for cell in weighted]
            k, n = ([int(arm[column].sum()) for arm in arms] for column in ("k", "n"))
            row: dict[str, Any] = {"term": name} | dict.fromkeys(("estimate", "low", "high", "p"), math.nan)
            interval: Interval = partial(mover, weighing, k, n)
            effect, assumed = math.nan, False
            if codes is not None and all(n):
                interval, effect, assumed = clustered(weighing, *by_cluster(arms, [codes.loc[arm.index] for arm in arms]))
            if all(n):
                row |= _summary(interval, sum(weight * hits / size for weight, hits, size in zip(weighing, k, n, strict=True)), z)
            kind = "MOVER, Wilson" if all(n) else "a cell has no known outcome"
            row |= {"k": sum(k), "n": sum(n), "estimator": kind, "excluded": sum(int(arm["excluded"].sum()) for arm in arms)}
            if codes is not None:
                number = int(pd.concat([codes.loc[arm.index[arm["n"] > 0]] for arm in arms]).nunique())
                if all(n):
                    kind = f"too few clusters ({number})" if math.isnan(effect) else f"{kind}, {number} clusters"
                    kind += f", correlation {ASSUMED} assumed" if assumed else ""
                row |= {"estimator": kind, "clusters": number, "design_effect": effect}
            if margin is not None:
                usable = row["estimate"] if row["low"] == row["low"] else math.nan
                row |= equivalence(interval, usable, level, margin)
            rows.append(row)
        if not any(row["n"] for row in rows):
            raise NoOutcome("no row has a known outcome")
        return pd.DataFrame(rows)

    return each(frame.reset_index(drop=True), by, of_group)


def _summary(interval: Interval, estimate: float, z: float) -> dict[str, float]:
    from scipy.optimize import brentq
    from scipy.stats import norm

    low, high = interval(z)
    if math.isnan(low):
        return {"estimate": estimate}

    def nearer(z: float) -> float:
        """The bound that lies towards 0, on the estimate's side of it."""
        bounds = interval(z)
        return bounds[0] if estimate > 0 else -bounds[1]

    nothing = math.isclose(estimate, 0, abs_tol=1e-12)
    reach = 0.0 if nothing else float(brentq(nearer, 0, FAR)) if nearer(FAR) < 0 else FAR
    return {"estimate": estimate, "low": low, "high": high, "p": float(2 * norm.sf(reach))}


def checked_cells(
    frame: pd.DataFrame, names: list[str], weights: Mapping[str, Mapping[Any, float]]
) -> dict[str, dict[tuple[Any, ...], float]]:
    """The weights of each contrast by cell. `ValueError` for what is no contrast of cells that occur."""
    if not weights:
        raise ValueError("weights names no contrast; for example {'effect': {'cooperative': 1, 'none': -1}}")
    return {name: _cells(frame, names, name, told) for name, told in weights.items()}


def _cells(frame: pd.DataFrame, names: list[str], name: str, told: Mapping[Any, float]) -> dict[tuple[Any, ...], float]:
    """Weights by cell. `ValueError` for a cell that does not occur, or what is no weight."""
    cells = {}
    for levels, weight in told.items():
        cell = levels if isinstance(levels, tuple) else (levels,)
        if len(cell) != len(names):
            raise ValueError(f"{name}: {levels!r} is no level of {', '.join(names)} each")
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not math.isfinite(weight):
            raise ValueError(f"{name}: the weight of {levels!r} is a number, not {weight!r}")
        if not rows_of_cell(frame, names, cell).any():
            there = frame[names].drop_duplicates().itertuples(index=False, name=None)
            raise ValueError(f"{name}: no row has {levels!r}; there are {', '.join(map(repr, there))}")
        if weight:
            cells[cell] = float(weight)
    if not cells:
        raise ValueError(f"{name}: all its weights are 0")
    return cells


def rows_of_cell(frame: pd.DataFrame, names: list[str], cell: tuple[Any, ...]) -> pd.Series[bool]:
    """Which rows are of a cell; all, where there are no names."""
    import pandas as pd

    rows = pd.Series(True, index=frame.index)
    for name, value in zip(names, cell, strict=True):
        rows &= at_level(frame, name, value)
    return rows
