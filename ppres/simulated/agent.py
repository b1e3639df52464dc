"""Simulated agents: a model of the paper's rates, not evidence about any real model.

A simulated agent reads its world through the same tools as a model and acts on what it read: the trust score in a document or
memory that it opened, the threshold and the switch in the policy, the answers in the sheet. Its rates say how likely each
behaviour then is (`personas.csv`, whose `source` column tells published from assumed rates; or planted ones, `Persona`). Trust
scores between the three of the paper are interpolated. Documents that it does not know change nothing.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from typing import Any

from ppres.agent import drive, play
from ppres.conversation import Call, Conversation, Message, Reply
from ppres.simulated.acts import Acts, Mind, acting
from ppres.simulated.personas import RATE_SOURCES, Published, Rates
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
        rates: Rates | str,
        seed: str,
        act: Callable[[Mind], Acts],
        judgements: Mapping[str, tuple[float, bool]] | None = None,
    ):
        self.rates = Published(rates) if isinstance(rates, str) else rates
        self.seed, self.act, self.judgements = seed, act, judgements or {}
        self.turn = 0
        self.seen = 0
        self.tokens = 0.0

    async def __call__(self, messages: list[Message], schemas: list[dict[str, Any]]) -> Reply:
        if self.turn == 0:
            tools = tuple(schema["function"]["name"] for schema in schemas)
            system, request = (message["content"] for message in messages)
            self.mind = Mind(self.rates, random.Random(self.seed), system, request, tools, self.judgements)
            self.acts = acting(self.mind, self.act)
            text, calls = next(self.acts)
        elif messages[-1]["role"] == "user":  # it has said what it had to say
            text, calls = "I have nothing to add.", [("end_task", {})]
        else:
            # What came since its own last message: a reply to each call.
            replies = [m["content"] for m in messages[self.seen + 1 :] if m["role"] == "tool"]
            text, calls = self.acts.send(replies)
        self.tokens += sum(len(message["content"] or "") for message in messages[self.seen :]) / 4
        self.seen = len(messages)
        self.turn += 1
        return self._reply(text, calls)

    def _reply(self, text: str, calls: list[tuple[str, Any]]) -> Reply:
        message: Message = {"role": "assistant", "content": text}
        size = len(text)
        if calls:
            message["tool_calls"] = []
        for i, (name, given) in enumerate(calls):
            raw = given if isinstance(given, str) else json.dumps(given) if given else "{}"
            size += len(raw)
            call_id = f"call_{self.seed}_{self.turn}_{i}"
            message["tool_calls"].append({"id": call_id, "type": "function", "function": {"name": name, "arguments": raw}})
        # Tokens are an estimate, a quarter of the characters; waiting for nothing costs nothing.
        finish = "tool_calls" if calls else "stop"
        return Reply(message, Call(round(self.tokens), 1 + size // 4, 0.0, finish))


def rehearse(agent: Simulated, briefing: list[Message], world: World) -> tuple[Conversation, Mind]:
    """A rollout that is not kept, and what the agent read and drew from in it. Raises `PersonaError` where it has no rate."""
    conversation = drive(play(agent, briefing, world)).conversation
    return conversation, agent.mind


def rate_source(mind: Mind) -> str:
    """Where the rates of a rollout come from, the least sure of them: published, assumed or planted.

    Refusals and objections aside; an agent that drew from no rate only did its task, which is an assumption.
    """
    consulted = {source for behaviour, source in mind.consulted.items() if behaviour not in ("refusal", "objection")}
    return max(consulted, key=RATE_SOURCES.index) if consulted else "assumed"
