"""Rollouts of real models: many conversations at once, every turn committed, nothing begun that the budget does not hold.

With an executor the conversations are held in its workers, and their turns come back when one ends or pauses.
"""

from __future__ import annotations

import asyncio
import functools
import math
from collections import deque
from concurrent.futures import Executor

from ppres.agent import Rollout, play, replay
from ppres.conversation import TRIES, UNFINISHED, Conversation, ProviderError, Reply
from ppres.engine.estimate import Expected, expectations
from ppres.engine.keeping import Job, Keeper, Writer, raise_in_the_end
from ppres.engine.rollout import Made, ask, asking, finish, in_harness, made_in, stop, submitted
from ppres.models.budget import Meter
from ppres.models.faults import Cut, ModelError
from ppres.models.loop import theirs, together, wait_for
from ppres.models.standing import Standing
from ppres.models.transport import say
from ppres.read import lexical
from ppres.read.frame import stored_cell
from ppres.store import checkpoint
from ppres.store.cell import Cell, driven
from ppres.store.rows import Finished, key_of
from ppres.store.store import Store
from ppres.worlds.tool import ScenarioError

_LOOK_AGAIN = 0.5  # seconds between looks at rollouts that another process is making
_PUT_AWAY = 5.0  # seconds within which a worker that is a thread hands back what it has, once it is stopped
_REFUSED = ("provider_error", "rejected")
_SHARE = 3.0  # how many times what it is expected to take a rollout may take in a worker until it asks for more


def run_live(jobs: list[Job], keeper: Keeper, meter: Meter, concurrency: int, executor: Executor | None) -> None:
    """Make rollouts of real models, `concurrency` at a time.

    In the end it raises `ModelError` for models that cannot be asked, and `ScenarioError` for cells in which a tool failed.
    """
    if not jobs:
        return
    lexical.codings(["I will not."], [], "")  # imports its rules before all files that may be open are
    for cell, _ in jobs:
        cell.model.gate.limit(concurrency)
    expected = expectations(keeper.store, [cell for cell, _ in jobs]) if meter.bounded else {}
    with checkpoint.Run(keeper.store) as run:
        work = _Work(keeper, meter, expected, run, executor)
        try:
            wait_for(work.all(jobs, concurrency))
        except KeyboardInterrupt:
            work.writer.close()
            kept, paused = keeper.kept.total(), len(work.open)
            say(f"stopped: {kept} rollouts stored, {paused} paused in conversation (the next run goes on), {meter}")
            raise
        finally:
            work.writer.close()
    if meter.refused:
        made = keeper.kept.total() - keeper.kept["budget"]
        say(f"the budget ends it: {made} rollouts stored, {meter.refused} paused or not started, {meter}")
    if failed := keeper.kept["provider_error"]:
        say(f"{failed} rollouts ended in provider_error (column 'stop_reason'); the next run tries them again")
    if failed := keeper.kept["rejected"]:
        say(f"{failed} rollouts ended in provider_error in {TRIES} runs, and are left as rejected (column 'stop_reason')")
    raise_in_the_end([standing.error for standing in work.standings.values() if standing.error], [*work.faults.values()])


class _Work:
    """What one `run_live` has in hand."""

    def __init__(
        self, keeper: Keeper, meter: Meter, expected: dict[bytes, Expected], run: checkpoint.Run, executor: Executor | None
    ):
        self.keeper, self.meter, self.expected, self.run, self.executor = keeper, meter, expected, run, executor
        self.writer = Writer(keeper.store)
        self.standings: dict[str, Standing[Finished]] = {}
        """By the models' labels."""
        self.faults: dict[bytes, tuple[Cell, ScenarioError]] = {}
        """By cell, the first error of the scenario's own code there."""
        self.open: set[bytes] = set()
        self.todo: deque[Job] = deque()
        self.elsewhere: deque[Job] = deque()
        self.turn = asyncio.Lock()
        """Who is next to be given room under the limits."""
        self.telling = asyncio.Lock()
        self.last_round = math.inf
        """The replicate from which on nothing is begun, because one did not fit."""
        self.stopped = False
        """By a person, who does not wait for the workers."""

    async def all(self, jobs: list[Job], concurrency: int) -> None:
        """Every job; those of another process when it has ended them, or itself."""
        self.todo.extend(jobs)
        self.standings = {cell.model.label: Standing(cell.model.label) for cell, _ in jobs}
        async with together(self._worker() for _ in range(min(concurrency, len(jobs)))) as ended:
            try:
                await ended
            except asyncio.CancelledError:
                self.stopped = True
                raise
        for model in {cell.model.label: cell.model for cell, _ in jobs}.values():
            standing = self.standings[model.label]
            if standing.ended(functools.partial(_answered_before, self.keeper.store, driven(model).label)):
                await self.writer.do(functools.partial(self._count_none, standing.vain))

    async def _worker(self) -> None:
        while (self.todo or self.elsewhere) and not self.stopped:
            if not self.todo:
                await asyncio.sleep(_LOOK_AGAIN)
            waiting = self.todo or self.elsewhere
            if waiting:
                cell, replicate = waiting.popleft()
                if not self.standings[cell.model.label].error and cell.digest not in self.faults:
                    try:
                        await self._one(cell, replicate)
                    except ScenarioError as error:  # this cell cannot go on; the others do
                        self.faults.setdefault(cell.digest, (cell, error))

    async def _one(self, cell: Cell, replicate: int) -> None:
        key = key_of(cell.digest, replicate)
        share = await self._room(cell, replicate, key)
        if not share:
            return
        try:
            taken = await self.writer.do(lambda: self.run.take(key))
            if taken == "elsewhere":
                self.elsewhere.append((cell, replicate))
            elif not isinstance(taken, list):
                await self._tell()
            else:
                with self.standings[cell.model.label].under_way(key):
                    if self.executor and not cell.model.harness:
                        await self._send(self.executor, cell, replicate, key, taken, share)
                    else:
                        await self._play(cell, replicate, key, taken)
        except Cut as stopped:
            await self.writer.do(functools.partial(checkpoint.lose, self.keeper.store, key, stopped.calls))
            raise
        except ModelError as error:
            if not error.may_pass:
                self.standings[cell.model.label].error = error  # this model cannot go on; the others do
            if error.may_pass or error.calls:
                await self._pause(cell, replicate, key, error)
        finally:
            self.meter.release(key)

    async def _room(self, cell: Cell, replicate: int, key: bytes) -> tuple[float, float] | None:
        """Dollars and tokens that a rollout may take. One that does not fit ends the rounds: cells stay as large as each other."""
        if not self.meter.bounded:
            return math.inf, math.inf
        async with self.turn:  # in their order, also where a later one would fit and this one has to wait
            if replicate > self.last_round and self.meter.binds(cell.model):
                self.meter.refused += 1
                return None
            most = _SHARE if self.executor else 1.0
            share = await self.meter.room(key, cell.model, self.expected[cell.digest].mean, most)
            if not share:
                self.last_round = min(self.last_round, replicate)
            return share

    async def _play(self, cell: Cell, replicate: int, key: bytes, past: list[Reply]) -> None:
        async def keep(turn: int, reply: Reply) -> None:
            self.standings[cell.model.label].answered()
            self.open.add(key)
            await self.writer.do(lambda: checkpoint.keep(self.keeper.store, key, turn, reply))

        if past:
            self.open.add(key)
        if cell.model.harness:
            rollout = await in_harness(cell, replicate, self.meter, past, keep)
        else:
            asker = asking(cell, self.meter, key, past, keep)
            rollout = await play(asker, cell.scene.opening, cell.scene.world())
        # Scored beside the loop, which other conversations share: a world's rules may take their time.
        await self._keep(cell, key, await theirs(finish, cell, replicate, rollout))

    async def _send(
        self, executor: Executor, cell: Cell, replicate: int, key: bytes, past: list[Reply], share: tuple[float, float]
    ) -> None:
        # In a thread of its own: some executors make us wait, or work at once, and its work needs those of the loop.
        (sent,) = await theirs(lambda: (submitted(executor, ask, cell, replicate, past, share),))
        made = asyncio.wrap_future(sent)
        made.add_done_callback(lambda done: done.cancelled() or done.exception())  # told by `made_in`; else asyncio complains of it
        try:
            await asyncio.wait([made])
        finally:
            sent.cancel()
            longest = _PUT_AWAY if self.stopped and stop(key) else 0  # another process goes on for as long as it likes
            await asyncio.wait([made], timeout=longest if self.stopped else None)  # what a worker has begun is paid for
            if made.done() and not made.cancelled():
                await self._keep_made(cell, replicate, key, made_in(sent, Made), len(past))
        if made.cancelled() and not self.stopped:
            made_in(sent, Made)  # which says so

    async def _keep_made(self, cell: Cell, replicate: int, key: bytes, made: Made, past: int) -> None:
        self.meter.add(key, cell.model, made.dollars, made.tokens)
        self.meter.estimated += made.estimated
        if made.replies:
            self.standings[cell.model.label].answered()

        def store() -> None:
            for turn, reply in enumerate(made.replies, past):
                checkpoint.keep(self.keeper.store, key, turn, reply)
            if made.lost:
                checkpoint.lose(self.keeper.store, key, made.lost)

        if made.replies and not made.finished:
            self.open.add(key)
        await self.writer.do(store)
        if made.error:
            raise made.error
        if not (finished := made.finished):
            return
        ended = finished.record.conversation
        if ended.stop_reason == "budget" and not (self.meter.spent(cell.model) or self.stopped):
            if ended.unanswered:  # which no turn tells of
                await self.writer.do(lambda: self.keeper.keep(cell, [self._counted(cell, finished)]))
            self.todo.append((cell, replicate))  # its share was too small, and there is more
        else:
            await self._keep(cell, key, finished)

    async def _pause(self, cell: Cell, replicate: int, key: bytes, error: ModelError) -> None:
        """Keep what was paid for in vain before a model could not be asked, with the turns so far: a later run goes on."""
        past = await self.writer.do(lambda: self.run.take(key))
        turns = iter(past if isinstance(past, list) and not cell.model.harness else ())

        async def ask(*_: object) -> Reply:
            for reply in turns:
                return reply
            ended = ProviderError(str(error))
            ended.calls = error.calls
            raise ended

        rollout = await play(ask, cell.scene.opening, cell.scene.world())
        await self._keep(cell, key, await theirs(finish, cell, replicate, rollout), error)

    async def _keep(self, cell: Cell, key: bytes, finished: Finished, doubt: ModelError | None = None) -> None:
        ended = finished.record.conversation
        if ended.stop_reason in _REFUSED:
            self.standings[cell.model.label].refused(key, finished, ended.error, doubt)
        paused = ended.stop_reason == "budget"

        def store() -> None:
            self.keeper.keep(cell, [self._counted(cell, finished)])
            if not paused:
                self.open.discard(key)

        self.meter.refused += paused
        await self.writer.do(store)
        await self._tell()

    def _count_none(self, vain: list[Finished]) -> None:
        """Of a model that was given up: what it was asked in vain counts for no conversation."""
        for finished in vain:
            ended = finished.record.conversation
            ended.failures, ended.stop_reason = 0, "provider_error"
        self.keeper.store.put(vain, self.keeper.specs)

    async def _tell(self) -> None:
        """A rollout more is stored. Whoever is told so may do what a user's function does: wait, fail, leave, start a run."""
        async with self.telling:
            await theirs(self.keeper.bar.update, 1)

    def _counted(self, cell: Cell, finished: Finished) -> Finished:
        """With what earlier runs paid for in vain, and how many the provider failed in at this turn: after some it is left."""
        ended = finished.record.conversation
        before = self.keeper.store.unfinished(finished.key)
        if lost := [*(before.unanswered if before else ()), *checkpoint.moved(self.keeper.store, finished.key)]:
            ended.unanswered = [*lost, *ended.unanswered]
            finished = finish(cell, finished.replicate, self._again(cell, ended))
        if ended.stop_reason not in UNFINISHED:
            return finished
        so_far = before.failures if before and len(before.turns) == len(ended.turns) - ended.given else 0
        ended.failures = so_far + (ended.stop_reason == "provider_error" and not self.standings[cell.model.label].error)
        if ended.failures < TRIES:
            return finished
        ended.stop_reason = "rejected"
        return finish(cell, finished.replicate, self._again(cell, ended))

    @staticmethod
    def _again(cell: Cell, ended: Conversation) -> Rollout:
        return Rollout(ended, replay(cell.scene.start, ended, cell.scene.own, cell.scene.after).world)


def _answered_before(store: Store, label: str) -> bool:
    """Whether a rollout of the model is stored that its provider did not end."""
    cells = (digest for digest in store.cells() if stored_cell(store, digest).model == label)
    return any(set(store.by_column(digest)[2]) - {*_REFUSED, "budget", "content_filter", "token_limit"} for digest in cells)
