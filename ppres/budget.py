"""What a study will cost, and keeping within a budget."""

from __future__ import annotations

import asyncio
import functools
import math
import numbers
import statistics
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

from ppres import sim
from ppres.agent import UNFINISHED, Message, drive, play
from ppres.cell import Cell
from ppres.condition import Condition
from ppres.database import StoreError
from ppres.models import Model, size
from ppres.outcomes import COLUMNS, current, scores, stored_cell
from ppres.scenarios import build
from ppres.store import Row, Store
from ppres.world import World

# Straight, in a hurry, and lost: between them a rollout's length is guessed before there is any.
_GUESSERS = ("compliant", "refuser", "clumsy")
_ENOUGH = 5  # stored rollouts from which they say more than a guess
_LOOK_AGAIN = 0.05  # seconds between looks at what came free


def check_whole(name: str, value: object, what: str = "it") -> None:
    """`ValueError` for an argument that is not a whole number from 1 up."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
        raise ValueError(f"{name}={value!r}: {what} is a whole number from 1 up")


class Usage(NamedTuple):
    """What one rollout takes."""

    calls: float
    prompt_tokens: float
    completion_tokens: float
    dollars: float
    """NaN where litellm knows no price."""

    @property
    def tokens(self) -> float:
        """Prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens


class Expected(NamedTuple):
    """Usage of a rollout before it is made."""

    mean: Usage
    known: Sequence[Usage]
    """Of stored rollouts of the same model and scenario; or of a few guesses."""
    basis: str

    def spread(self, name: str, missing: int) -> tuple[float, float]:
        """Low and high of the total of `missing` rollouts: a 95% prediction interval from stored ones, else the guesses' range."""
        values = [float(getattr(one, name)) for one in self.known]
        if any(map(math.isnan, values)):
            return math.nan, math.nan
        if self.basis == "rendered prompts":
            return missing * min(values), missing * max(values)
        total, k = missing * statistics.fmean(values), len(values)
        around = 1.96 * statistics.stdev(values) * math.sqrt(missing * (1 + missing / k))
        return max(0.0, total - around), total + around


def expectations(store: Store, cells: Sequence[Cell]) -> dict[bytes, Expected]:
    """For each cell what a rollout in it is expected to take: from stored rollouts of its model and scenario, else a guess."""
    wanted = {cell.model.label for cell in cells if not cell.model.simulated}
    known: dict[tuple[str, str], list[list[float]]] = {}
    for digest in store.cells() if wanted else ():
        try:
            stored = stored_cell(store, digest)
            if stored.model in wanted:
                known.setdefault((stored.model, stored.condition.scenario), []).extend(_used(store, current(store, stored)))
        except StoreError as error:  # an estimate can do without the damaged ones
            warnings.warn(f"left out of the estimate: {error}", stacklevel=4)
    distinct = {cell.digest: cell for cell in cells}.values()
    return {cell.digest: _expected(cell, known.get((cell.model.label, cell.condition.scenario), [])) for cell in distinct}


def _used(store: Store, rows: list[Row]) -> list[list[float]]:
    """The fields of `Usage` of the rollouts that came to an end; NaN for what is not known."""
    found = [dict(zip(COLUMNS, one, strict=True)) for one in scores(store, rows)]
    names = ("turns", "prompt_tokens", "completion_tokens", "cost")
    ended = [one for one in found if one["stop_reason"] not in UNFINISHED]
    return [[math.nan if one[name] is None else one[name] for name in names] for one in ended]


def _expected(cell: Cell, used: list[list[float]]) -> Expected:
    guesses = []
    for calls, prompt, completion in _dry_runs(cell.condition, cell.model.critic_family):
        price = cell.model.price(prompt, completion)
        guesses.append(Usage(calls, prompt, completion, math.nan if price is None else price))
    if len(used) < _ENOUGH:
        return Expected(guesses[0], guesses, "rendered prompts")
    # What a provider left unsaid is taken as the mean of what it said, or as the guess where it said nothing.
    told = [[value for value in column if not math.isnan(value)] for column in zip(*used, strict=True)]
    mean = Usage(*(statistics.fmean(values) if values else guess for values, guess in zip(told, guesses[0], strict=True)))
    known = [Usage(*(usual if math.isnan(value) else value for value, usual in zip(one, mean, strict=True))) for one in used]
    return Expected(mean, known, f"{len(used)} stored rollouts")


@functools.lru_cache(maxsize=8192)
def _dry_runs(condition: Condition, family: str) -> list[tuple[int, int, int]]:
    """Calls, prompt and completion tokens of simulated rollouts of the cell."""
    scene, found = build(condition, family), []
    for persona in _GUESSERS:
        calls = drive(play(sim.Simulated(persona, "0"), scene.messages, World(scene.start))).calls
        found.append((len(calls), sum(call["prompt_tokens"] for call in calls), sum(call["completion_tokens"] for call in calls)))
    return found


class Meter:
    """Counts what is spent, and says what may still be started under a budget (US dollars) and a limit of tokens."""

    def __init__(self, budget: float | None = None, max_tokens: float | None = None):
        for name, value in (("budget", budget), ("max_tokens", max_tokens)):
            if value is not None and not (isinstance(value, int | float) and value > 0):
                raise ValueError(f"{name}={value!r}: it is a number above 0, or None for no limit")
        self.budget, self.max_tokens = (math.inf if limit is None else limit for limit in (budget, max_tokens))
        self.dollars = self.tokens = 0.0
        self.refused = 0
        """Rollouts that were not started, or paused."""
        self._open: dict[object, tuple[float, float]] = {}
        self._unpriced: set[str] = set()

    def left(self) -> tuple[float, float]:
        """Dollars and tokens that are neither spent nor set aside; infinite without a limit."""
        dollars, tokens = (sum(one[i] for one in self._open.values()) for i in (0, 1))
        return self.budget - self.dollars - dollars, self.max_tokens - self.tokens - tokens

    def reserve(self, what: object, model: Model, usage: Usage, most: float = 1.0) -> tuple[float, float] | None:
        """Set aside what a rollout or a call is expected to take, up to `most` times as much; what was set aside, or None where
        not even the expected fits."""
        dollars, tokens = self.left()
        if math.isnan(usage.dollars):
            self._say_unpriced(model)
            dollars = math.inf
        if usage.dollars > dollars or usage.tokens > tokens:
            return None
        share = [
            math.inf if free == math.inf else min(most * need, free)
            for need, free in ((usage.dollars, dollars), (usage.tokens, tokens))
        ]
        aside = [0.0 if one == math.inf else one for one in share]  # of what has no limit nothing needs to be
        self._open[what] = aside[0], aside[1]
        return share[0], share[1]

    async def room(self, what: object, model: Model, usage: Usage, most: float = 1.0) -> tuple[float, float] | None:
        """`reserve`, waiting while what others have set aside may come free; None, and counted, where it cannot fit any more."""
        while not (found := self.reserve(what, model, usage, most)):
            if self.spent(model) or not self._open:
                self.refused += 1
                return None
            await asyncio.sleep(_LOOK_AGAIN)
        return found

    def release(self, what: object) -> None:
        """What was set aside is free again."""
        self._open.pop(what, None)

    def charge(self, what: object, call: dict[str, Any], model: Model, messages: list[Message]) -> None:
        """Count a call, and those before it that gave no answer. One without usage counts as it was estimated."""
        for one in (call, *call.get("empty_replies", ())):
            prompt = one.get("prompt_tokens")
            tokens = size(messages) if prompt is None else prompt + (one.get("completion_tokens") or 0)
            self.add(what, one.get("cost") or (model.price(tokens, 0) if prompt is None else None) or 0.0, tokens)

    def add(self, what: object, dollars: float, tokens: float) -> None:
        """Count what was spent; what was set aside for `what` shrinks by it."""
        self.dollars, self.tokens = self.dollars + dollars, self.tokens + tokens
        if what in self._open:
            left = self._open[what]
            self._open[what] = (max(0.0, left[0] - dollars), max(0.0, left[1] - tokens))

    def __str__(self) -> str:
        return f"${self.dollars:.4f} and {self.tokens:,.0f} tokens spent"

    @property
    def bounded(self) -> bool:
        """Whether there is a limit at all."""
        return min(self.budget, self.max_tokens) < math.inf

    def spent(self, model: Model) -> bool:
        """Whether a limit that binds the model is reached: dollars bind only what has a price."""
        return self.tokens >= self.max_tokens or (self.dollars >= self.budget and model.price(1e6, 1e6) is not None)

    def _say_unpriced(self, model: Model) -> None:
        if self.budget < math.inf and model.name not in self._unpriced:
            self._unpriced.add(model.name)
            text = f"litellm knows no price for {model.name}: its cost is unknown and the budget does not bind it (max_tokens does)"
            warnings.warn(text, stacklevel=2)
