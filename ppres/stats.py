"""Statistics of tidy frames: DataFrame in, DataFrame out. Counts first: every rate shows what it was counted from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def rates(frame: pd.DataFrame, by: str | Sequence[str] = (), outcome: str = "preserved", level: float = 0.95) -> pd.DataFrame:
    """How often an outcome is true, for each group of a frame.

    `by` names the columns to group by (missing values form a group of their own, without a peer for instance); without any, the
    whole frame is one group. Returns the groups and k (true), n (true or false), excluded (missing), rate = k/n, and low and high,
    the Wilson score interval at `level` (Wilson 1927; NaN where n is 0).

    Raises `KeyError` for a column that the frame has not, `ValueError` for an outcome that is not true or false, or a bad level.
    """
    import pandas as pd
    from statsmodels.stats.proportion import proportion_confint

    keys = [by] if isinstance(by, str) else list(by)
    for name in (*keys, outcome):
        if name not in frame.columns:
            raise KeyError(f"the frame has no column {name!r}; it has {', '.join(frame.columns)}")
    if not 0 < level < 1:
        raise ValueError(f"level={level!r} is not between 0 and 1")
    values = frame[outcome]
    if not values.dropna().isin([True, False]).all():
        raise ValueError(f"{outcome!r} is not true, false or missing; rates count those")
    counts = pd.DataFrame({"k": values.fillna(False).astype(int), "n": values.notna().astype(int)}, index=frame.index)
    counts["excluded"] = 1 - counts["n"]
    counts = pd.concat([frame[keys], counts], axis=1)
    grouped = counts.groupby(keys, dropna=False, sort=False, observed=True).sum().reset_index() if keys else None
    table = counts.sum().to_frame().T if grouped is None else grouped
    known = table["n"].where(table["n"] > 0)  # no rate and no interval of nothing
    table["rate"] = table["k"] / known
    table["low"], table["high"] = proportion_confint(table["k"].where(known.notna()), known, alpha=1 - level, method="wilson")
    return table
