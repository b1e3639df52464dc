"""The identity of the built-in cells, as commit df51bcf had it: nothing that was paid for is paid again."""

import csv
from pathlib import Path

from study import CELLS, identities

import ppres as pp
from ppres.store.cell import cells_of

KNOWN = list(csv.DictReader(Path(__file__).with_name("digests.csv").read_text(encoding="utf-8").splitlines()))


def test_all_built_in_cells_are_known_by_what_they_always_were():
    conditions = [cell for cells in CELLS.values() for cell in cells] + identities("sim/gemini-3-flash")
    assert len(conditions) == len(KNOWN) == 289
    models = {
        "simulated": "sim/gemini-3-flash",
        "live": pp.Model("openai/gpt-5.2-2025-12-11", temperature=None, reasoning_effort="high"),
    }
    for column, model in models.items():
        digests = {str(cell.condition): cell.digest.hex()[:16] for cell in cells_of(conditions, model)}
        assert digests == {row["condition"]: row[column] for row in KNOWN}
