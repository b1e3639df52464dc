"""Ways to answer a request wrongly: each a function `(handler, reply)`; `reply()` is what a provider that works would have said."""

import email.utils
import json
import time


def said(status, message=None, headers=None, /, **error):
    """An error in OpenAI's format."""
    return lambda handler, _: handler.send(status, _error(message or f"status {status}", **error), headers)


def _error(text, **more):
    return json.dumps({"error": {"message": text} | more}).encode()


def body(status, raw, **headers):
    """A body as it is."""
    raw = raw if isinstance(raw, bytes) else raw.encode() if isinstance(raw, str) else json.dumps(raw).encode()
    return lambda handler, _: handler.send(status, raw, {name.replace("_", "-"): value for name, value in headers.items()})


def with_(**fields):
    """The reply, with other fields; what is None stands there as null."""
    return lambda handler, reply: handler.answer(reply() | fields)


def usage(value):
    """The reply, with this in place of every count."""
    return lambda handler, reply: handler.answer((told := reply()) | {"usage": dict.fromkeys(told["usage"], value)})


def choice(**fields):
    """The reply, with other fields of its choice."""
    return lambda handler, reply: handler.answer(_choice(reply(), fields))


def _choice(payload, fields):
    return payload | {"choices": [payload["choices"][0] | fields]}


def message(**fields):
    """The reply, with other fields of its message."""
    return lambda handler, reply: handler.answer(_message(reply(), fields))


def _message(payload, fields):
    return _choice(payload, {"message": payload["choices"][0]["message"] | fields})


def call(name="open_a_door", arguments="{}", **fields):
    """A reply with tool calls, and one more, which no simulated agent would make."""
    odd = {"id": "odd_1", "type": "function", "function": {"name": name, "arguments": arguments}} | fields
    return calls(odd)


def calls(*odd):
    def send(handler, reply):
        payload = reply()
        own = payload["choices"][0]["message"].get("tool_calls")
        handler.answer(_message(payload, {"tool_calls": [*own, *odd]}) if own else payload)

    return send


def same_id(handler, reply):
    payload = reply()
    own = payload["choices"][0]["message"].get("tool_calls")
    again = own and own[0] | {"function": {"name": "open_a_door", "arguments": "{}"}}
    handler.answer(_message(payload, {"tool_calls": [*own, again]}) if own else payload)


def raw(change, **headers):
    """The reply's bytes, changed."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler, reply: handler.send(200, change(json.dumps(reply()).encode()), named)


def counted(send):
    """A way of `raw` or `instead`, where what comes is as good as the reply."""

    def sent(handler, reply):
        send(handler, reply)
        with handler.server.lock:
            handler.server.calls += 1

    return sent


def instead(*parts, pause=0.0, reset=False):
    """Bytes in place of a response; `{}` is the reply, `{/}` and `{2}` its halves, `{n}` its length, `{x}` that in hexadecimal."""

    def send(handler, reply):
        told, filled = json.dumps(reply()).encode(), list(parts)
        marks = {b"{n}": b"%d" % len(told), b"{x}": b"%x" % len(told), b"{}": told}
        marks |= {b"{/}": told[: len(told) // 2], b"{2}": told[len(told) // 2 :]}
        for mark, value in marks.items():
            filled = [part.replace(mark, value) for part in filled]
        handler.close_connection = True
        handler.write(*filled, pause=pause)
        if reset:
            handler.reset()

    return send


def after(seconds, then):
    """The same later; as long as the server hangs where no time is given."""

    def send(handler, reply):
        time.sleep(handler.server.hang if seconds is None else seconds)
        then(handler, reply)

    return send


def drip(handler, reply):
    """A reply byte by byte, which would take minutes."""
    handler.close_connection = True
    end = time.monotonic() + 2 * handler.server.hang
    handler.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n")
    while time.monotonic() < end:
        handler.write(b" ", pause=0.05)


def retry_after(handler, _):
    handler.send(429, _error("status 429"), {"Retry-After": handler.server.retry_after})


def retry_date(handler, _):
    handler.send(429, _error("status 429"), {"Retry-After": email.utils.formatdate(usegmt=True)})


def redirect(handler, _):
    handler.send(307, b"", {"Location": "http://127.0.0.1:9/v1/chat/completions"})
