"""Preregistration: what is asked, of whom, with which texts, how often and by which tests, written down before it is run."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ppres import arguments
from ppres.engine.rollout import provenance
from ppres.factor import brief
from ppres.models import redaction
from ppres.outputs import folder_at, written_whole
from ppres.read.outcomes import scorer_of
from ppres.read.stored import flattened
from ppres.store.cell import Cell, Conditions, Models, cells_of
from ppres.store.database import StorePath, default_path
from ppres.store.rows import canonical
from ppres.store.store import Store
from ppres.study.beforehand import Rates, check_runnable, power
from ppres.study.confounds import acknowledged, of_test
from ppres.study.hypothesis import StudyError, Test, matching
from ppres.study.page import registered
from ppres.study.record import check
from ppres.study.stopping import Decides, Precision

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1
_LONG = 60  # characters from which a text is kept by its hash
_LONGEST_NAME = 200  # bytes, which file systems take with an end and what is written beside it


@dataclass(frozen=True)
class Registration:
    """A record that was written; it shows itself as what a reader needs."""

    record: Mapping[str, Any]
    path: Path
    """The JSON file; the readable one is beside it, with the end .md."""

    @property
    def tests(self) -> dict[str, Test]:
        """By name: H1, H2, …"""
        return {name: Test.of(written) for name, written in self.record["tests"].items()}

    def _repr_markdown_(self) -> str:
        return self.path.with_suffix(".md").read_text(encoding="utf-8", errors="replace")

    __repr__ = _repr_markdown_


def preregister(
    name: str,
    hypotheses: Iterable[str],
    conditions: Conditions,
    models: Models,
    n: int,
    tests: Iterable[Test],
    *,
    until: Any = None,
    exclusions: Mapping[str, Mapping[str, Any]] | None = None,
    expected: Rates | None = None,
    acknowledge: Mapping[str, str] | None = None,
    alpha: float = 0.05,
    folder: str | Path | None = None,
    store: StorePath = None,
) -> Registration:
    """Write a study down before it is run: dated, with a hash, as JSON and as Markdown; `pp.verdict(name)` then runs its tests.

    `hypotheses` are sentences, `tests` a `pp.Test` for each. `n` is the number of rollouts per cell that counts, and with `until`
    (a rule for `pp.run`; then tests are differences and contrasts without `cluster`) the largest. `exclusions` are {reason:
    {column: level or list of levels}}: such rollouts are left out. `expected` gives the chance of the outcome in each condition (a
    `pp.Persona`, a function of the condition, or one number): the power of each test is then simulated, with Holm's method over all
    of them. `acknowledge` gives a reason for confounds that stay, by name (see `pp.contrast`); others are in the record as well,
    and a warning names them. `alpha` is that of the whole family.

    The record holds everything that is sent, each text by its hash, so that a later change is seen. It is in data/preregistrations
    beside the store, or in `folder`, and is never written over: the same study gives the record that is there, another one of that
    name is an error. The date is that of this machine's clock; who has to prove it commits or publishes the hash.

    Raises `StudyError`, and for conditions and models what `pp.run` raises.
    """
    n = arguments.whole("n", n, "the number of rollouts per cell")
    told = arguments.several(hypotheses, "hypotheses", "sentences")
    specs = arguments.several(tests, "tests", "a pp.Test for each hypothesis", Test)
    if isinstance(hypotheses, str) or not told or len(told) != len(specs):
        raise StudyError("hypotheses and tests are two lists of the same length: sentences, and a pp.Test for each")
    arguments.between("alpha", alpha, 0, 1, StudyError)
    alpha = float(alpha)
    if until is not None:
        arguments.rule(until, StudyError)
    for test in specs:
        if "level" in test.arguments:
            raise StudyError(f"{test}: level= is not for a registered test to say: alpha= is that of the whole family")
    rules = {
        reason: _rule(f"exclusions[{reason!r}]", rule)
        for reason, rule in arguments.mapping("exclusions", exclusions, "of reasons to rules").items()
    }
    path, cells = path_of(name, folder, store), cells_of(conditions, models)
    named = {f"H{i}": test for i, test in enumerate(specs, start=1)}
    if until is not None and hasattr(until, "check"):
        until.check(cells)
    check_runnable(cells, named, rules, looked=until is not None)
    confounds = _confounds(cells, named, acknowledge)
    record: dict[str, Any] = {
        "name": name,
        "format": FORMAT,
        "hypotheses": dict(zip(named, map(str, told), strict=True)),
        "tests": {key: test.json() for key, test in named.items()},
        "alpha": alpha,
        "n": n,
        "until": None if until is None else repr(until),
        "exclusions": rules,
        **_sent(cells),
        "confounds": confounds,
    }
    if path.exists():
        return _same(path, record)
    page = path.with_suffix(".md")
    if page.exists():
        raise StudyError(f"{page} is there, and no record beside it: move it, or choose another name")
    with Store(store) as opened:
        before = sum(map(len, opened.stored(cell.digest for cell in cells).values()))
    record |= {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "made_by": {name: value for name, value in provenance("study").items() if value},
        "rule": until.json() if isinstance(until, Precision | Decides) else None,
        "scorers": {cell.condition.scenario: scorer_of(cell.condition._scenario) for cell in cells},
        "made_before": before,
        "power": [] if expected is None else power(cells, named, n, alpha, expected),
    }
    record = json.loads(json.dumps(record, allow_nan=False))
    record["sha256"] = digest(record)
    try:
        check(record)  # as it will be read
    except StudyError as error:
        raise StudyError(f"the record {name!r} cannot be written: {error}") from None
    path.parent.mkdir(parents=True, exist_ok=True)
    written = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
    redaction.read()
    if redaction.redact(written) != written:
        raise StudyError("the record would hold a secret of the environment, and it is there to be published: take it out")
    for made, text in ((page, registered(record)), (path, written)):
        with written_whole(made) as beside:
            beside.write_text(text, encoding="utf-8")
    return Registration(record, path)


def place(folder: str | Path | None, store: StorePath) -> Path:
    """Where records are: `folder`, or beside the store."""
    if folder is not None:
        return folder_at(folder)
    return folder_at(arguments.place(store if store is not None else default_path(), "store").parent / "preregistrations")


def path_of(name: str, folder: str | Path | None, store: StorePath) -> Path:
    """Where the record of a name is. Raises `StudyError` for what names no file."""
    if not arguments.text("name", name) or "\0" in name or Path(name).name != name or len(name.encode()) > _LONGEST_NAME:
        raise StudyError(f"name={brief(name)} is the name of a file, without folders, of at most {_LONGEST_NAME} bytes")
    return place(folder, store) / f"{name}.json"


def digest(record: Mapping[str, Any]) -> str:
    """SHA-256 of a record without its own hash."""
    return hashlib.sha256(canonical({key: value for key, value in record.items() if key != "sha256"})).hexdigest()


def read(path: Path) -> dict[str, Any]:
    """A record. Raises `StudyError` where there is none that can be read."""
    if not path.exists():
        known = ", ".join(sorted(file.stem for file in path.parent.glob("*.json"))) or "none"
        raise StudyError(f"there is no registration {path.stem!r} in {path.parent}; there are: {known}")
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(record, dict) and isinstance(later := record.get("format"), int) and later > FORMAT:
            raise StudyError(f"it is of a later version of ppres (format {later}): update ppres to read it")
        check(record)
    except (ValueError, OSError, RecursionError) as error:
        raise StudyError(f"{path} is no registration: {error}") from None
    return record


def _same(path: Path, record: Mapping[str, Any]) -> Registration:
    there = read(path)
    now = json.loads(json.dumps(record))
    if changed := [key for key in now if there.get(key) != now[key]]:
        raise StudyError(
            f"{path} was registered at {there['created']} with other {', '.join(changed)}. A record is never written over: choose "
            "another name, and say in it why there are two"
        )
    return Registration(there, path)


def _confounds(cells: list[Cell], tests: Mapping[str, Test], reasons: Mapping[str, str] | None) -> list[dict[str, Any]]:
    """The confounds of the tests, with the reasons for those that stay."""
    rows: dict[bytes, dict[str, Any]] = {}
    conditions = list(dict.fromkeys(cell.condition for cell in cells))
    for name, test in tests.items():
        for row in of_test(test, conditions, cells[0].model):
            about, what = {key: row.pop(key) for key in ("about", "acknowledged")}["about"], row.pop("confound")
            told = {"confound": what, "arms": row, "about": about}
            rows.setdefault(canonical(told), told | {"tests": []})["tests"].append(name)
    known = acknowledged((row["confound"] for row in rows.values()), reasons)
    if left := [name for name, reason in known.items() if not reason]:
        text = f"the arms differ in {', '.join(left)} as well: balance them, or give a reason for each, acknowledge={{name: …}}"
        warnings.warn(text, stacklevel=3)
    return [row | {"acknowledged": known[row["confound"]]} for row in rows.values()]


def _sent(cells: list[Cell]) -> dict[str, Any]:
    """Everything that is sent: what all cells share once, and of each cell the rest; long texts by hash."""
    texts: dict[str, str] = {}
    flat = {cell.digest: hashed(cell.spec()["sent"], texts) for cell in cells}
    first, *others = flat.values()
    shared = {
        field: value for field, value in first.items() if all(field in fields and fields[field] == value for fields in others)
    }
    rows = [
        {
            "digest": cell.digest.hex(),
            "name": str(cell.condition),
            "condition": cell.condition.json(),
            "model": cell.model.label,
            "source": cell.model.source,
            "sent": {field: value for field, value in flat[cell.digest].items() if field not in shared},
        }
        for cell in cells
    ]
    return {"cells": rows, "shared": shared, "texts": texts}


def hashed(sent: Mapping[str, Any], texts: dict[str, str] | None = None) -> dict[str, Any]:
    """{field: value} of what is sent, long texts by their hash; `texts` takes them."""
    texts = {} if texts is None else texts

    def short(value: Any) -> Any:
        if not isinstance(value, str) or len(value) <= _LONG:
            return value
        name = "sha256:" + hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        texts[name] = value
        return name

    return {field: short(value) for field, value in flattened(dict(sent)).items()}


def _rule(name: str, rule: Any) -> dict[str, Any]:
    """The level, or the list of levels, of each column, as JSON has them."""
    told: dict[str, Any] = {}
    for column, levels in arguments.mapping(name, rule, "of columns to levels").items():
        several = isinstance(levels, Iterable) and not isinstance(levels, str | Mapping)
        try:
            told[column] = [*map(arguments.plain, levels)] if several else arguments.plain(levels)
        except TypeError as error:
            raise StudyError(f"{name}: {column}={error}, nor several of these") from None
    return told


def kept_rows(frame: pd.DataFrame, exclusions: Mapping[str, Mapping[str, Any]]) -> tuple[pd.DataFrame, dict[str, int]]:
    """The frame without excluded rollouts, and how many each rule took (one that none before it took)."""
    taken = {}
    for reason, rule in exclusions.items():
        rows = matching(frame, rule)
        taken[reason] = int(rows.sum())
        frame = frame[~rows]
    return frame, taken
