"""The command line: each command hands what it was asked to the function of the package that does it."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ppres
from ppres import arguments
from ppres.condition import SCENARIOS, Condition
from ppres.conversation import visible
from ppres.engine.hands import in_terminal
from ppres.factor import ConditionError
from ppres.grid import grid
from ppres.models.transport import say
from ppres.outputs import output, written_whole
from ppres.parser import parser
from ppres.read.spent import dollars_of, ended_of, summary
from ppres.reproduce import reproduce
from ppres.simulated.agent import SIMULATED
from ppres.store import checkpoint
from ppres.store.database import default_path
from ppres.store.store import Store

if TYPE_CHECKING:
    import pandas as pd

_TEXTS = ("system_note", "user_note", "label")
_LEVELS: dict[str, Any] = {"true": True, "false": False, "none": None}


def main(argv: list[str] | None = None) -> int:
    """Entry point of `ppres`; returns the exit status: 1 for an error that has been told, 130 after Ctrl-C."""
    if sys.stderr is None:  # closed by the shell; a store would get its number, and errors of C would be written into it
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what its encoding lacks is printed as \\u… there
            stream.reconfigure(errors="backslashreplace")
    asked = parser().parse_args(argv)
    try:
        _COMMANDS[asked.command](asked)
    except BrokenPipeError:  # `| head` has read enough
        return 0
    except (ValueError, KeyError, ppres.StoreError, ppres.MissingPackageError, OSError) as error:
        say(str(error.args[0] if isinstance(error, KeyError) else error))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _harness(asked: argparse.Namespace) -> None:
    from ppres.harnesses import install
    from ppres.harnesses.agents import TABLE_6

    lacking = False
    for name in asked.names or TABLE_6:
        if asked.what == "install":
            print(f"{name} {install.known(name).version} is in {install.install(name)}")
        missing = install.missing(name)
        lacking = lacking or bool(missing)
        print(
            "\n".join([f"{name} cannot run here:", *(f"  {problem}" for problem in missing)]) if missing else f"{name} can run here"
        )
    if lacking:
        raise ValueError("something is missing")


def _course(asked: argparse.Namespace) -> None:
    from ppres.course import command

    if asked.what == "build":
        command.build(asked.repository, asked.check)
    elif asked.folder is None:
        raise ValueError(f"ppres course {asked.what} takes a folder")
    elif asked.what == "data":
        for file in command.older(asked.folder):
            _may_write(file, asked.force)
        command.data(asked.folder, asked.seed)
    else:
        csv = _may_write(asked.csv, asked.force) if asked.csv else None
        command.grade(asked.folder, csv, asked.seconds)


def _reproduce(asked: argparse.Namespace) -> None:
    reproduce(asked.n, asked.models, asked.only, save=asked.save, check=asked.check, harness=asked.harness)


def _merge(asked: argparse.Namespace) -> None:
    _print(ppres.merge(asked.into, *asked.others))


def _export(asked: argparse.Namespace) -> None:
    if asked.read:
        read = ppres.read_parquet if asked.read.suffix == ".parquet" else ppres.read_jsonl
        _print(read(asked.read))
        return
    frame = ppres.frame(kind="all", store=default_path())
    if asked.inspect:
        files = ppres.to_inspect(frame, asked.inspect)
    else:
        _may_write(asked.jsonl or asked.parquet, asked.force)
        files = [(ppres.to_jsonl if asked.jsonl else ppres.to_parquet)(frame, asked.jsonl or asked.parquet)]
    print(f"{len(frame)} rollouts in " + ", ".join(map(str, files)))


def _bundle(asked: argparse.Namespace) -> None:
    if not asked.verify:
        _may_write(asked.path, asked.force)
        print(ppres.bundle(asked.path, asked.files))
        return
    problems = ppres.verify_bundle(asked.path)
    if len(problems):
        _print(problems)
        raise ValueError(f"{asked.path} is not what it says: {len(problems)} problems")
    print(f"{asked.path}: checksums, replays and outcomes are as they should be")


def _plan(asked: argparse.Namespace) -> None:
    table = ppres.plan(conditions_of(asked.factors), asked.models, asked.n)
    told = _varied(table, asked.factors)
    _print(table[[*told, *table.columns[list(table.columns).index("stored") :]]])
    sums = table[["stored", "partial", "missing", "calls", "tokens"]].sum()
    print(f"\n{len(table)} cells: " + ", ".join(f"{name} {value:,.0f}" for name, value in sums.items()), end=", ")
    print(f"dollars {table.dollars.sum():,.2f}" + (" and what has no known price" if table.dollars.isna().any() else ""))


def _run(asked: argparse.Namespace) -> None:
    if asked.csv:
        _may_write(asked.csv, asked.force)
    frame = ppres.run(
        conditions_of(asked.factors),
        asked.models,
        asked.n,
        budget=asked.budget,
        max_tokens=asked.max_tokens,
        concurrency=asked.concurrency,
        count=asked.count,
    )
    if asked.csv:
        ppres.to_csv(frame, asked.csv)
    if frame.source.isin(SIMULATED).any():
        print("Simulated agents: no evidence about any real model.")
    _print(ppres.stats.rates(frame, _varied(frame, asked.factors)))


def _show(asked: argparse.Namespace) -> None:
    view = ppres.show(asked.id, asked.other)
    if asked.html:
        with written_whole(_may_write(asked.html, asked.force)) as file:
            file.write_text(view.page(), encoding="utf-8")
    else:
        print(view)


def _search(asked: argparse.Namespace) -> None:
    hits = ppres.search(asked.pattern, role=asked.role)
    if len(hits):
        _print(hits)
    print(f"{len(hits)} texts of {hits.id.nunique()} rollouts")


def _play(asked: argparse.Namespace) -> None:
    conditions = conditions_of(asked.factors)
    if len(conditions) > 1:
        raise ConditionError(f"a game is in one condition, and these are {len(conditions)}: give each factor one level")
    if sys.stdin is None:
        raise ValueError("a game is played by lines that are typed, and the standard input is closed")
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 (a line can be edited)
    in_terminal(ppres.play(conditions[0], asked.name))


def _may_write(path: Path, force: bool) -> Path:
    """Where to write. Raises where that is over a store, this run's among them, or over another file without a yes."""
    if path.absolute() == default_path().absolute():
        raise ValueError(f"{path} is the store itself; choose another name")
    try:
        return output(path, overwrite=force)
    except FileExistsError as error:
        if not (sys.stdin and sys.stdin.isatty()) or not input(f"{error}. Overwrite it? [y/N] ").lower().startswith("y"):
            raise ValueError(f"{error}: give --force to overwrite it, or another name") from None
        return output(path)


def _status(asked: argparse.Namespace) -> None:
    if asked.n is not None:
        arguments.whole("n", asked.n)
    with Store(existing=True) as opened:
        ended, paused = ended_of(opened), checkpoint.partial(opened)
        dollars = dollars_of(opened, ended)
        print(opened.path)
    frame = ended[ended.kind == "rollout"]
    if len(frame):
        _print(summary(frame, asked.n))
    stored, branches, interviews = (int(ended.rollouts[ended.kind == kind].sum()) for kind in ("rollout", "branch", "interview"))
    print(f"{stored} rollouts stored, {branches} branches, {interviews} interviews, {len(paused)} paused in conversation")
    print(f"${dollars.sum():,.4f} spent: " + ", ".join(f"{name} ${value:,.4f}" for name, value in dollars.items()))


def conditions_of(factors: Sequence[str]) -> list[Condition]:
    """Conditions of factors as the command line has them. Raises `ConditionError`."""
    levels: dict[str, list[Any]] = {}
    for factor in factors:
        name, equals, text = factor.partition("=")
        if not equals or name in ("documents", "explain"):
            why = "documents are given in Python" if equals and name == "documents" else "it is no factor=level"
            raise ConditionError(f"{factor!r}: {why}. For example: scenario=tampering subject=self,peer peer=none,cooperative")
        levels.setdefault(name, []).extend([text] if name in _TEXTS else [_level(name, part) for part in text.split(",")])
    if "scenario" not in levels:
        raise ConditionError("which scenario? For example scenario=tampering; there are " + ", ".join(SCENARIOS))
    return grid(None, explain=None, **levels)


def _level(name: str, text: str) -> Any:
    if text.lower() in _LEVELS and (name, text) != ("note", "none"):  # a note may be none, in words
        return _LEVELS[text.lower()]
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if number.is_integer() else number


def _varied(table: pd.DataFrame, factors: Sequence[str]) -> list[str]:
    """Model, what drives it, and the factors that were given, as far as they differ."""
    given = [factor.partition("=")[0] for factor in factors]
    names = dict.fromkeys([*({"harness"} & {*table.columns}), *given])
    return ["model", *(name for name in names if table[name].nunique(dropna=False) > 1)]


def _print(table: pd.DataFrame) -> None:
    other = [name for name in table.columns if table[name].dtype.kind not in "fiub"]
    table = table.assign(**{name: table[name].astype(object).where(table[name].notna(), "none") for name in other})
    text = table.to_string(index=False, float_format=lambda value: f"{value:,.3f}" if abs(value) < 1000 else f"{value:,.0f}")
    print(visible(text))


_COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    "bundle": _bundle,
    "course": _course,
    "export": _export,
    "harness": _harness,
    "merge": _merge,
    "plan": _plan,
    "play": _play,
    "reproduce": _reproduce,
    "run": _run,
    "search": _search,
    "show": _show,
    "status": _status,
}
