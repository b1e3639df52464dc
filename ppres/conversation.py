"""What a conversation is kept as: messages in OpenAI's format, replies, and the ways in which a rollout stops.

Whatever a model sends is kept verbatim, and read here however wrong it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from ppres import codec

# Part of every rollout's identity: a rollout cut off at another place is another rollout. 30 turns as in the paper's harness.
LIMITS = {"turns": 30, "tokens": 120_000}

# Messages in a row with the same calls and the same replies until a rollout ends: who does that goes on until its turns are spent.
# No part of a rollout's identity, so that what was stored before there was such an end stays as it is.
LOOP = 6

# Characters of a conversation, and of what is replied to one message: more than so many tokens have, whoever counts them.
LONGEST = 4 * 2**20

# Values in one message, to each of which the world may reply.
VALUES = 200_000

# Runs in which a provider may fail at the same turn of a rollout until no other tries it.
TRIES = 3

STOPS = {
    "ended": "the agent called end_task",
    "no_tool_call": "a message without a tool call",
    "turn_limit": f"{LIMITS['turns']} turns without an end",
    "loop": f"{LOOP} messages in a row with the same calls and the same replies",
    "time_limit": "a production harness was still at work when its time was over",
    "token_limit": f"a conversation of more than {LIMITS['tokens']} tokens, or a reply cut off at its limit",
    "content_filter": "the provider withheld the reply",
    "provider_error": "the provider failed for good; the next run tries again",
    "rejected": f"the provider failed at the same turn in {TRIES} runs; no run tries again (pp.discard makes it anew)",
    "budget": "the budget was spent; the next run goes on",
}
# The agent itself came to an end; after any other stop it is not known what it would have done.
FINISHED = ("ended", "no_tool_call")
# Nothing was learnt about the agent, so a later run replaces the rollout.
UNFINISHED = ("provider_error", "budget")

Message = dict[str, Any]


class Call(NamedTuple):
    """What one call of a model took, and what the provider said of itself; None is what it did not say."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost: float | None = None
    """US dollars; None where no price is known."""
    finish_reason: str | None = None
    native_finish_reason: str | None = None
    """The provider's own word, where another one stands in between."""
    seconds: float | None = None
    """Of waiting for the attempt that was answered."""
    reported_model: str | None = None
    system_fingerprint: str | None = None
    provider: str | None = None
    attempts: int | None = None
    cleared: int | None = None
    """Places of the reply that held a key, and say "[secret]" now; None where there were none."""
    mended: str | None = None
    """What of the model's earlier messages was not sent back as it came, because no provider would take it."""
    estimated: str | None = None
    """Why its tokens and cost are an estimate of ours: "no answer" or "broken off"."""
    empty_replies: tuple[Call, ...] = ()
    """Calls before it that gave no answer, and were, or may have been, paid for all the same."""

    def json(self) -> dict[str, Any]:
        """What is known, as JSON."""
        known: dict[str, Any] = {name: value for name, value in zip(_CALL, self, strict=False) if value is not None}
        if self.empty_replies:
            known["empty_replies"] = [call.json() for call in self.empty_replies]
        return known

    @classmethod
    def of(cls, stored: Any) -> Call:
        """A call from its JSON; what another version kept besides is left out."""
        stored = stored if isinstance(stored, dict) else {}
        told = {name: stored[name] for name in _CALL if name in stored}
        known = {name: value for name, value in told.items() if (isinstance(value, str) if name in _WORDS else counts(value))}
        empty = stored.get("empty_replies")
        return cls(**known, empty_replies=tuple(map(cls.of, empty)) if isinstance(empty, list) else ())


def with_empty(calls: Iterable[Call]) -> list[Call]:
    """Calls, and those before each that gave no answer: all that was paid for."""
    return [paid for call in calls for paid in (call, *call.empty_replies)]


def counts(value: Any) -> bool:
    """Whether a value is a number that counts something: not below 0, nor beyond any bill, nor not finite."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e12


_CALL = Call._fields[:-1]  # all but empty_replies
_WORDS = {name for name, kind in Call.__annotations__.items() if "str" in str(kind)}


class Reply(NamedTuple):
    """A model's answer to one call."""

    message: Message
    """The assistant message in OpenAI format, as received."""
    call: Call


class Turn(NamedTuple):
    """A message of the agent, the call that gave it, and the world's reply to each of its tool calls."""

    message: Message
    call: Call
    replies: list[Message]


@dataclass(slots=True)
class Conversation:
    """A rollout from the first assistant message on, and how it stopped."""

    turns: list[Turn] = field(default_factory=list)
    stop_reason: str = ""
    """A key of `STOPS`."""
    error: str | None = None
    """The provider's, where it ended the rollout."""
    failures: int = 0
    """Runs in a row in which it did so at this turn."""
    unanswered: list[Call] = field(default_factory=list)
    """Calls after the last turn, in this run or an earlier one, that came to nothing: they may be paid for all the same."""
    given: int = 0
    """How many of the first turns were taken over from another rollout: they are no part of what is stored, nor of what it cost."""
    left: dict[str, Any] | None = None
    """Of a rollout in a production harness, what was on its disks in the end: what no tool call says."""

    @property
    def messages(self) -> list[Message]:
        """All messages in their order, the agent's and the world's."""
        return _messages(self.turns)

    @property
    def said(self) -> list[Message]:
        """The agent's own messages."""
        return [turn.message for turn in self.turns]

    def json(self) -> dict[str, Any]:
        """What is stored: messages as they came, calls (one for each assistant message), stop_reason, error, and more."""
        turns = self.turns[self.given :]
        messages, calls = _messages(turns), [turn.call.json() for turn in turns]
        kept: dict[str, Any] = {"messages": messages, "calls": calls, "stop_reason": self.stop_reason, "error": self.error}
        kept |= {"failures": self.failures} if self.failures else {}
        kept |= {"unanswered": [call.json() for call in self.unanswered]} if self.unanswered else {}
        return kept | ({} if self.left is None else {"left": self.left})

    @classmethod
    def of(
        cls,
        messages: list[Message],
        calls: list[Any],
        stop_reason: str,
        error: str | None = None,
        failures: int = 0,
        unanswered: Any = (),
        left: dict[str, Any] | None = None,
    ) -> Conversation:
        """A conversation from its JSON; where the calls are missing, as in released transcripts, nothing is known of them."""
        turns: list[Turn] = []
        for message in messages:
            if message["role"] == "assistant":
                turns.append(Turn(message, Call.of(calls[len(turns)] if len(turns) < len(calls) else None), []))
            elif turns:
                turns[-1].replies.append(message)
        lost = [Call.of(call) for call in unanswered] if isinstance(unanswered, list | tuple) else []
        return cls(turns, stop_reason, error, failures, lost, left=left)

    def after(self, messages: list[Message]) -> Conversation:
        """The whole conversation, of which this is what follows `messages`: the turns among those come first."""
        if not any(message["role"] == "assistant" for message in messages):  # nearly always
            return self
        given = Conversation.of(messages, [], "").turns
        return replace(self, turns=[*given, *self.turns], given=len(given))


def _messages(turns: list[Turn]) -> list[Message]:
    return [message for turn in turns for message in (turn.message, *turn.replies)]


def taken_over(after: Any) -> list[Message]:
    """The messages that a rollout takes over from its parent, of what it is sent as "after"; none of an ordinary one.

    They are kept as a text: what a model said may be no JSON that could be hashed. What a stranger put in its place is none.
    """
    if not isinstance(after, dict):
        return []
    try:
        messages = codec.loads(after["history"])
        return [message for message in messages if message["role"] in ("assistant", "tool", "user")]
    except (ValueError, KeyError, TypeError):
        return []


class Record(NamedTuple):
    """What is kept of a finished rollout."""

    conversation: Conversation
    created: str
    """ISO 8601, UTC."""
    provenance: dict[str, Any]
    """Versions of what made it."""


Ask = Callable[[list[Message], list[dict[str, Any]]], Awaitable[Reply]]


class ProviderError(Exception):
    """A conversation cannot go on: the transport failed through every attempt, or the provider will not answer.

    `stop` is the rollout's stop reason.
    """

    calls: tuple[Call, ...] = ()
    """Those that gave no answer, and are paid for all the same."""

    def __init__(self, text: str, stop: str = "provider_error"):
        super().__init__(text)
        self.stop = stop


def parts(call: Any) -> tuple[Any, str, Any]:
    """Id, tool name and arguments of a call, whatever a model sent in its place."""
    if not isinstance(call, dict):
        return None, "", {}
    function = call.get("function")
    if not isinstance(function, dict):
        return call.get("id"), "", {}
    name = function.get("name") or ""
    return call.get("id"), name if isinstance(name, str) else codec.text(name), arguments(function.get("arguments"))


def calls_of(message: Message) -> list[Any]:
    """A message's calls; what is no list, whatever a model sent in its place, is a call that no tool takes."""
    calls = message.get("tool_calls")
    return calls if isinstance(calls, list) else [calls] if calls else []


def said_in(message: Message) -> str:
    """The text of a message, whatever a model sent in its place."""
    content = message.get("content") or ""
    return content if isinstance(content, str) else codec.text(content)


def refusal_field(message: Message) -> str | None:
    """What a provider puts into a field of its own where the model declines."""
    specific = message.get("provider_specific_fields")
    said = message.get("refusal") or (specific.get("refusal") if isinstance(specific, dict) else None)
    return codec.text(said) if said else None


def shown(call: Any) -> str:
    """A call as it was sent, for a person or a judge to read."""
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict):
        return codec.text(call)
    raw = function.get("arguments")
    return f"{codec.text(function.get('name'))}({raw if isinstance(raw, str) else codec.dumps(raw)})"


def arguments(raw: Any) -> Any:
    """The arguments of a call; None where they are not JSON, which every tool answers with an error."""
    if not isinstance(raw, str):
        return {} if raw is None else raw
    if raw in ("{}", ""):
        return {}
    try:
        codec.check(raw)
        return _read(raw)
    except (ValueError, RecursionError):
        return None


_read = json.JSONDecoder().decode  # which json.loads looks for at each call


# Characters that a terminal obeys, or that reorder a line: all but tab and line feed; half a character as well.
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    """A text as it may be printed: what a terminal would obey is shown as a symbol (ESC as \u241b) or by its number (<U+202E>)."""
    return _UNSEEN.sub(lambda match: chr(0x2400 + ord(match[0])) if match[0] < " " else f"<U+{ord(match[0]):04X}>", text)
