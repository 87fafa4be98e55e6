"""The client's methods that copy collections: snapshots, and to other clients."""

# ruff: noqa: ARG002, FBT001, FBT002 - the signatures are those of QdrantClient

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qdrant_client import models
from qdrant_client.client_base import QdrantBase
from qdrant_client.migrate.migrate import migrate

from mrl_adapters.edge import snapshots
from mrl_adapters.edge.client.folder import OpenFolder
from mrl_adapters.edge.collection import Collection


class CopyMethods(OpenFolder):
    """QdrantClient's methods for snapshots, and `migrate`."""

    def migrate(
        self,
        dest_client: QdrantBase,
        collection_names: list[str] | None = None,
        batch_size: int = 100,
        recreate_on_collision: bool = False,
    ) -> None:
        """Copy collections (None: all) to another client: to a server, say, or an EdgeClient.

        Raises:
            ValueError: A collection is there already, or does not exist here.
        """
        source: Any = self  # of no class that qdrant-client knows
        migrate(
            source,
            dest_client,
            collection_names=collection_names,
            batch_size=batch_size,
            recreate_on_collision=recreate_on_collision,
        )

    def create_snapshot(
        self, collection_name: str, wait: bool = True, **kwargs: Any
    ) -> models.SnapshotDescription:
        """Write a collection as it is now into a file; it is complete when the call returns.

        It lies in ``path/snapshots/<collection>/`` and outlives its collection. It is a file of
        this engine's: copy it to where another EdgeClient can read it; a server does not take it.

        Returns:
            The file's name, its size in bytes and its SHA-256.

        Raises:
            EngineError: The file cannot be written, as where the disk is full; none is left.
        """
        collection = self._collection(collection_name, kwargs)
        storage = self._opened()
        storage.require_writable(collection.name)
        with collection.engine() as shard:
            shard.flush()
            return snapshots.pack(
                collection.name,
                storage.folder(collection.name),
                storage.snapshots(collection.name),
                shard.info().points_count,
            )

    def list_snapshots(
        self, collection_name: str, **kwargs: Any
    ) -> list[models.SnapshotDescription]:
        """List the snapshots of a collection, the oldest first, also of one that is gone."""
        return snapshots.described(self._snapshots(collection_name, kwargs))

    def delete_snapshot(
        self, collection_name: str, snapshot_name: str, wait: bool = True, **kwargs: Any
    ) -> bool:
        """Delete a snapshot; return whether there was one of that name."""
        self._opened().require_writable()
        return snapshots.remove(self._snapshots(collection_name, kwargs), snapshot_name)

    def recover_snapshot(
        self,
        collection_name: str,
        location: str,
        api_key: str | None = None,
        checksum: str | None = None,
        priority: models.SnapshotPriority | None = None,
        wait: bool = True,
        **kwargs: Any,
    ) -> bool:
        """Make a collection from a snapshot (a path, or a file:// address), under any name.

        A collection that exists is not replaced: recover under another name, look, and let an
        alias lead there. The SHA-256 is taken from beside the file if none is given.

        Returns:
            True.

        Raises:
            ValueError: The collection exists already, or the name is empty.
            EngineError: There is no such file, it is no snapshot of ours, it is damaged, or there
                is no room. Nothing is left of it then.
        """
        with self._making(collection_name, kwargs) as folder:
            points = snapshots.unpack(collection_name, location, checksum, folder)
            snapshots.check(Collection(collection_name, folder), points, location)
        self._collection(collection_name)
        return True

    def _snapshots(self, name: str, unknown: Mapping[str, Any]) -> Path:
        """Return the folder of a collection's snapshots."""
        return self._opened(unknown).snapshots(self._aliases.target(name) or name)
