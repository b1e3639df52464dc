"""Files of earlier versions are read, and what was said and paid for in them is all there."""

import contextlib
import hashlib
import json
import multiprocessing
import shutil
import sqlite3
from pathlib import Path

import pandas as pd
import pytest

import ppres as pp
from ppres.read.outcomes import COLUMNS, SCORER
from ppres.store import checkpoint, judgements
from ppres.store.migrations import STEPS
from ppres.store.store import SCHEMA, Store

SHARED = Path(__file__).parents[3] / "shared" / "stores"
shared = pytest.mark.skipif(not SHARED.exists(), reason="the stores of earlier versions are not here")


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "old.sqlite"
    shutil.copyfile(SHARED / "schema-1.sqlite", path)
    path.chmod(0o644)
    return path


def version(path):
    with contextlib.closing(sqlite3.connect(path)) as db:
        return db.execute("PRAGMA user_version").fetchone()[0]


def test_every_version_has_a_step():
    assert sorted(STEPS) == list(range(1, SCHEMA))


@shared
def test_a_store_of_version_1_reads_as_its_csv_says(old):
    assert version(old) == 1
    known = pd.read_csv(SHARED / "schema-1.csv").set_index("id")
    frame = pp.frame(store=old).set_index("id").sort_index()
    assert version(old) == SCHEMA
    assert frame.index.tolist() == known.index.tolist()
    differing = {}
    for name in known.columns.intersection(frame.columns):
        ours, theirs = frame[name].astype(object), known[name].astype(object)
        ours = ours.where(ours.notna() & ~ours.isin(["none", "does not apply"]), None)  # levels, where version 1 had nothing
        theirs = theirs.where(theirs.notna() & (theirs != "none"), None)
        same = (ours == theirs) | (ours.isna() & theirs.isna()) | (ours.astype(str) == theirs.astype(str))
        ours, theirs = (pd.to_numeric(values, errors="coerce").astype(float) for values in (ours, theirs))
        number = (ours - theirs).abs() < 1e-6
        if not (same | number).all():
            differing[name] = frame.index[~(same | number)].tolist()
    # Rules that read a rollout otherwise by now are named here, with their reason; none does so far.
    assert differing == {}
    assert set(known.columns) <= set(frame.columns)
    simulated = frame.source == "sim"
    assert frame.rate_source[simulated].isin(["published", "assumed", "planted"]).all()
    assert frame.rate_source[~simulated].isna().all()


@shared
def test_what_was_paused_and_judged_in_version_1_is_there(old):
    with contextlib.closing(sqlite3.connect(old)) as db:
        turns = db.execute("SELECT count(*) FROM turns").fetchone()[0]
    with Store(old) as store:
        assert sum(len(replies) for replies in checkpoint.partial(store).values()) == turns == 5
        assert len(judgements.keys(store)) == 3
    assert pp.verify(store=old).empty
    with pytest.warns(UserWarning, match=r"a price is not known .* judgements: 3 calls"):
        assert pp.spent(store=old).isna().to_dict() == {"rollouts": True, "paused": False, "judgements": True}


@shared
def test_a_migration_that_is_interrupted_leaves_the_file_as_it_was(old, monkeypatch):
    def fails(connection, *more):
        STEPS_1(connection, *more)
        raise sqlite3.OperationalError("interrupted")

    STEPS_1 = STEPS[1]
    before = dump(old)
    monkeypatch.setitem(STEPS, 1, fails)
    with pytest.raises(pp.StoreError, match="interrupted"):
        pp.frame(store=old)
    assert (version(old), dump(old)) == (1, before)


def dump(path):
    with contextlib.closing(sqlite3.connect(path)) as db:
        return list(db.iterdump())


def test_a_cache_is_read_by_name_whatever_the_columns_are_today(cell, tmp_path):
    path = tmp_path / "s.sqlite"
    before = pp.run(cell, "sim/saboteur", n=3, progress=False, store=path)
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        ((columns,),) = db.execute("SELECT columns FROM layouts")
        rows = db.execute("SELECT id, outcomes FROM rollouts").fetchall()
        db.execute("UPDATE layouts SET columns=?", (json.dumps(json.loads(columns)[::-1]),))
        for id, outcomes in rows:
            db.execute("UPDATE rollouts SET outcomes=? WHERE id=?", (json.dumps(json.loads(outcomes)[::-1]), id))
    assert pp.frame(cell, "sim/saboteur", store=path).equals(before)


def test_the_columns_of_a_scorer_never_change():
    """Files say once what the outcomes of a scorer are a list of. Other columns: raise `outcomes.SCORER`, and mend this."""
    assert (SCORER, hashlib.sha256(json.dumps(list(COLUMNS)).encode()).hexdigest()[:12]) == ("26", "e0b9366ba426")


# -- a file as version 1 made it ---------------------------------------------------------------------------------------

VERSION_1 = """
CREATE TABLE texts (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, body BLOB NOT NULL);
CREATE TABLE cells (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, spec BLOB NOT NULL);
CREATE TABLE rollouts (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, cell INTEGER NOT NULL REFERENCES cells, replicate INTEGER NOT NULL,
    stop_reason TEXT NOT NULL, scorer TEXT, outcomes TEXT, UNIQUE (cell, replicate));
CREATE TABLE judgements (
    key BLOB PRIMARY KEY, rollout BLOB NOT NULL, rubric TEXT NOT NULL, model TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE bodies (rollout INTEGER PRIMARY KEY REFERENCES rollouts, crc INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE turns (key BLOB NOT NULL, turn INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (key, turn)) WITHOUT ROWID;
CREATE TABLE claims (key BLOB PRIMARY KEY, owner TEXT NOT NULL) WITHOUT ROWID;
PRAGMA application_id=1886417509;
PRAGMA user_version=1;
"""
KEPT = {"preserved": 0, "completed": 6, "stop_reason": 25, "turns": 26}  # places in the lists of version 1


@pytest.fixture
def made(cell, tmp_path):
    """A file of version 1 with six rollouts: two of scorer 3, two of scorer 2, two not scored."""
    new, path = tmp_path / "new.sqlite", tmp_path / "made.sqlite"
    frame = pp.run(cell, "sim/saboteur", n=6, progress=False, store=new)
    values = [None] * 34
    for name, place in KEPT.items():
        values[place] = frame[name].tolist()[0]
    with sqlite3.connect(path) as db:
        db.executescript(VERSION_1)
        db.execute("ATTACH ? AS new", (str(new),))
        for table in ("texts", "cells", "bodies"):
            db.execute(f"INSERT INTO {table} SELECT * FROM new.{table}")
        asked = "CASE WHEN replicate < 2 THEN '3' WHEN replicate < 4 THEN '2' END"
        db.execute(
            f"INSERT INTO rollouts SELECT id, key, cell, replicate, stop_reason, {asked}, ? FROM new.rollouts",
            (json.dumps(values),),
        )
    db.close()
    return path, frame


def test_lists_of_version_1_are_read_by_the_names_that_they_had(made):
    path, frame = made
    with Store(path) as store:
        rows = store.rows(store.cells()[0])
    names = [dict(zip(row.columns, json.loads(row.outcomes), strict=True)) if row.outcomes else None for row in rows]
    assert [{name: one[name] for name in KEPT} for one in names[:2]] == [frame.loc[0, list(KEPT)].to_dict()] * 2
    assert names[2:] == [None] * 4
    assert [row.scorer for row in rows] == ["3", "3", None, None, None, None]
    assert pp.frame(store=path).equals(frame)


def _look(path, start, told):
    start.wait()
    told.put(len(pp.frame(store=path)))


def test_two_processes_may_open_a_file_of_version_1_at_once(made):
    path, frame = made
    spawn = multiprocessing.get_context("spawn")
    start, told = spawn.Barrier(2), spawn.Queue()
    looking = [spawn.Process(target=_look, args=(path, start, told)) for _ in range(2)]
    for process in looking:
        process.start()
    assert [told.get(timeout=120) for _ in looking] == [6] * 2
    for process in looking:
        process.join()
    assert version(path) == SCHEMA
    assert pp.frame(store=path).equals(frame)


def test_a_newer_file_is_refused(made):
    path, _ = made
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version={SCHEMA + 1}")
    db.close()
    with pytest.raises(pp.StoreError, match="newer ppres"):
        pp.frame(store=path)
    assert version(path) == SCHEMA + 1
