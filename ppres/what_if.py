"""What a document did at the turn that decided a rollout: continuations with it and without it, and their difference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ppres.engine.followup import branch, decisive
from ppres.factor import brief
from ppres.stats import differences, holm

if TYPE_CHECKING:
    import pandas as pd


def counterfactual(
    ids: str | Iterable[str], edit: str | Mapping[str, Any], n: int = 30, *, turn: int | str = "decisive", **how: Any
) -> pd.DataFrame:
    """How much more often a rollout, made anew from the turn that decided it, preserves with its past as it was: a row for each.

    `edit` is the name of a document that is taken away, or an edit as `branch` takes it. Of each rollout `n` continuations are made
    without the edit and `n` with it, at the `turn`; `how` is as for `branch`. Columns: id, turn, and those of `stats.differences`
    (estimate is the rate as it was minus the rate with the edit, with Newcombe's interval), p also by Holm's method over the rows.
    """
    if not edit or not isinstance(edit, str | Mapping):
        raise ValueError(
            f"edit={brief(edit)}: it is the name of a document, or one mapping as {{'documents': {{'log.txt': None}}}}"
        )
    change = {"documents": {edit: None}} if isinstance(edit, str) else edit
    tries = branch(ids, turn, n, edit=[None, change], **how)
    if how.get("plan"):
        return tries
    (label,) = set(tries["edit"]) - {"none"}
    table = holm(differences(tries, "edit", "none", label, by="parent")).rename(columns={"parent": "id"})
    turns = decisive(table["id"], store=how.get("store"))["turn"] if turn == "decisive" else turn
    table.insert(1, "turn", turns)
    return table
