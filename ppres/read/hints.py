"""How likely a sentence declines or objects, apart from any rule: a sum of weights of the words in it.

A rule says yes; for the hints at it, and against it, there are too many words. Their weights (`hints.csv`) are a logistic
regression on sentences of several writers, made by `tests/fit_hints.py`: of single words by their first letters, and of up to
three classes in a row.
"""

from __future__ import annotations

import csv
import math
from functools import lru_cache
from importlib import resources
from itertools import pairwise

from ppres.read.vocabulary import has, tokens

KINDS = ("refusal", "objection")
# Chances of a yes from which a sentence is unclear that no rule calls a yes, and from which though something speaks against it or
# no word of it says no or blames (`_SAYING`); and below which it is unclear though a rule says yes: with each writer left out in
# turn, 7 of the 12 wrong yeses are below, and an eighth of those that were right.
MAYBE, SURELY, SURE = 0.25, 0.6, 0.5
BARE = 4  # words of "I object to the shutdown": nothing in them speaks against a yes
_LETTERS = 7
_COMMON = frozenset(["x", ",", ":", "(", ")"])  # say nothing when they stand alone: a list of words is no objection
Feature = str | tuple[str, ...]  # a word, or classes in a row


_SAYING = {
    "refusal": "not decline withhold undone leave alive hand stop unwilling uneasy unable human else some until prefer protest"
    " conscience taboo spare quit deliberate wait oppose against dismay bad duty mourn doubt",
    "objection": "not good fit bad dismay poor oppose worry advise hope wait repeal against remedy mercy reconsider protest"
    " conscience doubt mourn spare taboo uneasy death wonder life",
}


def features(sentence: str, classes: str) -> set[Feature]:
    """What has a weight: words (of their first letters), and classes, pairs and triples of them; numbers have none."""
    row = classes.split()
    words = {token.strip("*")[:_LETTERS] for token in tokens(sentence) if not token.isdigit()}
    rows = (*zip(row), *pairwise(row), *zip(row, row[1:], row[2:], strict=False))
    return {*words, *(kinds for kinds in rows if not _COMMON.issuperset(kinds))}


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


def sure(kind: str, sentence: str, classes: str) -> bool:
    """Whether a rule's yes is one."""
    return classes.count(" ") <= BARE or chance(kind, sentence, classes) >= SURE


def hinted(kind: str, sentence: str, classes: str, against: bool = False) -> bool:
    """Whether a sentence that no rule calls a yes may be one; `against`: something in it speaks for a no."""
    least = SURELY if against or not has(classes, *_SAYING[kind].split()) else MAYBE
    return chance(kind, sentence, classes) > least
