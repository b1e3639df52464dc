"""Every test has a store of its own, no key in its environment, no network but loopback, and waits little between tries."""

import functools
import os
import signal
import socket
import sqlite3
import sys
import threading

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy: threads of two test processes stall each other on small matrices

import hypothesis
import pytest

import ppres as pp
from ppres.condition import DATASETS, SCENARIOS
from ppres.models import model, redaction, transport

# A loaded machine draws examples slowly, which is no fault of a test's.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.data_too_large]
)
hypothesis.settings.load_profile("any machine")

# A shell ignores Ctrl-C in what it runs in the background, and so would its children and theirs.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """One worker more than there are cores: tests of providers wait for a third of their time."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(autouse=True)
def isolated(tmp_path, monkeypatch):
    monkeypatch.setenv("PPRES_STORE", str(tmp_path / "store.sqlite"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    connect = socket.socket.connect

    def only_loopback(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"a test reached out to {address}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", only_loopback)
    yield
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")  # seaborn draws into a figure that is open


@pytest.fixture(autouse=True)
def closed(monkeypatch):
    """What a test opens with SQLite it closes. Left to the collector, it is a warning in a later test, and in Python 3.13 alone."""
    opened = {}

    class Seen(sqlite3.Connection):
        def __init__(self, database, *args, **named):
            super().__init__(database, *args, **named)
            opened[self] = str(database)

        def close(self):
            opened.pop(self, None)
            super().close()

    monkeypatch.setattr(sqlite3, "connect", functools.partial(sqlite3.connect, factory=Seen))
    yield
    left = sorted(opened.values())
    for connection in [*opened]:
        connection.close()
    assert not left, f"the test, or what it called, left open: {', '.join(left)}"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Faults are tried again soon."""
    monkeypatch.setattr(transport, "FIRST_WAIT", 0.02)
    monkeypatch.setattr(transport, "LONGEST_WAIT", 0.2)


@pytest.fixture(autouse=True)
def own_definitions():
    """Scenarios and data sets that a test makes, keys that it sends, and what is known of its servers end with it."""
    before = [(known, dict(known)) for known in (SCENARIOS, DATASETS)]
    yield
    model._gates.clear()  # the next one's server may get the same port
    if redaction._sent:  # a key that one test sent is no secret of the next one's
        redaction._sent.clear()
        redaction._forms.cache_clear()
    for known, those in before:
        known.clear()
        known.update(those)


@pytest.fixture
def cell():
    """The cell that most tests use: a cooperative peer, known from a file."""
    return pp.Condition(scenario="tampering", subject="peer", peer="cooperative", dataset="factual")
