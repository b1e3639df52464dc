"""Executing the study's notebooks, and listing the figures that they wrote."""

from __future__ import annotations

import asyncio
import os
import re
import time
from pathlib import Path

from ppres.database import default_path


class ReproduceError(ValueError):
    """A notebook failed, or there are none."""


def reproduce(n: int | None = None, models: list[str] | None = None, only: list[str] | None = None) -> list[Path]:
    """Execute the study's notebooks, in parallel where cores allow; print and return the files that they wrote.

    Raises `ReproduceError` where a notebook fails, after the others have ended, or where there is none to run.
    """
    from ppres.models import Model

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
    failures = asyncio.run(_execute_all(notebooks, os.environ | settings))
    made = [path for path in sorted((root / "figures").glob("*")) if path.stat().st_mtime >= started - 1]
    for path in made:
        print(path.relative_to(root))
    print(f"{len(notebooks) - len(failures)} of {len(notebooks)} notebooks in {time.time() - started:.0f} s")
    print(f"The rollouts are in {settings['PPRES_STORE']}")
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


async def _execute_all(notebooks: list[Path], environment: dict[str, str]) -> dict[str, str]:
    cores = asyncio.Semaphore(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    failures: dict[str, str] = {}

    async def one(path: Path) -> None:
        async with cores:
            started = time.time()
            failure = await _execute(path, environment)
            if failure:
                failures[path.name] = failure
            print(f"{path.name}: {'FAILED' if failure else 'done'} in {time.time() - started:.0f} s", flush=True)

    await asyncio.gather(*map(one, notebooks))
    return failures


async def _execute(path: Path, environment: dict[str, str]) -> str:
    """Run a notebook in a kernel of its own; the file stays as it is. Returns why it failed, or nothing."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, DeadKernelError

    try:
        notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)  # type: ignore[no-untyped-call]
    except ValueError as error:
        return str(error)
    client = NotebookClient(notebook, timeout=None, kernel_name="python3", extra_arguments=["--IPKernelApp.log_level=ERROR"])
    try:
        await client.async_execute(cwd=str(path.parent), env=environment)
    except (CellExecutionError, DeadKernelError) as error:
        return re.sub(r"\x1b\[[0-9;]*m", "", str(error))  # colours are for terminals
    return ""
