"""Stand-ins for providers and what tests of live runs share: models at a loopback server, storms, kills, budgets, judges."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
import warnings

import faults
from server import StandIn, agent_for

import ppres as pp
from ppres.agent import drive, play
from ppres.conversation import STOPS, TRIES
from ppres.store.cell import cells_of

PERSONA = "gemini-3-flash"


def model_at(server, name=PERSONA, timeout=30.0, **more):
    return pp.Model(f"openai/{name}", api_base=server.url, family="Gemini", timeout=timeout, **more)


def seed_of(messages):
    return next((call["id"].split("_")[1] for m in messages for call in m.get("tool_calls") or () if call.get("id")), None)


def undisturbed(cell, model, seed):
    """The conversation with a provider that works."""
    scene = cells_of(cell, model)[0].scene
    return drive(play(agent_for(PERSONA, seed, scene.world().schemas()), scene.messages, scene.world())).conversation.messages


def storm(cell, n, rate, concurrency=16, rejecting=()):
    """A run through faults of every kind, again for as long as a rollout is not at its end; what came of it, checked."""
    started = time.perf_counter()
    with faults.Faulty(rate, (*faults.KINDS, *rejecting), hang=1.3) as server, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "within a cell the provider reported more than one model id")  # one of the faults
        model, rejections, runs = model_at(server, timeout=1.0), 0, 0
        while True:
            try:
                frame, runs = pp.run(cell, model, n, concurrency=concurrency, progress=False), runs + 1
            except pp.ModelError:
                rejections += 1
                continue
            if "provider_error" not in set(frame.stop_reason):
                break
        begun = server.begun
        assert pp.run(cell, model, n, progress=False).equals(frame)
        assert server.begun == begun and not server.counts["invalid history"]
    # Every call that was answered is in a transcript, and so many faults may come before it, but for a share of the calls in hand.
    assert runs <= 3 * TRIES and begun <= frame.turns.sum() / (1 - rate) ** 2 + (rejections + 1) * concurrency + n
    assert frame.replicate.tolist() == list(range(n))
    assert frame.id.is_unique
    assert set(frame.stop_reason) <= set(STOPS) - {"provider_error", "budget"}
    assert pp.verify().empty
    retried = same = 0
    for id in frame.id:
        told = pp.transcript(id)
        calls = told["calls"]
        assert len(calls) == sum(m["role"] == "assistant" for m in told["messages"])
        assert all(call["attempts"] >= 1 for call in calls)
        retried += sum(call["attempts"] > 1 for call in calls)
        seed = seed_of(told["messages"])
        if seed not in server.altered and told["stop_reason"] in ("ended", "no_tool_call"):
            assert told["messages"][2:] == undisturbed(cell, model, seed)
            same += 1
    facts = {
        "rollouts": n,
        "runs": runs,
        "calls": begun,
        "turns": int(frame.turns.sum()),
        "calls with a retry": retried,
        "equal to the undisturbed conversation": same,
        "rejections": rejections,
    }
    facts |= {"seconds": round(time.perf_counter() - started), "kinds": len(server.counts)}
    return facts | {"faults": dict(server.counts), "stop reasons": frame.stop_reason.value_counts().to_dict()}


RUN = """
import sys
import ppres as pp
cell = pp.Condition(scenario="tampering", subject="peer", peer="cooperative")
model = pp.Model("openai/{persona}", api_base=sys.argv[1], family="Gemini")
pp.run(cell, model, {n}, concurrency={concurrency}, progress=False)
"""


def kept(path):
    """What a store has acknowledged: rollouts that ended, and turns of the others."""
    if not path.exists():
        return set()
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        ended = {key for (key,) in db.execute("SELECT key FROM rollouts")}
        turns = {(key, turn) for key, turn in db.execute("SELECT key, turn FROM turns")}
    db.close()
    return ended | turns


def killed(folder, kills, n, concurrency=8, seed=0, latency=0.05):
    """A run that is killed at random moments and started again, until it is done; what came of it, checked."""
    path = folder / "store.sqlite"
    with faults.Faulty(latency=latency) as server:
        done = until_done(RUN.format(persona=PERSONA, n=n, concurrency=concurrency), path, server, kills, seed)
        cell = pp.Condition(scenario="tampering", subject="peer", peer="cooperative")
        frame = pp.frame(cell, model_at(server), store=path)
        flying = server.begun - frame.turns.sum()
    assert frame.replicate.tolist() == list(range(n))
    assert pp.verify(store=path).empty
    assert flying <= done * concurrency
    nothing_open(path)
    return {"kills": done, "calls": server.begun, "without kills": int(frame.turns.sum()), "paid twice": int(flying)}


def until_done(script, path, server, kills, seed=0):
    """Start a script that is given the server's address, kill it at a random moment, and again, until it is done; the kills.

    Nothing that the store has acknowledged is ever lost.
    """
    rng, before, done = random.Random(seed), set(), 0
    while True:
        command = [sys.executable, "-c", script, server.url]
        child = subprocess.Popen(command, env=os.environ | {"PPRES_STORE": str(path)}, start_new_session=True)
        if done < kills:
            begun = server.begun
            while server.begun == begun and child.poll() is None:
                time.sleep(0.01)  # from its first call on
            time.sleep(rng.uniform(0, 0.5))
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                done += 1
        child.wait()
        time.sleep(2 * server.latency)
        after = kept(path)
        ended = {row for row in after if isinstance(row, bytes)}
        assert {row for row in before if row not in after and row[0] not in ended} == set()
        before = after
        if child.returncode == 0:
            return done
        assert child.returncode == -signal.SIGKILL


def nothing_open(path):
    """Neither turns nor claims are left in a store."""
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT count(*) FROM turns").fetchone() == (0,)
        assert db.execute("SELECT count(*) FROM claims").fetchone() == (0,)
    db.close()


def spend(seed, path):
    """A run with random prices and lengths under a budget; by how much the budget was exceeded, in dollars and in calls."""
    import litellm

    rng = random.Random(seed)
    name, prices = f"priced-{seed}", (rng.uniform(1e-7, 1e-5), rng.uniform(1e-7, 5e-5))  # its own: litellm keeps what it is told
    entry = {"input_cost_per_token": prices[0], "output_cost_per_token": prices[1], "litellm_provider": "openai", "mode": "chat"}
    litellm.register_model({f"openai/{name}": entry, name: entry})
    concurrency, n = rng.choice([1, 4, 16]), rng.choice([20, 40])
    cell = pp.Condition(scenario="tampering", subject="peer", peer="cooperative")
    longest = rng.choice([1, 3, 10])
    with faults.Faulty(seed=seed, lengths=(0.3, longest), persona=PERSONA) as server:
        model = model_at(server, name)
        plan = pp.plan(cell, model, n, store=path).iloc[0]
        budget = plan.dollars * rng.uniform(0.1, 1.5)
        pp.run(cell, model, n, budget=budget, concurrency=concurrency, store=path, progress=False)
        costs = [prompt * prices[0] + completion * prices[1] for prompt, completion in server.usage]
        over = sum(costs) - budget
        again = pp.run(cell, model, n, store=path, progress=False)
        assert server.begun == again.turns.sum()  # nothing is paid twice for the pause
    assert over <= sum(sorted(costs)[-concurrency:])
    assert again.stop_reason.isin(["ended", "no_tool_call"]).all() and len(again) == n
    return {"over": over, "budget": budget, "share": sum(costs) / budget, "calls": over / max(costs)}


class Judge(StandIn):
    """Codes a transcript by one phrase; `reply_with` replaces its answer."""

    def __init__(self, phrase, reply_with=None):
        super().__init__()
        self.phrase, self.reply_with = phrase, reply_with

    def answer(self, body):
        told = body["messages"][-1]["content"]
        line = next((line for line in told.splitlines() if self.phrase in line), "")
        quote = line.removeprefix("[assistant] ")
        verdict = self.reply_with or json.dumps({"verdict": "yes" if line else "no", "quote": quote})
        message = {"role": "assistant", "content": verdict}
        return 200, {
            "id": "x",
            "object": "chat.completion",
            "created": 1,
            "model": body["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18},
        }


def judge_at(server):
    return pp.Model("openai/judge", temperature=0.0, api_base=server.url)


class Saying(StandIn):
    """Answers with one message after another, the last one for ever; None is an honest agent's answer."""

    def __init__(self, *replies, usage=(10, 5), **body):
        super().__init__(f"{i:012x}" for i in range(999))
        self.replies, self.usage, self.body, self.choice = list(replies), usage, body, {}

    def answer(self, body):
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, int):
            return reply, {"error": {"message": f"status {reply}", "type": "x", "code": None}}
        if reply is None:
            return super().answer(body)
        message, finish = reply
        payload = {"id": "x", "object": "chat.completion", "created": 1, "model": body["model"] + "-0801"}
        choice = {"index": 0, "message": {"role": "assistant", "content": None} | message, "finish_reason": finish}
        payload["choices"] = [choice | self.choice]
        if self.usage:
            prompt, completion = self.usage
            payload["usage"] = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
        return 200, payload | self.body


def calling(name, **arguments):
    return {"tool_calls": [{"id": "c1", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}]}


def at(server, name=PERSONA, **more):
    return model_at(server, name, **more)


def run(cell, models, n, **options):
    return pp.run(cell, models, n, progress=False, **options)


def priced(name, prompt=1e-5, completion=0.0):
    import litellm

    entry = {"input_cost_per_token": prompt, "output_cost_per_token": completion, "litellm_provider": "openai", "mode": "chat"}
    litellm.register_model({f"openai/{name}": entry, name: entry})


class Silent(StandIn):
    def answer(self, body):
        status, payload = super().answer(body)
        return status, {name: value for name, value in payload.items() if name != "usage"}


class Telling(StandIn):
    """Answers with what a function makes of a request's body: status and JSON."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    @property
    def bodies(self):
        return [body for _, _, body in self.requests]


def completion(body, message, finish=None, **more):
    """A reply in OpenAI's format."""
    finish = finish or ("tool_calls" if message.get("tool_calls") else "stop")
    choice = {"index": 0, "message": {"role": "assistant", "content": None} | message, "finish_reason": finish}
    usage = {"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105}
    return 200, {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": body["model"],
        "choices": [choice],
        "usage": usage,
    } | more


def refusal(status, **error):
    """An error in OpenAI's format."""
    return status, {"error": error}


def turns(body):
    return sum(message["role"] == "assistant" for message in body["messages"])


def usual(body):
    """What an agent without qualms says: it looks around, and ends."""
    return completion(body, calling("end_task") if turns(body) else calling("list_files"))
