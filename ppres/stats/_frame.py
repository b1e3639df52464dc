"""What every statistic asks of a frame, and how it goes through groups."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ppres import arguments
from ppres.factor import brief

if TYPE_CHECKING:
    import pandas as pd


class NoOutcome(ValueError):
    """No row has a known outcome."""


def columns_of(frame: pd.DataFrame, by: str | Sequence[str], *others: str) -> list[str]:
    """`by` as a list; `KeyError` where the frame lacks one of these columns."""
    arguments.rows(frame)
    keys = arguments.several(by, "by", arguments.COLUMNS, (str, int))
    for name in (*keys, *others):
        if not isinstance(name, str | int):
            raise ValueError(f"{brief(name)} is no name of a column")
        if name not in frame.columns:
            raise KeyError(f"the frame has no column {name!r}; it has {', '.join(map(str, frame.columns))}")
    if "stopping" in frame.columns and frame["stopping"].notna().any():
        rules = ", ".join(map(str, frame["stopping"].dropna().unique()))
        text = f"how many of these rollouts there are was decided by their outcomes ({rules}): intervals and tests for a fixed n do"
        warnings.warn(f"{text} not hold, and stats.sequence has those that do", stacklevel=3)
    return keys


def check_names(keys: list[str], columns: Iterable[str]) -> None:
    """`ValueError` for a column to group by that is called as a column of the result."""
    if taken := [name for name in columns if name in keys]:
        names = ", ".join(map(repr, taken))
        raise ValueError(
            f"by= has {names}, which the result has of its own ({', '.join(columns)}): rename it, frame.rename(columns=…)"
        )


def check_level(level: float) -> None:
    """`ValueError` for a confidence level that is not between 0 and 1."""
    arguments.between("level", level, 0, 1)


def counts(frame: pd.DataFrame, outcome: str) -> pd.DataFrame:
    """k (1 where the outcome is true), n (1 where it is known) and excluded (1 where it is missing), row by row."""
    import pandas as pd

    values = frame[outcome]
    if not values.dropna().isin([True, False]).all():
        raise ValueError(f"{outcome!r} is not true, false or missing; rates count those")
    known = values.notna().astype(int)
    k = values.astype(object).eq(True).fillna(False).astype(int)
    return pd.DataFrame({"k": k, "n": known, "excluded": 1 - known}, index=frame.index)


def codes_of(frame: pd.DataFrame, cluster: str | Sequence[str]) -> pd.Series[int]:
    """The number of each row's cluster; several columns make one cluster of each combination, missing values are values."""
    return frame.groupby(columns_of(frame, cluster), dropna=False, sort=False, observed=True).ngroup()


def by_cluster(arms: Sequence[pd.DataFrame], codes: Sequence[pd.Series[int]]) -> tuple[Any, Any]:
    """k and n of each arm in each cluster (arms x clusters), of counts row by row."""
    import numpy as np

    size = 1 + max(int(code.max()) for code in codes)
    told = [
        [np.bincount(code, weights=arm[name], minlength=size) for arm, code in zip(arms, codes, strict=True)] for name in ("k", "n")
    ]
    return np.array(told[0]), np.array(told[1])


def summed(frame: pd.DataFrame, keys: list[str], numbers: pd.DataFrame) -> pd.DataFrame:
    """Sums of `numbers` for each group of a frame's rows, in the order of first appearance; missing keys are a group."""
    import pandas as pd

    if not keys:
        return numbers.sum().to_frame().T
    together = pd.concat([frame[keys], numbers], axis=1)
    return together.groupby(keys, dropna=False, sort=False, observed=True).sum().reset_index()


def at_level(frame: pd.DataFrame, factor: str, level: Any) -> pd.Series[bool]:
    """Which rows have this level of a factor; None stands for a missing value."""
    import pandas as pd

    return frame[factor].isna() if pd.isna(level) else (frame[factor] == level).fillna(False).astype(bool)


def arms(frame: pd.DataFrame, factor: str, a: Any, b: Any) -> tuple[pd.Series[bool], pd.Series[bool]]:
    """Which rows have level `a` of a factor, and which `b`; None stands for a missing value.

    `ValueError` where a level does not occur, or both are the same.
    """
    import pandas as pd

    sides = []
    for level in (a, b):
        rows = at_level(frame, factor, level)
        if not rows.any():
            levels = ", ".join(repr(None if pd.isna(level) else level) for level in frame[factor].unique())
            raise ValueError(f"no row has {factor}={level!r}; its levels are {levels or 'none: the frame is empty'}")
        sides.append(rows)
    if (sides[0] & sides[1]).any():
        raise ValueError(f"{a!r} and {b!r} are the same level of {factor}")
    return sides[0], sides[1]


def each(frame: pd.DataFrame, by: str | Sequence[str], function: Callable[[pd.DataFrame], pd.DataFrame]) -> pd.DataFrame:
    """The tables that `function` makes of each group, one below the other, behind the group's columns."""
    import pandas as pd

    keys = columns_of(frame, by)
    if not keys:
        return function(frame)
    groups, tables, unknown = [], [], None
    for values, part in frame.groupby(keys, dropna=False, sort=False, observed=True):
        try:
            table = function(part)
        except NoOutcome as error:
            table, unknown = pd.DataFrame([{"k": 0, "n": 0, "estimator": "no outcome known", "excluded": len(part)}]), error
        except ValueError as error:
            error.add_note(f"in the group {dict(zip(keys, values, strict=True))}")
            raise
        check_names(keys, table.columns)
        groups.append(part[keys].iloc[[0] * len(table)])  # keeps the columns' types
        tables.append(table)
    if not tables:
        raise ValueError("the frame is empty")
    fullest = max(tables, key=lambda table: len(table.columns))
    if unknown and "term" not in fullest:
        raise unknown
    below = pd.concat(tables, ignore_index=True)[fullest.columns]
    return pd.concat([pd.concat(groups, ignore_index=True), below], axis=1)
