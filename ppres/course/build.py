"""Notebooks from lessons: a source (jupytext's percent format) gives a student notebook, a solution notebook and a page.

In a code cell the lines from `# student: x = ...` to `# end` are the solution; a student gets what stands behind `student:`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from ppres.outputs import folder_for
from ppres.reproduce import project

KINDS = {"student": ".ipynb", "solutions": ".ipynb", "pages": ".md"}
_STUB = re.compile(r"^(\s*)# student: ?(.*)$")
_LICENCE = "Text: CC BY 4.0. Code: MIT. The agents are **simulated**: what they do is no evidence about any real model."
_INSTALL = """# Where ppres is not installed yet, this line installs it, beside the pandas, scipy and seaborn that are there.
%pip install -q --no-deps {source}"""


class LessonError(ValueError):
    """A lesson's source is not written as it should be."""


class Cell(NamedTuple):
    """A cell of a lesson."""

    kind: str
    """markdown or code."""
    text: str

    @property
    def exercise(self) -> bool:
        """Whether a student has something to fill in."""
        return self.kind == "code" and "# student:" in self.text


def sources(folder: Path | None = None) -> list[Path]:
    """The lessons, in their order."""
    return sorted((folder or project() / "notebooks" / "course").glob("lesson_*.py"))


def read(path: Path) -> list[Cell]:
    """The cells of a lesson's source."""
    parts = re.split(r"^# %%[ ]*(.*)\n", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    cells = []
    for head, body in zip(parts[1::2], parts[2::2], strict=True):
        if head not in ("", "[markdown]"):
            raise LessonError(f"{path.name}: a cell begins with `# %%` or `# %% [markdown]`, not `# %% {head}`")
        lines = body.strip("\n").split("\n")
        if head:
            if wrong := [line for line in lines if line != "#" and not line.startswith("# ")]:
                raise LessonError(f"{path.name}: in a markdown cell every line begins with `# `, and one is {wrong[0]!r}")
            lines = [line[2:] for line in lines]
        cells.append(Cell("markdown" if head else "code", "\n".join(lines)))
    return cells


def _code(text: str, solved: bool) -> str:
    """A code cell without the marks, with or without the solutions."""
    lines, inside = [], False
    for line in text.split("\n"):
        if stub := _STUB.match(line):
            inside = True
            if not solved:
                lines.append(stub[1] + stub[2])
        elif line.strip() == "# end":
            if not inside:
                raise LessonError("`# end` without a `# student:` before it")
            inside = False
        elif solved or not inside:
            lines.append(line)
    if inside:
        raise LessonError("`# student:` without an `# end`")
    return "\n".join(lines)


def build(folder: Path | None = None, repository: str = "", check: bool = False) -> list[Path]:
    """Write notebooks and pages of all lessons, and return those that were not as they are now; `check` only says which.

    `repository` (owner/name on GitHub) gives the student notebooks a Colab badge and an install line of the released version.
    """
    folder = folder or project() / "notebooks" / "course"
    if not sources(folder):
        raise LessonError(f"no lesson in {folder}: a lesson is a file lesson_1_read.py")
    changed = []
    for path in sources(folder):
        cells = read(path)
        made = {
            "student": _notebook(_opened(cells, path.stem, repository), solved=False),
            "solutions": _notebook(_opened(cells, path.stem, ""), solved=True),
            "pages": _page(cells, path.stem),
        }
        for kind, text in made.items():
            target = folder / kind / f"{path.stem}{KINDS[kind]}"
            if not target.is_file() or target.read_text(encoding="utf-8") != text:
                changed.append(target)
                if not check:
                    folder_for(target.parent)
                    target.write_text(text, encoding="utf-8")
    return changed


def _opened(cells: list[Cell], stem: str, repository: str) -> list[Cell]:
    """With what every notebook has behind its first text: a badge where it is known where to, how to install, the licence."""
    from importlib.metadata import version

    tag = f"v{version('ppres')}"
    first, badge, source = cells[0].text, "", "ppres*.whl"
    if repository:
        at = f"https://colab.research.google.com/github/{repository}/blob/{tag}/notebooks/course/student/{stem}.ipynb"
        badge = f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({at})\n\n"
        source = f"git+https://github.com/{repository}@{tag}"
    install = _INSTALL.format(source=source).replace("\n%", "\n# %") if not repository else _INSTALL.format(source=source)
    return [Cell("markdown", f"{badge}{first}\n\n*{_LICENCE}*"), Cell("code", install), *cells[1:]]


def _notebook(cells: list[Cell], solved: bool) -> str:
    made = []
    for i, cell in enumerate(cells):
        text = _code(cell.text, solved) if cell.kind == "code" else cell.text
        kept: dict[str, Any] = {"cell_type": cell.kind, "id": f"c{i:02}", "metadata": {}, "source": text.splitlines(keepends=True)}
        made.append(kept | ({"execution_count": None, "outputs": []} if cell.kind == "code" else {}))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    whole = {"cells": made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _page(cells: list[Cell], stem: str) -> str:
    """A lesson to read, without solutions."""
    shown = [cell.text if cell.kind == "markdown" else f"```python\n{_code(cell.text, solved=False)}\n```" for cell in cells]
    link = f"*The notebook of this lesson: [student](../student/{stem}.ipynb). {_LICENCE}*"
    return "\n\n".join([shown[0], link, *shown[1:]]) + "\n"
