"""The arguments of llama-index-vector-stores-qdrant that this package says in other words."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from qdrant_client import models
from typing_extensions import TypedDict

from mrl_adapters.arguments import refuse_unknown
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.llama_index.reserved import DOCUMENT_KEY
from mrl_adapters.llama_index.sparse import SparseFunctions
from mrl_adapters.qdrant import CollectionLayout, SparseVectors, TextIndex
from mrl_adapters.qdrant.filters.keys import written
from mrl_adapters.qdrant.layout import CLUSTER_OPTIONS
from mrl_adapters.qdrant.modes import check_sparse_model, sparse_of, with_sparse
from mrl_adapters.qdrant.stock import (
    creation_fields,
    fields_beside,
    quantization_fields,
    refuse_given,
    vector_fields,
)

IN_THE_ENGINE = (
    "Results are fused in the engine: leave it out and say how by plan=SearchPlan(hybrid=...)."
)
AT_ONCE = "Pass sparse_doc_fn= and sparse_query_fn= with enable_hybrid=True when the store is made."
SPARSE_VECTOR_NAME = "text-sparse-new"
TEXT_KEY = "text"
_PLACE = ("url", "api_key")
_EXACT_INDEXES = {"keyword", "integer", "float", "bool", "datetime", "uuid"}
_CREATION = (*CLUSTER_OPTIONS, "shard_keys", "sharding_method")
ORDER = (
    *("url", "api_key", "batch_size", "parallel", "max_retries", "client_kwargs", "dense_config"),
    *("sparse_config", "quantization_config", "enable_hybrid", "fastembed_sparse_model"),
    *("sparse_doc_fn", "sparse_query_fn", "hybrid_fusion_fn", "index_doc_id", "text_key"),
    *("dense_vector_name", "sparse_vector_name", "shard_number", "sharding_method"),
    *("shard_key_selector_fn", "shard_keys", "replication_factor", "write_consistency_factor"),
    "payload_indexes",
)


class StoreOptions(TypedDict, total=False):
    """The options of a store, beside those that its constructor names itself.

    Args:
        text_key: Where points that hold no node keep their text; None takes what the collection
            says, or what a few of its points show without doubt.
        url, api_key, client_kwargs: Where to connect to, instead of a client: arguments of
            :func:`~mrl_adapters.qdrant.connect`.
        batch_size: Nodes that are written together.
        parallel, max_retries: Of no use: requests to a server are made side by side, and repeated
            within the client's time limit.
        dense_vector_name: Name of the full vector; ``CollectionLayout(full_name=...)``.
        dense_config, quantization_config: Settings of the vectors, as far as a layout has them.
        index_doc_id: Whether the id of a node's document is indexed.
        payload_indexes: Dicts of ``field_name`` and ``field_schema``; as in a layout.
        shard_number, shard_keys, replication_factor, write_consistency_factor: As in a layout;
            ``sharding_method`` says no more than ``shard_keys`` does.
        all_tenants: Whether searches may go through the nodes of all tenants, where the layout has
            a ``tenant_field``; else each is made by ``store.for_tenant(...)``.
        shard_key_selector_fn: Makes a shard key of the ``shard_identifier`` of a call.
        enable_hybrid: Whether the collection is to find words, in the modes HYBRID, SPARSE,
            TEXT_SEARCH and SEMANTIC_HYBRID: by a text index (nodes are then stored with their text
            beside them, under ``text_key``, or "text"), or by sparse vectors where the engine has
            none, or one of the next options is given. Without it these have no effect.
        sparse_doc_fn, sparse_query_fn: What computes sparse vectors of nodes and of questions:
            texts to lists of indices and of values.
        sparse_vector_name: Their name; without functions they are BM25's.
        sparse_config: Of these ``modifier``: whether rareness counts.
        fastembed_sparse_model: ``Qdrant/bm25``, which is computed here; no other.
        hybrid_fusion_fn: Refused.
    """

    text_key: str | None
    url: str | None
    api_key: str | None
    client_kwargs: Mapping[str, Any] | None
    batch_size: int
    parallel: int
    max_retries: int
    dense_config: models.VectorParams | None
    sparse_config: Any
    quantization_config: Any
    enable_hybrid: bool
    fastembed_sparse_model: str | None
    sparse_doc_fn: Any
    sparse_query_fn: Any
    hybrid_fusion_fn: Any
    index_doc_id: bool
    dense_vector_name: str | None
    sparse_vector_name: str | None
    shard_number: int | None
    sharding_method: models.ShardingMethod | None
    shard_key_selector_fn: Callable[..., Any] | None
    shard_keys: Sequence[Any] | None
    replication_factor: int | None
    write_consistency_factor: int | None
    payload_indexes: Sequence[Mapping[str, Any]] | None
    all_tenants: bool


def layout_fields(
    whose: str, options: Mapping[str, Any], layout: CollectionLayout | None
) -> dict[str, Any]:
    """Take the fields of a layout out of stock options, where there is no whole one.

    Raises:
        ConfigurationError: An option does not exist, or asks for what this store does not have.
    """
    refuse_unknown(whose, options, tuple(StoreOptions.__annotations__))
    refuse_given(whose, options, ("hybrid_fusion_fn",), IN_THE_ENGINE)
    if (sparse := options.get("fastembed_sparse_model")) is not None:
        check_sparse_model(whose, "fastembed_sparse_model", sparse)
    creation = {name: options[name] for name in _CREATION if name in options}
    fields = {
        **creation_fields(whose, creation),
        **vector_fields("dense_config", options.get("dense_config")),
        **quantization_fields("quantization_config", options.get("quantization_config")),
    }
    if (full_name := options.get("dense_vector_name")) is not None:
        fields["full_name"] = full_name
    if indexes := options.get("payload_indexes"):
        fields["payload_indexes"] = dict(map(_index, indexes))
    fields = fields_beside(whose, fields, layout)
    if layout is None and (sparse := sparse_vectors(whose, options)) is not None:
        fields["sparse"] = sparse
    return fields


def _index(given: Mapping[str, Any]) -> tuple[str, str]:
    try:
        return given["field_name"], models.PayloadSchemaType(given["field_schema"]).value
    except (KeyError, TypeError, ValueError) as error:
        kinds = ", ".join(kind.value for kind in models.PayloadSchemaType)
        msg = (
            f"payload_indexes holds {given!r}, expected {{'field_name': ..., 'field_schema': ...}} "
            f"with one of: {kinds}. Make others by client.create_payload_index(...)."
        )
        raise ConfigurationError(msg, found=given) from error


def sparse_vectors(whose: str, options: Mapping[str, Any]) -> SparseVectors | None:
    """Take what stock options say of sparse vectors; None if nothing, or without hybrid search.

    Raises:
        ConfigurationError: There is one function alone, or they ask for what has no counterpart.
    """
    if not options.get("enable_hybrid"):
        return None
    documents, questions = options.get("sparse_doc_fn"), options.get("sparse_query_fn")
    functions = documents and questions and SparseFunctions(documents, questions)
    if (documents or questions) and functions is None:
        lacking = "sparse_query_fn" if documents else "sparse_doc_fn"
        msg = f"{whose} got no {lacking} beside the other: documents and questions need one each."
        raise ConfigurationError(msg, found=None, expected=lacking)
    return sparse_of(
        options.get("sparse_vector_name"),
        SPARSE_VECTOR_NAME,
        functions,
        "sparse_config",
        options.get("sparse_config"),
    )


def words_of(options: Mapping[str, Any]) -> TextIndex | None:
    """Return the text index that a store is to have if nothing else finds words; None for none."""
    return TextIndex(field=_text_field(options)) if options.get("enable_hybrid") else None


def with_words(
    whose: str, layout: CollectionLayout | None, options: Mapping[str, Any]
) -> CollectionLayout | None:
    """Place a layout's text index where this store keeps texts, and let it have sparse vectors."""
    if layout is not None and layout.text_index is not None:
        layout = layout.placed(text_index=layout.text_index.on(_text_field(options)))
    return with_sparse(whose, layout, sparse_vectors(whose, options))


def _text_field(options: Mapping[str, Any]) -> str:
    return written(options.get("text_key") or TEXT_KEY)


def own_indexes(
    layout: CollectionLayout | None, fields: Mapping[str, Any], options: Mapping[str, Any]
) -> dict[str, str]:
    """List the indexes that the store's own conditions need.

    Nodes are deleted by their document. Members of arrays are told from values by an index of
    their own (see :mod:`mrl_adapters.llama_index.filters`); it is empty where there are none.
    """
    wanted = dict(layout.payload_indexes if layout else fields.get("payload_indexes", {}))
    if layout and layout.tenant_field:
        wanted[layout.tenant_field] = "keyword"
    members = {f"{key}[]": kind for key, kind in wanted.items() if kind in _EXACT_INDEXES}
    return {DOCUMENT_KEY: "keyword", **members} if options.get("index_doc_id", True) else members


def place_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Take the arguments of connect out of stock options."""
    place = {**(options.get("client_kwargs") or {}), **{n: options.get(n) for n in _PLACE}}
    return {name: value for name, value in place.items() if value is not None}


def shard_key_of(identifier: Any, options: Mapping[str, Any]) -> Any:
    """Make a shard key as the store's options say; without them it is one itself."""
    make = options.get("shard_key_selector_fn")
    return identifier if make is None else make(identifier)


def with_shard(query: Mapping[str, Any], options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Put the shard key of a query's ``shard_identifier`` in its place."""
    if (identifier := query.get("shard_identifier")) is None:
        return query
    rest = {name: value for name, value in query.items() if name != "shard_identifier"}
    return {**rest, "shard_key": shard_key_of(identifier, options)}


def refuse_shard(whose: str, identifier: Any, options: Mapping[str, Any], *known: str) -> None:
    """Refuse a shard, and every option that is not known, for what is done in all of them."""
    refuse_unknown(whose, options, known)
    given = {"shard_identifier": identifier}
    way = "Leave it out: this is done wherever the nodes are."
    refuse_given(whose, given, tuple(given), way)
