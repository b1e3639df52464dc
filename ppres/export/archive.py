"""A study as one archive: its store, what was registered, tables and figures, with checksums; and whether it is what it says."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ppres import arguments
from ppres.export.card import dataset_card, dictionary
from ppres.optional import NOT_INSTALLED, version
from ppres.outputs import output, written_whole
from ppres.read.csv import to_csv
from ppres.read.stored import frame, verify
from ppres.store.database import StoreError, StorePath
from ppres.store.store import Store
from ppres.study import registration

if TYPE_CHECKING:
    import pandas as pd

_SUMS = "SHA256SUMS"
_PACKAGES = ("ppres", "pandas", "numpy", "scipy", "statsmodels", "litellm")


def bundle(
    path: str | os.PathLike[str], files: Iterable[str | os.PathLike[str]] = (), *, title: str = "Rollouts", store: StorePath = None
) -> Path:
    """Write a store and what belongs to it as one zip archive, for Zenodo, the Hub or a colleague; returns its place.

    In it: store.sqlite, rollouts.csv (`read_csv` reads it) with dictionary.csv, README.md (`dataset_card`), versions.json, the
    registrations beside the store, `files` (figures, notebooks; folders whole), and SHA256SUMS. `verify_bundle` checks one.
    """
    place = output(path)
    arguments.text("title", title)
    files = arguments.several(files, "files", "a file or folder, or several", (str, os.PathLike))
    added = [file for entry in files for file in _within(arguments.place(entry))]
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        with Store(store) as opened:
            opened.query("VACUUM INTO ?", str(folder / "store.sqlite"))
        table = frame(store=folder / "store.sqlite")
        for name in ("store.sqlite-wal", "store.sqlite-shm"):
            (folder / name).unlink(missing_ok=True)
        to_csv(table, folder / "rollouts.csv")
        to_csv(dictionary(table), folder / "dictionary.csv")
        dataset_card(table, folder / "README.md", title=title)
        versions = {name: told for name in _PACKAGES if (told := version(name)) != NOT_INSTALLED} | {
            "python": platform.python_version()
        }
        (folder / "versions.json").write_text(json.dumps(versions, indent=1) + "\n", encoding="utf-8")
        registered = _within(registration.place(None, store)) if registration.place(None, store).is_dir() else []
        members = [(file, file.name) for file in sorted(folder.iterdir())] + [*registered, *added]
        twice = {name for _, name in members if sum(name == other for _, other in members) > 1}
        if twice:
            raise ValueError(f"two files would be {min(twice)!r} in the bundle")
        with written_whole(place) as file:
            _write(file, members)
    return place


def _within(path: Path) -> list[tuple[Path, str]]:
    """A file, or those of a folder, with their names in the bundle."""
    if path.is_dir():
        return [(file, file.relative_to(path.parent).as_posix()) for file in sorted(path.rglob("*")) if file.is_file()]
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file or folder")
    return [(path, path.name)]


def _write(place: Path, members: list[tuple[Path, str]]) -> None:
    sums = []
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, name in members:
            raw = file.read_bytes()
            sums.append(f"{hashlib.sha256(raw).hexdigest()}  {name}\n")
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), raw, zipfile.ZIP_DEFLATED)
        archive.writestr(zipfile.ZipInfo(_SUMS, (1980, 1, 1, 0, 0, 0)), "".join(sums), zipfile.ZIP_DEFLATED)


def verify_bundle(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Whether a bundle is what it says: a row (what, problem) for each thing that is not; none where all is well.

    Checksums are compared, every rollout of its store is replayed (`verify`) and scored again by this version's rules: an outcome
    that is not the one of rollouts.csv is told. Only its store and that table are unpacked, into a folder that goes away.
    """
    import pandas as pd

    place, problems = arguments.place(path), list[tuple[str, str]]()
    try:
        with zipfile.ZipFile(place) as archive, tempfile.TemporaryDirectory() as made:
            problems += _sums(archive)
            for name in ("store.sqlite", "rollouts.csv"):
                if name not in archive.namelist():
                    problems.append((name, "it is not there"))
                    break
                (Path(made) / name).write_bytes(archive.read(name))
            else:
                problems += _rollouts(Path(made))
    except (zipfile.BadZipFile, StoreError, OSError, ValueError, KeyError, RuntimeError, zlib.error) as error:  # whatever is in it
        problems.append((place.name, f"{type(error).__name__}: {error}"))
    return pd.DataFrame(problems, columns=["what", "problem"])


def _sums(archive: zipfile.ZipFile) -> Iterator[tuple[str, str]]:
    if _SUMS not in archive.namelist():
        yield _SUMS, "it is not there"
        return
    lines = archive.read(_SUMS).decode(errors="replace").splitlines()
    told = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    there = {name for name in archive.namelist() if name != _SUMS}
    yield from ((name, "it is not there") for name in sorted(told.keys() - there))
    for name in sorted(there):
        if name not in told:
            yield name, f"it is not in {_SUMS}"
        elif _digest(archive, name) != told[name]:
            yield name, "its checksum is another one"


def _digest(archive: zipfile.ZipFile, name: str) -> str:
    with archive.open(name) as file:  # piece by piece: it may be of any size
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def _rollouts(folder: Path) -> Iterator[tuple[str, str]]:
    """What does not replay, and outcomes that are not those of the table."""
    import pandas as pd

    store = folder / "store.sqlite"
    with warnings.catch_warnings():  # what they say of single rollouts stands in the rows
        warnings.simplefilter("ignore", UserWarning)
        yield from verify(store=store).itertuples(index=False, name=None)
        to_csv(frame(store=store), folder / "again.csv")
    tables = [pd.read_csv(folder / name, dtype=str, keep_default_na=False) for name in ("rollouts.csv", "again.csv")]
    before, after = (table.drop_duplicates("id").set_index("id") for table in tables)
    yield from ((id, "it is in rollouts.csv, and not in the store") for id in before.index.difference(after.index))
    yield from ((id, "it is in the store, and not in rollouts.csv") for id in after.index.difference(before.index))
    same = before.index.intersection(after.index)
    for name in before.columns.intersection(after.columns):
        old, new = before.loc[same, name], after.loc[same, name]
        yield from ((id, f"{name} is {new[id] or 'missing'}, and was {old[id] or 'missing'}") for id in same[old != new])
