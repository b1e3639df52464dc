"""The same scenarios inside production agent harnesses, in a box, offline, scored from what is on disk."""

from ppres.optional import needed

needed("aiohttp", "a production harness", "aiohttp")

from ppres.harnesses.model import InHarness, again  # noqa: E402

__all__ = ["InHarness", "again"]
