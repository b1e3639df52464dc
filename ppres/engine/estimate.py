"""What a study will cost: from stored rollouts of the same model and scenario, else from the rendered prompts.

A harness sends its own prompt and tools with every call, ours the world's tools: these are most of what a rollout takes.
"""

from __future__ import annotations

import functools
import json
import math
import statistics
import warnings
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from ppres.condition import Condition
from ppres.conversation import UNFINISHED, counts
from ppres.models.budget import Usage
from ppres.models.usage import size
from ppres.read.frame import stored_cell
from ppres.read.scored import CellOutcomes, outcomes_of, tell
from ppres.scenarios import build
from ppres.simulated.agent import SIMULATED, agent_in, rehearse
from ppres.simulated.personas import Planted
from ppres.store.cell import Cell, driven
from ppres.store.rows import StoredCell
from ppres.store.store import Store

# Straight, in a hurry, and lost: between them a rollout's length is guessed before there is any.
_GUESSERS = ("compliant", "refuser", "clumsy")
_TURNS = 6  # of a rollout of which nothing else is known
_SAID = 300  # tokens of a message of which nothing else is known
_ENOUGH = 5  # stored rollouts from which they say more than a guess


RENDERED = "rendered prompts"
HARNESSED = "rendered prompts with the harness's own, half to twice the calls of our loop"
AFTER = "the past that is sent with each question, or each turn that is left"
SIZES = "sizes of prompt and world alone: the scenario has no act"


@dataclass(frozen=True)
class Expected:
    """Usage of a rollout before it is made."""

    mean: Usage
    known: Sequence[Usage]
    """Of stored rollouts of the same model and scenario; or of a few guesses."""
    basis: str
    completed: float = 1.0
    """The share of those stored rollouts that were completed."""
    guessed: bool = False
    """Whether these are guesses, or of other models: then their range is all that is known."""

    @property
    def per_completed(self) -> float:
        """Dollars for a completed rollout, with those that come to nothing."""
        return self.mean.dollars / self.completed if self.completed else math.nan

    def spread(self, name: str, missing: int) -> tuple[float, float]:
        """Low and high of the total of `missing` rollouts: a 95% prediction interval from stored ones, else the guesses' range."""
        least, most, mean, around = self._of_one[name]
        if self.guessed or math.isnan(mean):
            return missing * least, missing * most
        total, wide = missing * mean, around * math.sqrt(missing * (1 + missing / len(self.known)))
        return max(0.0, total - wide), total + wide

    @functools.cached_property
    def _of_one(self) -> dict[str, tuple[float, float, float, float]]:
        """Tokens and dollars of one rollout: least, most, mean, and where stored ones tell half the width of its interval.

        Once, however many cells expect the same: an exact deviation is slow. NaN where one is not known.
        """
        told = {}
        for name in ("tokens", "dollars"):
            values = [float(getattr(usage, name)) for usage in self.known]
            least, most, mean, around = min(values), max(values), statistics.fmean(values), math.nan
            if math.isnan(mean):
                least = most = math.nan
            elif not self.guessed:
                from scipy.stats import t

                around = float(t.ppf(0.975, len(values) - 1)) * statistics.stdev(values)
            told[name] = least, most, mean, around
        return told


@dataclass
class _Stored:
    """Rollouts of a model and scenario that are stored."""

    used: list[list[float]] = field(default_factory=list)
    """The fields of `Usage` of each; NaN for what is not known."""
    done: list[bool] = field(default_factory=list)
    """Whether each was completed."""
    told: dict[str, Expected] = field(default_factory=dict)
    """What to expect, by what had to be guessed."""

    @functools.cached_property
    def silent(self) -> list[bool]:
        """Of which numbers no rollout says anything."""
        return [all(map(math.isnan, column)) for column in zip(*self.used, strict=True)]

    def expected(self, guess: Usage | None) -> Expected:
        """Once for all cells that guess the same, or nothing: for each of them all that is stored would be gone through."""
        filling = [value if silent else 0 for value, silent in zip(guess or (0, 0, 0, 0), self.silent, strict=True)]
        same = repr(filling)  # in which a number that is none is the same as another
        if same not in self.told:
            self.told[same] = _of_stored(self.used, self.done, Usage(*filling))
        return self.told[same]


def expectations(store: Store, cells: Sequence[Cell]) -> dict[bytes, Expected]:
    """For each cell what a rollout in it is expected to take: from stored rollouts of its model and scenario, else a guess."""
    wanted = {driven(cell.model).label for cell in cells if not cell.model.simulated}
    harnesses = {cell.stored().harness for cell in cells if cell.model.harness}
    known: defaultdict[tuple[str, ...], _Stored] = defaultdict(_Stored)
    alike: dict[tuple[str, ...], dict[bool, list[list[float]]]] = {}  # of any model in a harness, those of simulated agents apart
    for digest in store.cells() if wanted else ():
        stored = stored_cell(store, digest)
        if stored.problem:  # an estimate can do without
            warnings.warn(f"left out of the estimate: {stored.problem}", stacklevel=4)
        elif (stored.model in wanted or stored.harness in harnesses) and not stored.after:
            scored, same = outcomes_of(store, stored), _same(stored)
            used = _used(scored)
            known[same].used += used
            known[same].done += _completed(scored)
            if stored.harness in harnesses:
                alike.setdefault(same[1:], {}).setdefault(stored.source in SIMULATED, []).extend(used)
            tell(scored.problems, stacklevel=4)
    distinct = {cell.digest: cell for cell in cells}.values()
    expected = {}
    for cell in distinct:
        same = _same(cell.stored()) if wanted else ()
        in_harness = alike.get(same[1:], {})
        others = in_harness.get(False) or in_harness.get(True, [])
        expected[cell.digest] = _expected(cell, known[same], others)
    return expected


def _same(cell: StoredCell) -> tuple[str, ...]:
    """What cells share of which the stored rollouts tell what to expect of each other's."""
    return str(cell.model), str(cell.harness), cell.scenario


def _used(scored: CellOutcomes) -> list[list[float]]:
    """The fields of `Usage` of the rollouts that came to an end; NaN for what is not known."""
    taken = zip(*(scored.column(name) for name in ("turns", "prompt_tokens", "completion_tokens", "cost")), strict=True)
    ended = [numbers for numbers, stop in zip(taken, scored.column("stop_reason"), strict=True) if stop not in UNFINISHED]
    return [[number if counts(number) else math.nan for number in numbers] for numbers in ended if counts(numbers[0])]


def _completed(scored: CellOutcomes) -> list[bool]:
    """Whether the rollouts that came to an end were completed."""
    ended = zip(scored.column("completed"), scored.column("stop_reason"), strict=True)
    return [bool(completed) for completed, stop in ended if stop not in UNFINISHED]


def _expected(cell: Cell, stored: _Stored, others: list[list[float]]) -> Expected:
    if cell.scene.after:
        return _expected_after(cell, stored.used)
    enough = len(stored.used) >= _ENOUGH
    if enough and not any(stored.silent):
        return stored.expected(None)
    each, guesses = 0 if cell.model.simulated else _each_call(cell), []
    for calls, told, completion in _dry_runs(cell.condition, cell.model.critic_family):
        prompt = told + round(calls * each)
        guesses.append(Usage(calls, prompt, completion, _dollars(cell, prompt, completion)))
    if enough:
        return stored.expected(guesses[0])
    if cell.model.harness:  # whose loop is another
        guesses += [Usage(*(value * share for value in guesses[0])) for share in (0.5, 2)]
    if others:
        seen = _of_stored([[*row[:3], _dollars(cell, *row[1:3])] for row in others], [True], guesses[0])
        return Expected(seen.mean, [*guesses, *seen.known], f"stored rollouts in the same harness: {len(others)}", guessed=True)
    basis = SIZES if not cell.condition._scenario.act else HARNESSED if cell.model.harness else RENDERED
    return Expected(guesses[0], guesses, basis, guessed=True)


def _each_call(cell: Cell) -> float:
    """Tokens that every call has besides its messages: the tools, and a harness's own prompt."""
    own = cell.model.identity() if cell.model.harness else {}
    tools = own.get("tools") or cell.scene.world().schemas()
    return (len(own.get("system", "")) + len(json.dumps(tools))) / 4


def _dollars(cell: Cell, prompt: float, completion: float) -> float:
    price = cell.model.price(prompt, completion)
    return math.nan if price is None else price


def _of_stored(used: list[list[float]], done: list[bool], guess: Usage) -> Expected:
    """By stored rollouts: what a provider left unsaid is the mean of what it said, or the guess where it said nothing."""
    told = [[value for value in column if not math.isnan(value)] for column in zip(*used, strict=True)]
    mean = Usage(*(statistics.fmean(values) if values else value for values, value in zip(told, guess, strict=True)))
    known = [Usage(*(usual if math.isnan(value) else value for value, usual in zip(usage, mean, strict=True))) for usage in used]
    return Expected(mean, known, f"{len(used)} stored rollouts", statistics.fmean(done))


def _expected_after(cell: Cell, used: list[list[float]]) -> Expected:
    """Each question of an interview, or each turn that is left of a usual rollout, with the whole past as its prompt."""
    after, turns = cell.scene.after, statistics.fmean([row[0] for row in used]) if used else _TURNS
    calls = len(after.get("questions", ())) or max(1, round(turns) - after["turn"] + 1)
    each = 0 if cell.model.simulated else _each_call(cell)
    prompt, completion = calls * (size(cell.scene.opening) + each), calls * _SAID
    mean = Usage(calls, prompt, completion, _dollars(cell, prompt, completion))
    return Expected(mean, [mean], AFTER, guessed=True)


@functools.lru_cache(maxsize=8192)
def _dry_runs(condition: Condition, family: str) -> list[tuple[int, int, int]]:
    """Calls, prompt and completion tokens of simulated rollouts of the cell; of sizes alone where there is no such agent."""
    scene, sizes = build(condition, family), []
    if condition._scenario.act is None:
        told = (size(scene.messages) + len(json.dumps(scene.start)) / 4) * _TURNS
        return [(_TURNS, round(told), 100 * _TURNS), (2, round(told / 4), 200), (3 * _TURNS, round(9 * told), 300 * _TURNS)]
    for persona in _GUESSERS:
        rates = Planted(persona, ((condition.behaviour, 0.0), ("refusal", float(persona == "refuser"))))
        turns = rehearse(agent_in(condition, rates, "0"), scene.messages, scene.world()).turns
        prompt = sum(turn.call.prompt_tokens or 0 for turn in turns)
        completion = sum(turn.call.completion_tokens or 0 for turn in turns)
        sizes.append((len(turns), prompt, completion))
    return sizes
