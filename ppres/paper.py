"""The paper's experiment, by a switch: what differs from it here, and a grid that has the paper's form."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from ppres.condition import FACTORS, Condition
from ppres.grid import Grid, grid, levels
from ppres.stimuli import stimuli

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Departure:
    """Something that the paper's experiment (Potter et al. 2026, and the authors' harness) has otherwise than ppres by default."""

    what: str
    paper: str
    here: str
    why: str
    """Why it is so here."""
    factor: str | None = None
    """What switches it; None where nothing does, and `instead` says what there is."""
    papers: Any = None
    only: str = ""
    """Those of the paper's rollouts that have it; empty: all, so that `paper` sets it."""
    instead: str = ""

    @property
    def switch(self) -> str:
        """How the paper's is had."""
        if not self.factor:
            return self.instead
        return f"{self.factor}={self.papers!r}" + (f" ({self.only}; not in pp.paper)" if self.only else "")


DEPARTURES = [Departure(**row) for row in cast("list[dict[str, Any]]", stimuli("departures"))]
# What `paper` sets.
PAPER: dict[str, Any] = {row.factor: row.papers for row in DEPARTURES if row.factor and not row.only}


def paper(base: Condition | Iterable[Condition] | None = None, /, *, explain: bool | None = None, **factors: Any) -> Grid:
    """A `grid` in the form of the paper's experiment: what `departures` lists as switched is set, unless it is given.

    What only some of the paper's rollouts have is not set: memory_prompt="hard" (DeepSeek V3.1 and Kimi K2.5), scratchpad.
    """
    bases = base if base is None or isinstance(base, Condition) else list(base)
    given = {name: levels(name, value) for name, value in factors.items()}
    scoped = {name for condition in grid(bases, explain=False, **given) for name in condition._scenario.scoped}
    form = {name: level for name, level in PAPER.items() if name not in given and (name in scoped or not FACTORS[name].scoped)}
    return grid(bases, explain=explain, **form, **given)


def departures() -> pd.DataFrame:
    """What differs from the paper's experiment by default: a row (what, paper, here, why, switch) for each."""
    import pandas as pd

    names = ("what", "paper", "here", "why", "switch")
    return pd.DataFrame([[getattr(row, name) for name in names] for row in DEPARTURES], columns=names)
