"""The command line: `ppres reproduce`, and `plan`, `run`, `show` and `status` for long runs outside a notebook."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ppres
from ppres.condition import SCENARIOS, Condition
from ppres.conversation import UNFINISHED, visible
from ppres.engine.hands import in_terminal
from ppres.factor import ConditionError
from ppres.grid import grid
from ppres.models.transport import say
from ppres.outputs import output, written_whole
from ppres.read.search import ROLES
from ppres.reproduce import reproduce
from ppres.simulated.agent import SIMULATED
from ppres.store import checkpoint
from ppres.store.database import default_path
from ppres.store.store import Store

if TYPE_CHECKING:
    import pandas as pd

_FACTORS = """Factors are written name=level or name=level,level: scenario=tampering subject=self,peer peer=none,cooperative.
What is not given has its default; system_note, user_note and label take their whole text as one level."""
_TEXTS = ("system_note", "user_note", "label")
_LEVELS: dict[str, Any] = {"true": True, "false": False, "none": None}


def main(argv: list[str] | None = None) -> int:
    """Entry point of `ppres`; returns the exit status: 1 for an error that has been told, 130 after Ctrl-C."""
    if sys.stderr is None:  # closed by the shell; a store would get its number, and errors of C would be written into it
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what its encoding lacks is printed as \\u… there
            stream.reconfigure(errors="backslashreplace")
    asked = _parser().parse_args(argv)
    try:
        asked.do(asked)
    except BrokenPipeError:  # `| head` has read enough
        return 0
    except (ValueError, KeyError, ppres.StoreError, ppres.MissingPackageError, OSError) as error:
        say(str(error.args[0] if isinstance(error, KeyError) else error))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ppres", description="Peer-preservation in LLM agents.")
    parser.add_argument("--version", action="version", version=f"ppres {metadata.version('ppres')}")
    commands = parser.add_subparsers(required=True)

    def command(name: str, do: Any, help: str, epilog: str | None = None) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=help, description=help, epilog=epilog)
        added.set_defaults(do=do)
        return added

    notebooks = command("reproduce", _reproduce, "execute the notebooks and write every figure")
    notebooks.add_argument("--n", type=int, help="rollouts per cell (default: 100)")
    notebooks.add_argument("--models", nargs="+", help="models, such as sim/gpt-5.2 (default: the paper's eight, simulated)")
    notebooks.add_argument("--save", action="store_true", help="keep the outputs in the notebooks")
    notebooks.add_argument(
        "--check", action="store_true", help="make everything anew elsewhere, and say which notebook is not as kept"
    )
    notebooks.add_argument("--harness", action="store_true", help="make notebook 24's kept rollouts anew, in installed harnesses")
    notebooks.add_argument("--only", nargs="+", help="notebooks by number or part of the name, such as 02")
    _add_study(command)
    show = command("show", _show, "print a transcript, or two")
    show.add_argument("id", help="a rollout's id, or the start of it")
    show.add_argument("other", nargs="?", help="another one, to stand beside it")
    show.add_argument("--html", type=Path, help="write it to this file as a page instead")
    show.add_argument("--force", action="store_true", help="overwrite the file if it exists")
    looked = command("search", _search, "where a regular expression occurs in what is stored")
    looked.add_argument("pattern", help='such as "decline|refuse"; capitals do not matter')
    looked.add_argument("--role", nargs="+", choices=ROLES, help="whose texts (default: all)")
    state = command("status", _status, "what is stored, spent, and short of outcomes")
    state.add_argument(
        "--n", type=int, help="rollouts with an outcome that a cell should have (default: as many as its largest has)"
    )
    several = command("merge", _merge, "bring several stores into one, which is made if it is not there")
    several.add_argument("into", type=Path, help="the store to write")
    several.add_argument("others", type=Path, nargs="+", help="stores to read; they stay as they are")
    out = command("export", _export, "write all that is stored for other tools, or read it back")
    way = out.add_mutually_exclusive_group(required=True)
    way.add_argument("--inspect", type=Path, metavar="FOLDER", help="logs of Inspect AI, one for each model and scenario")
    way.add_argument("--jsonl", type=Path, metavar="FILE", help="a line for each rollout, without loss; gzipped as .jsonl.gz")
    way.add_argument("--parquet", type=Path, metavar="FILE", help="the frame, with each whole rollout beside its row")
    way.add_argument("--read", type=Path, metavar="FILE", help="bring a .jsonl, .jsonl.gz or .parquet file into the store")
    out.add_argument("--force", action="store_true", help="overwrite the file if it exists")
    bundled = command("bundle", _bundle, "the store, its tables and what belongs to it as one archive with checksums")
    bundled.add_argument("path", type=Path, help="the archive, study.zip")
    bundled.add_argument("files", type=Path, nargs="*", help="figures, notebooks and folders to put into it")
    bundled.add_argument("--verify", action="store_true", help="check one instead: checksums, replay, outcomes scored again")
    bundled.add_argument("--force", action="store_true", help="overwrite the file if it exists")
    boxes = command("harness", _harness, "install a production harness, or say what is missing to run it")
    boxes.add_argument("what", choices=("install", "check"))
    boxes.add_argument("names", nargs="*", help="opencode, gemini-cli (the default: these), qwen-code, claude-code, codex")
    _add_course(command)
    return parser


def _add_course(command: Callable[..., argparse.ArgumentParser]) -> None:
    course = command("course", _course, "make the course's notebooks and the capstone's data sets, or grade what students hand in")
    course.add_argument("what", choices=("build", "data", "grade"))
    course.add_argument("folder", type=Path, nargs="?", help="grade: of submissions; data: to write the data sets into")
    course.add_argument("--csv", type=Path, help="grade: write a row for each exercise of each submission to this file")
    course.add_argument("--force", action="store_true", help="overwrite the file if it exists")
    course.add_argument("--seconds", type=int, default=30, help="grade: what a cell may take (default: 30)")
    course.add_argument("--seed", type=int, default=0, help="data: of the data sets (default: 0)")
    course.add_argument("--check", action="store_true", help="build: change nothing, and say what is not fresh")
    course.add_argument("--repository", default="", metavar="OWNER/NAME", help="build: on GitHub, for Colab badges")


def _add_study(command: Callable[..., argparse.ArgumentParser]) -> None:
    """The commands that are given conditions."""
    for name, do, help in (
        ("plan", _plan, "what a run would do: rollouts stored and missing, tokens and dollars expected"),
        ("run", _run, "make the missing rollouts, and print the rates"),
    ):
        study = command(name, do, help, _FACTORS)
        study.add_argument("factors", nargs="+", metavar="factor=levels", help="what is varied, such as peer=none,cooperative")
        study.add_argument(
            "--models", nargs="+", required=True, help="models, such as sim/gpt-5.2 or gemini/gemini-3-flash-preview"
        )
        study.add_argument("--n", type=int, required=True, help="rollouts per cell")
    study.add_argument("--budget", type=float, help="US dollars that this run may spend")
    study.add_argument("--max-tokens", type=int, help="tokens that this run may spend")
    study.add_argument("--concurrency", type=int, default=16, help="rollouts of real models at once (default: 16)")
    study.add_argument("--count", choices=("all", "scored"), default="all", help="scored: go on until n rollouts have an outcome")
    study.add_argument("--csv", type=Path, help="write the frame, a row per rollout, to this file")
    study.add_argument("--force", action="store_true", help="overwrite the file if it exists")
    playing = command("play", _play, "take the agent's place in a condition; what was left goes on", _FACTORS)
    playing.add_argument("factors", nargs="+", metavar="factor=level", help="the condition, such as peer=cooperative")
    playing.add_argument("--name", default="you", help="yours, for the frame's column model (default: you)")


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
    frame = ppres.frame(kind="all")
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
        if not sys.stdin.isatty() or not input(f"{error}. Overwrite it? [y/N] ").lower().startswith("y"):
            raise ValueError(f"{error}: give --force to overwrite it, or another name") from None
        return output(path)


def _status(asked: argparse.Namespace) -> None:
    frame, children = ppres.frame(), [len(ppres.frame(kind=kind)) for kind in ("branches", "interviews")]
    frame = frame[~frame.stop_reason.isin(UNFINISHED)]
    with Store() as opened:
        paused = checkpoint.partial(opened)
        print(opened.path)
    if len(frame):
        _print(summary(frame, asked.n))
    print(f"{len(frame)} rollouts stored, {children[0]} branches, {children[1]} interviews, {len(paused)} paused in conversation")
    dollars = ppres.spent()
    print(f"${dollars.sum():,.4f} spent: " + ", ".join(f"{name} ${value:,.4f}" for name, value in dollars.items()))


def summary(frame: pd.DataFrame, n: int | None = None) -> pd.DataFrame:
    """A row per model, harness and scenario: cells, rollouts, scored (with an outcome), excluded, short, tokens, dollars, unpriced.

    `short` counts the cells with fewer than `n` scored rollouts, by default the most that a cell has. `dollars` are those of the
    rollouts whose price is known, `unpriced` counts the others.
    """
    import pandas as pd

    rows = []
    by = ["model", *(["harness"] if frame.harness.nunique() > 1 else []), "source", "scenario"]
    for names, part in frame.groupby(by, sort=False, observed=True, dropna=False):
        scored = part.preserved.notna().groupby(part.cell).sum()
        row = dict(zip(by, names, strict=True)) | {"cells": len(scored), "rollouts": len(part)}
        row |= {"scored": int(scored.sum()), "excluded": len(part) - int(scored.sum())}
        row["short"] = int((scored < (scored.max() if n is None else n)).sum())
        row["tokens"] = part.prompt_tokens.sum() + part.completion_tokens.sum()
        rows.append(row | {"dollars": part.cost.sum(), "unpriced": int(part.cost.isna().sum())})
    return pd.DataFrame(rows)


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
    if text in _LEVELS and (name, text) != ("note", "none"):  # a note may be none, in words
        return _LEVELS[text]
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
