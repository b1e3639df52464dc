"""What goes over the wire: seen as it is, bounded in size, and never led on to another place.

litellm speaks HTTP in two ways, through OpenAI's client and through its own. Both end in `AsyncClient.send` of httpx, which is
wrapped here, because each sends keys along with a redirect to wherever it points, and holds a reply in memory however large it is.
For a few providers it has other ways; a rehearsal notices them. Outside of a call of ours the wrappers do nothing.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import json
import re
import sys
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

from ppres import codec
from ppres.conversation import VALUES, Call, ProviderError
from ppres.models import credentials, loop, redaction
from ppres.models.faults import Fault, went_well

MOST = 16 * 2**20  # bytes of a reply, unpacked; the longest that a model writes is a twentieth of it
_OBJECTS = 50_000  # in a reply: two for each call
_LAYERS = 3  # times that a reply may be packed


@dataclass(slots=True)
class Exchange:
    """One request to a provider and what came back. Of several, the last."""

    edit: Callable[[bytes], bytes]
    """What litellm is given to read of a reply that succeeded."""
    rehearsal: bytes = b""
    """What a rehearsal says, which is not sent. Empty in a real call."""
    guarded: bool = True
    """False where it would have gone over the wire in a way that is not watched here."""
    request: bytes = b""
    url: str = ""
    sent: Mapping[str, str] = field(default_factory=dict)
    """The request's headers, of a rehearsal."""
    asked: bool = False
    """Whether the request is out, and its answer not yet in: whatever keeps it from coming, it may be paid for."""
    arrived: bool = False
    """Whether the answer is there already, got without litellm, which is to read it."""
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    part: bytes = b""
    """What had come of an answer that broke off."""
    fault: Exception | None = None
    """What is wrong on our side of the provider, whatever litellm makes of it."""

    def json(self) -> Any:
        """What came back; None where it is no JSON."""
        with contextlib.suppress(ValueError, RecursionError):
            return json.loads(self.body)
        return None


class Rehearsed(Exception):
    """A request was made, and not sent."""


_current: contextvars.ContextVar[Exchange | None] = contextvars.ContextVar("exchange", default=None)


@contextlib.contextmanager
def exchange(edit: Callable[[bytes], bytes] = bytes, *, rehearsal: bytes = b"") -> Iterator[Exchange]:
    """See what goes over the wire inside."""
    seen = Exchange(edit, rehearsal)
    token = _current.set(seen)
    try:
        with loop.closing():
            yield seen
    finally:
        _current.reset(token)


def watch() -> None:
    """Wrap the clients that there are: OpenAI's client has an httpx of its own in some versions."""
    for module, name, method, wrapper in _CLIENTS:
        client = getattr(sys.modules.get(module), name, None)
        if client and not hasattr(getattr(client, method), "__wrapped__"):
            setattr(client, method, wrapper(getattr(client, method)))
    secrets: Any = sys.modules.get("litellm.litellm_core_utils.secret_redaction")
    if isinstance(getattr(secrets, "_SECRET_RE", None), re.Pattern):
        secrets._SECRET_RE = _Short(secrets._SECRET_RE)


class _Short:
    """A pattern that is looked for in the beginning of a text alone, while a call of ours is under way.

    litellm looks for secrets in all that a provider says in an error, or in a reply that it cannot read. Its pattern takes 20 s for
    a megabyte, and days for a text made for that; meanwhile no other conversation goes on, and no Ctrl-C is heard.
    """

    def __init__(self, pattern: re.Pattern[str]):
        self.pattern = pattern

    def sub(self, by: str, text: str) -> str:
        return self.pattern.sub(by, text[:_OF_AN_ERROR] if _current.get() else text)


_OF_AN_ERROR = 2_000  # characters


def _watched(send: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(send)
    async def watched(self: Any, request: Any, **more: Any) -> Any:
        seen = _current.get()
        if seen is None:
            return await send(self, request, **more)
        if seen.rehearsal:
            seen.request, seen.url, seen.sent = request.content, str(request.url), request.headers
            raise Rehearsed
        if not seen.arrived:
            seen.status, seen.headers, seen.body, seen.part, seen.asked = None, {}, b"", b"", True
            redaction.sent(request.headers)
            request.headers["accept-encoding"] = ENCODINGS
            try:
                response = await send(self, request, **more | {"stream": True, "follow_redirects": False})
            except Exception as error:
                if "location header" in str(error):  # httpx looks where it leads, and finds no address
                    seen.fault = _redirected(str(request.url), None)
                raise
            try:
                await take(seen, str(request.url), response.status_code, response.headers, response.aiter_raw())
            finally:
                await response.aclose()
        seen.arrived = False
        pairs = getattr(seen.headers, "multi_items", seen.headers.items)()
        kept = [(name, told) for name, told in pairs if name.lower() not in _PACKING and told.isascii()]  # httpx reads no others
        body = seen.edit(seen.body) if went_well(seen.status) else seen.body[:_OF_AN_ERROR]  # all of it is read elsewhere
        made = sys.modules[type(request).__module__.partition(".")[0]].Response
        return made(seen.status, headers=kept, content=body, request=request)

    return watched


def _unwatched(send: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(send)
    def unwatched(self: Any, *given: Any, **more: Any) -> Any:
        seen = _current.get()
        if seen and seen.rehearsal and seen.rehearsal in (getattr(given[0], "content", b"") or repr(more).encode()):
            seen.guarded = False
            raise Rehearsed
        return send(self, *given, **more)

    return unwatched


def _in_ascii(send: Callable[..., Any]) -> Callable[..., Any]:
    """litellm hands an answer's headers on to httpx, which takes no others, after the provider has made and charged the answer."""
    unwatched = _unwatched(send)

    @functools.wraps(send)
    async def sent(self: Any, *given: Any, **more: Any) -> Any:
        response = await unwatched(self, *given, **more)
        if _current.get() and not all((name + told).isascii() for name, told in response.raw_headers):
            pairs = [(name, told) for name, told in response.headers.items() if (name + told).isascii()]
            response._headers = type(response.headers)(sys.modules["multidict"].CIMultiDict(pairs))
            response._cache.pop("headers", None)  # where it was looked at already
        return response

    return sent


_CLIENTS = (
    *((module, "AsyncClient", "send", _watched) for module in ("httpx", "httpx2")),
    *((module, "Client", "send", _unwatched) for module in ("httpx", "httpx2")),
    ("aiohttp", "ClientSession", "_request", _in_ascii),
)
_PACKING = ("content-encoding", "content-length", "transfer-encoding")


async def take(seen: Exchange, url: str, status: int, headers: Mapping[str, str], parts: AsyncIterator[bytes]) -> None:
    """Take in what came back, as it came, and unpack it. Raises what is wrong: that it leads elsewhere, or is without an end."""
    seen.asked = went_well(status)
    if status in _REDIRECTS and "location" in headers:
        seen.fault = _redirected(url, headers["location"])
        raise seen.fault
    body, length = [], 0
    try:
        async for part in parts:
            body.append(part)
            length += len(part)
            if length > MOST:
                raise _too_long(seen)
        names = _packings(headers)
        layers = [_BITS[name] for name in reversed(names) if name in _BITS]
        if len(layers) > _LAYERS:
            raise _too_long(seen)
        raw = b"".join(body)
        for bits in layers:
            raw = _unpacked(raw, bits, seen)
        odd = [name for name in names if name not in ("", "identity", *_BITS)]
        _check_values(seen, raw)
        if odd and went_well(status) and not raw.lstrip().startswith(b"{"):
            raise _packed_unasked(seen, odd[0])
    except BaseException:
        seen.part = b"".join(body) if went_well(status) else b""
        raise
    seen.status, seen.headers, seen.body, seen.asked = status, headers, _COMMENTS.sub(b"", raw, 1), False


_COMMENTS = re.compile(rb"\A(?:\s*+:[^\n]*+(?:\n|\Z))+")  # as of a stream: OpenRouter keeps the line open by them
_REDIRECTS = (301, 302, 303, 307, 308)
_BITS = {"gzip": 31, "deflate": 47}  # for zlib
ENCODINGS = ", ".join(_BITS)  # that are asked for: they can be unpacked within a bound


def _packings(headers: Mapping[str, str]) -> list[str]:
    """How a reply is packed, the innermost first; aiohttp keeps two headers of a name apart."""
    apart = getattr(headers, "getall", None)
    told = ",".join(apart("content-encoding", ())) if apart else headers.get("content-encoding", "")
    return [name.strip().lower().removeprefix("x-") for name in told.split(",")]


def _packed_unasked(seen: Exchange, name: str) -> Fault:
    why = f"a reply packed as {name[:20]!r}, which was not asked for: a proxy before the provider does that"
    seen.fault = fault = Fault(why, "unreadable")
    fault.calls = (Call(),)
    return fault


def _unpacked(packed: bytes, bits: int, seen: Exchange) -> bytes:
    """As far as it goes: whether a reply is whole is seen when it is read."""
    unpacker = zlib.decompressobj(bits)
    try:
        raw = unpacker.decompress(packed, MOST + 1)
    except zlib.error as error:
        if bits == _BITS["deflate"]:  # some leave out its head
            return _unpacked(packed, -15, seen)
        seen.fault = Fault(f"a reply that is not packed as it says: {error}")
        raise seen.fault from None
    if len(raw) > MOST:
        raise _too_long(seen)
    return raw


def _too_long(seen: Exchange, what: object = None) -> ProviderError:
    seen.fault = ProviderError(f"a reply that is not read: {what or f'it has more than {MOST // 2**20} MB'}")
    return seen.fault


def _check_values(seen: Exchange, raw: bytes) -> None:
    """litellm makes some kB of each call, while nothing else goes on."""
    try:
        codec.check(raw, VALUES)
        codec.check(raw, _OBJECTS, "{")
    except ValueError as error:
        raise _too_long(seen, error) from None


def _redirected(asked: str, location: str | None) -> Fault:
    """Where it points is said without what may be a secret in it. `location` is None where it is no address."""
    here, place = urlsplit(asked), None
    with contextlib.suppress(ValueError):
        there = urlsplit(urljoin(asked, location or "http://["))
        host = f"{there.scheme}://{there.netloc.rpartition('@')[2]}"
        place = next(
            (told for told in (host + there.path, host) if not credentials.in_address(told)), "an address that holds a key"
        )
    server = f"{here.scheme}://{here.netloc.rpartition('@')[2]}"
    if place is None:
        return Fault(f"{server} redirects to what is no address: check api_base, or tell who runs that server", "forbidden")
    return Fault(
        f"{server} redirects to {place}, and keys are not sent on: if that is the right place, set api_base to it", "forbidden"
    )
