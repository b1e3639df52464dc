"""How many rollouts came out alike is counted as they are stored, and is what counting all of them says."""

import contextlib
import random
import sqlite3

import pytest

import ppres as pp
from ppres.store import checkpoint, tallies
from ppres.store.migrations import SCHEMA
from ppres.store.rows import Scored
from ppres.store.store import Store

CELLS = pp.grid(scenario="tampering", subject="peer", peer=["uncooperative", "cooperative"])
MODELS = ["sim/saboteur", "sim/clumsy"]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "store.sqlite"
    pp.run(CELLS, MODELS, n=8, progress=False, store=path)
    return path


def sql(path, *statements):
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        for statement in statements:
            db.execute(statement)


def kept(path):
    with contextlib.closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT * FROM tallies ORDER BY 1, 2, 3, 4").fetchall()


def true(path):
    with contextlib.closing(sqlite3.connect(path)) as db:
        return db.execute(f"{tallies.COUNTED} ORDER BY 1, 2, 3, 4").fetchall()


def test_whatever_becomes_of_rollouts_they_are_counted(path, tmp_path):
    dice = random.Random(5)
    ids = pp.frame(store=path).id.tolist()
    assert kept(path) == true(path) and sum(row[-1] for row in kept(path)) == len(ids)

    pp.discard(dice.sample(ids, 7), store=path)
    assert kept(path) == true(path) and sum(row[-1] for row in kept(path)) == len(ids) - 7
    pp.run(CELLS, MODELS, n=9, progress=False, store=path)
    assert kept(path) == true(path)

    other = tmp_path / "other.sqlite"
    pp.run(CELLS, MODELS, n=12, progress=False, store=other)
    sql(path, "UPDATE rollouts SET stop_reason = 'budget' WHERE id % 3 = 0")  # these give way
    pp.merge(path, other)
    assert kept(path) == true(path) and {row[3] for row in kept(path)} == {row[3] for row in kept(other)}

    with Store(path) as store:
        rows = [row for cell in store.cells() for row in store.rows(cell)]
        store.recache([(row.key, Scored("other rules", ("preserved",), [dice.random() < 0.5])) for row in rows[::2]])
        assert kept(path) == true(path) and len({row[1] for row in kept(path)}) == 3
        store.recache([(rows[0].key, Scored("other rules", ("refused",), [True]))])  # another layout: the former are dropped
    assert kept(path) == true(path) and "" in {row[1] for row in kept(path)}
    pp.discard(pp.frame(store=path).id, store=path)
    assert kept(path) == []


def test_what_is_rolled_back_was_not_counted(path):
    before = kept(path)
    with Store(path) as store, contextlib.suppress(RuntimeError), store.transaction() as db:
        db.execute("DELETE FROM rollouts WHERE id % 2 = 0")
        assert sum(n for (n,) in db.execute("SELECT n FROM tallies")) < sum(row[-1] for row in before)
        raise RuntimeError
    assert kept(path) == before == true(path)


def test_unfinished_rollouts_are_found_in_cells_that_have_some(path):
    sql(path, "UPDATE rollouts SET stop_reason = 'budget' WHERE id = 3")
    with Store(path) as store:
        assert checkpoint.paid(store) == []  # it has no call without an answer
        asked = []
        store._connection.set_trace_callback(asked.append)
        checkpoint.paid(store)
    assert any("SELECT crc, body FROM bodies" in statement for statement in asked)


def test_a_wrong_count_is_told_and_mended_by_verify(path):
    def rollouts():
        return pp.spent("model", store=path).rollouts.sum()

    assert rollouts() == len(pp.frame(store=path))
    for spoil in ("UPDATE tallies SET n = n + 1", "DELETE FROM tallies WHERE cell = 1"):
        sql(path, spoil)
        assert rollouts() != len(pp.frame(store=path))
        with pytest.warns(UserWarning, match="counted wrongly"):
            assert pp.verify(store=path).empty
        assert kept(path) == true(path) and rollouts() == len(pp.frame(store=path))


def test_a_file_of_version_2_is_counted_where_it_can_be_written_and_where_it_cannot(path):
    counted, spent = kept(path), pp.spent(["model", "stop_reason"], store=path)
    triggers = ("rollout_added", "rollout_deleted", "rollout_changed")
    sql(path, *(f"DROP TRIGGER {name}" for name in triggers), "DROP TABLE tallies", "PRAGMA user_version=2")
    with Store(path, read_only=True) as store:
        alike = tallies.alike(store)
        assert sum(n for some in alike.values() for *_, n in some) == sum(row[-1] for row in counted)
        assert not tallies.miscounted(store)
    assert pp.spent(["model", "stop_reason"], store=path).equals(spent)
    assert kept(path) == counted
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (SCHEMA,)
    pp.run(CELLS, MODELS, n=9, progress=False, store=path)
    assert kept(path) == true(path) != counted
