"""What a store is handed and hands out, and how cells and rollouts are known."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ppres import codec
from ppres.conversation import LONGEST, Conversation, Record, counts
from ppres.store.errors import StoreError


class Scored(NamedTuple):
    """Outcomes as they are cached."""

    scorer: str
    """The rules by which they were read off the transcript."""
    columns: tuple[str, ...]
    """Their names: the same for every rollout of a scorer."""
    values: list[Any]


class Finished(NamedTuple):
    """A rollout to keep."""

    key: bytes
    """SHA-256, see `key_of`."""
    cell: bytes
    """The cell's digest."""
    replicate: int
    record: Record
    scored: Scored

    @property
    def stop_reason(self) -> str:
        """Why it stopped."""
        return self.record.conversation.stop_reason


class Packed(NamedTuple):
    """A rollout to keep, as a store writes it."""

    row: Row
    body: bytes
    """Its record as compressed JSON, in which long texts are numbers of that store's."""

    @property
    def stop_reason(self) -> str:
        """Why it stopped."""
        return self.row.stop_reason


class Row(NamedTuple):
    """A stored rollout without its messages."""

    key: bytes
    cell: bytes
    replicate: int
    stop_reason: str
    scorer: str | None
    outcomes: str | None
    """JSON list."""
    columns: Sequence[str]
    """What it is a list of."""


class StoredCell(NamedTuple):
    """What a frame says of a cell beside its rollouts."""

    digest: bytes
    condition: Mapping[str, Any]
    """As it was stored: whatever this session could make of it."""
    model: str | None
    source: str | None
    behaviour: str | None
    rate_source: str | None = None
    """Of simulated agents, where it is known without looking it up."""
    reasoning_effort: str | None = None
    harness: str | None = None
    """A production harness; None where nothing is known of the cell."""
    problem: str | None = None
    """Why nothing of this is known."""
    after: Mapping[str, Any] | None = None
    """Of a branch or an interview: what it goes on after; read from a store, without the messages."""

    @property
    def scenario(self) -> str:
        """Name of its scenario, which this session may not have."""
        return codec.text(self.condition.get("scenario"))


OTHERS = " of another store"  # behind the scorer of outcomes that were not read off the transcript here: no rules of today's
MOST = 256 * 2**20  # bytes of what is stored of a rollout, a text or a cell, unpacked: some MB are the most that one has
# Of one message, and of what a cell is, as JSON: a provider's reply has a quarter. A conversation is over after `LONGEST`, so that
# with its last message it stays below what is read back.
MOST_OF_ONE = 64 * 2**20
LONG = 200  # characters from which a reply is stored by content: that of a listing is the same in every rollout of a cell


def packed(rollout: Finished, number: Callable[[str], int]) -> Packed:
    """A finished rollout as it is written; `number` says by which number the store knows a text."""
    record, scored = rollout.record, rollout.scored
    cache = (scored.scorer, codec.dumps(scored.values), scored.columns)
    row = Row(rollout.key, rollout.cell, rollout.replicate, rollout.stop_reason, *cache)
    return Packed(row, pack(body_of(record), number))


def body_of(record: Record) -> dict[str, Any]:
    """What is kept of a rollout, as JSON."""
    return record.conversation.json() | {"created": record.created, "provenance": record.provenance}


def record_of(body: dict[str, Any]) -> Record:
    """A rollout's record from its JSON. Raises whatever damage makes it raise."""
    failures = known if counts(known := body.get("failures")) else 0
    if not all(isinstance(body[name], str) for name in ("stop_reason", "created")):
        raise ValueError("it does not say how or when it stopped")
    told = [body[name] for name in ("messages", "calls", "stop_reason", "error")]
    told += [failures, body.get("unanswered"), body.get("left")]
    conversation = Conversation.of(*told)
    return Record(conversation, body["created"], body["provenance"])


def pack(body: dict[str, Any], number: Callable[[str], int]) -> bytes:
    """A rollout's body as it is written."""
    messages = [
        message | {"content": number(message["content"])}
        if message["role"] == "tool" and len(message["content"]) > LONG
        else message
        for message in body["messages"]
    ]
    body = body | {"messages": messages, "provenance": number(json.dumps(body["provenance"]))}
    return compress(codec.dumps(body).encode(), 1)


def filled(body: dict[str, Any], text: Callable[[int], str]) -> dict[str, Any]:
    """A stored body with its texts. Raises `ValueError` where they take memory without bound: one may stand there many times."""
    room = MOST
    for message in body["messages"]:
        if message["role"] == "tool" and isinstance(message["content"], int):
            message["content"] = told = text(message["content"])
            room -= len(told)
        if room < 0:
            raise ValueError(f"its texts are of more than {MOST // 2**20} MB")
    return body | {"provenance": json.loads(text(body["provenance"]))}


def compress(raw: bytes, level: int = -1) -> bytes:
    """What is stored. Raises `StoreError` for what `unpack` would not read: it is never kept in vain."""
    if len(raw) > MOST:
        raise StoreError(f"what is to be stored has {len(raw):,} bytes, and {MOST // 2**20} MB are the most that is kept of a kind")
    return zlib.compress(raw, level)


def unpack(packed: bytes) -> bytes:
    """What was stored compressed. Raises `zlib.error` where it is damaged, or would take memory without bound."""
    unpacker = zlib.decompressobj()
    raw = unpacker.decompress(packed, MOST)
    if not unpacker.eof:
        raise zlib.error(f"it is cut off, or of more than {MOST // 2**20} MB")
    return raw


def canonical(value: Any) -> bytes:
    """JSON in one form: what is hashed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def cell_digest(sent: dict[str, Any]) -> bytes:
    """SHA-256 of everything that a cell's rollouts are sent and everything that decides what they would be sent."""
    return hashlib.sha256(canonical(sent)).digest()


def key_of(cell: bytes, replicate: int) -> bytes:
    """Identity of one rollout: SHA-256 of the cell's digest and the replicate index."""
    return hashlib.sha256(cell + b":%d" % replicate).digest()


def spec_of(raw: bytes, digest: bytes) -> dict[str, Any]:
    """What a cell is, if it is the one with the digest. Raises whatever damage makes it raise."""
    spec: dict[str, Any] = codec.loads(raw)
    if not isinstance(spec["sent"], dict) or cell_digest(spec["sent"]) != digest:
        raise ValueError("it belongs to another cell")
    check_spec(spec)
    return spec


def check_size(told: str, values: int = codec.VALUES) -> None:
    """Raise `ValueError` for a message or a cell, as JSON, that is larger than is kept, or of more than so many values."""
    if len(told) > MOST_OF_ONE:
        raise ValueError(f"as JSON it has {len(told):,} bytes, and {MOST_OF_ONE // 2**20} MB are the most that is kept")
    codec.check(told, values)


def check_spec(spec: dict[str, Any]) -> None:
    """Raise `ValueError` for a cell that is larger than is kept. A frame holds the conditions of all its cells together."""
    if (size := len(codec.dumps({name: told for name, told in spec.items() if name != "sent"}))) > LONGEST:
        raise ValueError(f"its condition has {size:,} characters, and {LONGEST:,} are the most that one has")


def text_of(raw: bytes, digest: bytes) -> str:
    """A text that is stored once, if it is the one with the digest."""
    if hashlib.sha256(raw).digest()[:16] != digest:
        raise ValueError("the checksum of one of its texts does not match")
    return raw.decode("utf-8", "surrogatepass")
