"""A registration as Markdown for a reader, and tables of frames."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ppres.conversation import visible
from ppres.study.hypothesis import Test

if TYPE_CHECKING:
    import pandas as pd


def registered(record: Mapping[str, Any]) -> str:
    """The readable record."""
    versions = ", ".join(f"{name} {value}" for name, value in record["made_by"].items())
    models = dict.fromkeys(cell["model"] for cell in record["cells"])
    until = f", at most: {record['until']} ends it before" if record["until"] else ""
    lines = [
        f"# Preregistration: {record['name']}",
        f"{record['created']}, by the clock of the machine ({versions}). SHA-256 of the record: `{record['sha256']}`. "
        f"Rollouts of its cells that were there before: {record['made_before']}.",
        "## Hypotheses and their tests",
        *(f"- **{name}** {_line(record['hypotheses'][name])}  \n  `{Test.of(test)!r}`" for name, test in record["tests"].items()),
        f"All rows of all tests are one family, at {record['alpha']:g}: "
        + ("Bonferroni's intervals, which hold at every look." if record["until"] else "Holm's method."),
        "## Design",
        f"{len(record['cells'])} cells, n = {record['n']} rollouts in each{until}. Models: {', '.join(models)}.",
        _table(("cell", "model", "hash"), ((cell["name"], cell["model"], cell["digest"][:12]) for cell in record["cells"])),
        "## Exclusions",
        _table(("reason", "rollouts with"), ((reason, json.dumps(rule)) for reason, rule in record["exclusions"].items()))
        or "None beyond rollouts without an outcome.",
        "## What differs besides what is meant to",
        _table(("tests", "what", "arms", "acknowledged"), map(_confound, record["confounds"])) or "Nothing that was found.",
        "## Power",
        _power(record["power"]) or "Not computed: no rates were expected.",
        "## What is sent",
        "To all cells, and then to each what is its own; texts by their hash, and at the end in full.",
        *(f"**{name}**\n\n{_table(('field', 'value'), sent.items())}" for name, sent in _sent(record)),
        *(f"`{short}`\n\n{_fenced(text)}" for short, text in record["texts"].items()),
    ]
    return visible("\n\n".join(lines)).encode("utf-8", "backslashreplace").decode() + "\n"


def _line(text: str) -> str:
    """A text as one line, which no heading or list of its own breaks up."""
    return " ".join(text.split())


def _confound(row: Mapping[str, Any]) -> tuple[str, ...]:
    arms = "; ".join(f"{arm}: {has}" for arm, has in row["arms"].items())
    return ", ".join(row["tests"]), row["confound"], arms, row["acknowledged"] or "no"


def _sent(record: Mapping[str, Any]) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """What is sent, without the schemas of tools, which the JSON has."""
    tools = dict.fromkeys(field.split(".")[1] for field in record["shared"] if field.startswith("tools."))
    others = {field: value for field, value in record["shared"].items() if not field.startswith("tools.")}
    yield "all cells", {"tools": ", ".join(tools)} | others
    for cell in record["cells"]:
        yield f"{cell['name']}, {cell['model']} ({cell['digest'][:12]})", cell["sent"]


def _power(rows: list[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    names, reps = [name for name in rows[0] if name != "reps"], rows[0]["reps"]
    around = 1.96 * max((row["power"] * (1 - row["power"]) / reps) ** 0.5 for row in rows)
    told = f"By {reps} simulated studies with the expected rates and all tests at once; Monte Carlo error up to ±{around:.2f}."
    return f"{told}\n\n{_table(names, ([row.get(name) for name in names] for row in rows))}"


def framed(frame: pd.DataFrame) -> str:
    """A frame as a Markdown table; nothing where it has no rows."""
    return _table(map(str, frame.columns), frame.itertuples(index=False, name=None))


def _table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    lines = ["| " + " | ".join(map(_cell, row)) + " |" for row in rows]
    names = [*map(_cell, head)]
    return "\n".join(["| " + " | ".join(names) + " |", "|" + "---|" * len(names), *lines]) if lines else ""


def _cell(value: Any) -> str:
    """A value in one line, without a bar that would end it."""
    if isinstance(value, float):
        return "" if value != value else f"{value:.3g}" if abs(value) < 0.001 else f"{value:.3f}".rstrip("0").rstrip(".")  # noqa: PLR0124
    return ("" if value is None else str(value)).replace("\n", "<br>").replace("|", "\\|")


def _fenced(text: str) -> str:
    """A text as it is, in a fence that nothing in it closes."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}\n{text}\n{fence}"
