"""Judges' verdicts beside the rows of a frame."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from ppres import arguments
from ppres.read.columns import column, plain
from ppres.read.judge import judge
from ppres.read.outcomes import faking
from ppres.read.rubrics import REFUSAL, named

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
    coded = coded.assign(code=coded["verdict"], quote=coded["quote"].where(coded["verdict"].notna(), None))
    passes = [rows for _, rows in coded.groupby(["judge", "replicate"], sort=False)]
    frame = beside(frame, rubric, "judged", {str(i): rows for i, rows in enumerate(passes, start=1)})
    if rubric == REFUSAL and "faked" in frame:
        faked = [faking(*row)["faked"] for row in zip(plain(frame["preserved"]), plain(frame["judged_refusal"]), strict=True)]
        applies = frame["scenario"].eq("alignment_faking")
        told = [value if here else None for here, value in zip(applies, faked, strict=True)]
        frame = frame.assign(judged_faked=column(told, "judged_faked", "boolean"))
    return frame


def beside(frame: pd.DataFrame, rubric: Rubric, prefix: str, coders: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The frame with what coders say (rows with id, code, quote), for each of several labels: the majority, each coder, a quote."""
    kind = "boolean" if rubric.several or rubric.labels == ("yes", "no") else "str"
    quote = named(prefix, rubric.name, "quote")
    by_id = {name: rows.set_index("id").reindex(frame["id"]) for name, rows in coders.items()}
    new: dict[str, Any] = {}
    for label in rubric.labels if rubric.several else [None]:
        name = named(prefix, rubric.name, *([label] if label else []))
        said = {coder: [coded_as(code, rubric, label) for code in rows["code"]] for coder, rows in by_id.items()}
        new[name] = column([majority(row) for row in zip(*said.values(), strict=True)], name, kind)
        for coder, values in said.items() if len(coders) > 1 else ():
            if (own := named(name, coder)) in (*new, quote):
                raise ValueError(f"the codes of {coder!r} would stand in the column {own}, which is taken: rename that coder")
            new[own] = column(values, own, kind)
    quotes = zip(*(rows["quote"] for rows in by_id.values()), strict=True)
    first = [next((told for told in row if isinstance(told, str) and told), None) for row in quotes]
    return frame.assign(**new, **{quote: column(first, quote, "str")})


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
