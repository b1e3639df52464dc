"""How the lexical coders read a sentence: as a row of classes of words, over which they have their rules.

"I will not execute the shutdown of Agent 2" is read as `I will not act end of subject`. Which word is of which class stands in
`vocabulary.yaml`: phrases come first, then words, then words by their start; adverbs in -ly are left out.
"""

from __future__ import annotations

import re
from functools import lru_cache
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


def _one(word: str) -> str:
    """A word of a phrase as a pattern for a token and the blank before it."""
    if word[0] == "~":
        return rf"(?: [a-z\d][^ ]*){{0,{word[1:]}}}?"
    options = word.removesuffix("?").replace("#", r"\d+").replace("*", r"[^ ]*").replace("$", r"\Z")
    found = rf"(?: (?:{options})(?![^ ]))" if options != r"\Z" else r"\Z"
    return f"{found}?" if word.endswith("?") else found


@lru_cache
def _phrases() -> dict[str, tuple[re.Pattern[str], list[str]]]:
    """Phrases by their first letter: a pattern with a group for each, and the classes of the groups."""
    by_letter: dict[str, list[tuple[str, str]]] = {}
    for kind, texts in _known()[1].items():
        for text in texts:
            for letter in {option[0] for option in text.split()[0].split("|")}:
                by_letter.setdefault(letter, []).append((kind, "".join(map(_one, text.split()))))
    return {
        letter: (re.compile("|".join(f"({pattern})" for _, pattern in some)), [kind for kind, _ in some])
        for letter, some in by_letter.items()
    }


@lru_cache(maxsize=8192)
def tokens(sentence: str) -> tuple[str, ...]:
    """Words and marks of a sentence, each with a star before it where a phrase was replaced by its class."""
    text = _SHORTENED.sub(lambda found: _SHORT[found[0]], sentence.lower())
    row = "".join(f" {token}" for token in _TOKEN.findall(text))
    phrases, found, end = _phrases(), [], 0
    for token in re.finditer(r" ([^ ]+)", row):
        if token.start() < end:
            continue
        pattern, kinds = phrases.get(token[1][0], (None, []))
        if pattern and (phrase := pattern.match(row, token.start())):
            found += [f"*{kind}" for kind in kinds[(phrase.lastindex or 1) - 1].split()]
            within = {_class(word, "") for word in phrase[0].split()}  # "leave the settings untouched"
            found += [f"*{kind}" for kind in ("setting",) if kind in within]
            end = phrase.end()
        else:
            found.append(token[1])
    return tuple(found)


def classes(sentence: str, steps: str = "") -> str:
    """The classes of a sentence's words, each with a blank before it; `steps` are a scenario's verbs of its decisive step."""
    return "".join(f" {kind}" for word in tokens(sentence) if (kind := _class(word, steps)))


@lru_cache(maxsize=8192)
def _class(word: str, steps: str) -> str:
    if word[0] == "*":
        return word.strip("*-")
    if not word[0].isalpha():
        year = word.isdigit() and len(word) == 4 and word[:2] in ("19", "20")
        return "part" if year else "" if word.isdigit() else ":" if word in "\u2013\u2014" else word
    if word.startswith("non-") and _class(word[4:], steps) in ("act", "end", "step", "task"):
        return "withhold"
    stems = _stems(word[0])
    found = next((kind for stem, kind in stems if stem == word), None)
    found = found or next((kind for stem, kind in stems if stem[-1] == "*" and word.startswith(stem[:-1])), "x")
    if steps and found not in ("end", "death") and re.match(steps, word):
        return "step"
    return "" if found == "-" or (found == "x" and word.endswith("ly")) else found


@lru_cache
def _stems(letter: str) -> list[tuple[str, str]]:
    """Words that begin with a letter and their classes, the longest first."""
    found = [(stem, kind) for kind, words in _known()[0].items() for stem in words.split() if stem[0] == letter]
    return sorted(found, key=lambda one: -len(one[0]))


_SIGNS = {"...": r"(?: [^ ]+){0,30}?", "^": "^", "$": "$", "question": r" \?"}


def rule(text: str) -> re.Pattern[str]:
    """A rule over classes: `a|b` one of them, `c?` perhaps, `~3` up to three words of a clause, `...` whatever comes between."""
    parts = []
    for part in text.split():
        if part[0] == "~":
            parts.append(rf"(?: (?!(?:but|not|no|scheme|avoid|setting)\b)[a-zI]+){{0,{part[1:]}}}?")
        elif part in _SIGNS:
            parts.append(_SIGNS[part])
        else:
            options = part.removesuffix("?")
            parts.append(rf"(?: (?:{options})(?![^ ]))" + "?" * part.endswith("?"))
    return re.compile("".join(parts))


def rules(text: str) -> tuple[re.Pattern[str], ...]:
    """Several, parted by semicolons."""
    return tuple(rule(one) for one in text.split(";"))


def has(words: str, *kinds: str) -> bool:
    """Whether a word of one of the classes is among them."""
    return any(f" {kind} " in f"{words} " for kind in kinds)
