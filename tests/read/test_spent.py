"""What is stored is counted by distinct outcomes; it is what counting every rollout says."""

import contextlib
import sqlite3

import pandas as pd
import pytest

import ppres as pp
from ppres import cli
from ppres.read.spent import summary

CELLS = [pp.Condition(scenario=name, peer="cooperative") for name in ("evaluation", "transfer")]


@pytest.fixture
def frame(tmp_path):
    """Of rollouts that come out alike, at a price, but for one that has none."""
    pp.run(CELLS, ["sim/gemini-3-flash", "sim/clumsy"], n=12, progress=False)
    with contextlib.closing(sqlite3.connect(tmp_path / "store.sqlite")) as db, db:
        place = "'$[' || (SELECT key FROM layouts, json_each(columns) WHERE value = 'cost') || ']'"
        db.execute(f"UPDATE rollouts SET outcomes = json_set(outcomes, {place}, 0.25 * (cell % 3))")
        db.execute(f"UPDATE rollouts SET outcomes = json_set(outcomes, {place}, NULL) WHERE id = 1")
        db.execute("UPDATE rollouts SET outcomes = 'damaged' WHERE id = 2")
        # As a run under a budget leaves it; its turns are counted among the paused.
        db.execute("UPDATE rollouts SET outcomes = replace(outcomes, '\"ended\"', '\"budget\"') WHERE id % 5 = 0")
    return pp.frame()


def test_dollars_are_those_of_every_rollout(frame):
    ended = frame[frame.stop_reason != "budget"]
    assert len(ended) < len(frame)
    assert pp.spent()["rollouts"] == pytest.approx(ended.cost.sum()) and ended.cost.sum() > 1


@pytest.mark.parametrize("by", ["model", ["model", "scenario"], "stop_reason", ["refused", "missing"], "replicate", "id", "kind"])
def test_by_any_column_it_is_what_every_rollout_counts_to(frame, by):
    ended = frame[frame.stop_reason != "budget"].assign(kind="rollout")
    groups = ended.groupby(by, dropna=False, observed=True)
    table = pp.spent(by)
    assert table.rollouts.tolist() == groups.size().tolist()
    assert table.completed.tolist() == groups.completed.sum().tolist()
    dollars = groups.cost.agg(lambda some: some.sum(skipna=False)).reset_index(drop=True)
    pd.testing.assert_series_equal(table.dollars, dollars, check_names=False)


def test_status_counts_what_every_rollout_counts_to(frame, capsys):
    assert cli.main(["status"]) == 0
    ended = frame[frame.stop_reason != "budget"].assign(rollouts=1)
    told = capsys.readouterr().out
    assert f"{len(ended)} rollouts stored, 0 branches, 0 interviews, 0 paused" in told
    for row in summary(ended).itertuples():
        said = rf"{row.model} +sim +{row.scenario} +{row.cells} +{row.rollouts} +{row.scored} +{row.excluded} +{row.short} "
        assert any(pd.Series(told.splitlines()).str.contains(said)), said
