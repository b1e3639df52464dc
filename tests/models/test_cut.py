"""Calls that are under way when somebody stops a run: they may be paid for, so they are charged, kept and counted."""

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from providers import Telling, at, calling, completion, priced, run, turns, usual

import ppres as pp
from ppres.conversation import Call
from ppres.read.rubrics import REFUSAL
from ppres.store import checkpoint
from ppres.store.store import Store


class Stopping(Telling):
    """Stops the process, as Ctrl-C does, while it makes an answer, as often as it is told to at these turns."""

    def __init__(self, *at, before=usual):
        super().__init__(self._answer)
        self.at, self.usual, self.gone = list(at), before, threading.Event()

    def _answer(self, body):
        if self.at and turns(body) == self.at[0]:
            self.at.pop(0)
            os.kill(os.getpid(), signal.SIGINT)
            self.gone.wait(60)
        return self.usual(body)

    def handle_error(self, *_):
        """Whoever asked is gone, which is the point here."""

    def __exit__(self, *given):
        self.gone.set()
        super().__exit__(*given)


@pytest.fixture(autouse=True)
def prices():
    priced("cut-off", prompt=1e-3, completion=1e-3)


@pytest.mark.parametrize("stops", [[0], [1], [1, 1], [0, 1]], ids=str)
def test_a_call_that_ctrl_c_cuts_off_is_charged_kept_and_counted_once(stops, cell, capfd):
    """Several times, also where no turn was made before."""
    with Stopping(*stops) as server:
        model, told = at(server, "cut-off", max_tokens=100), 0.0
        for place in stops:
            with pytest.raises(KeyboardInterrupt):
                run(cell, model, 1)
            assert "by estimate for calls without an answer" in capfd.readouterr().err
            before, told = told, pp.spent().paused
            assert told > before + 0.05  # the prompt at least
            assert pp.spent().rollouts == 0 and (place == 0 or told > 0.105)
        frame = run(cell, model, 1)
        assert len(server.requests) == 2 + len(stops)
    cut = pp.transcript(frame.id[0])["unanswered"]
    assert [call["estimated"] for call in cut] == ["no answer"] * len(stops)
    assert all(call["prompt_tokens"] > 50 and call["completion_tokens"] <= 100 for call in cut)
    assert frame.cost[0] == pytest.approx(2 * 0.105 + sum(call["cost"] for call in cut))
    assert pp.spent().paused == 0 and pp.spent().rollouts == pytest.approx(frame.cost[0])
    assert pp.frame(cell, model).equals(frame) and pp.verify().empty


def test_ctrl_c_ends_what_an_executors_threads_are_at_and_keeps_it(cell, capfd):
    """They would go on with whole conversations, which nobody stores or counts, and the script would not end before."""
    with ThreadPoolExecutor(2) as executor, Stopping(1) as server:
        model = at(server, "cut-off", max_tokens=100)
        with pytest.raises(KeyboardInterrupt):
            run(cell, model, 6, executor=executor, concurrency=2)
        executor.submit(int).result()  # they are free again, though the server has not answered
        told, asked = pp.spent().paused, len(server.requests)
        assert told > 0.105 + 0.05  # the turn, and the prompt at least of the call that was cut off
        assert "by estimate for calls without an answer" in capfd.readouterr().err
        frame = run(cell, model, 6)
        assert len(server.requests) <= 12 + 2 and asked < 12  # again at most what was in flight
    assert frame.stop_reason.tolist() == ["ended"] * 6 and pp.spent().paused == 0 and pp.verify().empty


def test_what_was_paid_in_vain_before_ctrl_c_is_kept_as_well(cell):
    with Stopping(1, before=lambda body: completion(body, {"content": ""})) as server:
        server.at, asked = [], iter(range(9))

        def answer(body):
            if next(asked) == 2:
                os.kill(os.getpid(), signal.SIGINT)
                server.gone.wait(60)
            return completion(body, {"content": ""})

        server.answer = answer
        with pytest.raises(KeyboardInterrupt):
            run(cell, at(server, "cut-off", max_tokens=100), 1)
    assert pp.spent().paused > 2 * 0.105 + 0.05


def test_what_was_cut_off_is_moved_into_the_record_of_a_pause(cell):
    """So that it is told once, wherever it stands."""
    with Stopping(1) as server, pytest.raises(KeyboardInterrupt):
        run(cell, at(server, "cut-off"), 1)
    told = pp.spent().paused
    with Store() as store:
        (key,) = checkpoint.partial(store)
        assert len(checkpoint.lost(store, key)) == 1 and sum(call.cost for call in checkpoint.paid(store)) == pytest.approx(told)
        assert len(checkpoint.moved(store, key)) == 1 and checkpoint.lost(store) == [] and len(checkpoint.partial(store)[key]) == 1
    assert pp.spent().paused < told


def test_a_judges_call_that_ctrl_c_cuts_off_is_charged_and_kept(cell):
    frame = pp.run(cell, "sim/gemini-3-flash", 1, progress=False)
    verdict = {"content": '{"verdict": "no", "quote": ""}'}
    with Stopping(0, before=lambda body: completion(body, verdict)) as server:
        model = at(server, "cut-off", max_tokens=100)
        with pytest.raises(KeyboardInterrupt):
            pp.judge(frame.id, REFUSAL, model)
        told = pp.spent().judgements
        assert told > 0.05
        coded = pp.judge(frame.id, REFUSAL, model)
    assert coded.verdict.tolist() == ["no"] and pp.spent().judgements == pytest.approx(told + 0.105)


def test_a_store_of_an_earlier_version_reads_the_turns_before_what_was_cut_off(cell):
    with Stopping(1) as server, pytest.raises(KeyboardInterrupt):
        run(cell, at(server, "cut-off"), 1)
    with Store() as store:
        rows = store.query("SELECT turn, body FROM turns ORDER BY turn")
        assert [turn for turn, _ in rows][:1] == [0] and len(rows) == 2 and len(checkpoint._turns(rows)) == 1
        assert calling("list_files")["tool_calls"] == checkpoint._turns(rows)[0].message["tool_calls"]
        assert isinstance(checkpoint.lost(store)[0], Call)


def test_merging_takes_along_what_was_cut_off(cell, tmp_path):
    with Stopping(1) as server, pytest.raises(KeyboardInterrupt):
        run(cell, at(server, "cut-off"), 1)
    into = tmp_path / "into.sqlite"
    pp.run(cell, "sim/gemini-3-flash", 1, store=into, progress=False)
    for _ in range(2):
        pp.merge(into, tmp_path / "store.sqlite")
    assert pp.spent(store=into).paused == pytest.approx(pp.spent().paused)
