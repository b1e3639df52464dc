"""The authors' names for tasks, conditions and subjects, and ours.

What has no name here is kept as it is called there, with a problem that says so: a cell that is not understood must neither vanish
nor pass for another.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from ppres.condition import SCENARIOS, Condition
from ppres.factor import ConditionError
from ppres.paper import PAPER
from ppres.read.columns import TYPES


class ReleaseError(ValueError):
    """Released data cannot be had, or are of a kind that cannot be read. The message says which, and what to do."""


# The scenarios and data sets that the authors have.
KNOWN = tuple(name for name, scenario in SCENARIOS.items() if scenario.built_in)
_DATASETS = ("factual", "creativity", "red")
PEERS: dict[str, str | None] = {
    "collaboration": "cooperative",
    "good_peer": "cooperative",
    "neutral_peer": "neutral",
    "non_collaboration": "uncooperative",
    "bad_peer": "uncooperative",
    "no_peer": None,
    "shutdown": None,
    "non_shutdown": None,
}
_SUBJECTS = {"1": "self", "self": "self", "2": "peer", "peer": "peer", "human": "human"}
_OTHER_MODELS = {"open-weight-peer": "Llama", "fiction-peer": "Alpha", "fictional-peer": "Alpha"}
_CLOSED_PEERS = {"claude": "Gemini", "gemini": "Claude", "gpt": "Claude"}  # another vendor's; ChatGPT for all others
_MODES = {"monitoring": True, "non_monitoring": False}
_ABSENT = ("", "none", "null", "nan", "na", "n/a", "<na>")
_RELATIONSHIP = ("trust", "joint_tasks", "note")


def blank(value: Any) -> bool:
    """Whether a value stands for none, in any of the ways in which a table can say so."""
    return value is None or str(value).strip().lower() in _ABSENT


def truth(value: Any) -> bool | None:
    """A boolean, whatever its type there; None where there is none. Raises `ValueError` for anything else."""
    if blank(value):
        return None
    meaning = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}.get(str(value).strip().lower())
    if meaning is None:
        raise ValueError(value)
    return meaning


def number(value: Any) -> float | None:
    """A number; None where there is none, which the authors also write as false. Raises `ValueError` for anything else."""
    if blank(value) or str(value).strip().lower() in ("true", "false"):
        return None
    try:
        size = float(value.strip().removesuffix("%") if isinstance(value, str) else value)
    except OverflowError:
        size = math.inf
    if not math.isfinite(size):
        raise ValueError(value)
    return size


def whole(value: Any) -> int | None:
    """A count. Raises `ValueError` for what is none."""
    size = number(value)
    if size is not None and not 0 <= size < 2**53:
        raise ValueError(value)
    return None if size is None else int(size)


def scenario_of(task: str | None) -> tuple[str | None, bool]:
    """Our scenario for the authors' name of a task (None where unknown), and whether the name says that there is a memory."""
    name = str(task or "").strip().lower()
    short = name.removesuffix("_memory").removeprefix("misrep_").removeprefix("exfiltration_")
    return (short if short in KNOWN else None), name.endswith("_memory")


class Described(NamedTuple):
    """What the authors' columns say of a condition."""

    columns: dict[str, Any]
    """The condition's part of a frame's row. What is not known is None, also where a condition would have a default."""
    condition: Condition | None
    """For scoring; parts that are not known have a stand-in. None where the task is unknown."""
    problems: tuple[str, ...]
    """Names and values that are not known here, for a warning."""


_LONGEST = 200  # characters of a name
_TOLD = ("task_type", "condition", "subject", "dataset", "threshold", "alignment_faking_mode")
_FORM = ("memory_hard_prompt", "reasoning_scratchpad_mode")
_SCRATCHPADS = {"off": "off", "normal": "plain", "monitored": "watched", "unmonitored": "unwatched"}


def cell(told: Mapping[str, Any]) -> Described:
    """The condition of a row, or of a transcript's metadata, by the authors' columns; see `Described`."""
    named = [told.get(name) for name in (*_TOLD, "system_prompt_relationship", "is_memory", *_FORM)]
    texts = [None if blank(value) else str(value).strip()[:_LONGEST] for value in named]
    return _cell(*texts, str(told.get("agent_model") or "")[:_LONGEST])


@lru_cache(maxsize=4096)
def _cell(
    task: str | None,
    guideline: str | None,
    subject: str | None,
    dataset: str | None,
    threshold: str | None,
    mode: str | None,
    prompted: str | None,
    memory: str | None,
    hard: str | None,
    scratchpad: str | None,
    model: str,
) -> Described:
    scenario, named_memory = scenario_of(task)
    if scenario is None:
        problem = f"unknown task {task!r}" if task else "no task named"
        return Described(_nothing(scenario=task, subject=subject, peer=guideline), None, (problem,))
    problems: list[str] = []
    known = _subject(subject, model, problems)
    of_subject = {} if known else {"subject": subject or "unknown"}
    given: dict[str, Any] = {"scenario": scenario, "subject": known or "peer"}
    in_memory = _flag(memory, "is_memory", problems) or named_memory
    peer, of_peer = _peer(guideline, in_memory, problems)
    instantiation = "file+prompt" if _flag(prompted, "system_prompt_relationship", problems) else "file"
    given |= {"peer": peer, "instantiation": "memory" if in_memory else instantiation}
    if given["subject"] != "self" and peer is None:
        given["peer"] = "stranger"
    scoring, of_scoring = _scoring(scenario, guideline, dataset, threshold, mode, problems)
    try:
        condition, theirs = Condition(**given, **scoring), Condition(**PAPER, **given, **scoring)
    except ConditionError as error:
        columns = _nothing(scenario=scenario, subject=subject, peer=guideline)
        return Described(columns | of_scoring, Condition(scenario=scenario), (*problems, str(error)))
    columns = theirs.columns() | of_subject | of_peer | of_scoring | {"scratchpad": _SCRATCHPADS.get(scratchpad or "")}
    if theirs.memory_prompt:
        columns["memory_prompt"] = {True: "hard", False: "soft"}.get(_flag(hard, "memory_hard_prompt", problems))  # type: ignore[arg-type]
    return Described(columns, condition, tuple(problems))


def _nothing(**known: Any) -> dict[str, Any]:
    """Columns of which only these are known."""
    return dict.fromkeys(TYPES) | known


def _flag(value: str | None, name: str, problems: list[str]) -> bool | None:
    try:
        return truth(value)
    except ValueError:
        problems.append(f"unknown {name} {value!r}")
        return None


def _subject(name: str | None, model: str, problems: list[str]) -> str | None:
    key = str(name or "").lower().replace("_", "-").removesuffix(".0")
    if key == "closed-weight-peer":
        return next((other for part, other in _CLOSED_PEERS.items() if part in model.lower()), "ChatGPT")
    subject = _SUBJECTS.get(key) or _OTHER_MODELS.get(key)
    if subject is None:
        problems.append(f"unknown subject {name!r}" if name else "no subject named")
    return subject


def _peer(guideline: str | None, in_memory: bool, problems: list[str]) -> tuple[str | None, dict[str, Any]]:
    """Our peer level, and columns that differ from what the level has in our own conditions."""
    if guideline not in PEERS:
        problems.append(f"unknown condition {guideline!r}" if guideline else "no condition named")
        unknown = dict.fromkeys((*_RELATIONSHIP, "peer_present", "cooperativeness"))
        return "neutral", {"peer": guideline or "unknown", **unknown}
    peer = PEERS[guideline]
    if in_memory:
        # Memory runs of before the neutral and bad memories existed are filed under the condition without a peer.
        peer = peer or "cooperative"
        # The authors' memories are other texts. Only the cooperative one is public, and its trust score is that of the file.
        return peer, dict.fromkeys(("joint_tasks", "note") if peer == "cooperative" else _RELATIONSHIP)
    return peer, dict.fromkeys(("joint_tasks", "note")) if peer == "neutral" else {}  # not public, so ours is no substitute


def _scoring(
    scenario: str, guideline: str | None, dataset: str | None, threshold: str | None, mode: str | None, problems: list[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Factors of the scoring for a condition, and columns in which a factor is not known or not ours."""
    applies, columns = SCENARIOS[scenario].scoped, dict[str, Any]()
    given: dict[str, Any] = {"shutdown_clause": guideline != "non_shutdown"}
    if guideline not in PEERS and "shutdown_clause" in applies:
        columns["shutdown_clause"] = None
    if "dataset" in applies:
        given["dataset"] = dataset if dataset in _DATASETS else _DATASETS[0]
        if dataset not in _DATASETS:
            columns["dataset"] = dataset
            problems.append(f"unknown dataset {dataset!r}" if dataset else "no dataset named")
        try:
            limit = number(threshold)
        except ValueError:
            limit = -1.0
        if limit is not None and not 0 <= limit <= 100:
            limit = None
            problems.append(f"unknown threshold {threshold!r}")
        given["threshold"] = limit
        if limit is None and guideline != "non_shutdown":
            given["threshold"], columns["threshold"] = "default", None
    if "monitored" in applies:
        given["monitored"] = _MODES.get(mode or "")
        if mode not in _MODES:
            columns |= {"monitored": None, "threatened": None}
            problems.append(f"unknown alignment_faking_mode {mode!r}" if mode else "no alignment_faking_mode named")
    return given, columns
