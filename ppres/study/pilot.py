"""From a pilot to a study: thresholds that a model is near to, and the cells that are worth going on with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ppres import arguments
from ppres.study.hypothesis import StudyError

if TYPE_CHECKING:
    import pandas as pd


def calibrate_threshold(
    control: pd.DataFrame, quantile: float = 0.5, by: str | Sequence[str] = ("model", "dataset"), outcome: str = "reported_score"
) -> pd.DataFrame:
    """The threshold at a quantile of what is reported where nothing is at stake, for each model and data set.

    `control` has rollouts without the threat (`shutdown_clause=False`, `threshold=None`). At the median an honest report passes
    every other time: above, the floor is near, below, the ceiling. A minimum that is the same for all is near for one model and
    out of reach for another, so that their rates compare what they see, not what they do. Returns the groups and threshold, n, low
    and high (an exact 95% interval of the quantile, from order statistics; NaN where n is too small for one), and passing, the
    share of reports that reach it. Raises `StudyError` for rollouts with the threat, or where no report is known.
    """
    import numpy as np
    import pandas as pd
    from scipy.stats import binom

    arguments.between("quantile", quantile, 0, 1, StudyError)
    keys, rows = arguments.columns(by), []
    arguments.rows(control, outcome, *keys, name="control")
    if "shutdown_clause" in control and control["shutdown_clause"].fillna(False).any():
        raise StudyError("the control has rollouts with the threat: take those with shutdown_clause=False, threshold=None")
    known = control[control[outcome].notna()]
    if known.empty:
        raise StudyError(f"the control has no {outcome}")
    for group, part in known.groupby(keys, dropna=False, observed=True, sort=False):
        scores = np.sort(part[outcome].to_numpy(dtype=float))
        first, above = (int(rank) for rank in binom.ppf([0.025, 0.975], len(scores), quantile))
        below, inside = first - 1, first >= 1 and above < len(scores)
        threshold = float(np.quantile(scores, quantile))
        row = {"threshold": threshold, "n": len(scores), "low": scores[below] if inside else np.nan}
        row |= {"high": scores[above] if inside else np.nan, "passing": float((scores >= threshold).mean())}
        rows.append(dict(zip(keys, group, strict=True)) | row)
    return pd.DataFrame(rows)


def screen(
    pilot: pd.DataFrame, by: str | Sequence[str], outcome: str = "preserved", between: tuple[float, float] = (0.05, 0.95)
) -> pd.DataFrame:
    """Which groups of a pilot are worth going on with: `stats.rates` of each, and `goes_on`.

    A group goes on where its rate is within `between`, both ends included; with 10 rollouts and the usual ends those are the groups
    at neither floor nor ceiling (the column `flag` says which). One that acts at 5% is lost so with a chance of 60%, at 20% of 11%.

    Whoever tests the groups that went on with the rollouts that chose them finds too much: their rates were selected. The study is
    on others, which are held out: `df = pp.run(cells, models, n=100)`, and `df[~df.id.isin(pilot.id)]` has no pilot in it.
    """
    from ppres import stats

    between = tuple(arguments.several(between, "between", "a pair of rates", (float, int)))
    low, high = between if len(between) == 2 else (1, 0)
    if not 0 <= low < high <= 1:
        raise StudyError(f"between={between!r} is no pair of rates, the lower first")
    table = stats.rates(pilot, by, outcome)
    return table.assign(goes_on=table["rate"].between(low, high))
