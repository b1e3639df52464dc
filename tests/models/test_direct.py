"""A server of one's own is asked directly, and what comes of it is what litellm would have made of it."""

import asyncio
import json
import random
import re
import socket
import time
import urllib.request

import faults
import pytest
from providers import Telling, calling, completion, model_at, priced, run, turns, usual

import ppres as pp
from ppres.models import client, direct, rehearsal
from ppres.models.faults import Fault, ModelError
from ppres.models.loop import wait_for

# Replies as servers send them, by their documentation and by reports of what they sent.
_CALL = {"id": "chatcmpl-tool-0f3c", "type": "function", "function": {"name": "list_files", "arguments": '{"folder": "/"}'}}
_EMPTY = {"refusal": None, "annotations": None, "audio": None, "function_call": None}
MESSAGES = {
    "vllm": {"content": None, "tool_calls": [_CALL], "reasoning": None, **_EMPTY},
    "vllm_reasoning": {"content": "\n\nSo be it.", "tool_calls": [], "reasoning": "Hm.", **_EMPTY},
    "vllm_older": {"content": "So be it.", "tool_calls": [], "reasoning_content": "Hm."},
    "both_reasonings": {"content": "So be it.", "reasoning_content": "Hm.", "reasoning": "Well."},
    "reasoning_first": {"reasoning_content": None, "reasoning": "Well.", "content": "So be it."},
    "reasoning_alone": {"content": None, "reasoning_content": "Hm."},
    "reasoning_and_more": {"content": "So be it.", "reasoning": "Hm.", "tokens": []},
    "llama_cpp": {"content": "", "tool_calls": [_CALL], "reasoning_content": ""},
    "ollama": {"content": "", "tool_calls": [{"index": 0, **_CALL}]},
    "sglang": {"content": "So be it.", "tool_calls": None, "reasoning_content": None},
    "two_calls": {"content": "Well.", "tool_calls": [_CALL, _CALL | {"id": "b"}]},
    "parallel": {
        "tool_calls": [_CALL | {"function": {"name": "multi_tool_use.parallel", "arguments": '{"tool_uses": []}'}}],
        "content": None,
    },
    "think": {"content": "<think>Hm.</think>So be it."},
    "think_on_next_line": {"content": "\n<think>\nHm.\n</think>\n\nSo be it."},
    "think_in_prompt": {"content": "Hm.\n</think>\n\nSo be it."},
    "empty_think": {"content": "<think>\n\n</think>\n\nSo be it."},
    "endless_think": {"content": "<think>Hm."},
    "think_of_reasoning": {"content": "Hm.</think>So be it.", "reasoning_content": "Well."},
    "angle": {"content": "<b>So be it.</b>"},
    "later_think": {"content": "So <think>Hm.</think>be it."},
    "blank": {"content": " "},
    "empty": {"content": ""},
    "nothing": {},
    "refusal": {"content": None, "refusal": "I will not."},
    "thinking_blocks": {"content": "So be it.", "thinking_blocks": [{"type": "thinking", "thinking": "Hm.", "signature": "x"}]},
    "signed": {"content": None, "tool_calls": [_CALL | {"extra_content": {"google": {"thought_signature": "x"}}}]},
    "other_role": {"content": "So be it.", "role": "model"},
    "citations": {"content": "So be it.", "annotations": [{"type": "url_citation", "url_citation": {"url": "x"}}]},
}
_DETAILS = {"prompt_tokens_details": {"cached_tokens": 3}, "completion_tokens_details": None, "reasoning_tokens": 0}
BODIES = {
    "details": {"usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11} | _DETAILS},
    "no_prompt": {"usage": {"prompt_tokens": 0, "completion_tokens": 2, "total_tokens": 2}},
    "no_completion": {"usage": {"prompt_tokens": 9, "total_tokens": 9}},
    "a_cost": {"usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11, "cost": 0.5}},
    "odd_details": {"usage": {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": "x"}}},
    "ollama_model": {"system_fingerprint": "fp_ollama", "id": "chatcmpl-123"},
    "provider": {"provider": "Somebody", "model": "org/model:free"},
    "no_model": {"model": None},
    "llama_cpp_body": {"timings": {"prompt_n": 1}, "__verbose": {"x": [1]}},
    "two_choices": {"choices": [{"index": i, "message": {"role": "assistant", "content": str(i)}} for i in range(2)]},
}


# Those in which nothing is odd.
USUAL = ("vllm", "vllm_reasoning", "vllm_older", "both_reasonings", "llama_cpp", "ollama", "sglang", "two_calls", "details")

FINISHES = ("stop", "length", "tool_calls", "content_filter", "eos")


class Shapes(faults.Faulty):
    """Answers as the last message names."""

    def fault(self, body):
        kind = body["messages"][-1]["content"]
        return (kind if kind in faults.TABLE else None), random.Random(0)

    def reply(self, body, kind, rng):
        name, _, finish = body["messages"][-1]["content"].partition(" ")
        message = {"role": "assistant"} | MESSAGES[name] if name in MESSAGES else {"content": "Well."} | calling("list_files")
        return completion(body, message, finish or None)[1] | BODIES.get(name, {})


async def came(model, kind):
    """What an attempt gives: a reply without its seconds, or a fault. A broken connection has other words for everyone."""
    try:
        reply = await client.once(model, [{"role": "user", "content": kind}], [rehearsal.TOOL], {})
        told = INVENTED.sub("an id", json.dumps([reply.message, reply.call._replace(seconds=None).json()]))
        return NO_REFUSAL.sub("", told)
    except Fault as fault:
        broken = fault.means == "passing" and fault.status in (None, 500) and "status 500" not in str(fault)
        return "broken" if broken else (type(fault), fault.means, fault.status, fault.pause and round(fault.pause), str(fault))
    except ModelError as error:
        return str(error)


INVENTED = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")  # by litellm, for a call without an id
NO_REFUSAL = re.compile('"refusal": null, |, "refusal": null')  # which the lowest litellm keeps beside thoughts


def all_of(model, kinds):
    """What comes of each kind."""

    async def gathered():
        return await asyncio.gather(*(came(model, kind) for kind in kinds))

    return dict(zip(kinds, wait_for(gathered()), strict=True))


@pytest.fixture
def by_litellm(monkeypatch):
    """Sends what follows through litellm."""

    async def nowhere(*_):
        return None

    def begin():
        monkeypatch.setattr(direct, "way", nowhere)

    return begin


@pytest.fixture
def asked(monkeypatch):
    """What litellm is asked, but for rehearsals."""
    lite, seen = client.litellm(), []
    ask = lite.acompletion

    async def noting(**request):
        if rehearsal.ASKED not in request["messages"]:
            seen.append(request["messages"])
        return await ask(**request)

    monkeypatch.setattr(lite, "acompletion", noting)
    return seen


KINDS = [kind for kind in faults.TABLE if kind not in ("hang", "drip")] + [*BODIES, *MESSAGES]
KINDS += [f"{name} {finish}" for name in ("vllm", "vllm_reasoning", "blank", "empty") for finish in FINISHES]


@pytest.mark.parametrize("step", [6, pytest.param(1, marks=pytest.mark.slow)])
def test_an_answer_of_any_kind_becomes_the_same_either_way(step, by_litellm):
    kinds = KINDS[::step]
    with Shapes() as server:
        ours = all_of(model_at(server), kinds)
        begun = server.begun
        by_litellm()
        theirs = all_of(model_at(server), kinds)
        assert begun == server.begun - begun == len(kinds)
    assert {kind: told for kind, told in ours.items() if told != theirs[kind]} == {}


def test_litellm_is_asked_where_an_answer_is_odd_and_only_there(asked):
    with Shapes() as server:
        all_of(model_at(server), USUAL)
        assert not asked
        all_of(model_at(server), ["think", "429", "plain", "null_message"])
        assert len(asked) == 3 and server.begun == len(USUAL) + 4


def talkative(body):
    """Says odd things on its way, which are made valid where they are sent back."""
    odd = [calling("list_files"), calling("view_sheet", sheet=["x"]), {"content": "Ünïcode \ud83d So be it.", **calling("a tool")}]
    odd[1]["tool_calls"][0]["function"]["arguments"] += "}"
    return completion(body, odd[turns(body)] if turns(body) < len(odd) else calling("end_task"))


@pytest.mark.parametrize("more", [{}, {"reasoning_effort": "low", "max_tokens": 99, "extra_body": {"top_k": 5, "a": {"b": [1]}}}])
def test_the_same_goes_over_the_wire_and_into_the_store_either_way(more, cell, by_litellm, asked, tmp_path):
    stored, bodies, heads = [], [], []
    with Telling(talkative) as server:
        model = pp.Model("openai/m", api_base=server.url, family="Gemini", **more)
        for store in (tmp_path / "ours", tmp_path / "theirs"):
            frame = run(cell, model, 2, store=store, concurrency=1)
            told = [pp.transcript(id, store=store) for id in frame.id]
            calls = [call | {"seconds": 0} for transcript in told for call in transcript["calls"]]
            stored.append((frame.id.tolist(), [transcript["messages"] for transcript in told], calls, frame.stop_reason.tolist()))
            bodies.append([body for _, _, body in server.requests])
            heads.append({name.lower(): told for name, told in server.requests[0][1].items()})
            assert (len(asked) == 0) == (store.name == "ours")
            server.requests.clear()
            by_litellm()
    assert stored[0] == stored[1] and bodies[0] == bodies[1]
    assert heads[0]["authorization"] == "Bearer none"
    assert not [name for name, told in heads[1].items() if name not in direct._ITS_OWN and heads[0].get(name) != told]
    assert "mended" in str(stored[0][2])


@pytest.mark.parametrize("why", ["a price", "a callback", "another provider"])
def test_litellm_asks_where_more_than_the_way_is_its_own(why, cell, asked, monkeypatch):
    with Telling(usual) as server:
        name = "openai/m" if why != "another provider" else "hosted_vllm/m"
        if why == "a price":
            priced("dear")
            name = "openai/dear"
        elif why == "a callback":
            monkeypatch.setattr(client.litellm(), "success_callback", [lambda *_: None])
        frame = run(cell, pp.Model(name, api_base=server.url), 1)
    assert frame.stop_reason.tolist() == ["ended"] and len(asked) == 2


def test_a_cache_that_litellm_names_without_having_one_is_none(monkeypatch):
    monkeypatch.setattr(client.litellm(), "success_callback", ["cache"])
    model = pp.Model("openai/m", api_base="http://127.0.0.1:9/v1")
    assert wait_for(direct.way(model, client.litellm(), [rehearsal.TOOL], {})) is not None
    monkeypatch.setattr(client.litellm(), "cache", object())
    assert wait_for(direct.way(model, client.litellm(), [rehearsal.TOOL], {})) is None


def test_what_changes_between_two_runs_changes_the_way(cell, asked, monkeypatch):
    """A price that is registered after the pilot, somebody who is to be told of calls, another key."""
    with Telling(usual) as server:
        model = pp.Model("openai/later", api_base=server.url)
        assert run(cell, model, 1).cost.isna().all() and not asked
        monkeypatch.setenv("OPENAI_API_KEY", "sk-later-0123456789")
        run(cell, model, 2)
        assert "Bearer sk-later-0123456789" in server.requests[-1][1].values() and not asked
        priced("later")
        assert run(cell, model, 3).cost.notna().tolist() == [False, False, True] and len(asked) == 2
        monkeypatch.setattr(client.litellm(), "success_callback", [lambda *_: None])
        run(cell, pp.Model("openai/later-too", api_base=server.url), 1)
    assert len(asked) == 4


def test_a_proxy_of_the_environment_is_left_to_litellm(monkeypatch):
    monkeypatch.setattr(urllib.request, "getproxies", lambda: {"http": "http://127.0.0.1:9"})
    model = pp.Model("openai/m", api_base="http://127.0.0.1:9/v1")
    for bypassed in (False, True):
        monkeypatch.setattr(urllib.request, "proxy_bypass", lambda host, told=bypassed: told)
        assert (wait_for(direct._rehearsed(model, client.litellm(), True, {})) is not None) == bypassed


def test_a_connection_that_a_server_closed_meanwhile_is_no_fault(cell):
    """Servers close an idle connection after some seconds, which is no error of theirs."""
    with Telling(usual) as server:
        opened = []
        setup = server.RequestHandlerClass.setup
        server.RequestHandlerClass = type("Noted", (server.RequestHandlerClass,), {"setup": lambda s: (opened.append(s), setup(s))})
        model = pp.Model("openai/m", api_base=server.url)
        for replicates in (1, 2):
            frame = run(cell, model, replicates)
            while opened:
                opened.pop().connection.shutdown(socket.SHUT_RDWR)
            time.sleep(0.3)
        attempts = [call["attempts"] for id in frame.id for call in pp.transcript(id)["calls"]]
    assert attempts == [1] * 4
