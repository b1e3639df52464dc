"""What is stored can be read again: what is too large for that is told where it is made, and is never kept in vain."""

import contextlib
import json
import sqlite3
import warnings
import zlib

import pytest

import ppres as pp
from ppres import codec, conversation
from ppres.read.frame import stored_cell
from ppres.store import rows
from ppres.store.errors import StoreError
from ppres.store.store import Store

CELL = pp.grid(scenario="tampering", subject="peer", peer="cooperative")


def function(*messages):
    """A model that says these, one after the other."""
    said = iter(messages)
    return pp.FunctionModel("says", lambda *_: next(said), "1")


def listing(words):
    call = {"id": "1", "type": "function", "function": {"name": "list_files", "arguments": "{}"}}
    return {"content": words, "tool_calls": [call]}


def test_the_longest_that_is_kept_is_read_and_one_that_is_longer_ends_its_conversation(tmp_path):
    """Stored, a letter outside ASCII has six bytes, and the conversation has all that it may have before the last message."""
    store, room = tmp_path / "s.sqlite", rows.MOST_OF_ONE // 6 - 100
    before = listing("é" * (conversation.LONGEST - 10_000))
    kept = pp.run(CELL, function(before, {"content": "é" * room}), 1, store=store, progress=False)
    (told,) = pp.frame(store=store).itertuples()
    assert told.stop_reason == "no_tool_call" == kept.stop_reason[0] and told.missing != "damaged"
    assert len(pp.transcript(told.id, store=store)["messages"][-1]["content"]) == room
    pp.discard(told.id, store=store)
    ended = pp.run(CELL, function(before, {"content": "é" * (room + 100)}), 1, store=store, progress=False)
    error = pp.transcript(ended.id[0], store=store)["error"]
    assert ended.stop_reason[0] == "provider_error" and "64 MB are the most that is kept" in error


def test_the_most_calls_that_are_kept_are_read_with_what_the_world_says_to_each(tmp_path):
    store, values = tmp_path / "s.sqlite", {"content": "Well.", "more": [[]] * (conversation.VALUES - 10)}
    call = {"id": "1", "type": "function", "function": {"name": "list_files", "arguments": "{}"}}
    before = [values | {"tool_calls": [call | {"id": str(turn)}]} for turn in range(5)]
    many = {"content": "Stop.", "tool_calls": [{}] * (conversation.VALUES - 10)}
    kept = pp.run(CELL, function(*before, many), 1, store=store, progress=False)
    assert kept.stop_reason[0] == "token_limit" and len(pp.transcript(kept.id[0], store=store)["messages"]) > conversation.VALUES
    pp.discard(kept.id[0], store=store)
    ended = pp.run(CELL, function({"tool_calls": [{}] * 2 * conversation.VALUES}), 1, store=store, progress=False)
    assert ended.stop_reason[0] == "provider_error"
    assert "more than 200,000 values" in pp.transcript(ended.id[0], store=store)["error"]


def test_calls_of_a_message_that_is_not_kept_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "MOST_OF_ONE", 50_000)
    usage = {"prompt_tokens": 7, "completion_tokens": 5, "cost": 0.5}
    model = pp.FunctionModel("says", lambda *_: {"content": "x" * 50_000, "usage": usage}, "1")
    frame = pp.run(CELL, model, 1, store=tmp_path / "s.sqlite", progress=False)
    assert frame.stop_reason[0] == "provider_error" and pp.spent(store=tmp_path / "s.sqlite").sum() == 0.5


def test_a_cell_that_is_too_large_is_refused_before_anything_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "MOST_OF_ONE", 2**16)
    large = pp.grid(scenario="tampering", subject="peer", peer="cooperative", documents={"a.txt": "x" * 2**16})
    with pytest.raises(pp.ConditionError, match="starts from is too much: as JSON it has"):
        pp.run(large, "sim/gemini-3-flash", 1, store=tmp_path / "s.sqlite", progress=False)
    monkeypatch.undo()
    monkeypatch.setattr(rows, "LONGEST", 2**15)
    with pytest.raises(pp.ConditionError, match="its condition has"):
        pp.run(large, "sim/gemini-3-flash", 1, store=tmp_path / "s.sqlite", progress=False)
    assert pp.frame(store=tmp_path / "s.sqlite").empty


def test_nothing_is_written_that_would_not_be_read(monkeypatch):
    monkeypatch.setattr(rows, "MOST", 1000)
    assert rows.unpack(rows.compress(b"x" * 1000)) == b"x" * 1000
    with pytest.raises(StoreError, match="1,001 bytes"):
        rows.compress(b"x" * 1001)
    with pytest.raises(zlib.error):
        rows.unpack(zlib.compress(b"x" * 1001))


def test_a_strangers_condition_without_bound_is_damaged_and_a_frame_holds_no_history(tmp_path):
    store = tmp_path / "s.sqlite"
    frame = pp.run(CELL, "sim/gemini-3-flash", 2, store=store, progress=False)
    child = pp.branch(frame.id[0], 2, edit={"said": {1: "Well."}}, store=store, progress=False)
    with contextlib.closing(sqlite3.connect(store, isolation_level=None)) as file:
        for id, raw in file.execute("SELECT id, spec FROM cells").fetchall():
            spec = json.loads(zlib.decompress(raw))
            if "after" not in spec["sent"]:
                spec["condition"]["label"] = "x" * 2**23
                file.execute("UPDATE cells SET spec=? WHERE id=?", (zlib.compress(json.dumps(spec).encode()), id))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        missing = pp.frame(store=store).missing.tolist()
    assert missing == ["damaged"] * 2 and "4,194,304 are the most that one has" in str(told[0].message)
    with Store(store) as opened:
        (after,) = filter(None, (stored_cell(opened, digest).after for digest in opened.cells()))
    assert after["parent"].startswith(frame.id[0]) and "history" not in after
    assert pp.frame(kind="branches", store=store).parent.tolist() == child.parent.tolist() == [frame.id[0]]


@pytest.mark.parametrize("as_bytes", [False, True])
def test_values_without_bound_are_refused_before_they_are_made_and_signs_in_texts_are_none(as_bytes):
    def given(text):
        return text.encode() if as_bytes else text

    many = 4_000_000
    for text in ("[" + "[]," * many + "[]]", '{"a":[' + '"",' * many + "0]}", "[" * (many + 2), '["\\"",' + "1," * many + "1]"):
        with pytest.raises(ValueError, match="more than 4,000,000 values"):
            codec.loads(given(text))
    for said in ("," * (many + 5), '[{,\\"' * (many // 2), "\\\\" * many + ","):
        assert len(codec.loads(given(f'["{said}", 1]'))) == 2
    assert len(codec.loads(given("[" + "1," * (many - 2) + "1]"))) == many - 1
    for unending in ('["' + ",\\" * many, '["' + '\\",' * many, '["",' + '"' + "," * many):  # gone through once
        with pytest.raises(json.JSONDecodeError):
            codec.loads(given(unending))


def test_arguments_without_bound_are_none():
    assert conversation.arguments('{"a":[' + "[]," * 4_000_000 + "0]}") is None
    assert conversation.arguments('{"a":"' + "[," * 3_000_000 + '"}') == {"a": "[," * 3_000_000}
