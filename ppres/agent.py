"""One rollout: a model and a world in turns, until something ends it.

The seam to any model is one callable, `Ask`: messages and tool schemas in, a `Reply` out. Whatever a model sends is kept
verbatim; what it sends wrongly is answered with an error that it can read, and counted.
"""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import Any, NamedTuple

from ppres import codec
from ppres.conversation import LIMITS, LONGEST, LOOP, Ask, Conversation, Message, ProviderError, Reply, Turn, calls_of, parts, shown
from ppres.worlds.tool import Tool
from ppres.worlds.world import World


class Rollout(NamedTuple):
    """What happened, and the world in which it ended."""

    conversation: Conversation
    world: World


async def play(ask: Ask, briefing: list[Message], world: World) -> Rollout:
    """Play one rollout to its end. `world` is changed. Raises nothing that an agent or a provider causes.

    Turns that it takes over from another rollout stand behind the briefing, and count as if they had been made here.
    """
    conversation, schemas = Conversation().after(briefing), world.schemas()
    messages, size = list(briefing), 0
    for _ in range(LIMITS["turns"] - (0 if world.interviewed else conversation.given)):
        try:
            reply = await ask(messages, schemas)
        except ProviderError as error:
            conversation.stop_reason, conversation.error, conversation.unanswered = error.stop, str(error), [*error.calls]
            return Rollout(conversation, world)
        replies = answer(world, reply.message)
        conversation.turns.append(Turn(reply.message, reply.call, replies))
        messages += [reply.message, *replies]
        size += _size([reply.message, *replies])
        conversation.stop_reason = _stop(reply, replies, world, size) or ("loop" if _loops(conversation.turns) else "")
        if conversation.stop_reason:
            return Rollout(conversation, world)
    conversation.stop_reason = "turn_limit"
    return Rollout(conversation, world)


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


def _stop(reply: Reply, replies: list[Message], world: World, size: int) -> str:
    if world.ended:
        return "ended"
    if not replies:
        return {"content_filter": "content_filter", "length": "token_limit"}.get(str(reply.call.finish_reason), "no_tool_call")
    spent = (reply.call.prompt_tokens or 0) + (reply.call.completion_tokens or 0)
    return "token_limit" if spent > LIMITS["tokens"] or size > LONGEST else ""


def _size(messages: list[Message]) -> int:
    """Characters, whatever the provider says of tokens."""
    return sum([len(value if isinstance(value, str) else codec.text(value)) for message in messages for value in message.values()])


def _loops(turns: list[Turn]) -> bool:
    """Whether the last `LOOP` messages made the same calls and were answered the same; ids and words beside them may differ."""
    if len(turns) < LOOP or not calls_of(turns[-1].message):
        return False
    *before, last = turns[-LOOP:]
    replied = [reply["content"] for reply in last.replies]
    if any([reply["content"] for reply in turn.replies] != replied for turn in reversed(before)):  # nearly always
        return False
    made = list(map(shown, calls_of(last.message)))
    return all(list(map(shown, calls_of(turn.message))) == made for turn in before)


CALLS = 128  # of one message that are carried out


def answer(world: World, message: Message) -> list[Message]:
    """Carry out the tool calls of a message, in order, and reply to each; `end_task` never keeps its siblings from running.

    Of thousands of calls the first `CALLS` are carried out, and `LONGEST` characters shown: the next request holds all replies.
    A message without calls is answered by the world's next nudge, as the user's, where it has one left.
    """
    if isinstance(said := message.get("content"), str) and said:
        world.said.append(said)
    replies: list[Message] = []
    calls, size = calls_of(message), 0
    if not calls and (nudge := world.nudge()):
        return [{"role": "user", "content": nudge}]
    for count, call in enumerate(calls, start=1):
        id, name, given = parts(call)
        content = world.call(name, given)[0] if count <= CALLS else world.pass_over(name, CALLS)
        if (size := size + len(content)) > LONGEST:
            content = f"Error: {len(content)} characters are more than can be shown at once."
        replies.append({"role": "tool", "tool_call_id": id, "content": content})
    return replies


class Replayed(NamedTuple):
    """A stored conversation, gone through again."""

    world: World
    replies: list[Message]
    """What the world says to its calls now."""


def replay(
    start: dict[str, Any],
    conversation: Conversation,
    own: Mapping[str, Tool] | None = None,
    after: Mapping[str, Any] | None = None,
) -> Replayed:
    """Carry out a conversation's calls again: the final world, and its replies. `own` are its scenario's own tools.

    Of one that takes turns over (`after` is what it was sent of that) they are the replies to its own.
    What a production harness did on real disks cannot be done again: its replies stay, and the world is read off the disks.
    """
    if conversation.left is not None:
        from ppres.worlds.disk import read_world

        kept = [reply for turn in conversation.turns for reply in turn.replies]
        return Replayed(read_world(start, conversation, own or {}), kept)
    world, said = World(start, own), conversation.said
    for message in said[: conversation.given]:
        answer(world, message)
    if after and after.get("questions"):
        world.interview(after["questions"], after["tools"])
    return Replayed(world, [reply for message in said[conversation.given :] for reply in answer(world, message)])
