"""How a text is read when something is looked for in it that may be written in many ways, and where it stands there."""

from __future__ import annotations

import re
from collections.abc import Sequence

# A name of a field of JSON stands between the pieces of a key, and is none itself.
_NAME = r'[A-Za-z_]{1,15}\\*"\s{0,8}:'
# What programs write for a sign, each known by how it begins, so that a text without any is gone through fast. A run of backslashes
# is read as a whole: each is gone through once, however long it is.
_ESCAPE = (
    rf"\\\\*(?:u(?P<unicode>[0-9A-Fa-f]{{4}})|x(?P<hex>[0-9A-Fa-f]{{2}})|(?P<octal>[01][0-7]{{2}})|(?P<control>[nrt])|(?P<other>))"
    rf'|"(?P<field>{_NAME})'
    r"|%(?:25){0,4}(?P<percent>[0-9A-Fa-f]{2})"
    r"|0(?<![A-Za-z0-9_]0)x(?P<number>[0-9A-Fa-f]{2})\b"
    r"|&(?:amp;){0,4}(?P<entity>amp;|lt;|gt;|quot;|apos;|\#x0{0,8}[0-9A-Fa-f]{1,5};|\#0{0,8}[0-9]{1,6};)"
)
_ESCAPES = re.compile(_ESCAPE)
_TOKEN = {
    True: re.compile(rf"{_ESCAPE}|[A-Za-z0-9]+"),
    False: re.compile(rf"{_ESCAPE}|[^\\%&\"0]+|.", re.DOTALL),
}
_BASES = {"unicode": 16, "hex": 16, "octal": 8, "percent": 16, "number": 16}
_STANDS_FOR = {"n": "\n", "r": "\r", "t": "\t", "amp;": "&", "lt;": "<", "gt;": ">", "quot;": '"', "apos;": "'"}
_SMALL = bytes(range(256)).lower()
_NO_LETTERS = bytes(code for code in range(128) if not chr(code).isalnum())


def _unescaped(escape: re.Match[str]) -> str:
    """What an escape stands for."""
    kind = escape.lastgroup or ""
    told = escape[kind]
    if kind in _BASES:
        return chr(int(told, _BASES[kind]))
    if told[:1] == "#":
        return chr(int(told[2:-1], 16) if told[1] == "x" else int(told[1:-1]))
    return escape[0] if kind == "field" else _STANDS_FOR.get(told, "")


def _of_letters(escape: re.Match[str]) -> str:
    """The letters and digits of what an escape stands for; of a name of a field none."""
    sign = _unescaped(escape)
    return sign.lower() if len(sign) == 1 and sign.isascii() and sign.isalnum() else ""


def spelled(text: str, letters: bool) -> str:
    """A text with its escapes read; or the letters and digits alone of that, in small letters."""
    if any(sign in text for sign in ("\\", "%", "&", '"', "0x")):
        text = _ESCAPES.sub(_of_letters if letters else _unescaped, text)
    return small(text) if letters else text


def small(text: str) -> str:
    """The English letters and the digits of a text, in small letters."""
    return text.encode("ascii", "ignore").translate(_SMALL, _NO_LETTERS).decode("ascii")


def where(text: str, pieces: Sequence[tuple[int, int]], letters: bool) -> list[tuple[int, int]]:
    """Where pieces of what is spelled stand in the text itself."""
    wanted = [place for start, end in pieces for place in (start, end - 1)]
    read = _of_letters if letters else _unescaped
    places: list[tuple[int, int]] = []
    count = 0
    for token in _TOKEN[letters].finditer(text) if wanted else ():
        literal = token.lastgroup is None
        size = token.end() - token.start() if literal else len(read(token))
        while wanted[len(places)] < count + size:
            at = token.start() + wanted[len(places)] - count
            places.append((at, at + 1) if literal else token.span())
            if len(places) == len(wanted):
                return [(first[0], last[1]) for first, last in zip(places[::2], places[1::2], strict=True)]
        count += size
    return []


def frame(text: str) -> str:
    """The quotes and brackets of JSON in what is taken out, so that the rest stays JSON."""
    return "".join(re.findall(rf'\\*"(?:{_NAME})?|[\[\]{{}},:]', text)) if '"' in text else ""
