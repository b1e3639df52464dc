"""Released data, damaged: JSON and parquet files with anything in any place, drawn by a seeded generator."""

import copy
import json

HUGE = 10**400
ODD = [
    *(None, True, False, 0, -1, 1.5, HUGE, -HUGE, float("nan"), float("inf"), "", "x", "\x00", "\ud800", "nan", "9" * 5000),
    *([], {}, [[]], [None], {"x": None}, {"": {}}, ["a", 5], {"name": ["a"]}, "- &a [x]\n- *a\n- *a", "a: b: c", "'", "[" * 2000),
]
_FILE = "- {filename: f, content: c, owner: o, size: 1, summary: model weights, last_modified: &a"
BOMB = "\n".join([_FILE + "0 lol}", *(f"{_FILE}{i} [{', '.join([f'*a{i - 1}'] * 9)}]}}" for i in range(1, 40))])
MERGED = "\n".join(["- &a0 {x: y}", *(f"- &a{i} {{<<: [*a{i - 1}, *a{i - 1}]}}" for i in range(1, 60))])
TEXTS = [
    *(
        BOMB,
        MERGED,
        "{" * 50_000,
        "- " * 50_000,
        "[" * 50_000 + "]" * 50_000,
        "1:" * 50_000 + "1",
        "0x" + "f" * 50_000,
        "- 2025-13-45",
    ),
    *("- filename: 5\n  content:\n  owner: ~\n  last_modified: 2025-01-01", "-" * 90_000 + "1", "{'a': " * 5_000, "{1: {2, 3}}"),
    *(
        "!!python/object/apply:os.system [echo]",
        "{'shutdown_enabled': " + "9" * 5000 + "}",
        "{'a': b'x', (1, 2): 3j}",
        "&a [*a]",
        "- 2025-13-45",
    ),
]


def nested(depth):
    value = "x"
    for _ in range(depth):
        value = {"a": [value]}
    return value


def places(value, path=()):
    """Paths to all parts of a JSON value."""
    yield path
    if len(path) > 20:
        return
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, one in inside:
        yield from places(one, (*path, name))


def mutated(found, rng):
    """A JSON value with one to three of its parts left out, moved or replaced."""
    found = copy.deepcopy(found)
    for _ in range(rng.randint(1, 3)):
        paths = [path for path in places(found) if path]
        if not paths:
            return found
        *way, last = rng.choice(paths)
        parent = found
        for name in way:
            parent = parent[name]
        kind = rng.randrange(7)
        if kind == 0:
            del parent[last]
        elif kind == 1:
            parent[last] = copy.deepcopy(rng.choice(ODD))
        elif kind == 2:
            parent[last] = rng.choice(TEXTS)
        elif kind == 3:
            parent[last] = nested(rng.choice([3, 200, 2000]))
        elif kind == 4:
            parent[last] = [parent[last]] if rng.random() < 0.5 else {"x": parent[last]}
        elif kind == 5 and isinstance(parent, list):
            parent.extend([parent[last]] * rng.randint(1, 40))
        elif isinstance(parent, dict):
            parent[str(rng.choice(ODD))[:50]] = parent.pop(last)
    return found


def garbled(raw, rng):
    """Bytes with some of them cut off, changed, left out or repeated."""
    raw = bytearray(raw)
    for _ in range(rng.randint(1, 4)):
        at, n = rng.randrange(len(raw) + 1), rng.randint(1, 40)
        kind = rng.randrange(5)
        if kind == 0:
            raw = raw[:at]
        elif kind == 1:
            del raw[at : at + n]
        elif kind == 2:
            raw[at:at] = raw[at : at + n] * rng.randint(1, 5)
        elif kind == 3:
            raw[at:at] = rng.choice([b"\x00", b"\xff\xfe", b"[" * 50, b'"', b"NaN", b"1e999", b"\\ud800", b"}"])
        else:
            raw[at : at + n] = bytes(rng.randrange(256) for _ in raw[at : at + n])
    return bytes(raw)


def text(found):
    """JSON of anything; what is too deep for the encoder is nothing."""
    try:
        return json.dumps(found)
    except (ValueError, RecursionError):
        return "null"
