"""The methods of `EdgeClient` that concern snapshots: one file that holds a collection."""

from typing import Any

from qdrant_client import models

from mrl_adapters.edge.archive import Archive, archives, pack, unpack
from mrl_adapters.edge.opened import OpenPath
from mrl_adapters.edge.parsing import refuse_unknown
from mrl_adapters.edge.shard import Collection
from mrl_adapters.errors import EngineError


class Snapshots(OpenPath):
    """Keep collections in files and bring them back. Parameters are those of QdrantClient.

    A snapshot lies in `path/snapshots/<collection>/` and outlives its collection. It is a file of
    this engine's: copy it to where another EdgeClient can read it; a server does not take it.
    `api_key`, `priority` and `wait` mean nothing here.
    """

    def create_snapshot(
        self,
        collection_name: str,
        wait: bool = True,  # noqa: FBT001, FBT002 - QdrantClient's signature
        **kwargs: Any,
    ) -> models.SnapshotDescription:
        """Write a collection as it is now into a file; it is complete when the call returns.

        Returns:
            The file's name, its size in bytes and its SHA-256.

        Raises:
            ValueError: There is no such collection.
            EngineError: The file cannot be written, as where the disk is full; none is left.
        """
        del wait
        refuse_unknown(kwargs)
        storage = self._opened()
        collection = self._collection(collection_name)
        storage.require_writable(collection.name)
        with collection.engine() as shard:
            shard.flush()
            count = shard.info().points_count
            folder, place = storage.folder(collection.name), storage.snapshots(collection.name)
            return pack(collection.name, folder, place, count).described()

    def list_snapshots(
        self, collection_name: str, **kwargs: Any
    ) -> list[models.SnapshotDescription]:
        """List the snapshots of a collection, the oldest first, also of one that is gone."""
        refuse_unknown(kwargs)
        return [each.described() for each in self._snapshots(collection_name)]

    def delete_snapshot(
        self,
        collection_name: str,
        snapshot_name: str,
        wait: bool = True,  # noqa: FBT001, FBT002 - QdrantClient's signature
        **kwargs: Any,
    ) -> bool:
        """Delete a snapshot.

        Returns:
            Whether there was one of that name.
        """
        del wait
        refuse_unknown(kwargs)
        for each in self._snapshots(collection_name):
            if each.file.name == snapshot_name:
                each.remove()
                return True
        return False

    def recover_snapshot(
        self,
        collection_name: str,
        location: str,
        api_key: str | None = None,
        checksum: str | None = None,
        priority: models.SnapshotPriority | None = None,
        wait: bool = True,  # noqa: FBT001, FBT002 - QdrantClient's signature
        **kwargs: Any,
    ) -> bool:
        """Make a collection from a snapshot, under its own or another name.

        A collection that exists is not replaced: recover under another name, look, and let an
        alias lead there.

        Args:
            collection_name: What the collection is to be called.
            location: The file: a path, or a file:// address.
            api_key: Means nothing here.
            checksum: The file's SHA-256; None takes the one that lies beside it, if it does.
            priority: Means nothing here.
            wait: Means nothing here.
            **kwargs: None are known.

        Returns:
            True.

        Raises:
            ValueError: The collection exists already, or the name is empty.
            EngineError: There is no such file, it is no snapshot of ours, it is damaged, or there
                is no room. Nothing is left of it then.
        """
        del api_key, priority, wait
        refuse_unknown(kwargs)
        with self._making(collection_name) as folder:
            count = unpack(collection_name, location, checksum, folder)
            _check(Collection(collection_name, folder), count, location)
        self._collection(collection_name)
        return True

    def _snapshots(self, name: str) -> list[Archive]:
        storage = self._opened()
        return archives(storage.snapshots(self._aliases.behind(name) or name))


def _check(collection: Collection, points: int, location: str) -> None:
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
