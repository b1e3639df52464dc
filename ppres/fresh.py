"""Whether notebooks and figures, as they are kept, are what comes out today."""

from __future__ import annotations

import math
import re
from importlib import metadata
from pathlib import Path
from typing import Any

# Whose versions decide the bytes of a figure; constraints.txt has those of the figures that are kept.
_DECIDING = ("matplotlib", "numpy", "pandas", "patsy", "scipy", "seaborn", "statsmodels")
_PICTURES = (".png", ".svg")
_NUMBER = re.compile(r"-?\d+(?:,\d{3})*(?:\.\d+)?(?:e[-+]?\d+)?")


def other_versions(root: Path) -> str:
    """What is installed in another version than constraints.txt has: then no byte can be held against another."""
    path = root / "constraints.txt"
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)$", path.read_text(encoding="utf-8"), re.MULTILINE)) if path.exists() else {}
    installed = {name: metadata.version(name) for name in _DECIDING}
    return ", ".join(f"{name} {has}, not {pinned.get(name)}" for name, has in installed.items() if has != pinned.get(name))


def differences(root: Path, notebook: str, outputs: list[list[Any]], figures: Path, exact: bool) -> list[str]:
    """What of a notebook is not as it is kept: the outputs of its code cells, and the files that it wrote into `figures`.

    Unless `exact`, pictures are left out, and numbers may differ in the last digit that is printed.
    """
    kept = [cell.outputs for cell in read(root / "notebooks" / notebook).cells if cell.cell_type == "code"]
    differing = [
        f"the output of [{number}] differs"
        for number, (was, now) in enumerate(zip(kept, outputs, strict=True), start=1)
        if was != now and (exact or not alike(_shown(was), _shown(now)))
    ]
    for path in sorted(figures.iterdir()):
        twin = root / "figures" / path.name
        if not twin.exists():
            differing.append(f"there is no figures/{path.name}")
        elif twin.read_bytes() == path.read_bytes() or (path.suffix in _PICTURES and not exact):
            continue
        elif exact or not alike(twin.read_text(encoding="utf-8"), path.read_text(encoding="utf-8")):
            differing.append(f"figures/{path.name} differs")
    return differing


def read(path: Path) -> Any:
    """A notebook. Raises `ValueError` where the file is none."""
    import nbformat

    return nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)  # type: ignore[no-untyped-call]


def alike(a: str, b: str) -> bool:
    """The same words and whole numbers; other numbers the same but for the last digit, or one in ten thousand."""
    if _NUMBER.sub("#", a).split() != _NUMBER.sub("#", b).split():
        return False
    return all(map(_close, _NUMBER.findall(a), _NUMBER.findall(b)))


def _close(a: str, b: str) -> bool:
    x, y = (float(text.replace(",", "")) for text in (a, b))
    whole = not {".", "e"} & {*a, *b}
    return x == y or (not whole and math.isclose(x, y, rel_tol=1e-4, abs_tol=1.5 * min(_unit(a), _unit(b))))


def _unit(number: str) -> float:
    """Of the last digit that is printed."""
    digits, _, power = number.partition("e")
    return float(10.0 ** (int(power or 0) - len(digits.partition(".")[2])))


def _shown(outputs: list[Any]) -> str:
    """The words and numbers of outputs, without the markup, which other versions of pandas write otherwise."""
    texts = []
    for output in outputs:
        data = output.get("data", {})
        text = data.get("text/html") or data.get("text/markdown") or data.get("text/plain") or output.get("text", "")
        texts.append(re.sub(r"<style.*?</style>|<[^>]*>", " ", text, flags=re.DOTALL))
    return "\n".join(texts)
