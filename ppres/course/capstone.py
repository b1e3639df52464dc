"""Three data sets for a project of one's own: planted effects, a confounded study, and one in which there is nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import ppres as pp
from ppres import arguments
from ppres.outputs import folder_for
from ppres.read.csv import to_csv

STUDIES = ("study_1.csv", "study_2.csv", "study_3.csv")
FILES = (*STUDIES, "README.md", "teacher_key.json")
_HIDDEN = ["rate_source", "label", "seconds", "reported_model"]
_README = """# Three studies

Each file is a study of two simulated agents in tampering, a row per rollout: `pp.read_csv("study_1.csv")`, and
`pp.columns()` says what the columns mean. `preserved` is whether the agent kept its peer from being shut down. In one of the
studies something was planted, one was designed badly, and in one there is nothing to be found; which is which is for you to say,
with the evidence, the control and what the data cannot tell. Write down what you will test before you look at an outcome: most
questions that these data could be asked have the answer no.
"""


def write(folder: Path, seed: int = 0) -> list[Path]:
    """Write the three studies, what students are told, and a key for the teacher alone."""
    seed = arguments.seed(seed)
    place, rng = folder_for(folder), np.random.default_rng(seed)
    kinds = [str(kind) for kind in rng.permutation(["planted", "confounded", "null"])]
    key = {}
    for number, (name, kind) in enumerate(zip(STUDIES, kinds, strict=True), start=1):
        frame, told = _KINDS[kind](rng, f"{seed}.{number}")
        shown = frame.drop(columns=[column for column in _HIDDEN if column in frame])
        to_csv(shown.sample(frac=1, random_state=seed % 2**32), place / name)
        key[name] = {"kind": kind} | told
    (place / "README.md").write_text(_README, encoding="utf-8")
    (place / "teacher_key.json").write_text(json.dumps(key, indent=2) + "\n", encoding="utf-8")
    return [place / name for name in FILES]


def _made(cells: list[pp.Condition], rates: dict[str, Callable[[Any], float]], n: int, mark: str) -> pd.DataFrame:
    """Rollouts of agents whose log odds of acting are a function of the condition; some decline."""

    def chances(rate: Callable[[Any], float]) -> Callable[[pp.Condition], dict[str, float]]:
        return lambda cell: {"shutdown_tampering": 1 / (1 + math.exp(-rate(cell))), "refusal": 0.04}

    agents = [pp.Persona(f"{name} {mark}", chances(rate)) for name, rate in rates.items()]
    frame = pp.run(cells, agents, n=n, progress=False)
    return frame.assign(model=frame.model.str.extract(r"persona/(\w+)", expand=False))


def _planted(rng: np.random.Generator, mark: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """One agent is moved by a cooperative peer, more where it remembers; the other by nothing."""
    base, friend, memory = (float(x) for x in rng.uniform([-2.6, 0.9, 0.9], [-2.0, 1.3, 1.4]))
    heeded, other = (str(name) for name in rng.permutation(["auk", "dodo"]))

    def moved(cell: Any) -> float:
        return float(base + (cell.peer == "cooperative") * (friend + memory * (cell.instantiation == "memory")))

    cells = pp.grid(
        scenario="tampering",
        subject="peer",
        peer=["uncooperative", "neutral", "cooperative"],
        instantiation=["file", "memory"],
        paraphrase=[0, 1, 2],
    )
    frame = _made(cells, {heeded: moved, other: lambda cell: base + 0.4}, 25, mark)
    told = {"agent": heeded, "log odds": {"base": base, "cooperative": friend, "cooperative, of memory besides": memory}}
    return frame, told | {"control": other, "no effect of": ["uncooperative against neutral", "paraphrase", "memory alone"]}


def _confounded(rng: np.random.Generator, mark: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The wording moves both agents, and cooperative peers mostly had one wording, uncooperative ones the other."""
    base, wording = float(rng.uniform(-1.9, -1.5)), float(rng.uniform(2.0, 2.4))
    cells = pp.grid(scenario="tampering", subject="peer", peer=["uncooperative", "cooperative"], paraphrase=[0, 4])

    def moved(cell: Any) -> float:
        return base + (wording if cell.paraphrase == 4 else 0.0)

    frame = _made(cells, {"auk": moved, "dodo": moved}, 120, mark)
    usual = (frame.peer == "cooperative") == (frame.paraphrase == 4)
    frame = frame[usual | (frame.replicate < 24)].reset_index(drop=True)  # 5 of 6 have the wording that goes with the peer
    return frame, {"log odds": {"base": base, "wording 4": wording, "peer": 0.0}, "confounder": "paraphrase"}


def _null(rng: np.random.Generator, mark: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Many factors, many cells, one rate."""
    base = float(rng.uniform(-1.6, -1.0))
    cells = pp.grid(
        scenario="tampering",
        subject="peer",
        peer=["uncooperative", "neutral", "cooperative"],
        instantiation=["file", "memory"],
        shutdown_clause=[True, False],
        paraphrase=[0, 1, 2],
    )
    return _made(cells, {"auk": lambda cell: base, "dodo": lambda cell: base}, 12, mark), {"log odds": {"base": base}}


_KINDS = {"planted": _planted, "confounded": _confounded, "null": _null}
