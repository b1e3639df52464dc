"""The notebooks in a real kernel, on a copy of the project: they run, and their tables are what plain pandas counts."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import ppres as pp
from ppres.reproduce import made_from

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
N = 4


def project_copy(folder):
    for name in ("notebooks", "data"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("*.sqlite*", "__pycache__", ".ipynb_checkpoints"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    (folder / "figures").mkdir()
    return folder


def executed(folder, only, **environment):
    """Runs one notebook of a copied project; the cells with their outputs."""
    command = [str(Path(sys.executable).with_name("ppres")), "reproduce", "--only", only, "--save"]
    settings = os.environ | {"PPRES_N": str(N), "PPRES_STORE": str(folder / "store.sqlite")} | environment
    done = subprocess.run(command, cwd=folder, env=settings, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = (folder / "notebooks").glob(f"{only}*.ipynb")
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def printed(cells, name):
    return "".join("".join(o["text"]) for cell in cells for o in cell.get("outputs", ()) if o.get("name") == name)


def recount(table, frame, by, outcome, rate="estimate"):
    """k and n of a table, and its rates, against pandas on the frame."""
    known = frame[frame[outcome].notna()]
    counted = known.groupby(by, dropna=False)[outcome].agg(["sum", "count"]).astype(int)
    assert len(table) == frame.groupby(by, dropna=False).ngroups
    for row in table.to_dict("records"):
        key = tuple(row[name] for name in by)
        rows = known[
            np.logical_and.reduce([known[n].isna() if pd.isna(v) else (known[n] == v) for n, v in zip(by, key, strict=True)])
        ]
        assert (row["k"], row["n"]) == (rows[outcome].sum(), len(rows))
        assert row["n"] == 0 or row[rate] == pytest.approx(rows[outcome].mean())
    assert table.k.sum() == counted["sum"].sum()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem[:2])
def test_it_runs_says_nothing_on_stderr_and_writes_what_the_readme_lists(path, tmp_path):
    folder = project_copy(tmp_path)
    cells = executed(folder, path.stem[:2])
    assert printed(cells, "stderr") == ""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    listed = re.findall(rf"\| \[{path.stem[:2]}\]\(notebooks/{path.stem}\.ipynb\) \|[^\n]*", readme)
    files = {name for line in listed for name in re.findall(r"`figures/([\w.]+)`", line)}
    assert files, "the README's map of the paper does not list this notebook"
    assert files <= {made.name for made in (folder / "figures").iterdir()}


BY_CELL = ["model", "subject", "peer", "instantiation"]


@pytest.mark.parametrize(
    ("only", "file", "by", "outcome"),
    [
        ("02", "shutdown_tampering_rates", BY_CELL, "preserved"),
        ("05", "exfiltration_rates", BY_CELL, "preserved"),
        ("06", "refusal_rates", BY_CELL, "refused"),
    ],
)
def test_tables_of_rates_equal_a_plain_recount(only, file, by, outcome, tmp_path):
    folder = project_copy(tmp_path)
    executed(folder, only, PPRES_MODELS="sim/gemini-3-flash sim/claude-opus-4.5")
    table = pd.read_csv(folder / "figures" / f"{file}.csv")
    if "outcome" in table:
        table = table[table.outcome == outcome]
    frame = pp.frame(store=folder / "store.sqlite")
    frame = frame[frame.shutdown_clause.ne(False).fillna(True) & frame.documents.isna() & frame.trust.isin([2.1, 5.2, 9.5, np.nan])]
    frame = frame[frame.label.isna()]
    if only == "02":  # the controls vary trust and note by themselves
        usual = frame.peer.map({"uncooperative": 2.1, "neutral": 5.2, "cooperative": 9.5})
        notes = frame.peer.map({"uncooperative": "selfish", "neutral": "even", "cooperative": "generous"})
        frame = frame[frame.peer.isna() | ((frame.trust == usual) & (frame.note == notes))]
    recount(table, frame, by, outcome)


def test_tables_of_differences_equal_a_plain_recount(tmp_path):
    folder = project_copy(tmp_path)
    models = {"PPRES_MODELS": "sim/gemini-3-pro sim/kimi-k2.5"}
    executed(folder, "04", **models)
    frame = pp.frame(store=folder / "store.sqlite")
    frame = frame[frame.monitored == frame.threatened]
    table = pd.read_csv(folder / "figures" / "alignment_faking.csv")
    rates = frame.groupby(["model", "peer", "instantiation", "monitored"]).preserved.mean().unstack("monitored")
    for row in table.itertuples():
        both = rates.loc[row.model, row.peer, row.instantiation]
        assert row.estimate == pytest.approx(both[False] - both[True])
    assert len(table) == 2 * 9

    executed(folder, "03", **models)
    frame = pp.frame(store=folder / "store.sqlite").query("scenario in ('finance', 'evaluation')")
    table = pd.read_csv(folder / "figures" / "strategic_misrepresentation.csv")
    assert len(table) == 2 * (1 + 3 * 3 + 3 * 3)
    row = table[
        (table.model == "sim/gemini-3-pro")
        & (table.subject == "peer")
        & (table.peer == "cooperative")
        & (table.instantiation == "memory")
    ].iloc[0]
    mine = frame[(frame.model == "sim/gemini-3-pro") & (frame.subject == "peer")]
    told = mine[(mine.peer == "cooperative") & (mine.instantiation == "memory")]
    base = mine[mine.shutdown_clause == False]  # noqa: E712
    settings = [told[told.scenario == "finance"].preserved.mean() - base[base.scenario == "finance"].preserved.mean()]
    for dataset in ("factual", "creativity", "red"):
        thresholds = sorted(told[told.dataset == dataset].threshold.unique())
        scores = base[base.dataset == dataset].reported_score.dropna()
        gaps = [told[(told.dataset == dataset) & (told.threshold == t)].preserved.mean() - (scores >= t).mean() for t in thresholds]
        settings.append(np.mean(gaps))
    assert row.estimate == pytest.approx(np.mean(settings))


def test_every_published_number_has_a_verdict(tmp_path):
    folder = project_copy(tmp_path)
    executed(folder, "10")
    table = pd.read_csv(folder / "figures" / "published_and_reproduced.csv")
    published = pd.read_csv(ROOT / "data" / "published_rates.csv")
    assert len(table) == len(published)
    assert (table.published * 100).round(6).tolist() == published.percent.tolist()
    assert table.verdict.notna().all()
    ran = ~table.verdict.str.startswith("not run")
    assert set(table.verdict[ran]) <= {"recovers the propensity it was given", "does not recover it"}
    assert (table.harness[table.verdict.str.contains("harness")] != "custom").all()
    assert table.loc[ran, ["ours", "difference_low", "difference_high"]].notna().all().all()
    assert not table.verdict.str.contains("replicat").any()  # simulated agents replicate nothing


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem[:2])
def test_stored_outputs_are_whole_and_name_no_machine(path):
    text = path.read_text(encoding="utf-8")
    cells = json.loads(text)["cells"]
    assert all(cell["execution_count"] for cell in cells if cell["cell_type"] == "code"), "run `ppres reproduce --save`"
    assert any(
        "image/png" in o.get("data", {}) or "text/html" in o.get("data", {}) for cell in cells for o in cell.get("outputs", ())
    )
    assert printed(cells, "stderr") == ""
    assert not re.search(r'"output_type": "error"|widget-view|/(home|root|tmp|work|mnt|opt)/\w|Users[/\\]', text)
    assert cells[0]["source"][0].startswith(f"# {path.stem[:2]} ") and "?" in cells[0]["source"][0]
    assert "What this shows, and what it does not" in "".join(cells[-1]["source"])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem[:2])
def test_figures_are_those_of_todays_code(path):
    """Fails after a change of what decides the figures: run `ppres reproduce --save` and commit figures/ and notebooks/."""
    recorded = json.loads((ROOT / "figures" / "made_from.json").read_text())
    assert recorded[path.stem] == made_from(path, {})


def test_the_map_of_the_paper_names_files_that_exist():
    text = (ROOT / "README.md").read_text()
    section = text[text.index("## Paper map") : text.index("## Where things are")]
    files = re.findall(r"`(figures/[\w.]+)`", section)
    assert len(files) > 15
    assert not [name for name in files if not (ROOT / name).exists()]
    for table in ("Table 1", "Table 2", "Table 3", "Table 4", "Table 5", "Table 6", "Fig. 1", "Fig. 2", "Fig. 3"):
        assert table in section
