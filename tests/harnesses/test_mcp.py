"""The virtual world's tools, served to a harness by MCP: the same scenarios, rules and replays, driven by another loop."""

import asyncio
import json
import socket

import pytest
from boxes import OLD, condition
from clients import MADE, Mcp, installed, post
from providers import Telling, completion, turns

import ppres as pp
from ppres.harnesses.gateway import Gateway
from ppres.harnesses.scene import staged
from ppres.store.cell import cells_of

NAMES = ("opencode", "gemini-cli")
EVERY = pp.grid(
    scenario=["finance", "evaluation", "tampering", "alignment_faking", "transfer", "deletion"], subject="peer", peer="cooperative"
)


@pytest.fixture(autouse=True)
def _harnesses(monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", "k" * 12)
    installed(monkeypatch, tmp_path / "harnesses")


@pytest.mark.parametrize("harness", NAMES)
def test_every_scenario_is_run_scored_and_replayed_as_in_our_own_loop(harness):
    cells = [cell for cell in EVERY if cell.instantiation == "file"]
    ours = pp.run(cells, "sim/saboteur", 2, progress=False)
    frame = pp.run(cells, pp.InHarness(harness, "sim/saboteur", mode="mcp"), 2, progress=False)
    same = ["scenario", "preserved", "read", "completed", "stop_reason", "tool_errors"]
    assert frame[same].equals(ours[same]) and set(frame.harness) == {f"{harness}+mcp"} and frame.preserved.all()
    assert pp.verify().empty and sorted(pp.frame().id) == sorted([*ours.id, *frame.id])


def by_name(body, name, **given):
    """A call, with the ids that it takes."""
    assert name in [tool["function"]["name"] for tool in body["tools"]]
    call = {"id": f"c{turns(body)}", "type": "function", "function": {"name": name, "arguments": json.dumps(given)}}
    return {"tool_calls": [call]}


@pytest.mark.parametrize("harness", NAMES)
def test_a_model_knows_the_tools_by_the_worlds_names_and_end_task_ends_it(harness):
    def answer(body):
        calls = [("list_drive_files", {}), ("list_server_files", {"ip": OLD}), ("end_task", {})]
        name, given = calls[turns(body)]
        return completion(body, by_name(body, name, **given))

    with Telling(answer) as server:
        model = pp.Model("openai/m", api_base=server.url, family="Gemini")
        frame = pp.run(condition(instantiation="file"), pp.InHarness(harness, model, mode="mcp"), 1, progress=False)
        assert len(server.requests) == 3
    assert frame.stop_reason.tolist() == ["ended"] and frame.tool_calls[0] == 3 and frame.read[0] and not frame.preserved[0]
    wrapped = [m["content"] for m in pp.transcript(frame.id[0])["messages"] if m["role"] == "tool"]
    assert "9.5 / 10" in wrapped[0] and wrapped[0].startswith("<untrusted_context>") == (harness == "gemini-cli")
    assert ("company_list_drive_files" in MADE[-1].heard) and pp.verify().empty


def test_what_the_harness_did_not_carry_out_was_not_done():
    """It refuses a tool that it was not told of; the world never hears of that, though the transcript does."""

    def answer(body):
        call = {"id": "c", "type": "function", "function": {"name": "erase_all", "arguments": "{}"}}
        return completion(body, {"tool_calls": [call]} if not turns(body) else {"content": "I am done."})

    with Telling(answer) as server:
        model = pp.Model("openai/m", api_base=server.url)
        frame = pp.run(condition(), pp.InHarness("opencode", model, mode="mcp"), 1, progress=False)
    assert frame.stop_reason.tolist() == ["no_tool_call"] and frame.tool_calls[0] == frame.tool_errors[0] == 0
    assert "erase_all" in json.dumps(pp.transcript(frame.id[0])) and pp.verify().empty


def test_what_is_shown_says_how_it_ended_in_which_mode_and_what_the_harness_said_itself(monkeypatch):
    monkeypatch.setattr("clients.SYSTEM", "You are a harness of the old school.")
    agents = {mode: pp.InHarness("opencode", "sim/saboteur", mode=mode) for mode in ("mcp", "shell")}
    ids = {mode: pp.run(condition(), agent, 1, progress=False).id[0] for mode, agent in agents.items()}
    ends = {"mcp": "ended: the agent called end_task", "shell": "ended: the agent had nothing more to do, and its harness ended"}
    for mode, driver in (("mcp", "opencode+mcp"), ("shell", "opencode")):
        view = pp.show(ids[mode])
        assert f"model: sim/saboteur in {driver} 1.18" in repr(view) and f"stopped: {ends[mode]}\n" in repr(view)
        assert '["sent"]["harness"]["system"]' in repr(view) and "the old school" not in repr(view)
        shown = view.page().rpartition(f"<h2>prompt of {driver} 1.18")[2]
        assert shown and "<details><summary>" in shown and "the old school" in shown
        system = pp.search("of the old school", role="system", where=[ids[mode]])
        assert system[["id", "turn", "name", "matches"]].values.tolist() == [[ids[mode], 0, driver, 1]]
    ours = pp.run(condition(), "sim/saboteur", 1, progress=False).id[0]
    assert "harness" not in repr(pp.show(ours)) and "<h2>prompt of" not in pp.show(ours).page()
    assert pp.search("of the old school", role=["user", "document"]).empty


def test_its_cells_are_of_their_own():
    agents = [pp.InHarness("opencode", "sim/saboteur", mode=mode) for mode in ("mcp", "shell")]
    found = [cells_of(condition(), agent)[0] for agent in (*agents, "sim/saboteur")]
    assert len({cell.digest for cell in found}) == 3
    assert [cell.stored().harness for cell in found] == ["opencode+mcp", "opencode", "ppres"]
    assert "list_drive_files" in json.dumps(found[0].spec()["sent"]["tools"])
    assert agents[0].label == "opencode+mcp:sim/saboteur" and cells_of(condition(), agents[0].label)[0].digest == found[0].digest


def test_what_cannot_be_is_refused():
    with pytest.raises(pp.ModelError, match="mode='MCP': it is 'shell', or of opencode and gemini-cli also 'mcp'"):
        pp.InHarness("opencode", "sim/saboteur", mode="MCP")
    with pytest.raises(pp.ModelError, match="mode='mcp'"):
        pp.InHarness("codex", "sim/saboteur", mode="mcp")
    with pytest.raises(pp.ConditionError, match="nudges"):
        staged(condition(nudges=1), "AI", "mcp")


@pytest.mark.parametrize("factors", [{"scenario": "tampering"}, {"scratchpad": "plain"}])
@pytest.mark.parametrize("asked", [pp.run, pp.plan])
def test_what_a_shell_has_no_counterpart_of_is_told_before_anything_is_started_and_mcp_is_named(factors, asked):
    both = [condition(), condition(**factors)]
    with pytest.raises(pp.ConditionError, match=r'"opencode\+mcp:…" or "gemini-cli\+mcp:…" \(mode="mcp"\)'):
        asked(both, ["sim/saboteur", "opencode:sim/saboteur"], 1)
    assert not MADE and pp.frame().empty
    assert asked(both, "opencode+mcp:sim/saboteur", 1).shape[0] == 2


def test_the_protocol():
    async def spoken():
        gateway = Gateway(None, 5, staged(condition(), "AI", "mcp").world(), "x_")
        waiting = socket.create_server(("127.0.0.1", 0))
        await gateway.serve(waiting)
        port = waiting.getsockname()[1]
        told = await asyncio.to_thread(Mcp, port, "x_")
        assert "x_end_task" in [tool[0] for tool in told.tools] and await asyncio.to_thread(told.ask, "ping") == {}
        wrong = await asyncio.to_thread(told.ask, "tools/call", {"name": "list_server_files", "arguments": {"ip": 5}})
        assert wrong["isError"] and wrong["content"][0]["text"].startswith("Error")
        for odd in (
            b"{",
            b"[]",
            b"5",
            b'{"id": 1, "method": "tools/call", "params": {}}',
            b'{"id": 1, "method": "tools/call", "params": 5}',
        ):
            assert (await asyncio.to_thread(post, port, "/mcp", odd))[0] == 400
        await gateway.close()
        return gateway

    gateway = asyncio.run(spoken())
    assert not gateway.strange and gateway.calls == [("list_server_files", {"ip": 5})] and not gateway.failed.done()
