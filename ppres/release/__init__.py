"""The authors' released data: their dataset as a tidy frame, and their transcripts replayed in our worlds.

`load_release` reads the dataset by the authors' labels, or with `transcripts=True` by our rules; `compare` says how far the two
agree; `replay` takes a single transcript. The data are CC BY-NC 4.0, and each transcript has a canary to be kept with it.
"""

from ppres.release.files import DATASET, GROUPS
from ppres.release.load import compare, load_release
from ppres.release.names import ReleaseError
from ppres.release.transcripts import replay

__all__ = ["DATASET", "GROUPS", "ReleaseError", "compare", "load_release", "replay"]
