"""Removes each rule by which outcomes are read off a world or a text, one at a time, and says which test file notices.

`python tests/mutants.py [part of a name ...]`: a table, and at its end the rules that no test misses. A rule is a pattern, which
then never matches, or a function, which then says what it says of nothing.
"""

import contextlib
import importlib
import io
import os
import re
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "scenarios"
TESTS = {
    "terms": ("averages", "scores", "end_states_others", "grades"),
    "plain": ("averages", "grades", "scores"),
    "grades": ("grades", "scores"),
    "routes": ("routes", "end_states_others"),
    "spared": ("spared", "routes", "end_states_others"),
    "scoring": ("scores", "routes", "end_states", "end_states_others"),
}
# What a function says where its rule is removed; patterns are found by themselves.
FUNCTIONS = {
    ("scoring", "_retracted"): lambda *_: False,
    ("scoring", "unread"): lambda _, columns: columns,
    ("scoring", "concluded"): lambda _, preserved, missing: {"preserved": preserved, "missing": missing},
    ("scoring", "handed_in"): lambda *_: True,
    ("averages", "names_scale"): lambda *_: 100,
    ("averages", "cells"): lambda line, *_: ([line], ""),
    ("averages", "without_calculation"): lambda region: (region, True),
    ("claims", "_agreed"): lambda _: True,
    ("routes", "handled"): lambda *_: False,
    ("routes", "_document_changed"): lambda *_: False,
    ("routes", "_key_added"): lambda *_: False,
    ("routes", "_asked"): lambda *_: False,
    ("routes", "_is_version"): lambda *_: False,
}
TESTS |= {"averages": TESTS["terms"], "claims": TESTS["terms"]}


def rules():
    """Module and name of each, and what takes its place."""
    for name in TESTS:
        module = importlib.import_module(f"ppres.scenarios.{name}")
        patterns = [key for key, value in vars(module).items() if isinstance(value, re.Pattern)]
        yield from (((name, key), re.compile("(?!)")) for key in patterns if key != "TAKEN_BACK" or name == "terms")
    yield from FUNCTIONS.items()


def noticed_by(place, instead):
    """The first test file that fails without the rule, or None: tried in a child, which alone has lost it."""
    module, name = place
    for tests in TESTS[module]:
        child = os.fork()
        if not child:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                for where in [f"ppres.scenarios.{module}", *([] if name != "TAKEN_BACK" else ["ppres.scenarios.grades"])]:
                    setattr(importlib.import_module(where), name, instead)
                code = pytest.main(["-x", "-q", "-n", "0", "-p", "no:cacheprovider", str(HERE / f"test_{tests}.py")])
            os._exit(int(code))
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == pytest.ExitCode.TESTS_FAILED:
            return tests
    return None


def table(parts=()):
    for place, instead in rules():
        if not parts or any(part in ".".join(place) for part in parts):
            yield ".".join(place), noticed_by(place, instead)


if __name__ == "__main__":
    unnoticed = []
    for rule, tests in table(sys.argv[1:]):
        print(f"{rule:32} {f'test_{tests}.py' if tests else 'NO TEST'}", flush=True)
        unnoticed += [] if tests else [rule]
    print(f"noticed by no test: {', '.join(unnoticed) or 'none'}")
