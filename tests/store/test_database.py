"""Files that cannot be written, that go away, and that are closed while somebody writes."""

import contextlib
import errno
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from server import StandIn

import ppres as pp
from ppres.engine.rollout import simulate
from ppres.read import outcomes
from ppres.read.frame import frame as tidy
from ppres.read.frame import stored_cell
from ppres.store import database, watch
from ppres.store.cell import cells_of
from ppres.store.errors import explained
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


@pytest.mark.parametrize("name", ["s.sqlite", "link.sqlite"])
def test_what_stands_in_a_log_is_not_left_out_where_nobody_can_write(name, study, cell):
    (study.parent / "left").mkdir()
    (study.parent / "link.sqlite").symlink_to(study.parent / "left" / "s.sqlite")
    with Store(study / "s.sqlite"):  # its log is there for as long as it is open
        pp.run(cell, MODEL, n=4, store=study / "s.sqlite", progress=False)
        for end in ("", "-wal"):
            shutil.copy(study / f"s.sqlite{end}", study.parent / "left")
    (study.parent / "left").chmod(0o555)
    path = study.parent / (name if name == "link.sqlite" else f"left/{name}")

    def read():
        with pytest.raises(pp.StoreError, match=r"stands in .*s.sqlite-wal, which can be read only where"):
            pp.frame(store=path)

    assert as_somebody_else(read) is None
    (study.parent / "left").chmod(0o755)


OLD = Path(__file__).parents[3] / "shared" / "stores" / "schema-1.sqlite"


@pytest.mark.parametrize(
    "version", [pytest.param(1, marks=pytest.mark.skipif(not OLD.exists(), reason="no store of version 1")), 2]
)
def test_what_cannot_be_written_is_scored_anew_in_place(version, cell, tmp_path, monkeypatch):
    """Each time, rollout by rollout; the file is neither changed nor copied."""
    path = tmp_path / "s.sqlite"
    if version == 1:
        shutil.copyfile(OLD, path)
    else:
        pp.run(pp.grid(cell, peer=["cooperative", "uncooperative"], explain=False), MODEL, n=3, store=path, progress=False)
    shutil.copyfile(path, tmp_path / "written.sqlite")
    before = path.read_bytes()
    monkeypatch.setattr(outcomes, "SCORER", "of-tomorrow")
    with Store(path, read_only=True) as store:
        for _ in range(2):
            cells = [stored_cell(store, digest) for digest in store.cells()]
            assert tidy(store, cells).equals(pp.frame(store=tmp_path / "written.sqlite"))
        assert [name for _, part, name in store.query("PRAGMA database_list") if part == "main"] == [str(path)]
        assert [tmp_path.joinpath(f"s.sqlite{more}").exists() for more in ("-wal", "-shm")] == [False, False] or version == 2
    assert path.read_bytes() == before


def test_of_outcomes_that_cannot_be_mended_nothing_else_is_said(cell, tmp_path, monkeypatch):
    path = tmp_path / "s.sqlite"
    frame = pp.run(cell, MODEL, n=2, store=path, progress=False)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE rollouts SET outcomes=(SELECT outcomes FROM rollouts WHERE replicate=0)")
    db.close()
    monkeypatch.setattr(database, "_writable", lambda path: False)
    for _ in range(2):
        assert pp.verify(store=path).to_dict("records") == [
            {
                "id": frame.id[1],
                "problem": "its outcomes were not those of its transcript; they stay, as the store cannot be written",
            }
        ]
    monkeypatch.undo()
    assert pp.verify(store=path).problem.tolist() == ["its outcomes were not those of its transcript; they are now"]
    assert pp.verify(store=path).empty


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


@pytest.mark.skipif(os.name != "posix", reason="no such limit here")
def test_a_limit_on_the_size_of_files_is_called_that(tmp_path):
    code = """
        import resource, sys
        import ppres as pp
        cell = pp.Condition(scenario="tampering", subject="peer", peer="cooperative")
        pp.run(cell, "sim/gemini-3-flash", n=2, store=sys.argv[1], progress=False)
        resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, resource.RLIM_INFINITY))
        try:
            pp.run(cell, "sim/gemini-3-flash", n=300, store=sys.argv[1], progress=False)
        except pp.StoreError as error:
            print(error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print(len(pp.frame(store=sys.argv[1])))
    """
    told = subprocess.run(
        [sys.executable, "-B", "-c", textwrap.dedent(code), tmp_path / "s.sqlite"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert "files may have 150000 bytes at most here: raise that limit (ulimit -f)" in told.stdout, told.stderr
    assert int(told.stdout.splitlines()[-1]) >= 2


@pytest.mark.skipif(os.name != "posix", reason="a folder in use cannot be deleted there")
def test_a_working_directory_that_was_deleted_is_told(tmp_path, cell, monkeypatch):
    monkeypatch.delenv("PPRES_STORE")
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    for use in (pp.frame, lambda: pp.run(cell, MODEL, n=1, progress=False)):
        with pytest.raises(pp.StoreError, match=r"working directory was deleted.*PPRES_STORE"):
            use()


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


def claim(store, key):
    with store.transaction() as db:
        db.execute("INSERT INTO claims VALUES (?, ?)", (key, "x"))


def claims(path):
    with Store(path) as opened:
        return [key for (key,) in opened.query("SELECT key FROM claims ORDER BY key")]


@pytest.mark.parametrize("how", ["deleted", "moved", "replaced"])
def test_a_store_that_goes_away_during_a_run_is_noticed_and_nothing_is_lost(how, cell, tmp_path):
    path = tmp_path / "folder" / "s.sqlite"
    pp.run(cell, MODEL, n=2, store=path, progress=False)
    store = Store(path)
    claim(store, b"a")
    if how == "deleted":
        shutil.rmtree(path.parent)
    elif how == "moved":
        path.rename(tmp_path / "elsewhere.sqlite")
    else:
        pp.run(cell, MODEL, n=1, store=tmp_path / "other.sqlite", progress=False)
        (tmp_path / "other.sqlite").rename(path)
    with pytest.raises(pp.StoreError, match=r"deleted, moved or replaced.*rescued.*pp\.merge"):
        claim(store, b"b")
    store.close()
    (rescued,) = path.parent.glob("*-rescued-*.sqlite")
    assert claims(rescued)[-1:] == [b"b"]
    assert len(pp.frame(store=rescued)) == 2
    assert pp.verify(store=rescued).empty
    assert len(pp.run(cell, MODEL, n=1, store=path, progress=False)) == 1  # no log is left that could be another store's


def overwrite(path, content):
    """As `cp` does it. In a process of its own: where this one closes a file, SQLite's locks on it are gone."""
    other = path.with_name("content")
    other.write_bytes(content)
    subprocess.run(["cp", other, path], check=True)


def others(cell, path):
    other = path.with_name("other.sqlite")
    pp.run(cell, "sim/saboteur", n=3, store=other, progress=False)
    return other.read_bytes()


def older(cell, path):
    content = path.read_bytes()
    pp.run(cell, MODEL, n=40, store=path, progress=False)
    return content


OVERWRITTEN = {
    "by another store": others,
    "by an older copy of itself": older,
    "by nothing": lambda cell, path: b"",
    "by a text": lambda cell, path: b"text" * 20_000,
}
watched = pytest.mark.skipif(not os.path.isdir("/dev/fd"), reason="what SQLite has open is not told here")


@watched
@pytest.mark.parametrize("within", [False, True], ids=["between commits", "within one"])
@pytest.mark.parametrize("other", [False, True], ids=["alone", "beside another"])
@pytest.mark.parametrize("by", OVERWRITTEN)
def test_a_store_that_is_overwritten_in_place_during_a_run_is_noticed(by, other, within, cell, tmp_path):
    """It stays as it was then; what the run held is saved beside it, also what stood in the log alone."""
    path = tmp_path / "s.sqlite"
    pp.run(cell, MODEL, n=2, store=path, progress=False)
    content = OVERWRITTEN[by](cell, path)
    store = Store(path)
    claim(store, b"a")
    if other:  # its commit is no reason to take what comes after it for SQLite's
        with Store(path) as second:
            claim(second, b"2")
    with contextlib.ExitStack() as stack:
        stack.enter_context(pytest.raises(pp.StoreError, match=r"overwritten while it was in use.*is in .*rescued"))
        if not within:
            overwrite(path, content)
        with store.transaction() as db:
            db.execute("INSERT INTO claims VALUES (?, ?)", (b"b", "x"))
            if within:
                overwrite(path, content)
    claim(store, b"c")
    store.close()
    assert path.read_bytes() == content
    (rescued,) = tmp_path.glob("*-rescued-*.sqlite")
    kept = [*([b"2"] if other else []), b"a", b"b", b"c"]
    damaged = [*tmp_path.glob("*-rescued-*.damaged")]
    if damaged:
        kept = kept[-1 - (not within) :]
    assert len(damaged) == ("another" not in by) or "older" in by  # of an older copy enough may be left
    assert claims(rescued) == kept
    assert pp.verify(store=rescued).empty
    if by == "by an older copy of itself":
        assert len(pp.frame(store=path)) == 2


@watched
@pytest.mark.parametrize("what", ["deleted", "moved", "replaced", "overwritten"])
def test_what_is_done_to_a_store_while_a_commit_is_under_way_is_noticed(what, cell, tmp_path, monkeypatch):
    """A commit waits for the disk."""
    path = tmp_path / "s.sqlite"
    pp.run(cell, MODEL, n=2, store=path, progress=False)
    (tmp_path / "other").write_bytes(path.read_bytes())
    store = Store(path)
    claim(store, b"a")
    looks, look = [], store._watch._now
    does = {
        "deleted": path.unlink,
        "moved": lambda: path.rename(tmp_path / "away"),
        "replaced": lambda: (tmp_path / "other").rename(path),
        "overwritten": lambda: overwrite(path, others(cell, path)),
    }

    def state():
        looks.append(1)
        if len(looks) == 2:  # the first after the commit
            does[what]()
        return look()

    monkeypatch.setattr(store._watch, "_now", state)
    with pytest.raises(pp.StoreError, match=rf"{what}.* while it was in use.*rescued"):
        claim(store, b"b")
    store.close()
    (rescued,) = tmp_path.glob("*-rescued-*.sqlite")
    assert claims(rescued) == [b"a", b"b"]


def test_a_backup_that_is_moved_over_a_store_during_a_run_stays_whole(cell, tmp_path):
    """As rsync does: the log of what was there before would be taken for its own."""
    path = tmp_path / "s.sqlite"
    pp.run(cell, MODEL, n=2, store=path, progress=False)
    (tmp_path / "backup").write_bytes(path.read_bytes())
    pp.run(cell, MODEL, n=40, store=path, progress=False)
    store = Store(path)
    claim(store, b"a")
    (tmp_path / "backup").rename(path)
    with pytest.raises(pp.StoreError, match=r"replaced while it was in use.*rescued"):
        claim(store, b"b")
    store.close()
    assert claims(path) == []
    assert len(pp.frame(store=path)) == 2
    assert pp.verify(store=path).empty
    (rescued,) = tmp_path.glob("*-rescued-*.sqlite")
    assert len(pp.frame(store=rescued)) == 40 and claims(rescued) == [b"a", b"b"]


@watched
def test_a_store_that_is_moved_behind_a_link_during_a_run_is_rescued(cell, tmp_path):
    """The log stays where the file was: who opens the link would see what was copied out of it alone, and write another log."""
    path = tmp_path / "s.sqlite"
    pp.run(cell, MODEL, n=40, store=path, progress=False)
    store = Store(path)
    claim(store, b"a")
    path.rename(tmp_path / "moved.sqlite")
    path.symlink_to("moved.sqlite")
    with pytest.raises(pp.StoreError, match=r"moved or replaced while it was in use.*rescued"):
        claim(store, b"b")
    store.close()
    (rescued,) = tmp_path.glob("*-rescued-*.sqlite")
    assert len(pp.frame(store=rescued)) == 40 and claims(rescued) == [b"a", b"b"]
    assert len(pp.frame(store=path)) == 40 and pp.verify(store=path).empty


@watched
@pytest.mark.parametrize("link", ["file", "folder"])
def test_a_store_that_was_opened_by_a_link_is_none_that_was_moved(link, tmp_path):
    (tmp_path / "real").mkdir()
    Store(tmp_path / "real" / "s.sqlite").close()
    (tmp_path / "link").symlink_to(tmp_path / "real" if link == "folder" else tmp_path / "real" / "s.sqlite")
    path = tmp_path / "link" / "s.sqlite" if link == "folder" else tmp_path / "link"
    store = Store(path)
    claim(store, b"a")
    if link == "folder":  # its log is found through the link as well
        (tmp_path / "real").rename(tmp_path / "moved")
        (tmp_path / "real").symlink_to("moved")
    claim(store, b"b")
    store.close()
    assert claims(path) == [b"a", b"b"]


@watched
@pytest.mark.parametrize("log", ["stays", "is deleted"])
@pytest.mark.parametrize("last", ["a commit", "the end"])
def test_a_backup_that_is_restored_during_a_run_stays_whole(log, last, cell, tmp_path):
    """By SQLite's own procedure the log is deleted with it; and it may come after the last commit, before the file is closed."""
    path = tmp_path / "s.sqlite"
    pp.run(cell, MODEL, n=2, store=path, progress=False)
    backup = path.read_bytes()
    pp.run(cell, MODEL, n=40, store=path, progress=False)
    store = Store(path)
    claim(store, b"a")
    overwrite(path, backup)
    if log == "is deleted":
        for end in ("-wal", "-shm"):
            path.with_name(path.name + end).unlink()
    if last == "a commit":
        with pytest.raises(pp.StoreError, match=r"overwritten while it was in use.*rescued"):
            claim(store, b"b")
        store.close()
    else:
        with pytest.warns(UserWarning, match=r"overwritten while it was in use.*rescued"):
            store.close()
    assert path.read_bytes() == backup
    assert len(pp.frame(store=path)) == 2
    assert len([*tmp_path.glob("*-rescued-*.sqlite")]) == 1


@watched
def test_of_an_overwritten_store_that_cannot_be_copied_what_is_made_since_is_saved(cell, tmp_path):
    path = tmp_path / "s.sqlite"
    cells = pp.grid(cell, dataset=["factual", "creativity", "red"], peer=["cooperative", "neutral"], explain=False)
    pp.run(cells, MODEL, n=30, store=path, progress=False)
    store = Store(path)
    claim(store, b"a")
    (finished,), (made,) = simulate(cells_of(cell, "sim/clumsy")[0], [0]), cells_of(cell, "sim/clumsy")
    overwrite(path, path.read_bytes()[:8192] + b"x" * 100_000)
    with pytest.raises(pp.StoreError, match=r"overwritten.*from now on is in .*rescued.*backup"):
        store.put([finished], {made.digest: made.spec()})
    store.close()
    (rescued,) = tmp_path.glob("*-rescued-*.sqlite")
    assert pp.frame(store=rescued).id.tolist() == [finished.key.hex()[:16]]
    assert pp.verify(store=rescued).empty


def test_others_who_use_the_file_do_not_overwrite_it(cell, tmp_path):
    """They read and write, copy the log into it, begin a new log, and set its time; two of ours go on beside each other."""
    path = tmp_path / "s.sqlite"
    pp.run(cell, MODEL, n=2, store=path, progress=False)
    stranger = sqlite3.connect(path, isolation_level=None)
    stranger.execute("PRAGMA wal_autocheckpoint=0")
    does = [
        lambda: stranger.execute("INSERT INTO claims VALUES (x'01', 'x')"),
        lambda: stranger.execute("PRAGMA wal_checkpoint(PASSIVE)"),
        lambda: stranger.execute("INSERT INTO claims VALUES (x'02', 'x')"),
        lambda: stranger.execute("PRAGMA wal_checkpoint(TRUNCATE)"),
        lambda: subprocess.run(["touch", path], check=True),
        lambda: overwrite(path, path.read_bytes()),
        lambda: pp.frame(store=path),
        lambda: stranger.execute("VACUUM"),
    ]
    with Store(path) as one, Store(path) as two:
        for place, do in enumerate(does):
            do()
            claim(one, b"a%d" % place)
            do() if place not in (0, 2) else None
            claim(two, b"b%d" % place)
    stranger.close()
    assert len(claims(path)) == 2 + 2 * len(does)
    assert not [*tmp_path.glob("*rescued*")]


@pytest.fixture
def half_copied(cell, tmp_path):
    """A store whose log is not copied to its end, as far as its account tells: the process that was at it was killed."""
    path = tmp_path / "s.sqlite"
    pp.run(cell, MODEL, n=2, store=path, progress=False)
    code = f"""
        import os, signal
        from ppres.store.store import Store
        with Store({str(path)!r}).transaction() as db:
            db.execute("INSERT INTO claims VALUES (x'01', 'x')")
        os.kill(os.getpid(), signal.SIGKILL)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
    with Store(path) as store:
        with store.transaction():
            pass
        assert store._watch._copying.begun > store._watch._copying.done
        yield store


@watched
def test_a_log_that_nobody_goes_on_to_copy_hides_no_overwriting(half_copied, tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "_STILL", 0.1)
    subprocess.run(["touch", half_copied.path], check=True)
    claim(half_copied, b"a")
    overwrite(half_copied.path, b"x" * 100_000)
    with pytest.raises(pp.StoreError, match="overwritten while it was in use"):
        claim(half_copied, b"b")


@watched
def test_while_another_copies_the_log_its_end_is_awaited(half_copied, monkeypatch):
    """To look through a large file takes longer."""
    other = sqlite3.connect(half_copied.path, isolation_level=None)
    waits = []

    def goes_on(seconds):
        waits.append(seconds)
        other.execute("PRAGMA wal_checkpoint(PASSIVE)")

    monkeypatch.setattr(watch, "time", SimpleNamespace(sleep=goes_on))
    monkeypatch.setattr(watch, "is_sound", None)
    subprocess.run(["touch", half_copied.path], check=True)
    claim(half_copied, b"a")
    assert len(waits) == 1
    other.close()


@watched
def test_a_store_whose_log_is_deleted_during_a_run_is_noticed_and_nothing_is_lost(cell, tmp_path):
    """Who opened it then would not see what stands in the log, and write another one."""
    path = tmp_path / "s.sqlite"
    pp.run(cell, MODEL, n=2, store=path, progress=False)
    store = Store(path)
    claim(store, b"a")
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink()
    code = f"import ppres as pp; from ppres import Condition; pp.run({cell!r}, {MODEL!r}, n=3, store={str(path)!r}, progress=False)"
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(pp.StoreError, match=r"robbed of its log .*All that was stored in it"):
        claim(store, b"b")
    store.close()
    assert len(pp.frame(store=path)) == 3 and pp.verify(store=path).empty
    (rescued,) = tmp_path.glob("*-rescued-*.sqlite")
    assert claims(rescued) == [b"a", b"b"] and len(pp.frame(store=rescued)) == 2


@pytest.mark.parametrize("last", ["is in use", "was killed"])
def test_no_store_is_begun_beside_the_log_of_one_that_was_moved(last, cell, tmp_path):
    """SQLite would delete the log, and what stands in it alone would be gone; who has it open would share the log's index."""
    path = tmp_path / "s.sqlite"
    code = f"""
        import os, signal, sys
        from ppres.store.store import Store
        store = Store({str(path)!r})
        with store.transaction() as db:
            db.execute("INSERT INTO claims VALUES (x'01', 'x')")
        if {last == "was killed"}:
            os.kill(os.getpid(), signal.SIGKILL)
        print("in use", flush=True)
        sys.stdin.read()
    """
    other = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    other.stdout.readline()
    path.rename(tmp_path / "moved.sqlite")
    for there in ("nothing", "an empty file"):
        if there == "an empty file":
            path.touch()
        with pytest.raises(pp.StoreError, match=r"s\.sqlite-wal is there without s\.sqlite: .*move it beside"):
            pp.run(cell, MODEL, n=1, store=path, progress=False)
    other.communicate("")
    path.unlink()
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).rename(tmp_path / f"moved.sqlite{end}")
    assert claims(tmp_path / "moved.sqlite") == [b"\x01"]


def test_what_was_committed_last_outlasts_a_move_before_the_end(tmp_path):
    """SQLite leaves the log where it is when a moved file is closed."""
    store = Store(tmp_path / "s.sqlite")
    claim(store, b"a")
    (tmp_path / "s.sqlite").rename(tmp_path / "moved.sqlite")
    with pytest.warns(UserWarning, match="moved or replaced while it was in use. All that was stored in it is in"):
        store.close()
    (rescued,) = tmp_path.glob("*-rescued-*.sqlite")
    assert claims(rescued) == [b"a"]


def full_disk(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("fails", "told"),
    [("the folder", "cannot be written"), ("the copy", "disk is full"), ("the warning", "deleted, moved or replaced")],
)
def test_a_store_is_closed_also_where_what_it_holds_cannot_be_saved_or_told(fails, told, tmp_path, monkeypatch):
    """conftest.py sees what stays open."""
    path = tmp_path / "folder" / "s.sqlite"
    store = Store(path)
    claim(store, b"a")
    shutil.rmtree(path.parent)
    if fails == "the folder":
        path.parent.write_text("a file")
    elif fails == "the copy":
        monkeypatch.setattr(store._watch, "delete_log", full_disk)
    with pytest.raises(UserWarning if fails == "the warning" else pp.StoreError, match=rf"{re.escape(str(path))}.*{told}") as error:
        store.close()
    assert error.traceback


@pytest.mark.parametrize("error", [FileNotFoundError, PermissionError])
def test_where_nobody_tells_what_is_open_a_store_is_used_and_noticed_when_it_is_gone(error, cell, tmp_path, monkeypatch):
    def untold(path):
        raise error(path)

    monkeypatch.setattr(watch.os, "listdir", untold)
    with Store(tmp_path / "s.sqlite") as store:
        claim(store, b"a")
        subprocess.run(["touch", store.path], check=True)
        claim(store, b"b")
        store.path.rename(tmp_path / "moved.sqlite")
        with pytest.raises(pp.StoreError, match="moved or replaced while it was in use"):
            claim(store, b"c")


@watched
def test_who_looks_whether_a_file_was_overwritten_lets_go_of_none_of_its_locks(cell, tmp_path):
    path = tmp_path / "s.sqlite"
    pp.run(cell, MODEL, n=2, store=path, progress=False)
    with Store(path) as store:
        claim(store, b"a")
        subprocess.run(["touch", path], check=True)
        claim(store, b"b")
        code = f"import sqlite3; print(*sqlite3.connect({str(path)!r}, timeout=0).execute('PRAGMA journal_mode=DELETE'))"
        other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert "locked" in other.stderr, other.stdout


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


@pytest.mark.slow
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


@pytest.mark.parametrize("way", [pp.frame, pp.verify, lambda store: pp.merge(Path(store).with_name("b.sqlite"), store)])
@pytest.mark.parametrize(
    ("sound", "damaged"),
    [
        (b"tabletextstexts", b"tabletex\xd4stexts"),
        (b"CREATE TABLE texts", b"CREATE TABLE t\xd4xts"),
        (b"CREATE TABLE texts", b"CREATE \xd4ABLE texts"),
    ],
)
def test_a_table_of_contents_that_is_no_text_is_called_damaged(sound, damaged, way, cell, tmp_path):
    path = tmp_path / "a.sqlite"
    pp.run(cell, "sim/compliant", n=1, store=path, progress=False)
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA journal_mode=DELETE")
    db.close()
    raw = path.read_bytes()
    assert sound in raw
    path.write_bytes(raw.replace(sound, damaged, 1))
    with pytest.raises(pp.StoreError, match=r"a\.sqlite: .*To do: the file is damaged: restore|is not ours"):
        way(store=path)


@pytest.mark.parametrize(("sound", "advice"), [(True, "the disk is full"), (False, "the file is damaged: restore")])
def test_a_damaged_file_of_which_sqlite_says_that_the_disk_is_full_is_called_damaged(sound, advice, cell, tmp_path):
    path = tmp_path / "a.sqlite"
    pp.run(cell, "sim/compliant", n=9, store=path, progress=False)
    raw = path.read_bytes()
    path.write_bytes(raw if sound else raw[:8192] + b"\xff" * (len(raw) - 8192))
    with pytest.raises(pp.StoreError, match=advice), explained(path):  # as of VACUUM INTO, where a size is damaged
        raise sqlite3.OperationalError("database or disk is full")


def test_a_name_too_long_for_what_stands_beside_it_is_told(cell, tmp_path):
    model = pp.FunctionModel("f", lambda messages, tools: "no", "1")
    with pytest.raises(pp.StoreError, match=r"(?i)file ?name.* too long"):
        pp.run(cell, model, 1, store=tmp_path / ("x" * 220 + ".sqlite"), progress=False)
