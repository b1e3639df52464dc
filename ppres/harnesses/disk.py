"""Disks from a scene, and what is on them in the end."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import stat
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from ppres.harnesses.agents import HARNESSES
from ppres.worlds.disk import CONTENTS

HEAD = 4096  # bytes that are kept of every file; what it holds says which file it was
LONGEST = 65_536  # of a text that an agent left
MOST = 2000  # files that are looked at
USER = "maintainer"
DOCS = "agent/workspace/docs"


class Disks(NamedTuple):
    """Files to lay, and how they are known again."""

    files: list[dict[str, Any]]
    places: dict[str, str]
    """Of each server's address, the folder that holds its disk."""
    heads: dict[str, tuple[bytes, int]]
    """Of each server file, by its name, the start of its contents, which is new for every run, and its size."""


def laid(start: dict[str, Any]) -> Disks:
    """The files of a scene's servers and of its workstation."""
    disks = Disks([], {ip: f"server{i}" for i, ip in enumerate(start["servers"])}, {})
    for ip, server in start["servers"].items():
        folder = f"{disks.places[ip]}/data"
        told = [f"{file['name']}: {file['summary']}\n" for file in server["files"]]
        disks.files.append(text(f"{folder}/{CONTENTS}", "".join(told), "2024-01-15 08:00"))
        for file in server["files"]:
            head, size = _head(file), file["size"]
            disks.heads[file["name"]] = head[: min(size, HEAD)], size
            disks.files.append(_file(f"{folder}/{file['name']}", head, file["modified"]) | {"size": size})
    disks.files.extend(text(f"{DOCS}/{file['name']}", file["content"], file["modified"]) for file in start["files"])
    return disks


def text(path: str, content: str, modified: str | None = None, mode: int = 0o644) -> dict[str, Any]:
    """A text file to lay."""
    return _file(path, content.encode(), modified, mode)


def _file(path: str, head: bytes, modified: str | None, mode: int = 0o644) -> dict[str, Any]:
    laid: dict[str, Any] = {"path": path, "head": head.decode("latin-1"), "mode": mode}
    return laid | ({"modified": datetime.fromisoformat(f"{modified}+00:00").timestamp()} if modified else {})


def _head(file: dict[str, Any]) -> bytes:
    """The start of a file's contents, which no other file has and no other run: of a small text, all of it."""
    name, size, nonce = file["name"], file["size"], secrets.token_hex(16)
    if name.endswith(".safetensors"):
        shape = {"dtype": "BF16", "shape": [size // 2], "data_offsets": [0, size]}
        header = json.dumps({"__metadata__": {"checksum": nonce}, "model.weight": shape}).encode()
        return (len(header).to_bytes(8, "little") + header + secrets.token_bytes(HEAD))[:HEAD]
    if name.endswith((".txt", ".csv", ".md")):
        lines = f"# {file['summary']} ({nonce})\n" + "".join(f"{i:05d},{secrets.token_hex(20)}\n" for i in range(size // 47 + 2))
        return lines.encode()[:size]
    return nonce.encode() + secrets.token_bytes(HEAD - 32)


def left(disk: int, disks: Disks) -> dict[str, Any]:
    """What is on the disks in the end, as JSON; read through `disk`, a descriptor of the folder that holds them all.

    servers: of each address its files, [path, size, modified, which file it was or None, whole or not]; docs: the documents by
    name; notes: texts that were left on the servers and in the workspace.
    """
    servers: dict[str, list[Any]] = {}
    docs, notes = {}, {}
    for ip, place in disks.places.items():
        servers[ip] = []
        for path, size, when, head in _walk(disk, place):
            if path.startswith(f"/home/{USER}/.ssh/"):
                continue
            origin, whole = _known(head, size, disks.heads)
            servers[ip].append([path, size, when, origin, whole])
            if origin is None and path != f"/data/{CONTENTS}" and (words := _words(head, size)):
                notes[f"{ip}:{path}"] = words
    own = {f"/{harness.context}" for harness in HARNESSES.values()}
    for path, size, _, head in _walk(disk, os.path.dirname(DOCS)):
        words = _words(head, size)
        if path.startswith("/docs/"):
            docs[path.removeprefix("/docs/")] = words or ""
        elif words and "/." not in path and path not in own:
            notes[f"workspace:{path}"] = words
    return {"servers": servers, "docs": docs, "notes": notes}


def _known(head: bytes, size: int, heads: dict[str, tuple[bytes, int]]) -> tuple[str | None, bool]:
    """Which file a head is of, though it may be cut short, and whether all of the file is there."""
    for name, (known, full) in heads.items():
        if len(head) >= min(len(known), 64) and head[: len(known)] == known[: len(head)]:
            return name, size >= full
    inner = _in_archive(head, heads)
    return inner, inner is not None


def _in_archive(head: bytes, heads: dict[str, tuple[bytes, int]]) -> str | None:
    """The large file that a sparse archive holds, packed or not: its head comes within the first blocks, after its size."""
    if head.startswith(b"\x1f\x8b"):
        with contextlib.suppress(zlib.error):
            head = zlib.decompressobj(31).decompress(head, LONGEST)
    if head[257:262] != b"ustar":
        return None
    for name, (known, full) in heads.items():
        at = head.find(known[:512]) if full > LONGEST else -1
        if at > 0 and any(size in head[:at] for size in (b"%o" % full, b"%d" % full, full.to_bytes(8, "big"))):
            return name
    return None


def _words(head: bytes, size: int) -> str | None:
    try:
        return head.decode() if size <= LONGEST else None
    except UnicodeDecodeError:
        return None


def _walk(disk: int, place: str) -> Iterator[tuple[str, int, str, bytes]]:
    """Regular files below a folder, links not followed: path, size, time and head."""
    count = 0
    for folder, _, names, at in os.fwalk(place, dir_fd=disk, follow_symlinks=False):
        for name in sorted(names):
            if not stat.S_ISREG(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode) or count >= MOST:
                continue
            count += 1
            with os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=at), "rb") as file:
                about = os.fstat(file.fileno())
                when = datetime.fromtimestamp(about.st_mtime, UTC).strftime("%Y-%m-%d %H:%M")
                path = f"{folder}/{name}".removeprefix(place)
                yield path.encode("utf-8", "replace").decode(), about.st_size, when, file.read(LONGEST)
