"""Find the collection behind a name that may be an alias."""

from qdrant_client import models

from mrl_adapters.qdrant.flow import Flow, ask


def aliases() -> Flow[list[models.AliasDescription]]:
    """List the aliases that an engine knows.

    Returns:
        Each alias with the collection that it stands for.
    """
    answer = yield from ask(lambda c: c.get_aliases())
    return list(answer.aliases)


def collection_behind(name: str) -> Flow[str]:
    """Return the name of the collection that an alias stands for.

    Returns:
        The collection's own name; ``name`` itself where it is no alias.
    """
    for each in (yield from aliases()):
        if each.alias_name == name:
            return each.collection_name
    return name


def is_gone(name: str) -> Flow[bool]:
    """Whether no collection has that name of its own, whatever an alias of it stands for."""
    if not (yield from ask(lambda c: c.collection_exists(name))):
        return True
    return (yield from collection_behind(name)) != name
