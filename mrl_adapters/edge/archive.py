"""Write a collection's files into one file, and check and unpack it again.

The file is a zip archive, whose members carry checksums of their own. Beside it lies its SHA-256,
as a server writes it.
"""

import contextlib
import hashlib
import json
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path, PurePosixPath
from urllib.parse import urlparse
from urllib.request import url2pathname

from qdrant_client import models

from mrl_adapters.edge.files import sync_folder
from mrl_adapters.edge.names import OWN, SETTINGS_FILE, folder_name, passing_name
from mrl_adapters.edge.permissions import everything
from mrl_adapters.edge.sealed import unsealed, write_sealed
from mrl_adapters.errors import ConfigurationError, EngineError

_ENDING = ".snapshot"
_MANIFEST = "snapshot.json"
_KIND = "a collection of mrl-adapters"
_FORMAT = 1
_BLOCK = 1 << 20
_NOT_OURS = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, TypeError, ValueError)
# The engine reserves files that it hardly fills: their zeros go at the cheapest level.
_LEVEL = 1


@dataclass(frozen=True)
class Archive:
    """A snapshot on disk.

    Args:
        file: Where it lies.
    """

    file: Path

    @property
    def checksum_file(self) -> Path:
        """Where its SHA-256 lies."""
        return self.file.with_name(f"{self.file.name}.checksum")

    @property
    def checksum(self) -> str | None:
        """Its SHA-256 as it was written, if that is still there."""
        file = self.checksum_file
        return file.read_text(encoding="ascii", errors="replace") if file.is_file() else None

    def described(self) -> models.SnapshotDescription:
        """Say what QdrantClient says of a snapshot."""
        state = self.file.stat()
        made = datetime.fromtimestamp(state.st_mtime, timezone.utc)
        return models.SnapshotDescription(
            name=self.file.name,
            creation_time=made.strftime("%Y-%m-%dT%H:%M:%S"),
            size=state.st_size,
            checksum=self.checksum,
        )

    def remove(self) -> None:
        """Delete it."""
        self.file.unlink()
        self.checksum_file.unlink(missing_ok=True)


def archives(place: Path) -> list[Archive]:
    """List the snapshots in a folder, the oldest first.

    Args:
        place: The folder; it may be absent.
    """
    return [Archive(file) for file in sorted(place.glob(f"*{_ENDING}"))]


def pack(name: str, folder: Path, place: Path, points: int) -> Archive:
    """Write a collection into a file; nobody may be changing it.

    Args:
        name: The collection.
        folder: Its folder.
        place: Where the file goes; made if absent.
        points: How many points it holds.

    Raises:
        EngineError: It cannot be written; nothing is left of it then.
    """
    stem = folder_name(name)[:100]
    time = datetime.now(timezone.utc).strftime("%Y-%m-%d-%H-%M-%S-%f")
    made = Archive(place / f"{stem}-{time}{_ENDING}")
    passing = place / passing_name("new")
    manifest = {"kind": _KIND, "format": _FORMAT, "collection": name, "points": points}
    with _told(name, made.file, "written"):
        place.mkdir(parents=True, exist_ok=True)
        try:
            with zipfile.ZipFile(
                passing, "x", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL, strict_timestamps=False
            ) as archive:
                archive.writestr(_MANIFEST, json.dumps(manifest))
                for source, within in everything(folder):
                    archive.write(source, within)
            made.checksum_file.write_text(_digest(passing), encoding="ascii")
            passing.rename(made.file)
        except BaseException:
            passing.unlink(missing_ok=True)
            made.checksum_file.unlink(missing_ok=True)
            raise
        sync_folder(place)
    return made


def unpack(name: str, location: str, checksum: str | None, folder: Path) -> int:
    """Check a snapshot and put its files into a folder.

    Args:
        name: What the collection is to be called.
        location: The snapshot: a path, or a file:// address.
        checksum: Its SHA-256; None takes the one that lies beside it, if it does.
        folder: An empty folder.

    Returns:
        How many points it holds.

    Raises:
        ConfigurationError: The location is an address on the net.
        EngineError: There is no such file, it is no snapshot of ours, it is damaged, or there is
            no room.
    """
    file = _local(location)
    with _told(name, file, "recovered"):
        expected = checksum or Archive(file).checksum
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
