"""An error of a provider, read: what it means, and how long to wait."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from ppres.conversation import Call, visible
from ppres.models import formats
from ppres.models.meanings import code, meaning
from ppres.models.redaction import redact

if TYPE_CHECKING:
    from ppres.models.wire import Exchange


class ModelError(ValueError):
    """A model cannot be asked as given: unknown name, missing key, or rejected by its provider. The message says what to do."""

    calls: tuple[Call, ...] = ()
    """Those that gave no answer before it, and are paid for all the same."""


_LOOKED_AT = 4_000  # characters of what a provider says
_LONGEST_PAUSE = 86_400.0  # seconds: who asks for more has no clock


class Fault(Exception):
    """A call that gave no reply."""

    calls: tuple[Call, ...] = ()
    """What is known of it, where the provider made an answer: it is paid for all the same."""

    def __init__(self, text: str, means: str = "passing", status: int | None = None, pause: float | None = None):
        super().__init__(text)
        self.means = means
        """A name of `TABLE`; "forbidden"; "passing" where another try may help, a few where it is "unreadable"; else "rejected"."""
        self.status = status
        self.pause = pause
        """Seconds that the provider asks to wait."""


def of(error: Exception, seen: Exchange) -> Exception:
    """What an error of a call is: a `Fault`, or the error itself where nothing was answered and it is a bug of ours.

    Any error of reading an answer is about that answer, and ends one conversation at most.
    """
    if isinstance(error, Fault):
        return error
    kinds = {kind.__name__ for kind in type(error).__mro__}  # names: litellm, which has the classes, is slow to import
    ours = not {"OpenAIError", "TimeoutError"} & kinds
    if ours and not went_well(seen.status):
        return error
    payload = seen.json()
    if ours or formats.first(payload, "choices").get("message"):  # what the model says in it is no error of the provider
        why = f"{type(error).__name__}: {plain(error)}" if ours else plain(error)
        return Fault(f"a reply that cannot be read: {why}", "unreadable", seen.status)
    codes, words = told(payload)
    if not words and not went_well(seen.status):
        words = seen.body[:_LOOKED_AT].decode("utf-8", "replace") or str(error)
    status = _status(error, seen, payload)
    if seen.status is None:  # litellm asked nobody, or in a way of its own
        codes |= {code(getattr(error, name, None)) for name in ("code", "type")} | {code(kind) for kind in kinds}
    codes |= {code(kind) for kind in kinds & {"ContextWindowExceededError", "ContentPolicyViolationError"}}
    pause = _pause(seen.headers or _headers(error), f"{words} {payload if isinstance(payload, dict) else ''}"[:_LOOKED_AT])
    means = meaning(status, codes, words, pause)
    if means in ("passing", "rejected") and went_well(seen.status) and isinstance(payload, dict) and "error" not in payload:
        means = "unreadable"
    return Fault(plain(error), means, status, pause)


def told(payload: Any, depth: int = 4) -> tuple[set[str], str]:
    """Codes and words of an error, wherever a provider puts them."""
    codes: set[str] = set()
    words: list[str] = []
    for name, value in _fields(payload, depth):
        if name in _CODES:
            codes |= {code(value), code(str(value).partition(".")[0])}
        elif name in _WORDS and isinstance(value, str):
            words.append(value[:_LOOKED_AT])
        codes.add(code(name))
    return codes - {""}, " ".join(words)


_CODES = ("code", "type", "status", "reason", "reasons", "status_code", "blockReason")
_WORDS = ("message", "msg", "error", "detail", "status_msg", "title", "raw", "error_description", "code")


def _fields(value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    """Names and plain values of a JSON value, not too deep and not too many: it may be anything."""
    if depth and isinstance(value, dict):
        for name, field in list(value.items())[:50]:
            yield str(name), field if isinstance(field, str | int | float) else None
            yield from _fields(field, depth - 1)
    elif depth and isinstance(value, list):
        for field in value[:20]:
            yield from _fields(field, depth - 1)


def _status(error: Exception, seen: Exchange, payload: Any) -> int | None:
    """The provider's status; of an error that came in spite of a good one, the one it names itself."""
    status = seen.status
    if status is None or went_well(status):
        inner = payload.get("error") if isinstance(payload, dict) else None
        return status_in(inner) if isinstance(inner, dict) else status_in({"code": getattr(error, "status_code", None)})
    return status


def status_in(error: dict[str, Any]) -> int | None:
    """The status that an error names itself."""
    digits = str(error.get("code"))[:4]
    return int(digits) if digits.isdecimal() and 100 <= int(digits) < 600 else None


def went_well(status: int | None) -> bool:
    """Whether a status says that there is an answer."""
    return status is not None and 200 <= status < 300


def _headers(error: Exception) -> Mapping[str, str]:
    return getattr(error, "litellm_response_headers", None) or getattr(getattr(error, "response", None), "headers", None) or {}


# "Please retry in 37.5s", "try again in 1m20s", "'retryDelay': '37s'"
_RETRY = re.compile(r"(?i)(?:retry(?:delay)?\W{1,6}|again )(?:in |after )?(?:(\d{1,5})m(?!s))?(\d{1,7}(?:\.\d{1,9})?)?(ms|s)?\b")


def _pause(headers: Mapping[str, str], words: str) -> float | None:
    """Seconds that the provider asks to wait: in a header a number or a date, or in its words."""
    asked = str(headers.get("retry-after", ""))
    pause = _seconds(headers.get("retry-after-ms"), 1000)  # of OpenAI and Azure, beside whole seconds
    pause = _seconds(asked) if math.isnan(pause) else pause
    if math.isnan(pause):
        try:
            pause = parsedate_to_datetime(asked).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            if (match := _RETRY.search(words)) and (match[1] or match[3]):
                pause = 60 * float(match[1] or 0) + float(match[2] or 0) / (1000 if match[3] == "ms" else 1)
    return None if math.isnan(pause) else min(max(0.0, pause), _LONGEST_PAUSE)


def _seconds(told: Any, parts: int = 1) -> float:
    """A number of seconds, or of parts of them; NaN where it is none."""
    try:
        return float(told) / parts
    except (ValueError, TypeError):
        return math.nan


def plain(error: BaseException) -> str:
    """An error's first line, without secrets."""
    text = str(getattr(error, "message", "") or error) or type(error).__name__
    return visible(_TOKENS.sub("[secret]", redact(text[:10_000]).splitlines()[0])[:500])


_TOKENS = re.compile(r"\bsk-[\w*-]{6,}|(?i:\bbearer\s+)[^\s\"',}]+|(?<=://)[^\s/@]{1,200}(?=@)")  # the last: of a proxy
