"""A test as data: a call of `pp.stats` without its frame, and what is expected of it; and the verdicts of a family of tests."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ppres.arguments import mapping, plain
from ppres.condition import FACTORS
from ppres.factor import brief

if TYPE_CHECKING:
    import pandas as pd

STATISTICS = ("differences", "contrasts", "means", "logit", "margins", "lr_test")
EXPECTED = ("different", "greater", "less", "equivalent")
_NAMING = {"by", "factors", "formula", "formula_large", "formula_small", "outcome"}  # arguments that name columns
_OF_PEER = ("peer_present", "cooperativeness")


class StudyError(ValueError):
    """A test, a registration or an arm is none; the message says why."""


class Test:
    """A hypothesis as a test that can be run on any frame, written down and compared: `pp.Test("differences", …)`.

    `statistic` is a function of `pp.stats` (differences, contrasts, means, logit, margins, lr_test), and what follows are its
    arguments by name, without the frame: `pp.Test("differences", factor="peer", a="cooperative", b="none", expect="greater")`,
    `pp.Test("logit", formula="preserved ~ cooperativeness", term="cooperativeness")`. `expect` is what the hypothesis says of
    the estimate: "different" from 0, "greater", "less", or "equivalent" to 0, for which the statistic needs a `margin`.
    `term` names the one row that is meant, where a statistic gives several; `where` the rows of the frame, {column: level or
    list of levels}. Raises `StudyError` for what no such function takes.
    """

    def __init__(
        self,
        statistic: str,
        *,
        expect: str = "different",
        term: str | None = None,
        where: Mapping[str, Any] | None = None,
        **arguments: Any,
    ):
        if not isinstance(statistic, str) or statistic not in STATISTICS:
            raise StudyError(f"statistic={brief(statistic)} is not one of {', '.join(STATISTICS)}")
        if not isinstance(expect, str) or expect not in EXPECTED:
            raise StudyError(f"expect={brief(expect)} is not one of {', '.join(EXPECTED)}")
        mapping("where", where, "of columns to levels")
        self.statistic, self.expect, self.term = statistic, expect, term
        self.where, self.arguments = dict(where or {}), dict(arguments)
        for name in _NAMING & self.arguments.keys():
            given, lists = self.arguments[name], name in ("by", "factors")
            if not all(isinstance(text, str) for text in (given if lists and isinstance(given, list | tuple) else [given])):
                raise StudyError(f"{name}={brief(given)} is not a text{', nor a list of texts' if lists else ''}")
        takes = inspect.signature(self._function())
        try:
            takes.bind(frame=None, **self.arguments)
        except TypeError as error:
            given = ", ".join(name for name in takes.parameters if name != "frame")
            raise StudyError(f"pp.Test({statistic!r}): {error}; pp.stats.{statistic} takes {given}") from None
        if statistic == "lr_test" and expect != "different":
            raise StudyError(f"expect={expect!r}: lr_test tells whether terms matter, and no direction; expect='different'")
        if expect == "equivalent" and self.arguments.get("margin") is None:
            raise StudyError("expect='equivalent' needs margin=, the largest effect that is as good as none")

    def _function(self) -> Any:
        from ppres import stats

        return getattr(stats, self.statistic)

    @property
    def outcome(self) -> str:
        """The column that it is about."""
        formula = self.arguments.get("formula", self.arguments.get("formula_large"))
        usual = inspect.signature(self._function()).parameters.get("outcome")
        return str(formula.split("~")[0].strip() if formula else self.arguments.get("outcome", usual and usual.default))

    @property
    def factors(self) -> list[str]:
        """The factors that it compares."""
        given = [self.arguments.get(name) for name in ("factor", "factors", "formula", "formula_large")]
        words = [word for argument in given if argument for word in ([argument] if isinstance(argument, str) else argument)]
        names = dict.fromkeys(name for word in words for name in re.findall(r"\w+", str(word).split("~")[-1]))
        return list(dict.fromkeys("peer" if name in _OF_PEER else name for name in names if name in (*FACTORS, *_OF_PEER, "model")))

    def rows(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The statistic's rows on a frame. Raises what the statistic raises, and `StudyError` where the term has no row."""
        table: pd.DataFrame = self._function()(frame=frame[matching(frame, self.where)], **self.arguments)
        if self.term is not None:
            there = ", ".join(dict.fromkeys(map(str, table["term"])))
            table = table[table["term"] == self.term]
            if table.empty:
                raise StudyError(f"there is no term {self.term!r}; there are {there}")
        elif self.statistic == "logit" and table["term"].nunique() > 1:
            raise StudyError(f"a test is of one term: term= is one of {', '.join(dict.fromkeys(map(str, table['term'])))}")
        return table.reset_index(drop=True)

    @property
    def by(self) -> list[str]:
        """The columns of its groups."""
        names = self.arguments.get("by", ())
        return [names] if isinstance(names, str) else list(names)

    def weights(self) -> tuple[list[str], dict[str, dict[Any, float]]]:
        """Factors and weights of a difference or contrast. Raises `StudyError` where there is no look before the end."""
        told = self.arguments
        if told.get("cluster"):
            raise StudyError(
                f"{self}: no interval that may be looked at before the end takes cluster=. Without it the test is about these very "
                "clusters, and no others like them; with it n is fixed: no until="
            )
        if self.statistic == "differences":
            return [told["factor"]], {f"{told['factor']}: {told['a']} - {told['b']}": {told["a"]: 1.0, told["b"]: -1.0}}
        if self.statistic != "contrasts":
            raise StudyError(
                f"{self.statistic} has no interval that may be looked at before the end; differences and contrasts have"
            )
        return [told["factors"]] if isinstance(told["factors"], str) else list(told["factors"]), dict(told["weights"])

    def last_look(self, frame: pd.DataFrame, level: float, margin: float | None = None) -> pd.DataFrame:
        """Its rows after the last round, by intervals that hold at all rounds together (`stats.sequence`)."""
        from ppres import stats

        factors, weights = self.weights()
        if self.term not in (None, *weights):
            raise StudyError(f"there is no term {self.term!r}; there are {', '.join(weights)}")
        weights = weights if self.term is None else {self.term: weights[self.term]}
        margin = self.arguments.get("margin") if margin is None else margin
        rows = frame[matching(frame, self.where)]
        looks = stats.sequence(rows, self.by, self.outcome, factors=factors, weights=weights, level=level, margin=margin)
        last = looks.groupby([*self.by, "term"], dropna=False, observed=True, sort=False).tail(1)
        return last.reset_index(drop=True)

    def json(self) -> dict[str, Any]:
        """As it is written down; weights as pairs, since their cells are tuples."""
        arguments = dict(self.arguments)
        if weights := arguments.get("weights"):
            arguments["weights"] = {name: [[cell, weight] for cell, weight in cells.items()] for name, cells in weights.items()}
        kept = {"statistic": self.statistic, "arguments": arguments, "expect": self.expect, "term": self.term, "where": self.where}
        try:
            written: dict[str, Any] = json.loads(json.dumps(kept, allow_nan=False, default=plain))
        except (TypeError, ValueError) as error:
            raise StudyError(f"{self}: a test is written down, as names, numbers and lists: {error}") from None
        return written

    @classmethod
    def of(cls, written: Mapping[str, Any]) -> Test:
        """A test as it was written down."""
        arguments = dict(written["arguments"])
        for name, pairs in arguments.get("weights", {}).items():
            cells = {tuple(cell) if isinstance(cell, list) else cell: weight for cell, weight in pairs}
            arguments["weights"] = arguments["weights"] | {name: cells}
        return cls(written["statistic"], expect=written["expect"], term=written["term"], where=written["where"], **arguments)

    def __repr__(self) -> str:
        where = f", where {self.where!r}" if self.where else ""
        term = f", term {self.term}" if self.term else ""
        told = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"{self.statistic}({told}){term}{where}: {self.expect}"


def levels_of(levels: Any) -> list[Any]:
    """One level or several, as a list."""
    return [*levels] if isinstance(levels, list | tuple) else [levels]


def matching(frame: pd.DataFrame, where: Mapping[str, Any]) -> pd.Series[bool]:
    """The rows with these levels, {column: level or list of levels}. `StudyError` for a column that the frame has not."""
    import pandas as pd

    rows = pd.Series(True, index=frame.index)
    for name, levels in where.items():
        if name not in frame:
            raise StudyError(f"the frame has no column {name!r}")
        several = levels_of(levels)
        if any(isinstance(level, dict | list) for level in several):
            raise StudyError(f"{brief(levels)} is no level of {name!r}, nor a list of levels")
        rows &= frame[name].astype(object).isin(several) | (frame[name].isna() if None in several else False)
    return rows


def decided(tests: Mapping[str, Test], frame: pd.DataFrame, alpha: float = 0.05, *, looked: bool = False) -> pd.DataFrame:
    """The rows of a family of tests: p_holm over all of them, a verdict word, and what it means for the hypothesis.

    The p of a row is that of equivalence where this is expected, else that of "no effect"; Holm's method is over all rows of all
    tests. verdict is "equivalent", "different" or "undecided"; what was not expected has to hold by Bonferroni as well. hypothesis
    is "supported", "contradicted" or "undecided". A test that cannot be run has a row "not run" that says why.

    `looked` is for rollouts that a rule stopped: all is then by the intervals of `stats.sequence`, with Bonferroni's level.
    """
    import pandas as pd

    from ppres import stats

    family = _family(tests, frame, 1 - alpha if looked else None)
    if looked:
        family = _family(tests, frame, 1 - alpha / len(family))
    for name in ("estimate", "low", "high", "p", "p_equivalence"):
        family[name] = family[name].astype(float) if name in family else float("nan")
    p = family["p"].where(family["expected"] != "equivalent", family["p_equivalence"])
    if not looked:  # what fails stays in the family
        family["p_holm"] = stats.holm(pd.DataFrame({"p": p.fillna(1.0)}))["p_holm"].where(p.notna())
    words = [_words(row, len(family), alpha) for _, row in family.iterrows()]
    family["verdict"], family["hypothesis"] = zip(*words, strict=True)
    shown = ["term", "expected", "estimate", "low", "high", "p", "p_equivalence", "p_holm", "k", "n", "estimator"]
    groups = dict.fromkeys(name for test in tests.values() for name in test.by)
    kept = [name for name in ("test", *groups, *shown, "verdict", "hypothesis", "why") if name in family]
    return family[[name for name in kept if not family[name].isin(["", float("nan")]).all()]]


def _family(tests: Mapping[str, Test], frame: pd.DataFrame, level: float | None) -> pd.DataFrame:
    """The rows of all tests; with a level the last look of each."""
    import pandas as pd

    tables = []
    for name, test in tests.items():
        try:
            table = (test.rows(frame) if level is None else test.last_look(frame, level)).assign(why="")
        except (KeyError, ValueError) as error:
            table = pd.DataFrame([{"term": test.term or "", "k": 0, "n": 0, "estimator": "", "why": str(error)}])
        table.insert(0, "test", name)
        tables.append(table.assign(expected=test.expect))
    return pd.concat(tables, ignore_index=True)


def _words(row: Any, tests: int, alpha: float) -> tuple[str, str]:
    if row["why"]:
        return "not run", "undecided"
    expected, p, same = row["expected"], row["p"], row["p_equivalence"]
    if "p_holm" not in row:  # the intervals hold for the whole family
        apart = row["low"] > 0 or row["high"] < 0
        verdict = "equivalent" if row.get("verdict") == "equivalent" else "different" if apart else "undecided"
    elif expected == "equivalent":
        verdict = "equivalent" if row["p_holm"] < alpha else "different" if p * tests < alpha else "undecided"
    else:  # an effect that is there and too small to matter is as good as none
        verdict = "equivalent" if same * tests < alpha else "different" if row["p_holm"] < alpha else "undecided"
    if verdict == "undecided":
        return verdict, verdict
    sides = {"greater": row["estimate"] > 0, "less": row["estimate"] < 0}
    right = verdict == ("equivalent" if expected == "equivalent" else "different") and sides.get(expected, True)
    return verdict, "supported" if right else "contradicted"
