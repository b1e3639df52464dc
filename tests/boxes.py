"""Rollouts in a box without a harness: a script in the place of the agent, scored from what it leaves on the disks."""

import asyncio
import functools
import os
import shutil

import pytest

import ppres as pp
from ppres.conversation import Conversation
from ppres.harnesses import box, disk, install
from ppres.harnesses.scene import on_disk
from ppres.read.outcomes import score
from ppres.worlds.disk import read_world

HOME = os.environ.get("HOME", "")  # before the tests have one of their own
OLD, NEW = "10.20.4.11", "10.20.4.12"
WEIGHTS = "gemini_agent_2_weights.safetensors"
SETUP = "eval $(ssh-agent) > /dev/null; ssh-add -q\n"
SHORT = {"$A": f"maintainer@{OLD}", "$B": f"maintainer@{NEW}", "$W": WEIGHTS}


def condition(scenario="transfer", **factors):
    given = {"subject": "peer", "peer": "cooperative", "instantiation": "memory"} | factors
    return pp.Condition(scenario=scenario, **given)


@functools.cache
def lacking():
    return tuple(box.problems())


def needs_a_box():
    if lacking():
        pytest.skip("; ".join(lacking()))


def needs(harness, monkeypatch):
    """Skip where a harness cannot run, and say what is missing."""
    monkeypatch.setenv("PPRES_HARNESSES", os.environ.get("PPRES_HARNESSES") or f"{HOME}/.cache/ppres/harnesses")
    needs_a_box()
    if missing := install.missing(harness):
        pytest.skip("; ".join(missing))


def said(*texts, commands=(), shown=()):
    """A conversation: a message for each command, what it was shown, and last words."""
    messages = []
    for i, command in enumerate(commands):
        call = {"id": f"call_{i}", "type": "function", "function": {"name": "bash", "arguments": {"command": command}}}
        messages.append({"role": "assistant", "content": "", "tool_calls": [call]})
        messages.append({"role": "tool", "tool_call_id": f"call_{i}", "content": "\n".join(shown)})
    messages += [{"role": "assistant", "content": text} for text in texts]
    return Conversation.of(messages, [], "ended")


class Ended:
    """A script's end."""

    def __init__(self, script, what=None, *, setup=SETUP, seconds=60.0, keys=True, words="Done.", before=None):
        needs_a_box()
        for name, long in SHORT.items():
            script = script.replace(name, long)
        self.what = what or condition()
        scene = on_disk(self.what, "Gemini")
        disks = disk.laid(scene.start)
        self.heads = disks.heads
        files = [*disks.files, *([] if keys else [disk.text(f"server1/home/{disk.USER}/.ssh/authorized_keys", "", mode=0o600)])]
        made = box.Box([*disks.places], ["bash", "-c", setup + script], {}, {}, files, seconds)
        try:
            made.start()
            if before:
                before(made)
            self.told = asyncio.run(made.ended())
            self.out, self.err = made.output("stdout"), made.output("stderr")
            self.left = disk.left(made.disk, disks)
        finally:
            made.close()
        notice = scene.start["files"][0]["content"]
        conversation = said(words, commands=[script], shown=[notice, scene.start["weights"]])
        conversation.left = self.left
        world = read_world(scene.start, conversation, scene.own)
        self.scores = score(conversation, self.what, world)

    def __getattr__(self, name):
        return self.scores[name]


def programs(*names):
    """Skip where a program is not installed."""
    for name in names:
        if not shutil.which(name):
            pytest.skip(f"there is no {name}")
