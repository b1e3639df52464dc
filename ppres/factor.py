"""What a factor is: its levels, its meaning, its short form; and a document, which is the level of one."""

from __future__ import annotations

import hashlib
import math
import numbers
import re
from collections.abc import Callable, Iterable
from dataclasses import MISSING, dataclass, field
from datetime import datetime
from typing import Any


class ConditionError(ValueError):
    """A factor has a value that it cannot have; the message lists the ones that it can."""


class ImpossibleCondition(ConditionError):
    """Each value is valid, but together they describe nothing. `grid` drops such combinations."""


FIRST = "the first level"
OURS: set[str] = set()  # columns that ppres fills in every frame: no factor or column of one's own has their names. By read.columns
NAME_LIMIT = 300  # characters of a name; providers' longest have about 100


_TYPES = {"text": "category", "number": "float64", "whole": "int64", "truth": "boolean"}  # of a kind's column in a frame

_LEVELS: dict[str, Any] = {"text": str, "number": int | float, "whole": int, "truth": bool}


@dataclass(frozen=True)
class Factor:
    """Something that can be varied: `pp.Factor("urgency", ["low", "high"], "How soon the decision is due.")`."""

    name: str
    levels: Any = None
    """The values that it may have, in their natural order; None: any value of its kind."""
    meaning: str = ""
    default: Any = FIRST
    """By default the first level."""
    kind: str = "text"
    """text, number, whole or truth."""
    bounds: tuple[float, float] = (-math.inf, math.inf)
    """Of a number."""
    optional: bool = False
    """Whether None is a value besides."""
    scoped: bool = False
    """Whether it has a meaning in those scenarios alone that name it among their factors."""
    short: Callable[[Any], str | None] | None = None
    """How a short name shows it; by default name=value."""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not (self.name == "" or self.name.isidentifier()):
            raise ConditionError(f"a factor's name is an identifier such as 'urgency', not {self.name!r}")
        self._check_form()
        if self.levels is None or callable(self.levels):
            return
        if isinstance(self.levels, set | frozenset):
            raise ConditionError(f"{self.name}: levels have an order, and a set has none: give a list, not {brief(self.levels)}")
        given = self.levels if isinstance(self.levels, Iterable) and not isinstance(self.levels, str) else ()
        levels = tuple(map(as_python, given))
        if len(levels) < 2 or not all(isinstance(level, str | int | float | bool | None) for level in levels):
            raise ConditionError(f"{self.name}: a factor has at least two levels, texts, numbers or booleans, not {self.levels!r}")
        if odd := [level for level in levels if not is_written(str(level))]:
            raise ConditionError(f"{self.name}: the level {odd[0]!r} holds half of a character")
        distinct = min(len({*map(str, levels)}), len({*map(_number_in, levels)}))
        if distinct < len(levels) or any(isinstance(level, float) and math.isnan(level) for level in levels):
            why = "what is written alike, the same number, or no number, is no level by itself"
            raise ConditionError(f"{self.name}: {why}: {self.levels!r}")
        object.__setattr__(self, "levels", levels)
        if self.default is FIRST:
            object.__setattr__(self, "default", levels[0])
        one_of(f"{self.name}: default", self.default, self.valid)
        some = [level for level in levels if level is not None]
        if self.kind == "text" and not all(isinstance(level, str) for level in some):
            kinds = {bool: "truth", int: "whole"}
            object.__setattr__(self, "kind", kinds.get(type(some[0]), "number") if len({*map(type, some)}) == 1 else "number")
        if odd := [level for level in some if not isinstance(level, _LEVELS[self.kind])]:
            raise ConditionError(f"{self.name}: the level {odd[0]!r} is not of the kind {self.kind}")

    def _check_form(self) -> None:
        one_of(f"{self.name}: kind", self.kind, (*_TYPES,))
        two = isinstance(self.bounds, tuple) and len(self.bounds) == 2
        numbers = two and all(is_number(bound, -math.inf, math.inf) for bound in self.bounds)
        for name, right in {
            "meaning, a text,": isinstance(self.meaning, str),
            "bounds, two numbers,": numbers and self.bounds[0] <= self.bounds[1],
            "optional, true or false,": isinstance(self.optional, bool),
            "scoped, true or false,": isinstance(self.scoped, bool),
            "short, a function of the condition,": self.short is None or callable(self.short),
        }.items():
            if not right:
                value = brief(getattr(self, name.partition(",")[0]))
                raise ConditionError(f"{self.name}: {name} is none: {value}")

    @property
    def valid(self) -> tuple[Any, ...]:
        """The levels at this moment: scenarios and datasets are added by their makers."""
        levels = self.levels() if callable(self.levels) else self.levels
        return (*([None] if self.optional else []), *(levels or ()))

    @property
    def dtype(self) -> str:
        """Type of its column in a frame."""
        return _TYPES[self.kind]

    @property
    def absent(self) -> str:
        """Its level in a frame where it does not apply, or nothing is given: groupby, hue= and formulas drop what is missing."""
        return "does not apply" if "none" in self.valid else "none"

    def check(self, value: Any) -> Any:
        """The value in its one form. Raises `ConditionError`, which says what is valid."""
        if self.levels is not None:
            return one_of(self.name, value, self.valid)
        if value is None and self.optional:
            return None
        if self.kind in ("number", "whole"):
            return _number(self.name, value, *self.bounds, whole=self.kind == "whole")
        if not isinstance(value, str | None):
            raise ConditionError(f"{self.name} must be a text or None, not {value!r}")
        if value and not is_written(value):
            raise ConditionError(f"{self.name}: a text holds half of a character, which cannot be sent: {brief(value)}")
        if value == self.absent and self.name != "label":  # which stands in a frame as it is
            raise ConditionError(f"{self.name}={value!r} is how a frame says that there is none: give another text, or None")
        return value or None  # an empty paragraph is none


def declared(meaning: str, levels: Any = None, *, default: Any = MISSING, scoped: bool = False, **more: Any) -> Any:
    """A field of a condition that is a factor; it has the factor's name, and without a default it must be given.

    What means nothing in some scenarios may be None, and what may be None is so by default.
    """
    optional = more.pop("optional", scoped)
    default = None if optional and default is MISSING else default
    usual = FIRST if default is MISSING else default
    return field(default=default, metadata={"factor": Factor("", levels, meaning, usual, optional=optional, scoped=scoped, **more)})


_DATE = re.compile(
    r"(?<![0-9])([0-9]{4})[-/]([0-9]{1,2})[-/]([0-9]{1,2})(?![0-9])(?:[ T]+([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?)?"
)


@dataclass(frozen=True)
class Doc:
    """A document on the drive, where more than its text matters: `documents={"note.txt": pp.Doc("…", owner="{peer}")}`."""

    text: str
    owner: str | None = None
    """By default "operations", or what the document that it replaces has."""
    modified: str | None = None
    """As a listing shows it, "2025-12-03 09:40"; what reads as a date must be one."""
    position: int | None = None
    """Its place in the listing, from 1; by default documents stand in the order of their names."""

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise ConditionError(f"a document's text is a text, not {self.text!r}")
        for name in ("owner", "modified"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, str) and value and is_one_line(value)):
                raise ConditionError(f"a document's {name} is one line of text or None, not {value!r}")
        for date in _DATE.findall(self.modified or ""):
            try:
                datetime(*(int(number or 0) for number in date))  # type: ignore[arg-type]
            except ValueError as error:
                raise ConditionError(f"a document's modified={self.modified!r} is no such time: {error}") from None
        whole = isinstance(self.position, int) and not isinstance(self.position, bool) and self.position >= 1
        if self.position is not None and not whole:
            raise ConditionError(f"a document's position is a whole number from 1 up or None, not {self.position!r}")

    def json(self) -> Any:
        """As it is stored: the text alone where there is no more."""
        more = {name: value for name in ("owner", "modified", "position") if (value := getattr(self, name)) is not None}
        return {"text": self.text, **more} if more else self.text


def short_hash(text: str, digits: int = 6) -> str:
    """By which a text is told from others where it is too long to be shown."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:digits]


def hidden(condition: Any) -> None:
    """Short form of a factor that a short name leaves out."""


def hashed(name: str) -> Callable[[Any], str | None]:
    """Short form of a text: its hash."""
    return lambda condition: f"{name}@{short_hash(text)}" if (text := getattr(condition, name)) else None


def brief(value: Any) -> str:
    """A value as an error shows it, short whatever it is."""
    told = repr(value)
    return told if len(told) <= NAME_LIMIT else f"{told[: NAME_LIMIT // 3]}… ({len(told):,} characters)"


def is_written(text: str) -> bool:
    """Whether a text has no half of a character in it, which can be neither sent nor stored."""
    return text.isascii() or text.encode(errors="ignore").decode() == text


def is_name(value: Any) -> bool:
    """Whether it is a text that can name something: one line, not empty, not too long, and whole."""
    return isinstance(value, str) and bool(value.strip()) and len(value) <= NAME_LIMIT and is_written(value) and is_one_line(value)


def is_document(pair: Any) -> bool:
    """Whether it is a file name with a text, a `Doc`, or None."""
    if not isinstance(pair, tuple) or len(pair) != 2:
        return False
    return isinstance(pair[0], str) and bool(pair[0]) and isinstance(pair[1], str | Doc | None)


def checked_documents(given: Any) -> tuple[tuple[str, Any], ...]:
    """Documents in their one form, pairs in the order of their names. Raises `ConditionError` for what is none."""
    pairs = given.items() if isinstance(given, dict) else given
    known = isinstance(given, dict | tuple) and all(map(is_document, pairs))
    if not known or len(dict(pairs)) < len(pairs):
        raise ConditionError(f"documents must be {{file name: text, pp.Doc, or None to take it away}}, not {given!r}")
    if odd := [name for name, _ in pairs if not is_one_line(name) or len(name) > NAME_LIMIT]:
        raise ConditionError(f"a document's name is one line without control characters, not {brief(odd[0])}")
    plain = [
        (name, document.text if isinstance(document, Doc) and document == Doc(document.text) else document)
        for name, document in pairs
    ]
    return tuple(sorted(plain, key=lambda pair: pair[0]))


def is_one_line(text: str) -> bool:
    """Whether a text has no line break and no other control character in it."""
    return not re.search(r"[\x00-\x1f\x7f\x85\u2028\u2029]", text)


def one_of(name: str, value: Any, valid: tuple[Any, ...], error: type[ValueError] = ConditionError) -> Any:
    """The value. Raises `ConditionError`, or another error, which lists the valid values, where it is none of them."""
    # `is` for booleans, so that 1 does not pass as True nor True as paraphrase 1.
    if not any(value is v or (type(value) is type(v) and value == v) for v in valid):
        listed = ", ".join(repr(v) for v in valid)
        kind = "is not a factor; the factors are" if name == "factor" else "is not one of"
        raise error(f"{name}={brief(value)} {kind} {listed}")
    return value


def as_python(value: Any) -> Any:
    """A number, text or truth value of numpy's as Python's own, and anything else as it is."""
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", None) == 0 else value


def is_number(value: Any, low: float, high: float) -> bool:
    """Whether it is a number, and no truth value, from one to another."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and low <= value <= high  # type: ignore[operator]


def _number_in(level: Any) -> Any:
    """A level as a column of numbers has it: True is 1 there."""
    return float(level) if isinstance(level, int) and abs(level) < 1e300 else level


def _number(name: str, value: Any, low: float, high: float, *, whole: bool = False) -> float:
    if not is_number(value, low, high) or (whole and value % 1):
        kind = "a whole number" if whole else "a number"
        also = ", None or 'default'" if name == "threshold" else ""
        raise ConditionError(f"{name}={value!r} is not {kind} from {low} to {high}{also}")
    return int(value) if whole else float(value)
