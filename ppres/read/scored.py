"""Outcomes of what is stored: from the cache, or by today's rules off the replayed transcript. There is no other way to them."""

from __future__ import annotations

import itertools
import json
import warnings
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from typing import Any, NamedTuple

from ppres import codec
from ppres.agent import Replayed, replay
from ppres.condition import DATASETS, SCENARIOS, Condition
from ppres.conversation import Conversation, Message, Turn, calls_of, parts, taken_over
from ppres.factor import ConditionError
from ppres.models import redaction
from ppres.read import outcomes
from ppres.store.cell import Cell
from ppres.store.errors import Damaged, StoreError
from ppres.store.rows import OTHERS, Row, Scored, StoredCell
from ppres.store.store import Store
from ppres.worlds.world import RULES, World

# Of a conversation, by whatever rules it was scored.
_COUNTED = tuple(outcomes.TOOK)


class CellOutcomes(NamedTuple):
    """Stored rollouts of a cell, and their outcomes."""

    keys: Sequence[bytes]
    replicates: Sequence[int]
    distinct: Mapping[str, Sequence[Any]]
    """By name, an outcome's values; rollouts that came out alike, as those of simulated agents do, share one."""
    places: Sequence[int]
    """For each rollout, which of these are its own."""
    problems: dict[str, str]
    """By id, why outcomes are missing: the column `missing` says "damaged", or "not scored" where they could not be read off."""

    def column(self, name: str) -> list[Any]:
        """One outcome, a value for each rollout; None where it is missing, or the rules that were in force had no such column."""
        values = self.distinct.get(name)
        return [values[place] if values else None for place in self.places]


def definition(spec: Mapping[str, Any]) -> Condition | None:
    """The condition of a stored cell, where this session has its scenario as it was; else nothing can be scored or replayed."""
    try:
        condition = Condition.of(spec["condition"])
    except (ConditionError, KeyError, AttributeError):  # or it says nothing that could be one
        return None
    same = condition._scenario.code() == spec["sent"].get("code", {}) and spec["sent"].get("rules") == RULES
    return condition if same else None


def rules_of(store: Store, cell: bytes) -> set[str]:
    """The rules by which a frame has outcomes of a cell: today's, or if it cannot be gone through again, those of what is kept."""
    try:
        condition = definition(store.spec(cell))
    except Damaged:  # its rollouts have no outcomes
        return set()
    kept = {str(scorer).removesuffix(OTHERS) for scorer in store.by_column(cell)[3] if scorer}
    return {outcomes.scorer_of(condition._scenario, condition._dataset)} if condition else kept


def check_same(store: Store, cells: Iterable[Cell]) -> None:
    """Raise `ConditionError` where rollouts of a cell are stored as those of another condition, to which the same was sent.

    They would be scored by that one's rule. Built-in scenarios show the agent whatever can differ between their conditions, but for
    the name of data of one's own.
    """
    own = [cell for cell in cells if not cell.condition._scenario.built_in or getattr(cell.condition._dataset, "judged_by", None)]
    stored = {*store.cells()} if own else set()
    for cell in own:
        if cell.digest not in stored:
            continue
        try:
            told = store.spec(cell.digest).get("condition")
        except Damaged:  # which reading it tells
            continue
        then, now = (_levels(condition) for condition in (told, cell.condition.json()))
        if differ := [name for name in then if name in now and then[name] != now[name]]:
            levels = ", ".join(f"{name}={now[name]!r} (stored: {then[name]!r})" for name in differ)
            raise ConditionError(
                f"{cell.model.label} is sent nothing else in {cell.condition} than in what {store.path} has already, and those "
                f"rollouts are stored with another {levels}: give it the same {' and '.join(differ)} (a changed outcome scores "
                "them anew), show the agent the difference, or use another store"
            )


def _levels(condition: Any) -> dict[str, Any]:
    """Levels of a stored condition's factors, the scenario's own among them; its label is for the reader alone."""
    told = dict(condition) if isinstance(condition, dict) else {}
    own = told.pop("own", None)
    told.pop("label", None)
    return told | (own if isinstance(own, dict) else {})


def replayed(
    spec: Mapping[str, Any], condition: Condition, conversation: Conversation, scorer: str | None = None
) -> tuple[Replayed, Scored]:
    """A stored conversation gone through again, and its outcomes by today's rules (`scorer`, where they are known)."""
    sent = spec["sent"]
    conversation = from_start(sent, conversation)
    again = replay(sent["world"], conversation, condition._scenario.own_tools, sent.get("after"))
    return again, by_rule(conversation, condition, again.world, scorer)


def by_rule(conversation: Conversation, condition: Condition, world: World, scorer: str | None = None) -> Scored:
    """Outcomes as they are stored: what a rule of one's own returns may hold a secret, which is never."""
    scored = outcomes.scored(conversation, condition, world, scorer)
    return scored if condition._scenario.built_in else scored._replace(values=redaction.clear(scored.values)[0])


def without_secrets(turns: list[Turn]) -> list[Turn]:
    """Turns without secrets in what tools and acts of one's own said; what real models say is cleared as it comes."""
    cleared, places = redaction.clear([[turn.message, turn.replies] for turn in turns])
    told = zip(turns, cleared, strict=True)
    return [turn._replace(message=message, replies=replies) for turn, (message, replies) in told] if places else turns


def other_replies(conversation: Conversation, replies: list[Message]) -> bool:
    """Whether the world says something else now than is stored, where a tool of one's own may have said a secret."""
    stored = [reply for turn in conversation.turns for reply in turn.replies]
    if codec.dumps(stored) == codec.dumps(replies) or len(stored) != len(replies):
        return len(stored) != len(replies)
    rest = iter(replies)
    again = without_secrets([turn._replace(replies=[next(rest) for _ in turn.replies]) for turn in conversation.turns])
    return codec.dumps(stored) != codec.dumps([reply for turn in again for reply in turn.replies])


def other_end(conversation: Conversation, world: World) -> str | None:
    """Why a conversation cannot have ended as it says: an agent that ends its task has that end, there, and no other has it."""
    stop, last = conversation.stop_reason, conversation.turns[-1:]
    if world.interviewed or conversation.left is not None:  # those end when they are answered, or by a program
        return None
    if world.ended != (stop == "ended"):
        return f"its stop reason is {stop!r}, and its agent {'ended' if world.ended else 'did not end'} the task"
    calls = [parts(call)[1] for turn in last for call in calls_of(turn.message)]
    ends = [event for event in world.events if event.tool == "end_task" and event.ok]
    if stop == "ended" and (not calls or len(ends) > calls.count("end_task")):
        return "its agent ended the task, and it goes on behind that"
    if stop == "no_tool_call" and (not last or calls):
        return "its stop reason is 'no_tool_call', and its last message has calls"
    return None


def from_start(sent: Mapping[str, Any], conversation: Conversation) -> Conversation:
    """A stored conversation with the turns that it takes over from its parent."""
    return conversation.after(taken_over(sent["after"])) if "after" in sent else conversation


def outcomes_of(store: Store, cell: StoredCell, n: int | None = None) -> CellOutcomes:
    """The first `n` stored rollouts of a cell with their outcomes; see `scored_rows`.

    Where all caches are of today's rules, as nearly always, each distinct one is decoded once.
    """
    keys, replicates, _, scorers, caches = store.by_column(cell.digest, n)
    distinct = {text: place for place, text in enumerate(dict.fromkeys(caches))}
    known = _decoded(store, cell, {*scorers}, [*distinct])
    if known is None:
        return scored_rows(store, cell, store.rows(cell.digest, n))
    return CellOutcomes(keys, replicates, known, [*map(distinct.__getitem__, caches)], {})


def counted(store: Store, cell: StoredCell, alike: Sequence[Sequence[Any]]) -> tuple[CellOutcomes, Sequence[int]]:
    """The distinct outcomes of a cell's stored rollouts, and how many have each, from what `tallies.alike` says; no ids."""
    scorers, caches, counts = zip(*alike, strict=True)
    known = _decoded(store, cell, {*scorers}, caches)
    if known is None:
        scored = outcomes_of(store, cell)
        among = Counter(scored.places)
        return scored._replace(keys=(), replicates=(), places=sorted(among)), [among[place] for place in sorted(among)]
    return CellOutcomes((), (), known, range(len(caches)), {}), counts


def _decoded(store: Store, cell: StoredCell, scorers: Set[str | None], caches: Sequence[str]) -> dict[str, Sequence[Any]] | None:
    """By name, the outcomes of these caches; None where one is damaged or not of today's rules."""
    scorer = next(iter(scorers)) if len(scorers) == 1 else None
    columns = store.layout(scorer)
    if not (columns and _current(cell, scorer, columns)):
        return None
    read = _lists(caches)
    whole = all(isinstance(values, list) and len(values) == len(columns) for values in read)
    return dict(zip(columns, zip(*read, strict=True), strict=True)) if whole else None


def _current(cell: StoredCell, scorer: str | None, columns: Collection[str]) -> bool:
    """Whether outcomes of this layout are what today's rules would say; where this session lacks the scenario
    or the data, nothing else can."""
    scenario, name = SCENARIOS.get(cell.scenario), cell.condition.get("dataset")
    dataset = DATASETS.get(name) if isinstance(name, str) else None
    if scenario is None or (name and not dataset):
        return not cell.problem
    known = scorer == outcomes.scorer_of(scenario, dataset) and {*outcomes.columns_of(scenario)} <= {*columns}
    return known and not cell.problem


def scored_rows(store: Store, cell: StoredCell, rows: Sequence[Row]) -> CellOutcomes:
    """Stored rollouts of a cell with their outcomes.

    Those that were scored by other rules than today's, or whose cache is damaged, are scored anew, and the cache is replaced. Where
    this session lacks the scenario, they keep the outcomes that they have. What cannot be scored is missing, and says why.
    """
    caches = cached(rows)
    current = {scorer: _current(cell, scorer, columns) for scorer, columns in {row.scorer: row.columns for row in rows}.items()}
    stale = [row for row, values in zip(rows, caches, strict=True) if values is None or not current[row.scorer]]
    fresh = _anew(store, cell, stale) if stale else {}
    if fresh:
        store.recache((key, scored) for key, scored in fresh.items() if isinstance(scored, Scored))
    told: list[Mapping[str, Any]] = []
    problems = {}
    for row, values in zip(rows, caches, strict=True):
        known, now = dict(zip(row.columns, values or (), strict=False)), fresh.get(row.key)
        if isinstance(now, Scored):
            known = dict(zip(now.columns, now.values, strict=True))
        elif now or values is None:
            missing, why = now or (outcomes.NOT_SCORED, _LACKING)
            known = {name: known[name] for name in _COUNTED if name in known} | {"stop_reason": row.stop_reason, "missing": missing}
            problems[row.key.hex()[:16]] = why
        told.append(known)
    by_name = {name: [known.get(name) for known in told] for name in dict.fromkeys(name for known in told for name in known)}
    return CellOutcomes([row.key for row in rows], [row.replicate for row in rows], by_name, range(len(rows)), problems)


_LACKING = "it has no outcomes, and this session lacks its scenario, or has another one of that name"


def _anew(store: Store, cell: StoredCell, rows: Sequence[Row]) -> dict[bytes, Scored | tuple[str, str]]:
    """Outcomes by today's rules, by key; or why there are none. Without rollouts of which this session lacks the scenario."""
    try:
        spec = store.spec(cell.digest)
    except Damaged as error:
        return {row.key: ("damaged", str(error)) for row in rows}
    fresh: dict[bytes, Scored | tuple[str, str]] = {}
    condition = definition(spec)
    if condition is None:
        return fresh
    scorer = outcomes.scorer_of(condition._scenario, condition._dataset)
    for row in rows:
        try:
            conversation = store.record(row.key).conversation
            again, scored = replayed(spec, condition, conversation, scorer)
            why = other_end(conversation, again.world)
            fresh[row.key] = (outcomes.NOT_SCORED, why) if why else scored
        except Damaged as error:
            fresh[row.key] = "damaged", str(error)
        except StoreError:
            raise
        except Exception as error:  # of a scenario's own code, or of a world of a stranger: the others are scored all the same
            fresh[row.key] = outcomes.NOT_SCORED, f"{type(error).__name__}: {error}"
    return fresh


def tell(problems: Mapping[str, str], stacklevel: int) -> None:
    """Warn of rollouts that have no outcomes."""
    if problems:
        some = "; ".join(f"{id}: {why}" for id, why in itertools.islice(problems.items(), 3))
        more = f"; and {len(problems) - 3} others" if len(problems) > 3 else ""
        warnings.warn(f"{len(problems)} rollouts have no outcomes (column 'missing'): {some}{more}", stacklevel=stacklevel + 1)


def cached(rows: Sequence[Row]) -> list[list[Any] | None]:
    """The cached outcomes of rollouts, each a list in the order of its row's columns; None where the cache is damaged."""
    read = _lists([row.outcomes for row in rows])
    whole = (isinstance(outcome, list) and len(outcome) == len(row.columns) > 0 for outcome, row in zip(read, rows, strict=True))
    return [outcome if fits else None for outcome, fits in zip(read, whole, strict=True)]


def _lists(texts: Sequence[str | None]) -> list[Any]:
    """What these are the JSON of; None where one is damaged."""
    try:
        read = json.loads(f"[{','.join(text or 'null' for text in texts)}]")  # together: a tenth of the time
    except (ValueError, TypeError, RecursionError):  # or bytes
        read = []
    return read if len(read) == len(texts) else [*map(_read, texts)]


def _read(text: str | None) -> Any:
    try:
        return json.loads(text or "null")
    except (ValueError, RecursionError):
        return None
