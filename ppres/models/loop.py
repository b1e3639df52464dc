"""The one event loop of the process, in a thread of its own: the same in scripts, notebooks, and under a running loop."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None


def wait_for(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the loop and wait for its result; an interrupt cancels it, and waits until it has put things away."""
    global _loop
    with _lock:
        if _loop is None:
            _loop = _new_loop()
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


def _new_loop() -> asyncio.AbstractEventLoop:
    """A loop that closes what its threads make for nobody.

    litellm puts a request together in a thread, as a coroutine. An interrupt that comes meanwhile cannot stop the thread, and
    Python would complain of a coroutine that "was never awaited".
    """
    loop = asyncio.new_event_loop()
    run = loop.run_in_executor

    def run_in_executor(executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        lock, made, unwanted = threading.Lock(), [], threading.Event()

        def call() -> Any:
            result = func(*args)
            with lock:
                made.append(result)
                _close(made if unwanted.is_set() else ())
            return result

        def ended(future: asyncio.Future[Any]) -> None:
            if future.cancelled():
                with lock:
                    unwanted.set()
                    _close(made)

        future = run(executor, call)
        future.add_done_callback(ended)
        return future

    loop.run_in_executor = run_in_executor  # type: ignore[assignment, method-assign]
    return loop


def _close(coroutines: Iterable[Any]) -> None:
    for one in coroutines:
        if asyncio.iscoroutine(one):
            one.close()


def _forget() -> None:
    """A forked process has none of its parent's threads, so no loop runs there."""
    global _loop, _lock
    _loop, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
