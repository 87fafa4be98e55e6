"""Copy a collection into a new one that is laid out for two-stage search.

The old collection is only read. Three passes, each safe to be killed in and to be run again:

1. Every point is copied, page by page; the copy's metadata says how far.
2. Every point of both is read and compared; what other writers added, changed or deleted in the
   old collection meanwhile is done in the new one. Repeated until nothing is found.
3. An alias is switched, and the old collection deleted, where that was asked for. Only to what has
   settled, and only what was compared once more, right before, and found equal. A copy that has not
   settled is compared again by the next run.
"""

import time
from dataclasses import replace

from qdrant_client import models

from mrl_adapters.errors import MigrationError
from mrl_adapters.maintenance.checkpoint import Checkpoint, checkpoint_of
from mrl_adapters.maintenance.client import RetryingClient
from mrl_adapters.maintenance.in_place import add_short_vectors
from mrl_adapters.maintenance.point_copies import Destination, PointCopies
from mrl_adapters.maintenance.result import MigrationResult
from mrl_adapters.maintenance.short_vectors import MAX_PASSES
from mrl_adapters.maintenance.source import Source
from mrl_adapters.maintenance.switch import switch
from mrl_adapters.progress import Meter, ProgressCallback
from mrl_adapters.qdrant.description import dense_vectors, stored_metadata
from mrl_adapters.qdrant.layout import PLAN_KEY
from mrl_adapters.qdrant.payload_keys import stored_keys, with_keys
from mrl_adapters.qdrant.reading import count_without
from mrl_adapters.qdrant.rotation import store_rotation

_PAGES_PER_CHECKPOINT = 8  # a metadata update costs a server a round of consensus
_IDS_PER_PAGE = 1_000


def unfinished_copy(source: Source, destination: Destination) -> Checkpoint | None:
    """Read where an earlier run's copy stands; None if there is no such collection yet."""
    name = destination.name
    if not destination.client.collection_exists(name):
        return None
    checkpoint = checkpoint_of(destination.client, name)
    if checkpoint is None or not checkpoint.is_same_job(destination.checkpoint(source)):
        what = (
            "is not a copy made by a migration (or its server keeps no metadata)"
            if checkpoint is None
            else f"is a copy of {checkpoint.source!r} with stages {checkpoint.stages}"
        )
        msg = (
            f"Collection {name!r} exists and {what}, expected to copy {source.name!r} with stages "
            f"{destination.layout.stages} to it. Delete it, or choose another target."
        )
        raise MigrationError(
            msg,
            collection=name,
            found=(checkpoint.source, checkpoint.stages) if checkpoint else None,
            expected=(source.name, destination.layout.stages),
        )
    return checkpoint


def migrate_by_copy(
    client: RetryingClient,
    source: Source,
    destination: Destination,
    progress: ProgressCallback | None = None,
) -> MigrationResult:
    """Copy a collection, derive its short vectors, verify, switch."""
    began_s = time.monotonic()
    earlier = unfinished_copy(source, destination)
    checkpoint = earlier or destination.checkpoint(source)
    target, name = destination.client, destination.name
    copies = PointCopies(client, source, destination)
    written = corrected = passes = 0
    settled = True
    if checkpoint.state != "done":
        if earlier is None:
            _create(source, destination, checkpoint)
        _add_named(source, destination)
        _index_payload(source, destination)
        with target.bulk_writes(name):
            if checkpoint.state == "copying":
                written = _copy(copies, checkpoint, progress)
                checkpoint = replace(checkpoint, state="verifying", offset=None)
                checkpoint.write(target, name)
            corrected, passes, settled = _verify(copies, progress)
    with client.alone():
        if checkpoint.state == "done":
            if destination.delete_source:
                _refuse_changed(copies)
        elif settled and (destination.delete_source or destination.alias is not None):
            settled = copies.difference() is None
        if settled:
            if checkpoint.state != "done":
                described = with_keys(destination.layout.metadata(), stored_keys(source.info))
                replace(checkpoint, state="done").write(target, name, described)
            switch(client, source, destination)
    return MigrationResult(
        mode="copy",
        collection_name=source.name,
        target_name=name,
        stages=destination.layout.stages,
        points=target.count_points(name),
        written=written,
        corrected=corrected,
        unusable=target.run(count_without(name, destination.layout.full_name)),
        dropped_plan=passes > 0 and PLAN_KEY in stored_metadata(source.info),
        passes=passes,
        settled=settled,
        resumed=earlier is not None and earlier.state != "done",
        elapsed_s=time.monotonic() - began_s,
        renamed_full=destination.layout.full_name != source.full_name,
    )


def _create(source: Source, destination: Destination, checkpoint: Checkpoint) -> None:
    layout, name = destination.layout, destination.name
    params = source.info.config.params
    destination.client.run(store_rotation(name, layout))
    kept = {
        key: value
        for key, value in (source.info.config.metadata or {}).items()
        if key not in {**layout.metadata(), **checkpoint.to_metadata()}
    }
    described = {**layout.vectors_config(), **_other_vectors(source)}
    destination.client.create_collection(
        name,
        vectors_config=described.get("", described),
        sparse_vectors_config={**source.sparse, **(layout.sparse_config() or {})} or None,
        on_disk_payload=params.on_disk_payload,
        shard_number=layout.shard_number,
        replication_factor=layout.replication_factor,
        write_consistency_factor=layout.write_consistency_factor,
        metadata={**kept, **checkpoint.to_metadata()},
    )


def _add_named(source: Source, destination: Destination) -> None:
    """Add the vectors that cannot be made together with an unnamed one."""
    client, name, layout = destination.client, destination.name, destination.layout
    if layout.full_name != "":
        return
    present = dense_vectors(client.get_collection(name))
    for other, params in source.other_dense.items():
        if other not in present:
            datatype = params.datatype
            vector = models.DenseVectorConfig(
                size=params.size,
                distance=params.distance,
                multivector_config=params.multivector_config,
                datatype=models.VectorStorageDatatype(datatype.value) if datatype else None,
            )
            client.create_vector_name(name, other, models.DenseVectorNameConfig(dense=vector))
    stages = {stage for stage in layout.stages if layout.stage_name(stage) not in present}
    add_short_vectors(client, name, layout, stages)


def _other_vectors(source: Source) -> dict[str, models.VectorParams]:
    """Describe the other dense vectors with the settings that they had from the collection."""
    config = source.info.config
    shared = config.hnsw_config.model_dump(exclude_none=True)
    described = {}
    for name, params in source.other_dense.items():
        own = params.hnsw_config.model_dump(exclude_none=True) if params.hnsw_config else {}
        settings = {
            "hnsw_config": models.HnswConfigDiff(**{**shared, **own}),
            "quantization_config": params.quantization_config or config.quantization_config,
        }
        described[name] = params.model_copy(update=settings)
    return described


def _index_payload(source: Source, destination: Destination) -> None:
    """Index the payload as the old collection does; a tenant's index must come before points."""
    if not destination.client.engine.has_indexes:
        return
    for field, index in (source.info.payload_schema or {}).items():
        schema = index.params or index.data_type
        destination.client.create_payload_index(
            destination.name, field, field_schema=schema, wait=True
        )


def _copy(copies: PointCopies, checkpoint: Checkpoint, progress: ProgressCallback | None) -> int:
    target, name = copies.destination.client, copies.destination.name
    meter = Meter("copying points", copies.client.count_points(copies.source.name), progress)
    if checkpoint.offset is not None:
        meter.step(target.count_points(name))
    written = 0
    for number, (records, following) in enumerate(copies.pages(checkpoint.offset), start=1):
        copies.write(records)
        written += len(records)
        meter.step(len(records))
        if following is not None and number % _PAGES_PER_CHECKPOINT == 0:
            replace(checkpoint, offset=following).write(target, name)
    return written


def _verify(copies: PointCopies, progress: ProgressCallback | None) -> tuple[int, int, bool]:
    """Compare all points until nothing differs; what was mended, the passes, whether all agree."""
    corrected = passes = differing = 0
    while passes == 0 or (differing and passes < MAX_PASSES):
        passes += 1
        differing = 0
        meter = Meter("verifying points", copies.client.count_points(copies.source.name), progress)
        for records, _ in copies.pages():
            differing += copies.mend(records)
            meter.step(len(records))
        differing += _delete_extra(copies)
        corrected += differing
    return corrected, passes, not differing


def _delete_extra(copies: PointCopies) -> int:
    """Delete what was deleted in the old collection after it had been copied."""
    target, name = copies.destination.client, copies.destination.name
    if target.count_points(name) <= copies.client.count_points(copies.source.name):
        return 0
    deleted = 0
    for records, _ in target.pages(name, _IDS_PER_PAGE):
        ids = [record.id for record in records]
        kept = copies.client.present(copies.source.name, ids)
        extra = [point_id for point_id in ids if str(point_id) not in kept]
        deleted += len(extra)
        if extra:
            target.delete(name, models.PointIdsList(points=extra), wait=True)
    return deleted


def _refuse_changed(copies: PointCopies) -> None:
    """Refuse to delete a collection that differs from the copy which an earlier run finished."""
    difference = copies.difference()
    if difference is not None:
        source_name, name = copies.source.name, copies.destination.name
        msg = (
            f"Collection {source_name!r} was not deleted: an earlier run finished its copy "
            f"{name!r}, and by now they differ, {difference}. Delete {source_name!r} yourself if "
            f"{name!r} has what you want; if not, delete {name!r} and run this again."
        )
        raise MigrationError(msg, collection=source_name, found=difference)
