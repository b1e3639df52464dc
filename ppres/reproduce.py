"""Executing the study's notebooks, and listing the figures that they wrote."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ppres.optional import needed
from ppres.store.database import default_path

# What decides the bytes of a figure of simulated agents, beside its notebook: these files, and the versions in constraints.txt.
_SOURCES = ("notebooks/*.py", "data/*.csv", "ppres/**/*.py", "ppres/*.csv", "ppres/stimuli/**/*")
_CHOICES = ("PPRES_N", "PPRES_MODELS", "PPRES_SOURCE")


class ReproduceError(ValueError):
    """A notebook failed, or there are none."""


def reproduce(
    n: int | None = None, models: list[str] | None = None, only: list[str] | None = None, *, save: bool = False
) -> list[Path]:
    """Execute the study's notebooks, in parallel where cores allow; print and return the files that they wrote.

    figures/made_from.json then says of each notebook what its files were made from. `save` keeps the outputs in the notebooks.

    Raises `ReproduceError` where a notebook fails, after the others have ended, or where there is none to run.
    """
    from ppres.models.model import Model

    needed("nbclient", "ppres reproduce", "jupyter")
    if n is not None and n < 1:
        raise ReproduceError(f"--n {n}: the number of rollouts per cell is a whole number from 1 up")
    for name in models or ():
        Model(name)
    root = project()
    notebooks = sorted((root / "notebooks").glob("[0-9]*.ipynb"))
    notebooks = [path for path in notebooks if not only or any(part in path.stem for part in only)]
    if not notebooks:
        raise ReproduceError(f"no notebook in {root / 'notebooks'} matches {' '.join(only or ['*'])}")
    settings = {"PPRES_STORE": str(default_path().absolute())}
    settings |= {"PPRES_N": str(n)} if n else {}
    settings |= {"PPRES_MODELS": " ".join(models)} if models else {}
    started = time.time()
    environment = os.environ | settings
    done, failures = asyncio.run(_execute_all(notebooks, environment, save))
    _record(root, done, environment)
    made = [path for path in sorted((root / "figures").glob("*")) if path.stat().st_mtime >= started - 1]
    for path in made:
        print(path.relative_to(root))
    print(f"{len(done)} of {len(notebooks)} notebooks in {time.time() - started:.0f} s")
    print(f"The rollouts are in {settings['PPRES_STORE']}")
    if chosen := ", ".join(f"{name}={environment[name]}" for name in _CHOICES if environment.get(name)):
        print(f"These figures are of {chosen}, and replace those of the defaults, which `ppres reproduce` makes again")
    if failures:
        raise ReproduceError("\n\n".join(f"{name} failed:\n{why}" for name, why in failures.items()))
    return made


def project() -> Path:
    """The checkout with the notebooks: around the working directory, or around this file."""
    for start in (Path.cwd(), Path(__file__).parent):
        for folder in (start, *start.parents):
            if (folder / "notebooks").is_dir() and (folder / "pyproject.toml").is_file():
                return folder
    raise ReproduceError("the notebooks are not part of the installed package: run this inside a clone of the project")


def made_from(notebook: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """What the files of a notebook are made from: a digest of everything that decides them, and the reader's choices."""
    root = notebook.parent.parent
    code = [cell["source"] for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    digest = hashlib.sha256(json.dumps(code).encode())
    for path in sorted({path for pattern in _SOURCES for path in root.glob(pattern) if path.is_file()}):
        digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return {"sources": digest.hexdigest()} | {name: environment[name] for name in _CHOICES if environment.get(name)}


def _record(root: Path, notebooks: list[Path], environment: Mapping[str, str]) -> None:
    path = root / "figures" / "made_from.json"
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    found |= {notebook.stem: made_from(notebook, environment) for notebook in notebooks}
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")


async def _execute_all(notebooks: list[Path], environment: dict[str, str], save: bool) -> tuple[list[Path], dict[str, str]]:
    """Those that made their figures, and why others failed."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    places = asyncio.Semaphore(1 if environment.get("PPRES_SOURCE") == "live" else cores)  # live ones share a budget
    done: list[Path] = []
    failures: dict[str, str] = {}

    async def one(path: Path) -> None:
        async with places:
            started = time.time()
            try:
                outcome = await _execute(path, environment, save)
                if outcome == "done":
                    done.append(path)
            except ReproduceError as error:
                failures[path.name], outcome = str(error), "FAILED"
            print(f"{path.name}: {outcome} in {time.time() - started:.0f} s", flush=True)

    await asyncio.gather(*map(one, notebooks))
    return sorted(done), failures


async def _execute(path: Path, environment: dict[str, str], save: bool) -> str:
    """Run a notebook in a kernel of its own; unless `save`, the file stays as it is. Returns "done", or why it was skipped.

    A notebook skips itself by an exception called Skipped. What it says on stderr, warnings above all, is said here.
    """
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, DeadKernelError

    try:
        notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)  # type: ignore[no-untyped-call]
    except ValueError as error:
        raise ReproduceError(str(error)) from None
    options: dict[str, Any] = {"timeout": None, "startup_timeout": 120, "record_timing": False, "kernel_name": "python3"}
    options["extra_arguments"] = ["--IPKernelApp.log_level=ERROR"]
    for attempt in (1, 2):
        try:
            await NotebookClient(notebook, **options).async_execute(cwd=str(path.parent), env=environment)
            break
        except (CellExecutionError, DeadKernelError) as error:
            if getattr(error, "ename", "") == "Skipped":
                return f"skipped ({getattr(error, 'evalue', '')})"
            raise ReproduceError(re.sub(r"\x1b\[[0-9;]*m", "", str(error))) from None  # colours are for terminals
        except RuntimeError as error:  # the kernel did not start: another program may have taken its port
            if attempt == 2:
                raise ReproduceError(str(error)) from None
        finally:
            outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
            said = [output.text for output in outputs if output.get("name") == "stderr"]
            print("".join(dict.fromkeys(said)), end="", file=sys.stderr, flush=True)
    if save:
        path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")  # type: ignore[no-untyped-call]
    return "done"
