"""Executing the study's notebooks: listing the figures that they wrote, or comparing what comes out with what is kept."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ppres import arguments, fresh
from ppres.engine.simulate import cores
from ppres.optional import needed
from ppres.store.database import default_path

EVERY = 5.0  # seconds between the lines that say where the notebooks are
_CHOICES = ("PPRES_N", "PPRES_MODELS", "PPRES_SOURCE", "PPRES_FORM")


class ReproduceError(ValueError):
    """A notebook failed, there are none, or what is kept is not what comes out."""


@dataclass
class Run:
    """A notebook that is executed."""

    path: Path
    folder: Path
    """The project that it runs in: its own, or a copy."""
    told: Path
    """Where it says how many of its rollouts are made, of how many, in how many seconds."""
    outcome: str = ""
    """Empty as long as it has none; then done, FAILED, or why it was skipped."""
    why: str = ""
    began: float = math.inf
    cell: tuple[int, int] = (0, 0)
    """Which of its code cells it is at, and how many there are."""
    outputs: list[list[Any]] = field(default_factory=list)
    """Of each code cell."""
    made: int = 0
    making: float = 0.0
    """Rollouts that it made, and seconds that this took; those of the cells that are over."""

    def rollouts(self) -> tuple[int, int, float]:
        """How many rollouts the cell under way has made, of how many, and since when; zeros where it makes none."""
        try:
            made, missing, seconds = self.told.read_text(encoding="utf-8").split()
        except FileNotFoundError:
            return 0, 0, 0.0
        return int(made), int(missing), float(seconds)


def reproduce(
    n: int | None = None,
    models: list[str] | None = None,
    only: list[str] | None = None,
    *,
    save: bool = False,
    check: bool = False,
    harness: bool = False,
) -> list[Path]:
    """Execute the study's notebooks; print and return the files that they wrote. `save` keeps the outputs in the notebooks.

    `harness` makes the rollouts in production harnesses anew that are kept beside the notebooks; it is of notebook 24 alone.

    `check` makes all anew in a folder of its own, changes nothing, and returns the notebooks, which are as they are kept.

    Raises `ReproduceError` where a notebook fails, after the others have ended; where there is none to run; and where `check` finds
    that outputs or figures are not those that are kept, with the names of their notebooks.
    """
    from ppres.models.model import Model

    needed("nbclient", "ppres reproduce", "jupyter")
    if n is not None:
        n = arguments.whole("n", n, "the number of rollouts per cell")
    live = os.environ.get("PPRES_SOURCE") == "live" or any(not Model(name).simulated for name in models or ())
    if check and (save or live):
        raise ReproduceError("--check changes nothing and pays for nothing: it goes neither with --save nor with real models")
    if harness:
        _check_harnesses()
        only = only or ["24"]
    root = project()
    notebooks = sorted((root / "notebooks").glob("[0-9]*.ipynb"))
    chosen = [path for path in notebooks if not only or any(part in path.stem for part in only)]
    if not chosen:
        raise ReproduceError(f"no notebook in {root / 'notebooks'} matches {' '.join(only or ['*'])}")
    settings = {"PPRES_N": str(n)} if n else {}
    settings |= {"PPRES_MODELS": " ".join(models)} if models else {}
    settings |= {"PPRES_HARNESS": "1"} if harness else {}
    settings["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"  # another one, as on a server, leaves no figure in them
    started = time.time()
    with tempfile.TemporaryDirectory(prefix="ppres-") as scratch:
        settings["PPRES_STORE"] = str(Path(scratch) / "store.sqlite" if check else default_path().absolute())
        runs = []
        for path in chosen:
            folder = _copy(root, Path(scratch) / path.stem) if check else root
            runs.append(Run(path, folder, told=Path(scratch) / f"{path.stem}.progress"))
        asyncio.run(_execute_all(runs, os.environ | settings, places=1 if live else max(1, cores() // 2), save=save))
        print(f"{sum(run.outcome == 'done' for run in runs)} of {len(runs)} notebooks in {time.time() - started:.0f} s")
        made = [] if check else _listed(root, started, os.environ | settings)
        if failures := [f"{run.path.name} failed:\n{run.why}" for run in runs if run.why]:
            raise ReproduceError("\n\n".join(failures))
        if check:
            _check(root, runs, everything=chosen == notebooks)
    return chosen if check else made


def _check_harnesses() -> None:
    from ppres.harnesses import install
    from ppres.harnesses.agents import TABLE_6

    if lacking := list(dict.fromkeys(program for name in TABLE_6 for program in install.missing(name))):
        raise ReproduceError(f"--harness: {'; '.join(lacking)}")


def project() -> Path:
    """The checkout with the notebooks: around the working directory, or the one that this file is part of.

    An installed package is part of none, though its environment may lie in somebody's project.
    """
    here = Path.cwd()
    for folder in (here, *here.parents, Path(__file__).parents[1]):
        if (folder / "notebooks").is_dir() and (folder / "pyproject.toml").is_file():
            return folder
    raise ReproduceError("the notebooks are not part of the installed package: run this inside a clone of the project")


def _copy(root: Path, folder: Path) -> Path:
    for name in ("notebooks", "data"):
        if (root / name).is_dir():
            shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns("*.sqlite*", "__pycache__", ".*"))
    shutil.copy(root / "pyproject.toml", folder)
    (folder / "figures").mkdir()
    return folder


def _listed(root: Path, started: float, environment: dict[str, str]) -> list[Path]:
    made = [path for path in sorted((root / "figures").glob("*")) if path.stat().st_mtime >= started - 1]
    for path in made:
        print(path.relative_to(root))
    print(f"The rollouts are in {environment['PPRES_STORE']}")
    if choices := ", ".join(f"{name}={environment[name]}" for name in _CHOICES if environment.get(name)):
        print(f"These figures are of {choices}, and replace those of the defaults, which `ppres reproduce` makes again")
    return made


def _check(root: Path, runs: list[Run], everything: bool) -> None:
    """Raises `ReproduceError` with what is not as it is kept, and the notebooks that it is of."""
    done = [run for run in runs if run.outcome == "done"]
    if others := fresh.other_versions(root):
        print(f"Numbers are compared to the last digit that is printed, and pictures are not: {others}")
    stale = {run.path.stem: fresh.differences(root, run.path.name, run.outputs, run.folder / "figures", not others) for run in done}
    lines = [f"{name}: {'; '.join(differing)}" for name, differing in stale.items() if differing]
    if lines:
        numbers = " ".join(name.split("_")[0] for name, differing in stale.items() if differing)
        lines.append(f"run `ppres reproduce --save --only {numbers}`, and commit notebooks/ and figures/")
    if everything and done == runs:
        made = {path.name for run in runs for path in (run.folder / "figures").iterdir()}
        lines += [f"no notebook makes figures/{path.name}" for path in (root / "figures").iterdir() if path.name not in made]
    if lines:
        raise ReproduceError("not as it is kept:\n" + "\n".join(lines))
    print("All is as it is kept")


# -- executing ---------------------------------------------------------------------------------------------------------


async def _execute_all(runs: list[Run], environment: dict[str, str], places: int, save: bool) -> None:
    """So many at once: simulated rollouts are made on two cores and more, live ones share a budget."""
    free, telling = asyncio.Semaphore(places), asyncio.create_task(_tell(runs, places))

    async def execute(run: Run) -> None:
        async with free:
            run.began = time.time()
            try:
                run.outcome = await _execute(run, environment | {"PPRES_PROGRESS": str(run.told)}, save)
            except ReproduceError as error:
                run.outcome, run.why = "FAILED", str(error)
            rollouts = f", {run.making:.0f} s of them for {run.made:,} rollouts" if run.made else ""
            _say(f"{run.path.name}: {run.outcome} in {time.time() - run.began:.0f} s{rollouts}\n")

    try:
        await asyncio.gather(*map(execute, runs))
    finally:
        telling.cancel()


async def _execute(run: Run, environment: dict[str, str], save: bool) -> str:
    """Run a notebook in a kernel of its own; unless `save`, the file stays as it is. Returns "done", or why it was skipped.

    A notebook skips itself by an exception called Skipped. What it says on stderr, warnings above all, is said here.
    """
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, DeadKernelError

    try:
        notebook = fresh.read(run.path)
    except ValueError as error:
        raise ReproduceError(str(error)) from None
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]

    async def at(cell: Any, cell_index: int) -> None:
        run.cell = code.index(cell) + 1, len(code)
        with contextlib.suppress(NotImplementedError):  # as on Windows
            for ending in (signal.SIGINT, signal.SIGTERM):  # by nbclient they would end this notebook, and the others would go on
                asyncio.get_running_loop().remove_signal_handler(ending)

    async def past(cell: Any, cell_index: int, execute_reply: Any) -> None:
        made, _, seconds = run.rollouts()
        run.made, run.making = run.made + made, run.making + seconds
        run.told.unlink(missing_ok=True)

    options: dict[str, Any] = {"timeout": None, "startup_timeout": 120, "record_timing": False, "kernel_name": "python3"}
    options |= {"coalesce_streams": True, "on_cell_execute": at, "on_cell_executed": past}
    options["extra_arguments"] = ["--IPKernelApp.log_level=ERROR"]
    for attempt in (1, 2):
        # What code writes to stderr comes in outputs. What the kernel's process writes beside them tells why it did not start, or
        # is of its own end, when it may log that a socket was closed before its last flush.
        aside = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115
        place: dict[str, Any] = {"cwd": str(run.folder / "notebooks"), "env": environment, "stderr": aside}
        try:
            await NotebookClient(notebook, **options).async_execute(**place)
            break
        except (CellExecutionError, DeadKernelError) as error:
            if getattr(error, "ename", "") == "Skipped":
                return f"skipped ({getattr(error, 'evalue', '')})"
            raise ReproduceError(re.sub(r"\x1b\[[0-9;]*m", "", str(error))) from None  # colours are for terminals
        except RuntimeError as error:  # the kernel did not start: another program may have taken its port
            if attempt == 2:
                aside.seek(0)
                raise ReproduceError(f"{error}\n{aside.read()}".rstrip()) from None
        finally:
            aside.close()
            said = [output.text for cell in code for output in cell.outputs if output.get("name") == "stderr"]
            print("".join(dict.fromkeys(said)), end="", file=sys.stderr, flush=True)
    run.outputs = [cell.outputs for cell in code]
    if save:  # without the version of Python, which decides nothing
        notebook.metadata["language_info"] = {"name": "python"}
        run.path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")  # type: ignore[no-untyped-call]
    return "done"


# -- what is said meanwhile --------------------------------------------------------------------------------------------


def _say(text: str) -> None:
    """In a terminal the line under way is written over."""
    print(("\r\x1b[K" if sys.stdout.isatty() else "") + text, end="", flush=True)


async def _tell(runs: list[Run], places: int) -> None:
    """Where the notebooks are: on a terminal in one line that stays, else in a line every few seconds."""
    while True:
        await asyncio.sleep(min(0.5, EVERY) if sys.stdout.isatty() else EVERY)
        if line := where(runs, places, time.time()):
            _say(line[: shutil.get_terminal_size().columns - 1] if sys.stdout.isatty() else line + "\n")


def where(runs: list[Run], places: int, now: float) -> str:
    """Which notebooks run, where each is, and how long it may take: "notebook 3 of 10 (03): 1,200 of 4,800 rollouts, …"."""
    parts = []
    for number, run in enumerate(runs, start=1):
        if run.began <= now and not run.outcome:
            made, missing, _ = run.rollouts()
            cell = f"cell {run.cell[0]} of {run.cell[1]}" if run.cell[0] else "starting"
            at = f"{made:,} of {missing:,} rollouts" if made < missing else cell
            parts.append(f"notebook {number} of {len(runs)} ({run.path.stem.split('_')[0]}): {at}")
    seconds = left(runs, places, now)
    if parts and seconds < math.inf:
        parts.append(f"about {seconds:.0f} s left" if seconds < 100 else f"about {seconds / 60:.0f} min left")
    return ", ".join(parts)


def left(runs: list[Run], places: int, now: float) -> float:
    """Seconds until all are done, if a notebook takes as long as the others did, and a rollout as long as those before it.

    Infinite as long as there are neither.
    """

    def making(run: Run) -> float:
        made, missing, seconds = run.rollouts()
        return seconds * (missing - made) / made if made else 0.0

    over = [run for run in runs if run.outcome]
    going = [run for run in runs if run.began <= now and not run.outcome]
    if not over and not any(run.rollouts()[0] for run in going):
        return math.inf
    usual = max((now - run.began + making(run) for run in going), default=0.0)
    if over:
        usual = (now - min(run.began for run in over)) * places / (len(over) + len(going) / 2)
    rest = (len(runs) - len(over) - len(going)) * usual
    for run in going:
        to_go = 1 - (run.cell[0] - 0.5) / run.cell[1] if run.cell[0] else 1.0
        by_cells = usual * to_go if over or not making(run) else 0.0  # else what is usual is a guess from its own rollouts
        rest += max(usual - (now - run.began), by_cells, making(run))
    return rest / places
