"""Errors of a regression by clusters: the bias-reduced variance CR2, and what it is where clusters do not tell."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from ppres.stats._interval import LEAST, assumed_effect, few

if TYPE_CHECKING:
    from ppres.stats._fit import Fit
    from ppres.stats._likelihood import Array

# A design effect below which residuals along a direction say nothing: where nothing has occurred it is below 1/clusters.
_SILENT = 0.1


class Errors(NamedTuple):
    """Standard errors and degrees of freedom of linear combinations of the coefficients, and whether correlations are assumed."""

    error: Array
    df: Array
    assumed: NDArray[np.bool_]


def wald(fit: Fit, contrasts: Array) -> Errors:
    """As if rollouts were independent, or by clusters.

    With clusters: the bias-reduced variance CR2 of Bell and McCaffrey (2002) on the linearised model, and their Satterthwaite
    degrees of freedom (Pustejovsky and Tipton 2018, J Bus Econ Stat 36:672), which hold with few clusters and unequal ones. Both
    NaN where the clusters cannot tell: a term that is constant but in one cluster, or a dummy of the clusters.

    Where nothing has occurred, residuals are nearly 0 and say nothing about clusters: Firth's likelihood takes the design effect
    of the other directions there, and is never less than if rollouts were independent. Where rollouts on one side of a
    combination have their rarer outcome in `few` clusters, the variance has at least the design effect that is assumed.
    """
    model = np.einsum("ij,jk,ik->i", contrasts, fit.covariance, contrasts)
    if fit.design.clusters is None:
        return Errors(np.sqrt(model), np.full(len(contrasts), np.inf), np.zeros(len(contrasts), dtype=bool))
    scores, expected, norm = _scores(fit, contrasts)
    told = expected > 0.5 * model
    df = np.where(told, expected**2 / np.maximum(norm, 1e-300), math.nan)
    variance = (scores**2).sum(axis=0)
    if fit.design.likelihood.firth:
        variance = np.maximum(_by_directions(fit, contrasts), model)
    least = np.array([_assumed(fit, contrast) for contrast in contrasts])
    variance = np.where(variance > 1e-9 * model, variance, LEAST * model)  # by few clusters it may come out as 0
    variance = np.maximum(variance, least * model)
    return Errors(np.where(told, np.sqrt(variance), math.nan), df, told & (least > 0))


def _scores(fit: Fit, contrasts: Array) -> tuple[Array, Array, Array]:
    """Scores of CR2 (clusters x contrasts), the expectation of their sum of squares were rollouts independent, and its norm."""
    clusters, counted = np.asarray(fit.design.clusters), fit.design.likelihood
    p = expit(counted.x @ fit.peak.beta)
    root = np.sqrt(counted.n * p * (1 - p))
    x, residual = counted.x * root[:, None], counted.k - counted.n * p
    residual = np.divide(residual, root, out=np.zeros_like(residual), where=root > 0)  # of what is certain there is none
    lead, within = contrasts @ fit.covariance, np.linalg.cholesky(fit.covariance)
    scores, size = np.empty((clusters.max() + 1, len(contrasts))), np.empty((clusters.max() + 1, len(contrasts)))
    loads = np.empty((clusters.max() + 1, *contrasts.shape))
    order = np.argsort(clusters, kind="stable")
    for g, rows in enumerate(np.split(order, np.flatnonzero(np.diff(clusters[order])) + 1)):
        u, s, v = np.linalg.svd(x[rows], full_matrices=False)
        leverage, axes = np.linalg.eigh((s[:, None] * v) @ fit.covariance @ (s[:, None] * v).T)
        shrink = np.where(leverage < 1 - 1e-9, 1 / np.sqrt(np.maximum(1 - leverage, 1e-9)), 0)
        weights = lead @ v.T * s @ (axes * shrink @ axes.T) @ u.T  # contrasts x rows
        scores[g], size[g], loads[g] = weights @ residual[rows], (weights**2).sum(axis=1), weights @ x[rows] @ within
    # the variance is a quadratic form with the matrix diag(size) - load @ load.T, clusters x clusters, which need not be made
    square = (loads**2).sum(axis=2)
    inner = np.einsum("gci,gcj->cij", loads, loads)
    return scores, (size - square).sum(axis=0), (size**2 - 2 * size * square).sum(axis=0) + (inner**2).sum(axis=(1, 2))


def _by_directions(fit: Fit, contrasts: Array) -> Array:
    """CR2, with the average design effect of all directions in those whose own is as good as none."""
    within = np.linalg.cholesky(fit.covariance)
    scores = _scores(fit, np.linalg.inv(within))[0]  # of combinations with variance 1, independent of each other
    effects, axes = np.linalg.eigh(scores.T @ scores)
    heard = effects[effects >= _SILENT]
    sizes = _by_cluster(fit, fit.design.likelihood.n)
    silent = max(1.0, float(heard.mean())) if heard.size else assumed_effect(sizes)
    return np.asarray(((contrasts @ within @ axes) ** 2) @ np.where(effects >= _SILENT, effects, silent))


def _assumed(fit: Fit, contrast: Array) -> float:
    """The least design effect of a combination: that of the assumed correlation where it hangs on few clusters, else 0."""
    counted = fit.design.likelihood
    pull = counted.x @ fit.covariance @ contrast  # of a rollout of each row on the combination
    least = 0.0
    for rows in (pull > 1e-9 * np.abs(pull).max(), pull < -1e-9 * np.abs(pull).max()):
        k, n = _by_cluster(fit, counted.k * rows), _by_cluster(fit, counted.n * rows)
        if few(k, n):
            least = max(least, assumed_effect(n))
    return least


def _by_cluster(fit: Fit, numbers: Array) -> Array:
    return np.bincount(np.asarray(fit.design.clusters), weights=numbers).astype(float)
