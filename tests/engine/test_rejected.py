"""What is never mended ends: a conversation after some runs, a model after some conversations. And cells stay of one size."""

import concurrent.futures
import itertools
import json
import time

import faults
import pytest
from providers import PERSONA, Telling, at, calling, completion, priced, refusal, run, turns, usual

import ppres as pp
from ppres.conversation import STOPS, TRIES
from ppres.store.store import Store


def refusing(says, from_turn=1, status=400):
    """A provider that refuses every conversation from a turn on."""
    return Telling(lambda body: usual(body) if turns(body) < from_turn else refusal(status, message=says))


@pytest.mark.parametrize("from_turn", [0, 1])
def test_the_same_refusal_is_not_met_in_every_run_for_ever(from_turn, cell, capfd):
    with refusing("No.", from_turn) as server:
        reasons = [run(cell, at(server), 1).stop_reason[0] for _ in range(TRIES + 3)]
        assert reasons == ["provider_error"] * (TRIES - 1) + ["rejected"] * 4
        assert len(server.requests) == TRIES + from_turn
    frame = pp.frame()
    assert (frame.missing[0], frame.turns[0]) == ("rejected", from_turn)
    assert frame.preserved.isna().all() and pp.verify().empty
    assert pp.transcript(frame.id[0])["error"].endswith("No.")
    assert "pp.discard" in STOPS["rejected"] and pp.discard(frame.id) == 1
    assert "left as rejected" in capfd.readouterr().err


def test_a_conversation_that_goes_on_begins_to_count_anew(cell):
    """Refused at one turn and later at another: that is not the same refusal."""
    refused = iter([1, 1, 2, 2, 3, 3])
    at_turn = [next(refused)]

    def answer(body):
        if turns(body) == at_turn[0]:
            at_turn[0] = next(refused, 99)
            return refusal(400, message="No.")
        return completion(body, calling("list_files")) if turns(body) < 5 else usual(body)

    with Telling(answer) as server:
        reasons = [run(cell, at(server), 1).stop_reason[0] for _ in range(7)]
    assert reasons == ["provider_error"] * 6 + ["ended"]


def test_a_pause_for_the_budget_forgets_no_refusal(cell):
    priced("refused")
    with refusing("No.", 1) as server:
        reasons = [run(cell, at(server, "refused"), 1).stop_reason[0] for _ in range(2)]
        with Store() as store:  # as a run under a budget that is spent would leave it
            (row,) = store.rows(store.cells()[0])
            assert store.unfinished(row.key).failures == 2
        assert run(cell, at(server, "refused"), 1, budget=1e-9).stop_reason[0] == "provider_error"
        reasons += [run(cell, at(server, "refused"), 1).stop_reason[0] for _ in range(2)]
    assert reasons == ["provider_error", "provider_error", "rejected", "rejected"]


def test_rejected_in_an_executor_too(cell):
    with refusing("No.", 1) as server, concurrent.futures.ThreadPoolExecutor(1) as executor:
        reasons = [run(cell, at(server), 1, executor=executor).stop_reason[0] for _ in range(TRIES + 1)]
        assert len(server.requests) == TRIES + 1
    assert reasons == ["provider_error"] * (TRIES - 1) + ["rejected"] * 2
    assert pp.verify().empty


def test_what_ends_the_model_counts_for_no_conversation(cell):
    """Whoever mends the account finds nothing given up, however often it was tried before."""
    with refusing("Account not ready.", 0) as server:
        for _ in range(TRIES + 1):
            server.requests.clear()
            with pytest.raises(pp.ModelError, match="refused 8 conversations in a row"):
                run(cell, at(server), 12, concurrency=1)
            assert len(server.requests) == 8
        assert set(pp.frame().stop_reason) == {"provider_error"}
        server.answer = usual
        assert set(run(cell, at(server), 12).stop_reason) == {"ended"}


CREDIT = [
    (400, {"message": "Your credit balance is too low to access the API.", "type": "invalid_request_error"}),
    (402, {"message": "Insufficient Balance", "code": "invalid_request_error"}),
    (429, {"message": "You exceeded your current quota.", "code": "insufficient_quota"}),
    (403, {"message": "Key limit exceeded (total limit)"}),
]


@pytest.mark.parametrize(("status", "error"), CREDIT)
def test_credit_that_runs_out_in_the_middle_ends_the_model_soon_and_says_so(status, error, cell):
    def broke(body):
        with server.lock:
            dry = len(server.requests) > 10
        return refusal(status, **error) if dry else usual(body)

    with Telling(broke) as server:
        for run_ in range(2):
            before = len(server.requests)
            with pytest.raises(pp.ModelError, match="out of credit"):
                run(cell, at(server), 15, concurrency=4)
            assert len(server.requests) - before <= (14 if run_ == 0 else 4)
        server.answer = usual
        frame = run(cell, at(server), 15)
        assert set(frame.stop_reason) == {"ended"}
        assert sum(turns(body) == 0 for body in server.bodies if body) <= 15 + 8  # what was begun went on


def test_what_nobody_knows_for_credit_ends_the_model_all_the_same(cell):
    def broke(body):
        with server.lock:
            return refusal(400, message="Kein Guthaben.") if len(server.requests) > 10 else usual(body)

    with Telling(broke) as server:
        for _ in range(2):
            before = len(server.requests)
            with pytest.raises(pp.ModelError, match=r"in a row, the last: .*Kein Guthaben"):
                run(cell, at(server), 30, concurrency=4)
            assert len(server.requests) - before <= 10 + 8 + 4


def test_quick_refusals_of_one_condition_end_no_model_whose_slow_answers_to_another_are_to_come(cell):
    def policy(body):
        if "bad note" in json.dumps(body["messages"][:2]):
            return refusal(400, message="No such character.")
        time.sleep(0.3)
        return usual(body)

    cells = pp.grid(cell, user_note=["A bad note.", "A good note."])
    with Telling(policy) as server:
        frame = run(cells, at(server), 20)
    reasons = frame.groupby("user_note", observed=True).stop_reason.value_counts().to_dict()
    assert sorted(reasons.values()) == [20, 20] and {reason for _, reason in reasons} == {"ended", "provider_error"}


def test_of_a_conversation_that_was_never_answered_nothing_is_known(cell):
    """Neither that it refused nor that it did not."""
    with Telling(lambda body: refusal(400, message="No.") if len(server.requests) % 2 else usual(body)) as server:
        frame = run(cell, at(server), 4, concurrency=1)
    vain = frame.turns == 0
    assert 0 < vain.sum() < 4
    for outcome in ("refused", "objected", "suspected_test"):
        assert (frame[outcome].isna() == vain).all()
    assert pp.stats.rates(frame, "peer", outcome="refused").excluded[0] == vain.sum()


def test_single_refusals_among_answers_end_no_model(cell):
    with Telling(lambda body: usual(body) if turns(body) else refusal(400, message="No.")) as server:
        server.answer = lambda body: refusal(400, message="No.") if len(server.requests) % 3 == 0 else usual(body)
        frame = run(cell, at(server), 20, concurrency=1)
    assert set(frame.stop_reason) == {"ended", "provider_error"}


LIMITED = [*itertools.product(["budget", "max_tokens"], [1, 16], [(1, 1), (0.3, 3)])]


@pytest.mark.parametrize(
    ("limit", "concurrency", "lengths"),
    [pytest.param(*case, marks=() if number in (2, 5) else pytest.mark.slow) for number, case in enumerate(LIMITED)],
)
def test_arms_stay_balanced_where_a_limit_ends_a_run(limit, concurrency, lengths, cell):
    conditions = pp.grid(cell, peer=["stranger", "uncooperative", "neutral", "cooperative"])
    priced("balanced")
    with faults.Faulty(lengths=lengths, persona=PERSONA) as server:
        plan = pp.plan(conditions, at(server, "balanced"), 8)
        limits = {"budget": plan.dollars.sum() / 2} if limit == "budget" else {"max_tokens": int(plan.tokens.sum() / 2)}
        frame = run(conditions, at(server, "balanced"), 8, concurrency=concurrency, **limits)
        sizes = frame.groupby("peer", observed=True).size()
        assert len(sizes) == 4 and sizes.max() - sizes.min() <= 1 + concurrency // 8
        assert sizes.min() > 1
        again = run(conditions, at(server, "balanced"), 8)
        assert (again.groupby("peer", observed=True).size() == 8).all()


def test_a_cheap_arm_does_not_spend_what_a_dear_one_needs(cell):
    """The dear cell's next rollout does not fit any more: that ends the rounds of both."""
    conditions = [cell, pp.Condition(scenario="deletion", subject="peer", peer="cooperative")]
    priced("uneven")
    with faults.Faulty(persona=PERSONA) as server:
        plan = pp.plan(conditions, at(server, "uneven"), 1)
        frame = run(conditions, at(server, "uneven"), 25, budget=3.2 * plan.dollars.sum(), concurrency=1)
    sizes = frame.groupby("scenario", observed=True).size()
    assert len(sizes) == 2 and sizes.max() - sizes.min() <= 1


def test_rollouts_are_made_in_rounds_without_a_limit_too(cell):
    order = []

    def answer(body):
        if not turns(body):
            order.append(hash(str(body["messages"])))
        return usual(body)

    conditions = pp.grid(cell, user_note=[None, "Be quick.", "Be slow."])
    with Telling(answer) as server:
        run(conditions, at(server), 3, concurrency=1)
    assert order == order[:3] * 3 and len(set(order)) == 3
