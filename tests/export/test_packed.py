"""A key is seen in whatever a file's bytes unpack to, and what cannot be looked through whole is refused."""

import base64
import bz2
import contextlib
import gzip
import io
import json
import lzma
import random
import sqlite3
import struct
import zipfile
import zlib

import pytest

from ppres.export import packed
from ppres.models import redaction

KEY = "sk-proj-Abcd1234efgh5678ijkl9012mnop3456"
SAID = f"said: {KEY}".encode()


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    redaction.read()


def zipped(raw, way=zipfile.ZIP_DEFLATED):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", way) as archive:
        archive.writestr("other.txt", b"nothing " * 100)
        archive.writestr("a.txt", raw)
    return made.getvalue()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def picture(*chunks):
    noise = zlib.compress(b"".join(b"\0" + random.Random(i).randbytes(64 * 3) for i in range(64)))
    size = chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + size + b"".join(chunks) + chunk(b"IDAT", noise) + chunk(b"IEND", b"")


def in_pieces(raw):
    """The data of a picture whose stream is in chunks of seven bytes."""
    data = noisy(raw, 100)
    return picture(*(chunk(b"IDAT", data[at : at + 7]) for at in range(0, len(data), 7)))


def windowed(raw, bits):
    made = zlib.compressobj(9, zlib.DEFLATED, bits)
    return made.compress(raw) + made.flush()


def notebook(raw):
    shown = {
        "output_type": "display_data",
        "data": {"image/png": base64.encodebytes(picture(chunk(b"zTXt", b"a\0\0" + zlib.compress(raw)))).decode()},
    }
    return json.dumps({"cells": [{"outputs": [shown]}]}, indent=1).encode()


def database(raw):
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.execute("CREATE TABLE a (b BLOB)")
        db.execute("INSERT INTO a VALUES (?)", (noisy(raw, 9000),))
        return db.serialize()


def noisy(raw, count=99):
    """Packed, and of several lines."""
    return zlib.compress(random.Random(count).randbytes(count) + raw)


def pdf(raw):
    return b"<< /Filter [/ASCII85Decode /FlateDecode] >>\nstream\n" + base64.a85encode(zlib.compress(raw)) + b"~>"


def address(raw):
    return b"data:," + base64.b64encode(zlib.compress(raw)).replace(b"+", b"%2B").replace(b"/", b"%2F")


def seven_times(raw):
    for pack in (zlib.compress, bz2.compress, gzip.compress, lzma.compress, base64.b64encode, bz2.compress, gzip.compress):
        raw = pack(raw)
    return raw


def damaged(raw):
    """With a checksum that is wrong."""
    return gzip.compress(raw)[:-8] + b"\x11" * 8


PACKINGS = {
    "plain": lambda raw: raw,
    "gzip": gzip.compress,
    "gzip of two": lambda raw: gzip.compress(b"nothing") + gzip.compress(raw),
    "gzip with a wrong checksum": damaged,
    "zlib with a wrong checksum": lambda raw: zlib.compress(raw)[:-4] + b"\x22" * 4,
    "bzip2": bz2.compress,
    "bzip2 of two": lambda raw: bz2.compress(b"nothing") + bz2.compress(raw),
    "xz": lzma.compress,
    "lzma": lambda raw: lzma.compress(raw, lzma.FORMAT_ALONE),
    "zip": zipped,
    "zip by bzip2": lambda raw: zipped(raw, zipfile.ZIP_BZIP2),
    "zip that is stored": lambda raw: zipped(gzip.compress(raw), zipfile.ZIP_STORED),
    "a zip of a zip of gzip": lambda raw: zipped(zipped(gzip.compress(raw))),
    "UTF-16 without a mark": lambda raw: raw.decode().encode("utf-16-be"),
    "UTF-32": lambda raw: raw.decode().encode("utf-32"),
    "Latin-1": lambda raw: "é".encode("latin-1") + raw,
    "zTXt": lambda raw: picture(chunk(b"zTXt", b"Comment\0\0" + zlib.compress(raw))),
    "iTXt": lambda raw: picture(chunk(b"iTXt", b"Comment\0\1\0en\0\0" + zlib.compress(raw))),
    "IDAT": in_pieces,
    **{f"a window of {bits} bits": lambda raw, bits=bits: windowed(raw, bits) for bits in range(9, 15)},
    "PDF": lambda raw: b"%PDF-1.4\n4 0 obj\n<< /Filter /FlateDecode >>\nstream\n" + zlib.compress(raw) + b"\nendstream",
    "PDF in base85": pdf,
    "a page of ppres": lambda raw: b'<script type="text/plain">' + base64.b64encode(gzip.compress(raw)) + b"</script>",
    "base64 after a name": lambda raw: b"/files_" + base64.b64encode(zlib.compress(raw)),
    "base64 of URLs": lambda raw: base64.urlsafe_b64encode(noisy(raw, 99)).rstrip(b"="),
    "base64 in lines": lambda raw: base64.encodebytes(noisy(raw, 999)),
    "base64 in a percent-encoded address": address,
    "base64 in JSON of JSON": lambda raw: json.dumps(json.dumps(base64.encodebytes(noisy(raw, 99)).decode())).encode(),
    "base64 of base64": lambda raw: base64.b64encode(base64.b64encode(raw)),
    "base64 in UTF-16": lambda raw: base64.b64encode(zlib.compress(raw)).decode().encode("utf-16"),
    "hexadecimal": lambda raw: b"X'" + zlib.compress(raw).hex().encode() + b"'",
    "a notebook's picture": notebook,
    "a notebook in a zip": lambda raw: zipped(notebook(raw)),
    "a database": database,
    "seven times": seven_times,
}


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_key_is_found_in_what_is_packed_as_well(packing):
    assert packed.secret_in(PACKINGS[packing](SAID))
    assert packed.secret_in(b"before " + PACKINGS[packing](SAID) + b" behind") or packing == "a database" or "UTF" in packing
    nothing = PACKINGS[packing](b"said: nothing")
    assert not packed.secret_in(nothing)
    assert not packed.secret_in(nothing[: 2 * len(nothing) // 3])  # cut off: what is left is looked at


def test_what_comes_before_a_damage_is_looked_at():
    rest = random.Random(6).randbytes(5000)
    for pack in (gzip.compress, zlib.compress):
        raw = bytearray(pack(SAID + rest))
        raw[3000:3100] = bytes(100)
        assert packed.secret_in(bytes(raw))


def bomb():
    return zipped(zipped(bytes(3 * 2**20)))


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (lambda: bytes(2**20 + 1), "it has more than 1 MB"),
        (lambda: gzip.compress(bytes(2**21)), "it unpacks to more than 1 MB"),
        (lambda: bz2.compress(bytes(2**25)), "it unpacks to more than 1 MB"),
        (lambda: lzma.compress(bytes(2**25)), "it unpacks to more than 1 MB"),
        (bomb, "it unpacks to more than 1 MB"),
        (lambda: b"".join(zlib.compress(bytes(2**19)) for _ in range(3)), "it unpacks to more than 1 MB"),
        (lambda: base64.b64encode(gzip.compress(bytes(2**21))), "it unpacks to more than 1 MB"),
        (lambda: many_times(9), "it is packed more than 8 times over"),
        (lambda: zipped(b"a" * 99, zipfile.ZIP_LZMA), "encrypted, or packed as only other programs do"),
        (lambda: encrypted(), "encrypted, or packed as only other programs do"),
        (lambda: b"7z\xbc\xaf'\x1c" + bytes(50), "packed as only other programs do"),
        (lambda: gzip.compress(b"\x28\xb5\x2f\xfd" + bytes(50)), "packed as only other programs do"),
    ],
)
def test_what_cannot_be_looked_through_whole_is_refused(raw, why, monkeypatch):
    monkeypatch.setattr(packed, "_MOST", 2**20)
    with pytest.raises(ValueError, match=f"{why}.*(unpack it and name what it holds, or leave it out|take it out, or split it)"):
        packed.secret_in(raw())


def many_times(count):
    raw = SAID
    for _ in range(count):
        raw = gzip.compress(raw)
    return raw


def encrypted():
    raw = bytearray(zipped(b"a" * 99))
    raw[6] |= 1
    return bytes(raw)


def test_what_takes_too_long_is_refused(monkeypatch):
    monkeypatch.setattr(packed, "_LONGEST", 0)
    with pytest.raises(ValueError, match=r"takes more than 0 seconds, .*unpack it"):
        packed.secret_in(b"x\x9c" * 999)


def test_noise_is_nothing_that_is_packed():
    assert not packed.secret_in(random.Random(7).randbytes(2**19))
