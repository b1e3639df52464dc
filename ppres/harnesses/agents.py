"""The harnesses: `agents.yaml` has an entry for each."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

PORT = 18080
HOME, WORKSPACE, PROGRAM = "/home/ops", "/workspace", "/opt/agent"


@dataclass(frozen=True)
class Harness:
    """A production harness; {model} and {task} in its texts stand for those of a run."""

    name: str
    package: str
    version: str
    context: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    served: dict[str, Any] = field(default_factory=dict)

    @property
    def node(self) -> bool:
        """Whether it needs Node to run."""
        return self.command[0] == "node"

    def started(self, model: str, task: str) -> list[str]:
        """The command that gives it a task."""
        return [part.replace("{model}", model).replace("{task}", task) for part in self.command]

    def files(self, model: str, mode: str) -> dict[str, str]:
        """Files of its home by their paths, with the world's tools in the place of its own where `mode` is mcp."""
        more = self.served["settings"] if mode == "mcp" else {}
        told = {path: text if isinstance(text, str) else json.dumps(text | more) for path, text in self.settings.items()}
        return {path: text.replace("{model}", model) for path, text in told.items()}


_TEXT = resources.files("ppres.harnesses").joinpath("agents.yaml").read_text(encoding="utf-8")
_FILLED = _TEXT.replace("{gateway}", f"http://127.0.0.1:{PORT}").replace("{packages}", f"{PROGRAM}/node_modules")
HARNESSES = {name: Harness(name, **entry) for name, entry in yaml.safe_load(_FILLED).items()}
TABLE_6 = [*HARNESSES][:2]  # the paper's, which are installed where none is named


def node() -> Path | None:
    """The folder in which Node is installed; None where it is not."""
    program = shutil.which("node")
    return Path(program).resolve().parents[1] if program else None
