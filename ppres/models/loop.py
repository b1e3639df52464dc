"""The event loop of all runs, in a thread of its own: the same in scripts, notebooks, and under a running loop.

Async functions of the user's have another one, since whoever cancels all tasks of a loop means their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import inspect
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator
from concurrent.futures import CancelledError, Future, wait
from typing import Any, TypeVar

T = TypeVar("T")

_lock = threading.Lock()
_loops: dict[str, asyncio.AbstractEventLoop] = {}
_RUNS, _FUNCTIONS = "ppres", "ppres-functions"


def _loop(name: str) -> asyncio.AbstractEventLoop:
    """A loop, running in a thread of its own."""
    with _lock:
        if name not in _loops:
            _loops[name] = _new_loop()
            threading.Thread(target=_run, args=(_loops[name],), name=name, daemon=True).start()
        return _loops[name]


def wait_for(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the loop and wait for its result; an interrupt cancels it, and waits until it has put things away."""
    if asyncio._get_running_loop() in _loops.values():
        work.close()
        raise RuntimeError("a run inside an async function of a model waits for itself: make that function one that is not async")
    ended = threading.Event()

    async def watched() -> T:
        try:
            return await work
        finally:
            ended.set()

    future = asyncio.run_coroutine_threadsafe(watched(), _loop(_RUNS))
    try:
        while not future.done():  # a signal that comes just before the thread sleeps is seen only when it wakes
            wait([future], 1)
        return future.result()
    except CancelledError:
        raise RuntimeError("code that the run called, such as a tool's, cancelled the tasks of its loop: run again") from None
    except BaseException:
        if not future.done():  # Ctrl-C, or what another signal's handler raises: an alarm in a notebook, `sys.exit`
            future.cancel()
            ended.wait(10)  # so that the caller may close its files
            _give_up_what_is_stuck()
        raise


@contextlib.asynccontextmanager
async def together(works: Iterable[Coroutine[Any, Any, None]]) -> AsyncIterator[Coroutine[Any, Any, None]]:
    """What waits for all of these, or for the first that fails, and raises its error.

    Those still under way at the end are stopped, and waited for, so that each puts away what it has paid for.
    """
    tasks = [asyncio.create_task(work) for work in works]

    async def ended() -> None:
        for task in (await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION))[0]:
            task.result()

    try:
        yield ended()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _give_up_what_is_stuck() -> None:
    """Where an async function holds its loop up, later ones get another."""
    if loop := _loops.get(_FUNCTIONS):
        answered = asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop)
        wait([answered], 1)
        if not answered.done():
            with _lock:
                _loops.pop(_FUNCTIONS, None)


def _run(loop: asyncio.AbstractEventLoop) -> None:
    """Run it for ever: a `sys.exit` in one task ends that task, and whoever waits for it is told, but no other one hangs."""
    while True:
        with contextlib.suppress(SystemExit, KeyboardInterrupt):
            loop.run_forever()


async def _came_of(awaitable: Awaitable[Any]) -> tuple[Any, BaseException | None]:
    """What an awaitable gives or raises; an exit that a task raises would end the loop."""
    try:
        return await awaitable, None
    except BaseException as error:
        return None, error


async def theirs(function: Callable[..., Any], *args: Any) -> Any:
    """What a function of the user's returns, sync or async; a sync one is called in a thread for which nobody waits in the end.

    So one that never returns holds up neither other conversations nor, after Ctrl-C, the end of the process. What it raises is an
    `Exception`, also where that is an exit, a cancellation or a StopIteration of its own, which would confuse the loop.
    """
    with closing() as made:
        called: Future[tuple[Any, BaseException | None]] = Future()
        called.set_running_or_notify_cancel()
        context = contextvars.copy_context()

        def call() -> None:
            try:
                called.set_result((made.of(context.run, function, *args), None))
            except BaseException as error:
                called.set_result((None, error))

        threading.Thread(target=call, name="ppres-function", daemon=True).start()
        told, error = await asyncio.wrap_future(called)
        try:
            if inspect.isawaitable(told):
                came = asyncio.run_coroutine_threadsafe(_came_of(told), _loop(_FUNCTIONS))
                told, error = await asyncio.wrap_future(came)
            if error:
                raise error
            return told
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task and task.cancelling():
                raise
            raise RuntimeError("it raised CancelledError") from error
        except BaseException as error:
            if isinstance(error, Exception) and not isinstance(error, StopIteration):
                raise
            raise RuntimeError(f"it raised {type(error).__name__}") from error


def _new_loop() -> asyncio.AbstractEventLoop:
    """A loop that keeps account of what its threads make, for `closing`."""
    loop = asyncio.new_event_loop()
    run = loop.run_in_executor

    def run_in_executor(executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        made = _made.get()
        return run(executor, functools.partial(made.of, func) if made else func, *args)

    loop.run_in_executor = run_in_executor  # type: ignore[assignment, method-assign]
    return loop


class _Coroutines:
    """Coroutines that threads made, and that are closed in the end, unless somebody has started them."""

    def __init__(self) -> None:
        self._lock, self._made, self._ended = threading.Lock(), list[Coroutine[Any, Any, Any]](), False

    def of(self, func: Callable[..., Any], *args: Any) -> Any:
        """What a function makes, noted."""
        result = func(*args)
        with self._lock:
            if inspect.iscoroutine(result):
                self._made.append(result)
        if self._ended:
            self.close()
        return result

    def close(self) -> None:
        with self._lock:
            self._ended = True
            for coroutine in self._made:
                if inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:
                    coroutine.close()


_made: contextvars.ContextVar[_Coroutines | None] = contextvars.ContextVar("made", default=None)


@contextlib.contextmanager
def closing() -> Iterator[_Coroutines]:
    """Close what threads make inside, as a coroutine, and nobody starts.

    litellm puts a request together in a thread, as a coroutine. Where an interrupt or the end of a call's time comes meanwhile, the
    thread cannot be stopped, and Python would complain of a coroutine that "was never awaited".
    """
    token = _made.set(made := _Coroutines())
    try:
        yield made
    finally:
        _made.reset(token)
        made.close()


def _forget() -> None:
    """A forked process has none of its parent's threads, so no loop runs there."""
    global _lock
    _loops.clear()
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
