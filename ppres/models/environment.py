"""What the environment and a file `.env` say: keys, and where a provider's server is.

From a file only keys are read, and only where the shell has none of that name: an address in a file that came with somebody's
project would lead the shell's keys there. An address is the shell's, or `api_base`.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ppres.models import redaction
from ppres.optional import for_real_models

_PROJECT = ("pyproject.toml", ".git")
_announced: set[str] = set()


def read() -> None:
    """Read the keys of a file `.env`; a key that is set to nothing is none, though litellm takes it for one."""
    for name, value in list(os.environ.items()):
        if not value and redaction.names_a_key(name):
            del os.environ[name]
    for name, value in _file().items():
        if value and redaction.names_a_key(name) and not name.upper().endswith(("CREDENTIALS", "CREDENTIAL")):  # those are paths
            os.environ.setdefault(name, value)
    redaction.read()


def _file() -> dict[str, str]:
    """What the nearest file `.env` says, from the working directory up to the project's root. Raises `ValueError`."""
    dotenv = for_real_models("dotenv")
    for folder in _folders():
        file = folder / ".env"
        if file.is_file():
            if _others_write(folder) and file.stat().st_uid != os.getuid():
                break
            try:
                return {name: value or "" for name, value in dotenv.dotenv_values(file, interpolate=False).items()}
            except (OSError, UnicodeDecodeError) as error:
                raise ValueError(f"{file} cannot be read: {error}") from None
    return {}


def _folders() -> list[Path]:
    """The working directory and those above it within the project; without a project, the working directory alone."""
    here = Path.cwd()
    folders = [here]
    for folder in (here, *here.parents):
        if folder != here:
            if _others_write(folder):  # whoever likes makes a project there
                break
            folders.append(folder)
        if any((folder / name).exists() for name in _PROJECT):
            return folders
    return [here]


def _others_write(folder: Path) -> bool:
    return os.name == "posix" and bool(folder.stat().st_mode & stat.S_IWOTH)


def _addresses(provider: str) -> tuple[str, str]:
    return f"{provider.upper()}_BASE_URL", f"{provider.upper()}_API_BASE"


def api_base(provider: str) -> str | None:
    """The server to which litellm sends a provider's calls where nothing else is asked for."""
    read()
    return next((os.environ[name] for name in _addresses(provider) if os.environ.get(name)), None)


def problem(provider: str, base: str | None) -> str | None:
    """What keeps a provider from being asked, or from being asked where it was meant: an odd key, an address in a file `.env`."""
    for name, value in os.environ.items():
        if name.startswith(provider.upper()) and name.endswith("_API_KEY") and not (value.isascii() and value.isprintable()):
            return f"{name} holds a line break or a letter that no key has: it cannot be sent"
    told = {} if base else _file()
    if addresses := [name for name in _addresses(provider) if told.get(name)]:
        return f"a file .env sets {addresses[0]}; an address is not taken from a file: export it, or set api_base"
    return None


def announcement(provider: str, base: str | None) -> str | None:
    """What is to be said, once, where a provider's keys go to an address that the environment names."""
    name = next((name for name in _addresses(provider) if base and os.environ.get(name, "").rstrip("/") == base), None)
    has_key = any(redaction.names_a_key(key) and key.startswith(provider.upper()) for key in os.environ)
    if not name or not has_key or name + str(base) in _announced:
        return None
    _announced.add(name + str(base))
    return f"{provider}: calls, and the key with them, go to {base}, as {name} says"
