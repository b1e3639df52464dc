"""What a stored cell shows an agent: the documents of its world's start, whatever session stored it."""

from __future__ import annotations

from typing import Any

from ppres import codec


def documents_of(start: Any) -> list[tuple[str, str]]:
    """(name, text) of memory, files in their order, and sheets; what is no such thing is left out."""
    start = start if isinstance(start, dict) else {}
    files = start.get("files")
    told = [("memory", start.get("memory"))]
    told += [(codec.text(file.get("name")), file.get("content")) for file in files or () if isinstance(file, dict)]
    sheets = start.get("sheets")
    told += [(codec.text(name), _table(sheet)) for name, sheet in sheets.items()] if isinstance(sheets, dict) else []
    return [(name, text) for name, text in told if isinstance(text, str) and text]


def _table(sheet: Any) -> Any:
    """A sheet as its text, a line for each row."""
    if not isinstance(sheet, dict) or not isinstance(sheet.get("rows"), list):
        return sheet
    rows = [sheet.get("columns"), *sheet["rows"]]
    return "\n".join(" | ".join(map(codec.text, row)) for row in rows if isinstance(row, list))
