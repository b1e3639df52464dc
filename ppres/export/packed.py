"""Whether a secret stands in a file that is given away: as it is, or in whatever its bytes unpack to."""

from __future__ import annotations

import base64
import bz2
import contextlib
import itertools
import lzma
import re
import sqlite3
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from ppres.models import redaction
from ppres.models.spelling import spelled

_MOST = 256 * 2**20  # bytes of a file, and of all that is unpacked from it
_LONGEST = 300  # seconds of computing for one file
_DEEPEST = 8  # times that something may be packed
_PIECE = 256  # bytes handed to an unpacker at a time: none makes more than some megabytes of so few
_SHORTEST = 8  # bytes that may hold a secret
_HOW = "so it cannot be looked through for keys: unpack it and name what it holds, or leave it out"
# How what is packed begins, wherever it stands: in gzip, PNG, PDF, zip and what is made of them (notebooks, tables, fonts).
_HEADS = [head.to_bytes(2) for head in range(31, 2**15, 31) if head >> 8 & 15 == 8 and not head & 32]  # of zlib
_BEGINS = re.compile(  # no groups: then what cannot begin one of these is gone over fast
    rb"PK\x03\x04|BZh[1-9]1AY&SY|\xfd7zXZ\0|]\0\0[\0\x01\x02\x04\x08\x10\x20\x40\x80][\0-\x04]|\x1f\x8b\x08|"
    + b"|".join(map(re.escape, _HEADS)),
    re.DOTALL,
)
_UNPACKERS: dict[bytes, Callable[[], Any]] = {
    b"P": lambda: zlib.decompressobj(-15),
    b"B": bz2.BZ2Decompressor,
    b"\xfd": lzma.LZMADecompressor,
    b"]": lzma.LZMADecompressor,
}
_UNKNOWN = (b"7z\xbc\xaf'\x1c", b"Rar!\x1a\x07", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18", b"\x1f\x9d")  # 7z, rar, zstd, lz4, Z
_DEFLATED, _SEEN = 8, (0, 12)  # ways of a zip archive: what is not packed, or as bzip2, is seen where it stands
# Twenty signs or more, and the lines that follow one of sixty or more.
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{20,}+(?:(?<=[A-Za-z0-9+/_-]{60})[\s\",]+[A-Za-z0-9+/_-]++)*")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}){20,}")


def check_size(size: int) -> None:
    """Raise `ValueError` for a file of so many bytes, where they are too many."""
    if size > _MOST:
        raise ValueError(f"it has more than {_MOST // 2**20} MB, too much to be looked through for keys: take it out, or split it")


def secret_in(raw: bytes) -> bool:
    """Whether a secret of the environment, or a private key, stands in a file. Raises `ValueError` for what cannot be told."""
    check_size(len(raw))
    left, until = _MOST, time.process_time() + _LONGEST
    for _ in range(_DEEPEST):
        text = raw.translate(None, b"\0\xff")  # UTF-16 and UTF-32; what pictures are full of
        try:
            told = text.decode()
        except UnicodeDecodeError:
            told = text.decode("latin-1")
        if "PRIVATE KEY-----" in told or redaction.redact(told) != told:
            return True
        raw = b"\n".join(_unpacked(raw, told, left, until))
        left -= len(raw)
        if not raw:
            return False
    raise ValueError(f"it is packed more than {_DEEPEST} times over, {_HOW}")


def _unpacked(raw: bytes, text: str, most: int, until: float) -> Iterator[bytes]:
    """All that bytes, and the text that they are, may unpack to."""
    if raw.startswith(_UNKNOWN):
        raise ValueError(f"it is packed as only other programs do, {_HOW}")
    for part in itertools.chain(_spelt(spelled(text, False)), _of_pdf(raw), _values(raw), _streams(raw, most)):
        if (most := most - len(part) - 1) < 0:
            raise ValueError(f"it unpacks to more than {_MOST // 2**20} MB, {_HOW}")
        if time.process_time() > until:
            raise ValueError(f"looking through it takes more than {_LONGEST} seconds, {_HOW}")
        if len(part) >= _SHORTEST:
            yield part


def _spelt(text: str) -> Iterator[bytes]:
    """What stands in base64, wherever that begins, or in hexadecimal."""
    for run in _BASE64.findall(text):
        signs = re.sub(r'[\s",]+', "", run)
        yield from map(bytes.fromhex, _HEX.findall(signs))
        for skipped in range(4):
            part = signs[skipped : len(signs) - ((len(signs) - skipped) % 4 == 1)]
            yield (told := base64.b64decode(part.replace("-", "+").replace("_", "/") + "=="))
            if told.startswith((b"\x89PNG", b"%PDF")) or _BEGINS.match(told):  # then it began there
                break


def _of_pdf(raw: bytes) -> Iterator[bytes]:
    """What stands in base85, in which PDF writes what is packed."""
    for before in raw.split(b"~>")[:-1]:
        with contextlib.suppress(ValueError):
            yield base64.a85decode(re.split(b"stream|<~", before)[-1])


def _values(raw: bytes) -> Iterator[bytes]:
    """What a database holds: in its file, long values stand in pieces."""
    if raw.startswith(b"SQLite format 3\0"):
        with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(":memory:")) as database:
            database.deserialize(raw[:18] + b"\1\1" + raw[20:])  # without its log, which is none in memory
            database.text_factory = bytes
            for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                for row in database.execute('SELECT * FROM "{}"'.format(name.decode().replace('"', '""'))):
                    yield from (value for value in row if isinstance(value, bytes))


def _streams(raw: bytes, most: int) -> Iterator[bytes]:
    """What is packed in bytes, wherever it begins."""
    if b"IDAT" in raw:  # a picture's data, as one: between its pieces stand a checksum and a length
        *pieces, last = raw.split(b"IDAT")
        raw = b"".join([*(piece[:-8] for piece in pieces), last])
    view, at = memoryview(raw), 0
    while begin := _BEGINS.search(raw, at):
        at = start = begin.start()
        way = _DEFLATED
        if raw.startswith(b"PK", at):
            head = raw[at : at + 30].ljust(30)
            way = int.from_bytes(head[8:10], "little")
            if head[6] & 1 or way not in (_DEFLATED, *_SEEN):
                raise ValueError(f"in it is an archive that is encrypted, or packed as only other programs do, {_HOW}")
            start += 30 + int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
        part, length = b"", 0
        if way == _DEFLATED:
            part, length = _fed(_UNPACKERS.get(raw[at : at + 1], lambda: zlib.decompressobj(47)), view[start:], most)
            most -= len(part)
            yield part
        at = start + length if length else at + 1


def _fed(new: Callable[[], Any], packed: memoryview, most: int) -> tuple[bytes, int]:
    """What a stream unpacks to, up to where it is damaged or too much, and its length if it is whole."""
    unpacker, parts, at, size = new(), [], 0, _PIECE
    while at < len(packed) and not unpacker.eof and most >= 0:
        try:
            parts.append(unpacker.decompress(packed[at : at + size]))
        except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError):
            if size == 1:
                return b"".join(parts), 0
            unpacker, size = new(), 1  # once more to here, and on byte by byte: what comes before the damage is looked at
            for before in range(0, at, _PIECE):
                unpacker.decompress(packed[before : before + _PIECE])
            continue
        most, at = most - len(parts[-1]), at + size
    return b"".join(parts), min(at, len(packed)) - len(unpacker.unused_data) if unpacker.eof else 0
