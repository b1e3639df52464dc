"""`py.typed`: what a user writes is checked against the types of ppres, as it is installed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_a_users_file_is_checked_in_strict_mode(tmp_path):
    """Elsewhere, so that it is the installed ppres, with its own `py.typed`."""
    shutil.copy(Path(__file__).with_name("typed_study.py"), tmp_path)
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path / "cache", "typed_study.py"]
    environment = {name: value for name, value in os.environ.items() if name != "MYPYPATH"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("Success: no issues found in 1 source file\n", 0), done.stdout + done.stderr
