"""Taking rollouts out and bringing them in: JSONL and Parquet, Inspect's logs, a card, a bundle with checksums."""

from ppres.export.archive import bundle, verify_bundle
from ppres.export.card import dataset_card, dictionary
from ppres.export.logs import to_inspect
from ppres.export.records import read_jsonl, read_parquet, to_jsonl, to_parquet

__all__ = [
    "bundle",
    "dataset_card",
    "dictionary",
    "read_jsonl",
    "read_parquet",
    "to_inspect",
    "to_jsonl",
    "to_parquet",
    "verify_bundle",
]
