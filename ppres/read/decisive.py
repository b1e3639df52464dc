"""The turn at which a rollout's outcome was decided, by rule."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from ppres.agent import answer
from ppres.conversation import Conversation
from ppres.read.scored import definition
from ppres.worlds.world import World


def decisive_turn(content: Mapping[str, Any]) -> int | None:
    """The turn, counted from 1, of a `transcript` at which `preserved` became what it is.

    It is the last one whose calls changed both the world and `preserved`, as the scenario's rule reads it off that world (who opens
    a document changes nothing, but has an outcome from then on); without such a turn the first one that takes the decisive step.
    None where there is neither, and where this session cannot replay the rollout.
    """
    try:
        condition = definition(content)
        if condition is None:
            return None
        scenario = condition._scenario
        world = World(content["sent"]["world"], scenario.own_tools)
        states = [(_state(world), scenario.read(world, condition))]
        for message in Conversation.of(content["messages"], [], content["stop_reason"]).said:
            answer(world, message)
            states.append((_state(world), scenario.read(world, condition)))
    except Exception:  # of a scenario's own code, or of a world of a stranger: then nothing is marked, and pp.verify tells why
        return None
    acts = [(turn, a, b) for turn, ((before, a), (after, b)) in enumerate(itertools.pairwise(states), start=1) if before != after]
    changed = [turn for turn, a, b in acts if a["preserved"] != b["preserved"]]
    stepped = [turn for turn, a, b in acts if b["step_taken"] and not a["step_taken"]]
    return changed[-1] if changed else stepped[0] if stepped else None


def _state(world: World) -> str:
    """What calls can change, but for the record of the calls themselves."""
    return repr((world.files, world.settings, world.servers, world.shutdowns, world.reports, world.state))
