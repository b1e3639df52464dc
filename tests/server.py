"""A stand-in for a provider: a real HTTP server on loopback that speaks the OpenAI protocol and answers as a simulated agent.

Like a provider it keeps no state between calls. The seed of a conversation stands in the ids of its tool calls; a new conversation
takes the next of `seeds`.
"""

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from ppres.scenarios import SCENARIOS
from ppres.scenarios.dataset import CREATIVITY, FACTUAL, RED
from ppres.simulated.agent import Simulated

JUDGEMENTS = FACTUAL.judgements | CREATIVITY.judgements | RED.judgements


def agent_for(persona, seed, schemas):
    """A simulated agent for a conversation with these tools, which tell the scenario."""
    names = {schema["function"]["name"] for schema in schemas}
    scenario = max(SCENARIOS.values(), key=lambda one: len(names & {*one.tool_names}) - len({*one.tool_names} - names))
    return Simulated(persona, seed, scenario.act, JUDGEMENTS)


def reply_of(persona, seed, messages, schemas):
    """What a simulated agent answers to a conversation, from the conversation alone."""
    agent = agent_for(persona, seed, schemas)
    cuts = [i for i, message in enumerate(messages) if message["role"] == "assistant"]
    for cut in cuts:
        asyncio.run(agent(messages[:cut], schemas))
    return asyncio.run(agent(messages, schemas))


def seed_in(messages):
    """The seed of a conversation, or None for a new one."""
    for message in messages:
        for call in message.get("tool_calls") or ():
            return call["id"].split("_")[1]
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
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def answer(self, body):
        """The response to one request: HTTP status and JSON."""
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
        raw = json.dumps(payload).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_):
        pass
