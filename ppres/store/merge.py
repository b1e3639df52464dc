"""Stores brought together: of several machines, of several labs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ppres import arguments, codec
from ppres.conversation import UNFINISHED
from ppres.store import checkpoint, judgements
from ppres.store.database import StorePath, default_path
from ppres.store.errors import Damaged, StoreError
from ppres.store.rows import OTHERS, Row
from ppres.store.secrets import secret_in
from ppres.store.store import Store

if TYPE_CHECKING:
    import pandas as pd

# What became of something, its key, and how many it counts for.
Fate = tuple[str, bytes, int]
# Of which nobody needs the ids.
_AS_EXPECTED = ("added", "already there", "superseded", "judgements", "paused turns")


def merge(into: StorePath, *others: StorePath) -> pd.DataFrame:
    """Bring all that is in other stores into one, and leave them as they are; a row (store, what, count, ids) for each kind.

    What is stored is copied as it stands, also what another version put there. Rollouts are added, already there, superseded
    (unfinished, and there already), mended (the one that is there is damaged), damaged (left out), or in conflict: the same key
    with another conversation, or another key for the same replicate of the cell. In a conflict what is there stays, and the ids
    are told; so it is with judgements ("judgement conflict") and with the turns of conversations that have no end ("paused
    turns", "paused conflict"). Those that a run is at, here or there, are left alone ("under way"). A rollout that is unfinished
    in `into` gives way to a finished one. A cell that is in both keeps the label that it has in `into`; what differs from what was
    sent, `verify` tells. Outcomes of other stores are not believed: they are read off the transcripts when they are first asked
    for, and kept only where this session cannot read them. All is merged, or where that fails or is interrupted nothing. Raises
    `StoreError` where a store cannot be read or holds a key of this environment, or `into` cannot be written.
    """
    if not others:
        raise StoreError("merge takes the store to write, and one or more to read: pp.merge('all.sqlite', 'a.sqlite', 'b.sqlite')")
    for path in others:
        with Store(path, read_only=True) as source:
            if what := secret_in(source):
                raise StoreError(
                    f"{source.path}: {what} holds a secret of this environment, and none is ever stored: nothing was merged. "
                    "To do: revoke it, as others have it, and merge where it is not set"
                )
    return copied(into, *others)


def copied(into: StorePath, *others: StorePath) -> pd.DataFrame:
    """The `merge` of stores that are known to hold no secret."""
    import pandas as pd

    # Where it fails, a new store stays as it was made, empty: another process may be writing into it by now.
    with Store(default_path() if into is None else arguments.place(into, "store")) as target, target.transaction():
        told = [row for path in others for row in _merged(target, path)]
    return pd.DataFrame(told, columns=["store", "what", "count", "ids"])


def _merged(target: Store, path: StorePath) -> Iterator[tuple[str, str, int, str]]:
    """Bring one store into another; what became of what is in it."""
    with Store(path, read_only=True) as source:
        if os.path.samefile(source.path, target.path):
            raise StoreError(f"{source.path} cannot be merged into itself")
        fates = [*_rollouts(target, source), *_judgements(target, source), *_paused(target, source)]
    for what in dict.fromkeys(kind for kind, _, _ in fates):
        ids = [] if what in _AS_EXPECTED else [key.hex()[:16] for kind, key, _ in fates if kind == what]
        yield arguments.path_text(source.path), what, sum(n for kind, _, n in fates if kind == what), ", ".join(ids)


def _rollouts(target: Store, source: Store) -> Iterator[Fate]:
    for cell in source.cells():
        rows = source.rows(cell)
        try:
            spec = source.spec(cell)
        except Damaged:
            yield from (("damaged", row.key, 1) for row in rows)
            continue
        yield from ((_rollout(target, source, row, spec), row.key, 1) for row in rows)


def _rollout(target: Store, source: Store, row: Row, spec: dict[str, Any]) -> str:
    """Copy a rollout, or leave it."""
    try:
        body = source.body(row.key)
    except Damaged:
        return "damaged"
    fate = _fate(target, row, body)
    if fate in ("added", "mended"):
        if row.stop_reason not in UNFINISHED:
            target.discard([row.key])  # with its turns
        scorer = row.scorer and str(row.scorer).removesuffix(OTHERS) + OTHERS  # of a damaged store it may be anything
        target.insert(row._replace(scorer=scorer), body, {row.cell: spec})
    return fate


def _fate(target: Store, row: Row, body: dict[str, Any]) -> str:
    there = target.query(
        "SELECT key, stop_reason FROM rollouts WHERE key=?1 OR (cell = (SELECT id FROM cells WHERE digest=?2) AND replicate=?3)",
        row.key,
        row.cell,
        row.replicate,
    )
    if not there:
        return "added"
    if [key for key, _ in there] != [row.key]:
        return "conflict"
    if there[0][1] in UNFINISHED and row.stop_reason not in UNFINISHED:
        return "added"
    same = _same(target, row.key, body)
    if same or row.stop_reason in UNFINISHED:
        return "already there" if same else "superseded"
    return "mended" if same is None else "conflict"


def _same(target: Store, key: bytes, body: dict[str, Any]) -> bool | None:
    """Whether a stored rollout is the same conversation; None where it is damaged."""
    try:
        known = target.body(key)
    except Damaged:
        return None
    told = ("messages", "calls", "stop_reason", "error")
    return codec.dumps([known.get(name) for name in told]) == codec.dumps([body.get(name) for name in told])


def _judgements(target: Store, source: Store) -> Iterator[Fate]:
    for row in source.query("SELECT key, rollout, rubric, model, body FROM judgements"):
        key = row[0]
        try:
            told = judgements.find(source, key) or {}
        except Damaged:
            yield "damaged judgement", key, 1
            continue
        try:
            known = judgements.find(target, key)
        except Damaged:
            known = None
        if known is None or ("reply" in told and "reply" not in known):  # an error gives way to an answer
            with target.transaction() as db:
                db.execute("INSERT OR REPLACE INTO judgements VALUES (?, ?, ?, ?, ?)", row)
            yield "judgements", key, 1
        elif "reply" in told and codec.dumps(told) != codec.dumps(known):
            yield "judgement conflict", key, 1


def _paused(target: Store, source: Store) -> Iterator[Fate]:
    """Turns of conversations that have no end in either store: of two that begin alike, the longer one."""
    ended = {key for (key,) in target.query("SELECT key FROM rollouts WHERE stop_reason NOT IN (?, ?)", *UNFINISHED)}
    busy = checkpoint.under_way(target) | checkpoint.under_way(source)
    here = checkpoint.partial(target)
    for key, turns in checkpoint.partial(source).items():
        if key in ended:
            continue
        if key in busy:
            yield "under way", key, 1
            continue
        said, known = ([codec.dumps(turn.message) for turn in some] for some in (turns, here.get(key, [])))
        if said[: len(known)] != known[: len(said)]:
            yield "paused conflict", key, 1
        elif len(said) > len(known):
            with target.transaction() as db:
                lost = (*checkpoint.lost(target, key), *checkpoint.lost(source, key))
                db.execute("DELETE FROM turns WHERE key=?", (key,))
                for row in source.query("SELECT key, turn, body FROM turns WHERE key=? AND turn < ?", key, len(turns)):
                    db.execute("INSERT INTO turns VALUES (?, ?, ?)", row)
                if lost:
                    checkpoint.lose(target, key, lost)
            yield "paused turns", key, len(turns)
