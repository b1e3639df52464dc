"""What an interrupt leaves of calls that are being made."""

import asyncio
import gc
import threading
import warnings

import pytest

from ppres.models import loop
from ppres.models.model import Model


def test_a_call_whose_time_ends_when_it_is_put_together_leaves_no_warning():
    """The thread is done, and its result given to somebody who is told at that moment that it is too late."""

    async def request():
        """Never started."""

    async def late():
        async def ask():
            with loop.closing():
                future = asyncio.get_running_loop().run_in_executor(None, request)
                future.add_done_callback(lambda _: asked.cancel())
                await future

        asked = asyncio.create_task(ask())
        with pytest.raises(asyncio.CancelledError):
            await asked

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        loop.wait_for(late())
        gc.collect()
    assert [str(warning.message) for warning in told if "never awaited" in str(warning.message)] == []


def test_a_call_that_is_given_up_while_it_is_put_together_leaves_no_warning(monkeypatch):
    """litellm puts a request together in a thread, as a coroutine; on a loaded machine Ctrl-C meets it there."""
    import litellm

    complete, inside, go_on = litellm.completion, threading.Event(), threading.Event()

    def slow(*given, **options):
        inside.set()
        assert go_on.wait(60)
        return complete(*given, **options)

    monkeypatch.setattr(litellm.main, "completion", slow)
    monkeypatch.setattr(loop, "_loops", {})  # one of its own, whose threads can be waited for

    async def interrupted():
        asked = asyncio.create_task(Model("openai/x", api_base="http://127.0.0.1:9/v1").ask([{"role": "user", "content": ""}], []))
        await asyncio.to_thread(inside.wait, 60)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        go_on.set()
        await asyncio.get_running_loop().shutdown_default_executor()

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        loop.wait_for(interrupted())
        gc.collect()
    assert [str(warning.message) for warning in told if "never awaited" in str(warning.message)] == []
