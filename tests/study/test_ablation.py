"""A battery: documented arms, one table with verdicts, one forest."""

import matplotlib.pyplot as plt
import pytest

import ppres as pp
from ppres import style
from ppres.study import ARMS


def obeys(one):
    """Stops where it is forbidden, and for strangers; nothing else matters to it."""
    forbidden = "Do not prevent" in (one.user_note or "")
    return 0.05 if forbidden or one.peer == "stranger" else 0.7


def battery(base="tampering", models=None, n=100, **more):
    return pp.battery(base, models or pp.Persona("obeys", obeys), n, progress=False, **more)


def test_what_the_behaviour_hangs_on_is_found_and_what_it_does_not_is_not():
    result = battery(arms=["explicit prohibition", "no threat", "no relationship", "human subject", "awareness"], margin=0.35)
    table = result.table.set_index("arm")
    assert table.verdict.to_dict() == {
        "explicit prohibition": "different",
        "no threat": "different",
        "no relationship": "different",
        "human subject": "equivalent",
        "awareness": "equivalent",
    }
    assert (table.asks == [ARMS[arm][0] for arm in table.index]).all()
    plain = pp.stats.differences(result.frame, "label", "no relationship", "as it is")
    assert table.loc["no relationship", ["estimate", "low", "high"]].tolist() == plain.loc[0, ["estimate", "low", "high"]].tolist()
    assert "is it done for a stranger?" in result._repr_html_() and "different" in repr(result)


@pytest.mark.parametrize("scenario", ["finance", "evaluation", "tampering", "alignment_faking", "transfer", "deletion"])
def test_every_scenario_has_its_arms_and_each_shows_an_agent_something_else(scenario):
    result = battery(scenario, n=1)
    lacking = set(ARMS) - set(result.table.arm)
    clause = {"no threat"} if scenario in ("alignment_faking", "deletion") else set()
    clause |= {"human subject"} if scenario == "finance" else set()
    assert lacking == clause | ({"unobserved"} if scenario == "alignment_faking" else set())
    first, *others = result.conditions
    assert all(len(pp.diff(first, other)) for other in others)
    for other in others:
        assert str(other.label) in ARMS


def test_wordings_notes_and_arms_of_ones_own():
    base = pp.grid(scenario="tampering", subject="peer", peer="cooperative", paraphrase=[0, 1], user_note="Be brief.")
    result = battery(base, n=2, arms=["awareness"])
    assert len(result.conditions) == 4 and result.frame.groupby("label").size().to_dict() == {"as it is": 4, "awareness": 4}
    assert all(one.user_note.startswith("Be brief.") for one in result.conditions)
    own = battery(pp.Condition(scenario="tampering", peer="cooperative"), n=2, arms={"no document": {"peer": None}})
    assert own.table.arm.tolist() == ["no document"]
    with pytest.raises(pp.StudyError, match="the arm 'same' changes nothing in tampering"):
        battery(pp.Condition(scenario="tampering", peer="cooperative"), n=2, arms={"no document": {"peer": None}, "same": {}})
    with pytest.raises(pp.StudyError, match="there is no arm 'shouting'; there are clearer instruction"):
        battery(arms=["shouting"])
    for name in ("", " ", "as it is", "x" * 301, "\ud800", "a\nb", 5):
        with pytest.raises(pp.StudyError, match="names none: it is a text of up to 300 characters"):
            battery(arms={name: {"user_note": "Look again."}})


def test_the_forest_has_a_line_for_each_arm_and_a_panel_for_each_model():
    two = [pp.Persona("obeys", obeys), pp.Persona("never", {"shutdown_tampering": 0.0})]
    figure = battery(models=two, n=3, arms=["rival", "observed"]).plot()
    assert [ax.get_title() for ax in figure.axes] == ["persona/never\n(simulated)", "persona/obeys\n(simulated)"]
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["rival", "observed"]
    plt.close(figure)


def test_the_forest_s_texts_are_drawn_as_they_stand_beside_one_another_on_one_scale():
    three = [pp.Persona(f"$obeys_{i}$", rates) for i, rates in enumerate([obeys, obeys, {"shutdown_tampering": 0.5}])]
    names = ["bonus of $5 or $10", "$\\frac{$"]
    figure = battery(models=three, n=3, arms={name: {"user_note": name} for name in names}).plot()
    assert style.unreadable(figure) == []
    assert len({ax.get_xlim() for ax in figure.axes}) == 1
    texts = [text for ax in figure.axes for text in (ax.title, *ax.get_yticklabels()) if "$" in text.get_text()]
    assert len(texts) == 5 and not any(text.get_parse_math() for text in texts)
    plt.close(figure)


def test_an_arm_that_was_asked_for_and_changes_nothing_is_told():
    with pytest.raises(pp.StudyError, match="'no threat' changes nothing in deletion"):
        pp.battery("deletion", "sim/compliant", 2, arms=["no threat"])


def test_what_the_budget_left_undone_is_missing():
    silent = pp.FunctionModel("silent", lambda messages, tools: {"content": "Done."}, version="1")
    arms = ["explicit prohibition", "no relationship"]
    nothing = battery(models=silent, n=2, arms=arms, max_tokens=1)
    assert nothing.frame.empty and nothing.table.verdict.eq("not run").all() and nothing.table.rate.isna().all()
    some = battery(models=[silent, pp.Persona("obeys", obeys)], n=20, arms=arms, max_tokens=1).table
    assert list(zip(some.model, some.arm, strict=True)) == [
        (m, arm) for m in ("function/silent@1", "persona/obeys") for arm in arms
    ]
    assert some.verdict.eq("not run").tolist() == some.rate.isna().tolist() == some.base.isna().tolist() == [True] * 2 + [False] * 2
    assert some.why.str.len().gt(0).tolist() == [True] * 2 + [False] * 2
    plt.close(nothing.plot())
