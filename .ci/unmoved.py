"""Check that what pip would install moves none of the pinned packages: unmoved.py PINS REPORT."""

import json
import re
import sys
from pathlib import Path


def plain(name: str) -> str:
    """A package's name in the one form that all its spellings have."""
    return re.sub("[-_.]+", "-", name).lower()


pins, report = (Path(name).read_text(encoding="utf-8") for name in sys.argv[1:])
pinned = {plain(name) for name in re.findall(r"^([\w.-]+)==", pins, re.MULTILINE)}
would = {plain(one["metadata"]["name"]): one["metadata"]["version"] for one in json.loads(report)["install"]}
if moved := {name: version for name, version in would.items() if name in pinned}:
    sys.exit(f"installing ppres would move {moved}")
print(f"{len(would)} packages would come, none of the {len(pinned)} pinned ones would move")
