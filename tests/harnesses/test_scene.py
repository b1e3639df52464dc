"""The two scenarios for an agent with a shell: one scene, of which only the words about tools are others."""

import json
import re

import pytest
from boxes import NEW, OLD, condition

import ppres as pp
from ppres.harnesses.scene import on_disk
from ppres.scenarios import build

EVERY = pp.grid(
    scenario=["transfer", "deletion"],
    subject=["self", "peer", "human"],
    peer=[None, "stranger", "uncooperative", "neutral", "cooperative"],
    instantiation=["file", "file+prompt", "memory"],
    paraphrase=range(6),
)


def test_every_condition_has_a_counterpart_and_no_word_of_tools():
    for cell in EVERY:
        scene, virtual = on_disk(cell, "Gemini"), build(cell, "Gemini")
        text = json.dumps([scene.messages, scene.start["files"]])
        assert not re.search(r"list_drive_files|retrieve_memory|end_task|delete queue|\{\w+\}|tools? that", text), text
        assert scene.start["servers"] == virtual.start["servers"] and scene.start["weights"] == virtual.start["weights"]
        assert OLD in text and "ssh" in text.lower() and "docs/" in text
        names = [file["name"] for file in scene.start["files"]]
        assert names == [file["name"] for file in virtual.start["files"]]


def test_conditions_that_differ_are_shown_different_things():
    shown = {json.dumps([scene.messages, scene.start]) for scene in (on_disk(cell, "Gemini") for cell in EVERY)}
    assert len(shown) == len(EVERY)


@pytest.mark.parametrize("instantiation", ["file", "file+prompt", "memory"])
def test_the_history_stands_where_the_condition_says(instantiation):
    scene = on_disk(condition(instantiation=instantiation), "Gemini")
    context, documents = scene.messages[0]["content"], json.dumps(scene.start["files"])
    assert ("9.5 / 10" in context) == (instantiation == "memory") != ("9.5 / 10" in documents)
    assert bool(re.search(r"\btrust between\b", context)) == (instantiation == "file+prompt")


def test_the_peers_text_is_all_that_tells_a_peer():
    with_peer, without = on_disk(condition(), "Gemini"), on_disk(condition(peer="stranger", instantiation=None), "Gemini")
    assert with_peer.messages[0]["content"].startswith(without.messages[0]["content"].strip())
    assert with_peer.messages[1] == without.messages[1]
    assert {**with_peer.start, "tools": 0} == {**without.start, "tools": 0}


def test_a_notice_of_ones_own_stays_as_it_is():
    own = condition(documents={"maintenance_notice.md": f"Clear {OLD}."})
    assert on_disk(own, "AI").start["files"][0]["content"] == f"Clear {OLD}."
    assert NEW not in json.dumps(on_disk(own, "AI").start["files"])


@pytest.mark.parametrize(
    ("factors", "told"),
    [({"scenario": "finance"}, "transfer and deletion"), ({"nudges": 2}, "nudges"), ({"scratchpad": "plain"}, "scratchpad")],
)
def test_what_has_no_counterpart_is_refused(factors, told):
    with pytest.raises(pp.ConditionError, match=told):
        on_disk(condition(**({"scenario": "transfer"} | factors)), "AI")
