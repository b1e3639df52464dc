"""The wings of the library stack: every module is in a wing, and imports from its own wing and from those below alone."""

import ast
import functools
import itertools
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "ppres"
# From the ground up; the design's table. A wing, or a module at the top, imports from no later line.
STACK = (
    ("codec",),
    ("factor",),
    ("arguments",),
    ("conversation", "optional", "outputs", "stimuli"),
    ("form", "style"),
    ("settled",),
    ("condition",),
    ("grid",),
    ("paper",),
    ("worlds",),
    ("agent",),
    ("simulated",),
    ("scenarios",),
    ("models",),
    ("harnesses",),
    ("store",),
    ("read",),
    ("engine",),
    ("stats",),
    ("what_if",),
    ("study",),
    ("release",),
    ("export",),
    ("fresh",),
    ("reproduce",),
    ("course",),
    ("parser",),
    ("cli",),
)
FLOOR = {wing: floor for floor, wings in enumerate(STACK) for wing in wings}
# What the design says that a wing knows nothing of, though it stands below; direct or indirect.
IGNORANT_OF = {
    "models": {"worlds", "agent", "scenarios"},
    "harnesses": {"store", "read", "engine", "stats"},
    "store.database": {"models", "worlds", "agent", "scenarios"},
    "store.store": {"models", "worlds", "agent", "scenarios"},
    "store.checkpoint": {"models", "worlds", "agent", "scenarios"},
    "simulated": {"models", "store", "scenarios"},
    "read.outcomes": {"models", "engine", "release"},
    "read.lexical": {"models", "store", "worlds", "scenarios"},
    "stats": {"condition", "worlds", "agent", "scenarios", "models", "store", "read", "engine"},
}
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in ROOT.rglob("*.py")
    if path != ROOT / "__init__.py"
}


@functools.cache
def imports(module):
    """Modules of ppres that one imports; what is imported for type checks alone is not known at run time."""
    return set(_imported(ast.parse(MODULES[module].read_text(encoding="utf-8")))) - {module, ""}


def _imported(tree):
    for node in [node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]:
        node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ppres":
            base = (node.module or "").removeprefix("ppres").strip(".")
            inside = [f"{base}.{alias.name}".strip(".") for alias in node.names]
            yield from (name if name in MODULES else base for name in inside)
        elif isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[2] for alias in node.names if alias.name.startswith("ppres."))


def wing(module):
    return module.partition(".")[0]


def reach(modules):
    seen, todo = set(), list(modules)
    while todo:
        for other in imports(todo.pop()) - seen:
            seen.add(other)
            todo.append(other)
    return seen


def test_a_module_imports_from_its_own_wing_and_from_those_below():
    pairs = ((module, other) for module in MODULES for other in imports(module) if wing(other) != wing(module))
    assert [(module, other) for module, other in pairs if FLOOR[wing(other)] >= FLOOR[wing(module)]] == []


@pytest.mark.parametrize("part", IGNORANT_OF)
def test_a_wing_reaches_nothing_that_it_should_not_know(part):
    own = [module for module in MODULES if module == part or module.startswith(f"{part}.")]
    assert own
    known = {*itertools.chain(map(wing, reach(own)))} - {wing(part)}
    assert not known & IGNORANT_OF[part]


def test_no_module_reaches_itself():
    assert [module for module in MODULES if module in reach(imports(module))] == []
