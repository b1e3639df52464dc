"""Logistic regression of tidy frames, and what follows from it: effects, predictions, comparisons of models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ppres.factor import brief
from ppres.stats._frame import check_level, each

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from ppres.stats._fit import Fit


def logit(
    formula: str, frame: pd.DataFrame, cluster: str | Sequence[str] | None = None, by: str | Sequence[str] = (), level: float = 0.95
) -> pd.DataFrame:
    """Logistic regression of an outcome, for each group of a frame.

    `formula` is as in statsmodels: "preserved ~ peer_present + cooperativeness + C(scenario)". The fit is on counts of each
    distinct combination of its columns; rows with a missing outcome are excluded and counted. `cluster` names a column whose
    values share errors (paraphrase, a condition cell), or several, whose combinations do. For weights, repeat rows.

    Returns a row per term: the groups, term, estimate (log odds), low, high, p, k and n of the fit, estimator, se, df, excluded.
    The estimator is one of
    - "logit, profile likelihood": maximum likelihood, the interval of values that a likelihood-ratio test does not reject, and
      that test's p. Near separation Wald's interval, estimate ± 1.96 se, is far too symmetric; se is for comparison;
    - "logit clustered by paraphrase (3), CR2 and t": the same estimates, with errors and degrees of freedom that hold for
      few clusters as well (Bell and McCaffrey 2002); NaN for a term about which the clusters say nothing;
    - "Firth, profile likelihood": where the counts are separated, so that a maximum likelihood estimate is infinite: the same of
      the penalised likelihood (Firth 1993; Heinze and Schemper 2002), se NaN. With clusters the profile is stretched by as much
      as CR2's error is longer than that of independent rollouts, and its quantiles are those of t.
    df are the degrees of freedom of t, NaN without clusters. The reference of a categorical column is its first category, of
    text the first in the alphabet. A group without any known outcome has one row: n 0, estimator "no outcome known", the rest
    missing.

    Raises `KeyError` for a missing column, `ValueError` for an outcome that is not true or false or nowhere known, a missing
    covariate, a single cluster, terms that the rows do not identify (they are named), as many terms as rollouts, or more than 300
    with profile intervals (100 where counts are separated).
    """
    from ppres.stats import _fit

    check_level(level)

    def of_group(part: pd.DataFrame) -> pd.DataFrame:
        fit = _fit.fit(formula, part, cluster)
        return _fit.estimates(fit, fit.design.basis, fit.design.terms, level)

    return each(frame, by, of_group)


def margins(
    formula: str, frame: pd.DataFrame, cluster: str | Sequence[str] | None = None, by: str | Sequence[str] = (), level: float = 0.95
) -> pd.DataFrame:
    """Average marginal effects on the probability, for each column of a `logit` formula: one step, averaged over rollouts.

    A column of zeros and ones: the average predicted probability with all at 1 minus that with all at 0, other columns as they are.
    Any other number: the average derivative. Text, booleans, and numbers inside C(): each level against the reference of `logit`.
    Columns that enter an interaction count with all their terms. Beware of columns that cannot vary alone: `cooperativeness`
    without a peer.

    Returns the columns of `logit`; estimate is a difference of probabilities (per unit for a derivative). Intervals are by the
    delta method, from the covariance that `logit` uses; under separation from the information at Firth's estimates, which is
    approximate: for a test see `logit` or `lr_test`. Raises what `logit` raises.
    """
    import numpy as np

    from ppres.stats import _fit

    check_level(level)

    def average(fit: Fit, **changed: Any) -> tuple[float, np.ndarray[Any, Any]]:
        x = _fit.rows_of(fit.design, fit.design.cells.assign(**changed))
        p, share = _fit.probability(x @ fit.peak.beta), fit.design.likelihood.n / fit.design.likelihood.n.sum()
        return float(share @ p), (share * p * (1 - p)) @ x

    def of_group(part: pd.DataFrame) -> pd.DataFrame:
        fit = _fit.fit(formula, part, cluster)
        terms, effects, slopes = [], [], []
        for name in fit.design.cells.columns:
            for term, low, high, width in _fit.steps(fit.design, name):
                (before, slope_before), (after, slope_after) = average(fit, **{name: low}), average(fit, **{name: high})
                terms.append(term)
                effects.append((after - before) / width)
                slopes.append((slope_after - slope_before) / width)
        if not terms:
            nothing = np.full(1, np.nan)
            return _fit.table(fit, [None], nothing, (nothing,) * 5, "no column of the formula varies")
        estimate = np.array(effects)
        numbers, more = _fit.intervals(fit, np.array(slopes).reshape(len(terms), -1), estimate, level)
        return _fit.table(fit, terms, estimate, numbers, "delta method", more)

    return each(frame, by, of_group)


def predicted(
    formula: str,
    frame: pd.DataFrame,
    at: pd.DataFrame | Mapping[str, Any],
    cluster: str | Sequence[str] | None = None,
    by: str | Sequence[str] = (),
    level: float = 0.95,
) -> pd.DataFrame:
    """Predicted probabilities of a `logit` at chosen values of all its columns.

    `at` has a row per prediction, or is a mapping of columns to a value or a list of values, which are crossed. Returns the groups,
    the columns of `at`, and the columns of `logit`; estimate, low and high are probabilities (intervals are made on the log odds,
    as those of `logit`), p is of "the probability is one half".

    Raises what `logit` raises, and `ValueError` for a column that `at` lacks or a level that the rows do not have.
    """
    import itertools

    import pandas as pd

    from ppres.stats import _fit

    check_level(level)
    if isinstance(at, Mapping):
        lists = [list(v) if pd.api.types.is_list_like(v) else [v] for v in at.values()]
        at = pd.DataFrame(list(itertools.product(*lists)), columns=list(at))
    if not isinstance(at, pd.DataFrame) or not len(at):
        raise ValueError(f"at= is a mapping of columns to values, or a frame with a row for each prediction, not {brief(at)}")
    where = at.reset_index(drop=True)

    def of_group(part: pd.DataFrame) -> pd.DataFrame:
        fit = _fit.fit(formula, part, cluster)
        if missing := [name for name in fit.design.cells.columns if name not in where.columns]:
            raise ValueError(f"at= lacks {', '.join(missing)}; a prediction needs every column of the formula")
        kinds = {name: pd.api.types.is_numeric_dtype(fit.design.cells[name]) for name in fit.design.cells.columns}
        if odd := [name for name, number in kinds.items() if number and not pd.api.types.is_numeric_dtype(where[name])]:
            raise ValueError(f"at= has {brief(where[odd[0]][0])} for {odd[0]}, which is a number in the frame")
        table = _fit.estimates(
            fit, _fit.rows_of(fit.design, where[[*fit.design.cells.columns]]), ["probability"] * len(where), level
        )
        for name in ("estimate", "low", "high"):
            table[name] = _fit.probability(table[name])
        return pd.concat([where, table], axis=1)

    return each(frame, by, of_group)


def lr_test(formula_small: str, formula_large: str, frame: pd.DataFrame, by: str | Sequence[str] = ()) -> pd.DataFrame:
    """Whether the terms that a larger formula adds to a smaller one improve a `logit`: likelihood-ratio test.

    The smaller model must be a special case of the larger, but not in its wording: a numeric coding against C() of the same column
    compares ordinal with nominal. Under separation of the larger model both likelihoods are Firth's, penalised by the larger
    model's information (Heinze and Schemper 2002). Rollouts are taken as independent.

    Returns the groups and term, estimate (chi-squared), low and high (NaN), p, k, n, estimator, df, excluded. Raises what `logit`
    raises, and `ValueError` where the formulas have other outcomes or are not nested.
    """
    import numpy as np
    import pandas as pd
    from scipy.stats import chi2

    from ppres.stats import _fit, _formula
    from ppres.stats._likelihood import Likelihood

    def of_group(part: pd.DataFrame) -> pd.DataFrame:
        (outcome, small, used), (other, large, more) = _formula.parse(formula_small, part), _formula.parse(formula_large, part)
        if outcome != other:
            raise ValueError(f"the formulas have other outcomes: {outcome!r} and {other!r}")
        cells, excluded = _fit.aggregate(part, outcome, list(dict.fromkeys(used + more)))
        k, n = (cells[name].to_numpy(dtype=float) for name in (_fit.TRUE, _fit.KNOWN))
        x, wide = (np.linalg.qr(_fit.matrix(right, cells)[0])[0] for right in (small, large))
        df, inside = wide.shape[1] - x.shape[1], wide.T @ x
        if df < 1 or not np.allclose(wide @ inside, x, atol=1e-8):
            raise ValueError(f"{small!r} is not a special case of {large!r} with fewer terms")
        both = wide @ np.linalg.qr(inside, mode="complete")[0][:, ::-1]  # the larger model, its own terms first
        likelihood = Likelihood(both, k, n)
        firth = likelihood.separated()
        likelihood = Likelihood(both, k, n, firth)
        statistic = max(2 * (likelihood.maximum().value - likelihood.maximum(df).value), 0.0)
        row = {"term": f"{large} against {small}", "estimate": statistic, "low": np.nan, "high": np.nan}
        row |= {"p": float(chi2.sf(statistic, df)), "k": int(k.sum()), "n": int(n.sum())}
        estimator = "Firth, penalised likelihood ratio" if firth else "logit, likelihood ratio"
        return pd.DataFrame([row | {"estimator": estimator, "df": df, "excluded": excluded}])

    return each(frame, by, of_group)
