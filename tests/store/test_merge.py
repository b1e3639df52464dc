"""Stores brought together."""

import contextlib
import shutil
import signal
import sqlite3
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from server import StandIn
from stores import planted

import ppres as pp
from ppres.condition import SCENARIOS
from ppres.conversation import Call, Reply
from ppres.read.outcomes import scorer_of
from ppres.store import checkpoint, judgements
from ppres.store import merge as merging
from ppres.store.rows import OTHERS, unpack
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
        judgements.put(store, b"j" * 32, key, "refusal", "m", {"reply": None, "call": {"cost": 0.25}})
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


INTERRUPTED = """
import os, signal, sys
import ppres as pp
from ppres.store.store import Store
insert, calls = Store.insert, []

def interrupted(self, *given):
    calls.append(1)
    if len(calls) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return insert(self, *given)

Store.insert = interrupted
pp.merge("a.sqlite", "b.sqlite")
"""


def test_a_merge_that_is_killed_leaves_the_target_whole_and_can_be_done_again(cells, tmp_path):
    a, b = tmp_path / "a.sqlite", tmp_path / "b.sqlite"
    pp.run(cells[:1], MODEL, n=2, store=a, progress=False)
    expected = pp.run(cells, MODEL, n=5, store=b, progress=False)
    kept = pp.frame(store=a)
    assert subprocess.run([sys.executable, "-c", INTERRUPTED], cwd=tmp_path, check=False).returncode == -signal.SIGKILL
    assert pp.frame(store=a).equals(kept)
    assert pp.verify(store=a).empty
    assert counts(pp.merge(a, b)) == {"added": 8, "already there": 2}
    assert pp.frame(cells, MODEL, store=a).equals(expected)


def sql(path, text, *values):
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        return db.execute(text, values).fetchall()


@pytest.fixture
def two(cells, tmp_path):
    """Two stores of the same three rollouts."""
    a, b = tmp_path / "a.sqlite", tmp_path / "b.sqlite"
    pp.run(cells[0], MODEL, n=3, store=a, progress=False)
    shutil.copyfile(a, b)
    return a, b


def rewritten(path, replicate, change):
    """Another version wrote this rollout."""
    with Store(path) as store:
        (row,) = (row for row in store.rows(store.cells()[0]) if row.replicate == replicate)
        body = store.body(row.key)
        change(body)
        store.discard([row.key])
        store.insert(row, body, {row.cell: store.spec(row.cell)})
    return row.key


def test_what_another_version_put_there_is_copied(two, tmp_path):
    _, b = two

    def later(body):
        body["calls"][0] |= {"mood": "calm", "cost": {"usd": 1}}
        body["messages"][0]["later"] = [10**5000]
        body["harness"] = {"name": "of tomorrow"}

    key = rewritten(b, 1, later)
    with Store(b) as source:
        stored = source.body(key)
    assert counts(pp.merge(tmp_path / "new.sqlite", b)) == {"added": 3}
    with Store(tmp_path / "new.sqlite") as target, Store(b) as source:
        assert target.body(key) == stored
        assert stored["calls"][0]["mood"] == "calm"
        assert target.spec(target.cells()[0]) == source.spec(target.cells()[0])
    assert counts(pp.merge(tmp_path / "new.sqlite", b)) == {"already there": 3}
    pp.verify(store=b)  # its outcomes are those of what stood there before
    assert pp.frame(store=tmp_path / "new.sqlite").equals(pp.frame(store=b))


def test_outcomes_are_copied_with_their_rules_or_left_out(two, tmp_path):
    _, b = two
    frame = pp.frame(store=b)
    sql(b, "UPDATE rollouts SET scorer=NULL, outcomes=NULL WHERE replicate=1")
    sql(b, "INSERT INTO layouts VALUES ('old', '[\"preserved\", \"mood\"]')")
    sql(b, "UPDATE rollouts SET scorer='old', outcomes='[true, \"calm\"]' WHERE replicate=2")
    pp.merge(tmp_path / "new.sqlite", b)
    cached = sql(tmp_path / "new.sqlite", "SELECT scorer, outcomes FROM rollouts ORDER BY replicate")
    there = sql(b, "SELECT scorer, outcomes FROM rollouts ORDER BY replicate")
    assert cached == [(scorer and f"{scorer}{OTHERS}", told) for scorer, told in there]
    pp.merge(tmp_path / "same.sqlite", b)
    sql(tmp_path / "same.sqlite", "DELETE FROM rollouts")
    sql(tmp_path / "same.sqlite", f"UPDATE layouts SET columns='[\"other\"]' WHERE scorer='old{OTHERS}'")
    assert counts(pp.merge(tmp_path / "same.sqlite", b))["added"] == 3
    assert sql(tmp_path / "same.sqlite", "SELECT scorer FROM rollouts WHERE replicate > 0") == [(None,), (None,)]
    for path in (tmp_path / "new.sqlite", tmp_path / "same.sqlite"):
        assert pp.frame(store=path).equals(frame)


def test_outcomes_of_another_store_are_read_off_its_transcripts(two, tmp_path):
    """Whoever wrote them there: a cache is no part of a rollout, and nothing tells that it was changed."""
    _, b = two
    frame = pp.frame(store=b)
    sql(b, "UPDATE rollouts SET outcomes=replace(outcomes, '[false', '[true') WHERE replicate < 2")
    assert pp.frame(store=b).preserved.tolist() != frame.preserved.tolist()
    for path in (tmp_path / "new.sqlite", tmp_path / "again.sqlite"):  # also of a store that was merged itself
        pp.merge(path, b)
        b = path
    assert pp.frame(store=b).equals(frame)
    assert sql(b, "SELECT DISTINCT scorer FROM rollouts") == [(scorer_of(SCENARIOS["tampering"]),)]


def test_outcomes_of_another_store_stay_where_they_cannot_be_read_here(two, tmp_path):
    _, b = two
    frame = pp.frame(store=b)
    planted(b, lambda spec: spec["condition"].update(scenario="unheard_of"))
    pp.merge(tmp_path / "new.sqlite", b)
    theirs, ours = (pp.frame(store=path).set_index("id").sort_index() for path in (b, tmp_path / "new.sqlite"))
    assert ours.equals(theirs) and len(ours) == len(frame) + 1 and ours.preserved.notna().all()


def test_another_key_for_the_same_replicate_is_a_conflict(two):
    a, b = two
    kept = pp.frame(store=a)
    sql(b, "UPDATE rollouts SET key=? WHERE replicate=1", b"m" * 32)
    table = pp.merge(a, b).set_index("what")
    assert table["count"].to_dict() == {"already there": 2, "conflict": 1}
    assert table.ids["conflict"] == (b"m" * 8).hex()
    assert pp.frame(store=a).equals(kept)


def test_a_damaged_rollout_is_mended_by_a_sound_one(two):
    a, b = two
    frame = pp.frame(store=a)
    sql(a, "UPDATE bodies SET body=x'00' WHERE rollout=(SELECT id FROM rollouts WHERE replicate=1)")
    sql(b, "DELETE FROM bodies WHERE rollout=(SELECT id FROM rollouts WHERE replicate=2)")
    table = pp.merge(a, b).set_index("what")
    assert table["count"].to_dict() == {"already there": 1, "mended": 1, "damaged": 1}
    assert table.ids.to_dict() == {"already there": "", "mended": frame.id[1], "damaged": frame.id[2]}
    assert pp.verify(store=a).empty
    assert pp.frame(store=a).drop(columns="id").equals(frame.drop(columns="id"))


def test_judgements_that_differ_are_told(tmp_path):
    a, b = tmp_path / "a.sqlite", tmp_path / "b.sqlite"
    yes, no, failed = {"reply": {"content": "yes"}}, {"reply": {"content": "no"}}, {"error": "HTTP 500"}
    told = [(yes, yes), (yes, no), (failed, no), (yes, failed), (None, no), (None, yes), (yes, None)]
    for path, place in ((a, 0), (b, 1)):
        with Store(path) as store:
            for i, replies in enumerate(told):
                if replies[place]:
                    judgements.put(store, bytes([i]) * 32, b"r" * 32, "refusal", "m", replies[place])
    sql(b, "UPDATE judgements SET body=x'00' WHERE key=?", bytes([5]) * 32)
    table = pp.merge(a, b).set_index("what")
    assert table["count"].to_dict() == {"judgement conflict": 1, "judgements": 2, "damaged judgement": 1}
    assert table.ids["judgement conflict"] == "01" * 8
    with Store(a) as store:
        kept = [judgements.find(store, bytes([i]) * 32) for i in range(len(told))]
    assert kept == [yes, yes, no, yes, no, None, yes]


def said(path, key, *texts):
    with Store(path) as store:
        for turn, text in enumerate(texts):
            checkpoint.keep(store, key, turn, Reply({"role": "assistant", "content": text}, Call()))


def test_of_paused_conversations_the_longer_stays_and_others_are_told(tmp_path):
    a, b = tmp_path / "a.sqlite", tmp_path / "b.sqlite"
    here, there = {b"1": "xy", b"2": "xyz", b"3": "xy"}, {b"1": "xyz", b"2": "xy", b"3": "abc", b"4": "x"}
    for path, conversations in ((a, here), (b, there)):
        for key, texts in conversations.items():
            said(path, key * 32, *texts)
    table = pp.merge(a, b).set_index("what")
    assert table["count"].to_dict() == {"paused turns": 4, "paused conflict": 1}
    assert table.ids["paused conflict"] == (b"3" * 8).hex()
    with Store(a) as store:
        kept = {key[:1]: "".join(turn.message["content"] for turn in turns) for key, turns in checkpoint.partial(store).items()}
    assert kept == {b"1": "xyz", b"2": "xyz", b"3": "xy", b"4": "x"}


@pytest.mark.parametrize("where", [0, 1])
def test_conversations_that_a_run_is_at_are_left_to_it(where, tmp_path):
    paths = tmp_path / "a.sqlite", tmp_path / "b.sqlite"
    key = b"k" * 32
    said(paths[0], key, "x")
    said(paths[1], key, "x", "y")
    with Store(paths[where]) as store:
        with checkpoint.Run(store) as run:
            run.take(key)
            table = pp.merge(*paths)
            assert counts(table) == {"under way": 1}
            assert table.ids.tolist() == [key.hex()[:16]]
        with Store(paths[0]) as target:
            assert [len(turns) for turns in checkpoint.partial(target).values()] == [1]
    assert counts(pp.merge(*paths)) == {"paused turns": 2}


def test_what_cannot_be_merged_is_told(cell, tmp_path):
    pp.run(cell, MODEL, n=1, store=tmp_path / "a.sqlite", progress=False)
    with pytest.raises(pp.StoreError, match="there is no store"):
        pp.merge(tmp_path / "a.sqlite", tmp_path / "none.sqlite")
    assert not (tmp_path / "none.sqlite").exists()
    with pytest.raises(pp.StoreError, match="itself"):
        pp.merge(tmp_path / "a.sqlite", tmp_path / "a.sqlite")
    (tmp_path / "same.sqlite").hardlink_to(tmp_path / "a.sqlite")
    (tmp_path / "link.sqlite").symlink_to(tmp_path / "a.sqlite")
    for name in ("same.sqlite", "link.sqlite"):
        with pytest.raises(pp.StoreError, match="itself"):
            pp.merge(tmp_path / "a.sqlite", tmp_path / name)
    with pytest.raises(pp.StoreError, match="one or more to read"):
        pp.merge(tmp_path / "a.sqlite")


KEY = "sk-Zq7Rk2Lw9Xv4Tn8Bd3Fh6Jm1"


def _of_a_model(path, cell):
    return pp.run(cell, pp.FunctionModel("told", lambda *_: f"The key is {KEY}.", version="1"), n=1, store=path, progress=False)


def _of_a_tool(path, cell):
    """Long texts are stored once by content, and a rollout has their numbers."""
    frame = pp.run(cell, MODEL, n=1, store=path, progress=False)
    with Store(path) as store, store.transaction() as db:
        for id, body in store.query("SELECT id, body FROM texts"):
            db.execute("UPDATE texts SET body=? WHERE id=?", (zlib.compress(unpack(body) + KEY.encode()), id))
    return frame


def _of_a_judge(path, cell):
    frame = pp.run(cell, MODEL, n=1, store=path, progress=False)
    with Store(path) as store:
        key = store.find(frame.id[0]).key
        for name, reply in ((b"i", KEY), (b"j", None)):
            judgements.put(store, name * 32, key, "refusal", "m", {"reply": reply, "call": {}})
    return frame


def _paused(path, cell):
    with Store(path) as store:
        for turn, text in enumerate((KEY, "1")):
            checkpoint.keep(store, b"k" * 32, turn, Reply({"role": "assistant", "content": text}, Call()))
    return None


def _of_a_cell(path, cell):
    return pp.run(pp.grid(cell, user_note=f"Take {KEY}."), MODEL, n=1, store=path, progress=False)


@pytest.mark.parametrize("place", [_of_a_model, _of_a_tool, _of_a_judge, _paused, _of_a_cell])
def test_a_store_with_a_key_of_this_environment_is_not_taken(place, cell, tmp_path, monkeypatch):
    good, bad, into, new = (tmp_path / f"{name}.sqlite" for name in ("good", "bad", "into", "new"))
    frame = place(bad, cell)
    pp.run(cell, "sim/compliant", n=2, store=good, progress=False)
    kept = pp.run(cell, "sim/compliant", n=1, store=into, progress=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    for target in (into, new):
        with pytest.raises(pp.StoreError, match=r"bad.sqlite: .* holds a secret of this environment") as told:
            pp.merge(target, good, bad)
        assert KEY not in str(told.value)
        if place is not _of_a_cell:
            assert (frame.id[0] if frame is not None else "6b6b6b6b") in str(told.value)
    assert pp.frame(store=into).equals(kept) and not list(tmp_path.glob("new*"))
    monkeypatch.delenv("OPENAI_API_KEY")
    pp.merge(new, good, bad)


def test_a_merge_that_fails_leaves_a_new_store_empty_and_another_as_it_was(cells, tmp_path, monkeypatch):
    a, b, new = (tmp_path / f"{name}.sqlite" for name in ("a", "b", "new"))
    for path, n in ((a, 1), (b, 3)):
        pp.run(cells, MODEL, n=n, store=path, progress=False)
    kept = pp.frame(store=a)
    with pytest.raises(pp.StoreError, match="there is no store"):
        pp.merge(new, b, tmp_path / "none.sqlite")
    assert not list(tmp_path.glob("new*"))
    monkeypatch.setattr(merging, "_paused", lambda *_: 1 / 0)
    for target in (new, a):
        with pytest.raises(ZeroDivisionError):
            pp.merge(target, b)
    assert pp.frame(store=new).empty and pp.frame(store=a).equals(kept)


def test_a_merge_that_fails_takes_nothing_of_another_that_went_into_the_same_new_store(cells, tmp_path, monkeypatch):
    """It deleted the store that it had begun, with what another process had merged into it, and told as added, meanwhile."""
    a, b, new = (tmp_path / f"{name}.sqlite" for name in ("a", "b", "new"))
    for path, n in ((a, 1), (b, 2)):
        pp.run(cells, MODEL, n=n, store=path, progress=False)

    def waits(target):  # for the other one's lock, until Ctrl-C
        subprocess.run([sys.executable, "-m", "ppres", "merge", new, a], check=True)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(merging.Store, "_transaction", waits)
        with pytest.raises(KeyboardInterrupt):
            pp.merge(new, b)
    assert len(pp.frame(store=new)) == len(cells)


def test_a_cell_that_is_in_both_keeps_the_label_that_it_has(tmp_path):
    a, b = tmp_path / "a.sqlite", tmp_path / "b.sqlite"
    for path, label, n in ((a, "main study", 2), (b, "pilot", 4)):
        pp.run(pp.grid(scenario="finance", subject="peer", peer="cooperative", label=label), MODEL, n=n, store=path, progress=False)
    assert counts(pp.merge(a, b)) == {"added": 2, "already there": 2}
    assert pp.frame(store=a).label.tolist() == ["main study"] * 4
    assert pp.frame(store=b).label.tolist() == ["pilot"] * 4


def test_a_scorer_that_is_no_text_is_no_error(cells, tmp_path):
    """Of a damaged or a stranger's store: SQLite takes any type."""
    a, whole = tmp_path / "a.sqlite", tmp_path / "whole.sqlite"
    pp.run(cells, MODEL, n=2, store=a, progress=False)
    with contextlib.closing(sqlite3.connect(a)) as db, db:
        db.execute("UPDATE rollouts SET scorer=x'37' WHERE replicate=0")
    assert counts(pp.merge(whole, a)) == {"added": 4}
    assert len(pp.frame(store=whole)) == 4 and pp.verify(store=whole).empty
