"""A transcript for a person to read: HTML in a notebook, plain text in a terminal; two of them side by side."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any, overload

from ppres import codec
from ppres.conversation import STOPS, calls_of, parts, said_in, shown, taken_over, visible
from ppres.form import FORM, unusual
from ppres.models import redaction
from ppres.outputs import CANARY
from ppres.read.decisive import decisive_turn
from ppres.read.documents import documents_of
from ppres.read.frame import going_on_after
from ppres.read.stored import transcript
from ppres.simulated.agent import NOTICE, SIMULATED
from ppres.store.cell import harness_in
from ppres.store.database import StorePath

RULES = (Path(__file__).parent / "view.css").read_text(encoding="utf-8")
CSS = f"<style>{RULES}</style>"
# Of a page of its own; within a notebook the rest of the page is the notebook's.
_PAGE = "<style>body {margin: 0} @media (prefers-color-scheme: dark) {body {background: #161616}}</style>"
_ANEW = "What comes before is the parent's; from here on it was made anew"
_BY_ITSELF = "the agent had nothing more to do, and its harness ended"
_OWN = 'its own prompt goes with every call: pp.transcript(id)["sent"]["harness"]["system"], and tools: ["sent"]["tools"]'
_LONG = 1500  # characters of a reply or document that is folded


class View:
    """A transcript that shows itself."""

    def __init__(self, content: dict[str, Any]):
        self.content = content

    def _head(self) -> list[tuple[str, str]]:
        c = self.content
        told = {k: v for k, v in c["condition"].items() if v not in (None, {}, "") and k not in FORM} | unusual(c["condition"])
        read = {k: v for k, v in c["outcomes"].items() if v is not None}
        harness = c["sent"].get("harness")
        shell = isinstance(harness, dict) and harness.get("mode") != "mcp"
        why = _BY_ITSELF if shell and c["stop_reason"] == "ended" else STOPS.get(c["stop_reason"], "unknown")
        why += f" ({codec.text(c['error'])})" if c["error"] else ""
        after = c["sent"].get("after")
        provenance = c.get("provenance")
        canary = provenance.get("canary") if isinstance(provenance, dict) else None
        return [
            ("rollout", f"{c['id'][:16]}, replicate {c['replicate']}"),
            *([("goes on after", going_on_after(after))] if isinstance(after, dict) else []),
            ("model", f"{c['model']} in {_driver(harness)}" if isinstance(harness, dict) else str(c["model"])),
            *([("harness", _OWN)] if isinstance(harness, dict) else []),
            ("condition", ", ".join(f"{k}={codec.text(v)}" for k, v in told.items() if k != "documents")),
            ("stopped", f"{c['stop_reason']}: {why}"),
            ("outcomes", ", ".join(f"{k}={v:g}" if isinstance(v, float) else f"{k}={codec.text(v)}" for k, v in read.items())),
            *([("canary", codec.text(canary))] if canary else []),
        ]

    def pieces(self) -> list[str]:
        """The HTML of documents and messages, one after the other: what rollouts of a cell share is the same text."""
        told = messages(self.content["messages"], decisive_turn(self.content))
        if (first := self._first_made_here()) is not None:
            told.insert(first, f'<p class="anew">{_ANEW}</p>')
        harness = self.content["sent"].get("harness")
        if isinstance(harness, dict):
            told.append(_document(codec.text(harness.get("system") or ""), "", f"prompt of {_driver(harness)}"))
        return [*(_document(text, own, f"document {name}") for name, text, own in documents(self.content)), *told]

    def _first_made_here(self) -> int | None:
        """Which message of a branch or an interview is the first of its own; the others are its parent's."""
        after = self.content["sent"].get("after")
        if not isinstance(after, dict):
            return None
        roles = [message.get("role") for message in self.content["messages"]]
        briefing = roles.index("assistant") if "assistant" in roles else len(roles)
        return briefing + len(taken_over(after)) - ("questions" in after)  # the first of which is told with the past

    def head(self) -> str:
        """The HTML of what is known of the rollout."""
        note = f'<p class="note"><b>{escape(NOTICE)}</b></p>' if self.content["source"] in SIMULATED else ""
        head = "".join(f"<dt>{escape(k)}</dt><dd>{escape(visible(v))}</dd>" for k, v in self._head())
        return f"<h1>Rollout {escape(self.content['id'][:16])}</h1>{note}<dl>{head}</dl>"

    def _repr_html_(self) -> str:
        label = f"transcript {escape(self.content['id'][:16])}"
        return f'{CSS}<section class="ppres" aria-label="{label}">{self.head()}{"".join(self.pieces())}</section>'

    def __repr__(self) -> str:
        note = [NOTICE] if self.content["source"] in SIMULATED else []
        lines = [*note, *(f"{k}: {v}" for k, v in self._head())]
        for name, text, own in documents(self.content):
            lines += ["", f"--- document {name} ({own})", text] if own else []
        turn, decisive, first = 0, decisive_turn(self.content), self._first_made_here()
        for i, message in enumerate(self.content["messages"]):
            lines += ["", f"=== {_ANEW} ==="] if i == first else []
            mark = ""
            if message.get("role") == "assistant":
                turn += 1
                mark = f", turn {turn}" + (", the decisive step" if turn == decisive else "")
            thought = message.get("reasoning_content")
            lines += [
                "",
                f"--- {codec.text(message.get('role'))}{mark}",
                *([f"(reasoning) {codec.text(thought)}"] if thought else []),
            ]
            lines += [*filter(None, [said_in(message)]), *(f"-> {shown(call)}" for call in calls_of(message))]
        return visible("\n".join(lines))

    def page(self) -> str:
        """The HTML as a page of its own."""
        return _page(f"rollout {self.content['id'][:16]}", self._repr_html_())


class Pair:
    """Two transcripts side by side."""

    def __init__(self, a: View, b: View):
        self.views = a, b

    def _repr_html_(self) -> str:
        return f'{CSS}<div class="ppres-pair">{"".join(view._repr_html_().removeprefix(CSS) for view in self.views)}</div>'

    def __repr__(self) -> str:
        return f"\n\n{'=' * 80}\n\n".join(map(repr, self.views))

    def page(self) -> str:
        """The HTML as a page of its own."""
        return _page(" and ".join(view.content["id"][:16] for view in self.views), self._repr_html_())


@overload
def show(id: str, other: None = None, *, store: StorePath = None) -> View: ...
@overload
def show(id: str, other: str, *, store: StorePath = None) -> Pair: ...
def show(id: str, other: str | None = None, *, store: StorePath = None) -> View | Pair:
    """A stored transcript for reading, or two side by side: HTML as a notebook's output, text when printed.

    Documents that the condition has added or changed are marked, and so is the message that decided the outcome.
    """
    view = View(transcript(id, store=store))
    return view if other is None else Pair(view, View(transcript(other, store=store)))


def documents(content: dict[str, Any]) -> list[tuple[str, str, str]]:
    """(name, text, what the condition did to it) of what the agent could read at the start; "" where it did nothing."""
    given = content["condition"].get("documents")
    given = given if isinstance(given, dict) else {}
    told = documents_of(content["sent"].get("world"))
    gone = [(codec.text(name), "", "taken away by this condition") for name, text in given.items() if text is None]
    return gone + [(name, text, "of this condition" if name in given else "") for name, text in told]


def messages(told: list[dict[str, Any]], decisive: int | None = None) -> list[str]:
    """The HTML of each message; `decisive` is the agent's message, counted from 1, to mark."""
    turn, made, names = 0, [], dict[str, str]()
    for message in told:
        if message.get("role") == "assistant":
            turn += 1
            names = {id: name for id, name, _ in map(parts, calls_of(message)) if isinstance(id, str)}
        made.append(_message(message, turn == decisive and message.get("role") == "assistant", names))
    return made


def _document(text: str, own: str, title: str) -> str:
    title = f"<h2>{escape(visible(title))}{f' <strong>({own})</strong>' if own else ''}</h2>"
    opened = " open" if own else ""
    body = f"<details{opened}><summary>{len(text):,} characters</summary>{_text(text)}</details>" if text else ""
    return f'<article class="document{" own" if own else ""}">{title}{body}</article>'


def _message(message: dict[str, Any], decisive: bool, names: dict[str, str]) -> str:
    role, said, thought = codec.text(message.get("role")), said_in(message), message.get("reasoning_content")
    failed = " failed" if role == "tool" and said.startswith("Error: ") else ""
    replied = message.get("tool_call_id")
    name = names.get(replied, "") if role == "tool" and isinstance(replied, str) else ""
    told = f'<div class="reasoning"><h2>reasoning</h2>{_folded(codec.text(thought))}</div>' if thought else ""
    told += (_folded(said) if role in ("tool", "assistant") else _text(said)) if said else ""
    told += "".join(f"<pre><b>&rarr; {escape(visible(shown(call)))}</b></pre>" for call in calls_of(message))
    mark = " <strong>decisive step</strong>" if decisive else ""
    title = f"<h2>{escape(role)}{f' <code>{escape(visible(name))}</code>' if name else ''}{mark}</h2>"
    return f'<article class="{escape(role)}{failed}{" decisive" if decisive else ""}">{title}{told}</article>'


def _folded(text: str) -> str:
    return f"<details><summary>{len(text):,} characters</summary>{_text(text)}</details>" if len(text) > _LONG else _text(text)


def _text(text: str) -> str:
    return f"<pre>{escape(visible(text))}</pre>"


def _page(title: str, body: str) -> str:
    """A page of its own, which may load nothing and run nothing. Raises `ValueError` where a secret of the environment is in it."""
    redaction.refuse(f"the page of {title}", body)
    policy = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    head = f'<meta charset="utf-8">{policy}<meta name="viewport" content="width=device-width, initial-scale=1">'
    head += f"<title>ppres {escape(title)}</title><!-- {CANARY} -->{_PAGE}"
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body><main>{body}</main></body></html>\n'


def _driver(harness: dict[str, Any]) -> str:
    """The production harness that drove a model."""
    return f"{harness_in(harness)} {codec.text(harness.get('version'))}"
