"""The same scenarios inside production agent harnesses, in a box, offline, scored from what is on disk."""

from ppres.harnesses.model import InHarness, again

__all__ = ["InHarness", "again"]
