"""Add short vectors to a collection where it lies, or take them away.

Three passes, each safe to be killed in and to be run again:

1. Points that lack a short vector get it. What is done is known from the points themselves.
2. Every point is read once more, derived again and compared; what another writer changed in the
   meantime is mended and read back until it belongs. Repeated until nothing is found.
3. Points that were added since are done like those of pass 2.

Only then the collection says of itself that it has these stages. Where there are to be none, the
full vectors get a graph and codes before, and the short ones are dropped after it has said so.
"""

import time
from dataclasses import replace

from qdrant_client import models

from mrl_adapters.errors import MigrationError
from mrl_adapters.maintenance.checkpoint import Checkpoint, read_checkpoint
from mrl_adapters.maintenance.client import RetryingClient
from mrl_adapters.maintenance.layout import lasting_plan, lasting_stages
from mrl_adapters.maintenance.result import MigrationResult
from mrl_adapters.maintenance.short_vectors import Mended, ShortVectors
from mrl_adapters.maintenance.source import Source
from mrl_adapters.progress import Meter, ProgressCallback
from mrl_adapters.qdrant.companion import drop_companion, has_companion
from mrl_adapters.qdrant.description import short_vectors, stored_metadata
from mrl_adapters.qdrant.engine import is_older
from mrl_adapters.qdrant.layout import METADATA_KEY, PLAN_KEY, CollectionLayout
from mrl_adapters.qdrant.payload_keys import stored_keys, with_keys
from mrl_adapters.qdrant.rotation import store_rotation
from mrl_adapters.qdrant.vector_names import short_name

_OLDEST_SERVER = (1, 18)


def check_engine(client: RetryingClient, collection_name: str) -> None:
    """Refuse engines that cannot add a vector to an existing collection."""
    if (missing := lacking_to_add_vectors(client)) is not None:
        msg = (
            f"Collection {collection_name!r}: adding vectors to an existing collection needs "
            f"{missing}. Or migrate into a copy: mode='copy'."
        )
        raise MigrationError(msg, collection=collection_name, expected=missing)


def lacking_to_add_vectors(client: RetryingClient) -> str | None:
    """Name what an engine lacks to add a vector to an existing collection; None if nothing."""
    if not hasattr(client.wrapped, "create_vector_name"):
        return "qdrant-client 1.18 (run: pip install --upgrade qdrant-client)"
    if client.engine.is_server:
        version = client.info().version
        if is_older(version, _OLDEST_SERVER):
            return f"a Qdrant server of 1.18 or later, found {version}"
    return None


def migrate_in_place(
    client: RetryingClient,
    source: Source,
    layout: CollectionLayout,
    progress: ProgressCallback | None = None,
    *,
    resettled: bool = False,
) -> MigrationResult:
    """Give every point of a collection its short vectors, or drop all of them.

    Args:
        client: Client that holds it.
        source: The collection.
        layout: What it shall be.
        progress: Called with a Progress after each page of points.
        resettled: Whether codes and graphs of the stages that it has are to change, too.
    """
    began_s = time.monotonic()
    name = source.name
    earlier = read_checkpoint(source.info)
    checkpoint = Checkpoint.begun("in_place", name, layout.full_name, layout)
    client.run(store_rotation(name, layout))
    checkpoint.write(client, name)
    written, mended, passes = 0, Mended(), 0
    if layout.stages:
        kept = lasting_stages(source.info, layout)
        add_short_vectors(client, name, layout, {*layout.stages} - kept)
        if resettled:
            _change_settings(client, name, layout, kept)
        shorts = ShortVectors(client, name, layout)
        with client.bulk_writes(name):
            written = _fill(client, name, shorts, progress)
            replace(checkpoint, state="verifying").write(client, name)
            mended, passes = shorts.mend_all(progress)
    else:
        settings = models.VectorParamsDiff(
            **layout.full_search_config(), on_disk=layout.quantization is not None
        )
        client.update_collection(name, vectors_config={layout.full_name: settings})
    info = client.get_collection(name)  # a plan may have been saved meanwhile
    plan = lasting_plan(info, layout)
    described = with_keys(layout.metadata(), stored_keys(info))
    if plan is not None:
        described[METADATA_KEY][PLAN_KEY] = plan
    replace(checkpoint, state="done").write(client, name, described)
    if not layout.stages:
        _drop_vectors(client, name)
    return MigrationResult(
        mode="in_place",
        collection_name=name,
        target_name=name,
        stages=layout.stages,
        points=client.count_points(name),
        written=written,
        corrected=mended.missing + mended.stale,
        unusable=mended.unusable,
        dropped_plan=plan is None and PLAN_KEY in stored_metadata(info),
        passes=passes,
        settled=not mended.unsettled,
        resumed=earlier is not None and earlier.state != "done",
        elapsed_s=time.monotonic() - began_s,
    )


def add_short_vectors(
    client: RetryingClient, name: str, layout: CollectionLayout, stages: set[int]
) -> None:
    """Add short vectors to a collection's description."""
    changes = {}
    for stage in sorted(stages):
        vector = models.DenseVectorConfig(size=stage, distance=models.Distance(layout.distance))
        client.create_vector_name(
            name, layout.stage_name(stage), models.DenseVectorNameConfig(dense=vector)
        )
        changes[layout.stage_name(stage)] = models.VectorParamsDiff(
            hnsw_config=layout.graph_config(stage),
            quantization_config=layout.quantization_config(),
            on_disk=layout.quantization is not None,
        )
    if changes:
        client.update_collection(name, vectors_config=changes)


def _change_settings(
    client: RetryingClient, name: str, layout: CollectionLayout, stages: set[int]
) -> None:
    """Give short vectors that are kept the codes and the graph of a layout."""
    changes = {
        layout.stage_name(stage): models.VectorParamsDiff(
            hnsw_config=layout.graph_config(stage),
            quantization_config=layout.quantization_config() or models.Disabled.DISABLED,
            on_disk=layout.quantization is not None,
        )
        for stage in sorted(stages)
    }
    if changes:
        client.update_collection(name, vectors_config=changes)


def _drop_vectors(client: RetryingClient, name: str) -> None:
    """Drop every short vector, and what they were made with."""
    for rotation, family in short_vectors(client.get_collection(name)).items():
        for stage in family:
            client.delete_vector_name(name, short_name(stage, rotation))
    if client.run(has_companion(name)):
        client.run(drop_companion(name))


def _fill(
    client: RetryingClient,
    name: str,
    shorts: ShortVectors,
    progress: ProgressCallback | None,
) -> int:
    total = client.count_points(name, shorts.lacking)
    meter = Meter("deriving short vectors", total, progress)
    written = 0
    for records in shorts.pages(shorts.lacking):
        written += shorts.fill(records)
        meter.step(len(records))
    return written
