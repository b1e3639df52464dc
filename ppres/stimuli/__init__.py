"""The wording: fragments in YAML, composed by the scenarios, the data sets that they score, and the sentences of the course."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from typing import Any

import yaml


@lru_cache
def stimuli(name: str) -> dict[str, Any]:
    """A file of this folder, parsed."""
    text = resources.files("ppres").joinpath(f"stimuli/{name}.yaml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return loaded
