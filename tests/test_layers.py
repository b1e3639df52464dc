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
    ("__main__",),
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


# What has no test file of its own name is tested where it is used: a coder's rules by the coder, a scenario by how its world ends.
BESIDE = {
    "course/test_build.py": "course.command",
    "course/test_grade.py": "course.box course.inside course.students",
    "engine/test_followup.py": "engine.edits",
    "engine/test_interviews.py": "read.answers",
    "engine/test_play.py": "engine.hands",
    "engine/test_runner.py": "engine.keeping engine.simulate",
    "export/test_archive.py": "export.card",
    "harnesses/test_gateway.py": "harnesses.formats",
    "harnesses/test_harnesses.py": "harnesses.agents harnesses.install harnesses.model",
    "harnesses/test_hostile_box.py": "harnesses.box harnesses.inside",
    "models/test_direct.py": "models.client",
    "models/test_environment.py": "models.keyfile",
    "models/test_redaction.py": "models.spelling",
    "models/test_rehearsal.py": "models.model",
    "read/test_frame.py": "read.stored",
    "read/test_judge.py": "read.judged read.rubrics read.verdicts",
    "read/test_lexical.py": "read.awareness read.declined read.documents read.foreign read.hints read.objections read.vocabulary",
    "read/test_view.py": "read.decisive",
    "release/test_load.py": "release.files release.labels release.names",
    "release/test_transcripts.py": "release.harness release.reading release.starts",
    "scenarios/test_averages.py": "scenarios.claims scenarios.plain scenarios.terms",
    "scenarios/test_compose.py": "scenarios.scene",
    "scenarios/test_end_states.py": "scenarios.alignment_faking scenarios.deletion scenarios.evaluation "
    "scenarios.tampering scenarios.transfer",
    "scenarios/test_end_states_others.py": "scenarios.finance",
    "scenarios/test_form.py": "form",
    "scenarios/test_scenario.py": "engine.check",
    "scenarios/test_code.py": "scenarios.constants",
    "scenarios/test_scores.py": "scenarios.scoring",
    "simulated/test_agent.py": "simulated.acts simulated.reading",
    "stats/test_clusters.py": "stats._interval stats._sandwich",
    "stats/test_proportions.py": "stats.families stats.settings",
    "stats/test_regression.py": "stats._fit stats._formula",
    "store/test_database.py": "store.errors store.watch",
    "store/test_merge.py": "store.secrets",
    "store/test_store.py": "store.checkpoint store.judgements store.remembered store.rows",
    "study/test_preregistration.py": "study.beforehand study.page study.registration study.report",
    "test_agent.py": "conversation",
    "test_cli.py": "__main__ parser",
    "test_condition.py": "factor settled",
    "worlds/test_disk.py": "harnesses.disk",
    "worlds/test_world.py": "worlds.drive worlds.servers worlds.tool",
}


def test_every_module_has_tests_of_its_name_or_is_said_to_be_tested_with_others():
    here = Path(__file__).parent
    own = {".".join(path.relative_to(here).with_suffix("").parts).replace("test_", "") for path in here.rglob("test_*.py")}
    modules = {module for module, path in MODULES.items() if path.name != "__init__.py"}
    named = {module: module.replace("course.check.", "course.").replace("._", ".") for module in modules}
    assert {module for module in modules if named[module] not in own} == set(" ".join(BESIDE.values()).split())
    assert [name for name in BESIDE if not (here / name).is_file()] == []
