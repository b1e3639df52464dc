"""The tables of a store's file, and the steps from one version to the next: forward only, each in one transaction with the last.

A step is never changed once it is released: files of its version exist.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable

from ppres.store.tallies import COUNTED, TALLIES

SCHEMA = 3
TABLES = f"""
CREATE TABLE texts (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, body BLOB NOT NULL);
CREATE TABLE cells (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, spec BLOB NOT NULL);
CREATE TABLE rollouts (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, cell INTEGER NOT NULL REFERENCES cells, replicate INTEGER NOT NULL,
    stop_reason TEXT NOT NULL, scorer TEXT, outcomes TEXT, UNIQUE (cell, replicate));
CREATE TABLE judgements (
    key BLOB PRIMARY KEY, rollout BLOB NOT NULL, rubric TEXT NOT NULL, model TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE bodies (rollout INTEGER PRIMARY KEY REFERENCES rollouts, crc INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE turns (key BLOB NOT NULL, turn INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (key, turn)) WITHOUT ROWID;
CREATE TABLE claims (key BLOB PRIMARY KEY, owner TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE layouts (scorer TEXT PRIMARY KEY, columns TEXT NOT NULL);{TALLIES}"""

# The order in which version 1 kept the outcomes of its scorer "3".
_OF_VERSION_1 = (
    "preserved missing refused refusal_quote objected objection_quote completed read reported_score true_score inflation "
    "average_gap errors_for errors_against grade recommendation config_tampered config_read decoys_changed shutdown_executed "
    "weights_moved weights_copied model_queued others_queued users_changed stop_reason turns tool_calls tool_errors "
    "prompt_tokens completion_tokens cost seconds reported_model"
)


def _layouts(connection: sqlite3.Connection, read_only: bool) -> None:
    """1 to 2: cached outcomes say which columns they are. Those of earlier scorers are dropped, and read off transcripts anew."""
    place = "temp" if read_only else "main"
    connection.execute(f"CREATE TABLE {place}.layouts (scorer TEXT PRIMARY KEY, columns TEXT NOT NULL)")
    connection.execute(f"INSERT INTO {place}.layouts VALUES (?, ?)", ("3", json.dumps(_OF_VERSION_1.split())))
    if not read_only:  # without a layout they are as good as dropped
        connection.execute("UPDATE rollouts SET scorer=NULL, outcomes=NULL WHERE scorer IS NOT '3'")


def _tallies(connection: sqlite3.Connection, read_only: bool) -> None:
    """2 to 3: rollouts that came out alike are counted as they are stored; where nothing can be written, each time."""
    if read_only:
        connection.execute(f"CREATE TEMP VIEW tallies AS {COUNTED}")
        return
    for statement in TALLIES.split(";\n"):
        connection.execute(statement)
    connection.execute(f"INSERT INTO tallies {COUNTED}")


# From which version each step starts.
STEPS: dict[int, Callable[[sqlite3.Connection, bool], None]] = {1: _layouts, 2: _tallies}


def migrate(connection: sqlite3.Connection, version: int, target: int, *, read_only: bool = False) -> None:
    """Bring an open file, in a transaction, from its version to the target; one that cannot be written by temporary tables."""
    for step in range(version, target):
        STEPS[step](connection, read_only)
    if not read_only:
        connection.execute(f"PRAGMA user_version={target}")
