"""How far coders of the same rollouts agree: two (Cohen's kappa), or any number with labels missing (Krippendorff's alpha)."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ppres import arguments
from ppres.stats._frame import check_level, columns_of, say_repeated
from ppres.stats._interval import quantile

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Whole = NDArray[np.int_]

RESAMPLES = 1000
_TOGETHER = 100  # samples that are held at once


def agreement(frame: pd.DataFrame, *coders: str, level: float = 0.95) -> pd.DataFrame:
    """How far coders of the same rollouts agree beyond chance; `coders` are the columns with their codes.

    Two: one row, of the rollouts that both coded: n, excluded, agreement (share of equal codes), kappa and its interval low, high
    at `level` (Cohen 1960; large-sample variance of Fleiss, Cohen and Everitt 1969; cut at -1 and 1). kappa is NaN where both
    used a single code throughout; the interval is NaN where that variance is 0, which is no certainty: coders who always agree,
    or one of them with a single code. `confusion` gives the table.

    More: `alpha`. Raises `ValueError` for a bad level, and what `confusion` and `alpha` raise.
    """
    if len({*arguments.several(coders, "coders", "a column of the frame each", (str, int))}) < len(coders):
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
    from scipy.sparse import csr_array

    check_level(level)
    if not coders:
        raise ValueError("no coder was named: alpha(frame, 'a', 'b'), a column each")
    say_repeated(frame, columns_of(frame, coders))
    codes, said = _said(frame, coders)
    said = said[(said < len(codes)).sum(axis=1) > 1]
    kinds, times = np.unique(-np.sort(said), axis=0, return_counts=True)  # rollouts that are coded alike
    rows, of = np.nonzero(-kinds < len(codes))
    counts = csr_array((np.ones(len(rows), dtype=int), (rows, -kinds[rows, of])), (len(kinds), len(codes)))
    table = [{"code": "all"} | _alpha_row(counts, counts, times, level)]
    table += [{"code": code} | row for code, row in zip(codes, _against_all_others(counts, times, level), strict=True)]
    n = {"n": len(said), "excluded": len(frame) - len(said)}
    return pd.DataFrame([{"code": row.pop("code")} | n | row for row in table])


def _against_all_others(counts: Any, times: Whole, level: float) -> Iterator[dict[str, float]]:
    """A row of each code: rollouts are those that have it so often, and any other so often."""
    import numpy as np

    sizes, by_code = counts.sum(axis=1), counts.tocsc()
    wide = 1 + int(sizes.max(initial=0))
    row_of = functools.cache(lambda kinds: _of_one(np.frombuffer(kinds), wide, level))  # most codes of free text occur once
    without = np.bincount(sizes, times, wide**2)
    for first, end in itertools.pairwise(by_code.indptr):
        rows, often = by_code.indices[first:end], by_code.data[first:end]
        others = sizes[rows] - often
        moved = np.bincount(often * wide + others, times[rows], wide**2) - np.bincount(sizes[rows], times[rows], wide**2)
        yield row_of((without + moved).tobytes())


def _of_one(table: NDArray[np.float64], wide: int, level: float) -> dict[str, float]:
    """The row of a code, from how many rollouts have it and others so often: its number times `wide`, and theirs."""
    import numpy as np

    kinds = np.flatnonzero(table)
    against = np.column_stack(np.divmod(kinds, wide))
    return _alpha_row(against, against[:, :1], table[kinds].astype(int), level)


def _said(frame: pd.DataFrame, coders: Sequence[str]) -> tuple[list[Any], Whole]:
    """All codes, and which of them each coder gave (rows x coders); their number where one gave none. 1 is True in any type."""
    import numpy as np

    codes = _codes(frame, coders)
    place = {code: i for i, code in enumerate(codes)}
    columns = [zip(frame[name].astype(object), frame[name].notna(), strict=True) for name in coders]
    return codes, np.array([[place[code] if known else len(codes) for code, known in column] for column in columns], dtype=int).T


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


def _alpha_row(counts: Any, of: Any, times: Whole, level: float) -> dict[str, float]:
    """Agreement on codes whose counts are `of`, and alpha over all codes with its interval; each row is of `times` rollouts."""
    import numpy as np

    nan = float("nan")
    row = {"agreement": nan, "alpha": nan, "low": nan, "high": nan}
    if of.sum():
        pairs = times * (of**2 - of).sum(axis=1) / (counts.sum(axis=1) - 1)
        row["agreement"] = float(pairs.sum() / (times * of.sum(axis=1)).sum())
    if (counts.sum(axis=0) > 0).sum() < 2:
        return row
    row["alpha"] = float(_alphas(counts, times[None])[0])
    rng, chances = np.random.default_rng(20260209), times / times.sum()
    parts = [_alphas(counts, rng.multinomial(times.sum(), chances, _TOGETHER)) for _ in range(RESAMPLES // _TOGETHER)]
    samples = np.concatenate(parts)
    if np.ptp(samples) > 1e-12:
        row["low"], row["high"] = np.quantile(samples, [(1 - level) / 2, (1 + level) / 2])
    return row


def _alphas(kinds: Any, drawn: Whole) -> NDArray[np.float64]:
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
    say_repeated(frame, columns_of(frame, (a, b)))
    codes, said = _said(frame[[a, b]].dropna(), (a, b))
    pairs, times = np.unique(said, axis=0, return_counts=True)
    n = len(said)
    row = {"n": n, "excluded": len(frame) - n, "agreement": (said[:, 0] == said[:, 1]).mean() if n else float("nan")}
    if len(codes) < 2:
        return pd.DataFrame([row | dict.fromkeys(("kappa", "low", "high"), float("nan"))])
    kappa, error = _kappa(pairs, times / n)
    around = quantile(level) * (error / n**0.5 if error > 1e-6 else float("nan"))
    low, high = np.clip([kappa - around, kappa + around], -1, 1)
    return pd.DataFrame([row | {"kappa": kappa, "low": low, "high": high}])


def _kappa(pairs: Whole, shares: NDArray[np.float64]) -> tuple[float, float]:
    """Cohen's kappa of the shares of the pairs of codes that occur, and its standard error times the root of n."""
    import numpy as np

    a, b = pairs.T
    by_a, by_b = (np.bincount(side, shares, 1 + pairs.max()) for side in (a, b))
    same, chance = a == b, (by_a * by_b).sum()
    kappa = (shares[same].sum() - chance) / (1 - chance)
    equal = shares * (1 - (by_a[a] + by_b[b]) * (1 - kappa)) ** 2
    unequal = shares * (by_b[a] + by_a[b]) ** 2 * (1 - kappa) ** 2
    variance = np.where(same, equal, unequal).sum() - (kappa - chance * (1 - kappa)) ** 2
    return float(kappa), float(max(variance, 0) ** 0.5 / (1 - chance))


_MOST = 500  # codes: a table has as many rows as columns


def confusion(frame: pd.DataFrame, a: str, b: str) -> pd.DataFrame:
    """Counts of each pair of codes: rows are the codes of `a`, columns those of `b`, both with every code that occurs.

    Raises `KeyError` for a missing column, `ValueError` where the two use codes of different kinds (True and "yes"), or
    more than 500.
    """
    import pandas as pd

    say_repeated(frame, columns_of(frame, (a, b)))
    known = frame[[a, b]].dropna().astype(object)
    if len(codes := _codes(known, (a, b))) > _MOST:
        raise ValueError(f"{a!r} and {b!r} have {len(codes)} codes, of which a table has {_MOST} at most: are they codes?")
    return pd.crosstab(known[a], known[b]).reindex(index=codes, columns=codes, fill_value=0)
