"""Add short vectors to a collection where it lies.

Three passes, each safe to be killed in and to be run again:

1. Points that lack a short vector get it. What is done is known from the points themselves.
2. Every point is read once more, derived again and compared; what another writer changed in the
   meantime is mended and read back until it belongs. Repeated until nothing is found.
3. Points that were added since are done like those of pass 2.

Only then the collection says of itself that it has these stages.
"""

import time
from dataclasses import replace
from typing import Any

from qdrant_client import models

from mrl_adapters.errors import MigrationError
from mrl_adapters.maintenance.checkpoint import (
    Checkpoint,
    read_checkpoint,
    write_checkpoint,
)
from mrl_adapters.maintenance.pages import count_points
from mrl_adapters.maintenance.result import MigrationResult
from mrl_adapters.maintenance.shorts import Settled, ShortVectors
from mrl_adapters.maintenance.source import Source
from mrl_adapters.progress import Meter, ProgressCallback
from mrl_adapters.qdrant.description import stored_metadata
from mrl_adapters.qdrant.driver import Driver
from mrl_adapters.qdrant.flow import ask
from mrl_adapters.qdrant.layout import METADATA_KEY, PLAN_KEY, CollectionLayout
from mrl_adapters.qdrant.payload_keys import stored_keys, with_keys
from mrl_adapters.qdrant.rotation import store_rotation
from mrl_adapters.vectors import Rotation

MAX_PASSES = 5
_OLDEST_SERVER = (1, 18)


def check_engine(driver: Driver, collection_name: str) -> None:
    """Refuse engines that cannot add a vector to an existing collection.

    Args:
        driver: Reaches the collection.
        collection_name: Which collection, for messages.

    Raises:
        MigrationError: The server or the client library is too old.
    """
    missing = None
    if not hasattr(driver.client, "create_vector_name"):
        missing = "qdrant-client 1.18 (run: pip install --upgrade qdrant-client)"
    elif driver.engine.is_server:
        found = driver.run(ask(lambda c: c.info())).version
        if tuple(int(part) for part in found.split(".")[:2]) < _OLDEST_SERVER:
            missing = f"a Qdrant server of 1.18 or later, found {found}"
    if missing is not None:
        msg = (
            f"Collection {collection_name!r}: adding vectors to an existing collection needs "
            f"{missing}. Or migrate into a copy: mode='copy'."
        )
        raise MigrationError(msg, collection=collection_name, expected=missing)


def migrate_in_place(
    driver: Driver,
    source: Source,
    layout: CollectionLayout,
    report: ProgressCallback | None = None,
) -> MigrationResult:
    """Give every point of a collection its short vectors.

    Args:
        driver: Reaches the collection.
        source: The collection as it was found.
        layout: What it shall be.
        report: Told of each step.
    """
    began_s = time.monotonic()
    name = source.name
    earlier = read_checkpoint(source.info)
    rotation = layout.rotation if isinstance(layout.rotation, Rotation) else None
    checkpoint = Checkpoint(
        "in_place",
        name,
        layout.stages,
        layout.full_name,
        rotation=rotation.id if rotation else None,
    )
    if rotation is not None:
        driver.run(store_rotation(name, rotation))
    write_checkpoint(driver, name, checkpoint)
    _add_vectors(driver, source, layout)
    shorts = ShortVectors(driver, name, layout)
    written = _fill(driver, name, shorts, report)
    write_checkpoint(driver, name, replace(checkpoint, state="verifying"))
    settled, passes = settle_all(driver, name, shorts, report)
    now = driver.run(ask(lambda c: c.get_collection(name)))  # a plan may have been saved meanwhile
    plan = kept_plan(now, layout)
    described = with_keys(layout.metadata(), stored_keys(now))
    if plan is not None:
        described[METADATA_KEY][PLAN_KEY] = plan
    write_checkpoint(driver, name, replace(checkpoint, state="done"), described)
    return MigrationResult(
        mode="in_place",
        collection_name=name,
        target_name=name,
        stages=layout.stages,
        points=count_points(driver, name),
        written=written,
        corrected=settled.missing + settled.stale,
        unusable=settled.unusable,
        dropped_plan=plan is None and PLAN_KEY in stored_metadata(now),
        passes=passes,
        settled=not settled.restless,
        resumed=earlier is not None and earlier.state != "done",
        elapsed_s=time.monotonic() - began_s,
    )


def kept_plan(info: models.CollectionInfo, layout: CollectionLayout) -> dict[str, Any] | None:
    """Give the plan that ``tune`` saved with a collection, if it still holds.

    It does if every short vector that it was measured on stays as it is; one that names no stage
    was measured on the longest.

    Args:
        info: The engine's description of the collection.
        layout: What the collection is about to be.

    Returns:
        The plan as it is stored; None if there is none, or it names stages that change.
    """
    plan: dict[str, Any] | None = stored_metadata(info).get(PLAN_KEY)
    if plan is None or not set(plan.get("stages") or layout.stages[-1:]) <= _lasting(info, layout):
        return None
    return plan


def _lasting(info: models.CollectionInfo, layout: CollectionLayout) -> set[int]:
    """Stages that a collection names as its own and that stay as they are."""
    stored = stored_metadata(info)
    if stored.get("rotation") != layout.metadata()[METADATA_KEY].get("rotation"):
        return set()
    return set(stored.get("stages", ()))


def _add_vectors(driver: Driver, source: Source, layout: CollectionLayout) -> None:
    """Add short vectors to a collection's description; those that it names stay as they are."""
    changes = {}
    lasting = _lasting(source.info, layout)
    for stage in layout.stages:
        if stage in lasting:
            continue
        _add_vector(driver, source.name, layout, stage)
        changes[layout.stage_name(stage)] = models.VectorParamsDiff(
            hnsw_config=layout.graph_config(stage),
            quantization_config=layout.quantization_config(),
            on_disk=layout.quantization is not None,
        )
    if changes:
        driver.run(ask(lambda c: c.update_collection(source.name, vectors_config=changes)))


def _add_vector(driver: Driver, name: str, layout: CollectionLayout, stage: int) -> None:
    config = models.DenseVectorNameConfig(
        dense=models.DenseVectorConfig(size=stage, distance=models.Distance(layout.distance))
    )
    driver.run(ask(lambda c: c.create_vector_name(name, layout.stage_name(stage), config)))


def _fill(driver: Driver, name: str, shorts: ShortVectors, report: ProgressCallback | None) -> int:
    meter = Meter("deriving short vectors", count_points(driver, name, shorts.lacking), report)
    written = 0
    for records in shorts.pages(shorts.lacking):
        written += int(shorts.fill(records).missing.sum())
        meter.step(len(records))
    return written


def settle_all(
    driver: Driver,
    name: str,
    shorts: ShortVectors,
    report: ProgressCallback | None,
    phase: str = "verifying points",
) -> tuple[Settled, int]:
    """Compare every point, mend what is wrong, and do so again until nothing is.

    Args:
        driver: Reaches the collection.
        name: The collection.
        shorts: Its short vectors.
        report: Told of each step.
        phase: What to call this.

    Returns:
        What was found over all passes (``unusable``: in the last), with ``restless`` > 0 if the
        last pass still found points that had changed; and the number of passes.
    """
    missing = stale = passes = moved = 0
    while passes == 0 or (moved and passes < MAX_PASSES):
        passes += 1
        found = _settle_pass(driver, name, shorts, None, report, phase)
        # Those that were added behind the pass; they are few, and found without reading the rest.
        late = _settle_pass(driver, name, shorts, shorts.lacking, None, phase)
        missing += found.missing + late.missing
        stale += found.stale + late.stale
        moved = found.stale + found.restless + late.restless
    return Settled(missing, stale, found.unusable, moved), passes


def _settle_pass(
    driver: Driver,
    name: str,
    shorts: ShortVectors,
    query_filter: models.Filter | None,
    report: ProgressCallback | None,
    phase: str,
) -> Settled:
    meter = Meter(phase, count_points(driver, name, query_filter), report)
    missing = stale = unusable = restless = 0
    for records in shorts.pages(query_filter):
        found = shorts.settle(records)
        missing += found.missing
        stale += found.stale
        unusable += found.unusable
        restless += found.restless
        meter.step(len(records))
    return Settled(missing, stale, unusable, restless)
