"""Keys and other secrets, kept out of all that is stored or told: providers echo them, in errors and in what a model says.

Cleared are the values of variables, and of a file `.env`, whose names say that they hold a key, a token or a password, of those
that `PPRES_SECRETS` names (`PPRES_SECRETS="GATEWAY_PIN,OTHER"`), the password in an address, as of a proxy (its user is none),
and whatever was sent to a provider as a key. A value that a
model might write without knowing it is none (see `by_chance`): a local server takes any word for a key, and what a model says
must not change for that. Only what `PPRES_SECRETS` names is cleared whatever it is.

A text is looked through in one form: its escapes read, and of that the letters and digits alone, in small letters. So it is the
same whether a key is spaced out, quoted, broken into lines or items, or its case is swapped. Short secrets, and those of words or
of other letters, are looked for with all that stands between.
"""

from __future__ import annotations

import base64
import functools
import itertools
import os
import re
import unicodedata
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote

from ppres.models import keyfile
from ppres.models.spelling import frame, small, spelled, where

MARK = "[secret]"
LEAST = 12  # characters of a secret, and of a piece of one; what is shorter has to be named
_LEAST_NAMED = 8
_ALONE = 16  # letters and digits by which a secret, or a piece of one, is known without what stands between them
_ANCHORS = 8  # places of a form that are looked for

# MISTRAL_API_KEY, OPENAI_KEY, GEMINI_API_KEYS, GROQ_API_KEY_2, AWS_BEARER_TOKEN_BEDROCK and DB_PASS do; S3_KEY (of an object) and
# PWD do not.
_WHOSE = (
    *("API", "ACCESS", "SECRET", "PRIVATE", "AUTH", "MASTER", "ENCRYPTION", "SIGNING", "ADMIN", "SERVICE", "ACCOUNT", "PROXY"),
    *("AI", "ANTHROPIC", "AZURE", "BEDROCK", "CLAUDE", "COHERE", "DEEPSEEK", "GEMINI", "GOOGLE", "GPT", "GROK", "GROQ", "HF"),
    *("FACE", "KIMI", "LLM", "MINIMAX", "MISTRAL", "MOONSHOT", "NVIDIA", "OPENROUTER", "PERPLEXITY", "QWEN", "REPLICATE"),
    *("TOGETHER", "WANDB"),
)
_NAME = re.compile(
    rf"(?i)(?:(?:{'|'.join(_WHOSE)})_?KEYS?(?:_ID)?|BEARER_TOKEN_BEDROCK|TOKENS?|SECRET|PASSWORDS?|PASSWD|PASSPHRASE|CREDENTIALS?|JWT"
    r"|(?:^|_)(?:PASS|PAT)|_PWD)(?:_?[0-9]{1,3})?$"
)
_WORDS = re.compile(r"[A-Za-z0-9 '_.,:/-]*")
_WORD = re.compile(r"(?:[A-Z]?[a-z]++)++|[A-Z]+s?|[A-Za-z]*[0-9]+|[0-9]+[A-Za-z]+")  # a name in several, and a number beside
_UNSPOKEN = re.compile(r"(?i:[bcdfghjklmnpqrstvwxz]{6}|q[^u0-9])|(?:[A-Z][a-z]?){5}(?<![A-Z]{5})|[a-z][A-Z]{1,2}[a-z]?[A-Z]")
_PASSWORD = re.compile(r"://[^\s/:@]{0,200}:([^\s/@]{1,1000})@")
_HEADERS = ("authorization", "x-api-key", "api-key", "x-goog-api-key", "x-auth-token")

_sent: set[str] = set()
_filed: set[str] = set()


class Form(NamedTuple):
    """How a secret may stand in a text that is read in one of the two ways."""

    text: str
    letters: bool
    """Whether it is looked for among letters and digits alone."""
    anchors: tuple[tuple[str, int], ...]
    """Parts of it, and where they stand in it: a piece of some length has one of them."""


def names_a_key(name: str) -> bool:
    """Whether a variable holds a key, by its name: MISTRAL_API_KEY does, API_KEY_TYPE does not."""
    return _NAME.search(name) is not None


def by_chance(text: str) -> bool:
    """Whether nobody writes this without knowing it: twelve characters or more, and not words and short numbers alone.

    That is: with a letter that is not English or a sign that is in no name, four digits in a row beside letters, eight characters
    of letters and digits in one piece, twenty of letters, or six in pieces that are written as no word is.
    """
    if len(text) < LEAST:
        return False
    pieces = re.findall(r"[A-Za-z0-9]+", text)
    mixed = any(len(piece) >= 8 and re.search("[A-Za-z]", piece) and re.search("[0-9]", piece) for piece in pieces)
    numbered = re.search("[A-Za-z]", text) and re.search("[0-9]{4}", text)
    unlike = sum(len(piece) for piece in pieces if not _WORD.fullmatch(piece) or _UNSPOKEN.search(piece)) >= 6
    return bool(mixed or numbered or unlike or not _WORDS.fullmatch(text) or any(len(piece) >= 20 for piece in pieces))


def read() -> None:
    """Look through the environment; once, because that takes longer than a reply. Raises `ValueError` for `PPRES_SECRETS`."""
    _filed.update(_held_by(keyfile.likely_values()))
    _forms.cache_clear()
    named()


def _held_by(variables: Mapping[str, str]) -> Iterator[str]:
    """What variables hold that may be secret."""
    for name, value in variables.items():
        if names_a_key(name):
            yield value.strip()
        for password in _PASSWORD.findall(value):
            yield from (password, unquote(password))


def sent(headers: Mapping[str, str]) -> None:
    """Whatever went to a provider as a key is one, wherever it was from."""
    for name in _HEADERS:
        kind, _, value = headers.get(name, "").rpartition(" ")
        if value not in _sent and by_chance(value):
            _sent.add(value)
            if kind.lower() == "basic":
                _sent.update(filter(by_chance, base64.b64decode(value).decode("utf-8", "replace").split(":")))
            _forms.cache_clear()


def named() -> set[str]:
    """Values of the variables that the user names. Raises `ValueError` for one that is too short to be looked for."""
    names = [name.strip() for name in os.environ.get("PPRES_SECRETS", "").split(",")]
    values = {name: value for name in names if (value := os.environ.get(name, "").strip())}
    if short := [name for name, value in values.items() if len(value) < _LEAST_NAMED]:
        raise ValueError(
            f"PPRES_SECRETS names {', '.join(short)}, whose value has fewer than {_LEAST_NAMED} characters: clearing it would tear "
            "ordinary words apart"
        )
    return set(values.values())


def redact(text: str) -> str:
    """A text without secrets."""
    return _cleared([text])[0][0]


def refuse(what: str, text: str) -> None:
    """Raise `ValueError` for a text of the user's that is to be written and holds a secret."""
    read()
    if redact(text) != text:
        raise ValueError(f"{redact(what)} holds a secret of the environment, which is never written")


def clear(value: Any) -> tuple[Any, int]:
    """A JSON value without secrets in its texts, and how many were cleared. Where it is long, this takes a moment.

    Its texts are read as one, those of fields of the same name together: a key may stand across the parts of a message. The first
    of them then has all that is told.
    """
    fields = _texts(value)
    cleared, places = _cleared([text for texts in fields.values() for text in texts])
    if not places:
        return value, 0
    taken = iter(cleared)
    return _rebuilt(value, {name: iter([*itertools.islice(taken, len(texts))]) for name, texts in fields.items()}), places


def _texts(value: Any) -> dict[str, list[str]]:
    """The texts of a value by the field that they are of; names of fields are of none. Without a call for each level."""
    fields: dict[str, list[str]] = {}
    todo = [("", value)]
    while todo:
        field, item = todo.pop()
        if isinstance(item, str):
            fields.setdefault(field, []).append(item)
        elif isinstance(item, list):
            todo += [(field, part) for part in reversed(item)]
        elif isinstance(item, dict):
            fields.setdefault("", []).extend(item)
            todo += reversed(item.items())
    return fields


def _rebuilt(value: Any, fields: Mapping[str, Iterator[str]]) -> Any:
    """A value with other texts, in the order of `_texts`."""
    made: list[Any] = [value]
    todo: list[tuple[Any, Any, str, Any]] = [(made, 0, "", value)]  # where it goes, the field that it is of, and what it was
    while todo:
        holder, place, field, item = todo.pop()
        if isinstance(item, str):
            holder[place] = next(fields[field])
        elif isinstance(item, list):
            holder[place] = listed = [*item]
            todo += [(listed, at, field, item[at]) for at in reversed(range(len(item)))]
        elif isinstance(item, dict):
            names = [next(fields[""]) for _ in item]
            holder[place] = named = dict.fromkeys(names)
            todo += reversed([(named, new, name, part) for new, (name, part) in zip(names, item.items(), strict=True)])
        else:
            holder[place] = item
    return made[0]


def _cleared(texts: Sequence[str]) -> tuple[list[str], int]:
    """Texts, read as one, without secrets, and how many there were."""
    whole, spans = "".join(texts), []
    for letters in (True, False):
        if forms := [form for form in _forms() if form.letters == letters]:
            spans += where(whole, _pieces(spelled(whole, letters), forms), letters)
    rest = deque(_united(spans))
    if not rest:
        return [*texts], 0
    count, start, cleared = len(rest), 0, []
    for end in itertools.accumulate(map(len, texts)):
        told, at = "", start
        while rest and rest[0][0] < end:
            first, last = rest[0]
            told += whole[at:first] + (MARK if first >= start else "") + frame(whole[max(at, first) : min(last, end)])
            at = min(last, end)
            if last > end:  # it goes on in the next text
                break
            rest.popleft()
        cleared.append(told + whole[at:end])
        start = end
    return cleared, count


def _united(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans in their order, those that overlap as one."""
    united: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if united and start < united[-1][1]:
            united[-1] = united[-1][0], max(end, united[-1][1])
        else:
            united.append((start, end))
    return united


# -- how a secret may be written ---------------------------------------------------------------------------------------


@functools.cache
def _forms() -> tuple[Form, ...]:
    values = {*_held_by(os.environ)} | _filed
    return tuple(form for value in {*filter(by_chance, values)} | _sent | named() for form in _written(value))


def _written(value: str) -> Iterator[Form]:
    """The ways in which a secret may be written."""
    letters, raw = spelled(value, True), value.encode("utf-8", "surrogateescape")
    if len(letters) >= _ALONE and by_chance(letters):
        yield _form(letters)
        yield _form(letters[::-1])
    else:
        texts = {value, value.replace(" ", "+"), value.replace("\n", "\r\n"), value.replace("\n", ""), raw.decode("latin-1")}
        texts |= {unicodedata.normalize(form, value) for form in ("NFC", "NFD")}
        yield from (_form(spelled(text, False), letters=False) for text in texts)
    yield _form(raw.hex())
    yield _form("".join(map(str, raw)))
    for encode, group, signs in ((base64.b32encode, 5, 8), (base64.b64encode, 3, 4)):  # bytes, and the signs that they become
        for skipped in range(group):  # wherever it stands in what was encoded
            encoded = encode(b"\0" * skipped + raw).decode()
            yield _form(small(encoded[-(-signs * skipped // group) : signs * (skipped + len(raw)) // group]))


def _form(text: str, *, letters: bool = True) -> Form:
    """A form with the parts of it that are looked for; without those that repeat a sign, which long texts may be full of."""
    length = max(_ALONE // 2, len(text) // _ANCHORS)
    anchors = {text[at : at + length]: at for at in range(0, len(text) - length + 1, length)}
    told = {anchor: at for anchor, at in anchors.items() if len({*anchor}) > 3}
    return Form(text, letters, tuple((told or {text: 0}).items()))


def _pieces(text: str, forms: Iterable[Form]) -> list[tuple[int, int]]:
    """Where secrets stand in what is spelled, whole or in pieces that tell them."""
    pieces = []
    for form in forms:
        for anchor, offset in form.anchors:
            at = text.find(anchor)
            while at >= 0:
                start, end = _extended(text, at, len(anchor), form.text, offset)
                if _tells(form.text, offset - (at - start), end - start):
                    pieces.append((start, end))
                    at = end - 1
                at = text.find(anchor, at + 1)
    return _united(pieces)


def _extended(text: str, at: int, length: int, form: str, offset: int) -> tuple[int, int]:
    """How far a text is the same as a form to both sides of a part of it."""
    start, end = max(0, at - offset), at + len(form) - offset
    if text[start:end] == form:  # nearly always
        return start, end
    before = _shared(form[:offset][::-1], text[start:at][::-1])
    return at - before, at + length + _shared(form[offset + length :], text[at + length : end])


def _shared(a: str, b: str) -> int:
    """How long two texts are the same."""
    return next((n for n, (left, right) in enumerate(zip(a, b, strict=False)) if left != right), min(len(a), len(b)))


def _tells(form: str, start: int, length: int) -> bool:
    """Whether a piece of a secret is one itself: not what many begin with (of the start it takes a third), and no words."""
    if length == len(form):
        return True
    third = len(form) // 3
    piece = form[start : start + length]
    long = length >= max(LEAST, min(third, _ALONE) if start else third)
    changes = len(re.findall("[a-z](?=[0-9])|[0-9](?=[a-z])", piece))
    return long and by_chance(piece) and changes > max(2, length // 9)
