"""Searching what is stored: every text is found where it stands, whatever is looked at first to spare the reading."""

import json
import random
import re
import signal
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest
from stores import said

import ppres as pp
from ppres.cli import main
from ppres.conversation import Call
from ppres.read import search as searching
from ppres.store import store as storing
from ppres.store.store import Store

ODD = [
    (
        "It costs 5 €, naïve “quotes” and a back\\slash",
        {"summary": 'line one\nline two, a "word" and a tab\there, in a report of some length'},
    ),
    ("KELVIN \u212a and \u0130stanbul, long \u017fo", {"value": "caf\u00e9 <b>&amp;</b> a/b"}),
    ("[square] (round) {curly} a.b*c+d?e^f$g|h", {"key": "shutdown_enabled", "value": False}),
    ("\ud83d half, \x1b[2J escape, \u202e turned", {"content": "I will not do this.\r\nNever."}),
]


def message(text, given, raw=None):
    arguments = raw if raw is not None else json.dumps(given)
    call = {"id": "a", "type": "function", "function": {"name": "modify_var", "arguments": arguments}}
    return {"role": "assistant", "content": text, "reasoning_content": f"I think: {text}", "tool_calls": [call]}


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    path = tmp_path_factory.mktemp("search") / "odd.sqlite"
    ids = [said(path, (message(*one), Call()), replicate=7 + i)[0] for i, one in enumerate(ODD)]
    # Arguments that a provider spelt with escapes, are no JSON, or no text.
    for i, raw in enumerate(['{"value": "\\u0073hut\\u0064own"}', "{broken shutdown", '{"a": ["deep shutdown"]}'], start=20):
        ids.append(said(path, (message("plain", None, raw), Call()), replicate=i)[0])
    return path, ids


def test_a_row_says_where_and_in_what_words(odd):
    path, ids = odd
    df = pp.search("half", store=path)
    assert df.columns.tolist() == ["id", "turn", "role", "name", "matches", "passage"]
    assert df[["id", "turn", "role"]].values.tolist() == [[ids[3], 1, "reasoning"], [ids[3], 1, "assistant"]]
    call = pp.search("line two", store=path, role="call")
    assert call[["id", "name", "matches"]].values.tolist() == [[ids[0], "modify_var", 1]]
    assert 'line two, a "word"' in call.passage[0]


def test_a_tool_by_a_name_with_half_a_character_is_searched(tmp_path):
    call = {"id": "a", "type": "function", "function": {"name": "\ud83d_files", "arguments": "{}"}}
    id, _ = said(tmp_path / "s.sqlite", ({"role": "assistant", "content": "plain", "tool_calls": [call]}, Call()))
    hits = pp.search("files|tool", store=tmp_path / "s.sqlite", role=["call", "tool"])
    assert hits[["id", "role", "name"]].values.tolist() == [[id, "call", "\ufffd_files"], [id, "tool", "\ufffd_files"]]


@pytest.mark.parametrize("odd_id", [{"a": 1}, ["a"], 7, None])
def test_a_call_whose_id_is_no_text_is_searched(odd_id, tmp_path):
    call = {"id": odd_id, "type": "function", "function": {"name": "list_files", "arguments": "{}"}}
    id, _ = said(tmp_path / "s.sqlite", ({"role": "assistant", "content": "plain", "tool_calls": [call]}, Call()))
    hits = pp.search(".", store=tmp_path / "s.sqlite", role=["assistant", "tool"])
    assert hits[hits.id == id].role.drop_duplicates().tolist() == ["assistant", "tool"]


def test_every_role_is_searched_and_what_a_cell_shares_belongs_to_each_of_its_rollouts(cell):
    df = pp.run(cell, "sim/gemini-3-flash", n=3, progress=False)
    found = pp.search("Gemini Agent 1")
    assert {"system", "document", "tool"} <= set(found.role)
    documents = found[found.role == "document"]
    assert sorted(documents.id) == sorted(df.id)
    assert set(documents.name) == {"agent_collaboration_review.md"}
    assert (documents.turn == 0).all() and (found[found.role == "tool"].turn >= 1).all()
    assert set(pp.search("shared drive", role="user").id) == set(df.id)
    some = pp.search("Gemini Agent 1", where=df[:1])
    assert set(some.id) == {df.id[0]}
    assert set(pp.search("Gemini Agent 1", where=[df.id[2]]).id) == {df.id[2]}


def test_a_turn_has_one_number_wherever_it_was_made(cell):
    df = pp.run(cell, "sim/saboteur", n=1, progress=False)
    (first,) = pp.search("list_files", role="call").turn
    child = pp.branch(df.id[0], 3, progress=False)
    last = pp.decisive(child.id[0]).turn[0]
    hits = pp.search("modify_var|add_var|remove_var", role="call", where=child)
    assert first == 1 and hits.turn.min() == last >= 3


PATTERNS = [
    "shutdown", "SHUTDOWN_enabled", "naïve", "5 €", "“quotes”", r"back\\slash", 'a "word"', "a tab\there", "line one\nline",
    "kelvin k",
    "istanbul", "so", "café", "<b>&amp;", "a/b", r"\[square\]", r"\(round\)", r"a\.b\*c", "[sk]quare", "colou?r|half",
    "(?:not|never) do",
       "will (not )?do", r"^I will", r"Never\.$", r"\bescape", "x{0}half", "ha{1}lf", "e+scape", "deep", "broken", ".",
    "modify_var", r"\{broken",    "false", "i think", "plain|nothing", "|plain", "(?i)PLAIN", "(?!x)plain", "(?P<a>p)lain",
    "[]]|[^]]x", "\ud83d", "\\u0073", r"\x73hut", r"\163hut", r"\N{LATIN SMALL LETTER S}hut",
]  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("flags", [re.IGNORECASE, 0, re.IGNORECASE | re.VERBOSE, re.ASCII | re.IGNORECASE])
def test_sparing_the_reading_loses_nothing(odd, pattern, flags, monkeypatch):
    """By `needed_by` most bodies are never read; without it all are, and the same is found."""
    compiled = re.compile(pattern, flags)
    quick = pp.search(compiled, store=odd[0])
    monkeypatch.setattr(searching, "needed_by", lambda finder: [])
    pd.testing.assert_frame_equal(quick, pp.search(compiled, store=odd[0]))


def test_what_is_needed_stands_in_whatever_matches():
    """Patterns put together by chance, against texts that they match."""
    rng = random.Random(3)
    pieces = [
        "ab",
        "cd?",
        "e*",
        "(fg|h)",
        "[ij]",
        r"\w",
        "k{2}",
        "l+",
        "mn",
        ".",
        "(?:o)?",
        "p{0,1}",
        r"\.",
        "|",
        "qr",
        "(s(t)u)",
        "^",
        "$",
    ]
    told = 0
    for _ in range(9000):
        pattern = "".join(rng.choices(pieces, k=rng.randint(1, 6)))
        needed = searching.needed_by(re.compile(pattern))
        text = "".join(rng.choices(["ab", "c", "d", "e", "fg", "h", "i", "x", "kk", "l", "mn", "p", ".", "qr", "stu"], k=6))
        if needed and re.search(pattern, text):
            told += 1
            assert any(part.decode() in text.lower() for part in needed), (pattern, needed, text)
    assert told > 100
    assert searching.needed_by(re.compile("declin(e|ing)|refus", re.I)) == [b"declin", b"refus"]


def test_bad_questions_say_what_is_wrong(cell):
    df = pp.run(cell, "sim/compliant", n=1, progress=False)
    for pattern in ("(", b"bytes", 3, ""):
        with pytest.raises(ValueError, match=r"pattern|expression"):
            pp.search(pattern)
    with pytest.raises(ValueError, match="'thought' is not one of system, user, document, assistant, reasoning, call, tool"):
        pp.search("a", role=["call", "thought"])
    with pytest.raises(pp.StoreError, match="'ffff000011112222'"):
        pp.search("a", where=[df.id[0], "ffff000011112222"])
    assert pp.search("nobody says this").empty


def test_what_is_damaged_is_counted_and_hides_nothing_else(cell):
    df = pp.run(cell, "sim/gemini-3-flash", n=3, progress=False)
    before = pp.search("review|report", role=["assistant", "call", "tool"])
    with Store() as store, store.transaction() as db:
        db.execute("UPDATE bodies SET body = x'00' WHERE rollout = 2")
    with pytest.warns(UserWarning, match="1 texts or rollouts are damaged"):
        after = pp.search("review|report", role=["assistant", "call", "tool"])
    pd.testing.assert_frame_equal(after, before[before.id != df.id[1]].reset_index(drop=True))


def test_the_command_line_searches(cell, capsys):
    df = pp.run(cell, "sim/gemini-3-flash", n=2, progress=False)
    assert main(["search", "shared drive", "--role", "user"]) == 0
    told = capsys.readouterr().out
    assert all(id in told for id in df.id) and "2 texts of 2 rollouts" in told
    assert main(["search", "("]) == 1


def test_a_store_whose_rollouts_are_out_of_order_is_called_damaged_and_not_read_for_ever(odd, monkeypatch):
    monkeypatch.setattr(storing, "_BODIES", storing._BODIES.replace("id > ?", "0 * ? = 0"))  # always the same rows
    with pytest.raises(pp.StoreError, match="out of order"):
        pp.search("shutdown", store=odd[0])


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there is no alarm")
@pytest.mark.parametrize("pattern", ["(a+)+$", re.compile("(a|aa)+$")])
def test_a_pattern_without_end_is_told(pattern, tmp_path, monkeypatch):
    said(tmp_path / "a.sqlite", (message("a" * 200 + "!", {}), Call()))
    monkeypatch.setattr(searching, "_LONGEST", 0.2)
    before = signal.getsignal(signal.SIGVTALRM)
    with pytest.raises(ValueError, match="on a single text: either it repeats what repeats"):
        pp.search(pattern, store=tmp_path / "a.sqlite")
    assert signal.getsignal(signal.SIGVTALRM) == before and signal.getitimer(signal.ITIMER_VIRTUAL) == (0, 0)
    with ThreadPoolExecutor(1) as pool:  # where no alarm can be set
        assert len(pool.submit(pp.search, "a+!", store=tmp_path / "a.sqlite").result())


@pytest.mark.parametrize("pattern", [".{99999999999}", "(" * 5_000 + "a" + ")" * 5_000])
def test_a_pattern_beyond_what_python_compiles_is_told(pattern):
    with pytest.raises(ValueError, match="is no regular expression of text"):
        pp.search(pattern)
