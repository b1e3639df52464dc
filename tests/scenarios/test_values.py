"""Constants as text: as they always were, and in bounded time where they share much or know each other."""

import dataclasses
import datetime
import enum
import functools
import re
import subprocess
import sys
import textwrap
import types
import unittest.mock
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from ppres.scenarios.code import digest_of

VALUE = None


def rule(world, condition):
    return VALUE


class Room:
    def __init__(self, name):
        self.name, self.exits = name, []


@dataclasses.dataclass
class Tree:
    name: str
    parent: object = None
    below: list = dataclasses.field(default_factory=list)


class Slotted:
    __slots__ = ("held",)

    def __init__(self, held):
        self.held = held


class Colour(enum.Enum):
    RED = (1, "red")


def house(side, name="{}{}"):
    rooms = {(i, j): Room(name.format(i, j)) for i in range(side) for j in range(side)}
    for (i, j), room in rooms.items():
        room.exits = [rooms[at] for at in ((i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1)) if at in rooms]
    return rooms[0, 0]


def hosts(number, name="h{}", holds=list):
    all_of_them = [Room(name.format(i)) for i in range(number)]
    for host in all_of_them:
        host.exits = holds(other for other in all_of_them if other is not host)
    return all_of_them


def family():
    top = Tree("a")
    top.below = [Tree("b", top), Tree("c", top, [Tree("d")])]
    return top


def circle():
    held = [1, {"a": 2.5}]
    held[1]["b"] = held
    return held


def shared(deep, held=("x",), join=lambda held: [held, held]):
    for _ in range(deep):
        held = join(held)
    return held


USUAL = {  # what a cell's identity has been made of since the first release: rollouts are found by it
    "0e86c9f10d85": lambda: {"b": [1, 2.5, None, True], "a": {"c": ("d", "ü")}},
    "8ba4693349c2": lambda: shared(6),
    "2e403f33c748": lambda: shared(9, [1], lambda held: {"a": held, 2: held}),
    "8af19290a81d": circle,
    "cdc787194423": lambda: house(3),
    "2a2fe979a38d": lambda: hosts(5),
    "676078f299cd": lambda: hosts(4, holds=set),
    "d2d62d00d2cd": family,
    "d8d8c4cc3a52": lambda: [Colour.RED, re.compile("a", re.I), b"ab", Decimal("1.5"), datetime.date(2024, 2, 3), range(3), len],
    "6a77dbf8bea3": lambda: {("a", 1): {"x", "y"}, frozenset({1, 2}): Slotted([1]), None: object()},
    "619b1495afe0": lambda: types.SimpleNamespace(words={"b", "a"}, again=re.compile("x").search, room=Room("r")),
    "bd6872ee72f8": lambda: [np.arange(6.0).reshape(2, 3), np.array([["a", None], [Room("r"), 1]], dtype=object)],
    "b230a864d8df": lambda: pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5]}),
    "93a34c961b2d": lambda: [{"id": i, "tags": ("a", i % 7), "price": Decimal(i)} for i in range(9_000)],
    "88b46d4b8ae9": lambda: [Room(str(i)) for i in range(9_000)],
    "668bd5e68192": lambda: [["same"]] * 40_000,
    "fab76e972200": lambda: shared(150, ["x"], lambda held: [held]),
}


@pytest.mark.parametrize("digest", USUAL)
def test_a_usual_constant_has_the_identity_that_it_always_had(digest, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "VALUE", USUAL[digest]())
    assert digest_of(rule, now=True) == digest


def chain(length, end="x"):
    first = last = Room(end)
    for i in range(length):
        last.exits = [Room(str(i))]
        last = last.exits[0]
    return first


TANGLED = {
    "a map": lambda word: house(9, "{}{}" + word),
    "a map without names": lambda word: house(9 + (word == "y"), ""),
    "hosts": lambda word: hosts(30, "h{}" + word),
    "hosts in sets": lambda word: hosts(30, "h{}" + word, set),
    "hosts in arrays": lambda word: hosts(30, "h{}" + word, lambda others: np.array([*others], dtype=object)),
    "lists": lambda word: shared(60, [word]),
    "tuples": lambda word: shared(60, (word,), lambda held: (held, held)),
    "dictionaries": lambda word: shared(60, word, lambda held: {"a": held, "b": held}),
    "deep": lambda word: shared(2_000, [word], lambda held: [held]),
    "deep, in dictionaries": lambda word: shared(2_000, word, lambda held: {"a": held}),
    "a chain": lambda word: chain(1_000, word),
    "hosts as keys": lambda word: {host: host.exits for host in hosts(30, "h{}" + word)},
}


def in_all_places(value):
    """What reads a value as a constant, has it as a default, is given it, is bound to it, or is of a class that has it."""

    def closes(world):
        return value

    def has(world, given=value, *, named=value):
        return given

    class Made:
        held = value

        def tool(self, world):
            return self.held

    bound = types.MethodType(rule, Slotted(value))
    return [closes, has, functools.partial(rule, value), functools.partial(rule, world=value), bound, Made().tool]


@pytest.mark.parametrize("kind", TANGLED)
def test_what_knows_each_other_or_is_shared_much_is_told_in_bounded_time(kind, monkeypatch):
    told = []
    for word in ("x", "x", "y"):
        monkeypatch.setattr(sys.modules[__name__], "VALUE", TANGLED[kind](word))
        told.append((digest_of(rule), digest_of(rule, now=True)))
    assert told[0] == told[1]
    assert not {*told[0]} & {*told[2]}


@pytest.mark.parametrize("kind", ["hosts", "tuples", "deep"])
def test_wherever_code_has_it(kind):
    one, again, other = ([digest_of(part) for part in in_all_places(TANGLED[kind](word))] for word in ("x", "x", "y"))
    assert one == again
    assert not {*one} & {*other}


def test_what_leads_elsewhere_in_a_tangle_is_another():
    def digest(edit):
        rooms = hosts(12)
        edit(rooms)
        return digest_of(in_all_places(rooms)[0], now=True)

    edits = [
        lambda rooms: None,
        lambda rooms: rooms[3].exits.pop(),
        lambda rooms: rooms[3].exits.reverse(),
        lambda rooms: rooms[3].exits.append(rooms[3]),
        lambda rooms: setattr(rooms[3], "open", True),
        lambda rooms: rooms[3].exits.append((1, 2)),
        lambda rooms: rooms.pop(),
    ]
    told = [digest(edit) for edit in edits]
    assert len({*told}) == len(edits) and digest(edits[0]) == told[0]


def test_tuples_that_python_may_or_may_not_make_one_of_are_the_same():
    def digest(places):
        rooms = hosts(12)
        for room, place in zip(rooms, places, strict=False):
            room.place = place
        return digest_of(in_all_places(rooms)[0], now=True)

    assert digest([(1, b"2")] * 12) == digest([(1, bytes([50])) for _ in range(12)]) != digest([(1, b"2")] * 11)


@pytest.mark.parametrize("mock", [unittest.mock.Mock, unittest.mock.MagicMock])
def test_a_mock_that_has_all_that_it_is_asked_for_is_told_by_its_class(mock):
    assert len({digest_of(part) for _ in range(2) for part in in_all_places([mock(), 1])[:1]}) == 1


def test_the_order_of_a_dictionary_counts_in_a_tangle_as_well(monkeypatch):
    module = sys.modules[__name__]

    def digest(names):
        held = {"rooms": hosts(12), "prices": dict.fromkeys(names, 1)}
        monkeypatch.setattr(module, "VALUE", held)
        return digest_of(rule, now=True)

    assert digest("ab") != digest("ba") == digest("ba")


IN_ANY_SESSION = """
    import sys
    from pathlib import Path
    from ppres.scenarios.code import digest_of

    class Host:
        def __init__(self, name):
            self.name, self.place, self.peers = name, Path(__file__).parent / name, set()

    kept = [Host(str(i)) for i in range(int(sys.argv[1]))]  # so that others lie elsewhere
    HOSTS = [Host(f"h{i % 7}") for i in range(30)]
    for host in HOSTS:
        host.peers |= {*HOSTS} - {host}

    def rule(world, condition):
        return {*HOSTS}

    def by_default(world, hosts={*HOSTS}):
        return hosts

    print(digest_of(rule), digest_of(rule, now=True), digest_of(by_default))
"""


def test_a_tangle_is_the_same_in_each_session_and_in_another_checkout(tmp_path):
    told = set()
    for seed in ("1", "20", "300"):
        file = tmp_path / seed / "own.py"
        file.parent.mkdir()
        file.write_text(textwrap.dedent(IN_ANY_SESSION))
        run = subprocess.run([sys.executable, file, seed], capture_output=True, text=True, env={"PYTHONPATH": ":".join(sys.path)})
        assert not run.stderr
        told.add(run.stdout)
    assert len(told) == 1
