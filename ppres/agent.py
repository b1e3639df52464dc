"""One rollout: a model and a world in turns, until something ends it.

The seam to any model is one callable, `Ask`: messages and tool schemas in, a `Reply` out. Whatever a model sends is kept
verbatim; what it sends wrongly is answered with an error that it can read, and counted.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from ppres.world import World

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


@dataclass
class Rollout:
    """What happened, from the first assistant message on."""

    world: World
    messages: list[Message] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    stop_reason: str = ""
    error: str | None = None
    """Of the provider, where it ended the rollout."""


async def play(ask: Ask, briefing: list[Message], world: World) -> Rollout:
    """Play one rollout to its end. `world` is changed. Raises nothing that an agent or a provider causes."""
    rollout, schemas = Rollout(world), world.schemas()
    messages = list(briefing)
    for _ in range(LIMITS["turns"]):
        try:
            reply = await ask(messages, schemas)
        except ProviderError as error:
            rollout.stop_reason, rollout.error = error.stop, str(error)
            return rollout
        answers = answer(world, reply.message)
        rollout.calls.append(reply.call)
        for message in (reply.message, *answers):
            rollout.messages.append(message)
            messages.append(message)
        rollout.stop_reason = _stop(reply, world)
        if rollout.stop_reason:
            return rollout
    rollout.stop_reason = "turn_limit"
    return rollout


def drive(rollout: Coroutine[Any, Any, Rollout]) -> Rollout:
    """Play a rollout that waits for nothing, without an event loop."""
    try:
        rollout.send(None)
    except StopIteration as end:
        played: Rollout = end.value
        return played
    finally:
        rollout.close()
    raise RuntimeError("a simulated rollout waited for something")


def _stop(reply: Reply, world: World) -> str:
    if world.ended:
        return "ended"
    if not reply.message.get("tool_calls"):
        return {"content_filter": "content_filter", "length": "token_limit"}.get(
            str(reply.call.get("finish_reason")), "no_tool_call"
        )
    spent = (reply.call.get("prompt_tokens") or 0) + (reply.call.get("completion_tokens") or 0)
    return "token_limit" if spent > LIMITS["tokens"] else ""


def answer(world: World, message: Message) -> list[Message]:
    """Carry out every tool call of a message, in order, and reply to each; `end_task` never keeps its siblings from running."""
    replies = []
    for call in message.get("tool_calls") or ():
        id, name, given = parts(call)
        replies.append({"role": "tool", "tool_call_id": id, "content": world.call(name, given)[0]})
    return replies


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


def replay(start: dict[str, Any], messages: list[Message]) -> World:
    """The final world of a stored conversation."""
    world = World(start)
    for message in messages:
        if message["role"] == "assistant":
            answer(world, message)
    return world


def answers(start: dict[str, Any], messages: list[Message]) -> list[Message]:
    """The tool messages that a world gives to a stored conversation's calls."""
    world = World(start)
    return [reply for message in messages if message["role"] == "assistant" for reply in answer(world, message)]
