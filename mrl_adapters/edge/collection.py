"""Write into a collection, query it, build its index, and mend it.

The engine has no background optimizer: points written lie beside the index and are scanned until
somebody asks for a build. Here a query asks, once enough points have piled up: at least the
collection's indexing_threshold (in KB of the largest vector, as on a server) and a fifth of the
collection. Bulk loading thus costs one build, and a few new points never cost any.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import qdrant_edge as edge
from qdrant_client import models

from mrl_adapters.edge.config import dense_vectors, edge_config
from mrl_adapters.edge.engine_errors import EngineErrors
from mrl_adapters.edge.inventory import Since
from mrl_adapters.edge.log_repair import LogRepair
from mrl_adapters.edge.names import PointId, canonical_id, naming_ids, plain_id
from mrl_adapters.edge.paths import SHARD_FOLDER
from mrl_adapters.edge.points import VectorIntake
from mrl_adapters.edge.recovery import release_memory
from mrl_adapters.edge.settings import Notes
from mrl_adapters.edge.shard import Shard
from mrl_adapters.edge.space import Size, Space, nothing
from mrl_adapters.errors import EngineError

logger: logging.Logger = logging.getLogger(__name__)

_POINTS_PER_PAGE = 1_000
_UNREADABLE = "Failed to deserialize payload"
_MISSING = "No point with id"  # as the engine says it, after writing some of the others

COMPLETED = models.UpdateResult(operation_id=None, status=models.UpdateStatus.COMPLETED)
"""What every write returns: done and logged when the call returns."""


class Step(NamedTuple):
    """One operation of the engine."""

    operation: edge.UpdateOperation
    touched: int | edge.Filter = 0
    """Which points it may move out of the index: how many, or those that match."""
    size: Size = nothing
    """About how many bytes it brings."""
    effect: Since = Since.ADDED
    """What may be different afterwards."""
    ids: Callable[[], list[PointId]] = list
    """The points that it names; asked where it fails for one that is not stored."""
    among: Callable[[set[int | str]], edge.UpdateOperation] | None = None
    """The same operation on those of `ids` that a set holds, in their canonical form."""


class Collection(Shard):
    """A collection; made by `make`, loaded by its first use."""

    @staticmethod
    def make(name: str, folder: Path, settings: models.CreateCollection) -> None:
        """Write a new collection into a folder; open it where it is to stay."""
        config = edge_config(settings)
        Space(name, folder).check(settings, "a new collection")
        path = folder / SHARD_FOLDER
        path.mkdir()
        with EngineErrors(name, folder):
            edge.EdgeShard.create(str(path), config).close()
        notes = Notes(name, folder, folder)
        notes.take(0)
        notes.save(settings)

    def intake(self) -> VectorIntake:
        """Return a vector check for one write."""
        settings = self.settings
        return VectorIntake(dense_vectors(settings), settings.sparse_vectors or {})

    def update(self, steps: Iterable[Step]) -> models.UpdateResult:
        """Apply the operations of one update, one after the other.

        An id that is not stored does not stop the rest, as on a server: it is told in the end.
        """
        missing: list[PointId] = []
        for step in steps:
            try:
                self._apply(step)
            except EngineError as error:
                if _MISSING not in str(error) or step.among is None:
                    raise
                missing += self._apply_to_stored(step, step.among)
        if missing:
            message = (
                f"Collection {self.name!r}: {_MISSING} {missing[0]!r}. The points of this update "
                "that are stored were written all the same, as on a server, and so was what stood "
                "before it in a batch. Leave that id out."
            )
            raise EngineError(message, collection=self.name, found=missing[0])
        return COMPLETED

    def _apply(self, step: Step) -> None:
        operation, touched, size, effect = step[:4]
        if isinstance(touched, int):
            self.write(operation, touched, size, effect)
            return
        with self.engine() as shard:
            matching = shard.count(edge.CountRequest(filter=touched))
            self.write(operation, matching, size, effect)

    def _apply_to_stored(
        self, step: Step, among: Callable[[set[int | str]], edge.UpdateOperation]
    ) -> list[PointId]:
        """Apply an operation again, to those of its points that are stored; return the other ids.

        The engine stops at the first that is not, in an order of its own.
        """
        ids = step.ids()
        with self.engine() as shard:
            points = shard.retrieve(ids, with_payload=False, with_vector=False)
            stored = {plain_id(point.id) for point in points}
            if stored:
                self._apply(step._replace(operation=among(stored)))
        return [point_id for point_id in ids if canonical_id(point_id) not in stored]

    def write(
        self,
        operation: edge.UpdateOperation,
        touched: int = 0,
        size: Size = nothing,
        effect: Since = Since.ADDED,
    ) -> None:
        """Apply an update that moves `touched` points out of the index."""
        self._check_writable()
        with self.engine() as shard:
            if effect is Since.REMOVED:
                self._space.check(self._settings, "deleting")
            else:
                self._check_write(shard, touched, size)
            self._notes.mark(effect)
            shard.update(operation)
            if touched:
                points = shard.info().points_count
                self._pending.note(min(self._pending.count + touched, points))

    def check_room(self, count: int, size: Size) -> None:
        """Make sure of the room for points that come in several updates."""
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
        """Return a stored vector, for queries by id."""
        with naming_ids([point_id]), self.engine() as shard:
            points = shard.retrieve([point_id], with_payload=False, with_vector=[using])
        vector: Any = points[0].vector if points else None
        if isinstance(vector, dict):
            vector = vector.get(using)
        if vector is None:
            message = f"Collection {self.name!r}: point {point_id!r} has no vector {using!r}."
            raise ValueError(message)
        return vector

    def optimize(self) -> bool:
        """Build the index over everything now; return whether there was something to do."""
        self._check_writable()
        with self.engine() as shard:
            self._space.check_build()
            logger.info("Collection %r: indexing about %d points", self.name, self._pending.count)
            self._notes.mark(Since.REBUILT)
            changed = shard.optimize()
            release_memory()
            self._space.measure()
            self._take(shard)
            self._pending.note(0)
            return changed

    def repair(self) -> LogRepair:
        """Mend the log, take the files as they are, and replace payloads that cannot be read."""
        with self.lock:
            repaired = self.mend_log()
            accepted = self.accept_files()
            unreadable = self._unreadable_payloads()
            logged = self.logged_payloads() if unreadable else {}
            for point_id in unreadable:
                payload = logged.get(point_id, {})
                self.write(edge.UpdateOperation.overwrite_payload([point_id], payload))
        restored = tuple(point_id for point_id in unreadable if point_id in logged)
        emptied = tuple(point_id for point_id in unreadable if point_id not in logged)
        return replace(repaired, restored=restored, emptied=emptied, accepted=accepted)

    def _unreadable_payloads(self) -> list[int | str]:
        """Find the points whose payload the engine cannot read."""
        unreadable: list[int | str] = []
        offset: Any = None
        while True:
            request = edge.ScrollRequest(
                limit=_POINTS_PER_PAGE, offset=offset, with_payload=False, with_vector=False
            )
            with self.engine() as shard:
                points, offset = shard.scroll(request)
            unreadable += self._unreadable_of([point.id for point in points])
            if offset is None:
                return unreadable

    def _unreadable_of(self, ids: list[Any]) -> list[int | str]:
        try:
            with self.engine() as shard:
                shard.retrieve(ids, True, False)  # noqa: FBT003 - the binding takes no names
        except EngineError as error:
            if _UNREADABLE not in str(error):
                raise
            if len(ids) == 1:
                return [plain_id(ids[0])]
            middle = len(ids) // 2
            return self._unreadable_of(ids[:middle]) + self._unreadable_of(ids[middle:])
        return []

    def close(self, *, index: bool = True) -> None:
        """Close the shard; twice is harmless."""
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
