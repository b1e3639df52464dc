"""Reading never refuses: whatever of a store is damaged or of a stranger, the rest is read, and that has a reason."""

import contextlib
import copy
import io
import json
import random
import shutil
import sqlite3
import warnings
import zlib

import pandas as pd
import pytest
from stores import CELL, MODEL

import ppres as pp
from ppres import codec
from ppres.cli import main
from ppres.conversation import Call, Reply
from ppres.store import checkpoint, judgements, remembered, rows, secrets
from ppres.store.rows import cell_digest
from ppres.store.store import Store


def deep(levels):
    value = 1
    for i in range(levels):
        value = [value] if i % 2 else {"a": value}
    return value


ODD = [
    None,
    True,
    0,
    -1,
    7,
    10**400,
    1e308,
    float("nan"),
    "",
    "x",
    "\ud800",
    [],
    {},
    [1],
    {"a": 1},
    [[]],
    [None],
    "ended",
    10**5000,
    deep(3000),
]
FINANCE = pp.Condition(scenario="finance", subject="peer", peer="cooperative")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "whole.sqlite"
    pp.run(CELL, MODEL, n=2, store=path, progress=False)
    pp.run(FINANCE, MODEL, n=1, store=path, progress=False)
    with Store(path) as store:
        checkpoint.keep(store, b"k" * 32, 0, Reply({"role": "assistant", "content": "x"}, Call(cost=0.5)))
        judgements.put(store, b"j" * 32, b"r" * 32, "refusal", "m", {"reply": {"content": "x"}, "call": {"cost": 0.25}})
    return path


def places(value, path=()):
    yield path
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from places(value[key], (*path, key))


def altered(value, rng):
    """A copy in which one place is removed or holds something odd."""
    value = copy.deepcopy(value)
    known = list(places(value))
    path = rng.choice(known[:60] if rng.random() < 0.6 else known)
    if not path:
        return rng.choice(ODD)
    inner = value
    for key in path[:-1]:
        inner = inner[key]
    if rng.random() < 0.25:
        del inner[path[-1]]
    else:
        inner[path[-1]] = rng.choice(ODD)
    return value


def packed(value):
    return zlib.compress(codec.dumps(value).encode("utf-8", "surrogatepass"))


def damage(path, kind, rng):
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as file:

        def read(query):
            ((content,),) = file.execute(query)
            return codec.loads(zlib.decompress(content) if isinstance(content, bytes) else content)

        if kind == "body":
            body = packed(altered(read("SELECT body FROM bodies WHERE rollout=2"), rng))
            file.execute("UPDATE bodies SET body=?, crc=? WHERE rollout=2", (body, zlib.crc32(body)))
        elif kind == "cell":
            spec = altered(read("SELECT spec FROM cells WHERE id=1"), rng)
            file.execute("UPDATE cells SET spec=? WHERE id=1", (packed(spec),))
            with contextlib.suppress(Exception):  # nothing sent that has a digest
                file.execute("UPDATE cells SET digest=? WHERE id=1", (cell_digest(spec["sent"]),))
        elif kind in ("turns", "judgements"):
            file.execute(f"UPDATE {kind} SET body=?", (packed(altered(read(f"SELECT body FROM {kind}"), rng)),))
        elif kind == "outcomes":
            outcomes = codec.dumps(altered(read("SELECT outcomes FROM rollouts WHERE id=2"), rng))
            file.execute("UPDATE rollouts SET outcomes=? WHERE id=2", (outcomes.encode("utf-8", "replace").decode(),))
        elif kind == "layout":
            ((columns,),) = file.execute("SELECT columns FROM layouts LIMIT 1")
            layout = codec.dumps(altered(json.loads(columns), rng)).encode("utf-8", "replace").decode()
            file.execute("UPDATE layouts SET columns=?", (layout,))
        else:
            stop = rng.choice(["", "tomorrow", "budget", 5, b"\xff"])
            file.execute("UPDATE rollouts SET stop_reason=? WHERE id=2", (stop,))
        if rng.random() < 0.5:
            file.execute("UPDATE rollouts SET scorer='old'")


def read_all(path, merged):
    """Every reader of a store; what concerns one damaged rollout alone may say so."""
    assert len(pp.frame(store=path)) == 3
    repr(pp.frame(store=path))
    pp.spent(store=path)
    pp.verify(store=path)
    pp.plan([CELL, FINANCE], [MODEL], 3, store=path)
    pp.plan(CELL, pp.Model("openai/m", api_base="http://127.0.0.1:9/v1"), 3, store=path)
    said = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        assert main(["status"]) == 0, said.getvalue()
    with Store(path) as store:
        ids = [row.key.hex()[:16] for cell in store.cells() for row in store.rows(cell)]
    for id in ids:
        with contextlib.suppress(pp.StoreError):
            shown = pp.show(id, store=path)
            assert repr(shown) and shown.page()
        with contextlib.suppress(pp.StoreError, ValueError):
            pp.explain(id, store=path)
    pp.merge(merged, path)
    pp.run([CELL, FINANCE], MODEL, n=2, store=path, progress=False)


KINDS = ["body", "cell", "turns", "judgements", "outcomes", "layout", "stop"]


@pytest.mark.parametrize(
    ("kind", "seed"),
    [(kind, seed) for kind in KINDS for seed in range(1)]
    + [pytest.param(kind, seed, marks=pytest.mark.slow) for kind in KINDS for seed in range(1, 60)],
)
def test_a_store_that_is_damaged_in_one_place(whole, kind, seed, tmp_path):
    path = tmp_path / "store.sqlite"
    shutil.copy(whole, path)
    damage(path, kind, random.Random(f"{kind} {seed}"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # which name what is damaged
        read_all(path, tmp_path / "merged.sqlite")


TABLES = {
    "texts": ["digest", "body"],
    "cells": ["digest", "spec"],
    "rollouts": ["key", "cell", "replicate", "stop_reason", "scorer", "outcomes"],
    "judgements": ["key", "rollout", "rubric", "model", "body"],
    "bodies": ["rollout", "crc", "body"],
    "turns": ["key", "turn", "body"],
    "claims": ["key", "owner"],
    "layouts": ["scorer", "columns"],
}
WRONG = ["text", b"\xff\x00", 2.5]
OTHERS = [-5, 1 << 62, "../../../../victim", "a\0b", float("inf")]
PLACES = [(table, column) for table, columns in TABLES.items() for column in columns]


def mistyped(path, table, column, value):
    """Put a value of another type into a column of one row of a table, past what the table says of it."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as file:
        row = "rowid = (SELECT max(rowid) FROM {0})" if table not in ("turns", "claims") else "key = (SELECT max(key) FROM {0})"
        file.execute(f"UPDATE OR IGNORE {table} SET {column}=? WHERE {row.format(table)}", (value,))


@pytest.mark.parametrize("every", [WRONG, pytest.param(OTHERS, marks=pytest.mark.slow)], ids=["types", "values"])
@pytest.mark.parametrize(("table", "column"), PLACES)
def test_a_value_of_another_type_harms_no_other(whole, table, column, every, tmp_path):
    """All wrong types in turn; the slow readers see one of them, by the column."""
    thorough = random.Random(f"{table} {column}").choice(every)
    (tmp_path / "victim").write_text("precious")
    for i, value in enumerate(every):
        path = tmp_path / str(i) / "store.sqlite"
        path.parent.mkdir()
        shutil.copy(whole, path)
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as file:
            file.execute("INSERT INTO claims VALUES (?, ?)", (b"k" * 32, "../victim"))
        with contextlib.suppress(sqlite3.IntegrityError):  # a number of a row is one
            mistyped(path, table, column, value)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # which name what is damaged
            assert 2 <= len(pp.frame(store=path)) <= 3 or (table, column) == ("cells", "digest")
            pp.merge(path.parent / "merged.sqlite", path)
            if value == thorough:
                for read in (pp.spent, pp.verify, lambda store: pp.search("a", store=store)):
                    read(store=path)
                pp.plan([CELL, FINANCE], MODEL, n=2, store=path)
                pp.run([CELL, FINANCE], MODEL, n=2, store=path, progress=False)
    assert (tmp_path / "victim").read_text() == "precious"


def test_rows_without_a_key_are_told_and_the_others_merged(whole, tmp_path):
    path = tmp_path / "store.sqlite"
    shutil.copy(whole, path)
    mistyped(path, "rollouts", "key", "text")
    with pytest.warns(UserWarning, match="1 rows have a key of the wrong type, and are left out.*pp.merge"):
        kept = pp.frame(store=path)
    assert len(kept) == 2
    with pytest.warns(UserWarning, match="wrong type"):
        pp.merge(tmp_path / "merged.sqlite", path)
    assert pp.frame(store=tmp_path / "merged.sqlite").id.tolist() == kept.id.tolist()
    assert pp.verify(store=tmp_path / "merged.sqlite").empty


def test_other_columns_under_the_same_rules_are_scored_anew(whole, tmp_path):
    path = tmp_path / "store.sqlite"
    shutil.copy(whole, path)
    before = pp.frame(store=path)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as file:
        for scorer, columns in file.execute("SELECT scorer, columns FROM layouts").fetchall():
            names = ["of_another_version" if name == "preserved" else name for name in json.loads(columns)]
            file.execute("UPDATE layouts SET columns=? WHERE scorer=?", (json.dumps(names), scorer))
    after = pp.frame(store=path)
    pd.testing.assert_frame_equal(after, before)


def test_a_text_that_stands_in_a_rollout_without_bound_is_damage(monkeypatch):
    monkeypatch.setattr(rows, "MOST", 1000)
    body = {"messages": [{"role": "tool", "content": 7} for _ in range(9)], "provenance": 8}
    assert rows.filled(copy.deepcopy(body), {7: "x" * 100, 8: "{}"}.get)["messages"][8]["content"] == "x" * 100
    with pytest.raises(ValueError, match="its texts are of more than"):
        rows.filled(copy.deepcopy(body), {7: "x" * 200, 8: "{}"}.get)


def test_texts_are_kept_in_memory_up_to_their_size(monkeypatch):
    """And looked through for keys some at a time."""
    monkeypatch.setattr(remembered, "_ROOM", 10_000)
    read = []
    known = remembered.Remembered(lambda id: read.append(id) or "x" * id)
    assert [len(known[id]) for id in (1, 2, 3, 1, 2, 3, 20_000, 20_000)] == [1, 2, 3, 1, 2, 3, 20_000, 20_000]
    assert read == [1, 2, 3, 20_000, 20_000] and not known
    for id in range(500):
        assert len(known[id]) == id and sum(map(len, known.values())) <= 10_000
    known = remembered.Remembered(len)
    assert known["x" * 20_000] == 20_000 and not known
    texts = [(id, zlib.compress(b"x" * 300)) for id in range(9)]
    monkeypatch.setattr(secrets, "_TOGETHER", 500)
    assert [[id for id, _ in part] for part in secrets._together(texts)] == [[0, 1], [2, 3], [4, 5], [6, 7], [8]]
    monkeypatch.setattr(secrets, "_holds", lambda raw: b"key" in raw)
    assert secrets._first([*texts, (9, zlib.compress(b"a key"))]) == 9 and secrets._first(texts) is None


@pytest.mark.parametrize(("table", "column"), [("bodies", "body"), ("texts", "body"), ("cells", "spec"), ("turns", "body")])
def test_what_unpacks_without_bound_is_damaged_and_hides_nothing_else(whole, table, column, tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "MOST", 2**20)
    path = shutil.copy(whole, tmp_path / "s.sqlite")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as file:
        ((raw,),) = file.execute(f"SELECT {column} FROM {table} LIMIT 1")
        bomb = zlib.compress(zlib.decompress(raw) + b" " * 2**21)
        first = f"WHERE {column} = (SELECT {column} FROM {table} LIMIT 1)"
        file.execute(f"UPDATE {table} SET {column}=? {first}", (bomb,))
        if table == "bodies":
            file.execute("UPDATE bodies SET crc=? WHERE body=?", (zlib.crc32(bomb), bomb))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frame, told = pp.frame(store=path), pp.verify(store=path)
    assert len(frame) == 3 and (table == "turns" or "of more than 1 MB" in str(told.problem.tolist()))
    with Store(path) as store:
        assert not (table == "turns" and checkpoint.partial(store).get(b"k" * 32))
