"""One rollout made, from a cell to a record. It touches no store, so it can be done in any process."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import platform
import subprocess
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from pickle import PicklingError
from typing import Any, NamedTuple

from ppres import codec
from ppres.agent import Rollout, drive, play
from ppres.conversation import VALUES, Ask, Call, Message, ProviderError, Record, Reply
from ppres.factor import brief
from ppres.models import redaction
from ppres.models.budget import Meter
from ppres.models.faults import Cut, ModelError
from ppres.models.loop import wait_for
from ppres.optional import version
from ppres.read import outcomes
from ppres.read.scored import by_rule, without_secrets
from ppres.simulated.agent import NOTICE, SIMULATED
from ppres.store.cell import Cell
from ppres.store.rows import Finished, Packed, check_size, key_of, packed
from ppres.worlds.tool import ScenarioError


def simulate(cell: Cell, replicates: Iterable[int]) -> Iterator[Finished]:
    """Simulated rollouts of a cell."""
    world, opening, agents = cell.scene.world(), cell.scene.opening, cell.agents()
    scorer = outcomes.scorer_of(cell.condition._scenario, cell.condition._dataset)
    for replicate in replicates:
        agent = agents(key_of(cell.digest, replicate).hex()[:12])
        yield finish(cell, replicate, drive(play(agent, opening, world.copy())), scorer)


def simulate_packed(cell: Cell, replicates: Iterable[int], numbers: Mapping[str, int]) -> list[Finished | Packed]:
    """Simulated rollouts of a cell, packed for the store that gave their texts these numbers, or as they are where it gave none."""
    made: list[Finished | Packed] = []
    rollouts = simulate(cell, replicates)
    while some := list(itertools.islice(rollouts, _AT_ONCE)):
        made += [_packed(finished, numbers) for finished in some]
    return made


_AT_ONCE = 25  # rollouts that are played, then packed: compressing needs the processor's cache for itself, and so does playing


def _packed(finished: Finished, numbers: Mapping[str, int]) -> Finished | Packed:
    try:
        return packed(finished, numbers.__getitem__)
    except KeyError:
        return finished


def submitted(executor: Executor, function: Callable[..., Any], *given: Any) -> Future[Any]:
    """A call in an executor's worker. Raises `ValueError` where the executor promises nothing."""
    future = executor.submit(function, *given)
    if not hasattr(future, "add_done_callback"):
        raise ValueError(f"executor={executor!r}: its submit() returned {brief(future)}, which is no future")
    return future


def made_in(future: Future[Any], kind: type) -> Any:
    """What a worker made. Raises `RuntimeError` where it made nothing: it got nothing, was cancelled, ended, or is none of ours."""
    try:
        made = future.result()
    except (BrokenExecutor, CancelledError, SystemExit, KeyboardInterrupt) as error:
        raise RuntimeError(f"a worker of the executor ended without its rollouts ({error!r}): run again to make them") from error
    except (PicklingError, AttributeError, TypeError) as error:
        if not any(said in str(error).lower() for said in ("pickle", "can't get ")):
            raise
        raise RuntimeError(
            f"what is to be run cannot be sent to another process ({error}): define its functions with def in a file that is "
            "imported, or take concurrent.futures.ThreadPoolExecutor"
        ) from error
    if not isinstance(made, kind):
        raise RuntimeError(f"a worker of the executor returned {brief(made)}, and no rollouts")
    return made


class Made(NamedTuple):
    """What came of one rollout of a real model in a worker."""

    finished: Finished | None
    """None where the model cannot be asked, or a tool of one's own failed."""
    replies: list[Reply]
    """Those that were asked for here."""
    dollars: float
    tokens: float
    error: ModelError | ScenarioError | None
    lost: tuple[Call, ...] = ()
    """Calls that were under way when it was stopped."""
    estimated: float = 0.0
    """Those of the tokens that are an estimate."""


_asked: dict[bytes, asyncio.Task[Any]] = {}
"""Rollouts of workers that are threads of this process, under way on its loop."""


def stop(key: bytes) -> bool:
    """Stop a rollout that `ask` is at in a thread of this process; whether there is one. Called on the loop."""
    task = _asked.pop(key, None)
    return task is not None and task.cancel()


def ask(cell: Cell, replicate: int, past: list[Reply], share: tuple[float, float]) -> Made:
    """One rollout of a real model, which goes on from its `past` turns and pauses when its share of dollars or tokens is spent."""
    _look_for_secrets()
    meter, key = Meter(*share), key_of(cell.digest, replicate)
    replies: list[Reply] = []
    lost: list[Call] = []

    async def keep(turn: int, reply: Reply) -> None:
        replies.append(reply)

    async def played() -> Rollout | None:
        if task := asyncio.current_task():
            _asked[key] = task
        try:
            return await play(asking(cell, meter, None, past, keep), cell.scene.opening, cell.scene.world())
        except asyncio.CancelledError as stopped:
            if key in _asked:  # by somebody else
                raise
            lost.extend(stopped.calls if isinstance(stopped, Cut) else ())
            return None
        finally:
            _asked.pop(key, None)

    finished, failed = None, None  # with an error the turns so far are handed back
    try:
        rollout = wait_for(played())
        finished = finish(cell, replicate, rollout) if rollout else None
    except (ModelError, ScenarioError) as error:
        failed = error
    return Made(finished, replies, meter.dollars, meter.tokens, failed, (*lost,), meter.estimated)


_look_for_secrets = functools.cache(redaction.read)  # which a worker in a process of its own has not done


def asking(
    cell: Cell,
    meter: Meter,
    what: object,
    past: list[Reply],
    keep: Callable[[int, Reply], Awaitable[None]],
    lost: list[Call] | None = None,
) -> Ask:
    """Asks a real model while the meter allows it, and hands every answer to `keep`; the first answers are those of the past.

    Calls before an error, which gave no answer, are put into `lost`.
    """
    model, turn = cell.model, -1
    # The tools stay described, because providers refuse a history of calls without them.
    more = {"tool_choice": "none"} if cell.scene.after.get("tools") is False else {}

    async def ask(messages: list[Message], schemas: list[dict[str, Any]]) -> Reply:
        nonlocal turn
        turn += 1
        if turn < len(past):
            return past[turn]
        if meter.spent(model):
            raise ProviderError("the budget was spent", "budget")
        try:
            reply = _small_enough(await meter.ask(what, model, messages, schemas, **more))
        except (ProviderError, ModelError, Cut) as error:
            if lost is not None:
                lost.extend(error.calls)
            raise
        await keep(turn, reply)
        return reply

    return ask


def _small_enough(reply: Reply) -> Reply:
    """A reply that can be read again once it is stored. Raises `ProviderError` for others, which are paid for all the same."""
    try:
        check_size(codec.dumps(reply.message), VALUES)
    except ValueError as error:
        unkept = ProviderError(f"a message that no model writes: {error}")
        unkept.calls = (reply.call,)
        raise unkept from None
    return reply


async def in_harness(
    cell: Cell, replicate: int, meter: Meter, past: list[Reply], keep: Callable[[int, Reply], Awaitable[None]]
) -> Rollout:
    """One rollout in a production harness. It cannot go on inside a conversation: it begins anew, and its past is only counted."""
    from ppres.harnesses import again

    async def kept(turn: int, reply: Reply) -> None:
        await keep(len(past) + turn, reply)

    key = key_of(cell.digest, replicate)
    seat = cell.model.seated(cell.condition, key.hex()[:12])
    lost: list[Call] = []
    try:
        rollout: Rollout = await cell.model.play(cell.scene, asking(replace(cell, model=seat), meter, key, [], kept, lost))
    except asyncio.CancelledError as stopped:  # the calls were under way in tasks of their own
        raise Cut((*lost,)) if lost else stopped from None
    rollout.conversation.unanswered = lost
    return Rollout(again(rollout.conversation, past), rollout.world)


def finish(cell: Cell, replicate: int, rollout: Rollout, scorer: str | None = None) -> Finished:
    """A played rollout as it is stored, scored; `scorer` where it is known, as for all rollouts of a cell.

    The transcript is the record: it is kept also where the scenario's rule fails on it, and scored when it is next read.
    """
    if not (cell.condition._scenario.built_in and cell.model.simulated):  # a world may join what was said in pieces
        rollout.conversation.turns = without_secrets(rollout.conversation.turns)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    record = Record(rollout.conversation, created, provenance(cell.model.source))
    try:
        scored = by_rule(rollout.conversation, cell.condition, rollout.world, scorer)
    except Exception:  # whatever a rule of one's own raises; `scored_rows` meets it again, and tells it
        scored = outcomes.unscored(rollout.conversation, rollout.world)
    return Finished(key_of(cell.digest, replicate), cell.digest, replicate, record, scored)


@functools.cache
def provenance(source: str) -> dict[str, Any]:
    """What made a rollout: versions and, in a git checkout of ppres, the commit."""
    versions = {"ppres": version("ppres"), "git_commit": _commit(), "python": platform.python_version()}
    more = {"notice": NOTICE} if source in SIMULATED else {"litellm": version("litellm")} if source == "live" else {}
    return versions | more


def _commit() -> str | None:
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    asked = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    with contextlib.suppress(OSError):  # there may be no git here, or no leave to start it
        return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() or None
    return None
