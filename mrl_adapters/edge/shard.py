"""Write into a collection, query it, and build its index.

The engine has no background optimizer: points written lie beside the index and are scanned until
somebody asks for a build. Here a query asks, once enough points have piled up: at least the
collection's indexing_threshold (in KB of the largest vector, as on a server) and a fifth of the
collection. Bulk loading thus costs one build, and a few new points never cost any.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import qdrant_edge as edge
from qdrant_client import models

from mrl_adapters.edge.config import dense_vectors, edge_config
from mrl_adapters.edge.failures import EngineErrors
from mrl_adapters.edge.heap import give_back
from mrl_adapters.edge.ids import PointId, naming_ids
from mrl_adapters.edge.inventory import Since
from mrl_adapters.edge.names import SHARD_FOLDER
from mrl_adapters.edge.notes import Notes
from mrl_adapters.edge.points import VectorIntake
from mrl_adapters.edge.settled import Settled
from mrl_adapters.edge.space import Size, Space, nothing

logger = logging.getLogger(__name__)


class Collection(Settled):
    """One collection; made by `make`, loaded by the first use.

    Args:
        name: Its name.
        folder: Its folder.
    """

    @staticmethod
    def make(name: str, folder: Path, settings: models.CreateCollection) -> None:
        """Write a new collection into a folder; open it where it is to stay."""
        config = edge_config(settings)
        Space(name, folder).check(settings, "a new collection")
        path = folder / SHARD_FOLDER
        path.mkdir()
        with EngineErrors(name, folder):
            edge.EdgeShard.create(str(path), config).close()
        notes = Notes(name, folder)
        notes.take(0)
        notes.save(settings)

    def intake(self) -> VectorIntake:
        """Give a vector check for one write."""
        settings = self.settings
        return VectorIntake(dense_vectors(settings), settings.sparse_vectors or {})

    def write(
        self,
        operation: edge.UpdateOperation,
        touched: int = 0,
        size: Size = nothing,
        effect: Since = Since.ADDED,
    ) -> None:
        """Apply an update.

        Args:
            operation: The engine's update.
            touched: How many points it may move out of the index.
            size: Tells about how many bytes it brings.
            effect: What may be different afterwards.

        Raises:
            EngineError: There is too little room; nothing is written.
        """
        with self.engine() as shard:
            if effect is Since.REMOVED:
                self._space.check(self._settings, "deleting")
            else:
                self._check_write(shard, touched, size)
            self._notes.mark(effect)
            shard.update(operation)
            if touched:
                everything = shard.info().points_count
                self._pending.note(min(self._pending.count + touched, everything))

    def check_room(self, count: int, size: Size) -> None:
        """Make sure of the room for points that come in several updates.

        Args:
            count: How many.
            size: Tells about how many bytes they bring.

        Raises:
            EngineError: There is too little.
        """
        with self.engine() as shard:
            self._check_write(shard, count, size)

    def query(self, requests: Sequence[edge.QueryRequest]) -> list[list[edge.ScoredPoint]]:
        """Answer queries, building the index first if that is due."""
        with self.lock, self._errors():
            shard = self._usable()
            self._build_if_due(shard)
            if len(requests) == 1:
                return [shard.query(requests[0])]
            return shard.query_batch(edge.QueryBatchRequest(list(requests))) if requests else []

    def vector(self, point_id: PointId, using: str) -> Any:
        """Give a stored vector, for queries by id.

        Raises:
            ValueError: There is no such point, or it lacks the vector.
        """
        with naming_ids([point_id]), self.engine() as shard:
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
            self._space.check_build()
            logger.info("Collection %r: indexing about %d points", self.name, self._pending.count)
            self._notes.mark(Since.REBUILT)
            built = shard.optimize()
            give_back()
            self._space.measure()
            self._take(shard)
            self._pending.note(0)
            return built

    def close(self, *, index: bool = True) -> None:
        """Close the shard; twice is harmless.

        Args:
            index: Build the index first if that is due.
        """
        with self.lock:
            if index and self._is_loaded:
                with self.engine() as shard:
                    self._build_if_due(shard)
            super().close()

    def _build_if_due(self, shard: edge.EdgeShard) -> None:
        if not self._pending.build_is_due(lambda: shard.info().points_count):
            return
        if self._space.has_room_to_build():
            self.optimize()
            return
        self._pending.put_off()
        logger.warning(
            "Collection %r: too little room at %s to build the index, %d points are scanned",
            *(self.name, self._folder, self._pending.count),
        )

    def _check_write(self, shard: edge.EdgeShard, touched: int, size: Size) -> None:
        self._space.check_write(self._settings, touched, size, lambda: shard.info().points_count)
