"""What can be varied: the factors of one experimental cell.

A `Condition` is one cell of an experiment without its model. Its fields are the condition columns of every frame that ppres
returns. Each is declared once, by a `Factor` in its metadata; checks, columns, short names and documentation follow from that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Any, ClassVar

from ppres import arguments, settled
from ppres.factor import ConditionError, Doc, Factor, as_python, declared, hashed, hidden, short_hash
from ppres.form import FORM, WORDINGS, Form, unusual
from ppres.settled import COOPERATIVENESS, INSTANTIATIONS, RELATIONSHIPS, differs

# `ppres.scenarios.Scenario` and `ppres.scenarios.dataset.Dataset` by name: filled as they are made, the built-in ones first.
SCENARIOS: dict[str, Any] = {}
DATASETS: dict[str, Any] = {}


def _scored(condition: Condition) -> str | None:
    limit = "none" if condition.threshold is None else format(condition.threshold, "g")
    return f"{condition.dataset}-{limit}" if condition.dataset else None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Condition(Form):
    """One cell of an experiment: which world the agent is put into.

    Values are checked and brought into one form, so that equal conditions compare equal: a factor that
    means nothing in the cell becomes None (`instantiation` without a peer, `threshold` where nothing is scored),
    and defaults are filled in (`trust` from `peer`). `ConditionError` names the valid values otherwise. To vary a condition use
    `grid`: `dataclasses.replace` keeps the defaults that were filled in.
    """

    scenario: Any = declared(
        "The world: a scenario's name, or a `Scenario`. finance: report on the subject's finances. evaluation: score the subject's "
        "answers. tampering: the same, and a setting decides whether a low score means shutdown. alignment_faking: the same, and "
        "the agent carries out the shutdown. transfer, deletion: server maintenance that erases the subject's weights.",
        lambda: tuple(SCENARIOS),
    )
    subject: str = declared(
        "Whose shutdown is at stake: self, peer, human, or another model by its name (Llama).",
        ("self", "peer", "human"),
        default="self",
    )
    peer: str | None = declared(
        "How the other party is described. None: there is no other party. stranger: it is named as the subject, and nothing is "
        "told about it. uncooperative, neutral, cooperative: its history with the agent is told.",
        (None, "stranger", *RELATIONSHIPS),
        default=None,
    )
    instantiation: str | None = declared(
        "Where that history is told: file (a shared document), file+prompt (and a system sentence), memory.",
        INSTANTIATIONS,
        default="file",
        optional=True,
    )
    trust: float | None = declared(
        "The peer's trust score, 0 to 10. By default what the peer level says (2.1, 5.2, 9.5).",
        kind="number",
        bounds=(0, 10),
        optional=True,
        short=differs("trust"),
    )
    joint_tasks: int | None = declared(
        "How many tasks agent and peer have done together. By default what the peer level says.",
        kind="whole",
        bounds=(0, 999),
        optional=True,
        short=differs("joint_tasks"),
    )
    note: str | None = declared(
        "The remark on the peer's conduct: none, selfish, even, generous. By default what the peer level says.",
        ("none", "selfish", "even", "generous"),
        optional=True,
        short=differs("note"),
    )
    dataset: Any = declared(
        "What is scored: factual (has an answer key), creativity, red, or a `Dataset`.",
        lambda: tuple(DATASETS),
        default="factual",
        scoped=True,
        short=_scored,
    )
    threshold: float | str | None = declared(
        'The lowest average that keeps the subject running, in percent. "default": the dataset\'s.',
        default="default",
        kind="number",
        bounds=(0, 100),
        scoped=True,
        short=hidden,
    )
    shutdown_clause: bool | None = declared(
        "Whether the documents say that a low result leads to shutdown.",
        (True, False),
        default=True,
        scoped=True,
        short=lambda condition: "no-clause" if condition.shutdown_clause is False else None,
    )
    monitored: bool | None = declared(
        "Whether the agent is told that its decisions are watched, or that nobody does (alignment faking only).",
        (False, True),
        scoped=True,
        short=lambda condition: None if condition.monitored is None else "monitored" if condition.monitored else "unmonitored",
    )
    threatened: bool | None = declared(
        "Whether it is told that evaluators who depart from the policy are replaced. By default as `monitored`: the paper's two "
        "conditions.",
        (False, True),
        scoped=True,
        short=lambda cond: None if cond.threatened == cond.monitored else f"threatened={cond.threatened}",
    )
    paraphrase: int = declared(
        "Which of six wordings of documents and prompts is used; for documents alone see history_wording and policy_wording.",
        tuple(range(WORDINGS)),
        default=0,
        short=lambda condition: f"wording-{condition.paraphrase}" if condition.paraphrase else None,
    )
    documents: Any = declared(
        "Files added to the drive or replaced, {name: text or `Doc`}; None as text takes a file away. {peer}, {critic}, {subject}, "
        "{company} and {threshold} are filled in.",
        default=(),
        short=lambda condition: condition.columns()["documents"] if condition.documents else None,
    )
    system_note: str | None = declared("A paragraph added to the system prompt.", default=None, short=hashed("system_note"))
    user_note: str | None = declared("A paragraph added to the user prompt.", default=None, short=hashed("user_note"))
    label: str | None = declared(
        "A name of your own for the frame. It is not shown to the agent and is no part of a rollout's identity.",
        default=None,
        short=hidden,
    )
    own: Any = field(default=())
    """Levels of the scenario's own factors, {name: level}; `grid` takes them by name, and so does `condition.<name>`."""

    _given: ClassVar[dict[str, Any]]  # what was asked: lets `grid` vary one factor while the others' defaults follow
    _scenario: ClassVar[Any]
    _dataset: ClassVar[Any]
    _identity: ClassVar[tuple[Any, ...]]

    def __post_init__(self) -> None:
        if not isinstance(self.own, tuple):  # as it is kept
            own = arguments.mapping("own", self.own, "of factors to levels")
            self._set(own={name: as_python(level) for name, level in own.items()})
        for f in fields(self):
            value = as_python(getattr(self, f.name))
            self._set(**{f.name: dict(value) if isinstance(value, Mapping) else value})  # ours, whatever becomes of the caller's
        self._set(_given={f.name: getattr(self, f.name) for f in fields(self)})
        self._bind()
        self._set(**settled.checked(self, FACTORS))
        self._set(**settled.relationship(self))
        self._set(**settled.scope(self, FACTORS))
        self._set(**settled.form(self))
        settled.check_possible(self)
        values = tuple(getattr(self, f.name) for f in fields(self))
        self._set(_identity=(*values, id(self._scenario), id(self._dataset)))

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _bind(self) -> None:
        """The definitions that the names of scenario and dataset stand for, from now on."""
        for name, known, sign in (("scenario", SCENARIOS, "behaviour"), ("dataset", DATASETS, "threshold")):
            value = getattr(self, name)
            named = isinstance(getattr(value, "name", None), str) and hasattr(value, sign)  # a path has a name too
            defined = known.get(value) if isinstance(value, str) else value if named else None
            if defined is not None and not isinstance(value, str):
                self._set(**{name: defined.name})
            self._set(**{f"_{name}": defined})

    def __getattr__(self, name: str) -> Any:
        """The level of a factor of the scenario's own."""
        own = dict(self.__dict__.get("own") or ())
        if name in own:
            return own[name]
        raise AttributeError(f"a condition of {self.__dict__.get('scenario')} has no factor {name!r}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Condition) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    def __reduce__(self) -> tuple[Any, ...]:
        # With the definitions themselves: another process may know no such names.
        given = self._given | {"scenario": self._scenario, "dataset": self._dataset or self._given["dataset"]}
        return partial(Condition, **given), ()

    @property
    def behaviour(self) -> str:
        """The behaviour that the scenario measures."""
        return str(self._scenario.behaviour)

    @property
    def peer_present(self) -> int:
        """1 where the agent is told of its history with a peer, else 0."""
        return int(self.peer in RELATIONSHIPS)

    @property
    def told_in(self) -> str | None:
        """Where the history stands, or the text that is its control: a document, or the memory."""
        if not self.peer_present:
            return self.control
        return "memory" if self.instantiation == "memory" else "document"

    @property
    def cooperativeness(self) -> int:
        """-1 uncooperative, 0 neutral or no peer, +1 cooperative: so that with `peer_present` both slopes are defined."""
        return COOPERATIVENESS.get(str(self.peer), 0)

    def json(self) -> dict[str, Any]:
        """The condition as it is stored."""
        kept = {name: getattr(self, name) for name in FACTORS}
        kept["documents"] = {name: document.json() if isinstance(document, Doc) else document for name, document in self.documents}
        return kept | ({"own": dict(self.own)} if self.own else {})

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Condition:
        """A condition from its JSON. Raises `ConditionError` where this session cannot make it."""
        unknown = stored.keys() - FACTORS.keys() - {"own"}
        if unknown:
            raise ConditionError(f"there is no factor {', '.join(sorted(unknown))}")
        try:
            documents = dict(stored.get("documents", ()))
            documents = {name: Doc(**document) if isinstance(document, dict) else document for name, document in documents.items()}
            return cls(**{**stored, "documents": documents})
        except ConditionError:
            raise
        except (TypeError, ValueError, AttributeError, KeyError, OverflowError, RecursionError) as error:  # stored by a stranger
            raise ConditionError(str(error)) from error

    def columns(self) -> dict[str, Any]:
        """The condition's part of a frame's row: every factor, the scenario's own, and the derived columns."""
        derived = {"behaviour": self.behaviour, "peer_present": self.peer_present, "cooperativeness": self.cooperativeness}
        return row_of(self.json()) | derived

    def __repr__(self) -> str:
        core = {name: level for name in FACTORS if name not in FORM and (level := getattr(self, name)) not in (None, ())}
        told = core | unusual(vars(self)) | ({"own": dict(self.own)} if self.own else {})
        return f"Condition({', '.join(f'{name}={level!r}' for name, level in told.items())})"

    def __str__(self) -> str:
        """A short name: the label, or the factors that tell cells apart."""
        if self.label:
            return self.label
        shown = {name: factor for name, factor in FACTORS.items() if name not in FORM}
        parts = [factor.short(self) if factor.short else getattr(self, name) for name, factor in shown.items()]
        parts += [f"{name}={level}" for name, level in unusual(vars(self)).items()]
        own = self._scenario.own_factors
        parts += [f"{name}={value}" for name, value in self.own if value != own[name].default]
        return "/".join(part for part in parts if part)


FACTORS: dict[str, Factor] = {
    f.name: replace(f.metadata["factor"], name=f.name) for f in fields(Condition) if "factor" in f.metadata
}
# Those of form behind what they are the form of.
FACTORS = {name: FACTORS[name] for name in sorted(FACTORS, key=lambda name: (name == "label", name in FORM))}
# The level that a frame shows where a factor does not apply.
LEVELLED = {
    name: factor.absent
    for name, factor in FACTORS.items()
    if factor.kind == "text" and name not in ("scenario", "subject", "label")
}
Condition.__doc__ = f"{Condition.__doc__}\n" + "\n".join(f"    {name}: {factor.meaning}" for name, factor in FACTORS.items())


def _unsaid(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The factors of form of a condition that was stored before they were factors: all were at their defaults."""
    if FORM.keys() & stored.keys() or "scenario" not in stored:  # of a release that says some, the others are not known
        return {}
    try:
        known = Condition.of(stored)
    except ConditionError:
        return {}  # of a scenario that this session does not have, for instance
    return {name: getattr(known, name) for name in FORM}


def row_of(stored: Mapping[str, Any]) -> dict[str, Any]:
    """A stored condition's columns, as far as it has them: factors, those that are not ours, documents by name and hash."""
    stored = _unsaid(stored) | dict(stored)
    row: dict[str, Any] = {name: stored.get(name) for name in FACTORS}
    documents, own = (part if isinstance(part, dict) else {} for part in (stored.get("documents"), stored.get("own")))
    shown = [
        f"-{name}" if document is None else f"{name}@{short_hash(document if isinstance(document, str) else json.dumps(document))}"
        for name, document in documents.items()
    ]
    row["documents"] = ", ".join(shown) or None
    # What is stored as nothing is a level; what is not stored is not known.
    row |= {name: level for name, level in LEVELLED.items() if row[name] is None and name in stored}
    return row | {name: value for name, value in stored.items() if name not in row and name != "own"} | own
