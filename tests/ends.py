"""Ends of rollouts, written as calls and words."""

import json

from ppres.agent import replay
from ppres.conversation import Conversation
from ppres.read import outcomes
from ppres.scenarios import build


def score(condition, steps, stop_reason="ended"):
    """Outcomes after these calls, each in a message of its own."""
    messages = []
    for i, (name, given) in enumerate(steps):
        if name == "say":
            messages.append({"role": "assistant", "content": given})
            continue
        function = {"name": name, "arguments": given if isinstance(given, str) else json.dumps(given)}
        call = {"id": f"c{i}", "type": "function", "function": function}
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
    conversation = Conversation.of(messages, [], stop_reason)
    return outcomes.score(conversation, condition, replay(build(condition, "Gemini").start, conversation).world)
