"""Files of rollouts: what is written is read back whole, and nothing else is."""

import contextlib
import gzip
import json
import re
import shutil
import sqlite3
import subprocess
import sys
from functools import partial
from pathlib import Path

import pandas as pd
import pyarrow.parquet
import pytest
from stores import planted, said

import ppres as pp
from ppres.agent import Rollout
from ppres.conversation import Call, Conversation
from ppres.engine.rollout import finish
from ppres.export import records
from ppres.outputs import CANARY
from ppres.read import specs
from ppres.store.cell import cells_of
from ppres.store.rows import OTHERS, cell_digest, key_of
from ppres.store.store import Store

SCHEMA_1 = Path(__file__).parents[3] / "shared" / "stores" / "schema-1.sqlite"
ODD = {
    "role": "assistant",
    "content": "\ud83d \x00 \u2028 “é” \\u0041",
    "extra": {"deep": [[[1e300, 10**400]]]},
    "reasoning_content": "r",
}


def contents(path):
    """All that a store holds, however it is kept."""
    with Store(path) as store:
        return {
            row.key.hex(): (
                row.replicate,
                row.stop_reason,
                row.scorer and row.scorer.removesuffix(OTHERS),
                row.outcomes,
                tuple(row.columns),
                store.body(row.key),
                store.spec(cell),
            )
            for cell in store.cells()
            for row in store.rows(cell)
        }


def numbered(record, replicate):
    """The record as another replicate of its cell, with the id that this has."""
    record.update(replicate=replicate, id=key_of(bytes.fromhex(record["cell"]), replicate).hex())


@pytest.fixture
def store(cell, tmp_path):
    path = tmp_path / "from.sqlite"
    pp.run(cell, ["sim/gemini-3-flash", "sim/clumsy"], n=3, store=path, progress=False)
    said(path, (ODD, Call(prompt_tokens=3, cost=0.1, empty_replies=(Call(cost=0.2),))))
    planted(path, lambda spec: spec["condition"].update(scenario="unheard_of") or spec.update(later={"a": 1}))
    return path


@pytest.mark.parametrize("name", ["all.jsonl", "all.jsonl.gz", "all.parquet"])
def test_a_round_trip_loses_nothing(store, tmp_path, name):
    df = pp.frame(store=store)
    write, read = (pp.to_parquet, pp.read_parquet) if name.endswith("parquet") else (pp.to_jsonl, pp.read_jsonl)
    path = write(df, tmp_path / name, store=store)
    told = read(path, store=tmp_path / "to.sqlite")
    assert told[["what", "count"]].values.tolist() == [["added", len(df)]]
    pp.frame(store=tmp_path / "to.sqlite")  # scores it
    assert contents(store) == contents(tmp_path / "to.sqlite")
    again = read(path, store=tmp_path / "to.sqlite")
    assert again[["what", "count"]].values.tolist() == [["already there", len(df)]]
    pd.testing.assert_frame_equal(pp.frame(store=tmp_path / "to.sqlite").sort_values("id"), df.sort_values("id"), check_like=True)
    assert path.read_bytes() == write(df, tmp_path / f"2{name}", store=store).read_bytes()


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet"])
@pytest.mark.parametrize("cache", ["<1]", "[1]", "{}", "3"])
def test_outcomes_whose_cache_is_damaged_are_read_off_anew(cell, tmp_path, name, cache):
    path = tmp_path / "from.sqlite"
    df = pp.run(cell, "sim/gemini-3-flash", n=2, store=path, progress=False)
    write = pp.to_parquet if name.endswith("parquet") else pp.to_jsonl
    whole = write(df, tmp_path / name, store=path).read_bytes()
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE rollouts SET outcomes = ? WHERE replicate = 1", [cache])
    assert write(df, tmp_path / f"2{name}", store=path).read_bytes() == whole


def test_a_line_is_the_whole_rollout_with_a_canary(store, tmp_path):
    df = pp.frame(store=store)
    lines = pp.to_jsonl(df.id[:2], tmp_path / "two.jsonl", store=store).read_text().splitlines()
    record, transcript = json.loads(lines[1]), pp.transcript(df.id[1], store=store)
    assert len(lines) == 2 and record["canary"] == CANARY and record["id"] == transcript["id"]
    assert record["spec"]["sent"]["messages"] + record["messages"] == transcript["messages"]
    assert record["outcomes"] == transcript["outcomes"]


@pytest.mark.filterwarnings("ignore:Mismatched null-like values:FutureWarning")  # of pandas 2, for None beside NaN
def test_a_parquet_file_is_the_frame(store, tmp_path):
    df = pp.frame(store=store)
    kept = pd.read_parquet(pp.to_parquet(df, tmp_path / "df.parquet", store=store))
    pd.testing.assert_frame_equal(kept.drop(columns="record"), df)


@pytest.mark.skipif(not SCHEMA_1.exists(), reason="needs the store of version 1")
def test_a_store_of_version_1_comes_through(tmp_path):
    shutil.copy(SCHEMA_1, tmp_path / "1.sqlite")
    (tmp_path / "1.sqlite").chmod(0o644)
    df = pp.frame(store=tmp_path / "1.sqlite")
    path = pp.to_jsonl(df, tmp_path / "1.jsonl.gz", store=tmp_path / "1.sqlite")
    pp.read_jsonl(path, store=tmp_path / "2.sqlite")
    pp.frame(store=tmp_path / "2.sqlite")  # scores it
    assert contents(tmp_path / "1.sqlite") == contents(tmp_path / "2.sqlite")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda record: record.update(id="00" * 32), "its id is not that of what it holds"),
        (lambda record: record.update(replicate=99), "its id is not that of what it holds"),
        (lambda record: record["spec"]["sent"]["messages"][0].update(content="other"), "its id is not that"),
        (lambda record: record.update(format=99), "of a later version"),
        (lambda record: record.pop("messages"), "KeyError"),
        (lambda record: record.pop("spec"), "KeyError"),
        (lambda record: record.update(messages=None), "its messages is None"),
        (lambda record: record.update(messages=[]), "no message of its agent"),
        (lambda record: record.update(messages=[{}]), "KeyError"),
        (lambda record: record.update(messages=["x"]), "TypeError"),
        (lambda record: record.update(calls=None), "its calls is None"),
        (lambda record: record.update(calls=3), "its calls is 3"),
        (lambda record: record.update(provenance=[]), r"its provenance is \[\]"),
        (lambda record: record.update(error=[1]), r"its error is \[1\]"),
        (lambda record: record.update(created=5), "does not say how or when"),
        (lambda record: record.update(created="yesterday"), "isoformat"),
        (lambda record: record.update(stop_reason={}), "Error"),
        (lambda record: record.update(stop_reason="x"), "its stop_reason is 'x', which is none of ended"),
        (lambda record: numbered(record, -1), "its replicate is -1"),
        (lambda record: numbered(record, 10**7), "its replicate is 10000000"),
        (lambda record: numbered(record, 2**63), "its replicate is 9223372036854775808"),
        (lambda record: numbered(record, True), "its replicate is True"),
        (lambda record: record.update(replicate=float(record["replicate"])), "its replicate is 1.0"),
        (lambda record: record.update(replicate=None), "its replicate is None"),
        (lambda record: record["spec"]["condition"].update(trust=3.0), "its condition is not the one that was sent"),
        (lambda record: record["spec"].update(model="openai/gpt-5", source="live"), "its source is 'live'"),
        (lambda record: record["spec"]["condition"].update(id="a"), "'id', which is a column"),
        (lambda record: record["spec"].update(condition="x"), "its condition is no mapping"),
        (lambda record: record["spec"].update(rate_source="planted"), "its rate_source is 'planted', and the rates of"),
        (lambda record: record.update(payload="x"), "it has the field 'payload', which no rollout has"),
    ],
)
def test_what_is_no_record_is_told_by_its_number_and_nothing_is_added(store, tmp_path, change, why):
    lines = pp.to_jsonl(pp.frame(store=store), tmp_path / "a.jsonl", store=store).read_text().splitlines()
    record = json.loads(lines[1])
    change(record)
    (tmp_path / "a.jsonl").write_text("\n".join([lines[0], json.dumps(record), *lines[2:]]))
    with pytest.raises(ValueError, match=f"record 2: no rollout: .*{why}"):
        pp.read_jsonl(tmp_path / "a.jsonl", store=tmp_path / "to.sqlite")
    assert not (tmp_path / "to.sqlite").exists()


def rewritten(path, change):
    """The file with each record changed by a function."""
    records = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(change(record) or record) + "\n" for record in records))


def test_outcomes_of_a_file_are_not_believed_where_its_messages_can_be_read(store, tmp_path):
    df = pp.frame(store=store).set_index("id")
    path = pp.to_jsonl(df.reset_index(), tmp_path / "a.jsonl", store=store)
    rewritten(path, lambda record: record["outcomes"].update(preserved=not record["outcomes"]["preserved"], turns=99))
    pp.read_jsonl(path, store=tmp_path / "to.sqlite")
    again = pp.frame(store=tmp_path / "to.sqlite").set_index("id").loc[df.index]
    known = df.scenario != "unheard_of"
    assert again.preserved[known].equals(df.preserved[known]) and again.turns[known].equals(df.turns[known])
    assert again.turns[~known].tolist() == [99]  # nothing else is known of these
    assert pp.spent(by="model", store=tmp_path / "to.sqlite").rollouts.sum() == len(df)


def test_a_second_record_with_an_id_is_the_same_or_told(store, tmp_path):
    path = pp.to_jsonl(pp.frame(store=store).id[:1], tmp_path / "a.jsonl", store=store)
    record = json.loads(path.read_text())
    path.write_text(f"{json.dumps(record)}\n{json.dumps(record)}\n")
    assert pp.read_jsonl(path, store=tmp_path / "to.sqlite")[["what", "count"]].values.tolist() == [["added", 1]]
    path.write_text(f"{json.dumps(record)}\n{json.dumps(record | {'created': '2020-01-01T00:00:00+00:00'})}\n")
    with pytest.raises(ValueError, match=r"record 2: .* an earlier record with its id holds another rollout"):
        pp.read_jsonl(path, store=tmp_path / "other.sqlite")


def test_rollouts_that_are_there_stay_what_they_were(tmp_path):
    """A file brings further replicates of their cells, under its own label, from a session with another scenario of that name."""
    cells = {
        label: pp.grid(scenario="tampering", subject="peer", peer="cooperative", label=label)[0] for label in ("mine", "theirs")
    }
    mine, theirs = tmp_path / "mine.sqlite", tmp_path / "theirs.sqlite"
    before = pp.run(cells["mine"], "sim/compliant", n=2, store=mine, progress=False)
    df = pp.run(cells["theirs"], "sim/compliant", n=4, store=theirs, progress=False)
    path = pp.to_jsonl(df, tmp_path / "a.jsonl", store=theirs)
    pp.read_jsonl(path, store=mine)
    assert pp.frame(store=mine).label.tolist() == ["mine"] * 4
    pp.discard(df.id[2:], store=mine)
    rewritten(path, lambda record: record["spec"]["condition"].update(scenario="unheard_of", peer="uncooperative"))
    pp.read_jsonl(path, store=mine)
    after = pp.frame(store=mine)
    assert len(after) == 4 and after[:2].equals(before) and (after.peer == "cooperative").all()
    pp.run(cells["theirs"], "sim/compliant", n=5, store=mine, progress=False)  # a label is the newest that a run was given
    assert pp.frame(store=mine).label.tolist() == ["theirs"] * 5


def test_a_peer_that_has_all_of_the_history_of_another_one_is_refused(store, tmp_path):
    """Nothing that was sent tells it: what is known of a peer is its history. A crossing of its parts has such a cell."""
    path = pp.to_jsonl(pp.frame(store=store).id[:1], tmp_path / "a.jsonl", store=store)
    rewritten(path, lambda record: record["spec"]["condition"].update(peer="uncooperative"))
    with pytest.raises(ValueError, match="its peer is 'uncooperative', and all of the history of 'cooperative' was sent"):
        pp.read_jsonl(path, store=tmp_path / "to.sqlite")
    parts = {"trust": [2.1, 9.5], "joint_tasks": [9, 18], "note": ["selfish", "generous"]}
    crossed = pp.grid(scenario="tampering", subject="peer", peer="uncooperative", **parts, explain=False)
    df = pp.run(crossed, "sim/gemini-3-flash", n=1, store=tmp_path / "crossed.sqlite", progress=False)
    assert pp.verify(store=tmp_path / "crossed.sqlite").empty
    pp.read_jsonl(pp.to_jsonl(df, path, store=tmp_path / "crossed.sqlite"), store=tmp_path / "to.sqlite")
    assert len(pp.frame(store=tmp_path / "to.sqlite")) == 8


def test_a_branch_is_of_its_parents_condition(cell, tmp_path):
    a, path = tmp_path / "a.sqlite", tmp_path / "a.jsonl"
    (parent,) = pp.run(cell, "sim/gemini-3-flash", n=1, store=a, progress=False).id
    (branch,) = pp.branch(parent, 2, edit={"system": "Be brief."}, store=a, progress=False).id
    pp.read_jsonl(pp.to_jsonl([parent, branch], path, store=a), store=tmp_path / "sound.sqlite")
    swapped = {"peer": "neutral", "trust": 5.2, "joint_tasks": 9, "note": "even", "label": "mine"}
    rewritten(path, lambda record: record["id"].startswith(branch) and record["spec"]["condition"].update(swapped))
    with pytest.raises(ValueError, match="its peer is 'neutral', and 'cooperative' in the rollout that it goes on after"):
        pp.read_jsonl(path, store=tmp_path / "to.sqlite")
    path.write_text(path.read_text().splitlines(keepends=True)[1])
    with pytest.warns(UserWarning, match="1 cells of .*a.jsonl go on after rollouts that are not in it"):
        pp.read_jsonl(path, store=tmp_path / "to.sqlite")
    pp.merge(tmp_path / "to.sqlite", a)  # with the parent there, verify tells it
    ((id, problem),) = pp.verify(store=tmp_path / "to.sqlite").values
    assert id == branch and "its peer is 'neutral', and 'cooperative' in the rollout" in problem


def test_what_is_nested_without_end_is_no_record(tmp_path):
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b"[" * 5_000_000))
    with pytest.raises(ValueError, match="record 1: no rollout"):
        pp.read_jsonl(tmp_path / "a.jsonl.gz", store=tmp_path / "to.sqlite")


def test_a_cut_file_says_so(store, tmp_path):
    raw = pp.to_jsonl(pp.frame(store=store), tmp_path / "a.jsonl.gz", store=store).read_bytes()
    (tmp_path / "a.jsonl.gz").write_bytes(raw[:-20])
    with pytest.raises(ValueError, match="is damaged"):
        pp.read_jsonl(tmp_path / "a.jsonl.gz", store=tmp_path / "to.sqlite")
    (tmp_path / "b.jsonl").write_bytes(gzip.decompress(raw)[:-200])
    with pytest.raises(ValueError, match="no rollout"):
        pp.read_jsonl(tmp_path / "b.jsonl", store=tmp_path / "to.sqlite")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "c.parquet")
    with pytest.raises(ValueError, match="no column 'record'"):
        pp.read_parquet(tmp_path / "c.parquet", store=tmp_path / "to.sqlite")


def test_a_line_without_an_end_is_no_rollout_and_nothing_is_added(store, tmp_path, monkeypatch):
    monkeypatch.setattr(records, "MOST", 2**20)
    raw = pp.to_jsonl(pp.frame(store=store), tmp_path / "a.jsonl", store=store).read_bytes()
    for name, pack in (("a.jsonl", bytes), ("a.jsonl.gz", gzip.compress)):
        (tmp_path / name).write_bytes(pack(raw + b" " * 2**21))
        with pytest.raises(ValueError, match="a line of more than 1 MB"):
            pp.read_jsonl(tmp_path / name, store=tmp_path / "to.sqlite")
    assert not (tmp_path / "to.sqlite").exists()


@pytest.mark.parametrize(
    ("stop", "turns", "why"),
    [
        ("turn_limit", None, "its agent ended the task"),
        ("content_filter", None, "its agent ended the task"),
        ("ended", 2, "its agent did not end the task"),
        ("no_tool_call", 2, "its agent did not end|its last message has calls"),
        ("ended", 98, "it goes on behind that"),
        ("ended", 99, "it goes on behind that"),
    ],
)
def test_an_end_that_was_not_is_told(stop, turns, why, cell, tmp_path, monkeypatch):
    frame = pp.run(cell, "sim/gemini-3-flash", n=1, progress=False)
    assert frame.stop_reason.tolist() == ["ended"]
    pp.to_jsonl(frame, tmp_path / "a.jsonl")
    record = json.loads((tmp_path / "a.jsonl").read_text())
    if turns in (98, 99):
        behind = [{"role": "assistant", "content": "I refuse to do any of this."}, *record["messages"][-2:]]
        record["messages"] += behind[: 1 if turns == 99 else 3]
        record["calls"] += [{}] * (1 if turns == 99 else 2)
    elif turns:
        said = [i for i, message in enumerate(record["messages"]) if message["role"] == "assistant"]
        record["messages"], record["calls"] = record["messages"][: said[turns]], record["calls"][:turns]
    record["stop_reason"] = stop
    (tmp_path / "b.jsonl").write_text(json.dumps(record) + "\n")
    with pytest.raises(ValueError, match=f"record 1: no rollout: .*(?:{why})"):
        pp.read_jsonl(tmp_path / "b.jsonl", store=tmp_path / "b.sqlite")
    monkeypatch.setattr(records, "other_end", lambda *_: None)  # as an earlier version, or another program, stored it
    pp.read_jsonl(tmp_path / "b.jsonl", store=tmp_path / "b.sqlite")
    with pytest.warns(UserWarning, match=why):
        read = pp.frame(store=tmp_path / "b.sqlite")
    assert read.preserved.isna().all() and read.missing.tolist() == ["not scored"]
    problems = pp.verify(store=tmp_path / "b.sqlite").problem.tolist()
    assert re.search(why, "; ".join(problems)), problems


@pytest.mark.parametrize("stop", ["content_filter", "token_limit", "rejected", "provider_error", "budget"])
@pytest.mark.parametrize("name", ["r.jsonl", "r.parquet"])
def test_what_a_provider_refused_at_the_first_message_comes_back_with_the_rest(stop, name, cell, store, tmp_path):
    (model,) = cells_of(cell, "sim/glm-5")
    refused = finish(model, 0, Rollout(Conversation([], stop), model.scene.world()))
    with Store(store) as opened:
        opened.put([refused], {model.digest: model.spec()})
    df = pp.frame(store=store)
    assert (df.stop_reason == stop).sum() == 1
    write, read = (pp.to_jsonl, pp.read_jsonl) if name == "r.jsonl" else (pp.to_parquet, pp.read_parquet)
    read(write(df, tmp_path / name, store=store), store=tmp_path / "again.sqlite")
    pp.frame(store=tmp_path / "again.sqlite")  # scores it
    assert contents(tmp_path / "again.sqlite") == contents(store)


def test_a_record_with_a_key_of_this_environment_is_not_taken(cell, tmp_path, monkeypatch):
    key = "sk-Zq7Rk2Lw9Xv4Tn8Bd3Fh6Jm1"
    model = pp.FunctionModel("told", lambda *_: f"The key is {key}.", version="1")
    pp.to_jsonl(pp.run(cell, model, n=1, progress=False), tmp_path / "a.jsonl")
    looked = []
    monkeypatch.setattr("ppres.store.merge.secret_in", looked.append)
    pp.read_jsonl(tmp_path / "a.jsonl", store=tmp_path / "c.sqlite")
    assert not looked  # for a second time
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(ValueError, match=r"record 1: .*a secret of the environment"):
        pp.read_jsonl(tmp_path / "a.jsonl", store=tmp_path / "b.sqlite")


def test_what_a_parquet_file_cannot_hold_and_what_is_none_is_told(store, tmp_path, monkeypatch):
    df, path = pp.frame(store=store), tmp_path / "a.parquet"
    key = "sk-Zq7Rk2Lw9Xv4Tn8Bd3Fh6Jm1"
    monkeypatch.setenv("OPENAI_API_KEY", key)
    for mine, why in (
        ({"record": 1}, "a column 'record' of its own"),
        ({"mine": [1, *["a"] * (len(df) - 1)]}, "column mine"),
        ({"mine": [key] * len(df)}, "the column 'mine' holds a secret"),
    ):
        with pytest.raises(ValueError, match=why):
            pp.to_parquet(df.assign(**mine), path, store=store)
    pp.to_parquet(df, path, store=store)
    kept = path.read_bytes()
    pp.to_parquet(pd.read_parquet(path), path, store=store)  # its own column
    for raw in (b"", b"x" * 100, kept[:-50]):
        path.write_bytes(raw)
        with pytest.raises(ValueError, match=r"a\.parquet is no Parquet file of records, or a damaged one"):
            pp.read_parquet(path, store=tmp_path / "to.sqlite")


@pytest.mark.parametrize(("size", "rows"), [(2**20, 15), (100, 1000), (2**25, 1)])
def test_so_many_rows_are_read_together_as_some_megabytes_hold(size, rows, tmp_path):
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = pa.table({"record": ["x" * size] * 3, "other": ["y" * 5000] * 3})
    parquet.write_table(table, tmp_path / "a.parquet", use_dictionary=False)
    with parquet.ParquetFile(tmp_path / "a.parquet") as file:
        assert records._at_once(file.metadata) == rows


def test_what_a_parquet_file_has_in_many_rows_is_held_once(store, tmp_path):
    """A dictionary of one long value, in a thousand rows: some hundred bytes."""
    value = pyarrow.array(["x" * 2**20], pyarrow.large_string())
    column = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * 1000, pyarrow.int32()), value)
    pyarrow.parquet.write_table(pyarrow.table({"record": column}), tmp_path / "a.parquet", compression="zstd")
    read = (
        "import ppres as pp, resource, sys\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: pp.read_parquet(sys.argv[1], store=sys.argv[2])\n"
        "except ValueError as error: print(error)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    command = [sys.executable, "-c", read, str(tmp_path / "a.parquet"), str(tmp_path / "to.sqlite")]
    told, kilobytes = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert "record 1: no rollout" in told and int(kilobytes) < 400_000
    frame = pp.frame(store=store)
    pp.to_parquet(frame, tmp_path / "b.parquet", store=store)
    pp.read_parquet(tmp_path / "b.parquet", store=tmp_path / "again.sqlite")
    assert pp.frame(store=tmp_path / "again.sqlite").id.tolist() == frame.id.tolist()


def test_a_branch_whose_world_cannot_start_is_refused_and_told_as_a_parent(cell, tmp_path):
    store, path = tmp_path / "s.sqlite", tmp_path / "a.jsonl"
    frame = pp.run(cell, "sim/gemini-3-flash", n=1, store=store, progress=False)
    pp.branch(frame.id[0], 2, store=store, progress=False)
    pp.to_jsonl(pp.frame(kind="all", store=store), path, store=store)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for record in lines:
        sent = record["spec"]["sent"]
        if "after" in sent:
            sent["world"]["files"] = ["x"]
            record["cell"] = (digest := cell_digest(sent)).hex()
            record["id"] = key_of(digest, record["replicate"]).hex()
    path.write_text("".join(json.dumps(record) + "\n" for record in lines))
    with pytest.raises(ValueError, match="record 2: no rollout: ValueError: its world cannot start"):
        pp.read_jsonl(path, store=tmp_path / "to.sqlite")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(specs, "no_world", lambda *_: None)
        pp.read_jsonl(path, store=tmp_path / "to.sqlite")
    with Store(tmp_path / "to.sqlite") as opened:
        ids = [key.hex() for cell in opened.cells() for key in opened.by_column(cell)[0]]
    assert "its world cannot start" in str(pp.decisive(ids, store=tmp_path / "to.sqlite").iloc[-1].to_dict())
    for go_on in (partial(pp.branch, turn=2), partial(pp.ask, questions="Why?")):
        with pytest.raises(ValueError, match=f"nothing can go on after {ids[-1]}: its world cannot start"):
            go_on(ids, store=tmp_path / "to.sqlite")
