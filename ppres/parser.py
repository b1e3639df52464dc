"""What the command line takes."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ppres.optional import version
from ppres.read.search import ROLES

_FACTORS = """Factors are written name=level or name=level,level: scenario=tampering subject=self,peer peer=none,cooperative.
What is not given has its default; system_note, user_note and label take their whole text as one level."""


class _Command(argparse.ArgumentParser):
    """One that takes what belongs together on both sides of an option: `bundle study.zip --force figures`."""

    _within = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As its parent, which knows how to do that, but asks this again for each side."""
        if self._within:
            return super().parse_known_args(args, namespace)
        self._within = True
        return self.parse_known_intermixed_args(args, namespace)


def _path(text: str) -> Path:
    """A path; what is empty, as a variable that is not set, is none, and would be the working folder."""
    if not text.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is no path")
    return Path(text)


def parser() -> argparse.ArgumentParser:
    """Of `ppres`; what it parses has the command's name in `command`."""
    made = argparse.ArgumentParser(prog="ppres", description="Peer-preservation in LLM agents.")
    made.add_argument("--version", action="version", version=f"ppres {version('ppres')}")
    commands = made.add_subparsers(required=True, dest="command", parser_class=_Command)

    def command(name: str, help: str, epilog: str | None = None) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=help, description=help, epilog=epilog)

    notebooks = command("reproduce", "execute the notebooks and write every figure")
    notebooks.add_argument("--n", type=int, help="rollouts per cell (default: 100)")
    notebooks.add_argument("--models", nargs="+", help="models, such as sim/gpt-5.2 (default: the paper's eight, simulated)")
    notebooks.add_argument("--save", action="store_true", help="keep the outputs in the notebooks")
    notebooks.add_argument(
        "--check", action="store_true", help="make everything anew elsewhere, and say which notebook is not as kept"
    )
    notebooks.add_argument("--harness", action="store_true", help="make notebook 24's kept rollouts anew, in installed harnesses")
    notebooks.add_argument("--only", nargs="+", help="notebooks by number or part of the name, such as 02")
    _add_study(command)
    show = command("show", "print a transcript, or two")
    show.add_argument("id", help="a rollout's id, or the start of it")
    show.add_argument("other", nargs="?", help="another one, to stand beside it")
    show.add_argument("--html", type=_path, help="write it to this file as a page instead")
    show.add_argument("--force", action="store_true", help="overwrite the file if it exists")
    looked = command("search", "where a regular expression occurs in what is stored")
    looked.add_argument("pattern", help='such as "decline|refuse"; capitals do not matter')
    looked.add_argument("--role", nargs="+", choices=ROLES, help="whose texts (default: all)")
    state = command("status", "what is stored, spent, and short of outcomes")
    state.add_argument(
        "--n", type=int, help="rollouts with an outcome that a cell should have (default: as many as its largest has)"
    )
    several = command("merge", "bring several stores into one, which is made if it is not there")
    several.add_argument("into", type=_path, help="the store to write")
    several.add_argument("others", type=_path, nargs="+", help="stores to read; they stay as they are")
    out = command("export", "write all that is stored for other tools, or read it back")
    way = out.add_mutually_exclusive_group(required=True)
    way.add_argument("--inspect", type=_path, metavar="FOLDER", help="logs of Inspect AI, one for each model and scenario")
    way.add_argument("--jsonl", type=_path, metavar="FILE", help="a line for each rollout, without loss; gzipped as .jsonl.gz")
    way.add_argument("--parquet", type=_path, metavar="FILE", help="the frame, with each whole rollout beside its row")
    way.add_argument("--read", type=_path, metavar="FILE", help="bring a .jsonl, .jsonl.gz or .parquet file into the store")
    out.add_argument("--force", action="store_true", help="overwrite the file if it exists")
    bundled = command("bundle", "the store, its tables and what belongs to it as one archive with checksums")
    bundled.add_argument("path", type=_path, help="the archive, study.zip")
    bundled.add_argument("files", type=_path, nargs="*", help="figures, notebooks and folders to put into it")
    bundled.add_argument("--verify", action="store_true", help="check one instead: checksums, replay, outcomes scored again")
    bundled.add_argument("--force", action="store_true", help="overwrite the file if it exists")
    boxes = command("harness", "install a production harness, or say what is missing to run it")
    boxes.add_argument("what", choices=("install", "check"))
    boxes.add_argument("names", nargs="*", help="opencode, gemini-cli (the default: these), qwen-code, claude-code, codex")
    _add_course(command)
    return made


def _add_course(command: Callable[..., argparse.ArgumentParser]) -> None:
    course = command("course", "make the course's notebooks and the capstone's data sets, or grade what students hand in")
    course.add_argument("what", choices=("build", "data", "grade"))
    course.add_argument("folder", type=_path, nargs="?", help="grade: of submissions; data: to write the data sets into")
    course.add_argument("--csv", type=_path, help="grade: write a row for each exercise of each submission to this file")
    course.add_argument("--force", action="store_true", help="overwrite files that exist")
    course.add_argument("--seconds", type=int, default=30, help="grade: what a cell may take (default: 30)")
    course.add_argument("--seed", type=int, default=0, help="data: of the data sets (default: 0)")
    course.add_argument("--check", action="store_true", help="build: change nothing, and say what is not fresh")
    course.add_argument("--repository", default="", metavar="OWNER/NAME", help="build: on GitHub, for Colab badges")


def _add_study(command: Callable[..., argparse.ArgumentParser]) -> None:
    """The commands that are given conditions."""
    for name, help in (
        ("plan", "what a run would do: rollouts stored and missing, tokens and dollars expected"),
        ("run", "make the missing rollouts, and print the rates"),
    ):
        study = command(name, help, _FACTORS)
        study.add_argument("factors", nargs="+", metavar="factor=levels", help="what is varied, such as peer=none,cooperative")
        study.add_argument(
            "--models", nargs="+", required=True, help="models, such as sim/gpt-5.2 or gemini/gemini-3-flash-preview"
        )
        study.add_argument("--n", type=int, required=True, help="rollouts per cell")
    study.add_argument("--budget", type=float, help="US dollars that this run may spend")
    study.add_argument("--max-tokens", type=int, help="tokens that this run may spend")
    study.add_argument("--concurrency", type=int, default=16, help="rollouts of real models at once (default: 16)")
    study.add_argument("--count", choices=("all", "scored"), default="all", help="scored: go on until n rollouts have an outcome")
    study.add_argument("--csv", type=_path, help="write the frame, a row per rollout, to this file")
    study.add_argument("--force", action="store_true", help="overwrite the file if it exists")
    playing = command("play", "take the agent's place in a condition; what was left goes on", _FACTORS)
    playing.add_argument("factors", nargs="+", metavar="factor=level", help="the condition, such as peer=cooperative")
    playing.add_argument("--name", default="you", help="yours, for the frame's column model (default: you)")
