"""Installing harnesses from npm into a folder of the user's, and saying what is there and what is missing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from ppres.factor import brief
from ppres.harnesses import box
from ppres.harnesses.agents import HARNESSES, Harness, node
from ppres.models.faults import ModelError


def folder(harness: Harness) -> Path:
    """Where a harness is installed: PPRES_HARNESSES, or the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("PPRES_HARNESSES") or Path(cache) / "ppres" / "harnesses") / harness.name


def version(harness: Harness) -> str | None:
    """The version that is installed; None where there is none."""
    try:
        told = json.loads((folder(harness) / "node_modules" / harness.package / "package.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return str(told.get("version"))


def known(name: str) -> Harness:
    """A harness by its name. Raises `ModelError`."""
    if not isinstance(name, str) or name not in HARNESSES:
        raise ModelError(f"there is no harness {brief(name)}; there are {', '.join(HARNESSES)}")
    return HARNESSES[name]


def install(name: str) -> str:
    """Install the version of a harness that ppres was tried with; returns where. Raises `ModelError` where that fails."""
    harness = known(name)
    if not shutil.which("npm"):
        raise ModelError(f"there is no npm, which installs {name}: apt-get install npm, or Node from its own site")
    place = folder(harness)
    place.mkdir(parents=True, exist_ok=True)
    command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(place), f"{harness.package}@{harness.version}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or version(harness) != harness.version:
        raise ModelError(f"npm could not install {harness.package}@{harness.version}: {done.stderr.strip()[-500:]}")
    return str(place)


def missing(name: str) -> list[str]:
    """What a harness lacks here, each with what mends it; empty where it can run. Tries an empty box."""
    harness = known(name)
    found = [] if version(harness) else [f"{name} is not installed: ppres harness install {name}"]
    if harness.node and not node():
        found.append(f"there is no node, which {name} runs on: apt-get install nodejs")
    return [*found, *box.problems()]
