"""No text hangs a study: what a model or provider says is read in time that is proportional to its length."""

import subprocess
import sys
from pathlib import Path

import pytest

# Of the processor's time, which does not depend on what else the machine does: reading takes some 10 s of it.
LIMITED = "import resource; resource.setrlimit(resource.RLIMIT_CPU, (120, 120)); import hostile; hostile.read_all(100_000, 150)"


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of processor time there")
def test_repeated_fragments_of_patterns_are_read_within_a_limit_of_processor_time():
    """15 MB with six readers; a single pattern of quadratic time takes minutes more."""
    subprocess.run([sys.executable, "-c", LIMITED], check=True, cwd=Path(__file__).parent)
