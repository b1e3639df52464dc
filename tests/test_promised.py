"""The tests that README.md beside this file names are there."""

import re
from pathlib import Path

HERE = Path(__file__).parent


def test_every_test_that_holds_a_promise_is_there():
    named = re.findall(r"`([\w/]+\.py)::(test_\w+)`", (HERE / "README.md").read_text(encoding="utf-8"))
    assert len(named) > 60
    assert [pair for pair in named if f"def {pair[1]}(" not in (HERE / pair[0]).read_text(encoding="utf-8")] == []
