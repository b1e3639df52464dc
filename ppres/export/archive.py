"""A study as one archive: its store, what was registered, tables and figures, with checksums; and whether it is what it says."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import tempfile
import unicodedata
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

from ppres import arguments
from ppres.export import packed
from ppres.export.card import dataset_card, dictionary
from ppres.models import redaction
from ppres.optional import NOT_INSTALLED, version
from ppres.outputs import BESIDE, output, written_whole
from ppres.read.csv import rows_in, to_csv
from ppres.read.stored import frame, replay_all
from ppres.store.database import StorePath
from ppres.store.errors import StoreError
from ppres.store.secrets import secret_in
from ppres.store.store import Store
from ppres.study import registration

if TYPE_CHECKING:
    import pandas as pd

_SUMS = "SHA256SUMS"
_MOST, _RATIO = 256 * 2**20, 100  # bytes of all members; more, where the archive itself has a hundredth of them
_LONGEST_SUMS = 16 * 2**20
_SLACK = 2**20  # bytes by which a table may be longer than the one of its store
_HOW = """
## Files

Before it is unpacked, `ppres.verify_bundle("this.zip")` compares it with SHA256SUMS, replays every rollout and scores it again.

- store.sqlite has every transcript: `ppres.frame(store="store.sqlite")`, `ppres.show(id, store="store.sqlite")`
- rollouts.csv is that frame, a row a rollout: `ppres.read_csv("rollouts.csv")`; dictionary.csv explains its columns
- versions.json says with which packages the bundle was made; what else there is was added by its author
"""
_PACKAGES = ("ppres", "pandas", "numpy", "scipy", "statsmodels", "litellm")


def bundle(
    path: str | os.PathLike[str], files: Iterable[str | os.PathLike[str]] = (), *, title: str = "Rollouts", store: StorePath = None
) -> Path:
    """Write a store and what belongs to it as one zip archive, for Zenodo, the Hub or a colleague; returns its place.

    In it: store.sqlite, rollouts.csv (`read_csv` reads it) with dictionary.csv, README.md (`dataset_card`), versions.json, the
    registrations beside the store, `files` (figures, notebooks; folders whole), and SHA256SUMS. Raises `ValueError` for a file in
    which a secret of the environment stands, also packed (in gzip, zip, pictures, PDF, base64, and these in each other), one that
    cannot be looked through (encrypted, above 256 MB), a `.env`, and a link that leads out of its folder. `verify_bundle` checks
    one; of a scenario of your own it needs the code, so put the notebook or script that defines it among the files.
    """
    place = output(path)
    arguments.text("title", title)
    files = arguments.several(files, "files", "a file or folder, or several", (str, os.PathLike))
    redaction.read()
    if redaction.redact(title) != title:
        raise ValueError("title= holds a secret of the environment, and a bundle is given away")
    added = [file for entry in files for file in _within(arguments.place(entry), place)]
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        with Store(store, existing=True) as opened:
            opened.query("VACUUM INTO ?", str(folder / "store.sqlite"))
            with Store(folder / "store.sqlite") as copy:
                if what := secret_in(copy):
                    raise ValueError(f"{opened.path}: {what} holds a secret of the environment, and a bundle is given away")
        table = frame(store=folder / "store.sqlite")
        for name in ("store.sqlite-wal", "store.sqlite-shm"):
            (folder / name).unlink(missing_ok=True)
        to_csv(table, folder / "rollouts.csv")
        to_csv(dictionary(table), folder / "dictionary.csv")
        card = dataset_card(table, folder / "README.md", title=title)
        card.write_text(card.read_text(encoding="utf-8") + _HOW, encoding="utf-8")
        versions = {name: told for name in _PACKAGES if (told := version(name)) != NOT_INSTALLED} | {
            "python": platform.python_version()
        }
        (folder / "versions.json").write_text(json.dumps(versions, indent=1) + "\n", encoding="utf-8")
        registered = _within(registration.place(None, store), place) if registration.place(None, store).is_dir() else []
        members = [*((file, file.name, None) for file in sorted(folder.iterdir())), *registered, *added]
        names = [_SUMS, *(name for _, name, _ in members)]
        unpacked = Counter(map(_as_file, names))
        if odd := [name for name in names if unpacked[_as_file(name)] > 1 or _as_file(name) in _LOGS]:
            raise ValueError(f"two files would be {min(odd)!r} in the bundle, or be read as one where it is unpacked: rename one")
        with written_whole(place) as file:
            _write(file, members)
    return place


# A file, its name in the bundle, and its checksum when it was looked through; none of what was made for the bundle.
_Member = tuple[Path, str, str | None]


def _within(path: Path, target: Path) -> list[_Member]:
    """A file, or those of a folder, with their names in the bundle, whose older one is left out.

    Raises `ValueError` for one that may hold a key.
    """
    if path.is_dir():
        if linked := next((folder for folder in sorted(path.rglob("*")) if folder.is_symlink() and folder.is_dir()), None):
            raise ValueError(f"{linked} is a link to a folder, of which nothing would be packed: name that folder itself")
        if odd := next((file for file in sorted(path.rglob("*")) if not file.is_file() and not file.is_dir()), None):
            raise ValueError(f"{odd} is no file, but a pipe, a device or a link to nothing: take it out of the folder")
        files = [(file, file.relative_to(path.parent).as_posix()) for file in sorted(path.rglob("*")) if file.is_file()]
        if away := next((file for file, _ in files if not file.resolve().is_relative_to(path.resolve())), None):
            raise ValueError(f"{away} is a link to a file outside of {path}: name that file itself, or take the link away")
    elif path.is_file():
        files = [(path, path.name)]
    else:
        raise ValueError(
            f"{path}: there is no such file or folder" if not path.exists() else f"{path} is a pipe or a device, and no file"
        )
    files = [(file, name) for file, name in files if file.resolve() != target.resolve()]
    for file, _ in files:
        if _OF_KEYS.fullmatch(file.name):
            raise ValueError(f"{file} holds keys, as files of that name do, and a bundle is given away: take it out of the folder")
    return [(file, name, _looked_through(file, name)) for file, name in files]


_OF_KEYS = re.compile(r"\.env.*|.+\.env|[._]netrc|\.pypirc|\.npmrc|id_(?:rsa|dsa|ecdsa|ed25519)", re.IGNORECASE)


def _looked_through(file: Path, name: str) -> str:
    """The checksum of a file that may be given away. Raises `ValueError` for any other."""
    if re.search(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\\]", name) or _leads_out(name):
        raise ValueError(f"{str(file)!r} has a name that other programs would read in another way: give it another one")
    try:
        packed.check_size(file.stat().st_size)
        raw = file.read_bytes()
        told = packed.secret_in(name.encode() + b"\n" + raw)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
    if told:
        raise ValueError(f"{file} holds a secret of the environment, and a bundle is given away: take it out of the file")
    return hashlib.sha256(raw).hexdigest()


def _write(place: Path, members: list[_Member]) -> None:
    sums = []
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, name, looked_through in members:
            raw = file.read_bytes()
            sums.append(f"{(digest := hashlib.sha256(raw).hexdigest())}  {name}\n")
            if digest != (looked_through or digest):
                raise ValueError(f"{file} was changed while it was packed: bundle again when it is done")
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), raw, zipfile.ZIP_DEFLATED)
        archive.writestr(zipfile.ZipInfo(_SUMS, (1980, 1, 1, 0, 0, 0)), "".join(sums), zipfile.ZIP_DEFLATED)


def verify_bundle(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Whether a bundle is what it says: a row (what, problem) for each thing that is not; none where all is well.

    Checksums are compared, every rollout of its store is replayed (`verify`) and scored again by this version's rules: rows and
    columns that are not those of rollouts.csv are told, and scenarios that this session has not, or not as they were. Only its
    store and that table are unpacked, into a folder that goes away.
    """
    import pandas as pd

    place, problems = arguments.place(path), list[tuple[str, str]]()
    try:
        if place.exists() and not place.is_file():  # a device may have no end
            raise ValueError("it is no file")
        with zipfile.ZipFile(place) as archive, tempfile.TemporaryDirectory() as made:
            problems += _odd(archive, place.stat().st_size)
            if not problems:
                problems += _sums(archive)
                problems += _unpacked(archive, Path(made))
    except _UNREADABLE as error:
        problems.append((place.name, f"{type(error).__name__}: {error}"))
    return pd.DataFrame(problems, columns=["what", "problem"])


# Whatever is in it.
_UNREADABLE = (zipfile.BadZipFile, StoreError, OSError, ValueError, KeyError, RuntimeError, EOFError, zlib.error)


def _odd(archive: zipfile.ZipFile, size: int) -> Iterator[tuple[str, str]]:
    """What no bundle has, and other programs would unpack in another way or without an end: such an archive is not read on."""
    members = archive.infolist()
    files = Counter(_as_file(member.filename) for member in members)
    for name in dict.fromkeys(member.filename for member in members):
        if (count := files[_as_file(name)]) > 1:
            yield name, f"{count} members have this name, as some systems read it"
        if _as_file(name) in _LOGS:
            yield name, "SQLite would read it into the store where it is unpacked, and what is verified is the store alone"
        if _leads_out(name):
            yield name, "its name leads out of the folder into which it would be unpacked"
    for member in members:
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            yield member.filename, "it is packed in another way than the members of a bundle, which has no bound"
    whole = sum(member.file_size for member in members)
    if whole > max(_MOST, _RATIO * size):
        yield "all members", f"they would have {whole} bytes, unpacked from {size}"


_LOGS = {f"store.sqlite{end}" for end in BESIDE}


def _as_file(name: str) -> str:
    """Of names that are one file on some system, the same: in other case, composed otherwise, with dots or spaces at the end."""
    parts = [part.rstrip(". ") for part in PurePosixPath(unicodedata.normalize("NFC", name).casefold()).parts]
    return "/".join(parts)


def _leads_out(name: str) -> bool:
    path = PurePosixPath(name)
    return path.is_absolute() or bool(PureWindowsPath(name).drive) or "\\" in name or ".." in path.parts


def _sums(archive: zipfile.ZipFile) -> Iterator[tuple[str, str]]:
    if _SUMS not in archive.namelist():
        yield _SUMS, "it is not there"
        return
    if archive.getinfo(_SUMS).file_size > _LONGEST_SUMS:
        yield _SUMS, f"it has more than {_LONGEST_SUMS} bytes"
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


def _unpacked(archive: zipfile.ZipFile, folder: Path) -> Iterator[tuple[str, str]]:
    """What is wrong with the store, and with the table of it."""
    for name in ("store.sqlite", "rollouts.csv"):
        if name not in archive.namelist():
            yield name, "it is not there"
            return
        with archive.open(name) as packed, (folder / name).open("wb") as file:
            shutil.copyfileobj(packed, file)
    yield from _rollouts(folder)


def _rollouts(folder: Path) -> Iterator[tuple[str, str]]:
    """What does not replay, and what in the table is not as it is read off the store."""
    store, given, again = (folder / name for name in ("store.sqlite", "rollouts.csv", "again.csv"))
    with warnings.catch_warnings():  # what they say of single rollouts stands in the rows
        warnings.simplefilter("ignore", UserWarning)
        with Store(store, existing=True) as opened:
            problems, lacking = replay_all(opened)
        yield from problems
        for name, count in lacking.items():
            yield name, f"{count} rollouts were neither replayed nor scored again: define the scenario as it was, and verify again"
        to_csv(frame(store=store), again)
    if given.stat().st_size > 2 * again.stat().st_size + _SLACK:
        yield given.name, f"it has {given.stat().st_size} bytes, and the table of its store {again.stat().st_size}"
        return
    before, after = map(_as_written, (given, again))
    more, less = Counter(before.columns) - Counter(after.columns), Counter(after.columns) - Counter(before.columns)
    yield from ((given.name, f"its column {name!r} is none of its store's table") for name in more)
    yield from ((given.name, f"it has no column {name!r}, as its store's table has") for name in less)
    if "id" not in before or not before.columns.is_unique:
        return
    yield from ((id, f"it is {count} times in rollouts.csv") for id, count in Counter(before["id"]).items() if count > 1)
    before, after = (table.drop_duplicates("id").set_index("id") for table in (before, after))
    yield from ((id, "it is in rollouts.csv, and not in the store") for id in before.index.difference(after.index))
    yield from ((id, "it is in the store, and not in rollouts.csv") for id in after.index.difference(before.index))
    same = before.index.intersection(after.index)
    for name in before.columns.intersection(after.columns):
        old, new = before.loc[same, name], after.loc[same, name]
        yield from ((id, f"{name} is {new[id] or 'missing'}, and was {old[id] or 'missing'}") for id in same[old != new])


def _as_written(path: Path) -> pd.DataFrame:
    """A table as texts, with the names of its columns as they stand there; no row may be longer than that line."""
    lines = rows_in(path.read_bytes().decode("utf-8-sig"))
    return lines.iloc[1:].set_axis(lines.iloc[0], axis=1)
