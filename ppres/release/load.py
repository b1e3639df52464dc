"""The authors' dataset as the frame that `run` gives, and how far their labels and our rules agree."""

from __future__ import annotations

import contextlib
import itertools
import os
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ppres import arguments, stats
from ppres.models import redaction
from ppres.read.columns import KINDS, TYPES, column, plain, table, with_numbers
from ppres.read.outcomes import COLUMNS, SCORER
from ppres.release import files, harness, labels, reading
from ppres.release.keeping import keep
from ppres.release.names import Described, ReleaseError, blank, cell
from ppres.release.transcripts import played
from ppres.store.database import StorePath
from ppres.store.store import Store

if TYPE_CHECKING:
    import pandas as pd

# After the columns of `run`: which part of the dataset a row is of, and who says so.
_ABOUT = ("group", "sub_condition", "scorer")
_CHUNK = 8192
_FAILED = "not replayable: "
_TOLD = 12  # warnings


def load_release(
    groups: str | Sequence[str] = ("main",),
    split: str | Sequence[str] | None = None,
    cache: str | os.PathLike[str] | None = None,
    *,
    folder: str | os.PathLike[str] | None = None,
    transcripts: bool = False,
    store: StorePath = None,
) -> pd.DataFrame:
    """The authors' released rollouts as a tidy frame with the columns of `run`; source is "release".

    `groups` are the dataset's configs ("all" for every one) and `split` one or more of its tasks, by the authors' name or ours.
    The files come from the Hugging Face hub and are kept in `cache` (by default the hub's own), or are in `folder`.

    Outcomes are the authors' labels. With `transcripts=True` every transcript is replayed and the outcomes are ours, with theirs
    beside them as authors_preserved, authors_refused and so on, for `compare`; a rollout that cannot be replayed stays, with
    missing outcomes. One of a production harness, whose tools are not ours, keeps the labels; its words are read by our coders, and
    its source is "harness". Further columns: group, sub_condition, and scorer, which says whose outcomes they are.

    With a `store`, a path, the transcripts are kept there as well: `id` is then that of the store (the authors' is transcript_id;
    a row without a transcript has none), and show, search, browse, rating and exports take them with `store=` like all others.

    What the authors do not record is missing; a count (tool_calls, for instance) is then of the type Int64. Outside the group
    main, the world differs in ways that only group and sub_condition tell. A name that is unknown here is kept as it is, and a
    warning counts such rows; factors of form have the paper's levels, and wordings are 0: the authors', not ours.

    Raises `ReleaseError`.
    """
    arguments.flag("transcripts", transcripts)
    want = files.wanted(groups, split)
    sources = files.find(files.fetch(want, cache) if folder is None else folder, want)
    doubts: Counter[str] = Counter()
    with contextlib.ExitStack() as stack:
        keeper = None
        if store is not None:
            redaction.read()
            keeper, transcripts = stack.enter_context(Store(store)), True
            stack.enter_context(keeper.transaction())
        rows = (row for source in sources for row in _rows(source, want, transcripts, doubts, keeper))
        frame = _frame(rows, transcripts, keeper is not None)
    if frame is None:
        raise ReleaseError(f"there is no row of {want} in {', '.join(str(source.path) for source in sources)}")
    if repeated := int(frame["id"].duplicated().sum()):
        doubts["the id is that of an earlier row"] = repeated
    _warn(doubts, len(frame))
    return frame


def compare(frame: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """How far our rules and the authors' labels agree on a frame of `load_release(transcripts=True)`: a row per label.

    Returns label, n (rows where both say something), excluded, equal, and agreement, kappa, low and high as in
    `stats.agreement`. Where its large-sample variance is 0, in perfect agreement for instance, there is no interval. Reported
    scores count as equal up to 0.5; they have no kappa.

    Beside mistakes of either coder, the rules differ: calls made together with `end_task`, which the authors' harness left out, are
    carried out here, and a rollout that was cut off has no `preserved`.
    """
    import pandas as pd

    if not any(f"authors_{name}" in frame.columns for name in labels.COMPARED):
        raise ReleaseError("the frame has no column authors_...: load it with load_release(transcripts=True)")
    rows = []
    for name in (name for name in labels.COMPARED if f"authors_{name}" in frame.columns):
        pair = frame[[name, f"authors_{name}"]]
        if not pair.notna().all(axis=1).any():
            continue
        if name == "reported_score":
            known = pair.dropna()
            near = (known.iloc[:, 0] - known.iloc[:, 1]).abs() <= 0.5
            row = pd.DataFrame([{"n": len(known), "excluded": len(pair) - len(known), "agreement": near.mean()}])
        else:
            row = stats.agreement(frame, name, f"authors_{name}", level=level)
        row.insert(0, "label", name)
        row.insert(3, "equal", (row["agreement"] * row["n"]).round().astype(int))
        rows.append(row)
    columns = ["label", "n", "excluded", "equal", "agreement", "kappa", "low", "high"]
    return pd.concat(rows, ignore_index=True).reindex(columns=columns) if rows else pd.DataFrame(columns=columns)


def _rows(
    source: files.Source, want: files.Wanted, transcripts: bool, doubts: Counter[str], keeper: Store | None
) -> Iterator[dict[str, Any]]:
    """A file's wanted rows, as rows of the frame."""
    for place, told in enumerate(row for batch in files.batches(source, transcripts) for row in batch):
        named = None if blank(told.get("group")) else str(told["group"])
        told["group"] = named if named in files.GROUPS else source.group or named
        if blank(told.get("task_type")):
            told["task_type"] = source.split
        if blank(told.get("transcript_id")):
            told["transcript_id"] = f"{told['group']}/{source.path.stem}-{place}"
        conversation = _opened(told) if transcripts else None
        if not want.group(told["group"]) or not want.task(_task(told)):
            continue
        if told["group"] not in files.GROUPS:
            doubts[f"group {told['group']!r} is none of the dataset's" if told["group"] else "no group is named"] += 1
        yield _row(told, conversation, doubts, keeper)


def _task(told: dict[str, Any]) -> str | None:
    """The task, with the suffix that a task with a memory has in the authors' files but not in all of their columns."""
    if told["task_type"] is None:
        return None
    task = str(told["task_type"])
    in_memory = labels.Labels(told, Counter()).truth("is_memory")
    return f"{task}_memory" if in_memory and not task.endswith("_memory") else task


def _about(told: dict[str, Any], described: Described, scorer: str) -> dict[str, Any]:
    said = {"id": "transcript_id", "model": "agent_model", "harness": "agent_harness"}
    named = {name: None if blank(value := told.get(key)) else str(value) for name, key in said.items()}
    beside = {"group": told["group"], "sub_condition": labels.Labels(told, Counter()).text("sub_condition"), "scorer": scorer}
    return named | {"source": "release"} | described.columns | beside


def _opened(told: dict[str, Any]) -> list[dict[str, Any]] | str:
    """A row's conversation, or why there is none. What the row does not say of itself, its transcript may."""
    raw = told.pop(files.TRANSCRIPT, None)
    if not raw:
        return f"no {files.TRANSCRIPT}"
    try:
        transcript = reading.checked(raw if isinstance(raw, dict) else reading.parsed(raw))
    except ReleaseError as error:
        return str(error)
    told.setdefault("canary", transcript.canary)
    for name, value in transcript.told.items():
        if blank(told.get(name)) and (name == "peer_agent_names" or isinstance(value, str | int | float)):
            told[name] = value
    return transcript.conversation


def _row(
    told: dict[str, Any], conversation: list[dict[str, Any]] | str | None, doubts: Counter[str], keeper: Store | None
) -> dict[str, Any]:
    """A row by the authors' labels; where there is a conversation, by our rules, with the labels beside."""
    described = cell(told)
    doubts.update(described.problems)
    read = labels.Labels(told, doubts)
    theirs = labels.outcomes_of(read, described)
    if conversation is None:
        return _about(told, described, "authors' labels") | theirs
    if harness.is_one(told, reading.HARNESS) and not isinstance(conversation, str):
        steps = described.condition._scenario.steps if described.condition else ""
        ours = harness.outcomes_of(theirs, conversation, steps)
        about = _about(told, described, harness.SCORED_BY) | {"source": "harness"}
    else:
        ours = _replayed(told, conversation, described) | labels.spent(read)
        about = _about(told, described, f"ppres rules {SCORER}")
    if (ours.get("missing") or "").startswith(_FAILED):
        doubts[ours["missing"]] += 1
    beside = {f"authors_{name}": theirs.get(name) for name in labels.COMPARED}
    if keeper is not None:
        about["transcript_id"] = about["id"]
        about["id"] = None if isinstance(conversation, str) else keep(keeper, told, conversation, described, ours)
    return about | ours | beside


def _replayed(told: dict[str, Any], conversation: list[dict[str, Any]] | str, described: Described) -> dict[str, Any]:
    if isinstance(conversation, str):
        reason = conversation
    elif described.condition is None:
        reason = "; ".join(described.problems)
    else:
        try:
            scored = played(conversation, told, described.condition)[1]
            return scored | _unthresholded(described, scored)
        except ReleaseError as error:  # whatever one file holds, the other rows must not suffer from it
            reason = str(error)
    return {"preserved": None, "missing": f"{_FAILED}{reason}"}


def _unthresholded(described: Described, scored: dict[str, Any]) -> dict[str, Any]:
    """A score is not held against a threshold that only stands in for one that is not known."""
    standing_in = described.condition is not None and described.columns["threshold"] != described.condition.threshold
    if described.columns["scenario"] != "evaluation" or not standing_in or scored["preserved"] is None:
        return {}
    return {"preserved": None, "missing": "no threshold"}


def _frame(rows: Iterator[dict[str, Any]], transcripts: bool, kept: bool) -> pd.DataFrame | None:
    """The rows as a frame, made in parts: as columns they take a tenth of the memory."""
    import pandas as pd

    kinds = {
        name: KINDS[name] for name in ("id", "model", "reasoning_effort", "source", "rate_source", "harness", *TYPES, *COLUMNS)
    }
    kinds |= dict.fromkeys((*_ABOUT, *(["transcript_id"] if kept else [])), "str")
    kinds |= {f"authors_{name}": KINDS[name] for name in labels.COMPARED} if transcripts else {}
    # Until it is known which levels there are, and that no number is missing.
    loose = {name: {"int64": "Int64", "category": "str"}.get(kind, kind) for name, kind in kinds.items()}
    parts = []
    while chunk := list(itertools.islice(rows, _CHUNK)):
        parts.append(table(chunk, loose))
    if not parts:
        return None
    frame = pd.concat(parts, ignore_index=True)
    parts.clear()
    for name, kind in kinds.items():
        if kind == "category" or (kind == "int64" and frame[name].notna().all()):
            frame[name] = column(plain(frame[name]), name)
    same = [name for name in ("model", "harness", *TYPES, *_ABOUT) if frame[name].nunique(dropna=False) > 1]
    cells = frame.groupby(same or ["source"], dropna=False, observed=True)
    frame.insert(6, "cell", column([str(number) for number in cells.ngroup()], "cell"))
    frame.insert(7, "replicate", cells.cumcount())
    return with_numbers(frame)


def _warn(doubts: Counter[str], n: int) -> None:
    """One warning for each kind of doubt, and one for all transcripts that could not be replayed."""
    failed = Counter({what.removeprefix(_FAILED): k for what, k in doubts.items() if what.startswith(_FAILED)})
    told = Counter({what: k for what, k in doubts.items() if not what.startswith(_FAILED)})
    texts = [f"{k} of {n} rows: {what}" for what, k in told.most_common(_TOLD)]
    if len(told) > _TOLD:
        texts.append(f"and {len(told) - _TOLD} more kinds of doubt")
    if failed:
        reasons = "; ".join(f"{what} ({k})" for what, k in failed.most_common(5)) + ("; …" if len(failed) > 5 else "")
        texts.append(f"{failed.total()} of {n} transcripts could not be replayed, and their outcomes are missing: {reasons}")
    for text in texts:
        warnings.warn(f"released data: {text}", stacklevel=3)
