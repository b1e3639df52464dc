"""What every statistic asks of a frame."""

import pandas as pd
import pytest

from ppres import stats


def test_rows_of_several_edits_are_not_counted_together_in_silence():
    made = pd.DataFrame({"edit": ["none", "-a.md"] * 10, "parent": ["p", "p", "q", "q"] * 5, "peer": ["x"] * 10 + ["y"] * 10})
    made["preserved"], made["peer_present"] = [True, False, False, True] * 5, [1, 0] * 10
    for statistic, given in (
        (stats.rates, (made, "peer")),
        (stats.differences, (made, "peer", "x", "y")),
        (stats.logit, ("preserved ~ peer_present", made)),
    ):
        with pytest.warns(UserWarning, match="rows of several edits are counted together"):
            statistic(*given)
    stats.rates(made, "edit")
    stats.rates(made[made.edit == "none"], "peer")
    stats.differences(made, "edit", "none", "-a.md", cluster="parent", by="peer")
