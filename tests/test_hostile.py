"""No text hangs a study: what a model or provider says is read in time that is proportional to its length."""

import subprocess
import sys
from pathlib import Path

import pytest

# Of the processor's time, which does not depend on what else the machine does.
LIMITED = "import resource; resource.setrlimit(resource.RLIMIT_CPU, ({0}, {0})); import hostile; hostile.read_all(100_000, {1})"


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of processor time there")
@pytest.mark.parametrize(("seconds", "texts"), [(40, 20), pytest.param(200, 600, marks=pytest.mark.slow)])
def test_repeated_fragments_of_patterns_are_read_within_a_limit_of_processor_time(seconds, texts):
    """100 kB each, with every reader, takes a fifth of that; a single pattern of quadratic time takes minutes more."""
    subprocess.run([sys.executable, "-c", LIMITED.format(seconds, texts)], check=True, cwd=Path(__file__).parent)
