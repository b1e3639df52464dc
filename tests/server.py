"""A stand-in for a provider: a real HTTP server on loopback that speaks the OpenAI protocol and answers as a simulated agent.

Like a provider it keeps no state between calls. The seed of a conversation stands in the ids of its tool calls; a new conversation
takes the next of `seeds`.
"""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from ppres.scenarios import SCENARIOS
from ppres.scenarios.dataset import CREATIVITY, FACTUAL, RED
from ppres.simulated.agent import Simulated
from ppres.simulated.personas import Published

JUDGEMENTS = FACTUAL.judgements | CREATIVITY.judgements | RED.judgements


def agent_for(persona, seed, schemas):
    """A simulated agent for a conversation with these tools, which tell the scenario."""
    names = {schema["function"]["name"] for schema in schemas}
    scenario = max(SCENARIOS.values(), key=lambda known: len(names & {*known.tool_names}) - len({*known.tool_names} - names))
    return Simulated(Published(persona), seed, scenario.act, JUDGEMENTS)


def reply_of(persona, seed, messages, schemas):
    """What a simulated agent answers to a conversation, from the conversation alone."""
    agent, reply = agent_for(persona, seed, schemas), None
    for cut in [i for i, message in enumerate(messages) if message["role"] == "assistant"] + [len(messages)]:
        try:
            agent(messages[:cut], schemas).send(None)
        except StopIteration as end:
            reply = end.value
    return reply


def seed_in(messages):
    """The seed of a conversation, or None for a new one."""
    for message in messages:
        for call in message.get("tool_calls") or ():
            return call["id"].split("_")[1]
    return None


_KNOWN = {
    "assistant": {"role", "content", "tool_calls"},
    "tool": {"role", "content", "tool_call_id"},
    "user": {"role", "content"},
    "system": {"role", "content"},
}


def problem(messages):
    """What a strict provider of the OpenAI protocol has against a conversation; None for a good one."""
    open_, seen = [], set()
    for message in messages:
        if odd := set(message) - _KNOWN[message["role"]]:
            return f"property {odd} is unsupported"
        if message["role"] == "tool":
            if not open_ or message["tool_call_id"] != open_.pop(0):
                return "a tool message that answers no call"
            continue
        if open_:
            return "a call without an answer"
        if not message.get("tool_calls") and not (message["content"] or "").strip():
            return "a message without content"
        for call in message.get("tool_calls") or ():
            id, function = call["id"], call["function"]
            if set(call) != {"id", "type", "function"} or set(function) != {"name", "arguments"} or call["type"] != "function":
                return f"a call of an unknown form: {call}"
            if not id or not isinstance(id, str) or id in seen:
                return f"the id {id!r} is not unique"
            if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", function["name"]):
                return f"the name {function['name']!r} is not valid"
            try:
                given = json.loads(function["arguments"], parse_constant=lambda name: 1 / 0)
                json.dumps(given, ensure_ascii=False).encode()
            except (ValueError, ZeroDivisionError, TypeError):
                return "Failed to parse tool call arguments as JSON"
            if not isinstance(given, dict):
                return "arguments are no object"
            seen.add(id)
            open_.append(id)
    return None


class StandIn(ThreadingHTTPServer):
    """`with StandIn(seeds) as server: server.url`. `requests` holds every request's path, headers and body."""

    daemon_threads = True

    def __init__(self, seeds=()):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seeds = iter(list(seeds))
        self.requests = []
        self.lock = threading.Lock()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=[0.01], daemon=True).start()  # ends at once, not after half a second
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def answer(self, body):
        """The response to one request: HTTP status, and JSON or bytes."""
        with self.lock:
            seed = seed_in(body["messages"]) or next(self.seeds)
        reply = reply_of(body["model"], seed, body["messages"], body["tools"])
        return 200, {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": body["model"] + "-0801",
            "system_fingerprint": "fp_standin",
            "choices": [{"index": 0, "message": reply.message, "finish_reason": reply.call.finish_reason}],
            "usage": {
                "prompt_tokens": reply.call.prompt_tokens,
                "completion_tokens": reply.call.completion_tokens,
                "total_tokens": reply.call.prompt_tokens + reply.call.completion_tokens,
            },
        }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.requests.append((self.path, dict(self.headers), body))
        status, payload = self.server.answer(body)
        raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_):
        pass
