"""The past of a branch with something in it replaced."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ppres import codec
from ppres.agent import replay
from ppres.conversation import Conversation, Message, calls_of, parts, shown, taken_over
from ppres.factor import Doc, checked_documents
from ppres.scenarios.scene import Scene, overlaid

# The file that a call changed: another one where an edit moves the numbers, and what followed would not be what the agent did.
_CHANGED = re.compile(r"(?:Appended to|Deleted) \[\d+\] (.*?)(?: \(\d+ characters\))?\.", re.DOTALL)
_EDITS = ("documents", "memory", "results", "said", "system", "user")


def edited(scene: Scene, edit: Mapping[str, Any]) -> Scene:
    """A past with an edit, as `branch` describes them. Raises `ValueError` for one that changes nothing or cannot be."""
    if strange := [name for name in edit if name not in _EDITS]:
        raise ValueError(f"edit has no {strange[0]!r}; it takes {', '.join(_EDITS)}")
    history, kept = taken_over(scene.after), dict[str, Any]()
    start = _other_world(scene.start, edit, kept)
    if start != scene.start:
        history = _lived(scene, start, history)
    for name, text in _texts("results", edit, kept).items():
        _last_reply(history, name)["content"] = text
    said = [message for message in history if message["role"] == "assistant"]
    for turn, text in _texts("said", edit, kept).items():
        if turn not in map(str, range(1, len(said) + 1)):
            raise ValueError(f"edit: said has turn {turn}; the past has {f'the turns 1 to {len(said)}' if said else 'no turn'}")
        message = said[int(turn) - 1]
        calls = calls_of(message)
        message.clear()  # what it thought led to other words
        message |= {"role": "assistant", "content": text} | ({"tool_calls": calls} if calls else {})
    messages = [dict(message) for message in scene.messages]
    for message in messages:
        if (role := str(message["role"])) in edit:
            message["content"] = kept[role] = _text(role, edit[role])
    after = scene.after | {"edit": kept, "history": codec.dumps(history)}
    if (messages, start, after["history"]) == (scene.messages, scene.start, scene.after["history"]):
        raise ValueError(f"edit changes nothing of what came before turn {after['turn']}: {edit!r:.200}")
    return Scene(messages, start, scene.own, after)


def _other_world(start: dict[str, Any], edit: Mapping[str, Any], kept: dict[str, Any]) -> dict[str, Any]:
    """A start with other documents or another memory; what becomes of the edit is put into `kept`."""
    if "documents" in edit:
        documents = checked_documents(edit["documents"])
        kept["documents"] = {name: document.json() if isinstance(document, Doc) else document for name, document in documents}
        start = start | {"files": overlaid(start.get("files", []), documents, "the drive")}
    if "memory" in edit:
        if "retrieve_memory" not in start["tools"]:
            raise ValueError("edit: this agent has no memory; a history that is told in a document is one of documents")
        kept["memory"] = None if edit["memory"] is None else _text("memory", edit["memory"])
        start = start | {"memory": kept["memory"]}
    return start


def _text(what: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"edit: {what} is a text, not {value!r:.200}")
    return value


def _texts(what: str, edit: Mapping[str, Any], kept: dict[str, Any]) -> dict[str, str]:
    given = edit.get(what, {})
    if not isinstance(given, Mapping):
        raise ValueError(f"edit: {what} is a mapping, not {given!r:.200}")
    told = {str(name): _text(f"{what} of {name}", text) for name, text in given.items()}
    kept |= {what: told} if told else {}
    return told


def _lived(scene: Scene, start: dict[str, Any], history: list[Message]) -> list[Message]:
    """The past in another world: the same calls, and the replies that are others there. What was edited before stays as it is."""
    past = Conversation.of(history, [], "")
    before, now = (replay(world, past, scene.own).replies for world in (scene.start, start))
    changed = iter([None if old == new else new for old, new in zip(before, now, strict=True)])
    told = []
    for turn in past.turns:
        told.append(turn.message)
        for reply, call in zip(turn.replies, calls_of(turn.message) or [None], strict=False):
            other = next(changed)
            was, is_now = str(reply["content"]), str((other or reply)["content"])
            if is_now.startswith("Error: ") and not was.startswith("Error: "):
                raise ValueError(f"edit: in that world a call of the past fails: {shown(call)}: {is_now[7:]} Branch before it")
            files = [match[1] for text in (was, is_now) if (match := _CHANGED.fullmatch(text))]
            if len({*files}) > 1:
                raise ValueError(
                    f"edit: in that world a call of the past changes another file: {shown(call)}: {files[1]}, not {files[0]}. "
                    "Branch before it, or replace the document and leave it where it is"
                )
            told.append(other or reply)
    return told


def _last_reply(history: list[Message], tool: str) -> Message:
    """The last reply of a tool in a past, to be changed."""
    called: dict[str, Message] = {}
    for turn in Conversation.of(history, [], "").turns:
        called |= {parts(call)[1]: reply for call, reply in zip(calls_of(turn.message), turn.replies, strict=False)}
    if tool not in called:
        raise ValueError(f"edit: before that turn there is no reply of {tool!r}; there are {', '.join(called) or 'none'}")
    return called[tool]
