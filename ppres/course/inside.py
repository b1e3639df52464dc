"""Where a submission is executed, cell by cell: a process that hands answers out and never judges them.

Its standard input and output are lines of JSON from and to the grader. What a student wrote may send anything; it can only change
what its own answers are. An audit hook, which Python code cannot take away, refuses other programs, the network, and files outside.
"""

from __future__ import annotations

import ast
import asyncio
import base64
import contextlib
import dataclasses
import errno
import json
import numbers
import os
import pickle
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

REFUSED: tuple[str, ...] = ("os.fork", "os.exec", "os.spawn", "os.posix_spawn", "os.system", "os.kill", "os.startfile", "pty.")
REFUSED += ("subprocess.", "ctypes.", "socket.connect", "socket.bind", "socket.send", "socket.get", "sys.remote_exec", "signal.")
REFUSED += ("resource.",)
_MOST = 8_000_000  # characters of an answer: a frame of 100,000 rollouts and a few columns
_FULL = 2**20  # bytes: nothing larger can be written
_TIMED = r"%time(?:it(?:[ \t]+-\w+(?:[ \t]+\d+)?)*)?[ \t]++(?![-%!])"  # before a statement that counts all the same
_MAGIC = re.compile(rf"(\s*)(?:{_TIMED}(?P<statement>.*[^?\s])\s*|(?:[\w, ]+=\s*)?[%!?].*|[\w.*%]+\?\??\s*)")


def encode(value: Any, functions: list[Any], depth: int = 0) -> Any:
    """A value as JSON: what it is made of; a function as its number, and what else there is as the name of its type."""
    import numpy as np
    import pandas as pd

    def inner(member: Any) -> Any:
        return encode(member, functions, depth + 1)

    if value is None or type(value) in (bool, int, float, str):
        return value
    if value is pd.NA or value is pd.NaT:
        return float("nan")
    if isinstance(value, str | numbers.Real):
        return _exact(value)
    several = (("tuple", tuple), ("list", (list, pd.Index)), ("set", (set, frozenset)))
    told: dict[str, Any] = {"other": type(value).__name__}
    if value is ...:
        told = {"ellipsis": True}
    elif depth > 8:
        told = {"other": "something deeply nested"}
    elif isinstance(value, np.generic | np.ndarray):
        return inner(value.tolist())
    elif isinstance(value, pd.DataFrame):
        told = {"frame": [[inner(name), inner(column.tolist())] for name, column in value.items()], "index": inner(value.index)}
    elif isinstance(value, pd.Series):
        told = {"series": inner(value.tolist()), "index": inner(value.index)}
    elif isinstance(value, Mapping):
        told = {"mapping": [[inner(key), inner(member)] for key, member in value.items()]}
    elif kinds := [kind for kind, types in several if isinstance(value, types)]:
        told = {kinds[0]: [inner(member) for member in value]}
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        told = {"record": [[field.name, inner(getattr(value, field.name))] for field in dataclasses.fields(value)]}
    elif callable(value):
        functions.append(value)
        told = {"function": len(functions) - 1}
    return told


def _exact(value: str | numbers.Real) -> str | int | float:
    """The text or number that one of a subclass is, as an Enum or a Fraction."""
    if isinstance(value, str):
        return str.__str__(value)  # `str` would be the name in the Enum
    return int(value.numerator) if isinstance(value, numbers.Rational) and value.denominator == 1 else float(value)


class Channel:
    """Lines to and from the grader, kept from what the submission prints."""

    def __init__(self) -> None:
        self._in, self._out = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(nothing, number)

    def tell(self, **what: Any) -> None:
        """A line out."""
        line = json.dumps(what)
        if len(line) > _MOST:
            line = json.dumps(what | {"value": {"large": len(line)}})
        self._out.write(line.encode() + b"\n")
        self._out.flush()

    def hear(self) -> Any:
        """A line in."""
        line = self._in.readline()
        if not line:
            os._exit(0)
        return json.loads(line)

    def answered(self, name: str, answer: Any) -> None:
        """Hand an answer out, and call its functions for as long as the grader asks."""
        from ppres.course.students import present

        functions: list[Any] = []
        me = present()
        self.tell(answer=name, value=encode(answer, functions), student=me.name if me else "")
        while "call" in (asked := self.hear()):
            try:
                given = pickle.loads(base64.b64decode(asked["given"]))
                self.tell(value=encode(functions[asked["call"]](*given), functions))
            except BaseException as error:  # of `exit()`, too: the grader waits for this call, and no other
                self.tell(error=type(error).__name__, says=str(error)[:200])


def confine(readable: list[str], writable: str, room: int) -> None:
    """Refuse, from here on, what no lesson needs."""
    inside = (os.path.realpath(folder) + os.sep for folder in (*readable, writable))
    may_read = (*inside, os.devnull, "/dev/urandom", "/proc/self/")
    may_write = os.path.realpath(writable) + os.sep

    def refuse(event: str, given: tuple[Any, ...]) -> None:
        if event.startswith(REFUSED):
            raise PermissionError(f"{event} is not allowed in a submission")
        kind, path = event.partition(".")[0], given[0] if given else None
        if kind in ("open", "os", "shutil", "sqlite3", "glob") and isinstance(path, str | bytes | os.PathLike):
            place = os.path.realpath(os.fsdecode(path) or ".")
            reads = event in ("os.listdir", "os.scandir", "glob.glob") or (event == "open" and not _writes(given[2]))
            if not (place + os.sep).startswith(may_read if reads or place == os.devnull else may_write):
                raise PermissionError(f"{place} is outside of the submission")
            if event in ("open", "sqlite3.connect") and not reads and left(writable, room) <= 0:  # it may still remove
                raise OSError(errno.ENOSPC, f"more than the {room >> 20} MB that a submission may write")

    sys.addaudithook(refuse)


def left(writable: str, room: int) -> int:
    """Bytes that may still be written: of what a submission may, and of its own disk, if the box has given it one."""
    used = 0
    for folder, _, names in os.walk(writable):
        for name in names:
            with contextlib.suppress(FileNotFoundError):  # gone meanwhile, as a journal of SQLite's
                used += os.lstat(os.path.join(folder, name)).st_size
    disk = shutil.disk_usage(writable)
    return min(room - used, disk.free if disk.total <= room else room)


def _writes(flags: Any) -> bool:
    return not isinstance(flags, int) or bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def limit(megabytes: int, seconds: int) -> None:
    """Memory, processor time, size of files; where the system has such limits."""
    try:
        import resource
    except ImportError:
        return
    for what, most in (("AS", megabytes << 20), ("CPU", seconds), ("FSIZE", 64 << 20), ("CORE", 0), ("NOFILE", 256)):
        resource.setrlimit(getattr(resource, f"RLIMIT_{what}"), (most, most))


def _compiled(source: str, name: str) -> Any:
    """A cell without the lines for Jupyter, which are those at which Python stops: an operator or a text may begin so as well."""
    lines = source.split("\n")
    while True:
        try:
            return compile("\n".join(lines), name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        except SyntaxError as error:
            at = (error.lineno or 0) - 1
            if not (0 <= at < len(lines) and (line := _MAGIC.fullmatch(lines[at]))):
                raise
            lines[at] = line[1] + (line["statement"] or "pass")


def main() -> None:
    """Execute the cells that the grader gives, but for those that were the end of an earlier process."""
    channel, folder = Channel(), os.getcwd()
    job = channel.hear()
    for fonts in Path(folder).parent.glob("fontlist*.json"):  # else each process would look for fonts
        shutil.copy(fonts, folder)
    from ppres.course import syscalls
    from ppres.course.check import answers
    from ppres.engine.rollout import provenance

    for source in ("sim", "planted", "function", "human"):
        provenance(source)  # asks git, in a checkout, which is another program
    dead = set(job["dead"])
    answers.recorder = lambda name, answer: None if name in dead else channel.answered(name, answer)
    limit(job["megabytes"], job["seconds"])
    if job["bounded"]:
        syscalls.refuse()
    confine(job["readable"], folder, job["room"])
    space: dict[str, Any] = {"__name__": "__main__", "display": lambda *_: None}
    loop: asyncio.AbstractEventLoop | None = None
    for i, source in enumerate(job["cells"]):
        if i in job["skipped"]:
            continue
        channel.tell(cell=i)
        try:
            waits = eval(_compiled(source, f"cell {i}"), space)
            if waits is not None:  # for what it awaits
                loop = loop or asyncio.new_event_loop()
                loop.run_until_complete(waits)
        except BaseException as error:
            why = f"{type(error).__name__}: {str(error)[:200]}"
            if left(folder, job["room"]) < _FULL:
                why = f"the submission has written all of the {job['room'] >> 20} MB that it may: {why}"
            channel.tell(failed=i, why=why)
    channel.tell(end=True)
    os._exit(0)  # threads that it left end here


if __name__ == "__main__":
    main()
