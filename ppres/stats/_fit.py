"""Binomial regression on rows of counts: design, separation, maximum likelihood, Firth's, profile intervals, clustered errors.

Imported when a regression is asked for: it loads numpy, scipy and patsy.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import patsy
from numpy.typing import NDArray
from scipy.optimize import brentq, linprog
from scipy.special import expit
from scipy.stats import chi2, norm, t

from ppres.stats._frame import columns_of, counts

Array = NDArray[np.float64]
probability = expit  # of log odds


@dataclass(frozen=True)
class Design:
    """A formula and the counts of each distinct combination of its columns."""

    x: Array
    """Rows x terms, of full rank."""
    k: Array
    n: Array
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
    """Estimates; `firth` where maximum likelihood has none because of separation."""

    design: Design
    beta: Array
    covariance: Array
    """Inverse information, as if rollouts were independent."""
    objective: float
    firth: bool
    label: str
    """The estimator without its kind of interval."""


def parse(formula: str, frame: pd.DataFrame) -> tuple[str, str, list[str]]:
    """Outcome, right-hand side and the columns that it uses."""
    outcome, tilde, right = (part.strip() for part in formula.partition("~"))
    if not tilde or not right:
        raise ValueError(f"{formula!r} is no formula such as 'preserved ~ peer_present + cooperativeness'")
    columns_of(frame, (), outcome)
    try:
        factors = [factor.code for term in patsy.ModelDesc.from_formula(right).rhs_termlist for factor in term.factors]
        words = [node for code in factors for node in ast.walk(ast.parse(code))]
    except (patsy.PatsyError, SyntaxError) as error:
        raise ValueError(f"{formula!r}: {error}") from None
    names = {node.id for node in words if isinstance(node, ast.Name)}
    quoted = {node.value for node in words if isinstance(node, ast.Constant)}  # Q("a name with spaces")
    called = {node.func.id for node in words if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    if unknown := names - called - set(frame.columns) - {"np", "Treatment", "Sum", "Helmert", "Poly", "Diff"}:
        raise KeyError(f"the frame has no column {', '.join(sorted(unknown))}; it has {', '.join(map(str, frame.columns))}")
    return outcome, right, [name for name in frame.columns if name in names - called or name in quoted]


def aggregate(frame: pd.DataFrame, outcome: str, used: list[str], cluster: str | None = None) -> tuple[pd.DataFrame, int]:
    """k and n of each distinct combination of columns, among rows with a known outcome, and the number of the other rows."""
    groups = list(dict.fromkeys(used + columns_of(frame, [cluster] if cluster else [])))
    counted = counts(frame, outcome)
    known = counted["n"] > 0
    if not known.any():
        raise ValueError(f"{outcome!r} is missing in all {len(frame)} rows")
    for name in groups:
        if missing := int(frame.loc[known, name].isna().sum()):
            raise ValueError(
                f"{name!r} is missing in {missing} rows, which a model cannot use: leave them out, or name them, for instance "
                f"frame.assign({name}=frame[{name!r}].fillna('none'))"
            )
    cells = pd.concat([frame.loc[known, groups], counted.loc[known, ["k", "n"]].add_prefix("_")], axis=1)
    cells = cells.groupby(groups, sort=True, observed=True).sum().reset_index() if groups else cells.sum().to_frame().T
    return cells, int((~known).sum())


def plain(cells: pd.DataFrame) -> pd.DataFrame:
    """The same columns in numpy's types, which is what patsy reads."""
    kinds = {"b": bool, "i": int, "u": int, "f": float}
    return cells.astype({name: kinds.get(getattr(kind, "kind", "O"), object) for name, kind in cells.dtypes.items()})


def matrix(right: str, cells: pd.DataFrame) -> tuple[Array, Any]:
    """The design matrix of a right-hand side, checked to identify every term."""
    try:
        made = patsy.dmatrix(right, plain(cells), NA_action="raise", return_type="matrix")
    except patsy.PatsyError as error:
        raise ValueError(f"{right!r}: {error}") from None
    info = made.design_info
    if any(one.state.get("transforms") for one in info.factor_infos.values()):
        raise ValueError(f"{right!r} has a transform that looks at all rows; put its result into the frame as a column")
    x = np.asarray(made, dtype=float)
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


def separated(x: Array, k: Array, n: Array) -> bool:
    """Whether some linear combination of the terms predicts perfectly, so that maximum likelihood has no finite estimate.

    Konis (2007), with counts: the linear program looks for a direction that is 0 where both outcomes occur, at least 0 where only
    true and at most 0 where only false does, and not 0 everywhere.
    """
    mixed = (k > 0) & (k < n)
    if np.linalg.matrix_rank(x[mixed]) == x.shape[1]:
        return False  # only 0 is 0 in all of these rows
    pure = x[~mixed] * np.where(k[~mixed] > 0, 1.0, -1.0)[:, None]
    pure /= np.abs(pure).max(axis=1, keepdims=True).clip(1e-300)
    zero, below = np.zeros(mixed.sum()), np.zeros(len(pure))
    found = linprog(-pure.sum(axis=0), A_ub=-pure, b_ub=below, A_eq=x[mixed], b_eq=zero, bounds=(-1, 1))
    if not found.success:
        raise RuntimeError(f"separation could not be checked: {found.message}")
    return bool(-found.fun > 1e-6)


def maximise(
    x: Array, k: Array, n: Array, firth: bool, start: Array | None = None, fixed: Sequence[int] = ()
) -> tuple[Array, float, Array]:
    """Estimates, log likelihood and information, with the coefficients `fixed` kept as they start.

    Newton's method with halved steps; with `firth` the penalised likelihood of Firth (1993): half the log determinant of the
    information of all coefficients is added, as Heinze and Schemper (2002) do in profiles.
    """
    free = np.setdiff1d(np.arange(x.shape[1]), fixed)

    def at(beta: Array) -> tuple[float, Array]:
        linear = x @ beta
        info = (x.T * (n * expit(linear) * expit(-linear))) @ x
        value = -float(k @ np.logaddexp(0, -linear) + (n - k) @ np.logaddexp(0, linear))
        return value + (0.5 * float(np.linalg.slogdet(info)[1]) if firth else 0.0), info

    beta = np.zeros(x.shape[1]) if start is None else start.copy()
    value, info = at(beta)
    for _ in range(500 if len(free) else 0):
        p = expit(x @ beta)
        residual = k - n * p
        if firth:
            hat = n * p * (1 - p) * np.einsum("ij,ij->i", x @ np.linalg.pinv(info, hermitian=True), x)
            residual = residual + hat * (0.5 - p)
        score = x[:, free].T @ residual
        step = np.linalg.lstsq(info[np.ix_(free, free)], score, rcond=None)[0]
        if score @ step < 1e-14:
            break
        for _ in range(40):
            trial = beta.copy()
            trial[free] += step
            new, new_info = at(trial)
            if new >= value - 1e-10 * (1 + abs(value)):
                break
            step = step / 2
        beta, value, info = trial, new, new_info
    else:
        if len(free):
            raise RuntimeError("the likelihood has no maximum that Newton's method finds; look at the counts")
    return beta, value, info


def fit(formula: str, frame: pd.DataFrame, cluster: str | None = None) -> Fit:
    """Maximum likelihood, or Firth's where the counts are separated (of which a clustered variance knows nothing)."""
    outcome, right, used = parse(formula, frame)
    cells, excluded = aggregate(frame, outcome, used, cluster)
    x, info = matrix(right, cells)
    k, n = (cells[name].to_numpy(dtype=float) for name in ("_k", "_n"))
    apart = separated(x, k, n)
    label = "Firth" if apart else "logit"
    codes = None
    if cluster and not apart:
        codes = pd.factorize(cells[cluster])[0]
        label += f" clustered by {cluster} ({codes.max() + 1})"
        if codes.max() < 1:
            raise ValueError(f"{cluster!r} has a single value, {cells[cluster].iloc[0]!r}; errors need at least 2 clusters")
    elif cluster:
        label += f" (clusters of {cluster} ignored)"
        cells, excluded = aggregate(frame, outcome, used)
        x, info = matrix(right, cells)
        k, n = (cells[name].to_numpy(dtype=float) for name in ("_k", "_n"))
    design = Design(x, k, n, list(info.column_names), cells[used], codes, info, excluded)
    beta, objective, information = maximise(x, k, n, apart)
    return Fit(design, beta, np.asarray(np.linalg.inv(information), dtype=float), objective, apart, label)


def wald(found: Fit, contrasts: Array) -> tuple[Array, Array]:
    """Standard errors and degrees of freedom of linear combinations of the coefficients.

    With clusters: the bias-reduced variance CR2 of Bell and McCaffrey (2002) on the linearised model, and their Satterthwaite
    degrees of freedom (Pustejovsky and Tipton 2018, J Bus Econ Stat 36:672), which hold with few clusters and unequal ones. Both
    NaN where the clusters cannot tell: a term that is constant but in one cluster, or a dummy of the clusters.
    """
    design = found.design
    model = np.einsum("ij,jk,ik->i", contrasts, found.covariance, contrasts)
    if design.clusters is None:
        return np.sqrt(model), np.full(len(contrasts), np.inf)
    p = expit(design.x @ found.beta)
    root = np.sqrt(design.n * p * (1 - p))
    x, residual = design.x * root[:, None], (design.k - design.n * p) / root
    lead = contrasts @ found.covariance
    scores, sizes, loads = [], [], []
    for g in range(design.clusters.max() + 1):
        rows = design.clusters == g
        u, s, v = np.linalg.svd(x[rows], full_matrices=False)
        leverage, axes = np.linalg.eigh((s[:, None] * v) @ found.covariance @ (s[:, None] * v).T)
        shrink = np.where(leverage < 1 - 1e-9, 1 / np.sqrt(np.maximum(1 - leverage, 1e-9)), 0)
        weights = lead @ v.T * s @ (axes * shrink @ axes.T) @ u.T  # contrasts x rows
        scores.append(weights @ residual[rows])
        sizes.append((weights**2).sum(axis=1))
        loads.append(weights @ x[rows])
    load = np.stack(loads, axis=1)  # contrasts x clusters x terms
    spread = np.stack([np.diag(size) for size in np.stack(sizes, axis=1)]) - load @ found.covariance @ load.transpose(0, 2, 1)
    expected = np.trace(spread, axis1=1, axis2=2)  # of the variance, were rollouts independent
    told = expected > 0.5 * model
    df = np.where(told, expected**2 / np.maximum((spread**2).sum(axis=(1, 2)), 1e-300), math.nan)
    return np.where(told, np.sqrt((np.stack(scores) ** 2).sum(axis=0)), math.nan), df


def profile(found: Fit, contrast: Array, level: float) -> tuple[float, float, float]:
    """Profile-likelihood interval of a linear combination of coefficients, and the p of "it is 0", likelihood ratio on 1 df."""
    pivot = int(np.abs(contrast).argmax())
    basis = np.eye(len(contrast))
    basis[pivot] = contrast  # the combination takes the place of one coefficient
    x, best = found.design.x @ np.linalg.inv(basis), basis @ found.beta
    k, n = found.design.k, found.design.n
    cut, scale = float(norm.ppf((1 + level) / 2)), math.sqrt(float(contrast @ found.covariance @ contrast))
    state = best.copy()

    def root(value: float) -> float:
        nonlocal state
        start = state.copy()
        start[pivot] = value
        state, objective, _ = maximise(x, k, n, found.firth, start, [pivot])
        return math.sqrt(max(2 * (found.objective + shift - objective), 0.0))

    shift = 0.0
    shift = maximise(x, k, n, found.firth, best, range(len(best)))[1] - found.objective  # the determinant's, of the new basis
    bounds = []
    for side in (-1, 1):
        near, far, state = float(best[pivot]), float(best[pivot]) + side * cut * scale, best.copy()
        for _ in range(40):
            if root(far) > cut:
                bounds.append(float(brentq(lambda value: root(value) - cut, near, far, xtol=1e-7 * scale, rtol=1e-10)))
                break
            near, far = far, far + side * cut * scale
        else:
            bounds.append(side * math.inf)
    state = best.copy()
    return bounds[0], bounds[1], tail(root(0.0) ** 2, 1)


def rows_of(info: Any, cells: pd.DataFrame | Mapping[str, Any]) -> Array:
    """Design rows of other values of the same columns."""
    try:
        return np.asarray(patsy.build_design_matrices([info], plain(pd.DataFrame(cells)), NA_action="raise")[0], dtype=float)
    except patsy.PatsyError as error:
        raise ValueError(str(error).splitlines()[0]) from None


def intervals(found: Fit, contrasts: Array, estimate: Array, level: float) -> tuple[Array, Array, Array, Array, Array]:
    """Standard error, degrees of freedom, bounds and p; the normal distribution is t with infinitely many degrees of freedom."""
    error, df = wald(found, contrasts)
    around = t.ppf((1 + level) / 2, df) * error
    return error, df, estimate - around, estimate + around, np.asarray(2 * t.sf(np.abs(estimate / error), df))


def tail(statistic: float, df: int) -> float:
    """p of a chi-squared statistic."""
    return float(chi2.sf(statistic, df))
