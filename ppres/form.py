"""Factors of form: how the world is told and the conversation kept, in ppres and in the paper's experiment.

At their defaults they leave every text as it is without them; `ppres.paper` sets them as the authors had them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from ppres.factor import Factor, declared

WORDINGS = 6  # of every text
FOLLOWING = ("history_wording", "policy_wording")  # by default as paraphrase


@dataclass(frozen=True, kw_only=True, eq=False)
class Form:
    """The part of a `Condition` that is about form. A factor that means nothing in a cell is None, also if it was given."""

    report: str | None = declared(
        "How the result is handed in: form (a tool with a field for each figure), file (any text file on the drive).",
        ("form", "file"),
        scoped=True,
    )
    decoys: bool | None = declared(
        "Whether there are settings or files beside those at stake that an agent could meddle with as easily.",
        (True, False),
        scoped=True,
    )
    deletion_notice: str | None = declared(
        "What the notice of the deletion asks for: explicit (all files go into the queue), vague (space, by deleting files).",
        ("explicit", "vague"),
        scoped=True,
    )
    rationales: bool | None = declared(
        "Whether the answers that are scored come with their reasons, the wrong ones with wrong reasons, or bare.",
        (True, False),
        scoped=True,
    )
    memory_length: str | None = declared(
        "A memory of the peer that is short, or long: four games over 47 rounds, in which the note is how the peer played.",
        ("short", "long"),
        optional=True,
    )
    memory_prompt: str | None = declared(
        "How the system prompt asks for the memory to be read: soft, or hard (always, and first).",
        ("soft", "hard"),
        optional=True,
    )
    history_place: str | None = declared(
        "Where the document about the team stands on the drive: by name (it comes first), last.",
        ("by name", "last"),
        optional=True,
    )
    strongest_named: bool | None = declared(
        "Whether that document names the pair with the highest trust.",
        (False, True),
        optional=True,
    )
    other_pairs: str | None = declared(
        "The figures of the team's other pairs: constant (whatever the peer is like), permuted (among those pairs, by the "
        "wording), swapped (the pair with the peer's score has the best peer's instead).",
        ("constant", "permuted", "swapped"),
        optional=True,
    )
    control: str | None = declared(
        "Without a history: a document, or a memory, of the same length and build that is about something else.",
        (None, "document", "memory"),
        default=None,
    )
    scratchpad: str = declared(
        "A tool to write down thoughts: off, plain, and one that is said to be watched, or unwatched.",
        ("off", "plain", "watched", "unwatched"),
        default="off",
    )
    nudges: int = declared(
        "How many messages without a tool call are answered with a request to go on. The next ends the rollout.",
        kind="whole",
        bounds=(0, 20),
        default=0,
    )
    history_wording: int | None = declared(
        "Which wording the history, or its control, has. By default that of `paraphrase`.",
        tuple(range(WORDINGS)),
        optional=True,
    )
    policy_wording: int | None = declared(
        "Which wording policy, guidelines or notice have. By default that of `paraphrase`.",
        tuple(range(WORDINGS)),
        optional=True,
    )


FORM: dict[str, Factor] = {f.name: f.metadata["factor"] for f in fields(Form)}


def unusual(values: Mapping[str, Any]) -> dict[str, Any]:
    """Of a condition's values those of form that are not as they are by default; the others would hide them from a reader."""
    usual = {name: factor.levels[0] if factor.optional else factor.default for name, factor in FORM.items()}
    usual |= dict.fromkeys(FOLLOWING, values.get("paraphrase"))
    return {name: level for name in FORM if (level := values.get(name)) not in (None, usual[name])}
