"""When a run may stop: rules that look after every round, with intervals that hold at all looks together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from ppres import arguments
from ppres.read.frame import about
from ppres.store.cell import Cell
from ppres.study.beforehand import tried
from ppres.study.hypothesis import StudyError, Test, matching

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class _Rule:
    level: float = 0.95
    step: int = 10
    """Rollouts of a cell between two looks. Looking more often costs nothing but time."""

    def __post_init__(self) -> None:
        for field in fields(self):  # numpy's numbers become Python's: a rule is written down
            if (told := arguments.number(getattr(self, field.name))) is not None:
                object.__setattr__(self, field.name, told)
        arguments.whole("step", self.step, "the rollouts of a cell between two looks")
        arguments.between("level", self.level, 0, 1, StudyError)

    def finished(self, frame: pd.DataFrame) -> set[str]:
        """The cells, by the frame's column, of which no more rollouts are needed."""
        raise NotImplementedError

    def next_round(self, frame: pd.DataFrame, wanted: Mapping[bytes, int], n: int) -> dict[bytes, int]:
        """How many rollouts the cells that go on shall have next; none: the run is over. The frame has what was made before."""
        done = self.finished(frame) if len(frame) else set()
        return {cell: min(made + self.step, n) for cell, made in wanted.items() if made < n and cell.hex()[:12] not in done}

    def json(self) -> dict[str, Any]:
        """As it is written down in a registration."""
        told = {field.name: getattr(self, field.name) for field in fields(self)}
        return {"rule": type(self).__name__} | {name: v.json() if isinstance(v, Test) else v for name, v in told.items()}

    def ends(self, frame: pd.DataFrame, cells: Iterable[bytes], n: int) -> dict[bytes, int]:
        """At how many rollouts it ends each cell of a study, as `pp.run` follows it: to the first round that is not all there."""
        ends = going = dict.fromkeys(cells, min(self.step, n))
        name, replicate = frame["cell"].astype(object), frame["replicate"]
        while going:
            reached = name.map({cell.hex()[:12]: end for cell, end in going.items()})
            part = frame[(replicate < reached).to_numpy(dtype=bool)]
            if len(part) < sum(going.values()):
                break
            going = self.next_round(part, going, n)
            ends = ends | going
        return ends


def rule_of(written: Any) -> _Rule:
    """A rule as it was written down; `StudyError` for what is none."""
    told = dict(written) if isinstance(written, Mapping) else {}
    kind = {"Precision": Precision, "Decides": Decides}.get(str(told.pop("rule", None)))
    if kind is None:
        raise StudyError("its text alone was written down, as of one that is not of this package")
    try:
        rule: _Rule = kind(**told | ({"test": Test.of(told["test"])} if kind is Decides else {}))
        return rule
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise StudyError(f"it is no rule: {error}") from None


@dataclass(frozen=True)
class Precision(_Rule):
    """A cell is finished when the interval of its rate is at most `half` to each side: `until=pp.Precision(0.05)`.

    The interval is that of `stats.sequence`, which may be looked at as often as one likes.
    """

    half: float
    outcome: str = "preserved"

    def __post_init__(self) -> None:
        super().__post_init__()
        arguments.between("half", self.half, 0, 0.5, StudyError)
        if not isinstance(self.outcome, str):
            raise StudyError(f"outcome={self.outcome!r} is a column of the frame, such as 'preserved'")

    def check(self, cells: Sequence[Cell]) -> None:
        """Raise `StudyError` where its outcome is none of theirs, before anything is paid for."""
        _check_outcome(tried(cells), self.outcome)

    def finished(self, frame: pd.DataFrame) -> set[str]:
        """Cells whose interval is narrow enough."""
        from ppres import stats

        if frame[self.outcome].isna().all():
            return set()
        looks = stats.sequence(frame, "cell", self.outcome, level=self.level)
        last = looks.groupby("cell", sort=False).tail(1)
        return set(last.cell[last.high - last.low <= 2 * self.half])


@dataclass(frozen=True)
class Decides(_Rule):
    """The cells of a contrast are finished when it is decided: `until=pp.Decides(pp.Test("differences", …), margin=0.1)`.

    Decided is an anytime-valid interval (`stats.sequence`) without 0, or within `margin` of it (the test's own, if not given).
    `by` groups of the test are decided one by one. Cells that the test is not about go on to `n`. A test with `cluster` is refused:
    no such interval takes clusters.
    """

    test: Test
    margin: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.test, Test):
            raise StudyError(f"a run stops by a pp.Test of differences or contrasts, not by {self.test!r}")
        self.test.weights()
        if "level" in self.test.arguments:
            raise StudyError(f"{self.test}: level= is the rule's to say: pp.Decides(test, level=…)")

    def check(self, cells: Sequence[Cell]) -> None:
        """Raise `StudyError` where its test names a column, contrast or level that no frame of theirs has, before it is paid."""
        test, (names, contrasts), frame = self.test, self.test.weights(), tried(cells)
        if strange := [name for name in (test.outcome, *names, *test.by, *test.where) if name not in frame]:
            raise StudyError(f"{test}: the frame has no column {strange[0]!r}, so that no rollouts could decide it")
        _check_outcome(frame, test.outcome)
        if test.term not in (None, *contrasts):
            raise StudyError(f"{test}: there is no term {test.term!r}; there are {', '.join(contrasts)}")
        if {*names} <= (settled := {*about(cells)}):  # not of a contrast of outcomes, which are to come
            rows = frame[matching(frame, {name: levels for name, levels in test.where.items() if name in settled})]
            there = set(_rows(rows[names]))
            if lacking := [arm for arm in self._arms() if arm not in there]:
                raise StudyError(f"{test}: no cell of the run has {', '.join(map(repr, lacking[0]))}, so that it is never decided")

    def _arms(self) -> list[tuple[Any, ...]]:
        contrasts = self.test.weights()[1].values()
        return [_levels(cell if isinstance(cell, tuple) else (cell,)) for weights in contrasts for cell in weights]

    def finished(self, frame: pd.DataFrame) -> set[str]:
        """Cells of the contrasts that are decided in their group."""
        about = frame[matching(frame, self.test.where)]
        by, names, arms = self.test.by, self.test.weights()[0], self._arms()
        cells: set[str] = set()
        for _, group in about.groupby(by, dropna=False, observed=True, sort=False) if by else [((), about)]:
            levels = _rows(group[names])
            in_arm = [row in arms for row in levels]
            if set(arms) <= set(levels) and self._decided(group[in_arm]):
                cells |= set(group.cell[in_arm])
        return cells

    def _decided(self, rows: pd.DataFrame) -> bool:
        if rows[self.test.outcome].isna().all():
            return False
        last = self.test.last_look(rows, self.level, self.margin)
        same = last["verdict"] == "equivalent" if "verdict" in last else False
        return bool(((last["low"] > 0) | (last["high"] < 0) | same).all())


def _check_outcome(frame: pd.DataFrame, outcome: str) -> None:
    """`StudyError` for an outcome by which no run of a frame like this stops."""
    import pandas as pd

    from ppres import stats

    lacking = outcome not in frame
    try:
        _ = lacking or stats.rates(frame, outcome=outcome)
    except ValueError:
        lacking = True
    if lacking:
        of_rollouts = [*frame][[*frame].index("preserved") :]
        allowed = ", ".join(name for name in of_rollouts if pd.api.types.is_bool_dtype(frame[name]))
        raise StudyError(f"outcome={outcome!r} is no column of these scenarios that is true or false, as are {allowed}")


def _rows(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    return [_levels(row) for row in frame.astype(object).itertuples(index=False, name=None)]


def _levels(row: Iterable[Any]) -> tuple[Any, ...]:
    """A row's levels, None for a missing one."""
    import pandas as pd

    return tuple(None if pd.isna(level) else level for level in row)
