"""Reading what is stored: the frame, one transcript, why two rollouts are not the same, and whether all is well."""

from __future__ import annotations

import contextlib
import difflib
import json
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ppres import arguments, codec
from ppres.condition import Condition, row_of
from ppres.conversation import taken_over
from ppres.factor import one_of
from ppres.models.model import Model
from ppres.read.columns import told as table
from ppres.read.frame import frame as tidy
from ppres.read.frame import kind_of, stored_cell
from ppres.read.scored import cached, check_same, definition, other_end, other_replies, replayed, scored_rows
from ppres.read.specs import misfit, other_parent, other_peer
from ppres.store import tallies
from ppres.store.cell import Conditions, Models, cell_of, cells_of
from ppres.store.database import StorePath
from ppres.store.errors import Damaged, StoreError
from ppres.store.rows import Row, key_of
from ppres.store.store import Store

if TYPE_CHECKING:
    import pandas as pd

# A stored rollout by its id, or what would be run.
StoredOrNot = str | tuple[Condition, str | Model]


def frame(
    conditions: Conditions | None = None,
    models: Models | None = None,
    n: int | None = None,
    *,
    kind: str = "rollouts",
    store: StorePath = None,
) -> pd.DataFrame:
    """The stored rollouts as `run` returns them, without running any: of conditions and models, or all there are.

    Where nothing has been stored yet it is empty; a store that is named has to be there.

    `kind="branches"` and `"interviews"` are those that go on after another one (`branch`, `ask`); "all" has the three together.
    """
    if (conditions is None) != (models is None):
        raise ValueError("frame takes conditions and models together, or neither for everything that is stored")
    if one_of("kind", kind, (*KINDS, "all"), ValueError) != "rollouts" and conditions is not None:
        raise ValueError(f"kind={kind!r} is asked for without conditions and models")
    if n is not None:
        n = arguments.whole("n", n, "how many rollouts of a cell to show")
    with Store(store, existing=store is not None) as opened:
        if conditions is not None and models is not None:
            asked = cells_of(conditions, models)
            check_same(opened, asked)
            return tidy(opened, [cell.stored() for cell in asked], n)
        cells = [stored_cell(opened, digest) for digest in opened.cells()]
        cells = [cell for cell in cells if kind == "all" or kind_of(cell) == KINDS[kind]]
        told = tidy(opened, cells, n)
    if kind != "rollouts":
        return told
    same = {"model", "harness"}.union(*(row_of(cell.condition) for cell in cells))
    first = told.loc[~told.cell.duplicated() & told.model.notna()]
    twins = first.duplicated([name for name in told if name in same], keep=False)
    if twins.any():
        text = f"{twins.sum()} cells have the same factors, but were sent other things (an earlier wording, for instance): "
        warnings.warn(f"{text}the column 'cell' tells them apart, and pp.explain says how they differ", stacklevel=2)
    return told


# By what `frame` calls them: the kinds of cells.
KINDS = {"rollouts": "rollout", "branches": "branch", "interviews": "interview"}


def transcript(id: str, *, store: StorePath = None) -> dict[str, Any]:
    """One rollout as self-contained JSON.

    Keys: id, source, condition, model, replicate, sent (all that decides what was sent: model and parameters, tools, start of the
    world), messages (OpenAI format, from the system prompt on), calls (tokens, dollars and what the provider reported, for
    each assistant message), stop_reason, error, outcomes, created, provenance. Messages that a branch or an interview takes over
    are among its own, with empty calls, and `sent` tells under `after` of which rollout they are.
    """
    (content,) = transcripts([id], store=store)
    return content


def transcripts(ids: Iterable[str], *, store: StorePath = None) -> Iterator[dict[str, Any]]:
    """The `transcript` of each id, one after the other."""
    with Store(store, existing=True) as opened:
        for id in ids:
            yield _transcript(opened, id)


def _transcript(store: Store, id: str) -> dict[str, Any]:
    row = store.find(id)
    spec, record = store.spec(row.cell), store.record(row.key)
    cell = stored_cell(store, row.cell)
    scored = scored_rows(store, cell, [row])
    sent, kept = spec["sent"], record.conversation.json()
    briefing = told if isinstance(told := sent.get("messages"), list) else []  # by a stranger
    before = taken_over(sent.get("after"))
    kept["calls"] = [{} for message in before if message["role"] == "assistant"] + kept["calls"]
    return {
        "id": row.key.hex(),
        "source": cell.source,
        "condition": cell.condition,
        "model": cell.model,
        "replicate": row.replicate,
        "sent": {k: v for k, v in sent.items() if k != "messages"},
        **kept,
        "messages": [m if isinstance(m, dict) else {"content": m} for m in [*briefing, *before, *kept["messages"]]],
        "created": record.created,
        "provenance": record.provenance,
        "outcomes": {name: value for name, (value,) in scored.distinct.items()},
    }


def explain(a: StoredOrNot, b: StoredOrNot | None = None, *, store: StorePath = None) -> pd.DataFrame:
    """In which fields two rollouts' identities differ: a row per field, with both values.

    Each is a stored rollout's id, or (condition, model) for what would be run. Without `b`, the stored cell that differs least
    is taken: the answer to "why did this run again?"; a first row then names a rollout of it. No rows: the same cell, so at most
    the replicates differ.
    """

    about = []
    with Store(store) as opened:
        first = _sent(opened, a)
        if b is not None:
            second = _sent(opened, b)
        else:
            sent = {digest: _sent_to(opened, digest) for digest in opened.cells()}
            others = {digest: flat for digest, flat in sent.items() if flat and flat != first}
            if not others:
                raise ValueError(f"{opened.path} holds no other cell to compare with")
            near = min(others, key=lambda d: sum(_json(first, k) != _json(others[d], k) for k in first | others[d]))
            second = others[near]
            about = [("rollout", a if isinstance(a, str) else "given", opened.rows(near)[0].key.hex()[:16])]
    changed = [k for k in first | second if _json(first, k) != _json(second, k)]
    # A container that is empty on one side is told by what it has on the other.
    changed = [k for k in changed if not any(other.startswith(f"{k}.") for other in changed)]
    rows = [(k, *shown_pair(first.get(k), second.get(k))) for k in changed]
    return table([*about, *rows], ["field", "a", "b"])


def _sent_to(store: Store, digest: bytes) -> dict[str, Any] | None:
    """What a stored cell was sent; None where that is damaged, which `verify` tells."""
    try:
        return flattened(store.spec(digest)["sent"])
    except Damaged:
        return None


def _json(flat: dict[str, Any], field: str) -> str | None:
    return json.dumps(flat[field]) if field in flat else None  # JSON tells true from 1, and null from nothing


def _sent(store: Store, which: StoredOrNot) -> dict[str, Any]:
    if isinstance(which, str):
        return flattened(store.spec(store.find(which).cell)["sent"])
    if not (isinstance(which, tuple) and len(which) == 2 and isinstance(which[0], Condition)):
        raise ValueError(f"explain takes a rollout's id, or a pair (condition, model), not {which!r}")
    return flattened(cell_of(*which).spec()["sent"])


def flattened(value: Any, path: str = "") -> dict[str, Any]:
    """{path: leaf}; list items that have a name are found under it, so that an added file shifts nothing."""
    leaves, todo = {}, [(path, value)]  # without a call for each level: a stranger's record may have any number
    while todo:
        path, value = todo.pop()
        if isinstance(value, dict):
            items = list(value.items())
        else:
            items = [(_name(item, i), item) for i, item in enumerate(value)] if isinstance(value, list) else []
        todo += [(f"{path}.{name}" if path else str(name), item) for name, item in reversed(items)]
        if not items:  # a leaf, or a container that is empty
            leaves[path] = value
    return leaves


def _name(item: Any, index: int) -> Any:
    if not isinstance(item, dict):
        return index
    function = item.get("function")
    return item.get("name") or item.get("role") or (function.get("name") if isinstance(function, dict) else None) or index


def shown_pair(a: Any, b: Any) -> tuple[Any, ...]:
    """Of two long texts, the lines that differ."""
    if not (isinstance(a, str) and isinstance(b, str)):
        return tuple(json.dumps(value) if isinstance(value, list | dict) else value for value in (a, b))
    left, right = a.splitlines(keepends=True), b.splitlines(keepends=True)
    changes = [c for c in difflib.SequenceMatcher(None, left, right, autojunk=False).get_opcodes() if c[0] != "equal"]
    kept = "".join(t for c in changes for t in left[c[1] : c[2]]), "".join(t for c in changes for t in right[c[3] : c[4]])
    # Where only white space differs, it has to be seen.
    return (repr(kept[0]), repr(kept[1])) if kept[0].split() == kept[1].split() else (kept[0].rstrip("\n"), kept[1].rstrip("\n"))


def verify(*, store: StorePath = None) -> pd.DataFrame:
    """Read and replay every stored rollout: a row (id, problem) for each that is damaged, misplaced or does not replay, or whose
    cell is said to be of another condition or model than was sent.

    Outcomes that are not those of their transcript are told, and replaced by those that are. What this session cannot replay,
    because it lacks the scenario, is read, and a warning says so.
    """

    with Store(store, existing=True) as opened:
        problems, lacking = replay_all(opened)
        miscounted = tallies.miscounted(opened)
    if miscounted:
        text = "rollouts that came out alike were counted wrongly, and by them what pp.spent and `ppres status` say"
        warnings.warn(f"{text}; {'that stays' if opened.read_only else 'now they are not'}", stacklevel=2)
    if lacking:
        names = ", ".join(sorted(lacking))
        text = f"rollouts of {names} were read but not replayed: this session has no such scenario, or another one"
        warnings.warn(text, stacklevel=2)
    return table(problems, ["id", "problem"])


def replay_all(store: Store) -> tuple[list[tuple[str, str]], Counter[str]]:
    """What `verify` tells: id and problem; and how many rollouts were not replayed, by the scenario that this session lacks."""
    problems, lacking = list[tuple[str, str]](), Counter[str]()
    conditions = dict[bytes, Condition]()
    for digest in store.cells():
        rows = store.rows(digest)
        try:
            spec = store.spec(digest)
        except Damaged as error:
            problems += [(row.key.hex()[:16], str(error)) for row in rows]
            continue
        condition = definition(spec)
        if condition is None:
            lacking[stored_cell(store, digest).scenario] += len(rows)
        else:
            conditions[digest] = condition
        if why := misfit(spec, condition) or other_parent(spec, parent_of(store, spec)):
            problems += [(row.key.hex()[:16], why) for row in rows]
        for row, known in zip(rows, cached(rows), strict=True):
            problems += [(row.key.hex()[:16], why) for why in _problems(store, row, known, spec, condition)]
    for digest, condition in conditions.items():
        if why := other_peer(condition, conditions.values()):
            problems += [(row.key.hex()[:16], why) for row in store.rows(digest)]
    return problems, lacking


def parent_of(store: Store, spec: Mapping[str, Any]) -> dict[str, Any] | None:
    """The spec of the rollout that a branch goes on after; None where it is none, or that is not stored here."""
    after = spec["sent"].get("after")
    with contextlib.suppress(StoreError):
        return store.spec(store.find(after["parent"]).cell) if isinstance(after, dict) and "parent" in after else None
    return None


def _problems(store: Store, row: Row, known: list[Any] | None, spec: dict[str, Any], condition: Condition | None) -> Iterator[str]:
    """What is wrong with a rollout; `known` are its cached outcomes."""
    try:
        conversation = store.record(row.key).conversation
    except Damaged as error:
        if store.query("SELECT 1 FROM rollouts WHERE key=?", row.key):  # or another process has discarded it meanwhile
            yield str(error)
        return
    if row.key != key_of(row.cell, row.replicate):
        yield f"it is not replicate {row.replicate} of the cell that it stands in"
    if condition is None:
        return
    try:
        again, fresh = replayed(spec, condition, conversation)
    except Exception as error:  # of a scenario's own code, or of a world of a stranger: the others are looked at all the same
        yield f"it cannot be replayed: {type(error).__name__}: {error}"
        return
    if other_replies(conversation, again.replies):
        yield "the world replies differently than when it was recorded"
    if why := other_end(conversation, again.world):
        yield why
    if row.scorer == fresh.scorer and codec.dumps(known) != codec.dumps(fresh.values):
        store.recache([(row.key, fresh)])
        stay = "they stay, as the store cannot be written" if store.read_only else "they are now"
        yield f"its outcomes were not those of its transcript; {stay}"


def discard(ids: str | Iterable[str], *, store: StorePath = None) -> int:
    """Delete a rollout or several, so that the next `run` makes them anew; returns how many were deleted."""
    with Store(store, existing=True) as opened:
        return opened.discard([opened.find(id).key for id in arguments.ids(ids)])
