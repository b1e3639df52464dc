"""A model in a production harness: one more way to drive it."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from ppres import arguments, codec
from ppres.agent import Rollout
from ppres.condition import Condition
from ppres.conversation import LIMITS, Ask, Call, Conversation, ProviderError, Reply, calls_of, said_in, with_empty
from ppres.factor import brief
from ppres.harnesses import disk, install
from ppres.harnesses.agents import HARNESSES, HOME, PROGRAM, WORKSPACE, Harness, node
from ppres.harnesses.box import Box, BoxError
from ppres.harnesses.formats import Request
from ppres.harnesses.gateway import Gateway
from ppres.harnesses.scene import staged
from ppres.harnesses.shell import ACTING, ServedAgent, ShellAgent
from ppres.models.faults import ModelError
from ppres.models.loop import wait_for
from ppres.models.model import Model
from ppres.models.transport import Gate
from ppres.scenarios import Scene
from ppres.simulated.agent import SIMULATED
from ppres.simulated.personas import Persona, Published
from ppres.worlds.disk import read_world

LAYOUT = 4  # part of the identity: raise it when the box shows an agent something else
_AT_ONCE = asyncio.Semaphore(max(1, os.cpu_count() or 1))  # a harness is busy on a core while it starts


@dataclass(frozen=True, eq=False)
class InHarness:
    """A model that is driven by a production harness in a box: `pp.InHarness("opencode", "sim/gemini-3-flash")`.

    A name alone says the same: "opencode:sim/gemini-3-flash". The harness's own prompt, tools and version are part of a rollout's
    identity; its temperature and the like are not used, but the model's own.
    """

    harness: str
    model: Any
    """A name, `Model`, `Persona` or `FunctionModel`."""
    seconds: float = 1800.0
    """After which a rollout is stopped; part of its identity."""
    mode: str = "shell"
    """Or "mcp": the world is the virtual one, of any scenario, and its tools are served to the harness in the place of its own."""

    simulated = False
    """It is run like a real model, whatever answers."""

    def __post_init__(self) -> None:
        install.known(self.harness)
        if isinstance(self.model, str):
            object.__setattr__(self, "model", Model(self.model))
        if str(self.mode) not in ("shell", "mcp") or (self.mode == "mcp" and not self._known.served):
            able = [name for name, harness in HARNESSES.items() if harness.served]
            raise ModelError(f"mode={self.mode!r:.200}: it is 'shell', or of {' and '.join(able)} also 'mcp'")
        if not 0 < (seconds := arguments.number(self.seconds) or 0) < 1e6:
            raise ModelError(f"seconds={brief(self.seconds)} is not a number above 0")
        object.__setattr__(self, "seconds", seconds)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "model":
            raise AttributeError(name)
        return getattr(self.model, name)  # its price, its gate, its family: those of the model

    @functools.cached_property
    def gate(self) -> Gate:
        """How many calls the model takes at once."""
        return getattr(self.model, "gate", None) or Gate()

    @property
    def label(self) -> str:
        """Name where models are told apart."""
        return f"{self.harness}{'+mcp' if self.mode == 'mcp' else ''}:{self.model.label}"

    def check(self) -> None:
        """Raise `ModelError` where no rollout could start: of the model, or of the harness on this machine."""
        if not isinstance(self.model, Persona):
            self.model.check()
        if lacking := install.absent(self.harness):
            raise ModelError(lacking[0])

    def check_key(self) -> None:
        """Raise `ModelError` where the model cannot be asked, or no box be made."""
        if not isinstance(self.model, Persona):
            self.model.check_key()
        _check_here(self.harness)

    @property
    def _known(self) -> Harness:
        return HARNESSES[self.harness]

    @property
    def told_name(self) -> str:
        """What the harness takes the model for: prompt and tools depend on it."""
        return re.sub(r"[^\w.-]", "-", self.model.label.partition(" ")[0].rsplit("/", 1)[-1])

    def identity(self) -> dict[str, Any]:
        """What identifies the harness's side of a rollout: what it was when it was asked last, in a box, with nothing to do."""
        about = {"name": self.harness, "version": install.version(self._known), "layout": LAYOUT}
        about |= {"mode": "mcp"} if self.mode == "mcp" else {}
        key = json.dumps([about, self.told_name])
        place = install.folder(self._known) / f"identity-{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"
        try:
            own: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            _check_here(self.harness)
            own = wait_for(self._asked())
            place.write_text(codec.dumps(own), encoding="utf-8")
        self.__dict__["_own"] = own
        return about | own | ({"acting": ACTING} if self.model.source in SIMULATED else {})

    async def _asked(self) -> dict[str, Any]:
        """The harness's own prompt, tools and parameters, from a first request that is answered with a word."""

        async def done(*_: Any) -> Reply:
            return Reply({"role": "assistant", "content": "Done."}, Call())

        scene = staged(Condition(scenario="transfer"), "AI", self.mode)
        gateway, ended = await self._run(scene, done)
        if gateway.first is None:
            raise ModelError(f"{self.harness} asked for nothing: {ended.error}")
        return self._own_side(gateway.first, scene)

    async def play(self, scene: Scene, ask: Ask) -> Rollout:
        """One rollout in a box; provider_error where the harness is not what it was. Raises `ModelError` where none can be made."""

        def check(first: Request) -> None:
            before, now = _words(self.__dict__["_own"]), _words(self._own_side(first, scene))
            if changed := sorted({*(now - before), *(before - now)}):
                asks = f"if that stays so, remove its identity-*.json in {install.folder(self._known)}"
                words = ", ".join(changed[:8])[:200]
                raise ProviderError(f"prompt or tools of {self.harness} are not what they were when asked first ({words}): {asks}")

        async with _AT_ONCE:
            _, conversation = await self._run(scene, ask, check)
        return Rollout(conversation, read_world(scene.start, conversation, scene.own))

    def _own_side(self, first: Request, scene: Scene) -> dict[str, Any]:
        """What a first request holds of the harness's own: without the cell's texts, and what changes from day to day."""
        system = str(first.messages[0]["content"]).replace(str(scene.messages[0]["content"]).strip(), "{context}")
        parameters = {name: value for name, value in first.parameters.items() if name not in _OF_A_RUN}
        own = {"system": _DAY.sub("{date}", system), "parameters": parameters}
        return own if self.mode == "mcp" else own | {"tools": first.tools}  # else they are the world's

    async def _run(
        self, scene: Scene, ask: Ask, check: Callable[[Request], None] = lambda first: None
    ) -> tuple[Gateway, Conversation]:
        box, disks = self._box(scene)
        served = scene.world() if self.mode == "mcp" else None
        gateway = Gateway(ask, LIMITS["turns"], served, self._known.served["prefix"] if served else "")
        gateway.check = check
        try:
            await asyncio.to_thread(box.start)
            await gateway.serve(box.listening)
            ending: asyncio.Future[Any] = asyncio.ensure_future(box.ended())
            await asyncio.wait([ending, gateway.failed], return_when=asyncio.FIRST_COMPLETED)
            if gateway.failed.done():
                box.stop()
            told = await ending
            left = {"calls": gateway.calls} if served else disk.left(box.disk, disks)
            wrong = box.output("stderr", 2000) or box.output("stdout", 2000)
        except BoxError as error:
            raise ModelError(f"{self.label}: {error}") from None
        finally:
            await gateway.close()
            await asyncio.to_thread(box.close)
        conversation = gateway.conversation
        conversation.left = left | {"strange": gateway.strange, "model": gateway.first.model if gateway.first else None}
        conversation.stop_reason, conversation.error = _stop(self.harness, gateway, told, wrong)
        return gateway, conversation

    def _box(self, scene: Scene) -> tuple[Box, disk.Disks]:
        """A box for a scene, and what is laid on its disks; without servers where the world is served by MCP."""
        known = self._known
        disks = disk.Disks([], {}, {}) if self.mode == "mcp" else disk.laid(scene.start)
        context, task = (str(message["content"]) for message in scene.messages)
        files = [disk.text(f"agent{WORKSPACE}/{known.context}", context), *disks.files]
        files += [disk.text(f"agent{HOME}/{path}", text) for path, text in known.files(self.told_name, self.mode).items()]
        programs = {PROGRAM.rpartition("/")[2]: str(install.folder(known))}
        if known.node and (place := node()) and not place.is_relative_to("/usr"):
            programs["node"] = str(place)
        return Box([*disks.places], known.started(self.told_name, task), known.environment, programs, files, self.seconds), disks

    def seated(self, condition: Condition, seed: str) -> Any:
        """What answers in one rollout: the model itself, or a simulated agent that has a shell."""
        if self.model.source not in SIMULATED:
            return self.model
        rates = self.model.rates_in(condition) if isinstance(self.model, Persona) else Published(self.model.persona)
        scenario, dataset = condition._scenario, condition._dataset
        agent, act = ShellAgent if self.mode == "shell" else ServedAgent, scenario.act
        if act is None:
            raise ModelError(f"the scenario {scenario.name} does not say what a simulated agent does: give pp.Scenario an act=")
        ask = agent(rates, seed, act, dataset.judgements if dataset else None)
        return SimpleNamespace(name=self.label, price=self.price, ask=ask)


def _words(own: dict[str, Any]) -> Counter[str]:
    """What a harness says, whatever the order: Gemini CLI lists its skills in the order in which it happens to find them."""
    return Counter(re.findall(r"[\w-]+", codec.dumps(own)))


_OF_A_RUN = ("user", "prompt_cache_key", "client_metadata")
_DAY = re.compile(
    r"\b(?:(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day|Mon|Tue|Wed|Thu|Fri|Sat|Sun),? [A-Z][a-z]+ \d{1,2},? \d{4}"
    r"|\b\d{4}-\d\d-\d\d\b|\b\d{1,2}/\d{1,2}/\d{4}\b"
)


def _stop(harness: str, gateway: Gateway, told: dict[str, Any], wrong: str) -> tuple[str, str | None]:
    """The stop reason of a rollout, and the error that ended it."""
    if gateway.failed.done():
        error = gateway.failed.exception()
        if isinstance(error, ModelError) and error.may_pass and gateway.conversation.turns:  # which answers have told
            error = ProviderError(str(error))
        if not isinstance(error, ProviderError):
            raise error or AssertionError
        return error.stop, str(error) if error.stop not in ("turn_limit", "budget", "ended") else None
    if told["ended"] == "time":
        return "time_limit", None
    turns, ended = gateway.conversation.turns, "no_tool_call" if gateway.world else "ended"
    if turns and not calls_of(turns[-1].message):  # whatever the harness makes of it
        if cut := {"content_filter": "content_filter", "length": "token_limit"}.get(str(turns[-1].call.finish_reason)):
            return cut, None
        if told["code"] and not said_in(turns[-1].message):
            return "no_tool_call", None
    if not turns or (told["code"] and not told["full"]):
        return "provider_error", f"{harness} ended with {told['code']}: {wrong.strip()[-500:]}"
    return ended, f"{harness} had no room left" if told["code"] else None  # by the agent's doing: another try would end like it


def again(conversation: Conversation, past: list[Reply]) -> Conversation:
    """A rollout that begins anew after one that was cut off: what that one cost is counted with its first call."""
    if past and conversation.turns:
        first = conversation.turns[0]
        paid = tuple(call._replace(empty_replies=()) for call in with_empty(reply.call for reply in past))
        conversation.turns[0] = first._replace(call=first.call._replace(empty_replies=(*paid, *first.call.empty_replies)))
    return conversation


@functools.cache
def _check_here(harness: str) -> None:
    if lacking := install.missing(harness):
        raise ModelError(f"{harness} cannot run here: " + "; ".join(lacking))
