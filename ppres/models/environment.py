"""What the environment and a file `.env` say: keys, and where a provider's server is.

From a file only keys are read, and only where the shell has none of that name: an address in a file that came with somebody's
project would lead the shell's keys there. An address is the shell's, or `api_base`.
"""

from __future__ import annotations

import os

from ppres.models import keyfile, redaction

_announced: set[str] = set()


def read() -> None:
    """Read the keys of a file `.env`; a key that is set to nothing is none, though litellm takes it for one."""
    for name, value in list(os.environ.items()):
        if not value and redaction.names_a_key(name):
            del os.environ[name]
    for name, value in keyfile.values().items():
        if value and redaction.names_a_key(name) and not name.upper().endswith(("CREDENTIALS", "CREDENTIAL")):  # those are paths
            os.environ.setdefault(name, value)
    redaction.read()


# Whose variables litellm looks at for a provider of another name.
_SHARED = {"ollama_chat": "OLLAMA", "cohere_chat": "COHERE", "vertex_ai": "VERTEXAI"}


def _addresses(provider: str) -> list[str]:
    names = [provider.upper(), *filter(None, [_SHARED.get(provider)])]
    return [f"{name}_{end}" for name in names for end in ("BASE_URL", "API_BASE")]


def api_base(provider: str) -> str | None:
    """The server to which litellm sends a provider's calls where nothing else is asked for."""
    read()
    return next((os.environ[name] for name in _addresses(provider) if os.environ.get(name)), None)


def problem(provider: str, base: str | None) -> str | None:
    """What keeps a provider from being asked, or from being asked where it was meant: an odd key, an address in a file `.env`."""
    for name, value in os.environ.items():
        if name.startswith(provider.upper()) and name.endswith("_API_KEY") and not (value.isascii() and value.isprintable()):
            return f"{name} holds a line break or a letter that no key has: it cannot be sent"
    told = {} if base else keyfile.values()
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
