"""Hold one collection: the engine's shard, its settings, its lock and its index.

The engine has no background optimizer: points written lie beside the index and are scanned until
somebody asks for a build. Here a query asks, once enough points have piled up: at least the
collection's indexing_threshold (in KB of the largest vector, as on a server) and a fifth of the
collection. Bulk loading thus costs one build, and a few new points never cost any.

Whatever interrupts a change (a signal, an error), and a panic of the engine at any time, is treated
like the death of the process: the files say how far it came, and the next call loads from them.
"""

import contextlib
import enum
import logging
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import qdrant_edge as edge
from qdrant_client import models

from mrl_adapters.errors import EngineError
from mrl_adapters.qdrant.edge.config import dense_vectors, edge_config, vector_creation
from mrl_adapters.qdrant.edge.failures import EngineErrors
from mrl_adapters.qdrant.edge.files import write_json
from mrl_adapters.qdrant.edge.forked import leave_to_parent
from mrl_adapters.qdrant.edge.heap import give_back
from mrl_adapters.qdrant.edge.log_repair import (
    HarmedLog,
    LogRepair,
    logged_payloads,
    repair_log,
)
from mrl_adapters.qdrant.edge.names import SETTINGS_FILE, SHARD_FOLDER
from mrl_adapters.qdrant.edge.pending import Pending
from mrl_adapters.qdrant.edge.points import PointId, VectorIntake
from mrl_adapters.qdrant.edge.recovery import load_interrupted, load_shard
from mrl_adapters.qdrant.edge.settings import Change, read_settings, stored_settings

logger = logging.getLogger(__name__)


class _State(enum.Enum):
    READY = enum.auto()
    UNSETTLED = enum.auto()  # the next call loads it from its files
    CLOSED = enum.auto()


class Collection:
    """One collection; made by `make`, loaded by the first use.

    Thread-safe: every call takes the collection's lock. The engine holds the interpreter's lock
    anyway, so that nothing is lost.

    Args:
        name: Its name.
        folder: Its folder.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.lock = threading.RLock()
        self._folder = folder
        self._path = folder / SHARD_FOLDER
        self._state = _State.UNSETTLED
        self._shard: edge.EdgeShard | None = None
        self._settings = models.CreateCollection()
        self._pending = Pending(folder)

    @staticmethod
    def make(name: str, folder: Path, settings: models.CreateCollection) -> None:
        """Write a new collection into a folder; open it where it is to stay."""
        config = edge_config(settings)
        path = folder / SHARD_FOLDER
        path.mkdir()
        with EngineErrors(name, folder):
            edge.EdgeShard.create(str(path), config).close()
        write_json(folder / SETTINGS_FILE, stored_settings(name, settings))

    @property
    def settings(self) -> models.CreateCollection:
        """What it was created with, plus later changes."""
        with self.lock:
            self._usable()
            return self._settings

    @property
    def closed(self) -> bool:
        """Whether it has been closed."""
        return self._state is _State.CLOSED

    @contextlib.contextmanager
    def engine(self) -> Iterator[edge.EdgeShard]:
        """Give the shard, locked, its bare exceptions turned into EngineError."""
        with self.lock, self._errors():
            yield self._usable()

    def _usable(self) -> edge.EdgeShard:
        if self._state is not _State.READY or self._shard is None:
            return self._settle()
        return self._shard

    def _settle(self) -> edge.EdgeShard:
        """Load from the files, finishing what an interrupted change or process left half done."""
        if self.closed:
            message = f"Collection {self.name!r} is closed. Open a new EdgeClient."
            raise EngineError(message, collection=self.name)
        self._let_go()
        settings, change = read_settings(self.name, self._folder)
        done = False
        try:
            with self._errors():
                if change is None:
                    self._shard = load_shard(self._path, settings)
                else:
                    self._shard, done = load_interrupted(self._path, settings, change)
        except HarmedLog as harm:
            raise harm.error(self.name, self._original) from harm
        give_back()
        self._use(change.settings if change and done else settings)
        self._state = _State.READY
        if change and (done or not change.of_vectors):  # what the engine refuses is forgotten
            self._save()
        elif change:
            self.apply(change)
        return self._shard

    @property
    def _original(self) -> Path:
        """The folder as its owner knows it."""
        return self._folder

    def mend_log(self) -> LogRepair:
        """Mend the log if it has still to be applied; where it has been, nothing is wrong."""
        with self.lock:
            if self._state is not _State.UNSETTLED:
                return LogRepair()
            self._let_go()
            return repair_log(self._path)

    def logged_payloads(self) -> dict[Any, dict[str, Any]]:
        """Give the last payloads that the log holds, by id."""
        with self.lock:
            return logged_payloads(self._path)

    def _let_go(self) -> None:
        """Close a shard that may be half closed already."""
        if self._shard is not None:
            with contextlib.suppress(Exception), self._errors():
                self._shard.close()
            self._shard = None

    def _errors(self) -> EngineErrors:
        # Made anew each time: kept, it would tie a cycle that holds a forgotten client's locks.
        return EngineErrors(self.name, self._original, self._distrust)

    def _distrust(self) -> None:
        """Load anew at the next call."""
        self._state = _State.UNSETTLED

    def _use(self, settings: models.CreateCollection) -> None:
        self._settings = settings
        self._pending.use(settings)

    def intake(self) -> VectorIntake:
        """Give a vector check for one write."""
        settings = self.settings
        return VectorIntake(dense_vectors(settings), settings.sparse_vectors or {})

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
                self._pending.note(min(self._pending.count + touched, everything))

    def query(self, requests: Sequence[edge.QueryRequest]) -> list[list[edge.ScoredPoint]]:
        """Answer queries, building the index first if that is due."""
        with self.lock, self._errors():
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
            logger.info("Collection %r: indexing about %d points", self.name, self._pending.count)
            built = shard.optimize()
            give_back()
            self._pending.note(0)
            return built

    def _index_is_due(self, shard: edge.EdgeShard) -> bool:
        return self._pending.build_is_due(lambda: shard.info().points_count)

    def apply(self, change: Change) -> None:
        """Change the settings; the change is noted first, so that nothing can tear it."""
        with self.engine() as shard:
            edge_config(change.settings)  # refuses what the engine lacks before anything happens
            old = self._settings
            self._state = _State.UNSETTLED
            self._save(change)
            try:
                if change.add is not None:
                    shard.update(vector_creation(change.settings, change.add))
                if change.drop is not None:
                    shard.update(edge.UpdateOperation.delete_vector_name(change.drop))
                # Settings of vectors take effect only when a shard is loaded with them.
                self._let_go()
                self._shard = load_shard(self._path, change.settings)
            except Exception:
                self._undo(old, change)
                raise
            self._use(change.settings)
            self._save()
            self._state = _State.READY
            if not change.of_vectors and change.settings.vectors != old.vectors:
                # What is indexed was indexed with other settings.
                self._pending.note(self._shard.info().points_count)

    def _undo(self, old: models.CreateCollection, change: Change) -> None:
        """Go back to the old settings after the engine has refused the new ones."""
        self._let_go()
        self._shard, done = load_interrupted(self._path, old, change)
        if change.add is not None and not done:
            with contextlib.suppress(Exception), self._errors():  # usually it is not there
                self._shard.update(edge.UpdateOperation.delete_vector_name(change.add))
        self._use(change.settings if done else old)
        self._save()
        self._state = _State.READY

    def set_metadata(self, metadata: dict[str, Any]) -> None:
        """Merge metadata into the stored one; None removes a key, as on the server."""
        with self.lock:
            settings = self.settings
            merged = {**(settings.metadata or {}), **metadata}
            kept = {key: value for key, value in merged.items() if value is not None}
            new = settings.model_copy(update={"metadata": kept})
            write_json(self._folder / SETTINGS_FILE, stored_settings(self.name, new))
            self._settings = new

    def close(self, *, index: bool = True) -> None:
        """Close the shard; twice is harmless.

        Args:
            index: Build the index first if that is due.
        """
        with self.lock, self._errors():
            if self._state is _State.READY and self._shard is not None:
                if index and self._index_is_due(self._shard):
                    self.optimize()
                self._state = _State.UNSETTLED
                self._shard.close()
                self._pending.save()
            self._let_go()
            self._state = _State.CLOSED

    def discard(self) -> None:
        """Close the shard of a collection that is about to be deleted."""
        with self.lock:
            self._state = _State.UNSETTLED
            self._let_go()
            self._state = _State.CLOSED

    def leave_to_parent(self) -> None:
        """Let go of the shard in a forked child."""
        if self._shard is not None:
            leave_to_parent(self._shard, self._folder / SHARD_FOLDER / "wal")

    def _save(self, change: Change | None = None) -> None:
        write_json(self._folder / SETTINGS_FILE, stored_settings(self.name, self._settings, change))
