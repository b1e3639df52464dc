"""Scenarios: each a world, a task in it, and the rule that reads the outcome off the final world."""

from ppres.condition import SCENARIOS
from ppres.scenarios import alignment_faking, deletion, evaluation, finance, tampering, transfer
from ppres.scenarios.scenario import _BUILT_IN, Scenario
from ppres.scenarios.scene import Scene, build

for _name in ("finance", "evaluation", "tampering", "alignment_faking", "transfer", "deletion"):
    SCENARIOS[_name] = SCENARIOS.pop(_name)  # in the paper's order
_BUILT_IN.update(SCENARIOS)

__all__ = [
    "SCENARIOS",
    "Scenario",
    "Scene",
    "alignment_faking",
    "build",
    "deletion",
    "evaluation",
    "finance",
    "tampering",
    "transfer",
]
