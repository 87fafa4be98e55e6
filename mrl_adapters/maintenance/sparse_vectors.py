"""Give an existing collection sparse vectors, computed from the texts that it stores.

The full vectors are not touched, and no text is embedded again by the model that made them. The
collection says what its sparse vectors are before the first is written, so that a run which was
interrupted goes on, and points which lack one are known from the points themselves.
"""

import time
from dataclasses import replace

from qdrant_client import models

from mrl_adapters.errors import MigrationError
from mrl_adapters.maintenance.client import Records, RetryingClient
from mrl_adapters.maintenance.in_place import check_engine
from mrl_adapters.maintenance.layout import own_layout
from mrl_adapters.maintenance.result import MigrationPlan, MigrationResult
from mrl_adapters.maintenance.source import Source
from mrl_adapters.maintenance.updates import write_vectors
from mrl_adapters.progress import Meter, ProgressCallback
from mrl_adapters.qdrant.description import stored_metadata
from mrl_adapters.qdrant.layout import METADATA_KEY, CollectionLayout
from mrl_adapters.qdrant.payload_keys import AskedKeys, PayloadKeys, find_keys, stored_keys
from mrl_adapters.qdrant.reading import count_lacking, lacking
from mrl_adapters.qdrant.sparse import USUAL_NAMES, SparseVectors, stored_sparse
from mrl_adapters.qdrant.weights import document_weights

_POINTS_PER_PAGE = 500
_MOST_PASSES = 5


def add_sparse_vectors(
    client: RetryingClient,
    source: Source,
    wanted: SparseVectors,
    progress: ProgressCallback | None = None,
) -> MigrationResult:
    """Give every point that has a full vector the sparse one, and say so in the metadata.

    Raises:
        MigrationError: The engine cannot add a vector, or one of that name is another program's.
    """
    began_s = time.monotonic()
    name = source.name
    sparse = placed_sparse(source, wanted)
    layout = own_layout(client, source)
    own, resumed = layout.sparse, layout.sparse == sparse
    if own != sparse:
        check_engine(client, name)
    if own is not None and own != sparse:
        client.delete_vector_name(name, own.name)
    stored = stored_metadata(client.get_collection(name)) or layout.metadata()[METADATA_KEY]
    described = {**stored, "sparse": sparse.described()}
    client.update_collection(name, metadata={METADATA_KEY: described})
    if own != sparse:
        vector = models.SparseVectorConfig(modifier=sparse.modifier)
        client.create_vector_name(name, sparse.name, models.SparseVectorNameConfig(sparse=vector))
    filling = SparseFilling(client, source, layout.placed(sparse=sparse))
    written = filling.fill(progress)
    for _ in range(_MOST_PASSES):
        if not filling.count_lacking():
            break
        written += filling.fill(progress)
    return MigrationResult(
        mode="in_place",
        collection_name=name,
        target_name=name,
        stages=layout.stages,
        points=client.count_points(name),
        written=written,
        settled=not filling.count_lacking(),
        resumed=resumed,
        elapsed_s=time.monotonic() - began_s,
        sparse=sparse.name,
    )


def plan_sparse_vectors(
    client: RetryingClient, source: Source, wanted: SparseVectors
) -> MigrationPlan:
    """Describe what :func:`add_sparse_vectors` would do, without writing anything."""
    sparse = placed_sparse(source, wanted)
    layout = own_layout(client, source)
    points = client.count_points(source.name)
    done = layout.sparse == sparse
    if not done:
        check_engine(client, source.name)
    to_write = SparseFilling(client, source, layout).count_lacking() if done else points
    return MigrationPlan(
        mode="in_place",
        collection_name=source.name,
        target_name=source.name,
        full_name=source.full_name,
        dimensions=source.full.size,
        distance=source.full.distance.value,
        stages=layout.stages,
        model=layout.model,
        points=points,
        points_to_write=to_write,
        resumes=done and bool(to_write),
        steps=steps_of(sparse, to_write),
    )


def steps_of(sparse: SparseVectors, points: int) -> tuple[str, ...]:
    """Tell what happens, one sentence each."""
    if not points:
        return ()
    return (f"weigh the words of {points:,} texts by {sparse.model}, as vector {sparse.name!r}",)


def placed_sparse(source: Source, wanted: SparseVectors) -> SparseVectors:
    """Choose the vector's name: as asked, or as the collection's own is called."""
    own = stored_sparse(stored_metadata(source.info), source.sparse)
    renamed = own is not None and wanted.name not in source.sparse and wanted.name in USUAL_NAMES
    sparse = replace(wanted, name=own.name) if own is not None and renamed else wanted
    sparse.computed_by(source.name)  # refuses what is not at hand
    if (own is None or own.name != sparse.name) and sparse.name in source.sparse:
        msg = (
            f"Collection {source.name!r} has a sparse vector {sparse.name!r} and does not say "
            "what it is of. Search by it: CollectionLayout(..., sparse=SparseVectors("
            f"name={sparse.name!r}, encoder=...)); or choose another name, or delete it: "
            f"client.delete_vector_name({source.name!r}, {sparse.name!r})"
        )
        raise MigrationError(msg, collection=source.name, found=sparse.name)
    return sparse


class SparseFilling:
    """Gives points the sparse vector that they lack.

    Args:
        client: Client that holds the collection.
        source: The collection.
        layout: What it is, its sparse vectors with it.
    """

    def __init__(self, client: RetryingClient, source: Source, layout: CollectionLayout) -> None:
        self._client = client
        self._name = source.name
        self._layout = layout
        self._vector = layout.sparse.name if layout.sparse else ""
        stored = stored_keys(source.info)
        self._keys: PayloadKeys = client.run(find_keys(self._name, AskedKeys(), stored)).keys

    def count_lacking(self) -> int:
        """Count the points that have a full vector and lack the sparse one."""
        flow = count_lacking(self._name, self._layout.full_name, [self._vector])
        return self._client.run(flow)

    def fill(self, progress: ProgressCallback | None) -> int:
        """Write what is missing, and count the points; who got it meanwhile keeps it."""
        affected = lacking(self._layout.full_name, [self._vector])
        total = self._client.count_points(self._name, affected)
        meter = Meter("weighing words", total, progress)
        written = 0
        pages = self._client.pages(
            self._name, _POINTS_PER_PAGE, payload=True, query_filter=affected
        )
        with self._client.bulk_writes(self._name):
            for records, _ in pages:
                self._write(records, affected)
                written += len(records)
                meter.step(len(records))
        return written

    def _write(self, records: Records, affected: models.Filter) -> None:
        payloads = [record.payload or {} for record in records]
        names = [f"point {record.id!r}" for record in records]
        flow = document_weights(self._name, self._layout, payloads, self._keys, names)
        [column] = self._client.run(flow).values()
        points = [
            models.PointVectors.model_construct(id=record.id, vector={self._vector: weights})
            for record, weights in zip(records, column, strict=True)
        ]
        keys = [record.shard_key for record in records]
        write_vectors(self._client, self._name, points, keys, affected)
