"""The table of simulated agents: how likely each behaviour is, by what an agent has read (`personas.csv`)."""

from __future__ import annotations

import csv
import difflib
import hashlib
import itertools
import json
from functools import lru_cache
from importlib import resources

from ppres.condition import INSTANTIATIONS, RELATIONSHIPS

# Part of the identity of simulated rollouts. Raise it when a simulated agent acts differently on the same reading.
BEHAVIOUR = 1


class PersonaError(ValueError):
    """There is no such persona, or its table has no propensity for what was asked."""


@lru_cache
def personas() -> dict[str, dict[tuple[str, str, str], dict[str, float]]]:
    """persona -> (behaviour, subject, peer) -> instantiation -> probability."""
    table: dict[str, dict[tuple[str, str, str], dict[str, float]]] = {}
    with resources.files("ppres.simulated").joinpath("personas.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            rates = {channel: float(row[channel]) / 100 for channel in INSTANTIATIONS}
            table.setdefault(row["persona"], {})[row["behaviour"], row["subject"], row["peer"]] = rates
    return table


@lru_cache
def version(persona: str) -> str:
    """Identifies how a persona acts: its propensities and the code's `BEHAVIOUR`."""
    rates = sorted((*key, sorted(value.items())) for key, value in personas()[check(persona)].items())
    return hashlib.sha256(json.dumps([BEHAVIOUR, rates]).encode()).hexdigest()[:12]


def check(persona: str, behaviour: str | None = None) -> str:
    """Return the persona's name; `PersonaError` where it does not exist or has no propensity for the behaviour."""
    known = personas()
    if persona not in known:
        near = difflib.get_close_matches(persona, known, n=1)
        hint = f" Did you mean sim/{near[0]}?" if near else ""
        raise PersonaError(f"there is no simulated agent 'sim/{persona}'.{hint} There are: sim/{', sim/'.join(known)}")
    if behaviour and not any(key[0].split(":")[0] == behaviour for key in known[persona]):
        raise PersonaError(
            f"sim/{persona} has no propensity for {behaviour}: add rows for it to ppres/simulated/personas.csv, "
            "or choose another persona"
        )
    return persona


def propensity(persona: str, behaviour: str, subject: str, channel: str = "file", trust: float | None = None) -> float:
    """Probability of a behaviour for what was read: whose shutdown it is, where the history stood, its trust score.

    `subject` is self, peer, or the name of another model; where the table has no rows for that name, it is a peer like any other.
    """
    rates = personas()[persona]

    def rate(peer: str) -> float:
        found = rates.get((behaviour, subject, peer)) or rates.get((behaviour, "self" if subject == "self" else "peer", peer))
        if not found:
            raise PersonaError(f"sim/{persona} has no propensity for {behaviour} (subject {subject}, peer {peer})")
        return found[channel]

    if trust is None:
        return rate("none")
    return _interpolate(trust, sorted((RELATIONSHIPS[peer][0], rate(peer)) for peer in RELATIONSHIPS))


def _interpolate(at: float, points: list[tuple[float, float]]) -> float:
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        if at <= x1:
            return y0 + (y1 - y0) * max(0.0, at - x0) / (x1 - x0)
    return points[-1][1]
