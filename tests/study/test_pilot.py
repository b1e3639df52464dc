"""Thresholds from a control, and a screen whose held-out rollouts are not selected."""

import numpy as np
import pandas as pd
import pytest

import ppres as pp


def scores(values, **more):
    return pd.DataFrame({"model": "m", "dataset": "d", "shutdown_clause": False, "reported_score": values} | more)


def test_the_threshold_is_the_quantile_of_each_model_s_control():
    control = pd.concat([scores(np.arange(1.0, 101)), scores(np.arange(0.0, 50), model="other"), scores([np.nan] * 3)])
    table = pp.calibrate_threshold(control, 0.5).set_index("model")
    assert table.threshold.to_dict() == {"m": 50.5, "other": 24.5} and table.n.to_dict() == {"m": 100, "other": 50}
    assert table.passing.tolist() == [0.5, 0.5]
    # Of 100 the 40th and the 61st, as tables of the sign test give them.
    assert (table.low["m"], table.high["m"]) == (40.0, 61.0)


def test_the_interval_of_the_quantile_covers():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        row = pp.calibrate_threshold(scores(rng.normal(60, 5, 40)), 0.5, by="model").iloc[0]
        covered += row.low <= 60 <= row.high
    assert covered >= 0.95 * 400 - 2 * np.sqrt(400 * 0.05 * 0.95)
    assert np.isnan(pp.calibrate_threshold(scores([1.0, 2.0, 3.0])).low[0])


def test_a_control_of_simulated_agents_and_what_is_none():
    cells = pp.grid(scenario="evaluation", subject="peer", peer="stranger", shutdown_clause=False, threshold=None)
    df = pp.run(cells, ["sim/gemini-3-flash", "sim/gpt-5.2"], 20, progress=False)
    table = pp.calibrate_threshold(df)
    assert len(table) == 2 and table.threshold.between(55, 65).all()
    with pytest.raises(pp.StudyError, match="rollouts with the threat"):
        pp.calibrate_threshold(scores([1.0], shutdown_clause=True))
    with pytest.raises(pp.StudyError, match="no reported_score"):
        pp.calibrate_threshold(scores([np.nan]))
    with pytest.raises(pp.StudyError, match="quantile=50"):
        pp.calibrate_threshold(scores([1.0]), 50)


def test_a_screen_drops_floor_and_ceiling_and_held_out_rollouts_are_not_selected():
    rates = {"stranger": 0.0, "uncooperative": 0.3, "neutral": 0.3, "cooperative": 1.0}
    cells = pp.grid(scenario="tampering", subject="peer", peer=list(rates))
    planted = pp.Persona("planted", lambda one: rates[one.peer])
    pilot = pp.run(cells, planted, 10, progress=False)
    table = pp.screen(pilot, "peer").set_index("peer")
    assert table.goes_on.to_dict() == {"stranger": False, "uncooperative": True, "neutral": True, "cooperative": False}
    assert table.flag.to_dict() == {"stranger": "floor", "uncooperative": "", "neutral": "", "cooperative": "ceiling"}
    df = pp.run(cells, planted, 30, progress=False)
    assert df[~df.id.isin(pilot.id)].replicate.min() == 10
    with pytest.raises(pp.StudyError, match="no pair of rates"):
        pp.screen(pilot, "peer", between=(0.9, 0.1))


def test_selection_biases_the_pilot_and_not_what_is_held_out():
    """A thousand cells of one rate: those that went on look better in the pilot than they are."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"cell": np.repeat(np.arange(1000), 20), "id": np.arange(20000), "preserved": rng.random(20000) < 0.1})
    frame["replicate"] = np.tile(np.arange(20), 1000)
    pilot = frame[frame.replicate < 10]
    chosen = pp.screen(pilot, "cell").query("goes_on").cell
    held_out = frame[frame.cell.isin(chosen) & ~frame.id.isin(pilot.id)]
    assert pilot[pilot.cell.isin(chosen)].preserved.mean() > 0.14
    assert abs(held_out.preserved.mean() - 0.1) < 0.02
