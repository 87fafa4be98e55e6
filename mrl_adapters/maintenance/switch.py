"""Turn to a finished copy: switch the alias, delete the old collection.

An alias can take a collection's own name only once that collection is deleted: between the two,
nothing leads to the copy. A run that is killed there, or before the old collection's rotation is
deleted too, leaves an unfinished switch to the next one.
"""

import time
from dataclasses import dataclass
from typing import Literal

from qdrant_client import models

from mrl_adapters.errors import MigrationError
from mrl_adapters.maintenance.checkpoint import Checkpoint, checkpoint_of
from mrl_adapters.maintenance.client import RetryingClient
from mrl_adapters.maintenance.point_copies import Destination
from mrl_adapters.maintenance.result import CopyTarget, MigrationPlan, MigrationResult
from mrl_adapters.maintenance.source import Source
from mrl_adapters.qdrant.aliases import aliases, collection_behind, is_gone
from mrl_adapters.qdrant.companion import companion_name, drop_companion, has_companion
from mrl_adapters.qdrant.description import active_rotation
from mrl_adapters.qdrant.layout import CollectionLayout
from mrl_adapters.qdrant.reading import count_without
from mrl_adapters.qdrant.rotation import holds_rotation, open_layout
from mrl_adapters.vectors import Rotation


def switch(client: RetryingClient, source: Source, destination: Destination) -> None:
    """Switch the alias to a finished copy, and delete the old collection, where asked for."""
    alias, target, name = destination.alias, destination.client, source.name
    if alias != name:
        _point_alias(target, alias, destination.name)
    if not destination.delete_source or not client.collection_exists(name):
        return
    client.delete_collection(name)
    if alias == name:
        # Engines refuse an alias of a living collection's name, and delete collections by a request
        # of their own: whoever is killed right here leaves an UnfinishedSwitch.
        _point_alias(target, alias, destination.name)
    if active_rotation(source.info) is not None and client.run(has_companion(name)):
        client.run(drop_companion(name))


@dataclass(frozen=True)
class UnfinishedSwitch:
    """What is left of a migration whose old collection is deleted.

    Args:
        client: Client that held the old collection.
        target: Client that holds the copy.
        source_name: The old collection.
        name: The finished copy.
        layout: The copy's layout.
        alias: Alias that does not lead to the copy yet.
        companion: Collection with the old one's rotation, if it is still there.
    """

    client: RetryingClient
    target: RetryingClient
    source_name: str
    name: str
    layout: CollectionLayout
    alias: str | None
    companion: str | None

    @property
    def steps(self) -> tuple[str, ...]:
        """What is to be done, one sentence each; nothing after a run that was not killed."""
        switching = f"switch alias {self.alias!r} to {self.name!r}"
        deleting = f"delete collection {self.companion!r}"
        return (
            *([switching] if self.alias is not None else []),
            *([deleting] if self.companion is not None else []),
        )

    def plan(self) -> MigrationPlan:
        """Describe what :meth:`finish` would do."""
        layout = self.layout
        return MigrationPlan(
            mode="copy",
            collection_name=self.source_name,
            target_name=self.name,
            full_name=layout.full_name,
            dimensions=layout.dimensions,
            distance=layout.distance,
            stages=layout.stages,
            model=layout.model,
            points=self.target.count_points(self.name),
            points_to_write=0,
            bytes_to_write=0,
            bytes_to_read=0,
            estimated_s=0.0,
            resumes=bool(self.steps),
            steps=self.steps,
        )

    def finish(self) -> MigrationResult:
        """Switch the alias, and delete the old collection's rotation."""
        began_s = time.monotonic()
        _point_alias(self.target, self.alias, self.name)
        if self.companion is not None:
            self.client.run(drop_companion(self.source_name))
        return MigrationResult(
            mode="copy",
            collection_name=self.source_name,
            target_name=self.name,
            stages=self.layout.stages,
            points=self.target.count_points(self.name),
            written=0,
            corrected=0,
            unusable=self.target.run(count_without(self.name, self.layout.full_name)),
            dropped_plan=False,
            passes=0,
            settled=True,
            resumed=bool(self.steps),
            elapsed_s=time.monotonic() - began_s,
        )


def find_unfinished_switch(
    client: RetryingClient,
    target: RetryingClient,
    collection_name: str,
    place: CopyTarget,
    stages: tuple[int, ...],
    rotation: Rotation | Literal["auto"] | None,
) -> UnfinishedSwitch | None:
    """Look for the finished copy of a collection that an earlier run has deleted.

    Returns:
        What is left to do; None if the collection is still there, or another one was meant.
    """
    if not client.run(is_gone(collection_name)):
        return None
    # That name may be an alias by now, the old collection's own name or another one.
    is_alias = client.collection_exists(collection_name)
    name = client.run(collection_behind(collection_name)) if is_alias else None
    name = name or place.name_for(collection_name)
    done = checkpoint_of(target, name)
    if done is None or not done.is_finished_copy():
        return None
    source_name = done.source if is_alias else collection_name
    known = (done.source, name) == (source_name, place.name_for(source_name))
    if not known or not client.run(is_gone(source_name)):
        return None
    if not _is_as_asked(done, stages, rotation):
        if is_alias:
            return None
        raise _other_copy(name, done)
    alias = place.alias or (collection_name if is_alias else None)
    leading = {
        known_alias.alias_name
        for known_alias in target.run(aliases())
        if known_alias.collection_name == name
    }
    rotated = done.rotation and client.run(holds_rotation(source_name, done.rotation))
    return UnfinishedSwitch(
        client,
        target,
        source_name,
        name,
        target.run(open_layout(name)),
        alias=None if alias in leading else alias,
        companion=companion_name(source_name) if rotated else None,
    )


def _is_as_asked(
    done: Checkpoint, stages: tuple[int, ...], rotation: Rotation | Literal["auto"] | None
) -> bool:
    if isinstance(rotation, Rotation):
        rotated_alike = rotation.id == done.rotation
    else:
        rotated_alike = rotation is None or done.rotation is not None
    return rotated_alike and set(stages) <= set(done.stages)


def _other_copy(name: str, done: Checkpoint) -> MigrationError:
    rotation = f" by rotation {done.rotation}" if done.rotation else ""
    return MigrationError(
        f"Collection {done.source!r} is deleted: an earlier run finished its copy {name!r}, with "
        f"stages {done.stages}{rotation}, and this one asks for others. Run it as it was run "
        f"then; further stages can be added to {name!r} in place afterwards.",
        collection=name,
        found=done.stages,
    )


def _point_alias(client: RetryingClient, alias: str | None, name: str) -> None:
    """Switch an alias to a collection, if it does not lead there already; None switches none."""
    if alias is None:
        return
    known = {at.alias_name: at.collection_name for at in client.run(aliases())}
    if known.get(alias) == name:
        return
    changes: list[models.CreateAliasOperation | models.DeleteAliasOperation] = [
        models.CreateAliasOperation(
            create_alias=models.CreateAlias(collection_name=name, alias_name=alias)
        )
    ]
    if alias in known:
        drop = models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=alias))
        changes.insert(0, drop)
    # One request: whoever searches by the alias finds the old collection or the new one.
    client.update_collection_aliases(changes)
