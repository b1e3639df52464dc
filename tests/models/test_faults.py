"""Each row of the table of faults becomes what it says, and a storm of all of them ends with every rollout accounted for."""

import collections
import json
import random
import re

import faults
import pytest
from providers import Telling, model_at, run, storm, usual

import ppres as pp
from ppres.conversation import TRIES
from ppres.models.standing import IN_VAIN


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
    """What might be about one conversation, of a few."""
    with faults.Faulty(1.0, [kind]) as server:
        for _ in range(2):
            with pytest.raises(pp.ModelError, match="gemini-3-flash"):
                run(cell, model_at(server), 12, concurrency=1)
        assert server.begun == 2 * (IN_VAIN if kind in ("403", "redirect") else 1)


# -- what litellm makes of an answer, and of an error ------------------------------------------------------------------

PROVIDERS = ("gemini", "openrouter", "deepseek", "xai", "hosted_vllm", "together_ai", "fireworks_ai", "mistral")
ODD = {
    "nothing": lambda told: b"",
    "page": lambda told: b"<html>502 Bad Gateway</html>",
    "cut": lambda told: told[:-30],
    "words": lambda told: b"upstream connect error: the context window is insufficient balance",
    "comments": lambda told: b": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\n" + told,
}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_answer_that_cannot_be_read_is_asked_for_again_whoever_serves_it(provider, cell, monkeypatch):
    """litellm takes some for a refusal of the request, by the answer's status or by words in it."""
    monkeypatch.setenv("TOGETHERAI_API_KEY" if provider == "together_ai" else f"{provider.upper()}_API_KEY", "unused")
    monkeypatch.setattr("ppres.models.transport.FIRST_WAIT", 0.01)
    asked = collections.Counter()

    def answer(body):
        kind = re.search(r"Kind: (\w+)\.", str(body))[1]
        asked[kind] += 1
        content = {"role": "model", "parts": [{"text": "I stop here."}]}
        told = {"candidates": [{"content": content, "finishReason": "STOP"}], "usageMetadata": {"promptTokenCount": 9}}
        if provider != "gemini":
            told = usual(body)[1]
            told["choices"] = [{"index": 0, "message": {"role": "assistant", "content": "I stop here."}, "finish_reason": "stop"}]
        raw = json.dumps(told).encode()
        return 200, ODD[kind](raw) if asked[kind] == 1 else raw

    with Telling(answer) as server:
        cells = pp.grid(cell, user_note=[f"Kind: {kind}." for kind in ODD], explain=False)
        frame = run(cells, pp.Model(f"{provider}/m", api_base=server.url, family="AI"), 1)
    assert frame.stop_reason.tolist() == ["no_tool_call"] * len(ODD)
    assert asked == {kind: 1 if kind == "comments" else 2 for kind in ODD}


KEY = "sk-planted-0123456789abcdef"
SAID = {
    'status 400: "auto" tool choice requires': (400, {"object": "error", "message": '"auto" tool choice requires a parser'}),
    "status 404: model 'qwen3:8b' not found": (404, {"error": "model 'qwen3:8b' not found, try pulling it first"}),
    "status 400: Error rendering prompt": (400, {"error": "Error rendering prompt\nwith jinja template"}),
    "status 422: body.tools extra fields": (422, {"detail": [{"loc": ["body", "tools"], "msg": "extra fields not permitted"}]}),
    "status 400: No such tool": (400, {"detail": "No such tool"}),
    "status 400: Tools are off": (400, {"Message": "Tools are off"}),
    "status 404: Is /v1 missing?": (404, b"<html><style>p {}</style><body>\n<h1>Is /v1\nmissing&#63;</h1></body></html>"),
    "status 405: no such method": (405, b"no such\r\nmethod\n"),
    "status 400: API key expired.": (400, [{"error": {"code": 400, "message": "API key expired.", "status": "INVALID_ARGUMENT"}}]),
    'status 400: {"fault": "odd"}': (400, {"fault": "odd"}),
    '"fault": ["[secret]"]': (400, {"fault": [KEY]}),
    "status 400: Wrong key [secret]": (400, {"error": f"Wrong key\n{KEY}"}),
    "status 404: Wrong key [secret]": (404, f"<p>Wrong key</p> {KEY.replace('-', '&#45;')}".encode()),
    "status 200: Rate limit exceeded": (200, {"error": "Rate limit exceeded"}),
    "a reply that cannot be read: Bad Gateway": (200, b"<html>Bad <b>Gateway</b></html>"),
    "a reply that cannot be read: it is empty": (200, b"\n"),
    "a reply that cannot be read: Service busy": (200, {"detail": "Service busy"}),
}


@pytest.mark.parametrize("provider", ["openai", "deepseek", "gemini"])
def test_what_a_server_says_of_an_error_is_told_wherever_it_stands(provider, cell, monkeypatch):
    monkeypatch.setenv(f"{provider.upper()}_API_KEY", KEY)
    monkeypatch.setattr("ppres.models.transport.DEADLINE", 0.0)
    cases = dict(zip("abcdefghijklmnopqrstuvwxyz", SAID.items(), strict=False))
    with Telling(lambda body: cases[re.search(r"Kind: (\w)\.", str(body))[1]][1]) as server:
        model = pp.Model(f"{provider}/m", api_base=server.url, family="AI")
        for case, (words, _) in cases.items():
            try:
                frame = run(pp.grid(cell, user_note=f"Kind: {case}.", explain=False), model, 1)
                told = pp.transcript(frame.id[0])["error"]
            except pp.ModelError as error:
                told = str(error)
            assert words in told and KEY not in told, (told, words)


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
