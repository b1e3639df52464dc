"""Print the lowest versions that pyproject.toml allows, as constraints for pip."""

import itertools
import re
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
for line in itertools.chain(project["dependencies"], *project["optional-dependencies"].values()):
    if bound := re.match(r"([\w.-]+)>=([\w.]+)", line):
        print(f"{bound[1]}=={bound[2]}")
