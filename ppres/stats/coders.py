"""How far two coders of the same rollouts agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ppres.stats._frame import check_level, columns_of

if TYPE_CHECKING:
    import pandas as pd


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
    from statsmodels.stats.inter_rater import cohens_kappa

    check_level(level)
    table = confusion(frame, a, b)
    n = int(table.to_numpy().sum())
    row = {"n": n, "excluded": len(frame) - n, "agreement": table.to_numpy().trace() / n if n else float("nan")}
    if len(table) < 2:
        return pd.DataFrame([row | dict.fromkeys(("kappa", "low", "high"), float("nan"))])
    with np.errstate(invalid="ignore"):  # statsmodels divides by the variance, which a coder with a single code makes 0
        found = cohens_kappa(table.to_numpy())
    around = norm.ppf((1 + level) / 2) * (found.std_kappa if found.std_kappa > 1e-6 else float("nan"))
    low, high = np.clip([found.kappa - around, found.kappa + around], -1, 1)
    return pd.DataFrame([row | {"kappa": found.kappa, "low": low, "high": high}])


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
