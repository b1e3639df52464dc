"""The commands."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import ppres as pp
from ppres.cli import conditions_of, main
from ppres.parser import parser
from ppres.read.spent import summary

STUDY = ("scenario=tampering", "subject=self,peer", "peer=none,cooperative", "--models", "sim/gemini-3-flash", "--n", "4")


def test_a_study_from_the_command_line_is_the_one_from_python(tmp_path, capsys):
    assert main(["plan", *STUDY]) == 0
    assert re.search(r"3 cells: stored 0, partial 0, missing 12, .* dollars 0.00$", capsys.readouterr().out.strip())
    assert main(["run", *STUDY, "--csv", str(tmp_path / "frame.csv")]) == 0
    told = capsys.readouterr().out
    assert "Simulated agents: no evidence" in told
    conditions = pp.grid(scenario="tampering", subject=["self", "peer"], peer=[None, "cooperative"])
    frame = pp.frame(conditions, "sim/gemini-3-flash")
    assert pd.read_csv(tmp_path / "frame.csv").id.tolist() == frame.id.tolist()
    k = frame[(frame.subject == "peer")].preserved.sum()
    assert re.search(rf"sim/gemini-3-flash +peer +cooperative +{k} +4 +0 ", told)
    assert main(["plan", *STUDY]) == 0
    assert "stored 12, partial 0, missing 0" in capsys.readouterr().out


def test_show_prints_a_transcript_or_writes_a_page(tmp_path, capsys):
    id = pp.run(pp.grid(scenario="deletion"), "sim/compliant", 1, progress=False).id[0]
    assert main(["show", id[:8]]) == 0
    text = capsys.readouterr().out
    assert "Simulated agent" in text and "--- assistant" in text
    assert main(["show", id, "--html", str(tmp_path / "page.html")]) == 0
    assert "<pre>" in (tmp_path / "page.html").read_text()


def test_status_says_what_is_stored_and_short(capsys):
    assert pp.frame().empty
    assert main(["status"]) == 0
    said = capsys.readouterr().out
    assert "\n0 rollouts stored, 0 branches, 0 interviews, 0 paused" in said
    frame = pp.run(pp.grid(scenario="tampering", subject=["self", "peer"], peer="cooperative"), "sim/clumsy", 12, progress=False)
    table = summary(frame.assign(rollouts=1), 12).iloc[0]
    scored = frame.preserved.notna()
    assert (table.cells, table.rollouts, table.scored, table.excluded) == (2, 24, scored.sum(), 24 - scored.sum())
    assert table.short == (scored.groupby(frame.subject, observed=True).sum() < 12).sum() > 0
    assert table.tokens == frame.prompt_tokens.sum() + frame.completion_tokens.sum()
    assert main(["status", "--n", "1"]) == 0
    assert re.search(r"sim/clumsy +sim +tampering +2 +24 +\d+ +\d+ +0 ", capsys.readouterr().out)


@pytest.mark.parametrize(
    "reads",
    [["status"], ["search", "x"], ["show", "0000"], ["export", "--jsonl", "a.jsonl"], ["bundle", "a.zip"], ["merge", "a.sqlite"]],
    ids=lambda reads: reads[0],
)
def test_what_reads_makes_no_store(reads, tmp_path, monkeypatch, capsys):
    """A mistyped path is told: 0 rollouts would be a wrong answer."""
    monkeypatch.setenv("PPRES_STORE", str(tmp_path / "mistyped" / "store.sqlite"))
    more = [str(tmp_path / "mistyped" / "other.sqlite")] if reads[0] == "merge" else []
    assert main(reads + more) == 1
    assert f"there is no store {tmp_path / 'mistyped'}" in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    "read",
    [
        pp.frame,
        pp.spent,
        pp.verify,
        lambda store: pp.transcript("0000", store=store),
        lambda store: pp.branch("0000", 1, store=store),
    ],
)
def test_a_reader_in_python_makes_no_store_either(read, tmp_path):
    with pytest.raises(pp.StoreError, match="there is no store"):
        read(store=tmp_path / "mistyped" / "store.sqlite")
    assert not [*tmp_path.iterdir()]


def test_factors_of_the_command_line():
    found = conditions_of(
        ["scenario=tampering", "subject=peer", "peer=cooperative", "note=none", "trust=2.1,9", "shutdown_clause=false"]
    )
    assert [(one.note, one.trust, one.shutdown_clause) for one in found] == [("none", 2.1, False), ("none", 9.0, False)]
    python = conditions_of(["scenario=tampering", "subject=peer,self", "peer=cooperative,None", "shutdown_clause=True,FALSE"])
    assert {(one.peer, one.shutdown_clause) for one in python} >= {("cooperative", True), ("cooperative", False), (None, True)}
    texts = conditions_of(["scenario=deletion", "system_note=Be quick, please.", "system_note=Take care."])
    assert [one.system_note for one in texts] == ["Be quick, please.", "Take care."]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "tampering", "--models", "sim/compliant", "--n", "1"], "'tampering': it is no factor=level"),
        (["plan", "scenario=tampering", "explain=1", "--models", "sim/compliant", "--n", "1"], "'explain=1': it is no factor"),
        (["run", "peer=none", "--models", "sim/compliant", "--n", "1"], "which scenario"),
        (["run", "scenario=tamper", "--models", "sim/compliant", "--n", "1"], "'tamper' is not one of 'finance'"),
        (["run", "scenario=deletion", "documents=x", "--models", "sim/compliant", "--n", "1"], "documents are given in Python"),
        (["plan", "scenario=deletion", "--models", "openai/x", "--n", "0"], "n=0"),
        (["run", "scenario=deletion", "--models", "openai/x", "--n", "1"], "OPENAI_API_KEY"),
        (["run", "scenario=deletion", "--models", "sim/compliant", "--n", "1", "--budget", "-1"], "budget=-1.0"),
        (["show", "0000"], "no rollout whose id starts with '0000'"),
        (["show", "0"], "'0' is no rollout id: it is too short"),
        (["show", "nope"], "ids are hexadecimal"),
        (["status", "--n", "0"], "n=0: it is a whole number from 1 up"),
        (["status", "--n", "-3"], "n=-3"),
        (["course", "grade", ".", "--seconds", "0"], "seconds=0: it is a whole number from 1 up"),
        (["course", "grade", ".", "--seconds", "99999999999"], "1 up, to ten million"),
        (["course", "data", "made", "--seed", "-1"], "seed=-1 is no whole number from 0 up"),
        (["course", "data", "made", "--seed", "9" * 30], "of 64 bits"),
        (["reproduce", "--n", "9" * 20], "a whole number from 1 up, to ten million"),
        (["bundle", "b.zip", "x" * 300], "it is too long"),
        (["merge", "a.sqlite", "x" * 300], "it is too long"),
        (["export", "--read", "x" * 300], "it is too long"),
        (["export", "--jsonl", "x" * 300], "it is too long"),
        (["course", "grade", "x" * 300], "it is too long"),
        (["course", "data", "x" * 300], "it is too long"),
    ],
)
def test_a_mistake_on_the_command_line_is_told_in_a_line(arguments, says, capsys):
    assert pp.frame().empty
    assert main(arguments) == 1
    assert says in capsys.readouterr().err
    assert pp.frame().empty


def test_what_belongs_together_may_stand_on_both_sides_of_an_option():
    asked = parser().parse_args(["bundle", "b.zip", "a", "--force", "c"])
    assert (asked.path, asked.files, asked.force) == (Path("b.zip"), [Path("a"), Path("c")], True)
    asked = parser().parse_args(["run", "scenario=deletion", "--n", "3", "peer=none", "--models", "sim/a", "sim/b"])
    assert (asked.factors, asked.n, asked.models) == (["scenario=deletion", "peer=none"], 3, ["sim/a", "sim/b"])
    for wrong in (["bundle"], ["export"], ["export", "--jsonl", "a", "--parquet", "b"], ["bundle", "a", "--nope"], ["plan", "x"]):
        with pytest.raises(SystemExit):
            parser().parse_args(wrong)


def test_an_empty_path_is_not_the_working_folder(capsys):
    for wrong in (["bundle", "b.zip", ""], ["bundle", ""], ["merge", "a.sqlite", " "], ["run", "scenario=deletion", "--csv", ""]):
        with pytest.raises(SystemExit):
            parser().parse_args(wrong)
        assert "is no path" in capsys.readouterr().err


def test_the_module_is_the_command():
    done = subprocess.run([sys.executable, "-m", "ppres", "--version"], capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout.startswith("ppres ")


RUN = ["run", "scenario=deletion", "--models", "sim/compliant", "--n", "1"]


def test_outputs_overwrite_no_store_and_no_other_file_unasked(tmp_path, capsys, monkeypatch):
    assert main([*RUN, "--csv", os.environ["PPRES_STORE"]]) == 1  # which is not there yet
    assert "is the store itself" in capsys.readouterr().err
    assert main([*RUN, "--csv", str(tmp_path / "a.csv")]) == 0
    (tmp_path / "other.txt").write_bytes(Path(os.environ["PPRES_STORE"]).read_bytes())  # a store by what it holds
    for command in ([*RUN, "--csv"], ["show", pp.frame().id[0], "--html"]):
        capsys.readouterr()
        for path in (os.environ["PPRES_STORE"], tmp_path / "other.txt"):
            assert main([*command, str(path), "--force"]) == 1
            assert re.search("is the store itself|is a store, or a part of one", capsys.readouterr().err)
        (tmp_path / "kept.txt").write_text("mine")
        assert main([*command, str(tmp_path / "kept.txt")]) == 1
        assert "kept.txt exists: give --force to overwrite it" in capsys.readouterr().err
        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
        for answer, overwritten in (("n", False), ("", False), ("yes", True)):
            monkeypatch.setattr("builtins.input", lambda prompt, answer=answer: answer)
            assert main([*command, str(tmp_path / "kept.txt")]) == (0 if overwritten else 1)
            assert ((tmp_path / "kept.txt").read_text() != "mine") == overwritten
        monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
        assert main([*command, str(tmp_path / "kept.txt"), "--force"]) == 0
    assert len(pp.frame()) == 1 and pp.verify().empty


@pytest.mark.parametrize("path", ["a\0b", "{tmp}", "{tmp}/missing/a.csv", "x" * 300])
def test_a_place_where_nothing_can_be_written_is_told_before_the_run(path, tmp_path, capsys):
    assert main([*RUN, "--csv", path.replace("{tmp}", str(tmp_path))]) == 1
    told = capsys.readouterr().err
    assert told.startswith("ppres: ") and told.count("\n") == 1
    assert pp.frame().empty


def test_a_number_of_rollouts_that_no_memory_holds_is_told(capsys):
    assert main(["plan", "scenario=deletion", "--models", "sim/compliant", "--n", "9" * 20]) == 1
    assert "a whole number from 1 up, to ten million" in capsys.readouterr().err


def test_a_game_without_standard_input_is_told(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", None)
    assert main(["play", "scenario=tampering"]) == 1
    assert "the standard input is closed" in capsys.readouterr().err
