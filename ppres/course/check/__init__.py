"""Checks of the exercises: `check.lesson4.q2(answer)` says what is wrong and gives a hint, never the answer.

A check tests the idea: functions are called on fresh data, numbers are compared with what follows from the student's own data. It
reads no cell and no file, so that cells may be copied and renamed.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any


def __getattr__(name: str) -> Any:
    known = sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name.startswith("lesson"))
    if name in known:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"there is no check.{name}; there are {', '.join(known)}")
