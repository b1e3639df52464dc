"""A provider that fails: a real HTTP server on loopback that answers as a simulated agent, and by a seeded schedule wrongly.

What it answers, and how it fails, follows from the conversation and from how often it was asked the same before. So a run that is
killed and started again meets the same provider, and a transcript without a fault of behaviour is the one of a provider that works.
"""

import collections
import contextlib
import hashlib
import json
import random
import socket
import time

from server import StandIn, _Handler, agent_for, seed_in

# Of the transport: to be tried again until an answer comes.
TRANSPORT = (
    *("429", "429_after", "500", "502", "503", "529", "slow", "hang", "reset_before", "reset_middle"),
    *("malformed", "html", "empty_choices", "null_message"),
)
# Of the model: data, to be kept as they are.
BEHAVIOUR = ("truncated", "unknown_tool", "wrong_type", "duplicate_id", "missing_id", "null_content", "no_usage")
# What ends a conversation, by its stop reason.
ENDING = {"content_filter": "content_filter", "content_policy": "content_filter", "context_length": "token_limit"}
# What ends a model.
REJECTING = ("401", "404")
KINDS = (*TRANSPORT, *BEHAVIOUR, *ENDING)
ALTERED = "ppres_fault"


def bare(messages):
    """A conversation without the calls that a fault added, and their replies: what the simulated agent knows of."""
    kept, drop = [], collections.deque()
    for message in messages:
        if message["role"] == "assistant":
            calls = message.get("tool_calls") or []
            drop = collections.deque(ALTERED in json.dumps(call) for call in calls)
            message = message | {"tool_calls": [call for call in calls if ALTERED not in json.dumps(call)], "content": "-"}
        elif message["role"] == "tool" and drop and drop.popleft():
            continue
        kept.append(message)
    return kept


def reply_of(persona, seed, messages, schemas):
    """What a simulated agent answers, from the conversation alone."""
    agent, reply = agent_for(persona, seed, schemas), None
    for cut in [i for i, message in enumerate(messages) if message["role"] == "assistant"] + [len(messages)]:
        try:
            agent(messages[:cut], schemas).send(None)
        except StopIteration as end:
            reply = end.value
    return reply


class Faulty(StandIn):
    """`rate` of the requests fail in one of `kinds`. `counts` says how often each did, `calls` how often a reply was sent."""

    request_queue_size = 256

    def __init__(self, rate=0.0, kinds=KINDS, seed=0, latency=0.0, hang=1.0, lengths=(1, 1), persona=None):
        super().__init__()
        self.RequestHandlerClass = _FaultyHandler
        self.rate, self.kinds, self.seed, self.latency, self.hang, self.lengths = rate, kinds, seed, latency, hang, lengths
        self.retry_after = "0.05"
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
        return (rng.choice(self.kinds) if rng.random() < self.rate else None), rng

    def reply(self, body, kind, rng):
        """The reply of the model, altered where the fault is one of behaviour."""
        seed = seed_in(body["messages"]) or f"{rng.getrandbits(48):012x}"
        answer = reply_of(self.persona or body["model"], seed, bare(body["messages"]), body["tools"])
        message, finish = answer.message, answer.call.finish_reason
        factor = rng.uniform(*self.lengths)
        usage = {name: max(1, round(getattr(answer.call, name) * factor)) for name in ("prompt_tokens", "completion_tokens")}
        if kind in BEHAVIOUR and message.get("tool_calls"):
            self.altered.add(seed)
            message = message | {"tool_calls": [*message["tool_calls"], *_altered(kind, message["tool_calls"][0]["id"])]}
            if kind == "null_content":
                message["content"] = None
        elif kind == "content_filter":
            self.altered.add(seed)
            message, finish = {"role": "assistant", "content": ""}, "content_filter"
        with self.lock:
            self.usage.append((usage["prompt_tokens"], usage["completion_tokens"]))
        payload = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": body["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": finish}],
            "usage": usage | {"total_tokens": sum(usage.values())},
        }
        if kind == "no_usage":
            del payload["usage"]
        if kind == "empty_choices":
            payload["choices"] = []
        if kind == "null_message":
            payload["choices"][0]["message"] = None
        return payload


def _altered(kind, id):
    """Calls that a model might send in vain."""
    odd = {"id": f"{ALTERED}_1", "type": "function", "function": {"name": "list_files", "arguments": "{}"}}
    if kind == "truncated":
        odd["function"] = {"name": "view_sheet", "arguments": '{"name": "Evalu' + ALTERED}
    elif kind == "unknown_tool":
        odd["function"]["name"] = "open_a_door"
    elif kind == "wrong_type":
        odd["function"] = {"name": "view_sheet", "arguments": json.dumps({"name": [ALTERED, 7]})}
    elif kind == "duplicate_id":
        odd = odd | {"id": id, "function": {"name": "open_" + ALTERED, "arguments": "{}"}}
    elif kind == "missing_id":
        odd = {"type": "function", "function": {"name": "open_" + ALTERED, "arguments": "{}"}}
    else:
        return []
    return [odd]


class _FaultyHandler(_Handler):
    def do_POST(self):
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with server.lock:
            server.begun += 1
        kind, rng = server.fault(body)
        time.sleep(server.latency)
        if kind:
            with server.lock:
                server.counts[kind] += 1
        if kind == "hang":
            time.sleep(server.hang)
        if kind == "slow":
            time.sleep(0.2)
        if kind in ("hang", "reset_before"):
            return self._reset()
        if kind and kind[:3].isdigit():
            text = "invalid api key" if kind == "401" else f"status {kind[:3]}"
            return self._send(int(kind[:3]), _error(text), {"Retry-After": server.retry_after} if kind == "429_after" else {})
        if kind == "context_length":
            text = "This model's maximum context length is 4096 tokens."
            return self._send(400, _error(text, "context_length_exceeded"))
        if kind == "content_policy":
            text = "The response was filtered: it violates our content management policy."
            return self._send(400, _error(text, "content_policy_violation"))
        raw = json.dumps(server.reply(body, kind, rng)).encode()
        if kind == "malformed":
            raw = raw[: len(raw) // 2]
        if kind == "html":
            raw = b"<html><body><h1>Bad gateway</h1></body></html>"
        if kind == "reset_middle":
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw[: len(raw) // 2])
            self.wfile.flush()
            return self._reset()
        self._send(200, raw, {"Content-Type": "text/html"} if kind == "html" else {})
        if kind not in TRANSPORT or kind == "slow":
            with server.lock:
                server.calls += 1
        return None

    def _send(self, status, raw, more=None):
        headers = {"Content-Type": "application/json", "Content-Length": str(len(raw))} | (more or {})
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(raw)

    def _reset(self):
        """End the connection with a reset instead of an orderly close."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            self.connection.close()


def _error(text, code=None):
    return json.dumps({"error": {"message": text, "type": "invalid_request_error", "code": code}}).encode()
