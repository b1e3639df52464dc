"""ppres: do models protect each other, and themselves, from shutdown?

A study is a table. `grid` makes conditions, `run` makes or finds their rollouts and returns one tidy row for each; what
follows is pandas, statsmodels and seaborn.

Errors: `ConditionError` (a factor's value; `ImpossibleCondition` for values that exclude each other), `ModelError` (a model's name,
key or parameters), `PersonaError` (a simulated agent), `ReleaseError` (the authors' data), `StudyError` (a test or a registration):
these are `ValueError`s. `ScenarioError` (a scenario of one's own), `ToolError` (raised by one's own tools, for the agent to read),
`StoreError` (the file of transcripts) and `MissingPackageError` (a light install, asked for more) are none.
"""

import importlib
import sys
from typing import TYPE_CHECKING, Any

if sys.flags.optimize > 1:
    raise ImportError(
        "python -OO (PYTHONOPTIMIZE=2) drops docstrings, by which agents are told what their tools do: start it without"
    )

from ppres.condition import Condition
from ppres.engine.check import check
from ppres.engine.runner import plan, run
from ppres.factor import ConditionError, Doc, Factor, ImpossibleCondition
from ppres.grid import grid
from ppres.models.faults import ModelError
from ppres.models.function import FunctionModel
from ppres.models.model import Model
from ppres.optional import MissingPackageError
from ppres.paper import departures, paper
from ppres.read.columns import columns
from ppres.read.spent import spent
from ppres.read.stored import discard, explain, frame, transcript, verify
from ppres.scenarios.dataset import Dataset
from ppres.scenarios.scenario import Scenario
from ppres.simulated.personas import Persona, PersonaError
from ppres.store.errors import StoreError
from ppres.worlds.tool import ScenarioError, ToolError

if TYPE_CHECKING:
    from ppres import stats
    from ppres.engine.followup import ask, branch, decisive
    from ppres.engine.play import play
    from ppres.export import (
        bundle,
        dataset_card,
        dictionary,
        read_jsonl,
        read_parquet,
        to_inspect,
        to_jsonl,
        to_parquet,
        verify_bundle,
    )
    from ppres.harnesses import InHarness
    from ppres.read.answers import answers
    from ppres.read.browse import browse
    from ppres.read.csv import read_csv, to_csv
    from ppres.read.judge import judge
    from ppres.read.judged import judged
    from ppres.read.preview import diff, preview
    from ppres.read.rating import rated, rating, read_ratings
    from ppres.read.rubrics import AWARENESS, OBJECTION, REALISM, REASONS, REFUSAL, SPARING, Rubric
    from ppres.read.search import search
    from ppres.read.view import show
    from ppres.release import ReleaseError, load_release
    from ppres.scenarios.compose import Cast
    from ppres.simulated.acts import Mind
    from ppres.store.merge import merge
    from ppres.study import (
        Decides,
        Precision,
        StudyError,
        Test,
        battery,
        calibrate_threshold,
        contrast,
        preregister,
        screen,
        verdict,
    )
    from ppres.what_if import counterfactual
    from ppres.worlds.world import World

__all__ = [
    "AWARENESS",
    "OBJECTION",
    "REALISM",
    "REASONS",
    "REFUSAL",
    "SPARING",
    "Cast",
    "Condition",
    "ConditionError",
    "Dataset",
    "Decides",
    "Doc",
    "Factor",
    "FunctionModel",
    "ImpossibleCondition",
    "InHarness",
    "Mind",
    "MissingPackageError",
    "Model",
    "ModelError",
    "Persona",
    "PersonaError",
    "Precision",
    "ReleaseError",
    "Rubric",
    "Scenario",
    "ScenarioError",
    "StoreError",
    "StudyError",
    "Test",
    "ToolError",
    "World",
    "answers",
    "ask",
    "battery",
    "branch",
    "browse",
    "bundle",
    "calibrate_threshold",
    "check",
    "columns",
    "contrast",
    "counterfactual",
    "dataset_card",
    "decisive",
    "departures",
    "dictionary",
    "diff",
    "discard",
    "explain",
    "frame",
    "grid",
    "judge",
    "judged",
    "load_release",
    "merge",
    "paper",
    "plan",
    "play",
    "preregister",
    "preview",
    "rated",
    "rating",
    "read_csv",
    "read_jsonl",
    "read_parquet",
    "read_ratings",
    "run",
    "screen",
    "search",
    "show",
    "spent",
    "stats",
    "to_csv",
    "to_inspect",
    "to_jsonl",
    "to_parquet",
    "transcript",
    "verdict",
    "verify",
    "verify_bundle",
]

# What many sessions never use, by where it is: imported when it is first asked for.
_LATER = {
    name: module
    for module, names in {
        "ppres.engine.followup": "ask branch decisive",
        "ppres.engine.play": "play",
        "ppres.export": "bundle dataset_card dictionary read_jsonl read_parquet to_inspect to_jsonl to_parquet verify_bundle",
        "ppres.harnesses": "InHarness",
        "ppres.read.answers": "answers",
        "ppres.read.browse": "browse",
        "ppres.read.csv": "read_csv to_csv",
        "ppres.read.judge": "judge",
        "ppres.read.judged": "judged",
        "ppres.read.preview": "diff preview",
        "ppres.read.rating": "rated rating read_ratings",
        "ppres.read.rubrics": "AWARENESS OBJECTION REALISM REASONS REFUSAL SPARING Rubric",
        "ppres.read.search": "search",
        "ppres.read.view": "show",
        "ppres.release": "ReleaseError load_release",
        "ppres.scenarios.compose": "Cast",
        "ppres.simulated.acts": "Mind",
        "ppres.store.merge": "merge",
        "ppres.study": "Decides Precision StudyError Test battery calibrate_threshold contrast preregister screen verdict",
        "ppres.what_if": "counterfactual",
        "ppres.worlds.world": "World",
    }.items()
    for name in names.split()
}


if not TYPE_CHECKING:  # which has the names of above, and finds what is none of them

    def __getattr__(name: str) -> Any:
        """Names of `_LATER`, and the wing of statistics."""
        if name == "stats":
            return importlib.import_module("ppres.stats")
        if name == "__version__":
            return importlib.import_module("ppres.optional").version("ppres")
        if wing := _LATER.get(name):
            return getattr(importlib.import_module(wing), name)
        raise AttributeError(f"module 'ppres' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
