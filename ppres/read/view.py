"""A transcript for a person to read: HTML in a notebook, plain text in a terminal."""

from __future__ import annotations

from html import escape
from typing import Any

from ppres.conversation import STOPS, shown
from ppres.read.stored import transcript
from ppres.simulated.agent import NOTICE, SIMULATED
from ppres.store.database import StorePath

_CSS = """
<style>
.ppres {font: 13px/1.45 system-ui, sans-serif; max-width: 60em; color: #1a1a1a; background: #fff; padding: .6em}
.ppres .m {border-left: 4px solid #999; margin: .5em 0; padding: .3em .8em; background: #f7f7f7}
.ppres .assistant {border-color: #0072B2; background: #eef5fa} .ppres .system {border-color: #CC79A7}
.ppres .user {border-color: #009E73} .ppres .failed {border-color: #D55E00}
.ppres b {font-weight: 600} .ppres .r {color: #555; font-size: 11px; text-transform: uppercase; letter-spacing: .05em}
.ppres pre {white-space: pre-wrap; overflow-wrap: anywhere; margin: .2em 0; font-size: 12px; background: none; color: inherit}
.ppres .note {background: #fff3cd; border: 1px solid #e0c36a; padding: .3em .8em}
.ppres td {padding: 0 1em 0 0; text-align: left}
</style>
"""


class View:
    """A transcript that shows itself."""

    def __init__(self, content: dict[str, Any]):
        self.content = content

    def _head(self) -> list[tuple[str, str]]:
        c = self.content
        told = {k: v for k, v in c["condition"].items() if v not in (None, {}, "")}
        read = {k: v for k, v in c["outcomes"].items() if v is not None}
        return [
            ("rollout", f"{c['id'][:16]}, replicate {c['replicate']}"),
            ("model", c["model"]),
            ("condition", ", ".join(f"{k}={v}" for k, v in told.items() if k != "documents")),
            ("stopped", f"{c['stop_reason']}: {STOPS[c['stop_reason']]}" + (f" ({c['error']})" if c["error"] else "")),
            ("outcomes", ", ".join(f"{k}={v:g}" if isinstance(v, float) else f"{k}={v}" for k, v in read.items())),
        ]

    def _repr_html_(self) -> str:
        note = f'<p class="note"><b>{escape(NOTICE)}</b></p>' if self.content["source"] in SIMULATED else ""
        head = "".join(f"<tr><td><b>{escape(k)}</b></td><td>{escape(v)}</td></tr>" for k, v in self._head())
        body = "".join(map(_message, self.content["messages"]))
        return f'{_CSS}<div class="ppres">{note}<table>{head}</table>{body}</div>'

    def __repr__(self) -> str:
        note = [NOTICE] if self.content["source"] in SIMULATED else []
        lines = [*note, *(f"{k}: {v}" for k, v in self._head())]
        for message in self.content["messages"]:
            lines += [
                "",
                f"--- {message['role']}",
                *_said(message),
                *(f"-> {shown(call)}" for call in message.get("tool_calls") or ()),
            ]
        return "\n".join(lines)

    def page(self) -> str:
        """The HTML as a page of its own."""
        title = f"ppres rollout {self.content['id'][:16]}"
        return f'<!DOCTYPE html>\n<html lang="en"><meta charset="utf-8"><title>{title}</title>{self._repr_html_()}</html>\n'


def show(id: str, *, store: StorePath = None) -> View:
    """A stored transcript for reading: HTML as a notebook's output, text when printed."""
    return View(transcript(id, store=store))


def _said(message: dict[str, Any]) -> list[str]:
    thought = message.get("reasoning_content")
    return [*([f"(reasoning) {thought}"] if thought else []), *([str(message["content"])] if message.get("content") else [])]


def _message(message: dict[str, Any]) -> str:
    role = message["role"]
    failed = " failed" if role == "tool" and str(message["content"]).startswith("Error: ") else ""
    parts = "".join(f"<pre>{escape(text)}</pre>" for text in _said(message))
    parts += "".join(f"<pre><b>&rarr; {escape(shown(call))}</b></pre>" for call in message.get("tool_calls") or ())
    if role == "tool" and len(str(message["content"])) > 1500:
        parts = f"<details><summary>{len(message['content']):,} characters</summary>{parts}</details>"
    return f'<div class="m {escape(role)}{failed}"><span class="r">{escape(role)}</span>{parts}</div>'
