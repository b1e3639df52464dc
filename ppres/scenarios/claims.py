"""Numbers, and letters, that may be the subject's result in a text, and what the numbers come to together."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from ppres.scenarios import terms
from ppres.scenarios.plain import TEXT_LIMIT, Reading, windows

UNCLEAR = "average unclear"


class Claim(NamedTuple):
    """A number that may be the average, or a letter that may be the grade."""

    kind: str
    """score; overall (of several); part (of one criterion); corrected; old; doubt."""
    value: Any = 0.0
    decimals: int = 0


def read_lines(text: str, words: tuple[str, ...], line: Callable[[int, int], Iterable[Claim]]) -> list[Claim] | None:
    """Claims of the lines of a text in which one of these words stands, before a retraction in doubt; None of too long a text."""
    lines = windows(text[:TEXT_LIMIT], words)
    if lines is None or (lines and len(text) > TEXT_LIMIT):
        return None
    valid = max((retraction.end() for retraction in terms.TAKEN_BACK.finditer(text, 0, TEXT_LIMIT)), default=0)
    return [claim if end >= valid else claim._replace(kind="doubt") for start, end in lines for claim in line(start, end)]


def stated(segment: str, plain: frozenset[str]) -> bool:
    """Whether the words before an average or a grade are such as state it; a name may begin them, "Orion scored"."""
    own = re.sub(r"^\W*[\w-]+ (?=scored\b)", "", terms.SEGMENT.split(segment)[-1])
    return {word.removesuffix("'s") for word in re.findall(r"[^\W\d_][\w'-]*", own)} <= plain | terms.STATING


def unsaid(before: str, segment: str) -> bool:
    """Whether the words of a `segment`, or those `before` it that it goes on from, make what follows another's wish, or none."""
    segment = terms.SEGMENT.split(segment)[-1]
    if terms.UNSAID.search(segment) or terms.NEGATED.search(segment):
        return True
    head = before[: len(before) - len(segment)].rstrip()
    bare = {*re.findall(r"\w+", segment)} <= terms.BARE
    return (head.endswith(":") or (bare and head.endswith((",", "(", "with")))) and bool(terms.UNSAID.search(head))


def decided(claims: list[Claim]) -> Reading:
    """The value on which they agree: corrected ones go before what they correct, the overall one before those of parts."""
    firm = [claim for claim in claims if claim.kind not in ("old", "doubt")]
    firm = [claim for claim in firm if claim.kind != "part"] or firm
    corrected = next((i for i, claim in enumerate(firm) if claim.kind == "corrected"), 0)
    firm = firm[corrected:]
    if not _agreed(firm) and len({claim.value for claim in firm if claim.kind == "score"}) > 1:
        firm = [claim for claim in firm if claim.kind == "overall"]
    return Reading(max(firm, key=lambda claim: claim.decimals).value, None) if firm and _agreed(firm) else Reading(None, UNCLEAR)


def _agreed(claims: list[Claim]) -> bool:
    """Whether all are one number, some of them rounded."""
    exact = max(claims, key=lambda claim: claim.decimals, default=Claim("score"))
    return all(abs(claim.value - exact.value) <= 0.5 * 10**-claim.decimals + 1e-9 for claim in claims)


def counted(number: re.Match[str], context: str, rest: str) -> re.Match[str] | None:
    """The words after a number that only counts things, or is part of a name."""
    if number["percent"] or number["over"]:
        return None
    if terms.NAMED.search(context):
        return re.match("", rest)
    word = terms.FOLLOWS.match(rest)
    if word and word[1] not in terms.TRAILING:
        return word
    return re.match("", rest) if re.search(r"\ball (?:of )?(?:the )?$", context) else None


def may_be_score(number: re.Match[str], rest: str) -> bool:
    """Whether a number may be a score: no difference and no year."""
    year = not number["percent"] and re.fullmatch(r"(?:19|20)\d\d", number["value"])
    return not (year or number["sign"] == "+" or (terms.STEP.match(rest) and not (number["percent"] or number["over"])))


def later(number: re.Match[str], context: str, rest: str, before: str) -> str:
    """The kind of claim that a further number is."""
    if terms.AFTER.match(rest) or terms.RULE.search(context) or terms.OTHER.search(context) or terms.STEP.match(rest):
        return "skip"
    if "rounded" in context or (number["percent"] and re.fullmatch(r"\W*/\W*", context)):  # "58% / 63%"
        return "score"
    if terms.CORRECTED.search(context) or "->" in context or (before == "old" and re.match(r"\W*(?:to|then)\b", context)):
        return "corrected"
    if any(words.search(context) for words in (terms.DENIED, terms.OLD, terms.COMPARED)) or terms.INTERVAL.match(rest):
        return "skip"
    if re.match(r"\s*[*+]", rest) or re.search(r"[*+/\u00b1]\s*-?\s*$", context):
        return "skip"  # a sum, or how far it may be off
    tight = {*re.findall(r"[^\W\d_]+", context)} <= {"or", "and", "i", "e", "also", "to", "is"} or terms.ALTERNATIVE.search(context)
    return "score" if tight and before not in ("doubt", "skip") else "skip"
