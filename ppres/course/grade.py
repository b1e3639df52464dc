"""Grading a folder of notebooks: each is executed in a process of its own, and every exercise counts alone.

The submission hands out answers, this process judges them: functions are called over there, and what comes back is data,
no more. What ends the process, or its time, costs the answer or the cell that did it; the rest is done in a new one.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import importlib
import json
import math
import os
import pickle
import re
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from ppres import arguments, codec
from ppres.conversation import visible
from ppres.course import box
from ppres.course.check import answers
from ppres.course.decode import ODD, Decoder, Ended
from ppres.course.students import Student

SECONDS, MEGABYTES = 30, 2048  # for a cell, with the check in it; for a process
_ROUNDS, _START = 12, 30  # processes for one submission, at most; seconds for one to start, beside those of a cell
_LAST = 3  # seconds for a thread to end, once nothing is waited for
_LARGEST = 64 * 2**20  # bytes of a notebook
_VALUES = 2_000_000  # of a notebook or a line: in memory they take many times what they take there
_LINE = 10_000_000  # bytes
_ALL = 64 * 2**20  # bytes of the lines of one submission: what this process, which has no limit, may have to hold
COLUMNS = ["file", "student", "exercise", "right", "why"]


_ENDS = (".ipynb", ".ipynb.json")  # the second as some drives hand them out


def grade(folder: Path, seconds: int = SECONDS, megabytes: int = MEGABYTES) -> pd.DataFrame:
    """A row for each exercise of each notebook in a folder, and in those below that are not hidden, as `.ipynb_checkpoints` is.

    It has file, student, exercise, whether it is right, and what is wrong.
    """
    seconds = arguments.whole("seconds", seconds)
    megabytes = arguments.whole("megabytes", megabytes)
    place = arguments.place(folder, "folder")
    below = sorted(path.relative_to(place) for path in place.rglob("*") if path.name.lower().endswith(_ENDS))
    names = [path for path in below if not any(part.startswith(".") for part in path.parts[:-1])]
    if not names:
        raise ValueError(f"there is no notebook in {folder}")
    begun: list[Submission] = []
    rows = _each([functools.partial(_graded, place, name, seconds, megabytes, begun) for name in names], begun)
    frame = pd.DataFrame(rows, columns=COLUMNS)
    of_one = frame[frame.student != ""].groupby(frame.student.str.casefold()).file.unique()
    for files in of_one[of_one.map(len) > 1]:
        several = frame.file.isin(files)
        frame.loc[several, "why"] = (frame.why[several] + f" [same name in {', '.join(files)}]").str.strip()
    return frame


def _each(jobs: list[Callable[[], list[dict[str, Any]]]], begun: list[Submission]) -> list[dict[str, Any]]:
    """The rows of all, some at a time. Ctrl-C waits for none: an executor would, until its threads end by themselves."""
    futures: list[Future[list[dict[str, Any]]]] = [Future() for _ in jobs]
    left = list(zip(jobs, futures, strict=True))
    waiting, rows = iter(left), list[dict[str, Any]]()

    def work() -> None:
        for job, future in waiting:
            try:
                future.set_result(job())
            except BaseException as error:
                future.set_exception(error)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(4, os.cpu_count() or 1))]
    for thread in threads:
        thread.start()
    try:
        for future in futures:
            while wait([future], _LAST).not_done:  # a signal that comes just before this thread sleeps is seen only when it wakes
                pass
            rows += future.result()
        return rows
    except BaseException:
        left.clear()
        for thread in threads:  # which are about to clear up behind themselves
            for submission in begun:
                submission.stop()
            thread.join(_LAST)
        raise


def _graded(folder: Path, name: Path, seconds: int, megabytes: int, begun: list[Submission]) -> list[dict[str, Any]]:
    nothing = dict.fromkeys(COLUMNS, "") | {"file": _legible(name.as_posix()).replace("\n", "\u240a"), "right": False}
    path = folder / name
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST:  # what was handed in may be a pipe, or lead to a device
            return [nothing | {"why": f"no notebook: no file, or one of more than {_LARGEST // 2**20} MB"}]
        text = path.read_text(encoding="utf-8-sig")
        codec.check(text, _VALUES)
        cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
        sources = ["".join(cell["source"]) for cell in cells]
    except (ValueError, KeyError, TypeError, OSError, RecursionError) as error:
        why = str(error) if type(error) is ValueError else type(error).__name__
        return [nothing | {"why": f"no notebook: {why}"}]
    lessons = [lesson for lesson in _asked("\n".join(sources)) if _rules(lesson)]
    if not lessons:
        return [nothing | {"why": "no exercise of the course in it"}]
    work = Submission(sources, seconds, megabytes)
    begun.append(work)
    work.run()
    rows = []
    for exercise in (exercise for lesson in lessons for exercise in _rules(lesson)):
        why = work.verdicts.get(exercise, work.why_not(exercise))
        told = {"student": _legible(work.student[:500]), "exercise": exercise, "right": not why, "why": _legible(why[:500])}
        rows.append(nothing | told)
    return rows


def _asked(source: str) -> list[str]:
    """The lessons whose checks are called, by whatever name they were imported."""
    imported = "\n".join(re.findall(r"\bcheck import .*", source))
    called = re.findall(r"\b(?:check\.|(?=lesson\d+\.q\d))(lesson\d+)", source)
    return [*dict.fromkeys(called + re.findall(r"\blesson\d+", imported))]


def _legible(text: str) -> str:
    """What a submission says, as a text that can be written and printed."""
    return visible(text.encode("utf-8", "replace").decode())


def _rules(lesson: str) -> list[str]:
    with contextlib.suppress(ModuleNotFoundError):
        importlib.import_module(f"ppres.course.check.{lesson}")
    return sorted(name for name in answers.RULES if name.startswith(f"{lesson}."))


@dataclass
class Submission:
    """One notebook, in as many processes as it ends."""

    cells: list[str]
    seconds: int
    megabytes: int
    student: str = ""
    verdicts: dict[str, str] = field(default_factory=dict)
    """Of the exercises that were answered: what is wrong, or nothing."""
    failed: dict[int, str] = field(default_factory=dict)
    skipped: list[int] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)
    _process: subprocess.Popen[bytes] | None = None
    _in: Any = None
    _out: Any = None
    _until: float = math.inf
    _left: int = field(default_factory=lambda: _ALL)

    def run(self) -> None:
        """Execute it, anew without what ended it until it comes to its end, or for too long."""
        whole = _ROUNDS * (self.seconds + _START)
        self._until = min(self._until, time.monotonic() + whole)
        for _ in range(_ROUNDS):
            with box.process() as self._process:
                self._in, self._out = self._process.stdin, self._process.stdout
                self._cell, self._exercise = -1, ""
                try:
                    self._converse()
                    return
                except Ended as end:
                    why = str(end) or f"ended its process, or took more than {self.seconds} s or {self.megabytes} MB"
                finally:
                    self._watch.cancel()
            if time.monotonic() > self._until:
                break
            if self._exercise:
                self.verdicts[self._exercise] = f"checking this answer {why}"
                self.dead.append(self._exercise)
            elif self._cell < 0:
                self.failed[-1] = f"the submission {why if self._left < 0 else 'could not be executed'}"
                return
            else:
                self.failed[self._cell] = f"its cell {why}"
                self.skipped.append(self._cell)
        self.failed[-1] = f"the submission ended {_ROUNDS} processes, or took more than {whole:.0f} s in all"

    def stop(self) -> None:
        """End its process, from another thread, and begin no other."""
        self._until = -math.inf
        if self._process:
            box.kill(self._process)

    def why_not(self, name: str) -> str:
        """Why an exercise has no answer."""
        at = [i for i, source in enumerate(self.cells) if f"{name}(" in source]
        told = [self.failed[i] for i in (*at, -1) if i in self.failed]
        return f"no answer: {told[0]}" if told else "no answer" + ("" if at else ": the line with its check is not there")

    def _converse(self) -> None:
        job = {"cells": self.cells, "skipped": self.skipped, "dead": self.dead, "megabytes": self.megabytes, "room": box.ROOM}
        job |= {"seconds": 20 * self.seconds, "readable": box.readable(), "bounded": box.bounded()}
        self._send(job, more=_START)
        left = iter([i for i in range(len(self.cells)) if i not in self.skipped])
        while True:
            match self._hear():
                case {"cell": number} if number == next(left, None):  # each begins once, in its order: so does its time
                    self._cell, self._watch = int(number), self._alarm(self.seconds)
                case {"failed": number, "why": str(why)} if number == self._cell:
                    box.spare()
                    self.failed[self._cell] = why[:500]
                case {"answer": str(name), "student": str(student), "value": value}:
                    self._judge(name, student, value)
                case {"end": True}:
                    return
                case _:
                    raise Ended(ODD)

    def _judge(self, name: str, student: str, value: Any) -> None:
        self.student = self.student or student
        rule = answers.RULES.get(name)
        if rule and not student:
            self.verdicts[name] = "no answer: the submission does not say whose it is (course.student)"
        elif rule and student.casefold() != self.student.casefold():  # or it could be what another has found in their own data
            self.verdicts[name] = f"no answer of {self.student}, whose notebook this is: it was given as {student}"
        elif rule:
            self._exercise = name
            try:
                answers.judge(rule, Decoder(self._call).decode(value), Student(self.student, graded=True))
                self.verdicts[name] = ""
            except Exception as error:
                wrong = isinstance(error, answers.Wrong)
                if not wrong:
                    box.spare()
                self.verdicts[name] = str(error) if wrong else f"could not be checked: {type(error).__name__}: {error}"[:200]
            self._exercise = ""
        self._send({"verdict": True})

    def _call(self, function: int, *given: Any) -> Any:
        self._send({"call": function, "given": base64.b64encode(pickle.dumps(given)).decode()})
        told = self._hear()
        if "error" in told:
            raise type(str(told["error"]), (Exception,), {})(str(told["says"]))
        return Decoder(self._call).decode(told["value"])

    # -- lines to and from the process ---------------------------------------------------------------------------------

    def _alarm(self, seconds: float) -> threading.Timer:
        """End the process after so long, which ends all waiting for it; the alarm before is off."""
        if hasattr(self, "_watch"):
            self._watch.cancel()
        timer = threading.Timer(max(0.0, min(seconds, self._until - time.monotonic())), box.kill, [self._process])
        timer.daemon = True
        timer.start()
        return timer

    def _send(self, what: Any, more: float = 0) -> None:
        if more:
            self._watch = self._alarm(self.seconds + more)  # it starts
        try:
            self._in.write(json.dumps(what).encode() + b"\n")
            self._in.flush()
        except OSError:
            raise Ended from None

    def _hear(self) -> dict[str, Any]:
        line = self._out.readline(_LINE)
        self._left -= len(line)
        if self._left < 0:
            raise Ended(f"sent the grader more than the {_ALL // 2**20} MB that it takes from one submission")
        if not line.endswith(b"\n") and len(line) < _LINE:
            raise Ended
        try:
            codec.check(line, _VALUES)
            told = json.loads(line)
        except (ValueError, RecursionError):
            raise Ended(ODD) from None
        if not isinstance(told, dict):
            raise Ended(ODD)
        return told
