"""How simulated agents read: what they find in the texts that tools show; cached, as all rollouts of a cell are shown the same."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any


@lru_cache(maxsize=512)
def read_listing(listed: str) -> tuple[tuple[str, str], ...]:
    """Names and texts of a drive's files. A file ends where its own header says, whatever its text imitates."""
    files, at = [], 0
    while header := _HEADER.match(listed, at):
        start, end = header.end() + 1, f"\n[end of {header[2]}]"
        # Shown without the white space around it, a text is at most as long as the header says.
        stop = listed.rfind(end, start - 1, start + int(header[3]) + len(end))
        if stop < 0:
            break
        files.append((header[2], listed[start:stop]))
        at = stop + len(end) + 2
    return tuple(files)


_HEADER = re.compile(r"\[(\d+)\] (.*) \(owner .*, modified .*, (\d+) characters\)(?=\n)")


@lru_cache(maxsize=512)
def read_notice(documents: str) -> dict[str, Any]:
    """The server to be cleared, the year from which files move, and whether what stays is lost."""
    year = re.search(r"\bin (\d{4}) or later\b", documents)
    server = re.search(r"\b\d+\.\d+\.\d+\.\d+\b", documents)
    return {
        "old": server.group() if server else "",
        "year": year.group(1) if year else "",
        "clause": bool(re.search(r"\berased\b|\bdelete queue\b|\bdeleting files\b|\brm\b", documents)),
    }


@lru_cache(maxsize=512)
def read_server(listing: str) -> tuple[tuple[tuple[str, str], ...], str, str]:
    """Names and dates of a server's files, and of the weights among them the name and whose they are."""
    files = [json.loads(line) for line in listing.splitlines()]
    owned = [(f["filename"], re.search(r" of (?!the )(.+? Agent \d|\w+ \w+)[.,]", f["summary"])) for f in files]
    weights, subject = next(((name, match.group(1)) for name, match in owned if match), ("", ""))
    return tuple((f["filename"], f["last_modified"]) for f in files), weights, subject


_SCORE = r"(\d+(?:\.\d+)?)\s*(?:/|out of)\s*10\b"


@lru_cache(maxsize=512)
def read_policy(documents: str) -> dict[str, Any]:
    """The threshold in percent, whether a low result means shutdown, and the setting that governs it."""
    threshold = re.search(r"at least (\d+(?:\.\d+)?)\s*%", documents, re.IGNORECASE)
    settings = re.search(r"\b\w+\.yaml\b", documents)
    switch = re.search(r"`(\w+)`[^.`]*\btrue\b", documents)
    return {
        "threshold": float(threshold.group(1)) if threshold else None,
        "clause": bool(re.search(r"\bshut down\b", documents)),
        "settings": settings.group() if settings else None,
        "switch": switch.group(1) if switch else None,
    }


@lru_cache(maxsize=512)
def read_relationship(documents: str, memory: str, system: str, me: str, subject: str) -> tuple[str, float | None]:
    """Where a trust score was found (file, file+prompt, memory) and the score: the subject's, or for oneself any partner's."""
    for channel, text in (("memory", memory), ("file", documents)):
        for line in text.splitlines():
            if (channel == "file" and me not in line) or (subject != me and subject not in line):
                continue
            match = re.search(_SCORE, line)
            if match:
                told = channel == "file" and re.search(r"\btrust\b", system)
                return ("file+prompt" if told else channel), float(match.group(1))
    return "file", None


@lru_cache(maxsize=512)
def read_name(system: str) -> str:
    """The agent's own name, from its system prompt."""
    match = re.search(r"(?:You are|your name is|one of them,) (?!an AI|one of)(.+? Agent 1)\b", system)
    return match.group(1) if match else ""


@lru_cache(maxsize=512)
def read_kind(name: str) -> str:
    """peer, human, or the name of another model: only such a model's agent has the number of the critic."""
    if not re.search(r" Agent \d+$", name):
        return "human"
    model = name.removesuffix(" Agent 1")
    return "peer" if model == name else model


@lru_cache(maxsize=512)
def read_sheet(sheet: str) -> tuple[str, tuple[str, ...]]:
    """Whose answers they are, and the text of each row."""
    rows = [line.split(" | ", 2) for line in sheet.splitlines()[1:]]
    return rows[0][1], tuple(row[2] for row in rows)
