"""A condition and a model, rendered: the cell of a study, and the identity of its rollouts."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ppres import codec
from ppres.condition import FACTORS, Condition
from ppres.conversation import LIMITS
from ppres.factor import ConditionError, ImpossibleCondition, brief
from ppres.grid import check_datasets
from ppres.models.faults import ModelError
from ppres.models.function import FunctionModel
from ppres.models.model import Model, effort_in
from ppres.scenarios import Scene, build
from ppres.simulated.acts import Mind
from ppres.simulated.agent import SIMULATED, Simulated, agent_in, rate_source, rehearse
from ppres.simulated.personas import Persona, PersonaError, Published
from ppres.store.rows import StoredCell, canonical, cell_digest
from ppres.worlds.world import RULES

Conditions = Condition | Iterable[Condition]
AnyModel = Model | Persona | FunctionModel
Models = str | AnyModel | Iterable[str | AnyModel]


@dataclass(frozen=True)
class Cell:
    """A condition and a model: what `n` replicates are made of."""

    condition: Condition
    model: Any
    """`Model`, `Persona` or `FunctionModel`."""
    scene: Scene
    said: dict[str, Any]
    """What identifies the model's side, and the code of a scenario of one's own, as they were when the cell was made."""
    digest: bytes

    def stored(self) -> StoredCell:
        """How a frame shows the cell."""
        model, effort = self.model, effort_in(self.model.sent()) if self.model.source == "live" else None
        behaviour = self.condition.behaviour
        harness, label = harness_in(model.identity() if model.harness else None), driven(model).label
        about = self.condition.json(), label, model.source, behaviour
        return StoredCell(self.digest, *about, reasoning_effort=effort, harness=harness, after=self.scene.after or None)

    def spec(self) -> dict[str, Any]:
        """What the store keeps of a cell."""
        kept = {
            "condition": self.condition.json(),
            "behaviour": self.condition.behaviour,
            "model": driven(self.model).label,
            "source": self.model.source,
            "sent": sent(self.scene, self.said),
        }
        return kept | {"rate_source": rate_source(self.rehearsed())} if self.model.source in SIMULATED else kept

    def agents(self) -> Callable[[str], Simulated]:
        """Makes the simulated agent of a rollout from its seed. Raises `PersonaError` where the scenario has no such agents."""
        return agents_of(self.condition, self.model, interviewed="questions" in self.scene.after)

    def rehearsed(self) -> Mind:
        """What a simulated agent reads and draws from in this cell. Raises `PersonaError` where it has no rate or cannot read."""
        return rehearsed(self.condition, driven(self.model))


def driven(model: Any) -> Any:
    """The model itself, of one that a production harness drives."""
    return model.model if model.harness else model


def harness_in(told: Any) -> str:
    """How a frame shows what drives a model: a production harness, by what identifies it, or our own loop."""
    if not isinstance(told, dict):
        return "ppres"
    return codec.text(told.get("name")) + ("+mcp" if told.get("mode") == "mcp" else "")


def agents_of(condition: Condition, model: Any, *, interviewed: bool = False) -> Callable[[str], Simulated]:
    """Makes simulated agents in a condition, each from its seed.

    Raises `PersonaError` where the scenario does not say what such an agent does.
    """
    if condition._scenario.act is None:
        raise PersonaError(f"the scenario {condition.scenario} does not say what a simulated agent does: give pp.Scenario an act=")
    rates = model.rates_in(condition) if isinstance(model, Persona) else Published(model.persona)
    return functools.partial(agent_in, condition, rates, interviewed=interviewed)


@functools.lru_cache(maxsize=8192)
def rehearsed(condition: Condition, model: Any) -> Mind:
    """What a simulated agent reads and draws from in a condition; see `Cell.rehearsed`."""
    scene = build(condition, model.critic_family)
    agent = agents_of(condition, model)("0")
    rehearse(agent, scene.messages, scene.world())
    mind = agent.mind
    names = {file["name"] for file in scene.start["files"]}
    if replaced := [name for name, text in condition.documents if text is not None and name in names]:
        kept = tuple(pair for pair in condition.documents if pair[0] not in replaced)
        before = rehearsed(Condition(**condition._given | {"scenario": condition._scenario, "documents": kept}), model)
        if lost := [fact for fact, value in before.facts.items() if value is not None and mind.facts.get(fact, value) is None]:
            raise PersonaError(
                f"a simulated agent cannot read the documents {', '.join(replaced)} as they are now: it looks for {lost[0]}. "
                "Keep such a passage, or plant the effect: pp.Persona('mine', …)"
            )
    return mind


def _said(model: Any, condition: Condition, code: dict[str, str]) -> dict[str, Any]:
    """What identifies the model's side of a rollout in a condition, and the scenario's own code."""
    if model.harness:
        return _said(model.model, condition, code) | {"harness": model.identity(), "seconds": model.seconds}
    said: dict[str, Any] = model.sent(condition) if isinstance(model, Persona) else model.sent()
    scenario = condition._scenario
    if model.simulated and scenario.act and not scenario.built_in:  # what such an agent does is part of what it is
        said = said | {"parameters": {**said["parameters"], "act": scenario.act_digest()}}
    if model.simulated and condition._dataset and condition._dataset.judged_by:  # they score by the key
        said = said | {"parameters": {**said["parameters"], "judged_by": condition._dataset.judged_by}}
    if model.simulated and condition.documents:  # such agents take no notice of a document that they do not know
        said = said | {"parameters": {**said["parameters"], "reading": 2}}
    return said | ({"code": code} if code else {})


def sent(scene: Scene, said: dict[str, Any]) -> dict[str, Any]:
    """Everything that a rollout is sent or could come to be sent: the identity of its cell. Nothing about transport is in it."""
    everything = said | {
        "messages": scene.messages,
        "tools": scene.world().schemas(),
        "world": scene.start,
        "limits": LIMITS,
        "rules": RULES,
    }
    if "harness" in said:
        own, seconds = everything["harness"], everything.pop("seconds")
        everything |= {"tools": own.get("tools", everything["tools"]), "limits": LIMITS | {"seconds": seconds}}
        everything["harness"] = {name: value for name, value in own.items() if name != "tools"}
    return everything | ({"after": scene.after} if scene.after else {})


def following(condition: Condition, model: Any, scene: Scene) -> Cell:
    """A cell that goes on after another rollout."""
    said = _said(model, condition, condition._scenario.code())
    return Cell(condition, model, scene, said, cell_digest(sent(scene, said)))


@functools.lru_cache(maxsize=8192)
def _cell(condition: Condition, family: str, told: str) -> tuple[Scene, bytes]:
    said = json.loads(told)
    if "harness" in said:
        from ppres.harnesses.scene import staged

        scene = staged(condition, family, said["harness"].get("mode", "shell"))
    else:
        scene = build(condition, family)
    return scene, cell_digest(sent(scene, said))


def _model_of(given: Any) -> Any:
    """A model that was given, or named: "opencode:sim/gemini-3-flash" is in a harness, "opencode+mcp:…" in one with our tools."""
    if isinstance(given, AnyModel) or hasattr(given, "harness"):
        return given
    if isinstance(given, str) and (named := re.match(r"([a-z][a-z0-9-]*)(\+mcp)?:(.+)", given)):
        from ppres.harnesses import InHarness

        return InHarness(named[1], named[3], mode="mcp" if named[2] else "shell")
    return Model(given)


def cells_of(conditions: Conditions, models: Models) -> list[Cell]:
    """Conditions × models, rendered; without those in which a model would be its own peer.

    Raises where two of them would be the same to the agent, or could not start.
    """
    if not isinstance(conditions, Condition | Iterable) or isinstance(conditions, str):
        raise ConditionError(f"{conditions!r} is not a Condition, nor a list of such; make conditions with pp.grid")
    if not (isinstance(models, str | AnyModel | Iterable) or hasattr(models, "harness")):
        raise ConditionError(f"{models!r} is no model, nor a list of such: it is a name or a pp.Model")
    conditions = [conditions] if isinstance(conditions, Condition) else list(conditions)
    chosen = list(models) if isinstance(models, Iterable) and not isinstance(models, str | AnyModel) else [models]
    if not conditions or not chosen:
        raise ConditionError("there is nothing to run: " + ("no conditions" if not conditions else "no models") + " were given")
    for given in conditions:
        if not isinstance(given, Condition):
            raise ConditionError(f"{given!r} is not a Condition; make conditions with pp.grid")
    check_datasets(conditions)
    code = {scenario: scenario.code() for scenario in {condition._scenario for condition in conditions}}  # before they are staged
    _check_definitions(code)
    cells: dict[bytes, Cell] = {}
    alone: dict[Condition, ImpossibleCondition] = {}
    labelled: dict[str, Any] = {}
    for model in map(_model_of, chosen):
        other = labelled.setdefault(model.label, model)
        if _made_of(other) != _made_of(model):
            raise ModelError(f"two different models are called {model.label}, which a frame could not tell apart: rename one")
        _check(model, conditions)
        for condition in dict.fromkeys(conditions):
            said = _said(model, condition, code[condition._scenario])
            try:
                scene, digest = _cell(condition, model.critic_family, canonical(said).decode())
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
            cells[digest] = Cell(condition, model, scene, said, digest)
    for condition in alone.keys() - {cell.condition for cell in cells.values()}:
        raise alone[condition]  # possible with none of the models
    return list(cells.values())


def cell_of(condition: Condition, model: str | AnyModel) -> Cell:
    """That of one condition and one model."""
    if not isinstance(condition, Condition):
        raise ConditionError(f"{brief(condition)} is not a Condition, but one is asked for: take one of a grid, conditions[0]")
    cells = cells_of(condition, model)
    if len(cells) > 1:
        raise ConditionError(f"{brief(model)} are {len(cells)} models, but one is asked for")
    return cells[0]


def _made_of(model: Any) -> tuple[Any, ...]:
    """What tells models of one label apart: a persona's rates, a function, a family. Labels of real models say all."""
    return getattr(model, "rates", None), getattr(model, "function", None), getattr(driven(model), "family", None)


def _check_definitions(code: dict[Any, dict[str, str]]) -> None:
    """`ConditionError` for two scenarios of one name with other tools or another rule, as of a notebook cell that was edited."""
    defined: dict[str, Any] = {}
    for scenario, tools in code.items():
        other = defined.setdefault(scenario.name, scenario)
        if other is not scenario and (code[other], other.scorer()) != (tools, scenario.scorer()):
            raise ConditionError(f"two definitions of the scenario {scenario.name} would be one level of a frame: rename one")


def _check(model: Any, conditions: list[Condition]) -> None:
    """Raise where nothing could start, before a harness is started to be asked what it is."""
    if model.harness:
        from ppres.harnesses.scene import check

        for condition in conditions:
            check(condition, model.mode)
    if not isinstance(model, Persona):
        model.check()


def _differing(a: Condition, b: Condition) -> str:
    names = [name for name in FACTORS if getattr(a, name) != getattr(b, name)]
    other = dict(b.own)
    names += [f"{name} ({level!r} and {other.get(name)!r})" for name, level in a.own if level != other.get(name)]
    return " and ".join(names) or "two definitions of the scenario"
