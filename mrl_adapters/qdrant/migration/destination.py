"""Where a copy goes, and how the world is turned to it once it is done."""

from dataclasses import dataclass

from qdrant_client import models

from mrl_adapters.qdrant.aliases import aliases
from mrl_adapters.qdrant.driver import Driver
from mrl_adapters.qdrant.flow import ask
from mrl_adapters.qdrant.layout import CollectionLayout
from mrl_adapters.qdrant.migration.source import Source
from mrl_adapters.qdrant.reading import active_rotation
from mrl_adapters.qdrant.rotation import companion_name


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
    alias, target = destination.alias, destination.driver
    if destination.delete_source and driver.run(ask(lambda c: c.collection_exists(source.name))):
        if alias != source.name:
            _point_alias(target, alias, destination.name)
        driver.run(ask(lambda c: c.delete_collection(source.name)))
        if active_rotation(source.info) is not None:
            driver.run(ask(lambda c: c.delete_collection(companion_name(source.name))))
    _point_alias(target, alias, destination.name)


def _point_alias(driver: Driver, alias: str | None, name: str) -> None:
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
