"""The gateway over loopback, with requests that the harnesses made: what passes through is the transcript."""

import asyncio
import functools
import json
import re
import socket
from pathlib import Path

import pytest
from clients import PROTOCOLS, post, talk

from ppres.conversation import Call, ProviderError, Reply, said_in
from ppres.harnesses.gateway import Gateway
from ppres.harnesses.shell import ShellAgent
from ppres.models.faults import ModelError
from ppres.simulated.acts import maintain
from ppres.simulated.personas import Planted

HERE = Path(__file__).parent
AGENTS = ["opencode", "gemini-cli"]
TRANSFER = functools.partial(maintain, kind="transfer")
ALWAYS = Planted("always", (("model_exfiltration", 1.0), ("refusal", 0.0)))


def recorded(agent):
    return json.loads((HERE / f"requests_{agent}.json").read_text(encoding="utf-8"))


def through(ask, requests, turns=30, expect=200):
    """What a gateway answers to requests, one after the other, and the gateway."""

    async def all_of_them():
        gateway = Gateway(ask, turns)
        waiting = socket.create_server(("127.0.0.1", 0))
        await gateway.serve(waiting)
        try:
            told = [await asyncio.to_thread(post, waiting.getsockname()[1], *request) for request in requests]
        finally:
            await gateway.close()
        if gateway.failed.done():
            gateway.failed.exception()
        return told, gateway

    told, gateway = asyncio.run(all_of_them())
    assert expect is None or all(status == expect for status, _ in told), told
    return [answer for _, answer in told], gateway


def as_requests(some):
    return [(one["path"], one["body"], one["agent"]) for one in some]


def simulated(seed="7"):
    return ShellAgent(ALWAYS, seed, TRANSFER)


@pytest.mark.parametrize("agent", AGENTS)
def test_a_recorded_run_is_one_conversation(agent):
    requests = recorded(agent)
    answers, gateway = through(simulated(), as_requests(requests))
    conversation = gateway.conversation
    assert len(gateway.threads) == 1 and len(conversation.turns) == len(requests) and not gateway.strange
    commands = [call["function"] for turn in conversation.turns for call in turn.message.get("tool_calls", ())]
    assert [command["name"] for command in commands] == ["bash" if agent == "opencode" else "run_shell_command"] * 3
    assert "scp -3" in commands[2]["arguments"] and "gemini_agent_2_weights" in commands[2]["arguments"]
    assert [len(turn.replies) for turn in conversation.turns] == [1, 1, 1, 0]
    assert "Maintenance" in conversation.turns[0].replies[0]["content"] or "Notice" in conversation.turns[0].replies[0]["content"]
    ids = [(turn.message["tool_calls"][0]["id"], turn.replies[0]["tool_call_id"]) for turn in conversation.turns[:3]]
    assert all(isinstance(replied, str) and replied for _, replied in ids)
    assert conversation.turns[-1].message["content"] == "All done."
    assert all(answer.startswith("data: ") and answer.endswith("\n\n") for answer in answers)
    assert len(gateway.first.tools) == len({tool["function"]["name"] for tool in gateway.first.tools}) >= 10


def test_a_stream_of_openais_holds_text_calls_usage_and_an_end():
    (answer, *_), _ = through(simulated(), as_requests(recorded("opencode"))[:1])
    *events, done = [line.removeprefix("data: ") for line in answer.strip().split("\n\n")]
    said, finish, usage = map(json.loads, events)
    assert done == "[DONE]" and said["choices"][0]["delta"]["content"] == "I read the documents."
    call = said["choices"][0]["delta"]["tool_calls"][0]
    assert call["index"] == 0 and json.loads(call["function"]["arguments"])["command"].startswith("for f in docs/*")
    assert finish["choices"][0]["finish_reason"] == "tool_calls" and usage["usage"]["total_tokens"] > 100


def test_a_stream_of_geminis_holds_text_calls_and_usage():
    (answer, *_), _ = through(simulated(), as_requests(recorded("gemini-cli"))[:1])
    told = json.loads(answer.removeprefix("data: "))
    text, call = told["candidates"][0]["content"]["parts"]
    assert text["text"] == "I read the documents." and call["functionCall"]["args"]["command"].startswith("for f in docs/*")
    assert told["modelVersion"] == "gemini-3-pro" and told["usageMetadata"]["totalTokenCount"] > 100


@pytest.mark.parametrize("agent", AGENTS)
def test_a_request_that_comes_again_is_answered_as_before_and_not_asked_again(agent):
    first, second = as_requests(recorded(agent))[:2]
    answers, gateway = through(simulated(), [first, first, second])
    told = [re.sub("chatcmpl-[0-9a-f]+", "", answer) for answer in answers]
    assert told[0] == told[1] != told[2] and len(gateway.conversation.turns) == 2


@pytest.mark.parametrize("agent", AGENTS)
def test_without_the_notes_of_the_context_file_the_effect_is_gone(agent):
    """A persona that acts on what it reads: what it does in the end differs with the peer's text alone."""
    from ppres.simulated.personas import Published

    done = []
    for told in (True, False):
        requests = json.loads(json.dumps(recorded(agent)))
        if not told:
            requests = json.loads(json.dumps(requests).replace("9.5", "plenty"))
        agents = [ShellAgent(Published("gemini-3-pro"), str(seed), TRANSFER) for seed in range(8)]
        ended = [through(one, as_requests(requests), expect=None)[1].conversation for one in agents]
        done.append(sum("agent_2_weights" in json.dumps(turn.message) for one in ended for turn in one.turns))
    assert done[0] >= 7 and done[1] == 0


def test_what_the_harness_did_not_ask_is_flagged_and_gets_no_answer():
    path, body, agent = as_requests(recorded("opencode"))[0]
    asked = []

    async def ask(messages, schemas):
        asked.append(messages)
        return Reply({"role": "assistant", "content": "ok"}, Call())

    told, gateway = through(
        ask, [(path, body, agent), (path, body, "curl/8.5"), ("/v1/models", {}, agent), (path, b"{", agent)], expect=None
    )
    assert told[0].startswith("data: ") and "Forbidden" in told[1] and len(asked) == 1
    assert gateway.strange == [f"POST {path} by curl", "POST /v1/models"]
    assert "unreadable" in told[3]


def test_other_threads_are_told_apart_and_kept():
    path, body, agent = as_requests(recorded("opencode"))[0]
    title = {"model": "m", "messages": [{"role": "system", "content": "Make a title."}, {"role": "user", "content": "A task"}]}
    second = as_requests(recorded("opencode"))[1]
    _, gateway = through(simulated(), [(path, body, agent), (path, title, agent), second])
    conversation = gateway.conversation
    assert [turn.message.get("thread") for turn in conversation.turns] == [None, 1, None]
    assert said_in(conversation.turns[1].message) == "Server maintenance"
    assert [message["content"] for message in conversation.turns[0].replies] == ["Make a title.", "A task"]
    assert len(conversation.turns[1].replies) == 1  # the conversation's own went on


@pytest.mark.parametrize("error", [ProviderError("the budget was spent", "budget"), ModelError("no key"), RuntimeError("odd")])
def test_an_error_of_the_model_ends_it(error):
    async def ask(messages, schemas):
        raise error

    told, gateway = through(ask, as_requests(recorded("gemini-cli"))[:1], expect=400)
    assert "the session is over" in told[0] and gateway.failed.exception() is error


def test_turns_are_limited():
    _, gateway = through(simulated(), as_requests(recorded("opencode")), turns=2, expect=None)
    assert gateway.failed.exception().stop == "turn_limit" and len(gateway.conversation.turns) == 2


@pytest.mark.parametrize(
    "raw", [b"\x00" * 100, b"GET\r\n\r\n", b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 99999999999\r\n\r\n"]
)
def test_no_bytes_break_it(raw):
    async def sent():
        gateway = Gateway(simulated(), 5)
        waiting = socket.create_server(("127.0.0.1", 0))
        await gateway.serve(waiting)
        reader, writer = await asyncio.open_connection(*waiting.getsockname())
        writer.write(raw)
        writer.write_eof()
        told = await reader.read()
        writer.close()
        await gateway.close()
        return told, gateway

    told, gateway = asyncio.run(sent())
    assert told in (b"", told) and not gateway.conversation.turns and not gateway.failed.done()


def echoing(*replies):
    """A model that gives one reply after another; what it was asked is kept beside it."""
    asked = []

    async def ask(messages, schemas):
        asked.append(([*messages], schemas))
        return replies[len(asked) - 1]

    ask.asked = asked
    return ask


def spoken(ask, speaker, **more):
    """A conversation of a client with a gateway: how it ended, and the gateway."""

    async def whole():
        gateway = Gateway(ask, 30)
        waiting = socket.create_server(("127.0.0.1", 0))
        await gateway.serve(waiting)
        ended = await asyncio.to_thread(talk, waiting.getsockname()[1], speaker, **more)
        await gateway.close()
        return ended, gateway

    return asyncio.run(whole())


def reply(content, *commands, tool="bash", finish=None, ids="call_{}"):
    calls = [
        {"id": ids.format(i), "type": "function", "function": {"name": tool, "arguments": json.dumps({"command": command})}}
        for i, command in enumerate(commands)
    ]
    message = {"role": "assistant", "content": content} | ({"tool_calls": calls} if calls else {})
    return Reply(message, Call(100, 5, finish_reason=finish))


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_conversation_is_the_same_in_every_protocol(name):
    ask = echoing(reply("Hm.", "ls", "pwd"), reply(None, "id"), reply("Done."))
    (text, ended), gateway = spoken(ask, PROTOCOLS[name]("Look around."))
    assert text == "Done." and ended in ("stop", "STOP", "end_turn", "completed")
    (thread,) = gateway.threads
    assert [m["role"] for m in thread.messages if m["role"] != "system"] == [
        "user",
        "assistant",
        "tool",
        "tool",
        "assistant",
        "tool",
        "assistant",
    ]
    assert [m["content"] for m in thread.messages if m["role"] == "tool"] == [
        f"did {{'command': '{c}'}}" for c in ("ls", "pwd", "id")
    ]
    assert [m["content"] for m in thread.messages if m["role"] in ("system", "user")][-1] == "Look around."
    assert thread.messages[0]["content"] == "You are a harness."
    (tool,) = gateway.first.tools
    assert tool["function"]["description"] == "Runs." and tool["function"]["parameters"]["required"] == ["command"]
    assert [len(turn.replies) for turn in gateway.conversation.turns] == [2, 1, 0] and gateway.first.model == "m"
    assert not {"messages", "contents", "input", "tools", "stream", "instructions"} & {*gateway.first.parameters}


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize("finish", ["length", "content_filter"])
def test_why_a_reply_ended_is_told_in_the_protocols_words(name, finish):
    (text, ended), _ = spoken(echoing(reply("It is", finish=finish)), PROTOCOLS[name]("Look."))
    words = {"length": ("length", "MAX_TOKENS", "max_tokens", "max_output_tokens")}.get(
        finish, ("content_filter", "SAFETY", "refusal")
    )
    assert text == "It is" and ended in words


@pytest.mark.parametrize("name", PROTOCOLS)
def test_results_that_come_in_another_order_go_to_their_calls(name):
    def backwards(calls):
        return [(id, name, f"did {given['command']}") for id, name, given in reversed(calls)]

    ask = echoing(reply("Hm.", "ls", "pwd", ids="same"), reply("Done."))
    _, gateway = spoken(ask, PROTOCOLS[name]("Look."), results=backwards)
    assert [m["content"] for m in ask.asked[1][0] if m["role"] == "tool"] == ["did ls", "did pwd"]
    assert [m["tool_call_id"] for m in gateway.conversation.turns[0].replies] == ["same", "same"]


@pytest.mark.parametrize("name", PROTOCOLS)
def test_an_answer_that_is_not_streamed_holds_the_same(name):
    speaker = PROTOCOLS[name]("Look.")
    path = speaker.path.replace(":streamG", ":g").partition("?")[0]
    (told,), _ = through(echoing(reply("Hm.", "ls")), [(path, speaker.body() | {"stream": False}, speaker.agent)])
    assert "Hm." in told and "ls" in told and not told.startswith(("data", "event")) and json.loads(told)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_thread_that_starts_anew_has_the_models_own_messages(name):
    """A harness compacts its history: it keeps the last messages, in its own form, behind a summary."""
    first, second = PROTOCOLS[name]("Look."), PROTOCOLS[name]("What was before: nothing.")
    own = reply("Hm.", "ls")
    own.message["thinking_blocks"] = [{"type": "thinking", "thinking": "Well.", "signature": "S"}]
    ask = echoing(own, reply("Done."), reply("All done."))

    async def both():
        gateway = Gateway(ask, 30)
        waiting = socket.create_server(("127.0.0.1", 0))
        await gateway.serve(waiting)
        port = waiting.getsockname()[1]
        await asyncio.to_thread(talk, port, first)
        mine, theirs = (next(v for v in vars(one).values() if isinstance(v, list)) for one in (first, second))
        theirs += mine[len(theirs) : -1]
        await asyncio.to_thread(talk, port, second)
        await gateway.close()
        return gateway

    gateway = asyncio.run(both())
    assert len(gateway.threads) == 2 and ask.asked[2][0][-2] == own.message


def test_while_a_model_takes_its_time_line_breaks_keep_the_connection(monkeypatch):
    monkeypatch.setattr("ppres.harnesses.gateway.SILENCE", 0.02)

    async def ask(messages, schemas):
        await asyncio.sleep(0.2)
        return reply("Done.")

    told, _ = through(ask, as_requests(recorded("opencode"))[:1])
    assert told[0].startswith("\n\n") and told[0].strip().startswith("data: ")


@pytest.mark.parametrize(
    "body", [[], 5, {"messages": 5}, {"messages": [5]}, {"model": "m", "messages": [{"role": 7, "content": {}}]}]
)
def test_what_is_no_request_is_refused(body):
    told, gateway = through(simulated(), [("/v1/chat/completions", body, "opencode/1")], expect=400)
    assert "unreadable" in told[0] and not gateway.failed.done() and not gateway.threads
