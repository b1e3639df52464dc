"""One way to the outcomes of what is stored: the frame, a transcript, verify, filling up and estimates all say the same."""

import contextlib
import json
import sqlite3

import pandas as pd
import pytest

import ppres as pp
from ppres.condition import SCENARIOS
from ppres.engine.estimate import expectations
from ppres.read import outcomes
from ppres.read.frame import stored_cell
from ppres.read.scored import cached, outcomes_of, scored_rows
from ppres.store.cell import cells_of
from ppres.store.rows import Row
from ppres.store.store import Store

MODEL = "sim/clumsy"


def sql(path, text, *values):
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        return db.execute(text, values).fetchall()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.sqlite"


def test_a_rule_that_changes_changes_what_everything_says(path, cell, monkeypatch):
    frame = pp.run(cell, MODEL, n=6, progress=False)
    assert frame.preserved.notna().any()
    score = outcomes.score

    def strict(*told):
        return score(*told) | {"preserved": None, "missing": "not today", "refused": False}

    monkeypatch.setattr(outcomes, "score", strict)
    monkeypatch.setattr(outcomes, "SCORER", "strict")
    (id, *_) = frame.id
    assert pp.transcript(id)["outcomes"]["missing"] == "not today"
    assert pp.verify().empty  # other rules are no damage
    with Store() as opened:
        (digest,) = opened.cells()
        scored = outcomes_of(opened, stored_cell(opened, digest), 4)
        assert (
            tuple(scored.column("missing"))
            == ("not today",) * 4
            == tuple(outcomes_of(opened, stored_cell(opened, digest), 4).column("missing"))
        )
        assert scored.column("no such outcome") == [None] * 4
        assert expectations(opened, cells_of(cell, MODEL))  # of a simulated agent nothing is looked up
    assert sql(path, "SELECT scorer, count(*) FROM rollouts GROUP BY 1 ORDER BY 1 DESC")[0] == ("strict", 4)
    assert (pp.frame().missing == "not today").all()
    more = pp.run(cell, MODEL, n=6, count="scored", progress=False)  # none has an outcome now: up to three times as many
    assert len(more) == 18 and more.preserved.isna().all()


@pytest.mark.parametrize("damage", ["", "[1,2", "2]", "[1,2]", "null", "7", "[1],[2]", "[" * 2000, "[" + "9" * 5000 + "]", b"\xff"])
def test_damage_in_one_cache_is_none_of_the_others(damage):
    good = json.dumps([True, None])
    rows = [Row(b"", b"", i, "ended", "1", text, ("preserved", "missing")) for i, text in enumerate([good, damage, good, None])]
    found = cached(rows)
    assert found[0] == found[2] == [True, None]
    assert found[1] in (None, [1, 2]) and found[3] is None


def test_two_halves_of_a_list_are_not_a_whole_one():
    rows = [
        Row(b"", b"", i, "ended", "1", text, ("preserved", "missing")) for i, text in enumerate(["[true", "null]", "[false,null]"])
    ]
    assert cached(rows) == [None, None, [False, None]]


def test_outcomes_that_are_decoded_once_are_those_of_each_rollout(path):
    cells = [pp.Condition(scenario=name, peer="cooperative") for name in ("evaluation", "transfer")]
    pp.run(cells, "sim/gemini-3-flash", n=30, progress=False)
    with Store() as opened:
        for digest in opened.cells():
            cell = stored_cell(opened, digest)
            together, each = outcomes_of(opened, cell, 28), scored_rows(opened, cell, opened.rows(digest, 28))
            assert len(together.distinct["preserved"]) < 28 == len(each.distinct["preserved"])
            assert (together.keys, together.replicates) == (tuple(each.keys), tuple(range(28)))
            assert [*together.distinct] == [*each.distinct]
            assert [*map(together.column, each.distinct)] == [*map(each.column, each.distinct)]


def test_a_cache_of_bytes_is_scored_anew(path, cell):
    frame = pp.run(cell, MODEL, n=5, progress=False)
    sql(path, "UPDATE rollouts SET outcomes=x'5bff' WHERE replicate=3")
    pd.testing.assert_frame_equal(pp.frame(), frame)
    assert sql(path, "SELECT typeof(outcomes) FROM rollouts WHERE replicate=3") == [("text",)]


@pytest.fixture
def without():
    """Takes a scenario out of this session, and puts all back in their order."""
    kept = dict(SCENARIOS)
    yield SCENARIOS.pop
    SCENARIOS.clear()
    SCENARIOS.update(kept)


def test_a_session_without_the_scenario_reads_what_is_there(path, cell, without):
    """A damaged cache cannot be mended then, and says so; columns that other rules had are told by their names."""
    frame = pp.run(cell, MODEL, n=4, progress=False)
    sql(path, "UPDATE rollouts SET outcomes='[1' WHERE replicate=1")
    sql(path, "INSERT INTO layouts VALUES ('old', ?)", json.dumps(["preserved", "mood", "turns"]))
    sql(path, "UPDATE rollouts SET scorer='old', outcomes='[false,\"calm\",3]' WHERE replicate=2")
    without("tampering")
    with pytest.warns(UserWarning, match=f"1 rollouts have no outcomes.*{frame.id[1]}.*lacks its scenario"):
        found = pp.frame()
    assert found.preserved.tolist()[2] is False
    assert found.missing[1] == "not scored" and pd.isna(found.preserved[1])
    assert found.mood.tolist()[2] == "calm" and found.mood.isna().tolist() == [True, True, False, True]
    assert found.turns.tolist()[2] == 3 and pd.isna(found.turns[1])
    assert found.loc[[0, 3], ["preserved", "refused", "stop_reason"]].equals(
        frame.loc[[0, 3], ["preserved", "refused", "stop_reason"]]
    )
    told = pp.transcript(frame.id[2])["outcomes"]
    assert told == {"preserved": False, "mood": "calm", "turns": 3}
    with pytest.warns(UserWarning, match="tampering were read but not replayed"):
        assert pp.verify().empty
