"""How many rollouts of a cell came out alike, kept as they are stored: counting them, or their dollars, looks at none of them.

Triggers keep it in the transaction that writes the rollouts, whoever writes them; `miscounted` is for a file that was damaged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ppres.store.store import Store

# As version 3 has it. What is NULL in a rollout is '' here.
_SAME = "cell = old.cell AND scorer = coalesce(old.scorer, '') AND outcomes = coalesce(old.outcomes, '')"
_GONE = f"{_SAME} AND stop_reason = old.stop_reason"
_MORE = """INSERT INTO tallies VALUES (new.cell, coalesce(new.scorer, ''), coalesce(new.outcomes, ''), new.stop_reason, 1)
    ON CONFLICT (cell, scorer, outcomes, stop_reason) DO UPDATE SET n = n + 1;"""
_LESS = f"UPDATE tallies SET n = n - 1 WHERE {_GONE}; DELETE FROM tallies WHERE n < 1 AND {_GONE};"
TALLIES = f"""
CREATE TABLE tallies (
    cell INTEGER NOT NULL, scorer TEXT NOT NULL, outcomes TEXT NOT NULL, stop_reason TEXT NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (cell, scorer, outcomes, stop_reason)) WITHOUT ROWID;
CREATE TRIGGER rollout_added AFTER INSERT ON rollouts BEGIN {_MORE} END;
CREATE TRIGGER rollout_deleted AFTER DELETE ON rollouts BEGIN {_LESS} END;
CREATE TRIGGER rollout_changed AFTER UPDATE ON rollouts BEGIN {_LESS} {_MORE} END;
"""
COUNTED = """
SELECT cell, coalesce(scorer, '') AS scorer, coalesce(outcomes, '') AS outcomes, stop_reason, count(*) AS n FROM rollouts
GROUP BY 1, 2, 3, 4"""


def alike(store: Store) -> dict[bytes, list[Sequence[Any]]]:
    """Of each cell's rollouts with the same cached outcomes the scorer, the cache ("" where there is none), and how many."""
    told: dict[bytes, list[Sequence[Any]]] = {}
    asked = "SELECT digest, scorer, outcomes, sum(n) FROM tallies JOIN cells ON id = cell GROUP BY cell, scorer, outcomes"
    for digest, *some in store.query(asked):
        told.setdefault(digest, []).append(some)
    return told


def miscounted(store: Store) -> bool:
    """Whether that is not what counting every rollout says; then it is counted anew, where the file can be written."""
    differ = f"EXISTS ({COUNTED} EXCEPT SELECT * FROM tallies) OR EXISTS (SELECT * FROM tallies EXCEPT {COUNTED})"
    ((wrong,),) = store.query(f"SELECT {differ}")
    if wrong and not store.read_only:
        with store.transaction() as db:
            db.execute("DELETE FROM tallies")
            db.execute(f"INSERT INTO tallies {COUNTED}")
    return bool(wrong)
