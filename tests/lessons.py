"""Lessons in tests: their notebooks executed cell by cell, and answers put to their checks."""

import json
from pathlib import Path

import pytest

from ppres.course import student
from ppres.course.build import KINDS, sources
from ppres.course.check import answers

COURSE = Path(__file__).parent.parent / "notebooks" / "course"
STEMS = [path.stem for path in sources(COURSE)]


def cells(kind, stem):
    """Code cells of a notebook as it is kept, without its magics."""
    notebook = json.loads((COURSE / kind / f"{stem}{KINDS[kind]}").read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def failures(sources):
    """Execute code cells one after the other; the numbers of those that fail, with their errors."""
    space, failed = {"__name__": "__main__", "display": print}, {}
    for i, source in enumerate(sources):
        try:
            exec(compile(source, f"cell {i}", "exec"), space)
        except Exception as error:
            failed[i] = error
    return failed


def rejected(check, answer, says=None):
    """The check says what is wrong, in words that are not the answer."""
    with pytest.raises(answers.Wrong, match=says) as told:
        check(answer)
    return str(told.value)


def as_ada():
    """A student for whom checks know the data."""
    return student("Ada Lovelace")
