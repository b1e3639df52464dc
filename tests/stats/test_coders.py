"""Agreement of more than two coders, against a published worked example and the package's own alpha."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest

from ppres import stats
from ppres.stats import coders

# Krippendorff, K. (2011): Computing Krippendorff's Alpha-Reliability, section C: four observers, twelve units, labels missing.
OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]
NAMES = ["a", "b", "c", "d"]


@pytest.fixture
def observed():
    columns = [pd.array([f"code {value}" if value else None for value in row], dtype=object) for row in OBSERVERS]
    return pd.DataFrame(dict(zip(NAMES, columns, strict=True)))


def test_alpha_is_that_of_the_published_example(observed):
    table = stats.agreement(observed, *NAMES).set_index("code")
    assert table.loc["all", "alpha"] == pytest.approx(0.743, abs=5e-4)
    assert table.loc["all", ["n", "excluded"]].tolist() == [11, 1]  # a unit with a single label agrees with nobody
    assert table.loc["all", "agreement"] == pytest.approx(0.8)  # 32 of 40 pairable values, by hand
    assert table.index.tolist() == ["all", *(f"code {i}" for i in range(1, 6))]
    assert (table.low.dropna() <= table.alpha[table.low.notna()]).all() and (
        table.high.dropna() >= table.alpha[table.low.notna()]
    ).all()


def test_alpha_of_two_coders_is_that_of_the_published_example():
    frame = pd.DataFrame({"a": [0, 1, 0, 0, 0, 0, 0, 0, 1, 0], "b": [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]}, dtype=bool)  # section A
    table = stats.alpha(frame, "a", "b")
    assert table.alpha.tolist() == pytest.approx([0.095] * 3, abs=5e-4)
    assert table.agreement.tolist() == pytest.approx([0.6, 10 / 14, 2 / 6])  # of all pairs, of those with a 0, with a 1


def test_samples_have_the_alpha_that_the_package_gives(observed):
    krippendorff = pytest.importorskip("krippendorff")
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(rng.choice(["x", "y", "z", None], (60, 3), p=[0.5, 0.2, 0.1, 0.2]), columns=["a", "b", "c"])
    counts = np.array([(frame == code).sum(axis=1) for code in "xyz"]).T
    counts = counts[counts.sum(axis=1) > 1]
    kinds, times = np.unique(counts, axis=0, return_counts=True)
    drawn = np.random.default_rng(20260209).multinomial(times.sum(), times / times.sum(), coders.RESAMPLES)
    by_package = [
        krippendorff.alpha(value_counts=np.repeat(kinds, row, axis=0), level_of_measurement="nominal") for row in drawn[:50]
    ]
    assert coders._alphas(kinds, drawn)[:50] == pytest.approx(by_package)
    row = stats.agreement(frame, "a", "b", "c", level=0.9).iloc[0]
    assert (row.low, row.high) == pytest.approx(tuple(np.quantile(coders._alphas(kinds, drawn), [0.05, 0.95])))


def test_rollouts_are_resampled_and_not_labels():
    """With every rollout ten times as many labels say no more, with ten times as many rollouts the interval is narrower."""
    rng = np.random.default_rng(5)
    truth = rng.random(80) < 0.4
    frame = pd.DataFrame({name: truth ^ (rng.random(80) < 0.15) for name in "abc"})
    few, many = (stats.agreement(table, "a", "b", "c").iloc[0] for table in (frame, pd.concat([frame] * 10)))
    assert many.alpha == pytest.approx(few.alpha, abs=0.01)
    assert (few.high - few.low) / (many.high - many.low) == pytest.approx(10**0.5, rel=0.25)


def test_coders_who_always_agree_have_no_interval_and_a_single_code_no_alpha():
    same = [True, False, True, None]
    row = stats.agreement(pd.DataFrame({name: pd.array(same, dtype="boolean") for name in "abc"}), "a", "b", "c").iloc[0]
    assert (row.n, row.excluded, row.agreement, row.alpha) == (3, 1, 1, 1) and np.isnan([row.low, row.high]).all()
    row = stats.agreement(pd.DataFrame({name: [True] * 4 for name in "abc"}), "a", "b", "c").iloc[0]
    assert row.agreement == 1 and np.isnan([row.alpha, row.low, row.high]).all()
    row = stats.agreement(pd.DataFrame({name: pd.array([None], dtype="boolean") for name in "abc"}), "a", "b", "c").iloc[0]
    assert (row.n, row.excluded) == (0, 1) and np.isnan([row.agreement, row.alpha]).all()


def test_what_cannot_be_compared(observed):
    with pytest.raises(ValueError, match="one form first"):
        stats.agreement(observed.assign(e=True), "a", "b", "e")
    with pytest.raises(KeyError, match=r"'z'.*a, b, c, d"):
        stats.agreement(observed, "a", "b", "z")
    with pytest.raises(ValueError, match="two coders or more, not of 'a'"):
        stats.agreement(observed, "a")
    with pytest.raises(ValueError, match="level=95"):
        stats.agreement(observed, "a", "b", "c", level=95)


@pytest.mark.parametrize("other", [True, 1, (1, 2), pd.Timestamp("2026-01-01")])
def test_codes_of_several_kinds_in_one_column_are_told(other):
    told = pd.DataFrame({"a": ["yes", other, "no"], "b": ["yes", "no", "no"], "c": ["yes", "no", "no"]})
    for names in ("ab", "abc"):
        with pytest.raises(ValueError, match=r"'a' has the codes .*one form first"):
            stats.agreement(told, *names)


def test_a_coder_is_not_compared_with_themselves():
    with pytest.raises(ValueError, match="names one column more than once"):
        stats.agreement(pd.DataFrame({"a": ["x", "y"]}), "a", "a")


@pytest.mark.parametrize("kind", ["int64", "float64", "Int64", "object", "category", "int64[pyarrow]"])
def test_0_and_1_are_false_and_true_in_any_type(kind):
    made = pd.DataFrame({"a": [True, False, True, False, True], "b": [True, False, True, True, False]})
    other = made.assign(b=made.b.astype(int).astype(kind))
    assert stats.confusion(other, "a", "b").to_numpy().tolist() == [[1, 1], [1, 2]]
    for a, b in (("a", "b"), ("b", "a")):
        pd.testing.assert_frame_equal(stats.agreement(other, a, b), stats.agreement(made, a, b))
        assert stats.alpha(other, a, b).alpha.tolist() == stats.alpha(made, a, b).alpha.tolist()


def test_free_text_has_as_many_codes_as_answers_and_no_table_of_them_all():
    n, same = 2000, 200
    frame = pd.DataFrame({name: [f"{name} {i}" for i in range(n)] for name in "abc"})
    frame.loc[: same - 1, "b"] = frame["a"]
    tracemalloc.start()
    two, table = stats.agreement(frame, "a", "b").iloc[0], stats.alpha(frame, "a", "b", "c")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40e6  # a number for each rollout and code takes 93 MB, for each pair of codes 116 MB
    chance = same / n**2
    assert two.kappa == pytest.approx((same / n - chance) / (1 - chance))
    unequal, by_chance = same * 2 + (n - same) * 3, (3 * n) ** 2 - same * 4 - (3 * n - 2 * same)
    assert len(table) == 1 + 3 * n - same
    assert table.alpha[0] == pytest.approx(1 - (3 * n - 1) * unequal / by_chance)
    once = table[table.code == "c 7"].iloc[0]  # two of its rollout's three pairs are unequal
    assert (once.agreement, once.alpha) == (0, pytest.approx(1 - (3 * n - 1) / (3 * n - 1)))


@pytest.mark.parametrize("of", [lambda f: stats.agreement(f, ["a", "b"]), lambda f: stats.alpha(f)])
def test_columns_of_coders_are_named_one_by_one(of):
    with pytest.raises(ValueError, match=r"it is a column of the frame each|no coder was named"):
        of(pd.DataFrame({"a": [True, False], "b": [True, True]}))


def test_ids_are_no_codes():
    """A table of 20,000 ids took 3 GB."""
    frame = pd.DataFrame({"id": [f"a{i}" for i in range(501)], "code": "yes"})
    with pytest.raises(ValueError, match="have 502 codes, of which a table has 500 at most"):
        stats.confusion(frame, "id", "code")
