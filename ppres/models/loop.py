"""The one event loop of the process, in a thread of its own: the same in scripts, notebooks, and under a running loop."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None


def wait_for(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the loop and wait for its result; an interrupt cancels it, and waits until it has put things away."""
    global _loop
    with _lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="ppres", daemon=True).start()
    ended = threading.Event()

    async def watched() -> T:
        try:
            return await work
        finally:
            ended.set()

    future = asyncio.run_coroutine_threadsafe(watched(), _loop)
    try:
        return future.result()
    except KeyboardInterrupt:
        future.cancel()
        ended.wait(10)  # so that the caller may close its files
        raise


def _forget() -> None:
    """A forked process has none of its parent's threads, so no loop runs there."""
    global _loop, _lock
    _loop, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
