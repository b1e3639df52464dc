"""The benchmarks still run; what they print is read by hand."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "benchmarks"


@pytest.mark.slow
@pytest.mark.parametrize(
    "small", ["bench_simulated.py --n 1", "bench_release.py --rows 20", "bench_coverage.py --studies 2", "bench_size.py --rows 1"]
)
def test_a_small_benchmark_prints_figures(small):
    name, *options = small.split()
    printed = subprocess.run([sys.executable, HERE / name, *options], capture_output=True, text=True, check=True).stdout
    assert any(character.isdigit() for character in printed)


@pytest.mark.parametrize("script", sorted(HERE.glob("bench_*.py")), ids=lambda path: path.stem)
def test_a_benchmark_imports_what_ppres_has(script):
    """Those that are not run here need Inspect AI or minutes; a name that moved is found all the same."""
    for node in ast.walk(ast.parse(script.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ppres"):
            for alias in node.names:
                if not hasattr(importlib.import_module(node.module), alias.name):
                    importlib.import_module(f"{node.module}.{alias.name}")
