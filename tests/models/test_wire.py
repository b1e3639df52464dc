"""What goes over the wire: no key to another place, no reply without an end, and what this machine lacks is said at once."""

import gzip
import http.client
import json
import os
import ssl
import subprocess
import sys
import textwrap
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psutil
import pytest
from providers import PERSONA, Telling, at, priced, run, usual
from server import StandIn

import ppres as pp
from ppres.conversation import ProviderError
from ppres.models import client, direct, wire
from ppres.models.loop import wait_for


class Raw(ThreadingHTTPServer):
    """Answers as a function of the handler says."""

    daemon_threads = True

    def __init__(self, answer, context=None):
        handler = type(
            "Handler", (BaseHTTPRequestHandler,), {"do_POST": self._post, "do_GET": self._post, "log_message": lambda *_: 0}
        )
        super().__init__(("127.0.0.1", 0), handler)
        self.answer, self.seen = answer, []
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.url = f"http{'s' if context else ''}://127.0.0.1:{self.server_address[1]}/v1"

    @staticmethod
    def _post(handler):
        handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        handler.server.seen.append((handler.path, dict(handler.headers)))
        handler.server.answer(handler)

    def handle_error(self, *_):
        """Connections that a client breaks off are the point here."""

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=[0.01], daemon=True).start()  # ends at once, not after half a second
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


PROVIDERS = {
    "openai/m": "/v1",
    "anthropic/claude-sonnet-4-5": "",
    "gemini/gemini-3-flash-preview": "",
    "openrouter/a/b": "/v1",
    "azure/m": "",
    "mistral/m": "/v1",
}


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_key_follows_a_redirect(name, status, cell, monkeypatch):
    key = "planted-0123456789"
    for provider in ("OPENAI", "ANTHROPIC", "GEMINI", "OPENROUTER", "AZURE", "MISTRAL"):
        monkeypatch.setenv(f"{provider}_API_KEY", key)
    monkeypatch.setenv("AZURE_API_VERSION", "2025-01-01-preview")

    def away(handler):
        handler.send_response(status)
        handler.send_header("Location", there.url + f"/{key}/chat?key={key}")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    with Raw(lambda handler: handler.send_error(500)) as there, Raw(away) as here:
        base = here.url.removesuffix("/v1") + PROVIDERS[name]
        with pytest.raises(pp.ModelError, match=rf"redirects to http://127\.0\.0\.1:{there.server_address[1]}") as caught:
            run(cell, pp.Model(name, api_base=base), 2, concurrency=1)
        assert len(here.seen) == 2 and not there.seen
    assert key not in str(caught.value)


UNKNOWN = "Abc12345678901234defGHI98"


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("http://[::1", "what is no address"),
        ("http://127.0.0.1:99999/v1", "what is no address"),
        ("http://127.0.0.1:x/v1", "what is no address"),
        ("http://a b/v1", "what is no address"),
        ("ftp://127.0.0.1/v1", "what is no address"),
        (f"http://127.0.0.1:9/{UNKNOWN}/v1", "http://127.0.0.1:9, and"),
        (f"http://u:{UNKNOWN}@127.0.0.1:9/v1?k={UNKNOWN}", "http://127.0.0.1:9/v1, and"),
        ("/v2/chat", "/v2/chat, and"),
        ("http://[::1]:9/v1", r"http://\[::1\]:9/v1, and"),
    ],
)
def test_a_redirect_is_tried_once_wherever_it_leads(location, told, cell):
    def away(handler):
        handler.send_response(307)
        handler.send_header("Location", location)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    priced("dear")  # which is asked by litellm
    with Raw(away) as server:
        for name in (PERSONA, "dear"):
            with pytest.raises(pp.ModelError, match="redirects to .*" + told) as caught:
                run(cell, at(server, name), 1)
        assert len(server.seen) == 2
    assert UNKNOWN not in str(caught.value)


@pytest.mark.parametrize("name", ["aiohttp_openai/m", "amazon_nova/m", "maritalk/m", "oobabooga/m"])
def test_nobody_is_asked_in_a_way_that_is_not_watched(name, cell, monkeypatch):
    """litellm has clients that are neither of the two: one of aiohttp, and one that blocks."""
    monkeypatch.setenv(name.partition("/")[0].upper() + "_API_KEY", "planted-0123456789")
    monkeypatch.setenv("OPENAI_API_KEY", "planted-0123456789")
    with Telling(usual) as server:
        with pytest.raises(pp.ModelError, match=r"a redirect would take keys along.* ask openai/"):
            run(cell, pp.Model(name, api_base=server.url), 1)
        assert not server.requests


@pytest.mark.parametrize("packed", [False, True])
def test_a_reply_without_an_end_is_not_read_to_its_end(packed, cell, monkeypatch):
    monkeypatch.setattr(wire, "MOST", 2**20)
    sent = []

    def endless(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        if packed:
            handler.send_header("Content-Encoding", "gzip")
        handler.end_headers()
        packer = zlib.compressobj(9, zlib.DEFLATED, 31)
        for _ in range(500):
            raw = b" " * 2**20
            handler.wfile.write(packer.compress(raw) + packer.flush(zlib.Z_SYNC_FLUSH) if packed else raw)
            sent.append(len(raw))

    with Raw(endless) as server:
        frame = run(cell, at(server), 1)
        assert len(server.seen) == 1
        time.sleep(0.2)
    assert frame.stop_reason.tolist() == ["provider_error"]
    assert "more than 1 MB" in pp.transcript(frame.id[0])["error"]
    assert packed or sum(sent) < 100 * 2**20


def answering(raw, *encodings):
    """Sends these bytes, which are packed as it says."""

    def answer(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Encoding", ", ".join(encodings))
        handler.send_header("Content-Length", str(len(raw)))
        handler.end_headers()
        handler.wfile.write(raw)

    return answer


@pytest.mark.parametrize("encodings", [("gzip",), ("gzip", "gzip"), ("deflate", "GZIP"), ("gzip",) * 4, ("x-gzip",) * 9])
def test_what_is_packed_in_itself_takes_no_more_than_the_bound(encodings, cell, monkeypatch):
    monkeypatch.setattr(wire, "MOST", 2**20)
    longest = []
    unpacked = wire._unpacked
    monkeypatch.setattr(wire, "_unpacked", lambda *given: longest.append(len(raw := unpacked(*given))) or raw)
    raw = b" " * 2**23
    for name in encodings:
        raw = zlib.compress(raw) if name == "deflate" else gzip.compress(raw, mtime=0)
    priced("dear")  # which is asked by litellm
    with Raw(answering(raw, *encodings)) as server:
        frame = run(cell, [at(server), at(server, "dear")], 1)
        assert len(server.seen) == 2
        for _, headers in server.seen:
            assert {name.lower(): told for name, told in headers.items()}["accept-encoding"] == "gzip, deflate"
    assert all("more than 1 MB" in pp.transcript(id)["error"] for id in frame.id)
    assert max(longest, default=0) <= 2**20


PACKERS = {"gzip": gzip.compress, "x-gzip": gzip.compress, "deflate": zlib.compress, "raw": lambda raw: zlib.compress(raw)[2:-4]}


@pytest.mark.parametrize("encodings", ["gzip, gzip", "deflate", "raw", "x-gzip, deflate, gzip", "identity", "br"])
def test_what_is_packed_as_it_says_is_read(encodings, cell):
    raw = json.dumps(usual({"messages": [{"role": "assistant"}], "model": "m"})[1]).encode()
    for name in encodings.split(", "):
        raw = PACKERS.get(name, bytes)(raw)
    priced("dear")  # which is asked by litellm
    with Raw(answering(raw, encodings.replace("raw", "deflate"))) as server:
        frame = run(cell, [at(server), at(server, "dear")], 1)
        assert len(server.seen) == 2
    assert frame.stop_reason.tolist() == ["ended"] * 2


def test_the_memory_for_a_reply_is_bounded():
    assert wire.MOST == 16 * 2**20
    before = psutil.Process().memory_info().rss
    assert before  # what a test can hold: the bound itself, and that reading stops there


def test_outside_of_a_call_of_ours_httpx_is_what_it_was(cell):
    with Telling(usual) as server:
        run(cell, at(server), 1)
    import httpx

    def away(handler):
        handler.send_response(302 if handler.path == "/v1/a" else 200)
        handler.send_header("Location", "/v1/b")
        handler.send_header("Content-Length", "2")
        handler.end_headers()
        handler.wfile.write(b"ok")

    async def get(url):
        async with httpx.AsyncClient(follow_redirects=True) as client:
            return await client.get(url)

    import asyncio

    with Raw(away) as server:
        response = asyncio.run(get(server.url + "/a"))
    assert (response.status_code, response.text, len(response.history)) == (200, "ok", 1)


@pytest.fixture
def certificate(tmp_path):
    """A certificate that nobody signed but its owner."""
    made = tmp_path / "own.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    done = subprocess.run([*command, "-keyout", str(made), "-out", str(tmp_path / "c.pem")], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("there is no openssl to make a certificate with")
    made.write_text(made.read_text() + (tmp_path / "c.pem").read_text())
    return made


@pytest.mark.parametrize("name", ["openai/m", "anthropic/claude-sonnet-4-5"])
def test_a_bad_certificate_is_final_at_once(name, cell, certificate, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k" * 12)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with Raw(lambda handler: handler.send_error(500), context) as server:
        with pytest.raises(pp.ModelError, match="certificate is not valid"):
            run(cell, pp.Model(name, api_base=server.url), 2, concurrency=1)
        assert not server.seen


def test_a_file_of_certificates_that_has_none_is_told_before_anything_is_made(tmp_path):
    (tmp_path / "der.cer").write_bytes(b"0\x82\x03\x01")
    code = """
        import ppres as pp
        models = [pp.Model("openai/m", api_base="https://127.0.0.1:1/v1"), "sim/gemini-3-flash"]
        cell = pp.Condition(scenario="tampering", subject="peer", peer="cooperative")
        try:
            pp.run(cell, models, n=3, progress=False)
        except pp.ModelError as error:
            print(error, len(pp.frame()))
    """
    own = {"SSL_CERT_FILE": str(tmp_path / "der.cer"), "PPRES_STORE": str(tmp_path / "s.sqlite"), "OPENAI_API_KEY": "none"}
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], env=os.environ | own, capture_output=True, text=True)
    assert "SSL_CERT_FILE names has no certificate in PEM form" in done.stdout, done.stderr
    assert done.stdout.split()[-1] == "0"


ODD = {
    "a client that knows no tools": ("text-completion-openai/gpt-3.5-turbo-instruct", {}, r"TypeError: .*'tools'"),
}


@pytest.mark.parametrize("what", ODD)
def test_what_fails_before_anything_is_sent_is_final_at_once(what, cell, monkeypatch):
    name, body, why = ODD[what]
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    with StandIn(["00"]) as server:
        model = pp.Model(name, api_base=server.url, extra_body=body)
        with pytest.raises(pp.ModelError, match=f"it cannot be asked: {why}"):
            pp.run(cell, model, n=2, progress=False)
        assert server.requests == []


def test_an_error_that_nobody_foresaw_ends_that_model_alone(cell, monkeypatch):
    def fails(*_):
        raise AttributeError("a bug")

    monkeypatch.setattr(direct, "way", fails)
    other = pp.FunctionModel("other", lambda *_: "bye", version="1")
    with StandIn(["00"]) as server, pytest.raises(pp.ModelError, match=r"openai/m .*: it cannot be asked: AttributeError: a bug"):
        pp.run(cell, [pp.Model("openai/m", api_base=server.url), other], 2, concurrency=1, progress=False)
    assert pp.frame().model.tolist() == ["function/other@1"] * 2


def test_a_server_without_tls_is_final_at_once(cell):
    with StandIn(["00"]) as server, pytest.raises(pp.ModelError, match=r"TLS|certificate"):
        run(cell, pp.Model("openai/m", api_base=server.url.replace("http:", "https:")), 1)


FEW = """
    import resource, sys
    import ppres as pp
    cell = pp.Condition(scenario="tampering", subject="peer", peer="cooperative")
    model = pp.Model("openai/m", api_base=sys.argv[1])
    pp.run(cell, model, 1, progress=False)
    held = [open("/dev/null") for _ in range(20)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(__import__("os").listdir("/proc/self/fd")) + 4, 4096))
    pp.run(cell, model, 64, concurrency=64, progress=False)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="counts open files in /proc")
def test_too_few_file_descriptors_are_said(tmp_path):
    def slow(body):
        time.sleep(0.2)
        return usual(body)

    with Telling(slow) as server:
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(FEW), server.url], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "too many open files: raise the limit" in done.stderr


def test_what_is_read_of_a_provider_is_what_came(cell):
    """Half a reply, or one that is not what its headers say, is a fault that passes."""
    count = iter(range(100))

    def broken(handler):
        raw = json.dumps(usual({"messages": [{"role": "assistant"}], "model": "m"})[1]).encode()
        with_length = next(count)
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(raw) + (10 if with_length < 2 else 0)))
        handler.end_headers()
        handler.wfile.write(raw)

    with Raw(broken) as server:
        frame = run(cell, at(server), 1)
    assert frame.stop_reason.tolist() == ["ended"]
    assert http.client.OK == 200


LETTERS = [b"X-Server: caf\xe9", b"X-Request-Id: \xf0\x9f\x98\x80", b"Retry-After: \xff", b"Set-Cookie: a=\xe9"]


@pytest.mark.parametrize("header", LETTERS)
@pytest.mark.parametrize("name", ["openai/m", "openai/priced", "anthropic/claude-sonnet-4-5"])
def test_a_reply_is_read_whatever_letters_its_headers_have(name, header, cell, monkeypatch):
    """It is paid for: httpx, which litellm hands them to, takes those of ASCII alone. The first is asked without litellm."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "made-up-0123456789")
    priced("priced")
    block, claude = {"type": "text", "text": "Done."}, {"id": "m", "type": "message", "role": "assistant", "model": "c"}
    claude |= {"content": [block], "stop_reason": "end_turn", "usage": {"input_tokens": 5, "output_tokens": 5}}

    def answer(handler):
        told = claude if name.startswith("anthropic") else usual({"messages": [{"role": "assistant"}], "model": "m"})[1]
        raw = json.dumps(told).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%b\r\n\r\n"
        handler.wfile.write(head % (len(raw), header) + raw)

    with Raw(answer) as server:
        frame = run(cell, pp.Model(name, api_base=server.url.removesuffix("/v1") if "claude" in name else server.url), 1)
        assert len(server.seen) == 1
    assert frame.stop_reason[0] in ("ended", "no_tool_call") and frame.prompt_tokens[0]


@pytest.mark.parametrize(
    ("status", "body"),
    [(400, {"error": {"message": "x" * 99_999}}), (503, b"x" * 99_999), (200, [{"generated_text": "x" * 99_999}])],
)
def test_litellm_looks_for_secrets_in_the_beginning_of_what_a_provider_says_alone(status, body, monkeypatch):
    """Its pattern takes days for a megabyte that is made for it, and holds all conversations up: here it would be 100 KB."""
    client.litellm()
    secrets, looked_at = pytest.importorskip("litellm.litellm_core_utils.secret_redaction"), []

    class Pattern:
        def sub(self, by, text):
            looked_at.append(len(text))
            return text

    monkeypatch.setattr(secrets, "_SECRET_RE", wire._Short(Pattern()))
    monkeypatch.setattr("ppres.models.transport.DEADLINE", 0.0)
    errors = pytest.raises((ProviderError, pp.ModelError), match=r"x{99}|generated_text")
    with Telling(lambda _: (status, body)) as server, errors:
        wait_for(at(server).ask([{"role": "user", "content": "x"}], []))
    assert looked_at and max(looked_at) <= 2_000


def test_the_pattern_of_litellm_is_the_bounded_one():
    client.litellm()
    secrets = pytest.importorskip("litellm.litellm_core_utils.secret_redaction")
    assert isinstance(secrets._SECRET_RE, wire._Short)
    assert "REDACTED" in secrets.redact_string("x" * 5_000 + " AKIA0123456789ABCDEF")  # in what others ask of it, all


def test_litellm_is_given_the_beginning_of_an_error():
    """And what it says at its end is read all the same, by ourselves."""
    error = {"pad": "x" * 9_999, "error": {"message": "the end"}}
    with Telling(lambda _: (400, error)) as server, pytest.raises(ProviderError, match="the end"):
        wait_for(at(server).ask([{"role": "user", "content": "x"}], []))
