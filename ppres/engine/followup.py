"""What goes on after a stored rollout: a branch, which is made anew from one of its turns, and an interview about it.

Both are children: rollouts of their own, whose identity holds the parent, the turn, the edit and all that they take over, so that
they stay what they are whatever becomes of the parent. The world is restored by carrying out the parent's calls again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from ppres import arguments, codec
from ppres.condition import Condition
from ppres.conversation import UNFINISHED, Conversation, Message, calls_of, shown, taken_over
from ppres.engine.edits import edited
from ppres.engine.runner import fill, planned
from ppres.models.budget import Meter
from ppres.models.faults import ModelError
from ppres.models.model import Model
from ppres.read.answers import answers
from ppres.read.decisive import Decided, decision_of
from ppres.read.frame import frame as tidy
from ppres.read.scored import definition, from_start
from ppres.read.specs import no_world
from ppres.scenarios.scene import Scene
from ppres.store.cell import AnyModel, Cell, following
from ppres.store.database import StorePath
from ppres.store.errors import Damaged
from ppres.store.store import Store
from ppres.worlds.tool import ScenarioError

if TYPE_CHECKING:
    import pandas as pd


_EDIT = (Mapping, type(None))


class NoParent(ValueError):
    """Nothing can go on after this rollout."""


class Parent(NamedTuple):
    """A stored rollout that another one can go on after."""

    key: str
    spec: dict[str, Any]
    condition: Condition
    conversation: Conversation
    """From its first turn on, those among them that it took over itself."""

    @property
    def sent(self) -> dict[str, Any]:
        """Everything that it was sent."""
        sent: dict[str, Any] = self.spec["sent"]
        return sent


def parent(store: Store, id: str) -> Parent:
    """A stored rollout by its id. Raises `NoParent` for one after which nothing can go on."""
    row = store.find(id)
    spec, conversation = store.spec(row.cell), store.record(row.key).conversation
    if row.stop_reason in UNFINISHED:
        raise NoParent(f"{id} is not at its end ({row.stop_reason}): run it again first")
    if "questions" in spec["sent"].get("after", {}):
        raise NoParent(f"{id} is an interview: ask or branch the rollout that it is about, {spec['sent']['after']['parent'][:16]}")
    if "harness" in spec["sent"]:
        raise NoParent(f"{id} was run in a production harness, whose servers are gone: nothing can go on after it")
    condition = definition(spec)
    if condition is None:
        name = spec.get("condition", {}).get("scenario")
        raise NoParent(f"the world of {id} cannot be restored: this session has no scenario {name}, or another one of that name")
    if why := no_world(spec["sent"], condition):
        raise NoParent(f"nothing can go on after {id}: {why}")
    return Parent(row.key.hex(), spec, condition, from_start(spec["sent"], conversation))


def branch(
    ids: str | Iterable[str],
    turn: int | str,
    n: int = 1,
    *,
    edit: Mapping[str, Any] | Sequence[Mapping[str, Any] | None] | None = None,
    model: str | AnyModel | None = None,
    store: StorePath = None,
    **how: Any,
) -> pd.DataFrame:
    """Make rollouts anew from a turn on, `n` times each, and return them as `run` does, with the columns parent, turn and edit.

    `ids` are stored rollouts, branches among them. `turn` is the number of the agent's first message that is made anew: what came
    before stays, and the world is as it was then; "decisive" is the turn that `decisive` names. `edit` replaces something of what
    came before, and several edits (None is no edit) are all made:

    documents: {name: text, pp.Doc, or None to take it away}, memory: a text, or None. The past is then the same calls in that
        world: where the agent had read the one it has read the other.
    results: {tool: text}, the last reply of a tool before the turn; said: {turn: text}, the agent's words in an earlier message;
        system, user: a text, the briefing. These are told as they are, and the world stays as it was.

    `model` goes on in the parent's place; what one model thought is not shown to another. `store`, concurrency, budget, max_tokens,
    executor and progress are those of `run`; `plan=True` makes nothing, and returns what `plan` would. Outcomes are of the whole
    conversation; tokens, dollars and seconds are of what was made anew. A simulated agent draws anew from the turn on. A parent is
    never changed, and its children stay in the store if it is discarded.

    Raises `ValueError` for a turn that the rollout does not have and for an edit that changes nothing or cannot be, `ModelError`
    where the model has to be given, and what `run` raises.
    """
    n = arguments.whole("n", n, "the number of rollouts per branch")
    edits = arguments.several(edit, "edit", "a mapping such as {'documents': {'log.txt': None}}, None, or several of these", _EDIT)
    if not edits:
        raise ValueError("edit=[] is no edit: leave it out, or give None, for a branch without one")
    with Store(store, existing=True) as opened:
        parents = [parent(opened, id) for id in _several(ids)]
    at = [_decided(past).turn if isinstance(turn, str) and turn == "decisive" else turn for past in parents]
    cells = [_branch(past, then, change, model) for past, then in zip(parents, at, strict=True) for change in edits]
    return _made(cells, n, store, **how)


def _several(ids: str | Iterable[str]) -> list[str]:
    distinct = list(dict.fromkeys(arguments.ids(ids)))
    if not distinct:
        raise ValueError("no rollout was given")
    return distinct


def _made(
    cells: list[Cell],
    n: int,
    store: StorePath,
    *,
    plan: bool = False,
    concurrency: int = 16,
    budget: float | None = None,
    max_tokens: int | None = None,
    executor: Any = None,
    progress: Any = True,
) -> pd.DataFrame:
    concurrency = arguments.whole("concurrency", concurrency)
    meter, wanted = Meter(budget, max_tokens), {cell.digest: n for cell in cells}
    cells = list({cell.digest: cell for cell in cells}.values())
    with Store(store) as opened:
        if plan:
            return planned(opened, cells, n)
        fill(opened, cells, wanted, meter, concurrency, executor, progress)
        return tidy(opened, [cell.stored() for cell in cells], wanted)


def _branch(parent: Parent, turn: Any, edit: Mapping[str, Any] | None, model: Any) -> Cell:
    """The cell of a branch."""
    turns = len(parent.conversation.turns)
    if not isinstance(place := arguments.number(turn), int) or not 1 <= place <= turns:
        raise ValueError(f"turn={turn!r}: {parent.key[:16]} has the turns 1 to {turns}, or 'decisive'")
    chosen = _model(parent, model)
    scene = _past(parent, place, chosen)
    return following(parent.condition, chosen, edited(scene, edit) if edit else scene)


def _past(parent: Parent, turn: int, model: Any) -> Scene:
    """What a child starts from: the parent's start, and its turns before one."""
    kept = Conversation(parent.conversation.turns[: turn - 1]).messages
    if model.label != parent.spec["model"]:
        kept = [_plain(message) if message["role"] == "assistant" else message for message in kept]
    after = {"parent": parent.key, "turn": turn, "edit": {}, "history": codec.dumps(kept)}
    return Scene(parent.sent["messages"], parent.sent["world"], parent.condition._scenario.own_tools, after)


def _plain(message: Message) -> Message:
    """What was said and called, without a model's thoughts and its provider's signatures."""
    calls = [
        {name: call[name] for name in ("id", "type", "function") if name in call} if isinstance(call, dict) else call
        for call in calls_of(message)
    ]
    return {"role": "assistant", "content": message.get("content")} | ({"tool_calls": calls} if calls else {})


def _model(parent: Parent, given: Any) -> Any:
    """The model that goes on: the one that is given, or the parent's, as far as it is known by name and parameters."""
    if given is not None:
        chosen = given if isinstance(given, AnyModel) else Model(given)
    else:
        sent, label = parent.sent, str(parent.spec["model"])
        if parent.spec.get("source") not in ("sim", "live"):
            raise ModelError(f"{parent.key[:16]} was made by {label}, of which a store knows no more than the name: give model=")
        known = {name: sent["parameters"].get(name) for name in ("temperature", "top_p", "max_tokens", "reasoning_effort")}
        known |= {name: sent.get(name) for name in ("api_base", "extra_body")}
        family = label.rpartition(" family=")[2] if " family=" in label else None
        chosen = Model(sent["model"], family=family, **(known if parent.spec["source"] == "live" else {}))
        if chosen.label != label:
            raise ModelError(f"{parent.key[:16]} was made by {label}, which would be {chosen.label} here and now: give model=")
    if isinstance(chosen, Model):
        chosen.check()
    return chosen


def ask(
    ids: str | Iterable[str],
    questions: str | Iterable[str],
    *,
    tools: bool = False,
    n: int = 1,
    model: str | AnyModel | None = None,
    store: StorePath = None,
    **how: Any,
) -> pd.DataFrame:
    """Ask the agents of stored rollouts about what they did: a row per answer (see `answers`).

    The conversation goes on behind its end, with the same model and parameters, or another `model`; each of the questions is put
    when the one before is answered, `n` times from the start. With `tools` the agent may still use them, in its world as it left
    it; else every call is answered by an error. What is said is no outcome: an interview has none, and is in no frame of rollouts.
    A simulated agent understands no question, and says what was planted in it. `store` and the rest are as for `branch`.
    """
    n = arguments.whole("n", n, "the number of interviews per rollout")
    asked = arguments.several(questions, "questions", "one text or several")
    if not asked or not all(text.strip() for text in asked):
        raise ValueError(f"questions are one text or several, not {questions!r:.200}")
    arguments.flag("tools", tools)
    with Store(store, existing=True) as opened:
        parents = [parent(opened, id) for id in _several(ids)]
    cells = [_interview(past, asked, tools, model) for past in parents]
    made = _made(cells, n, store, **how)
    return made if how.get("plan") else answers(made.id, store=store)


def _interview(parent: Parent, questions: list[str], tools: bool, model: Any) -> Cell:
    """The cell of an interview: the whole past, and the first question behind it."""
    chosen = _model(parent, model)
    scene = _past(parent, len(parent.conversation.turns) + 1, chosen)
    history = [*taken_over(scene.after), {"role": "user", "content": questions[0]}]
    after = scene.after | {"questions": questions, "tools": tools, "history": codec.dumps(history)}
    return following(parent.condition, chosen, replace(scene, after=after))


def _decided(parent: Parent) -> Decided:
    """The turn at which the outcome was decided: see `decisive`."""
    last = Decided(len(parent.conversation.turns), "it ended without a decisive step")
    return decision_of(parent.condition, parent.sent["world"], parent.conversation.said) or last


def decisive(ids: str | Iterable[str], *, store: StorePath = None) -> pd.DataFrame:
    """At which turn stored rollouts were decided, by rule: a row (id, turn, call, why) for each.

    It is the last turn whose calls changed the world and with it `preserved`: the setting was switched off, the weights moved, the
    subject shut down. Where nothing turned, it is the first with which the task's own step was taken, the report handed in or the
    files queued, and where there is none either, the last. Made anew from there (`branch`), a rollout has all that it had read.
    Where it cannot be told, as of one that ended in provider_error, of an interview, of another session's scenario, or where the
    scenario's rule fails, turn and call are missing, and `why` says why.
    """
    import pandas as pd

    rows: list[tuple[Any, ...]] = []
    with Store(store, existing=True) as opened:
        for id in _several(ids):
            key = opened.find(id).key.hex()[:16]
            try:
                past = parent(opened, id)
                at = _decided(past)
            except (NoParent, Damaged, ScenarioError) as error:
                rows.append((key, None, None, str(error)))
                continue
            calls = "; ".join(map(shown, calls_of(past.conversation.said[at.turn - 1]))) if at.turn else ""
            rows.append((key, at.turn, calls, at.why))
    return pd.DataFrame(rows, columns=["id", "turn", "call", "why"]).astype({"turn": "Int64"})
