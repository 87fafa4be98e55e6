"""What there is: the collections of an engine, and what one of them is made of."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from qdrant_client import models

from mrl_adapters.errors import CollectionMismatchError
from mrl_adapters.maintenance.client import RetryingClient
from mrl_adapters.qdrant.companion import owner_of
from mrl_adapters.qdrant.description import active_rotation, dense_vectors, stored_metadata
from mrl_adapters.qdrant.driver import Client
from mrl_adapters.qdrant.layout import PLAN_KEY
from mrl_adapters.qdrant.missing import those_there
from mrl_adapters.qdrant.quantization import DATATYPE_BITS, codes_of
from mrl_adapters.qdrant.vector_names import SHORT_NAME


@dataclass(frozen=True)
class VectorOverview:
    """One of a collection's named vectors.

    Args:
        name: Its name; "" for an unnamed one.
        size: Numbers of it.
        datatype: How they are stored: float32, float16, turbo16, turbo8, turbo4, uint8.
        codes: What it is searched by instead: int8, turbo8 to turbo1, binary, product; None for
            itself.
        graph: Links a point of its graph; 0 where it is scanned.
        on_disk: Whether the numbers stay on disk until they are read.
    """

    name: str
    size: int
    datatype: str
    codes: str | None
    graph: int
    on_disk: bool

    @property
    def bytes(self) -> int:
        """Bytes of one vector as it is stored, without codes and graph."""
        return math.ceil(self.size * DATATYPE_BITS[self.datatype] / 8)


@dataclass(frozen=True)
class CollectionOverview:
    """What a collection says of itself.

    Args:
        name: Its name.
        points: About how many points it has.
        ours: Whether this package made or migrated it.
        dimensions: Size of the full vectors; None of a collection without a known full one.
        stages: Sizes of the short vectors.
        distance: How vectors are compared.
        model: The embedding model, where the collection says.
        rotation: Id of the rotation of the short vectors.
        plan: The plan saved with it, knob to value.
        vectors: All its dense vectors.
        sparse: Names of its sparse ones.
        payload_indexes: Payload field to index type.
        status: The engine's own word: green, yellow, grey or red.
        indexed: Share of the vectors that a graph has been built for, or whose part of the
            collection has one, 0 to 1; None where there are no points. Below 1 the rest is scanned.
    """

    name: str
    points: int
    ours: bool
    dimensions: int | None
    stages: tuple[int, ...]
    distance: str | None
    model: str | None
    rotation: str | None
    plan: dict[str, Any] | None
    vectors: tuple[VectorOverview, ...]
    sparse: tuple[str, ...]
    payload_indexes: dict[str, str]
    status: str
    indexed: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return asdict(self)


def list_collections(client: Client) -> list[CollectionOverview]:
    """Describe every collection of an engine but those that belong to another (rotations).

    Args:
        client: From :func:`~mrl_adapters.qdrant.connect`.

    Returns:
        One a collection, by name.
    """
    asked = RetryingClient(client)
    names = sorted(listed.name for listed in asked.get_collections().collections)
    infos = [(name, asked.get_collection(name)) for name in names]
    return [_overview(name, info) for name, info in infos if owner_of(info) is None]


def describe(client: Client, collection_name: str) -> CollectionOverview:
    """Describe one collection, whoever made it.

    Args:
        client: From :func:`~mrl_adapters.qdrant.connect`.
        collection_name: Its name, or an alias.

    Raises:
        CollectionMismatchError: It does not exist.
    """
    asked = RetryingClient(client)
    if not asked.collection_exists(collection_name):
        msg = f"Collection {collection_name!r} does not exist{asked.run(those_there())}."
        raise CollectionMismatchError(msg, collection=collection_name)
    return _overview(collection_name, asked.get_collection(collection_name))


def _overview(name: str, info: models.CollectionInfo) -> CollectionOverview:
    stored = stored_metadata(info)
    dense = dense_vectors(info)
    full = _full_name(info)
    rotation = active_rotation(info)
    shorts = {key: match for key in dense if (match := SHORT_NAME.fullmatch(key))}
    stages = {int(match[1]) for match in shorts.values() if match[2] == rotation}
    points = info.points_count or 0
    total = points * (len(dense) + len(info.config.params.sparse_vectors or {}))
    return CollectionOverview(
        name=name,
        points=points,
        ours=bool(stored),
        dimensions=dense[full].size if full is not None else None,
        stages=tuple(stored.get("stages", sorted(stages))),
        distance=dense[full].distance.value if full is not None else None,
        model=stored.get("model"),
        rotation=rotation,
        plan=stored.get(PLAN_KEY),
        vectors=tuple(_vector(key, params, info) for key, params in dense.items()),
        sparse=tuple(info.config.params.sparse_vectors or ()),
        payload_indexes={
            field: index.data_type.value
            for field, index in sorted((info.payload_schema or {}).items())  # engines have no order
        },
        status=info.status.value,
        indexed=min(1.0, (info.indexed_vectors_count or 0) / total) if total else None,
    )


def _full_name(info: models.CollectionInfo) -> str | None:
    """Return which vector is the full one, where that is plain."""
    dense = dense_vectors(info)
    others = [key for key in dense if not SHORT_NAME.fullmatch(key)]
    named = stored_metadata(info).get("full_name", "full" if "full" in others else None)
    if named in dense:
        return str(named)
    return others[0] if len(others) == 1 else None


def _vector(key: str, params: models.VectorParams, info: models.CollectionInfo) -> VectorOverview:
    own, common = params.hnsw_config, info.config.hnsw_config
    links = own.m if own is not None and own.m is not None else common.m
    return VectorOverview(
        name=key,
        size=params.size,
        datatype=params.datatype.value if params.datatype else "float32",
        codes=codes_of(params.quantization_config or info.config.quantization_config),
        graph=links,
        on_disk=bool(params.on_disk),
    )
