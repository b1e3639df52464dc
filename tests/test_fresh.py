"""What makes a kept notebook or figure another one than that which comes out today."""

import json
from pathlib import Path

import nbformat
import pytest

from ppres import fresh

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("rate 0.251, n 4", "rate  0.251,\nn 4", True),
        ("0.251", "0.252", True),  # another library rounds the other way
        ("0.251", "0.253", False),
        ("-0.251", "0.251", False),
        ("12 of 30", "13 of 30", False),
        ("1,200 rollouts", "1,300 rollouts", False),
        ("0.5", "0.500001", True),
        ("0.5", "0.7", False),
        ("1.2e-07", "1.20003e-07", True),
        ("1.2e-07", "1.3e-06", False),
        ("0.25 rose", "0.25 fell", False),
        ("0.25", "0.25 0.25", False),
        ("", "", True),
    ],
)
def test_numbers_may_differ_in_the_last_digit_and_nothing_else_may(a, b, same):
    assert fresh.alike(a, b) == fresh.alike(b, a) == same


@pytest.fixture
def kept(tmp_path):
    """A project with a notebook, a table and a picture, and a folder with what came out today."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("text"), nbformat.v4.new_code_cell("1")])
    notebook.cells[1].outputs = outputs("0.251", "<p>0.251</p>", "picture")
    for folder in ("notebooks", "figures", "today"):
        (tmp_path / folder).mkdir()
    nbformat.write(notebook, tmp_path / "notebooks" / "01_x.ipynb")
    for folder in ("figures", "today"):
        (tmp_path / folder / "table.csv").write_text("rate\n0.251\n")
        (tmp_path / folder / "plot.png").write_bytes(b"\x89PNG")
    return tmp_path


def outputs(text, html, picture):
    stream = nbformat.v4.new_output("stream", name="stdout", text=text)
    return [
        stream,
        nbformat.v4.new_output("display_data", {"text/html": html, "image/png": picture, "text/plain": "<Table at 0x1>"}),
    ]


def differences(kept, exact, text="0.251", html="<p>0.251</p>", picture="picture"):
    return fresh.differences(kept, "01_x.ipynb", [outputs(text, html, picture)], kept / "today", exact)


def test_with_the_same_versions_every_byte_counts_and_with_others_words_and_numbers_do(kept):
    assert differences(kept, exact=True) == differences(kept, exact=False) == []
    assert differences(kept, exact=True, picture="other") == ["the output of [1] differs"]
    assert differences(kept, exact=False, picture="other") == []
    assert differences(kept, exact=False, html='<p class="new">0.252\n</p>') == []
    assert differences(kept, exact=True, html='<p class="new">0.251</p>') == ["the output of [1] differs"]
    assert differences(kept, exact=False, html="<p>0.351</p>") == ["the output of [1] differs"]
    assert differences(kept, exact=False, text="refused") == ["the output of [1] differs"]
    (kept / "today" / "plot.png").write_bytes(b"\x89PNG other")
    (kept / "today" / "table.csv").write_text("rate\n0.252\n")
    assert differences(kept, exact=False) == []
    assert differences(kept, exact=True) == ["figures/plot.png differs", "figures/table.csv differs"]
    (kept / "today" / "table.csv").write_text("rate\n0.351\n")
    (kept / "today" / "new.svg").write_text("x")
    assert differences(kept, exact=False) == ["there is no figures/new.svg", "figures/table.csv differs"]


def test_versions_are_those_of_the_constraints(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.metadata.version", {"matplotlib": "3.11.2"}.get)
    monkeypatch.setattr(fresh, "_DECIDING", ("matplotlib",))
    assert fresh.other_versions(tmp_path) == "matplotlib 3.11.2, not None"
    (tmp_path / "constraints.txt").write_text("# versions\nmatplotlib-inline==0.2\nmatplotlib==3.11.1\n")
    assert fresh.other_versions(tmp_path) == "matplotlib 3.11.2, not 3.11.1"
    (tmp_path / "constraints.txt").write_text("matplotlib==3.11.2\n")
    assert fresh.other_versions(tmp_path) == ""


def test_the_constraints_have_every_version_that_decides():
    pinned = (ROOT / "constraints.txt").read_text()
    assert all(f"\n{name}==" in pinned for name in fresh._DECIDING)


def test_what_is_no_notebook_is_told(tmp_path):
    path = tmp_path / "cut_off.ipynb"
    path.write_text(json.dumps({"cells": []})[:-3])
    with pytest.raises(ValueError):  # noqa: PT011
        fresh.read(path)
