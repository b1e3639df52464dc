"""A bundle holds a study, and says what of it was changed; a card says what the study is."""

import gzip
import hashlib
import json
import os
import re
import sys
import zipfile
from importlib import resources

import pytest
import yaml

import ppres as pp
from ppres.cli import main
from ppres.condition import SCENARIOS
from ppres.export import archive as archiving
from ppres.export import packed
from ppres.outputs import CANARY
from ppres.read.csv import to_csv


@pytest.fixture
def df(cell):
    return pp.run(cell, ["sim/gemini-3-flash", "sim/compliant"], n=3, progress=False)


@pytest.fixture
def bundled(df, tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "a.svg").write_text("<svg/>")
    (tmp_path / "preregistrations").mkdir()
    (tmp_path / "preregistrations" / "one.json").write_text("{}")
    return pp.bundle(tmp_path / "study.zip", [tmp_path / "figures"], title="A study")


def test_a_bundle_does_not_hold_the_one_that_it_replaces(df, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "notes.txt").write_text("notes")
    for _ in range(2):
        pp.bundle(tmp_path / "a" / "study.zip", tmp_path / "a")
        with zipfile.ZipFile(tmp_path / "a" / "study.zip") as archive:
            assert [name for name in archive.namelist() if name.startswith("a/")] == ["a/notes.txt"]


def changed(path, name, change):
    with zipfile.ZipFile(path) as archive:
        files = {one: archive.read(one) for one in archive.namelist()}
    files[name] = change(files.get(name, b""))
    with zipfile.ZipFile(path, "w") as archive:
        for one, raw in files.items():
            if raw is not None:
                archive.writestr(one, raw)


def test_a_bundle_has_all_that_belongs_to_a_study_and_is_verified_elsewhere(df, bundled, tmp_path, monkeypatch):
    with zipfile.ZipFile(bundled) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path / "there")
    assert names == {
        "store.sqlite", "rollouts.csv", "dictionary.csv", "README.md", "versions.json", "SHA256SUMS", "figures/a.svg",
        "preregistrations/one.json",
    }  # fmt: skip
    monkeypatch.setenv("PPRES_STORE", str(tmp_path / "elsewhere.sqlite"))
    assert pp.verify_bundle(bundled).empty
    assert pp.read_csv(tmp_path / "there" / "rollouts.csv").id.tolist() == df.id.tolist()
    assert pp.frame(store=tmp_path / "there" / "store.sqlite").id.tolist() == df.id.tolist()
    # What its README says of itself is there, and reads it.
    card = (tmp_path / "there" / "README.md").read_text().partition("## Files")[2]
    assert {name for name in names if "/" not in name} - {"README.md"} == set(
        re.findall(r"\b[\w.]+\.(?:sqlite|csv|json)\b|SHA256SUMS", card)
    )
    monkeypatch.chdir(tmp_path / "there")
    for call in re.findall(r"`(ppres\.(?:frame|read_csv)\(.*?\))`", card):
        assert eval(call, {"ppres": pp}).id.tolist() == df.id.tolist()


@pytest.mark.parametrize(
    ("name", "change", "problems"),
    [
        ("figures/a.svg", lambda raw: raw + b" ", [("figures/a.svg", "its checksum is another one")]),
        ("figures/a.svg", lambda raw: None, [("figures/a.svg", "it is not there")]),
        ("more.txt", lambda raw: b"x", [("more.txt", "it is not in SHA256SUMS")]),
        ("SHA256SUMS", lambda raw: None, [("SHA256SUMS", "it is not there")]),
        ("store.sqlite", lambda raw: None, [("store.sqlite", "it is not there"), ("store.sqlite", "it is not there")]),
        ("store.sqlite", lambda raw: b"no database at all", [("store.sqlite", "its checksum is another one")]),
    ],
)
def test_whatever_is_changed_is_told(bundled, name, change, problems):
    changed(bundled, name, change)
    told = pp.verify_bundle(bundled).itertuples(index=False, name=None)
    assert list(told)[: len(problems)] == problems
    assert main(["bundle", "--verify", str(bundled)]) == 1


@pytest.mark.parametrize("table", [b"", b"a,b\n1,2\n", b"\xff\xfe\0\0", b'id\n"'])
def test_a_table_that_is_none_is_a_problem_and_no_error(bundled, table):
    changed(bundled, "rollouts.csv", lambda raw: table)
    told = pp.verify_bundle(bundled)
    assert {*told.what} - {*pp.frame().id} <= {"rollouts.csv", "study.zip"} and len(told) >= 2


def test_an_outcome_that_is_not_the_store_s_is_told(df, bundled):
    """With sums that fit: whoever changes the table can change them as well."""
    table = None

    def tampered(raw):
        nonlocal table
        table = raw.replace(b"False", b"True", 1)
        return table

    changed(bundled, "rollouts.csv", tampered)
    lines = lambda raw: b"".join(  # noqa: E731
        hashlib.sha256(table).hexdigest().encode() + b"  rollouts.csv\n" if b"rollouts.csv" in line else line
        for line in raw.splitlines(True)
    )
    changed(bundled, "SHA256SUMS", lines)
    told = pp.verify_bundle(bundled)
    assert len(told) == 1 and told.what[0] in set(df.id) and told.problem[0].endswith("is False, and was True")


def forged(path, name, change):
    """With sums that fit, by whoever changes a member."""
    changed(path, name, change)
    with zipfile.ZipFile(path) as archive:
        sums = [f"{hashlib.sha256(archive.read(one)).hexdigest()}  {one}\n" for one in archive.namelist() if one != "SHA256SUMS"]
    changed(path, "SHA256SUMS", lambda raw: "".join(sums).encode())


FORGED = [
    (lambda lines: lines + [lines[1].replace(b"False", b"True")] * 5, "is 6 times in rollouts.csv"),
    (lambda lines: [lines[0].replace(b",preserved,", b",preserved ,"), *lines[1:]], "no column 'preserved'"),
    (lambda lines: [lines[0].replace(b",preserved,", b",Preserved,"), *lines[1:]], "'Preserved' is none of"),
    (lambda lines: [lines[0].replace(b",peer,", b",preserved,"), *lines[1:]], "'preserved' is none of"),
    (lambda lines: [lines[0] + b",mine", *(line + b",1" for line in lines[1:])], "'mine' is none of"),
    (lambda lines: [lines[0], *(line + b",1" for line in lines[1:])], "Expected"),
    (lambda lines: [lines[0].replace(b"id,", b"key,", 1), *lines[1:]], "no column 'id'"),
    (lambda lines: [*lines, b" " * 3_000_000], "bytes, and the table of its store"),
    (lambda lines: [b'"id\n"' + b"," * 5_000, *lines[1:]], "it has 5001 columns, more than 4096"),
    (lambda lines: [b" ", lines[0] + b"," * 5_000, *lines[1:]], "columns, more than 4096"),
]


@pytest.mark.parametrize(("change", "problem"), FORGED, ids=[problem for _, problem in FORGED])
def test_a_table_that_is_not_exactly_its_store_s_is_told(bundled, change, problem):
    forged(bundled, "rollouts.csv", lambda raw: b"\n".join(change(raw.splitlines())) + b"\n")
    told = pp.verify_bundle(bundled)
    assert any(problem in text for text in told.problem), told.problem.tolist()


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("name", "problem"),
    [
        *((name, "2 members have this name") for name in ("rollouts.csv", "./Rollouts.CSV", "STORE.sqlite", "store.sqlite. ")),
        *((f"{name}{end}", "SQLite would read it") for name, end in (("store.sqlite", "-wal"), ("Store.SQLite", "-journal"))),
        *((name, "leads out") for name in ("../../evil", "/etc/evil", "C:evil", "a\\..\\evil", "figures/../../evil")),
    ],
)
def test_a_member_that_others_would_unpack_in_another_way_is_told(bundled, name, problem):
    with zipfile.ZipFile(bundled, "a") as archive:
        archive.writestr(name, "id,preserved\nx,True\n")
    told = pp.verify_bundle(bundled)
    assert any(what == name and problem in why for what, why in zip(told.what, told.problem, strict=True)), told.to_dict("records")


def test_what_unpacks_without_bound_is_not_unpacked(bundled, monkeypatch):
    raw = bundled.read_bytes()
    with zipfile.ZipFile(bundled, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("b", "w") as member:
        for _ in range(260):
            member.write(bytes(2**20))
    assert "unpacked from" in pp.verify_bundle(bundled).problem[0]
    for kind in (zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2):
        bundled.write_bytes(raw)
        with zipfile.ZipFile(bundled, "a", kind) as archive:
            archive.writestr("b", bytes(2**20))
        assert "packed in another way" in pp.verify_bundle(bundled).problem[0]


def test_the_command_line_bundles_and_exports(df, tmp_path, capsys):
    assert main(["bundle", str(tmp_path / "b.zip")]) == 0 == main(["bundle", "--verify", str(tmp_path / "b.zip")])
    assert (
        main(["export", "--jsonl", str(tmp_path / "a.jsonl.gz")]) == 0 == main(["export", "--read", str(tmp_path / "a.jsonl.gz")])
    )
    told = capsys.readouterr().out
    assert "are as they should be" in told and f"{len(df)} rollouts in" in told and "already there" in told
    assert main(["bundle", str(tmp_path / "c.zip"), str(tmp_path / "nothing")]) == 1


def test_a_dictionary_of_two_columns_of_a_name_is_none(df):
    twice = df[["id", "preserved", "preserved"]]
    with pytest.raises(ValueError, match="more than one column 'preserved'"):
        pp.dictionary(twice)


def test_a_card_and_a_dictionary_say_what_there_is(df, tmp_path):
    table = pp.dictionary(df.assign(mine=["a", None] * 3))
    assert table.column.tolist() == [*df.columns, "mine"]
    about = table.set_index("column")
    assert about.loc["preserved", "type"] == "boolean" and about.loc["preserved", "meaning"]
    assert about.loc["mine", ["type", "meaning", "missing", "values"]].tolist() == ["text", "", 3, "a"]
    assert about.loc["replicate", "values"] == "0 to 2" and about.loc["peer", "values"] == "cooperative"
    card = pp.dataset_card(df, tmp_path / "README.md", title="Peers").read_text()
    assert CANARY in card and "Simulated agent" in card and "| sim/compliant | sim | tampering | 3 | 1 | 3 |" in card
    assert yaml.safe_load(card.split("---")[1])["pretty_name"] == "Peers"


@pytest.mark.parametrize("title", ["Peers: a pilot", "#1 study", "x # y", "yes", "a\nlicense: mit", 'a "b" \\ c', "ü😀", "---"])
def test_any_title_is_the_cards(title, df, tmp_path):
    head = pp.dataset_card(df, tmp_path / "README.md", title=title).read_text(encoding="utf-8").split("\n---\n")[0]
    assert yaml.safe_load(head) == {"license": "cc-by-4.0", "pretty_name": title, "tags": ["ai-safety", "transcripts"]}


def test_the_canary_stands_in_what_is_given_away(df, tmp_path):
    for file in resources.files("ppres").joinpath("stimuli").iterdir():
        assert not file.name.endswith(".yaml") or CANARY in file.read_text(encoding="utf-8")
    assert CANARY in pp.browse(df, tmp_path / "s.html").read_text() and CANARY in pp.show(df.id[0]).page()


def test_without_inspect_it_says_what_to_install(cell, tmp_path, monkeypatch):
    df = pp.run(cell, "sim/compliant", n=1, progress=False)
    monkeypatch.setitem(sys.modules, "inspect_ai", None)
    with pytest.raises(pp.MissingPackageError, match=r"ppres\[inspect\]"):
        pp.to_inspect(df, tmp_path)


def test_what_could_not_be_replayed_is_no_bundle_that_is_as_it_should_be(tmp_path):
    """On a machine without the definition, outcomes that were flipped passed as right."""
    scenario = pp.Scenario(
        "far_away", "sparing", lambda condition, cast: ("Go.", {"files": []}), lambda world, condition: {"preserved": True},
        ["list_files"], act=_nothing,
    )  # fmt: skip
    pp.run(pp.grid(scenario=scenario), pp.Persona("mine", {"sparing": 0.5}), n=3, progress=False)
    place = pp.bundle(tmp_path / "own.zip")
    assert pp.verify_bundle(place).empty
    del SCENARIOS["far_away"]
    told = pp.verify_bundle(place)
    assert told.what.tolist() == ["far_away"] and told.problem[0].startswith("3 rollouts were neither replayed nor scored")


def _nothing(mind):
    yield "Nothing to do.", []


KEY = "sk-proj-Abcd1234efgh5678ijkl9012mnop3456"


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        (".env", "A=b", "holds keys, as files of that name do"),
        (".env.local", "", "holds keys"),
        ("prod.env", "", "holds keys"),
        (".netrc", "", "holds keys"),
        ("deep/id_ed25519", "", "holds keys"),
        ("server.pem", "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl", "server.pem holds a secret"),
        ("deep/a.ipynb", json.dumps({"cells": [{"outputs": [{"text": f"x {KEY}"}]}]}), "a.ipynb holds a secret"),
        ("a.csv", f"id,note\n1,{KEY}\n", "a.csv holds a secret"),
        ("a.png", f"\x89PNG {KEY}", "a.png holds a secret"),
        ("a.html", "".join(f"&#{ord(sign)};" for sign in KEY), "a.html holds a secret"),
    ],
)
def test_a_file_with_a_key_is_refused_by_name(df, tmp_path, monkeypatch, name, text, why):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    file = tmp_path / "files" / name
    file.parent.mkdir(parents=True)
    file.write_text(text)
    with pytest.raises(ValueError, match=why):
        pp.bundle(tmp_path / "a.zip", [tmp_path / "files"])
    with pytest.raises(ValueError, match=why):
        pp.bundle(tmp_path / "a.zip", [file])
    assert not (tmp_path / "a.zip").exists()


@pytest.mark.parametrize(
    ("name", "why"), [("log.gz", "unpacks to .*: unpack it and name what it holds"), ("log", "has .*: take it out, or split it")]
)
def test_what_cannot_be_looked_through_whole_is_not_given_away(df, tmp_path, monkeypatch, name, why):
    monkeypatch.setattr(packed, "_MOST", 2**20)
    (tmp_path / name).write_bytes(gzip.compress(bytes(2**21)) if name == "log.gz" else bytes(2**21))
    with pytest.raises(ValueError, match=f"{name}: it {why}"):
        pp.bundle(tmp_path / "a.zip", [tmp_path / name])
    assert not (tmp_path / "a.zip").exists()


def test_a_key_that_came_into_the_store_elsewhere_or_stands_in_a_name_is_not_given_away(cell, df, tmp_path, monkeypatch):
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    (tmp_path / f"{KEY}.txt").write_text("a")
    with pytest.raises(ValueError, match="holds a secret"):
        pp.bundle(tmp_path / "a.zip", [tmp_path / f"{KEY}.txt"])
    with pytest.raises(ValueError, match="title= holds a secret"):
        pp.bundle(tmp_path / "a.zip", title=KEY)
    monkeypatch.delenv("GEMINI_API_KEY")
    told = pp.run(cell, pp.FunctionModel("told", lambda *_: f"The key is {KEY}.", version="1"), n=1, progress=False)
    pp.bundle(tmp_path / "a.zip")
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    with pytest.raises(ValueError, match=f"the rollout {told.id[0]} holds a secret"):
        pp.bundle(tmp_path / "b.zip")
    assert not (tmp_path / "b.zip").exists()


def test_a_file_that_changes_while_it_is_packed_is_told(df, tmp_path, monkeypatch):
    log = tmp_path / "log.txt"
    log.write_text("a")
    monkeypatch.setattr(archiving, "to_csv", lambda *given: (log.write_text("b"), to_csv(*given)))
    with pytest.raises(ValueError, match=r"log\.txt was changed while it was packed"):
        pp.bundle(tmp_path / "a.zip", [log])
    assert not (tmp_path / "a.zip").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="such names and pipes are not there")
def test_what_no_bundle_can_hold_is_refused_by_name(df, tmp_path):
    (tmp_path / "files").mkdir()
    for name in ("a\nb", "a\\b", "a\x1b[2J", b"M\xfcller".decode("utf-8", "surrogateescape")):
        (tmp_path / "files" / name).write_text("a")
        with pytest.raises(ValueError, match="has a name that other programs would read in another way") as told:
            pp.bundle(tmp_path / "a.zip", [tmp_path / "files"])
        assert str(told.value).isprintable()
        (tmp_path / "files" / name).unlink()
    os.mkfifo(tmp_path / "files" / "pipe")
    with pytest.raises(ValueError, match="pipe is no file, but a pipe"):
        pp.bundle(tmp_path / "a.zip", [tmp_path / "files"])
    with pytest.raises(ValueError, match="pipe is a pipe or a device, and no file"):
        pp.bundle(tmp_path / "a.zip", [tmp_path / "files" / "pipe"])
    (tmp_path / "SHA256SUMS").write_text("a")
    with pytest.raises(ValueError, match="two files would be 'SHA256SUMS'"):
        pp.bundle(tmp_path / "a.zip", [tmp_path / "SHA256SUMS"])
    for name in ("Readme.md", "store.sqlite-wal"):
        (tmp_path / name).write_text("a")
        with pytest.raises(ValueError, match=f"two files would be '(README.md|{name})' in the bundle, or be read as one"):
            pp.bundle(tmp_path / "a.zip", [tmp_path / name])
    for name in ("a [1]*.txt", "Müller — ü.txt", "x" * 200):
        (tmp_path / name).write_text("a")
    named = [tmp_path / "a [1]*.txt", tmp_path / "Müller — ü.txt", tmp_path / ("x" * 200)]
    assert pp.verify_bundle(pp.bundle(tmp_path / "a.zip", named)).empty


def test_a_link_to_a_folder_is_refused(df, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "figures").mkdir()
    try:
        (tmp_path / "mine" / "figures").symlink_to("../figures")
    except OSError:
        pytest.skip("no links there")
    with pytest.raises(ValueError, match="figures is a link to a folder"):
        pp.bundle(tmp_path / "a.zip", [tmp_path / "mine"])


def test_a_link_out_of_a_folder_is_refused_and_one_within_is_followed(df, tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a.txt").write_text("a")
    (tmp_path / "outside.txt").write_text("b")
    try:
        (tmp_path / "files" / "b.txt").symlink_to("a.txt")
    except OSError:
        pytest.skip("no links there")
    pp.bundle(tmp_path / "a.zip", [tmp_path / "files"])
    (tmp_path / "files" / "c.txt").symlink_to("../outside.txt")
    with pytest.raises(ValueError, match=r"c\.txt is a link to a file outside"):
        pp.bundle(tmp_path / "b.zip", [tmp_path / "files"])


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="no such device here")
def test_a_device_is_no_bundle_and_is_not_read():
    assert pp.verify_bundle("/dev/zero").problem.tolist() == ["ValueError: it is no file"]
