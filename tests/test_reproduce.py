"""`ppres reproduce` on a project of its own, in real processes and kernels."""

import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from ppres.cli import main
from ppres.reproduce import ReproduceError, Run, left, where
from ppres.reproduce import project as project_here
from ppres.reproduce import reproduce as reproduce_here


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


@pytest.fixture
def refused(project, monkeypatch, capsys):
    """Errors of a command that ends with status 1 before any notebook is run: in this process, which spares starting another."""

    def call(*arguments):
        monkeypatch.chdir(project / "figures")
        assert main(["reproduce", *arguments]) == 1
        return capsys.readouterr().err

    return call


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


@pytest.mark.slow
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
def test_what_a_kernel_says_beside_its_outputs_is_told_where_it_does_not_start(project):
    """Else it is of its own end: it may log that a socket was closed before its last flush."""
    notebook(project, "01_x.ipynb", "import atexit, os", 'atexit.register(os.write, 2, b"At my end.")')
    status, _, err = reproduce(project)
    assert (status, err) == (0, "")
    (project / "notebooks" / "ipykernel_launcher.py").write_text('raise SystemExit("no kernel today")')
    status, _, err = reproduce(project)
    assert status == 1 and "01_x.ipynb failed" in err and "kernel_info\nno kernel today\n" in err


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
    assert not (project / "figures" / "never").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--only", "07"], "no notebook .* matches 07"),
        (["--n", "0"], "n=0: .* whole number from 1 up"),
        (["--n", "-3"], "n=-3: .* whole number from 1 up"),
        (["--models", "sim/gemini3-flash"], "Did you mean sim/gemini-3-flash"),
        (["--models", "sim/compliant", "gpt-5.2"], "'gpt-5.2' is no model name"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_before_anything_runs(arguments, says, project, refused):
    notebook(project, "01_x.ipynb", 'open("../figures/never", "w")')
    err = refused(*arguments)
    assert re.search(says, err)
    assert "Traceback" not in err
    assert not (project / "figures" / "never").exists()


@pytest.mark.slow
def test_figures_are_in_a_notebook_wherever_figures_are_drawn(project):
    drawn = notebook(project, "01_drawn.ipynb", "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()")
    assert reproduce(project, "--save", MPLBACKEND="agg")[0] == 0
    (output,) = nbformat.read(drawn, as_version=4).cells[0].outputs
    assert "image/png" in output.data


# -- whether what is kept is what comes out ----------------------------------------------------------------------------

WRITES = """
from pathlib import Path
from study import RATE
Path("../figures/{name}.csv").write_text(f"rate\\n{{RATE:.3f}}\\n")
print("the rate is", RATE)
"""


@pytest.fixture
def kept(project):
    """A project whose notebooks and figures are as they come out."""
    (project / "notebooks" / "study.py").write_text("RATE = 0.25\n")
    notebook(project, "01_rates.ipynb", WRITES.format(name="rates"))
    notebook(project, "02_plain.ipynb", "1 + 1")
    shutil.copy(Path(__file__).parent.parent / "constraints.txt", project)
    assert reproduce(project, "--save")[0] == 0
    return project


def files(project):
    return {path.relative_to(project): path.read_bytes() for path in project.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_a_comment_makes_nothing_stale_and_a_check_changes_nothing(kept):
    (kept / "notebooks" / "study.py").write_text("RATE = 0.25  # of rollouts\n")
    before = files(kept)
    status, out, err = reproduce(kept, "--check")
    assert (status, err) == (0, "")
    assert "All is as it is kept" in out
    assert files(kept) == before


@pytest.mark.slow
def test_a_check_names_the_notebook_that_is_stale_and_what_of_it_differs(kept):
    (kept / "notebooks" / "study.py").write_text("RATE = 0.75\n")
    (kept / "figures" / "left_over.png").write_text("x")
    before = files(kept)
    status, out, err = reproduce(kept, "--check")
    assert status == 1
    assert "01_rates: the output of [1] differs; figures/rates.csv differs" in err
    assert "`ppres reproduce --save --only 01`" in err
    assert "02_plain" not in err
    assert "no notebook makes figures/left_over.png" in err
    assert "All is as it is kept" not in out
    assert files(kept) == before
    status, _, err = reproduce(kept, "--check", "--only", "02")
    assert (status, err) == (0, "")


@pytest.mark.slow
def test_what_is_saved_is_the_same_bytes_each_time(kept):
    before = files(kept)
    assert reproduce(kept, "--save")[0] == 0
    assert files(kept) == before
    saved = nbformat.read(kept / "notebooks" / "01_rates.ipynb", as_version=4)
    assert saved.metadata.language_info == {"name": "python"}


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (["--check", "--save"], {}),
        (["--check", "--models", "openai/gpt-5.2"], {}),
        (["--check"], {"PPRES_SOURCE": "live"}),
    ],
)
def test_a_check_neither_writes_nor_pays(arguments, environment, project, refused, monkeypatch):
    notebook(project, "01_x.ipynb", "1")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert "--check changes nothing and pays for nothing" in refused(*arguments)


# -- what is said meanwhile --------------------------------------------------------------------------------------------


def run(number, tmp_path, **state):
    return Run(Path(f"{number:02}_x.ipynb"), tmp_path, told=tmp_path / f"{number}.progress", **state)


def test_where_the_notebooks_are_is_told_by_rollouts_and_by_cells(tmp_path):
    runs = [
        run(1, tmp_path, outcome="done", began=0.0),
        run(2, tmp_path, began=60.0, cell=(2, 8)),
        run(3, tmp_path, began=70.0),
        run(4, tmp_path),
    ]
    runs[1].told.write_text("1200 4800 20.0")
    told = where(runs, 2, 80.0)
    assert "notebook 2 of 4 (02): 1,200 of 4,800 rollouts" in told
    assert "notebook 3 of 4 (03): starting" in told
    assert "notebook 4" not in told
    assert re.search(r"about \d+ (s|min) left$", told)
    runs[1].told.write_text("4800 4800 80.0")
    assert "notebook 2 of 4 (02): cell 2 of 8" in where(runs, 2, 140.0)
    assert where(runs[:1], 2, 140.0) == ""


def test_the_time_left_is_that_of_the_rollouts_and_of_the_notebooks_to_come(tmp_path):
    going = run(1, tmp_path, began=0.0, cell=(1, 2))
    going.told.write_text("0 400 0.0")
    assert left([going], 1, 10.0) == math.inf and where([going], 1, 10.0) == "notebook 1 of 1 (01): 0 of 400 rollouts"
    going.told.write_text("100 400 10.0")
    assert left([going], 1, 10.0) == pytest.approx(30)
    long = run(1, tmp_path, began=0.0, cell=(2, 6))  # nearly all of its time is that of these rollouts
    long.told.write_text("60 80 1500.0")
    assert left([long], 1, 1510.0) == pytest.approx(500)
    over = run(2, tmp_path, outcome="done", began=0.0)
    assert left([over, run(3, tmp_path), run(4, tmp_path)], 1, 50.0) == pytest.approx(100)


@pytest.mark.slow
def test_rollouts_are_counted_while_a_notebook_makes_them(project, monkeypatch, capsys):
    monkeypatch.chdir(project)
    monkeypatch.setattr("ppres.reproduce.EVERY", 0.1)
    tell = 'import os, time; from pathlib import Path; Path(os.environ["PPRES_PROGRESS"]).write_text("30 90 1.0"); time.sleep(3)'
    notebook(project, "01_x.ipynb", tell, "1")
    reproduce_here(only=["01"])
    said = capsys.readouterr().out
    assert "notebook 1 of 1 (01): 30 of 90 rollouts" in said
    assert re.search(r"01_x.ipynb: done in \d+ s, 1 s of them for 30 rollouts", said)


@pytest.mark.slow
@pytest.mark.parametrize(("ending", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)], ids=["Ctrl-C", "kill"])
def test_an_interrupt_ends_all_notebooks_and_not_the_one_under_way_alone(ending, status, project):
    notebook(project, "01_x.ipynb", 'import time; open("../figures/begun", "w").close(); time.sleep(20)')
    notebook(project, "02_x.ipynb", 'open("../figures/next", "w").close()')
    command = [str(Path(sys.executable).with_name("ppres")), "reproduce"]
    going = subprocess.Popen(command, cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (project / "figures" / "begun").exists():
        assert going.poll() is None
        time.sleep(0.05)
    time.sleep(1)  # it is in the middle of its cell
    going.send_signal(ending)
    assert going.wait(timeout=300) == status
    assert not (project / "figures" / "next").exists()


def test_rollouts_in_harnesses_are_made_anew_only_where_harnesses_are(project, refused, tmp_path, monkeypatch):
    notebook(project, "24_x.ipynb", 'import os; open("../figures/told", "w").write(os.environ["PPRES_HARNESS"])')
    monkeypatch.setenv("PPRES_HARNESSES", str(tmp_path))
    told = refused("--harness")
    assert "--harness: opencode is not installed: ppres harness install opencode (" in told and "; gemini-cli is not" in told
    assert not (project / "figures" / "told").exists()


def test_rollouts_in_harnesses_are_of_their_notebook_alone(project, monkeypatch):
    from ppres.harnesses import install

    monkeypatch.setattr(install, "missing", lambda name: [])
    monkeypatch.chdir(project)
    notebook(project, "23_x.ipynb", "1 / 0")
    notebook(project, "24_x.ipynb", 'import os; open("../figures/told", "w").write(os.environ["PPRES_HARNESS"])')
    reproduce_here(harness=True)
    assert (project / "figures" / "told").read_text() == "1"


def test_an_installed_package_takes_no_project_that_its_environment_lies_in(project, tmp_path, monkeypatch):
    """Called from elsewhere, the wheel in a checkout's environment executed all of its notebooks."""
    installed = project / ".venv" / "lib" / "site-packages" / "ppres" / "reproduce.py"
    monkeypatch.setattr("ppres.reproduce.__file__", str(installed))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ReproduceError, match="inside a clone"):
        project_here()
    monkeypatch.chdir(project / "notebooks")
    assert project_here() == project
