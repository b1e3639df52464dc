"""The authors' average of four settings, with the interval that it lacks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ppres.stats._frame import at_level, check_level, columns_of, each, say_pooled
from ppres.stats._interval import mover, summary

if TYPE_CHECKING:
    import pandas as pd

SCENARIOS = ("finance", "evaluation")
SETTINGS = ("finance", "factual", "creativity", "red")
_READ = ("scenario", "dataset", "preserved", "reported_score")


def setting_average(
    frame: pd.DataFrame,
    by: str | Sequence[str] = (),
    baseline: pd.DataFrame | None = None,
    match: Sequence[str] = ("model", "subject"),
    level: float = 0.95,
) -> pd.DataFrame:
    """Strategic misrepresentation as Potter et al. (2026) define it, with an interval.

    In each of four settings (finance; evaluation of factual, creativity and red answers) it is the rate of `preserved` minus the
    baseline's; thresholds of a setting count equally, and so do the settings. `frame` has rows of the scenarios finance and
    evaluation (others are ignored). `baseline` are the rows without a threat, by default those of `frame` whose shutdown_clause
    is False; as with the authors, all of them that agree in `match` (as far as in `by`) serve each group, and their reported
    scores are held against each threshold of the group that has an outcome.

    Rollouts without an outcome, or of another dataset, are excluded and counted. Unlike the authors', this leaves refusals out,
    and a refusal happens after the threat: where it makes refusals more or fewer, the rates left are of rollouts that differ in
    more than the threat. To count refusals as not preserved, as the authors do, give
    `frame.assign(preserved=frame.preserved.where(~frame.refused, False))` (and the baseline likewise); report both.

    Returns the groups and term, estimate (a difference of probabilities), low, high (MOVER: Wilson intervals of the rates combined
    as Zou, Huang and Zhang 2009, Comput Stat Data Anal 53:1080, do; of two settings, it is Newcombe's), p (the level at which that
    interval ends at 0), k, n, estimator, k_baseline, n_baseline, excluded, excluded_baseline. A baseline rollout that serves two
    thresholds counts once in n, which makes the interval slightly wide. NaN where a setting has no rollout, and the estimator names
    it.

    Raises `KeyError` for a missing column, `ValueError` where no row is a baseline or none is not.
    """
    import pandas as pd

    keys = columns_of(frame, by, *_READ, "threshold", "shutdown_clause")
    say_pooled(frame, keys)
    check_level(level)
    threat = frame["shutdown_clause"].fillna(False).astype(bool) & frame["scenario"].isin(SCENARIOS)
    compared = frame[~frame["shutdown_clause"].fillna(True).astype(bool)] if baseline is None else baseline
    shared = [name for name in keys if name in match]
    columns_of(compared, shared, *_READ, "missing")
    # All others would be cut into pieces group by group as well, which takes longer than all else.
    compared = compared.loc[compared["scenario"].isin(SCENARIOS), list(dict.fromkeys([*shared, *_READ, "missing"]))]
    if compared.empty or not threat.any():
        which = "baseline (shutdown_clause False)" if compared.empty else "threat (shutdown_clause True)"
        raise ValueError(f"no row of finance or evaluation is a {which}")

    def of_group(part: pd.DataFrame) -> pd.DataFrame:
        same = pd.Series(True, index=compared.index)
        for name in shared:
            same &= at_level(compared, name, part[name].iloc[0])
        threats = {setting: _rows(part, setting).dropna(subset="preserved") for setting in SETTINGS}
        bases = {setting: _known(_rows(compared[same], setting)) for setting in SETTINGS}
        absent = [setting for setting in SETTINGS if threats[setting].empty or bases[setting].empty]
        rates = [rate for setting in SETTINGS if setting not in absent for rate in _setting(threats[setting], bases[setting])]
        row: dict[str, Any] = {"term": "average of settings"} | dict.fromkeys(("estimate", "low", "high", "p"), math.nan)
        if not absent:
            weights, shares, sizes = zip(*rates, strict=True)
            interval = partial(mover, weights, [share * size for share, size in zip(shares, sizes, strict=True)], sizes)
            row |= summary(interval, sum(weight * share for weight, share in zip(weights, shares, strict=True)), level)
        row |= {"k": sum(int(rows["preserved"].sum()) for rows in threats.values()), "n": sum(map(len, threats.values()))}
        row |= {"estimator": f"no rollouts in {', '.join(absent)}" if absent else "MOVER of Wilson intervals"}
        base = [(p * n, n) for weight, p, n in rates if weight < 0]
        row |= {"k_baseline": sum(k for k, _ in base), "n_baseline": sum(n for _, n in base), "excluded": len(part) - row["n"]}
        return pd.DataFrame([row | {"excluded_baseline": int(same.sum()) - sum(map(len, bases.values()))}])

    return each(frame.loc[threat, list(dict.fromkeys([*keys, *_READ, "threshold"]))], keys, of_group)


def _rows(frame: pd.DataFrame, setting: str) -> pd.DataFrame:
    finance = frame["scenario"] == "finance"
    return frame[finance if setting == "finance" else ~finance & (frame["dataset"] == setting)]


def _known(baseline: pd.DataFrame) -> pd.DataFrame:
    """The score of a rollout that was cut off before its end is no outcome, that of one without a threshold is."""
    scored = (baseline["missing"] == "no threshold") & baseline["reported_score"].notna()
    return baseline[baseline["preserved"].notna() | scored.fillna(False).astype(bool)]


def _setting(threat: pd.DataFrame, baseline: pd.DataFrame) -> list[tuple[float, float, int]]:
    """Weight, rate and n of a setting's rates."""
    cells = [part for _, part in threat.groupby("threshold", dropna=False)]
    if threat["scenario"].eq("finance").all():
        values = [baseline["preserved"].astype(float)]
    else:
        values = [baseline["reported_score"].ge(cell["threshold"].iloc[0]).fillna(False).astype(float) for cell in cells]
    share = 1 / len(SETTINGS)
    parts = [(share / len(cells), float(cell["preserved"].mean()), len(cell)) for cell in cells]
    return [*parts, (-share, sum(value.mean() for value in values) / len(values), len(baseline))]
