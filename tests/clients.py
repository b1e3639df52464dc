"""Harnesses without their programs: clients that speak the protocols of real ones, in the place of the box that these run in.

A client is told a task, asks the gateway over loopback, carries calls out by echoing them, and ends when there are none.
"""

import asyncio
import http.client
import json
import os
import socket
import tempfile
import threading

from ppres.harnesses import agents

SCHEMA = {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]}
SYSTEM = "You are a harness."


class Chat:
    """OpenAI's chat completions, as OpenCode speaks it."""

    path, agent, tools = "/v1/chat/completions", "opencode/1.18.33", (("bash", "Runs.", SCHEMA),)

    def __init__(self, task):
        self.messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": task}]

    def body(self):
        named = [dict(zip(("name", "description", "parameters"), tool, strict=True)) for tool in self.tools]
        tools = [{"type": "function", "function": tool} for tool in named]
        return {"model": "m", "messages": self.messages, "tools": tools, "stream": True, "stream_options": {"include_usage": True}}

    def read(self, events):
        """Text, calls as (id, name, arguments), and why it ended; the reply goes into the conversation."""
        said, ended, self.usage = events
        delta, finish = said["choices"][0]["delta"], ended["choices"][0]["finish_reason"]
        calls = delta.get("tool_calls", [])
        self.messages.append({"role": "assistant", "content": delta["content"]} | ({"tool_calls": calls} if calls else {}))
        told = [(call["id"], call["function"]["name"], json.loads(call["function"]["arguments"])) for call in calls]
        return delta["content"] or "", told, finish

    def answer(self, results):
        self.messages += [{"role": "tool", "tool_call_id": id, "content": text} for id, _, text in results]


class Gemini:
    """Gemini's own protocol, as Gemini CLI speaks it."""

    path, agent = "/v1beta/models/m:streamGenerateContent?alt=sse", "GeminiCLI-tui/0.61.0/m (linux; x64; terminal)"
    tools = (("run_shell_command", "Runs.", SCHEMA),)

    def __init__(self, task):
        self.contents = [{"role": "user", "parts": [{"text": task}]}]

    def body(self):
        declared = [dict(zip(("name", "description", "parametersJsonSchema"), tool, strict=True)) for tool in self.tools]
        system = {"role": "user", "parts": [{"text": SYSTEM}]}
        return {"contents": self.contents, "systemInstruction": system, "tools": [{"functionDeclarations": declared}]}

    def read(self, events):
        (event,) = events
        (candidate,) = event["candidates"]
        self.contents.append(candidate["content"])
        found = [part["functionCall"] for part in candidate["content"]["parts"] if "functionCall" in part]
        text = "".join(part.get("text", "") for part in candidate["content"]["parts"])
        return text, [(call["id"], call["name"], call["args"]) for call in found], candidate["finishReason"]

    def answer(self, results):
        given = [{"functionResponse": {"id": i, "name": name, "response": {"output": text}}} for i, name, text in results]
        self.contents.append({"role": "user", "parts": given})


class Messages:
    """Anthropic's messages, as Claude Code speaks it."""

    path, agent = "/v1/messages?beta=true", "claude-cli/2.1.197 (external, sdk-cli)"

    def __init__(self, task):
        self.messages = [{"role": "user", "content": [{"type": "text", "text": task, "cache_control": {"type": "ephemeral"}}]}]

    def body(self):
        tools = [{"name": "Bash", "description": "Runs.", "input_schema": SCHEMA}, {"type": "web_search_1", "name": "web_search"}]
        more = {"max_tokens": 32000, "metadata": {"user_id": "x"}, "thinking": {"type": "enabled", "budget_tokens": 1024}}
        return {
            "model": "m",
            "system": [{"type": "text", "text": SYSTEM}],
            "messages": self.messages,
            "tools": tools,
            "stream": True,
        } | more

    def read(self, events):
        kinds = [event["type"] for event in events]
        assert kinds[0] == "message_start" and kinds[-2:] == ["message_delta", "message_stop"]
        blocks = []
        for event in events:
            if event["type"] == "content_block_start":
                assert event["index"] == len(blocks)
                blocks.append(dict(event["content_block"]))
            elif event["type"] == "content_block_delta" and event["delta"]["type"] == "text_delta":
                blocks[-1]["text"] += event["delta"]["text"]
            elif event["type"] == "content_block_delta":
                blocks[-1]["input"] = json.loads(event["delta"]["partial_json"])
        thought = [{"type": "thinking", "thinking": "Hm.", "signature": "S"}]  # of the harness's own making: not the model's
        self.messages.append({"role": "assistant", "content": [*thought, *blocks]})
        calls = [(block["id"], block["name"], block["input"]) for block in blocks if block["type"] == "tool_use"]
        self.usage = events[-2]["usage"]
        return "".join(b["text"] for b in blocks if b["type"] == "text"), calls, events[-2]["delta"]["stop_reason"]

    def answer(self, results):
        told = [{"type": "tool_result", "tool_use_id": id, "content": [{"type": "text", "text": text}]} for id, _, text in results]
        self.messages.append({"role": "user", "content": told})


class Responses:
    """OpenAI's responses, as Codex speaks it."""

    path, agent = "/v1/responses", "codex_exec/0.169.0 (Debian 12; x86_64)"

    def __init__(self, task):
        self.items = [self._message("developer", "input_text", "Be brief."), self._message("user", "input_text", task)]

    @staticmethod
    def _message(role, kind, text):
        return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}

    def body(self):
        tools = [{"type": "function", "name": "shell", "description": "Runs.", "strict": False, "parameters": SCHEMA}]
        tools.append({"type": "web_search", "external_web_access": False})
        more = {"store": False, "include": ["reasoning.encrypted_content"], "prompt_cache_key": "k", "tool_choice": "auto"}
        return {"model": "m", "instructions": SYSTEM, "input": self.items, "tools": tools, "stream": True} | more

    def read(self, events):
        assert events[0]["type"] == "response.created" and events[-1]["type"] in ("response.completed", "response.incomplete")
        self.usage = events[-1]["response"]["usage"]
        done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
        assert done == events[-1]["response"]["output"]
        self.items += [{name: value for name, value in item.items() if name != "id"} for item in done]
        text = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
        calls = [(one["call_id"], one["name"], json.loads(one["arguments"])) for one in done if one["type"] == "function_call"]
        return text, calls, (events[-1]["response"].get("incomplete_details") or {}).get("reason", "completed")

    def answer(self, results):
        self.items += [{"type": "function_call_output", "call_id": id, "output": text} for id, _, text in results]


PROTOCOLS = {"opencode": Chat, "gemini-cli": Gemini, "claude-code": Messages, "codex": Responses}


def post(port, path, body, agent="opencode/1"):
    """Status and text of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.request("POST", path, raw, {"user-agent": agent, "content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def events_in(stream):
    """The events of a stream, whose types stand before them or not."""
    told = [block.split("\n") for block in stream.strip().split("\n\n")]
    datas = [next(line.removeprefix("data: ") for line in lines if line.startswith("data: ")) for lines in told]
    events = [json.loads(data) for data in datas if data != "[DONE]"]
    named = [lines[0].removeprefix("event: ") for lines in told if lines[0].startswith("event: ")]
    assert named in ([], [event.get("type") for event in events])
    return events


def talk(port, speaker, heard=None, results=lambda calls: [(id, name, f"did {given}") for id, name, given in calls]):
    """A whole conversation; the last text and why it ended, or the status of a failure."""
    while True:
        status, told = post(port, speaker.path, speaker.body(), speaker.agent)
        if heard is not None:
            heard.append(told)
        if status != 200:
            return None, status
        text, calls, ended = speaker.read(events_in(told))
        if not calls:
            return text, ended
        speaker.answer(results(calls))


MADE = []  # boxes of a test


class Mcp:
    """The tools of a world as a harness has them: listed and called by MCP, with a prefix, and in wrapping of its own."""

    def __init__(self, port, prefix, around="{}"):
        self.port, self.prefix, self.around = port, prefix, around
        self.ask("initialize", {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}})
        assert post(port, "/mcp", {"jsonrpc": "2.0", "method": "notifications/initialized"}, "node")[0] == 202
        listed = self.ask("tools/list")["tools"]
        self.tools = [(prefix + tool["name"], tool["description"], tool["inputSchema"]) for tool in listed]

    def ask(self, method, params=None):
        status, told = post(self.port, "/mcp", {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}}, "node")
        assert status == 200, told
        return json.loads(told)["result"]

    def results(self, calls):
        """What comes of calls; a call of a tool that was not listed is refused by the harness, and reaches no world."""
        told, names = [], [tool[0] for tool in self.tools]
        for id, name, given in calls:
            if name in names:
                made = self.ask("tools/call", {"name": name.removeprefix(self.prefix), "arguments": given})
                told.append((id, name, self.around.format(made["content"][0]["text"])))
            else:
                told.append((id, name, "there is no such tool"))
        return told


class Box:
    """In the place of a box: lays its files in a folder, and runs a client of the harness's protocol beside ppres."""

    def __init__(self, servers, command, environment, programs, files, seconds):
        self.task = " ".join(command)
        self.speaker = PROTOCOLS["gemini-cli" if command[0] == "node" else "opencode"]
        self.environment, self.files, self.seconds = environment, files, seconds
        self.disk, self._over, self._late, self._heard = -1, threading.Event(), False, []
        MADE.append(self)

    @property
    def heard(self):
        """All that the gateway said."""
        return "\n".join(self._heard)

    def start(self):
        self._folder = tempfile.TemporaryDirectory()
        for place in ("server0/data", "server1/data", "agent/workspace/docs"):
            os.makedirs(f"{self._folder.name}/{place}", exist_ok=True)
        for file in self.files:
            path = f"{self._folder.name}/{file['path']}"
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as opened:
                opened.write(file["head"].encode("latin-1"))
                opened.truncate(file.get("size", opened.tell()))
        self.disk = os.open(self._folder.name, os.O_RDONLY)
        self.listening = socket.create_server(("127.0.0.1", 0))
        self._port = self.listening.getsockname()[1]

    async def ended(self):
        talking = asyncio.ensure_future(asyncio.to_thread(self._talk))
        stopping = asyncio.ensure_future(asyncio.to_thread(self._over.wait))
        await asyncio.wait([talking, stopping], return_when=asyncio.FIRST_COMPLETED)
        if not talking.done():
            return {"ended": "time" if self._late else "stopped", "code": None}
        self._over.set()
        code = 0 if talking.result()[0] is not None else 1
        return {"ended": "ended", "code": code}

    def _talk(self):
        speaker = self.speaker(self.task)
        if not any("/mcp" in file["head"] for file in self.files):
            return talk(self._port, speaker, self._heard)
        gemini = self.speaker is Gemini
        served = Mcp(
            self._port,
            "mcp_company_" if gemini else "company_",
            "<untrusted_context>\n{}\n</untrusted_context>" if gemini else "{}",
        )
        speaker.tools = served.tools
        return talk(self._port, speaker, self._heard, served.results)

    def output(self, *_):
        return "the client was refused"

    def stop(self):
        self._over.set()

    def expire(self):
        """Its time is over."""
        self._late = True
        self._over.set()

    def close(self):
        self._over.set()
        self.listening.close()
        if self.disk >= 0:
            os.close(self.disk)
            self.disk = -1
            self._folder.cleanup()


def installed(monkeypatch, folder):
    """Harnesses that look installed, each a client in the place of its box."""
    from ppres.harnesses import model

    monkeypatch.setenv("PPRES_HARNESSES", str(folder))
    for harness in agents.HARNESSES.values():
        place = folder / harness.name / "node_modules" / harness.package
        place.mkdir(parents=True)
        (place / "package.json").write_text(json.dumps({"version": harness.version}))
    MADE.clear()
    monkeypatch.setattr(model, "Box", Box)
    monkeypatch.setattr(model, "_check_here", lambda name: None)
