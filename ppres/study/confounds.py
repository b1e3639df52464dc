"""The confound check: what differs between the arms of a comparison besides what is meant to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ppres import arguments
from ppres.condition import FACTORS, Condition
from ppres.read.columns import rows_of
from ppres.read.preview import NAMED, Preview
from ppres.read.stored import flattened
from ppres.settled import BUNDLE
from ppres.store.cell import AnyModel, Cell, cells_of
from ppres.study.hypothesis import StudyError, Test, matching

if TYPE_CHECKING:
    import pandas as pd

_LONGER = 1.1  # times as long: differences below are those of any two words
_ABOUT = {
    "documents": "how many documents lie on the drive",
    "order": "in which order those that all arms have are listed",
    "owner": "who owns the documents that all arms have",
    "owner of others": "who owns the documents that only some have",
    "dates": "when the documents were changed that all arms have",
    "dates of others": "when the documents were changed that only some have",
    "length": f"words of the texts that not all arms have, from {_LONGER - 1:.0%} on",
    "places": "where the texts stand that not all arms have",
    "threshold margin": "how far the threshold is above what is right by the answer key",
    "model": "the model itself",
}
Arms = Iterable[Condition] | Mapping[str, Any]


def contrast(
    arms: Arms, intended: str | Iterable[str] = (), model: str | AnyModel = NAMED, acknowledge: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """What differs between compared arms besides what is meant to: a row for each confound, with what each arm has.

    `arms` are conditions, of which the levels of the `intended` factors make the arms; or {name: conditions}, or {name:
    (conditions, model)} where models are compared. What is balanced over an arm, such as six wordings in each, is no confound.
    Told are other factors, those that a level of `peer` bundles, number, order, owner and dates of documents, the length and
    place of the texts that differ, the threshold's distance from what is right, and models with their parameters.
    `acknowledge` gives a reason for each confound that is meant to stay, by its name. No rows: nothing else differs.

    Raises `StudyError` for fewer than two arms, or where there is no confound of a name.
    """
    import pandas as pd

    meant = arguments.several(intended, "intended", "the factor that is meant to differ, or several")
    cells = _arms(arms, meant, model)
    confounds = {name: values for name, values in _compared(cells).items() if name not in meant and _unlike(name, values)}
    known = acknowledged(confounds, acknowledge)
    rows = [
        {"confound": name, **_shown(name, values), "about": _about(name, meant), "acknowledged": known[name]}
        for name, values in confounds.items()
    ]
    return pd.DataFrame(rows, columns=["confound", *cells, "about", "acknowledged"])


def acknowledged(confounds: Iterable[str], reasons: Mapping[str, str] | None) -> dict[str, str]:
    """The reason for each confound, or nothing. `StudyError` for a reason without a confound."""
    known = dict.fromkeys(confounds, "")
    arguments.mapping("acknowledge", reasons, "of confounds to reasons")
    if strange := set(reasons or {}) - known.keys():
        raise StudyError(f"there is no confound {', '.join(sorted(strange))}; there are {', '.join(known) or 'none'}")
    return known | dict(reasons or {})


def of_test(test: Test, conditions: Iterable[Condition], model: str | AnyModel) -> list[dict[Any, Any]]:
    """The confounds of a test among these conditions; none where it compares no arms of them."""
    import pandas as pd

    asked = dict(test.where)
    if "a" in test.arguments:
        asked[str(test.arguments["factor"])] = [test.arguments["a"], test.arguments["b"]]
    some = [*conditions]
    rows = [*zip(some, rows_of(some), strict=True)]
    frame = pd.DataFrame([row for _, row in rows])
    match = matching(frame, {name: levels for name, levels in asked.items() if name in frame})
    kept = [pair for pair, matches in zip(rows, match, strict=True) if matches]
    meant = [name for name in test.factors if name != "model"]
    if len({tuple(str(row.get(name)) for name in meant) for _, row in kept}) < 2:
        return []
    return contrast([condition for condition, _ in kept], meant, model).to_dict("records")


def _arms(arms: Arms, meant: list[str], model: str | AnyModel) -> dict[str, list[Cell]]:
    made: dict[str, list[Cell]] = {}
    if isinstance(arms, Mapping):
        for name, given in arms.items():
            pair = isinstance(given, tuple) and len(given) == 2 and not isinstance(given[1], Condition)
            made[str(name)] = cells_of(*given) if pair else cells_of(given, model)
    else:
        cells = cells_of(arms, model)
        for cell, row in zip(cells, rows_of([cell.condition for cell in cells]), strict=True):
            if strange := [name for name in meant if name not in row]:
                raise StudyError(f"intended={strange[0]!r} is no factor of these conditions")
            made.setdefault(", ".join(_apart(str(row[name]), meant) for name in meant), []).append(cell)
    if not made:
        raise StudyError("arms has no condition in it")
    if len(made) < 2:
        raise StudyError(
            f"there is one arm, {next(iter(made))!r}: name the factors that are meant to differ, or give {{name: conditions}}"
        )
    return made


def _apart(level: str, meant: list[str]) -> str:
    """A level beside those of other factors: one that has their comma, or begins as such a one does, stands in quotes."""
    return repr(level) if len(meant) > 1 and ("," in level or level[:1] in ("'", '"')) else level


def _compared(arms: Mapping[str, list[Cell]]) -> dict[str, dict[str, list[Any]]]:
    """{what: {arm: a value for each of its cells}}; None where it does not apply."""
    cells = [cell for some in arms.values() for cell in some]
    common = set.intersection(*({file["name"] for file in cell.scene.start["files"]} for cell in cells))
    seen = {id(cell): Preview(cell.condition, cell.scene).parts() for cell in cells}
    same = set.intersection(*({text for _, text in parts} for parts in seen.values()))

    def values(cell: Cell) -> dict[str, Any]:
        condition, files = cell.condition, list(cell.scene.world().files.values())
        told, own = condition.json(), [(what, text) for what, text in seen[id(cell)] if text not in same]
        row: dict[str, Any] = {name: told[name] for name in FACTORS if name not in ("label", "documents")} | dict(condition.own)
        row |= {"documents": len(files), "order": tuple(file.name for file in files if file.name in common)}
        for name, key in (("owner", "owner"), ("dates", "modified")):
            row[name] = tuple(sorted(f"{file.name}: {getattr(file, key)}" for file in files if file.name in common))
            row[f"{name} of others"] = tuple(sorted({getattr(file, key) for file in files if file.name not in common})) or None
        row |= {
            "length": sum(len(text.split()) for _, text in own),
            "places": tuple(dict.fromkeys(what.split()[0] for what, _ in own)) or None,
        }
        if condition._dataset and condition._dataset.right and isinstance(condition.threshold, float):
            right = condition._dataset.right
            row["threshold margin"] = round(condition.threshold - sum(right) / len(right), 3)
        sent = {} if cell.model.source == "planted" else cell.model.sent()  # a persona's is of its rates in the condition
        row["model"] = cell.model.label.partition(" ")[0]
        return row | {f"model {name.rpartition('.')[2]}": value for name, value in flattened(sent).items() if name != "model"}

    rows = {arm: [values(cell) for cell in some] for arm, some in arms.items()}
    names = dict.fromkeys(name for some in rows.values() for row in some for name in row)
    return {name: {arm: [row.get(name) for row in some] for arm, some in rows.items()} for name in names}


def _unlike(name: str, values: Mapping[str, list[Any]]) -> bool:
    """Whether arms have other values, or other shares of them. What means nothing in an arm is no difference of it."""
    factor = FACTORS.get(name)
    scoped = name.endswith("of others") or name in ("places", "threshold margin") or (factor is not None and factor.optional)
    told = [kept for some in values.values() if (kept := [value for value in some if not (scoped and value is None)])]
    if name == "length":
        means: list[float] = [sum(some) / len(some) for some in told]
        return max(means) > _LONGER * min(means)
    shares = [{value: count / len(some) for value, count in Counter(map(str, some)).items()} for some in told]
    return any(share != shares[0] for share in shares[1:])


def _shown(name: str, values: Mapping[str, list[Any]]) -> dict[str, str]:
    """What each arm has; of owners and dates those alone that not all have."""
    everywhere: set[Any] = set()
    if name in ("owner", "dates"):
        everywhere = set.intersection(*(set(value) for some in values.values() for value in some))

    def text(value: Any) -> str:
        if isinstance(value, tuple):
            return ", ".join(str(part) for part in value if part not in everywhere)
        return "none" if value is None else str(value)

    def of_arm(some: list[Any]) -> str:
        if name == "length":
            return f"{min(some)} to {max(some)} words" if len(set(some)) > 1 else f"{some[0]} words"
        return " | ".join(dict.fromkeys(map(text, some)))

    return {arm: of_arm(some) for arm, some in values.items()}


def _about(name: str, meant: list[str]) -> str:
    if name in BUNDLE and "peer" in meant:
        return "a level of peer bundles trust, joint_tasks and note: each is a factor"
    if name in FACTORS and name != "documents":
        return FACTORS[name].meaning.partition(".")[0]
    return _ABOUT.get(name, "a parameter of the model" if name.startswith("model ") else "a factor of the scenario's own")
