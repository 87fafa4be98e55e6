"""Carry a collection over into a new one that is laid out for two-stage search.

The old collection is only read. Three passes, each safe to be killed in and to be run again:

1. Every point is copied, page by page; the copy's metadata says how far.
2. Every point of both is read and compared; what other writers added, changed or deleted in the
   old collection meanwhile is done in the new one. Repeated until nothing is found.
3. An alias is switched, and the old collection deleted, where that was asked for. Only to what has
   settled, and only what was compared once more, right before, and found equal. A copy that has not
   settled is compared again by the next run.
"""

import time
from collections.abc import Sequence
from dataclasses import replace

from qdrant_client import models

from mrl_adapters.errors import MigrationError
from mrl_adapters.maintenance.carrier import Carrier
from mrl_adapters.maintenance.checkpoint import (
    Checkpoint,
    as_metadata,
    read_checkpoint,
    write_checkpoint,
)
from mrl_adapters.maintenance.destination import (
    Destination,
    difference,
    refuse_changed,
    switch,
)
from mrl_adapters.maintenance.in_place import MAX_PASSES
from mrl_adapters.maintenance.pages import PointId, count_points, read_pages
from mrl_adapters.maintenance.result import MigrationResult
from mrl_adapters.maintenance.source import Source
from mrl_adapters.progress import Meter, ProgressCallback
from mrl_adapters.qdrant.description import stored_metadata
from mrl_adapters.qdrant.driver import Driver
from mrl_adapters.qdrant.flow import ask
from mrl_adapters.qdrant.layout import PLAN_KEY
from mrl_adapters.qdrant.payload_keys import stored_keys, with_keys
from mrl_adapters.qdrant.reading import without
from mrl_adapters.qdrant.rotation import store_rotation
from mrl_adapters.vectors import Rotation

# Pages between two checkpoints: a metadata update costs a server a round of consensus.
_PAGES_A_CHECKPOINT = 8
_IDS_A_PAGE = 1_000


def find_copy(source: Source, destination: Destination) -> Checkpoint | None:
    """Look for what an earlier run has copied.

    Args:
        source: The old collection.
        destination: Where the copy goes.

    Returns:
        Where the earlier run stopped; None if there is no such collection yet.

    Raises:
        MigrationError: The name is taken by another collection.
    """
    name, driver = destination.name, destination.driver
    if not driver.run(ask(lambda c: c.collection_exists(name))):
        return None
    found = read_checkpoint(driver.run(ask(lambda c: c.get_collection(name))))
    if found is None or not found.is_same_job(_checkpoint(source, destination)):
        what = (
            "is not a copy made by a migration (or its server keeps no metadata)"
            if found is None
            else f"is a copy of {found.source!r} with stages {found.stages}"
        )
        msg = (
            f"Collection {name!r} exists and {what}, expected to copy {source.name!r} with stages "
            f"{destination.layout.stages} to it. Delete it, or choose another target."
        )
        raise MigrationError(
            msg,
            collection=name,
            found=(found.source, found.stages) if found else None,
            expected=(source.name, destination.layout.stages),
        )
    return found


def migrate_by_copy(
    driver: Driver,
    source: Source,
    destination: Destination,
    report: ProgressCallback | None = None,
) -> MigrationResult:
    """Copy a collection, derive its short vectors, verify, switch.

    Args:
        driver: Reaches the old collection.
        source: The old collection.
        destination: Where the copy goes.
        report: Told of each step.

    Raises:
        MigrationError: The target's name is taken; a point cannot be carried over; or the old
            collection, which is to be deleted, is no longer what an earlier run copied.
    """
    began_s = time.monotonic()
    earlier = find_copy(source, destination)
    checkpoint = earlier or _checkpoint(source, destination)
    target, name = destination.driver, destination.name
    carrier = Carrier(driver, source, target, name, destination.layout)
    written = corrected = passes = 0
    settled = True
    if checkpoint.state != "done":
        if earlier is None:
            _create(source, destination, checkpoint)
        _index_payload(source, destination)
        if checkpoint.state == "copying":
            written = _copy(carrier, source, destination, checkpoint, report)
            checkpoint = replace(checkpoint, state="verifying", offset=None)
            write_checkpoint(target, name, checkpoint)
        corrected, passes, settled = _verify_all(driver, carrier, source, destination, report)
    with driver.alone():
        if checkpoint.state == "done":
            if destination.delete_source:
                refuse_changed(carrier, source, destination)
        elif settled and (destination.delete_source or destination.alias is not None):
            settled = difference(carrier, source, destination) is None
        if settled:
            if checkpoint.state != "done":
                checkpoint = replace(checkpoint, state="done")
                described = with_keys(destination.layout.metadata(), stored_keys(source.info))
                write_checkpoint(target, name, checkpoint, described)
            switch(driver, source, destination)
    return MigrationResult(
        mode="copy",
        collection_name=source.name,
        target_name=name,
        stages=destination.layout.stages,
        points=count_points(target, name),
        written=written,
        corrected=corrected,
        unusable=count_points(target, name, without(destination.layout.full_name)),
        dropped_plan=passes > 0 and PLAN_KEY in stored_metadata(source.info),
        passes=passes,
        settled=settled,
        resumed=earlier is not None and earlier.state != "done",
        elapsed_s=time.monotonic() - began_s,
    )


def _checkpoint(source: Source, destination: Destination) -> Checkpoint:
    rotation = destination.layout.rotation
    return Checkpoint(
        "copy",
        source.name,
        destination.layout.stages,
        source.full_name,
        rotation=rotation.id if isinstance(rotation, Rotation) else None,
    )


def _create(source: Source, destination: Destination, checkpoint: Checkpoint) -> None:
    layout, name = destination.layout, destination.name
    params = source.info.config.params
    if isinstance(layout.rotation, Rotation):
        destination.driver.run(store_rotation(name, layout.rotation))
    kept = {
        key: value
        for key, value in (source.info.config.metadata or {}).items()
        if key not in {**layout.metadata(), **as_metadata(checkpoint)}
    }
    destination.driver.run(
        ask(
            lambda c: c.create_collection(
                name,
                vectors_config={**_others(source), **layout.vectors_config()},
                sparse_vectors_config=dict(source.sparse) or None,
                on_disk_payload=params.on_disk_payload,
                shard_number=layout.shard_number,
                replication_factor=layout.replication_factor,
                metadata={**kept, **as_metadata(checkpoint)},
            )
        )
    )


def _others(source: Source) -> dict[str, models.VectorParams]:
    """Describe the other dense vectors with the settings that they had from the collection."""
    config = source.info.config
    shared = config.hnsw_config.model_dump(exclude_none=True)
    own = {
        name: params.hnsw_config.model_dump(exclude_none=True) if params.hnsw_config else {}
        for name, params in source.other_dense.items()
    }
    return {
        name: params.model_copy(
            update={
                "hnsw_config": models.HnswConfigDiff(**{**shared, **own[name]}),
                "quantization_config": params.quantization_config or config.quantization_config,
            }
        )
        for name, params in source.other_dense.items()
    }


def _index_payload(source: Source, destination: Destination) -> None:
    """Index the payload as the old collection does; a tenant's index must come before points."""
    if not destination.driver.engine.has_indexes:
        return
    for field, index in (source.info.payload_schema or {}).items():
        _index_field(destination, field, index)


def _index_field(destination: Destination, field: str, index: models.PayloadIndexInfo) -> None:
    schema = index.params or index.data_type
    destination.driver.run(
        ask(
            lambda c: c.create_payload_index(
                destination.name, field, field_schema=schema, wait=True
            )
        )
    )


def _copy(
    carrier: Carrier,
    source: Source,
    destination: Destination,
    checkpoint: Checkpoint,
    report: ProgressCallback | None,
) -> int:
    driver = carrier.source_driver
    meter = Meter("copying points", count_points(driver, source.name), report)
    if checkpoint.offset is not None:
        meter.step(count_points(destination.driver, destination.name))
    written = 0
    for number, (records, following) in enumerate(carrier.pages(checkpoint.offset), start=1):
        carrier.carry(records)
        written += len(records)
        meter.step(len(records))
        if following is not None and number % _PAGES_A_CHECKPOINT == 0:
            write_checkpoint(
                destination.driver, destination.name, replace(checkpoint, offset=following)
            )
    return written


def _verify_all(
    driver: Driver,
    carrier: Carrier,
    source: Source,
    destination: Destination,
    report: ProgressCallback | None,
) -> tuple[int, int, bool]:
    """Compare all points until nothing differs; what was mended, the passes, whether all agree."""
    corrected = 0
    passes = differing = 0
    while passes == 0 or (differing and passes < MAX_PASSES):
        passes += 1
        differing = 0
        meter = Meter("verifying points", count_points(driver, source.name), report)
        for records, _ in carrier.pages():
            differing += carrier.mend(records)
            meter.step(len(records))
        differing += _delete_extra(driver, source, destination)
        corrected += differing
    return corrected, passes, not differing


def _delete_extra(driver: Driver, source: Source, destination: Destination) -> int:
    """Delete what was deleted in the old collection after it had been copied."""
    target, name = destination.driver, destination.name
    if count_points(target, name) <= count_points(driver, source.name):
        return 0
    deleted = 0
    for records, _ in read_pages(target, name, _IDS_A_PAGE):
        ids = [record.id for record in records]
        kept = _existing(driver, source.name, ids)
        extra = [each for each in ids if str(each) not in kept]
        deleted += len(extra)
        if extra:
            _delete(target, name, extra)
    return deleted


def _existing(driver: Driver, name: str, ids: Sequence[PointId]) -> set[str]:
    records = driver.run(
        ask(lambda c: c.retrieve(name, ids=ids, with_payload=False, with_vectors=False))
    )
    return {str(record.id) for record in records}


def _delete(driver: Driver, name: str, ids: list[PointId]) -> None:
    driver.run(ask(lambda c: c.delete(name, models.PointIdsList(points=ids), wait=True)))
