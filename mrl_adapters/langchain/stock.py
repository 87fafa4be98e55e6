"""The arguments of langchain-qdrant's store that this package says in other words."""

import inspect
from collections.abc import Mapping
from enum import Enum
from typing import Any

from qdrant_client import QdrantClient, models
from typing_extensions import TypedDict

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant import CollectionLayout, SparseVectors, TextIndex
from mrl_adapters.qdrant.connect import CONNECT_OPTIONS
from mrl_adapters.qdrant.modes import fusion_changes, hybrid_of, sparse_of
from mrl_adapters.qdrant.plan import Plan, layered
from mrl_adapters.qdrant.stock import (
    creation_fields,
    distance_field,
    fields_beside,
    plan_changes,
    vector_fields,
)

_CLIENT_DEFAULTS = {
    parameter.name: parameter.default
    for parameter in inspect.signature(QdrantClient).parameters.values()
}
# Arguments of create_collection that no layout has, and that change no answer.
_PASSED_ON = ("on_disk_payload", "optimizers_config", "wal_config", "strict_mode_config", "timeout")


_JOINS = ("rrf", "dbsf", "rescore")  # plans that join vectors and words


class RetrievalMode(str, Enum):
    """What finds documents: langchain-qdrant's modes, and the plans that take words in otherwise.

    ``DENSE``: vectors. ``SPARSE`` (also ``LEXICAL``): words, by BM25. ``HYBRID`` (also ``RRF``):
    both, their ranks fused; ``DBSF``: their scores; ``RESCORE``: what both shortlist, ranked by the
    full vectors.
    """

    DENSE = "dense"
    SPARSE = "sparse"
    HYBRID = "hybrid"
    RRF = "rrf"
    DBSF = "dbsf"
    RESCORE = "rescore"
    LEXICAL = "lexical"

    @property
    def plan(self) -> str | None:
        """The plan's ``hybrid``."""
        return {"dense": None, "sparse": "lexical", "hybrid": "rrf"}.get(self.value, self.value)


class StockOptions(TypedDict, total=False):
    """The options of langchain-qdrant's store that have other names here, or no use.

    Args:
        vector_name: Name of the full vector; ``CollectionLayout(full_name=...)``.
        distance: How vectors are compared; ``CollectionLayout(distance=...)``.
        vector_params: Settings of the full vector; of these ``datatype`` is its, and
            ``hnsw_config`` and ``quantization_config`` the short vectors'.
        collection_create_options: ``shard_number``, ``replication_factor``,
            ``write_consistency_factor``, ``hnsw_config`` and ``quantization_config``, as a layout
            has them; ``on_disk_payload``, ``optimizers_config``, ``wal_config``,
            ``strict_mode_config`` and ``timeout`` are passed on.
        retrieval_mode: One of :class:`RetrievalMode` or of langchain-qdrant's; all but ``dense``
            give a collection that finds no words a text index (``CollectionLayout(text_index=)``),
            or, where the engine has none, a new one BM25's sparse vectors (``sparse=``).
        sparse_embedding: What computes sparse vectors, where the mode is not ``dense``;
            ``SparseVectors(encoder=...)``.
        sparse_vector_name: Their name; without ``sparse_embedding`` they are BM25's.
        sparse_vector_params: Of these ``modifier``: whether rareness counts,
            ``SparseVectors(idf=...)``.
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


SPARSE_VECTOR_NAME = "langchain-sparse"
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
_OF_A_PLAN = frozenset(
    {
        *("plan", "retrieval_mode", "hybrid_fusion", "search_params", "consistency"),
        *("timeout", "shard_key_selector"),
    }
)


def layout_fields(
    whose: str, options: Mapping[str, Any], layout: CollectionLayout | None
) -> dict[str, Any]:
    """Take the fields of a layout out of stock options, where there is no whole one.

    Raises:
        ConfigurationError: An option asks for what this store does not have, or for something
            else than the layout.
    """
    given = options.get("collection_create_options") or {}
    creation = {name: given[name] for name in given if name not in _PASSED_ON}
    fields = {
        **creation_fields("collection_create_options", creation),
        **vector_fields("vector_params", options.get("vector_params")),
    }
    fields.pop("dimensions", None)  # the embedding says it, as in the stock store
    if (distance := options.get("distance")) is not None:
        fields["distance"] = distance_field(whose, distance)
    if (name := options.get("vector_name")) is not None:
        fields["full_name"] = name
    fields = fields_beside(whose, fields, layout)
    if layout is None and (sparse := sparse_vectors(whose, options)) is not None:
        fields["sparse"] = sparse
    return fields


def sparse_vectors(whose: str, options: Mapping[str, Any]) -> SparseVectors | None:
    """Take what stock options say of sparse vectors; None where vectors alone are searched.

    Raises:
        ConfigurationError: They ask for what this store does not have.
    """
    if retrieval_mode(whose, options) is RetrievalMode.DENSE:
        return None
    return sparse_of(
        options.get("sparse_vector_name"),
        SPARSE_VECTOR_NAME,
        options.get("sparse_embedding"),
        "sparse_vector_params",
        options.get("sparse_vector_params"),
    )


def words_of(whose: str, options: Mapping[str, Any]) -> TextIndex | None:
    """Return the text index that a store is to have if nothing else finds words; None for none."""
    return None if retrieval_mode(whose, options) is RetrievalMode.DENSE else TextIndex()


def creation_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Take what a new collection is made with beside its layout."""
    given = options.get("collection_create_options") or {}
    return {name: given[name] for name in given if name in _PASSED_ON}


def retrieval_mode(whose: str, options: Mapping[str, Any]) -> RetrievalMode:
    """Read what finds documents; vectors, if nothing is said.

    Raises:
        ConfigurationError: It is no such mode.
    """
    mode = options.get("retrieval_mode")
    if mode is None:
        return RetrievalMode.DENSE
    try:
        return RetrievalMode(getattr(mode, "value", mode))
    except ValueError as error:
        names = ", ".join(each.value for each in RetrievalMode)
        msg = f"{whose} got retrieval_mode={mode!r}, expected one of: {names}."
        raise ConfigurationError(msg, found=mode, expected=[*RetrievalMode]) from error


def mode_changes(
    whose: str, options: Mapping[str, Any], plan: Plan | None = None
) -> dict[str, Any]:
    """Turn a retrieval mode into the knobs of a plan; None says nothing.

    HYBRID joins vectors and words as the plan that is given with it does, else by their ranks.
    """
    if options.get("retrieval_mode") is None:
        return {}
    mode, planned = retrieval_mode(whose, options), hybrid_of(plan)
    return {"hybrid": planned if mode.value == "hybrid" and planned in _JOINS else mode.plan}


def store_plan(whose: str, options: Mapping[str, Any], plan: Plan | None) -> Plan | None:
    """Put a store's retrieval mode over its plan.

    Raises:
        ConfigurationError: They contradict each other.
    """
    changes, planned = mode_changes(whose, options, plan), hybrid_of(plan)
    if changes and planned is not None and planned != changes["hybrid"]:
        msg = (
            f"{whose} got retrieval_mode={options['retrieval_mode']!r} beside a plan with "
            f"hybrid={planned!r}, which is another one. Say it in one of both."
        )
        raise ConfigurationError(msg, found=planned, expected=changes["hybrid"])
    return layered(plan, changes or None)


def search_plan(options: Mapping[str, Any]) -> Plan | None:
    """Put stock parameters of a search over its plan."""
    if options.keys().isdisjoint(_OF_A_PLAN):  # most searches: reading each one shows
        return None
    plan = options.get("plan")
    changes = mode_changes("A search", options, plan)
    fusion = fusion_changes("A search", options.get("hybrid_fusion"))
    if changes.get("hybrid", "rrf") in _JOINS:  # else nothing is fused, as in the stock store
        changes |= fusion
    changes |= plan_changes(options.get("search_params"), options.get("consistency"))
    for name, knob in (("timeout", "timeout_s"), ("shard_key_selector", "shard_key")):
        if options.get(name) is not None:
            changes[knob] = options[name]
    return layered(plan, changes or None)


def place_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Take the arguments of connect that say something: programs pass on the client's defaults."""
    given = {name: options.get(name) for name in CONNECT_OPTIONS}
    return {
        name: value
        for name, value in given.items()
        if value is not None and value != _CLIENT_DEFAULTS.get(name)
    }
