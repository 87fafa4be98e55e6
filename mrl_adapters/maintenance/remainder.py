"""What is left to do where an earlier run has deleted the old collection, and then was killed.

An alias can take a collection's own name only once that collection is deleted: between the two,
nothing leads to the copy. So it is with the old collection's rotation, which goes after it.
"""

import time
from dataclasses import dataclass
from typing import Literal

from mrl_adapters.errors import MigrationError
from mrl_adapters.maintenance.checkpoint import Checkpoint, read_checkpoint
from mrl_adapters.maintenance.destination import point_alias
from mrl_adapters.maintenance.pages import count_points
from mrl_adapters.maintenance.result import CopyTarget, MigrationPlan, MigrationResult
from mrl_adapters.qdrant.aliases import aliases, collection_behind, is_gone
from mrl_adapters.qdrant.companion import companion_name, drop_companion
from mrl_adapters.qdrant.driver import Client, Driver
from mrl_adapters.qdrant.flow import ask
from mrl_adapters.qdrant.layout import CollectionLayout
from mrl_adapters.qdrant.reading import without
from mrl_adapters.qdrant.rotation import holds_rotation, open_layout
from mrl_adapters.vectors import Rotation


@dataclass(frozen=True)
class Remainder:
    """What is left of a migration whose old collection is deleted.

    Args:
        driver: Reaches what the old collection left behind.
        target: Reaches the copy.
        source_name: The old collection.
        name: The finished copy.
        layout: The copy's layout.
        alias: Alias that does not lead to the copy yet.
        companion: The old collection's rotation, if it is still there.
    """

    driver: Driver
    target: Driver
    source_name: str
    name: str
    layout: CollectionLayout
    alias: str | None
    companion: str | None

    @property
    def steps(self) -> tuple[str, ...]:
        """What is to be done, one sentence each; nothing after a run that was not killed."""
        found = []
        if self.alias is not None:
            found.append(f"switch alias {self.alias!r} to {self.name!r}")
        if self.companion is not None:
            found.append(f"delete collection {self.companion!r}")
        return tuple(found)

    def plan(self) -> MigrationPlan:
        """Say what :meth:`finish` would do."""
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
            points=count_points(self.target, self.name),
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
        point_alias(self.target, self.alias, self.name)
        if self.companion is not None:
            self.driver.run(drop_companion(self.source_name))
        return MigrationResult(
            mode="copy",
            collection_name=self.source_name,
            target_name=self.name,
            stages=self.layout.stages,
            points=count_points(self.target, self.name),
            written=0,
            corrected=0,
            unusable=count_points(self.target, self.name, without(self.layout.full_name)),
            dropped_plan=False,
            passes=0,
            settled=True,
            resumed=bool(self.steps),
            elapsed_s=time.monotonic() - began_s,
        )


def find_remainder(
    client: Client,
    collection_name: str,
    target: CopyTarget,
    stages: tuple[int, ...],
    rotation: Rotation | Literal["auto"] | None,
) -> Remainder | None:
    """Look for the finished copy of a collection that an earlier run has deleted.

    Args:
        client: Client that held the collection.
        collection_name: The collection, or an alias that leads to the copy by now.
        target: Where the copy went.
        stages: Sizes of the short vectors, as the earlier run was told.
        rotation: Rotation, as the earlier run was told.

    Returns:
        What is left to do; None if the collection is still there, or another one was meant.

    Raises:
        MigrationError: The collection is gone, and its copy was made with other stages.
    """
    driver = Driver(client)
    there = driver if target.client is None else Driver(target.client)
    if not driver.run(is_gone(collection_name)):
        return None
    # That name may be an alias by now, the old collection's own name or another one.
    led = driver.run(ask(lambda c: c.collection_exists(collection_name)))
    name = driver.run(collection_behind(collection_name)) if led else None
    name = name or target.name_for(collection_name)
    done = _finished(there, name)
    source_name = done.source if done and led else collection_name
    known = done is not None and (done.source, name) == (source_name, target.name_for(source_name))
    if done is None or not known or not driver.run(is_gone(source_name)):
        return None
    if not _as_told(done, stages, rotation):
        if led:
            return None
        raise _otherwise(name, done)
    alias = target.alias or (collection_name if led else None)
    leading = {each.alias_name for each in there.run(aliases()) if each.collection_name == name}
    rotated = done.rotation and driver.run(holds_rotation(source_name, done.rotation))
    return Remainder(
        driver,
        there,
        source_name,
        name,
        there.run(open_layout(name)),
        alias=None if alias in leading else alias,
        companion=companion_name(source_name) if rotated else None,
    )


def _finished(driver: Driver, name: str) -> Checkpoint | None:
    """Read where a copy stands; None if it is none, or not finished."""
    if not driver.run(ask(lambda c: c.collection_exists(name))):
        return None
    found = read_checkpoint(driver.run(ask(lambda c: c.get_collection(name))))
    return found if found and (found.mode, found.state) == ("copy", "done") else None


def _as_told(
    done: Checkpoint, stages: tuple[int, ...], rotation: Rotation | Literal["auto"] | None
) -> bool:
    if isinstance(rotation, Rotation):
        rotated_alike = rotation.id == done.rotation
    else:
        rotated_alike = rotation is None or done.rotation is not None
    return rotated_alike and set(stages) <= set(done.stages)


def _otherwise(name: str, done: Checkpoint) -> MigrationError:
    rotation = f" by rotation {done.rotation}" if done.rotation else ""
    return MigrationError(
        f"Collection {done.source!r} is deleted: an earlier run finished its copy {name!r}, with "
        f"stages {done.stages}{rotation}, and this one asks for others. Run it as it was run "
        f"then; further stages can be added to {name!r} in place afterwards.",
        collection=name,
        found=done.stages,
    )
