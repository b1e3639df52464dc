"""Keeping within a budget."""

from __future__ import annotations

import asyncio
import math
from typing import Any, NamedTuple

from ppres import arguments
from ppres.conversation import Call, Message, ProviderError, Reply
from ppres.models.faults import Cut, ModelError
from ppres.models.model import Model
from ppres.models.transport import say
from ppres.models.usage import size

_LOOK_AGAIN = 0.05  # seconds between looks at what came free


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


class Meter:
    """Counts what is spent, and says what may still be started under a budget (US dollars) and a limit of tokens."""

    def __init__(self, budget: float | None = None, max_tokens: float | None = None):
        self.budget, self.max_tokens = arguments.limit("budget", budget), arguments.limit("max_tokens", max_tokens)
        self.dollars = self.tokens = 0.0
        self.estimated = 0.0
        """Those of the tokens that are an estimate, for calls that got no answer."""
        self.refused = 0
        """Rollouts that were not started, or paused."""
        self._open: dict[object, tuple[float, float]] = {}
        self._told: set[str] = set()
        self._costed: set[str] = set()
        """Models of which calls have cost something, whether by a price or as their provider told it."""

    def left(self) -> tuple[float, float]:
        """Dollars and tokens that are neither spent nor set aside; infinite without a limit."""
        dollars, tokens = (sum(amounts[i] for amounts in self._open.values()) for i in (0, 1))
        return self.budget - self.dollars - dollars, self.max_tokens - self.tokens - tokens

    def reserve(self, what: object, model: Model, usage: Usage, most: float = 1.0) -> tuple[float, float] | None:
        """Set aside what a rollout or a call is expected to take, up to `most` times as much; what was set aside, or None where
        not even the expected fits."""
        dollars, tokens = self.left()
        if math.isnan(usage.dollars):
            if self.budget < math.inf and self._news(f"unpriced {model.name}"):
                unpriced = f"litellm knows no price for {model.name}: the budget does not bind it unless its provider tells"
                say(f"{unpriced} what calls cost (max_tokens does)")  # no warning, which `-W error` would have end the run
            dollars = 0.0 if self.spent(model) else math.inf
        if usage.dollars > dollars or not dollars or usage.tokens > tokens:
            return None
        share = [
            math.inf if free == math.inf else min(most * need, free)
            for need, free in ((usage.dollars, dollars), (usage.tokens, tokens))
        ]
        aside = [0.0 if limit == math.inf else limit for limit in share]  # of what has no limit nothing needs to be
        self._open[what] = aside[0], aside[1]
        return share[0], share[1]

    async def room(self, what: object, model: Model, usage: Usage, most: float = 1.0) -> tuple[float, float] | None:
        """`reserve`, waiting while what others have set aside may come free; None, and counted, where it cannot fit any more."""
        while not (reserved := self.reserve(what, model, usage, most)):
            if self.spent(model) or not self._open:
                self.refused += 1
                return None
            await asyncio.sleep(_LOOK_AGAIN)
        return reserved

    def release(self, what: object) -> None:
        """What was set aside is free again."""
        self._open.pop(what, None)

    async def ask(self, what: object, model: Model, messages: list[Message], schemas: list[dict[str, Any]], **more: Any) -> Reply:
        """Ask a model, and count what that took, also where no answer came of it. Raises what `model.ask` does, and pauses it where
        the budget is spent by attempts that give no answer."""
        charged = 0

        def charge(calls: tuple[Call, ...]) -> None:
            nonlocal charged
            charged += len(calls)
            self._charge(what, calls, model, messages, schemas)
            if self.spent(model):
                raise ProviderError("the budget was spent", "budget")

        if isinstance(model, Model):  # nobody else tries again
            more["charge"] = charge
        try:
            reply = await model.ask(messages, schemas, **more)
        except (ProviderError, ModelError, Cut) as error:
            self._charge(what, error.calls[charged:], model, messages, schemas)
            raise
        self._charge(what, reply.call.empty_replies[charged:], model, messages, schemas)
        self._charge(what, (reply.call,), model, messages, schemas, [reply.message])
        return reply

    def _charge(
        self,
        what: object,
        calls: tuple[Call, ...],
        model: Model,
        messages: list[Message],
        schemas: list[dict[str, Any]],
        said: list[Message] | None = None,
    ) -> None:
        """Count calls. What the provider does not tell of one is estimated, and so is a price of nothing for what has a price."""
        for call in calls:
            if call.prompt_tokens is None and self._news(f"untold {model.name}"):
                say(f"{model.name} does not tell how many tokens it takes: limits count them by the length of its texts")
            prompt = size(messages, schemas) if call.prompt_tokens is None else call.prompt_tokens
            completion = size(said or []) if call.completion_tokens is None else call.completion_tokens
            self.estimated += prompt + completion if call.estimated else 0
            self.add(what, model, call.cost or model.price(prompt, completion) or 0.0, prompt + completion)

    def add(self, what: object, model: Model, dollars: float, tokens: float) -> None:
        """Count what was spent; what was set aside for `what` shrinks by it."""
        if dollars:
            self._costed.add(model.name)
        self.dollars, self.tokens = self.dollars + dollars, self.tokens + tokens
        if what in self._open:
            left = self._open[what]
            self._open[what] = (max(0.0, left[0] - dollars), max(0.0, left[1] - tokens))

    def __str__(self) -> str:
        estimated = f", {self.estimated:,.0f} of them by estimate for calls without an answer" if self.estimated else ""
        return f"${self.dollars:.4f} and {self.tokens:,.0f} tokens spent{estimated}"

    @property
    def bounded(self) -> bool:
        """Whether there is a limit at all."""
        return min(self.budget, self.max_tokens) < math.inf

    def binds(self, model: Model) -> bool:
        """Whether a limit binds the model: dollars bind only what has a price, or of which a cost was told."""
        return self.max_tokens < math.inf or (self.budget < math.inf and self._priced(model))

    def spent(self, model: Model) -> bool:
        """Whether a limit that binds the model is reached."""
        return self.tokens >= self.max_tokens or (self.dollars >= self.budget and self._priced(model))

    def _priced(self, model: Model) -> bool:
        return model.name in self._costed or model.price(1e6, 1e6) is not None

    def _news(self, what: str) -> bool:
        """Whether there is a limit, and nobody was told of this."""
        if not self.bounded or what in self._told:
            return False
        self._told.add(what)
        return True
