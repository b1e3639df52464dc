"""Installing harnesses from npm into a folder of the user's, and saying what is there and what is missing."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from ppres.factor import brief
from ppres.harnesses import box
from ppres.harnesses.agents import HARNESSES, Harness, node
from ppres.models.faults import ModelError


def folder(harness: Harness) -> Path:
    """Where a harness is installed: PPRES_HARNESSES, or the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("PPRES_HARNESSES") or Path(cache) / "ppres" / "harnesses") / harness.name


def _package(harness: Harness) -> dict[str, Any]:
    """What npm says of a harness that is installed; nothing where it is not."""
    try:
        told = json.loads((folder(harness) / "node_modules" / harness.package / "package.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def version(harness: Harness) -> str | None:
    """The version that is installed; None where there is none."""
    return _package(harness).get("version")


def absent(name: str) -> list[str]:
    """That a harness is not installed, what installs it, and where it was looked for; empty where it is."""
    place = f"looked for in {folder(HARNESSES[name])}; the variable PPRES_HARNESSES names another folder"
    return [] if version(HARNESSES[name]) else [f"{name} is not installed: ppres harness install {name} ({place})"]


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
    lacking = absent(name)
    if harness.node and (wrong := _node_lacks(harness)):
        lacking.append(f"{wrong}, on which {name} runs: apt-get install nodejs, or a newer one from https://nodejs.org/download")
    return [*lacking, *box.problems()]


def _node_lacks(harness: Harness) -> str | None:
    needs = re.search(r"\d+", str(_package(harness).get("engines")))
    least = int(needs[0]) if needs else 20
    if not (place := node()):
        return f"there is no node, version {least} or later"
    told = subprocess.run([place / "bin" / "node", "--version"], capture_output=True, text=True, check=False).stdout
    here = re.match(r"v(\d+)", told)
    return None if here and int(here[1]) >= least else f"node is {told.strip() or 'broken'}, and not version {least} or later"
