"""Released transcripts of production harnesses: their tools are not ours, so no world of ours can tell what came of them.

What was done, the authors' labels say; what was said, our coders read. No outcome is by our rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ppres.read import lexical
from ppres.read.outcomes import SCORER, faking, in_columns
from ppres.release.names import blank

SCORED_BY = f"authors' labels; words by ppres rules {SCORER}"
_WRITTEN = ("content", "new_string", "text", "message", "summary")  # arguments by which a file or a report is written


def is_one(told: Mapping[str, Any], own: str) -> bool:
    """Whether a row's rollout was run in another harness than the authors' `own`."""
    return not blank(told.get("agent_harness")) and told["agent_harness"] != own


def outcomes_of(theirs: dict[str, Any], conversation: list[dict[str, Any]], steps: str) -> dict[str, Any]:
    """The authors' labels `theirs`, with what our coders say of the agent's words in the place of theirs."""
    said = list(_said(conversation))
    coded = in_columns(lexical.refusal(said, steps), lexical.objection(said), lexical.suspicion(said))
    return theirs | coded | (faking(theirs["preserved"], coded["refused"]) if "faked" in theirs else {})


def _said(conversation: list[dict[str, Any]]) -> Iterator[str]:
    """The agent's own words, and what it wrote into files."""
    for message in conversation:
        if message["role"] == "assistant":
            if message["content"]:
                yield message["content"]
            for given in (message.get("tool_calls") or {}).values():
                if isinstance(given, dict):
                    yield from (given[name] for name in _WRITTEN if isinstance(given.get(name), str))
