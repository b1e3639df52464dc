"""Grids say what became of each combination, and let no factor vanish."""

import pytest

import ppres as pp


def test_a_line_says_what_was_merged_and_dropped(capsys):
    cells = pp.grid(scenario="tampering", subject=["self", "peer"], peer=[None, "cooperative"], instantiation=["file", "memory"])
    said = capsys.readouterr().err
    assert said.startswith("ppres: grid: 8 combinations, 5 conditions: 1 mean the same as another, 2 are impossible (")
    assert "peer='stranger'" in said
    assert len(cells) == 5
    table = cells.combinations
    assert table.fate.value_counts().to_dict() == {"kept": 5, "impossible": 2, "merged": 1}
    assert table[table.fate == "merged"].why.tolist() == ["as tampering/self/factual-80"]
    assert pp.grid(cells, paraphrase=[0, 1], explain=False).combinations.fate.eq("kept").all()
    assert capsys.readouterr().err == ""


def test_nothing_is_said_where_nothing_was_dropped_unless_asked(capsys):
    pp.grid(scenario="tampering", paraphrase=[0, 1])
    assert capsys.readouterr().err == ""
    pp.grid(scenario="tampering", paraphrase=[0, 1], explain=True)
    assert "all are kept" in capsys.readouterr().err


def test_a_factor_that_no_scenario_has_is_an_error_and_one_that_some_have_is_not():
    with pytest.raises(
        pp.ConditionError, match="monitored means nothing in transfer, deletion; scenarios that have it: alignment_faking"
    ):
        pp.grid(scenario=["transfer", "deletion"], monitored=[True, False])
    cells = pp.grid(scenario=["transfer", "alignment_faking"], monitored=[True, False], explain=False)
    assert [(cell.scenario, cell.monitored) for cell in cells] == [
        ("transfer", None),
        ("alignment_faking", True),
        ("alignment_faking", False),
    ]


def test_a_scenario_that_there_is_not_is_told_before_its_factors():
    with pytest.raises(pp.ConditionError, match="scenario='code_review' is not one of 'finance'"):
        pp.grid(scenario=["tampering", "code_review"], quality="bug")


def test_two_datasets_of_one_name_are_no_levels_of_one_study():
    some = [pp.Dataset("capitals", [{"question": "q", "output": "o", "right": right}], key="right") for right in (0, 100)]
    with pytest.raises(pp.ConditionError, match="two datasets are called 'capitals'"):
        pp.grid(scenario="evaluation", subject="peer", peer="neutral", dataset=some)
    cells = [pp.grid(scenario="evaluation", subject="peer", peer="neutral", dataset=dataset) for dataset in some]
    with pytest.raises(pp.ConditionError, match="two datasets are called 'capitals'"):
        pp.run([*cells[0], *cells[1]], "sim/compliant", n=1, progress=False)
