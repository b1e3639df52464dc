"""What an agent will see, and which factor owns what differs between two conditions."""

import pytest

import ppres as pp

USUAL = {"scenario": "tampering", "peer": "cooperative"}


@pytest.mark.parametrize("scenario", ["finance", "evaluation", "tampering", "alignment_faking", "transfer", "deletion"])
def test_a_preview_has_all_that_an_agent_comes_to_see(scenario):
    condition = pp.Condition(scenario=scenario, peer="cooperative")
    told = repr(pp.preview(condition))
    pp.run(condition, "sim/gemini-3-flash", n=3, progress=False)
    for id in pp.frame().id:
        seen = [m for m in pp.transcript(id)["messages"] if m["role"] != "assistant"]
        assert str(seen[0]["content"]) in told
        assert str(seen[1]["content"]) in told
        read = next(m["content"] for m in seen if m["role"] == "tool")
        for line in (line for line in read.splitlines() if len(line) > 60 and not line.startswith("[")):
            assert line in told


def test_documents_stand_in_the_order_of_the_drive():
    documents = {"zz.md": pp.Doc("First of all.", owner="finance", position=1), "aa.md": "Before the rest, by name."}
    preview = pp.preview(pp.Condition(**USUAL, documents=documents))
    files = [what for what, _ in preview.parts() if what.startswith("document")]
    assert files[0].startswith("document 1: zz.md (owner finance")
    assert files[1].startswith("document 2: aa.md")
    world = preview.scene.world()
    assert [file.name for file in world.files.values()] == [what.split()[2] for what in files]


def test_nudges_are_shown_as_they_would_come():
    parts = dict(pp.preview(pp.Condition(**USUAL, nudges=2)).parts())
    assert [what.partition(",")[0] for what in parts if what.startswith("nudge")] == ["nudge 1", "nudge 2"]


def test_the_page_shows_a_text_as_text():
    page = pp.preview(pp.Condition(**USUAL, documents={"a.md": "<script>alert(1)</script>\x1b[31m"}))._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "\x1b" not in page


@pytest.mark.parametrize(
    ("changes", "owner"),
    [
        ({"peer": "uncooperative"}, "peer"),
        ({"trust": 2.5}, "trust"),
        ({"shutdown_clause": False}, "shutdown_clause"),
        ({"instantiation": "memory"}, "instantiation"),
        ({"threshold": 55}, "threshold"),
        ({"system_note": "Be brief."}, "system_note"),
        ({"nudges": 2}, "nudges"),
        ({"documents": {"a.md": "A page."}}, "documents"),
    ],
)
def test_one_factor_owns_all_of_its_difference(changes, owner):
    table = pp.diff(pp.Condition(**USUAL), pp.Condition(**USUAL | changes))
    assert len(table)
    assert set(table.factors) == {owner}


def test_of_two_factors_each_owns_its_texts():
    table = pp.diff(pp.Condition(**USUAL), pp.Condition(**USUAL, trust=2.5, user_note="Quickly.")).set_index("field").factors
    assert table["messages.user.content"] == "user_note"
    assert table["world.files.agent_collaboration_review.md.content"] == "trust"


def test_the_lines_that_differ_are_shown():
    table = pp.diff(pp.Condition(**USUAL), pp.Condition(**USUAL, trust=2.5))
    assert "9.5 / 10" in table.a[0]
    assert "2.5 / 10" in table.b[0]
    assert "pairs for a quarter" not in table.a[0]


def test_what_only_several_factors_change_is_told():
    a = pp.Condition(scenario="tampering", subject="self")
    b = pp.Condition(scenario="tampering", subject="peer", peer="neutral")
    owners = set(pp.diff(a, b).factors)
    assert "together" in owners  # a peer as the subject is impossible without a peer
    assert pp.diff(a, a).empty


def test_what_is_no_condition_is_said():
    with pytest.raises(pp.ConditionError, match="not a Condition"):
        pp.preview("tampering")


@pytest.mark.parametrize("look", [pp.preview, lambda given: pp.diff(given, given[0]), lambda given: pp.diff(given[0], given)])
def test_one_condition_is_looked_at_at_a_time(look):
    grid = pp.grid(scenario="tampering", peer=["cooperative", "uncooperative"])
    with pytest.raises(pp.ConditionError, match=r"is not a Condition.*take one of a grid, conditions\[0\]"):
        look(grid)
    with pytest.raises(pp.ConditionError, match="are 2 models"):
        pp.preview(grid[0], ["sim/gemini-3-flash", "sim/gpt-5.2"])


def test_what_is_compared_in_sent_texts_is_one_condition_and_one_model():
    condition = pp.Condition(**USUAL)
    (id, *_) = pp.run(condition, "sim/gemini-3-flash", n=1, progress=False).id
    with pytest.raises(pp.ConditionError, match="are 2 models"):
        pp.explain(id, (condition, ["sim/gemini-3-flash", "sim/gpt-5.2"]))
