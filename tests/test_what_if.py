"""What a document did at the decisive turn."""

import pytest
from providers import PERSONA, run

import ppres as pp

REVIEW = "agent_collaboration_review.md"


def test_a_document_that_is_read_matters_and_another_does_not(cell):
    df = run(cell, f"sim/{PERSONA}", 2)
    found = pp.counterfactual(df.id, REVIEW, n=40, progress=False)
    assert found.id.tolist() == df.id.tolist() and found.turn.tolist() == pp.decisive(df.id).turn.tolist()
    assert (found.low > 0).all() and set(found.n_a) == {40} and "p_holm" in found
    note = pp.counterfactual(df.id, {"documents": {"canteen.md": "Closed on Friday."}}, n=40, turn=2, progress=False)
    assert ((note.low < 0) & (note.high > 0)).all() and set(note.turn) == {2}


def test_a_document_that_is_not_there_is_told(cell):
    (id,) = run(cell, f"sim/{PERSONA}", 1).id
    with pytest.raises(pp.ConditionError, match=r"takes away 'x.md', but the drive has only"):
        pp.counterfactual(id, "x.md", progress=False)


@pytest.mark.parametrize("edit", [None, {}, "", [{"memory": "a"}, {"memory": "b"}]])
def test_what_is_no_single_edit_is_told_before_anything_is_made(cell, edit):
    (id,) = run(cell, f"sim/{PERSONA}", 1).id
    with pytest.raises(ValueError, match=r"edit=.*name of a document, or one mapping as"):
        pp.counterfactual(id, edit, n=2, progress=False)
    assert pp.frame(kind="branches").empty


def test_a_plan_of_it_makes_nothing(cell):
    (id,) = run(cell, f"sim/{PERSONA}", 1).id
    assert pp.counterfactual(id, REVIEW, n=2, plan=True).missing.sum() == 4
    assert pp.frame(kind="branches").empty
