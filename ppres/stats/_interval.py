"""Intervals of weighted sums of rates, and the test of whether an effect is as good as none."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Sequence
from typing import Any

Interval = Callable[..., tuple[float, float]]
"""Low and high by z, the normal quantile of the level, and `corrected`."""
FAR = 40.0  # of a normal quantile: p is 0 there
LEAST = 0.25  # of a design effect: by few clusters it may come out as 0
FEWEST, ASSUMED = 6, 0.3  # clusters with the rarer outcome that tell their correlation; what is assumed where fewer have it


def quantile(level: float) -> float:
    """The normal quantile of a two-sided level."""
    from scipy.special import ndtri

    return float(ndtri((1 + level) / 2))


def wilson_at(k: Any, n: Any, z: float) -> tuple[Any, Any]:
    """Wilson's score interval of k of n (1927), of numbers or of columns; it ends at 0 and 1 exactly."""
    middle, half = (k + z**2 / 2) / (n + z**2), z * (k * (1 - k / n) + z**2 / 4) ** 0.5 / (n + z**2)
    low, high = middle - half, middle + half
    return low * (k > 0), high + (1 - high) * (k == n)


def corrected_wilson(k: float, n: float, z: float) -> tuple[float, float]:
    """The same with continuity correction (Newcombe 1998, Statistics in Medicine 17:857, method 4)."""

    def low(k: float) -> float:
        root = math.sqrt(max(z**2 - 2 - 1 / n + 4 * k / n * (n - k + 1), 0))
        return max(0.0, (2 * k + z**2 - 1 - z * root) / (2 * (n + z**2))) if k else 0.0

    return low(k), 1 - low(n - k)


def mover(
    weights: Sequence[float], k: Sequence[float], n: Sequence[float], z: float, corrected: bool = False
) -> tuple[float, float]:
    """Bounds of the weighted sum of the rates k/n: Wilson's for each, put together by squares (Zou, Huang and Zhang 2009)."""
    below = above = 0.0
    for weight, hits, size in zip(weights, k, n, strict=True):
        rate, (low, high) = hits / size, (corrected_wilson if corrected else wilson_at)(hits, size, z)
        down, up = (rate - low, high - rate) if weight > 0 else (rate - high, low - rate)
        below, above = math.hypot(below, weight * down), math.hypot(above, weight * up)
    estimate = sum(weight * hits / size for weight, hits, size in zip(weights, k, n, strict=True))
    return estimate - below, estimate + above


def summary(interval: Interval, estimate: float, level: float) -> dict[str, float]:
    """estimate, low, high and p, the level at which the interval just reaches 0; the estimate alone where there is no interval."""
    from scipy.optimize import brentq
    from scipy.special import ndtr

    low, high = interval(quantile(level))
    if math.isnan(low):
        return {"estimate": estimate}

    def nearer(z: float) -> float:
        """The bound that lies towards 0, on the estimate's side of it."""
        bounds = interval(z)
        return bounds[0] if estimate > 0 else -bounds[1]

    nothing = math.isclose(estimate, 0, abs_tol=1e-12)
    reach = 0.0 if nothing else float(brentq(nearer, 0, FAR)) if nearer(FAR) < 0 else FAR
    return {"estimate": estimate, "low": low, "high": high, "p": float(2 * ndtr(-reach))}


def few(k: Any, n: Any) -> bool:
    """Whether the rarer outcome of an arm is seen in fewer than a third of its clusters, and fewer than `FEWEST`.

    k and n are those of its clusters. An arm without it is not meant: there it is for the other arms to tell.
    """
    there = n > 0
    seen = min(int((k > 0).sum()), int((k[there] < n[there]).sum()))
    return 0 < seen < min(FEWEST, int(there.sum()) / 3)


def assumed_effect(n: Any) -> float:
    """The design effect of clusters of these sizes at the correlation that is assumed (Kish 1965: sizes weighted by themselves)."""
    return 1 + ASSUMED * (float((n**2).sum() / n.sum()) - 1)


def design_effect(weights: Sequence[float], k: Any, n: Any) -> tuple[float, float, bool]:
    """How many times more a weighted sum of rates varies than if rollouts were independent, degrees of freedom, whether assumed.

    k and n are arms x clusters. The variance is that of the clusters' scores, so that clusters which several arms share cancel
    where they should. Degrees of freedom: clusters less one of each set of arms that share none with the others, put together as
    Welch does. Where all arms are at floor or ceiling, or one has `few`, at least the effect that a correlation of `ASSUMED` has.
    """
    import numpy as np
    from scipy.sparse.csgraph import connected_components

    size, there = n.sum(axis=1), n > 0
    rate = k.sum(axis=1) / size
    usual = float((np.square(weights) * rate * (1 - rate) / size).sum())
    scores = (np.asarray(weights) / size)[:, None] * (k - rate[:, None] * n)
    number, of = connected_components(there.astype(int) @ there.T.astype(int), directed=False)
    clusters = np.array([there[of == i].any(axis=0).sum() for i in range(number)])
    if clusters.min() < 2:
        return math.nan, 0, False
    free = clusters - 1
    parts = clusters / free * np.array([(scores[of == i].sum(axis=0) ** 2).sum() for i in range(number)])
    total = float(parts.sum())
    df = total**2 / float((parts**2 / free).sum()) if total > 0 else float(free.sum())
    effect = max(total / usual, LEAST) if usual > 0 else 1.0
    assumed = usual <= 0 or any(few(*arm) for arm in zip(k, n, strict=True))
    return max(effect, *(assumed_effect(arm) for arm in n)) if assumed else effect, df, assumed


def clustered(weights: Sequence[float], k: Any, n: Any) -> tuple[Interval, float, bool]:
    """`mover` of counts that are as much fewer as the design effect says, with quantiles of t; that effect; whether it is assumed.

    Wilson's interval of an effective number is that of Korn and Graubard for surveys (1998, Survey Methodology 24:193). By
    simulation of 3 to 30 clusters (bench_coverage.py: rates of 0.3 to 50%, correlations of 0 to 0.3) at least 93% of the 95%
    intervals cover, and more than 97% at the floor, or where the effect is assumed.
    """
    from scipy.special import ndtr, stdtrit  # those of scipy.stats take a hundred times as long for one number

    effect, df, assumed = design_effect(weights, k, n)
    fewer = [[float(value) for value in counted.sum(axis=1) / effect] for counted in (k, n)]

    def interval(z: float, corrected: bool = False) -> tuple[float, float]:
        quantile = -float(stdtrit(df, ndtr(-min(z, 8.0))))  # beyond, t has no number
        return mover(weights, fewer[0], fewer[1], quantile, corrected)

    return (interval if df > 0 else lambda z, corrected=False: (math.nan, math.nan)), effect, assumed


def equivalence(interval: Interval, estimate: float, level: float, margin: float) -> dict[str, Any]:
    """Columns on whether an effect lies within ±`margin`: margin, low_equivalence, high_equivalence, p_equivalence, verdict.

    Two one-sided tests at 1 − `level` (Schuirmann 1987): the effect is as good as none where the interval at 2 × `level` − 1, of
    which these are the bounds, lies within the margin; p_equivalence is the level at which it just does. verdict is "equivalent"
    where it does (even where the effect is not 0), else "different" where the interval at `level` is without 0, else "undecided".

    The interval for equivalence has a continuity correction (of two rates it is Newcombe's method 11): by exact enumeration, for 20
    to 200 rollouts and margins of 0.05 to 0.3, effects of just the margin then pass at 5% in at most 4.9%, without in up to 7%.
    """
    from scipy.optimize import brentq
    from scipy.stats import norm

    if math.isnan(estimate):
        nothing = dict.fromkeys(("low_equivalence", "high_equivalence", "p_equivalence"), math.nan)
        return {"margin": margin, **nothing, "verdict": ""}
    low, high = interval(float(norm.ppf(level)), corrected=True)
    left, right = interval(quantile(level))

    def within(z: float) -> float:
        inner = interval(z, corrected=True)
        return min(inner[0] + margin, margin - inner[1])

    far = 0.0 if within(0) <= 0 else FAR if within(FAR) > 0 else float(brentq(within, 0, FAR))
    p = float(norm.sf(far) if far else norm.cdf(_outside(interval, margin)))
    told = verdict(low, high, left, right, margin)
    return {"margin": margin, "low_equivalence": low, "high_equivalence": high, "p_equivalence": p, "verdict": told}


def verdict(inner_low: float, inner_high: float, low: float, high: float, margin: float) -> str:
    """What the interval for equivalence and the usual one say of an effect."""
    return "equivalent" if -margin < inner_low and inner_high < margin else "different" if low > 0 or high < 0 else "undecided"


def _outside(interval: Interval, margin: float) -> float:
    """z at which the interval around an estimate beyond the margin just reaches it."""
    from scipy.optimize import brentq

    def reaches(z: float) -> float:
        low, high = interval(z, corrected=True)
        return min(margin - low, high + margin)  # below 0 as long as all of it is beyond

    return FAR if reaches(FAR) < 0 else float(brentq(reaches, 0, FAR)) if reaches(0) < 0 else 0.0


def check_margin(margin: float | None) -> None:
    """`ValueError` for a margin that is no difference of rates."""
    if margin is not None and (not isinstance(margin, numbers.Real) or not 0 < margin < 1):
        raise ValueError(f"margin={margin!r} is not between 0 and 1: it is the largest difference of rates that is as good as none")
