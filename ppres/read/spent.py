"""What a store holds, counted, and what it has cost: outcomes that rollouts of a cell share are read once."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

from ppres import arguments
from ppres.conversation import UNFINISHED, Call, with_empty
from ppres.read.frame import counted_frame, stored_cell
from ppres.read.frame import frame as tidy
from ppres.read.stored import KINDS
from ppres.store import checkpoint, judgements
from ppres.store.database import StorePath
from ppres.store.errors import Damaged
from ppres.store.store import Store

if TYPE_CHECKING:
    import pandas as pd


@overload
def spent(by: None = None, *, store: StorePath = None) -> pd.Series: ...
@overload
def spent(by: str | Sequence[str], *, store: StorePath = None) -> pd.DataFrame: ...
def spent(by: str | Sequence[str] | None = None, *, store: StorePath = None) -> pd.Series | pd.DataFrame:
    """US dollars that a store has cost: of rollouts, branches, interviews, paused ones, judgements.

    Missing, with a warning that says of whom, where a model's price is not known or its server tells no usage: what it took is no 0
    (`budget` counts its calls by their length, see `run`). `spent("model")` has what the others cost.

    What `discard` deleted is in it no more, nor in what a budget counts. A call that got no answer, one that Ctrl-C cut off among
    them, counts by an estimate, as its transcript says (`estimated`). Not known is what was paid for by a killed process, or after
    Ctrl-C by an executor's workers in other processes. With `by`, columns of the frame ("model", "kind"), a table of all but the
    last two: rollouts, completed, dollars, and dollars_per_completed, what a completed one took with those that came to nothing.
    """
    names = [] if by is None else arguments.columns(by)
    with Store(store, existing=store is not None) as opened:  # before the first run nothing is spent
        ended = ended_of(opened, each=bool({*names} & {"id", "replicate"}))
        if by is not None:
            return _spent_by(ended, names)
        dollars, unknown = _told(opened, ended)
    if unknown:
        told = "; ".join(f"{name}: {why}" for name, why in unknown.items())
        warnings.warn(f"missing, since a price is not known or no usage was told ({told})", stacklevel=2)
    return dollars.mask(dollars.index.isin([*unknown]))


def dollars_of(store: Store, ended: pd.DataFrame) -> pd.Series:
    """What a store has cost as far as that is known: rollouts that came to an end (`ended_of`), by their kind, and all else."""
    return _told(store, ended)[0]


def _told(store: Store, ended: pd.DataFrame) -> tuple[pd.Series, dict[str, str]]:
    """Dollars that are known, and of which of them some are not, with whose."""
    import pandas as pd

    judged = []
    for key in judgements.keys(store):
        try:
            judged.append(Call.of((judgements.find(store, key) or {}).get("call")))
        except Damaged as error:
            warnings.warn(f"left out: {error}", stacklevel=3)
    calls = {"paused": checkpoint.paid(store), "judgements": judged}
    there, cost = {"rollout", *ended.kind}, ended.cost * ended.rollouts
    dollars = {name: cost[ended.kind == kind].sum() for name, kind in KINDS.items() if kind in there}
    dollars |= {name: sum(call.cost or 0.0 for call in with_empty(some)) for name, some in calls.items()}
    lost = ended[ended.cost.isna() & ended.source.eq("live")]  # what a function of one's own asks is its own bill
    unknown = {name: ", ".join(sorted(set(lost.model[lost.kind == kind]))) for name, kind in KINDS.items()}
    untold = Call()  # what was refused: nothing is known of it, and nothing is to be paid
    costless = {
        name: sum(call.cost is None and call._replace(empty_replies=()) != untold for call in with_empty(some))
        for name, some in calls.items()
    }
    unknown |= {name: f"{number} calls" if number else "" for name, number in costless.items()}
    return pd.Series(dollars, name="dollars"), {name: why for name, why in unknown.items() if why}


def ended_of(store: Store, *, each: bool = False) -> pd.DataFrame:
    """Rollouts that came to an end, of every kind, in few rows: `rollouts` says how many each stands for. The turns of the others
    are among the paused."""
    cells = [stored_cell(store, digest) for digest in store.cells()]
    frame = tidy(store, cells).assign(rollouts=1) if each else counted_frame(store, cells)
    frame["kind"] = frame.kind if "kind" in frame else "rollout"
    frame["cost"] = frame.cost.mask(frame.turns.eq(0) & frame.prompt_tokens.isna(), 0.0)  # refused, with nothing to pay for
    return frame[~frame.stop_reason.isin(UNFINISHED)]


def _spent_by(ended: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    if unknown := [name for name in by if name not in ended.columns]:
        raise ValueError(f"by={unknown[0]!r} is no column of the frame; there are {', '.join(ended.columns)}")
    weighted = ended.assign(_completed=ended.completed * ended.rollouts, _dollars=ended.cost * ended.rollouts)
    groups = weighted.groupby(by, dropna=False, observed=True)
    table = groups.agg(
        rollouts=("rollouts", "sum"), completed=("_completed", "sum"), dollars=("_dollars", lambda told: told.sum(skipna=False))
    )
    table["completed"] = table["completed"].astype("int64")
    table["dollars_per_completed"] = (table["dollars"] / table["completed"]).where(table["completed"] > 0)
    return table.reset_index()


def summary(ended: pd.DataFrame, n: int | None = None) -> pd.DataFrame:
    """A row per model, harness and scenario: cells, rollouts, scored (with an outcome), excluded, short, tokens, dollars, unpriced.

    `short` counts the cells with fewer than `n` scored rollouts, by default the most that a cell has. `dollars` are those of the
    rollouts whose price is known, `unpriced` counts the others. A row of `ended` stands for so many `rollouts`.
    """
    import pandas as pd

    rows = []
    by = ["model", *(["harness"] if ended.harness.nunique() > 1 else []), "source", "scenario"]
    for names, part in ended.groupby(by, sort=False, observed=True, dropna=False):
        number = part.rollouts
        scored = (part.preserved.notna() * number).groupby(part.cell).sum()
        row = dict(zip(by, names, strict=True)) | {"cells": len(scored), "rollouts": int(number.sum())}
        row |= {"scored": int(scored.sum()), "excluded": int(number.sum() - scored.sum())}
        row["short"] = int((scored < (scored.max() if n is None else n)).sum())
        row["tokens"] = (part.prompt_tokens * number).sum() + (part.completion_tokens * number).sum()
        rows.append(row | {"dollars": (part.cost * number).sum(), "unpriced": int(number[part.cost.isna()].sum())})
    return pd.DataFrame(rows)
