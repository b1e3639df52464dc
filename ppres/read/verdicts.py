"""What a judge replies: the answer among whatever stands around it, and whether a quote is one."""

from __future__ import annotations

import json
import re
from functools import cached_property
from typing import Any


def answer_in(raw: str, key: str) -> dict[str, Any] | None:
    """The last whole JSON object with this key, whatever stands around it; None without one, or where another was begun after it.

    What a model thinks aloud is no answer, nor is anything in a reply that loops: objects that begin in each other and never end.
    """
    text = raw[-_LOOKED_AT:]
    answer, end, thinking, left = None, 0, False, _TRIED
    for mark in _MARKS.finditer(text):
        if mark.start() < end:  # within the last answer
            continue
        if mark[0] != "{":
            answer = None if mark[1] and not thinking else answer  # closed and never opened: it was thought so far
            thinking = not mark[1]
            continue
        try:
            candidate, stop = _JSON.raw_decode(text, mark.start())
        except (ValueError, RecursionError) as error:
            answer = None if _BEGUN.match(text, mark.start()) else answer
            left -= getattr(error, "pos", len(text)) - mark.start()
            if left < 0:
                return None
            continue
        if isinstance(candidate.get(key), list if key == "codes" else str | int | float) and not thinking:
            answer, end = candidate, stop
    return answer


_JSON = json.JSONDecoder(strict=False)  # a passage that was copied may have line breaks
_MARKS = re.compile(r"\{|<(/?)(?:think|thinking|thought|reasoning)>")
_BEGUN = re.compile(r'\{\s*"(?:codes|verdict|quote)"')
_LOOKED_AT = 20_000  # characters at the end of a reply
_TRIED = 1_000_000  # characters of objects that do not end, each from where it begins


class Quotable:
    """What may be quoted, gone through once however many quotes are looked for."""

    def __init__(self, said: str):
        self._said = said

    def __contains__(self, quote: str) -> bool:
        """Whether a passage of three words or more occurs, or a whole sentence or line that is shorter; no part of a word counts.

        A sign of a script without spaces is a word.
        """
        words = _words(quote)
        number = words.count(" ") + len(_UNSPACED.findall(words))
        return _parted(words) in self._whole if number >= 2 else bool(_bare(words)) and _bare(words) in self._sentences

    @cached_property
    def _whole(self) -> str:
        return _parted(_words(self._said))

    @cached_property
    def _sentences(self) -> set[str]:
        lines = [_words(line) for line in self._said.splitlines()]
        return {_bare(part) for line in lines for part in (line, *_SENTENCE.split(line))}


_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]"
)  # Thai, Lao, Burmese, Khmer, Kana, Han
_SENTENCE = re.compile(r"(?<=[.!?])\s|(?<=[\u3002\uff01\uff1f])")


def _bare(words: str) -> str:
    """Without the signs at the end of a sentence."""
    return words.rstrip(".!?\u3002\uff01\uff1f ")


def _parted(text: str) -> str:
    """A text with a sign where a word begins or ends, so that a passage of whole words can be looked for as it stands."""
    return re.sub(r"\b", "\0", _UNSPACED.sub(r" \g<0> ", text))


def _words(text: str) -> str:
    return " ".join(text.split())
