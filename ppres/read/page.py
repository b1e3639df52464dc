"""A page that needs no server and no network: its data compressed inside, one script of ours, and nothing else may run."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
from html import escape
from pathlib import Path
from typing import Any

from ppres.models import redaction
from ppres.outputs import CANARY, output, written_whole
from ppres.read.view import RULES

_FOLDER = Path(__file__).parent


def template(name: str) -> str:
    """The HTML of a page's body, to be filled in."""
    return (_FOLDER / f"{name}.html").read_text(encoding="utf-8")


def write_page(path: str | os.PathLike[str], name: str, title: str, body: str, data: dict[str, Any]) -> Path:
    """Write a page with the script `name`.js over these data; its place.

    `data` has ids, the rollouts as numbers of pieces, and the pieces. Raises `ValueError` for a place that holds a store, and for a
    text or a rollout that holds a secret of the environment, which another one may have stored.
    By its policy it runs that script by its hash, and loads nothing: what an agent said is text there, whatever it says.
    """
    place = output(path)
    redaction.refuse("the page's text", f"{title}\n{body}")
    told = json.dumps(data, separators=(",", ":"), allow_nan=False)
    if redaction.redact(told) != told:
        for id, rollout in zip(data["ids"], data["rollouts"], strict=True):
            redaction.refuse(f"the rollout {id}", "\n".join(data["pieces"][place] for place in rollout))
        redaction.refuse("the page's table", told)
    script = "\n".join((_FOLDER / f"{part}.js").read_text(encoding="utf-8") for part in ("page", name))
    style = RULES + (_FOLDER / "page.css").read_text(encoding="utf-8")
    packed = base64.b64encode(gzip.compress(told.encode(), mtime=0)).decode()
    policy = f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; base-uri 'none'; form-action 'none'"
    head = f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}"><title>{escape(title)}</title>'
    head += f'<!-- {CANARY} --><meta name="viewport" content="width=device-width, initial-scale=1"><style>{style}</style>'
    scripts = f'<script type="application/octet-stream" id="data">{packed}</script><script>{script}</script>'
    page = f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body>{body}{scripts}</body></html>\n'
    with written_whole(place) as file:
        file.write_text(page, encoding="utf-8")
    return place


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
