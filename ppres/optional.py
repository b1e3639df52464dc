"""Packages that are imported only where they are used, so that a light install does without them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

NOT_INSTALLED = "not installed"


class MissingPackageError(ImportError):
    """Something was asked for that needs a package which is not installed. The message says how to install it."""


def needed(module: str, use: str, packages: str) -> Any:
    """A module that `use` cannot do without. Raises `MissingPackageError` with the `packages` to install."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise  # it is installed, and lacks something itself
        raise MissingPackageError(f"{use} needs more than is installed: pip install {packages}") from None


def undivided(module: str, load: Callable[[str], Any] = importlib.import_module) -> Any:
    """A module, imported beside the caller: Ctrl-C in the middle would leave half of it behind for the rest of the session.

    It is obeyed at once, and the import goes on; a process ends when that is over.
    """
    if module in sys.modules:
        return load(module)
    beside = ThreadPoolExecutor(1)
    try:
        loading = beside.submit(load, module)
        while not loading.done():  # a signal that comes just before the thread sleeps is seen only when it wakes
            wait([loading], 1)
        return loading.result()
    finally:
        beside.shutdown(wait=False)


def version(package: str) -> str:
    """Which version of a package is installed; `NOT_INSTALLED` also of one that stands in the path alone, as a checkout may."""
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return NOT_INSTALLED


def for_real_models(module: str) -> Any:
    """A module without which no real model can be asked. Raises `MissingPackageError`."""
    return needed(module, "a real model", "litellm filelock python-dotenv")
