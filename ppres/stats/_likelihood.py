"""The binomial likelihood, Firth's penalised one, and their maxima and profiles: numbers only, no frames."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh, solve_triangular
from scipy.optimize import brentq, linprog
from scipy.special import expit
from scipy.stats import t

Array = NDArray[np.float64]


class Peak(NamedTuple):
    """Where a likelihood is highest, how high, and its information there (of all coefficients)."""

    beta: Array
    value: float
    information: Array


@dataclass(frozen=True)
class Likelihood:
    """Of k true outcomes among n with log odds x @ beta; with `firth`, plus half the log determinant of the information.

    Firth (1993). The information is that of all coefficients where some are fixed, too, as in Heinze and Schemper (2002). The
    columns of x are orthonormal: all is on the scale of the log odds, and the penalty is the same in every such basis.
    """

    x: Array
    k: Array
    n: Array
    firth: bool = False

    def separated(self) -> bool:
        """Whether a linear combination of the terms predicts perfectly, so that maximum likelihood has no finite estimate.

        Konis (2007), with counts: the linear program looks for a direction that is 0 where both outcomes occur, at least 0 where
        only true and at most 0 where only false does, and not 0 everywhere. As x is orthonormal, the sum that it maximises is 0,
        or else at least 1, the length of x @ direction: no scale of a covariate blurs the two.
        """
        mixed = (self.k > 0) & (self.k < self.n)
        if np.linalg.matrix_rank(self.x[mixed], tol=1e-6) == self.x.shape[1]:
            return False  # only 0 is 0 in all of these rows
        sign = np.where(self.k[~mixed] > 0, 1.0, -1.0)
        pure = np.random.default_rng(0).permutation(self.x[~mixed] * sign[:, None])  # the program is slow on sorted rows
        if (told := self._told_by_a_fit(mixed, sign)) is not None:
            return told
        zero, below = np.zeros(mixed.sum()), np.zeros(len(pure))
        program = linprog(-pure.sum(axis=0), A_ub=-pure, b_ub=below, A_eq=self.x[mixed], b_eq=zero, bounds=(-1, 1))
        if not program.success:
            raise RuntimeError(f"separation could not be checked: {program.message}")
        return bool(-program.fun > 0.5)

    def _told_by_a_fit(self, mixed: NDArray[np.bool_], sign: Array) -> bool | None:
        """Whether counts are separated, where a fit of maximum likelihood proves it; None where it proves nothing.

        Along a direction that separates, the score is the sum of residuals of pure rows times what they gain, and the information
        at most the sum of the same times its square: the gain of Newton's step is at least the smallest of these residuals. So a
        smaller gain proves that there is none; and coefficients that predict every rollout are one.
        """
        likelihood = replace(self, firth=False)
        here = likelihood.maximise(np.zeros(self.x.shape[1]), most=30)
        if here.value > -math.inf:
            p = expit(self.x @ here.beta)
            score, step, _ = likelihood.ascent(here, 0)
            if score @ step < 0.5 * np.abs(self.k - self.n * p)[~mixed].min(initial=math.inf):
                return False
        return True if not mixed.any() and (sign * (self.x @ here.beta)).min() > 1e-3 else None

    def at(self, beta: Array) -> Peak:
        """Value and information of any coefficients; minus infinity where the information is singular, in numbers."""
        linear = self.x @ beta
        information = (self.x.T * (self.n * expit(linear) * expit(-linear))) @ self.x
        value = -float(self.k @ np.logaddexp(0, -linear) + (self.n - self.k) @ np.logaddexp(0, linear))
        try:
            diagonal = np.diag(np.linalg.cholesky(information))
        except np.linalg.LinAlgError:
            return Peak(beta, -math.inf, information)
        if (diagonal < 1e-6 * np.sqrt(np.diag(information)) + 1e-100).any():
            return Peak(beta, -math.inf, information)
        return Peak(beta, value + (float(np.log(diagonal).sum()) if self.firth else 0.0), information)

    def ascent(self, here: Peak, fixed: int, bent: Array | None = None, coarse: bool = False) -> tuple[Array, Array, Array | None]:
        """Score and Newton's step of all but the first `fixed` coefficients, and the inverse second derivatives that it is by.

        With `firth`, Fisher's scoring is not enough: with one rollout per row it takes steps twice as long as they should be. So
        that is for a `coarse` one, far from the maximum; others are by the exact second derivatives, or by those given, of a place
        nearby; where they bend upwards, as at a saddle, the step goes away from there.
        """
        p, free = expit(self.x @ here.beta), self.x[:, fixed:]
        weight, residual = self.n * p * (1 - p), self.k - self.n * p
        if not self.firth:
            score = free.T @ residual
            return score, np.linalg.solve(here.information[fixed:, fixed:], score), None
        factor = np.linalg.cholesky(here.information)
        if len(factor) < 60:  # for few terms scipy's way wakes threads, which on a busy machine takes a hundred times as long
            root = np.linalg.solve(factor, self.x.T * np.sqrt(weight))
        else:
            root = solve_triangular(factor, self.x.T * np.sqrt(weight), lower=True, check_finite=False)
        hat = (root**2).sum(axis=0)  # the diagonal of root.T @ root, the hat matrix
        score = free.T @ (residual + hat * (0.5 - p))
        if coarse:
            return score, np.linalg.solve(here.information[fixed:, fixed:], score), None
        bent = self._bent(p, root, hat, free) if bent is None else bent
        return score, bent @ score, bent

    def _bent(self, p: Array, root: Array, hat: Array, free: Array) -> Array:
        """The inverse of the exact second derivatives of the penalised likelihood, which are at least 0.01 of the expected ones."""
        curvature = (free.T * (self.n * p * (1 - p) + hat * p * (1 - p))) @ free
        tilted = free * (1 - 2 * p)[:, None]
        squares = np.zeros_like(curvature)  # of the elements of the hat matrix, tilted
        if 4 * root.shape[1] < len(root) ** 2:  # few rows of counts for so many terms, as with a dummy for each condition
            squares = tilted.T @ (root.T @ root) ** 2 @ tilted
        else:
            for i, row in enumerate(root):
                pairs = (root[: i + 1] * row) @ tilted  # of each pair of rows once
                pairs[:i] *= math.sqrt(2)
                squares += pairs.T @ pairs
        exact = curvature - 0.5 * ((tilted.T * hat) @ tilted - squares)
        scale = curvature + 1e-12 * np.trace(curvature) * np.eye(free.shape[1])
        try:
            np.linalg.cholesky(exact - 0.01 * scale)  # most are, which takes a tenth of the time to see
            return np.asarray(np.linalg.inv(exact), dtype=float)
        except np.linalg.LinAlgError:
            bends, axes = eigh(exact, scale)
            return np.asarray(axes / np.maximum(np.abs(bends), 0.01) @ axes.T, dtype=float)

    def maximum(self, fixed: int = 0) -> Peak:
        """The highest value, with the first `fixed` coefficients 0; `RuntimeError` where it is none."""
        peak = self.highest(self.maximise(np.zeros(self.x.shape[1]), fixed), fixed)
        score, step, _ = self.ascent(peak, fixed)
        if not score @ step < 1e-6:
            raise RuntimeError("the likelihood has no maximum that Newton's method finds; look at the counts")
        return peak

    def maximise(self, start: Array, fixed: int = 0, most: int = 200) -> Peak:
        """The maximum that Newton's method climbs to, with the first `fixed` coefficients kept as they start.

        Or as far as it comes in `most` steps, which is not far from a start where rounding hides the information.
        """
        here, bent, before = self.at(start), None, math.inf
        for _ in range(most if here.value > -math.inf else 0):
            score, step, bent = self.ascent(here, fixed, bent, coarse=before > 0.1)
            most_odds = max(5.0, 0.2 * np.abs(self.x @ here.beta).max())  # log odds; beyond, the quadratic is no guide
            step *= most_odds / max(most_odds, np.abs(self.x[:, fixed:] @ step).max())
            gain = float(score @ step)
            bent, before = (bent if gain < min(0.05, 0.1 * before) else None), gain  # close by, they hardly change, and cost most
            while gain > 1e-12:
                new = self.at(np.concatenate([here.beta[:fixed], here.beta[fixed:] + step]))
                if new.value >= here.value + 0.25 * gain - 1e-12 * (1 + abs(here.value)):
                    break
                step, gain = step / 2, gain / 2
            else:
                return here
            here = new
        return here

    def highest(self, peak: Peak, fixed: int) -> Peak:
        """The highest of this maximum and those around it.

        A penalised likelihood may have several, and saddles between: in 2% of small separated tables a profile from a single start
        ends too early. They lie along the directions with the least information, where 10 to 20 log odds lead from one to the next
        (2,200 random tables of few terms: 97 of 100 are found so; in 30 of 13 to 31 terms the first direction alone finds as many).
        """
        if not self.firth or fixed == self.x.shape[1]:
            return peak
        peaks = [peak]
        axes = np.linalg.eigh(peak.information[fixed:, fixed:])[1].T[: 3 if self.x.shape[1] <= 12 else 1]
        for axis in axes:
            move = np.concatenate([np.zeros(fixed), axis / np.abs(self.x[:, fixed:] @ axis).max()])
            peaks += [self.maximise(peak.beta + size * move, fixed) for size in (-20, -10, 10, 20)]
        return max(peaks, key=lambda other: other.value)


_MOST = 150  # fits of a bound: most take 20; where separation hides the information, halved strides may multiply without end


class _LostError(Exception):
    """A profile cannot be followed within so many fits."""


class Profile:
    """How much likelihood is lost when the first coefficient is held at a value and the others adapt."""

    def __init__(self, likelihood: Likelihood, peak: Peak) -> None:
        self.likelihood, self.peak, self.starts, self.fits = likelihood, peak, [peak], 0

    def held(self, value: float, widely: bool = False) -> Peak:
        """The highest maximum there; `widely`: also beside those that the starts lead to."""
        peak = max((self.follow(start, value) for start in self.starts), key=lambda start: start.value)
        return self.likelihood.highest(peak, 1) if widely and self.loses_information(peak) else peak

    def follow(self, start: Peak, value: float, halvings: int = 8) -> Peak:
        """The maximum there, going from another value, in shorter strides where a long one leads nowhere."""
        self.fits += 1
        if self.fits > _MOST:
            raise _LostError
        peak = self.likelihood.maximise(_ahead(start, value), 1)
        if peak.value > -math.inf or not halvings:
            return peak
        middle = self.follow(start, (start.beta[0] + value) / 2, halvings - 1)
        return self.follow(middle, value, halvings - 1) if middle.value > -math.inf else middle

    def loses_information(self, other: Peak) -> bool:
        """Without a loss there is no other maximum (found so in 384 of 386), and looking for one is slow."""
        before, after = (np.linalg.slogdet(peak.information)[1] for peak in (self.peak, other))
        return bool(after < before - 1)

    def root(self, other: Peak) -> float:
        """Root of twice the log likelihood lost."""
        return math.sqrt(max(2 * (self.peak.value - other.value), 0.0))

    def bound(self, cut: float, step: float) -> float:
        """Where the root reaches `cut`, in the direction of `step`; infinite if not within 40 growing steps, or 150 fits."""
        self.fits = 0
        with contextlib.suppress(_LostError):
            return self._bound(cut, step)
        return math.copysign(math.inf, step)

    def p(self, stretch: float, df: float) -> float:
        """Of the first coefficient being 0; missing where that cannot be followed."""
        self.fits = 0
        with contextlib.suppress(_LostError):
            return float(2 * t.sf(self.root(self.held(0.0, widely=True)) / stretch, df))
        return math.nan

    def _bound(self, cut: float, step: float) -> float:
        near, above = float(self.peak.beta[0]), cache(lambda value: self.root(self.held(value)) - cut)
        for _ in range(40):
            far = near + step
            if above(far) < 0:
                near, step = far, 1.5 * step  # a penalised profile may be nearly flat for long
                continue
            if above(near) >= 0:  # from another start than the one by which it was below
                return near
            near = float(brentq(above, near, far, xtol=1e-6 * abs(step), rtol=1e-10))
            end = self.held(near, widely=True)
            if self.root(end) > cut - 1e-4:
                return near
            self.starts.append(end)  # the starts led elsewhere from here on: follow this one, too
            above.cache_clear()
        return math.copysign(math.inf, step)


def _ahead(peak: Peak, value: float) -> Array:
    """Coefficients with the first at a value, and the others where the information expects them then."""
    direction = np.linalg.solve(peak.information, np.eye(len(peak.beta))[0])
    return np.asarray(peak.beta + direction / direction[0] * (value - peak.beta[0]), dtype=float)


def profile(
    likelihood: Likelihood, peak: Peak, contrast: Array, stretch: float, df: float, level: float
) -> tuple[float, float, float]:
    """Profile-likelihood interval of a linear combination of coefficients, and the p of "it is 0", likelihood ratio on 1 df.

    With clusters the root of the ratio is `stretch` times as long as that of independent rollouts, and t with `df`.
    """
    if not contrast.any():
        return 0.0, 0.0, math.nan  # where a formula without an intercept says nothing
    if math.isnan(stretch):
        return math.nan, math.nan, math.nan
    # a basis in which the information is the identity, and the combination is the first coefficient times a length
    whitening = np.linalg.inv(np.linalg.cholesky(peak.information)).T
    turn: Any = np.linalg.qr(whitening.T @ contrast[:, None], mode="complete")[0]
    length = float(turn[:, 0] @ whitening.T @ contrast)
    turned = replace(likelihood, x=likelihood.x @ whitening @ turn)
    at = Profile(turned, turned.at(turn.T @ np.linalg.solve(whitening, peak.beta)))
    cut = stretch * float(t.ppf((1 + level) / 2, df))
    low, high = sorted(length * at.bound(cut, step) for step in (-cut, cut))
    return low, high, at.p(stretch, df)
