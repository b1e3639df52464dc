"""Getting a reply through: which faults are worth another try, how long to wait, and how many calls at once a provider takes.

Only transport is retried. What a model says is data, however odd; what a provider refuses for good ends the rollout or the model.
"""

from __future__ import annotations

import asyncio
import math
import random
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from ppres.conversation import Call, ProviderError, visible
from ppres.models.faults import Cut, Fault, ModelError
from ppres.models.usage import NO_ANSWER

T = TypeVar("T")

FIRST_WAIT = 0.5  # seconds before the second attempt; each further wait is twice as long, with jitter
LONGEST_WAIT = 60.0
DEADLINE = 900.0  # seconds from the first attempt after which a call is given up
EMPTY_TRIES = 5  # replies that are paid for and give no answer, until a call is given up
_MOST = {"unreadable": 5, "another form": 5, "lost call": 2}  # of such faults; a parser that loses one call loses others
SILENCE = 60.0  # seconds between lines that tell a person of faults


Charge = Callable[[tuple[Call, ...]], None]
"""Counts calls that were paid for in vain. Raises `ProviderError` where there is no budget for another."""


async def persist(
    attempt: Callable[[], Awaitable[T]], name: str, gate: Gate, tokens: float, charge: Charge | None = None
) -> tuple[T, int, tuple[Call, ...]]:
    """What `attempt` returns in the end, how many attempts it took, and the calls among them that gave no answer.

    `tokens` is the expected size of the call, where the gate limits them; `charge` is asked before each further attempt. Raises
    `ProviderError` where this conversation cannot go on, `ModelError` where none can with the model, or where nobody knows which
    of both (`may_pass`): what others are answered tells, see `Standing`. Their `calls` gave no answer. Neither shows the provider's
    own error behind it, which may repeat a key.
    """
    vain: list[Call] = []
    try:
        answer, tries = await _tried(attempt, name, gate, tokens, vain, charge)
    except (ProviderError, ModelError) as final:
        final.calls = (*vain, *final.calls)
        raise
    except asyncio.CancelledError as stopped:
        calls = (*vain, *(stopped.calls if isinstance(stopped, Cut) else ()))
        raise Cut(calls) if calls else stopped from None
    return answer, tries, (*vain,)


async def _tried(
    attempt: Callable[[], Awaitable[T]], name: str, gate: Gate, tokens: float, vain: list[Call], charge: Charge | None
) -> tuple[T, int]:
    """What `attempt` returns in the end, and how many it took; what others were paid for is put into `vain`."""
    await gate.enter(tokens, name)
    started, met = time.monotonic(), Counter[str]()
    while True:
        began = time.monotonic()
        try:
            answer = await attempt()
        except Fault as fault:
            gate.leave(began, limited=fault.status == 429, pause=fault.pause, name=name)
            vain += fault.calls
            met[fault.means] += 1
            answered = sum(call.estimated != NO_ANSWER for call in vain)
            if final := _final(fault, name, gate) or _too_late(fault, name, gate, started, met, answered):
                raise final from None
            if charge:
                charge(fault.calls)
            if met.total() > 2 and gate.told + SILENCE < time.monotonic():
                gate.told = time.monotonic()
                say(f"{name} fails and is asked again, for up to {DEADLINE / 60:.0f} minutes a call: {fault}")
            await asyncio.sleep(_wait(fault, met.total()))
        except BaseException:
            gate.leave(began)
            raise
        else:
            gate.answered[name] = time.monotonic()
            gate.leave(began, grow=True)
            return answer, met.total() + 1
        await gate.enter(tokens, name)


def _wait(fault: Fault, tries: int) -> float:
    wait: float = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(tries - 1, 20)) * random.uniform(0.5, 1.0)
    return max(wait, fault.pause or 0.0)


def _final(fault: Fault, name: str, gate: Gate) -> ProviderError | ModelError | None:
    """What ends the conversation or the model after this fault; None where another try may help."""
    match fault.means:
        case "forbidden" | "another form" if fault.means == "forbidden" or name not in gate.answered:
            error = ModelError(str(fault))
            error.may_pass = True
            return error
        case "passing" | "unreadable" | "another form" | "lost call":
            return None
        case "token_limit" | "content_filter":
            return ProviderError(str(fault), fault.means)
        case "credit":
            text = "the account is out of credit or at a spending limit: add credit and run again, nothing that was stored is lost"
            return ModelError(f"{name}: {text}. The provider said: {fault}")
        case "model":
            return ModelError(f"{name}: {fault}")
    return ProviderError(str(fault))


def _too_late(
    fault: Fault, name: str, gate: Gate, started: float, met: Counter[str], answered: int
) -> ProviderError | ModelError | None:
    """What ends a call that was tried for too long; nothing where it may be tried again. `met` counts its faults by meaning."""
    pause = fault.pause or 0.0
    asked = f", and asks to wait {pause / 60:.0f} minutes" if pause > SILENCE else ""
    text = f"{met.total()} attempts in {time.monotonic() - started:.0f} s, the last: {fault}{asked}"
    if answered >= EMPTY_TRIES or met[fault.means] >= _MOST.get(fault.means, math.inf):
        return ProviderError(text)
    if time.monotonic() + (pause or FIRST_WAIT) <= started + DEADLINE:
        return None
    if max(gate.answered.values(), default=0.0) < started:  # nobody else got through either
        return ModelError(f"{name} does not answer: {text}. Run again later; nothing that was stored is lost")
    return ProviderError(text)


class Gate:
    """How many calls a provider is asked at once: half as many after a rate limit, one more after a round of answers."""

    def __init__(self, rpm: float | None = None, tpm: float | None = None) -> None:
        self.ceiling = 16
        self.allowed = float(self.ceiling)
        self.active = 0
        self.answered: dict[str, float] = {}
        """When a model's call last succeeded."""
        self.told = float("-inf")
        """When a person was last told that calls fail."""
        self.rpm, self.tpm = rpm, tpm
        self._closed: dict[str, float] = {}
        """Until when a model is not to be asked for long: its own quota may be used up, and not its neighbours'."""
        self._open_at = self._next_request = self._next_tokens = self._shrunk = 0.0
        self._waiting: list[asyncio.Future[None]] = []

    def limit(self, ceiling: int) -> None:
        """Set the most calls at once of a run. A pause that is too long to wait for is forgotten: who runs again asks again."""
        self._closed.clear()
        if ceiling != self.ceiling:
            self.ceiling, self.allowed = ceiling, float(ceiling)

    async def enter(self, tokens: float, name: str) -> None:
        """Wait until a call may start. Raises `ModelError` where the provider asked for a pause that is too long to wait for."""
        try:
            await self._turn(name)
        except BaseException:
            self._wake()  # whoever is cancelled, or may not ask any more, hands its turn on
            raise
        now = time.monotonic()
        self.active += 1
        if self.rpm:
            self._next_request = now + 60 / self.rpm
        if self.tpm:
            self._next_tokens = now + 60 * tokens / self.tpm

    async def _turn(self, name: str) -> None:
        while True:
            now = time.monotonic()
            if (left := self._closed.get(name, 0.0) - now) > 0:
                raise ModelError(f"{name}: the provider asks to wait {left / 60:.0f} minutes. Run again later")
            if self._open_at > now + SILENCE and self.told + SILENCE < now:
                self.told = now
                say(f"{name}: the provider asks to wait {self._open_at - now:.0f} s")
            wait = max(self._open_at, self._next_request, self._next_tokens) - now
            if wait > 0:
                await asyncio.sleep(wait)
            elif self.active >= max(1, int(self.allowed)):
                turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._waiting.append(turn)
                await turn
            else:
                return

    def leave(self, began: float, *, grow: bool = False, limited: bool = False, pause: float | None = None, name: str = "") -> None:
        """A call of the model `name` is over. `limited`: by a rate limit; `pause`: seconds for which the provider wants none."""
        self.active -= 1
        now = time.monotonic()
        if limited and began >= self._shrunk:  # calls that were under way at the last one tell nothing new
            self.allowed, self._shrunk = max(1.0, self.allowed / 2), now
        if grow:
            self.allowed = min(float(self.ceiling), self.allowed + 1 / max(1.0, self.allowed))
        if pause and pause > DEADLINE:
            self._closed[name] = now + pause
        elif pause:
            self._open_at = max(self._open_at, now + pause)
        self._wake()

    def _wake(self) -> None:
        free = max(1, int(self.allowed)) - self.active
        while self._waiting and free > 0:
            turn = self._waiting.pop(0)
            if not turn.done():
                turn.set_result(None)
                free -= 1


def say(text: str) -> None:
    """A line for the person at the terminal or notebook; a run goes on where nobody can be told."""
    if sys.stderr is not None:
        with suppress(OSError, ValueError):  # closed, by the shell or by whoever read it
            print(visible(f"ppres: {text}"), file=sys.stderr)
