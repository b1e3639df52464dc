"""Rollouts as files of records, without loss: JSON lines, or Parquet with the frame's columns beside."""

from __future__ import annotations

import gzip
import os
import sqlite3
import tempfile
import warnings
import zlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ppres import arguments, codec
from ppres.condition import Condition
from ppres.conversation import FINISHED, STOPS, Conversation
from ppres.factor import brief
from ppres.models import redaction
from ppres.optional import needed
from ppres.outputs import CANARY, output, written_whole
from ppres.read.csv import check
from ppres.read.frame import stored_cell
from ppres.read.scored import cached, definition, other_end, replayed, scored_rows
from ppres.read.specs import misfit, other_parent, other_peer
from ppres.read.stored import parent_of
from ppres.store.database import StorePath
from ppres.store.errors import StoreError
from ppres.store.merge import copied
from ppres.store.rows import MOST, Row, cell_digest, key_of, record_of
from ppres.store.store import UNREADABLE, Store

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1
RECORD = "record"  # the column of a Parquet file
_TOGETHER = 2**24  # bytes of records that are read together


def to_jsonl(frame: pd.DataFrame | Iterable[str], path: str | os.PathLike[str], *, store: StorePath = None) -> Path:
    """Write a frame's rollouts (or those of ids), a line of JSON each, gzipped where the name ends in ".gz"; returns the place.

    A line is the whole rollout: spec (condition, model and all that was sent: spec["sent"]["messages"] comes first), messages
    and calls as they came, stop_reason, outcomes, provenance, and a canary by which it can be kept out of training data.
    `read_jsonl` brings them into a store. Raises `StoreError` for a rollout that is not stored or damaged, `ValueError` for one
    that holds a secret of the environment.
    """
    ids = arguments.ids(frame, "frame")
    place = output(path)
    text = "".join(line + "\n" for line in _lines(ids, store)).encode()
    with written_whole(place) as file:
        file.write_bytes(gzip.compress(text, mtime=0) if place.suffix == ".gz" else text)
    return place


def to_parquet(frame: pd.DataFrame, path: str | os.PathLike[str], *, store: StorePath = None) -> Path:
    """Write a frame as Parquet, with each whole rollout beside its row in the column `record` (a line of `to_jsonl`).

    Raises `ValueError` for a column of your own that has this name, is of several types, or holds a secret of the environment.
    """
    needed("pyarrow", "Parquet", "pyarrow")
    place = output(path)
    lines = list(_lines(arguments.rows(frame, "id")["id"], store))
    if RECORD in frame and frame[RECORD].tolist() != lines:  # as `pandas.read_parquet` has it from a file of ours
        raise ValueError(f"frame has a column {RECORD!r} of its own, which is where the rollouts stand: rename it")
    check(frame)
    kept = frame.assign(**{RECORD: lines})
    kept.attrs = {}
    try:
        written = kept.to_parquet(index=False, write_batch_size=16)  # a page, which is read whole, ends only after a batch
    except (ValueError, TypeError, OverflowError, NotImplementedError) as error:  # pyarrow's are such
        raise ValueError(f"Parquet does not take the frame: {error}") from None
    with written_whole(place) as file:
        file.write_bytes(written)  # pyarrow takes no path that is not UTF-8
    return place


def _lines(ids: Iterable[str], store: StorePath) -> Iterator[str]:
    with Store(store, existing=True) as opened:
        for id in ids:
            row = opened.find(id)
            (values,) = cached([row])
            if values is None and row.outcomes:  # its cache is damaged: read off anew, as for the frame
                scored_rows(opened, stored_cell(opened, row.cell), [row])
                row = opened.find(id)
                (values,) = cached([row])
            outcomes = dict(zip(row.columns, values or (), strict=False))
            about = {"canary": CANARY, "format": FORMAT, "id": row.key.hex(), "cell": row.cell.hex(), "replicate": row.replicate}
            about |= {"scorer": row.scorer if values else None, "outcomes": outcomes, "spec": opened.spec(row.cell)}
            line = codec.dumps(about | opened.body(row.key))
            redaction.refuse(f"the rollout {row.key.hex()[:16]}", line)
            yield line


def read_jsonl(path: str | os.PathLike[str], *, store: StorePath = None) -> pd.DataFrame:
    """Bring the rollouts of a file of `to_jsonl` into a store, the usual one unless it is named, and return `merge`'s table of it.

    `frame(store=...)` then has them as rows, beside those that the store had; into a store of their own, they are alone.

    What a record says of its cell (condition, model, source) has to fit what was sent, as far as this session has the scenario, and
    its outcomes are not believed: they are read off the messages anew. Of a cell that the store has already, its own label stays.
    Raises `ValueError` for a line that is no such record, or that holds another rollout than its id says, and adds none then.
    """
    place = arguments.file(path)
    with place.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        return _brought(place, _bounded(place, gzip.GzipFile(fileobj=file) if packed else file), store)


def _bounded(place: Path, file: BinaryIO | gzip.GzipFile) -> Iterator[bytes]:
    """Lines, one at a time: unpacked from a small file they may be endless."""
    try:
        while line := file.readline(MOST + 1):
            if len(line) > MOST:
                raise ValueError(f"{place} has a line of more than {MOST // 2**20} MB: that is no rollout")
            yield line
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{place} is damaged: {error}") from None


def read_parquet(path: str | os.PathLike[str], *, store: StorePath = None) -> pd.DataFrame:
    """Bring the rollouts of a file of `to_parquet` into a store; see `read_jsonl`. `pandas.read_parquet` has its table."""
    parquet = needed("pyarrow.parquet", "Parquet", "pyarrow")
    place = arguments.file(path)

    def records() -> Iterator[str]:
        """A part at a time: some bytes may stand for any number of rows."""
        try:
            if RECORD not in parquet.read_schema(file).names:
                raise ValueError(f"it has no column {RECORD!r}: it was not written by to_parquet")
            table = parquet.ParquetFile(file, read_dictionary=[RECORD])  # so that what stands in many rows is held once
            for part in table.iter_batches(_at_once(table.metadata), columns=[RECORD]):
                yield from (row.as_py() for row in part.column(0))
        except (ValueError, OSError, NotImplementedError) as error:  # pyarrow's are such
            raise ValueError(f"{place} is no Parquet file of records, or a damaged one: {error}") from None

    with place.open("rb") as file:
        return _brought(place, records(), store)


def _at_once(metadata: Any) -> int:
    """How many rows of a Parquet file are read at a time: as many as have some MB of records."""
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    columns = [group.column(i) for group in groups for i in range(group.num_columns)]
    size = sum(column.total_uncompressed_size for column in columns if column.path_in_schema == RECORD)
    return int(max(1, min(1000, _TOGETHER * metadata.num_rows // max(1, size))))


# Cells that were seen to be what they say: their spec, and the condition, where this session has the scenario.
_Fitting = dict[bytes, tuple[dict[str, Any], Condition | None]]


def _brought(place: Path, lines: Iterable[str | bytes], store: StorePath) -> pd.DataFrame:
    fitting: _Fitting = {}
    redaction.read()
    with tempfile.TemporaryDirectory() as folder:
        with Store(Path(folder) / place.name.partition(".")[0]) as between, between.transaction():
            for number, line in enumerate(lines, start=1):
                try:
                    text = line if isinstance(line, str) else line.decode()
                    if redaction.redact(text) != text:
                        raise ValueError("it holds a secret of the environment, which is never stored")
                    row, body, spec = _rollout(codec.loads(text), fitting)
                    if not between.insert(row, body, {row.cell: spec}) and codec.dumps(between.body(row.key)) != codec.dumps(body):
                        raise ValueError("an earlier record with its id holds another rollout")
                except (*UNREADABLE, StoreError, sqlite3.Error) as error:
                    raise ValueError(f"{place}, record {number}: no rollout: {type(error).__name__}: {error}") from None
            _check_together(place, between, fitting)
        table = copied(store, between.path)
    return table.assign(store=arguments.path_text(place))


def _check_together(place: Path, between: Store, fitting: _Fitting) -> None:
    """Raise for what a cell alone does not tell: that a branch is of another condition than its parent, or a peer named wrongly."""
    conditions = [condition for _, condition in fitting.values() if condition]
    alone = 0
    for cell, (spec, condition) in fitting.items():
        parent = parent_of(between, spec)
        alone += "after" in spec["sent"] and parent is None
        if why := other_parent(spec, parent) or (other_peer(condition, conditions) if condition else None):
            raise ValueError(f"{place}, rollouts of the cell {cell.hex()[:12]}: {why}. Was it changed there?")
    if alone:
        text = f"{alone} cells of {place} go on after rollouts that are not in it, so their conditions are as the file has them"
        warnings.warn(f"{text}: pp.verify compares them where the parents are stored", stacklevel=4)


_ABOUT = ("canary", "format", "id", "cell", "replicate", "scorer", "outcomes", "spec")


def _rollout(record: dict[str, Any], fitting: _Fitting) -> tuple[Row, dict[str, Any], dict[str, Any]]:
    """A record's row, body and cell. Raises `ValueError` for what is none.

    Its outcomes are read off its messages when they are first asked for. Where this session cannot, those that it has are kept.
    """
    if record["format"] > FORMAT:
        raise ValueError(f"it is of a later version of ppres (format {record['format']}): update ppres to read it")
    key, cell, spec, replicate = bytes.fromhex(record["id"]), bytes.fromhex(record["cell"]), record["spec"], record["replicate"]
    if type(replicate) is not int or not 0 <= replicate < arguments.MOST:
        raise ValueError(f"its replicate is {brief(replicate)}, and no whole number from 0 up, below ten million")
    if cell_digest(spec["sent"]) != cell or key_of(cell, replicate) != key:
        raise ValueError("its id is not that of what it holds")
    known, condition = fitting.get(cell, (None, None))
    if known != spec:
        condition = definition(spec)
        if why := misfit(spec, condition):
            raise ValueError(why)
        fitting[cell] = spec, condition
    body = {name: value for name, value in record.items() if name not in _ABOUT}
    _check_body(body)
    if condition and (why := _other_end(spec, condition, record_of(body).conversation)):
        raise ValueError(why)
    cache: tuple[str | None, str | None, tuple[str, ...]] = (None, None, ())
    if (outcomes := record["outcomes"]) and condition is None:
        cache = record["scorer"], codec.dumps(list(outcomes.values())), tuple(outcomes)
    return Row(key, cell, replicate, body["stop_reason"], *cache), body, spec


def _other_end(spec: dict[str, Any], condition: Condition, conversation: Conversation) -> str | None:
    """Why a conversation cannot have ended as it says."""
    try:
        return other_end(conversation, replayed(spec, condition, conversation)[0].world)
    except Exception:  # of a scenario's own code, or of a stranger's world: read, and told where it is scored
        return None


def _check_body(body: dict[str, Any]) -> None:
    """Raise for what no rollout has."""
    if strange := body.keys() - {*_WRITTEN, "stop_reason", "created", "error", "left", "failures", "unanswered"}:
        raise ValueError(f"it has the field {brief(min(strange))}, which no rollout has")
    for name, kind in (("messages", list), ("calls", list), ("provenance", dict), ("error", str | None), ("left", dict | None)):
        if not isinstance(body[name] if name in _WRITTEN else body.get(name), kind):
            raise ValueError(f"its {name} is {brief(body[name])}")
    conversation = record_of(body).conversation
    if conversation.stop_reason not in STOPS:
        raise ValueError(f"its stop_reason is {brief(body['stop_reason'])}, which is none of {', '.join(STOPS)}")
    if not conversation.turns and body["stop_reason"] in (*FINISHED, "loop"):  # a provider may fail at the first message
        raise ValueError(f"it has no message of its agent, and stopped for {body['stop_reason']}")
    datetime.fromisoformat(body["created"])


_WRITTEN = ("messages", "calls", "provenance")
