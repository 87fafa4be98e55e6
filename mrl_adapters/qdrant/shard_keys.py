"""Custom shards: which a collection has, and which a change goes to.

Where shards are chosen by keys, a server refuses every change that names none. A document lies in
the shard that it was written to, which its id does not tell: what deletes names them all.
"""

from typing import Any, TypeAlias

from qdrant_client import QdrantClient, models

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant.flow import Flow, ask, change, current_engine
from mrl_adapters.qdrant.layout import CollectionLayout
from mrl_adapters.qdrant.mismatches import UnmetLayoutWarning
from mrl_adapters.user_warnings import warn_user

ShardKey: TypeAlias = str | int


def has_own_shards(info: models.CollectionInfo) -> bool:
    """Return whether a collection's shards are chosen by keys."""
    return info.config.params.sharding_method == models.ShardingMethod.CUSTOM


def every_shard(name: str) -> Flow[list[ShardKey]]:
    """List the keys of a collection's custom shards."""
    answer = yield from ask(lambda c: c.list_shard_keys(name))
    return [each.key for each in answer.shard_keys or []]


def creation_options(layout: CollectionLayout) -> dict[str, Any]:
    """Build the arguments of ``create_collection`` that let shards be chosen by keys.

    Raises:
        ConfigurationError: They are to be, and the engine is one shard in this process.
    """
    if layout.shard_keys is None:
        return {}
    if not current_engine().is_server:
        msg = (
            f"CollectionLayout(shard_keys={layout.shard_keys!r}) needs a cluster of Qdrant servers "
            "(connect(url=...)): an engine in this process is one shard. Leave it out."
        )
        raise ConfigurationError(msg, found=layout.shard_keys)
    return {"sharding_method": models.ShardingMethod.CUSTOM}


def complete_shards(name: str, wanted: CollectionLayout | None, *, own: bool) -> Flow[None]:
    """Make the custom shards that a layout names and a collection lacks.

    Args:
        name: The collection.
        wanted: The layout, if one is asked for.
        own: Whether the collection's shards are chosen by keys.

    Warns:
        UnmetLayoutWarning: They are not, and that cannot be changed.
    """
    if wanted is None or wanted.shard_keys is None:
        return
    if not own:
        msg = (
            f"Collection {name!r} is used as it is, not as the layout says: its shards are chosen "
            f"by ids, the layout names keys: {wanted.shard_keys!r}. Leave them out, or embed into "
            "a new collection."
        )
        warn_user(msg, UnmetLayoutWarning)
        return
    there = yield from every_shard(name)
    for key in wanted.shard_keys:
        if key not in there:
            yield from _create_shard(name, key, wanted)


def _create_shard(name: str, key: ShardKey, layout: CollectionLayout) -> Flow[None]:
    def create(client: QdrantClient) -> bool:
        return client.create_shard_key(
            name,
            key,
            shards_number=layout.shard_number,
            replication_factor=layout.replication_factor,
        )

    try:
        yield from change(create)
    except Exception:
        if key not in (yield from every_shard(name)):  # made by others, or by a lost answer
            raise


def refuse_new(name: str, shard_key: ShardKey | None, layout: CollectionLayout) -> None:
    """Refuse to make a collection for a shard key that its layout does not name.

    Raises:
        ConfigurationError: The layout does not name it.
    """
    if shard_key is None or not current_engine().is_server:
        return  # engines in this process say themselves that they have one shard
    if shard_key not in (named := layout.shard_keys or ()):
        keys = (*named, shard_key)
        msg = (
            f"Collection {name!r} does not exist, and its layout names no custom shard "
            f"{shard_key!r}. Name it: CollectionLayout(..., shard_keys={keys!r})."
        )
        raise ConfigurationError(msg, collection=name, found=shard_key, expected=named)
