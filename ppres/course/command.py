"""`ppres course`: what its parts do, told in lines."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from ppres import arguments
from ppres.conversation import visible
from ppres.course import build as notebooks
from ppres.outputs import written_whole


def build(repository: str, check: bool) -> None:
    """Make what is not fresh; with `check` raise `LessonError` where something is not."""
    changed = notebooks.build(repository=repository, check=check)
    if check and changed:
        raise notebooks.LessonError(f"not fresh, run `ppres course build`: {', '.join(path.name for path in changed)}")
    print("\n".join(map(str, changed)) or "All is fresh")


def older(folder: Path) -> list[Path]:
    """Which of the files of the data sets are in a folder already."""
    from ppres.course import capstone

    place = arguments.place(folder, "folder")
    return [place / name for name in capstone.FILES if (place / name).exists()]


def data(folder: Path, seed: int) -> None:
    """Write the data sets of the capstone project, whose rollouts are in no store of the teacher's."""
    from ppres.course import capstone

    with _own_store():
        print("\n".join(map(str, capstone.write(folder, seed))))


@contextlib.contextmanager
def _own_store() -> Iterator[None]:
    with tempfile.TemporaryDirectory(prefix="ppres-") as scratch, mock.patch.dict(os.environ, PPRES_STORE=f"{scratch}/s.sqlite"):
        yield


def grade(folder: Path, csv: Path | None, seconds: int) -> None:
    """Grade a folder; a line for each submission, and a CSV of all exercises."""
    from ppres.course import box
    from ppres.course import grade as grading

    since = time.monotonic()
    with _own_store():
        frame = grading.grade(folder, seconds)  # whose checks draw data of all students
    for name, rows in frame.groupby("file", sort=False):
        whole = rows.exercise != ""
        print(visible(f"{name}: {rows.right.sum()} of {whole.sum()}" if whole.any() else f"{name}: {rows.why.iloc[0]}"))
    print(f"{frame.file.nunique()} submissions in {time.monotonic() - since:.0f} s")
    if lacking := box.way()[1]:
        print(f"Not confined: {lacking}")
    if csv:
        # What a submission calls itself is no formula.
        frame = frame.replace(
            r"^(?=\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\n])", "'", regex=True
        )  # what a submission calls itself is no formula
        with written_whole(csv) as file:
            frame.to_csv(file, index=False)
