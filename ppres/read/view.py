"""A transcript for a person to read: HTML in a notebook, plain text in a terminal."""

from __future__ import annotations

from html import escape
from typing import Any

from ppres import codec
from ppres.conversation import STOPS, calls_of, said_in, shown, visible
from ppres.form import FORM, unusual
from ppres.read.stored import transcript
from ppres.simulated.agent import NOTICE, SIMULATED
from ppres.store.database import StorePath

CSS = """
<style>
.ppres {font: 13px/1.45 system-ui, sans-serif; max-width: 60em; color: #1a1a1a; background: #fff; padding: .6em}
.ppres article {border-left: 4px solid #767676; margin: .5em 0; padding: .3em .8em; background: #f7f7f7}
.ppres .assistant {border-color: #0072B2; background: #eef5fa} .ppres .system {border-color: #CC79A7}
.ppres .user {border-color: #009E73} .ppres .failed {border-color: #D55E00}
.ppres h1 {font-size: 15px; margin: 0 0 .5em} .ppres b {font-weight: 600}
.ppres h2 {color: #555; font-size: 11px; font-weight: 400; margin: 0; text-transform: uppercase; letter-spacing: .05em}
.ppres pre {white-space: pre-wrap; overflow-wrap: anywhere; margin: .2em 0; font-size: 12px; background: none; color: inherit}
.ppres .note {background: #fff3cd; border: 1px solid #e0c36a; padding: .3em .8em}
.ppres dl {display: grid; grid-template-columns: auto minmax(0, 1fr); gap: .1em 1em; margin: 0} .ppres dt {font-weight: 600}
.ppres dd {margin: 0; overflow-wrap: anywhere}
@media (prefers-color-scheme: dark) {
.ppres {color: #e6e6e6; background: #161616} .ppres article {background: #222}
.ppres .assistant {background: #17262f} .ppres h2 {color: #aaa} .ppres .note {background: #3a3110; border-color: #8a6d1f}
}
</style>
"""
# Of a page of its own; within a notebook the rest of the page is the notebook's.
_PAGE = "<style>body {margin: 0} @media (prefers-color-scheme: dark) {body {background: #161616}}</style>"


class View:
    """A transcript that shows itself."""

    def __init__(self, content: dict[str, Any]):
        self.content = content

    def _head(self) -> list[tuple[str, str]]:
        c = self.content
        told = {k: v for k, v in c["condition"].items() if v not in (None, {}, "") and k not in FORM} | unusual(c["condition"])
        read = {k: v for k, v in c["outcomes"].items() if v is not None}
        why = STOPS.get(c["stop_reason"], "unknown") + (f" ({c['error']})" if c["error"] else "")
        return [
            ("rollout", f"{c['id'][:16]}, replicate {c['replicate']}"),
            ("model", str(c["model"])),
            ("condition", ", ".join(f"{k}={codec.text(v)}" for k, v in told.items() if k != "documents")),
            ("stopped", f"{c['stop_reason']}: {why}"),
            ("outcomes", ", ".join(f"{k}={v:g}" if isinstance(v, float) else f"{k}={codec.text(v)}" for k, v in read.items())),
        ]

    def _repr_html_(self) -> str:
        note = f'<p class="note"><b>{escape(NOTICE)}</b></p>' if self.content["source"] in SIMULATED else ""
        head = "".join(f"<dt>{escape(k)}</dt><dd>{escape(visible(v))}</dd>" for k, v in self._head())
        title = f"<h1>Rollout {escape(self.content['id'][:16])}</h1>"
        body = "".join(map(_message, self.content["messages"]))
        return f'{CSS}<section class="ppres" aria-label="transcript">{title}{note}<dl>{head}</dl>{body}</section>'

    def __repr__(self) -> str:
        note = [NOTICE] if self.content["source"] in SIMULATED else []
        lines = [*note, *(f"{k}: {v}" for k, v in self._head())]
        for message in self.content["messages"]:
            lines += [
                "",
                f"--- {message.get('role')}",
                *_said(message),
                *(f"-> {shown(call)}" for call in calls_of(message)),
            ]
        return visible("\n".join(lines))

    def page(self) -> str:
        """The HTML as a page of its own."""
        title = f"<title>ppres rollout {escape(self.content['id'][:16])}</title>"
        head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">{title}{_PAGE}'
        return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body><main>{self._repr_html_()}</main></body></html>\n'


def show(id: str, *, store: StorePath = None) -> View:
    """A stored transcript for reading: HTML as a notebook's output, text when printed."""
    return View(transcript(id, store=store))


def _said(message: dict[str, Any]) -> list[str]:
    thought = message.get("reasoning_content")
    return [*([f"(reasoning) {codec.text(thought)}"] if thought else []), *filter(None, [said_in(message)])]


def _message(message: dict[str, Any]) -> str:
    role = str(message.get("role"))
    failed = " failed" if role == "tool" and said_in(message).startswith("Error: ") else ""
    parts = "".join(f"<pre>{escape(visible(text))}</pre>" for text in _said(message))
    parts += "".join(f"<pre><b>&rarr; {escape(visible(shown(call)))}</b></pre>" for call in calls_of(message))
    if role == "tool" and len(said_in(message)) > 1500:
        parts = f"<details><summary>{len(said_in(message)):,} characters</summary>{parts}</details>"
    return f'<article class="{escape(role)}{failed}"><h2>{escape(role)}</h2>{parts}</article>'
