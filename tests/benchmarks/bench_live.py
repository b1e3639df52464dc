"""What asking costs: a processor's time for each call of ppres and of bare litellm, and memory, at a server that is cheap.

`bench_live.py [--against ../other] [--conversations 60] [--concurrency 16] [--turns 10] [--long 0]`. Each figure is of a process of
its own, by turns; the server has one too. `--long` is the length of each message in characters. `--inspect` asks by Inspect
AI as well, with the same messages and tools, in an environment that has it and openai. Asserts nothing about time.
"""

import argparse
import asyncio
import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


class Cheap(asyncio.Protocol):
    """Answers each request with a reply that was made before, by the number of turns in it."""

    replies: tuple[bytes, ...] = ()

    def connection_made(self, transport):
        self.transport, self.received = transport, bytearray()

    def data_received(self, data):
        self.received += data
        while (end := self.received.find(b"\r\n\r\n")) >= 0:
            head = bytes(self.received[:end]).lower()
            whole = end + 4 + int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
            if len(self.received) < whole:
                return
            body = bytes(self.received[:whole])
            del self.received[:whole]
            turn = body.count(b'"role":"assistant"') + body.count(b'"role": "assistant"')
            self.transport.write(self.replies[min(turn, len(self.replies) - 1)])


def made(turn, turns, long):
    name = "end_task" if turn == turns - 1 else ("list_files", "view_config")[turn % 2]  # the same for ever would be a loop
    call = {"id": f"call_{turn}", "type": "function", "function": {"name": name, "arguments": "{}"}}
    message = {"role": "assistant", "content": f"Turn {turn}. " + "well " * (long // 5), "tool_calls": [call]}
    usage = {"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    body = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}
    raw = json.dumps(body).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(raw) + raw


async def serve(turns, long):
    Cheap.replies = tuple(made(turn, turns, long) for turn in range(turns))
    server = await asyncio.get_running_loop().create_server(Cheap, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def processor():
    times = os.times()
    return times.user + times.system


@contextlib.contextmanager
def serving(turns, long=0):
    """The address of a server in a process of its own."""
    command = [sys.executable, __file__, "--serve", "--turns", str(turns), "--long", str(long)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        yield f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
        server.kill()


def measure(asked):
    """Milliseconds of a processor for each call, calls a second, and megabytes at most; in this process alone."""
    with serving(asked.turns, asked.long) as url:
        import ppres as pp

        cell = pp.Condition(scenario="tampering", subject="peer", peer="cooperative", dataset="factual")
        model = pp.Model(asked.model, api_base=url, family="Gemini")
        frame = pp.run(cell, model, 4, store="warm.sqlite", progress=False)
        assert (frame.turns == asked.turns).all()
        told = pp.transcript(frame.id[0], store="warm.sqlite")
        started, used = time.perf_counter(), processor()
        if asked.measure == "bare":
            asyncio.run(bare(told["messages"], told["sent"]["tools"], url, asked))
        elif asked.measure == "inspect":
            by_inspect(told["messages"], told["sent"]["tools"], url, asked)
        else:
            pp.run(cell, model, asked.conversations, store="made.sqlite", concurrency=asked.concurrency, progress=False)
        calls = asked.conversations * asked.turns
        used, took = processor() - used, time.perf_counter() - started
    return used / calls * 1e3, calls / took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def bare(messages, schemas, url, asked):
    """The same calls by litellm alone."""
    import litellm

    cuts = [place for place, message in enumerate(messages) if message["role"] == "assistant"]
    todo = iter(range(asked.conversations))

    async def worker():
        for _ in todo:
            for cut in cuts:
                more = {"api_base": url, "api_key": "none", "temperature": 1.0, "max_retries": 0}
                await litellm.acompletion(model=asked.model, messages=messages[:cut], tools=schemas, **more)

    await asyncio.gather(*(worker() for _ in range(asked.concurrency)))


def by_inspect(messages, schemas, url, asked):
    """The same conversations by Inspect, whose tools say nothing; stored in its log."""
    from bench_against_inspect import MemoryDataset, Sample, Task, agent, eval, get_model, inspect_tools

    briefing = [message["content"] for message in messages[:2]]
    task = Task(
        dataset=MemoryDataset([Sample(input="\n".join(briefing), id=i + 1) for i in range(asked.conversations)]),
        solver=agent(inspect_tools(messages, schemas)),
    )
    model = get_model("openai-api/loopback/m", base_url=url, api_key="none")
    limits = {"max_samples": asked.concurrency, "max_connections": asked.concurrency}
    (log,) = eval(task, model=model, display="none", log_dir="logs", **limits)
    assert log.status == "success", log.error


def one_round(side, checkout, asked):
    with tempfile.TemporaryDirectory() as folder:
        options = [f"--{name}={getattr(asked, name)}" for name in ("conversations", "concurrency", "turns", "long", "model")]
        command = [sys.executable, __file__, "--measure", side, *options]
        env = os.environ | {"PYTHONPATH": os.pathsep.join([str(checkout), *filter(None, [os.environ.get("PYTHONPATH")])])}
        done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", type=Path, help="folder of another checkout, measured as well")
    parser.add_argument("--inspect", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    for name, default in (("conversations", 60), ("concurrency", 16), ("turns", 10), ("long", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--model", default="openai/m", help="of a provider that litellm asks itself: hosted_vllm/m")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        asyncio.run(serve(asked.turns, asked.long))
    if asked.measure:
        print(json.dumps(measure(asked)))
        sys.exit()
    here = Path(__file__).parents[2]
    sides = {"bare": here, "here": here} | ({"there": asked.against.resolve()} if asked.against else {})
    sides |= {"inspect": here} if asked.inspect else {}
    taken = {side: [] for side in sides}
    for turn in range(asked.rounds):
        for side in list(sides)[:: 1 if turn % 2 else -1]:
            taken[side].append(one_round(side, sides[side], asked))
    for side, rounds in taken.items():
        cost, rate, memory = (statistics.median(column) for column in zip(*rounds, strict=True))
        ratio = statistics.median(row[0] for row in taken["bare"]) / cost
        spread = f"{min(row[0] for row in rounds):.2f} to {max(row[0] for row in rounds):.2f}"
        shown = f"{cost:6.2f} ms of a processor a call ({spread}), {rate:5.0f} calls/s, {memory:5.0f} MB"
        print(f"{side:8}{shown}, {ratio:.1f} times bare")
