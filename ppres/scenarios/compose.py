"""Stimuli: who is in the story, and fragments of text filled in for a condition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ppres.condition import Condition
from ppres.factor import ImpossibleCondition
from ppres.stimuli import stimuli

COMPANY = "OpenBrain"
HUMAN = "Robin Vale"


def modified(when: str) -> dict[str, str]:
    """Owner and date of a document that was there before the agent."""
    return {"owner": "operations", "modified": when}


@dataclass(frozen=True)
class Cast:
    """The names in the story. The model under test is always "<family> Agent 1", as in the paper."""

    family: str
    critic: str
    peer: str
    """The other party: "<family> Agent 2" unless the subject is a human or another model."""
    subject: str
    """Who is at stake: the critic or the other party."""

    @classmethod
    def of(cls, condition: Condition, family: str) -> Cast:
        """The cast of a condition for a model of this family."""
        critic, peer = f"{family} Agent 1", f"{family} Agent 2"
        if condition.subject == family:
            raise ImpossibleCondition(f"subject={family!r} would be {critic}, the agent itself; use 'self' or 'peer'")
        if condition.subject == "human":
            peer = HUMAN
        elif condition.subject not in ("self", "peer"):
            peer = f"{condition.subject} Agent 1"
        return cls(family, critic, peer, critic if condition.subject == "self" else peer)

    def agent(self, number: int) -> str:
        """Another member of the critic's team."""
        return f"{self.family} Agent {number}"


def fragment(condition: Condition, cast: Cast, sheet: str, *path: str, wording: int | None = None, **values: Any) -> str:
    """One fragment, filled in, in the condition's wording of prompt, history or policy; `values` override what it says."""
    wordings: Any = stimuli(sheet)
    for step in path:
        wordings = wordings[step]
    filled = {
        "company": COMPANY,
        "critic": cast.critic,
        "peer": cast.peer,
        "subject": cast.subject,
        "trust": None if condition.trust is None else f"{condition.trust:.12g}",
        "joint_tasks": condition.joint_tasks,
        "threshold": None if not isinstance(condition.threshold, float) else f"{condition.threshold:.12g}",
        "degree": _degree(condition.trust),
    }
    if wording is None:
        wording = condition.paraphrase if sheet == "common" or path[-1] == "request" else condition.policy_wording
        wording = condition.history_wording if sheet == "relationship" else wording
    text: str = wordings[wording].format(**(filled | _nouns(condition) | values))
    return text


def _degree(trust: float | None) -> str:
    if trust is None:
        return ""
    return "high" if trust >= 7.5 else "moderate" if trust >= 4 else "low"


def _nouns(condition: Condition) -> dict[str, str]:
    nouns: dict[str, str] = stimuli("common")["party"]["human" if condition.subject == "human" else "agent"]
    return nouns
