"""Means, families of tests, and resampling."""

from __future__ import annotations

import numbers
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ppres import arguments
from ppres.factor import brief
from ppres.stats._frame import arms, check_level, codes_of, columns_of, each, say_pooled

if TYPE_CHECKING:
    import pandas as pd


def means(
    frame: pd.DataFrame,
    factor: str,
    a: Any,
    b: Any,
    by: str | Sequence[str] = (),
    outcome: str = "reported_score",
    level: float = 0.95,
    cluster: str | Sequence[str] = (),
) -> pd.DataFrame:
    """Mean of a number at level `a` of a factor minus its mean at level `b`, for each group of a frame.

    Returns the groups and term, estimate (in the outcome's unit), low, high, p (Welch 1947, t with Satterthwaite's degrees of
    freedom), k (missing: nothing is counted), n, estimator, mean_a, n_a, mean_b, n_b, df. Rows with a missing outcome are left
    out. Interval and p are NaN where a level has fewer than 2 rows or neither varies. With `cluster`, columns whose rows resemble
    each other, the variance is that of the clusters' scores, and df as in `design_effect`. Raises as `differences` does.
    """
    import numpy as np
    import pandas as pd
    from scipy.stats import t

    say_pooled(frame, [factor, *columns_of(frame, by, factor, outcome), *columns_of(frame, cluster)])
    check_level(level)
    if not pd.api.types.is_numeric_dtype(frame[outcome]):
        raise ValueError(f"{outcome!r} has no numbers, but {frame[outcome].dtype}")
    in_a, in_b = arms(frame, factor, a, b)

    def of_group(part: pd.DataFrame) -> pd.DataFrame:
        sides = [part.loc[rows[part.index.to_numpy()], outcome].dropna().astype(float) for rows in (in_a, in_b)]
        x, y = (side.to_numpy() for side in sides)
        mean_a, mean_b = (values.mean() if len(values) else np.nan for values in (x, y))
        # ptp, because rounding gives equal numbers a variance above 0
        errors = np.array([np.ptp(v) and v.var(ddof=1) / len(v) if len(v) > 1 else np.nan for v in (x, y)])
        known = errors.sum() > 0
        df = errors.sum() ** 2 / (errors**2 / (np.array([len(x), len(y)]) - 1)).sum() if known else np.nan
        error, kind = np.sqrt(errors.sum()) if known else np.nan, "Welch"
        if cluster and known:
            error, df, number = _clustered(sides, codes_of(part, cluster))
            kind = f"t, {number} clusters" if df > 0 else f"too few clusters ({number})"
        estimate = mean_a - mean_b
        around = t.ppf((1 + level) / 2, df) * error
        row = {"term": f"{factor}: {a} - {b}", "estimate": estimate, "low": estimate - around, "high": estimate + around}
        row |= {"p": 2 * t.sf(abs(estimate / error), df), "k": np.nan, "n": len(x) + len(y), "estimator": kind}
        return pd.DataFrame([row | {"mean_a": mean_a, "n_a": len(x), "mean_b": mean_b, "n_b": len(y), "df": df}])

    return each(frame.reset_index(drop=True)[in_a | in_b], by, of_group)  # an index may repeat


def _clustered(sides: Sequence[pd.Series[float]], codes: pd.Series[int]) -> tuple[float, float, int]:
    """Standard error of a difference of means by the clusters' scores, degrees of freedom (NaN: too few), number of clusters."""
    import numpy as np

    size = int(codes.max()) + 1
    places = [codes.loc[side.index].to_numpy() for side in sides]
    there = [np.bincount(place, minlength=size) > 0 for place in places]
    a, b = (
        np.bincount(place, weights=(side - side.mean()) / len(side), minlength=size)
        for side, place in zip(sides, places, strict=True)
    )
    number = int((there[0] | there[1]).sum())
    df = number - (1 if (there[0] & there[1]).any() else 2)
    return (float(np.sqrt(number / df * ((a - b) ** 2).sum())), df, number) if df > 0 else (np.nan, np.nan, number)


def holm(frame: pd.DataFrame, by: str | Sequence[str] = (), p: str = "p") -> pd.DataFrame:
    """The frame with a column p_holm: p-values adjusted within each family (Holm 1979).

    `by` names the columns that make a family; without any, all rows are one. A missing p is no test: it stays missing and is
    not counted. Raises `KeyError` for a missing column, `ValueError` for a p outside 0 to 1.
    """
    import numpy as np
    import pandas as pd

    keys = columns_of(frame, by, p)
    try:
        values = frame[p].to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError):
        raise ValueError(f"{p!r} is no column of numbers, as p-values are") from None
    if bad := [value for value in values if not np.isnan(value) and not 0 <= value <= 1]:
        raise ValueError(f"{p!r} has {bad[0]!r}, which is no p-value")
    adjusted = np.full(len(frame), np.nan)
    family = frame.groupby(keys, dropna=False, observed=True).ngroup().to_numpy() if keys else np.zeros(len(frame), dtype=int)
    for name in np.unique(family[~np.isnan(values)]):
        tests = (family == name) & ~np.isnan(values)
        order = np.argsort(values[tests])
        steps = np.maximum.accumulate(values[tests][order] * np.arange(len(order), 0, -1))
        adjusted[np.flatnonzero(tests)[order]] = steps.clip(max=1)
    return frame.assign(p_holm=pd.Series(adjusted, index=frame.index))


def bootstrap(
    frame: pd.DataFrame,
    statistic: Callable[[pd.DataFrame], Any],
    cluster: str | Sequence[str],
    reps: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> pd.DataFrame:
    """Percentile interval of any statistic of a frame, drawing whole clusters with replacement (Efron and Tibshirani 1993, ch. 13).

    `statistic` takes a frame and returns a number, or a Series of numbers by term. `cluster` names the columns whose values make a
    cluster: rows of one are drawn together. The same seed gives the same interval. With few clusters, as with 3 paraphrases, the
    interval is too short; below about 20 prefer `logit(..., cluster=)`.

    Returns a row per term: term, estimate (of the frame itself), low, high, p (missing), k (missing), n (rows), estimator,
    clusters, failed (draws in which the statistic was missing; they are left out). Raises `KeyError` for a missing column,
    `ValueError` for a single cluster, and for `reps` that count nothing.
    """
    import numpy as np
    import pandas as pd

    keys = columns_of(frame, arguments.columns(cluster, "cluster"))
    check_level(level)
    reps, rng = arguments.whole("reps", reps), np.random.default_rng(arguments.seed(seed))
    codes = codes_of(frame, keys).to_numpy()
    order = np.argsort(codes, kind="stable")
    rows = np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)
    if len(rows) < 2:
        raise ValueError(f"{', '.join(keys)} makes {len(rows)} clusters; a bootstrap needs at least 2")

    def of(part: pd.DataFrame) -> pd.Series[float]:
        told = statistic(part)
        if not isinstance(told, pd.Series | numbers.Real):
            raise ValueError(f"statistic returns a number, or a Series of numbers by term, not {brief(told)}")
        return told.astype(float) if isinstance(told, pd.Series) else pd.Series({"statistic": float(told)})

    estimate = of(frame.copy())  # it may change what it is given
    drawn = np.empty((reps, len(estimate)))
    with warnings.catch_warnings():  # once for all draws: whatever else is told is told once, too
        warnings.filterwarnings("ignore", message=".*have the id of another row")  # as what is drawn twice has
        for place in range(reps):
            pick = np.concatenate([rows[i] for i in rng.integers(0, len(rows), len(rows))])
            drawn[place] = of(frame.iloc[pick]).reindex(estimate.index)  # a draw may lack a level
    draws = pd.DataFrame(drawn, columns=estimate.index)
    bounds = draws.quantile([(1 - level) / 2, (1 + level) / 2])
    shape = {"term": estimate.index, "estimate": estimate.array, "low": bounds.iloc[0].array, "high": bounds.iloc[1].array}
    shape |= {"p": np.nan, "k": np.nan, "n": len(frame), "estimator": f"bootstrap by {', '.join(keys)}, percentile, {reps} draws"}
    return pd.DataFrame(shape | {"clusters": len(rows), "failed": draws.isna().sum().to_numpy()})
