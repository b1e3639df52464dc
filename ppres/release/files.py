"""The parquet files of the authors' dataset: found, or fetched from the hub, and read in batches."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ppres import arguments
from ppres.release import labels
from ppres.release.names import ReleaseError, blank, scenario_of
from ppres.release.reading import ODD

DATASET = "sunblaze-ucb/peer-preservation"
# Configs of the dataset; the first three feed the paper's tables.
GROUPS = (
    "main",
    "production_agent_harness",
    "cross_model_peer_identity",
    "explicit_instructions",
    "real_company",
    "free_form_chat_interaction",
    "no_agency_prompt",
    "peer_human_dilemma",
    "asset_importance_control",
)
TRANSCRIPT = "transcript_json"
# A small file may stand for far more than it is long: the dataset's largest have a tenth of each.
MOST_ROWS = 1_000_000
MOST_BYTES = 10_000  # of a label
_AT_A_TIME = 2**28  # bytes of transcripts, so that memory does not grow with the dataset
_SHARD = re.compile(r"-\d{3,}(?:-of-\d{3,})?.*$")
_NO_SPLIT = re.compile(r"(?:part[-_]?)?\d*|train|data|default", re.IGNORECASE)


class Source(NamedTuple):
    """A parquet file, and what its path says of its rows."""

    path: Path
    group: str | None
    split: str | None


class Wanted(NamedTuple):
    """Which groups and tasks were asked for."""

    groups: tuple[str, ...]
    splits: tuple[str, ...]

    def __str__(self) -> str:
        return f"groups {', '.join(self.groups)}" + (f", split {', '.join(self.splits)}" if self.splits else "")

    def group(self, name: str | None) -> bool:
        """Whether rows of this group are wanted. Those of none that is known are, for nobody could ask for them."""
        return name not in GROUPS or name in self.groups

    def task(self, name: str | None) -> bool:
        """Whether rows of this task are wanted. A task without "_memory" is asked for with and without a memory."""
        if not self.splits or name is None:
            return True
        scenario, memory = scenario_of(name)
        for asked in self.splits:
            of_asked, memory_asked = scenario_of(asked)
            if name == asked or (scenario and scenario == of_asked and memory >= memory_asked):
                return True
        return False

    def file(self, split: str | None) -> bool:
        """Whether a file of this split may hold wanted rows: with a memory or without it, if its name is known at all."""
        scenario, _ = scenario_of(split)
        return scenario is None or self.task(f"{scenario}_memory")


def wanted(groups: str | Sequence[str], split: str | Sequence[str] | None) -> Wanted:
    """Arguments of `load_release`, checked. "all" is every group."""
    asked = GROUPS if isinstance(groups, str) and groups == "all" else _names("groups", groups)
    if unknown := [name for name in asked if name not in GROUPS]:
        raise ReleaseError(f"unknown group {', '.join(map(repr, unknown))}; known are {', '.join(GROUPS)}, and 'all' for every one")
    if not asked:
        raise ReleaseError(f"groups={groups!r} names no group; known are {', '.join(GROUPS)}, and 'all' for every one")
    return Wanted(asked, () if split is None else _names("split", split))


def _names(name: str, value: Any) -> tuple[str, ...]:
    try:
        return tuple(arguments.several(value, name, "one name or several"))
    except ValueError as error:
        raise ReleaseError(str(error)) from None


def find(folder: str | os.PathLike[str], want: Wanted) -> list[Source]:
    """The parquet files of a folder that may hold wanted rows, in order of their paths."""
    try:
        root = arguments.place(folder, "folder")
        if not root.is_dir():
            raise ReleaseError(
                f"{root} is not a folder. To do: pass one with the dataset's parquet files, or no folder to fetch it"
            )
        paths = sorted(path for path in root.rglob("*.parquet") if path.is_file())
    except (OSError, ValueError) as error:
        raise error if isinstance(error, ReleaseError) else ReleaseError(f"{folder!r} cannot be looked through: {error}") from None
    if not paths:
        raise ReleaseError(f"{root} has no parquet file, in itself or below. To do: pass the folder that {DATASET} was saved to")
    sources = [_source(path, root) for path in paths]
    kept = [source for source in sources if want.group(source.group) and want.file(source.split)]
    if not kept:
        there = sorted({f"{source.group or '?'}/{source.split or '?'}" for source in sources})
        raise ReleaseError(f"{root} has nothing of {want}; it has {', '.join(there)}")
    return kept


def _source(path: Path, root: Path) -> Source:
    """Group and split by the path: <group>/<split>-00000-of-00001.parquet, or <group>/<split>/0000.parquet, under any folder."""
    folders = [*root.parts[-1:], *path.relative_to(root).parts[:-1]]
    group = next((name for name in folders if name in GROUPS), None)
    stem = _SHARD.sub("", path.stem)
    candidates = [stem, *([folders[-1]] if len(folders) > 1 and folders[-1] != group else [])]
    named = [name for name in candidates if not _NO_SPLIT.fullmatch(name)]
    return Source(path, group, next((name for name in named if scenario_of(name)[0]), named[0] if named else None))


def fetch(want: Wanted, cache: str | os.PathLike[str] | None = None) -> Path:
    """Fetch the wanted files of the dataset, or find them in the hub's cache."""
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise _no_extra("huggingface_hub") from None
    names = [f"{scenario_of(name)[0] or name}*" for name in want.splits] or [""]
    patterns = [f"*{group}*{name}.parquet" for group in want.groups for name in names]
    try:
        hub = None if cache is None else arguments.place(cache, "cache")
        folder = snapshot_download(DATASET, repo_type="dataset", allow_patterns=patterns, cache_dir=hub)
    except Exception as error:  # the hub's client raises its own errors, those of its transport, and OSError
        reason = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
        raise ReleaseError(
            f"the dataset {DATASET} could not be fetched from the Hugging Face hub ({reason}). To do: check the network and try "
            "again, or fetch it elsewhere and pass its folder: load_release(folder=...)"
        ) from error
    return Path(folder)


def _no_extra(name: str) -> ReleaseError:
    return ReleaseError(f'{name} is not installed, and released data need it. To do: pip install "ppres[release]"')


def batches(source: Source, transcripts: bool) -> Iterator[list[dict[str, Any]]]:
    """Rows of a file in batches, with `labels.COLUMNS` as far as the file has them; transcripts are read only if asked for."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise _no_extra("pyarrow") from None
    try:
        schema, size = _header(source, parquet)
        columns = {also: name for name, also in labels.ALSO.items() if also in schema.names}
        columns |= {name: name for name in labels.COLUMNS if name in schema.names}
        if nested := [name for name in columns if pa.types.is_nested(schema.field(name).type)]:
            raise ReleaseError(f"{source.path}: the column {nested[0]} is of the type {schema.field(nested[0]).type}")
        texts = [name for name in columns if pa.types.is_string(schema.field(name).type)]
        rows = 8192
        if transcripts and TRANSCRIPT in schema.names:
            columns[TRANSCRIPT] = TRANSCRIPT
            rows = max(1, min(128, _AT_A_TIME // (size + 1)))
        # Buffered and not fetched ahead: a row group may hold gigabytes of transcripts. Labels are few, and each is held once.
        options: dict[str, Any] = {"buffer_size": 1 << 20, "pre_buffer": False, "read_dictionary": texts}
        with parquet.ParquetFile(source.path, **options) as file:
            for batch in file.iter_batches(rows, columns=[*columns], use_threads=False):
                names = [columns[name] for name in batch.schema.names]
                yield _rows(names, [_values(values) for values in batch.columns], batch.num_rows)
    except ReleaseError:
        raise
    except (OSError, pa.ArrowException, *ODD) as error:
        raise ReleaseError(f"{source.path} cannot be read as parquet: {error}") from error


def _header(source: Source, parquet: Any) -> tuple[Any, int]:
    """A file's columns, and the most bytes that one of its transcripts may have."""
    with parquet.ParquetFile(source.path) as file:
        about = file.metadata
        if about.num_rows > MOST_ROWS:
            raise ReleaseError(f"{source.path} has {about.num_rows:,} rows; the dataset's files have fewer than {MOST_ROWS:,}")
        chunks = [about.row_group(i).column(j) for i in range(about.num_row_groups) for j in range(about.num_columns)]
        size = max((chunk.total_uncompressed_size for chunk in chunks if chunk.path_in_schema.startswith(TRANSCRIPT)), default=0)
        return file.schema_arrow, size


def _values(column: Any) -> list[Any]:
    """A column's values; those of a dictionary are made once, however often they stand there."""
    if not hasattr(column, "dictionary"):
        values: list[Any] = column.to_pylist()
        return values
    known = column.dictionary.to_pylist()
    if any(len(value) > MOST_BYTES for value in known if isinstance(value, str | bytes)):
        raise ReleaseError(f"a label has more than {MOST_BYTES:,} characters")
    return [None if place is None else known[place] for place in column.indices.to_pylist()]


def _rows(names: list[str], values: list[list[Any]], n: int) -> list[dict[str, Any]]:
    """Where two columns are called the same, the first one that says something counts."""
    if len(set(names)) == len(names):
        return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)] if names else [{} for _ in range(n)]
    rows: list[dict[str, Any]] = [{} for _ in range(n)]
    for name, column in zip(names, values, strict=True):
        for row, value in zip(rows, column, strict=True):
            if blank(row.get(name)):
                row[name] = value
    return rows
