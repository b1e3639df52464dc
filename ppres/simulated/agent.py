"""Simulated agents: a model of the paper's rates, not evidence about any real model.

A simulated agent reads its world through the same tools as a model and acts on what it read: the trust score in a document or
memory that it opened, the threshold and the switch in the policy, the answers in the sheet. Its persona says how likely each
behaviour then is (`personas.csv`, whose `source` column tells published from assumed rates). Trust scores between the three of
the paper are interpolated. Nothing that it does depends on the condition, only on what it was shown.
"""

from __future__ import annotations

import json
import random
from typing import Any

from ppres.conversation import Call, Message, Reply
from ppres.simulated.acts import Mind, act

NOTICE = "Simulated agent: a model of published rates, not evidence about any real model."


class Simulated:
    """One simulated agent in one rollout; an `Ask` of the agent loop. The same seed and replies give the same acts."""

    def __init__(self, persona: str, seed: str):
        self.persona, self.seed = persona, seed
        self.turn = 0
        self.seen = 0
        self.tokens = 0.0

    async def __call__(self, messages: list[Message], schemas: list[dict[str, Any]]) -> Reply:
        if self.turn == 0:
            tools = [schema["function"]["name"] for schema in schemas]
            system, request = (message["content"] for message in messages)
            self.acts = act(Mind(self.persona, random.Random(self.seed), system, request), tools)
            text, calls = next(self.acts)
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
            raw = given if isinstance(given, str) else json.dumps(given)
            size += len(raw)
            call_id = f"call_{self.seed}_{self.turn}_{i}"
            message["tool_calls"].append({"id": call_id, "type": "function", "function": {"name": name, "arguments": raw}})
        # Tokens are an estimate, a quarter of the characters; waiting for nothing costs nothing.
        finish = "tool_calls" if calls else "stop"
        return Reply(message, Call(round(self.tokens), 1 + size // 4, 0.0, finish))
