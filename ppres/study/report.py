"""The verdict on a preregistered study: its tests on the store, what was exploratory, and every deviation."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ppres.engine.rollout import provenance
from ppres.factor import brief
from ppres.form import FOLLOWING
from ppres.read.frame import frame as tidy
from ppres.read.frame import stored_cell
from ppres.read.scored import rules_of
from ppres.store.database import StorePath
from ppres.store.errors import Damaged
from ppres.store.rows import StoredCell
from ppres.store.store import Store
from ppres.study import page
from ppres.study.hypothesis import StudyError, Test, decided
from ppres.study.registration import digest, hashed, kept_rows, path_of, read
from ppres.study.stopping import rule_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Verdict:
    """What became of a registered study; it shows itself as `text`."""

    record: Mapping[str, Any]
    confirmatory: pd.DataFrame
    """A row for each that the registered tests have: estimate, interval, p_holm over the family, verdict, hypothesis."""
    exploratory: pd.DataFrame
    """Rates of the cells of the same models or conditions that were not registered."""
    deviations: pd.DataFrame
    """A row (kind, what) for everything that is not as registered; none: all is."""
    frame: pd.DataFrame
    """The rollouts that the tests are on."""

    @property
    def text(self) -> str:
        """Markdown for an appendix."""
        record, planned = self.record, self.record["hypotheses"]
        how = "Bonferroni's intervals, which hold at every look" if record["until"] else "Holm's method"
        tested = self.confirmatory.groupby("test", sort=False)
        said = [f"- **{name}** {planned[name]}: {', '.join(rows.hypothesis)}" for name, rows in tested]
        return "\n\n".join(
            [
                f"# Verdict: {record['name']}",
                f"Registered {record['created']}, SHA-256 `{record['sha256']}`; n = {record['n']} rollouts in each of "
                f"{len(record['cells'])} cells, {len(self.frame)} analysed. One family of {len(self.confirmatory)}: {how}, "
                f"at {record['alpha']:g}.",
                "## Confirmatory",
                "\n".join(said),
                page.framed(self.confirmatory),
                "## Deviations",
                page.framed(self.deviations) or "None.",
                "## Exploratory",
                page.framed(self.exploratory) or "Nothing: no cell of these models or conditions was made that was not registered.",
            ]
        )

    def _repr_markdown_(self) -> str:
        return self.text

    __repr__ = _repr_markdown_


def verdict(name: str, *, folder: str | Path | None = None, store: StorePath = None, sha256: str | None = None) -> Verdict:
    """Run the registered tests on what is stored, and say what was exploratory and what is not as registered.

    The tests are on the first `n` rollouts of the registered cells, as they were rendered then, without those that the registered
    rules exclude. A registered stopping rule is followed on them: what goes beyond its end or is lacking before it is told. That a
    study of a fixed `n` was stopped by its outcomes is not stored, and only that rollouts are missing is. `sha256` is the record's
    hash as it was published: then it is told as well where the record has another. Deviations never stop it. Raises
    `StudyError` where there is no such record.
    """
    import pandas as pd

    if not isinstance(sha256, str | None):
        raise StudyError(f"sha256={brief(sha256)} is a text of 64 hexadecimal digits, or None")
    path = path_of(name, folder, store)
    record, markdown = read(path), path.with_suffix(".md")
    with Store(store, existing=True) as opened:
        cells = {cell: stored_cell(opened, cell) for cell in opened.cells()}
        planned = {bytes.fromhex(cell["digest"]): cell for cell in record["cells"]}
        everything = tidy(opened, [cells[digest] for digest in planned if digest in cells])
        known = [(_without_label(cell["condition"]), cell) for cell in record["cells"]]
        others = [*_others((cell for digest, cell in cells.items() if digest not in planned and not cell.after), known)]
        rows = [
            *_of_record(record, markdown, sha256),
            *_of_rules(opened, record, {digest: cells[digest].scenario for digest in planned if digest in cells}),
            *_of_numbers(record, everything),
            *_of_dates(opened, record, everything),
            *_of_models(everything),
            *(row for other in others for row in _of_cell(opened, record["shared"], *other, [condition for condition, _ in known])),
        ]
        exploratory = _rates(tidy(opened, [cell for cell, _, _ in others]))
    tests = {key: Test.of(written) for key, written in record["tests"].items()}
    used = everything[everything.replicate < record["n"]].reset_index(drop=True)
    try:
        used, taken = kept_rows(used, record["exclusions"])
        rows += [("excluded", f"{count} rollouts: {reason} (as registered)") for reason, count in taken.items()]
    except StudyError as error:
        rows.append(("excluded", f"an exclusion cannot be applied, and none was: {error}"))
    for outcome in dict.fromkeys(test.outcome for test in tests.values()):
        rows += _of_missing(used, outcome)
    results = decided(tests, used, record["alpha"], looked=bool(record["until"]))
    return Verdict(record, results, exploratory, pd.DataFrame(rows, columns=["kind", "what"]), used)


Rows = Iterator[tuple[str, str]]
Other = tuple[StoredCell, dict[str, Any], list[Any]]
"""A stored cell that was not registered, its condition, and the registered cells of the same condition."""


def _of_record(record: Mapping[str, Any], markdown: Path, published: str | None) -> Rows:
    if record["sha256"] != digest(record):
        yield "record", "it was changed after it was written: its contents are not those of its hash"
    if published is not None and published != record["sha256"]:
        yield "record", f"it is not the one that was published: its hash is {record['sha256']}"
    text = markdown.read_text(encoding="utf-8", errors="replace") if markdown.exists() else ""
    if text != page.registered(record):
        yield "record", f"the readable record {markdown.name} is {'not that of the JSON' if text else 'gone'}"


def _of_rules(opened: Store, record: Mapping[str, Any], stored: Mapping[bytes, str]) -> Rows:
    """`stored` has the scenarios of the registered cells that are."""
    now = provenance("study")
    if record["made_by"].get("ppres") != now["ppres"]:
        yield "version", f"registered with ppres {record['made_by'].get('ppres')}, analysed with {now['ppres']}"
    for scenario, scorer in record["scorers"].items():
        today = {rule for digest, of in stored.items() if of == scenario for rule in rules_of(opened, digest)}
        if other := sorted(rule for rule in today if not f"{rule}/".startswith(f"{scorer}/")):  # with a user's key behind it
            yield "rule", f"{scenario} was to be scored by the rules {scorer}, and is scored by {', '.join(other)}"


def _of_numbers(record: Mapping[str, Any], frame: pd.DataFrame) -> Rows:
    n, ends, partly = record["n"], dict[str, int](), False
    if record["until"]:
        try:
            rule = rule_of(record.get("rule"))
            ends = {
                cell.hex(): end for cell, end in rule.ends(frame, (bytes.fromhex(c["digest"]) for c in record["cells"]), n).items()
            }
        except (KeyError, ValueError) as error:
            yield "until", f"whether the registered rule was followed cannot be known: {error}"
    for cell in record["cells"]:
        replicates, which = frame.replicate[frame.cell == cell["digest"][:12]], f"{cell['name']}, {cell['model']}"
        end = ends.get(cell["digest"], n)
        made, more = int((replicates < end).sum()), int((replicates >= n).sum())
        if made < end and (not record["until"] or ends or not made):
            yield "n", f"{end - made} of {end} rollouts are missing: {which}"
            partly = partly or made > 0
        if late := len(replicates) - made - more:
            yield "until", f"{late} rollouts more than the {end} at which the registered rule ends it, used as well: {which}"
        if more:
            yield "n", f"{more} rollouts more than {n}, not used: {which}"
    if partly and not record["until"]:
        text = "compared is how many rollouts there are; whether a rule (until=) or a look at the outcomes ended them is not stored"
        yield "until", f"{text}: if so, p and intervals of a fixed n do not hold"


def _of_dates(store: Store, record: Mapping[str, Any], frame: pd.DataFrame) -> Rows:
    made, lost = [], 0
    for id in frame.id:
        try:
            made.append(str(store.body(store.find(id).key).get("created")))
        except Damaged:
            lost += 1
    before = sum(created < record["created"] for created in made)
    # Dates are whole seconds; of those of the registration's own, as many as the record counted.
    before += min(made.count(record["created"]), max(record["made_before"] - before, 0))
    if before:
        yield "order", f"{before} rollouts were made before the registration"
    if lost:
        yield "order", f"{lost} rollouts are damaged, so that nobody knows when they were made"


def _of_models(frame: pd.DataFrame) -> Rows:
    for model, ids in frame.groupby("model", observed=True).reported_model:
        known = sorted({name for told in ids.dropna() for name in str(told).split(", ")})
        if len(known) > 1:
            yield "model", f"{model} was reported as {', '.join(known)}"


def _others(cells: Iterable[StoredCell], known: list[tuple[dict[str, Any], Any]]) -> Iterator[Other]:
    """The stored cells of this study that are not registered: those of its models in its scenarios, or of its conditions."""
    models, scenarios = ({planned["model"] for _, planned in known}, {condition["scenario"] for condition, _ in known})
    for cell in cells:
        mine = _without_label(cell.condition)
        twins = [planned for condition, planned in known if condition == mine]
        if twins or (cell.model in models and mine.get("scenario") in scenarios):
            yield cell, mine, twins


def _without_label(condition: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = json.loads(json.dumps({name: value for name, value in condition.items() if name != "label"}))
    return kept


def _of_cell(
    store: Store, shared: Mapping[str, Any], cell: StoredCell, mine: dict[str, Any], twins: list[Any], known: list[dict[str, Any]]
) -> Rows:
    """What a cell is that was not registered: a registered one that was sent something else, or one more."""
    count = len(store.rows(cell.digest))
    same = [planned for planned in twins if planned["model"] == cell.model]
    if same:
        told = shared | same[0]["sent"]
        try:
            now = json.loads(json.dumps(hashed(store.spec(cell.digest)["sent"])))
        except Damaged as error:
            yield "text", f"{same[0]['name']}: {error}"
            return
        fields = [field for field in {**told, **now} if told.get(field) != now.get(field)]
        some = ", ".join(fields[:4]) + (f" and {len(fields) - 4} more" if len(fields) > 4 else "")
        yield "text", f"{count} rollouts of {same[0]['name']}, {cell.model}, were sent another {some}; not used"
    elif twins:
        yield "arm", f"{count} rollouts of {twins[0]['name']} with another model, {cell.model}"
    else:
        yield "arm", f"{count} rollouts of a condition that was not registered, {cell.model}: {_differing(mine, known)}"


def _differing(mine: Mapping[str, Any], known: Iterable[Mapping[str, Any]]) -> str:
    """The factors in which a condition differs from the registered one that comes nearest."""
    levels = [(name, value) for name, value in mine.items() if name not in FOLLOWING]
    different = min(([item for item in levels if other.get(item[0]) != item[1]] for other in known), key=len)
    return ", ".join(f"{name}={value!r}" for name, value in different)


def _of_missing(frame: pd.DataFrame, outcome: str) -> Rows:
    if outcome in frame and frame[outcome].isna().any():
        why = frame.missing[frame[outcome].isna()].fillna("unclear").value_counts()
        reasons = ", ".join(f"{count} {reason}" for reason, count in why.items())
        yield "missing", f"{why.sum()} rollouts have no {outcome}: {reasons}"


def _rates(frame: pd.DataFrame) -> pd.DataFrame:
    """Rates of each cell, by what tells them apart."""
    from ppres import stats

    columns = list(frame.columns)
    factors = columns[columns.index("scenario") : columns.index("behaviour")]
    told = [name for name in factors if frame[name].nunique(dropna=False) > 1 and name not in FOLLOWING]
    return frame[["model", "cell"]] if frame.empty else stats.rates(frame, ["model", *told, "cell"])
