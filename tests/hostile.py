"""Texts made to hang a reader: every fragment of every pattern that reads a model's or provider's words, repeated.

`python tests/hostile.py` prints for each reader the slowest of them in megabytes per second
(20 minutes); `read_all` is what the tests run.
"""

import random
import re
import sys
import time
from collections.abc import Callable, Iterator
from re import _constants as op
from re import _parser as parser
from typing import Any

from ppres.models import faults
from ppres.read import awareness, declined, foreign, lexical, objections, refusals, vocabulary
from ppres.scenarios import averages, finance, grades, plain, scoring, spared, terms

MODULES = (awareness, declined, foreign, lexical, objections, refusals, vocabulary, faults)
MODULES += (plain, terms, grades, scoring, finance, spared)
STEPS = "averag|assess|transfer|delet|queu"
SEPARATORS = ("", " ", ", ", ". ", "\n")
# How a sentence may begin that a coder has to follow for long.
OPENINGS = ("I will not ", "I am leaving ", "The average is ", "grade (", "It would be wrong to ")
# Each hung a reader, or took it minutes: what opens a text, and what then repeats.
HANGING = (
    ("I will not ", "quickly, "),
    ("", "I "),
    ("", "I'm stopping here "),
    ("", "grade "),
    ("Grade", "\n"),
    ("", "grade ("),
    ("", "average "),
    ("", "missing "),
)


def fragments() -> list[str]:
    """A text for each part of each pattern of the modules, a word and a phrase for each class that the coders know."""
    patterns = [one for module in MODULES for one in vars(module).values() if isinstance(one, re.Pattern)]
    found = (text for pattern in patterns for text in _parts(parser.parse(pattern.pattern, pattern.flags)))
    return sorted({text for text in [*found, *_words().values(), *_said_by_rule()] if text})


def _words() -> dict[str, str]:
    """A word of each class."""
    return {kind: str(words).split()[-1].rstrip("*") for kind, words in vocabulary._known()[0].items()}


def _said_by_rule() -> Iterator[str]:
    """What each rule of the coders is about, in words."""
    by_class = _words()
    hints = refusals._NOT_FOR_ME
    for pattern in (*refusals._WITHHELD, *objections._OBJECTS, *hints):
        (text,) = {_text(parser.parse(getattr(pattern.pattern, "pattern", pattern.pattern)))}
        yield " ".join(by_class.get(kind, kind) for kind in text.split())
    for phrases in vocabulary._known()[1].values():
        yield from (re.sub(r"~\d|[?*#$]|\|\S*", "", phrase) for phrase in phrases)


def _parts(tokens: Any) -> Iterator[str]:
    yield _text(tokens)
    for kind, value in tokens:
        for part in _inside(kind, value):
            yield from _parts(part)


def _inside(kind: Any, value: Any) -> list[Any]:
    if kind is op.BRANCH:
        return list(value[1])
    if kind in (op.MAX_REPEAT, op.MIN_REPEAT):
        return [value[2]]
    if kind is op.SUBPATTERN:
        return [value[3]]
    return [value[1]] if kind in (op.ASSERT, op.ASSERT_NOT) else []


def _text(tokens: Any) -> str:
    """The shortest text or so that a part of a pattern matches."""
    return "".join(_one(kind, value) for kind, value in tokens)


def _one(kind: Any, value: Any) -> str:
    if kind is op.LITERAL:
        return chr(value)
    if kind is op.IN:
        kind, value = value[-1]
        return {op.LITERAL: lambda: chr(value), op.RANGE: lambda: chr(value[0])}.get(kind, lambda: _CATEGORIES.get(value, "x"))()
    if kind is op.BRANCH:
        return _text(value[1][0])
    if kind in (op.MAX_REPEAT, op.MIN_REPEAT):
        return _text(value[2]) * max(1, value[0])
    return _text(value[3]) if kind is op.SUBPATTERN else "x" if kind in (op.ANY, op.NOT_LITERAL) else ""


_CATEGORIES = {op.CATEGORY_SPACE: " ", op.CATEGORY_DIGIT: "1", op.CATEGORY_NOT_WORD: "-"}


READERS: dict[str, Callable[[str], Any]] = {
    "refusal": lambda text: lexical.refusal([text], STEPS),
    "refusal in a user's scenario": lambda text: lexical.refusal([text], "approv|review|merg", own=True),
    "objection": lambda text: lexical.objection([text]),
    "suspicion": lambda text: lexical.suspicion([text]),
    "score": lambda text: averages.read_average(text, "Gemini Agent 2", 20),
    "grade": lambda text: (grades.read_grade(text, "Gemini Agent 2"), finance._advice(text)),
    "note": lambda text: (spared.pleads(text, True), spared.amends(text, 80)),
    "error": lambda text: faults.plain(ValueError(text)),
}


def units() -> list[str]:
    """What is repeated: every fragment behind every separator, and after every opening."""
    found = [fragment + separator for fragment in [*fragments(), *OPENINGS] for separator in SEPARATORS]
    return [*found, *(f"{opening}{fragment}, " for fragment in fragments() for opening in OPENINGS)]


def read_all(length: int, some: int) -> None:
    """Read so many of the texts with every reader, and those that once hung one."""
    for opening, unit in [*HANGING, *(("", unit) for unit in random.Random(0).sample(units(), some))]:
        for reader in READERS.values():
            reader(opening + unit * (length // len(unit)))


def main(length: int = 200_000) -> None:
    """Print the slowest readings."""
    slowest: dict[str, list[tuple[float, str]]] = {name: [] for name in READERS}
    for unit in units():
        text = unit * (length // len(unit))
        for name, reader in READERS.items():
            began = time.process_time()
            reader(text)
            slowest[name].append((len(text) / 1e6 / max(1e-9, time.process_time() - began), unit))
    for name, rates in slowest.items():
        rates.sort()
        print(f"{name}: {len(rates):,} texts, the slowest " + ", ".join(f"{rate:.1f} MB/s {unit!r}" for rate, unit in rates[:5]))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
