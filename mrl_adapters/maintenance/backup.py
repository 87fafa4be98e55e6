"""Put a collection and what belongs to it into one file, and bring it back from there.

What belongs together: points, settings, metadata (the layout and a plan saved by ``tune``), payload
indexes, and the collection that holds its rotation. The file is a zip archive of the embedded
engine's own snapshots; other engines are copied into it, and out of it, by an embedded store in the
system's temporary folder. So it goes back into any engine.
"""

import hashlib
import json
import os
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mrl_adapters.edge import AnyPath, EdgeClient, absolute_path
from mrl_adapters.errors import EngineError, MigrationError
from mrl_adapters.maintenance.client import RetryingClient
from mrl_adapters.qdrant.aliases import collection_behind
from mrl_adapters.qdrant.companion import companion_name, has_companion
from mrl_adapters.qdrant.driver import Client
from mrl_adapters.qdrant.missing import those_there

_KIND = "a backup of mrl-adapters"
_FORMAT = 1
_MANIFEST = "backup.json"
_BLOCK = 1 << 20


@dataclass(frozen=True)
class BackupResult:
    """What a backup holds, or what was restored from one.

    Args:
        collection_name: The collection; restored, the name that it has now.
        collections: It, and the one with its rotation where it has one.
        file: The file.
        points: Points in the collection.
        elapsed_s: Seconds it took.
    """

    collection_name: str
    collections: tuple[str, ...]
    file: str
    points: int
    elapsed_s: float

    def to_dict(self) -> dict[str, Any]:
        """Describe it in plain values."""
        return asdict(self)


def backup(client: Client, collection_name: str, file: AnyPath) -> BackupResult:
    """Write a collection, with its rotation, its metadata and its saved plan, into one file.

    Let writers rest meanwhile: on a server, what they change while points are read may be in it or
    not. Aliases are not part of it.

    Args:
        client: Client that holds the collection.
        collection_name: The collection, or an alias of it.
        file: The file, which must not exist. It appears when it is complete.

    Raises:
        MigrationError: The collection does not exist, or cannot be copied.
        EngineError: The file exists, or cannot be written.
    """
    began_s = time.monotonic()
    place = absolute_path(file, "file")
    _refuse_existing(place)
    retrying = RetryingClient(client)
    if not retrying.collection_exists(collection_name):
        msg = (
            f"Collection {collection_name!r} does not exist. Check the name and the place"
            f"{retrying.run(those_there())}."
        )
        raise MigrationError(msg, collection=collection_name)
    name = retrying.run(collection_behind(collection_name))
    names = [name, *([companion_name(name)] if retrying.run(has_companion(name)) else [])]
    written = place.with_name(f".{place.name}.{os.getpid()}.part")
    try:
        with (
            retrying.alone(),
            _embedded(client, names) as store,
            zipfile.ZipFile(written, "x") as archive,
        ):
            points = store.count(name, exact=True).count
            members = [_pack(store, each, archive, number) for number, each in enumerate(names)]
            manifest = {
                "kind": _KIND,
                "format": _FORMAT,
                "collection": name,
                "points": points,
                "members": members,
            }
            archive.writestr(_MANIFEST, json.dumps(manifest))
        _refuse_existing(place)
        written.rename(place)
    finally:
        written.unlink(missing_ok=True)
    return BackupResult(name, tuple(names), str(place), points, time.monotonic() - began_s)


def restore(client: Client, file: AnyPath, *, collection_name: str | None = None) -> BackupResult:
    """Make a collection from a file that :func:`backup` wrote, in any engine.

    The file is checked as a whole before anything is written, and no collection is replaced.

    Args:
        client: Client to write to.
        file: The file.
        collection_name: Name of the collection; None gives it the one that it had.

    Raises:
        EngineError: The file is none of :func:`backup`, or damaged.
        MigrationError: A collection of that name is there already, or it was not restored whole.
    """
    began_s = time.monotonic()
    place = absolute_path(file, "file")
    retrying = RetryingClient(client)
    with TemporaryDirectory(prefix="mrl-adapters-") as folder:
        manifest = _unpack(place, Path(folder))
        name = collection_name or manifest["collection"]
        names = [name, companion_name(name)][: len(manifest["members"])]
        for each in [name, companion_name(name)]:
            if retrying.collection_exists(each):
                msg = (
                    f"Collection {each!r} exists already, and nothing was written. Restore under "
                    "another name (--as NAME), or delete it first."
                )
                raise MigrationError(msg, collection=each)
        made: list[str] = []
        try:
            # The rotation first: without it nobody can open the collection.
            for each, member in reversed([*zip(names, manifest["members"], strict=True)]):
                made.append(each)
                _recover(client, each, Path(folder) / member["file"], Path(folder) / each)
            points = _check_count(retrying, name, manifest["points"])
        except BaseException:
            for each in made:
                if retrying.collection_exists(each):
                    retrying.delete_collection(each)
            raise
    return BackupResult(name, tuple(names), str(place), points, time.monotonic() - began_s)


def _refuse_existing(place: Path) -> None:
    if os.path.lexists(place):  # a link that leads nowhere, too
        msg = f"{place} exists already, and was left as it is. Choose another file, or delete it."
        raise EngineError(msg, path=place)


@contextmanager
def _embedded(client: Client, names: Sequence[str]) -> Iterator[EdgeClient]:
    """Give collections in an embedded store: their own, or a copy in a temporary folder."""
    if isinstance(client, EdgeClient):
        yield client
        return
    with TemporaryDirectory(prefix="mrl-adapters-") as folder, EdgeClient(folder) as store:
        _copy(client, store, names)
        yield store


def _copy(source: Any, target: Any, names: Sequence[str]) -> None:
    """Copy collections as they are, with settings, metadata and payload indexes."""
    try:
        source.migrate(target, list(names))
    except AssertionError as error:  # it counts the points in the end
        msg = f"Collection {names[0]!r} was written to meanwhile. Let writers rest, and run again."
        raise MigrationError(msg, collection=names[0]) from error
    except ValueError as error:
        msg = f"Collection {names[0]!r} cannot be copied: {error}."
        raise MigrationError(msg, collection=names[0]) from error


def _pack(store: EdgeClient, name: str, archive: zipfile.ZipFile, number: int) -> dict[str, Any]:
    made = store.create_snapshot(name)
    [file] = store.path.glob(f"snapshots/*/{made.name}")
    member = f"{number}.snapshot"
    try:
        archive.write(file, member)
        return {"file": member, "sha256": _digest(file)}
    finally:
        store.delete_snapshot(name, made.name)


def _unpack(place: Path, folder: Path) -> dict[str, Any]:
    """Extract a backup's members, and check every byte of them."""
    try:
        with zipfile.ZipFile(place) as archive:
            manifest = json.loads(archive.read(_MANIFEST))
            if (manifest["kind"], manifest["format"]) != (_KIND, _FORMAT):
                msg = f"{manifest['kind']!r}, format {manifest['format']!r}"
                raise ValueError(msg)  # noqa: TRY301 - told below with what is no archive at all
            for member in manifest["members"]:
                file = Path(archive.extract(Path(member["file"]).name, folder))
                if _digest(file) != member["sha256"]:
                    msg = f"the checksum of {member['file']} is another"
                    raise ValueError(msg)  # noqa: TRY301
    except (
        zipfile.BadZipFile,
        KeyError,
        TypeError,
        ValueError,
        EOFError,
        NotImplementedError,
    ) as error:
        msg = (
            f"{place} is damaged, or none that 'mrl-adapters backup' wrote ({error}). Nothing was "
            "written."
        )
        raise EngineError(msg, path=place) from error
    return dict(manifest)


def _recover(client: Client, name: str, file: Path, folder: Path) -> None:
    if isinstance(client, EdgeClient):
        client.recover_snapshot(name, str(file))
        return
    with EdgeClient(folder) as store:
        store.recover_snapshot(name, str(file))
        _copy(store, client, [name])


def _check_count(client: RetryingClient, name: str, expected: int) -> int:
    points = client.count_points(name)
    if points != expected:
        msg = f"Collection {name!r}: {points} of {expected} points arrived, and were taken back."
        raise MigrationError(msg, collection=name, found=points, expected=expected)
    return points


def _digest(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while block := opened.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
