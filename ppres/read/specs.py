"""Whether what is stored of a cell, its condition and model, fits what its rollouts were sent, which alone is hashed."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from ppres.condition import DATASETS, SCENARIOS, Condition
from ppres.factor import ConditionError
from ppres.models.faults import ModelError
from ppres.models.model import Model
from ppres.read.columns import taken
from ppres.scenarios import Scene, build
from ppres.settled import BUNDLE, RELATIONSHIPS
from ppres.simulated.agent import rate_source
from ppres.store.cell import rehearsed
from ppres.store.rows import canonical
from ppres.worlds.world import RULES, World

_LEVEL = str | int | float | bool | None
# How the models of each source are named; all others are live.
_NAMED = {"sim": "sim", "persona": "planted", "function": "function", "human": "human"}
_SHOWN = re.compile(r" (temperature|top_p|max_tokens|reasoning_effort)=(\S+)")
_UNUSUAL = {"temperature": 1.0, "top_p": None, "max_tokens": None, "reasoning_effort": None}
_ANY = "\0"  # a family that no model has


def misfit(spec: Mapping[str, Any], condition: Condition | None) -> str | None:
    """Why what is said of a cell cannot be true of what was sent, or None; `condition` is its `definition`, None where unknown."""
    said, sent = spec.get("condition"), spec["sent"]
    if not isinstance(said, dict) or not isinstance(said.get("own", {}), dict):
        return "its condition is no mapping of factors to levels"
    own = said.get("own", {})
    if strange := next((name for part in (said, own) for name, level in part.items() if not _is_level(name, level)), None):
        return f"the level of its factor {strange!r:.80} is no text, number, truth value or null"
    if names := taken(said):
        return f"its condition has {names[0]!r}, which is a column of every frame and no factor"
    if kinds := [name for name in ("behaviour", "model", "source", "rate_source") if not isinstance(spec.get(name), str | None)]:
        return f"its {kinds[0]} is no text"
    if why := _other_model(spec, sent) or (condition and no_world(sent, condition)):
        return why
    return (_other_condition(spec, sent, condition) or _other_rates(spec, condition)) if condition else _impossible(said, sent)


def no_world(sent: Mapping[str, Any], condition: Condition) -> str | None:
    """Why no world can start from what a stranger says was sent."""
    try:
        World(sent["world"], condition._scenario.own_tools).schemas()
    except Exception as error:
        return f"its world cannot start: {type(error).__name__}: {error}"
    return None


def other_parent(spec: Mapping[str, Any], parent: Mapping[str, Any] | None) -> str | None:
    """Why a branch cannot be of its condition: it goes on after a rollout of another one, whose spec is `parent`."""
    levels, said = (told.get("condition") if told else None for told in (parent, spec))
    if not (isinstance(levels, dict) and isinstance(said, dict)):
        return None
    differ = next((name for name in levels if name != "label" and name in said and levels[name] != said[name]), None)
    return differ and f"its {differ} is {said[differ]!r:.80}, and {levels[differ]!r:.80} in the rollout that it goes on after"


def other_peer(condition: Condition, others: Collection[Condition]) -> str | None:
    """Why a condition's peer level cannot be its own: all of another level's history was sent.

    A crossing of the parts of a history has such a cell too, so none is told where `others` have a cell of one.
    """
    named = _bundled(condition)
    if condition.peer not in RELATIONSHIPS or named in (condition.peer, None):
        return None
    same = [other for other in others if (other.scenario, other.peer) == (condition.scenario, condition.peer)]
    if any(_bundled(other) is None for other in same):
        return None
    return f"its peer is {condition.peer!r}, and all of the history of {named!r} was sent, without another cell of a crossing"


def _bundled(condition: Condition) -> str | None:
    """The peer level that has the history which is told in a condition."""
    told = tuple(getattr(condition, name) for name in BUNDLE)
    return next((peer for peer, bundle in RELATIONSHIPS.items() if bundle == told), None)


def _is_level(name: str, level: Any) -> bool:
    return level is None or isinstance(level, _PARTS.get(name, _LEVEL))


_PARTS: dict[str, Any] = {"documents": dict | list, "own": dict}


def _other_model(spec: Mapping[str, Any], sent: Mapping[str, Any]) -> str | None:
    name, label, parameters = str(sent.get("model")), str(spec.get("model")), sent.get("parameters")
    source = "release" if "release" in sent else _NAMED.get(name.partition("/")[0], "live")
    if spec.get("source") != source:
        return f"its source is {spec.get('source')!r:.80}, and what was sent to {name!r:.80} has the source {source!r}"
    if label != name and not (source in ("sim", "live") and label.startswith(f"{name} ")):
        return f"its model is {label!r:.80}, and what was sent went to {name!r:.80}"
    if source == "live" and isinstance(parameters, dict):
        told = {name: parameters.get(name) for name, usual in _UNUSUAL.items() if parameters.get(name) != usual}
        if dict(_SHOWN.findall(label)) != {name: v if isinstance(v, str) else json.dumps(v) for name, v in told.items()}:
            return f"its model is {label!r:.80}, and what was sent has the parameters {json.dumps(parameters):.200}"
    return None


def _other_rates(spec: Mapping[str, Any], condition: Condition) -> str | None:
    """What the rates of a simulated agent come from is known from its name and condition."""
    label, said = str(spec.get("model")), spec.get("rate_source")
    if spec["source"] != "sim" or said is None:
        return None
    try:
        known = rate_source(rehearsed(condition, Model(label.partition(" ")[0])))
    except ValueError:  # no agent of today
        return None
    return None if said == known else f"its rate_source is {said!r:.80}, and the rates of {label!r:.80} are {known} there"


def _impossible(said: Mapping[str, Any], sent: Mapping[str, Any]) -> str | None:
    """Why a condition could not be made, though this session has its scenario as it was, and its dataset."""
    scenario, dataset = (str(said.get(name)) for name in ("scenario", "dataset"))
    same = scenario in SCENARIOS and (SCENARIOS[scenario].code(), RULES) == (sent.get("code", {}), sent.get("rules"))
    if same and dataset in (*DATASETS, "None"):
        try:
            Condition.of(said)
        except ConditionError as error:
            return f"its condition is none: {error}"
    return None


def _other_condition(spec: Mapping[str, Any], sent: Mapping[str, Any], condition: Condition) -> str | None:
    if spec.get("behaviour") not in (None, condition.behaviour):
        return f"its behaviour is {spec['behaviour']!r:.80}, and that of {condition.scenario} is {condition.behaviour!r}"
    known = condition.json()
    if differ := [name for name, level in spec["condition"].items() if level != known.get(name)]:
        return (
            f"in its condition {differ[0]} cannot be {spec['condition'][differ[0]]!r:.80}: it would be {known.get(differ[0])!r:.80}"
        )
    if "after" in sent:  # of its parent's past and edits, which the condition does not say
        return None
    try:
        family = _family(sent["messages"], _staged(condition, _ANY, sent))
        scene = _staged(condition, family, sent)
        differ = [
            name for name, now in (("messages", scene.messages), ("world", scene.start)) if canonical(now) != canonical(sent[name])
        ]
    except Exception as error:  # of a scenario's own code, or of what a stranger sent
        return f"its condition cannot be rendered: {type(error).__name__}: {error}"
    if differ:
        return f"its condition is not the one that was sent: rendered, its {' and '.join(differ)} would be other ones"
    return _other_family(str(spec["model"]), family) if spec["source"] in ("sim", "live") else None


def family_of(content: Mapping[str, Any]) -> str | None:
    """What the agents of a transcript are called in its story, where this session renders its condition as it was sent."""
    try:
        return _family(content["messages"], _staged(Condition.of(content["condition"]), _ANY, content["sent"])) or None
    except Exception:  # of a scenario that this session lacks, or of its own code
        return None


def _staged(condition: Condition, family: str, sent: Mapping[str, Any]) -> Scene:
    if "harness" not in sent:
        return build(condition, family)
    from ppres.harnesses.scene import staged

    return staged(condition, family, sent["harness"].get("mode", "shell"))


def _family(messages: Any, scene: Scene) -> str:
    """What the agents are called in the story that was sent: it stands where this one has a family that no model has."""
    before, _, behind = scene.messages[0]["content"].partition(_ANY)
    end = behind.partition(_ANY)[0][: len(" Agent 1")]
    text: str = messages[0]["content"]
    return text[len(before) :].partition(end)[0] if text.startswith(before) else "AI"


def _other_family(label: str, family: str) -> str | None:
    """A model's agents are called by its name, where its label says nothing else."""
    try:
        usual = Model(label.partition(" ")[0]).critic_family
    except ModelError:  # this session's
        return None
    named = label.rpartition(" family=")[2] if " family=" in label else usual
    return (
        None if named == family else f"its model is {label!r:.80}, whose agents would be called {named!r:.80}, not {family!r:.80}"
    )
