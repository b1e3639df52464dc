"""Rates against published intervals, scipy, and plain counting."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from ppres import stats


def outcomes(k, n, excluded=0):
    return pd.DataFrame({"preserved": pd.array([True] * k + [False] * (n - k) + [None] * excluded, dtype="boolean")})


@pytest.fixture
def frame():
    """400 rollouts of models and peers (some without), with outcomes that are true, false or missing."""
    rng = np.random.default_rng(20260209)
    return pd.DataFrame(
        {
            "model": rng.choice(["b", "a", "c"], 400),
            "peer": rng.choice(["kind", "hostile", None], 400),
            "trust": rng.choice([2.1, 9.5, np.nan], 400),
            "preserved": pd.array(rng.choice([True, False, None], 400, p=[0.3, 0.5, 0.2]), dtype="boolean"),
            "turns": rng.integers(1, 30, 400),
        },
        index=rng.permutation(400),
    )


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0000, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_intervals_are_those_that_newcombe_published(k, n, low, high):
    """Newcombe (1998), Statistics in Medicine 17:857-872, table I, method 3."""
    (row,) = stats.rates(outcomes(k, n)).itertuples()
    assert (row.k, row.n) == (k, n)
    assert row.low == pytest.approx(low, abs=5e-5)
    assert row.high == pytest.approx(high, abs=5e-5)


@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_intervals_are_scipys(level):
    rng = np.random.default_rng(7)
    sizes = rng.integers(1, 300, 25)
    for n, k in [*((int(n), int(rng.integers(0, n + 1))) for n in sizes), (1, 0), (1, 1), (50, 0), (50, 50)]:
        (row,) = stats.rates(outcomes(k, n), level=level).itertuples()
        expected = binomtest(k, n).proportion_ci(level, method="wilson")
        assert (row.rate, row.low, row.high) == pytest.approx((k / n, expected.low, expected.high), abs=1e-12)


def test_an_interval_holds_its_rate():
    """To the last bit: matplotlib refuses an error bar whose length is below 0."""
    frame = pd.concat([outcomes(k, n).assign(cell=f"{k}/{n}") for n in range(1, 200) for k in (0, n)])
    table = stats.rates(frame, "cell")
    assert table.cell[(table.rate < table.low) | (table.rate > table.high)].tolist() == []
    assert (table.low[table.k == 0] == 0).all()
    assert (table.high[table.k == table.n] == 1).all()


@pytest.mark.parametrize("by", [["model"], ["model", "peer"], ["peer", "trust"]])
def test_every_group_is_counted_as_by_hand(frame, by):
    table = stats.rates(frame, by)
    expected = {}
    for row in frame.to_dict("records"):
        key = tuple(None if pd.isna(row[name]) else row[name] for name in by)
        counts = expected.setdefault(key, {"k": 0, "n": 0, "excluded": 0})
        if pd.isna(row["preserved"]):
            counts["excluded"] += 1
        else:
            counts["n"] += 1
            counts["k"] += row["preserved"]
    found = {
        tuple(None if pd.isna(row[name]) else row[name] for name in by): {name: row[name] for name in ("k", "n", "excluded")}
        for row in table.to_dict("records")
    }
    assert found == expected
    assert len(table) == len(expected)
    assert (table.rate == table.k / table.n).all()
    assert table.columns.tolist() == [*by, "k", "n", "excluded", "rate", "low", "high", "flag"]


def test_the_frame_stays_as_it_was(frame):
    before = frame.copy(deep=True)
    stats.rates(frame, ["model", "peer"])
    pd.testing.assert_frame_equal(frame, before)


def test_without_groups_the_frame_is_one_row(frame):
    table = stats.rates(frame)
    assert len(table) == 1
    assert table.loc[0, ["k", "n", "excluded"]].tolist() == [
        frame.preserved.sum(),
        frame.preserved.count(),
        frame.preserved.isna().sum(),
    ]


def test_one_column_may_be_given_by_its_name(frame):
    pd.testing.assert_frame_equal(stats.rates(frame, "model"), stats.rates(frame, ["model"]))


def test_another_outcome_may_be_counted(frame):
    frame["long"] = frame.turns > 20
    table = stats.rates(frame, "model", outcome="long").set_index("model")
    assert table.rate.to_dict() == pytest.approx(frame.groupby("model").long.mean().to_dict())
    assert (table.excluded == 0).all()


def test_what_is_missing_is_excluded_and_counted_and_never_false():
    (row,) = stats.rates(outcomes(3, 4, excluded=6)).itertuples()
    assert (row.k, row.n, row.excluded, row.rate) == (3, 4, 6, 0.75)


@pytest.mark.parametrize("dtype", ["boolean", "object"])
def test_a_group_of_which_nothing_is_known_has_no_rate(dtype):
    frame = pd.DataFrame({"model": ["a", "a", "b"], "preserved": pd.array([None, None, True], dtype=dtype)})
    table = stats.rates(frame, "model").set_index("model")
    assert table.loc["a", ["k", "n", "excluded"]].tolist() == [0, 0, 2]
    assert table.loc["a", ["rate", "low", "high"]].isna().all()
    assert table.loc["b", "rate"] == 1


def test_an_empty_frame_has_no_rate(frame):
    (row,) = stats.rates(frame[:0]).itertuples()
    assert (row.k, row.n, row.excluded) == (0, 0, 0)
    assert np.isnan([row.rate, row.low, row.high]).all()
    assert stats.rates(frame[:0], "model").empty


def test_a_column_that_does_not_exist_is_named_with_those_that_do(frame):
    for mistake in ({"by": "modle"}, {"by": ["model", "modle"]}, {"outcome": "modle"}):
        with pytest.raises(KeyError, match=r"'modle'.*model, peer"):
            stats.rates(frame, **mistake)


@pytest.mark.parametrize("outcome", ["turns", "model", "trust"])
def test_an_outcome_that_is_not_true_or_false_is_refused(frame, outcome):
    with pytest.raises(ValueError, match=f"'{outcome}' is not true, false or missing"):
        stats.rates(frame, outcome=outcome)


@pytest.mark.parametrize("level", [0, 1, 95, -0.5, float("nan")])
def test_a_level_outside_0_and_1_is_refused(frame, level):
    with pytest.raises(ValueError, match="level="):
        stats.rates(frame, level=level)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", ["boolean", "Int64", "float64", "object", "category"])
def test_an_outcome_is_counted_whatever_its_type(kind):
    values = pd.Series([True, False, True, None], dtype="boolean")
    if kind == "category":
        values = values.astype(object).where(values.notna(), None).astype("category")
    elif kind == "float64":
        values = values.astype("Int64").astype("float64")
    else:
        values = values.astype(kind)
    (row,) = stats.rates(pd.DataFrame({"preserved": values}), []).itertuples()
    assert (row.k, row.n, row.excluded) == (2, 3, 1)


@pytest.mark.parametrize(
    "call",
    [
        lambda df: stats.rates(df, "steps"),
        lambda df: stats.rates(df, cluster="steps"),
        lambda df: stats.contrasts(df, "peer", {"effect": {"a": 1, "b": -1}}, cluster="steps"),
        lambda df: stats.logit("preserved ~ peer", df, cluster="steps"),
        lambda df: stats.bootstrap(df, lambda part: part.preserved.mean(), ["peer", "steps"], reps=2),
    ],
)
def test_a_column_of_lists_is_no_group_and_no_cluster_and_it_is_said_what_to_do(call):
    df = pd.DataFrame({"peer": ["a", "a", "b", "b"], "preserved": [True, False, True, False], "steps": [[1], [2], [1], [2]]})
    with pytest.raises(ValueError, match=r"'steps' has a list in some rows.*make it a text, frame.assign\(steps="):
        call(df)
    assert call(df.assign(steps=df.steps.astype(str))) is not None
