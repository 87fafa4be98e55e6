"""Find out what a migration has to do, before anything is written."""

from dataclasses import dataclass, replace
from typing import Literal

from mrl_adapters.errors import ConfigurationError, MigrationError
from mrl_adapters.maintenance.checkpoint import Checkpoint, Mode, read_checkpoint
from mrl_adapters.maintenance.copying import find_copy
from mrl_adapters.maintenance.destination import Destination
from mrl_adapters.maintenance.in_place import check_engine
from mrl_adapters.maintenance.layouts import copied_layout, existing_layout, wanted_layout
from mrl_adapters.maintenance.learning import choose_rotation
from mrl_adapters.maintenance.remainder import Remainder, find_remainder
from mrl_adapters.maintenance.result import CopyTarget
from mrl_adapters.maintenance.source import Source, read_source
from mrl_adapters.progress import ProgressCallback
from mrl_adapters.qdrant.aliases import is_gone
from mrl_adapters.qdrant.companion import find_companion
from mrl_adapters.qdrant.driver import Client, Driver
from mrl_adapters.qdrant.flow import ask
from mrl_adapters.qdrant.layout import CollectionLayout
from mrl_adapters.vectors import Rotation


@dataclass(frozen=True)
class Job:
    """A migration that has been looked into and may begin.

    Args:
        driver: Reaches the old collection.
        source: The collection as it was found.
        layout: What it shall be, in place.
        destination: Where the copy goes; None in place.
        earlier: Where an unfinished run stopped.
    """

    driver: Driver
    source: Source
    layout: CollectionLayout
    destination: Destination | None
    earlier: Checkpoint | None


def prepare(  # noqa: PLR0913 - migrate's own arguments
    client: Client,
    collection_name: str,
    *,
    stages: tuple[int, ...],
    mode: Mode,
    target: str | CopyTarget | None,
    rotation: Rotation | Literal["auto"] | None,
    model: str | None,
    full_name: str | None,
    report: ProgressCallback | None = None,
) -> Job | Remainder:
    """Look at everything that can stand in a migration's way.

    Args:
        client: Client that holds the collection.
        collection_name: The collection, or an alias of it.
        stages: Sizes of the short vectors.
        mode: In place, or into a copy.
        target: Where a copy goes.
        rotation: Rotation to slice after, "auto" to fit one.
        model: Name of the embedding model.
        full_name: Which vector is the full one.
        report: Told while a rotation is fitted.

    Returns:
        What is to be done; what is left of it where an earlier run has deleted the collection.

    Raises:
        ConfigurationError: The arguments contradict each other.
        MigrationError: The collection, the engine or the target cannot do it.
        CollectionMismatchError: Somebody else's collection has the name that the rotation is to
            be kept under.
    """
    if mode not in {"in_place", "copy"}:
        msg = f"migrate(mode={mode!r}): expected 'in_place' or 'copy'."
        raise ConfigurationError(msg)
    if mode == "in_place" and target is not None:
        msg = "migrate(target=...) says where a copy goes: pass mode='copy' with it, or leave it."
        raise ConfigurationError(msg)
    place = target if isinstance(target, CopyTarget) else CopyTarget(target)
    if mode == "copy" and place.delete_source:
        rest = find_remainder(client, collection_name, place, stages, rotation)
        if rest is not None:
            return rest
    driver = Driver(client)
    source = read_source(driver, collection_name, full_name)
    # The alias may be about to be switched.
    alias = collection_name if collection_name != source.name else None
    if mode == "copy" and alias is not None and place.client is None:
        source = _before_switch(driver, source, place)
    existing = existing_layout(driver, source)
    earlier = read_checkpoint(source.info)
    target_driver = driver
    name = source.name
    if mode == "copy":
        target_driver = driver if place.client is None else Driver(place.client)
        name = place.name_for(source.name)
        earlier = _unfinished(target_driver, name)
    else:
        check_engine(driver, source.name)
    if rotation is not None or (existing is not None and existing.rotation is not None):
        target_driver.run(find_companion(name))  # refuses a stranger under that name
    chosen = choose_rotation(
        driver, source, existing, stages, rotation, (target_driver, name, earlier), report
    )
    layout = wanted_layout(source, existing, stages, model, chosen)
    destination = None
    if mode == "copy":
        destination = _destination(driver, source, place, layout, (target_driver, name, alias))
        earlier = find_copy(source, destination)
    if earlier is not None and earlier.state == "done":
        earlier = None
    return Job(driver, source, layout, destination, earlier)


def _before_switch(driver: Driver, source: Source, place: CopyTarget) -> Source:
    """Find the collection that an alias named before an earlier run switched it to this copy."""
    found = read_checkpoint(source.info)
    if found is None or found.mode != "copy":
        return source
    if place.name_for(found.source) != source.name or driver.run(is_gone(found.source)):
        return source
    return read_source(driver, found.source, found.full_name)


def _unfinished(driver: Driver, name: str) -> Checkpoint | None:
    if not driver.run(ask(lambda c: c.collection_exists(name))):
        return None
    return read_checkpoint(driver.run(ask(lambda c: c.get_collection(name))))


def _destination(
    driver: Driver,
    source: Source,
    place: CopyTarget,
    layout: CollectionLayout,
    found: tuple[Driver, str, str | None],
) -> Destination:
    target_driver, name, source_alias = found
    same_client = target_driver is driver
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
    params = source.info.config.params
    if getattr(params.sharding_method, "value", None) == "custom":
        msg = (
            f"Collection {source.name!r} has custom shards, which a copy does not have. "
            "Migrate it in place."
        )
        raise MigrationError(msg, collection=source.name, found="custom")
    copied = copied_layout(source, layout)
    if not (driver.engine.is_server and target_driver.engine.is_server):
        # How an embedded engine is sharded says nothing about how a cluster should be.
        copied = replace(copied, shard_number=None, replication_factor=None)
    return Destination(target_driver, name, copied, alias, place.delete_source)
