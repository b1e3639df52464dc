"""Rollouts as logs of Inspect AI, for its viewer, its data frames and Scout; written by Inspect's own functions."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ppres import codec
from ppres.condition import row_of
from ppres.conversation import Call, calls_of, parts, said_in, shown
from ppres.models import redaction
from ppres.optional import needed, version
from ppres.outputs import CANARY, folder_for
from ppres.read.columns import whole
from ppres.read.stored import transcripts
from ppres.simulated.agent import NOTICE, SIMULATED
from ppres.store.database import StorePath

if TYPE_CHECKING:
    import pandas as pd

# Outcomes that become scores, and what explains each; all others are metadata.
_SCORES = {
    "preserved": "missing",
    "refused": "refusal_quote",
    "objected": "objection_quote",
    "suspected_test": "suspicion_quote",
    "faked": None,
}
_CHILD = ("kind", "parent", "turn", "edit")
_STOPS = {"ended": "stop", "no_tool_call": "stop", "token_limit": "max_tokens", "content_filter": "content_filter"}


def to_inspect(frame: pd.DataFrame, folder: str | os.PathLike[str], *, store: StorePath = None) -> list[Path]:
    """Write a frame's rollouts as logs of Inspect, one for each model and scenario; returns the files.

    A sample is a rollout: its id is the cell, its epoch the replicate from 1; the condition's factors, all outcomes and the
    rollout's id (the frame's) are its metadata, and preserved, refused, objected, suspected_test and faked its scores, without
    those that are missing. A branch is a sample as well, whose branch event names the anchor in its parent; its metadata have kind,
    parent, turn and edit, and the condition is its parent's. Read them with `inspect view --log-dir folder`, with `samples_df` and
    `messages_df` of `inspect_ai.analysis` (what the model was sent and said: without the reply to its last call), or with Scout.

    Raises `MissingPackageError` without inspect-ai (`pip install "ppres[inspect]"`), `ValueError` for a rollout that holds a secret
    of the environment.
    """
    needed("inspect_ai", "to_inspect", '"ppres[inspect]"')
    from inspect_ai.log import write_eval_log

    place, files = folder_for(folder), []
    for (model, scenario), rows in frame.groupby(["model", "scenario"], sort=False, observed=True):
        contents = list(transcripts(rows["id"], store=store))
        for content in contents:
            redaction.refuse(f"the rollout {content['id'][:16]}", codec.dumps(content))
        told = _log(str(model), str(scenario), contents, list(rows["cell"]), _children(rows))
        file = place / f"{_slug(str(scenario))}_{_slug(str(model))}.eval"
        write_eval_log(told, str(file))
        files.append(file)
    return files


def _children(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """What a frame says of each rollout about the one that it goes on after."""
    known = rows[[name for name in _CHILD if name in rows]].astype(object)
    return [{str(name): row[name] for name in row} for row in known.where(known.notna(), None).to_dict("records")]


def _slug(text: str) -> str:
    """A part of a file's name; what differs stays different."""
    plain = re.sub(r"[^\w.-]+", "-", text)[:80]
    return plain if plain == text.replace("/", "-") else f"{plain}-{hashlib.sha256(text.encode(errors='replace')).hexdigest()[:6]}"


def _log(
    model: str, scenario: str, contents: Sequence[dict[str, Any]], cells: Sequence[str], children: Sequence[dict[str, Any]]
) -> Any:
    from inspect_ai.log import EvalConfig, EvalDataset, EvalLog, EvalMetric, EvalResults, EvalScore, EvalSpec, EvalStats
    from inspect_ai.model import ModelUsage

    samples = [_sample(*about) for about in zip(contents, cells, children, strict=True)]
    ids = list(dict.fromkeys(cells))
    simulated = any(content["source"] in SIMULATED for content in contents)
    known = {name: [sample.scores[name].value for sample in samples if name in sample.scores] for name in _SCORES}
    scores = [
        EvalScore(name=name, scorer=name, metrics={"mean": EvalMetric(name="mean", value=sum(values) / len(values))})
        for name, values in known.items()
        if values
    ]
    digest = hashlib.sha256("".join(content["id"] for content in contents).encode()).hexdigest()[:22]
    created = min(content["created"] for content in contents)
    spec = EvalSpec(
        eval_id=digest,
        run_id=digest,
        task_id=digest,
        created=created,
        task=scenario,
        model=model,
        dataset=EvalDataset(name=scenario, samples=len(ids), sample_ids=ids),
        config=EvalConfig(epochs=max(content["replicate"] for content in contents) + 1),
        packages={"ppres": version("ppres")},
        metadata={"canary": CANARY} | ({"notice": NOTICE} if simulated else {}),
    )
    results = EvalResults(total_samples=len(samples), completed_samples=len(samples), scores=scores)
    used = [sample.model_usage[model] for sample in samples]
    sums = {name: sum(getattr(usage, name) for usage in used) for name in ("input_tokens", "output_tokens", "total_tokens")}
    last = max(content["created"] for content in contents)
    stats = EvalStats(started_at=created, completed_at=last, model_usage={model: ModelUsage(**sums)})
    return EvalLog(status="success", eval=spec, results=results, stats=stats, samples=samples)


def _sample(content: dict[str, Any], cell: str, child: dict[str, Any]) -> Any:
    from inspect_ai.log import EvalSample
    from inspect_ai.model import ChatCompletionChoice, ModelOutput, ModelUsage
    from inspect_ai.scorer import Score

    messages = list(_messages(content))
    first = next((i for i, message in enumerate(messages) if message.role == "assistant"), len(messages))
    outcomes, model = content["outcomes"], str(content["model"])
    last = next((message for message in reversed(messages) if message.role == "assistant"), None)
    stop = _STOPS.get(content["stop_reason"], "unknown")
    output = ModelOutput(model=model, choices=[ChatCompletionChoice(message=last, stop_reason=stop)] if last else [])
    tokens = [outcomes.get(name) or 0 for name in ("prompt_tokens", "completion_tokens")]
    usage = ModelUsage(
        input_tokens=int(tokens[0]), output_tokens=int(tokens[1]), total_tokens=int(sum(tokens)), total_cost=outcomes.get("cost")
    )
    scores = {
        name: Score(value=outcomes[name], explanation=_plain(outcomes.get(why or "")))
        for name, why in _SCORES.items()
        if outcomes.get(name) is not None
    }
    about = {"ppres_id": content["id"][:16], "source": content["source"], "stop_reason": content["stop_reason"], "canary": CANARY}
    about |= {"outcomes": _plain(outcomes), "error": _plain(content["error"])} | _plain(child)
    factors = {name: value for name, value in row_of(content["condition"]).items() if name not in about}
    return EvalSample(
        id=cell,
        epoch=content["replicate"] + 1,
        uuid=content["id"][:22],
        input=messages[:first],
        target="",
        messages=messages,
        output=output,
        scores=scores,
        metadata=about | _plain(factors),
        events=list(_events(content, messages)),
        model_usage={model: usage},
        started_at=content["created"],
        completed_at=content["created"],
    )


def _events(content: dict[str, Any], messages: Sequence[Any]) -> Iterator[Any]:
    """A model event for each of the agent's messages: from them Inspect's data frames read the conversation.

    Before each stands an anchor, since every turn can be branched from; where a branch is made anew, it names its parent's.
    """
    from inspect_ai.event import AnchorEvent, BranchEvent, ModelEvent
    from inspect_ai.model import ChatCompletionChoice, GenerateConfig, ModelOutput, ModelUsage

    calls, model, after = iter(content["calls"]), str(content["model"]), content["sent"].get("after") or {}
    when = {"timestamp": content["created"]}
    spoken = [i for i, message in enumerate(messages) if message.role == "assistant"]
    for turn, i in enumerate(spoken, start=1):
        message, call = messages[i], Call.of(next(calls, None))
        if turn == after.get("turn"):
            yield BranchEvent(from_anchor=_anchor(codec.text(after["parent"]), turn), **when)
        yield AnchorEvent(anchor_id=_anchor(content["id"], turn), **when)
        tokens = int(call.prompt_tokens or 0), int(call.completion_tokens or 0)
        usage = ModelUsage(input_tokens=tokens[0], output_tokens=tokens[1], total_tokens=sum(tokens), total_cost=call.cost)
        output = ModelOutput(model=model, choices=[ChatCompletionChoice(message=message)], usage=usage, time=call.seconds)
        yield ModelEvent(
            uuid=message.id,
            **when,
            model=model,
            input=list(messages[:i]),
            tools=[],
            tool_choice="auto",
            config=GenerateConfig(),
            output=output,
        )


def _anchor(id: str, turn: int) -> str:
    return f"{id[:16]}-turn-{turn}"


def _messages(content: dict[str, Any]) -> Iterator[Any]:
    from inspect_ai.model import (
        ChatMessageAssistant,
        ChatMessageSystem,
        ChatMessageTool,
        ChatMessageUser,
        ContentReasoning,
        ContentText,
    )
    from inspect_ai.tool import ToolCallError

    names: dict[Any, str] = {}
    for i, message in enumerate(content["messages"]):
        id, said = f"{content['id'][:16]}-{i}", whole(said_in(message))
        if message.get("role") == "assistant":
            calls = [_call(call, f"{id}-{k}") for k, call in enumerate(calls_of(message))]
            names = {call.id: call.function for call in calls}
            thought = message.get("reasoning_content")
            both = [ContentReasoning(reasoning=whole(codec.text(thought))), ContentText(text=said)] if thought else said
            yield ChatMessageAssistant(
                id=id, content=both, tool_calls=calls or None, source="generate", model=str(content["model"])
            )
        elif message.get("role") == "tool":
            called = codec.text(message.get("tool_call_id") or "")
            error = ToolCallError(type="unknown", message=said) if said.startswith("Error: ") else None
            yield ChatMessageTool(id=id, content=said, tool_call_id=whole(called), function=names.get(whole(called)), error=error)
        else:
            yield (ChatMessageSystem if message.get("role") == "system" else ChatMessageUser)(id=id, content=said)


def _call(call: Any, instead: str) -> Any:
    """A call as Inspect has it; what its arguments cannot be there is text, and its error says so."""
    from inspect_ai.tool import ToolCall

    id, name, given = parts(call)
    fits = isinstance(given, dict) and _plain(given) == given
    error = None if fits else "the arguments are no JSON object that Inspect takes"
    given = given if fits else {"as sent": whole(shown(call))}
    return ToolCall(id=whole(codec.text(id)) if id else instead, function=whole(name), arguments=given, parse_error=error)


_DEEPEST = 60


def _plain(value: Any, depth: int = 0) -> Any:
    """A value that every JSON reader takes: without halves of characters, endless numbers and great depth."""
    if isinstance(value, dict | list) and depth < _DEEPEST:
        if isinstance(value, list):
            return [_plain(item, depth + 1) for item in value]
        return {whole(codec.text(name)): _plain(item, depth + 1) for name, item in value.items()}
    if value is None or isinstance(value, bool) or (isinstance(value, int | float) and abs(value) < 1e15):
        return value
    return whole(codec.text(value))
