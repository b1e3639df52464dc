"""What can be told of a study before it is run: that its tests can be, and how often they would find what is expected."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ppres.condition import Condition
from ppres.factor import brief, is_number
from ppres.read.columns import own_type, plain
from ppres.read.frame import about, frame_of
from ppres.read.outcomes import COLUMNS
from ppres.simulated.personas import Persona
from ppres.store.cell import Cell
from ppres.study.hypothesis import StudyError, Test, decided, levels_of, matching

if TYPE_CHECKING:
    import pandas as pd

Rates = Persona | Callable[[Condition], float] | float
_TRIED = 10  # rollouts of each cell, half of them with the outcome
_LEVEL = 0.95  # of a trial, whatever the study's
_STUDIES = 100  # that are simulated


def tried(cells: Sequence[Cell]) -> pd.DataFrame:
    """A frame of these cells as a run will have it, but for the outcomes, of which those that are true or false are both."""

    def made(cell: Cell) -> dict[str, list[Any]]:
        own = {name: own_type(name) or "" for name in cell.condition._scenario.columns}
        kinds = own | {name: kind for name, (kind, _) in COLUMNS.items()}
        # A column of no declared type may hold truth values, or numbers.
        tried = [{"boolean": i % 2 == 0, "str": "", "": i % 2} for i in range(_TRIED)]
        return {name: [values.get(kind, i) for i, values in enumerate(tried)] for name, kind in kinds.items()}

    return frame_of([(cell, made(cell)) for cell in cells])


def check_runnable(
    cells: list[Cell], tests: Mapping[str, Test], exclusions: Mapping[str, Mapping[str, Any]], *, looked: bool
) -> None:
    """`StudyError` for a test that no study of these cells could run: of a level in no arm, of a column that no frame has.

    `looked` is for one that a rule stops: its tests are those that may be looked at before the end.
    """
    arms = frame = tried(cells)
    settled = {*about(cells)}
    for reason, rule in exclusions.items():
        for column in (name for name in rule if name in settled):
            for level in levels_of(rule[column]):
                if not matching(arms, {column: level}).any():
                    there = ", ".join(dict.fromkeys(map(repr, plain(arms[column]))))
                    raise StudyError(f"exclusions[{reason!r}]: no registered cell has {column}={level!r}; they have {there}")
        excluded = matching(frame, rule)
        if not rule:
            raise StudyError(f"exclusions[{reason!r}] names no column, so that it would exclude every rollout")
        if rule.keys() <= settled:
            frame = frame[~excluded]
    for name, test in tests.items():
        try:
            matching(frame, test.where)
            some = Test.of(test.json() | {"where": {name: levels for name, levels in test.where.items() if name in settled}})
            some.rows(frame)
            if looked:
                some.last_look(frame, _LEVEL)
        except (KeyError, ValueError) as error:
            raise StudyError(f"{name}, {test}, could be run on no study of these conditions and models: {error}") from None


def power(cells: list[Cell], tests: Mapping[str, Test], n: int, alpha: float, expected: Rates) -> list[dict[str, Any]]:
    """How often each row of the family is supported, over simulated studies with the rates that are expected."""
    import pandas as pd

    from ppres import stats

    table = about(cells).assign(rate=[_rate(expected, cell.condition) for cell in cells])
    outcomes = {test.outcome for test in tests.values()}
    if len(outcomes) > 1:
        raise StudyError(f"expected= gives the rates of one outcome, and the tests are about {', '.join(sorted(outcomes))}")
    studies: list[pd.DataFrame] = []

    def study(frame: pd.DataFrame) -> bool:
        studies.append(decided(tests, frame, alpha))
        return True

    named = repr(list(tests.values()))  # the other columns are carried through every study for nothing
    used = [name for name in map(str, table) if name == "rate" or table[name].astype(str).nunique() > 1 or name in named]
    stats.power(table[used], study, n, outcome=outcomes.pop(), reps=_STUDIES)
    first = studies[0]
    supported = pd.DataFrame([list(family["hypothesis"] == "supported") for family in studies]).mean()
    table = first[[name for name in first if name not in _RESULTS]].assign(power=supported.to_numpy(), reps=_STUDIES)
    records: list[dict[str, Any]] = json.loads(table.to_json(orient="records"))
    return records


_RESULTS = ("estimate", "low", "high", "p", "p_equivalence", "p_holm", "k", "n", "estimator", "verdict", "hypothesis", "why")


def _rate(expected: Rates, condition: Condition) -> float:
    if isinstance(expected, Persona):
        return expected.rates_in(condition).rate(condition.behaviour).probability
    try:
        told = expected(condition) if callable(expected) else expected
    except (Exception, SystemExit) as error:
        raise StudyError(f"the function expected= failed in {condition}: {error!r}") from error
    if not is_number(told, 0, 1):
        raise StudyError(f"expected= is the chance of the outcome in {condition}, from 0 to 1, not {brief(told)}")
    return float(told)
