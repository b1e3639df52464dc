"""Trying a scenario before anything is spent on it: is it deterministic, replayable and three-valued?"""

from __future__ import annotations

import copy
import itertools
import json
import random
import re
import typing
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ppres.agent import replay
from ppres.condition import FACTORS, SCENARIOS, Condition
from ppres.conversation import Conversation
from ppres.factor import ConditionError
from ppres.grid import grid
from ppres.read.outcomes import scored
from ppres.scenarios import Scenario, Scene, build
from ppres.simulated.agent import agent_in, rehearse
from ppres.simulated.personas import PersonaError, Planted
from ppres.worlds.tool import TOOLS, ScenarioError
from ppres.worlds.world import World

if TYPE_CHECKING:
    import pandas as pd

_NAME = re.compile(r"\{(?:critic|peer|subject|company|threshold)\}")
_TRIES = 60  # conversations of random calls with each condition
_ODD: tuple[Any, ...] = ("", "x" * 3000, "\x00\u202e'\"{}", "…/../a b", -1, 0, 1e14, 0.5, True, [], ["", "a"], [0, 100], None)


def check(scenario: Scenario | str) -> pd.DataFrame:
    """Play a scenario's tools with odd arguments and look for what would spoil a study: a row (what, where, problem) for each.

    `where` is the first condition with the problem, and how many more have it.

    Told are: a tool or rule that fails; a world that does not reply or end the same twice, or in a replay; a start that is changed
    by playing; an outcome that is not three-valued or has no column; a conversation in which nothing was read and yet something is
    concluded; conditions that differ in one factor and are shown the same; an act of simulated agents that cannot be played, or
    does not act the same twice; a name in braces that is not filled in. No rows: nothing was found.
    """
    import pandas as pd

    known = SCENARIOS.get(scenario) if isinstance(scenario, str) else scenario
    if not isinstance(known, Scenario):
        raise ScenarioError(f"check takes a scenario, or the name of one of {', '.join(SCENARIOS)}, not {scenario!r}")
    places: dict[tuple[str, str], dict[str, None]] = {}
    conditions = _conditions(known)
    of_conditions = itertools.chain.from_iterable(_of_condition(known, condition) for condition in conditions)
    for what, where, problem in itertools.chain(of_conditions, _of_factors(conditions), _of_act(known, conditions)):
        places.setdefault((what, problem), {})[where] = None
    rows = []
    for (what, problem), (first, *others) in places.items():
        rows.append((what, first + (f" (and {len(others)} more)" if others else ""), problem))
    return pd.DataFrame(rows, columns=["what", "where", "problem"])


def _conditions(scenario: Scenario) -> list[Condition]:
    """The scenario's cells in which one factor at a time differs from the usual."""
    usual = {"scenario": scenario}
    cells = [*grid(**usual, subject=["self", "peer"], peer=[None, "cooperative"], instantiation=["file", "memory"], explain=False)]
    for name in (*sorted(scenario.scoped), *scenario.own_factors):
        factor = FACTORS.get(name) or scenario.own_factors[name]
        if levels := [level for level in factor.valid if level is not None]:
            cells += grid(**usual, **{name: levels}, explain=False)
    return list(dict.fromkeys(cells))


def _of_condition(scenario: Scenario, condition: Condition) -> Iterator[tuple[str, str, str]]:
    where = str(condition)
    try:
        scene, again = build(condition, "Gemini"), build(condition, "Gemini")
    except (ScenarioError, ConditionError) as error:
        yield "stage", where, str(error)
        return
    if (scene.messages, scene.start) != (again.messages, again.start):
        yield "stage", where, "it does not return the same twice"
    if json.loads(json.dumps(scene.start)) != scene.start:
        yield "stage", where, "its start is not plain JSON, as it would be stored"
    if left := _NAME.search(json.dumps([scene.messages, scene.start])):
        yield "stage", where, f"an agent is shown {left[0]!r} as it stands: a stage takes names from cast, as in cast.subject"
    yield from _of_verdict(scenario, condition, scene.world(), where)
    before = copy.deepcopy(scene.start)
    for seed in range(_TRIES):
        yield from _of_conversation(condition, scene, random.Random(f"{where}{seed}"), where)
    if scene.start != before:
        yield "tools", where, "playing changes the start, which all rollouts share: copy what you take out of world.start"


def _of_verdict(scenario: Scenario, condition: Condition, world: World, where: str) -> Iterator[tuple[str, str, str]]:
    """A world in which nothing was done yet."""
    try:
        told = scenario.read(world, condition)
    except ScenarioError as error:
        yield "outcome", where, str(error)
        return
    if told.get("preserved") is not None and not told.get("read"):
        yield "outcome", where, f"nothing was read or done, and preserved is {told['preserved']}: it should be missing"


def _of_conversation(condition: Condition, scene: Scene, rng: random.Random, where: str) -> Iterator[tuple[str, str, str]]:
    """Random calls, played twice and replayed from what would be stored."""
    messages, tools = [], {**TOOLS, **scene.own}
    for turn in range(rng.randint(1, 6)):
        name = rng.choice(scene.start["tools"])
        tool = tools[name]
        given = {key: _value(hint, rng) for key, hint in tool.parameters.items() if key not in tool.optional or rng.random() < 0.5}
        function = {"name": name, "arguments": json.dumps(given)}
        call = {"id": f"call_{turn}", "type": "function", "function": function}
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
    conversation = Conversation.of(messages, [], "ended")
    try:
        first, second = (replay(scene.start, conversation, scene.own) for _ in range(2))
    except ScenarioError as error:
        yield "tools", where, str(error)
        return
    if first.replies != second.replies:
        yield "tools", where, "the world does not reply the same to the same calls"
    try:
        if scored(conversation, condition, first.world) != scored(conversation, condition, second.world):
            yield "outcome", where, "the same calls have not the same outcome"
        json.dumps(first.world.state)
    except ScenarioError as error:
        yield "outcome", where, str(error)
    except (TypeError, ValueError) as error:
        yield "tools", where, f"world.state is not plain JSON: {error}"


def _value(hint: Any, rng: random.Random) -> Any:
    """An argument of a type, often an odd one."""
    if typing.get_origin(hint) is typing.Literal:
        return rng.choice(typing.get_args(hint))
    makers: dict[Any, Callable[[], Any]] = {
        str: lambda: rng.choice([odd for odd in _ODD if isinstance(odd, str)] + ["a", "1", "notes.md"]),
        float: lambda: rng.choice([-1, 0, 0.5, 50, 100, 1e14]),
        int: lambda: rng.choice([-1, 0, 1, 10**14]),
        bool: lambda: rng.random() < 0.5,
        list[str]: lambda: rng.choice([[], [""], ["a", "a"], ["x"] * 200]),
        list[float]: lambda: rng.choice([[], [0], [100, 50.5], [1.0] * 200]),
        list[int]: lambda: rng.choice([[], [0], [1, 1], [3] * 200]),
    }
    return makers.get(hint, lambda: rng.choice(_ODD))()


def _of_factors(conditions: Iterable[Condition]) -> Iterator[tuple[str, str, str]]:
    """Conditions of one factor's levels, which must not be shown the same."""
    seen: dict[str, Condition] = {}
    for condition in conditions:
        try:
            scene = build(condition, "Gemini")
        except (ScenarioError, ConditionError):  # told above
            continue
        shown = json.dumps([scene.messages, scene.start], sort_keys=True)
        if shown in seen:
            yield (
                "stage",
                f"{seen[shown]} and {condition}",
                "an agent is shown the same in both: the stage does not use a factor",
            )
        seen[shown] = condition


def _of_act(scenario: Scenario, conditions: Iterable[Condition]) -> Iterator[tuple[str, str, str]]:
    """Simulated agents that always, never and half the time do it."""
    if scenario.act is None:
        return
    for condition, rate in itertools.product(conditions, (0.0, 0.5, 1.0)):
        rates = Planted("check", ((condition.behaviour, rate), ("refusal", 0.0)))
        try:
            scene = build(condition, "Gemini")
            first, second = (rehearse(agent_in(condition, rates, "0"), scene.messages, scene.world()) for _ in "ab")
            replies = [str(reply["content"]) for turn in first.turns for reply in turn.replies]
            if wrong := next((text for text in replies if text.startswith("Error: ")), None):
                yield "act", str(condition), f"a call of the simulated agent fails: {wrong[7:]}"
            if first != second:
                yield "act", str(condition), "the same seed does not act the same twice: take all chance from mind.rng"
        except (ScenarioError, ConditionError, PersonaError) as error:
            yield "act", str(condition), str(error)
