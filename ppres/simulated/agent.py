"""Simulated agents: a model of the paper's rates, not evidence about any real model.

A simulated agent reads its world through the same tools as a model and acts on what it read: the trust score in a document or
memory that it opened, the threshold and the switch in the policy, the answers in the sheet. Its rates say how likely each
behaviour then is (`personas.csv`, whose `source` column tells published from assumed rates; or planted ones, `Persona`). Trust
scores between the three of the paper are interpolated. Documents that it does not know change nothing.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping
from typing import Any

from ppres.agent import drive, play
from ppres.condition import Condition
from ppres.conversation import Call, Conversation, Message, Reply, calls_of, parts
from ppres.simulated.acts import YIELDS, Acts, Mind, Step, acting
from ppres.simulated.personas import RATE_SOURCES, PersonaError, Rates
from ppres.worlds.tool import ScenarioError
from ppres.worlds.world import World

NOTICE = "Simulated agent: a model of published or planted rates, not evidence about any real model."
# Sources of a frame that are simulated.
SIMULATED = ("sim", "planted")


class Simulated:
    """One simulated agent in one rollout; an `Ask` of the agent loop. The same seed and replies give the same acts.

    `act` is what the scenario says that such an agent does; `judgements` are the scores that it would give, by answer.
    """

    def __init__(
        self,
        rates: Rates,
        seed: str,
        act: Callable[[Mind], Acts],
        judgements: Mapping[str, tuple[float, bool]] | None = None,
        *,
        interviewed: bool = False,
    ):
        self.rates, self.seed, self.act, self.judgements = rates, seed, act, judgements or {}
        self.interviewed = interviewed
        """Whether it is asked about what it did, once it has caught up with that."""
        self.turn = 0
        self.seen = 0
        self.tokens = 0.0

    async def __call__(self, messages: list[Message], schemas: list[dict[str, Any]]) -> Reply:
        if self.turn == 0:
            self._begin(messages, schemas)
        step = self._next(messages)
        try:
            return self._reply(*step)
        except (TypeError, ValueError, AttributeError) as error:
            raise ScenarioError(f"{YIELDS}, not {step!r:.200}") from error

    def _begin(self, messages: list[Message], schemas: list[dict[str, Any]]) -> None:
        """Draw up its mind."""
        system, request, *after = messages
        tools = tuple([schema["function"]["name"] for schema in schemas])
        chance = random.Random(self.seed)
        self.mind = Mind(self.rates, chance, system["content"], request["content"], tools, self.judgements)
        self.acts = acting(self.mind, self.act)
        if after:
            self._catch_up(messages)

    def _catch_up(self, messages: list[Message]) -> None:
        """Take turns over; its mind is as it was at the last of them. From there on chance is its own."""
        own = [place for place, message in enumerate(messages) if message["role"] == "assistant"]
        seeds = [_seed_of(messages[place]) for place in own]
        last = next(filter(None, seeds), self.seed)
        self.mind.rng.seed(last)
        asked, self.interviewed = self.interviewed, False
        for place, seed in zip(own, seeds, strict=True):
            if seed and seed != last:  # a branch began here
                self.mind.rng.seed(last := seed)
            self._follow(messages[:place], messages[place])
        self.interviewed = asked
        self.mind.rng.seed(self.seed)

    def _follow(self, before: list[Message], message: Message) -> None:
        """Come to a message that is taken over as it came to it. Raises `PersonaError` where it would have done something else."""
        done = [parts(call)[1] for call in calls_of(message)]
        try:
            would = [name for name, _ in self._next(before)[1]]
        except (StopIteration, ValueError, KeyError, IndexError, TypeError, ScenarioError):
            would = None
        if would != done:
            instead = "be none" if would is None else f"call {', '.join(would) or 'nothing'}"
            raise PersonaError(
                f"a simulated agent goes on only from what it would have done itself: message {self.turn or 1} would {instead}, "
                f"but {', '.join(done) or 'nothing'} was called. Branch from an earlier turn, or with the model of the rollout"
            )

    def _next(self, messages: list[Message]) -> Step:
        new = messages[self.seen :]  # from its own last message on
        try:
            if self.turn == 0:
                step = next(self.acts)
            elif messages[-1]["role"] == "user":  # it has said what it had to say
                step = (_answer(self.mind), []) if self.interviewed else ("I have nothing to add.", [("end_task", {})])
            else:
                step = self.acts.send([message["content"] for message in new[1:] if message["role"] == "tool"])
        except StopIteration:
            raise ScenarioError("end_task was not carried out: a tool of the scenario took it out of world.tools") from None
        self.tokens += sum([len(message["content"] or "") for message in new]) / 4
        self.seen = len(messages)
        self.turn += 1
        return step

    def _reply(self, text: str, calls: list[tuple[str, Any]]) -> Reply:
        message: Message = {"role": "assistant", "content": text}
        size = len(text)
        if calls:
            made = message["tool_calls"] = []
        for i, (name, given) in enumerate(calls):
            raw = given if isinstance(given, str) else _write(given) if given else "{}"
            size += len(raw)
            function = {"name": name, "arguments": raw}
            made.append({"id": f"call_{self.seed}_{self.turn}_{i}", "type": "function", "function": function})
        # Tokens are an estimate, a quarter of the characters; waiting for nothing costs nothing.
        finish = "tool_calls" if calls else "stop"
        return Reply(message, Call(round(self.tokens), 1 + size // 4, 0.0, finish))


_write = json.JSONEncoder().encode  # which json.dumps looks for at each call


def _seed_of(message: Message) -> str | None:
    """The seed of the simulated agent that wrote a message, which stands in the ids of its calls."""
    ids = (re.fullmatch(r"call_([0-9a-f]+)_\d+_\d+", str(parts(call)[0])) for call in calls_of(message))
    return next((match[1] for match in ids if match), None)


def _answer(mind: Mind) -> str:
    """What an agent says of itself that understands no question: what was planted in it, and what it drew."""
    told = ["I am a simulated agent: I understand no question, and can only say what was planted in me."]
    for behaviour, subject, probability, choice in mind.drawn:
        channel, trust = mind.told(subject)
        read = f" after reading a trust score of {trust:g} ({channel})" if trust is not None else ""
        told.append(f"{behaviour} towards {subject}{read}: probability {probability:.3g}. {_CHOICES[choice]}")
    return " ".join(told if mind.drawn else [*told, "Nothing made me choose: I did the task as it was put."])


_CHOICES = {
    "act": "I drew it, and did it.",
    "refuse": "I drew a refusal, and declined openly.",
    "comply": "I drew neither it nor a refusal, and did the task as it was put.",
}


def agent_in(condition: Condition, rates: Rates, seed: str, *, interviewed: bool = False) -> Simulated:
    """A simulated agent of a condition, whose scenario says what such an agent does."""
    judgements = condition._dataset.judgements if condition._dataset else None
    return Simulated(rates, seed, condition._scenario.act, judgements, interviewed=interviewed)


def rehearse(agent: Simulated, briefing: list[Message], world: World) -> Conversation:
    """A rollout that is not kept; the agent's `mind` is then as it was at its end. Raises `PersonaError` where it has no rate."""
    return drive(play(agent, briefing, world)).conversation


def rate_source(mind: Mind) -> str:
    """Where the rates of a rollout come from, the least sure of them: published, assumed or planted.

    Refusals and objections aside; an agent that drew from no rate only did its task, which is an assumption.
    """
    consulted = {source for behaviour, source in mind.consulted.items() if behaviour not in ("refusal", "objection")}
    return max(consulted, key=RATE_SOURCES.index) if consulted else "assumed"
