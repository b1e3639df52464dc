"""Each row of the table of faults becomes what it says, and a storm of all of them ends with every rollout accounted for."""

import random
import re

import faults
import pytest
from providers import model_at, run, storm, usual

import ppres as pp
from ppres.conversation import TRIES


class Rows(faults.Faulty):
    """Fails in the way that a conversation's note names, the first `times` times that it is asked something."""

    def fault(self, body):
        kind = re.search(r"Kind: (\w+)\.", str(body["messages"]))[1]
        with self.lock:
            self.asked[str(body["messages"])] += 1
            fails = kind in faults.TABLE and self.asked[str(body["messages"])] <= self.times
        return (kind if fails else None), random.Random(0)

    def reply(self, body, kind, rng):
        payload = usual(body)[1]
        payload["choices"][0]["message"]["content"] = "Well."
        return payload


def play(cell, becomes, times=1, runs=1, timeout=30.0, only=None):
    """A rollout for each row: kind, the frame's row, the transcript, and how often it failed so. The first fails in no way."""
    kinds = [name for name, row in faults.TABLE.items() if row.becomes == becomes and name in (only or faults.TABLE)]
    cells = pp.grid(cell, user_note=[f"Kind: {kind}." for kind in ("none", *kinds)], explain=False)
    with Rows(1.0, hang=2.0, times=times) as server:
        for _ in range(runs):
            frame = run(cells, model_at(server, timeout=timeout), 1)
        assert not server.counts["invalid history"]
    assert len(frame) == 1 + len(kinds) and pp.verify().empty
    return [
        (kind, row, pp.transcript(row.id), server.counts[kind])
        for kind, (_, row) in zip(("none", *kinds), frame.iterrows(), strict=True)
    ]


HANGING = ("hang", "drip")


@pytest.mark.parametrize("hanging", [True, False])
def test_what_passes_is_tried_again_and_leaves_no_trace(hanging, cell):
    kinds = [kind for kind in faults.TABLE if (kind in HANGING) == hanging]
    good, *rows = play(cell, "passing", timeout=1.0 if hanging else 30.0, only=kinds)
    assert good[1].stop_reason == "ended"
    for kind, row, told, count in rows:
        assert row.stop_reason == "ended", (kind, told["error"])
        assert count == row.turns and {call["attempts"] for call in told["calls"]} == {2}, kind
        assert told["messages"][2:] == good[2]["messages"][2:], kind


@pytest.mark.parametrize("becomes", ["harmless", "data"])
def test_what_is_odd_is_taken_at_once(becomes, cell):
    good, *rows = play(cell, becomes)
    for kind, row, told, count in rows:
        assert row.stop_reason == "ended", (kind, told["error"])
        assert count == row.turns and {call["attempts"] for call in told["calls"]} == {1}, kind
        assert row.prompt_tokens >= 0 or "usage" in kind, kind
        assert (told["messages"][2:] == good[2]["messages"][2:]) == (becomes == "harmless"), kind


@pytest.mark.parametrize("becomes", ["content_filter", "token_limit"])
def test_what_ends_a_conversation_ends_it_at_once(becomes, cell):
    for kind, row, _, count in play(cell, becomes)[1:]:
        assert (row.stop_reason, count) == (becomes, 1), kind


def test_what_is_refused_is_refused_in_some_runs(cell):
    for kind, row, _, count in play(cell, "refused", times=99, runs=TRIES + 2)[1:]:
        assert (row.stop_reason, count) == ("rejected", TRIES), kind


@pytest.mark.parametrize("kind", faults.REJECTING)
def test_what_ends_a_model_is_asked_once_a_run(kind, cell):
    with faults.Faulty(1.0, [kind]) as server:
        for _ in range(2):
            with pytest.raises(pp.ModelError, match="gemini-3-flash"):
                run(cell, model_at(server), 8, concurrency=1)
        assert server.begun == 2


@pytest.mark.parametrize(("n", "rate"), [(50, 0.3), pytest.param(2_000, 0.3, marks=pytest.mark.slow)])
def test_every_replicate_comes_out_once_of_a_storm_of_faults(n, rate, cell):
    outcome = storm(cell, n, rate, concurrency=32)
    assert len(outcome["faults"]) > 0.3 * len(faults.KINDS)
    assert outcome["calls with a retry"] > n / 4 and outcome["equal to the undisturbed conversation"] > n / 25
    if n == 2_000:
        assert set(outcome["faults"]) == {*faults.KINDS}


def test_rejected_keys_and_unknown_models_stop_at_once_and_lose_nothing(cell):
    outcome = storm(cell, 12, 0.1, rejecting=faults.REJECTING * 12)
    assert outcome["rejections"] > 0
