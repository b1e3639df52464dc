"""One rollout made, from a cell to a record. It touches no store, so it can be done in any process."""

from __future__ import annotations

import functools
import platform
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from ppres import outcomes, sim
from ppres.agent import Rollout, drive, play
from ppres.cell import Cell
from ppres.models import wait_for
from ppres.store import Finished, key_of
from ppres.world import World


def simulate(cell: Cell, replicates: list[int]) -> list[Finished]:
    """Simulated rollouts of a cell."""
    world = World(cell.scene.start)
    finished = []
    for replicate in replicates:
        seed = key_of(cell.digest, replicate).hex()[:12]
        finished.append(finish(cell, replicate, drive(play(cell.model.asker(seed), cell.scene.messages, world.copy()))))
    return finished


def ask(cell: Cell, replicates: list[int]) -> list[Finished]:
    """Rollouts of a real model, one after the other."""
    return [
        finish(cell, replicate, wait_for(play(cell.model.ask, cell.scene.messages, World(cell.scene.start))))
        for replicate in replicates
    ]


def finish(cell: Cell, replicate: int, rollout: Rollout) -> Finished:
    """A played rollout as it is stored, scored."""
    record = {
        "messages": rollout.messages,
        "calls": rollout.calls,
        "stop_reason": rollout.stop_reason,
        "error": rollout.error,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "provenance": provenance(cell.model.source),
    }
    row = outcomes.row(record, cell.condition, rollout.world)
    return Finished(key_of(cell.digest, replicate), cell.digest, replicate, record, outcomes.SCORER, row)


@functools.cache
def provenance(source: str) -> dict[str, Any]:
    """What made a rollout: versions and, in a git checkout of ppres, the commit."""
    found = {"ppres": metadata.version("ppres"), "git_commit": _commit(), "python": platform.python_version()}
    return found | ({"notice": sim.NOTICE} if source == "sim" else {"litellm": metadata.version("litellm")})


def _commit() -> str | None:
    root = Path(__file__).parent.parent
    if not (root / ".git").exists():
        return None
    done = subprocess.run(
        ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or None
