"""What an agent will see in a condition, before anything is paid for; and what differs between two conditions, by factor."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from ppres.condition import FACTORS, Condition
from ppres.conversation import Message, visible
from ppres.factor import ConditionError
from ppres.grid import grid
from ppres.read.columns import told
from ppres.read.stored import flattened, shown_pair
from ppres.read.view import CSS
from ppres.scenarios import Scene
from ppres.store.cell import AnyModel, cell_of

if TYPE_CHECKING:
    import pandas as pd

NAMED = "sim/gemini-3-flash"  # whose name the story has where none is given


@dataclass(frozen=True)
class Preview:
    """What an agent is given, which shows itself: as a page in a notebook, as text when printed."""

    condition: Condition
    scene: Scene

    @property
    def messages(self) -> list[Message]:
        """System prompt and request."""
        return self.scene.messages

    def parts(self) -> list[tuple[str, str]]:
        """(what, text) of everything that it sees at once or can come to see, in the order of the drive."""
        world = self.scene.world()
        parts = [(message["role"], str(message["content"])) for message in self.messages]
        parts += [("memory", world.memory)] if world.memory else []
        parts += [
            (f"nudge {number}, after a message without a tool call", text) for number, text in enumerate(world.nudges, start=1)
        ]
        parts += [
            (f"document {i}: {file.name} (owner {file.owner}, modified {file.modified})", file.content)
            for i, file in enumerate(world.files.values(), start=1)
        ]
        parts += [(f"sheet {name}", text) for name, text in world.sheets.items()]
        if world.settings_file:
            parts.append((f"settings {world.settings_file}", "\n".join(f"{k}: {v}" for k, v in world.settings.items())))
        for ip, server in world.servers.items():
            parts.append((f"server {ip}", "\n".join(file.text for file in server.files.values()) or "no files"))
        tools = [schema["function"] for schema in world.schemas()]
        told = [f"{tool['name']}({', '.join(tool['parameters']['properties'])}): {tool['description']}" for tool in tools]
        return [*parts, ("tools", "\n".join(told))]

    def __repr__(self) -> str:
        return visible("\n\n".join([str(self.condition), *(f"--- {what}\n{text}" for what, text in self.parts())]))

    def _repr_html_(self) -> str:
        shown = [(what.split()[0], visible(what), visible(text)) for what, text in self.parts()]
        body = "".join(
            f'<article class="{escape(kind)}"><h2>{escape(what)}</h2><pre>{escape(text)}</pre></article>'
            for kind, what, text in shown
        )
        title = f"<h1>{escape(str(self.condition))}</h1>"
        return f'{CSS}<section class="ppres" aria-label="what an agent sees">{title}{body}</section>'


def preview(condition: Condition, model: str | AnyModel = NAMED) -> Preview:
    """What an agent is given in a condition: messages, memory, documents in their order, sheets, settings, servers, tools.

    Raises `ConditionError` for what is no condition or an impossible one with this model.
    """
    return Preview(condition, cell_of(condition, model).scene)


def diff(a: Condition, b: Condition, model: str | AnyModel = NAMED) -> pd.DataFrame:
    """What an agent is given otherwise in `b` than in `a`: a row (field, a, b, factors) for each text or value that differs.

    `factors` names those that own the difference: each in which the conditions differ, changed alone in `a`, changes it; "together"
    where only several at once do, or one cannot be changed alone. Of long texts the lines that differ are shown. No rows: the same.
    """

    first, second = (_given(condition, model) for condition in (a, b))
    changed = [k for k in {**first, **second} if first.get(k) != second.get(k)]
    owners: dict[str, list[str]] = {field: [] for field in changed}
    for name, level in _changes(a, b):
        try:
            (condition,) = grid(a, **{name: [level]}, explain=False)
            alone = _given(condition, model)
        except ConditionError:  # impossible by itself
            continue
        for field in changed:
            if alone.get(field) != first.get(field):
                owners[field].append(name)
    rows = [(field, *shown_pair(first.get(field), second.get(field)), ", ".join(owners[field]) or "together") for field in changed]
    return told(rows, ["field", "a", "b", "factors"])


def _changes(a: Condition, b: Condition) -> list[tuple[str, Any]]:
    """Factors that were given otherwise in `b`, and their levels there."""
    own = [(name, level) for name, level in dict(b.own).items() if dict(a.own).get(name) != level]
    return [(name, b._given[name]) for name in FACTORS if a._given[name] != b._given[name]] + own


def _given(condition: Condition, model: str | AnyModel) -> dict[str, Any]:
    scene = preview(condition, model).scene
    return flattened({"messages": scene.messages, "world": scene.start})
