"""One rollout: a model and a world in turns, until something ends it.

The seam to any model is one callable, `Ask`: messages and tool schemas in, a `Reply` out. Whatever a model sends is kept
verbatim; what it sends wrongly is answered with an error that it can read, and counted.
"""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from ppres.conversation import LIMITS, Ask, Message, ProviderError, Reply, parts
from ppres.worlds.world import World


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
