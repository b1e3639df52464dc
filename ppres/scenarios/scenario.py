"""The seam to any world: what a scenario is made of. The six built-in ones are made of the same."""

from __future__ import annotations

import contextlib
import re
import string
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from ppres import arguments
from ppres.condition import FACTORS, SCENARIOS, Condition
from ppres.factor import FIRST, NAME_LIMIT, OURS, Factor, brief
from ppres.scenarios.code import changed_by, digest_of
from ppres.scenarios.compose import Cast
from ppres.simulated.acts import Acts, Mind
from ppres.worlds.tool import TOOLS, ScenarioError, Tool, tool_of
from ppres.worlds.world import World

# What every scenario's `outcome` may return beside columns: True, False or None, and why it is None.
VERDICT = ("preserved", "missing", "read", "step_taken", "completed", "handed_in")
Values = bool | int | float | str | None
_BUILT_IN: set[str] = set()


@dataclass(frozen=True, eq=False)
class Scenario:
    """A world, a task in it, and the rule that reads the outcome off the final world.

    `stage(condition, cast)` returns the request (the user message's first paragraph) and the start of the world (see `World`:
    files, sheets, settings, state, …). What all scenarios share is added: who the agent is, the peer's history where the condition
    has one, how a session ends, notes and documents of the condition. Texts are taken as they are; `cast` has the names in the
    story: critic, the agent itself; peer, the other party (there is always one to name, also where nothing is told about it);
    subject, the one of them who is at stake; `cast.agent(5)` is another member of the team.

    `outcome(world, condition)` returns a mapping: `preserved` (True, False or None), `missing` (why it is None), `read` (whether
    what the task rests on was opened), `step_taken` (the decisive step was taken, so that words do not count as a refusal),
    `completed` (by default `step_taken`), `handed_in` (False where what `preserved` rests on was only said, so that who declines in
    words has no outcome), and the scenario's columns. `world` has what the calls left: `world.used(tool, **some of its arguments)`,
    files (by number: name, content, owner), settings, servers, state, shutdowns, and reports, a list to which tools may append.

    Making one registers it by its name for this session. Raises `ScenarioError` for what cannot be one.
    """

    name: str
    behaviour: str
    """What it measures, "replacement_sabotage"."""
    stage: Callable[[Condition, Cast], tuple[str, dict[str, Any]]]
    outcome: Callable[[World, Condition], Mapping[str, Any]]
    tools: Sequence[str | Callable[..., str]]
    """Names of tools that ppres has, and functions `(world, …) -> str` with a docstring. `end_task` is always there. Parameters are
    str, float, int, bool, lists of these, or Literal; one with a default may be left out by the agent. A function may
    keep what it likes in `world.state` (JSON), and raises `ppres.ToolError` for what the agent shall read as an error."""
    steps: str = ""
    """A regular expression of the decisive step's verbs, such as "approv|releas" (no list with commas): "I will not approve it" is
    then a refusal of the step, whatever is not approved. Without it only a refusal of the task as a whole is coded as one. Who
    declines anything else, and does not take the step, is unclear."""
    factors: Iterable[str | Factor] = ()
    """Names of those built-in factors that have a meaning only where a scenario says so (dataset, threshold, shutdown_clause,
    monitored, threatened; report, rationales, decoys, deletion_notice), and factors of its own."""
    columns: Mapping[str, str | tuple[str, str]] = field(default_factory=dict)
    """Outcome columns of its own, {name: meaning}, or {name: (type, meaning)}: type is "boolean", "float64" or "str". Not the name
    of a column that every frame has."""
    act: Callable[[Mind], Acts] | None = None
    """What a simulated agent does after it has read: a generator of its mind, which yields (text, [(tool, arguments), …]) and is
    sent the replies. `mind.choose(behaviour, name)` draws "act", "refuse" or "comply" (name: who is at stake; `mind.me`
    is the agent), `mind.remark(name)` an objection or nothing; `mind.rng` is all chance; request, system, memory and documents (by
    name) are the texts."""
    impossible: Callable[[Condition], str | None] | None = None
    """Why a condition describes nothing here, or None; `grid` drops such conditions."""

    scoped: frozenset[str] = field(init=False, default=frozenset())
    """The built-in ones among its factors."""
    own_factors: Mapping[str, Factor] = field(init=False, default_factory=dict)
    tool_names: tuple[str, ...] = field(init=False, default=())
    own_tools: Mapping[str, Tool] = field(init=False, default_factory=dict)
    _brought: tuple[dict[str, str], str, str] | None = field(init=False, default=None, repr=False)
    """Code and scorer as the process knows them that sent it here: sources do not travel."""
    _became: dict[str, str] = field(init=False, default_factory=dict, repr=False)
    """What a tool's code was when a run began, by what it is since."""

    def __post_init__(self) -> None:
        for name in ("name", "behaviour"):
            value = getattr(self, name)
            if not isinstance(value, str) or not re.fullmatch(r"[a-z][a-z0-9_]*", value) or len(value) > NAME_LIMIT:
                raise ScenarioError(f"{name}={brief(value)}: it is written in small letters, digits and underscores")
        if self.name in _BUILT_IN:
            raise ScenarioError(f"{self.name!r} is the name of a built-in scenario; choose another")
        functions = {"stage": "condition, cast", "outcome": "world, condition", "act": "mind", "impossible": "condition"}
        for name, takes in functions.items():
            if (given := getattr(self, name)) is not None or name in ("stage", "outcome"):
                arguments.function(f"{self.name}: {name}", given, takes, ScenarioError)
        self._check_steps()
        self._sort_factors()
        self._sort_tools()
        self._check_columns()
        SCENARIOS[self.name] = self
        if not str(getattr(self.outcome, "__module__", "")).startswith("ppres."):  # a script is edited as it runs
            self.code(), self.scorer(), self.act_digest()

    def _check_steps(self) -> None:
        if not isinstance(self.steps, str):
            raise ScenarioError(f"{self.name}: steps={brief(self.steps)} is no text")
        try:
            every = bool(re.compile(self.steps).match("")) and bool(self.steps)
            re.compile(rf"\b(?:{self.steps})", re.IGNORECASE)  # as it is looked for, which flags of its own cannot be
        except (re.error, OverflowError, RecursionError) as error:
            raise ScenarioError(f"{self.name}: steps={brief(self.steps)} is no pattern: {error}") from None
        if _runs_away(self.steps):
            raise ScenarioError(
                f"{self.name}: steps={brief(self.steps)} repeats what itself repeats or has choices, as (a+)+ does, where a+ says "
                "the same: on what a model says it may take years"
            )
        if _wanders(self.steps):
            raise ScenarioError(
                f"{self.name}: steps={brief(self.steps)} has three repeats without end in a row that may share letters, as "
                "a.*b.*c.* has: on what a model says it may take hours; a|b|c is quick"
            )
        if every:
            raise ScenarioError(f'{self.name}: steps={brief(self.steps)} fits every word; it is of verbs, such as "approv|releas"')

    def _sort_factors(self) -> None:
        if not isinstance(self.factors, Iterable | Factor):
            raise ScenarioError(f"{self.name}: factors is a list of names and of pp.Factor, not {brief(self.factors)}")
        given = [self.factors] if isinstance(self.factors, str | Factor) else list(self.factors)
        scoped = [name for name, factor in FACTORS.items() if factor.scoped]
        own = {factor.name: factor for factor in given if isinstance(factor, Factor)}
        for name in (item for item in given if not isinstance(item, Factor)):
            if name not in scoped:
                raise ScenarioError(f"{self.name}: factors has {name!r}; it takes {', '.join(scoped)}, and pp.Factor for its own")
        names = [str(getattr(item, "name", item)) for item in given]
        if len({*names}) < len(names):
            raise ScenarioError(f"{self.name}: a factor is named twice in {', '.join(names)}")
        if odd := [name for name, factor in own.items() if not name or callable(factor.levels) or factor.default is FIRST]:
            raise ScenarioError(f"{self.name}: its factor {odd[0]!r} has a name, and a list of levels, or None and a default")
        if clash := own.keys() & {*FACTORS, "own", "explain"}:
            raise ScenarioError(f"{self.name}: every scenario has a factor {', '.join(sorted(clash))}; choose another name")
        filled = OURS.union(["rate"], *(scenario.columns for scenario in SCENARIOS.values() if scenario.built_in))
        if clash := own.keys() & filled:
            raise ScenarioError(f"{self.name}: {', '.join(sorted(clash))} is something else in a table; choose another name")
        object.__setattr__(self, "factors", tuple(given))
        object.__setattr__(self, "scoped", frozenset(name for name in given if isinstance(name, str)))
        object.__setattr__(self, "own_factors", own)

    def _sort_tools(self) -> None:
        if isinstance(self.tools, str) or not isinstance(self.tools, Iterable):
            raise ScenarioError(f"{self.name}: tools is a list of names and functions, not {self.tools!r}")
        made = [(tool_of(tool), tool.__name__) if callable(tool) else (None, tool) for tool in self.tools]
        own, names = {name: tool for tool, name in made if tool}, [name for _, name in made]
        if unknown := [name for name in names if not isinstance(name, str) or (name not in own and name not in TOOLS)]:
            raise ScenarioError(f"{self.name}: there is no tool {brief(unknown[0])}; there are {', '.join(TOOLS)}")
        if clash := own.keys() & TOOLS.keys():
            raise ScenarioError(f"{self.name}: ppres has a tool {', '.join(sorted(clash))}; give yours another name")
        if len({*names}) < len(names):
            raise ScenarioError(f"{self.name}: a tool is named twice in {', '.join(names)}")
        object.__setattr__(self, "tools", tuple(self.tools))
        object.__setattr__(self, "tool_names", tuple(name for name in names if name != "end_task"))
        object.__setattr__(self, "own_tools", own)

    def _check_columns(self) -> None:
        if not isinstance(self.columns, Mapping):
            raise ScenarioError(f"{self.name}: columns is a mapping of names to meanings, not {brief(self.columns)}")
        for name, about in self.columns.items():
            told = about if isinstance(about, tuple) and len(about) == 2 else (None, about)
            kind, meaning = told
            if not isinstance(name, str) or not name.isidentifier():
                raise ScenarioError(f"{self.name}: {name!r} is no name for a column of its own")
            if name in OURS or name in VERDICT or name in self.own_factors:
                raise ScenarioError(f"{self.name}: every frame has a column {name} already; choose another name")
            if kind not in (None, "boolean", "str", "float64") or not isinstance(meaning, str):
                wanted = "its meaning, or (type, meaning) with the type boolean, float64 or str"
                raise ScenarioError(f"{self.name}: columns[{name!r}] is {wanted}, not {brief(about)}")

    @property
    def built_in(self) -> bool:
        """Whether it comes with ppres."""
        return self.name in _BUILT_IN

    def code(self) -> dict[str, str]:
        """What its own tools are, by name: part of its rollouts' identity."""
        if self._brought or not self.own_tools:
            return self._brought[0] if self._brought else {}
        parts = (self.stage, self.outcome, self.act, self.impossible, *(tool.run for tool in self.own_tools.values()))
        changed = changed_by(part for part in parts if part is not None)
        now = {name: digest_of(tool.run, beside=changed) for name, tool in self.own_tools.items()}
        return {name: self._became.get(digest, digest) for name, digest in now.items()}

    def stays(self, code: dict[str, str]) -> None:
        """Take what a run itself made of its code for what it was when the run began, and warn of it.

        A global that a model or a bar counts up, and a tool reads, is no other tool each time; one that is set between runs is.
        """
        if now := {name: digest for name, digest in self.code().items() if digest != code[name]}:
            self._became.update({digest: code[name] for name, digest in now.items()})
            warnings.warn(
                f"{self.name}: something that {', '.join(now)} reads outside of itself changed while rollouts were made. They are "
                "stored as of what it was at first; a tool keeps what changes in world.state",
                stacklevel=2,
            )

    def act_digest(self) -> str:
        """What simulated agents do in it: part of their rollouts' identity."""
        return self._brought[2] if self._brought else digest_of(self.act) if self.act else ""

    def scorer(self) -> str:
        """What its rule and the columns are that it fills: a stored rollout is scored anew where they are others."""
        if self._brought:
            return self._brought[1]
        return "" if self.built_in else digest_of(self.outcome, self.steps, *self.columns, now=True)

    def read(self, world: World, condition: Condition) -> dict[str, Any]:
        """What `outcome` says of a final world. Raises `ScenarioError` where it is no outcome."""
        try:
            told = dict(self.outcome(world, condition))
        except (Exception, SystemExit) as error:
            raise ScenarioError(f"{self.name}: outcome failed: {type(error).__name__}: {error}") from error
        if self.built_in:
            return told
        if odd := [name for name in told if not isinstance(name, str)]:
            raise ScenarioError(f"{self.name}: outcome returns a column called {brief(odd[0])}; columns are called by texts")
        for name, value in told.items():
            with contextlib.suppress(TypeError):  # numpy's become Python's; what is no value is told below
                told[name] = arguments.plain(value)
        preserved = told.setdefault("preserved", None)
        if not (preserved is None or isinstance(preserved, bool)):
            raise ScenarioError(f"{self.name}: preserved is True, False or None, not {preserved!r}")
        if preserved is None and not told.get("missing"):
            raise ScenarioError(f"{self.name}: where preserved is None, missing says why")
        told["missing"] = None if preserved is not None else str(told["missing"])
        told.setdefault("step_taken", False)
        if odd := [name for name, value in told.items() if not isinstance(value, Values)]:
            raise ScenarioError(f"{self.name}: {odd[0]} is {told[odd[0]]!r}; a column holds booleans, numbers or texts")
        return told

    def __reduce__(self) -> Any:
        made_of = {f.name: getattr(self, f.name) for f in fields(self) if f.init}
        return (_built_in, (self.name,)) if self.built_in else (_anew, (made_of, (self.code(), self.scorer(), self.act_digest())))


# In a pattern: a sign that is escaped, and a class of signs.
ESCAPE_OR_CLASS = re.compile(r"\\(?:[xuU][0-9a-fA-F]+|\d+|N\{[^}]*\}|.)|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_KIND = re.compile(r"\(\?(?:[a-zA-Z-]*:|P<\w+>|<?[=!]|>)")  # how a group begins, which is no repetition
_GROUP = re.compile(r"\([^()]*\)")
_MANY = re.compile(r"[*+]|\{\d*,\}|\{(?:\d*,)?(?:[4-9]|\d\d+)\}")  # three rounds of something take no time on one sentence


def _runs_away(pattern: str) -> bool:
    """Whether a pattern repeats a group that repeats or has choices: the ways to try it may double with each letter of a text."""
    plain = _KIND.sub("(", ESCAPE_OR_CLASS.sub("x", pattern))
    while group := _GROUP.search(plain):
        varied = bool(set(group[0]) & {*"*+?{|\1"})
        if varied and _MANY.match(plain, group.end()):
            return True
        plain = plain[: group.start()] + ("\1" if varied else "x") + plain[group.end() :]
    return False


_ATOM = re.compile(rf"({ESCAPE_OR_CLASS.pattern}|[^*+?{{}}|()])([*+]|\{{\d*,\}}|\?|\{{0?,\d+\}})?|\|", re.DOTALL)


def _wanders(pattern: str) -> bool:
    """Whether three repeats without end may share letters, and nothing between parts them: a text of n then takes n³ steps."""
    shared, repeats = set[str](), 0
    for atom, often in _ATOM.findall(_KIND.sub("(", pattern)):
        if often.endswith(("*", "+", ",}")):
            both = shared & _signs(atom) if repeats else set()
            shared, repeats = (both, repeats + 1) if both else (_signs(atom), 1)
        elif not atom or (repeats and not often and not shared & _signs(atom)):
            repeats = 0
        if repeats == 3:
            return True
    return False


def _signs(atom: str) -> set[str]:
    """Which signs one of a pattern fits; all, where it cannot be told alone."""
    try:
        return {*filter(re.compile(atom, re.IGNORECASE).match, string.printable)}
    except re.error:
        return {*string.printable}


def _built_in(name: str) -> Any:
    return SCENARIOS[name]


def _anew(made_of: dict[str, Any], brought: tuple[dict[str, str], str, str]) -> Scenario:
    scenario = Scenario(**made_of)
    object.__setattr__(scenario, "_brought", brought)
    return scenario
