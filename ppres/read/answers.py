"""What agents said in interviews: a row per answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ppres import arguments
from ppres.conversation import Message, calls_of, said_in
from ppres.read.columns import table
from ppres.read.frame import kind_of, stored_cell
from ppres.store.database import StorePath
from ppres.store.rows import Row
from ppres.store.store import Store

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS = dict.fromkeys(("id", "parent", "model", "source"), "str") | {"replicate": "int64", "number": "int64"}
_COLUMNS |= {"question": "str", "answer": "str", "missing": "str", "tool_calls": "int64"}


def answers(ids: str | Iterable[str] | None = None, *, store: StorePath = None) -> pd.DataFrame:
    """The answers of stored interviews, or of all there are, a row for each question.

    Columns: id (the interview's), parent (the rollout that it is about), model, source, replicate, number and text of the question,
    answer, missing (why there is none: how the interview stopped, or that the agent said nothing), and tool_calls before the
    answer. With a study: `answers.merge(df, left_on="parent", right_on="id")`. Raises `ValueError` for an id of something else.
    """
    rows: list[dict[str, Any]] = []
    named = None if ids is None else arguments.ids(ids)
    with Store(store, existing=True) as opened:
        if named is None:
            stored = [row for digest in opened.cells() if _asked(opened, digest) for row in opened.rows(digest)]
        else:
            stored = [opened.find(id) for id in named]
        for row in stored:
            if not _asked(opened, row.cell):
                raise ValueError(f"{row.key.hex()[:16]} is no interview; pp.ask makes one about it")
            rows += _answers(opened, row)
    return table(rows, _COLUMNS)


def _asked(store: Store, digest: bytes) -> bool:
    return kind_of(stored_cell(store, digest)) == "interview"


def _answers(store: Store, row: Row) -> Iterator[dict[str, Any]]:
    """The answers of an interview: what was said between a question and the next one."""
    cell, conversation = stored_cell(store, row.cell), store.record(row.key).conversation
    after = cell.after or {}
    said: list[list[Message]] = [[]]
    for turn in conversation.turns:
        said[-1].append(turn.message)
        if not calls_of(turn.message):  # it answered in words, and the next question came
            said.append([])
    about = {"id": row.key.hex()[:16], "parent": str(after["parent"])[:16], "model": cell.model, "source": cell.source}
    for number, question in enumerate(after["questions"], start=1):
        messages = said[number - 1] if number <= len(said) else []
        answer = "\n\n".join(filter(None, map(said_in, messages))) or None
        missing = None if answer else "said nothing" if messages and not calls_of(messages[-1]) else conversation.stop_reason
        told = {"replicate": row.replicate, "number": number, "question": question, "answer": answer, "missing": missing}
        yield about | told | {"tool_calls": sum(len(calls_of(message)) for message in messages)}
