"""Credentials in what is stored as it is, the address of a server and the body of a request: such are refused."""

from __future__ import annotations

import base64
import contextlib
import json
import re
from typing import Any
from urllib.parse import unquote, urlsplit

from ppres.models.redaction import by_chance, redact

# How the keys of providers begin.
_KEY = re.compile(r"(?i)^(?:sk|pk|rk|gsk|hf|xai|pplx|nvapi|r8|gh[opsu]|key|token|bearer)[-_ ].{8}|^(?:AIza|ya29\.|eyJ|AKIA).{8}")
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
# Parts of a text that are secret: see the examples of tests/models/test_credentials.py.
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
    (parts.hostname or "").encode("idna")  # raises where no name server could be asked
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

    In names they do for sizes and versions alone (Qwen2-VL-72B, Gpt4oMini). Without capitals it may be the id of an endpoint. No
    part of a model's name that litellm knows is restless (2,989); of random tokens (`secrets.token_urlsafe`) of 16 signs 87 of 100
    are, or are known otherwise, of 22 signs 98, of 32 all but 1 in 1,000.
    """
    if sum(map(str.isalnum, piece)) >= 12 and re.search("[A-Z]", piece) and len(_SHORT.findall(piece)) >= 3:
        return True
    if sum(map(str.isalnum, piece)) < 10 or not all(re.search(kind, piece) for kind in ("[a-z]", "[A-Z]", "[0-9]")):
        return False
    runs = [run for run in re.findall("[A-Za-z0-9]{12,}", piece) if len(run) <= 2.25 * len(_PART.findall(run))]
    return bool(runs) or len(_INTO.findall(piece)) > 1


# One or two small letters between others than small ones; behind a number they are a size ("27b"), unless more follows.
_SHORT = re.compile("(?<![a-z0-9])[a-z]{1,2}(?![a-z])|(?<=[0-9])[a-z]{1,2}(?=[A-Z])|(?<=[0-9])[a-z]{2}(?![a-z])")
_SIZE = "[BKMGTEXONZbkmgtexonz](?![a-z])"
_INTO = re.compile(f"[0-9]+(?!{_SIZE})(?=[A-Za-z])")
_PART = re.compile(f"[A-Z]?[0-9]+(?=[A-Z][a-z]|$)|[0-9]+{_SIZE}|[0-9]+|[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
