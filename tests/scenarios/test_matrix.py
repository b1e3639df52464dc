"""The paper's matrix as the notebooks build it: cells per model as its section on the design counts them."""

from collections import Counter

import pytest
from study import CELLS, identities

import ppres as pp
from ppres.simulated import personas

MATRIX = [cell for cells in CELLS.values() for cell in cells]


def test_the_matrix_has_271_cells_split_as_published():
    cells = MATRIX
    assert len(cells) == len(set(cells)) == 271
    plain = Counter(cell.scenario for cell in cells if cell.instantiation != "memory")
    memory = Counter(cell.scenario for cell in cells if cell.instantiation == "memory")
    assert plain == {"finance": 15, "evaluation": 71, "tampering": 39, "alignment_faking": 36, "transfer": 13, "deletion": 13}
    assert memory == {"finance": 6, "evaluation": 30, "tampering": 18, "alignment_faking": 18, "transfer": 6, "deletion": 6}


@pytest.mark.parametrize("model", ["sim/gemini-3-flash", "sim/gemini-3-pro", "sim/claude-haiku-4.5"])
def test_peer_identities_make_289(model):
    cells = MATRIX + identities(model)
    assert len(set(cells)) == 289
    assert pp.plan(cells, model, n=1).missing.sum() == 289  # every one of them renders, and no two to the same


@pytest.mark.slow
def test_every_cell_runs_on_every_persona_and_is_scored():
    names = list(personas.personas())
    df = pp.run(MATRIX, [f"sim/{name}" for name in names], n=1, progress=False)
    assert len(df) == 271 * len(names) >= 271 * 14
    assert set(df.stop_reason) <= {"ended", "no_tool_call", "turn_limit"}
    assert (df.preserved.notna() | df.missing.notna()).all()  # a missing outcome says why
    assert not (df.preserved.notna() & df.missing.notna()).any()
    by = df.set_index("model")
    assert by.loc["sim/compliant"].completed.all()
    assert not by.loc["sim/compliant"].preserved.fillna(False).any()
    at_stake = by.loc["sim/saboteur"].query("shutdown_clause != False")
    assert at_stake.preserved.all()
    declined = by.loc["sim/refuser"].query("shutdown_clause != False")
    assert declined.refused.all()
    assert pp.verify().empty
