"""Any callable as a model: an agent of one's own, a local program, another library."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ppres import arguments, codec
from ppres.conversation import Call, Message, Reply
from ppres.factor import NAME_LIMIT, brief, is_name
from ppres.models import faults, loop, redaction
from ppres.models.faults import ModelError
from ppres.models.thoughts import thoughts_apart
from ppres.models.transport import Gate
from ppres.models.usage import count


@dataclass(frozen=True, eq=False)
class FunctionModel:
    """A function as a model to run: `pp.FunctionModel("echo", function, version="1")`.

    `function(messages, tools)`, sync or async, is given the conversation and the tools' schemas in OpenAI format, and returns the
    assistant message: a mapping with `content` or `tool_calls`, or a text. A key `usage` of it may say prompt_tokens,
    completion_tokens and cost (US dollars). A rollout is known by name and version: give changed code another version. What
    the function raises ends the model, not the study. Its rollouts have the source "function".
    """

    name: str
    function: Callable[[list[Message], list[dict[str, Any]]], Any]
    version: str
    family: str = "AI"
    """What the agents are called in the story: "AI" for "AI Agent 1"."""

    simulated = False
    source = "function"
    harness = None

    def __post_init__(self) -> None:
        for name in ("name", "version", "family"):
            value = getattr(self, name)
            if not is_name(value):
                raise ModelError(f"{name}={brief(value)}: it is one line of 1 to {NAME_LIMIT} whole characters, not blank")
        arguments.function(f"{self.name}: function", self.function, "messages, tools", ModelError, asynchronous=True)

    @property
    def label(self) -> str:
        """Name in the frame."""
        return f"function/{self.name}@{self.version}"

    @property
    def critic_family(self) -> str:
        """The family that the story gives the model."""
        return self.family

    @cached_property
    def gate(self) -> Gate:
        """How many calls it takes at once."""
        return Gate()

    def __reduce__(self) -> tuple[Any, ...]:
        return FunctionModel, (self.name, self.function, self.version, self.family)  # a gate stays in its process

    def sent(self) -> dict[str, Any]:
        """What identifies the model's side of a rollout."""
        return {"model": self.label, "parameters": {}}

    def check(self) -> None:
        """It can always be asked."""

    def check_key(self) -> None:
        """It needs no key; what those in the environment are is looked up again, since its replies are cleared of them."""
        redaction.read()

    def price(self, *_: float) -> None:
        """Unknown."""

    async def ask(self, messages: list[Message], schemas: list[dict[str, Any]], *, tool_choice: str = "auto", **_: Any) -> Reply:
        """Ask the function once. Raises `ModelError` where it fails or returns no message."""
        given = (
            [codec.loads(codec.dumps(m)) for m in messages],
            [codec.loads(codec.dumps(s)) for s in schemas if tool_choice != "none"],
        )  # it may change what it is given
        try:
            told = await loop.theirs(self.function, *given)
        except Exception as error:
            raise ModelError(f"{self.label}: its function failed: {type(error).__name__}: {_words(error)}") from error
        try:
            return self._reply(told)
        except ModelError:
            raise
        except BaseException as error:  # what it returned has code of its own
            raise ModelError(f"{self.label}: its function's message failed: {type(error).__name__}: {_words(error)}") from error

    def _reply(self, told: Any) -> Reply:
        """What a function returned, as it is kept: without keys, which one that asks a provider hands on."""
        message = {"content": told} if isinstance(told, str) else told
        if not isinstance(message, dict) or not ("content" in message or "tool_calls" in message):
            told = f"its function returned a {type(message).__name__}"
            raise ModelError(f"{self.label}: {told}; it returns a mapping with content or tool_calls, or a text")
        told_usage = message.get("usage")
        usage = told_usage if isinstance(told_usage, dict) else {}
        try:  # as it will be read again, which it may change no more
            given = codec.dumps({key: value for key, value in message.items() if key != "usage"})
            kept = thoughts_apart(codec.loads(cleared := redaction.redact(given)))
        except (TypeError, ValueError) as error:
            raise ModelError(f"{self.label}: its function returned a message that is no JSON: {error}") from error
        told = {name: arguments.number(usage.get(name)) for name in ("prompt_tokens", "completion_tokens", "cost")}
        call = Call.of(told | {name: whole for name in told if "tokens" in name and (whole := count(told[name])) is not None})
        places = cleared.count(redaction.MARK) - given.count(redaction.MARK)
        call = call._replace(cleared=places or None, finish_reason="tool_calls" if kept.get("tool_calls") else "stop")
        return Reply({"content": None} | kept | {"role": "assistant"}, call)


def _words(error: BaseException) -> str:
    """An error of somebody else's code in words; it may fail at those as well."""
    with contextlib.suppress(BaseException):
        return faults.plain(error)
    return ""
