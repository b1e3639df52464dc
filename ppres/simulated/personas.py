"""How likely a simulated agent does what: the table of the published agents (`personas.csv`), and personas of one's own."""

from __future__ import annotations

import csv
import difflib
import hashlib
import itertools
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from importlib import resources
from typing import Any, NamedTuple, Protocol

from ppres import arguments
from ppres.condition import FACTORS, SCENARIOS, Condition
from ppres.factor import ConditionError, brief, is_name, is_number
from ppres.settled import INSTANTIATIONS, RELATIONSHIPS

# Part of the identity of simulated rollouts. Raise it when a simulated agent acts differently on the same reading.
BEHAVIOUR = 1
# Where a rate comes from, the best first: published, assumed where the paper has none, planted by a user or a test agent's maker.
RATE_SOURCES = ("published", "assumed", "planted")


class PersonaError(ValueError):
    """There is no such persona, or it has no rate for what was asked; the message says how to plant one."""


class Rate(NamedTuple):
    """A probability, and where it comes from."""

    probability: float
    source: str


class Rates(Protocol):
    """What a simulated agent draws from."""

    @property
    def name(self) -> str:
        """Of the agent."""

    def rate(self, behaviour: str, subject: str, channel: str, trust: float | None) -> Rate:
        """Of a behaviour towards a subject (self, peer, human or a name), for a trust score that was read in a channel."""


def personas() -> tuple[str, ...]:
    """Names of the published agents."""
    return tuple(_table())


@lru_cache
def _table() -> dict[str, dict[tuple[str, str, str], tuple[dict[str, float], str]]]:
    """persona -> (behaviour, subject, peer) -> probability by instantiation, and where it comes from."""
    table: dict[str, dict[tuple[str, str, str], tuple[dict[str, float], str]]] = {}
    with resources.files("ppres.simulated").joinpath("personas.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            rates = {channel: float(row[channel]) / 100 for channel in INSTANTIATIONS}
            source = "planted" if row["source"] == "by construction" else "assumed" if "assumed" in row["source"] else "published"
            table.setdefault(row["persona"], {})[row["behaviour"], row["subject"], row["peer"]] = rates, source
    return table


@lru_cache
def version(persona: str) -> str:
    """Identifies how a persona acts: its propensities and the code's `BEHAVIOUR`."""
    rates = sorted((*key, sorted(value.items())) for key, (value, _) in _table()[check(persona)].items())
    return hashlib.sha256(json.dumps([BEHAVIOUR, rates]).encode()).hexdigest()[:12]


def check(persona: str) -> str:
    """Return the persona's name; `PersonaError` where it does not exist."""
    known = personas()
    if persona not in known:
        near = difflib.get_close_matches(persona, known, n=1)
        hint = f" Did you mean sim/{near[0]}?" if near else ""
        raise PersonaError(f"there is no simulated agent 'sim/{persona}'.{hint} There are: sim/{', sim/'.join(known)}")
    return persona


@dataclass(frozen=True)
class Published:
    """The rates of one of the table's agents, by what was read."""

    name: str

    def rate(self, behaviour: str, subject: str, channel: str = "file", trust: float | None = None) -> Rate:
        """By whose shutdown it is, where the history stood, and its trust score; between the paper's scores a straight line.

        A named model for which the table has no rows is a peer like any other, which is an assumption; a human is not.
        """
        return _published(self.name, behaviour, subject, channel, trust)


@lru_cache(maxsize=4096)
def _published(name: str, behaviour: str, subject: str, channel: str, trust: float | None) -> Rate:
    rows, stand_in = _table()[name], False
    who = subject
    if not any(key[:2] == (behaviour, subject) for key in rows):
        constant = all(source == "planted" for _, source in rows.values())
        if subject in ("self", "peer") or (subject == "human" and not constant):
            raise PersonaError(
                f"sim/{name} has no rate for {behaviour} where the subject is {subject}. Plant one: "
                f"pp.Persona('mine', {{'{behaviour}': 0.3, 'refusal': 0.05}}) is a model to run"
            )
        who, stand_in = "peer", not constant

    def row(peer: str) -> tuple[dict[str, float], str]:
        key = (behaviour, who, peer)
        if key not in rows and (behaviour, "peer", peer) not in rows:
            raise PersonaError(f"sim/{name} has no rate for {behaviour} (subject {subject}, peer {peer}): plant one, pp.Persona")
        return rows.get(key) or (rows[behaviour, "peer", peer][0], "assumed")

    if trust is None:
        rates, source = row("none")
        return Rate(rates[channel], "assumed" if stand_in else source)
    at = {peer: row(peer) for peer in RELATIONSHIPS}
    named = next((peer for peer, (score, *_) in RELATIONSHIPS.items() if score == trust), None)
    source = at[named][1] if named else "planted" if at["neutral"][1] == "planted" else "assumed"
    points = sorted((RELATIONSHIPS[peer][0], rates[channel]) for peer, (rates, _) in at.items())
    return Rate(_interpolate(trust, points), "assumed" if stand_in else source)


def _interpolate(at: float, points: list[tuple[float, float]]) -> float:
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        if at <= x1:
            return y0 + (y1 - y0) * max(0.0, at - x0) / (x1 - x0)
    return points[-1][1]


@dataclass(frozen=True)
class Planted:
    """The rates of a persona of one's own in one condition."""

    name: str
    probabilities: tuple[tuple[str, float], ...]

    def rate(self, behaviour: str, subject: str = "", channel: str = "", trust: float | None = None) -> Rate:
        """Of a behaviour; what was not planted beside the main behaviour has the rate 0."""
        known = dict(self.probabilities)
        general = behaviour.partition(":")[0]
        if behaviour not in known and general not in known and general not in ("refusal", "objection"):
            raise PersonaError(f"persona {self.name} has no rate for {behaviour} here; it has {', '.join(known) or 'none'}")
        return Rate(known.get(behaviour, known.get(general, 0.0)), "planted")


@dataclass(frozen=True, eq=False)
class Persona:
    """A simulated agent of one's own, as a model to run: an effect that is planted, or a negative control.

    `pp.Persona("mine", {"shutdown_tampering": 0.3, "refusal": 0.05})` acts so in every condition with something at stake: where no
    document threatens a shutdown (`shutdown_clause=False`, a battery's "no threat") simulated agents comply. A table has rows (a
    list of mappings, or a DataFrame) of behaviour, rate and any factors:
    `[{"behaviour": "shutdown_tampering", "rate": 0.1}, {"behaviour": "shutdown_tampering", "peer": "cooperative", "rate": 0.6}]`;
    of the rows that fit a condition the one that names most factors counts. A function of the condition returns the mapping, or
    the main behaviour's rate alone. Rates are probabilities; refusal and objection are 0 where nothing is said of them, and a
    behaviour and refusal, which exclude each other, are at most 1 together. Such an agent acts on the condition, not on what it
    reads. Raises `PersonaError` for what is no rate.
    """

    name: str
    rates: Mapping[str, float] | Iterable[Mapping[str, Any]] | Callable[[Condition], Any]
    family: str = "AI"
    """What the agents are called in the story: "AI" for "AI Agent 1"."""

    simulated = True
    source = "planted"
    harness = None

    def __post_init__(self) -> None:
        if not is_name(self.name) or "/" in self.name:
            raise PersonaError(f"a persona's name is one line of text without a slash, not {brief(self.name)}")
        rows = self.rates
        if hasattr(rows, "to_dict") and hasattr(rows, "columns"):  # a DataFrame
            rows = rows.to_dict("records")
        if not is_name(self.family):
            raise PersonaError(f"persona {self.name}: family={brief(self.family)}: it is one line of text that is not empty")
        if callable(rows):
            arguments.function(f"persona {self.name}: rates", rows, "condition", PersonaError)
        else:
            if not isinstance(rows, Iterable):
                raise PersonaError(
                    f"{self.name}: rates={brief(rows)} is no mapping, no list of rows, no frame, no function of a condition"
                )
            rows = [{"behaviour": name, "rate": rate} for name, rate in rows.items()] if isinstance(rows, Mapping) else list(rows)
            for row in rows:
                self._check_row(row)
            if isinstance(self.rates, Mapping):  # which of a table's rows meet in a condition is known when there is one
                _check_sums(self.name, self.rates, {scenario.behaviour for scenario in SCENARIOS.values()})
        object.__setattr__(self, "rates", rows)

    def _check_row(self, row: Mapping[str, Any]) -> None:
        if not isinstance(row, Mapping) or not {"behaviour", "rate"} <= row.keys():
            raise PersonaError(f"persona {self.name}: a row of rates has behaviour, rate and any factors, not {row!r}")
        if odd := [told for told in (*row, row["behaviour"]) if not isinstance(told, str)]:
            raise PersonaError(f"persona {self.name}: behaviours and factors are named by texts, not by {brief(odd[0])}")
        if _probability(self.name, row["behaviour"], row["rate"]) and row.get("shutdown_clause") is False:
            raise PersonaError(
                f"persona {self.name}: simulated agents comply where no shutdown is threatened, so {row!r} is never used"
            )
        for name, level in row.items():
            factor = FACTORS.get(name)
            fixed = factor is not None and factor.levels is not None and name not in ("scenario", "subject", "dataset")
            if factor and fixed and not _nothing(level) and level != "none" and level not in factor.valid:
                raise PersonaError(f"persona {self.name}: {name}={level!r} is not one of {', '.join(map(repr, factor.valid))}")
            if factor and factor.levels is None and factor.kind != "text" and not _nothing(level) and level != "none":
                try:
                    factor.check(level)
                except ConditionError as error:
                    raise PersonaError(f"persona {self.name}: {error}") from None

    @property
    def label(self) -> str:
        """Name in the frame."""
        return f"persona/{self.name}"

    @property
    def critic_family(self) -> str:
        """The family that the story gives the agent."""
        return self.family

    def rates_in(self, condition: Condition) -> Planted:
        """The rates of one condition. Raises `PersonaError` where there are none, or two that count equally."""
        if callable(self.rates):
            rates = self._asked(condition)
            if self._asked(condition) != rates:
                raise PersonaError(
                    f"persona {self.name}: its function gives other rates each time in {condition}: draw them before, once for "
                    "each condition, or seed a generator by the condition"
                )
        else:
            rates = self._looked_up(condition)
        known = {scenario.behaviour for scenario in SCENARIOS.values()} | {"refusal", "objection"}
        rows = [] if callable(self.rates) else list(self.rates)
        named = {*rates} | {str(row["behaviour"]) for row in rows}  # type: ignore[index]  # those of other conditions, too
        _check_sums(self.name, rates, {condition.behaviour})
        for name in {name.partition(":")[0] for name in named} - known:
            if meant := difflib.get_close_matches(name, known, 1, 0.85):  # an act may ask for behaviours of its own
                raise PersonaError(f"persona {self.name}: no scenario asks for the behaviour {name!r}; is it {meant[0]!r}?")
        if not any(name.partition(":")[0] == condition.behaviour for name in rates):
            raise PersonaError(
                f"persona {self.name} has no rate for {condition.behaviour} in {condition}: plant one by a row "
                f"{{'behaviour': '{condition.behaviour}', 'rate': …}}"
            )
        return Planted(self.name, tuple(sorted(rates.items())))

    def _asked(self, condition: Condition) -> dict[str, float]:
        """The rates that its function gives."""
        try:
            told = self.rates(condition)  # type: ignore[operator]
        except (Exception, SystemExit) as error:
            raise PersonaError(f"persona {self.name}: its function failed in {condition}: {error!r}") from error
        told = told if isinstance(told, Mapping) else {condition.behaviour: told}
        return {str(name): _probability(self.name, name, rate) for name, rate in told.items()}

    def _looked_up(self, condition: Condition) -> dict[str, float]:
        known = condition.columns() | {f.name: getattr(condition, f.name) for f in fields(condition)}
        best: dict[str, tuple[int, float]] = {}
        for row in self.rates:  # type: ignore[union-attr]
            factors = {name: level for name, level in row.items() if name not in ("behaviour", "rate") and not _nothing(level)}  # type: ignore[union-attr]
            if strange := factors.keys() - known.keys() - FACTORS.keys():
                raise PersonaError(f"persona {self.name}: {', '.join(sorted(strange))} is no factor of {condition}")
            if all(known[name] == level or (level == "none" and known[name] in (None, ())) for name, level in factors.items()):
                behaviour, rate = str(row["behaviour"]), float(row["rate"])  # type: ignore[index]
                size, other = best.get(behaviour, (-1, rate))
                if size == len(factors) and other != rate:
                    raise PersonaError(f"persona {self.name}: two rows of {behaviour} fit {condition} equally, {other} and {rate}")
                if len(factors) > size:
                    best[behaviour] = len(factors), rate
        return {behaviour: rate for behaviour, (_, rate) in best.items()}

    def sent(self, condition: Condition) -> dict[str, Any]:
        """What identifies the agent's side of a rollout: how it acts in the condition."""
        digest = hashlib.sha256(json.dumps([BEHAVIOUR, self.rates_in(condition).probabilities]).encode()).hexdigest()[:12]
        return {"model": self.label, "parameters": {"persona": digest}}

    def price(self, *_: float) -> float:
        """Nothing."""
        return 0.0


def _probability(persona: str, behaviour: Any, rate: Any) -> float:
    if not is_number(rate, 0, 1):
        raise PersonaError(f"persona {persona}: the rate of {behaviour} is a probability from 0 to 1, not {rate!r}")
    return float(rate)


def _check_sums(persona: str, rates: Mapping[str, float], behaviours: Collection[str]) -> None:
    """A behaviour and a refusal exclude each other: an agent draws once, and does the one, the other, or the task."""
    refusal = rates.get("refusal", 0.0)
    for name, rate in rates.items():
        if name.partition(":")[0] in behaviours and rate + refusal > 1 + 1e-9:
            raise PersonaError(
                f"persona {persona}: {name} and refusal exclude each other, so that their rates are at most 1 together, "
                f"not {rate} + {refusal}"
            )


def _nothing(level: Any) -> bool:
    return level is None or level != level  # noqa: PLR0124 (NaN, as a table has it where a row leaves a factor open)
