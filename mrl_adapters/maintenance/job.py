"""What a migration has to do, found out before anything is written."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from mrl_adapters.errors import ConfigurationError, MigrationError
from mrl_adapters.maintenance.checkpoint import Checkpoint, checkpoint_of, read_checkpoint
from mrl_adapters.maintenance.client import RetryingClient
from mrl_adapters.maintenance.copy import unfinished_copy
from mrl_adapters.maintenance.in_place import check_engine, lacking_to_add_vectors
from mrl_adapters.maintenance.layout import (
    check_rotation,
    copied_layout,
    present_layout,
    wanted_layout,
)
from mrl_adapters.maintenance.point_copies import Destination
from mrl_adapters.maintenance.result import CopyTarget
from mrl_adapters.maintenance.source import Source, read_source, sample_vectors
from mrl_adapters.maintenance.switch import UnfinishedSwitch, find_unfinished_switch
from mrl_adapters.maintenance.text_vectors import TextVectors, kind_of
from mrl_adapters.progress import ProgressCallback
from mrl_adapters.qdrant.aliases import is_gone
from mrl_adapters.qdrant.commands import usual_stages
from mrl_adapters.qdrant.companion import find_companion
from mrl_adapters.qdrant.description import dense_vectors
from mrl_adapters.qdrant.layout import CollectionLayout
from mrl_adapters.qdrant.requirements import check_engine_has
from mrl_adapters.qdrant.rotation import load_rotation
from mrl_adapters.vectors import Rotation

WantedRotation: TypeAlias = Rotation | Literal["auto"] | None


@dataclass(frozen=True)
class Request:
    """What a migration is asked to do: the arguments of ``migrate``.

    Args:
        stages: Sizes of the short vectors; None leaves them open.
        copy: Where a copy goes; None in place.
        rotation: Rotation to slice after, "auto" to fit one.
        model: Name of the embedding model.
        full_name: Which vector is the full one.
        settings: Fields of the layout that are to be otherwise.
    """

    stages: tuple[int, ...] | None
    copy: CopyTarget | None
    rotation: WantedRotation
    model: str | None
    full_name: str | None
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Job:
    """A migration that has been looked into and may begin.

    Args:
        client: Client that holds the collection.
        source: The collection.
        layout: What it shall be, in place.
        destination: Where the copy goes; None in place.
        earlier: Where an earlier run of it stopped, or that it finished; None if it is the first.
        resettled: Whether codes and graphs of the stages that it has are to change.
    """

    client: RetryingClient
    source: Source
    layout: CollectionLayout
    destination: Destination | None
    earlier: Checkpoint | None
    resettled: bool

    def with_vectors(self, vectors: TextVectors) -> "Job":
        """Let a copy be made with vectors that its source lacks: old servers add none."""
        place, source = self.destination, self.source
        if place is None or vectors.name in {*source.sparse, *dense_vectors(source.info)}:
            return self
        layout = place.layout.placed(**{kind_of(vectors).field: vectors})
        return replace(self, destination=replace(place, layout=layout))

    @property
    def target(self) -> RetryingClient:
        """The client that holds what is written."""
        return self.client if self.destination is None else self.destination.client

    @property
    def resumes(self) -> bool:
        """Whether it goes on where an earlier run stopped."""
        return self.earlier is not None and self.earlier.state != "done"


def prepare(
    client: RetryingClient,
    collection_name: str,
    request: Request,
    progress: ProgressCallback | None = None,
) -> Job | UnfinishedSwitch:
    """Look at everything that can stand in a migration's way.

    Returns:
        What is to be done; what is left of it where an earlier run has deleted the collection.
    """
    place, target = request.copy, client
    if place is not None:
        target = client if place.client is None else RetryingClient(place.client)
    if place is not None and place.delete_source:
        unfinished = find_unfinished_switch(
            client, target, collection_name, place, request.stages or (), request.rotation
        )
        if unfinished is not None:
            return unfinished
    source = read_source(client, collection_name, request.full_name)
    if place is None:
        check_engine(client, source.name)
        earlier = read_checkpoint(source.info)
        layout = _layout(client, source, request, (client, source.name, earlier), progress)
        destination = None
    else:
        alias = collection_name if collection_name != source.name and target is client else None
        if alias is not None:
            source = _before_switch(client, source, place)
        name = place.name_for(source.name)
        earlier = checkpoint_of(target, name)
        layout = _layout(client, source, request, (target, name, earlier), progress)
        destination = _destination(client, source, request, layout, target, alias)
        earlier = unfinished_copy(source, destination)
    wanted = layout if destination is None else destination.layout
    target.run(check_engine_has(source.name, wanted))
    return Job(client, source, layout, destination, earlier, bool(request.settings))


def _layout(
    client: RetryingClient,
    source: Source,
    request: Request,
    target: tuple[RetryingClient, str, Checkpoint | None],
    progress: ProgressCallback | None,
) -> CollectionLayout:
    """Choose the layout, and for it the rotation: a given one, an earlier run's, or a new one."""
    target_client, name, earlier = target
    present = present_layout(client, source)
    stages = _stages(source, present, request)
    if request.rotation is not None or (present is not None and present.rotation is not None):
        target_client.run(find_companion(name))  # refuses a stranger under that name
    check_rotation(client, source, present, request.rotation)
    rotation: Rotation | None = None
    if isinstance(request.rotation, Rotation):
        rotation = request.rotation
    elif request.rotation == "auto" and not (present is not None and present.stages):
        if earlier is not None and earlier.rotation is not None:
            # Points carry the short vectors of the run that was interrupted already.
            rotation = target_client.run(load_rotation(name, earlier.rotation))
        else:
            longest = max(stages, default=source.full.size)
            rotation = Rotation.fit(sample_vectors(client, source, progress), longest)
    layout = wanted_layout(source, present, stages, request.model, rotation)
    return replace(layout, **request.settings) if request.settings else layout


def _stages(source: Source, present: CollectionLayout | None, request: Request) -> tuple[int, ...]:
    """Choose the stages where nobody has: a copy's are those of its source."""
    if request.stages is not None:
        return request.stages
    if request.copy is not None and present is not None and present.stages:
        return present.stages
    return usual_stages(source.full.size)


def _before_switch(client: RetryingClient, source: Source, place: CopyTarget) -> Source:
    """Find the collection that an alias named before an earlier run switched it to this copy."""
    checkpoint = read_checkpoint(source.info)
    if checkpoint is None or checkpoint.mode != "copy":
        return source
    if place.name_for(checkpoint.source) != source.name or client.run(is_gone(checkpoint.source)):
        return source
    return read_source(client, checkpoint.source, checkpoint.full_name)


def _destination(
    client: RetryingClient,
    source: Source,
    request: Request,
    layout: CollectionLayout,
    target: RetryingClient,
    source_alias: str | None,
) -> Destination:
    place = request.copy or CopyTarget()
    same_client, name = target is client, place.name_for(source.name)
    if same_client and name == source.name:
        msg = (
            f"Collection {source.name!r} cannot be copied onto itself. Choose another target, or "
            "mode='in_place'."
        )
        raise ConfigurationError(msg)
    alias = place.alias or (source_alias if same_client else None)
    if alias == source.name and not (place.delete_source and same_client):
        msg = (
            f"{alias!r} is the collection's own name, which an alias can take only once it is "
            "deleted. Pass delete_source=True, or choose another alias."
        )
        raise ConfigurationError(msg)
    if getattr(source.info.config.params.sharding_method, "value", None) == "custom":
        msg = (
            f"Collection {source.name!r} has custom shards, which a copy does not have. "
            "Migrate it in place."
        )
        raise MigrationError(msg, collection=source.name, found="custom")
    # Engines make a collection with an unnamed vector alone, and add named ones to it.
    beside = source.full_name == "" and bool(layout.stages or source.other_dense)
    alone = beside and lacking_to_add_vectors(target) is not None
    datatype = request.settings.get("full_datatype")
    copied = copied_layout(source, layout, datatype, names_unnamed=alone)
    if not (client.engine.is_server and target.engine.is_server):
        # How an embedded engine is sharded says nothing about how a cluster should be.
        copied = replace(
            copied, shard_number=None, replication_factor=None, write_consistency_factor=None
        )
    return Destination(target, name, copied, alias, place.delete_source)
