"""Hold one open collection: the engine's shard, its settings, its lock and its index.

The engine has no background optimizer: points written lie beside the index and are scanned until
somebody asks for a build. Here a query asks, once enough points have piled up: at least the
collection's indexing_threshold (in KB of the largest vector, as on a server) and a fifth of the
collection. Bulk loading thus costs one build, and a few new points never cost any.
"""

import contextlib
import logging
import math
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import qdrant_edge as edge
from qdrant_client import models

from mrl_adapters.errors import EngineError
from mrl_adapters.qdrant.edge.config import (
    INDEXING_THRESHOLD_KB,
    bytes_per_point,
    dense_vectors,
    edge_config,
    vector_creation,
)
from mrl_adapters.qdrant.edge.failures import EngineErrors
from mrl_adapters.qdrant.edge.files import read_json, write_json
from mrl_adapters.qdrant.edge.forked import leave_to_parent
from mrl_adapters.qdrant.edge.heap import give_back
from mrl_adapters.qdrant.edge.names import PENDING_FILE, SETTINGS_FILE, SHARD_FOLDER
from mrl_adapters.qdrant.edge.points import PointId, VectorIntake
from mrl_adapters.qdrant.edge.recovery import load_interrupted, load_shard

logger = logging.getLogger(__name__)

_FORMAT = 1
_REBUILD_SHARE = 0.2
_KB = 1024


class Collection:
    """One open collection. Use `open`, for a new one after `make`.

    Thread-safe: every call takes the collection's lock. The engine holds the interpreter's lock
    anyway, so that nothing is lost.
    """

    def __init__(
        self, name: str, folder: Path, settings: models.CreateCollection, shard: edge.EdgeShard
    ) -> None:
        self.name = name
        self.settings = settings
        self.lock = threading.RLock()
        self._folder = folder
        self._shard: edge.EdgeShard | None = shard
        self._build_from = _build_from(settings)
        self._pending = self._pending_saved = _saved_pending(folder)

    @staticmethod
    def make(name: str, folder: Path, settings: models.CreateCollection) -> None:
        """Write a new collection into a folder; open it where it is to stay."""
        config = edge_config(settings)
        path = folder / SHARD_FOLDER
        path.mkdir()
        with EngineErrors(name):
            edge.EdgeShard.create(str(path), config).close()
        write_json(folder / SETTINGS_FILE, _stored(name, settings))

    @classmethod
    def open(cls, name: str, folder: Path) -> "Collection":
        """Open a collection, finishing a change that a killed process left half done."""
        stored = read_json(folder / SETTINGS_FILE)
        if stored.get("format") != _FORMAT:
            message = (
                f"Collection {name!r}: {folder} has format {stored.get('format')!r}, "
                f"expected {_FORMAT}. Open it with the version of mrl-adapters that wrote it."
            )
            raise EngineError(
                message, collection=name, found=stored.get("format"), expected=_FORMAT, path=folder
            )
        settings = models.CreateCollection.model_validate(stored["settings"])
        path, change = folder / SHARD_FOLDER, stored["change"]
        if not change:
            with EngineErrors(name):
                shard = load_shard(path, settings)
            return cls(name, folder, settings, shard)
        new = models.CreateCollection.model_validate(change["settings"])
        add, drop = change["add"], change["drop"]
        with EngineErrors(name):
            shard, done = load_interrupted(path, settings, new, add=add, drop=drop)
        collection = cls(name, folder, new if done else settings, shard)
        if done or not (add or drop):  # settings that the engine refuses are forgotten
            collection._save()
        else:
            collection.apply(new, add=add, drop=drop)
        return collection

    @contextlib.contextmanager
    def engine(self) -> Iterator[edge.EdgeShard]:
        """Give the shard, locked, its bare exceptions turned into EngineError."""
        with self.lock, EngineErrors(self.name):
            yield self._usable()

    def _usable(self) -> edge.EdgeShard:
        if self._shard is None:
            message = f"Collection {self.name!r} is closed. Open a new EdgeClient."
            raise EngineError(message, collection=self.name)
        return self._shard

    def intake(self) -> VectorIntake:
        """Give a vector check for one write."""
        return VectorIntake(dense_vectors(self.settings), self.settings.sparse_vectors or {})

    def write(self, operation: edge.UpdateOperation, touched: int = 0) -> None:
        """Apply an update.

        Args:
            operation: The engine's update.
            touched: How many points it may move out of the index.
        """
        with self.engine() as shard:
            shard.update(operation)
            if touched:
                everything = shard.info().points_count
                self._note_pending(min(self._pending + touched, everything))

    def query(self, requests: Sequence[edge.QueryRequest]) -> list[list[edge.ScoredPoint]]:
        """Answer queries, building the index first if that is due."""
        with self.lock, EngineErrors(self.name):
            shard = self._usable()
            if self._index_is_due(shard):
                self.optimize()
            if len(requests) == 1:
                return [shard.query(requests[0])]
            return shard.query_batch(edge.QueryBatchRequest(list(requests))) if requests else []

    def vector(self, point_id: PointId, using: str) -> Any:
        """Give a stored vector, for queries by id.

        Raises:
            ValueError: There is no such point, or it lacks the vector.
        """
        with self.engine() as shard:
            found = shard.retrieve([point_id], with_payload=False, with_vector=[using])
        vector: Any = found[0].vector if found else None
        if isinstance(vector, dict):
            vector = vector.get(using)
        if vector is None:
            message = f"Collection {self.name!r}: point {point_id!r} has no vector {using!r}."
            raise ValueError(message)
        return vector

    def optimize(self) -> bool:
        """Build the index over everything now; tell whether there was something to do."""
        with self.engine() as shard:
            logger.info("Collection %r: indexing about %d points", self.name, self._pending)
            built = shard.optimize()
            give_back()
            self._note_pending(0)
            return built

    def apply(
        self,
        settings: models.CreateCollection,
        *,
        add: str | None = None,
        drop: str | None = None,
    ) -> None:
        """Change the settings; the change is noted first, so that a crash cannot tear it.

        Args:
            settings: The new settings.
            add: A vector that they have and the shard lacks.
            drop: A vector that they lack and the shard has.
        """
        with self.engine() as shard:
            edge_config(settings)  # refuses what the engine does not have before anything happens
            old, path = self.settings, self._folder / SHARD_FOLDER
            new = settings.model_dump(mode="json", exclude_none=True)
            self._save({"settings": new, "add": add, "drop": drop})
            try:
                if add is not None:
                    shard.update(vector_creation(settings, add))
                if drop is not None:
                    shard.update(edge.UpdateOperation.delete_vector_name(drop))
                # Settings of vectors take effect only when a shard is loaded with them.
                shard.close()
                self._shard = load_shard(path, settings)
            except Exception:
                self._undo(old, settings, add=add, drop=drop)
                raise
            self.settings = settings
            self._build_from = _build_from(settings)
            self._save()
            if not (add or drop) and settings.vectors != old.vectors:
                # What is indexed was indexed with other settings.
                self._note_pending(self._shard.info().points_count)

    def _undo(
        self,
        old: models.CreateCollection,
        new: models.CreateCollection,
        *,
        add: str | None,
        drop: str | None,
    ) -> None:
        """Go back to the old settings after the engine has refused the new ones."""
        if self._shard is not None:
            self._shard.close()
            self._shard = None
        path = self._folder / SHARD_FOLDER
        shard, done = load_interrupted(path, old, new, add=add, drop=drop)
        if add is not None and not done:
            with contextlib.suppress(Exception):  # usually it is not there
                shard.update(edge.UpdateOperation.delete_vector_name(add))
        self._shard, self.settings = shard, new if done else old
        self._save()

    def set_metadata(self, metadata: dict[str, Any]) -> None:
        """Merge metadata into the stored one; None removes a key, as on the server."""
        with self.lock:
            merged = {**(self.settings.metadata or {}), **metadata}
            kept = {key: value for key, value in merged.items() if value is not None}
            self.settings = self.settings.model_copy(update={"metadata": kept})
            self._save()

    def close(self, *, index: bool = True) -> None:
        """Close the shard, building the index first if that is due; twice is harmless."""
        with self.lock:
            if self._shard is None:
                return
            with EngineErrors(self.name):
                if index and self._index_is_due(self._shard):
                    self.optimize()
                self._shard.close()
            self._shard = None
            if index and self._pending != self._pending_saved:
                self._save_pending()

    def leave_to_parent(self) -> None:
        """Let go of the shard in a forked child."""
        if self._shard is not None:
            leave_to_parent(self._shard, self._folder / SHARD_FOLDER / "wal")

    def _index_is_due(self, shard: edge.EdgeShard) -> bool:
        if self._pending < max(self._build_from, 1):
            return False
        return self._pending >= _REBUILD_SHARE * shard.info().points_count

    def _note_pending(self, pending: int) -> None:
        """Count points beside the index.

        The count is saved at zero, at each doubling and on closing: a crash loses at most half of
        it, and a write costs no extra file.
        """
        self._pending = pending
        if pending == 0 or pending >= 2 * max(self._pending_saved, _KB):
            self._save_pending()

    def _save_pending(self) -> None:
        write_json(self._folder / PENDING_FILE, {"pending": self._pending})
        self._pending_saved = self._pending

    def _save(self, change: dict[str, Any] | None = None) -> None:
        write_json(self._folder / SETTINGS_FILE, _stored(self.name, self.settings, change))


def _stored(
    name: str, settings: models.CreateCollection, change: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Say what a collection's settings file holds."""
    return {
        "format": _FORMAT,
        "name": name,
        "settings": settings.model_dump(mode="json", exclude_none=True),
        "change": change,
    }


def _saved_pending(folder: Path) -> int:
    """Give the saved count of points beside the index; a lost one only delays a build."""
    try:
        return int(read_json(folder / PENDING_FILE)["pending"])
    except EngineError:
        return 0


def _build_from(settings: models.CreateCollection) -> float:
    """Give the number of points beside the index from which a build is worth while."""
    given = settings.optimizers_config.indexing_threshold if settings.optimizers_config else None
    threshold = INDEXING_THRESHOLD_KB if given is None else given
    if not threshold:  # 0 switches indexing off, as on the server
        return math.inf
    return threshold * _KB / max(bytes_per_point(settings), 1.0)
