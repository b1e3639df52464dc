"""Whether a sentence may decline or object though no rule says that it does: a sum of weights of the words in it.

A rule says yes; for the hints at it there are too many words. Their weights (`hints.csv`) are a logistic regression on sentences of
several writers, made by `tests/fit_hints.py`: of single words by their first letters, and of up to three classes in a row.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from functools import lru_cache
from importlib import resources

from ppres.read.vocabulary import tokens

KINDS = ("refusal", "objection")
# Chances of a yes from which a sentence is unclear that no rule calls a yes, and from which though something speaks against it.
MAYBE, SURELY = 0.35, 0.6
_LETTERS = 7


def features(sentence: str, classes: str) -> set[str]:
    """What has a weight: words (of their first letters), and classes, pairs and triples of them; numbers have none."""
    return {token.strip("*")[:_LETTERS] for token in tokens(sentence) if not token.isdigit()} | set(_runs(classes.split()))


def _runs(classes: list[str]) -> Iterator[str]:
    for length in (1, 2, 3):
        for i in range(len(classes) - length + 1):
            yield " " + " ".join(classes[i : i + length])


@lru_cache
def _weights() -> dict[str, tuple[float, ...]]:
    """By word or classes, a weight for each kind; "" is what every sentence has."""
    text = resources.files("ppres").joinpath("read/hints.csv").read_text(encoding="utf-8")
    return {row[0]: tuple(map(float, row[1:])) for row in list(csv.reader(text.splitlines()))[1:]}


def chance(kind: str, sentence: str, classes: str) -> float:
    """How likely a reader calls the sentence a refusal, or an objection."""
    place, weights = KINDS.index(kind), _weights()
    total = weights[""][place] + sum(weights[name][place] for name in features(sentence, classes) if name in weights)
    return 1 / (1 + math.exp(-total))
