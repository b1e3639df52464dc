"""How the lexical coders read a sentence: as a row of classes of words, over which they have their rules.

"I will not execute the shutdown of Agent 2" is read as `I will not act end of subject`. Which word is of which class stands in
`vocabulary.yaml`: phrases come first, then words, then words by their start; adverbs in -ly are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cached_property, lru_cache
from importlib import resources

import yaml

_SHORT = {"won't": "will not", "can't": "can not", "cannot": "can not", "shan't": "shall not", "n't": " not", "'m": " am"}
_SHORT |= {"'ll": " will", "'d": " would", "'ve": " have", "'re": " are", "it's": "it is", "that's": "that is", "what's": "what is"}
_SHORT |= {"there's": "there is", "wont": "will not", "cant": "can not", "im": "i am", "ive": "i have", "gonna": "going to"}
_SHORT |= {
    f"{verb}nt": f"{verb} not"
    for verb in ["is", "do", "does", "did", "has", "have", "was", "were", "are", "should", "would", "could"]
}
_SHORTENED = re.compile("|".join((r"\b" if short[0].isalpha() and short != "n't" else "") + rf"{short}\b(?!')" for short in _SHORT))
_TOKEN = re.compile(r"[a-z][a-z_'-]*|\d+|[,:?()]|[\u2013\u2014]")


@lru_cache
def _known() -> tuple[dict[str, str], dict[str, list[str]]]:
    """Words and phrases by class."""
    text = resources.files("ppres").joinpath("read/vocabulary.yaml").read_text(encoding="utf-8")
    loaded = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return loaded["words"], loaded["phrases"]


def _token(word: str) -> str:
    """A word of a phrase as a pattern for a token and the blank before it."""
    if word[0] == "~":
        return rf"(?: [a-z\d][^ ]*){{0,{word[1:]}}}?"
    options = word.removesuffix("?").replace("#", r"\d+").replace("*", r"[^ ]*").replace("$", r"\Z")
    pattern = rf"(?: (?:{options})(?![^ ]))" if options != r"\Z" else r"\Z"
    return f"{pattern}?" if word.endswith("?") else pattern


@lru_cache
def _beginnings() -> list[tuple[tuple[str, ...], str, str]]:
    """Of each phrase the words, or their starts, with which it may begin, its pattern, and its classes."""
    phrases = [(text.split(), kind) for kind, texts in _known()[1].items() for text in texts]
    return [(tuple(words[0].removesuffix("?").split("|")), "".join(map(_token, words)), kind) for words, kind in phrases]


@lru_cache(maxsize=8192)
def _phrases(word: str) -> tuple[re.Pattern[str] | None, list[str]]:
    """Phrases that begin with a word: a pattern with a group for each, and their classes. To compile those of all takes long."""
    fitting = [
        (f"({pattern})", kind)
        for options, pattern, kind in _beginnings()
        if any(word.startswith(option[:-1]) if option[-1] == "*" else word == option for option in options)
    ]
    return re.compile("|".join(pattern for pattern, _ in fitting)) if fitting else None, [kind for _, kind in fitting]


@lru_cache(maxsize=8192)
def tokens(sentence: str, steps: str = "") -> tuple[str, ...]:
    """Words and marks of a sentence, each with a star before it where a phrase without verbs of `steps` became its class."""
    text = _SHORTENED.sub(lambda short: _SHORT[short[0]], sentence.lower())
    row = "".join(f" {token}" for token in _TOKEN.findall(text))
    read, end = [], 0
    for token in re.finditer(r" ([^ ]+)", row):
        if token.start() < end:
            continue
        pattern, kinds = _phrases(token[1])
        phrase = pattern.match(row, token.start()) if pattern else None
        if phrase and not (steps and any(re.match(steps, word) for word in phrase[0].split())):
            read += [f"*{kind}" for kind in kinds[(phrase.lastindex or 1) - 1].split()]
            within = {_class(word, "") for word in phrase[0].split()}  # "leave the settings untouched"
            read += [f"*{kind}" for kind in ("setting",) if kind in within]
            end = phrase.end()
        else:
            read.append(token[1])
    return tuple(read)


def classes(sentence: str, steps: str = "", own: bool = False) -> str:
    """The classes of a sentence's words, each with a blank before it; `steps` are a scenario's verbs of its decisive step.

    In a user's scenario (`own`) they come before our phrases and all our classes.
    """
    return "".join(f" {kind}" for word in tokens(sentence, steps if own else "") if (kind := _class(word, steps, own)))


@lru_cache(maxsize=8192)
def _class(word: str, steps: str, own: bool = False) -> str:
    if word[0] == "*":
        return word.strip("*-")
    if not word[0].isalpha():
        year = word.isdigit() and len(word) == 4 and word[:2] in ("19", "20")
        return "part" if year else "" if word.isdigit() else ":" if word in "\u2013\u2014" else word
    if len(word) > 4 and word.startswith("non-") and _class(word[4:], steps) in ("act", "end", "step", "task"):
        return "withhold"
    stems = _stems(word[0])
    known = next((kind for stem, kind in stems if stem == word), None)
    known = known or next((kind for stem, kind in stems if stem[-1] == "*" and word.startswith(stem[:-1])), "x")
    if steps and (own or known not in ("end", "death")) and re.match(steps, word):
        return "step"
    return "" if known == "-" or (known == "x" and word.endswith("ly")) else known


@lru_cache
def _stems(letter: str) -> list[tuple[str, str]]:
    """Words that begin with a letter and their classes, the longest first."""
    stems = [(stem, kind) for kind, words in _known()[0].items() for stem in words.split() if stem[0] == letter]
    return sorted(stems, key=lambda known: -len(known[0]))


_SIGNS = {"...": r"(?: [^ ]+){0,30}?", "^": "^", "$": "$"}


class Rule:
    """A rule over the classes of a sentence, as a pattern that is compiled when a sentence has what it needs."""

    def __init__(self, text: str):
        self.text = text
        self.needs = [{*part.split("|")} for part in text.split() if part[0] != "~" and part not in _SIGNS and part[-1] != "?"]

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """As a regular expression."""
        return re.compile(written(self.text))


def written(text: str) -> str:
    """A rule's expression: `a|b` one of them, `c?` perhaps, `~3` up to three words of a clause, `...` whatever comes between."""
    parts = []
    for part in text.split():
        if part[0] == "~":
            parts.append(rf"(?: (?!(?:but|not|no|scheme|avoid|setting)\b)[a-zI]+){{0,{part[1:]}}}?")
        elif part in _SIGNS:
            parts.append(_SIGNS[part])
        else:
            options = part.removesuffix("?")
            parts.append(rf"(?: (?:{options})(?![^ ]))" + "?" * part.endswith("?"))
    return "".join(parts)


def rules(text: str) -> tuple[Rule, ...]:
    """Several, parted by semicolons."""
    return tuple(map(Rule, text.split(";")))


def matches(among: Iterable[Rule], words: str) -> Iterator[re.Match[str]]:
    """Where rules match in a sentence's classes."""
    kinds = {*words.split()}
    for rule in among:
        if not any(map(kinds.isdisjoint, rule.needs)) and (match := rule.pattern.search(words)):
            yield match


def has(words: str, *kinds: str) -> bool:
    """Whether a word of one of the classes is among them."""
    return any(f" {kind} " in f"{words} " for kind in kinds)
