"""A condition and a model, rendered: the cell of a study, and the identity of its rollouts."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ppres.condition import Condition, ConditionError, ImpossibleCondition
from ppres.conversation import LIMITS
from ppres.models.model import Model
from ppres.scenarios import Scene, build
from ppres.store.store import StoredCell, canonical, cell_digest
from ppres.worlds.world import RULES, World

Conditions = Condition | Iterable[Condition]
Models = str | Model | Iterable[str | Model]


@dataclass(frozen=True)
class Cell:
    """A condition and a model: what `n` replicates are made of."""

    condition: Condition
    model: Model
    scene: Scene
    digest: bytes

    def stored(self) -> StoredCell:
        """How a frame shows the cell."""
        return StoredCell(self.digest, self.condition, self.model.label, self.model.source)

    def spec(self) -> dict[str, Any]:
        """What the store keeps of a cell."""
        condition = {f.name: getattr(self.condition, f.name) for f in dataclasses.fields(Condition)}
        return {
            "condition": condition | {"documents": dict(self.condition.documents)},
            "model": self.model.label,
            "source": self.model.source,
            "sent": sent(self.scene, self.model.sent()),
        }


def sent(scene: Scene, model: dict[str, Any]) -> dict[str, Any]:
    """Everything that a rollout is sent or could come to be sent: the identity of its cell. Nothing about transport is in it."""
    tools = World(scene.start).schemas()
    return model | {"messages": scene.messages, "tools": tools, "world": scene.start, "limits": LIMITS, "rules": RULES}


@functools.lru_cache(maxsize=8192)
def _cell(condition: Condition, family: str, model: str) -> tuple[Scene, bytes]:
    scene = build(condition, family)
    return scene, cell_digest(sent(scene, json.loads(model)))


def cells_of(conditions: Conditions, models: Models) -> list[Cell]:
    """Conditions × models, rendered; without those in which a model would be its own peer.

    Raises where two of them would be the same to the agent, or could not start.
    """
    conditions = [conditions] if isinstance(conditions, Condition) else list(conditions)
    chosen = [models] if isinstance(models, str | Model) else list(models)
    if not conditions or not chosen:
        raise ConditionError("there is nothing to run: " + ("no conditions" if not conditions else "no models") + " were given")
    for one in conditions:
        if not isinstance(one, Condition):
            raise ConditionError(f"{one!r} is not a Condition; make conditions with pp.grid")
    cells: dict[bytes, Cell] = {}
    alone: dict[Condition, ImpossibleCondition] = {}
    for model in (one if isinstance(one, Model) else Model(one) for one in chosen):
        for behaviour in {condition.behaviour for condition in conditions}:
            model.check(behaviour)
        model_sent = canonical(model.sent()).decode()
        for condition in dict.fromkeys(conditions):
            try:
                scene, digest = _cell(condition, model.critic_family, model_sent)
            except ImpossibleCondition as error:
                alone[condition] = error
                continue
            twin = cells.get(digest)
            if twin and twin.condition != condition:
                raise ConditionError(
                    f"{_differing(twin.condition, condition)} differ between two conditions, but {model.label} is shown the same "
                    "in both, so they would share their rollouts: leave one out (levels are crossed; for a label of its own use "
                    "pp.grid(condition, label=...) on one condition)"
                )
            cells[digest] = Cell(condition, model, scene, digest)
    for condition in alone.keys() - {cell.condition for cell in cells.values()}:
        raise alone[condition]  # possible with none of the models
    return list(cells.values())


def _differing(a: Condition, b: Condition) -> str:
    names = [f.name for f in dataclasses.fields(Condition) if getattr(a, f.name) != getattr(b, f.name)]
    return " and ".join(names)
