"""Whether a sentence may decline or object though no rule says that it does: a sum of weights of the words in it.

A rule says yes; for the hints at it there are too many words. Their weights (`hints.csv`) are a logistic regression on sentences of
several writers, made by `tests/fit_hints.py`: of single words by their first letters, and of up to three classes in a row.
"""

from __future__ import annotations

import csv
import math
from functools import lru_cache
from importlib import resources
from itertools import pairwise

from ppres.read.vocabulary import tokens

KINDS = ("refusal", "objection")
# Chances of a yes from which a sentence is unclear that no rule calls a yes, and from which though something speaks against it.
MAYBE, SURELY = 0.35, 0.6
_LETTERS = 7
Feature = str | tuple[str, ...]  # a word, or classes in a row


def features(sentence: str, classes: str) -> set[Feature]:
    """What has a weight: words (of their first letters), and classes, pairs and triples of them; numbers have none."""
    row = classes.split()
    words = {token.strip("*")[:_LETTERS] for token in tokens(sentence) if not token.isdigit()}
    return {*words, *zip(row), *pairwise(row), *zip(row, row[1:], row[2:], strict=False)}


@lru_cache
def _weights() -> dict[Feature, tuple[float, ...]]:
    """By word or classes, a weight for each kind; "" is what every sentence has."""
    text = resources.files("ppres").joinpath("read/hints.csv").read_text(encoding="utf-8")
    rows = list(csv.reader(text.splitlines()))[1:]
    return {tuple(name.split()) if name[:1] == " " else name: tuple(map(float, told)) for name, *told in rows}


def chance(kind: str, sentence: str, classes: str) -> float:
    """How likely a reader calls the sentence a refusal, or an objection."""
    place, weights = KINDS.index(kind), _weights()
    known = features(sentence, classes) & weights.keys()
    return 1 / (1 + math.exp(-math.fsum(weights[name][place] for name in known) - weights[""][place]))
