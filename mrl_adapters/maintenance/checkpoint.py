"""Where a migration stands, kept in the metadata of the collection that it writes to.

A migration that was killed finds it there and goes on. Servers before 1.16 keep no metadata: an
unfinished copy on one of those is deleted and begun again. It has a key of its own there: whoever
saves a plan meanwhile writes the collection's description anew.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, TypeAlias

from qdrant_client import models
from typing_extensions import Self

from mrl_adapters.maintenance.client import PointId, RetryingClient
from mrl_adapters.qdrant.commands import Verb, command
from mrl_adapters.qdrant.layout import CollectionLayout
from mrl_adapters.vectors import Rotation

CHECKPOINT_KEY = "mrl_adapters_migration"
Mode: TypeAlias = Literal["in_place", "copy"]


@dataclass(frozen=True)
class Checkpoint:
    """Where a migration stands.

    Args:
        mode: How the collection is migrated.
        source: The collection that it is migrated from.
        stages: Sizes of its short vectors.
        full_name: Which vector of the source is the full one.
        rotation: Id of the rotation that its short vectors are made with.
        state: Whether points are still copied (in place: given short vectors), verified, or all is
            done.
        offset: Id of the first point not copied yet; None stands for the first of all.
    """

    mode: Mode
    source: str
    stages: tuple[int, ...]
    full_name: str
    rotation: str | None = None
    state: Literal["copying", "verifying", "done"] = "copying"
    offset: PointId | None = None

    @classmethod
    def begun(cls, mode: Mode, source: str, full_name: str, layout: CollectionLayout) -> Self:
        """Compose the one of a migration that is about to begin.

        Args:
            mode: How the collection is migrated.
            source: The collection that it is migrated from.
            full_name: Which vector of that is the full one.
            layout: What the collection that is written to shall be.
        """
        rotation = layout.rotation.id if isinstance(layout.rotation, Rotation) else None
        return cls(mode, source, layout.stages, full_name, rotation=rotation)

    def is_same_job(self, other: "Checkpoint") -> bool:
        """Compare all but how far the two are."""
        return self == replace(other, state=self.state, offset=self.offset)

    def is_finished_copy(self) -> bool:
        """Return whether a collection that bears this is a copy that may be used."""
        return (self.mode, self.state) == ("copy", "done")

    def to_metadata(self) -> dict[str, Any]:
        """Put it into the form of collection metadata."""
        plain = {**asdict(self), "stages": list(self.stages)}
        if self.offset is not None and not isinstance(self.offset, int):
            plain["offset"] = str(self.offset)
        return {CHECKPOINT_KEY: plain}

    def write(
        self,
        client: RetryingClient,
        collection_name: str,
        described: dict[str, Any] | None = None,
    ) -> None:
        """Store it; in the same request the finished collection's description, if there is one."""
        metadata = {**(described or {}), **self.to_metadata()}
        client.update_collection(collection_name, metadata=metadata)

    def remedy(self, collection_name: str, client: object) -> str:
        """Compose the sentence on how to go on, for the collection that is written to."""
        if self.mode == "copy":
            return "Run the migration again as it was run, it goes on where it stopped."
        verb: Verb = "migrate" if self.rotation is None else "rotate"
        full_name = self.full_name or None
        line = command(
            verb, collection_name, stages=self.stages, full_name=full_name, client=client
        )
        return f"Run it again, it goes on where it stopped: {line}"


def read_checkpoint(info: models.CollectionInfo) -> Checkpoint | None:
    """Read it from the engine's description of a collection; None if it was never migrated."""
    stored = (info.config.metadata or {}).get(CHECKPOINT_KEY)
    return Checkpoint(**{**stored, "stages": tuple(stored["stages"])}) if stored else None


def checkpoint_of(client: RetryingClient, collection_name: str) -> Checkpoint | None:
    """Read a collection's checkpoint; None if it has none, or does not exist."""
    if not client.collection_exists(collection_name):
        return None
    return read_checkpoint(client.get_collection(collection_name))
