"""Notebooks and pages from sources."""

import json
import re

import lessons
import pytest

from ppres.course import build

SOURCE = """# %% [markdown]
# # Lesson 9. Try
#
# A text.

# %%
x = 1

# %%
def twice(number):
    # student: ...
    doubled = 2 * number
    return doubled
    # end


# student: y = ...
y = twice(x)
# end
"""


def test_what_is_kept_is_what_the_sources_give():
    assert build.build(lessons.COURSE, check=True) == []


@pytest.mark.parametrize("stem", lessons.STEMS)
def test_a_lesson_has_what_every_lesson_has(stem):
    """Exercises with time and weight, something to change, a control, and what was not shown."""
    cells = build.read(lessons.COURSE / f"{stem}.py")
    text = "\n".join(cell.text for cell in cells if cell.kind == "markdown")
    exercises = [cell.text for cell in cells if cell.exercise]
    assert 4 <= len(exercises) <= 7
    assert text.count("minutes · importance ●") == len(exercises) == text.count("### Exercise ")
    assert all(re.search(r"check\.lesson\d\.q\d", cell) for cell in exercises)
    needed = ("## Change one thing", "**Claim.**", "**Evidence.**", "**Control.**", "## What was not shown", "negative control")
    for words in needed:
        assert words in text, words
    assert all(len(line) <= 120 for cell in cells if cell.kind == "code" for line in cell.text.split("\n"))


def test_a_student_gets_stubs_and_a_solution_no_marks(tmp_path):
    (tmp_path / "lesson_9_try.py").write_text(SOURCE)
    made = build.build(tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in made] == [
        "student/lesson_9_try.ipynb",
        "solutions/lesson_9_try.ipynb",
        "pages/lesson_9_try.md",
    ]
    student, solution = ("".join(json.loads(path.read_text())["cells"][-1]["source"]) for path in made[:2])
    assert student == "def twice(number):\n    ...\n\n\ny = ..."
    assert solution == "def twice(number):\n    doubled = 2 * number\n    return doubled\n\n\ny = twice(x)"
    page = made[2].read_text()
    assert "doubled" not in page and "y = ..." in page and "CC BY 4.0" in page
    assert all(cell["metadata"] == {} for path in made[:2] for cell in json.loads(path.read_text())["cells"])


def test_freshness_is_told_and_nothing_written(tmp_path):
    source = tmp_path / "lesson_9_try.py"
    source.write_text(SOURCE)
    made = build.build(tmp_path)
    assert build.build(tmp_path) == []
    source.write_text(SOURCE.replace("A text.", "Another."))
    assert build.build(tmp_path, check=True) == made
    assert "Another." not in made[2].read_text()


def test_a_badge_and_an_install_line_where_the_repository_is_known(tmp_path):
    (tmp_path / "lesson_9_try.py").write_text(SOURCE)
    text = build.build(tmp_path, repository="someone/ppres")[0].read_text()
    assert "colab.research.google.com/github/someone/ppres/blob/v" in text and "git+https://github.com/someone/ppres@v" in text


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (SOURCE.replace("# end\n", "", 1).replace("# student: y = ...\n", "").replace("# end\n", ""), "without an `# end`"),
        (SOURCE.replace("    # student: ...\n", ""), "without a `# student:`"),
        (SOURCE.replace("# A text.", "A text."), "every line begins"),
        (SOURCE.replace("# %%\nx", "# %% tags=['x']\nx"), "not `# %% tags"),
    ],
)
def test_a_mistake_in_a_source_is_told(wrong, says, tmp_path):
    (tmp_path / "lesson_9_try.py").write_text(wrong)
    with pytest.raises(build.LessonError, match=says):
        build.build(tmp_path)


@pytest.mark.parametrize("stem", lessons.STEMS)
def test_jupytext_reads_the_same_cells(stem):
    jupytext = pytest.importorskip("jupytext")
    path = lessons.COURSE / f"{stem}.py"
    theirs = [(cell.cell_type, cell.source) for cell in jupytext.reads(path.read_text(), fmt="py:percent").cells]
    assert theirs == [(cell.kind, cell.text) for cell in build.read(path)]


@pytest.mark.slow
@pytest.mark.parametrize("stem", lessons.STEMS)
def test_solutions_run_and_students_fail_at_their_exercises_alone(stem, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # a lesson writes its page for coders where it runs
    monkeypatch.setenv("MPLBACKEND", "agg")
    assert lessons.failures(lessons.cells("solutions", stem)) == {}
    failed = lessons.failures(lessons.cells("student", stem))
    exercises = [i for i, text in enumerate(lessons.cells("student", stem)) if re.search(r"check\.lesson\d\.q\d", text)]
    assert [*failed] == exercises
