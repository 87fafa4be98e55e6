"""Write a collection's files into one file, list such files, and unpack them again.

The file is a zip archive, whose members carry checksums of their own. Beside it lies its SHA-256,
as a server writes it.
"""

import contextlib
import hashlib
import json
import zipfile
import zlib
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path, PurePosixPath
from urllib.parse import urlparse
from urllib.request import url2pathname

from qdrant_client import models

from mrl_adapters.edge.collection import Collection
from mrl_adapters.edge.files import sync_folder, unsealed, write_sealed
from mrl_adapters.edge.paths import (
    OWN,
    SETTINGS_FILE,
    collection_entries,
    folder_name,
    passing_name,
)
from mrl_adapters.errors import ConfigurationError, EngineError

_ENDING = ".snapshot"
_MANIFEST = "snapshot.json"
_KIND = "a collection of mrl-adapters"
_FORMAT = 1
_BLOCK = 1 << 20
_NOT_OURS = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, TypeError, ValueError)
# The engine reserves files that it hardly fills: their zeros go at the cheapest level.
_LEVEL = 1


def described(place: Path) -> list[models.SnapshotDescription]:
    """Describe the snapshots in a folder as the client does, the oldest first."""
    return [_described(file) for file in sorted(place.glob(f"*{_ENDING}"))]


def _described(file: Path) -> models.SnapshotDescription:
    state = file.stat()
    made = datetime.fromtimestamp(state.st_mtime, timezone.utc)
    return models.SnapshotDescription(
        name=file.name,
        creation_time=made.strftime("%Y-%m-%dT%H:%M:%S"),
        size=state.st_size,
        checksum=_noted_checksum(file),
    )


def remove(place: Path, name: str) -> bool:
    """Delete a snapshot; return whether there was one of that name in the folder."""
    if name not in {file.name for file in place.glob(f"*{_ENDING}")}:
        return False
    (place / name).unlink()
    _checksum_file(place / name).unlink(missing_ok=True)
    return True


def pack(name: str, folder: Path, place: Path, points: int) -> models.SnapshotDescription:
    """Write a collection into a file; nobody may be changing it."""
    time = datetime.now(timezone.utc).strftime("%Y-%m-%d-%H-%M-%S-%f")
    file = place / f"{folder_name(name)[:100]}-{time}{_ENDING}"
    passing = place / passing_name("new")
    manifest = {"kind": _KIND, "format": _FORMAT, "collection": name, "points": points}
    with _told(name, file, "written"):
        place.mkdir(parents=True, exist_ok=True)
        try:
            with zipfile.ZipFile(
                passing, "x", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL, strict_timestamps=False
            ) as archive:
                archive.writestr(_MANIFEST, json.dumps(manifest))
                for source, within in collection_entries(folder):
                    archive.write(source, within)
            _checksum_file(file).write_text(_digest(passing), encoding="ascii")
            passing.rename(file)
        except BaseException:
            passing.unlink(missing_ok=True)
            _checksum_file(file).unlink(missing_ok=True)
            raise
        sync_folder(place)
    return _described(file)


def unpack(name: str, location: str, checksum: str | None, folder: Path) -> int:
    """Check a snapshot and put its files into an empty folder; return how many points it holds."""
    file = _local(location)
    with _told(name, file, "recovered"):
        expected = checksum or _noted_checksum(file)
        if expected is not None and (found := _digest(file)) != expected.lower():
            message = (
                f"Collection {name!r}: {file} is damaged, or another file: its SHA-256 is {found}, "
                f"expected {expected}."
            )
            raise EngineError(message, collection=name, found=found, expected=expected, path=file)
        try:
            with zipfile.ZipFile(file) as archive:
                points, settings = _points(archive), json.loads(archive.read(SETTINGS_FILE))
                for member in archive.infolist():
                    if member.filename != _MANIFEST:
                        archive.extract(member, folder)
            plain = unsealed(settings, file)
            write_sealed(folder / SETTINGS_FILE, {**plain, "name": name})
        except (*_NOT_OURS, EngineError) as error:
            message = (
                f"Collection {name!r}: {file} is no snapshot of an EdgeClient, or a damaged one "
                f"({error}). Snapshots of a server are recovered by a server."
            )
            raise EngineError(message, collection=name, path=file) from error
    return points


def check(collection: Collection, points: int, location: str) -> None:
    """Load what was unpacked, and compare what it holds with what was packed."""
    try:
        with collection.engine() as shard:
            found = shard.info().points_count
    finally:
        collection.close(index=False)
    if found != points:
        message = (
            f"Collection {collection.name!r}: {location} holds {found:,} points, expected "
            f"{points:,}. Take another snapshot."
        )
        raise EngineError(message, collection=collection.name, found=found, expected=points)


def _points(archive: zipfile.ZipFile) -> int:
    """Read how many points an archive of ours holds."""
    manifest = json.loads(archive.read(_MANIFEST))
    if (manifest["kind"], manifest["format"]) != (_KIND, _FORMAT):
        message = f"it holds {manifest['kind']}, format {manifest['format']}"
        raise ValueError(message)
    for member in archive.namelist():
        parts = PurePosixPath(member).parts
        if member != _MANIFEST and (parts[0] not in OWN or ".." in parts):
            message = f"it holds {member!r}"
            raise ValueError(message)
    return int(manifest["points"])


def _local(location: str) -> Path:
    address = urlparse(location)
    if address.scheme in {"http", "https"}:
        message = f"location={location!r} is on the net. Download the file, and pass its path."
        raise ConfigurationError(message, found=location, expected="a path, or a file:// address")
    return Path(url2pathname(address.path) if address.scheme == "file" else location).expanduser()


def _checksum_file(file: Path) -> Path:
    return file.with_name(f"{file.name}.checksum")


def _noted_checksum(file: Path) -> str | None:
    """Return the SHA-256 of a snapshot as it was written, if that is still there."""
    noted = _checksum_file(file)
    return noted.read_text(encoding="ascii", errors="replace") if noted.is_file() else None


def _digest(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as reading:
        while block := reading.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


@contextlib.contextmanager
def _told(name: str, file: Path, done: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = (
            f"Collection {name!r}: the snapshot {file} cannot be {done}: "
            f"{error.strerror or error}. Nothing was changed."
        )
        raise EngineError(message, collection=name, path=file) from error
