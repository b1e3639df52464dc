"""How many rollouts a question needs: the power of any analysis of frames, by simulated studies."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ppres import arguments
from ppres.factor import brief, is_number
from ppres.stats._frame import columns_of
from ppres.stats._interval import quantile, wilson_at

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

Decide = Callable[["pd.DataFrame"], Any]
# Columns of `rates` that are no factors.
_OF_RATES = ("k", "n", "excluded", "rate", "low", "high", "flag", "clusters", "design_effect")
_DRAWN = ("rate", "mean", "sd")
_MOST = 100_000  # rollouts in a cell that are tried


def power(
    cells: pd.DataFrame,
    decide: Decide,
    n: int | Iterable[int],
    *,
    cluster: str | Sequence[str] | None = None,
    spread: float = 0.0,
    outcome: str = "preserved",
    cost: float | None = None,
    reps: int = 400,
    seed: int = 0,
) -> pd.DataFrame:
    """How often an analysis decides as hoped, over simulated studies of `n` rollouts in each cell.

    `cells` has a row for each cell: its factors, and `rate`, the chance of the outcome there (what `rates` gives of a pilot or of a
    planted persona is such a frame); or, for an outcome that is a number such as a reported score, `mean` and `sd`, by which it is
    drawn as normal. `decide` takes a study, a frame of factors and outcome with a row for each rollout, and says
    whether it found what it looks for: `lambda df: stats.differences(df, "peer", "cooperative", "none").p[0] < 0.05`, the verdict
    of a margin, a Holm-adjusted p, a term of `logit`. Where rollouts of one wording resemble each other, `cluster` names the column
    (or several) and `spread` the standard deviation of its shifts, drawn anew for each study: of log odds, or of the number.

    Returns n (a cell), rollouts (in all), power, low, high (Wilson's 95% interval of the Monte Carlo error), reps, and dollars
    where `cost` gives those of a rollout. The same seed gives the same studies.

    Raises `KeyError` for a missing column, `ValueError` for rates that are no probabilities, or numbers that count nothing.
    """
    import pandas as pd

    sizes = list(n) if isinstance(n, Iterable) and not isinstance(n, str) else [n]
    if not sizes:
        raise ValueError("n names no number of rollouts")
    keys = columns_of(arguments.rows(cells, name="cells"), () if cluster is None else cluster)
    cells = _checked(cells)
    if outcome in cells.columns:
        raise ValueError(f"cells have a column {outcome!r}, which is that of the outcome: outcome= gives it another name")
    if cost is not None and (isinstance(cost, bool) or not isinstance(cost, numbers.Real) or not 0 <= cost < math.inf):
        raise ValueError(f"cost={brief(cost)} is what a rollout costs: a number from 0 up")
    seed = arguments.seed(seed)
    if not is_number(spread, 0, math.inf) or spread == math.inf:
        raise ValueError(f"spread={brief(spread)} is the standard deviation of clusters: a number from 0 up")
    if spread and not keys:
        raise ValueError(f"spread={spread} is of clusters, and cluster= names none")
    for name, size in (*(("n", size) for size in sizes), ("reps", reps)):
        arguments.whole(name, size)
    rows = [_row(cells, decide, size, (keys, spread), outcome, cost, reps, seed) for size in sizes]
    return pd.DataFrame(rows)


def sample_size(cells: pd.DataFrame, decide: Decide, target: float = 0.8, **options: Any) -> pd.DataFrame:
    """The smallest number of rollouts in each cell at which `power` reaches `target`, as its last row; those tried are before it.

    `options` are those of `power`. The search takes power to grow with n, and is as exact as its Monte Carlo error.
    Raises as `power` does, and `ValueError` where no number up to 100,000 does it: the effect may be none.
    """
    import pandas as pd

    arguments.between("target", target, 0, 1)
    tried: dict[int, pd.DataFrame] = {}

    def enough(size: int) -> bool:
        tried[size] = power(cells, decide, size, **options)
        return bool(tried[size].power[0] >= target)

    low, high = 0, 10
    while not enough(high):
        low, high = high, 2 * high
        if high > _MOST:
            raise ValueError(f"at n = {low} the power is {tried[low].power[0]:.2f}, below {target}: is there an effect?")
    while high - low > max(1, high // 50):  # finer than the Monte Carlo error
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return pd.concat([*(row for size, row in tried.items() if size != high), tried[high]], ignore_index=True)


def mde(
    cells_of: Callable[[float], pd.DataFrame], decide: Decide, n: int, target: float = 0.8, *, largest: float = 1.0, **options: Any
) -> pd.DataFrame:
    """The smallest effect that `n` rollouts in each cell find with power `target`, as the last row's `effect`.

    `cells_of(effect)` gives the cells with an effect of that size, from 0 to `largest` (a difference of rates, say; below 0 for one
    that lowers them). `options` are those of `power`; rows before the last are effects that were tried. Raises as `power` does, and
    `ValueError` where `largest` is not found, or is none.
    """
    import pandas as pd

    arguments.between("target", target, 0, 1)
    arguments.between("largest", largest, -math.inf, math.inf)
    if not largest:
        raise ValueError("largest=0 is no effect")
    low, high, tried = 0.0, float(largest), []

    def at(effect: float) -> float:
        row = power(cells_of(effect), decide, n, **options).assign(effect=effect)
        tried.append(row)
        return float(row.power[0])

    if at(high) < target:
        raise ValueError(f"an effect of {largest} has power {tried[-1].power[0]:.2f} at n = {n}: below {target}")
    while abs(high - low) > abs(largest) / 200:
        middle = (low + high) / 2
        low, high = (low, middle) if at(middle) >= target else (middle, high)
    best = next(row for row in reversed(tried) if row.effect[0] == high)
    return pd.concat([*(row for row in tried if row is not best), best], ignore_index=True)


def _row(
    cells: pd.DataFrame,
    decide: Decide,
    n: int,
    clusters: tuple[list[str], float],
    outcome: str,
    cost: float | None,
    reps: int,
    seed: int,
) -> dict[str, Any]:
    import numpy as np

    rng = np.random.default_rng([seed, n])
    frame = cells.drop(columns=[*_DRAWN], errors="ignore").loc[cells.index.repeat(n)].reset_index(drop=True)
    k = 0
    for _ in range(reps):
        expected = np.repeat(_expected(cells, clusters, rng), n)
        numbers = "mean" in cells
        drawn = rng.normal(expected, np.repeat(cells["sd"], n)) if numbers else rng.random(len(frame)) < expected
        k += _said(decide(frame.assign(**{outcome: drawn})))
    low, high = wilson_at(k, reps, quantile(0.95))
    row = {"n": n, "rollouts": len(frame), "power": k / reps, "low": low, "high": high, "reps": reps}
    return row | ({} if cost is None else {"dollars": cost * len(frame)})


def _said(verdict: Any) -> bool:
    """A decision; any number or word would count as one that is true, and the None of a forgotten `return` as one that is not."""
    import numpy as np

    if not isinstance(verdict, bool | np.bool_):
        raise ValueError(f"decide returned {brief(verdict)}: it is True or False, as of a comparison such as p < 0.05")
    return bool(verdict)


def _expected(cells: pd.DataFrame, clusters: tuple[list[str], float], rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """Chances of the cells in one study, or means."""
    from scipy.special import expit, logit

    values: np.ndarray[Any, Any] = cells["mean" if "mean" in cells else "rate"].to_numpy(dtype=float)
    keys, spread = clusters
    if not keys:
        return values
    codes = cells.groupby(keys, dropna=False, observed=True).ngroup().to_numpy()
    shifts = rng.normal(0, spread, codes.max() + 1)[codes]
    shifted: np.ndarray[Any, Any] = values + shifts if "mean" in cells else expit(logit(values) + shifts)
    return shifted


def _checked(cells: pd.DataFrame) -> pd.DataFrame:
    """Cells with their factors, and what is drawn by."""
    import pandas as pd

    drawn = ("mean", "sd") if "mean" in cells.columns else ("rate",)
    for name in drawn:
        if name not in cells.columns:
            raise KeyError(f"cells have no column {name!r}; they have {', '.join(map(str, cells.columns))}")
        if not pd.api.types.is_numeric_dtype(cells[name]):
            raise ValueError(f"{name} is a number in each cell, not {brief([*cells[name]])}")
    if len(drawn) == 2 and "rate" in cells.columns:
        raise ValueError("cells have rate or mean and sd, not both")
    if cells.empty or (drawn == ("rate",) and not cells["rate"].between(0, 1).all()):
        raise ValueError(f"rate is a probability in each cell, not {[*cells['rate']] if 'rate' in cells else []}")
    if len(drawn) == 2 and not (cells["mean"].abs().lt(float("inf")).all() and cells["sd"].between(0, float("inf")).all()):
        raise ValueError("mean and sd are numbers in each cell, and no sd is below 0")
    kept = cells.drop(columns=[name for name in _OF_RATES if name not in drawn and name in cells.columns])
    return kept.reset_index(drop=True)
