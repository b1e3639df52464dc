"""Linear contrasts of rates on the probability scale, and whether an effect is different from nothing or as good as none."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ppres import arguments
from ppres.factor import brief
from ppres.stats._frame import NoOutcome, at_level, by_cluster, check_level, codes_of, columns_of, each, outcomes, say_pooled
from ppres.stats._interval import ASSUMED, Interval, check_margin, clustered, equivalence, mover, summary

if TYPE_CHECKING:
    import pandas as pd

    from ppres.stats._frame import Rows


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
    NaN for a single one. Where nothing varies, or an arm has its rarer outcome in fewer than 6 clusters and fewer than a third,
    outcomes do not tell how alike a cluster's rollouts are: a correlation of at least 0.3 is assumed, and the estimator says so.

    `margin` asks whether the effect is as good as none: see `equivalence` for the columns that it adds.

    Raises `KeyError` for a missing column; `ValueError` for an outcome that is not true or false, a cell that does not occur, a
    weight that is no number, a bad level or margin.
    """
    import pandas as pd

    names = arguments.several(factors, "factors", arguments.COLUMNS)
    say_pooled(frame, [*names, *columns_of(frame, by, outcome, *names), *columns_of(frame, cluster)])
    check_level(level)
    check_margin(margin)
    frame = frame.reset_index(drop=True)
    cells, rows_of = checked_cells(frame, names, weights)
    true, known = outcomes(frame, outcome)
    codes = codes_of(frame, cluster).to_numpy() if cluster else None

    def of_group(part: pd.DataFrame) -> pd.DataFrame:
        at = part.index.to_numpy()
        clusters = None if codes is None else codes[at]
        rows = []
        for name, told in cells.items():
            arms = [rows_of[cell][at] for cell in told]
            row = _row([*told.values()], arms, (true[at], known[at]), clusters, level, margin)
            rows.append({"term": name} | row)
        if not any(row["n"] for row in rows):
            raise NoOutcome("no row has a known outcome")
        return pd.DataFrame(rows)

    return each(frame, by, of_group)


def _row(
    weights: list[float], arms: list[Rows], outcome: tuple[Rows, Rows], codes: Any, level: float, margin: float | None
) -> dict[str, Any]:
    """A contrast of the rows of its arms: without a number where one has no known outcome."""
    import numpy as np

    true, known = outcome
    k, n = ([int((arm & rows).sum()) for arm in arms] for rows in (true, known))
    row: dict[str, Any] = dict.fromkeys(("estimate", "low", "high", "p"), math.nan)
    interval: Interval = partial(mover, weights, k, n)
    kind, effect, assumed = "MOVER, Wilson" if all(n) else "a cell has no known outcome", math.nan, False
    if codes is not None and all(n):
        interval, effect, assumed = clustered(weights, *by_cluster(true, known, arms, codes))
    if all(n):
        estimate = sum(weight * hits / size for weight, hits, size in zip(weights, k, n, strict=True))
        row |= summary(interval, estimate, level)
    row |= {"k": sum(k), "n": sum(n), "estimator": kind, "excluded": sum(int(arm.sum()) for arm in arms) - sum(n)}
    if codes is not None:
        number = len(np.unique(codes[known & np.any(arms, axis=0)]))
        if all(n):
            kind = f"too few clusters ({number})" if math.isnan(effect) else f"{kind}, {number} clusters"
            kind += f", correlation {ASSUMED} assumed" if assumed else ""
        row |= {"estimator": kind, "clusters": number, "design_effect": effect}
    if margin is not None:
        row |= equivalence(interval, row["estimate"] if row["low"] == row["low"] else math.nan, level, margin)
    return row


Cell = tuple[Any, ...]


def checked_cells(
    frame: pd.DataFrame, names: list[str], weights: Mapping[str, Mapping[Any, float]]
) -> tuple[dict[str, dict[Cell, float]], dict[Cell, Rows]]:
    """The weights of each contrast by cell, and the rows of each cell. `ValueError` for what is no contrast of cells that occur."""
    if not isinstance(weights, Mapping) or not weights or not all(isinstance(told, Mapping) for told in weights.values()):
        odd = not (weights is None or (isinstance(weights, Mapping) and not weights))
        text = f"{brief(weights)} is no mapping of contrasts to weights of cells" if odd else "names no contrast"
        raise ValueError(f"weights {text}; for example {{'effect': {{'cooperative': 1, 'none': -1}}}}")
    rows_of: dict[Cell, Rows] = {}
    return {name: _cells(frame, names, name, told, rows_of) for name, told in weights.items()}, rows_of


def _cells(
    frame: pd.DataFrame, names: list[str], name: str, told: Mapping[Any, float], rows_of: dict[Cell, Rows]
) -> dict[Cell, float]:
    """Weights by cell; `rows_of` takes the cells' rows. `ValueError` for a cell that does not occur or is twice, or no weight."""
    import numpy as np

    cells: dict[Cell, float] = {}
    taken = np.zeros(len(frame), dtype=bool)
    for levels, weight in told.items():
        cell = levels if isinstance(levels, tuple) else (levels,)
        if len(cell) != len(names):
            raise ValueError(f"{name}: {levels!r} is no level of {', '.join(names)} each")
        if isinstance(weight, bool) or not isinstance(weight, numbers.Real) or not math.isfinite(weight):
            raise ValueError(f"{name}: the weight of {levels!r} is a number, not {weight!r}")
        if cell not in rows_of:
            rows_of[cell] = rows_of_cell(frame, names, cell)
        if not rows_of[cell].any():
            there = frame[names].drop_duplicates().itertuples(index=False, name=None)
            raise ValueError(f"{name}: no row has {levels!r}; there are {', '.join(map(repr, there))}")
        if (rows_of[cell] & taken).any():
            raise ValueError(f"{name}: {levels!r} is a cell that has a weight already")
        taken |= rows_of[cell]
        if weight:
            cells[cell] = float(weight)
    if not cells:
        raise ValueError(f"{name}: all its weights are 0")
    return cells


def rows_of_cell(frame: pd.DataFrame, names: list[str], cell: Cell) -> Rows:
    """Which rows are of a cell; all, where there are no names."""
    import numpy as np

    rows = np.ones(len(frame), dtype=bool)
    for name, value in zip(names, cell, strict=True):
        rows &= at_level(frame, name, value)
    return rows
