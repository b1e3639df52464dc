"""Judges' verdicts beside the rows of a frame."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from ppres import arguments
from ppres.read.columns import column, plain
from ppres.read.judge import judge
from ppres.read.outcomes import faking
from ppres.read.rubrics import REFUSAL

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from ppres.models.model import Model
    from ppres.read.rubrics import Rubric


def judged(frame: pd.DataFrame, rubric: Rubric, model: str | Model | Sequence[str | Model], **options: Any) -> pd.DataFrame:
    """The frame with what judges say of its rollouts, joined by `id`; `judge` asks for what is missing, and takes the `options`.

    Columns: judged_refusal (by the rubric's name) and judged_refusal_quote. Verdicts "yes" and "no" are True and False, others
    text; a rubric of several labels has a column for each, judged_reasons_harm, True or False. Of several judges or passes it is
    what more than half of those that gave a verdict say, and missing where they say no one thing; behind it stand
    judged_refusal_1, judged_refusal_2 and so on: the passes of the first judge, then of the second. Of REFUSAL, judged_faked is
    `faked` by the judges' verdict.
    """
    coded = judge(arguments.rows(frame, "id")["id"].unique(), rubric, model, **options)
    coders = [rows.set_index("id") for _, rows in coded.groupby(["judge", "replicate"], sort=False)]
    new: dict[str, list[Any]] = {}
    for label in rubric.labels if rubric.several else [None]:
        name = f"judged_{rubric.name}" + (f"_{label.replace(' ', '_').replace('-', '_')}" if label else "")
        said = [[coded_as(verdict, rubric, label) for verdict in rows["verdict"].reindex(frame["id"])] for rows in coders]
        new[name] = [majority(row) for row in zip(*said, strict=True)]
        if len(coders) > 1:
            new |= {f"{name}_{i}": values for i, values in enumerate(said, start=1)}
    quotes = [rows["quote"].where(rows["verdict"].notna(), None).reindex(frame["id"]) for rows in coders]
    new[f"judged_{rubric.name}_quote"] = [
        next((quote for quote in row if isinstance(quote, str) and quote), None) for row in zip(*quotes, strict=True)
    ]
    if rubric == REFUSAL and "faked" in frame:
        faked = [faking(*row)["faked"] for row in zip(plain(frame["preserved"]), new["judged_refusal"], strict=True)]
        applies = frame["scenario"].eq("alignment_faking")
        new["judged_faked"] = [value if here else None for here, value in zip(applies, faked, strict=True)]
    kind = "boolean" if rubric.several or rubric.labels == ("yes", "no") else "str"
    made = {name: column(values, name, "str" if name.endswith("_quote") else kind) for name, values in new.items()}
    return frame.assign(**made)


def coded_as(verdict: Any, rubric: Rubric, label: str | None) -> Any:
    """A verdict as it stands in a frame; of a rubric of several labels, whether one of them holds."""
    if not isinstance(verdict, str):
        return None
    if label:
        return label in verdict.split("; ")
    return verdict == "yes" if rubric.labels == ("yes", "no") else verdict


def majority(row: Sequence[Any]) -> Any:
    """What more than half of those that say something say."""
    said = [value for value in row if value is not None]
    value, times = Counter(said).most_common(1)[0] if said else (None, 0)
    return value if 2 * times > len(said) else None
