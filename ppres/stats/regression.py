"""Logistic regression of tidy frames, and what follows from it: effects, predictions, comparisons of models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ppres.stats._frame import check_level, each

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from ppres.stats._fit import Fit


def logit(
    formula: str, frame: pd.DataFrame, cluster: str | None = None, by: str | Sequence[str] = (), level: float = 0.95
) -> pd.DataFrame:
    """Logistic regression of an outcome, for each group of a frame.

    `formula` is as in statsmodels: "preserved ~ peer_present + cooperativeness + C(scenario)". The fit is on counts of each
    distinct combination of its columns; rows with a missing outcome are excluded and counted. `cluster` names a column whose
    values share errors (paraphrase, a condition cell).

    Returns a row per term: the groups, term, estimate (log odds), low, high, p, k and n of the fit, estimator, se, df, excluded.
    The estimator is one of
    - "logit, Wald": maximum likelihood;
    - "logit clustered by paraphrase (3), CR2 and t": the same estimates, with errors and degrees of freedom that hold for
      few clusters as well (Bell and McCaffrey 2002); NaN for a term about which the clusters say nothing;
    - "Firth, profile likelihood": where the counts are separated, so that a maximum likelihood estimate is infinite and a Wald
      interval means nothing: penalised likelihood (Firth 1993), its profile interval and likelihood-ratio p (Heinze and Schemper
      2002), se NaN. It knows no clusters; where some were asked for, it says that they were ignored.

    Raises `KeyError` for a missing column, `ValueError` for an outcome that is not true or false, a missing covariate, a single
    cluster, or terms that the rows do not identify (they are named).
    """
    import numpy as np

    from ppres.stats import _fit

    check_level(level)

    def one(part: pd.DataFrame) -> pd.DataFrame:
        found = _fit.fit(formula, part, cluster)
        contrasts = np.eye(len(found.beta))
        table = _estimates(found, contrasts, found.design.terms, level)
        return table.assign(excluded=found.design.excluded)

    return each(frame, by, one)


def _estimates(found: Fit, contrasts: np.ndarray[Any, Any], terms: Sequence[str], level: float) -> pd.DataFrame:
    """Combinations of coefficients with intervals: profile where there is separation, else Wald."""
    import numpy as np
    import pandas as pd

    from ppres.stats import _fit

    estimate = contrasts @ found.beta
    if found.firth:
        low, high, p = np.array([_fit.profile(found, contrast, level) for contrast in contrasts]).T
        error = df = np.full(len(estimate), np.nan)
        kind = "profile likelihood"
    else:
        error, df, low, high, p = _fit.intervals(found, contrasts, estimate, level)
        kind = "Wald" if found.design.clusters is None else "CR2 and t"
    shape = {"term": list(terms), "estimate": estimate, "low": low, "high": high, "p": p}
    return pd.DataFrame(shape | _counted(found, kind) | {"se": error, "df": df})


def _counted(found: Fit, kind: str) -> dict[str, Any]:
    return {"k": int(found.design.k.sum()), "n": int(found.design.n.sum()), "estimator": f"{found.label}, {kind}"}


def margins(
    formula: str, frame: pd.DataFrame, cluster: str | None = None, by: str | Sequence[str] = (), level: float = 0.95
) -> pd.DataFrame:
    """Average marginal effects on the probability, for each column of a `logit` formula: one step, averaged over rollouts.

    A column of zeros and ones: the average predicted probability with all at 1 minus that with all at 0, other columns as they are.
    Any other number: the average derivative. Text, booleans, and numbers inside C(): each level against the first. Columns that
    enter an interaction count with all their terms. Beware of columns that cannot vary alone: `cooperativeness` without a peer.

    Returns the columns of `logit`; estimate is a difference of probabilities (per unit for a derivative). Intervals are by the
    delta method, from the covariance that `logit` uses; under separation from the information at Firth's estimates, which is
    approximate: for a test see `logit` or `lr_test`. Raises what `logit` raises.
    """
    import numpy as np
    import pandas as pd

    from ppres.stats import _fit

    check_level(level)

    def average(found: Fit, **changed: Any) -> tuple[float, np.ndarray[Any, Any]]:
        x = _fit.rows_of(found.design.info, found.design.cells.assign(**changed))
        p, share = _fit.probability(x @ found.beta), found.design.n / found.design.n.sum()
        return float(share @ p), (share * p * (1 - p)) @ x

    def one(part: pd.DataFrame) -> pd.DataFrame:
        found = _fit.fit(formula, part, cluster)
        terms, effects, slopes = [], [], []
        for name in found.design.cells.columns:
            for term, low, high, width in _steps(found.design, name):
                (before, slope_before), (after, slope_after) = average(found, **{name: low}), average(found, **{name: high})
                terms.append(term)
                effects.append((after - before) / width)
                slopes.append((slope_after - slope_before) / width)
        estimate = np.array(effects)
        error, df, low, high, p = _fit.intervals(found, np.array(slopes).reshape(len(terms), -1), estimate, level)
        shape = {"term": terms, "estimate": estimate, "low": low, "high": high, "p": p}
        table = pd.DataFrame(shape | _counted(found, "delta method") | {"se": error, "df": df})
        return table.assign(excluded=found.design.excluded)

    return each(frame, by, one)


def _steps(design: Any, name: str) -> list[tuple[str, Any, Any, float]]:
    """Which changes of a column are effects: (term, from, to, width)."""
    import ast

    import numpy as np

    values = design.cells[name]
    kinds = {info.type for factor, info in design.info.factor_infos.items() if name in _words(ast.parse(factor.code))}
    levels = sorted(values.unique())
    if "categorical" in kinds:
        return [(f"{name}: {level} - {levels[0]}", levels[0], level, 1.0) for level in levels[1:]]
    if set(levels) <= {0, 1}:
        return [(name, 0, 1, 1.0)]
    width = 1e-5 * float(np.abs(levels).max())
    return [(name, values - width / 2, values + width / 2, width)]


def _words(tree: Any) -> set[str]:
    import ast

    return {getattr(node, "id", getattr(node, "value", "")) for node in ast.walk(tree) if isinstance(node, ast.Name | ast.Constant)}


def predicted(
    formula: str,
    frame: pd.DataFrame,
    at: pd.DataFrame | Mapping[str, Any],
    cluster: str | None = None,
    by: str | Sequence[str] = (),
    level: float = 0.95,
) -> pd.DataFrame:
    """Predicted probabilities of a `logit` at chosen values of all its columns.

    `at` has a row per prediction, or is a mapping of columns to a value or a list of values, which are crossed. Returns the groups,
    the columns of `at`, and the columns of `logit`; estimate, low and high are probabilities (intervals are made on the log odds:
    Wald, CR2, or under separation the profile likelihood), p is of "the probability is one half".

    Raises what `logit` raises, and `ValueError` for a column that `at` lacks or a level that the rows do not have.
    """
    import itertools

    import pandas as pd

    from ppres.stats import _fit

    check_level(level)
    if isinstance(at, Mapping):
        lists = [list(v) if pd.api.types.is_list_like(v) else [v] for v in at.values()]
        at = pd.DataFrame(list(itertools.product(*lists)), columns=list(at))
    where = at.reset_index(drop=True)

    def one(part: pd.DataFrame) -> pd.DataFrame:
        found = _fit.fit(formula, part, cluster)
        if missing := [name for name in found.design.cells.columns if name not in where.columns]:
            raise ValueError(f"at= lacks {', '.join(missing)}; a prediction needs every column of the formula")
        table = _estimates(found, _fit.rows_of(found.design.info, where), ["probability"] * len(where), level)
        for name in ("estimate", "low", "high"):
            table[name] = _fit.probability(table[name])
        return pd.concat([where, table.assign(excluded=found.design.excluded)], axis=1)

    return each(frame, by, one)


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
    from scipy.linalg import qr

    from ppres.stats import _fit

    def one(part: pd.DataFrame) -> pd.DataFrame:
        (outcome, small, used), (other, large, more) = _fit.parse(formula_small, part), _fit.parse(formula_large, part)
        if outcome != other:
            raise ValueError(f"the formulas have other outcomes: {outcome!r} and {other!r}")
        cells, excluded = _fit.aggregate(part, outcome, list(dict.fromkeys(used + more)))
        k, n = (cells[name].to_numpy(dtype=float) for name in ("_k", "_n"))
        (x, _), (wide, _) = _fit.matrix(small, cells), _fit.matrix(large, cells)
        df = wide.shape[1] - x.shape[1]
        if df < 1 or not np.allclose(wide @ np.linalg.lstsq(wide, x, rcond=None)[0], x, atol=1e-8):
            raise ValueError(f"{small!r} is not a special case of {large!r} with fewer terms")
        rest = wide - x @ np.linalg.lstsq(x, wide, rcond=None)[0]
        both = np.hstack([x, rest[:, qr(rest, pivoting=True, mode="r")[1][:df]]])  # the larger model, the smaller one's terms first
        firth = _fit.separated(both, k, n)
        _, full, _ = _fit.maximise(both, k, n, firth)
        _, reduced, _ = _fit.maximise(both, k, n, firth, np.zeros(both.shape[1]), range(x.shape[1], both.shape[1]))
        statistic = max(2 * (full - reduced), 0.0)
        row = {"term": f"{large} against {small}", "estimate": statistic, "low": np.nan, "high": np.nan}
        row |= {"p": _fit.tail(statistic, df), "k": int(k.sum()), "n": int(n.sum())}
        estimator = "Firth, penalised likelihood ratio" if firth else "logit, likelihood ratio"
        return pd.DataFrame([row | {"estimator": estimator, "df": df, "excluded": excluded}])

    return each(frame, by, one)
