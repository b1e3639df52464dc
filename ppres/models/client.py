"""One attempt at one call, by litellm or directly; and litellm, which is imported when it is first needed."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from ppres.conversation import Call, Message, ProviderError, Reply
from ppres.models import direct, environment, faults, replies, wire
from ppres.models.faults import Cut, Fault, ModelError
from ppres.models.usage import estimated, lost, size
from ppres.optional import for_real_models, undivided

if TYPE_CHECKING:
    from ppres.models.model import Model

T = TypeVar("T")
_LONG = 2**17  # bytes of a reply: shorter ones are read faster than a thread is started

# litellm reads them on import: it would fetch its table of prices from the network, and read a file `.env` by rules of its own.
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
os.environ["LITELLM_MODE"] = "PRODUCTION"


@functools.cache
def litellm() -> Any:
    """litellm, imported when a real model is first asked (it takes seconds); keys are read from a file `.env` as well.

    Raises `ModelError` where this machine's certificates cannot be read.
    """
    try:
        lite = undivided("litellm", for_real_models)
    except OSError as error:  # it reads certificates
        raise faults.of_machine(error) or error from None
    environment.read()
    wire.watch()
    lite.suppress_debug_info = True
    if "LITELLM_LOG" not in os.environ:  # its warnings come with every call, and are about parameters that were chosen
        logging.getLogger("LiteLLM").setLevel(logging.ERROR)
    return lite


async def once(model: Model, messages: list[Message], schemas: list[dict[str, Any]], more: dict[str, Any]) -> Reply:
    """Ask a real model once. Raises `Fault`, or `ModelError` where this machine or its way to the provider lacks something.

    Their `calls` say what is known of one that the provider answered, and that is paid for, though nothing came of it.
    """
    lite, started = litellm(), time.perf_counter()
    with wire.exchange(replies.legible) as seen:
        try:
            way = await direct.way(model, lite, schemas, more)
            async with asyncio.timeout(model.timeout) as limit:  # litellm's bounds the wait for each piece, not for the whole
                if way:
                    await direct.send(way, messages, schemas, seen)
                    if reply := await _read(len(seen.body), limit, direct.plain, seen, time.perf_counter() - started):
                        return reply
                try:
                    response = await lite.acompletion(**model.request(messages, schemas, model.sent()["parameters"], **more))
                    reply = await _read(len(seen.body), limit, replies.read, response, seen, time.perf_counter() - started)
                except Exception:
                    took = time.perf_counter() - started
                    if not (rescued := await _read(len(seen.body), limit, replies.by_hand, lite, seen, took)):
                        raise
                    reply = rescued
        except asyncio.CancelledError:
            raise Cut(_vain(model, lost(seen, time.perf_counter() - started), messages, schemas)) from None
        except Exception as error:
            fault = (
                seen.fault
                or faults.of_machine(error)
                or faults.unmade(error, seen, any(message["role"] == "assistant" for message in messages))
                or faults.of(error, seen)
            )
            if not isinstance(fault, Fault | ProviderError):
                unforeseen = f"it cannot be asked: {type(error).__name__}: {faults.plain(error)}"
                fault = ModelError(f"{model.label}: {fault if isinstance(fault, ModelError) else unforeseen}")
            seen.asked = seen.asked and not faults.unsent(error)
            calls = fault.calls or lost(seen, time.perf_counter() - started)
            fault.calls = _vain(model, calls, messages, schemas)
            raise fault from None
    return reply._replace(call=_priced(model, reply.call))


async def _read(length: int, limit: asyncio.Timeout, read: Callable[..., T], *given: Any) -> T:
    """Read a reply; a long one in a thread, since looking through it for keys takes a second for some megabytes.

    Other conversations would stand still meanwhile. It has come, and is paid for: the time for a call does not count any more.
    """
    if length <= _LONG:
        return read(*given)
    if not limit.expired():
        limit.reschedule(None)
    return await asyncio.to_thread(read, *given)


def _vain(model: Model, calls: tuple[Call, ...], messages: list[Message], schemas: list[dict[str, Any]]) -> tuple[Call, ...]:
    """Calls without an answer, with what they cost, by estimate where that was not told."""
    prompt = size(messages, schemas) if calls else 0.0
    return tuple(_priced(model, estimated(call, prompt, model.max_tokens)) for call in calls)


def _priced(model: Model, call: Call) -> Call:
    """With the list's price where the provider, or a gateway before it, names none or 0, which may be another's bill."""
    if call.cost or call.prompt_tokens is None:
        return call
    return call._replace(cost=model.price(call.prompt_tokens, call.completion_tokens or 0))
