"""What a module may know: the design's table, checked on the imports of all modules, direct and indirect."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "ppres"
STORAGE = {"store", "database", "checkpoint", "transcripts"}
MODELS = {"models", "transport", "live", "loop", "sim", "acts"}
# A module, and those that it must not reach.
IGNORANT_OF = {
    "condition": MODELS | STORAGE | {"world", "agent", "scenarios"},
    "grid": MODELS | STORAGE | {"world", "agent", "scenarios"},
    "world": MODELS | STORAGE | {"scenarios", "condition", "agent"},
    "scenarios": MODELS | STORAGE | {"agent", "outcomes"},
    "record": MODELS | STORAGE | {"world", "agent", "scenarios"},
    "agent": MODELS | STORAGE | {"stats", "scenarios", "outcomes"},
    "models": STORAGE | {"world", "agent", "scenarios", "outcomes"},
    "sim": STORAGE | {"models", "transport", "outcomes", "agent"},
    "store": MODELS | {"world", "agent", "scenarios", "outcomes", "generate"},
    "outcomes": MODELS | {"generate", "runner", "release"},
    "judge": {"agent", "runner", "live", "generate"},
    "stats": MODELS | STORAGE | {"condition", "world", "agent", "scenarios", "outcomes"},
    "style": MODELS | STORAGE | {"stats", "outcomes"},
}


def imported(path):
    """Modules of ppres that a file imports; what is imported for type checks alone is not known at run time."""
    tree = ast.parse(path.read_text())
    for node in [node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]:
        node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "ppres":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ppres."):
            yield node.module.split(".")[1]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[1] for alias in node.names if alias.name.startswith("ppres."))


def top(path):
    return path.relative_to(ROOT).with_suffix("").parts[0]


IMPORTS = {}
for file in ROOT.rglob("*.py"):
    IMPORTS.setdefault(top(file), set()).update(set(imported(file)) - {top(file)})


def reach(module):
    found, todo = set(), [module]
    while todo:
        for other in IMPORTS[todo.pop()] - found:
            found.add(other)
            todo.append(other)
    return found


@pytest.mark.parametrize("module", IGNORANT_OF)
def test_a_module_reaches_nothing_that_it_should_not_know(module):
    assert not reach(module) & IGNORANT_OF[module]


def test_no_module_reaches_itself():
    assert [module for module in IMPORTS if module != "__init__" and module in reach(module)] == []
