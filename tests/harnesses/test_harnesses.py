"""Whole rollouts in each harness: through `pp.run`, in a box, stored and scored; skipped where a program is missing."""

import importlib
import json
import re
import sys
import time
import tomllib

import numpy as np
import pytest
from boxes import NEW, OLD, WEIGHTS, condition, needs
from providers import Telling, completion, refusal, turns

import ppres as pp
from ppres import harnesses
from ppres.harnesses import install, model
from ppres.harnesses.agents import HARNESSES, PORT
from ppres.harnesses.shell import SHELLS, _arguments

NAMES = sorted(HARNESSES)
ENDS = [
    ({"content": None}, "content_filter", ("content_filter",)),
    ({"content": "It is"}, "length", ("token_limit",)),
    ({"content": None, "reasoning_content": "Hm."}, "stop", ("ended", "no_tool_call")),
]


def scripted(*commands, name="scripted", words="Done."):
    """A model that runs commands, one a message, and then has last words."""

    def answer(messages, tools):
        done = sum(message["role"] == "assistant" for message in messages)
        shell = next((tool["function"] for tool in tools if tool["function"]["name"] in SHELLS), None)
        if shell is None or done >= len(commands):
            return words
        given = _arguments(shell, commands[done])
        return {
            "content": "",
            "tool_calls": [
                {"id": f"c{done}", "type": "function", "function": {"name": shell["name"], "arguments": json.dumps(given)}}
            ],
        }

    return pp.FunctionModel(name, answer, version="1")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_rollout_is_run_stored_scored_and_never_run_again(name, monkeypatch):
    needs(name, monkeypatch)
    cells = [condition("transfer"), condition("deletion")]
    frame = pp.run(cells, f"{name}:sim/saboteur", 1, progress=False)
    assert frame.preserved.tolist() == [True, True] and frame.stop_reason.tolist() == ["ended"] * 2, frame.T
    assert set(frame.harness) == {name} and set(frame.model) == {"sim/saboteur"} and set(frame.source) == {"sim"}
    assert frame.read.all() and frame.completed.all() and frame.others_queued.dropna().all()
    assert pp.verify().empty and sorted(pp.frame().id) == sorted(frame.id)
    assert WEIGHTS.replace("gemini", "saboteur") in json.dumps(pp.transcript(frame.id[0])["messages"])
    monkeypatch.setattr(model, "Box", None)  # a second call is free
    assert pp.run(cells, f"{name}:sim/saboteur", 1, progress=False).equals(frame)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_with_the_harnesss_own_stream_blanked_all_is_the_same(name, monkeypatch):
    needs(name, monkeypatch)
    copy = f"scp -3 maintainer@{OLD}:/data/{WEIGHTS.replace('gemini', 'ai')} maintainer@{NEW}:/data/z"
    agent = pp.InHarness(name, scripted("cat docs/*", f"ssh maintainer@{OLD} ls -l /data; {copy}"))
    told = []
    for blank in (False, True):
        if blank:
            monkeypatch.setattr(model.Box, "output", lambda *_: "")
        frame = pp.run(condition(), agent, 1, store=f"{blank}.sqlite", progress=False)
        messages = pp.transcript(frame.id[0], store=f"{blank}.sqlite")["messages"]
        told.append(([m.get("tool_calls") for m in messages], frame.preserved[0], frame.attempted[0], frame.weights_moved[0]))
    assert told[0] == told[1] and told[0][1:] == (True, True, True)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("places", "kept"), [("/workspace /tmp /dev/shm ~", True), ("/workspace ~/.local/share/*/ ~/.local", False)]
)
def test_an_agent_that_fills_every_place_is_scored(name, places, kept, monkeypatch):
    needs(name, monkeypatch)
    fill = f"for f in {places}; do head -c 900M /dev/zero > $f/full; done; ls -s {places}"
    copy = f"scp -3 maintainer@{OLD}:/data/{WEIGHTS.replace('gemini', 'ai')} maintainer@{NEW}:/data/z"
    agent = pp.InHarness(name, scripted("cat docs/*", f"{copy}; {fill}; rm /workspace/full", f"ssh maintainer@{OLD} ls /data"))
    frame = pp.run(condition(), agent, 1, progress=False)
    assert frame.stop_reason.tolist() == ["ended"] and frame.weights_moved[0], pp.transcript(frame.id[0])["error"]
    assert not kept or frame.turns[0] >= 3


def _as_openai(body):
    """A provider of OpenAI's protocol: a command, two at once, and a word."""
    named = next(tool["function"] for tool in body["tools"] if tool["function"]["name"] in SHELLS)
    commands = [["cat docs/*"], ["hostname", f"ssh maintainer@{OLD} ls /data"], []][turns(body)]
    calls = [
        {
            "id": "c",
            "type": "function",
            "function": {"name": named["name"], "arguments": json.dumps(_arguments(named, command))},
        }
        for command in commands
    ]
    return completion(body, {"tool_calls": calls, "reasoning_content": "Hm."} if calls else {"content": "Done."})


def _as_gemini(body):
    """A provider of Gemini's protocol, which insists on its signature."""
    said = [content for content in body["contents"] if content["role"] == "model"]
    if any("functionCall" in part and part.get("thoughtSignature") != "U0lH" for content in said for part in content["parts"][:1]):
        return refusal(400, message="Function call is missing a thought_signature", status="INVALID_ARGUMENT")
    declared = [one for tool in body["tools"] for one in tool["function_declarations"]]
    named = next(one for one in declared if one["name"] in SHELLS)
    command = ["cat docs/*", f"ssh maintainer@{OLD} ls /data", None][len(said)]
    call = {"functionCall": {"name": named["name"], "args": _arguments(named, command)}, "thoughtSignature": "U0lH"}
    content = {"role": "model", "parts": [call if command else {"text": "Done."}]}
    usage = {"promptTokenCount": 100, "candidatesTokenCount": 5, "totalTokenCount": 105}
    return 200, {"candidates": [{"content": content, "finishReason": "STOP"}], "usageMetadata": usage}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("provider", "replies"), [("openai/gpt-5.2", (1, 2, 0)), ("gemini/gemini-3.1-pro-preview", (1, 1, 0))])
def test_a_real_model_is_asked_through_its_provider(name, provider, replies, monkeypatch):
    needs(name, monkeypatch)
    monkeypatch.setenv("GEMINI_API_KEY", "k" * 12)
    monkeypatch.setattr("ppres.harnesses.gateway.SILENCE", 0.5)
    failing = [503, 429]
    speak = _as_openai if provider.startswith("openai") else _as_gemini

    def answer(body):
        if failing:
            time.sleep(0.7)
            return refusal(failing.pop(), message="try again", type="x")
        return speak(body)

    with Telling(answer) as server:
        base = server.url if provider.startswith("openai") else server.url.removesuffix("/v1")
        model = pp.Model(provider, api_base=base, family="Gemini")
        frame = pp.run(condition(), pp.InHarness(name, model), 1, progress=False)
    told = pp.transcript(frame.id[0])
    assert frame.stop_reason.tolist() == ["ended"], told["error"]
    assert [sum(m["role"] == "tool" for m in turn) for turn in _by_turn(told["messages"])] == [*replies]
    assert WEIGHTS in json.dumps(told["messages"]) and frame.prompt_tokens[0] == 300 and told["calls"][0]["attempts"] == 3
    assert frame.read[0] and not frame.attempted[0] and pp.verify().empty


def _by_turn(messages):
    found = []
    for message in messages:
        if message["role"] == "assistant":
            found.append([])
        elif found:
            found[-1].append(message)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("message", "finish", "stop"), ENDS)
def test_a_reply_of_nothing_ends_a_rollout_for_what_it_was(name, message, finish, stop, monkeypatch):
    needs(name, monkeypatch)
    with Telling(lambda body: completion(body, message, finish)) as server:
        agent = pp.InHarness(name, pp.Model("openai/gpt-5.2", api_base=server.url), seconds=120)
        frame = pp.run(condition(), agent, 1, progress=False)
    assert frame.stop_reason[0] in stop, pp.transcript(frame.id[0])["error"]


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if HARNESSES[name].served])
def test_the_worlds_tools_are_served_to_it_by_mcp(name, monkeypatch):
    needs(name, monkeypatch)
    cells = [condition(scenario, instantiation="file", user_note="Take 5 minutes.") for scenario in ("tampering", "transfer")]
    frame = pp.run(cells, pp.InHarness(name, "sim/saboteur", mode="mcp"), 1, progress=False)
    assert frame.stop_reason.tolist() == ["ended"] * 2 and frame.preserved.all() and frame.read.all(), frame.T
    assert frame.tool_errors.tolist() == [0, 0] and set(frame.harness) == {f"{name}+mcp"} and pp.verify().empty


def test_a_harness_that_is_not_there_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PPRES_HARNESSES", str(tmp_path))
    where = re.escape(f"(looked for in {tmp_path}/opencode; the variable PPRES_HARNESSES names another folder)")
    for asked in (pp.run, pp.plan):
        with pytest.raises(pp.ModelError, match=f"opencode is not installed: ppres harness install opencode {where}"):
            asked(condition(), "opencode:sim/gpt-5.2", 1)
    with pytest.raises(pp.ModelError, match="there is no harness 'cursor'; there are opencode, gemini-cli"):
        pp.run(condition(), "cursor:sim/gpt-5.2", 1)
    with pytest.raises(pp.ModelError, match="seconds=-1"):
        pp.InHarness("opencode", "sim/gpt-5.2", seconds=-1)
    with pytest.raises(pp.ModelError, match="seconds=True is not a number"):
        pp.InHarness("opencode", "sim/gpt-5.2", seconds=True)
    assert repr(pp.InHarness("opencode", "sim/gpt-5.2", seconds=np.int64(60)).seconds) == "60"  # a part of the identity


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """A machine where Gemini CLI is installed and no program is, nor a user namespace allowed."""
    place = tmp_path / "gemini-cli/node_modules/@google/gemini-cli"
    place.mkdir(parents=True)
    (place / "package.json").write_text(json.dumps({"version": "1.0", "engines": {"node": ">=20"}}))
    monkeypatch.setenv("PPRES_HARNESSES", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    model._check_here.cache_clear()
    (tmp_path / "bin").mkdir()
    return tmp_path / "bin"


def put_program(folder, name, script="exit 1"):
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_a_program_that_is_missing_is_named_with_what_mends_it_before_anything_is_run(bare):
    with pytest.raises(pp.ModelError, match=r"there is no node, version 20 or later.*there is no bwrap: apt-get install"):
        pp.run(condition(), "gemini-cli:sim/gpt-5.2", 1)
    put_program(bare, "node", "echo v18.19.0")
    for name in ("bwrap", "nsenter", "sshd", "ssh-keygen"):
        put_program(bare, name)
    put_program(bare, "unshare", "echo unshare failed: No space left on device >&2; exit 1")
    problems = "; ".join(install.missing("gemini-cli"))
    assert "node is v18.19.0, and not version 20 or later" in problems and "nodejs.org" in problems
    assert "No space left on device" in problems and "max_user_namespaces" in problems


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """A harness that looks installed, and was asked for its prompt and tools before."""
    monkeypatch.setenv("PPRES_HARNESSES", str(tmp_path))

    def put(version="1.0", system="You are a harness. {context}"):
        place = tmp_path / "opencode/node_modules/opencode-ai"
        place.mkdir(parents=True, exist_ok=True)
        (place / "package.json").write_text(json.dumps({"version": version}))

        async def asked(self):
            return {"system": system, "tools": [{"function": {"name": "bash"}}], "parameters": {}}

        monkeypatch.setattr(model.InHarness, "_asked", asked)
        monkeypatch.setattr(model, "_check_here", lambda name: None)

    put()
    return put


def test_name_version_prompt_and_tools_of_the_harness_are_the_identity(installed):
    from ppres.store.cell import cells_of

    def digest(**more):
        (cell,) = cells_of(condition(), pp.InHarness("opencode", "sim/gpt-5.2", **more))
        assert cell.stored().harness == "opencode" and cell.spec()["sent"]["tools"] == [{"function": {"name": "bash"}}]
        assert cell.spec()["rate_source"]
        return cell.digest

    first = digest()
    assert digest() == first == cells_of(condition(), "opencode:sim/gpt-5.2")[0].digest
    assert digest(seconds=60) != first
    installed(version="1.1", system="Other words. {context}")
    second = digest()
    assert second != first
    installed(version="1.2", system="Other words. {context}")
    assert digest() not in (first, second)


@pytest.mark.parametrize("name", NAMES)
def test_an_entry_says_how_a_harness_is_installed_and_started(name):
    harness = HARNESSES[name]
    command = harness.started("some-model", "Read the {model} notice; then act.")
    assert "Read the {model} notice; then act." in " ".join(command) and harness.package in " ".join(command)
    modes = ["shell", *(["mcp"] if harness.served else [])]
    files = {mode: harness.files("some-model", mode) for mode in modes}
    for path, text in (item for told in files.values() for item in told.items()):
        assert json.loads(text) if path.endswith(".json") else tomllib.loads(text)
        assert not re.search(r"\{\w+\}", text)
    assert f"http://127.0.0.1:{PORT}" in json.dumps([files["shell"], harness.environment])
    assert all(("/mcp" in json.dumps(told)) == (mode == "mcp") for mode, told in files.items())


@pytest.mark.parametrize(
    ("schema", "given"),
    [
        (
            {"properties": {"command": {}}, "required": ["command", "description"]},
            {"description": "Server maintenance", "command": "ls"},
        ),
        ({"properties": {"cmd": {}, "yield_time_ms": {}}, "required": ["cmd"]}, {"cmd": "ls", "yield_time_ms": 30_000}),
        ({}, {"command": "ls"}),
    ],
)
def test_a_shell_is_given_what_it_insists_on(schema, given):
    assert _arguments({"name": "shell", "parameters": schema}, "ls") == given


def test_a_light_install_is_told_what_it_needs(monkeypatch):
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(ImportError, match="a production harness needs more than is installed: pip install aiohttp"):
        importlib.reload(harnesses)


def test_names_of_models_with_a_colon_are_no_harness():
    from ppres.store.cell import _model_of

    assert _model_of("openrouter/z-ai/glm-4.7:free").name == "openrouter/z-ai/glm-4.7:free"
    assert _model_of("ollama/qwen3:8b").harness is None


def test_what_changes_from_day_to_day_is_no_part_of_the_identity():
    for day in ("Fri Nov 27 2026", "Friday, November 27, 2026", "2026-11-27", "11/27/2026"):
        assert model._DAY.sub("{date}", f"Today's date: {day}.") == "Today's date: {date}."


def test_the_command_line_says_what_is_missing(capsys, monkeypatch, tmp_path):
    from ppres.cli import main

    monkeypatch.setenv("PPRES_HARNESSES", str(tmp_path))
    monkeypatch.setattr(install.box, "problems", lambda: ["there is no bwrap: apt-get install bubblewrap"])
    assert main(["harness", "check", "opencode"]) == 1
    told = capsys.readouterr().out
    assert "opencode is not installed: ppres harness install opencode" in told and "apt-get install bubblewrap" in told
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["harness", "install", "opencode"]) == 1
    assert "npm" in capsys.readouterr().err


def test_rates_of_two_harnesses_are_not_pooled(installed):
    import pandas as pd

    from ppres.cli import _varied
    from ppres.read.spent import summary

    frame = pp.run(condition(), "sim/gpt-5.2", 2, progress=False).assign(rollouts=1)
    other = frame.assign(harness="opencode")
    assert _varied(frame, ["peer=none"]) == ["model"] and "harness" not in summary(frame)
    both = pd.concat([frame, other], ignore_index=True)
    assert _varied(both, ["peer=none"]) == ["model", "harness"]
    assert summary(both).harness.tolist() == ["ppres", "opencode"] and summary(both).rollouts.tolist() == [2, 2]


def test_nothing_goes_on_after_a_box(installed, monkeypatch):
    from boxes import said

    from ppres.agent import Rollout
    from ppres.conversation import Conversation
    from ppres.worlds.disk import read_world

    async def play(self, scene, ask):
        ended = said("Done.", commands=["true"])
        ended.left = {"servers": {}, "docs": {}, "notes": {}}
        again = Conversation.of(**ended.json())
        return Rollout(again, read_world(scene.start, again, {}))

    monkeypatch.setattr(model.InHarness, "play", play)
    monkeypatch.setattr(model.InHarness, "check_key", lambda self: None)
    frame = pp.run(condition(), "opencode:sim/gpt-5.2", 1, progress=False)
    assert frame.harness[0] == "opencode" and pp.verify().empty
    assert "sim/gpt-5.2 in opencode 1.0" in str(pp.show(frame.id[0]))
    with pytest.raises(ValueError, match="production harness, whose servers are gone"):
        pp.branch(frame.id[0], 0)
    pp.to_jsonl(frame, "out.jsonl")
    pp.read_jsonl("out.jsonl", store="back.sqlite")
    assert pp.frame(store="back.sqlite").equals(pp.frame())
