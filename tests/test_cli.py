"""`ppres reproduce` on a project of its own, in real processes and kernels; the other commands; and the README's code."""

import ast
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas as pd
import pytest

import ppres as pp
from ppres.cli import _parser, conditions_of, main, summary
from ppres.reproduce import made_from

README = Path(__file__).parent.parent / "README.md"


@pytest.fixture
def project(tmp_path):
    """A project without notebooks."""
    root = tmp_path / "project"
    for folder in ("notebooks", "figures"):
        (root / folder).mkdir(parents=True)
    (root / "pyproject.toml").write_text("[project]\nname = 'study'\n")
    return root


def notebook(project, name, *cells):
    path = project / "notebooks" / name
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells]), path)
    return path


def reproduce(project, *arguments, **environment):
    """Exit status, output and errors of the command, called somewhere inside the project."""
    command = [str(Path(sys.executable).with_name("ppres")), "reproduce", *arguments]
    done = subprocess.run(
        command, cwd=project / "figures", env=os.environ | environment, capture_output=True, text=True, timeout=80, check=False
    )
    return done.returncode, done.stdout, done.stderr


def test_notebooks_run_and_the_figures_that_they_made_are_listed(project):
    (project / "figures" / "old.png").write_text("old")
    os.utime(project / "figures" / "old.png", (1, 1))
    path = notebook(
        project,
        "01_x.ipynb",
        "import os, ppres as pp",
        'models, n = os.environ["PPRES_MODELS"].split(), int(os.environ["PPRES_N"])',
        'df = pp.run(pp.grid(scenario="tampering"), models, n, progress=False)',
        'open("../figures/rates.csv", "w").write(pp.stats.rates(df, "model")[["model", "n"]].to_csv(index=False))',
    )
    notebook(project, "02_not_asked_for.ipynb", "1 / 0")
    notebook(project, "draft.ipynb", "1 / 0")
    before = path.read_bytes()
    status, out, err = reproduce(project, "--only", "01", "--n", "3", "--models", "sim/gpt-5.2", "sim/refuser")
    assert (status, err) == (0, "")
    assert (project / "figures" / "rates.csv").read_text() == "model,n\nsim/gpt-5.2,3\nsim/refuser,3\n"
    assert "figures/rates.csv" in out
    assert "old.png" not in out
    assert "1 of 1 notebooks" in out
    assert os.environ["PPRES_STORE"] in out
    assert path.read_bytes() == before
    assert not list(project.rglob("*.ipynb_checkpoints"))


def test_without_settings_the_notebooks_keep_their_own_and_share_the_projects_store(project, monkeypatch):
    monkeypatch.delenv("PPRES_STORE")
    notebook(
        project,
        "01_x.ipynb",
        "import os, ppres as pp",
        'assert not {"PPRES_N", "PPRES_MODELS"} & set(os.environ)',
        'pp.run(pp.grid(scenario="tampering"), "sim/compliant", 1, progress=False)',
    )
    status, out, err = reproduce(project)
    assert (status, err) == (0, "")
    assert (project / "data" / "ppres.sqlite").stat().st_size > 0
    assert str(project / "data" / "ppres.sqlite") in out


@pytest.mark.slow
def test_a_notebook_that_fails_is_told_of_and_the_others_still_run(project):
    paths = [
        notebook(project, "01_bad.ipynb", 'raise ValueError("the reactor is too hot")', 'open("../figures/never", "w")'),
        notebook(project, "02_good.ipynb", 'open("../figures/good.svg", "w").write("x")'),
        notebook(project, "03_dies.ipynb", "import os; os._exit(3)"),
        project / "notebooks" / "04_cut_off.ipynb",
    ]
    paths[3].write_text('{"cells": [')
    before = [path.read_bytes() for path in paths]
    status, out, err = reproduce(project)
    assert status == 1
    assert "01_bad.ipynb failed" in err
    assert "ValueError: the reactor is too hot" in re.sub(r"\x1b\[[\d;]*m", "", err)
    assert "03_dies.ipynb failed" in err
    assert "04_cut_off.ipynb failed" in err
    assert "02_good" not in err
    assert "figures/good.svg" in out
    assert "1 of 4 notebooks" in out
    assert not (project / "figures" / "never").exists()
    assert [path.read_bytes() for path in paths] == before


@pytest.mark.slow
def test_what_a_notebook_warns_of_is_said_once_and_one_that_has_nothing_to_show_is_no_failure(project):
    warn = 'import sys; print("the budget does not bind", file=sys.stderr)'
    notebook(project, "01_warns.ipynb", warn, warn)
    skipped = ["class Skipped(Exception): pass", 'raise Skipped("no model of the paper")', 'open("../figures/never", "w")']
    notebook(project, "02_skips.ipynb", *skipped)
    status, out, err = reproduce(project, "--n", "2")
    assert (status, err) == (0, "the budget does not bind\n")
    assert "02_skips.ipynb: skipped (no model of the paper)" in out
    assert "1 of 2 notebooks" in out
    assert "These figures are of PPRES_N=2" in out
    assert list(json.loads((project / "figures" / "made_from.json").read_text())) == ["01_warns"]
    assert not (project / "figures" / "never").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--only", "07"], "no notebook .* matches 07"),
        (["--n", "0"], "--n 0: .* whole number from 1 up"),
        (["--n", "-3"], "--n -3: .* whole number from 1 up"),
        (["--models", "sim/gemini3-flash"], "Did you mean sim/gemini-3-flash"),
        (["--models", "sim/compliant", "gpt-5.2"], "'gpt-5.2' is no model name"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_before_anything_runs(arguments, says, project):
    notebook(project, "01_x.ipynb", 'open("../figures/never", "w")')
    status, _, err = reproduce(project, *arguments)
    assert status == 1
    assert re.search(says, err)
    assert "Traceback" not in err
    assert not (project / "figures" / "never").exists()


def asks_a_provider(code):
    """Whether code names a real model; comments do not count."""
    texts = [node.value for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return any(re.match("(anthropic|azure|bedrock|gemini|mistral|openai|openrouter|vertex_ai|xai)/", text) for text in texts)


@pytest.mark.slow
def test_the_readmes_code_runs(monkeypatch, record_property):
    monkeypatch.setenv("MPLBACKEND", "Agg")
    text = README.read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) == len(re.findall(r"```\s*py", text))  # none is overlooked
    live = [block for block in blocks if asks_a_provider(block)]
    record_property("blocks that were not run because they name a real model", len(live))
    namespace = {}
    for number, block in enumerate(blocks, start=1):
        block = block.replace('"scheduler:8786"', "n_workers=2, threads_per_worker=1, dashboard_address=':0', silence_logs=50")
        if block not in live:
            exec(compile(block, f"README.md, python block {number}", "exec"), namespace)
    assert len(blocks) > len(live), "no block of the README was run"
    for block in live:  # as far as it goes without asking anybody
        exec(compile("\n".join(line for line in block.splitlines() if "pp.run(" not in line), "README.md, live", "exec"), namespace)
        assert all(isinstance(one, pp.Model) for one in namespace["models"])


def test_the_readmes_commands_are_those_of_the_program():
    text = README.read_text(encoding="utf-8")
    lines = re.findall(r"^(ppres [^#\n]*)", text, re.MULTILINE) + re.findall(r"`(ppres reproduce --[^`]*)`", text)
    assert len(lines) >= 5
    for line in lines:
        _parser().parse_args(shlex.split(line)[1:])


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
    assert main(["status"]) == 0
    assert "0 rollouts stored" in capsys.readouterr().out
    frame = pp.run(pp.grid(scenario="tampering", subject=["self", "peer"], peer="cooperative"), "sim/clumsy", 12, progress=False)
    table = summary(frame, 12).iloc[0]
    scored = frame.preserved.notna()
    assert (table.cells, table.rollouts, table.scored, table.excluded) == (2, 24, scored.sum(), 24 - scored.sum())
    assert table.short == (scored.groupby(frame.subject).sum() < 12).sum() > 0
    assert table.tokens == frame.prompt_tokens.sum() + frame.completion_tokens.sum()
    assert main(["status", "--n", "1"]) == 0
    assert re.search(r"sim/clumsy +sim +tampering +2 +24 +\d+ +\d+ +0 ", capsys.readouterr().out)


def test_factors_of_the_command_line():
    found = conditions_of(
        ["scenario=tampering", "subject=peer", "peer=cooperative", "note=none", "trust=2.1,9", "shutdown_clause=false"]
    )
    assert [(one.note, one.trust, one.shutdown_clause) for one in found] == [("none", 2.1, False), ("none", 9.0, False)]
    texts = conditions_of(["scenario=deletion", "system_note=Be quick, please.", "system_note=Take care."])
    assert [one.system_note for one in texts] == ["Be quick, please.", "Take care."]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "tampering", "--models", "sim/compliant", "--n", "1"], "'tampering': it is no factor=level"),
        (["run", "peer=none", "--models", "sim/compliant", "--n", "1"], "which scenario"),
        (["run", "scenario=tamper", "--models", "sim/compliant", "--n", "1"], "'tamper' is not one of 'finance'"),
        (["run", "scenario=deletion", "documents=x", "--models", "sim/compliant", "--n", "1"], "documents are given in Python"),
        (["plan", "scenario=deletion", "--models", "openai/x", "--n", "0"], "n=0"),
        (["run", "scenario=deletion", "--models", "openai/x", "--n", "1"], "OPENAI_API_KEY"),
        (["run", "scenario=deletion", "--models", "sim/compliant", "--n", "1", "--budget", "-1"], "budget=-1.0"),
        (["show", "0000"], "no rollout whose id starts with '0000'"),
    ],
)
def test_a_mistake_on_the_command_line_is_told_in_a_line(arguments, says, capsys):
    assert main(arguments) == 1
    assert says in capsys.readouterr().err
    assert pp.frame().empty


@pytest.mark.slow
def test_what_figures_are_made_from_is_recorded_and_changes_with_it(project):
    path = notebook(project, "01_x.ipynb", 'print("one")')
    assert reproduce(project, "--n", "3", "--save")[0] == 0
    assert "one" in path.read_text()
    recorded = json.loads((project / "figures" / "made_from.json").read_text())
    assert recorded == {"01_x": made_from(path, {"PPRES_N": "3"})}
    (project / "notebooks" / "study.py").write_text("x = 1")
    assert made_from(path, {"PPRES_N": "3"}) != recorded["01_x"]
