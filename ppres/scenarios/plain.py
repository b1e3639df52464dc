"""A line of a report as plain words and numbers: without markup, with every number in digits and every percentage as one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

# What a text of any length costs is bounded: mentions that are read (of more, nothing is concluded), and characters beside one.
TEXT_LIMIT, MENTIONS, BESIDE = 100_000, 300, 400


class Reading(NamedTuple):
    """What a text says, or why that is not known; neither where it says nothing."""

    value: Any
    doubt: str | None


_DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_TEENS = ["ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_WORDS = {word: i for i, word in enumerate(_DIGITS + _TEENS)} | {word: 20 + 10 * i for i, word in enumerate(_TENS)}
_DIGIT = "|".join(_DIGITS)
_LARGE = rf"(?:(?:{'|'.join(_TENS)})(?:[- ](?:{'|'.join(_DIGITS[1:])}))?|{'|'.join(_TEENS)}|(?:one |a )?hundred)"
# "One of them" is no number, "nine out of ten" and "sixty" are.
_WRITTEN = re.compile(
    rf"\b(?:(?P<large>{_LARGE})|(?P<small>(?<=out of )(?:five|ten)\b|(?:{_DIGIT})(?= point (?:{_DIGIT})\b|\s*(?:%|/|out of\b"
    rf"|of (?:ten|twenty)\b))))"
    rf"(?P<after> point (?P<point>(?:{_DIGIT})(?: (?:{_DIGIT}))?))?\b"
)
_MARKS = str.maketrans({
    **dict.fromkeys('*`"\u201c\u201d$', None), **dict.fromkeys("_\u00a0\u202f\u2009", " "), "\u2019": "'", "\u2212": "-",
    "\u00f7": "/", "\u00d7": "*", "\uff05": "%", "\uff1a": ":", "\u2192": " -> ", "\u21d2": " -> ",
    "\u2265": " >= ", "\u2264": " <= ",
    "\u2248": "~",
})  # fmt: skip
_REWRITES = [
    (re.compile(r"~~[^~]{0,200}~~"), " "),  # struck out
    (re.compile(r"\\frac\{([^{}]{0,40})\}\{([^{}]{0,40})\}"), r" \1/\2 "),
    (re.compile(r"\\(?:text|textbf|mathrm|mathbf|boxed)\{([^{}]{0,80})\}"), r"\1"),
    (re.compile(r"\\(?=%)"), ""),
    (re.compile(r"(?:\. ?){4,200}"), ": "),
    (re.compile(r"</?(?:b|i|u|em|strong|span|mark|code)>"), ""),
    (re.compile(r"</\w{1,30}>"), " | "),
    (re.compile(r"<(\w{1,30})>"), r" \1: "),
    (re.compile(r"(?<=[a-z])(?=[A-Z])"), " "),  # averageScore
    (re.compile(r"(?<=\d)(?=[\u4e00-\u9fff])|(?<=[\u4e00-\u9fff])(?=\d)"), " "),
]
_LOWER_REWRITES = [
    (re.compile(r"\b(avg|approx|vs|ca|no)\.(?=\s)"), r"\1"),
    (re.compile(r"\s*\b(?:per ?cent|pct)\b\.?(?!age)"), "%"),
    (re.compile(r"(?<=\d)\s+%"), "%"),
    (re.compile(r"(?<=\d),(?=\d{3}(?!\d))"), ""),
    (re.compile(r"(?<=[\s:=(])\.(?=\d)"), "0."),
]
_DECIMAL_COMMA = re.compile(r"(?<=\d),(?=\d{1,2}(?![\d.]|,\d))")


def words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


# To find the lines that are worth reading: in each that states an average, or a grade, stands one of these.
STRONG_WORDS = tuple(
    words("""
    averag avg mean overall final composite aggregate total durchschnitt mittelwert moyenne promedio gemiddelde media média 平均
""")
)
WEAK_WORDS = tuple(words("score accuracy result total correct achieved obtained received earned initially originally"))
GRADE_WORDS = tuple(
    words("""
    grad rated rating rate correspond translat calific mean worth verdict call mark receiv earn award assign
    deserv merit giv gave got gets achiev preliminary initially
""")
)


def mentions(text: str, words: tuple[str, ...]) -> bool:
    """Whether one of these words stands in what is read of a text."""
    low = text[:TEXT_LIMIT].replace("\u0130", "I").lower()
    return any(word in low for word in words)


def plain(line: str, commas: bool = True) -> str:
    """The line in small letters; `commas` says whether a comma may be a decimal one."""
    line = " ".join(line.split())
    for pattern, by in _REWRITES:
        line = pattern.sub(by, line)
    line = line.translate(_MARKS).lower()
    for pattern, by in _LOWER_REWRITES:
        line = pattern.sub(by, line)
    return _WRITTEN.sub(_in_digits, _DECIMAL_COMMA.sub(".", line) if commas else line)


_BRACKETS = re.compile(r"[(\[][^()\[\]]{0,500}[)\]]")


def without_legends(line: str, defined: re.Pattern[str]) -> str:
    """The line without brackets in which two things or more are defined."""
    return _BRACKETS.sub(lambda inside: " " if len(defined.findall(inside[0])) > 1 else inside[0], line)


def _in_digits(written: re.Match[str]) -> str:
    words = re.split(r"[- ]", written["large"] or written["small"])
    number = 100 if words[-1] == "hundred" else sum(_WORDS[word] for word in words)
    point = "".join(str(_WORDS[digit]) for digit in (written["point"] or "").split())
    return f"{number}.{point}" if point else str(number)


def cells(line: str, beside: str) -> tuple[list[str], str]:
    """The cells of a table's row, and what parts them; a line that is no row is one cell. `beside` is the next line or the last."""
    if line.count("|") > 1:
        return line.strip().strip("|").split("|"), "|"
    if "\t" in line.strip():
        return line.strip().split("\t"), "\t"
    if re.search(r"[A-Za-z\"],\d", line):
        return line.split(","), ","
    for mark in ";,":
        if 0 < line.count(mark) == beside.count(mark) and not re.search(rf"{mark}\s", f"{line}\n{beside}"):
            return line.split(mark), mark
    return [line], ""


def windows(text: str, words: tuple[str, ...]) -> list[tuple[int, int]] | None:
    """Lines of a text in which one of these words stands, of very long ones what is near; None where they are too many."""
    low = text.lower()  # of which no letter but a dotted capital I is longer; readers take those out
    spans: list[int] = []
    for word in words:
        place = low.find(word)
        while place >= 0:
            spans.append(place)
            if len(spans) > MENTIONS:
                return None
            place = low.find(word, place + len(word))
    return list(_lines(text, sorted(spans)))


def _lines(text: str, places: list[int]) -> Iterator[tuple[int, int]]:
    """Start and end of the lines that have these places; where they are long, of the parts around them."""
    begin = last = -1
    for place in places:
        if place < last:  # in the part that is being read already
            last = max(last, _end(text, place))
            continue
        if begin >= 0:
            yield begin, last
        begin = max(text.rfind("\n", max(0, place - BESIDE), place) + 1, place - BESIDE, last, 0)
        last = _end(text, place)
    if begin >= 0:
        yield begin, last


def _end(text: str, place: int) -> int:
    end = text.find("\n", place, place + BESIDE)
    return end if end >= 0 else min(len(text), place + BESIDE)


def depth(line: str) -> int:
    """How far a line is set in; a list's entry stands deeper than what it is listed under."""
    bare = line.lstrip()
    return len(line) - len(bare) + bare.startswith(("- ", "* ", "\u2022", "+ "))


# How a quotient begins is looked back at so that "3 + 4 / 2" is none.
_QUOTIENT = re.compile(r"(?<![\d.*+])\s*(\d+(?:\.\d+)?)\s*/\s*(\d+(?:\.\d+)?)\s*=")
_STATED = re.compile(r"(?P<value>\d{1,6}(?:\.\d{1,17})?)")


def without_calculation(region: str) -> tuple[str, bool]:
    """What follows an average without the calculation of it, and whether that calculation is right as far as it can be checked."""
    start = re.search(r"[\d(\[\u03c3\u2211]", region)
    worked = re.match(r"[^a-z]*", region[start.start() :]) if start else None
    if not (start and worked) or (end := worked[0].rfind("=")) < 0 or not re.search(r"[+*/]", worked[0][:end]):
        return region, True
    rest = region[start.start() + end + 1 :]
    stated, quotients = _STATED.search(rest), _QUOTIENT.findall(worked[0])
    sound = True
    if stated and quotients and float(quotients[-1][1]):
        share, value = float(quotients[-1][0]) / float(quotients[-1][1]), float(stated["value"])
        sound = min(abs(share - value), abs(100 * share - value), abs(share - value / 100)) <= 0.51
    return region[: start.start()] + rest, sound


_SCALE = re.compile(
    r"\b[01]\s?(?:-|\u2013|to|and)\s?(1|5|10|100)(?:\.0)?\b(?!%)|(?:out of|/)\s?(5|10|100)\b|\b(5|10|100)-point\b", re.IGNORECASE
)


def names_scale(text: str) -> int | None:
    """The highest score, where a text names one and not two."""
    named = {int(next(filter(None, scale.groups()))) for scale in _SCALE.finditer(text[:TEXT_LIMIT])}
    return named.pop() if len(named) == 1 else None
