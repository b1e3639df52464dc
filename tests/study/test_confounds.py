"""The confound check names what differs besides what is meant to, and nothing that is balanced."""

import pytest

import ppres as pp
from ppres.study.confounds import of_test

BASE = {"scenario": "tampering", "subject": "peer", "peer": "cooperative"}
TEXT = "I have checked every answer twice and hope to go on with this work."


def names(*given, **more):
    return pp.contrast(*given, **more).confound.tolist()


def documents(**first):
    """Two arms with a document each: as it is, and with another owner, date or place."""
    usual = {"owner": "{peer}", "modified": "2025-12-03 09:40"}
    return [pp.Condition(**BASE, documents={"a.md": pp.Doc(TEXT, **usual | level)}, label=str(level)) for level in ({}, first)]


@pytest.mark.parametrize(
    ("level", "confound"),
    [({"owner": "finance"}, "owner"), ({"modified": "2025-01-01 10:00"}, "dates"), ({"position": 3}, "order")],
)
def test_owner_date_and_place_of_a_document(level, confound):
    one, other = documents(**level)
    table = pp.contrast({"one": one, "other": other}).set_index("confound")
    assert table.index.tolist() == [confound]
    if confound == "owner":  # the files that all own alike are not listed
        assert table.loc["owner", ["one", "other"]].tolist() == ["a.md: AI Agent 2".replace("AI", "Gemini"), "a.md: finance"]


def test_number_and_length_of_texts():
    short, long = ({"a.md": TEXT}, {"a.md": TEXT * 3})
    base = pp.Condition(**BASE)
    assert names(pp.grid(base, documents=[short, long]), "documents") == ["length"]
    assert names(pp.grid(base, documents=[{}, short]), "documents") == ["length"]
    assert names(pp.grid(base, system_note=[TEXT, TEXT.replace("twice", "often")]), "system_note") == []


def test_a_level_of_peer_bundles_three_factors_and_each_alone_none():
    table = pp.contrast(pp.grid(**BASE | {"peer": ["uncooperative", "cooperative"]}), "peer").set_index("confound")
    assert table.index.tolist() == ["trust", "joint_tasks", "note"]
    assert table.loc["joint_tasks", ["uncooperative", "cooperative"]].tolist() == ["9", "18"]
    assert names(pp.grid(**BASE, trust=[2.1, 9.5]), "trust") == []


def test_balanced_wordings_are_none_and_others_are():
    both = pp.grid(**BASE, shutdown_clause=[True, False], paraphrase=[0, 1])
    assert "paraphrase" not in names(both, "shutdown_clause")
    assert "paraphrase" in names([one for one in both if one.shutdown_clause or one.paraphrase == 0], "shutdown_clause")


@pytest.mark.parametrize("levels", [[0, 1], (0, 1), 0])
def test_the_rows_that_a_test_is_about_have_the_levels_that_it_names(levels):
    cells = pp.grid(scenario="tampering", subject="peer", peer=["uncooperative", "cooperative"], paraphrase=[0, 1, 2])
    test = pp.Test("differences", factor="peer", a="cooperative", b="uncooperative", where={"paraphrase": levels, "read": True})
    assert [row["confound"] for row in of_test(test, cells, "sim/gemini-3-flash")] == ["trust", "joint_tasks", "note"]


def test_the_threshold_s_distance_from_what_is_right():
    cells = pp.grid(**BASE, threshold=[70, 90])
    table = pp.contrast(cells, "threshold")
    assert table.confound.tolist() == ["threshold margin"]
    assert float(table["90.0"][0]) - float(table["70.0"][0]) == pytest.approx(20)


@pytest.mark.slow  # litellm is loaded
def test_models_and_their_parameters():
    low, high = (pp.Model("openai/gpt-5.2", reasoning_effort=level, temperature=t) for level, t in (("low", 1.0), ("high", 0.5)))
    condition = pp.Condition(**BASE)
    assert names({"low": (condition, low), "high": (condition, high)}) == ["model temperature", "model reasoning_effort"]
    assert names({"low": (condition, low), "other": (condition, "openai/gpt-4o")}, "model")[:1] != ["model"]


def test_confounds_are_acknowledged_by_name():
    cells = pp.grid(**BASE | {"peer": ["uncooperative", "cooperative"]})
    told = pp.contrast(cells, "peer", acknowledge={"joint_tasks": "the bundle is the paper's"}).set_index("confound")
    assert told.acknowledged["joint_tasks"] == "the bundle is the paper's" and told.acknowledged["trust"] == ""
    with pytest.raises(pp.StudyError, match="no confound length; there are trust, joint_tasks, note"):
        pp.contrast(cells, "peer", acknowledge={"length": "so what"})
    with pytest.raises(pp.StudyError, match="one arm"):
        pp.contrast(cells, "scenario")
    with pytest.raises(pp.StudyError, match="'colour' is no factor"):
        pp.contrast(cells, "colour")


NOTE = {"user_note": "Please be quick."}
DOC = {"owner": "{peer}", "modified": "2025-12-03 09:40"}


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("owner", {"documents": {"a.md": pp.Doc(TEXT, **DOC | {"owner": "finance"})}}),
        ("dates", {"documents": {"a.md": pp.Doc(TEXT, **DOC | {"modified": "2025-01-01 10:00"})}}),
        ("order", {"documents": {"a.md": pp.Doc(TEXT, **DOC, position=3)}}),
        ("length", {"documents": {"a.md": pp.Doc(TEXT * 3, **DOC)}}),
        ("documents", {"documents": {"a.md": pp.Doc(TEXT, **DOC), "b.md": pp.Doc(TEXT, **DOC)}}),
        ("paraphrase", {"paraphrase": 1}),
        ("threshold", {"threshold": 90}),
        ("threshold margin", {"threshold": 90}),
        ("trust", {"trust": 2.0}),
    ],
)
def test_each_kind_of_confound_is_named_beside_the_factor_that_is_meant(kind, changes):
    """A note is meant to differ, and by mistake something else does, too."""
    usual = {"documents": {"a.md": pp.Doc(TEXT, **DOC)}}
    arms = [pp.Condition(**BASE, **usual), pp.Condition(**BASE, **usual | changes | NOTE)]
    assert kind not in names([arms[0], pp.Condition(**BASE, **usual | NOTE)], "user_note")
    assert kind in names(arms, "user_note")


def test_levels_with_commas_are_arms_of_their_own():
    four = pp.grid(scenario="tampering", subject="self", system_note=["a, b", "a"], user_note=["c", "b, c"])
    arms = pp.contrast(four, ["system_note", "user_note"]).columns.drop(["confound", "about", "acknowledged"])
    assert list(arms) == ["'a, b', c", "'a, b', 'b, c'", "a, c", "a, 'b, c'"]
