"""An error of a provider, or on the way to it, read: what it means, and how long to wait."""

from __future__ import annotations

import asyncio
import errno
import html
import math
import re
import ssl
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
    may_pass = False
    """Whether another conversation may be answered: a firewall may have disliked the words of this one. See `Standing`."""


class Cut(asyncio.CancelledError):
    """A conversation was cancelled, by Ctrl-C or at a harness's limit, while a call of it was under way."""

    def __init__(self, calls: tuple[Call, ...]):
        super().__init__("it was stopped while the model was asked")
        self.calls = calls
        """Those that gave no answer, the last one among them: they may be paid for all the same."""


_LOOKED_AT = 4_000  # characters of what a provider says
_LONGEST_PAUSE = 86_400.0  # seconds: who asks for more has no clock


class Fault(Exception):
    """A call that gave no reply."""

    calls: tuple[Call, ...] = ()
    """What is known of it, where the provider made an answer: it is paid for all the same."""

    def __init__(self, text: str, means: str = "passing", status: int | None = None, pause: float | None = None):
        super().__init__(redact(text))  # whatever a provider put a key into
        self.means = means
        """A name of `TABLE`; "forbidden"; "passing" where another try may help, a few where it is "unreadable", in "another form"
        than the model's other replies, or a "lost call"; else "rejected"."""
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
    payload, good = seen.json(), went_well(seen.status)
    if ours or formats.first(payload, "choices").get("message"):  # what the model says in it is no error of the provider
        why = f"{type(error).__name__}: {plain(error)}" if ours else plain(error)
        return Fault(f"a reply that cannot be read: {why}", "unreadable", seen.status)
    codes, words = told(payload)
    page = "" if words or (good and seen.body.lstrip().startswith((b"{", b"["))) else _page(seen.body)
    text = line(words or page) or ("it is empty" if good and not seen.body.strip() else plain(error))
    if good and not words and (fields := formats.elsewhere(payload)):
        why = f"a reply in another protocol than was asked for (its fields: {fields}): check api_base, and who stands before it"
        return Fault(why, "another form", seen.status)
    if not words and not good:
        words = page or str(error)
    status = _status(error, seen, payload)
    if seen.status is None:  # litellm asked nobody, or in a way of its own
        codes |= {code(getattr(error, name, None)) for name in ("code", "type")} | {code(kind) for kind in kinds}
    codes |= {code(kind) for kind in kinds & {"ContextWindowExceededError", "ContentPolicyViolationError"}}
    pause = _pause(seen.headers or _headers(error), f"{words} {payload if isinstance(payload, dict) else ''}"[:_LOOKED_AT])
    means = meaning(status, codes, words, pause)
    bare = not isinstance(payload, dict | list)  # litellm reads errors out of words of the model's
    if good and (bare or (means in ("passing", "rejected") and not _named(payload))):
        return Fault(f"a reply that cannot be read: {text}", "unreadable", status, pause)
    return Fault(text if seen.status is None else f"status {seen.status}: {text}", means, status, pause)


def told(payload: Any, depth: int = 4) -> tuple[set[str], str]:
    """Codes and words of an error, wherever a provider puts them."""
    codes: set[str] = set()
    words: list[str] = []
    for name, value in _fields(payload, depth):
        if name in _CODES:
            codes |= {code(value), code(str(value).partition(".")[0])}
        elif code(name) in _WORDS and isinstance(value, str):
            words.append(value[:_LOOKED_AT])
        codes.add(code(name))
    return codes - {""}, " ".join(dict.fromkeys(words))


_CODES = ("code", "type", "status", "reason", "reasons", "status_code", "blockReason")
_WORDS = (
    *("message", "msg", "error", "detail", "details", "statusmsg", "title", "raw"),
    *("errordescription", "errormessage", "errormsg", "loc"),
)


def _fields(value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    """Names and plain values of a JSON value, not too deep and not too many: it may be anything."""
    if depth and isinstance(value, dict):
        for name, field in list(value.items())[:50]:
            place = name == "loc" and isinstance(field, list)  # the field that FastAPI speaks of
            told = ".".join(map(str, field[:20])) if place else field
            yield str(name), told if isinstance(told, str | int | float) else None
            yield from _fields(field, depth - 1)
    elif depth and isinstance(value, list):
        for field in value[:20]:
            yield from _fields(field, depth - 1)


def _status(error: Exception, seen: Exchange, payload: Any) -> int | None:
    """The provider's status; of an error that came in spite of a good one, the one it names itself, and not litellm's guess."""
    if seen.status is None:
        return status_in({"code": getattr(error, "status_code", None)})
    return status_in(_named(payload)) or status_in(payload) if went_well(seen.status) else seen.status


def _named(payload: Any) -> Any:
    """What a body calls an error; some put it into a list."""
    first = payload[0] if isinstance(payload, list) and payload else payload
    return first.get("error") if isinstance(first, dict) else None


def status_in(error: Any) -> int | None:
    """The status that an error names itself."""
    for name in ("code", "status_code", "status") if isinstance(error, dict) else ():
        digits = str(error.get(name))[:4]
        if digits.isascii() and digits.isdecimal() and 400 <= int(digits) < 600:
            return int(digits)
    return None


def went_well(status: int | None) -> bool:
    """Whether a status says that there is an answer."""
    return status is not None and 200 <= status < 300


def _headers(error: Exception) -> Mapping[str, str]:
    return getattr(error, "litellm_response_headers", None) or getattr(getattr(error, "response", None), "headers", None) or {}


# "Please retry in 37.5s", "try again in 7h12m30.5s", "'retryDelay': '37s'"
_RETRY = re.compile(
    r"(?i)(?:retry(?:delay)?\W{1,6}|again )(?:in |after )?"
    r"(?:(\d{1,4})h)?(?:(\d{1,5})m(?!s))?(\d{1,7}(?:\.\d{1,9})?)?(ms|s)?\b"
)


def _pause(headers: Mapping[str, str], words: str) -> float | None:
    """Seconds that the provider asks to wait: in a header a number or a date, or in its words."""
    asked = str(headers.get("retry-after", ""))
    pause = _seconds(headers.get("retry-after-ms"), 1000)  # of OpenAI and Azure, beside whole seconds
    pause = _seconds(asked) if math.isnan(pause) else pause
    if math.isnan(pause):
        try:
            pause = parsedate_to_datetime(asked).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            if (match := _RETRY.search(words)) and (match[1] or match[2] or match[4]):
                hours, minutes, seconds = (float(match[i] or 0) for i in (1, 2, 3))
                pause = 3600 * hours + 60 * minutes + seconds / (1000 if match[4] == "ms" else 1)
    return None if math.isnan(pause) else min(max(0.0, pause), _LONGEST_PAUSE)


def _seconds(told: Any, parts: int = 1) -> float:
    """A number of seconds, or of parts of them; NaN where it is none."""
    try:
        return float(told) / parts
    except (ValueError, TypeError):
        return math.nan


def _page(body: bytes) -> str:
    """What is to be read on a page of some proxy, or wherever else a body is no JSON."""
    text = body[:_LOOKED_AT_OF_A_PAGE].decode("utf-8", "replace")
    return html.unescape(_MARKUP.sub(" ", text)) if text.lstrip().startswith("<") else text


_LOOKED_AT_OF_A_PAGE = 20_000  # bytes: styles come first
_MARKUP = re.compile(r"(?is)<(script|style)\b.*?(?:</\1[^<>]{0,100}>?|\Z)|<[^<>]{0,2000}>?")


def plain(error: BaseException) -> str:
    """An error's first line, without secrets."""
    text = str(getattr(error, "message", "") or error).strip() or type(error).__name__
    return line(redact(text[:10_000]).splitlines()[0])


def line(text: str) -> str:
    """What somebody says, on one line and without secrets."""
    return visible(_TOKENS.sub("[secret]", " ".join(redact(text[:10_000]).split()))[:500])


_TOKENS = re.compile(r"\bsk-[\w*-]{6,}|(?i:\bbearer\s+)[^\s\"',}]+|(?<=://)[^\s/@]{1,200}(?=@)")  # the last: of a proxy


def of_machine(error: BaseException) -> ModelError | None:
    """What this machine or its way to the provider lacks, where that is at the bottom of an error: no other try would mend it."""
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.errno in (errno.EMFILE, errno.ENFILE):
            return ModelError("too many open files: raise the limit (ulimit -n 4096), or run with a lower concurrency")
        told = getattr(cause, "reason", None)  # aiohttp's errors are of these kinds, and have not all that belongs to them
        if isinstance(cause, ssl.SSLCertVerificationError):
            why = getattr(cause, "verify_message", None) or told or cause
            return ModelError(
                f"the server's certificate is not valid ({why}): check api_base; for an authority of your own, set SSL_CERT_FILE"
            )
        if isinstance(cause, ssl.SSLError) and told in _BY_TLS:
            return ModelError(_BY_TLS[told])
    return None


_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE")
_BY_TLS = dict.fromkeys(_NO_TLS, "the server does not speak TLS: check whether api_base is https or http")
_BY_TLS["NO_CERTIFICATE_OR_CRL_FOUND"] = "the file that SSL_CERT_FILE names has no certificate in PEM form"


def unmade(error: BaseException, seen: Exchange, begun: bool) -> Fault | None:
    """What went wrong when a request was made, which litellm tells as an error of the provider's: no other try would mend it.

    Where the conversation has begun it is taken for a fault of what was said in it, which ends no other one.
    """
    bug, kinds = error, set[str]()
    for bug in _causes(error):
        kinds |= {kind.__name__ for kind in type(bug).__mro__}
    network = kinds & {"OSError", "TransportError", "ClientError"}
    made = isinstance(bug, TypeError | AttributeError | LookupError | UnicodeEncodeError)
    if not made or network or seen.asked or seen.status is not None or "OpenAIError" not in kinds:
        return None
    return Fault(f"it cannot be asked: {type(bug).__name__}: {plain(bug)}", "rejected" if begun else "forbidden")


def unsent(error: BaseException) -> bool:
    """Whether no connection was made, so that nobody read what was asked.

    Where aiohttp made the call, its own error decides: older litellm tells each of them as a ConnectError.
    """
    kinds = {kind.__name__ for cause in _causes(error) for kind in type(cause).__mro__}
    return not kinds.isdisjoint(_UNSENT_BY_AIOHTTP if "ClientError" in kinds else _UNSENT_BY_HTTPX)


_UNSENT_BY_AIOHTTP = ("ClientConnectorError", "ConnectionTimeoutError", "ClientHttpProxyError")
_UNSENT_BY_HTTPX = ("ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those behind it."""
    for _ in range(20):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__
