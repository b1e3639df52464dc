"""How far two coders of the same rollouts agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ppres.stats._frame import check_level, columns_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


def agreement(frame: pd.DataFrame, a: str, b: str, level: float = 0.95) -> pd.DataFrame:
    """How far two coders of the same rollouts agree beyond chance: one row.

    `a` and `b` are columns with their codes; rows that either left out are excluded and counted. Returns n, excluded, agreement
    (share of equal codes), kappa and its interval low, high at `level` (Cohen 1960; large-sample variance of Fleiss, Cohen and
    Everitt 1969; cut at -1 and 1). kappa is NaN where both coders used a single code throughout; the interval is NaN where that
    variance is 0, which is no certainty: coders who always agree, or one of them with a single code. `confusion` gives the table.

    Raises `ValueError` for a bad level, and what `confusion` raises.
    """
    import numpy as np
    import pandas as pd
    from scipy.stats import norm

    check_level(level)
    table = confusion(frame, a, b)
    n = int(table.to_numpy().sum())
    row = {"n": n, "excluded": len(frame) - n, "agreement": table.to_numpy().trace() / n if n else float("nan")}
    if len(table) < 2:
        return pd.DataFrame([row | dict.fromkeys(("kappa", "low", "high"), float("nan"))])
    kappa, error = _kappa(table.to_numpy() / n)
    around = norm.ppf((1 + level) / 2) * (error / n**0.5 if error > 1e-6 else float("nan"))
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

    columns_of(frame, (a, b))
    known = frame[[a, b]].dropna()
    codes_a, codes_b = set(known[a]), set(known[b])
    if known.size and not codes_a & codes_b and {*map(type, codes_a)} != {*map(type, codes_b)}:
        raise ValueError(
            f"{a!r} has the codes {sorted(codes_a)} and {b!r} has {sorted(codes_b)}: bring them into one form first, for instance "
            f"frame[{b!r}].map({{'yes': True, 'no': False}})"
        )
    codes = sorted(codes_a | codes_b)
    return pd.crosstab(known[a], known[b]).reindex(index=codes, columns=codes, fill_value=0)
