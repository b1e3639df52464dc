"""How far coders of the same rollouts agree: two (Cohen's kappa), or any number with labels missing (Krippendorff's alpha)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ppres.stats._frame import check_level, columns_of, say_repeated
from ppres.stats._interval import quantile

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


RESAMPLES = 1000


def agreement(frame: pd.DataFrame, *coders: str, level: float = 0.95) -> pd.DataFrame:
    """How far coders of the same rollouts agree beyond chance; `coders` are the columns with their codes.

    Two: one row, of the rollouts that both coded: n, excluded, agreement (share of equal codes), kappa and its interval low, high
    at `level` (Cohen 1960; large-sample variance of Fleiss, Cohen and Everitt 1969; cut at -1 and 1). kappa is NaN where both
    used a single code throughout; the interval is NaN where that variance is 0, which is no certainty: coders who always agree,
    or one of them with a single code. `confusion` gives the table.

    More: `alpha`. Raises `ValueError` for a bad level, and what `confusion` and `alpha` raise.
    """
    if len({*coders}) < len(coders):
        raise ValueError(f"a coder agrees with themselves: {', '.join(map(repr, coders))} names one column more than once")
    if len(coders) < 2:
        raise ValueError(f"agreement is of two coders or more, not of {', '.join(map(repr, coders)) or 'none'}")
    return _of_two(frame, *coders, level=level) if len(coders) == 2 else alpha(frame, *coders, level=level)


def alpha(frame: pd.DataFrame, *coders: str, level: float = 0.95) -> pd.DataFrame:
    """Krippendorff's alpha of any number of coders, each of whom may have left rollouts out: a row for all codes, one for each.

    Returns code ("all", or the one that is held against all others), n (rollouts with two codes or more), excluded, agreement
    (the share of pairs of codes of a rollout that are equal; of a code, of the pairs that it is in), alpha for nominal codes, and
    low and high, the percentiles of 1,000 samples of as many rollouts, drawn with replacement (seeded). alpha is NaN where there
    is a single code; the interval is NaN where all samples give the same alpha, which is no certainty.

    Raises `KeyError` for a missing column, `ValueError` for codes of different kinds (True and "yes") and a bad level.
    """
    import numpy as np
    import pandas as pd

    check_level(level)
    say_repeated(frame, columns_of(frame, coders))
    codes = _codes(frame, coders)
    counts = np.zeros((len(frame), len(codes)), dtype=int)
    for name in coders:
        said = frame[name].astype(object).where(frame[name].notna(), None)  # where 1 is True in any of pandas' types
        for i, code in enumerate(codes):
            counts[:, i] += said.eq(code).to_numpy(dtype=bool)
    counts = counts[counts.sum(axis=1) > 1]
    rows = [{"code": "all"} | _alpha_row(counts, counts, level)]
    for i, code in enumerate(codes):
        against = np.column_stack([counts[:, i], counts.sum(axis=1) - counts[:, i]])
        rows.append({"code": code} | _alpha_row(against, against[:, :1], level))
    table = pd.DataFrame(rows)
    table.insert(1, "n", len(counts))
    table.insert(2, "excluded", len(frame) - len(counts))
    return table


def _codes(frame: pd.DataFrame, coders: Sequence[str]) -> list[Any]:
    """All codes, in order; `ValueError` where they are of kinds that have none."""
    codes_of = {name: frame[name].dropna().unique() for name in coders}
    try:
        return sorted({code for codes in codes_of.values() for code in codes})
    except TypeError:
        told = "; ".join(f"{name!r} has the codes {sorted(map(repr, codes))}" for name, codes in codes_of.items())
        raise ValueError(
            f"{told}: bring them into one form first, for instance frame[name].map({{'yes': True, 'no': False}})"
        ) from None


def _alpha_row(counts: NDArray[np.int_], of: NDArray[np.int_], level: float) -> dict[str, float]:
    """Agreement on codes whose counts are `of`, and alpha over all codes with its interval; a row of counts is a rollout."""
    import numpy as np

    nan = float("nan")
    others = counts.sum(axis=1, keepdims=True) - 1
    row = {"agreement": (of * (of - 1) / others).sum() / of.sum() if of.sum() else nan, "alpha": nan, "low": nan, "high": nan}
    if (counts.sum(axis=0) > 0).sum() < 2:
        return row
    kinds, times = np.unique(counts, axis=0, return_counts=True)
    row["alpha"] = float(_alphas(kinds, times[None])[0])
    drawn = np.random.default_rng(20260209).multinomial(times.sum(), times / times.sum(), RESAMPLES)
    samples = _alphas(kinds, drawn)
    if np.ptp(samples) > 1e-12:
        row["low"], row["high"] = np.quantile(samples, [(1 - level) / 2, (1 + level) / 2])
    return row


def _alphas(kinds: NDArray[np.int_], drawn: NDArray[np.int_]) -> NDArray[np.float64]:
    """Alpha of samples with so many rollouts of each kind, which are coded alike; without those in which a single code occurs."""
    import numpy as np

    sizes = kinds.sum(axis=1)
    unequal = (sizes**2 - (kinds**2).sum(axis=1)) / (sizes - 1)  # pairs of unequal codes of a rollout, by its number of codes
    totals = drawn @ kinds
    n = totals.sum(axis=1)
    by_chance = n**2 - (totals**2).sum(axis=1)
    some = by_chance > 0
    return np.asarray(1 - (n[some] - 1) * (drawn[some] @ unequal) / by_chance[some])


def _of_two(frame: pd.DataFrame, a: str, b: str, level: float) -> pd.DataFrame:
    """One row: n, excluded, agreement, kappa, low, high."""
    import numpy as np
    import pandas as pd

    check_level(level)
    table = confusion(frame, a, b)
    n = int(table.to_numpy().sum())
    row = {"n": n, "excluded": len(frame) - n, "agreement": table.to_numpy().trace() / n if n else float("nan")}
    if len(table) < 2:
        return pd.DataFrame([row | dict.fromkeys(("kappa", "low", "high"), float("nan"))])
    kappa, error = _kappa(table.to_numpy() / n)
    around = quantile(level) * (error / n**0.5 if error > 1e-6 else float("nan"))
    low, high = np.clip([kappa - around, kappa + around], -1, 1)
    return pd.DataFrame([row | {"kappa": kappa, "low": low, "high": high}])


def _kappa(shares: NDArray[np.float64]) -> tuple[float, float]:
    """Cohen's kappa of the shares of each pair of codes, and its standard error times the root of n."""
    same, by_a, by_b = shares.diagonal(), shares.sum(axis=1), shares.sum(axis=0)
    chance = (by_a * by_b).sum()
    kappa = (same.sum() - chance) / (1 - chance)
    equal = same * (1 - (by_a + by_b) * (1 - kappa)) ** 2
    unequal = shares * (by_b[:, None] + by_a) ** 2 * (1 - kappa) ** 2
    variance = equal.sum() + unequal.sum() - unequal.trace() - (kappa - chance * (1 - kappa)) ** 2
    return float(kappa), float(max(variance, 0) ** 0.5 / (1 - chance))


def confusion(frame: pd.DataFrame, a: str, b: str) -> pd.DataFrame:
    """Counts of each pair of codes: rows are the codes of `a`, columns those of `b`, both with every code that occurs.

    Raises `KeyError` for a missing column, `ValueError` where the two use codes of different kinds (True and "yes").
    """
    import pandas as pd

    say_repeated(frame, columns_of(frame, (a, b)))
    known = frame[[a, b]].dropna().astype(object)
    codes = _codes(known, (a, b))
    return pd.crosstab(known[a], known[b]).reindex(index=codes, columns=codes, fill_value=0)
