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
    low, high = proportion_confint(table["k"].where(known.notna()), known, alpha=1 - level, method="wilson")
    table["low"], table["high"] = low.clip(upper=table["rate"]), high.clip(lower=table["rate"])  # rounding, at k=0 and k=n
    return table


def agreement(frame: pd.DataFrame, a: str, b: str, level: float = 0.95) -> pd.DataFrame:
    """How far two coders of the same rollouts agree beyond chance: one row.

    `a` and `b` are columns with their codes; rows that either left out are excluded and counted. Returns n, excluded, agreement
    (share of equal codes), kappa and its interval low, high at `level` (Cohen 1960; large-sample variance of Fleiss, Cohen and
    Everitt 1969). kappa is NaN where both coders used a single code throughout. `confusion` gives the table behind it.
    """
    import pandas as pd
    from scipy.stats import norm
    from statsmodels.stats.inter_rater import cohens_kappa

    table = confusion(frame, a, b)
    n = int(table.to_numpy().sum())
    row = {"n": n, "excluded": len(frame) - n, "agreement": table.to_numpy().trace() / n if n else float("nan")}
    if len(table) < 2:
        return pd.DataFrame([row | dict.fromkeys(("kappa", "low", "high"), float("nan"))])
    found = cohens_kappa(table.to_numpy())
    around = norm.ppf((1 + level) / 2) * found.std_kappa
    return pd.DataFrame([row | {"kappa": found.kappa, "low": found.kappa - around, "high": found.kappa + around}])


def confusion(frame: pd.DataFrame, a: str, b: str) -> pd.DataFrame:
    """Counts of each pair of codes: rows are the codes of `a`, columns those of `b`, both with every code that occurs."""
    import pandas as pd

    for name in (a, b):
        if name not in frame.columns:
            raise KeyError(f"the frame has no column {name!r}; it has {', '.join(frame.columns)}")
    known = frame[[a, b]].dropna()
    codes = sorted(set(known[a]) | set(known[b]))
    return pd.crosstab(known[a], known[b]).reindex(index=codes, columns=codes, fill_value=0)
