"""Fit a rotation to a collection that exists, and derive its short vectors anew.

Each step is safe to be killed in and to be run again:

1. A rotation is fitted on stored full vectors and written to the companion.
2. Every point gets the new short vectors beside the old ones, under names of their own, and is
   compared with its full vector once more (as in any migration in place). Whoever searches
   meanwhile uses the old ones.
3. The collection's metadata is switched to the new ones, in one request.
4. The old short vectors are dropped. Whoever still had the collection open finds that out by the
   engine's refusal, reads the layout again and goes on. Points that such a writer left without
   the new short vectors get them now; after this nobody can write the old ones.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from mrl_adapters.errors import CollectionMismatchError
from mrl_adapters.maintenance.checkpoint import read_checkpoint
from mrl_adapters.maintenance.client import RetryingClient
from mrl_adapters.maintenance.in_place import check_engine, migrate_in_place
from mrl_adapters.maintenance.layout import present_layout, wanted_layout
from mrl_adapters.maintenance.short_vectors import ShortVectors
from mrl_adapters.maintenance.source import Source, read_source, sample_vectors
from mrl_adapters.progress import ProgressCallback
from mrl_adapters.qdrant.commands import command, usual_stages
from mrl_adapters.qdrant.companion import find_companion
from mrl_adapters.qdrant.description import active_rotation, read_layout, short_vectors
from mrl_adapters.qdrant.driver import Client
from mrl_adapters.qdrant.layout import CollectionLayout
from mrl_adapters.qdrant.rotation import forget_others, load_rotation
from mrl_adapters.qdrant.vector_names import short_name
from mrl_adapters.vectors import Rotation


@dataclass(frozen=True)
class RotationResult:
    """What rotating a collection did.

    Args:
        collection_name: The collection.
        rotation: Id of the rotation that its short vectors are made with now.
        replaced: Id of the one in use when this began; None where they were plain slices.
        stages: Sizes of its short vectors.
        points: Points in it at the end.
        written: Points that got new short vectors.
        dropped_plan: Whether a plan that ``tune`` had saved was dropped.
        settled: Whether the last comparison found every short vector right. False: other writers
            changed points all the time; run it again when they are done.
        resumed: Whether it went on where an earlier run stopped.
        elapsed_s: Seconds it took.
    """

    collection_name: str
    rotation: str
    replaced: str | None
    stages: tuple[int, ...]
    points: int
    written: int
    dropped_plan: bool
    settled: bool
    resumed: bool
    elapsed_s: float

    def to_dict(self) -> dict[str, Any]:
        """Describe it in plain values."""
        return asdict(self)


def rotate(
    client: Client,
    collection_name: str,
    *,
    stages: Sequence[int] | None = None,
    rotation: Rotation | None = None,
    full_name: str | None = None,
    flatten: float | Literal["auto"] = 0.25,
    seed: int = 0,
    progress: ProgressCallback | None = None,
) -> RotationResult:
    """Rotate the short vectors of an existing collection, in place.

    Needs an engine that can add a named vector: the embedded one, local mode, or a server of 1.18
    or later. Searches go on meanwhile. A run that was interrupted is finished by the next one,
    with the rotation and the stages that it had begun with. One run at a time.

    Args:
        client: Client that holds the collection.
        collection_name: The collection, or an alias of it.
        stages: Sizes of the short vectors; None keeps the present ones.
        rotation: Use this one; None fits one on full vectors of the collection, 20,000
            random ones if there are more.
        full_name: Which vector is the full one, where several could be meant.
        flatten: Passed to :meth:`Rotation.fit`.
        seed: Passed to :meth:`Rotation.fit`.
        progress: Called with a Progress after each page of points.

    Raises:
        ConfigurationError: The collection holds fewer points than its longest stage has
            dimensions, or the rotation does not fit it.
        CollectionMismatchError: It has no short vectors and no stages are given; or somebody
            else's collection has the name that the rotation is to be kept under.
        MigrationError: The collection does not exist, or the engine cannot add vectors.
    """
    began_s = time.monotonic()
    retrying = RetryingClient(client)
    source = read_source(retrying, collection_name, full_name)
    check_engine(retrying, source.name)
    retrying.run(find_companion(source.name))  # refuses a stranger under that name
    begun = _begun(retrying, source)
    if begun is not None:
        sizes, rotation = begun
    else:
        sizes = tuple(stages) if stages is not None else _present_stages(retrying, source)
        if rotation is None:
            vectors = sample_vectors(retrying, source, progress)
            rotation = Rotation.fit(vectors, max(sizes), flatten=flatten, seed=seed)
    layout = _rotated(retrying, source, sizes, rotation)
    result = migrate_in_place(retrying, source, layout, progress)
    _drop_others(retrying, source.name, layout)
    retrying.run(forget_others(source.name, rotation.id))
    return RotationResult(
        collection_name=source.name,
        rotation=rotation.id,
        replaced=active_rotation(source.info),
        stages=layout.stages,
        points=retrying.count_points(source.name),
        written=result.written + result.corrected,
        dropped_plan=result.dropped_plan,
        settled=result.settled,
        resumed=begun is not None,
        elapsed_s=time.monotonic() - began_s,
    )


def _begun(client: RetryingClient, source: Source) -> tuple[tuple[int, ...], Rotation] | None:
    """Find the stages and the rotation that an interrupted run was bringing about."""
    checkpoint = read_checkpoint(source.info)
    if checkpoint is None or checkpoint.rotation is None:
        return None
    # Done but for the dropping: there are others beside the rotation's own short vectors.
    if checkpoint.state == "done" and set(short_vectors(source.info)) == {checkpoint.rotation}:
        return None
    try:
        rotation = client.run(load_rotation(source.name, checkpoint.rotation))
    except CollectionMismatchError:
        return None  # lost with its companion: whatever it made is dropped in the end
    return checkpoint.stages, rotation


def _present_stages(client: RetryingClient, source: Source) -> tuple[int, ...]:
    present = short_vectors(source.info).get(active_rotation(source.info), {})
    if not present:
        stages = usual_stages(source.full.size)
        example = command("rotate", source.name, stages=stages, client=client.wrapped)
        msg = (
            f"Collection {source.name!r} has no short vectors, so it has no stages to keep. "
            f"Choose some, such as: {example}"
        )
        raise CollectionMismatchError(msg, collection=source.name)
    return tuple(sorted(present))


def _rotated(
    client: RetryingClient, source: Source, stages: tuple[int, ...], rotation: Rotation
) -> CollectionLayout:
    """Lay out the collection as it is, with other short vectors."""
    if active_rotation(source.info) in short_vectors(source.info):
        present = read_layout(source.name, source.info, rotation, stages)
        return replace(present, tenant_field=source.tenant_field)
    return wanted_layout(source, present_layout(client, source), stages, None, rotation)


def _drop_others(client: RetryingClient, name: str, layout: CollectionLayout) -> None:
    """Drop every short vector that the layout does not name, and fill what old writers left."""
    for rotation_id, family in short_vectors(client.get_collection(name)).items():
        for stage in family:
            short = short_name(stage, rotation_id)
            if short not in layout.vector_names:
                client.delete_vector_name(name, short)
    shorts = ShortVectors(client, name, layout)
    for records in shorts.pages(shorts.lacking):
        shorts.mend(records)
