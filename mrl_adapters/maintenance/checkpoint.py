"""Where a migration stands, kept in the metadata of the collection that it writes to.

A migration that was killed finds it there and goes on. Servers before 1.16 keep no metadata: an
unfinished copy on one of those is deleted and begun again.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from qdrant_client import models

from mrl_adapters.maintenance.pages import PointId
from mrl_adapters.qdrant.commands import Verb, command
from mrl_adapters.qdrant.driver import Driver
from mrl_adapters.qdrant.flow import ask

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
        state: Whether points are still carried over (``copying``; in place: given short vectors),
            compared (``verifying``), or all is done.
        offset: Id of the first point not carried over yet; None stands for the first of all.
    """

    mode: Mode
    source: str
    stages: tuple[int, ...]
    full_name: str
    rotation: str | None = None
    state: Literal["copying", "verifying", "done"] = "copying"
    offset: PointId | None = None

    def is_same_job(self, other: "Checkpoint") -> bool:
        """Tell whether two checkpoints belong to one migration.

        Args:
            other: The other one.
        """
        return (self.mode, self.source, self.stages, self.full_name, self.rotation) == (
            other.mode,
            other.source,
            other.stages,
            other.full_name,
            other.rotation,
        )


def continuing(checkpoint: Checkpoint, name: str, client: object) -> str:
    """Say how to go on with a migration that has not finished.

    Args:
        checkpoint: Where it stands.
        name: The collection that it writes to.
        client: Where that is.
    """
    if checkpoint.mode == "copy":
        return "Run the migration again as it was run, it goes on where it stopped."
    verb: Verb = "migrate" if checkpoint.rotation is None else "rotate"
    line = command(
        verb,
        name,
        stages=checkpoint.stages,
        full_name=checkpoint.full_name or None,
        client=client,
    )
    return f"Run it again, it goes on where it stopped: {line}"


def read_checkpoint(info: models.CollectionInfo) -> Checkpoint | None:
    """Read where the migration of a collection stands.

    Args:
        info: The engine's description of the collection that is written to.

    Returns:
        None if it was never migrated.
    """
    stored = (info.config.metadata or {}).get(CHECKPOINT_KEY)
    if not stored:
        return None
    return Checkpoint(**{**stored, "stages": tuple(stored["stages"])})


def write_checkpoint(
    driver: Driver,
    collection_name: str,
    checkpoint: Checkpoint,
    described: dict[str, Any] | None = None,
) -> None:
    """Note where a migration stands.

    Args:
        driver: Reaches the collection.
        collection_name: The collection that is written to.
        checkpoint: Where it stands.
        described: Metadata to store in the same request: the finished collection's description.
    """
    metadata = {**(described or {}), **as_metadata(checkpoint)}
    driver.run(ask(lambda c: c.update_collection(collection_name, metadata=metadata)))


def as_metadata(checkpoint: Checkpoint) -> dict[str, Any]:
    """Put a checkpoint into the form of collection metadata.

    Args:
        checkpoint: Where the migration stands.
    """
    plain = {**asdict(checkpoint), "stages": list(checkpoint.stages)}
    if plain["offset"] is not None and not isinstance(plain["offset"], int):
        plain["offset"] = str(plain["offset"])
    return {CHECKPOINT_KEY: plain}
