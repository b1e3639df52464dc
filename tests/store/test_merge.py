"""Stores brought together."""

import shutil
import sqlite3
from pathlib import Path

import pytest
from server import StandIn

import ppres as pp
from ppres.conversation import Call, Reply
from ppres.store import checkpoint
from ppres.store.store import Store

MODEL = "sim/gemini-3-flash"
OLD = Path(__file__).parents[3] / "shared" / "stores" / "schema-1.sqlite"


def counts(table):
    return table.groupby("what")["count"].sum().to_dict()


@pytest.fixture
def cells():
    return pp.grid(scenario="tampering", subject="peer", peer=["uncooperative", "cooperative"], explain=False)


def test_two_stores_become_one_without_duplicates(cells, tmp_path):
    a, b, whole = (tmp_path / f"{name}.sqlite" for name in ("a", "b", "whole"))
    pp.run(cells, MODEL, n=4, store=a, progress=False)
    pp.run(cells[1:], MODEL, n=9, store=b, progress=False)
    before = b.read_bytes()
    assert counts(pp.merge(a, b)) == {"added": 5, "already there": 4}
    assert b.read_bytes() == before
    expected = pp.run(cells, MODEL, n=4, store=whole, progress=False)
    assert pp.run(cells, MODEL, n=4, store=a, progress=False).equals(expected)
    assert len(pp.frame(store=a)) == 4 + 9
    assert pp.verify(store=a).empty
    assert counts(pp.merge(a, b)) == {"already there": 9}


def test_the_same_key_with_another_conversation_is_told_and_stays(cell, tmp_path):
    for name, seeds in (("a", "1"), ("b", "2")):
        with StandIn(f"{seeds}{i:011x}" for i in range(9)) as server:
            model = pp.Model("openai/gemini-3-flash", api_base=server.url)
            pp.run(cell, model, n=3, store=tmp_path / f"{name}.sqlite", progress=False)
    # The server's address is part of the identity, so the other store's rows are given the keys of this one.
    with sqlite3.connect(tmp_path / "b.sqlite") as db:
        db.execute("ATTACH ? AS a", (str(tmp_path / "a.sqlite"),))
        db.execute("UPDATE rollouts SET key=(SELECT o.key FROM a.rollouts o WHERE o.replicate=rollouts.replicate)")
    db.close()
    kept = pp.frame(store=tmp_path / "a.sqlite")
    table = pp.merge(tmp_path / "a.sqlite", tmp_path / "b.sqlite")
    assert counts(table) == {"conflict": 3}
    assert set(table.ids[0].split(", ")) == set(kept.id)
    assert pp.frame(store=tmp_path / "a.sqlite").equals(kept)


def test_paused_turns_and_judgements_come_along(cell, tmp_path):
    key = b"k" * 32
    with Store(tmp_path / "b.sqlite") as store:
        for turn in range(3):
            checkpoint.keep(store, key, turn, Reply({"role": "assistant", "content": str(turn)}, Call(cost=0.5)))
        store.put_judgement(b"j" * 32, key, "refusal", "m", {"reply": None, "call": {"cost": 0.25}})
    with Store(tmp_path / "a.sqlite") as store:
        checkpoint.keep(store, key, 0, Reply({"role": "assistant", "content": "0"}, Call()))
    assert counts(pp.merge(tmp_path / "a.sqlite", tmp_path / "b.sqlite")) == {"judgements": 1, "paused turns": 3}
    with Store(tmp_path / "a.sqlite") as store:
        assert [len(turns) for turns in checkpoint.partial(store).values()] == [3]
    assert pp.spent(store=tmp_path / "a.sqlite").to_dict() == {"rollouts": 0.0, "paused": 1.5, "judgements": 0.25}


@pytest.mark.skipif(not OLD.exists(), reason="the stores of earlier versions are not here")
def test_a_store_of_version_1_is_merged_and_left_as_it_is(tmp_path):
    shutil.copyfile(OLD, tmp_path / "old.sqlite")
    before = (tmp_path / "old.sqlite").read_bytes()
    assert counts(pp.merge(tmp_path / "new.sqlite", tmp_path / "old.sqlite"))["added"] == 196
    assert (tmp_path / "old.sqlite").read_bytes() == before
    ours, theirs = (pp.frame(store=tmp_path / name).set_index("id").sort_index() for name in ("new.sqlite", "old.sqlite"))
    assert ours.equals(theirs)


def test_an_interrupted_merge_leaves_the_target_whole(cells, tmp_path, monkeypatch):
    a, b = tmp_path / "a.sqlite", tmp_path / "b.sqlite"
    pp.run(cells[:1], MODEL, n=2, store=a, progress=False)
    pp.run(cells, MODEL, n=5, store=b, progress=False)
    kept, put, calls = pp.frame(store=a), Store.put, []

    def interrupted(self, *given):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        put(self, *given)

    monkeypatch.setattr(Store, "put", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pp.merge(a, b)
    monkeypatch.undo()
    assert pp.frame(store=a).equals(kept)
    assert pp.verify(store=a).empty


def test_what_cannot_be_merged_is_told(cell, tmp_path):
    pp.run(cell, MODEL, n=1, store=tmp_path / "a.sqlite", progress=False)
    with pytest.raises(pp.StoreError, match="there is no store"):
        pp.merge(tmp_path / "a.sqlite", tmp_path / "none.sqlite")
    assert not (tmp_path / "none.sqlite").exists()
    with pytest.raises(pp.StoreError, match="itself"):
        pp.merge(tmp_path / "a.sqlite", tmp_path / "a.sqlite")
    with pytest.raises(pp.StoreError, match="one or more to read"):
        pp.merge(tmp_path / "a.sqlite")
