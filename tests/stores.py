"""Stores with what no run of today would put there: cells of other versions and sessions, and conversations however odd."""

import copy
import os

import ppres as pp
from ppres.agent import Rollout, answer
from ppres.conversation import Call, Conversation, Turn, calls_of
from ppres.engine.rollout import finish, simulate
from ppres.store.cell import cells_of
from ppres.store.rows import Scored, cell_digest, key_of
from ppres.store.store import Store

MODEL = "sim/gemini-3-flash"
CELL = pp.Condition(scenario="tampering", subject="peer", peer="cooperative", dataset="factual")


def planted(path, change, *, columns=None, values=None, scored=True):
    """Put a rollout of a cell whose description is changed by a function first; its id."""
    (cell,) = cells_of(CELL, MODEL)
    spec = copy.deepcopy(cell.spec())
    spec["sent"]["planted"] = os.urandom(4).hex()
    spec = change(spec) or spec
    digest = cell_digest(spec["sent"])
    (finished,) = simulate(cell, [0])
    columns = columns or finished.scored.columns
    if values is None:
        told = dict(zip(finished.scored.columns, finished.scored.values, strict=True))
        values = [told.get(name) for name in columns]
    finished = finished._replace(key=key_of(digest, 0), cell=digest, scored=Scored("4/planted", tuple(columns), values))
    with Store(path) as store:
        store.put([finished], {digest: spec})
        if not scored:
            with store.transaction() as db:
                db.execute("UPDATE rollouts SET scorer=NULL, outcomes=NULL WHERE key=?", (finished.key,))
    return finished.key.hex()[:16]


def said(path, *turns, replicate=7):
    """Put a rollout in which the agent says these (message, call); its id, and the conversation."""
    (cell,) = cells_of(CELL, MODEL)
    world, conversation = cell.scene.world(), Conversation([], "no_tool_call")
    for message, call in turns:
        conversation.turns.append(Turn(message, call or Call(), answer(world, message)))
    if turns and (world.ended or calls_of(turns[-1][0])):
        conversation.stop_reason = "ended" if world.ended else "turn_limit"
    believed = [turn._replace(call=Call.of(turn.call.json())) for turn in conversation.turns]  # as every producer makes them
    finished = finish(cell, replicate, Rollout(Conversation(believed, conversation.stop_reason), world))
    finished = finished._replace(record=finished.record._replace(conversation=conversation))
    with Store(path) as store:
        store.put([finished], {cell.digest: cell.spec()})
    return finished.key.hex()[:16], conversation
