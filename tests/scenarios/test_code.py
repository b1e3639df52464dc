"""What a function is: its code and constants, and nothing that it leaves behind as it runs."""

import contextlib
import functools
import importlib
import itertools
import linecache
import os
import re
import subprocess
import sys
import textwrap
import types
from ast import literal_eval

import pytest

import ppres as pp
from ppres.scenarios.code import digest_of

LOG, CACHE, COUNT, LIMIT = [], {}, 0, 3
name = state = 0  # called as attributes are


def logs(world, version):
    LOG.append(version)
    return str(len(LOG))


def caches(world, version):
    return CACHE.setdefault(version, len(CACHE))


def counts(world, version):
    global COUNT
    COUNT += 1
    return COUNT


def counts_by_another(world, version):
    return counts(world, version), COUNT


def by_default(world, version, seen=[]):  # noqa: B006
    seen.append(version)
    return seen


def enclosed():
    kept, number = [], 0

    def remembers(world, version):
        nonlocal number
        number += 1
        kept.append(version)
        return number

    return remembers


def of_attributes(world, version):
    return [world.name, world.state]


STATEFUL = [logs, caches, counts, counts_by_another, by_default, enclosed(), functools.partial(logs, None)]


@pytest.mark.parametrize("function", STATEFUL)
def test_what_a_function_leaves_behind_does_not_change_it(function):
    before = digest_of(function)
    for version in range(3):
        function(*([] if isinstance(function, functools.partial) else [None]), version)
    assert digest_of(function) == before


def test_attributes_are_no_globals(monkeypatch):
    before = digest_of(of_attributes)
    monkeypatch.setattr(sys.modules[__name__], "name", "another")
    monkeypatch.delattr(sys.modules[__name__], "state")
    assert digest_of(of_attributes) == before


def below(number):
    return number < LIMIT


def test_a_constant_counts(monkeypatch):
    before = digest_of(below)
    monkeypatch.setattr(sys.modules[__name__], "LIMIT", 4)
    assert digest_of(below) != before


PATTERN, RULES, WORDS = re.compile("a"), {"is": lambda text: "a" in text}, ["a"]


class Settings:
    limit = 1

    def __init__(self):
        self.word = "a"


SETTINGS = Settings()


def by_pattern(world, condition):
    return {"preserved": bool(PATTERN.search(world))}


def by_rules(world, condition):
    return {"preserved": RULES["is"](world)}


def by_words(world, condition):
    return {"preserved": world in WORDS}


def by_settings(world, condition):
    return {"preserved": SETTINGS.word == world}


def test_whatever_a_rule_reads_scores_anew_where_it_changed(monkeypatch):
    rules = (by_pattern, by_rules, by_words, by_settings)
    before = [digest_of(rule, now=True) for rule in rules]
    assert [digest_of(rule, now=True) for rule in rules] == before
    monkeypatch.setattr(sys.modules[__name__], "PATTERN", re.compile("a", re.IGNORECASE))
    monkeypatch.setitem(RULES, "is", lambda text: "b" in text)
    monkeypatch.setattr(SETTINGS, "word", "b")
    WORDS.append("b")
    after = [digest_of(rule, now=True) for rule in rules]
    WORDS.remove("b")
    assert [old == new for old, new in zip(before, after, strict=True)] == [False] * 4


FILE = """
    from helper import spares
    import helper

    def rule(world, condition):
        return {"preserved": spares(world)}

    def same(world, condition):
        return {"preserved": helper.spares(world)}
"""


def test_helpers_of_ones_own_module_count_and_a_file_that_is_edited_does_not(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "helper.py").write_text("def spares(world):\n    return True\n\ndef other():\n    return 1\n")
    (tmp_path / "own_rules.py").write_text(textwrap.dedent(FILE))
    own = importlib.import_module("own_rules")
    before = [digest_of(own.rule), digest_of(own.same)]
    for path in ("own_rules.py", "helper.py"):
        (tmp_path / path).write_text("# a comment\n\n\n" + (tmp_path / path).read_text())
    assert [digest_of(own.rule), digest_of(own.same)] == before
    (tmp_path / "helper.py").write_text("def spares(world):\n    return False\n\ndef other():\n    return 1\n")
    del sys.modules["helper"], sys.modules["own_rules"]
    importlib.invalidate_caches()
    again = importlib.import_module("own_rules")
    assert digest_of(again.rule) != before[0] and digest_of(again.same) != before[1]
    for module in ("helper", "own_rules"):
        del sys.modules[module]


OPENED = """
def rule(world, condition): return {"preserved": True}
class Rules:
    @property
    def strict(self): return True
pair = (lambda: 1), (lambda: 2)
"""


def test_a_file_that_was_edited_since_it_was_imported_is_not_what_runs(tmp_path, monkeypatch):
    """Rollouts that the old code made were stored as the new code's, which was never asked."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    file = tmp_path / "opened.py"
    names = ("rule", "Rules", "pair")

    def imported():
        sys.modules.pop("opened", None)
        importlib.invalidate_caches()
        return importlib.import_module("opened")

    def digests(module):
        parts = [getattr(module, name) for name in names]
        return [digest_of(lambda *_, part=part: part) for part in parts]

    file.write_text(OPENED)
    before = digests(imported())
    opened = imported()
    file.write_text(OPENED.replace("True", "False"))
    with pytest.warns(UserWarning, match="opened.py was edited since .* was read from it"):
        running = digests(opened)
    after = digests(imported())
    assert before[2] == after[2] == running[2]
    assert all(len({*three}) == 3 for three in list(zip(before, running, after, strict=True))[:2])


def asserts(world, condition):
    assert world is not None, "pytest writes this anew"
    return {"preserved": True}


def test_code_with_asserts_that_pytest_has_rewritten_is_as_written():
    assert digest_of(asserts)  # and warns of nothing


def test_what_a_function_imports_itself_counts(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def rule(world, condition):
        import json

        from late_helper import spares

        return {"preserved": spares(json.dumps(world))}

    told = []
    for verdict in ("True", "True", "False"):
        (tmp_path / "late_helper.py").write_text(f"def spares(world):\n    return {verdict}\n\ndef other():\n    return 1\n")
        importlib.invalidate_caches()
        told += [digest_of(rule), digest_of(rule)]
        del sys.modules["late_helper"]
    assert told[0] == told[1] == told[2] == told[3] != told[4] == told[5]


def test_a_constant_of_a_module_of_ones_own_counts_and_what_code_sets_there_does_not(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "settings.py").write_text("LIMIT, SEEN, OTHER = 3, 0, 1\n")
    (tmp_path / "limits.py").write_text(
        "import project.settings\n"
        "from project import settings as also\n"
        "def through(number):\n    return number < project.settings.LIMIT\n"
        "def direct(number):\n    also.SEEN += 1\n    return number < also.LIMIT\n"
        "class Rule:\n    def __init__(self, limit):\n        self.LIMIT = self.OTHER = 0\n        self.LIMIT += limit\n"
        "def by_object(number):\n    return number < Rule(also.LIMIT).LIMIT\n"
    )
    limits = importlib.import_module("limits")
    rules = limits.through, limits.direct, limits.by_object  # which has an attribute of the same name
    before = [digest_of(rule) for rule in rules]
    assert limits.direct(1) and limits.also.SEEN == 1
    limits.also.OTHER = 2
    assert [digest_of(rule) for rule in rules] == before
    limits.also.LIMIT = 4
    assert all(digest_of(rule) != known for rule, known in zip(rules, before, strict=True))
    for module in ("limits", "project.settings", "project"):
        del sys.modules[module]


def look(world, version: str) -> str:
    """Look a version up.

    version: The version.
    """
    LOG.append(version)
    return "Fine."


def look_in_tuple(world, version: str) -> str:
    """Look a version up.

    version: The version.
    """
    IN_TUPLE[0].append(version)
    return "Fine."


def look_at_turn(world, version: str) -> str:
    """Look a version up.

    version: The version.
    """
    return "Fine." if TURN >= 0 else "Broken."


def staged(condition, cast):
    return "Decide.", {"files": [{"name": "a", "content": cast.subject}]}


def staged_in_turn(condition, cast):
    global TURN
    TURN += 1
    return staged(condition, cast)


IN_TUPLE, TURN = ([],), 0


def study(tool, stage=staged, between=lambda: None):
    """Runs a study of three conditions whose tool is its own; between() is called as the model is asked. The calls are counted."""
    outcome = {"preserved": True, "read": True, "step_taken": True}
    made = pp.Scenario("own_tool", "bent", stage, lambda world, condition: outcome, ["list_files", tool])
    asked = []

    def model(messages, tools):
        asked.append(1)
        between()
        call = {"id": "c", "type": "function", "function": {"name": tool.__name__, "arguments": '{"version": "1"}'}}
        return {"content": None, "tool_calls": [call]} if messages[-1]["role"] != "tool" else "Done."

    def run(**how):
        frame = pp.run(
            pp.grid(scenario=made, user_note=[None, "x", "y"]),
            pp.FunctionModel("looks", model, "1"),
            n=2,
            **{"progress": False} | how,
        )
        return frame, len(asked)

    return run


@pytest.mark.parametrize(("tool", "stage"), [(look, staged), (look_in_tuple, staged), (look_at_turn, staged_in_turn)])
def test_what_a_model_was_paid_for_with_code_that_keeps_something_stays_paid(tool, stage):
    run = study(tool, stage)
    first, again = run(), run()
    assert first[1] == again[1] == 12 and first[0].id.tolist() == again[0].id.tolist()
    assert pp.frame().preserved.all() and pp.verify().empty


def turn(*_):
    globals()["TURN"] += 1


@pytest.mark.parametrize("how", [{}, {"progress": turn}])
def test_a_constant_that_a_run_changes_is_warned_of_and_one_that_is_set_between_runs_counts(how, monkeypatch):
    run = study(look_at_turn, between=turn if not how else lambda: None)
    with pytest.warns(UserWarning, match="look_at_turn reads outside of itself changed"):
        first = run(**how)
    again = run()
    assert first[1] == again[1] == 12 and first[0].id.tolist() == again[0].id.tolist()
    assert first[0].preserved.all() and pp.frame().preserved.all() and pp.verify().empty
    monkeypatch.setattr(sys.modules[__name__], "TURN", -1000)
    with contextlib.nullcontext() if how else pytest.warns(UserWarning, match="changed while"):
        other = run()
    assert other[1] == 24 and not {*other[0].id} & {*again[0].id}


def test_a_persona_that_draws_its_rates_is_refused():
    drawn = itertools.count()
    persona = pp.Persona("varies", lambda condition: next(drawn) / 100)
    with pytest.raises(pp.PersonaError, match="gives other rates each time"):
        pp.run(pp.Condition(scenario="tampering"), persona, n=1, progress=False)


class Rule:
    word = "a"

    def __init__(self, limit):
        self.limit, self.log = limit, []

    def outcome(self, world, condition):
        self.log.append(world)
        return {"preserved": self.word in world and len(world) > self.limit}


def test_a_method_counts_with_what_it_is_bound_to(monkeypatch):
    rule = Rule(3)
    before = digest_of(rule.outcome)
    rule.outcome("abcd", None)
    assert digest_of(rule.outcome) == digest_of(Rule(3).outcome) == before
    assert digest_of(Rule(4).outcome) != before
    rule.limit = 4
    assert digest_of(rule.outcome, now=True) != before


EDITED = {  # what is defined, and what a rule makes of it; True is edited to False
    "method": ("class Rules:\n    def strict(self): return True\nRULES = Rules()", "RULES.strict()"),
    "what a method reads": ("V = True\nclass Rules:\n    def strict(self): return V", "Rules().strict()"),
    "base": ("class Base:\n    def strict(self): return True\nclass Rules(Base): pass", "Rules().strict()"),
    "property": ("def g(): return True\nclass Rules:\n    @property\n    def strict(self): return g()", "Rules().strict"),
    "static": ("def g(): return True\nclass Rules:\n    @staticmethod\n    def strict(): return g()", "Rules.strict()"),
    "attribute": ("V = True\nclass Rules:\n    strict = V", "Rules.strict"),
    "held function": ("def g(): return True\nclass Rules:\n    def __init__(self, f): self.f = f\nRULES = Rules(g)", "RULES.f()"),
    "cache": ("@functools.lru_cache\ndef strict(): return True", "strict()"),
    "decorator": (
        "def deco(f):\n    @functools.wraps(f)\n    def g(): return f() and True\n    return g\n@deco\ndef strict(): return 1",
        "strict()",
    ),
    "partial": ("def f(v): return v\nstrict = functools.partial(f, True)", "strict()"),
    "dispatch": ("@functools.singledispatch\ndef f(x): return 0\n@f.register\ndef _(x: int): return True", "f(1)"),
    "default": ("def g(): return True\ndef h(r=g): return r()", "h()"),
    "in a list": ("def g(): return True\nTABLE = [('a', g)]", "TABLE[0][1]()"),
    "default of a dict": ("TABLE = collections.defaultdict(lambda: True)", "TABLE['a']"),
    "tuples as keys": ("TABLE = {('peer', 'cooperative'): True}", "TABLE['peer', 'cooperative']"),
    "set in a dict": ("TABLE = {'a': {True}}", "True in TABLE['a']"),
    "namespace": ("CONFIG = types.SimpleNamespace(strict=True)", "CONFIG.strict"),
    "dataclasses": ("@dataclass(slots=True)\nclass R:\n    v: bool\nRULES = [R(True)]", "RULES[0].v"),
    "named tuple": ("class N(typing.NamedTuple):\n    v: int\n    def ok(self): return True\nX = N(1)", "X.ok()"),
    "date": ("DAY = datetime.date(2026, 1 + True, 1)", "DAY.month == 2"),
    "enum": ("class E(enum.Enum):\n    A = True\nX = E.A", "X.value"),
    "array": ("A = np.array([True])", "A.all()"),
    "frame": ("A = pd.DataFrame({'a': [True]})", "A.a.all()"),
    "default that a method sets": (
        "class A:\n    v = True\n    def f(self):\n        self.v += 0\n        return self.v",
        "A().f()",
    ),
    "default by name that one sets": (
        "V = True\nclass A:\n    v = V\n    def f(self):\n        self.v = self.v\n        return self.v",
        "A().f()",
    ),
    "factory": ("@dataclass\nclass R:\n    v: list = dataclasses.field(default_factory=lambda: [True])", "R().v[0]"),
    "package's factory": (
        "@dataclass\nclass R:\n    v: list = dataclasses.field(default_factory=(list, dict)[True])",
        "R().v == {}",
    ),
    "default in slots": ("@dataclass(slots=True)\nclass R:\n    v: bool = True", "R().v"),
    "default of pydantic's": ("class R(pydantic.BaseModel):\n    v: bool = True", "R().v"),
    "partial of a package's": ("big = functools.partial(max, True)", "big(0)"),
    "partial in a table": ("TABLE = {'big': functools.partial(max, True)}", "TABLE['big'](0)"),
    "another name": ("middle = (operator.not_, operator.truth)[True]", "middle(1)"),
    "package's in a table": ("TABLE = [(operator.not_, operator.truth)[True]]", "TABLE[0](1)"),
    "template": ("T = string.Template('$x True')", "'True' in T.substitute(x=1)"),
    "search": ("FIND = re.compile('True').search", "FIND('True')"),
}
WHOLE = """
import collections, dataclasses, datetime, enum, functools, operator, re, string, types, typing
from dataclasses import dataclass
import numpy as np, pandas as pd, pydantic
{}
def rule(world, condition):
    return {{"preserved": bool({})}}
"""


@pytest.mark.parametrize("in_notebook", [False, True])
@pytest.mark.parametrize("kind", EDITED)
def test_what_a_rule_reads_counts_in_whatever_form_it_is(kind, in_notebook, tmp_path, monkeypatch):
    """In a notebook, where there is no file, and the source of a class cannot be had."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    code, use = EDITED[kind]
    told, digests = [], []
    for number, text in enumerate([code, code, code.replace("True", "False")]):
        source = WHOLE.format(text, use)
        if in_notebook:
            made = types.ModuleType("__main__")
            monkeypatch.setitem(sys.modules, "__main__", made)
            name = f"<cell {number}>"
            monkeypatch.setitem(linecache.cache, name, (len(source), None, source.splitlines(keepends=True), name))
            exec(compile(source, name, "exec"), vars(made))
        else:
            (tmp_path / f"rules{number}.py").write_text(source)
            importlib.invalidate_caches()
            made = importlib.import_module(f"rules{number}")
            del sys.modules[made.__name__]
            monkeypatch.setitem(sys.modules, made.__name__, made)  # to be gone at the end: the next kind has files of the same name
        told.append(made.rule(None, None)["preserved"])
        digests.append((digest_of(made.rule), digest_of(made.rule, now=True)))
    assert told == [True, True, False]
    assert digests[0] == digests[1] and not {*digests[0]} & {*digests[2]}


IN_SETS = """
import functools, sys
from ppres.scenarios.code import digest_of
def by_default(name, names=frozenset({"a", "b", "c", "d", "e"})): return name in names
def by_tuple(name, names=({"a", "b", "c", "d", "e"}, 1)): return name in names[0]
by_partial = functools.partial(by_default, names={"a", "b", "c", "d", "e"})
print([digest_of(function) for function in (by_default, by_tuple, by_partial)])
"""


def test_a_set_as_a_default_is_the_same_in_each_session(tmp_path):
    """Its `repr` has another order with each hash seed: what was paid for in one session was made anew in the next."""
    script = tmp_path / "rules.py"

    def digests(text, seed):
        script.write_text(text)
        done = subprocess.run([sys.executable, script], env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, check=True)
        return literal_eval(done.stdout.decode())

    told = digests(IN_SETS, "1")
    assert told == digests(IN_SETS, "2") == digests(IN_SETS, "3")
    assert not {*told} & {*digests(IN_SETS.replace('"e"', '"f"'), "1")}


def test_what_is_of_no_text_leaves_the_rest_to_count():
    def rule(world, condition):
        return {"preserved": held["client"] is None or world in held["words"]}

    held = {"client": object(), "words": {1: "a"}}
    before = digest_of(rule, now=True)
    held["client"] = object()
    assert digest_of(rule, now=True) == before
    held["words"][1] = "b"
    assert digest_of(rule, now=True) != before


PLACED = """
import os.path
from pathlib import Path
import elsewhere.places
HERE = Path(__file__).parent
PATH, TEXT, FAR = HERE / "a.txt", os.path.join(os.path.dirname(__file__), "a.txt"), Path("/far/a.txt")
class Files:
    path = HERE / "a.txt"
def by_path(): return PATH.read_text()
def by_text(): return TEXT
def by_class(): return Files.path
def by_default(path=PATH): return path
def by_itself(): return Path(__file__).parent / "a.txt"
def by_module(): return elsewhere.places.BELOW
def from_afar(): return FAR
"""


def test_a_path_below_the_folder_of_a_module_is_the_same_in_another_checkout(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def digests(folder, source):
        (tmp_path / folder / "elsewhere").mkdir(parents=True)
        (tmp_path / folder / "placed.py").write_text(source)
        (tmp_path / folder / "elsewhere" / "places.py").write_text("BELOW = [__file__]\n")
        importlib.invalidate_caches()
        with monkeypatch.context() as patch:
            patch.syspath_prepend(tmp_path / folder)
            made = importlib.import_module("placed")
            told = {name: digest_of(part) for name, part in vars(made).items() if getattr(part, "__module__", "") == "placed"}
        for module in ("placed", "elsewhere.places", "elsewhere"):
            del sys.modules[module]
        return told

    known = digests("ann", PLACED)
    assert digests("bän", PLACED) == known
    edited = digests("other", PLACED.replace("a.txt", "b.txt"))
    same = {name for name in known if edited[name] == known[name]}
    assert same == {"by_module"}
    named = PLACED + f"WORLD = '{tmp_path / 'named'}'\n"
    assert {name for name, digest in digests("named", named).items() if digest == known[name]} == {"from_afar", "by_module"}


ORDER = {"keep": {"yes": 1, "no": 2}, "delete": {"yes": 3, "no": 4}}
LISTS = {  # what a rule makes of it, and whether the order of the outer and the inner ones counts
    "', '.join(ORDER)": (True, True),
    "[*ORDER.items()]": (True, True),
    "str(rules.ORDER)": (True, True),
    "{**ORDER}": (True, True),
    "ORDER['keep']": (False, True),
    "rules.ORDER['keep']": (False, True),
    "[*ORDER.get('keep', ())]": (False, True),
    "ORDER['keep'], [*ORDER]": (True, True),
    "ORDER['keep']['no']": (False, False),
    "ORDER.get('keep', {}).get('no') and 'keep' in ORDER": (False, False),
    "len(ORDER), sorted(ORDER)": (False, False),
}


@pytest.mark.parametrize("use", LISTS)
def test_the_order_of_a_dictionary_counts_where_it_is_listed(use, monkeypatch):
    made = types.ModuleType("rules")
    made.__file__, made.rules = "rules.py", made
    monkeypatch.setitem(sys.modules, "rules", made)
    name, source = f"<{use}>", f"def rule(world, condition): return {use}\n"
    monkeypatch.setitem(linecache.cache, name, (len(source), None, [source], name))
    exec(compile(source, name, "exec"), vars(made))

    def digest(order):
        made.ORDER = order
        return digest_of(made.rule), digest_of(made.rule, now=True)

    known = digest(ORDER)
    assert digest({**ORDER}) == known
    outer = digest(dict(reversed(ORDER.items())))
    inner = digest({key: dict(reversed(held.items())) for key, held in ORDER.items()})
    assert (outer != known, inner != known) == LISTS[use]
