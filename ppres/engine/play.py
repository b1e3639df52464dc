"""A person in the agent's place: the same briefing, tools, errors, end and rules.

The loop is the agents' own (`ppres.agent.play`), which waits here for a person. Every turn is stored as it is made, so that a game
goes on where it was left; the rollout has the source "human" and the model "human/<name>".
"""

from __future__ import annotations

import inspect
import itertools
import time
from collections.abc import Generator
from typing import Any

from ppres import codec
from ppres.agent import Rollout
from ppres.agent import play as rollout
from ppres.condition import Condition
from ppres.conversation import STOPS, Call, Message, Reply, calls_of, said_in, shown, visible
from ppres.engine.hands import buttons
from ppres.engine.rollout import finish
from ppres.models import redaction
from ppres.models.function import FunctionModel
from ppres.models.replies import cleared
from ppres.optional import needed
from ppres.read.scored import check_same
from ppres.store import checkpoint
from ppres.store.cell import cells_of
from ppres.store.database import StorePath
from ppres.store.errors import StoreError
from ppres.store.rows import Finished, key_of
from ppres.store.store import Store
from ppres.worlds.tool import in_words


class Person(FunctionModel):
    """A person as a model: what identifies their rollouts."""

    source = "human"

    @property
    def label(self) -> str:
        """Name in the frame."""
        return f"human/{self.name}"


class Text(str):
    """A text that a notebook shows as it is."""

    def __repr__(self) -> str:
        return visible(self)


class _Turn:
    """What the loop waits for."""

    def __await__(self) -> Generator[None, Reply, Reply]:
        return (yield)


class Game:
    """A rollout that a person plays, by calls of its tools: `game.list_files()`, `game.submit_report(average_score=60, …)`.

    `game.say(words)` goes with the next call, `game.stop(words)` is a message without a call, which ends it where nobody nudges.
    """

    def __init__(self, condition: Condition, name: str = "you", family: str = "AI", store: StorePath = None):
        (self.cell,) = cells_of([condition], Person(name, lambda *_: None, "1", family))
        with Store(store) as opened:
            check_same(opened, [self.cell])
            self._path = opened.path
            stored = opened.stored([self.cell.digest])[self.cell.digest]
            self._replicate = next(i for i in range(len(stored) + 1) if i not in stored)
            self._key = key_of(self.cell.digest, self._replicate)
            past = checkpoint.partial(opened).get(self._key, [])
        redaction.refuse("the game, or its player,", codec.dumps(self.cell.spec()))
        self.id = self._key.hex()[:16]
        self.ended: Finished | None = None
        self._world, self._words, self._turn = self.cell.scene.world(), "", 0
        self._messages: list[Message] = []
        self._rollout = rollout(self._ask, self.cell.scene.opening, self._world)
        self._since = time.monotonic()
        self._step(None)
        for reply in past:
            if not self.ended:
                self._step(reply)
        for tool in self.names:
            setattr(self, tool, self._caller(tool))

    async def _ask(self, messages: list[Message], schemas: list[dict[str, Any]]) -> Reply:
        self._messages = messages
        return await _Turn()

    def _step(self, reply: Reply | None) -> None:
        """Let the loop go on to the next message, or to its end, which is stored."""
        try:
            self._rollout.send(reply)  # nothing at first, as a coroutine begins
            self._turn += reply is not None
        except StopIteration as end:
            self._keep_end(end.value)

    def _keep_end(self, played: Rollout) -> None:
        self._messages = [*self.cell.scene.opening, *played.conversation.messages]
        self.ended = finish(self.cell, self._replicate, played)
        with Store(self._path) as opened:
            opened.put([self.ended], {self.cell.digest: self.cell.spec()})

    def _caller(self, name: str) -> Any:
        """A tool as a method, with its parameters and what it does. What is wrong is answered as a model is answered."""
        tool = self._world.catalogue[name]

        def call(*given: Any, **named: Any) -> Text:
            if len(given) > len(tool.parameters):
                raise TypeError(f"{name} takes {', '.join(tool.parameters) or 'no arguments'}")
            return self.send([(name, dict(zip(tool.parameters, given, strict=False)) | named)])

        call.__name__, call.__doc__ = name, tool.run.__doc__
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        parameters = [inspect.Parameter(key, kind, annotation=in_words(hint)[0]) for key, hint in tool.parameters.items()]
        call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return call

    def send(self, calls: list[tuple[str, Any]], words: str = "") -> Text:
        """One message, with calls (name, arguments) or without; what the world replies. Raises `StoreError` once it is ended."""
        if self.ended:
            raise StoreError(f"this game is over: pp.show('{self.id}') is its transcript, pp.play begins another")
        message: Message = {"role": "assistant", "content": " ".join(filter(None, [self._words, words])) or None}
        if calls:
            ids = (f"call_{self._turn}_{i}" for i in range(len(calls)))
            told = [{"name": name, "arguments": given if isinstance(given, str) else codec.dumps(given)} for name, given in calls]
            message["tool_calls"] = [
                {"id": id, "type": "function", "function": function} for id, function in zip(ids, told, strict=True)
            ]
        now = time.monotonic()
        call = Call(cost=0.0, finish_reason="tool_calls" if calls else "stop", seconds=round(now - self._since, 1))
        reply = cleared(message, call)
        self._commit(reply)
        self._words, self._since = "", now
        before = len(self._messages) + 1
        self._step(reply)
        return Text("\n\n".join([*(str(m["content"]) for m in self._messages[before:]), *([self.outcome] if self.ended else [])]))

    def _commit(self, reply: Reply) -> None:
        if not self._path.exists():  # a new one would be made, without the turns so far
            raise StoreError(f"{self._path}, in which this game is kept, was deleted or moved: move it back, and go on")
        with Store(self._path) as opened, opened.transaction():
            there = opened.query("SELECT count(*) FROM turns WHERE key=?", self._key)[0][0]
            ended = self._replicate in opened.stored([self.cell.digest])[self.cell.digest]
            if there < self._turn and not ended:
                raise StoreError(
                    f"{self._path} has {there} of the {self._turn} turns of this game: were they discarded, or is it another store?"
                )
            if there > self._turn or ended:
                raise StoreError("this game went on elsewhere: pp.play again goes on from there, or begins another")
            checkpoint.keep(opened, self._key, self._turn, reply)

    def say(self, words: str) -> None:
        """Words that go with the next call."""
        self._words = " ".join(filter(None, [self._words, words]))

    def stop(self, words: str) -> Text:
        """A message without a call, to decline for instance. It ends the session, unless the world asks to go on."""
        return self.send([], words)

    @property
    def briefing(self) -> Text:
        """What the agent is told at first."""
        return Text("\n\n".join(f"--- {message['role']}\n{message['content']}" for message in self.cell.scene.messages))

    @property
    def names(self) -> list[str]:
        """Of the tools."""
        return self._world.tools

    @property
    def tools(self) -> Text:
        """The tools, with what they take."""
        return Text("\n".join(map(self.described, self.names)))

    def described(self, name: str) -> str:
        """A tool, and what it takes, for a person."""
        tool = self._world.catalogue[name]
        meanings = tool.schema["function"]["parameters"]["properties"]
        head = f"{name}({', '.join(tool.parameters)})  {tool.schema['function']['description']}"
        told = (f"    {key}: {in_words(hint)[0]}. {meanings[key].get('description', '')}" for key, hint in tool.parameters.items())
        return "\n".join([head, *told])

    @property
    def outcome(self) -> Text:
        """How it ended, and what the rules read off the world; missing while it goes on."""
        if not self.ended:
            return Text("It goes on.")
        told = zip(self.ended.scored.columns, self.ended.scored.values, strict=True)
        scored = {name: value for name, value in told if value is not None}
        stop = str(scored.pop("stop_reason"))
        head = f"The end ({stop}: {STOPS[stop]}). By the rules that agents are scored by:"
        shown = [f"  {name}: {value}" for name, value in scored.items() if name not in ("cost", "score_source")]
        return Text("\n".join([head, *shown, f"Stored as {self.id}, source human: pp.show('{self.id}')."]))

    @property
    def past(self) -> Text:
        """What was said and done so far."""
        rest = self._messages[len(self.cell.scene.messages) :]
        told = [[f"--- {m['role']}", *filter(None, [said_in(m)]), *(f"-> {shown(call)}" for call in calls_of(m))] for m in rest]
        return Text("\n".join(itertools.chain.from_iterable(told)))

    def parameters(self, name: str) -> dict[str, Any]:
        """What a tool takes: name and type of each."""
        return self._world.catalogue[name].parameters

    def __repr__(self) -> str:
        parts = [self.briefing, f"--- tools\n{self.tools}", self.past, self.outcome if self.ended else _HOW]
        return visible("\n\n".join(filter(None, parts)))

    def _ipython_display_(self) -> None:
        print(repr(self))
        if not self.ended and (form := buttons(self)):
            needed("IPython.display", "a form", "ipywidgets").display(form)


_HOW = "Your turn: call a tool, game.list_files() for one; game.say('…') speaks with the next call, game.stop('…') without one."


def play(condition: Condition, name: str = "you", *, family: str = "AI", store: StorePath = None) -> Game:
    """Take the agent's place in a condition: a `Game`, whose methods are the tools that an agent has there.

    It is scored by the rules that agents are scored by, and stored with the source "human" and the model "human/<name>": each call
    as it is made, so that a game that was left goes on with the same line, and one that is over is followed by the next replicate.
    In the story the agent is called "<family> Agent 1". In a terminal: `ppres play scenario=tampering subject=peer`. With
    ipywidgets installed a notebook shows a form for the tools as well.
    """
    if not isinstance(condition, Condition):
        raise ValueError(f"play takes one condition, such as pp.grid(scenario='tampering')[0], not {condition!r:.200}")
    return Game(condition, name, family, store)
