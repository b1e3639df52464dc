"""From a formula and a frame to a fitted regression on rows of counts, and the errors of what is computed from it.

Imported when a regression is asked for: it loads numpy, scipy and patsy.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import patsy
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import t

from ppres.stats._formula import parse
from ppres.stats._frame import NoOutcome, check_values, codes_of, columns_of, outcomes, say_pooled
from ppres.stats._interval import ASSUMED
from ppres.stats._likelihood import Array, Likelihood, Peak, profile
from ppres.stats._sandwich import wald

probability = expit  # of log odds
TRUE, KNOWN = "rows that are true", "rows that are known"  # columns beside a user's own, which have other names


@dataclass(frozen=True)
class Design:
    """A formula and the counts of each distinct combination of its columns."""

    likelihood: Likelihood
    """Its x, rows x terms, has orthonormal columns, because those that the formula makes may have any scale."""
    basis: Array
    """Terms x terms: the formula's columns times this are x; this times the coefficients of x are those of the terms."""
    terms: list[str]
    cells: pd.DataFrame
    """The columns that the formula uses, row by row."""
    clusters: NDArray[np.int64] | None
    info: Any
    """patsy's DesignInfo: makes the same columns of other rows."""
    excluded: int
    """Rollouts whose outcome is missing."""


@dataclass(frozen=True)
class Fit:
    """Estimates; of the penalised likelihood where maximum likelihood has none because of separation."""

    design: Design
    peak: Peak
    covariance: Array
    """Inverse information, as if rollouts were independent."""
    label: str
    """The estimator without its kind of interval."""


def aggregate(frame: pd.DataFrame, outcome: str, used: list[str], cluster: str | None = None) -> tuple[pd.DataFrame, int]:
    """k and n of each distinct combination of columns, among rows with a known outcome, and the number of the other rows."""
    groups = list(dict.fromkeys(used + columns_of(frame, [cluster] if cluster else [], *used)))
    for name in used:
        check_values(frame[name])
    say_pooled(frame, groups)
    true, known = outcomes(frame, outcome)
    if not known.any():
        raise NoOutcome(f"{outcome!r} is missing in all {len(frame)} rows")
    for name in groups:
        if missing := int(frame.loc[known, name].isna().sum()):
            number = pd.api.types.is_numeric_dtype(frame[name])
            filled = f"frame.assign({name}=frame[{name!r}].astype(object).fillna('none'))"
            advice = f"frame.dropna(subset={name!r})" if number else filled
            raise ValueError(
                f"{name!r} is missing in {missing} rows, which a model cannot use: "
                f"{'leave them out' if number else 'leave them out, or name them'}, for instance {advice}"
            )
        values = frame.loc[known, name]
        if pd.api.types.is_float_dtype(values) and (infinite := int(np.isinf(values.to_numpy(dtype=float)).sum())):
            raise ValueError(
                f"{name!r} is infinite in {infinite} rows, which a model cannot use: leave them out, or give them a number"
            )
    cells = frame.loc[known, groups].copy()
    cells[[TRUE, KNOWN]] = np.column_stack([true[known], known[known]]).astype(int)
    cells = cells.groupby(groups, sort=True, observed=True).sum().reset_index() if groups else cells.sum().to_frame().T
    return cells, int((~known).sum())


def levels(column: pd.Series[Any]) -> list[Any]:
    """The values that occur: in the order of their categories where the column has some, else sorted."""
    present = set(column)
    known = column.cat.categories if isinstance(column.dtype, pd.CategoricalDtype) else sorted(present)
    return [level for level in known if level in present]


def plain(cells: pd.DataFrame) -> pd.DataFrame:
    """The same columns in numpy's types, which is what patsy reads."""
    kinds = {"b": bool, "i": int, "u": int, "f": float}
    return cells.astype({name: kinds.get(getattr(kind, "kind", "O"), object) for name, kind in cells.dtypes.items()})


def matrix(right: str, cells: pd.DataFrame) -> tuple[Array, Any]:
    """The design matrix of a right-hand side, checked to identify every term."""
    read = plain(cells)
    for name in cells.select_dtypes("category"):
        read[name] = pd.Categorical(read[name], levels(cells[name]))
    try:
        made = patsy.dmatrix(right, read, NA_action="raise", return_type="matrix")
    except patsy.PatsyError as error:
        raise ValueError(f"{right!r}: {error}") from None
    info = made.design_info
    if any(factor.state.get("transforms") for factor in info.factor_infos.values()):
        raise ValueError(f"{right!r} has a transform that looks at all rows; put its result into the frame as a column")
    x = np.asarray(made, dtype=float)
    if not x.shape[1]:
        raise ValueError(f"{right!r} has no term, not even an intercept: there is nothing to estimate")
    if bad := [name for name, column in zip(info.column_names, x.T, strict=True) if not np.isfinite(column).all()]:
        raise ValueError(f"{right!r}: {', '.join(bad)} is infinite or no number in some rows")
    check_rank(x, info.column_names)
    return x, info


def check_rank(x: Array, terms: Sequence[str]) -> None:
    """`ValueError` that names the terms which follow from those before them: data cannot tell them apart."""
    scaled = x / np.maximum(np.abs(x).max(axis=0), 1e-300)
    if np.linalg.matrix_rank(scaled) == x.shape[1]:
        return
    ranks = [0, *(int(np.linalg.matrix_rank(scaled[:, : j + 1])) for j in range(x.shape[1]))]
    aliased = [name for name, before, after in zip(terms, ranks, ranks[1:], strict=False) if before == after]
    raise ValueError(
        f"not identified: {', '.join(aliased)}: in these rows constant, or a sum of other terms; leave one of them out"
    )


def design(formula: str, frame: pd.DataFrame, cluster: str | None = None) -> Design:
    """The design of a formula, its rows split by a cluster where one is asked for."""
    outcome, right, used = parse(formula, frame)
    cells, excluded = aggregate(frame, outcome, used, cluster)
    x, info = matrix(right, cells)
    if x.shape[1] > 20 and x.shape[1] >= (rollouts := int(cells[KNOWN].sum())):
        raise ValueError(
            f"{right!r} has {x.shape[1]} terms for {rollouts} rollouts with a known outcome: leave some out, or use cluster="
        )
    q, r = np.linalg.qr(x)
    likelihood = Likelihood(q, cells[TRUE].to_numpy(dtype=float), cells[KNOWN].to_numpy(dtype=float))
    codes = pd.factorize(cells[cluster])[0] if cluster else None
    return Design(likelihood, np.linalg.inv(r), list(info.column_names), cells[used], codes, info, excluded)


def fit(formula: str, frame: pd.DataFrame, cluster: str | Sequence[str] | None = None) -> Fit:
    """Maximum likelihood, or Firth's where the counts are separated."""
    names = columns_of(frame, () if cluster is None else cluster)
    name = " x ".join(names)
    if len(names) > 1:
        frame = frame.assign(**{name: codes_of(frame, names)})
    made, label = design(formula, frame), "logit"
    if made.likelihood.separated():
        made, label = replace(made, likelihood=replace(made.likelihood, firth=True)), "Firth"
    if names:
        firth, made = made.likelihood.firth, design(formula, frame, name)
        number = np.unique(np.asarray(made.clusters)).size
        if number < 2:
            raise ValueError(f"{name!r} has a single value, {frame[name].iloc[0]!r}; errors need at least 2 clusters")
        made, label = replace(made, likelihood=replace(made.likelihood, firth=firth)), f"{label} clustered by {name} ({number})"
    peak = made.likelihood.maximum()
    return Fit(made, peak, np.asarray(np.linalg.inv(peak.information), dtype=float), label)


def rows_of(design: Design, cells: pd.DataFrame | Mapping[str, Any]) -> Array:
    """Design rows of other values of the same columns."""
    try:
        made = patsy.build_design_matrices([design.info], plain(pd.DataFrame(cells)), NA_action="raise")[0]
        return np.asarray(made, dtype=float) @ design.basis
    except patsy.PatsyError as error:
        raise ValueError(str(error).splitlines()[0]) from None


def intervals(fit: Fit, contrasts: Array, estimate: Array, level: float) -> tuple[tuple[Array, ...], Any]:
    """Standard error, degrees of freedom, bounds and p, and what to add to the name of the method.

    The normal distribution is t with infinitely many degrees of freedom.
    """
    error, df, assumed = wald(fit, contrasts)
    around = t.ppf((1 + level) / 2, df) * error
    numbers = (error, df, estimate - around, estimate + around, np.asarray(2 * t.sf(np.abs(estimate / error), df)))
    return numbers, np.where(assumed, f", correlation {ASSUMED} assumed", "")


def estimates(fit: Fit, contrasts: Array, terms: Sequence[str], level: float) -> pd.DataFrame:
    """Combinations of coefficients with intervals: CR2 where there are clusters, else profile, of which there may be too many."""
    firth, by_clusters = fit.design.likelihood.firth, fit.design.clusters is not None
    most = 100 if firth else 300  # each takes a minute on one core
    if (firth or not by_clusters) and len(terms) > most:
        why = "with separated counts (Firth)" if firth else "without clusters"
        raise ValueError(
            f"{len(terms)} terms are more than the {most} that profile intervals are made of {why}: group by the levels (by=), "
            "or make them clusters (cluster=)"
        )
    estimate = contrasts @ fit.peak.beta
    numbers, assumed = intervals(fit, contrasts, estimate, level)
    error, df = numbers[:2]
    if by_clusters and not firth:
        return table(fit, terms, estimate, numbers, "CR2 and t", assumed)
    stretch = error / np.maximum(np.sqrt(np.einsum("ij,jk,ik->i", contrasts, fit.covariance, contrasts)), 1e-300)
    bounds = [profile(fit.design.likelihood, fit.peak, *told, level) for told in zip(contrasts, stretch, df, strict=True)]
    low, high, p = np.array(bounds).T
    if by_clusters:
        numbers = (np.full_like(error, math.nan), df, low, high, p)
        return table(fit, terms, estimate, numbers, "profile likelihood stretched by CR2", assumed)
    error = np.full_like(error, math.nan) if fit.design.likelihood.firth else error
    return table(fit, terms, estimate, (error, np.full_like(df, math.nan), low, high, p), "profile likelihood")


def table(
    fit: Fit, terms: Sequence[str | None], estimate: Array, numbers: tuple[Array, ...], kind: str, more: Sequence[str] | None = None
) -> pd.DataFrame:
    """Rows as all regressions return them; `more` is said of each behind the estimator."""
    error, df, low, high, p = numbers
    counted = {"k": int(fit.design.likelihood.k.sum()), "n": int(fit.design.likelihood.n.sum())}
    estimate = np.where(np.abs(estimate) < 1e-12, 0.0, estimate)  # what is 0 is 0 on every machine, not 3e-16
    shape = {"term": list(terms), "estimate": estimate, "low": low, "high": high, "p": p} | counted
    behind = {"se": error, "df": df, "excluded": fit.design.excluded}
    told = [f"{fit.label}, {kind}{word}" for word in ([""] * len(terms) if more is None else more)]
    return pd.DataFrame(shape | {"estimator": told} | behind)


def steps(design: Design, name: str) -> list[tuple[str, Any, Any, float]]:
    """Which changes of a column are effects: (term, from, to, width)."""
    values = design.cells[name]
    factors = [factor for factor in design.info.factor_infos if name in _words(ast.parse(factor.code))]
    known = levels(values)
    if "categorical" in {design.info.factor_infos[factor].type for factor in factors}:
        first = next(
            (reference for factor in factors for reference in _references(design.info, factor) if reference in known), known[0]
        )
        return [(f"{name}: {level} - {first}", first, level, 1.0) for level in known if level != first]
    if set(known) <= {0, 1}:
        return [(name, 0, 1, 1.0)]
    width = 1e-4 * float(np.ptp(known) or np.abs(known).max())  # of the spread: a derivative, on any scale
    return [(name, values - width / 2, values + width / 2, width)]


def _references(info: Any, factor: Any) -> list[Any]:
    """The levels whose columns are 0 throughout: the one that a treatment coding compares with."""
    codings = (coding.contrast_matrices.get(factor) for part in info.term_codings.values() for coding in part)
    zero = [~coding.matrix.any(axis=1) for coding in codings if coding is not None]
    return [level for rows in zero for level, is_zero in zip(info.factor_infos[factor].categories, rows, strict=True) if is_zero]


def _words(tree: ast.AST) -> set[Any]:
    """Names and texts of an expression: Q("a name with spaces") is a column, too."""
    return {getattr(node, "id", getattr(node, "value", "")) for node in ast.walk(tree) if isinstance(node, ast.Name | ast.Constant)}
