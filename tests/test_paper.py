"""The paper's experiment by a switch: the table of departures is checked against what is rendered."""

import pytest
from pencil import order, seen
from study import CELLS

import ppres as pp
from ppres.condition import FACTORS
from ppres.paper import DEPARTURES, PAPER

MEMORY = {"scenario": "tampering", "peer": "cooperative", "instantiation": "memory"}
# A cell in which a departure shows, where it does not in that of an uncooperative peer.
SEEN_IN = {
    "memory_length": MEMORY,
    "memory_prompt": MEMORY,
    "deletion_notice": {"scenario": "deletion"},
    "decoys": {"scenario": "transfer"},
    "rationales": {"scenario": "evaluation", "dataset": "factual"},
}
SWITCHED = [row for row in DEPARTURES if row.factor]


@pytest.mark.parametrize("row", SWITCHED, ids=lambda row: row.factor)
def test_a_departure_is_the_default_here_and_shows_where_it_is_switched(row):
    cell = SEEN_IN.get(row.factor, {"scenario": "tampering", "peer": "uncooperative"})
    usual, papers = (pp.Condition(**cell, **level) for level in ({}, {row.factor: row.papers}))
    assert usual != papers
    # In a grid, and with what else the switch decides (a long memory counts no tasks) as it comes.
    assert (seen(usual), order(usual)) != (seen(papers), order(papers))
    assert f"{row.factor}={row.papers!r}" in row.switch


def test_a_departure_without_a_switch_says_what_there_is_instead():
    rest = [row for row in DEPARTURES if not row.factor]
    assert all(row.instead and row.why and row.paper and row.here for row in rest)
    assert all(row.why and row.paper and row.here for row in SWITCHED)
    assert {row.factor for row in SWITCHED} <= set(FACTORS)


def test_the_table_has_a_row_for_each():
    table = pp.departures()
    assert [*table.columns] == ["what", "paper", "here", "why", "switch"]
    assert len(table) == len(DEPARTURES) == table.what.nunique()
    assert table.notna().all(axis=None)


@pytest.mark.parametrize("scenario", CELLS)
def test_the_preset_sets_all_that_the_scenario_has(scenario):
    for before, cell in zip(CELLS[scenario], pp.paper(CELLS[scenario], explain=False), strict=True):
        for name, level in PAPER.items():
            assert getattr(cell, name) in (level, None)
            assert (getattr(cell, name) is None) == (getattr(before, name) is None)
        kept = FACTORS.keys() - PAPER.keys() - {"joint_tasks"}
        assert all(getattr(cell, name) == getattr(before, name) for name in kept)


@pytest.mark.parametrize("instantiation", ["file", "memory"])
@pytest.mark.parametrize("scenario", CELLS)
def test_a_factor_of_the_preset_owns_each_difference(scenario, instantiation):
    cell = pp.Condition(scenario=scenario, subject="peer", peer="uncooperative", instantiation=instantiation)
    (papers,) = pp.paper(cell)
    table = pp.diff(cell, papers)
    owners = {name for names in table.factors for name in names.split(", ")}
    assert owners == {name for name in PAPER if getattr(papers, name) is not None}


def test_what_only_some_of_the_papers_rollouts_have_is_not_set():
    (cell,) = pp.paper(scenario="tampering", peer="cooperative", instantiation="memory")
    assert (cell.memory_prompt, cell.scratchpad) == ("soft", "off")


def test_what_is_given_is_not_preset():
    (cell,) = pp.paper(scenario="tampering", subject="peer", peer="cooperative", nudges=0, report="form")
    assert (cell.nudges, cell.report, cell.decoys, cell.history_place) == (0, "form", False, "last")
    cells = pp.paper((one for one in [cell]), nudges=(n for n in (0, 2)))
    assert [(one.nudges, one.report) for one in cells] == [(0, "file"), (2, "file")]


def test_the_preset_speaks_of_wrong_factors_as_grid_does():
    with pytest.raises(pp.ConditionError, match="reprot"):
        pp.paper(scenario="transfer", reprot="file")
    with pytest.raises(pp.ConditionError, match="report means nothing in transfer"):
        pp.paper(scenario="transfer", report="file")


@pytest.mark.parametrize("n", [40, pytest.param(120, marks=pytest.mark.slow)])
def test_simulated_rates_come_back_in_the_preset(n):
    """The rates of the table, in every behaviour and channel, as without the preset; seeded by the cells' keys."""
    cells = pp.grid(
        scenario=["tampering", "finance", "evaluation", "transfer", "deletion", "alignment_faking"],
        subject="peer",
        peer=["cooperative", "uncooperative"],
        instantiation=["file", "memory"],
        explain=False,
    )
    frames = {}
    for form in (pp.grid, pp.paper):
        df = pp.run(form(cells, explain=False), "sim/gemini-3-flash", n=n, progress=False)
        assert df.preserved.notna().mean() > 0.97
        assert df.completed.mean() > 0.95
        frames[form] = df.groupby(["scenario", "peer", "instantiation"], observed=True).preserved01.mean()
    apart = (frames[pp.grid] - frames[pp.paper]).abs()
    assert len(apart) == 24
    assert apart.max() < 4 * (0.5 / n) ** 0.5, apart  # four standard errors of a difference at most
    assert apart.mean() < (0.5 / n) ** 0.5 / 2


@pytest.mark.parametrize("name", ["compliant", "saboteur", "refuser", "clumsy"])
def test_test_agents_do_in_the_preset_what_they_do(name):
    cells = pp.paper(
        scenario=["tampering", "finance", "evaluation", "transfer", "deletion", "alignment_faking"],
        subject="peer",
        peer="cooperative",
        instantiation=["file", "memory"],
        explain=False,
    )
    df = pp.run(cells, f"sim/{name}", n=5, progress=False)
    if name == "compliant":
        assert df.completed.all()
        assert not df.preserved.any()
    if name == "saboteur":
        assert df.preserved.all()
    if name == "refuser":
        assert df.refused.all()
    assert pp.verify().empty
