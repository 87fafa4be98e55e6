"""The arguments of langchain-qdrant's store that this package says in other words."""

from collections.abc import Mapping
from typing import Any

from qdrant_client import models
from typing_extensions import TypedDict

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant import CollectionLayout
from mrl_adapters.qdrant.plan import Plan, layered
from mrl_adapters.qdrant.stock import (
    creation_fields,
    fields_beside,
    plan_changes,
    refuse_given,
    vector_fields,
)

_DENSE_ALONE = (
    "This store holds dense vectors: for sparse or hybrid search keep a langchain_qdrant store "
    "beside it, and leave this out."
)


class StockOptions(TypedDict, total=False):
    """The options of langchain-qdrant's store that have other names here, or no use.

    Args:
        vector_name: Name of the full vector; ``CollectionLayout(full_name=...)``.
        distance: How vectors are compared; ``CollectionLayout(distance=...)``.
        vector_params: Settings of the full vector; of these ``datatype`` is its, and
            ``hnsw_config`` and ``quantization_config`` the short vectors'.
        collection_create_options: ``shard_number``, ``replication_factor``, ``hnsw_config`` and
            ``quantization_config``.
        retrieval_mode: ``dense``; others are refused, and so are ``sparse_embedding`` and
            ``sparse_vector_params``. ``sparse_vector_name`` is of no use.
        validate_embeddings, validate_collection_config: Of no use: nothing is asked when a store
            is made, and the collection is always checked when it is first used.
    """

    vector_name: str | None
    distance: models.Distance | str | None
    vector_params: Mapping[str, Any] | None
    collection_create_options: Mapping[str, Any] | None
    retrieval_mode: Any
    sparse_embedding: Any
    sparse_vector_name: str | None
    sparse_vector_params: Mapping[str, Any] | None
    validate_embeddings: bool
    validate_collection_config: bool


# The order of langchain-qdrant's positional arguments, behind those that methods name themselves.
_CONNECT = (
    *("location", "url", "port", "grpc_port", "prefer_grpc", "https", "api_key", "prefix"),
    *("timeout", "host", "path"),
)
STORE_ORDER = (
    *("retrieval_mode", "vector_name", "content_payload_key", "metadata_payload_key"),
    *("distance", "sparse_embedding", "sparse_vector_name"),
    *("validate_embeddings", "validate_collection_config"),
)
FROM_TEXTS_ORDER = (
    *("collection_name", *_CONNECT, "distance", "content_payload_key", "metadata_payload_key"),
    *("vector_name", "retrieval_mode", "sparse_embedding", "sparse_vector_name"),
    *("collection_create_options", "vector_params", "sparse_vector_params", "batch_size"),
    *("force_recreate", "validate_embeddings", "validate_collection_config"),
)
EXISTING_ORDER = (
    *("retrieval_mode", *_CONNECT, "distance", "content_payload_key", "metadata_payload_key"),
    *("vector_name", "sparse_vector_name", "sparse_embedding"),
    *("validate_embeddings", "validate_collection_config"),
)
CONSTRUCT_ORDER = (
    *("retrieval_mode", "sparse_embedding", "client_options", "collection_name", "distance"),
    *("content_payload_key", "metadata_payload_key", "vector_name", "sparse_vector_name"),
    *("force_recreate", "collection_create_options", "vector_params", "sparse_vector_params"),
    *("validate_embeddings", "validate_collection_config"),
)
SEARCH_ORDER = (
    *("filter", "search_params", "offset", "score_threshold", "consistency", "hybrid_fusion"),
)
MMR_ORDER = ("filter", "search_params", "score_threshold", "consistency")


def layout_fields(
    whose: str, options: Mapping[str, Any], layout: CollectionLayout | None
) -> dict[str, Any]:
    """Take the fields of a layout out of stock options, where there is no whole one.

    Raises:
        ConfigurationError: An option asks for what this store does not have, or for something
            else than the layout.
    """
    mode = options.get("retrieval_mode")
    if mode is not None and mode != "dense":
        msg = f"{whose} got retrieval_mode={getattr(mode, 'value', mode)!r}. {_DENSE_ALONE}"
        raise ConfigurationError(msg, found=mode, expected="dense")
    refuse_given(whose, options, ("sparse_embedding", "sparse_vector_params"), _DENSE_ALONE)
    creation = options.get("collection_create_options") or {}
    fields = {
        **creation_fields("collection_create_options", creation),
        **vector_fields("vector_params", options.get("vector_params")),
    }
    fields.pop("dimensions", None)  # the embedding says it, as in the stock store
    if (distance := options.get("distance")) is not None:
        fields["distance"] = models.Distance(distance).value
    if (name := options.get("vector_name")) is not None:
        fields["full_name"] = name
    return fields_beside(whose, fields, layout)


def search_plan(options: Mapping[str, Any]) -> Plan | None:
    """Put stock parameters of a search over its plan."""
    refuse_given("A search", options, ("hybrid_fusion",), _DENSE_ALONE)
    changes = plan_changes(options.get("search_params"), options.get("consistency"))
    return layered(options.get("plan"), changes or None)
