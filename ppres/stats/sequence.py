"""Intervals that may be looked at after every rollout: when to stop, without paying for having looked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ppres import arguments
from ppres.stats._frame import NoOutcome, check_level, columns_of, each, outcomes, say_pooled
from ppres.stats._interval import check_margin, verdict
from ppres.stats.contrasts import checked_cells, rows_of_cell

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Whole = NDArray[np.intp]

# Shares of what the bound allows to stake, each with a 24th of the capital: uniform, as tight as Robbins' mixture for a rate and as
# Turner, Ly and Grünwald's test for two; the last four are for thousands of rollouts.
_BETS = tuple((i + 0.5) / 20 for i in range(20)) + tuple(0.0125 / 2**i for i in range(4))
_TOGETHER = 500  # looks whose bounds are found at once


def sequence(
    frame: pd.DataFrame,
    by: str | Sequence[str] = (),
    outcome: str = "preserved",
    *,
    factors: str | Sequence[str] = (),
    weights: Mapping[str, Mapping[Any, float]] | None = None,
    level: float = 0.95,
    margin: float | None = None,
    order: str | None = "replicate",
) -> pd.DataFrame:
    """Rates as they came in, with intervals that hold at all looks together: stop when one is narrow enough or without 0.

    A row for each look of each group, which is after each round (value of `order`, by which rows are sorted; None takes each row as
    it stands). With `weights`, contrasts of cells as in `contrasts`, else the rate of each group. Returns the groups and term,
    look, estimate, low, high (they miss the truth at any look of a study with a chance of at most 1 - `level`, and never widen), p
    (of contrasts: "it is 0", valid whenever it is read), k and n so far, estimator, excluded. With `margin` also low_equivalence,
    high_equivalence and verdict, as in `differences`, which may be read after every look as well.

    The intervals are by betting (Waudby-Smith and Ramdas 2023, JRSS B 86:1): a value is excluded once bets against it have made 1
    into 2 / (1 - `level`), which has that chance at most (Ville 1939). Contrasts bet on blocks, the j-th known outcome of each
    cell; outcomes without a partner yet wait. A group of several cells is about their average, which needs whole rounds. Of
    10,000 simulated studies of each of ten sets of rates, with 300 looks, at most 2.9% missed the truth at any look.

    At the end of a fixed n these are wider than those of `rates` and `contrasts`: that is the price of looking. The latter do not
    hold where their own result decided when to stop.

    Raises `KeyError` for a missing column, `ValueError` as `contrasts` does.
    """
    import pandas as pd

    names = arguments.several(factors, "factors", arguments.COLUMNS)
    frame = arguments.rows(frame).drop(columns="stopping", errors="ignore")  # a rule that stopped them is no matter here
    say_pooled(frame, [*names, *columns_of(frame, by, outcome, *names, *([] if order is None else [order]))])
    check_level(level)
    check_margin(margin)
    if bool(names) != bool(weights):
        raise ValueError("factors and weights go together, as in contrasts: factors='peer', weights={'effect': {'a': 1, 'b': -1}}")
    cells = checked_cells(frame, names, weights)[0] if weights else {outcome: {(): 1.0}}

    def of_group(part: pd.DataFrame) -> pd.DataFrame:
        tables, known = [], part[part[outcome].notna()]
        for name, told in cells.items():
            arms = [known[rows_of_cell(known, names, cell)] for cell in told]
            tables.append(_looks(name, arms, [*told.values()], outcome, level, margin, order))
        tables.sort(key=lambda table: table["n"].eq(0).all())  # the columns are those of the first
        if not tables[0]["n"].any():
            raise NoOutcome("no row has a known outcome, or no contrast has one in all its cells")
        table = pd.concat(tables, ignore_index=True).assign(excluded=int((~outcomes(part, outcome)[1]).sum()))
        return table if weights else table.assign(p=math.nan)

    if order is not None and (frame[order].isna().any() or not (_in_order(frame[order]))):
        raise ValueError(
            f"{order!r} gives rows no order: it has numbers or times, none missing; order=None takes rows as they stand"
        )
    ordered = frame if order is None else frame.sort_values(order, kind="stable")
    return each(ordered.reset_index(drop=True), by, of_group)


def _in_order(values: pd.Series[Any]) -> bool:
    """Whether they sort as what they mean: numbers that are written as texts do not."""
    import pandas as pd

    if not pd.api.types.is_object_dtype(values) and not pd.api.types.is_string_dtype(values):
        return True
    texts = values.map(lambda value: isinstance(value, str))
    return bool(texts.all() and pd.to_numeric(values, errors="coerce").isna().any())


def _looks(
    name: str, arms: list[pd.DataFrame], weights: list[float], outcome: str, level: float, margin: float | None, order: str | None
) -> pd.DataFrame:
    """Rows of one rate or contrast; one without numbers where an arm has no outcome."""
    import numpy as np
    import pandas as pd

    blocks = min(map(len, arms))
    if blocks == 0:
        nothing = dict.fromkeys(("estimate", "low", "high", "p"), math.nan) | {"k": 0, "n": 0}
        return pd.DataFrame([{"term": name, "look": 0} | nothing | {"estimator": "a cell has no known outcome"}])
    true = np.array([arm[outcome].astype(float).to_numpy()[:blocks] for arm in arms])
    ends = np.arange(blocks)
    if order is not None:
        when = np.max([arm[order].to_numpy()[:blocks] for arm in arms], axis=0)
        ends = np.flatnonzero(np.append(when[1:] != when[:-1], True))
    columns = anytime(true, weights, ends, level, margin)
    return pd.DataFrame({"term": name, "look": range(1, len(ends) + 1)} | columns | {"estimator": "betting"})


def anytime(true: Array, weights: Sequence[float], ends: Whole, level: float, margin: float | None = None) -> dict[str, Any]:
    """Columns of `sequence`, from outcomes (arms x blocks, 0 or 1), the arms' weights, and the last block of each look."""
    import numpy as np

    values = np.round(np.asarray(weights, dtype=float) @ true, 12)
    lowest, highest = (float(sum(end(0.0, weight) for weight in weights)) for end in (min, max))

    def bounds(error: float) -> tuple[Array, Array]:
        return lower(values, ends, lowest, error), -lower(-values, ends, -highest, error)

    low, high = bounds((1 - level) / 2)
    if (low > high).any():  # the truth was missed, or the rate has changed: the last interval that was one
        first = int(np.argmax(low > high))
        low[first:], high[first:] = low[first - 1], high[first - 1]
    p: Any = math.nan
    if lowest < 0 < highest:
        sides = [
            _log_capital(*_counted(sign * values, ends), np.zeros(len(ends)), end) for sign, end in ((1, lowest), (-1, -highest))
        ]
        p = np.minimum(1, 2 * np.exp(-np.maximum.accumulate(np.maximum(*sides))))
    columns: dict[str, Any] = {"estimate": np.cumsum(values)[ends] / (ends + 1), "low": low, "high": high, "p": p}
    columns |= {"k": np.cumsum(true.sum(axis=0))[ends].astype(int), "n": (ends + 1) * len(true)}
    if margin is None:
        return columns
    inner = bounds(1 - level)
    told = [verdict(*both, margin) for both in zip(*inner, low, high, strict=True)]
    return columns | {"margin": margin, "low_equivalence": inner[0], "high_equivalence": inner[1], "verdict": told}


def lower(values: Array, ends: Whole, lowest: float, error: float) -> Array:
    """The highest lower bound of a mean so far, which ever exceeds it with a chance of at most `error`.

    The capital that is bet on "the mean is higher" falls in the mean that is bet against, so the bound is found by halving.
    """
    import numpy as np

    told, counts_of = _counted(values, ends)
    found, best = np.full(len(ends), lowest), lowest
    for first in range(0, len(ends), _TOGETHER):
        looks = np.arange(first, min(first + _TOGETHER, len(ends)))
        # It never falls: where bets against the best so far have not sufficed, it is not higher.
        higher = looks[_log_capital(told, counts_of[looks], np.full(len(looks), best), lowest) >= -math.log(error)]
        counts = counts_of[higher]
        inside, outside = counts @ told / (ends[higher] + 1), np.full(len(higher), lowest)
        for _ in range(32):
            middle = (inside + outside) / 2
            beaten = _log_capital(told, counts, middle, lowest) >= -math.log(error)
            inside, outside = np.where(beaten, inside, middle), np.where(beaten, middle, outside)
        found[higher] = outside
        best = found[looks].max(initial=best)
    return np.asarray(np.maximum.accumulate(found))


def _counted(values: Array, ends: Whole) -> tuple[Array, Whole]:
    """The values that occur, and how often each has at each look (looks x values)."""
    import numpy as np

    told, place = np.unique(values, return_inverse=True)
    return told, np.cumsum(place[:, None] == np.arange(len(told)), axis=0)[ends]


def _log_capital(told: Array, counts_of: Whole, mean: Array, lowest: float) -> Array:
    """Log of what 1 has become at each look, by bets that the values, none below `lowest`, have a higher mean than this."""
    import numpy as np

    bets = np.array(_BETS)
    won = 1 + bets * ((told - lowest) / np.maximum(mean - lowest, 1e-300)[:, None] - 1)[..., None]  # looks x values x bets
    return np.asarray(np.logaddexp.reduce(np.einsum("nv,nvb->nb", counts_of, np.log(won)), axis=1) - math.log(len(bets)))
