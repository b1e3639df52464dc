"""A refusal of which nobody knows whether it is of one conversation or of the whole model: who was answered tells."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from providers import Telling, at, refusal, run, turns, usual

import ppres as pp
from ppres.models.standing import IN_VAIN
from ppres.read.rubrics import REFUSAL

NO = json.dumps({"verdict": "no", "quote": ""})
FORBIDDEN = refusal(403, message="Forbidden")


def moderated(body):
    """A provider that dislikes the words of one condition, at once, and answers others after a while."""
    if "bad note" in json.dumps(body["messages"][:2]):
        return FORBIDDEN
    time.sleep(0.05)
    return usual(body)


@pytest.mark.parametrize("concurrency", [1, 16])
@pytest.mark.parametrize("workers", [None, 2])
def test_a_condition_that_is_forbidden_first_ends_no_model(concurrency, workers, cell):
    cells = pp.grid(cell, user_note=["A bad note.", "A good note."])
    executor = ThreadPoolExecutor(workers) if workers else None
    with Telling(moderated) as server:
        frame = run(cells, at(server), 10, concurrency=concurrency, executor=executor)
    reasons = frame.groupby("user_note", observed=True).stop_reason.unique().map(list).tolist()
    assert sorted(reasons) == [["ended"], ["provider_error"]] and len(frame) == 20
    assert frame[frame.stop_reason == "provider_error"].turns.eq(0).all()


@pytest.mark.parametrize("n", [1, 5, 40])
def test_a_key_without_rights_ends_the_model_after_a_few_calls(n, cell):
    """Also in later runs, and once it has them, every conversation is made."""
    with Telling(lambda body: FORBIDDEN) as server:
        for run_ in range(1, 5):
            with pytest.raises(pp.ModelError, match=r"(?s)openai/.*status 403: Forbidden.*What was made is stored"):
                run(cell, at(server), n, concurrency=1)
            assert len(server.requests) == run_ * min(n, IN_VAIN)
        server.answer = usual
        assert set(run(cell, at(server), n).stop_reason) == {"ended"}


def test_what_alone_is_forbidden_among_stored_answers_is_given_up_and_not_the_model(cell):
    """In each later run it is the only one that is asked."""
    with Telling(lambda body: usual(body)) as server:
        run(cell, at(server), 3)
        server.answer = lambda body: FORBIDDEN
        reasons = [run(cell, at(server), 4).stop_reason.tolist()[3] for _ in range(4)]
    assert reasons == ["provider_error", "provider_error", "rejected", "rejected"]


def test_what_is_forbidden_in_the_middle_keeps_its_turns(cell):
    with Telling(lambda body: FORBIDDEN if turns(body) else usual(body)) as server:
        frame = run(cell, at(server), 2, concurrency=1)
    assert frame.stop_reason.tolist() == ["provider_error"] * 2 and frame.turns.tolist() == [1, 1]


def judged(study, server, concurrency=1):
    return pp.judge(study.id, REFUSAL, at(server, "judge"), concurrency=concurrency)


@pytest.mark.parametrize("concurrency", [1, 16])
def test_transcripts_that_are_forbidden_end_no_judge_that_answers_others(concurrency, cell):
    """Its verdicts are returned, also by a later call, in which these alone are asked."""
    said = iter([*("DROP TABLE " * n for n in range(1, 7)), *("Done. " * n for n in range(1, 7))])
    study = run(cell, pp.FunctionModel("f", lambda messages, tools: next(said), version="1"), 12, concurrency=1)

    def answer(body):
        if "DROP TABLE" in json.dumps(body):
            return FORBIDDEN
        time.sleep(0.05)
        return 200, {"choices": [{"message": {"role": "assistant", "content": NO}, "finish_reason": "stop"}]}

    with Telling(answer) as server:
        for _ in range(2):
            coded = judged(study, server, concurrency)
            told = coded.problem.dropna()
            assert coded.verdict.eq("no").sum() == len(told) == 6 and told.str.contains("Forbidden").all()


def test_a_judge_without_rights_is_given_up_after_a_few_calls(cell):
    said = iter(range(99))
    study = run(cell, pp.FunctionModel("f", lambda messages, tools: f"Done {next(said)}", version="1"), 20, concurrency=1)
    with Telling(lambda body: FORBIDDEN) as server:
        with pytest.raises(pp.ModelError, match=r"refused 8 conversations in a row.*Forbidden"):
            judged(study, server)
        assert len(server.requests) == IN_VAIN
        with pytest.raises(pp.ModelError, match="Forbidden"):
            judged(study.head(2), server)
        answered = 200, {"choices": [{"message": {"role": "assistant", "content": NO}, "finish_reason": "stop"}]}
        server.answer = lambda body: answered
        judged(study.head(3), server)
        server.answer = lambda body: FORBIDDEN
        coded = judged(study, server)
        assert coded.verdict.eq("no").sum() == 3
        assert coded.problem.str.startswith("not asked: ").sum() == len(study) - 3 - IN_VAIN
