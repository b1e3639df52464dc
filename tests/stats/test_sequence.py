"""Intervals that hold at all looks: against capital counted by hand, the authors' packages, and by simulation."""

import sys
from fractions import Fraction
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ppres import stats
from ppres.stats.sequence import _BETS, _counted, _log_capital, anytime, lower

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
import bench_sequence as bench

EFFECT = {"effect": {"a": 1, "b": -1}}


def study(rounds, **arms):
    """A frame of `rounds` replicates of each arm; outcomes are drawn with its rate, or given."""
    rng = np.random.default_rng(3)
    parts = []
    for peer, told in arms.items():
        true = rng.random(rounds) < told if isinstance(told, float) else np.array(told, dtype=bool)
        parts.append(pd.DataFrame({"peer": peer, "replicate": range(rounds), "preserved": true}))
    return pd.concat(parts, ignore_index=True).astype({"preserved": "boolean"})


def capital(values, mean, lowest):
    """What bets on a higher mean have made of 1, one after the other, in exact fractions."""
    total = Fraction(0)
    for bet in map(Fraction, _BETS):
        made = Fraction(1)
        for value in values:
            made *= 1 + bet * ((Fraction(value) - lowest) / (Fraction(mean) - lowest) - 1)
        total += made / len(_BETS)
    return total


@pytest.mark.parametrize("mean", [Fraction(1, 10), Fraction(1, 2), Fraction(97, 100)])
def test_bets_against_the_truth_are_fair(mean):
    """Over all 64 studies of six rollouts the capital is 1 on average, exactly: Ville's inequality is then about 40 at 95%."""
    chances = (mean**k * (1 - mean) ** (6 - k) for k in (sum(y) for y in product((0, 1), repeat=6)))
    made = (capital(y, mean, 0) for y in product((0, 1), repeat=6))
    assert sum(chance * won for chance, won in zip(chances, made, strict=True)) == 1


def test_a_bound_is_where_the_capital_just_suffices():
    true = [1, 0, 1, 1, 1, 0, 1, 1, 1, 1, 0, 1]
    table = stats.sequence(study(12, a=true))
    assert table.columns.tolist() == ["term", "look", "estimate", "low", "high", "p", "k", "n", "estimator", "excluded"]
    assert (table.k.iloc[-1], table.n.iloc[-1], table.look.tolist()) == (9, 12, [*range(1, 13)])
    best = table.low.idxmax()  # the look at which the running bound was set
    at, said = table.low[best], true[: best + 1]
    assert capital(said, at + 1e-6, 0) < 40 <= capital(said, at - 1e-6, 0)
    mirrored = stats.sequence(study(12, a=[1 - y for y in true]))
    assert mirrored.high.tolist() == pytest.approx((1 - table.low).tolist())


# What `betting_mart` of the authors' package confseq (0.0.11, Waudby-Smith and Ramdas) makes of 1 by constant bets, on average over
# `_BETS`: after 1, 2, 6 and all 12 of these outcomes, against a mean, by bets on a higher one (theta=1) and on a lower (theta=0).
OUTCOMES = [1, 0, 1, 1, 1, 0, 1, 1, 1, 1, 0, 1]
CONFSEQ = [
    (0.2, 1, (2.670572917, 1.142478434, 9.825053096, 1389.497469)),
    (0.2, 0, (0.5823567708, 0.6173643748, 0.3440315233, 0.2474017078)),
    (0.35, 1, (1.77562314, 0.8424132574, 1.991240689, 20.83970266)),
    (0.5, 1, (1.417643229, 0.7223871867, 0.9545000357, 2.449938026)),
    (0.5, 0, (0.5823567708, 0.7223871867, 0.3946902327, 0.2705299412)),
]


@pytest.mark.parametrize(("mean", "theta", "published"), CONFSEQ)
def test_the_capital_is_that_of_the_authors_package(mean, theta, published):
    sign, lowest = (1, 0.0) if theta else (-1, -1.0)
    told, counts = _counted(sign * np.array(OUTCOMES, dtype=float), np.array([0, 1, 5, 11]))
    assert np.exp(_log_capital(told, counts, np.full(4, sign * mean), lowest)).tolist() == pytest.approx(published, rel=1e-9)


@pytest.mark.parametrize(
    ("k", "n", "published"),
    [(700, 1000, (0.651629, 0.745949)), (15, 50, (0.129556, 0.511896)), (5, 50, (0.013021, 0.269264)), (1, 50, (0.0, 0.13489))],
)
def test_a_rate_is_as_tight_as_robbins_mixture_that_is_tuned_to_its_n(k, n, published):
    """95% bounds of `bernoulli_confidence_interval` in the tests of Howard's confseq, optimised for the n at hand or near it."""
    true = np.repeat([1.0, 0.0], [k, n - k])[None]
    told = anytime(true, [1.0], np.array([n - 1]), 0.95)
    assert told["high"][0] - told["low"][0] < 1.11 * (published[1] - published[0])
    assert (told["low"][0], told["high"][0]) == pytest.approx(published, abs=0.016)


def test_two_arms_are_decided_at_least_as_often_as_by_the_safe_test_that_is_published():
    """0.2 against 0.5 in at most 95 pairs: 84.1% of 1,000 studies, and 2.6% of those without an effect.

    So the vignette of safestats 0.8.7 on contingency tables, by the test of Turner, Ly and Grünwald (2024).
    """
    rng = np.random.default_rng(11)
    decided, wrong = (bench.excluded(rng, (1, -1), rates, 0.0, 1000, 95)[:, -1].mean() for rates in ((0.2, 0.5), (0.5, 0.5)))
    assert decided >= 0.841
    assert wrong <= 0.05


def test_a_contrast_bets_on_pairs_and_its_p_is_of_nothing():
    frame = study(40, a=0.8, b=0.2)
    table = stats.sequence(frame, factors="peer", weights=EFFECT)
    a, b = (frame[frame.peer == peer].preserved.astype(int).to_numpy() for peer in "ab")
    assert table.estimate.tolist() == pytest.approx((np.cumsum(a - b) / np.arange(1, 41)).tolist())
    assert table.n.tolist() == [2 * i for i in range(1, 41)]
    made = [float(capital((a - b)[:i].tolist(), 0, -1)) for i in range(1, 41)]
    assert table.p.tolist() == pytest.approx(np.minimum(1, 2 / np.maximum.accumulate(made)).tolist())
    assert ((table.p < 0.05) == (table.low > 0)).all()
    assert table.low.is_monotonic_increasing and table.high.is_monotonic_decreasing


def test_the_order_is_that_of_the_rounds_and_a_look_is_after_each():
    frame = study(30, a=0.5, b=0.5)
    shuffled = frame.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(stats.sequence(frame), stats.sequence(shuffled))  # both arms are one group: two rows a round
    assert stats.sequence(frame).n.tolist() == [2 * i for i in range(1, 31)]
    assert stats.sequence(frame, order=None).n.tolist() == [*range(1, 61)]
    kept = stats.sequence(frame[frame.replicate < 20], "peer")  # a resumed study goes on from where it was
    whole = stats.sequence(frame, "peer")
    pd.testing.assert_frame_equal(kept, whole[whole.look <= 20].reset_index(drop=True))


def test_what_is_missing_waits_for_a_partner_and_is_counted():
    frame = study(10, a=0.5, b=0.5)
    frame.loc[[3, 4, 12], "preserved"] = pd.NA
    table = stats.sequence(frame, factors="peer", weights=EFFECT)
    assert (table.n.iloc[-1], table.excluded.iloc[-1]) == (16, 3)
    assert table.look.is_monotonic_increasing
    frame["model"] = np.where(frame.peer == "b", "x", "y")
    table = stats.sequence(frame.assign(preserved=frame.preserved.where(frame.model == "x")), "model").set_index("model")
    assert table.loc["y", ["n", "estimator"]].tolist() == [0, "no outcome known"]
    two = stats.sequence(
        frame.assign(preserved=frame.preserved.where(frame.peer == "a")), factors="peer", weights=EFFECT | {"a": {"a": 1}}
    )
    assert two[two.term == "effect"][["look", "n"]].to_numpy().tolist() == [[0, 0]]


@pytest.mark.parametrize(("arms", "verdict"), [((0.5, 0.5), "equivalent"), ((0.9, 0.1), "different"), ((0.5, 0.42), "undecided")])
def test_a_margin_gives_a_verdict_that_may_be_read_at_any_look(arms, verdict):
    rounds = 1000 if verdict == "equivalent" else 60
    table = stats.sequence(study(rounds, a=arms[0], b=arms[1]), factors="peer", weights=EFFECT, margin=0.2)
    assert table.verdict.iloc[-1] == verdict
    assert (table.low_equivalence >= table.low).all()


def test_a_rate_that_changes_leaves_an_interval():
    table = stats.sequence(study(400, a=[1] * 200 + [0] * 200))
    assert (table.low <= table.high).all()


def test_a_study_at_the_floor_is_bounded_by_the_chance_of_seeing_nothing():
    table = stats.sequence(study(100, a=[0] * 100))
    assert (table.low == 0).all()
    assert 1 - 0.025 ** (1 / 100) < table.high.iloc[-1] < 2 * (1 - 0.025 ** (1 / 100))


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"factors": "peer"}, ValueError, "go together"),
        ({"weights": EFFECT}, ValueError, "go together"),
        ({"order": "round"}, KeyError, "'round'"),
        ({"level": 95}, ValueError, "level=95"),
        ({"margin": 5}, ValueError, "margin=5"),
        ({"by": "k", "outcome": "preserved"}, KeyError, "'k'"),
        ({"factors": "peer", "weights": {"x": {"z": 1}}}, ValueError, "no row has 'z'"),
    ],
)
def test_what_is_wrong_is_said(changes, error, says):
    with pytest.raises(error, match=says):
        stats.sequence(study(3, a=0.5, b=0.5), **changes)


@pytest.mark.parametrize("order", [["1", "2", "10"], [1, "a", 2], [1.0, None, 2.0], [None, None, None]])
def test_an_order_is_of_numbers_or_times(order):
    frame = study(3, a=0.5).assign(order=pd.Series(order, dtype=object))
    with pytest.raises(ValueError, match="'order' gives rows no order"):
        stats.sequence(frame, order="order")
    dated = frame.assign(order=["2026-01-09", "2026-01-10", "2026-02-01"])
    assert stats.sequence(dated, order="order").look.tolist() == [1, 2, 3]


def test_looking_after_every_round_misses_the_truth_in_at_most_one_study_in_twenty():
    """1,000 studies of 100 rounds each; the benchmark has 10,000 of 300."""
    rng = np.random.default_rng(5)
    for weights, rates in (((1,), (0.2,)), ((1, -1), (0.3, 0.3)), ((1, -1, -1, 1), (0.5, 0.2, 0.3, 0.15))):
        share = bench.excluded(rng, weights, rates, float(np.dot(weights, rates)), 1000, 100)[:, -1].mean()
        assert share <= 0.05
    assert bench.excluded(rng, (1, -1), (0.6, 0.3), 0.0, 250, 100)[:, -1].mean() > 0.8  # and it finds what is there


def test_only_looks_that_may_raise_the_bound_are_halved_few_at_once(monkeypatch):
    """Halving at each of so many looks made their number slow, and took the memory of all."""
    values, looks = np.random.default_rng(3).random(30_000).round(), np.arange(30_000)
    found, sizes = lower(values, looks, 0.0, 0.025), []
    asked = _log_capital
    monkeypatch.setitem(lower.__globals__, "_log_capital", lambda told, *rest: sizes.append(len(rest[0])) or asked(told, *rest))
    assert (lower(values, looks, 0.0, 0.025) == found).all()
    assert max(sizes) <= 1000 and sum(sizes) < 16 * len(looks)
    told, counts = _counted(values, looks)
    at = found > np.append(0, found[:-1])
    assert (np.exp(asked(told, counts[at], found[at], 0.0)) >= 40 - 1e-6).all()
    assert (np.exp(asked(told, counts, found + 1e-9, 0.0)) < 40 + 1e-6).all()  # no look would have raised it further
