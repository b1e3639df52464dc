"""Getting a reply through: which faults are worth another try, how long to wait, and how many calls at once a provider takes.

Only transport is retried. What a model says is data, however odd; what a provider refuses for good ends the rollout or the model.
"""

from __future__ import annotations

import asyncio
import email.utils
import random
import re
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from ppres.conversation import Call, ProviderError, visible
from ppres.models.environment import redact

T = TypeVar("T")

FIRST_WAIT = 0.5  # seconds before the second attempt; each further wait is twice as long, with jitter
LONGEST_WAIT = 60.0
DEADLINE = 900.0  # seconds from the first attempt after which a call is given up
EMPTY_TRIES = 5  # replies without an answer, which are paid for, until a call is given up
SILENCE = 60.0  # seconds between lines that tell a person of faults
# Statuses that another try may mend; so may errors without a status, which are about the connection.
_PASSING = {408, 409, 425, 429}


class ModelError(ValueError):
    """A model cannot be asked as given: unknown name, missing key, or rejected by its provider. The message says what to do."""


class EmptyReply(Exception):
    """The provider answered without an answer. `call` is what is known of the call: it is paid for all the same."""

    def __init__(self, text: str, call: Call):
        super().__init__(text)
        self.call = call


async def persist(attempt: Callable[[], Awaitable[T]], name: str, gate: Gate, tokens: float) -> tuple[T, int, tuple[Call, ...]]:
    """What `attempt` returns in the end, how many attempts it took, and the calls among them that gave no answer.

    `tokens` is the expected size of the call. Raises `ProviderError` where this conversation cannot go on, `ModelError` where no
    conversation with the model can. Neither shows the provider's own error behind it, which may repeat a key.
    """
    empty: tuple[Call, ...] = ()
    await gate.enter(tokens, name)
    started, tries = time.monotonic(), 1
    while True:
        began = time.monotonic()
        try:
            found = await attempt()
        except Exception as error:
            gate.leave(began, limited=_status(error) == 429, pause=_retry_after(error))
            empty += (error.call,) if isinstance(error, EmptyReply) else ()
            final = _final(error, name) or _too_late(error, name, gate, started, tries, len(empty))
            if final is error:
                raise
            if final:
                raise final from None
            if tries > 2 and gate.told + SILENCE < time.monotonic():
                gate.told = time.monotonic()
                say(f"{name} fails and is asked again, for up to {DEADLINE / 60:.0f} minutes a call: {plain(error)}")
            await asyncio.sleep(_wait(error, tries))
        except BaseException:
            gate.leave(began)
            raise
        else:
            gate.answered = time.monotonic()
            gate.leave(began, grow=True)
            return found, tries, empty
        await gate.enter(tokens, name)
        tries += 1


def _wait(error: Exception, tries: int) -> float:
    wait: float = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(tries - 1, 20)) * random.uniform(0.5, 1.0)
    return max(wait, _retry_after(error) or 0.0)


def _final(error: Exception, name: str) -> Exception | None:
    """What ends the conversation or the model after this error, or the error itself where it is ours; None: try again."""
    kinds = {kind.__name__ for kind in type(error).__mro__}  # names: litellm, which has the classes, is slow to import
    status, code = _status(error), getattr(error, "code", None)  # the provider's own code: versions of litellm class it differently
    if "ContextWindowExceededError" in kinds or code == "context_length_exceeded":
        return ProviderError(plain(error), "token_limit")
    if "ContentPolicyViolationError" in kinds or code in ("content_policy_violation", "content_filter"):
        return ProviderError(plain(error), "content_filter")
    rejected = "UnsupportedParamsError" in kinds or "insufficient_quota" in str(error) or _KEYLESS.search(str(error))
    if status in (401, 402, 403, 404) or rejected:
        return ModelError(f"{name}: {plain(error)}")
    if not {"OpenAIError", "EmptyReply", "TimeoutError"} & kinds:
        return error  # a bug of ours, not the provider's doing
    if status is not None and status < 500 and status not in _PASSING:
        return ProviderError(plain(error))
    return None


def _too_late(error: Exception, name: str, gate: Gate, started: float, tries: int, empty: int) -> Exception | None:
    """What ends a call that was tried for too long; nothing where it may be tried again."""
    text = f"{tries} attempts in {time.monotonic() - started:.0f} s, the last: {plain(error)}"
    if empty >= EMPTY_TRIES or (tries >= EMPTY_TRIES and "Invalid response object" in str(error)):  # litellm's word for it
        return ProviderError(text)
    if time.monotonic() + (_retry_after(error) or FIRST_WAIT) <= started + DEADLINE:
        return None
    if gate.answered < started:  # nobody else got through either
        return ModelError(f"{name} does not answer: {text}. Run again later; nothing that was stored is lost")
    return ProviderError(text)


def _status(error: Exception) -> int | None:
    return getattr(error, "status_code", None)


def _retry_after(error: Exception) -> float | None:
    """Seconds that the provider asks to wait: a number or a date."""
    headers = getattr(error, "litellm_response_headers", None) or getattr(getattr(error, "response", None), "headers", None) or {}
    asked = str(headers.get("retry-after"))
    try:
        return max(0.0, float(asked))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(asked).timestamp() - time.time())
    except ValueError:
        return None


class Gate:
    """How many calls a provider is asked at once: half as many after a rate limit, one more after a round of answers."""

    def __init__(self, rpm: float | None = None, tpm: float | None = None) -> None:
        self.ceiling = 16
        self.allowed = float(self.ceiling)
        self.active = 0
        self.answered = 0.0
        """When a call last succeeded."""
        self.told = float("-inf")
        """When a person was last told that calls fail."""
        self.rpm, self.tpm = rpm, tpm
        self._open_at = self._next_request = self._next_tokens = self._shrunk = 0.0
        self._waiting: list[asyncio.Future[None]] = []

    def limit(self, ceiling: int) -> None:
        """Set the most calls at once of a run."""
        if ceiling != self.ceiling:
            self.ceiling, self.allowed = ceiling, float(ceiling)

    async def enter(self, tokens: float, name: str) -> None:
        """Wait until a call may start. Raises `ModelError` where the provider asked for a pause that is too long to wait for."""
        while True:
            now = time.monotonic()
            if self._open_at > now + DEADLINE:
                raise ModelError(f"{name}: the provider asks to wait {(self._open_at - now) / 60:.0f} minutes. Run again later")
            if self._open_at > now + SILENCE and self.told + SILENCE < now:
                self.told = now
                say(f"{name}: the provider asks to wait {self._open_at - now:.0f} s")
            wait = max(self._open_at, self._next_request, self._next_tokens) - now
            if wait > 0:
                await asyncio.sleep(wait)
            elif self.active >= max(1, int(self.allowed)):
                turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._waiting.append(turn)
                try:
                    await turn
                except BaseException:
                    self._wake()  # whoever is cancelled hands its turn on
                    raise
            else:
                break
        self.active += 1
        if self.rpm:
            self._next_request = now + 60 / self.rpm
        if self.tpm:
            self._next_tokens = now + 60 * tokens / self.tpm

    def leave(self, began: float, *, grow: bool = False, limited: bool = False, pause: float | None = None) -> None:
        """A call is over. `limited`: by a rate limit; `pause`: seconds for which the provider wants no calls."""
        self.active -= 1
        now = time.monotonic()
        if limited and began >= self._shrunk:  # calls that were under way at the last one tell nothing new
            self.allowed, self._shrunk = max(1.0, self.allowed / 2), now
        if grow:
            self.allowed = min(float(self.ceiling), self.allowed + 1 / max(1.0, self.allowed))
        if pause:
            self._open_at = max(self._open_at, now + pause)
        self._wake()

    def _wake(self) -> None:
        free = max(1, int(self.allowed)) - self.active
        while self._waiting and free > 0:
            turn = self._waiting.pop(0)
            if not turn.done():
                turn.set_result(None)
                free -= 1


def plain(error: Exception) -> str:
    """An error's first line, without secrets."""
    text = str(getattr(error, "message", "") or error) or type(error).__name__
    return visible(_TOKENS.sub("[secret]", redact(text.splitlines()[0]))[:500])


_TOKENS = re.compile(r"\bsk-[\w*-]{6,}|(?i:\bbearer\s+)[^\s\"',}]+")
_KEYLESS = re.compile(
    r"(?i)missing [\w ]{0,40}(api[ _]?key|credentials)|api_key client option must be set"
)  # litellm asks nobody then


def say(text: str) -> None:
    """A line for the person at the terminal or notebook; a run goes on where nobody can be told."""
    if sys.stderr is not None:
        with suppress(OSError, ValueError):  # closed, by the shell or by whoever read it
            print(visible(f"ppres: {text}"), file=sys.stderr)
