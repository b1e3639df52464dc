"""Names of stores: the home folder, signs that mean something elsewhere, and names that no file can have."""

import os
import sys

import pytest

import ppres as pp
from ppres.store import checkpoint
from ppres.store.store import Store


def test_a_store_in_the_home_folder(tmp_path):
    assert len(pp.run(pp.grid(scenario="deletion"), "sim/compliant", 1, store="~/here/a.sqlite", progress=False)) == 1
    assert (tmp_path / "here" / "a.sqlite").stat().st_size > 0  # HOME, in tests


@pytest.mark.parametrize("name", ["[a].sqlite", "a*?.sqlite", "a#b%20?mode=ro.sqlite", "ä b\n.sqlite"])
def test_any_sign_in_a_name(name, tmp_path):
    path = tmp_path / name
    assert len(pp.run(pp.grid(scenario="deletion"), "sim/compliant", 1, store=path, progress=False)) == 1
    assert len(pp.frame(store=path)) == 1
    left = path.with_name(f"{name}-run-of-one-that-was-killed")
    left.touch()
    with Store(path) as store, checkpoint.Run(store):
        assert not left.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="names are UTF-8 there")
def test_a_name_that_is_no_utf8(tmp_path, cell):
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    df = pp.run(cell, "sim/compliant", 1, store=folder / "a.sqlite", progress=False)
    told = pp.merge(folder / "b.sqlite", folder / "a.sqlite")
    assert told["count"].tolist() == [1] and told.store[0].endswith("caf?/a.sqlite")
    for write, read, name in ((pp.to_jsonl, pp.read_jsonl, "a.jsonl"), (pp.to_parquet, pp.read_parquet, "a.parquet")):
        write(df, folder / name, store=folder / "b.sqlite")
        assert read(folder / name, store=folder / f"{name}.sqlite").what.tolist() == ["added"]


@pytest.mark.parametrize("name", ["a\0b", "x" * 300, ""])
def test_what_is_no_name_is_told(name, tmp_path):
    with pytest.raises(pp.StoreError, match=r"To do: |is no name of a file|there is no store"):
        pp.frame(store=str(tmp_path / name))


@pytest.mark.parametrize("name", [":memory:", "", " ", "file:a?mode=memory", "file::memory:?cache=shared"])
def test_what_sqlite_would_keep_in_memory_alone_is_refused(name, monkeypatch, cell):
    for use in (lambda: pp.run(cell, "sim/compliant", 1, store=name, progress=False), lambda: pp.frame(store=name)):
        with pytest.raises(pp.StoreError, match="is no name of a file, and what is made is kept in one; choose another path"):
            use()
    if name:
        monkeypatch.setenv("PPRES_STORE", name)
        with pytest.raises(pp.StoreError, match="is no name of a file"):
            pp.frame()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in folders there")
def test_a_device_or_a_pipe_is_no_store_and_gets_no_journal_beside_it(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    a, b = tmp_path / "a.sqlite", tmp_path / "b.sqlite"
    Store(a).close()
    for act in (lambda: pp.frame(store=pipe), lambda: pp.merge(pipe, a), lambda: pp.merge(b, pipe)):
        with pytest.raises(pp.StoreError, match="a device or a pipe"):
            act()
    assert not [*tmp_path.glob("pipe?*"), *tmp_path.glob("b*")]
