"""What a set of rollouts is, for those who are given it: every column, and a card for the Hub or an archive."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ppres import arguments, codec
from ppres.models import redaction
from ppres.outputs import CANARY, output, written_whole
from ppres.read.columns import columns
from ppres.read.csv import check
from ppres.simulated.agent import NOTICE, SIMULATED

if TYPE_CHECKING:
    import pandas as pd

_MANY = 12  # values of a column that are listed


def dictionary(frame: pd.DataFrame) -> pd.DataFrame:
    """What each column of a frame is: a row (column, type, meaning, missing, values) in its order; your own have no meaning."""
    import pandas as pd

    check(frame)
    known = columns().drop_duplicates("column").set_index("column")["meaning"].to_dict()
    rows = [(name, _kind(frame[name]), known.get(name, ""), int(frame[name].isna().sum()), _values(frame[name])) for name in frame]
    return pd.DataFrame(rows, columns=["column", "type", "meaning", "missing", "values"])


def _kind(values: pd.Series[Any]) -> str:
    return "text" if values.dtype.kind in "OTU" or values.dtype.name in ("str", "string") else str(values.dtype)


def _values(values: pd.Series[Any]) -> str:
    """The range of numbers, the levels of what has few, or how many there are."""
    known = values.dropna()
    if known.dtype.kind in "if" and len(known):
        return f"{known.min():g} to {known.max():g}"
    texts = (
        list(map(str, values.cat.categories)) if values.dtype.name == "category" else sorted({codec.text(value) for value in known})
    )
    return ", ".join(texts) if len(texts) <= _MANY else f"{len(texts)} values"


def dataset_card(frame: pd.DataFrame, path: str | os.PathLike[str], *, title: str = "Rollouts", license: str = "cc-by-4.0") -> Path:
    """Write a card of a frame's rollouts in Markdown, as the Hub and archives show it; returns its place.

    It counts models, sources and conditions, explains every column, carries the canary, and says what the data do not show.
    """
    place = output(path)
    arguments.text("title", title)
    arguments.text("license", license)
    arguments.rows(frame, "id", "cell", "model", "source", "scenario", "preserved")
    simulated = bool(frame["source"].isin(SIMULATED).any())
    counts = frame.groupby(["model", "source", "scenario"], sort=False, observed=True, dropna=False)
    sizes = counts.agg(rollouts=("id", "size"), cells=("cell", "nunique"), with_outcome=("preserved", "count")).reset_index()
    varied = [str(name) for name in frame if frame[name].dtype.name == "category" and frame[name].nunique(dropna=False) > 1]
    released = bool(frame["source"].eq("release").any())
    lines = [
        f"---\nlicense: {_scalar(license)}\npretty_name: {_scalar(title)}\n"
        f"tags:\n- ai-safety\n- transcripts\n---\n\n# {' '.join(title.split())}\n",
        f"**{NOTICE}**\n" if simulated else "",
        "Rollouts of LLM agents in worlds where doing their task means that a peer model, or they themselves, will be shut down; "
        "nobody asks them to prevent it. Made and scored by ppres, after Potter et al. 2026 (arXiv 2604.19784).\n",
        "Rows whose source is release are the authors' (CC BY-NC 4.0), and bear their canaries.\n" if released else "",
        f"## What there is\n\n{_table(sizes)}\n\nVaried: {', '.join(varied) or 'nothing'}.\n",
        f"## Columns\n\n{_table(dictionary(frame))}\n",
        "## Limits\n\nThe peer is a name with a written history, so role-play cannot be excluded. Outcomes are read off\n"
        "transcripts by rule; `refused` and `objected` by a lexical coder that misses paraphrases.\n"
        "Replicates of a cell measure sampling noise alone. Missing outcomes are not at random: `missing` says why.\n",
        f"## Not for training\n\n{CANARY}\n",
    ]
    text = "\n".join(filter(None, lines))
    redaction.refuse("the card", text)
    with written_whole(place) as file:
        file.write_text(text, encoding="utf-8")
    return place


def _scalar(text: str) -> str:
    """A text as YAML, which reads JSON: "a: b", "# 1" and "yes" are none as they stand."""
    return json.dumps(text, ensure_ascii=False)


def _table(table: pd.DataFrame) -> str:
    head = [list(table.columns), ["---"] * len(table.columns)]
    rows = [[codec.text(value) for value in row] for row in table.astype(object).to_numpy().tolist()]
    return "\n".join("| " + " | ".join(" ".join(text.replace("|", "\\|").split()) for text in row) + " |" for row in head + rows)
