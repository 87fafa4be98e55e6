"""Where a copy goes, and how the world is turned to it once it is done."""

from dataclasses import dataclass

from qdrant_client import models

from mrl_adapters.errors import MigrationError
from mrl_adapters.maintenance.carrier import Carrier
from mrl_adapters.maintenance.pages import count_points
from mrl_adapters.maintenance.source import Source
from mrl_adapters.qdrant.aliases import aliases
from mrl_adapters.qdrant.companion import drop_companion, has_companion
from mrl_adapters.qdrant.description import active_rotation
from mrl_adapters.qdrant.driver import Driver
from mrl_adapters.qdrant.flow import ask
from mrl_adapters.qdrant.layout import CollectionLayout


@dataclass(frozen=True)
class Destination:
    """Where a copy goes, resolved.

    Args:
        driver: Reaches the new collection.
        name: Its name.
        layout: Its layout.
        alias: Alias to switch to it.
        delete_source: Whether the old collection is deleted in the end.
    """

    driver: Driver
    name: str
    layout: CollectionLayout
    alias: str | None
    delete_source: bool


def switch(driver: Driver, source: Source, destination: Destination) -> None:
    """Switch the alias to a finished copy, and delete the old collection, where asked for.

    Args:
        driver: Reaches the old collection.
        source: The old collection.
        destination: The copy.
    """
    alias, target, name = destination.alias, destination.driver, source.name
    if alias != name:
        point_alias(target, alias, destination.name)
    if not destination.delete_source or not driver.run(ask(lambda c: c.collection_exists(name))):
        return
    driver.run(ask(lambda c: c.delete_collection(name)))
    if alias == name:
        # Engines refuse an alias of a living collection's name, and delete collections by a request
        # of their own: whoever is killed right here is helped by ``remainder``.
        point_alias(target, alias, destination.name)
    if active_rotation(source.info) is not None and driver.run(has_companion(name)):
        driver.run(drop_companion(name))


def difference(carrier: Carrier, source: Source, destination: Destination) -> str | None:
    """Compare a copy with the old collection, content and count, and write nothing.

    Every point of the old collection is in the copy as it is, and there are as many: so there are
    no others in the copy.

    Args:
        carrier: What carried the points over.
        source: The old collection, or one that has its name by now.
        destination: The copy.

    Returns:
        What differs; None if nothing does.
    """
    for records, _ in carrier.pages():
        if differing := carrier.differing(records):
            return f"as in point {differing[0].id!r}"
    here = count_points(carrier.source_driver, source.name)
    there = count_points(destination.driver, destination.name)
    return None if here == there else f"in number: {here} points, {there} in the copy"


def refuse_changed(carrier: Carrier, source: Source, destination: Destination) -> None:
    """Refuse to delete a collection that differs from the copy which an earlier run finished.

    Args:
        carrier: What carried its points over.
        source: The old collection, or one that has its name by now.
        destination: The copy.

    Raises:
        MigrationError: They differ.
    """
    differing = difference(carrier, source, destination)
    if differing is not None:
        name = destination.name
        msg = (
            f"Collection {source.name!r} was not deleted: an earlier run finished its copy "
            f"{name!r}, and by now they differ, {differing}. Delete {source.name!r} yourself if "
            f"{name!r} has what you want; if not, delete {name!r} and run this again."
        )
        raise MigrationError(msg, collection=source.name, found=differing)


def point_alias(driver: Driver, alias: str | None, name: str) -> None:
    """Switch an alias to a collection, if it does not lead there already.

    Args:
        driver: Reaches the collection.
        alias: The alias; None switches none.
        name: The collection.
    """
    if alias is None:
        return
    known = {each.alias_name: each.collection_name for each in driver.run(aliases())}
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
    driver.run(ask(lambda c: c.update_collection_aliases(changes)))
