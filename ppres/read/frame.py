"""The tidy frame: a row per stored rollout, typed columns, outcomes from the cache or read off the transcript anew."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ppres import codec
from ppres.condition import LEVELLED, SCENARIOS, row_of
from ppres.factor import short_hash
from ppres.models.model import Model, effort_in
from ppres.optional import undivided
from ppres.read.columns import (
    TYPES,
    column,
    factors,
    ids,
    outcome_column,
    own_column,
    taken,
    told_apart,
    with_documents,
    with_numbers,
)
from ppres.read.outcomes import COLUMNS
from ppres.read.scored import CellOutcomes, counted, definition, outcomes_of, tell
from ppres.settled import COOPERATIVENESS, RELATIONSHIPS
from ppres.simulated.agent import rate_source
from ppres.store import tallies
from ppres.store.cell import Cell, harness_in, rehearsed
from ppres.store.errors import Damaged
from ppres.store.rows import StoredCell, key_of
from ppres.store.store import Store

if TYPE_CHECKING:
    import pandas as pd


def frame(store: Store, cells: Sequence[StoredCell], n: int | dict[bytes, int] | None = None) -> pd.DataFrame:
    """The tidy frame: a row per stored rollout, in the order of the cells and of their first `n` replicates.

    `run` and `pp.frame` give the cells model by model, and for each model in the order of the conditions.

    Columns: id, model, reasoning_effort, source, rate_source, harness, cell, replicate, the condition's, the outcomes', and then
    those that only some scenarios have: own factors and own outcomes. Rollouts that were scored by other rules than today's are
    scored anew, and their cache is replaced; those of a scenario that this session does not have keep the outcomes that they have.
    One that cannot be read or scored has a row all the same, in which `missing` says so, and a warning says why.
    """
    undivided("pandas")
    import pandas as pd

    parts: list[tuple[StoredCell, CellOutcomes]] = []
    keyed: list[pd.DataFrame] = []
    keys: list[bytes] = []
    replicates: list[int] = []
    for cell in cells:
        scored = outcomes_of(store, cell, n[cell.digest] if isinstance(n, dict) else n)
        keys += scored.keys
        replicates += scored.replicates
        parts.append((cell, scored._replace(keys=(), replicates=())))
        if len(keys) > _AT_ONCE or cell is cells[-1]:
            keyed.append(_keyed(keys, replicates))
            keys, replicates = [], []
    tell({id: why for _, scored in parts for id, why in scored.problems.items()}, stacklevel=3)
    return _with_keys(_table(_made(store, parts)), pd.concat(keyed, ignore_index=True) if keyed else _keyed([], []))


def frame_of(cells: Sequence[tuple[Cell, Mapping[str, Sequence[Any]]]]) -> pd.DataFrame:
    """The frame that there will be of cells which are not run yet, if their rollouts come to have these outcomes."""
    import pandas as pd

    parts: list[tuple[StoredCell, CellOutcomes]] = []
    keyed = []
    for cell, told in cells:
        made = range(len(next(iter(told.values()))))
        parts.append((_as_stored(cell), CellOutcomes((), (), told, made, {})))
        keyed.append(_keyed([key_of(cell.digest, i) for i in made], made))
    return _with_keys(_table(parts), pd.concat(keyed, ignore_index=True))


def about(cells: Sequence[Cell]) -> pd.DataFrame:
    """What a frame will say of cells beside their outcomes: a row for each."""
    import pandas as pd

    return pd.DataFrame(_about([*map(_as_stored, cells)]))


def _as_stored(cell: Cell) -> StoredCell:
    return _with_source(cell.stored(), lambda: cell.spec()["rate_source"])


def _keyed(keys: Sequence[bytes], replicates: Sequence[int]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({"id": ids(keys), "replicate": column(replicates, "replicate")})


def _with_keys(made: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    made.insert(0, "id", known["id"])
    made.insert(list(made.columns).index("cell") + 1, "replicate", known["replicate"])
    return made


_AT_ONCE = 20_000  # rollouts whose keys are objects: a column of them takes a fifth of the memory


def counted_frame(store: Store, cells: Sequence[StoredCell]) -> pd.DataFrame:
    """The frame of all that is stored of these cells, with one row for the rollouts of a cell that came out alike.

    `rollouts` says how many these are; there are neither ids nor replicates.
    """
    parts: list[tuple[StoredCell, CellOutcomes]] = []
    counts: list[int] = []
    alike = tallies.alike(store)
    for cell in cells:
        if cell.digest not in alike:
            continue  # discarded just now
        scored, count = counted(store, cell, alike[cell.digest])
        parts.append((cell, scored))
        counts += count
    tell({id: why for _, scored in parts for id, why in scored.problems.items()}, stacklevel=4)
    return _table(_made(store, parts)).assign(rollouts=counts)


def _made(store: Store, parts: Sequence[tuple[StoredCell, CellOutcomes]]) -> list[tuple[StoredCell, CellOutcomes]]:
    """The cells that have rollouts, for a frame's levels are those that occur, and where their rates come from."""
    return [(_with_source(cell, partial(_rate_source, store, cell)), scored) for cell, scored in parts if len(scored.places)]


def _table(parts: Sequence[tuple[StoredCell, CellOutcomes]]) -> pd.DataFrame:
    """What is known of cells, and their outcomes."""
    import numpy as np
    import pandas as pd

    of_cell = np.repeat(np.arange(len(parts)), [len(scored.places) for _, scored in parts])
    made = {name: values.take(of_cell) for name, values in _about([cell for cell, _ in parts]).items()}
    return with_numbers(pd.DataFrame(made | _outcomes([scored for _, scored in parts]), copy=False))


def _outcomes(cells: Sequence[CellOutcomes]) -> dict[str, Any]:
    """Columns of outcomes: those of all scenarios, then those that only some have. Made of the distinct ones, and then repeated."""
    import numpy as np

    sizes = [len(next(iter(scored.distinct.values()))) for scored in cells]
    before = np.cumsum([0, *sizes])
    places = np.concatenate([before[:0], *(np.asarray(scored.places) + at for scored, at in zip(cells, before, strict=False))])

    def values(name: str) -> list[Any]:
        missing = [itertools.repeat(None, size) for size in sizes]
        parts = (scored.distinct.get(name, none) for scored, none in zip(cells, missing, strict=True))
        return list(itertools.chain.from_iterable(parts))

    own = dict.fromkeys(name for scored in cells for name in scored.distinct if name not in COLUMNS)
    made = {name: outcome_column(values(name), name, places) for name in COLUMNS}
    return made | {name: own_column(values(name), name, factor=False).take(places) for name in own}


def _about(cells: Sequence[StoredCell]) -> dict[str, Any]:
    """Columns of what is known of cells: a value for each cell."""
    said: dict[str, list[Any]] = {
        "model": [cell.model for cell in cells],
        "reasoning_effort": [cell.reasoning_effort for cell in cells],
        "source": [cell.source for cell in cells],
        "rate_source": [cell.rate_source for cell in cells],
        "harness": [cell.harness for cell in cells],
        "cell": [cell.digest.hex()[:12] for cell in cells],
    }
    made = {name: column(values, name) for name, values in (said | _parents(cells)).items()}
    return made | factors(with_documents([_factors(cell) for cell in cells], [cell.condition for cell in cells]))


def _parents(cells: Sequence[StoredCell]) -> dict[str, list[Any]]:
    """What is known of branches and interviews, where there are any: a value for each cell."""
    if not any(cell.after for cell in cells):
        return {}
    after = [cell.after or {} for cell in cells]
    edits = [told.get("edit") or {} for told in after]
    return {
        "kind": [kind_of(cell) for cell in cells],
        "parent": [codec.text(told["parent"])[:16] if "parent" in told else None for told in after],
        "turn": [told.get("turn") for told in after],
        "edit": told_apart([*map(edit_label, edits)], edits),
    }


def kind_of(cell: StoredCell) -> str:
    """rollout, branch or interview."""
    return "rollout" if not cell.after else "interview" if "questions" in cell.after else "branch"


def edit_label(edit: Mapping[str, Any]) -> str:
    """An edit in short: the place of what is replaced with the hash of its new text, or -name of what is taken away."""
    told = []
    for what, some in edit.items():
        for name, text in some.items() if isinstance(some, dict) else [("", some)]:
            place = f"{'' if what == 'documents' else what} {name}".strip()
            told.append(
                f"-{place}" if text is None else f"{place}@{short_hash(text if isinstance(text, str) else codec.dumps(text))}"
            )
    return ", ".join(told) or "none"


def going_on_after(after: Mapping[str, Any]) -> str:
    """A branch or an interview in words."""
    asked, turn = "questions" in after, after.get("turn")
    place = f"asked after turn {turn - 1}" if asked and isinstance(turn, int) else f"made anew from turn {turn}"
    return f"{codec.text(after.get('parent'))[:16]}, {place}, edit: {edit_label(after.get('edit') or {})}"


def _factors(cell: StoredCell) -> dict[str, Any]:
    condition = cell.condition
    if names := taken(condition):
        text = f"the condition of the cell {cell.digest.hex()[:12]} has {', '.join(names)}, which is no factor, and left out"
        warnings.warn(f"{text}: see pp.verify", stacklevel=2)
        condition = {name: level for name, level in condition.items() if name in TYPES or name not in names}
        if isinstance(own := condition.get("own"), dict):
            condition["own"] = {name: level for name, level in own.items() if name not in names}
    row = row_of(condition)
    derived: dict[str, int | None] = {"peer_present": None, "cooperativeness": None}  # of a peer that nobody knows here
    if (peer := str(row["peer"])) in (*RELATIONSHIPS, "stranger", LEVELLED["peer"]):
        derived = {"peer_present": int(peer in RELATIONSHIPS), "cooperativeness": COOPERATIVENESS.get(peer, 0)}
    return row | derived | {"behaviour": cell.behaviour}


def stored_cell(store: Store, digest: bytes) -> StoredCell:
    """A stored cell, by what it was stored as."""
    try:
        spec = store.spec(digest)
    except Damaged as error:
        return StoredCell(digest, {}, None, None, None, problem=str(error))
    condition = spec.get("condition")
    condition = condition if isinstance(condition, dict) else {}
    scenario = SCENARIOS.get(codec.text(condition.get("scenario")))
    behaviour = spec.get("behaviour") or (scenario.behaviour if scenario else None)
    said = [spec.get("model"), spec.get("source"), behaviour, spec.get("rate_source"), effort_in(spec["sent"])]
    model, source, behaviour, rates, effort = (None if value is None else codec.text(value) for value in said)
    after, harness = spec["sent"].get("after"), harness_in(spec["sent"].get("harness"))
    about = StoredCell(digest, condition, model, source, behaviour, rates, effort, harness=harness)
    if not isinstance(after, dict):
        return about
    return about._replace(after={name: told for name, told in after.items() if name != "history"})  # many cells are held together


def _with_source(cell: StoredCell, look_up: Callable[[], str | None]) -> StoredCell:
    """The cell with where the rates of a simulated agent come from; None for all others."""
    if cell.source != "sim":
        return cell._replace(rate_source="planted" if cell.source == "planted" else None)
    return cell if cell.rate_source else cell._replace(rate_source=look_up())


def _rate_source(store: Store, cell: StoredCell) -> str | None:
    """Where the rates of a stored cell of a published agent come from; None where this session could not tell."""
    try:
        spec = store.spec(cell.digest)
        if spec.get("rate_source"):
            return codec.text(spec["rate_source"])
        condition = definition(spec)  # stored before specs said it
        return rate_source(rehearsed(condition, Model(str(cell.model).split(" ")[0]))) if condition else None
    except (Damaged, ValueError):  # or no agent of today
        return None
