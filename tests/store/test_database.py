"""Files that cannot be written, that go away, and that are closed while somebody writes."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import pytest
from server import StandIn

import ppres as pp
from ppres.store.store import Store

MODEL = "sim/gemini-3-flash"


def as_somebody_else(read):
    """What a function returns in a process of a user for whom permissions bind; forked, as another user may reach no Python."""
    if not hasattr(os, "fork"):
        pytest.skip("no fork here")
    receiver, sender = os.pipe()
    child = os.fork()
    if not child:
        try:
            if os.getuid() == 0:
                os.setgid(65534)
                os.setuid(65534)
            told = read()
        except BaseException as error:
            told = f"{type(error).__name__}: {error}"
        os.write(sender, json.dumps(told).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(sender)
    with os.fdopen(receiver) as lines:
        return json.loads(lines.read())


@pytest.fixture
def study(cell, tmp_path):
    """A store of three rollouts in a folder that nobody may write to."""
    folder = tmp_path / "study"
    folder.mkdir()
    pp.run(cell, MODEL, n=3, store=folder / "s.sqlite", progress=False)
    for part in (tmp_path, *tmp_path.parents):
        if part.owner() == tmp_path.owner() and str(part).startswith(str(tmp_path.parents[2])):
            part.chmod(0o755)
    return folder


def locked(folder, mode=0o444):
    for path in folder.iterdir():
        path.chmod(mode)
    folder.chmod(0o555)


@pytest.fixture
def reading(study, cell):
    def read(path=study / "s.sqlite"):
        frame = pp.frame(store=path)
        told = [len(frame), len(pp.run(cell, MODEL, n=3, store=path, progress=False)), len(pp.verify(store=path))]
        told += [int(pp.plan(cell, MODEL, n=5, store=path).missing[0]), pp.spent(store=path).sum()]
        assert "tampering" in repr(pp.show(frame.id[0], store=path))
        try:
            pp.run(cell, MODEL, n=4, store=path, progress=False)
        except pp.StoreError as error:
            return [*told, str(error)]

    shutil.copytree(study, study.parent / "usual")
    read(study.parent / "usual" / "s.sqlite")  # imports what another user could not
    locked(study)
    yield lambda: as_somebody_else(read)
    study.chmod(0o755)


def test_a_store_that_cannot_be_written_is_read_all_the_same(study, reading):
    told = reading()
    assert told[:5] == [3, 3, 0, 2, 0.0], told
    assert "cannot be written" in told[5]
    assert sorted(path.name for path in study.iterdir()) == ["s.sqlite"]


def test_one_that_cannot_be_written_and_has_other_rules_is_scored_all_the_same(study, reading):
    study.chmod(0o755)
    (study / "s.sqlite").chmod(0o644)
    with sqlite3.connect(study / "s.sqlite") as db:
        db.execute("UPDATE rollouts SET scorer='1'")
    db.close()
    locked(study)
    told = reading()
    assert told[:5] == [3, 3, 0, 2, 0.0], told


def test_of_a_log_that_cannot_be_read_here_it_is_said_what_to_do(study, reading):
    study.chmod(0o755)
    (study / "s.sqlite").chmod(0o644)
    db = sqlite3.connect(study / "s.sqlite", isolation_level=None)  # the log of a process that was killed
    db.execute("INSERT INTO claims VALUES (x'00', 'x')")
    for part in ("s.sqlite", "s.sqlite-wal"):
        shutil.copyfile(study / part, study.parent / part)
    db.close()
    for part in ("s.sqlite", "s.sqlite-wal"):
        shutil.copyfile(study.parent / part, study / part)
    assert (study / "s.sqlite-wal").stat().st_size > 0
    locked(study)
    told = reading()
    assert "s.sqlite-wal" in told
    assert "copy both files" in told


def test_a_store_opened_for_reading_is_not_made(tmp_path):
    with pytest.raises(pp.StoreError, match="there is no store"):
        Store(tmp_path / "none.sqlite", read_only=True)
    assert not (tmp_path / "none.sqlite").exists()


def test_a_store_in_the_home_folder(cell, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    pp.run(cell, MODEL, n=1, store="~/x.sqlite", progress=False)
    assert (tmp_path / "home" / "x.sqlite").exists()


# -- a file that goes away ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["deleted", "moved", "replaced"])
def test_a_store_that_goes_away_during_a_run_is_noticed_and_nothing_is_lost(how, cell, tmp_path):
    path = tmp_path / "folder" / "s.sqlite"
    pp.run(cell, MODEL, n=2, store=path, progress=False)
    store = Store(path)
    with store.transaction() as db:
        db.execute("INSERT INTO claims VALUES (?, ?)", (b"a", "x"))
    if how == "deleted":
        shutil.rmtree(path.parent)
    elif how == "moved":
        path.rename(tmp_path / "elsewhere.sqlite")
    else:
        path.unlink()
        pp.run(cell, MODEL, n=1, store=path, progress=False)
    with pytest.raises(pp.StoreError, match=r"deleted, moved or replaced.*rescued.*pp\.merge"), store.transaction() as db:
        db.execute("INSERT INTO claims VALUES (?, ?)", (b"b", "x"))
    store.close()
    (rescued,) = path.parent.glob("*-rescued-*.sqlite")
    with Store(rescued) as opened:
        assert [key for (key,) in opened.query("SELECT key FROM claims ORDER BY key")][-1:] == [b"b"]
    assert len(pp.frame(store=rescued)) == 2
    assert pp.verify(store=rescued).empty


def test_closing_waits_for_a_commit_of_another_thread(tmp_path):
    store, entered, closed = Store(tmp_path / "s.sqlite"), threading.Event(), threading.Event()

    def write():
        with store.transaction() as db:
            entered.set()
            time.sleep(0.3)
            assert not closed.is_set()
            db.execute("INSERT INTO claims VALUES (?, ?)", (b"a", "x"))

    writer = threading.Thread(target=write)
    writer.start()
    entered.wait()
    store.close()
    closed.set()
    writer.join()
    with Store(tmp_path / "s.sqlite") as again:
        assert again.query("SELECT count(*) FROM claims") == [(1,)]


class Slow(StandIn):
    def answer(self, body):
        time.sleep(0.01)
        return super().answer(body)


STORM = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
import ppres as pp
cell = pp.Condition(scenario="tampering", subject="peer", peer="cooperative", dataset="factual")
try:
    pp.run(cell, pp.Model("openai/gemini-3-flash", api_base=sys.argv[1]), n=400, store=sys.argv[2], progress=False, concurrency=8)
except KeyboardInterrupt:
    sys.exit(130)
"""


def test_a_storm_of_interrupts_ends_a_run_and_harms_nothing(tmp_path):
    with Slow(f"{i:012x}" for i in range(99999)) as server:
        for storm in range(4):
            path = tmp_path / f"{storm}.sqlite"
            command = [sys.executable, "-c", STORM, server.url, str(path)]
            begun = len(server.requests)
            process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
            while len(server.requests) < begun + 20:
                time.sleep(0.02)
                assert process.poll() is None
            for _ in range(20):
                if process.poll() is None:
                    process.send_signal(signal.SIGINT)
                time.sleep(0.01)
            assert process.wait(120) in (1, 130, -signal.SIGINT)
            with sqlite3.connect(path) as db:
                assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            db.close()
