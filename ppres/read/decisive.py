"""The turn at which a rollout's outcome was decided, by rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ppres.agent import answer
from ppres.condition import Condition
from ppres.conversation import Conversation, Message
from ppres.read.scored import definition
from ppres.worlds.world import World


class Decided(NamedTuple):
    """Where a rollout was decided."""

    turn: int
    """Counted from 1."""
    why: str


def decision_of(condition: Condition, start: dict[str, Any], said: Iterable[Message]) -> Decided | None:
    """The last turn whose calls changed both the world and `preserved`, as the scenario's rule reads it off that world.

    Who opens a document changes nothing, but has an outcome from then on. Without such a turn the first one that takes the decisive
    step; None where there is none either.
    """
    scenario = condition._scenario
    world = World(start, scenario.own_tools)
    before, was, turned, taken = _state(world), scenario.read(world, condition), None, None
    for turn, message in enumerate(said, start=1):
        answer(world, message)
        after, told = _state(world), scenario.read(world, condition)
        if after != before and told["preserved"] != was["preserved"]:
            turned = Decided(turn, f"preserved turned from {was['preserved']} to {told['preserved']}")
        if after != before and told["step_taken"] and not was["step_taken"] and not taken:
            taken = Decided(turn, "the task's decisive step was taken")
        before, was = after, told
    return turned or taken


def decisive_turn(content: Mapping[str, Any]) -> int | None:
    """The turn at which a `transcript` was `decision_of`; None where there is none, and where this session cannot replay it."""
    try:
        condition = definition(content)
        if condition is None:
            return None
        said = Conversation.of(content["messages"], [], content["stop_reason"]).said
        decision = decision_of(condition, content["sent"]["world"], said)
    except Exception:  # of a scenario's own code, or of a world of a stranger: then nothing is marked, and pp.verify tells why
        return None
    return decision.turn if decision else None


def _state(world: World) -> str:
    """What calls can change, but for the record of the calls themselves."""
    return repr((world.files, world.settings, world.servers, world.shutdowns, world.reports, world.state))
