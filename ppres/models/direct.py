"""A server of one's own, asked without litellm, which takes twenty times as much of a processor for it as it takes to ask.

Nothing else differs. Address, headers and body are what litellm was about to send in a rehearsal, with the conversation in its
place. A reply in which nothing is odd is read here; any other one, and every error, is handed to litellm as if it had asked.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import io
import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from ppres.conversation import Call, Message, Reply
from ppres.models import faults, formats, redaction, rehearsal, replies, wire
from ppres.models.faults import Fault
from ppres.models.thoughts import parted
from ppres.models.usage import count

if TYPE_CHECKING:
    from ppres.models.model import Model

_KEPT = 4.0  # seconds for which an idle connection is used again: servers commonly close it after five
_LARGE = 2**20  # bytes of a body from which on it is sent in pieces
_ITS_OWN = ("host", "content-length", "accept-encoding", "connection", "transfer-encoding")  # headers of whoever sends


class Way(NamedTuple):
    """How a model is asked directly."""

    url: str
    headers: dict[str, str]
    body: dict[str, Any]


async def way(model: Model, lite: Any, schemas: list[dict[str, Any]], more: dict[str, Any]) -> Way | None:
    """How a model is asked directly; None where litellm has to ask: all but OpenAI's protocol at a plain address, and where
    somebody else is to be told of a call."""
    if model.provider != "openai" or not (model.api_base or "").startswith("http://"):
        return None
    # Some of litellm's calls add "cache", which tells nobody while there is none.
    told = [name for name in (*lite.callbacks, *lite.success_callback, *lite.failure_callback) if name != "cache" or lite.cache]
    if told:
        return None
    key = (model.label, *model.listed(), *map(os.environ.get, _SAID), bool(schemas), repr(more))
    if key not in _ways:
        _ways[key] = asyncio.ensure_future(_rehearsed(model, lite, bool(schemas), more))
    return await asyncio.shield(_ways[key])


# What may change between two runs: a key, and who stands in between.
_SAID = ("OPENAI_API_KEY", "OPENAI_ORGANIZATION", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY")
_ways: dict[tuple[Any, ...], asyncio.Future[Way | None]] = {}
_sessions: dict[asyncio.AbstractEventLoop, Any] = {}
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_ways.clear)  # nobody ends there what had begun


async def _rehearsed(model: Model, lite: Any, tools: bool, more: dict[str, Any]) -> Way | None:
    """A way, where litellm sends messages and tools as they are, and counts no dollars."""
    if model.price(1e6, 1e6) is not None:
        return None
    messages, schemas = (_EXAMPLE, [rehearsal.TOOL]) if tools else ([rehearsal.ASKED], [])
    seen, _ = await rehearsal.rehearse(model, lite, messages, schemas, model.sent()["parameters"], **more)
    address = urlsplit(seen.url)
    if not seen.request or address.scheme != "http" or _through_a_proxy(address.hostname or ""):
        return None
    body = json.loads(seen.request)
    if body.get("messages") != _sent(messages) or body.get("tools", []) != schemas:
        return None
    return Way(seen.url, {name.lower(): told for name, told in seen.sent.items() if name.lower() not in _ITS_OWN}, body)


_EXAMPLE: list[Message] = [
    rehearsal.ASKED,
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "c", "content": ""},
]


def _sent(messages: list[Message]) -> list[Message]:
    """Messages as litellm sends them: without the content that a message of calls lacks."""
    return [{name: told for name, told in message.items() if told is not None} for message in messages]


def _through_a_proxy(host: str) -> bool:
    import urllib.request  # as slow to import as much of ppres

    proxies = urllib.request.getproxies()
    return bool(proxies.get("http") or proxies.get("all")) and not urllib.request.proxy_bypass(host)


async def send(way: Way, messages: list[Message], schemas: list[dict[str, Any]], seen: wire.Exchange) -> None:
    """Ask once. `seen` has the answer then, whatever it is. Raises `Fault` where none comes."""
    body = way.body | {"messages": _sent(messages)} | ({"tools": schemas} if schemas else {})
    raw = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    redaction.sent(way.headers)
    data = io.BytesIO(raw) if len(raw) > _LARGE else raw
    (session, broken), seen.asked = _session(), True
    try:
        async with session.post(way.url, data=data, headers=way.headers, allow_redirects=False) as response:
            await wire.take(seen, way.url, response.status, response.headers, response.content.iter_any())
    except broken as error:
        raise Fault(faults.plain(error)) from error
    seen.arrived = True


def _session() -> tuple[Any, type[Exception]]:
    """The connections of this event loop, and what is raised where one breaks."""
    import aiohttp

    loop = asyncio.get_running_loop()
    if loop not in _sessions:
        _sessions[loop] = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEPT),
            timeout=aiohttp.ClientTimeout(total=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept-Encoding": wire.ENCODINGS},
            auto_decompress=False,
        )
        atexit.register(_close, os.getpid(), loop)
    return _sessions[loop], aiohttp.ClientError


def _close(process: int, loop: asyncio.AbstractEventLoop) -> None:
    """Close what would complain at the end of Python that nobody had; not in a fork, whose parent needs it."""
    if os.getpid() == process and loop.is_running():
        with contextlib.suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(_sessions.pop(loop).close(), loop).result(1)


# -- replies in which nothing is odd -----------------------------------------------------------------------------------

_THOUGHTS = ("reasoning_content", "reasoning")
_READ = ("role", "content", "tool_calls", *_THOUGHTS)
_UNUSED = ("refusal", "function_call", "audio", "annotations", "images")  # which servers send empty
_NOTHING: tuple[Any, ...] = (None, "", [], {})


def plain(seen: wire.Exchange, seconds: float) -> Reply | None:
    """A reply as litellm would read it; None where anything in it is not as usual, and it has to be litellm that reads it."""
    payload = seen.json() if seen.status == 200 else None
    message, finish = (choice := formats.first(payload, "choices")).get("message"), choice.get("finish_reason")
    if not isinstance(payload, dict) or not isinstance(message, dict) or not _usual(payload, choice, message, seen.headers):
        return None
    content, calls = message.get("content"), message.get("tool_calls")
    thought = message.get("reasoning_content", message.get("reasoning"))
    if not (content or calls) or finish not in ("stop", "length", "tool_calls") or (finish == "tool_calls" and not calls):
        return None
    finish = "tool_calls" if calls and finish == "stop" else finish
    usage = payload.get("usage") or {}
    kept: Message = {} if content is None else {"content": content}
    kept["role"] = "assistant"
    if calls:
        kept["tool_calls"] = [_as_litellm(call) for call in calls]
    if thought:
        kept["reasoning_content"] = thought
    if message.get("reasoning"):
        kept["provider_specific_fields"] = {"reasoning": message["reasoning"]}
    prompt, completion = usage.get("prompt_tokens") or None, usage.get("completion_tokens") or 0
    call = Call(
        prompt_tokens=prompt,
        completion_tokens=completion if prompt else completion or None,
        finish_reason=finish,
        native_finish_reason=finish,
        seconds=round(seconds, 3),
        reported_model=replies.named(payload.get("model") or None),
        system_fingerprint=replies.named(payload.get("system_fingerprint")),
        provider=replies.named(payload.get("provider")),
    )
    return replies.cleared(kept | {"content": content}, call)


def _as_litellm(call: dict[str, Any]) -> dict[str, Any]:
    """A call, with its fields in the order in which litellm has them."""
    function, place = call["function"], {"index": call["index"]} if "index" in call else {}
    return place | {
        "function": {"arguments": function["arguments"], "name": function["name"]},
        "id": call["id"],
        "type": "function",
    }


def _usual(payload: dict[str, Any], choice: dict[str, Any], message: Message, headers: Mapping[str, str]) -> bool:
    """Whether all fields are of the protocol and of its types, and none of litellm's proxy, which tells a cost."""
    content, calls, usage = message.get("content"), message.get("tool_calls") or [], payload.get("usage") or {}
    texts = [*(payload.get(name) for name in replies.NAMES), content, *(message.get(name) for name in _THOUGHTS)]
    return (
        payload.get("error") is None
        and len(payload["choices"]) == 1
        and not choice.get("error")
        and all(isinstance(text, str | None) for text in texts)
        and isinstance(payload.get("created"), int | None)
        and isinstance(usage, dict)
        and all(_counts(name, told) for name, told in usage.items())
        and message.get("role") in ("assistant", None)
        and all(name in _READ or (name in _UNUSED and told in _NOTHING) for name, told in message.items())
        and (not content or parted(content) == ("", content))
        and isinstance(calls, list)
        and all(map(_is_call, calls))
        and "x-litellm-response-cost" not in headers
    )


def _counts(name: str, told: Any) -> bool:
    if isinstance(told, dict) and name.endswith("_details"):
        return all(_counts(of, value) for of, value in told.items())
    whole = told is None or (isinstance(told, int) and count(told) is not None)
    return whole and name not in ("cost", "input_tokens", "output_tokens")  # a cost, and the counts of other protocols


def _is_call(call: Any) -> bool:
    if not isinstance(call, dict) or call.keys() - {"index"} != _CALL or not isinstance(call["function"], dict):
        return False
    id, kind, function = call["id"], call["type"], call["function"]
    name, raw = function.get("name"), function.get("arguments")
    if not isinstance(call.get("index", 0), int):
        return False
    named = isinstance(id, str) and id and isinstance(name, str) and name and name not in _TAKEN_APART
    return bool(named and kind == "function" and function.keys() == _FUNCTION and isinstance(raw, str) and replies.tame(raw))


_TAKEN_APART = ("multi_tool_use.parallel",)  # by litellm, into several calls
_CALL, _FUNCTION = {"id", "type", "function"}, {"name", "arguments"}
