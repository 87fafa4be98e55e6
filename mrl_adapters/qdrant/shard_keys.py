"""Custom shards: which a collection has, and which a change goes to.

Where shards are chosen by keys, a server refuses every change that names none. A document lies in
the shard that it was written to, which its id does not tell: what deletes names them all.
"""

from typing import TypeAlias

from qdrant_client import models

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant.flow import Flow, ask, current_engine

ShardKey: TypeAlias = str | int


def has_own_shards(info: models.CollectionInfo) -> bool:
    """Return whether a collection's shards are chosen by keys."""
    return info.config.params.sharding_method == models.ShardingMethod.CUSTOM


def every_shard(name: str) -> Flow[list[ShardKey]]:
    """List the keys of a collection's custom shards."""
    answer = yield from ask(lambda c: c.list_shard_keys(name))
    return [each.key for each in answer.shard_keys or []]


def refuse_new(name: str, shard_key: ShardKey | None) -> None:
    """Refuse to make a collection for a shard key: one that is made here has none.

    Raises:
        ConfigurationError: There is a key.
    """
    if shard_key is None or not current_engine().is_server:
        return  # engines in this process say themselves that they have one shard
    msg = (
        f"Collection {name!r} does not exist, and shard_key={shard_key!r} needs one of custom "
        "shards. Make it first: client.create_collection(..., sharding_method="
        f"models.ShardingMethod.CUSTOM); client.create_shard_key({name!r}, {shard_key!r}). Its "
        "vectors are those of CollectionLayout(...).vectors_config()."
    )
    raise ConfigurationError(msg, collection=name, found=shard_key)
