"""Sort the keyword arguments of ``from_texts`` and its like by what they are for."""

from collections.abc import Mapping
from typing import Any

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant import connect

_STORE = {"client", "collection_name", "layout", "plan", "async_client"}
_PLACE = {"path", "url", "api_key", "location", "prefer_grpc", "timeout"}
_ADDING = {"batch_size", "progress", "shard_key"}


def sorted_options(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split options into those of a store and those of adding to it.

    Args:
        options: ``collection_name`` (required); ``client`` or the arguments of
            :func:`~mrl_adapters.qdrant.connect`; the store's other options; those of adding.

    Returns:
        The store's, its client among them, and those of adding.

    Raises:
        ConfigurationError: No collection is named, an option is unknown, or a client is given
            beside a place to connect to.
    """
    if "collection_name" not in options:
        msg = "No collection_name. Pass collection_name='...'."
        raise ConfigurationError(msg)
    place = {name: options[name] for name in _PLACE & options.keys()}
    if place and "client" in options:
        msg = f"Pass client= or {min(place)}=, not both."
        raise ConfigurationError(msg)
    adding = {name: value for name, value in options.items() if name not in _STORE | _PLACE}
    refuse_unknown(adding, _ADDING)
    store = {name: options[name] for name in _STORE & options.keys()}
    if place:
        store["client"] = connect(**place)
    return {"client": None, **store}, adding


def refuse_unknown(options: Mapping[str, Any], known: set[str]) -> None:
    """Refuse options that nobody reads, a misspelt one say.

    Args:
        options: What was given.
        known: The names that there are.

    Raises:
        ConfigurationError: There is another.
    """
    if unknown := sorted(options.keys() - known):
        msg = f"Unknown option {unknown[0]!r}. Known: {', '.join(sorted(known)) or 'none more'}."
        raise ConfigurationError(msg)
