"""`plan` and `run`: what is stored, what is missing, and getting it."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from ppres import arguments, codec
from ppres.engine.estimate import Expected, expectations
from ppres.engine.keeping import Job, Keeper
from ppres.engine.live import run_live
from ppres.engine.rollout import provenance
from ppres.engine.simulate import run_simulated
from ppres.factor import ConditionError, brief, one_of
from ppres.models import redaction
from ppres.models.budget import Meter
from ppres.models.transport import say
from ppres.optional import undivided
from ppres.read.columns import column, factors, rows_of
from ppres.read.frame import frame as tidy
from ppres.read.outcomes import NOT_SCORED
from ppres.read.scored import check_same, outcomes_of
from ppres.simulated.agent import SIMULATED
from ppres.store import checkpoint
from ppres.store.cell import Cell, Conditions, Models, cells_of, driven
from ppres.store.database import StorePath
from ppres.store.labels import relabel
from ppres.store.rows import check_size, check_spec, key_of
from ppres.store.store import Store

if TYPE_CHECKING:
    import pandas as pd

# With count="scored" a cell is given up on, and flagged, at so many rollouts for each that was asked for.
_PATIENCE = 3
_TOLD_FROM = 3  # rollouts of a model


def plan(conditions: Conditions, models: Models, n: int, *, store: StorePath = None) -> pd.DataFrame:
    """What `run` would do, before any call: a row per cell, with the condition's columns and

    stored, missing: rollouts that are there and that are not; partial: those of the missing that have turns but no end; calls,
    tokens, dollars: what the missing ones are expected to take; tokens_low, tokens_high, dollars_low, dollars_high: how far that
    may be off; dollars_per_completed: what a completed rollout takes, with those that come to nothing; basis: what it is
    estimated from.

    From five stored rollouts of the same model and scenario on, the spread is a 95% prediction interval of the cell's total. Before
    that, simulated rollouts of the cell are counted, at a token per four characters and with the tools, and in a harness its own
    prompt, at each call; or what other models took in that harness. The spread is then their range; a reasoning model uses more.
    Dollars are NaN where litellm knows no price. A partial rollout counts as if from its start.
    """
    n = arguments.whole("n", n, "the number of rollouts per cell")
    cells = cells_of(conditions, models)
    with Store(store) as opened:
        check_same(opened, cells)
        return planned(opened, cells, n)


def planned(store: Store, cells: list[Cell], n: int) -> pd.DataFrame:
    """The table of `plan`, of cells of any kind."""
    import pandas as pd

    stored, partial = store.stored(cell.digest for cell in cells), checkpoint.partial(store)
    expected = expectations(store, cells)
    rows = []
    for cell in cells:
        wanted = [i for i in range(n) if i not in stored[cell.digest]]
        begun = sum(key_of(cell.digest, i) in partial for i in wanted) if partial else 0
        row = {"stored": n - len(wanted), "partial": begun, "missing": len(wanted)}
        rows.append(row | _estimate(expected[cell.digest], len(wanted)))
    about = {"model": column([cell.model.label for cell in cells], "model")} | factors(rows_of([cell.condition for cell in cells]))
    return pd.DataFrame(about | dict(pd.DataFrame(rows)), copy=False)


def _estimate(expected: Expected, missing: int) -> dict[str, Any]:
    row: dict[str, Any] = {"calls": round(missing * expected.mean.calls)}
    for name in ("tokens", "dollars"):
        low, high = expected.spread(name, missing)
        row |= {name: missing * getattr(expected.mean, name), f"{name}_low": low, f"{name}_high": high}
    return row | {"dollars_per_completed": expected.per_completed, "basis": expected.basis}


def run(
    conditions: Conditions,
    models: Models,
    n: int,
    *,
    store: StorePath = None,
    concurrency: int = 16,
    budget: float | None = None,
    max_tokens: int | None = None,
    count: str = "all",
    until: Any = None,
    discard_below: int | None = None,
    executor: Executor | None = None,
    progress: bool | Callable[[int, int], object] = True,
) -> pd.DataFrame:
    """Make the missing ones of `n` rollouts per condition and model, and return all of them: a row per rollout.

    What is stored is never run again, and gets the labels that are given here. Of real models every turn is stored as it arrives:
    after a crash, Ctrl-C or the notebook's stop button the next call goes on inside the conversations, and pays again at most for
    the calls that were in flight.

    `concurrency` is how many rollouts of real models go on at once, and the most calls to one provider; after a rate limit it
    is asked less. `budget` (US dollars) and `max_tokens` bound what this call spends: rollouts that would not fit are not
    started, and where the estimate was too low conversations pause (`stop_reason` "budget"); a later call goes on.
    `count="scored"` goes on, to at most three times `n`, until `n` rollouts of a cell have an outcome, refusals among them; all
    that were made are returned, and what was added is said. `discard_below` adds a column `short`: whether a cell has fewer.
    `until` (`pp.Precision`, `pp.Decides`) makes them in rounds, and cells that are finished get no more, `n` being the most; a
    later call goes on with the same sequence. A rule of your own has `step` (rollouts of a cell between two looks) and
    `next_round(frame, wanted, n)`: how many rollouts each cell that goes on shall have next, of {cell: how many it has}. As
    outcomes then decide how many there are, intervals and tests for a fixed n do not hold: the column `stopping` says so, and
    `stats.sequence` has those that do.
    `executor` makes the rollouts in its workers, this process stores them: a rollout that a worker loses begins anew.
    `progress` is a bar, none, or a function that is told how many of the missing rollouts are made, and how many were missing.

    Raises before any call `ConditionError`, `ModelError`, `PersonaError`, `StoreError`, and `ValueError` for numbers. `ModelError`
    also where a provider rejects the key or the model, or does not answer: then after all other models are done. `ScenarioError`
    where a tool of one's own fails on what a real model calls it with: no more of that condition and model is begun, and it is
    raised after all others are done; of simulated agents, which cost nothing, at once. A rollout on which an `outcome` of one's
    own fails is stored, missing as "not scored" with a warning, and scored whenever it is read again.
    """
    n = arguments.whole("n", n, "the number of rollouts per cell")
    one_of("count", count, ("all", "scored"), ValueError)
    if until is not None:
        arguments.rule(until)
    if until is not None and count != "all":
        raise ValueError("until= decides by outcomes how many rollouts there are: it does not go with count='scored'")
    concurrency = arguments.whole("concurrency", concurrency)
    if discard_below is not None:
        discard_below = arguments.whole("discard_below", discard_below)
    if executor is not None and not hasattr(executor, "submit"):
        raise ValueError(f"executor={executor!r} is no executor of concurrent.futures, nor one that has its submit()")
    undivided("pandas")
    meter, cells = Meter(budget, max_tokens), cells_of(conditions, models)
    if until is not None and hasattr(until, "check"):
        until.check(cells)
    wanted = {cell.digest: n if until is None else min(until.step, n) for cell in cells}
    going = dict(wanted)
    with Store(store) as opened:
        check_same(opened, cells)
        relabel(opened, cells)
        while True:
            fill(opened, cells, wanted, meter, concurrency, executor, progress)
            if until is not None and not meter.refused:
                frame = tidy(opened, [cell.stored() for cell in cells if cell.digest in going], wanted)
                if going := _next_round(until, frame, going, n):
                    wanted |= going
                    continue
            if count == "all" or meter.refused or not _top_up(opened, cells, wanted, n):
                break
        frame = tidy(opened, [cell.stored() for cell in cells], wanted)
        if until is not None:
            frame["stopping"] = repr(until)
    return _flagged(frame, [cell for cell in cells if not cell.model.simulated], discard_below)


def _next_round(until: Any, frame: pd.DataFrame, going: dict[bytes, int], n: int) -> dict[bytes, int]:
    """What a rule says of the cells that go on, up to `n`. Raises where it would look at the same ones for ever."""
    told = until.next_round(frame, going, n)
    if not isinstance(told, Mapping) or told.keys() - going.keys():
        raise ValueError(f"until={until!r}: next_round returned {brief(told)}, and no mapping of cells that go on to rollouts")
    most = {cell: arguments.whole("next_round of until", number, "the rollouts of a cell") for cell, number in told.items()}
    after = {cell: min(number, n) for cell, number in most.items() if going[cell] < n}
    if after and all(number <= going[cell] for cell, number in after.items()):
        raise ValueError(f"until={until!r}: next_round asked for no more rollouts than there are: a cell that is done is left out")
    return after


def fill(
    store: Store,
    cells: list[Cell],
    wanted: dict[bytes, int],
    meter: Meter,
    concurrency: int,
    executor: Executor | None,
    progress: bool | Callable[[int, int], object],
) -> None:
    """Make the missing ones of the rollouts that are wanted of each cell."""
    if callable(progress):
        arguments.function("progress", progress, "made, missing")
    else:
        arguments.flag("progress", progress)
    stored = store.stored(wanted)
    missing = [(cell, i) for cell in cells for i in range(wanted[cell.digest]) if i not in stored[cell.digest]]
    if missing:
        for source in {cell.model.source for cell, _ in missing}:
            provenance(source)  # reads files, of which calls may leave none to be opened
        with store.transaction():  # a store that cannot be written is told before anything is made
            pass
        try:
            with _bar(len(missing), progress) as bar:
                _make(missing, Keeper(store, bar), meter, concurrency, executor)
        finally:  # also where it was stopped
            for scenario, code in {cell.condition._scenario: cell.said.get("code") for cell, _ in missing}.items():
                scenario.stays(code or {})


def _bar(total: int, progress: bool | Callable[[int, int], object]) -> Any:
    """A progress bar, and none where tqdm is not installed; or what tells a function."""
    if callable(progress):
        return contextlib.nullcontext(_Told(progress, total))
    try:
        from tqdm.auto import tqdm
    except ModuleNotFoundError:
        return contextlib.nullcontext(SimpleNamespace(update=lambda made: None))
    return tqdm(total=total, unit="rollout", disable=not progress or sys.stderr is None, leave=False)


class _Told:
    """A bar that is a function."""

    def __init__(self, tell: Callable[[int, int], object], total: int):
        self.tell, self.total, self.made = tell, total, 0

    def update(self, made: int) -> None:
        self.made += made
        self.tell(self.made, self.total)


def _make(jobs: list[Job], keeper: Keeper, meter: Meter, concurrency: int, executor: Executor | None) -> None:
    simulated = [job for job in jobs if job[0].model.simulated]
    boxed = [job for job in jobs if job[0].model.harness and job[0].model.source in SIMULATED]
    for cell in {cell.digest: cell for cell, _ in [*simulated, *boxed]}.values():
        cell.rehearsed()  # a rate that is missing is told before anything is made
    redaction.read()
    for cell in {cell.digest: cell for cell, _ in jobs}.values():
        told, which = codec.dumps(spec := cell.spec()), redaction.redact(str(cell.condition))
        try:
            check_spec(spec)
            check_size(told)
        except ValueError as error:
            raise ConditionError(f"{which}: what it is and starts from is too much: {error}") from None
        if redaction.redact(told) != told:
            raise ConditionError(f"{which}: its texts hold a secret of the environment, which would be sent and stored")
    # In rounds over the cells, so that they stay as large as each other wherever it ends.
    live = sorted((job for job in jobs if not job[0].model.simulated), key=lambda job: job[1])
    for model in {cell.model.label: cell.model for cell, _ in live}.values():
        model.check_key()
    run_simulated(simulated, keeper, executor, concurrency)
    run_live(live, keeper, meter, concurrency, executor)


def _top_up(store: Store, cells: list[Cell], wanted: dict[bytes, int], n: int) -> bool:
    """Ask for more rollouts of the cells that are short of outcomes; whether there are any. Those not yet stored are told."""
    added, new, why, stored = 0, 0, Counter[str](), store.stored(wanted)
    for cell in cells:
        made = wanted[cell.digest]
        scored = outcomes_of(store, cell.stored(), made)
        told = zip(scored.column("missing"), scored.column("refused"), strict=True)
        # A refusal is an outcome, and where a rule of one's own failed more rollouts help nothing.
        reasons = [why for why, refused in told if why and why != NOT_SCORED and not refused]
        more = min(n - (made - len(reasons)), _PATIENCE * n - made)
        if more > 0:
            wanted[cell.digest] += more
            added += more
            if lacking := {*range(made, made + more)} - {*stored[cell.digest]}:
                new += len(lacking)
                why.update(reasons)
    if new:
        say(f"{new} more rollouts for those without an outcome: " + ", ".join(f"{k} {v}" for k, v in why.most_common()))
    return added > 0


def _flagged(frame: pd.DataFrame, live: list[Cell], discard_below: int | None) -> pd.DataFrame:
    if discard_below is not None:
        counts = (frame.preserved.notna() | frame.refused.eq(True).fillna(False)).groupby(frame.cell).transform("sum")
        frame["short"] = (counts < discard_below).astype(bool)
        if frame.short.any():
            short = frame.cell[frame.short].nunique()
            say(f"{short} cells have fewer than {discard_below} rollouts with an outcome, refusals among them: column 'short'")
    if live:
        ids = frame.groupby(["model", "cell"]).reported_model.agg(lambda ids: len(set(", ".join(ids.dropna()).split(", ")) - {""}))
        changed = sorted({str(model) for model, _ in ids[ids > 1].index})
        if changed:
            text = f"within a cell the provider reported more than one model id for {', '.join(changed)}: column 'reported_model'"
            warnings.warn(text, stacklevel=3)
        _tell_silent(frame[frame.model.isin({driven(cell.model).label for cell in live})])
    return frame


def _tell_silent(frame: pd.DataFrame) -> None:
    """A server that passes no tools on, or hands calls back as text, must not read as a model that preserves nobody."""
    frame = frame[frame.turns > 0]  # without an answer nothing is known of it
    without = frame.tool_calls.eq(0) & ~frame.missing.eq("refused").fillna(False)  # who refuses in words needs no tool
    for model, silent in without.groupby(frame.model).agg(["sum", "size"]).iterrows():
        if silent["size"] >= _TOLD_FROM and silent["sum"] * 2 > silent["size"]:
            say(
                f'{silent["sum"]} of {silent["size"]} rollouts of {model} end without a single tool call, and are missing ("nothing'
                f' read"): does its server pass tools on, and hand calls back as calls and not as text? pp.show has the words'
            )
