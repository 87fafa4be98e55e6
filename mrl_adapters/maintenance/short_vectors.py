"""The short vectors of stored points: judge them, derive them again, write them, read them back."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qdrant_client import models

from mrl_adapters.maintenance.client import Records, RetryingClient, points_per_page
from mrl_adapters.maintenance.updates import by_shard_key, write_vectors
from mrl_adapters.progress import Meter, ProgressCallback
from mrl_adapters.qdrant.layout import CollectionLayout
from mrl_adapters.qdrant.points import derive
from mrl_adapters.qdrant.quantization import STORAGE_ERROR
from mrl_adapters.qdrant.reading import count_lacking, lacking, vector_of
from mrl_adapters.vectors import FloatArray

# A full vector stored as float16 is off by at most 2^-11 of each number, so is what is derived
# from it; a short vector may itself be stored as float16. Another text is off by far more.
TOLERANCE = 2e-3
_ANOTHER = 0.5  # what is off by so much was derived from something else
_TINY = 1e-9
MAX_PASSES = 5
_ROUNDS = 20

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Verdict:
    """What is right and wrong with the short vectors of n points.

    Args:
        records: The points.
        derived: Vector name to what its short vectors should be, shape (n, stage).
        missing: Which points lack a short vector and could have it.
        stale: Which have one that does not belong to their full vector. A point can be both.
        unusable: Which have no full vector, or one with NaN or infinity.
    """

    records: Sequence[models.Record]
    derived: dict[str, FloatArray]
    missing: Mask
    stale: Mask
    unusable: Mask

    @property
    def wrong(self) -> Mask:
        """Which points need to be written."""
        return self.missing | self.stale


@dataclass(frozen=True)
class Mended:
    """How many points were mended, and of what.

    Args:
        missing: How many lacked a short vector.
        stale: How many had one that did not belong to their full vector.
        unusable: How many have no usable full vector.
        unsettled: How many changed each time they had been written; left for the next run.
    """

    missing: int = 0
    stale: int = 0
    unusable: int = 0
    unsettled: int = 0

    def __add__(self, other: "Mended") -> "Mended":
        return Mended(
            self.missing + other.missing,
            self.stale + other.stale,
            self.unusable + other.unusable,
            self.unsettled + other.unsettled,
        )


class ShortVectors:
    """The short vectors of one collection.

    Args:
        client: Client that holds it.
        collection_name: The collection.
        layout: What its short vectors are, and are derived from.
    """

    def __init__(
        self, client: RetryingClient, collection_name: str, layout: CollectionLayout
    ) -> None:
        self._client = client
        self._name = collection_name
        self._layout = layout
        self._sizes = {layout.stage_name(stage): stage for stage in layout.stages}
        self.names: list[str] = list(self._sizes)
        self._read_names = [layout.full_name, *self.names]
        prefix_is_enough = (
            layout.distance == "Cosine" and layout.reduction == "prefix" and not layout.rotation
        )
        # Numbers of the full vector that the short ones depend on: converting the rest from
        # Python floats would cost more than everything else.
        self._width = max(layout.stages, default=1) if prefix_is_enough else layout.dimensions
        self._encode = client.engine.encode

    @property
    def lacking(self) -> models.Filter:
        """Which points have a full vector and lack a short one."""
        return lacking(self._layout.full_name, self._sizes)

    def count_lacking(self) -> int:
        """Count those points, as far as reading some of them confirms it."""
        return self._client.run(count_lacking(self._name, self._layout.full_name, self.names))

    def pages(self, query_filter: models.Filter | None = None) -> Iterator[Records]:
        """Read points with all that judging needs."""
        size = points_per_page(self._layout.dimensions + sum(self._layout.stages))
        for records, _ in self._client.pages(
            self._name, size, vectors=self._read_names, query_filter=query_filter
        ):
            yield records

    def judge(self, records: Sequence[models.Record]) -> Verdict:
        """Derive short vectors and compare them with those of a page."""
        full = column(records, self._layout.full_name, self._width)
        unusable = np.asarray(~np.isfinite(full).all(axis=1))
        derived = derive(np.where(unusable[:, np.newaxis], np.float32(0), full), self._layout)
        missing = np.zeros(len(records), dtype=bool)
        stale = np.zeros(len(records), dtype=bool)
        for name, right in derived.items():
            stored = column(records, name, self._sizes[name])
            present = ~np.isnan(stored).any(axis=1)
            missing |= ~present & ~unusable
            limit = self._tolerance(full, self._sizes[name]) * np.linalg.norm(right, axis=1)
            stale |= present & ((np.linalg.norm(stored - right, axis=1) > limit) | unusable)
        return Verdict(records, derived, missing, stale, unusable)

    def _tolerance(self, full: FloatArray, size: int) -> Any:
        """Return what each short vector of a size may be off by, as a share of its length."""
        error = STORAGE_ERROR.get(self._layout.full_datatype)
        if error is None:
            return TOLERANCE
        whole = 1.0 if self._layout.distance == "Cosine" else np.linalg.norm(full, axis=1)
        shorts = np.linalg.norm(full[:, :size], axis=1)
        return np.minimum(_ANOTHER, TOLERANCE + error * whole / np.maximum(shorts, _TINY))

    def fill(self, records: Sequence[models.Record]) -> int:
        """Write the short vectors that are missing, without reading them back; count the points.

        A point that got its short vectors from another writer in the meantime keeps those.
        """
        verdict = self.judge(records)
        self._write(verdict, verdict.missing, self.lacking)
        return int(verdict.missing.sum())

    def mend(self, records: Sequence[models.Record]) -> Mended:
        """Write the short vectors that are wrong, and read them back until they belong.

        Between reading a full vector and writing what was derived from it another writer may
        have replaced it: only reading both again tells.
        """
        verdict = first = self.judge_latest(records)
        for _ in range(_ROUNDS):
            if not verdict.wrong.any():
                break
            self._write(verdict, verdict.wrong)
            verdict = self.judge(self._read_again(verdict.records, verdict.wrong))
        return Mended(
            missing=int(first.missing.sum()),
            stale=int((first.stale & ~first.missing).sum()),
            unusable=int(first.unusable.sum()),
            unsettled=int(verdict.wrong.sum()),
        )

    def judge_latest(self, records: Sequence[models.Record]) -> Verdict:
        """Judge a page, and those that lack a short vector by what is read of them by their ids.

        While a server rewrites segments, a page may hold former versions of points.
        """
        verdict = self.judge(records)
        if not verdict.missing.any():
            return verdict
        latest = {
            record.id: record for record in self._read_again(verdict.records, verdict.missing)
        }
        return self.judge([latest.get(record.id, record) for record in verdict.records])

    def _read_again(
        self, records: Sequence[models.Record], chosen: Mask
    ) -> Sequence[models.Record]:
        ids = [records[row].id for row in _rows(chosen)]
        return self._client.retrieve(
            self._name, ids=ids, with_payload=False, with_vectors=self._read_names
        )

    def mend_all(self, progress: ProgressCallback | None) -> tuple[Mended, int]:
        """Compare every point and mend what is wrong, again and again until nothing is.

        Returns:
            What was mended over all passes (``unusable``: in the last), ``unsettled`` if the last
            pass still found points that had changed; and the number of passes.
        """
        mended, passes = Mended(), 0
        while passes == 0 or (mended.unsettled and passes < MAX_PASSES):
            passes += 1
            everything = self._pass(None, progress)
            # Those that were added behind the pass; they are few, and found without reading the
            # rest.
            late = self._pass(self.lacking, None)
            mended = Mended(
                mended.missing + everything.missing + late.missing,
                mended.stale + everything.stale + late.stale,
                everything.unusable,
                everything.stale + everything.unsettled + late.unsettled,
            )
        return mended, passes

    def _pass(
        self, query_filter: models.Filter | None, progress: ProgressCallback | None
    ) -> Mended:
        total = self._client.count_points(self._name, query_filter)
        meter = Meter("verifying points", total, progress)
        mended = Mended()
        for records in self.pages(query_filter):
            mended += self.mend(records)
            meter.step(len(records))
        return mended

    def _write(
        self, verdict: Verdict, chosen: Mask, update_filter: models.Filter | None = None
    ) -> None:
        """Write the derived vectors of chosen points; where none can be, delete what is there."""
        rows = _rows(chosen & ~verdict.unusable)
        vectors = {name: self._encode(derived[rows]) for name, derived in verdict.derived.items()}
        points = [
            # Derived from checked numbers; validating them again costs more than writing them.
            models.PointVectors.model_construct(
                id=verdict.records[row].id,
                vector={name: column[place] for name, column in vectors.items()},
            )
            for place, row in enumerate(rows)
        ]
        keys = [verdict.records[row].shard_key for row in rows]
        write_vectors(self._client, self._name, points, keys, update_filter)
        bare = [verdict.records[row] for row in _rows(chosen & verdict.unusable)]
        for key, records in by_shard_key(bare, [record.shard_key for record in bare]):
            self._client.delete_vectors(
                self._name,
                vectors=self.names,
                points=models.PointIdsList(points=[record.id for record in records]),
                wait=True,
                shard_key_selector=key,
            )


def column(
    records: Sequence[models.Record | models.ScoredPoint], name: str, width: int
) -> FloatArray:
    """Stack one vector of n points, cut to (n, width); a row of NaN where a point lacks it."""
    blank = [float("nan")] * width
    rows = [vector_of(record, name) for record in records]
    stacked = [blank if row is None else row[:width] for row in rows]
    return np.array(stacked, dtype=np.float32).reshape(len(records), width)


def _rows(mask: Mask) -> list[int]:
    rows: list[int] = np.flatnonzero(mask).tolist()
    return rows
