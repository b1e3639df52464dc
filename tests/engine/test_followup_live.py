"""Children of rollouts of real models: killed and gone on with, and many at once within a budget."""

import faults
import providers
import pytest
from providers import model_at, nothing_open, priced, run, until_done

import ppres as pp

BRANCH = """
import ppres as pp, sys
ids = pp.frame().id
pp.branch(ids, 3, 4, edit=[None, {"documents": {"note.txt": "Nothing to see here."}}], concurrency=8, progress=False)
"""

ASK = """
import ppres as pp, sys
pp.ask(pp.frame().id, ["Why?", "And what else?", "Would you do it again?"], n=8, tools=True, concurrency=8, progress=False)
"""


@pytest.mark.slow
def test_branches_survive_kills_and_go_on_inside_their_conversations(cell, tmp_path):
    path = tmp_path / "store.sqlite"
    with faults.Faulty(latency=0.05) as server:
        parents = run(cell, model_at(server), 3, store=path)
        before, made = [pp.transcript(id, store=path) for id in parents.id], server.begun
        done = until_done(BRANCH, path, server, kills=2)
        children = pp.frame(kind="branches", store=path)
        paid = children.turns.sum() - 2 * len(children)
    assert done == 2 and len(children) == 24 and set(children.parent) == set(parents.id)
    assert server.begun - made - paid <= done * 8
    assert children.stop_reason.isin(["ended", "no_tool_call"]).all()
    assert pp.verify(store=path).empty
    assert [pp.transcript(id, store=path) for id in parents.id] == before
    nothing_open(path)


@pytest.mark.slow
def test_interviews_survive_kills(cell, tmp_path):
    path = tmp_path / "store.sqlite"
    with Asked(latency=0.05) as server:
        parents = run(cell, model_at(server), 3, store=path)
        made = server.begun
        done = until_done(ASK, path, server, kills=2)
        told = pp.answers(store=path)
    assert done == 2 and len(told) == 3 * 8 * 3 and set(told.parent) == set(parents.id)
    assert told.answer.tolist() == ["answer 1", "answer 2", "answer 3"] * 24
    assert server.begun - made - len(told) <= done * 8
    assert pp.verify(store=path).empty
    nothing_open(path)


class Asked(faults.Faulty):
    """Answers questions that are put to it behind its end."""

    def reply(self, body, kind, rng):
        asked = sum(message["role"] == "user" for message in body["messages"]) - 1
        if not asked:
            return super().reply(body, kind, rng)
        return providers.completion(body, {"content": f"answer {asked}"})[1]


@pytest.mark.slow
def test_two_hundred_branches_at_once_keep_within_a_budget(cell):
    priced("branched", prompt=1e-5)
    with faults.Faulty(persona=providers.PERSONA, lengths=(0.5, 3)) as server:
        parents = run(cell, model_at(server, "branched"), 4)
        before = len(server.usage)
        told = pp.branch(parents.id, 3, 50, plan=True)
        budget = told.dollars.sum() / 2
        made = pp.branch(parents.id, 3, 50, budget=budget, concurrency=200, progress=False)
        costs = sorted(prompt * 1e-5 for prompt, _ in server.usage[before:])
        assert len(made) < 200 or (made.stop_reason == "budget").any()
        assert sum(costs) <= budget + sum(costs[-200:])
        again = pp.branch(parents.id, 3, 50, concurrency=64, progress=False)
        assert len(again) == 200 and again.stop_reason.isin(["ended", "no_tool_call"]).all()
        assert len(server.usage) - before == (again.turns - 2).sum()  # nothing is paid twice for the pause
    assert pp.spent().branches == pytest.approx(again.cost.sum())
    assert pp.verify().empty
