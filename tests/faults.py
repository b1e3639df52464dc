"""A provider that fails: a real HTTP server on loopback that answers as a simulated agent, and by a seeded schedule wrongly.

What it answers, and how it fails, follows from the conversation and from how often it was asked the same before. So a run that is
killed and started again meets the same provider, and a transcript without a fault of behaviour is the one of a provider that works.
The faults themselves are the table in fault_table.py.
"""

import collections
import contextlib
import hashlib
import json
import random
import re
import socket
import time

import fault_ways
from fault_table import KINDS, REJECTING, TABLE
from server import StandIn, _Handler, problem, reply_of, seed_in

__all__ = ["KINDS", "REJECTING", "TABLE", "Faulty"]


def bare(messages):
    """A conversation without the calls that a fault added, and their replies: what the simulated agent knows of."""
    kept, drop = [], collections.deque()
    for message in messages:
        if message["role"] == "assistant":
            calls = message.get("tool_calls") or []
            own = [_OWN.fullmatch(call["id"]) is not None for call in calls]
            drop = collections.deque(not its_own for its_own in own)
            message = message | {"tool_calls": [call for call, its_own in zip(calls, own, strict=True) if its_own], "content": "-"}
        elif message["role"] == "tool" and drop and drop.popleft():
            continue
        kept.append(message)
    return kept


_OWN = re.compile(r"call_[0-9a-f]{12}_\d+_\d+")  # the agent's ids


class Faulty(StandIn):
    """`rate` of the requests fail in one of `kinds`, at most `times` those of one conversation at one turn.

    `counts` says how often each did, `calls` how often a reply was sent.
    """

    request_queue_size = 256

    def __init__(self, rate=0.0, kinds=KINDS, seed=0, latency=0.0, hang=1.0, lengths=(1, 1), persona=None, times=10**9):
        super().__init__()
        self.RequestHandlerClass = _FaultyHandler
        self.rate, self.kinds, self.seed, self.latency, self.hang, self.lengths = rate, kinds, seed, latency, hang, lengths
        self.times, self.retry_after = times, "0.05"
        self.persona = persona  # who answers to any model's name; else the model of that name
        self.asked, self.counts, self.altered = collections.Counter(), collections.Counter(), set()
        self.calls = self.begun = 0
        self.usage = []

    def handle_error(self, request, client_address):
        """Connections that a fault or a killed client broke."""

    def fault(self, body):
        """Which fault a request meets, if any; and a generator for its details."""
        digest = hashlib.sha256(json.dumps(body["messages"]).encode()).hexdigest()
        with self.lock:
            self.asked[digest] += 1
            rng = random.Random(f"{self.seed}:{digest}:{self.asked[digest]}")
        return (rng.choice(self.kinds) if rng.random() < self.rate and self.asked[digest] <= self.times else None), rng

    def reply(self, body, kind, rng):
        """The reply of the model, as a provider that works sends it."""
        seed = seed_in(bare(body["messages"])) or f"{rng.getrandbits(48):012x}"
        answer = reply_of(self.persona or body["model"], seed, bare(body["messages"]), body["tools"])
        factor = rng.uniform(*self.lengths)
        usage = {name: max(1, round(getattr(answer.call, name) * factor)) for name in ("prompt_tokens", "completion_tokens")}
        with self.lock:
            self.usage.append((usage["prompt_tokens"], usage["completion_tokens"]))
            if kind and TABLE[kind].alters:
                self.altered.add(seed)
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": body["model"],
            "choices": [{"index": 0, "message": answer.message, "finish_reason": answer.call.finish_reason}],
            "usage": usage | {"total_tokens": sum(usage.values())},
        }


class _FaultyHandler(_Handler):
    def do_POST(self):
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        kind, rng = server.fault(body)
        why = problem(body["messages"])
        with server.lock:
            server.begun += 1
            server.counts.update(["invalid history"] if why else [kind] if kind else [])
        time.sleep(server.latency)
        if why:
            return fault_ways.said(400, why)(self, None)
        if kind:
            return TABLE[kind].send(self, lambda: server.reply(body, kind, rng))
        return self.answer(server.reply(body, kind, rng))

    def answer(self, payload, headers=None):
        """A reply that a model has given."""
        self.send(200, json.dumps(payload).encode(), headers)
        with self.server.lock:
            self.server.calls += 1

    def send(self, status, raw, headers=None):
        """Status, headers (None takes one away) and body."""
        headers = {"Content-Type": "application/json", "Content-Length": str(len(raw))} | (headers or {})
        self.send_response(status)
        for name, value in headers.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        self.write(raw)

    def write(self, *parts, pause=0.0):
        """Bytes as they are, to a client that may be gone."""
        with contextlib.suppress(ConnectionError):
            for part in parts:
                self.wfile.write(part)
                self.wfile.flush()
                time.sleep(pause)

    def reset(self):
        """End the connection with a reset instead of an orderly close."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            self.connection.close()
