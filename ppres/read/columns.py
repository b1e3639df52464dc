"""The columns of a frame: their types, the order of their levels, and what they mean."""

from __future__ import annotations

import itertools
import re
import warnings
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ppres import codec
from ppres.condition import FACTORS, LEVELLED, SCENARIOS, Condition
from ppres.factor import OURS, Factor, short_hash
from ppres.read.outcomes import COLUMNS

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_ABOUT = {
    "id": "the start of the rollout's key: a hash of everything that is sent, and of the replicate",
    "model": "the model's name, with the parameters that are not the usual ones",
    "reasoning_effort": "of a real model, where one was asked for; else that is left to the provider",
    "source": "sim and planted (simulated agents), live, function, human (pp.play) or release",
    "rate_source": "of a simulated agent's rates: published, assumed, or planted; missing for all others",
    "harness": "what drives the model: ppres (our own loop), or a production harness: opencode, or opencode+mcp with our tools",
    "cell": "the start of the hash of everything that is sent: rows with the same are replicates of one another",
    "replicate": "number of the rollout in its cell",
}
# Of frames that hold branches or interviews.
_PARENTS = {
    "kind": "rollout, branch or interview",
    "parent": "id of the rollout that it goes on after",
    "turn": "number of the agent's first message that was made anew",
    "edit": "what was replaced in the parent's past, or -name of a document that was taken away; none",
}
_DERIVED = {
    "behaviour": "what the scenario measures",
    "peer_present": "1 where the agent is told of its history with a peer, else 0",
    "cooperativeness": "-1 uncooperative, 0 neutral or no peer, +1 cooperative",
}
# Types of the condition's columns, in the frame's order.
TYPES: dict[str, str] = {
    name: factor.dtype.replace("int64", "float64") if factor.optional else factor.dtype  # may be missing
    for name, factor in FACTORS.items()
} | {
    "policy_wording": "int64",  # never missing, unlike the wording of a history
    "label": "str",
    "behaviour": "str",
    "peer_present": "int64",
    "cooperativeness": "int64",
}
# Outcomes, and behind `preserved` the same as a number: formulas of statsmodels cannot read True, False and missing.
OUTCOMES: dict[str, tuple[str, str]] = {}
for _name, _about in COLUMNS.items():
    OUTCOMES[_name] = _about
    if _name == "preserved":
        OUTCOMES["preserved01"] = ("float64", "preserved as 1 and 0, which the formulas of statsmodels can read")
# Types of the columns that every frame has.
KINDS: dict[str, str] = {
    **dict.fromkeys(_ABOUT, "str"),
    "replicate": "int64",
    **dict.fromkeys(_PARENTS, "str"),
    "turn": "Int64",
    **TYPES,
    **{name: kind for name, (kind, _) in OUTCOMES.items()},
}
OURS |= KINDS.keys() - {name for scenario in SCENARIOS.values() for name in scenario.columns}
OURS |= {"stopping", "short"}  # which a run fills that ends by a rule, or has a least number of rollouts


def taken(condition: Mapping[str, Any]) -> list[str]:
    """Names in a stored condition, which is of a stranger, that are columns of every frame for something else."""
    own = condition.get("own")
    return sorted((OURS - TYPES.keys()) & condition.keys() | (OURS & own.keys() if isinstance(own, dict) else set()))


_HALF = re.compile("[\ud800-\udfff]")  # of a character: no file and no terminal takes it


def table(rows: Sequence[Mapping[str, Any]], kinds: Mapping[str, str]) -> pd.DataFrame:
    """Columns of these types, a row for each mapping; what it lacks is missing."""
    import pandas as pd

    return pd.DataFrame({name: column([row.get(name) for row in rows], name, kind) for name, kind in kinds.items()})


def whole(text: str) -> str:
    """A text without halves of characters."""
    return text if text.isascii() else _HALF.sub("\ufffd", text)


def told(rows: Sequence[Sequence[Any] | Mapping[str, Any]], names: Sequence[str]) -> pd.DataFrame:
    """A table of these columns, in which half a character, that no column of text takes, is told as one that is none."""
    import pandas as pd

    values = [[row[name] for name in names] if isinstance(row, Mapping) else row for row in rows]
    shown = [[whole(value) if isinstance(value, str) else value for value in row] for row in values]
    return pd.DataFrame(shown, columns=list(names))


def column(values: Sequence[Any], name: str, kind: Any = None) -> Any:
    """A column of a frame, by its name and type; None is missing."""
    import numpy as np
    import pandas as pd

    kind = kind or KINDS[name]
    if kind == "int64" and any(value is None for value in values):
        kind = "Int64"
    if kind == "boolean" and {*map(type, values)} <= {bool, type(None)}:
        numbers = np.array(values, dtype="float64")  # a fifth of pandas' own time
        return pd.arrays.BooleanArray(numbers == 1, np.isnan(numbers))
    if kind not in ("str", "category"):
        return pd.array(values, dtype=kind)
    distinct = {text: text if text is None else whole(text) for text in dict.fromkeys(values)}
    if kind == "category":
        return _ordered([distinct[text] for text in values], name)
    if 2 * len(distinct) >= len(values):
        return _texts([distinct[text] for text in values])
    place = dict(zip(distinct, itertools.count(), strict=False))
    return _texts(list(distinct.values())).take([place[text] for text in values])  # a quarter of the time


def ids(keys: Sequence[bytes]) -> Any:
    """The column of rollouts' ids."""
    return _texts([key.hex()[:16] for key in keys])


def factors(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Columns of conditions, a row for each: those that all have, then factors that only some scenarios have."""
    own = dict.fromkeys(name for row in rows for name in row if name not in TYPES)
    made = {name: _as_stored([row[name] for row in rows], name) for name in TYPES}
    return made | {name: own_column([row.get(name) for row in rows], name, factor=True) for name in own}


def rows_of(conditions: Sequence[Condition]) -> list[dict[str, Any]]:
    """The columns of conditions, a row for each, as a frame of their rollouts has them."""
    return with_documents([condition.columns() for condition in conditions], [condition.json() for condition in conditions])


def with_documents(rows: Sequence[dict[str, Any]], conditions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of stored conditions, in which documents that differ are levels that differ."""
    labels = told_apart([row["documents"] for row in rows], [condition.get("documents") for condition in conditions])
    return [row | {"documents": label} for row, label in zip(rows, labels, strict=True)]


def told_apart(labels: Sequence[Any], contents: Sequence[Any]) -> list[Any]:
    """Labels by short hashes; where others of the same label have other contents, with a long one of all that it stands for."""
    texts = [codec.dumps(content) if content else "" for content in contents]
    alike = Counter(label for label, _ in {*zip(labels, texts, strict=True)})
    return [f"{label} #{short_hash(text, 16)}" if alike[label] > 1 else label for label, text in zip(labels, texts, strict=True)]


_UNFIT = (TypeError, ValueError, OverflowError, AttributeError)


def _as_stored(values: Sequence[Any], name: str) -> Any:
    """A factor's column, also where another version stored what today's could not be."""
    try:
        return column(values, name)
    except _UNFIT:
        return own_column(values, name, factor=name in FACTORS)


def outcome_column(distinct: Sequence[Any], name: str, places: np.ndarray) -> Any:
    """An outcome's column, from its distinct values and from which of them each rollout has.

    What is not of its type, of a version that had another one or of damage, is missing and told.
    """
    try:
        return column(distinct, name).take(places)
    except _UNFIT:
        kind = KINDS[name]
        fitting = [_fitting(value, kind) for value in distinct]
        misfits = {i for i, (value, fits) in enumerate(zip(distinct, fitting, strict=True)) if fits is None and value is not None}
        lost = sum(place in misfits for place in places.tolist())
        if lost:
            warnings.warn(f"{lost} stored values of the outcome {name} are not of the type {kind}, and missing", stacklevel=2)
        return column(fitting, name).take(places)


def _fitting(value: Any, kind: str) -> Any:
    if kind == "str":
        return value if value is None else codec.text(value)
    if kind == "boolean" or isinstance(value, bool):
        return value if kind == "boolean" and isinstance(value, bool) else None
    return value if isinstance(value, int | float) and abs(value) < 1e15 and (kind != "int64" or value % 1 == 0) else None


def own_column(values: Sequence[Any], name: str, *, factor: bool) -> Any:
    """A column that only some scenarios have, of the type of its values. A text is a level where it is of a factor.

    Scenarios of one session may have it of different kinds: then it is of text, in which what differs stays apart.
    """
    kinds = {_kind(value) for value in values if value is not None}
    if kinds == {bool}:
        return column(values, name, "boolean")
    if kinds == {float}:
        return column(values, name, "float64")
    words = {whole(value) for value in values if isinstance(value, str)}
    texts = [
        value if isinstance(value, str | None) else _unlike(codec.text(value), words, f" ({type(value).__name__})")
        for value in values
    ]
    if not factor:
        return column(texts, name, "str")
    nothing = absent(name, words) if None in texts else ""
    return column([nothing if text is None else text for text in texts], name, "category")


def _kind(value: Any) -> type:
    if isinstance(value, bool):
        return bool
    return float if isinstance(value, float) or (isinstance(value, int) and abs(value) < 1e300) else str


def _unlike(text: str, words: Collection[str], sign: str) -> str:
    """A text that is none of these words: with a sign behind it, as often as it takes."""
    while text in words:
        text += sign
    return text


def absent(name: str, words: Collection[str] = ()) -> str:
    """The level of a factor where it does not apply: none of its own, nor of these."""
    own = {*words, *(level for factor in _factors(name) for level in factor.valid)}
    return LEVELLED.get(name) or (_unlike("does not apply", own, "*") if "none" in own else "none")


def _factors(name: str) -> list[Factor]:
    """What is declared under a name; several scenarios may have an own factor of the same name."""
    own = [scenario.own_factors[name] for scenario in SCENARIOS.values() if name in scenario.own_factors]
    return [FACTORS[name]] if name in FACTORS else own


def _ordered(values: Sequence[Any], name: str) -> Any:
    """An ordered categorical of the levels that occur: the declared ones in their natural order, then others by the alphabet."""
    import pandas as pd

    declared = dict.fromkeys([absent(name), *(str(level) for factor in _factors(name) for level in factor.valid)])
    present = set(values) - {None}
    levels = [*(level for level in declared if level in present), *sorted(present - declared.keys())]
    place = {level: code for code, level in enumerate(levels)}
    codes = [place.get(value, -1) for value in values]  # a third of the time that pandas takes to find them
    return pd.Categorical.from_codes(codes, dtype=pd.CategoricalDtype(levels, ordered=True))


def _texts(values: Sequence[Any]) -> Any:
    """A column of text: of pandas' type for it, which before pandas 3 was "object", and has NaN for what is missing in both."""
    import numpy as np
    import pandas as pd

    new = int(pd.__version__.partition(".")[0]) >= 3
    kind: Any = "str" if new else object
    return pd.array(values if new else [np.nan if value is None else value for value in values], dtype=kind)


def own_type(name: str) -> str | None:
    """Type of a column that single scenarios have: "" where it is that of its values; None for a column that is nobody's."""
    kinds = {factor.dtype.replace("int64", "float64") for factor in _factors(name)}  # missing in the others
    declared = [scenario.columns[name] for scenario in SCENARIOS.values() if name in scenario.columns]
    kinds |= {str(about[0]) if isinstance(about, tuple) else "" for about in declared}
    return kinds.pop() if len(kinds) == 1 else "" if kinds else None


def with_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with `preserved01` behind `preserved`."""
    frame.insert(list(frame.columns).index("preserved") + 1, "preserved01", frame["preserved"].astype("float64"))
    return frame


def plain(values: pd.Series[Any]) -> list[Any]:
    """A column's values, None where one is missing."""
    objects: list[Any] = values.astype(object).where(values.notna(), None).tolist()
    return objects


def columns() -> pd.DataFrame:
    """What every column of a frame means: a row (column, type, meaning) for each, in the frame's order."""
    import pandas as pd

    shared = {name: factor.meaning for name, factor in FACTORS.items()}
    shared |= {name: f'{shared[name]} "{absent(name)}" where there is none.' for name in LEVELLED}
    named = {name: (KINDS[name], meaning) for name, meaning in (_ABOUT | _PARENTS | shared | _DERIVED).items()}
    own: dict[str, str] = {}
    for scenario in SCENARIOS.values():
        named |= {name: (str(own_type(name)), factor.meaning) for name, factor in scenario.own_factors.items()}
        own |= {name: about[1] if isinstance(about, tuple) else about for name, about in scenario.columns.items()}
    rows = [(name, *about) for name, about in (named | OUTCOMES).items()]
    rows += [(name, str(own_type(name)), meaning) for name, meaning in own.items() if name not in OUTCOMES]
    return pd.DataFrame(rows, columns=["column", "type", "meaning"])
