"""A record that somebody edited is judged as it was written, or names the field that is none; nothing else comes of it."""

import copy
import json
import random

import pytest

import ppres as pp
from ppres.study.record import check

PLANTED = pp.Persona("planted", lambda one: 0.7 if one.peer == "cooperative" else 0.1)
CELLS = pp.grid(scenario="tampering", subject="peer", peer=["uncooperative", "cooperative"])
TESTS = [
    pp.Test("differences", factor="peer", a="cooperative", b="uncooperative", expect="greater", where={"subject": ["peer"]}),
    pp.Test("contrasts", factors=["peer"], weights={"c": {("cooperative",): 1, ("uncooperative",): -1}}, by=["model"]),
    pp.Test("logit", formula="preserved ~ trust", term="trust"),
]
INSTEAD = [None, 0, -1, 2.5, 10**30, True, "", "x", "\ud800", [], ["x"], [[1]], {}, {"x": {"y": [1]}}, float("inf"), float("nan")]
DROPPED = object()
POWER = [{"test": name, "term": "a", "expected": "greater", "power": 0.5, "reps": 100} for name in ("H1", "H2", "H3")]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The path of a record, its contents, and the store."""
    folder = tmp_path_factory.mktemp("study")
    store = folder / "store.sqlite"
    about = {"exclusions": {"lost": {"missing": "damaged"}}, "acknowledge": {"note": "the paper's"}}
    with pytest.warns(UserWarning, match="the arms differ"):
        made = pp.preregister("first", ["a", "b", "c"], CELLS, PLANTED, 4, TESTS, store=store, **about)
    pp.run(CELLS, PLANTED, 4, store=store, progress=False)
    pp.run(CELLS, "sim/saboteur", 1, store=store, progress=False)  # not registered
    return made.path, json.loads(made.path.read_text()) | {"power": POWER}, store


def places(value, path=()):
    """Every place in a record; of many alike the first."""
    yield path
    for key in [*value][:40] if isinstance(value, dict) else range(min(len(value), 2)) if isinstance(value, list) else ():
        yield from places(value[key], (*path, key))


def altered(record, path, instead):
    record = copy.deepcopy(record)
    if not path:
        return instead
    inner = record
    for key in path[:-1]:
        inner = inner[key]
    if instead is DROPPED:
        del inner[path[-1]]
    else:
        inner[path[-1]] = instead
    return record


def refusal(function, *arguments, **more):
    """What a `StudyError` says, if one is raised; any other error is a fault."""
    try:
        function(*arguments, **more)
    except pp.StudyError as error:
        return str(error)
    return ""


def nest(levels):
    return [nest(levels - 1)] if levels else []


TOLD = {
    "dropped": (("cells", 0, "digest"), DROPPED, r"its field cells\[0\]\.digest is missing"),
    "none": (("alpha",), None, "its field alpha is a number from 0 to 1, not None"),
    "number": (("hypotheses", "H1"), 5, "its field hypotheses.H1 is a text, not 5"),
    "text": (("n",), "4", "its field n is a whole number above 0, not '4'"),
    "list": (("cells", 1, "condition"), [], r"its field cells\[1\]\.condition is names with values, not \[\]"),
    "nested": (("confounds", 0, "tests"), {"a": 1}, r"its field confounds\[0\]\.tests is a list, not"),
    "infinite": (("shared",), {"a": [1, float("inf")]}, r"its field shared\.a\[1\] holds inf"),
    "deep": (("shared",), nest(101), "its field shared nests more than 100 levels"),
    "deeper": (("of tomorrow",), nest(900), "its field of tomorrow nests more than 100 levels"),
    "half": (("scorers",), {"tampering": "\ud800"}, r"its field scorers\.tampering holds half of a character: '\\ud800'"),
    "half a name": (("scorers",), {"\ud800": "1"}, r"its field scorers holds half of a character: '\\ud800'"),
    "no statistic": (("tests", "H1", "statistic"), "t", "its field tests.H1 is no test: statistic='t' is not one of"),
    "no weights": (("tests", "H2", "arguments", "weights"), [1], "its field tests.H2 is no test"),
    "no columns": (("tests", "H2", "arguments", "by"), None, "its field tests.H2 is no test: by=None is not a text, nor"),
    "no formula": (("tests", "H3", "arguments", "formula"), 5, "its field tests.H3 is no test"),
    "another name": (("hypotheses",), {"H9": "a"}, "tests and hypotheses do not go together: 'H1'"),
    "nothing": ((), [], r"its content is names with values, not \[\]"),
}


@pytest.mark.parametrize("how", TOLD)
def test_what_is_no_record_is_told_by_its_field(study, how):
    path, record, store = study
    place, instead, says = TOLD[how]
    path.write_text(json.dumps(altered(record, place, instead)))
    with pytest.raises(pp.StudyError, match=says):
        pp.verdict("first", store=store)


def test_a_file_that_cannot_be_read_is_told(study):
    path, _, store = study
    for content in (b"", b"\xff\xfe", b"[" * 100_000, b"{} {}", b'{"n": ' + b"9" * 5000 + b"}"):
        path.write_bytes(content)
        with pytest.raises(pp.StudyError, match=r"first\.json is no registration"):
            pp.verdict("first", store=store)


def test_any_field_may_be_altered(study):
    """Each place of a record in every way: it is a record, or the error names a field."""
    _, record, _ = study
    told = [
        refusal(check, altered(record, place, instead))
        for place in places(record)
        for instead in ([DROPPED, *INSTEAD] if place else INSTEAD)
    ]
    assert all(not text or text.startswith("its ") for text in told)
    assert min(told.count(""), sum(map(bool, told))) > 100


@pytest.mark.parametrize("seeds", [range(12), pytest.param(range(12, 300), marks=pytest.mark.slow)], ids=["few", "many"])
def test_a_record_that_was_altered_is_judged_and_that_is_told_or_names_the_field(study, seeds):
    path, record, store = study
    every = [place for place in places(record) if place and place[0] not in ("texts", "shared")]
    for seed in seeds:
        rng = random.Random(seed)
        path.write_text(json.dumps(altered(record, rng.choice(every), rng.choice([DROPPED, *INSTEAD]))))
        told = refusal(lambda: pp.verdict("first", store=store).text)
        assert not told or "first.json is no registration: its field" in told


def test_what_no_record_could_say_is_not_written(tmp_path):
    """The readable page had been left behind, and no record could be written beside it any more."""
    with (
        pytest.warns(UserWarning, match="the arms differ"),
        pytest.raises(pp.StudyError, match=r"'half' cannot be written: its field exclusions holds half of a character"),
    ):
        pp.preregister("half", ["a"], CELLS, PLANTED, 4, TESTS[2:], exclusions={"\ud800": {"missing": "damaged"}}, folder=tmp_path)
    assert not [*tmp_path.glob("half*")]
