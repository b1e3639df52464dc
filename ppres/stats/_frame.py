"""What every statistic asks of a frame, and how it goes through groups."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ppres import arguments
from ppres.factor import brief

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Rows = NDArray[np.bool_]


class NoOutcome(ValueError):
    """No row has a known outcome."""


def columns_of(frame: pd.DataFrame, by: str | Sequence[str], *others: str) -> list[str]:
    """`by` as a list; `KeyError` where the frame lacks one of these columns."""
    arguments.rows(frame)
    keys = arguments.several(by, "by= or cluster", arguments.COLUMNS, (str, int))
    for name in (*keys, *others):
        if not isinstance(name, str | int):
            raise ValueError(f"{brief(name)} is no name of a column")
        if name not in frame.columns:
            raise KeyError(f"the frame has no column {name!r}; it has {', '.join(map(str, frame.columns))}")
        if name in frame.index.names:
            raise ValueError(f"{name!r} is a level of the frame's index as well: frame.reset_index(drop=True)")
        if keys.count(name) > 1:
            raise ValueError(f"by= or cluster= names the column {name!r} more than once")
    for name in (*keys, *others, "id"):
        if [*frame.columns].count(name) > 1:
            raise ValueError(f"the frame has the column {name!r} more than once: frame.loc[:, ~frame.columns.duplicated()]")
    for name in keys:
        check_values(frame[name])
    if "stopping" in frame.columns and frame["stopping"].notna().any():
        rules = ", ".join(map(str, frame["stopping"].dropna().unique()))
        text = f"how many of these rollouts there are was decided by their outcomes ({rules}): intervals and tests for a fixed n do"
        warnings.warn(f"{text} not hold, and stats.sequence has those that do", stacklevel=3)
    return keys


def check_values(column: pd.Series[Any]) -> None:
    """`ValueError` for a column whose values cannot be told apart by equality, such as lists."""
    if column.dtype == object and (kinds := {kind for kind in map(type, column) if getattr(kind, "__hash__", None) is None}):
        told = f"{column.name!r} has a {kinds.pop().__name__} in some rows, by which nothing can be grouped"
        raise ValueError(f"{told}: make it a text, frame.assign({column.name}=frame[{column.name!r}].astype(str))")


def say_pooled(frame: pd.DataFrame, names: Iterable[str]) -> None:
    """Warn where rows are counted together that differ in kind or edit (a branch has its parent's condition) or are one rollout."""
    used = {*names}
    pooled = [name for name in ("kind", "edit") if name in frame.columns and name not in used and frame[name].nunique() > 1]
    if pooled:
        several = " and ".join(f"{name}s" for name in pooled)
        text = f"rows of several {several} are counted together, though a branch has the condition columns of its parent"
        warnings.warn(f"{text}: take those of one, or group by {pooled[-1]!r}", stacklevel=4)
    say_repeated(frame, used)


def say_repeated(frame: pd.DataFrame, names: Iterable[str]) -> None:
    """Warn where a rollout stands in several rows that are counted together."""
    if "id" in frame.columns and not frame["id"].is_unique:
        apart = ["id", *(name for name in {*names} - {"id"} if name in frame.columns)]
        if again := int(frame.loc[frame["id"].notna(), apart].duplicated().sum()):
            text = f"{again} rows have the id of another row that is counted with them, as if there were so many rollouts more"
            warnings.warn(f"{text}: frame.drop_duplicates('id'), or group by what tells them apart", stacklevel=4)


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


def outcomes(frame: pd.DataFrame, outcome: str) -> tuple[Rows, Rows]:
    """Which rows have a true outcome, and which a known one. `ValueError` for one that is not true, false or missing."""
    import pandas as pd

    values = frame[outcome]
    known = values.notna().to_numpy(dtype=bool)
    if values.dtype == bool or isinstance(values.dtype, pd.BooleanDtype):
        return values.fillna(False).to_numpy(dtype=bool), known
    if not values.dropna().isin([True, False]).all():
        raise ValueError(
            f"{outcome!r} is not true, false or missing; rates count those. "
            f"Codes come into that form by frame[{outcome!r}].map({{'yes': True, 'no': False}})"
        )
    return values.astype(object).eq(True).fillna(False).to_numpy(dtype=bool), known


def codes_of(frame: pd.DataFrame, cluster: str | Sequence[str]) -> pd.Series[int]:
    """The number of each row's cluster; several columns make one cluster of each combination, missing values are values."""
    return frame.groupby(columns_of(frame, cluster), dropna=False, sort=False, observed=True).ngroup()


def by_cluster(true: Rows, known: Rows, arms: Sequence[Rows], codes: Any) -> tuple[Any, Any]:
    """k and n of each arm in each cluster (arms x clusters), of rows."""
    import numpy as np

    size = 1 + int(codes.max())
    told = [[np.bincount(codes[arm & rows], minlength=size) for arm in arms] for rows in (true, known)]
    return np.array(told[0], dtype=float), np.array(told[1], dtype=float)


def summed(frame: pd.DataFrame, keys: list[str], numbers: Mapping[str, Any]) -> pd.DataFrame:
    """Sums of `numbers`, of rows, for each group of a frame, in the order of first appearance; missing keys are a group."""
    import numpy as np
    import pandas as pd

    if not keys:
        return pd.DataFrame({name: [int(values.sum())] for name, values in numbers.items()})
    codes = frame.groupby(keys, dropna=False, sort=False, observed=True).ngroup().to_numpy()
    size = 1 + int(codes.max(initial=-1))
    first = frame[keys].iloc[np.unique(codes, return_index=True)[1]].reset_index(drop=True)
    sums = {name: np.bincount(codes, weights=values, minlength=size).astype(int) for name, values in numbers.items()}
    return pd.DataFrame({name: first[name] for name in keys} | sums)


def at_level(frame: pd.DataFrame, factor: str, level: Any) -> Rows:
    """Which rows have this level of a factor; None stands for a missing value."""
    import pandas as pd

    if pd.api.types.is_list_like(level):
        raise ValueError(f"{factor}={brief(level)} is no level: it is one value of the column, or None for a missing one")
    rows = frame[factor].isna() if pd.isna(level) else frame[factor] == level
    return rows.to_numpy() if rows.dtype == bool else rows.fillna(False).to_numpy(dtype=bool)


def arms(frame: pd.DataFrame, factor: str, a: Any, b: Any) -> tuple[Rows, Rows]:
    """Which rows have level `a` of a factor, and which `b`; None stands for a missing value.

    `ValueError` where a level does not occur, or both are the same.
    """
    import pandas as pd

    sides = []
    for level in (a, b):
        rows = at_level(frame, factor, level)
        if not rows.any():
            levels = ", ".join(repr(None if pd.isna(level) else level) for level in frame[factor].astype(object).unique())
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
