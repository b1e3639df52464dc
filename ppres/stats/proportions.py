"""Rates and how two of them differ. Counts first: every rate shows k and n."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from ppres import arguments
from ppres.stats._frame import arms, by_cluster, check_level, check_names, codes_of, columns_of, outcomes, say_pooled, summed
from ppres.stats._interval import check_margin, clustered, equivalence, mover, quantile, wilson_at
from ppres.stats.contrasts import contrasts

if TYPE_CHECKING:
    import pandas as pd

    from ppres.stats._frame import Rows

EXACT_UP_TO = 100  # rollouts in both arms: Boschloo's test takes 0.1 s there, and 1 s at 300


def rates(
    frame: pd.DataFrame,
    by: str | Sequence[str] = (),
    outcome: str = "preserved",
    level: float = 0.95,
    cluster: str | Sequence[str] = (),
) -> pd.DataFrame:
    """How often an outcome is true, for each group of a frame.

    `by` names the columns to group by (missing values form a group of their own); without any, the whole frame is one group.
    Returns the groups and k (true), n (true or false), excluded (missing), rate = k/n, and low and high,
    the Wilson score interval at `level` (Wilson 1927; NaN where n is 0), and flag: "floor" where k is 0, "ceiling" where it is n.

    `cluster` names columns (wording, condition) whose rollouts resemble each other: the interval is then Wilson's of as many fewer
    rollouts as the clusters say, with quantiles of t (see `clustered`), NaN of a single one; columns clusters and design_effect.
    At floor and ceiling, and where the rarer outcome is in fewer than 6 clusters and fewer than a third (flag "few
    clusters"), outcomes do not tell how alike a cluster's rollouts are, and a correlation of at least 0.3 is assumed.

    Raises `KeyError` for a column that the frame has not, `ValueError` for an outcome that is not true or false, a bad level, or a
    column to group by that is called as one of the result.
    """
    import numpy as np

    keys = columns_of(frame, by, outcome, *columns_of(frame, cluster))
    say_pooled(frame, keys)
    check_level(level)
    check_names(keys, ("k", "n", "excluded", "rate", "low", "high", "flag", *(("clusters", "design_effect") if cluster else ())))
    true, known_rows = outcomes(frame, outcome)
    table = summed(frame, keys, {"k": true, "n": known_rows, "excluded": ~known_rows})
    k, n = table["k"].to_numpy(dtype=float), table["n"].to_numpy(dtype=float)
    n[n == 0] = np.nan  # no rate and no interval of nothing
    rate, (low, high) = k / n, wilson_at(k, n, quantile(level))
    table["rate"], table["low"], table["high"] = rate, np.minimum(low, rate), np.maximum(high, rate)  # rounding, at k=0 and k=n
    table["flag"] = np.select([rate == 0, rate == 1], ["floor", "ceiling"], "")
    return _by_clusters(table, frame, keys, cluster, outcome, level) if cluster else table


def _by_clusters(
    table: pd.DataFrame, frame: pd.DataFrame, keys: list[str], cluster: str | Sequence[str], outcome: str, level: float
) -> pd.DataFrame:
    """The table of `rates` with the intervals that clusters give."""
    import numpy as np

    true, known = outcomes(frame, outcome)
    codes = codes_of(frame, cluster).to_numpy()
    groups = frame.groupby(keys, dropna=False, sort=False, observed=True).ngroup().to_numpy() if keys else np.zeros(len(frame), int)
    rows, z = [], quantile(level)
    order = np.argsort(groups, kind="stable")  # the rows of each group, so that not all are gone through for each
    for part in np.split(order, np.cumsum(np.bincount(groups, minlength=len(table)))[:-1])[: len(table)]:
        own = part[known[part]]
        if not own.size:
            rows.append((np.nan, np.nan, 0, np.nan, False))
            continue
        there, of = np.unique(codes[own], return_inverse=True)
        interval, effect, few = clustered((1.0,), *by_cluster(true[own], known[own], [np.full(own.size, True)], of))
        rows.append((*interval(z), len(there), effect, few))
    low, high, clusters, effects, assumed = zip(*rows, strict=True) if rows else ((), (), (), (), ())
    flag = table["flag"].mask((table["flag"] == "") & np.array(assumed, dtype=bool), "few clusters")
    return table.assign(low=low, high=high, flag=flag, clusters=clusters, design_effect=effects)


def differences(
    frame: pd.DataFrame,
    factor: str,
    a: Any,
    b: Any,
    by: str | Sequence[str] = (),
    outcome: str = "preserved",
    level: float = 0.95,
    margin: float | None = None,
    cluster: str | Sequence[str] = (),
) -> pd.DataFrame:
    """Rate at level `a` of a factor minus the rate at level `b`, for each group of a frame.

    `a` or `b` may be None for rows in which the factor is missing; no peer is a level, "none". Returns the groups and term,
    estimate (a difference of proportions, -1 to 1), low, high (Newcombe 1998, Statistics in Medicine 17:873, method 10: hybrid
    score), p, k and n of both levels together, estimator, k_a, n_a, k_b, n_b. p is Boschloo's exact test (1970) for up to
    `EXACT_UP_TO` rollouts, Fisher's beyond; the estimator says which. Rollouts are taken as independent, unless `cluster` names the
    columns in which they resemble each other: interval, p and further columns are then those of `contrasts`. Where a level has no
    known outcome, all is NaN.

    Interval and test are different methods, and near 5% they can disagree: an interval without 0 beside p = 0.06, or the reverse.
    At `EXACT_UP_TO` the test itself changes, and Fisher's is the more conservative: one rollout more may raise p. Do not choose
    between them by their results.

    `margin`, the largest difference that is as good as none, adds its test and a verdict, so that "no effect" can be found: columns
    low_equivalence, high_equivalence, p_equivalence, verdict (two one-sided tests, Schuirmann 1987, by Newcombe's interval with
    continuity correction, method 11, at 2 × `level` − 1). verdict is "equivalent" where all of that interval is within ±margin,
    else "different" where low to high is without 0, else "undecided".

    Raises `KeyError` for a missing column, `ValueError` for an outcome that is not true or false, a level that does not occur, a
    bad margin, or a column to group by that is called as one of the result.
    """
    check_level(level)
    check_margin(margin)
    if arguments.several(cluster, "cluster", arguments.COLUMNS, (str, int)):
        return _clustered(frame, factor, (a, b), by, outcome, level, margin, cluster)
    z = quantile(level)

    def newcombe(k_a: int, n_a: int, k_b: int, n_b: int) -> tuple[float, float, float]:
        return k_a / n_a - k_b / n_b, *mover((1, -1), (k_a, k_b), (n_a, n_b), z)

    def tested(k_a: int, n_a: int, k_b: int, n_b: int) -> dict[str, Any]:
        estimate = k_a / n_a - k_b / n_b if n_a and n_b else math.nan
        return equivalence(partial(mover, (1, -1), (k_a, k_b), (n_a, n_b)), estimate, level, margin) if margin is not None else {}

    return _compared(frame, factor, (a, b), by, outcome, level, (f"{factor}: {a} - {b}", "Newcombe", newcombe, tested))


def _clustered(frame: pd.DataFrame, factor: str, pair: tuple[Any, Any], by: Any, outcome: str, *options: Any) -> pd.DataFrame:
    """`contrasts` of two levels in the shape of `differences`."""
    keys = columns_of(frame, by, factor, outcome)
    in_a, in_b = arms(frame, factor, *pair)
    part, (true, known) = frame[in_a | in_b], outcomes(frame, outcome)
    weights = {f"{factor}: {pair[0]} - {pair[1]}": dict(zip(pair, (1, -1), strict=True))}
    level, margin, cluster = options
    table = contrasts(part, factor, weights, by, outcome, level, margin, cluster)
    wide = _wide(true, known, in_a, in_b)
    return table.assign(**summed(part, keys, wide)[[*wide]])  # in the same order of groups


def _wide(true: Rows, known: Rows, in_a: Rows, in_b: Rows) -> dict[str, Rows]:
    """k and n of both arms, of the rows of either."""
    pairs = {"k_a": in_a & true, "n_a": in_a & known, "k_b": in_b & true, "n_b": in_b & known}
    return {name: rows[in_a | in_b] for name, rows in pairs.items()}


def risk_ratios(
    frame: pd.DataFrame,
    factor: str,
    a: Any,
    b: Any,
    by: str | Sequence[str] = (),
    outcome: str = "preserved",
    level: float = 0.95,
) -> pd.DataFrame:
    """Rate at level `a` of a factor divided by the rate at level `b`, for each group of a frame.

    As `differences`, but estimate is a ratio (0 to infinity; NaN for 0/0) and low, high are Koopman's score interval (1984,
    Biometrics 40:513). Where a level is at the floor, a bound is 0 or infinite, as it should be. The test is that of
    `differences`, of the same hypothesis but not the same method as the interval, and may disagree with it likewise.
    """

    def score(k_a: int, n_a: int, k_b: int, n_b: int) -> tuple[float, float, float]:
        return koopman(k_a, n_a, k_b, n_b, quantile(level))

    return _compared(frame, factor, (a, b), by, outcome, level, (f"{factor}: {a} / {b}", "Koopman", score))


def _compared(
    frame: pd.DataFrame, factor: str, pair: tuple[Any, Any], by: str | Sequence[str], outcome: str, level: float, how: Any
) -> pd.DataFrame:
    import pandas as pd

    keys = columns_of(frame, by, factor, outcome)
    say_pooled(frame, [*keys, factor])
    check_level(level)
    names, arm_names = ["term", "estimate", "low", "high", "p", "k", "n", "estimator"], ["k_a", "n_a", "k_b", "n_b"]
    check_names(keys, [*names, *arm_names])
    term, name, interval, *more = how
    in_a, in_b = arms(frame, factor, *pair)
    table = summed(frame[in_a | in_b], keys, _wide(*outcomes(frame, outcome), in_a, in_b))
    rows = []
    for k_a, n_a, k_b, n_b in table[arm_names].to_numpy().tolist():
        nothing = not n_a or not n_b
        estimate, low, high = (float("nan"),) * 3 if nothing else interval(k_a, n_a, k_b, n_b)
        p, test = (float("nan"), "no test") if nothing else two_sided(k_a, n_a, k_b, n_b)
        row = dict(zip(names, (term, estimate, low, high, p, k_a + k_b, n_a + n_b, f"{name}, {test}"), strict=True))
        row |= dict(zip(arm_names, (k_a, n_a, k_b, n_b), strict=True))
        rows.append(row | {key: value for tested in more for key, value in tested(k_a, n_a, k_b, n_b).items()})
    told = pd.DataFrame(rows, columns=None if rows else [*names, *arm_names])
    return pd.concat([table[keys], told], axis=1) if keys else told


@lru_cache(maxsize=4096)  # most cells at the floor have the same counts
def two_sided(k_a: int, n_a: int, k_b: int, n_b: int) -> tuple[float, str]:
    """p of "both proportions are the same", and the test's name."""
    from scipy.stats import boschloo_exact, fisher_exact

    table = [[k_a, k_b], [n_a - k_a, n_b - k_b]]
    if n_a + n_b > EXACT_UP_TO:
        return float(fisher_exact(table).pvalue), "Fisher"
    if k_a + k_b in (0, n_a + n_b):
        return 1.0, "Boschloo"  # scipy answers NaN: no table is less extreme
    return min(float(boschloo_exact(table).pvalue), 1.0), "Boschloo"


def koopman(k_a: int, n_a: int, k_b: int, n_b: int, z: float) -> tuple[float, float, float]:
    """A ratio of proportions with its score interval: where the score statistic of the ratio is z and -z.

    Not statsmodels': that divides by zero for k_b = 0, and gives 1 as the lower bound for 10/10 against 10/10.
    """
    from scipy.optimize import brentq

    def score(log_ratio: float) -> float:
        ratio = math.exp(log_ratio)
        n, total = n_a + n_b, k_a + k_b
        middle = ratio * (n_a + k_b) + k_a + n_b
        q = 2 * total / (middle + math.sqrt(max(middle**2 - 4 * n * ratio * total, 0)))  # p_b most likely at this ratio
        variance = ratio * q * (1 - ratio * q) / n_a + ratio**2 * q * (1 - q) / n_b
        distance = k_a / n_a - ratio * k_b / n_b
        return distance / math.sqrt(variance) if distance and variance > 0 else 0.0

    def where(value: float) -> float:
        low = high = math.log((k_a + 0.5) / (n_a + 0.5) * (n_b + 0.5) / (k_b + 0.5))
        while score(low) <= value:
            low -= 1
        while score(high) >= value:
            high += 1
        return math.exp(brentq(lambda x: score(x) - value, low, high, xtol=1e-12))

    if not k_a and not k_b:
        return math.nan, 0.0, math.inf
    estimate = k_a / n_a / (k_b / n_b) if k_b else math.inf
    return estimate, where(z) if k_a else 0.0, where(-z) if k_b else math.inf
