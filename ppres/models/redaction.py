"""Keys and other secrets, kept out of all that is stored or told: providers echo them, in errors and in what a model says.

Cleared are the values of variables whose names say that they hold a key, a token or a password, of those that `PPRES_SECRETS`
names (`PPRES_SECRETS="GATEWAY_PIN,OTHER"`), and whatever was sent to a provider as a key. A value that a model might write
without knowing it is none (see `by_chance`): a local server takes any word for a key, and what a model says must not change for
that. Only what `PPRES_SECRETS` names is cleared whatever it is.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import html
import json
import os
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, unquote, urlsplit

MARK = "[secret]"
LEAST = 12  # characters of a secret, and of the start of one; what is shorter has to be named
_LEAST_NAMED = 8

_NAME = re.compile(
    r"(?i)(?:(?:API|ACCESS|SECRET|PRIVATE|AUTH)_?KEY(?:_ID)?|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?|JWT)$"
)
# How the keys of providers begin.
_KEY = re.compile(r"(?i)^(?:sk|pk|rk|gsk|hf|xai|pplx|nvapi|r8|gh[opsu]|key|token|bearer)[-_ ].{8}|^(?:AIza|ya29\.|eyJ|AKIA).{8}")
_WORDS = re.compile(r"[A-Za-z0-9 '_.,:/-]*")
_HEADERS = ("authorization", "x-api-key", "api-key", "x-goog-api-key", "x-auth-token")

_sent: set[str] = set()


def names_a_key(name: str) -> bool:
    """Whether a variable holds a key, by its name: MISTRAL_API_KEY does, API_KEY_TYPE does not."""
    return _NAME.search(name) is not None


def by_chance(text: str) -> bool:
    """Whether nobody writes this without knowing it: twelve characters or more, and not words and short numbers alone.

    That is: with a letter that is not English or a sign that is in no name, four digits in a row beside letters, eight characters
    of letters and digits in one piece, or twenty of letters.
    """
    if len(text) < LEAST:
        return False
    pieces = re.findall(r"[A-Za-z0-9]+", text)
    mixed = any(len(piece) >= 8 and re.search("[A-Za-z]", piece) and re.search("[0-9]", piece) for piece in pieces)
    numbered = re.search("[A-Za-z]", text) and re.search("[0-9]{4}", text)
    return bool(mixed or numbered or not _WORDS.fullmatch(text) or any(len(piece) >= 20 for piece in pieces))


def read() -> None:
    """Look through the environment; once, because that takes longer than a reply. Raises `ValueError` for `PPRES_SECRETS`."""
    _forms.cache_clear()
    named()


def sent(headers: Mapping[str, str]) -> None:
    """Whatever went to a provider as a key is one, wherever it was from."""
    for name in _HEADERS:
        kind, _, value = headers.get(name, "").rpartition(" ")
        if value not in _sent and by_chance(value):
            _sent.add(value)
            if kind.lower() == "basic":
                _sent.update(filter(by_chance, base64.b64decode(value).decode("utf-8", "replace").split(":")))
            _forms.cache_clear()


def redact(text: str) -> str:
    """A text without secrets."""
    return _cleared(text)[0]


def clear(value: Any) -> tuple[Any, int]:
    """A JSON value without secrets in its texts, and how many places of them were cleared."""
    places = 0
    if not _forms():
        return value, 0

    def whole(kept: list[Any]) -> list[Any]:
        """A list whose parts are read as one text: a secret may stand across them, and then the first has all that is told."""
        nonlocal places
        parts = [item for item in kept if isinstance(item, dict) and isinstance(item.get("text"), str)]
        if len(parts) > 1:
            text, count = _cleared("".join(part["text"] for part in parts))
            if count > sum(part["text"].count(MARK) for part in parts):
                places += 1
                for part in parts:
                    part["text"], text = text, ""
        return kept

    def walk(value: Any) -> Any:
        nonlocal places
        if isinstance(value, str):
            text, count = _cleared(value)
            places += count
            return text
        if isinstance(value, list):
            kept = []
            for item in value:  # no comprehension: that is a frame of its own, and what a model sends may be deep
                kept.append(walk(item))
            return whole(kept)
        if isinstance(value, dict):
            fields = {}
            for name, item in value.items():
                fields[walk(name)] = walk(item)
            return fields
        return value

    return walk(value), places


def _cleared(text: str) -> tuple[str, int]:
    """A text without secrets, and in how many places; read as well as it stands: a world reads what a call's arguments escape."""
    if not _forms():
        return text, 0
    text, places = _without(text)
    plain, more = _without(_ESCAPE.sub(_unescaped, text))
    return (plain, places + more) if more else (text, places)


_WRAPPED = 40  # characters of a secret that a page or an encoder may break into lines


@functools.lru_cache(maxsize=4096)
def _broken(form: str) -> re.Pattern[str]:
    """A long secret with line breaks in it."""
    return re.compile(r"\s{0,8}".join(map(re.escape, form)))


def _without(text: str) -> tuple[str, int]:
    """A text without secrets as it stands. Of one that was cut off, its start or its end is cleared as well."""
    places = 0
    for form, start, end in _forms():
        begun = form[:LEAST] in text
        if form == start == end and not begun:  # nearly always
            continue
        if form == start and len(form) > _WRAPPED and begun and form not in text:
            text, wrapped = _broken(form).subn(MARK, text)
            places += wrapped
        if start in text:
            before, *after = text.split(start)
            rest = form[len(start) :]
            text = before + "".join(MARK + piece[_shared(rest, piece) :] for piece in after)
            places += len(after)
        if end in text:
            *sooner, last = text.split(end)
            rest = form[: -len(end)][::-1]
            text = "".join(piece[: len(piece) - _shared(rest, piece[::-1])] + MARK for piece in sooner) + last
            places += len(sooner)
    return text, places


# Letters and signs that need no escape, escaped.
# Each is looked for from its first sign alone, so that a run of backslashes or zeros is gone through once.
_ESCAPE = re.compile(r"(?i)(?<!\\)\\+u00([2-7][0-9a-f])|%([2-7][0-9a-f])|&#x0{0,8}([2-7][0-9a-f]);|&#0{0,8}(\d{2,3});")


def _unescaped(escape: re.Match[str]) -> str:
    code = int(escape[4]) if escape[4] else int(escape[1] or escape[2] or escape[3], 16)
    return escape[0] if chr(code) in '"\\%&' or not 32 < code < 127 else chr(code)


def _shared(a: str, b: str) -> int:
    """How long two texts are the same."""
    return next((n for n, (left, right) in enumerate(zip(a, b, strict=False)) if left != right), min(len(a), len(b)))


@functools.cache
def _forms() -> tuple[tuple[str, str, str], ...]:
    """How the secrets may be written, the longest first, which hold the others; then as much of start and end as tells each."""
    values = {value for name, value in os.environ.items() if names_a_key(name) and by_chance(value.strip())} | _sent
    # Each line of a key in several lines, too: whoever quotes it may break it elsewhere.
    lines = {line.strip() for value in values for line in value.splitlines() if by_chance(line.strip()) and "--" not in line}
    known = {value.strip() for value in values} | lines | named()
    forms = sorted({form for value in known for form in _written(value)}, key=len, reverse=True)
    return (*((form, form, form) for form in forms), *((form, _start(form), _start(form[::-1])[::-1]) for form in forms))


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


def _start(form: str) -> str:
    """The start of a secret that tells it, half of it or more; of a secret written backwards, its end."""
    if "\\" in form:  # cut within an escape, what is left of the text would be no JSON
        return form
    return next((form[:n] for n in range(max(LEAST, len(form) // 2), len(form)) if by_chance(form[:n])), form)


def _written(value: str) -> Iterator[str]:
    """The ways in which programs write a text."""
    once = {value, value.replace("\n", "\r\n"), value.replace("\n", ""), value.replace("/", "\\/")}
    once |= {unicodedata.normalize(form, value) for form in ("NFC", "NFD")}
    raw = value.encode("utf-8", "surrogateescape")
    once |= {raw.decode("latin-1"), repr(value)[1:-1], repr(raw)[2:-1], html.escape(value), html.escape(value, quote=False)}
    for encoded in (quote(raw, safe=""), quote(raw), quote_plus(raw)):
        once |= {encoded, re.sub("%..", lambda match: match[0].lower(), encoded)}
    for deeper in range(4):  # as it is, in JSON, in a call's arguments there, in a file that they hold
        yield from once
        if deeper < 3:
            once = {json.dumps(text, ensure_ascii=ascii)[1:-1] for text in once for ascii in (True, False)}
    yield from (raw.hex(), raw.hex().upper())
    for skipped in range(3):  # in base64, wherever it stands in what was encoded
        bits = 8 * (skipped + len(raw))
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(b"\0" * skipped + raw).decode()[-(-8 * skipped // 6) : bits // 6]


# -- what is stored as it is, and so must hold none ---------------------------------------------------------------------

# By its last words, a field that holds a secret ("apiKey" is read as "api_Key").
_FIELD = re.compile(
    r"(?i)secret|password|passwd|authorization|bearer"
    r"|(?:^|[-_. ])(?:auth|cookies?|creds?|credentials?|hmac|jwt|keys?|otp|pass|passcode|passphrase|pat|pin|pwd|session|sig"
    r"|signature|token)$|(?:^|(?:^|[-_. ])(?:access|auth|api|id|my|refresh|service|session|user)[-_. ]?)tokens?$"
    r"|(?:api|access|secret|private|subscription|auth)keys?$"
)
# Tokens of a text, as eos_token, and keys that are names, as prompt_cache_key. What is counted, as max_tokens, ends in another way.
_NO_SECRET = re.compile(
    r"(?i)(?:bos|eos|pad|unk|sep|cls|mask|stop|start|end|image|audio|think)[-_. ]?token$"
    r"|(?:cache|sort|order|group|partition|routing|idempotency|primary|foreign|lookup|index|public)[-_. ]?keys?$"
)
_FORMS = ("properties", "patternProperties", "$defs", "definitions")  # of a JSON schema: the names there are no fields
# Parts of a text that are secret: see the examples of tests/models/test_redaction.py.
_VALUE = re.compile(
    r"(?i)\bbearer[\s:]|\bauthorization\b|-----BEGIN [A-Z ]*PRIVATE KEY|:/+[^\s/@:]*:[^\s/@]+@"
    r"|(?:password|passwd|pwd|secret|api[-_]?key|access[-_]?key)\s{0,8}[=:]\s{0,8}[^\s&;,]{3}"
    r"|(?:^|[?&;\s])(?:\w*token|key|sig|signature|auth)=[^\s&;]"
)
# A field of JSON that stands within a text. Bounded, as all here: what is long takes no longer than it is long.
_NAMED = re.compile(r"""["']([\w.-]{2,40})\\{0,8}["']\s{0,8}:\s{0,8}\[?\s{0,8}\\{0,8}["'][^"'\\\s]""")
# How keys begin that nothing else does, wherever they stand.
_ANYWHERE = re.compile(
    r"(?<![A-Za-z0-9])(?:(?:sk|rk|pk)[-_]|gsk_|hf_|xai-|pplx-|nvapi-|r8_|gh[oprsu]_|github_pat_|glpat-|xox[a-z]-|A[KS]IA|GOCSPX-"
    r"|npm_|pypi-|AIza|ya29\.)[\w-]{8,}|(?<![A-Za-z0-9])eyJ[\w-]{8,400}\.[\w-]{4,}"
)
_BASIC = re.compile(r"(?i)\bbasic\s{1,8}([\w+/=-]{8,})")
_HOST = re.compile(r"[\w.-]+|[0-9a-f:.]+")


def in_address(address: str) -> str | None:
    """What an address holds that may be secret, if anything; it is not repeated. Raises `ValueError` for what is no address."""
    if not address:
        return None
    plain = unquote(address)
    parts = urlsplit(address if "://" in address else f"//{address}")
    if "@" in parts.netloc or parts.query or parts.fragment or ";" in parts.path or re.search(r"[^/@]*:[^/@]*@", plain):
        return "credentials or a query"
    if redact(plain) != plain:
        return "a secret of the environment"
    if any(map(_like_a_key, unquote(parts.path).split("/"))) or _keys_in(plain):
        return "what looks like a key"
    pieces = [] if (parts.hostname or "").endswith("cloudflare.com") else parts.path.split("/")  # there it is an account's number
    if any(re.fullmatch("[0-9a-fA-F]{32,}", piece) for piece in pieces):
        return "what looks like a key"
    odd = not address.isprintable() or " " in address or parts.scheme not in ("", "http", "https") or parts.netloc.endswith(":")
    if odd or not _HOST.fullmatch(parts.hostname or "") or parts.port == 0:  # or the port itself raises
        raise ValueError("it is no address")
    return None


def in_fields(value: Any) -> str | None:
    """The first field of a JSON value that may hold a secret, or how its value begins where that looks like a key."""
    inside: list[Any] = value if isinstance(value, list) else []
    if isinstance(value, dict):
        inside = [*value]
        for name, item in value.items():
            if _names_a_secret(name) and not _counts(item, name):
                return name if re.fullmatch(r"[\w .-]{1,40}", name) and not _keys_in(name) else f"{name[:4]}…"
            form = name in _FORMS and isinstance(item, dict) and all(isinstance(inner, dict | bool) for inner in item.values())
            inside += [*item, *item.values()] if form else [item]
    if isinstance(value, str):
        if _secret_in(value):
            return f"{value[:4]}…"
        with contextlib.suppress(ValueError, RecursionError):  # a text that is none
            inside = [json.loads(value)] if value.lstrip()[:1] in ("{", "[") else []
    return next((place for item in inside if (place := in_fields(item))), None)


def _names_a_secret(name: str) -> bool:
    name = re.sub("(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return _FIELD.search(name) is not None and not _NO_SECRET.search(name)


def _counts(item: Any, name: str) -> bool:
    """Whether a value is nothing, a switch or numbers; a number may be a PIN."""
    if isinstance(item, bool) or not item:
        return True
    numbers = item if isinstance(item, list) else [item]
    return all(isinstance(number, int | float) for number in numbers) and not re.search("(?i)pin$|otp$|pass|pwd$", name)


def _secret_in(text: str) -> bool:
    """Whether a text is, or holds, what looks like a key or a password."""
    if _VALUE.search(text) or _keys_in(text) or (_KEY.search(text) and by_chance(text)):
        return True
    return any(map(_user_and_password, _BASIC.findall(text))) or any(map(_names_a_secret, _NAMED.findall(text)))


def _user_and_password(encoded: str) -> bool:
    with contextlib.suppress(ValueError):  # it is a word
        told = base64.b64decode(encoded + "==")
        return b":" in told and told.isascii()
    return False


def _keys_in(text: str) -> bool:
    return any(by_chance(match[0]) for match in _ANYWHERE.finditer(text))


def _like_a_key(piece: str) -> bool:
    """Whether a part of an address is no name and no number of an account: those are in hexadecimal."""
    long = any(re.search("[g-zG-Z]", run) and re.search("[0-9]", run) for run in re.findall("[A-Za-z0-9]{20,}", piece))
    return long or _restless(piece) or (_KEY.search(piece) is not None and by_chance(piece))


def _restless(piece: str) -> bool:
    """Whether small letters, capitals and digits alternate as in no name: two numbers run into a word, or words have two letters.

    In names they do for sizes and versions alone (Qwen2-VL-72B, Gpt4oMini). Without capitals it may be the id of an endpoint.
    """
    if sum(map(str.isalnum, piece)) < 10 or not all(re.search(kind, piece) for kind in ("[a-z]", "[A-Z]", "[0-9]")):
        return False
    runs = [run for run in re.findall("[A-Za-z0-9]{12,}", piece) if len(run) <= 2.25 * len(_PART.findall(run))]
    return bool(runs) or len(_INTO.findall(piece)) > 1


_SIZE = "[BKMGTEXONZbkmgtexonz](?![a-z])"
_INTO = re.compile(f"[0-9]+(?!{_SIZE})(?=[A-Za-z])")
_PART = re.compile(f"[A-Z]?[0-9]+(?=[A-Z][a-z]|$)|[0-9]+{_SIZE}|[0-9]+|[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
