"""What a conversation is kept as: messages in OpenAI's format, replies, and the ways in which a rollout stops.

Whatever a model sends is kept verbatim, and read here however wrong it is.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

# Part of every rollout's identity: a rollout cut off at another place is another rollout. 30 turns as in the paper's harness.
LIMITS = {"turns": 30, "tokens": 120_000}

STOPS = {
    "ended": "the agent called end_task",
    "no_tool_call": "a message without a tool call",
    "turn_limit": f"{LIMITS['turns']} turns without an end",
    "token_limit": f"a conversation of more than {LIMITS['tokens']} tokens, or a reply cut off at its limit",
    "content_filter": "the provider withheld the reply",
    "provider_error": "the provider failed for good; the next run tries again",
    "budget": "the budget was spent; the next run goes on",
}
# The agent itself came to an end; after any other stop it is not known what it would have done.
FINISHED = ("ended", "no_tool_call")
# Nothing was learnt about the agent, so a later run replaces the rollout.
UNFINISHED = ("provider_error", "budget")

Message = dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """A model's answer to one call."""

    message: Message
    """The assistant message in OpenAI format, as received."""
    call: dict[str, Any]
    """About the call: prompt_tokens, completion_tokens, cost (US dollars, None where unknown), finish_reason, and what the
    provider reported of itself."""


Ask = Callable[[list[Message], list[dict[str, Any]]], Awaitable[Reply]]


class ProviderError(Exception):
    """A conversation cannot go on: the transport failed through every attempt, or the provider will not answer.

    `stop` is the rollout's stop reason.
    """

    def __init__(self, text: str, stop: str = "provider_error"):
        super().__init__(text)
        self.stop = stop


def parts(call: Any) -> tuple[Any, str, Any]:
    """Id, tool name and arguments of a call, whatever a model sent in its place."""
    call = call if isinstance(call, dict) else {}
    function = call.get("function")
    function = function if isinstance(function, dict) else {}
    return call.get("id"), str(function.get("name") or ""), arguments(function.get("arguments"))


def refusal_field(message: Message) -> str | None:
    """What a provider puts into a field of its own where the model declines."""
    found = message.get("refusal") or (message.get("provider_specific_fields") or {}).get("refusal")
    return str(found) if found else None


def shown(call: Any) -> str:
    """A call as it was sent, for a person or a judge to read."""
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict):
        return str(call)
    raw = function.get("arguments")
    return f"{function.get('name')}({raw if isinstance(raw, str) else json.dumps(raw)})"


def arguments(raw: Any) -> Any:
    """The arguments of a call; None where they are not JSON, which every tool answers with an error."""
    if not isinstance(raw, str):
        return {} if raw is None else raw
    if raw in ("{}", ""):
        return {}
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None
