"""The file of transcripts: real files, real processes, real signals, a real full disk."""

import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import loky
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from server import StandIn

import ppres as pp
from ppres.conversation import STOPS, Conversation
from ppres.engine.rollout import simulate, simulate_packed
from ppres.read import outcomes
from ppres.store.cell import cells_of
from ppres.store.rows import Finished, Packed
from ppres.store.store import Store

MODEL = "sim/gemini-3-flash"
ONE_CELL = 'pp.Condition(scenario="tampering", subject="peer", peer="cooperative")'
MANY_CELLS = (
    'pp.grid(scenario="tampering", dataset=["factual", "creativity", "red"], subject=["self", "peer"], '
    'peer=[None, "uncooperative", "neutral", "cooperative"], instantiation=["file", "file+prompt", "memory"])'
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.sqlite"


@pytest.fixture
def conditions(cell):
    return pp.grid(cell, peer=["uncooperative", "cooperative"], instantiation=["file", "memory"])


def python(code, *arguments):
    """A Python process of its own, leading a session of its own as under a terminal."""
    # A shell that runs the tests in the background has them ignore Ctrl-C, and every process that they start.
    start = "import signal, sys\nsignal.signal(signal.SIGINT, signal.default_int_handler)\nimport ppres as pp\n"
    return subprocess.Popen(
        [sys.executable, "-c", start + textwrap.dedent(code), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def ended(process, seconds=120):
    """Exit status, output and errors of a process."""
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        pytest.fail(f"the process did not end by itself within {seconds} s: {out}{err}")
    return process.returncode, out, err


def alive(session):
    """How many processes of a session run."""
    table = subprocess.run(["ps", "-eo", "pgid=,stat="], capture_output=True, text=True, check=True).stdout
    return sum(group == str(session) and not state.startswith("Z") for group, state in map(str.split, table.splitlines()))


def sql(path, statement, *values):
    with contextlib.closing(sqlite3.connect(path, timeout=30)) as db, db:
        return db.execute(statement, values).fetchall()


def count(path):
    """Stored rollouts, while somebody else writes."""
    with contextlib.suppress(sqlite3.Error):
        return sql(path, "SELECT count(*) FROM rollouts")[0][0] if path.exists() else 0
    return 0


def wait_until(happened, process=None, seconds=120):
    """Wait until `happened()`, but not on a process that is over."""
    end = time.monotonic() + seconds
    while not happened():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.001)


def sound(path):
    return sql(path, "PRAGMA integrity_check") == [("ok",)] and sql(path, "PRAGMA foreign_key_check") == []


def transcripts(ids):
    return {id: pp.transcript(id) for id in ids}


def timeless(transcript):
    return {k: v for k, v in transcript.items() if k != "created"}


# -- several processes -------------------------------------------------------------------------------------------------


def test_two_processes_make_every_replicate_once_and_return_the_same(path, tmp_path):
    """Real models answer differently each time: here each process seeds its agents differently. What was stored first, stays."""
    code = f"""
        import pathlib
        from ppres.simulated import agent as sim
        usual = sim.Simulated.__init__
        sim.Simulated.__init__ = lambda self, rates, seed, *more, **how: usual(self, rates, seed + sys.argv[1], *more, **how)
        print("ready", flush=True)
        while not pathlib.Path("go").exists():
            pass
        pp.run({MANY_CELLS}, "{MODEL}", n=4, progress=False).to_pickle(sys.argv[1])
    """
    both = [python(code, name) for name in ("a", "b")]
    for process in both:
        assert process.stdout.readline() == "ready\n"
    (tmp_path / "go").touch()
    for process in both:
        assert ended(process)[0] == 0
    first, second = pd.read_pickle("a"), pd.read_pickle("b")
    assert first.equals(second)
    assert len(first) == first.id.nunique() == 57 * 4
    assert count(path) == sql(path, "SELECT count(*) FROM bodies")[0][0] == 57 * 4
    assert sound(path)
    assert pp.verify().empty


def test_a_new_store_may_be_opened_by_several_processes_at_once(tmp_path):
    """As the notebooks of `ppres reproduce` do on a fresh machine. It goes wrong seldom if it does, so: many times."""
    code = """
        import os, pathlib, time
        from ppres.store.store import Store
        print("ready", flush=True)
        while not pathlib.Path("go").exists():
            pass
        start = os.stat("go").st_mtime + 0.3
        for i in range(100):
            while time.time() < start + i * 0.02:
                pass
            Store(f"{i}.sqlite").close()
    """
    several = [python(code) for _ in range(3)]
    for process in several:
        assert process.stdout.readline() == "ready\n"
    (tmp_path / "go").touch()
    for process in several:
        status, _, err = ended(process)
        assert status == 0, err


def test_a_new_store_may_be_opened_by_several_threads_at_once(tmp_path):
    together = threading.Barrier(6)

    def first_use(i):
        together.wait(30)
        with Store(tmp_path / f"{i}.sqlite") as store:
            return store.cells()

    with ThreadPoolExecutor(6) as pool:
        for i in range(60):
            uses = [pool.submit(first_use, i) for _ in range(6)]
            assert [use.exception() for use in uses] == [None] * 6


@pytest.mark.slow
def test_a_killed_process_harms_nothing_and_the_next_run_goes_on(path):
    code = f'pp.run({MANY_CELLS}, "{MODEL}", n=10, progress=False)'
    rng = random.Random(20260209)
    kept = {}
    for _ in range(4):
        until = count(path) + rng.randint(1, 100)
        process = python(code)
        wait_until(lambda until=until: count(path) >= until, process)
        time.sleep(rng.uniform(0, 0.02))
        process.kill()
        assert ended(process)[0] == -signal.SIGKILL
        assert sound(path)
        now = transcripts(pp.frame().id)
        assert len(kept) < len(now) < 570
        assert {id: now[id] for id in kept} == kept
        kept = now
    conditions = eval(MANY_CELLS)
    assert pp.plan(conditions, MODEL, n=10).stored.sum() == len(kept)
    frame = pp.run(conditions, MODEL, n=10, progress=False)
    assert len(frame) == 570
    assert transcripts(kept) == kept
    assert pp.verify().empty


@pytest.mark.skipif(loky.cpu_count() < 2, reason="worker processes take two cores")
@pytest.mark.parametrize("after", [pytest.param(0, marks=pytest.mark.slow), 0.3, pytest.param(1, marks=pytest.mark.slow)])
def test_a_killed_process_leaves_no_worker_processes_behind(after):
    """Nor one that was just being started."""
    process = python(f'pp.run({MANY_CELLS}, "{MODEL}", n=200, progress=False)')
    wait_until(lambda: alive(process.pid) > 3, process)
    time.sleep(after)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    try:
        wait_until(lambda: not alive(process.pid))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


CATCHING = """
try:
    pp.run({}, {}, n={}, progress=False)
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize("n", [40, 100], ids=["in the process", "in worker processes"])
def test_ctrl_c_on_simulated_rollouts_reaches_the_caller_and_keeps_what_was_finished(path, n):
    process = python(CATCHING.format(MANY_CELLS, repr(MODEL), n))
    wait_until(lambda: count(path), process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: every process of the session gets it
    status, out, err = ended(process)
    assert (status, out) == (0, "interrupted\n"), err
    assert "Traceback (most recent" not in err
    wait_until(lambda: not alive(process.pid))
    assert 0 < len(pp.frame()) < 57 * n
    assert sound(path)
    assert pp.verify().empty


class Stalling(StandIn):
    """Answers the conversations of `seeds`, and leaves every other waiting."""

    def __init__(self, seeds):
        super().__init__(seeds)
        self.over = threading.Event()

    def answer(self, body):
        try:
            return super().answer(body)
        except StopIteration:
            self.over.wait()
            return 503, {"error": {"message": "over", "type": "server_error", "code": None}}


@pytest.mark.slow
def test_ctrl_c_on_a_model_that_does_not_answer_ends_at_once_and_the_session_goes_on(path, tmp_path):
    """As in a notebook: stop, look at what there is, and run the cell again."""
    code = f"""
        import pathlib, time
        def cell():
            model = pp.Model("openai/gemini-3-flash", api_base=sys.argv[1])
            return len(pp.run({ONE_CELL}, model, n=8, progress=False))
        try:
            cell()
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        while not pathlib.Path("go").exists():
            time.sleep(0.01)
        print(cell())
    """
    with Stalling(["00", "01", "02"]) as server:
        process = python(code, server.url)
        wait_until(lambda: count(path) == 3, process)
        os.killpg(process.pid, signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        server.over.set()
        server.seeds = iter([f"1{i}" for i in range(5)])
        kept = transcripts(pp.frame().id)
        assert len(kept) == 3
        (tmp_path / "go").touch()
        status, out, err = ended(process)
    assert (status, out) == (0, "8\n"), err
    now = transcripts(pp.frame().id)
    assert {id: now[id] for id in kept} == kept
    assert {one["stop_reason"] for one in now.values()} == {"ended"}


# -- files that cannot be used -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["/proc/nothing/x.sqlite", "a folder", "a file/x.sqlite"])
def test_a_path_that_cannot_be_written_is_named_with_a_way_out(where, cell, tmp_path):
    (tmp_path / "a folder").mkdir()
    (tmp_path / "a file").write_text("text")
    with pytest.raises(pp.StoreError, match=f"(?s){where}.*cannot be written.*PPRES_STORE"):
        pp.run(cell, MODEL, n=1, store=where, progress=False)
    with pytest.raises(pp.StoreError, match=f"there is no store .*{where}.*PPRES_STORE"):
        pp.frame(store=where)


def foreign(path):
    sql(path, "CREATE TABLE customers (name)")
    sql(path, "INSERT INTO customers VALUES ('Ada')")


def newer(path):
    pp.run(eval(ONE_CELL), MODEL, n=2, store=path, progress=False)
    sql(path, "PRAGMA user_version=99")


def changed(*statements):
    """A store of ours, of which somebody changed the tables."""

    def make(path):
        pp.run(eval(ONE_CELL), MODEL, n=2, store=path, progress=False)
        for statement in statements:
            sql(path, statement)

    return make


ENDLESS = "WITH RECURSIVE more(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM more)"
COLUMNS = "1 AS id, x AS key, 1 AS cell, x AS replicate, 'ended' AS stop_reason, NULL AS scorer, NULL AS outcomes"
UNUSABLE = {
    "an endless view": (
        changed("ALTER TABLE rollouts RENAME TO r2", f"CREATE VIEW rollouts AS {ENDLESS} SELECT {COLUMNS} FROM more"),
        "the table bodies in it is not ours.*another path",
    ),
    "a view beside": (changed("CREATE VIEW more AS SELECT 1"), "the view more in it is not ours.*another path"),
    "a trigger": (
        changed("CREATE TRIGGER t AFTER INSERT ON rollouts BEGIN DELETE FROM bodies; END"),
        "the trigger t in it is not ours.*another path",
    ),
    "an index": (changed("CREATE INDEX i ON rollouts (abs(replicate))"), "the index i in it is not ours"),
    "a computed column": (changed("ALTER TABLE cells ADD COLUMN z AS (id + 1)"), "the table cells in it is not ours"),
    "another type": (changed("DROP TABLE claims", "CREATE TABLE claims (key TEXT)"), "the table claims in it is not ours"),
    **{f"no {name}": (changed(f"DROP TABLE {name}"), "lacks a table.*backup") for name in ("bodies", "layouts", "turns")},
    **{f"version {n}": (changed(f"PRAGMA user_version={n}"), f"of version {n}.*backup") for n in (0, -5)},
    "another program's database": (foreign, "another program.*another path"),
    "newer": (newer, r"newer ppres.*99.*upgrade"),
    "text": (lambda path: path.write_text("id,name\n1,Ada\n" * 500), "not a ppres store.*another path"),
    "short text": (lambda path: path.write_text("hello"), "not a ppres store.*another path"),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_a_file_that_is_not_ours_to_write_is_left_as_it_is(kind, path, tmp_path, cell):
    make, says = UNUSABLE[kind]
    make(path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()}
    for use in (lambda: pp.run(cell, MODEL, n=3, progress=False), lambda: pp.plan(cell, MODEL, n=3), pp.frame, pp.verify):
        with pytest.raises(pp.StoreError, match=f"(?s){says}") as caught:
            use()
        assert str(path) in str(caught.value)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()} == before


@pytest.mark.parametrize("part", [0.2, 0.5, 0.9])
def test_a_file_that_was_cut_off_is_called_damaged(part, path, conditions):
    pp.run(conditions, MODEL, n=50, progress=False)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(pp.StoreError, match=r"(?s)damaged.*backup"):
        pp.verify()


@pytest.fixture
def tiny_disk(tmp_path):
    """A disk of 400 kB, and a function that mounts it again with other options."""
    disk = tmp_path / "disk"
    disk.mkdir()

    def mount(options):
        return subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", disk], capture_output=True, check=False)

    if not sys.platform.startswith("linux") or mount("size=400k").returncode:
        pytest.skip("mounting a tiny disk takes root on Linux")
    yield disk, lambda options: mount(f"remount,{options}").check_returncode()
    subprocess.run(["umount", "-l", disk], check=True)


@pytest.mark.slow
def test_a_full_disk_is_named_and_costs_nothing_that_was_stored(tiny_disk, conditions):
    disk, remount = tiny_disk
    where = disk / "store.sqlite"
    done = []
    with pytest.raises(pp.StoreError, match="the disk is full") as caught:  # noqa: PT012
        for n in range(1, 5000):
            done = pp.run(conditions, MODEL, n=n, store=where, progress=False)
    assert str(where) in str(caught.value)
    assert len(done) > 4
    kept = pp.frame(store=where)
    assert set(done.id) <= set(kept.id)
    assert pp.verify(store=where).empty
    assert [pp.transcript(id, store=where)["id"][:16] for id in kept.id] == kept.id.tolist()
    remount("size=8m")
    more = pp.run(conditions, MODEL, n=n + 20, store=where, progress=False)
    assert len(more) == 4 * (n + 20)
    assert more[more.id.isin(done.id)].reset_index(drop=True).equals(done)
    assert pp.verify(store=where).empty


def test_a_disk_that_became_read_only_is_named(tiny_disk, conditions):
    disk, remount = tiny_disk
    pp.run(conditions, MODEL, n=1, store=disk / "store.sqlite", progress=False)
    remount("ro")
    with pytest.raises(pp.StoreError, match=r"(?s)cannot be written.*PPRES_STORE"):
        pp.run(conditions, MODEL, n=2, store=disk / "store.sqlite", progress=False)


# -- damage ------------------------------------------------------------------------------------------------------------


def damage(path, how, table, column, row):
    """One bit turned, the end lost, or the place of another row's bytes."""
    blob, other = (
        sql(path, f"SELECT {column} FROM {table} WHERE rowid {sign} ? ORDER BY rowid LIMIT 1", row)[0][0] for sign in ("=", "<>")
    )
    rng = random.Random(row)
    at = rng.randrange(len(blob))
    turned = blob[:at] + bytes([blob[at] ^ 1 << rng.randrange(8)]) + blob[at + 1 :]
    sql(path, f"UPDATE {table} SET {column}=? WHERE rowid=?", {"bit": turned, "cut": blob[:at], "other": other}[how], row)


def row_of(path, id):
    return sql(path, "SELECT id, cell FROM rollouts WHERE hex(key) LIKE ?", f"{id}%")[0]


@pytest.mark.parametrize("how", ["bit", "cut", "other"])
def test_a_damaged_body_is_named_and_healed_and_harms_no_other(how, path, conditions):
    frame = pp.run(conditions, MODEL, n=5, progress=False)
    id = frame.id[7]
    before = transcripts(frame.id)
    damage(path, how, "bodies", "body", row_of(path, id)[0])
    with pytest.raises(pp.StoreError, match=rf"(?s){id}.*pp\.discard\(\[id\]\) and run again"):
        pp.transcript(id)
    assert pp.verify().id.tolist() == [id]
    others = set(frame.id) - {id}
    assert transcripts(others) == {other: before[other] for other in others}
    assert pp.discard([id]) == 1
    assert pp.run(conditions, MODEL, n=5, progress=False).equals(frame)
    assert timeless(pp.transcript(id)) == timeless(before[id])
    assert transcripts(others) == {other: before[other] for other in others}
    assert pp.verify().empty


@pytest.mark.parametrize("outcome", ["[1,2", "[1,2]", "", "7", "null", None])
def test_damaged_outcomes_are_read_off_the_transcript_again(outcome, path, conditions):
    frame = pp.run(conditions, MODEL, n=3, progress=False)
    id = frame.id[4]
    sql(path, "UPDATE rollouts SET outcomes=? WHERE id=?", outcome, row_of(path, id)[0])
    assert pp.frame(conditions, MODEL, 3).equals(frame)
    assert pp.verify().empty


def test_outcomes_that_are_not_those_of_the_transcript_are_found_and_mended(path, conditions):
    frame = pp.run(conditions, MODEL, n=3, progress=False)
    id, other = frame.id[4], frame.id[5]
    row = row_of(path, id)[0]
    with contextlib.closing(sqlite3.connect(path)) as db:
        ((text,),) = db.execute("SELECT outcomes FROM rollouts WHERE id=?", (row,))
    turned = json.loads(text)
    place = list(outcomes.COLUMNS).index("preserved")
    turned[place] = not turned[place]
    sql(path, "UPDATE rollouts SET outcomes=? WHERE id=?", json.dumps(turned), row)
    sql(path, "UPDATE rollouts SET replicate=17 WHERE id=?", row_of(path, other)[0])
    found = pp.verify().set_index("id").problem
    assert set(found.index) == {id, other}
    assert "not those of its transcript" in found[id] and "not replicate 17" in found[other]
    assert pp.verify().id.tolist() == [other]
    assert pp.frame(conditions, MODEL, 3).equals(frame[frame.id != other].reset_index(drop=True))


@pytest.mark.parametrize(
    ("table", "how"),
    [("cells", "bit"), ("cells", "cut"), ("cells", "other"), ("texts", "bit"), ("texts", "cut"), ("texts", "other")],
)
def test_damage_to_what_several_rollouts_share_names_them_and_is_healed(table, how, path, conditions):
    """What a cell is, and a text that several rollouts hold, are stored once."""
    frame = pp.run(conditions, MODEL, n=3, progress=False)
    before = transcripts(frame.id)
    if table == "cells":
        damage(path, how, "cells", "spec", row_of(path, frame.id[3])[1])
        hit = frame.id[3:6].tolist()
    else:
        drive = next(m["content"] for m in before[frame.id[3]]["messages"] if m["role"] == "tool" and len(m["content"]) > 200)
        hit = [id for id in frame.id if any(m["content"] == drive for m in before[id]["messages"])]
        with Store(path) as store, store.transaction():
            text = store._text_ids[drive]
        damage(path, how, "texts", "body", text)
    for id in hit:
        with pytest.raises(pp.StoreError, match=rf"(?s){id}.*pp\.discard\(\[id\]\) and run again"):
            pp.transcript(id)
    for id in set(frame.id) - set(hit):
        assert pp.transcript(id) == before[id]
    assert set(pp.verify().id) == set(hit)
    pp.discard(hit)
    assert pp.run(conditions, MODEL, n=3, progress=False).equals(frame)
    assert pp.verify().empty
    assert {id: timeless(one) for id, one in transcripts(frame.id).items()} == {id: timeless(one) for id, one in before.items()}
    assert pp.frame().equals(frame)


# -- scores ------------------------------------------------------------------------------------------------------------


def test_other_rules_score_what_is_stored_without_a_rollout(path, conditions, monkeypatch):
    frame = pp.run(conditions, MODEL, n=10, progress=False)
    assert 0 < frame.preserved.sum() < 40
    bodies = sql(path, "SELECT * FROM bodies ORDER BY 1")
    wrong = sql(path, "SELECT outcomes FROM rollouts WHERE id=1")[0][0]
    sql(path, "UPDATE rollouts SET outcomes=?", wrong)  # every cached outcome is wrong: only the transcripts know
    monkeypatch.setattr(outcomes, "SCORER", "test")
    assert pp.run(conditions, MODEL, n=10, progress=False).equals(frame)
    assert pp.frame().equals(frame)
    assert sql(path, "SELECT * FROM bodies ORDER BY 1") == bodies
    assert sql(path, "SELECT DISTINCT scorer FROM rollouts") == [("test",)]
    monkeypatch.setattr(outcomes, "SCORER", "1")
    assert pp.frame().equals(frame)


def test_a_rollout_that_cannot_be_scored_anew_is_named(path, conditions, monkeypatch):
    frame = pp.run(conditions, MODEL, n=2, progress=False)
    damage(path, "bit", "bodies", "body", row_of(path, frame.id[3])[0])
    monkeypatch.setattr(outcomes, "SCORER", "test")
    with pytest.warns(UserWarning, match=rf"(?s){frame.id[3]}.*pp\.discard\(\[id\]\) and run again"):
        assert pp.run(conditions, MODEL, n=2, progress=False).drop(3).preserved.equals(frame.drop(3).preserved)
    pp.discard([frame.id[3]])
    assert pp.run(conditions, MODEL, n=2, progress=False).equals(frame)


# -- what is put -------------------------------------------------------------------------------------------------------


def finished(cell, *replicates):
    """Rollouts of a cell as they are handed to a store, and what the store must know of the cell."""
    (found,) = cells_of(cell, MODEL)
    return list(simulate(found, replicates)), {found.digest: found.spec()}


def test_only_a_rollout_that_taught_nothing_is_run_again(path, cell):
    rollouts, specs = finished(cell, *range(len(STOPS)))
    for i, reason in enumerate(STOPS):
        rollouts[i].record.conversation.stop_reason = reason
        rollouts[i] = rollouts[i]._replace(record=rollouts[i].record._replace(created="planted"))
    with Store(path) as store:
        store.put(rollouts, specs)
    frame = pp.run(cell, MODEL, n=len(STOPS), progress=False)
    kept = [pp.transcript(id)["created"] == "planted" for id in frame.id]
    assert dict(zip(STOPS, kept, strict=True)) == dict.fromkeys(STOPS, True) | {"provider_error": False, "budget": False}
    again = transcripts(frame.id)
    assert pp.run(cell, MODEL, n=len(STOPS), progress=False).equals(frame)
    assert transcripts(frame.id) == again


def test_a_failure_that_comes_late_does_not_replace_a_result(path, cell):
    (good, bad), specs = [*finished(cell, 0)[0], *finished(cell, 0)[0]], finished(cell, 0)[1]
    bad.record.conversation.stop_reason = "provider_error"
    with Store(path) as store:
        for one in (bad, good, bad):
            store.put([one], specs)
        assert store.record(good.key).conversation.stop_reason == "ended"


def test_rollouts_are_put_all_or_none_and_the_store_works_on(path, cell):
    rollouts, specs = finished(cell, 0, 1)
    with Store(path) as store:
        with pytest.raises(KeyError):
            store.put([rollouts[0], rollouts[1]._replace(cell=b"unheard of")], specs)
        assert store.rows(rollouts[0].cell) == []
        store.put(rollouts, specs)
    assert sound(path)
    assert pp.verify().empty
    assert len(pp.frame()) == 2


def test_packed_rollouts_are_stored_as_whole_ones_are(tmp_path, cell):
    (found,), (rollouts, specs) = cells_of(cell, MODEL), finished(cell, *range(5))
    kept = []
    for name in ("whole", "packed"):
        with Store(tmp_path / name) as store:
            store.put(rollouts[:1], specs)
            made = simulate_packed(found, range(1, 5), store.numbers(rollouts[0].record)) if name == "packed" else rollouts[1:]
            assert {*map(type, made)} == {Packed if name == "packed" else Finished}
            store.put(made, specs)
            kept.append([store.body(row.key) | {"created": "", "row": row} for row in store.rows(found.digest)])
    assert kept[0] == kept[1]
    assert len(kept[0]) == 5


def test_a_rollout_with_a_text_that_the_store_does_not_know_comes_whole(cell):
    (found,) = cells_of(cell, MODEL)
    assert [type(rollout) for rollout in simulate_packed(found, range(2), {})] == [Finished, Finished]


def test_packed_rollouts_do_not_go_into_another_file_where_their_numbers_mean_nothing(path, cell):
    (found,), (rollouts, specs) = cells_of(cell, MODEL), finished(cell, 0)
    store = Store(path)
    store.put(rollouts, specs)
    made = simulate_packed(found, [1], store.numbers(rollouts[0].record))
    path.unlink()
    with pytest.raises(pp.StoreError, match="rescued"):
        store.put(made, specs)
    assert [row.replicate for row in store.rows(found.digest)] == [0]
    store.close()


@settings(derandomize=True, max_examples=40, deadline=None)
@given(said=st.text(st.characters()), read=st.text(st.characters()), argument=st.text(st.characters()), times=st.integers(1, 400))
def test_any_text_comes_back_as_it_was(said, read, argument, times):
    (rollout,), specs = finished(pp.Condition(scenario="tampering"), 0)
    call = {"id": "c", "type": "function", "function": {"name": "view_sheet", "arguments": argument}}
    messages = [
        {"role": "assistant", "content": said * times, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": read * times},
    ]
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "any.sqlite") as store:
        said = Conversation.of(messages, [], "ended")
        store.put([rollout._replace(record=rollout.record._replace(conversation=said))], specs)
        assert store.record(rollout.key).conversation.messages == messages


def test_half_characters_and_long_texts_come_back_as_they_were(path, cell):
    (rollout,), specs = finished(cell, 0)
    odd = ["\ud800 alone", "\udfff" * 300, "x\0y", "ä\u2028🙂" * 250_000]
    messages = rollout.record.conversation.messages
    tools = [m for m in messages if m["role"] == "tool"]
    for message, text in zip(tools, odd, strict=False):
        message["content"] = text
    for message, text in zip([m for m in messages if m["role"] == "assistant"], odd, strict=False):
        message["content"] = text
    with Store(path) as store:
        store.put([rollout], specs)
    assert pp.transcript(rollout.key.hex())["messages"][2:] == messages
    assert len(tools) >= len(odd)


# -- ids ---------------------------------------------------------------------------------------------------------------


def test_a_rollout_is_found_by_the_beginning_of_its_id(conditions):
    frame = pp.run(conditions, MODEL, n=5, progress=False)
    for id in frame.id:
        whole = pp.transcript(id)["id"]
        assert len(whole) == 64
        assert whole.startswith(id)
        assert pp.transcript(whole)["id"] == pp.transcript(id[:12])["id"] == whole


def test_an_id_that_fits_two_rollouts_or_none_is_refused(path, cell):
    (one, two), specs = finished(cell, 0, 1)
    one, two = one._replace(key=bytes.fromhex("abcd" + "0" * 60)), two._replace(key=bytes.fromhex("abcdf" + "0" * 59))
    with Store(path) as store:
        store.put([one, two], specs)
    assert pp.transcript("abcdf")["replicate"] == 1
    assert pp.transcript("abcd0")["replicate"] == 0
    with pytest.raises(pp.StoreError, match=r"more than one .*'abcd'"):
        pp.transcript("abcd")
    with pytest.raises(pp.StoreError, match=r"no rollout .*'abce'"):
        pp.transcript("abce")


@pytest.mark.parametrize("id", ["", "abc", "no-such-id", "abcd%", "f" * 65, 5, None, ["abcd"], pd.Series(["abcd", "abce"])])
def test_what_is_no_id_is_refused_and_told_where_ids_are(id, cell):
    pp.run(cell, MODEL, n=1, progress=False)
    for use in (pp.transcript, pp.show):
        with pytest.raises(pp.StoreError, match=r"no rollout id.*column 'id'"):
            use(id)
    with pytest.raises((pp.StoreError, ValueError), match=r"(?s)id.*column 'id'"):
        pp.discard([id])
    assert len(pp.frame()) == 1


def test_an_unknown_id_among_others_deletes_nothing(cell):
    frame = pp.run(cell, MODEL, n=2, progress=False)
    with pytest.raises(pp.StoreError):
        pp.discard([frame.id[0], "0000000000000000"])
    assert pp.frame().equals(frame)


def test_a_damaged_index_of_cells_is_named_as_such(path, conditions):
    pp.run(conditions, MODEL, n=1, progress=False)
    with Store() as opened, pytest.raises(pp.StoreError, match="the index of cells, which lacks 0a0a"):
        opened.spec(b"\n" * 32)


def test_what_another_process_discards_meanwhile_is_not_called_damaged(path, cell, monkeypatch):
    pp.run(cell, MODEL, n=3, store=path, progress=False)
    record = Store.record

    def discarded_before(self, key):
        with Store(path) as other:
            other.discard([key])
        return record(self, key)

    monkeypatch.setattr(Store, "record", discarded_before)
    assert pp.verify(store=path).empty
