"""What the environment and a file `.env` say: keys, which are kept out of all that is stored, and where a provider's server is."""

from __future__ import annotations

import functools
import os
import re

from ppres.optional import for_real_models

_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", re.IGNORECASE)


def read() -> None:
    """Read a file `.env`; a key or token that is set to nothing is none, though litellm takes it for one."""
    dotenv = for_real_models("dotenv")
    for name, value in list(os.environ.items()):
        if not value and _SECRET.search(name):
            del os.environ[name]
    dotenv.load_dotenv(dotenv.find_dotenv(usecwd=True))
    _secrets.cache_clear()


def api_base(provider: str) -> str | None:
    """The server to which litellm sends a provider's calls where nothing else is asked for."""
    read()
    return os.environ.get(f"{provider.upper()}_BASE_URL") or os.environ.get(f"{provider.upper()}_API_BASE") or None


def redact(text: str) -> str:
    """A text without what the environment holds under the name of a key, a token or a password; providers echo them in errors."""
    for value in _secrets():
        text = text.replace(value, "[secret]")
    return text


@functools.cache
def _secrets() -> tuple[str, ...]:
    """Cached, because going through the environment for every reply takes longer than the reply."""
    return tuple(value for name, value in os.environ.items() if len(value) >= 8 and _SECRET.search(name))
