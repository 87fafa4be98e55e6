"""Options of the store's methods: typed for editors, refused by name where they do not exist."""

import functools
import inspect
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from langchain_core.vectorstores import VectorStore
from numpy.typing import ArrayLike
from qdrant_client import AsyncQdrantClient, models
from typing_extensions import TypedDict

from mrl_adapters.arguments import refuse_unknown
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.langchain.filters import MetadataFilter, paths_for, to_filter
from mrl_adapters.langchain.points import AddedKeys
from mrl_adapters.langchain.stock import EXISTING_ORDER, StockOptions, place_of, search_plan
from mrl_adapters.progress import ProgressCallback
from mrl_adapters.qdrant import CollectionLayout, GroupBy, MatryoshkaCollection, SearchPlan, connect
from mrl_adapters.qdrant.connect import CONNECT_OPTIONS, AddressOptions, ServerOptions
from mrl_adapters.qdrant.driver import Client
from mrl_adapters.qdrant.groups import group_by_key
from mrl_adapters.qdrant.layout import WriteOrdering
from mrl_adapters.qdrant.plan import Plan, layered
from mrl_adapters.qdrant.query import Search, diversity
from mrl_adapters.qdrant.stock import named


class SearchOptions(TypedDict, total=False):
    """The options of a search, beside its question and k.

    Args:
        filter: A dict over metadata (see :func:`~mrl_adapters.langchain.filters.to_filter`), or a
            Qdrant Filter.
        offset: Documents skipped before those that are returned.
        score_threshold: Scores must exceed it (distances stay below it).
        plan: A SearchPlan, or a dict of the knobs to change.
        search_params: Qdrant's parameters, put over the plan as far as it has them.
        consistency: How many replicas must agree; the plan's ``consistency``.
        timeout: Limit for one search on a server, seconds; the plan's ``timeout_s``.
        shard_key_selector: Search only these custom shards; the plan's ``shard_key``.
        retrieval_mode: What finds documents, in place of the store's: see
            :class:`~mrl_adapters.langchain.stock.RetrievalMode`; the plan's ``hybrid``.
        hybrid_fusion: How vectors and words are fused: Qdrant's ``FusionQuery`` or ``RrfQuery``,
            as the plan's ``hybrid``, ``rrf_k`` and ``weights``.
        score_key: Metadata key under which each document gets its full vector's score, also where
            diversity chose it; in place of what it has there itself. What is stored stays as it is.
        signals_key: Metadata key under which each document gets its question's
            :class:`~mrl_adapters.qdrant.Signals`, as a dict, in the same way.
        group_by: Metadata key, such as ``source``: ``k`` and ``offset`` count its values, the one
            with the best document first, and each comes with its best documents side by side.
        group_size: Documents of a value at most; 3 if not given.
    """

    filter: MetadataFilter | None
    offset: int
    score_threshold: float | None
    plan: Plan | None
    search_params: models.SearchParams | Mapping[str, Any] | None
    consistency: int | models.ReadConsistencyType | None
    timeout: int | None
    shard_key_selector: str | int | list[str | int] | None
    retrieval_mode: Any
    hybrid_fusion: Any
    score_key: str | None
    signals_key: str | None
    group_by: str | None
    group_size: int


class DiverseSearchOptions(SearchOptions, total=False):
    """The options of a search that may diversify.

    Args:
        fetch_k: Candidates that diversity chooses from; 20 if not given.
        lambda_mult: 1 chooses by similarity alone, 0 by diversity alone; None does not diversify.
    """

    fetch_k: int
    lambda_mult: float | None


class RetrieverOptions(DiverseSearchOptions, total=False):
    """The options of a store's retriever: those of a search, and LangChain's own.

    Args:
        k: Documents wanted; 4 if not given.
        search_type: ``similarity``, ``mmr`` or ``similarity_score_threshold``.
        search_kwargs: Options of a search, instead of beside the others.
        tags, metadata, name: What tracers show of the retriever.
    """

    k: int
    search_type: str
    search_kwargs: dict[str, Any]
    tags: list[str] | None
    metadata: dict[str, Any] | None
    name: str | None


class AddOptions(TypedDict, total=False):
    """The options of adding documents.

    Args:
        progress: True shows a bar; a function is called with a Progress after each
            batch.
        shard_key, shard_key_selector: Custom shard to write to.
        ordering: Qdrant's ordering of concurrent writes (weak, medium, strong); None takes the
            layout's.
        wait: Of no use: the store always waits until documents are stored.
    """

    progress: bool | ProgressCallback
    shard_key: str | int | None
    shard_key_selector: str | int | None
    ordering: WriteOrdering | None
    wait: bool


class DeleteOptions(TypedDict, total=False):
    """The options of deleting documents.

    Args:
        filter: Deletes only documents that pass it as well.
        ordering: As in adding.
        wait: Of no use: the store always waits until documents are gone.
    """

    filter: MetadataFilter | None
    ordering: WriteOrdering | None
    wait: bool


class StoreOptions(StockOptions, total=False):
    """The options of a store, beside those that its constructor names itself.

    Args:
        content_payload_key, metadata_payload_key: Where payloads keep the text and the metadata.
            None takes what the collection says, or what a few of its points show without doubt,
            or ``page_content`` and ``metadata``; a new collection keeps them, and opening it with
            others is an error.
        all_tenants: Whether searches may go through the documents of all tenants, where the layout
            has a ``tenant_field``; else each is made by ``store.for_tenant(...)``.
    """

    content_payload_key: str | None
    metadata_payload_key: str | None
    all_tenants: bool


class OpenOptions(StoreOptions, AddressOptions, ServerOptions, total=False):
    """The options of opening a store: its own, and a client or where to connect to.

    Args:
        client: EdgeClient or QdrantClient; instead of it the arguments of
            :func:`~mrl_adapters.qdrant.connect`, such as ``path`` or ``url``.
        layout: How a new collection is laid out.
        plan: How it is searched: a SearchPlan, or a dict of the knobs to change.
        async_client: Used by the async methods; None derives one from ``client``.
    """

    client: Client | None
    layout: CollectionLayout | None
    plan: Plan | None
    async_client: AsyncQdrantClient | None
    path: str | None
    url: str | None
    host: str | None
    api_key: str | None
    location: str | None
    prefer_grpc: bool
    timeout: int | None
    must_exist: bool
    read_only: bool


class FromTextsOptions(OpenOptions, AddOptions, total=False):
    """The options of ``from_texts`` and its like: of opening a store and of adding to it.

    Args:
        collection_name: None makes a name up.
        batch_size: Texts that are embedded, checked and written together.
        force_recreate: Whether a collection of that name is deleted first.
    """

    collection_name: str | None
    batch_size: int
    force_recreate: bool


STORE_OPTIONS = tuple(StoreOptions.__annotations__)
_OWN = ("collection_name", "client", "layout", "plan", "async_client", *STORE_OPTIONS)
_OPEN = (*_OWN, *CONNECT_OPTIONS)
_DIVERSITY = ("fetch_k", "lambda_mult")
SEARCH_OPTIONS = ("k", *DiverseSearchOptions.__annotations__)
ADD_OPTIONS = ("ids", "batch_size", *AddOptions.__annotations__)
DELETE_OPTIONS = tuple(DeleteOptions.__annotations__)
_SEARCHES = ("similarity_search", "similarity_search_with_score", "max_marginal_relevance_search")


def build_search(
    embedding: ArrayLike | None,
    query_filter: models.Filter | None,
    options: Mapping[str, Any],
    text: str | None = None,
) -> Search:
    """Build a search for a full vector of shape (d,), or refuse a number outside its range."""
    share = options.get("lambda_mult")
    return Search(
        None if embedding is None else np.asarray(embedding, dtype=np.float32),
        options.get("k", 4),
        offset=options.get("offset", 0),
        query_filter=query_filter,
        score_threshold=options.get("score_threshold"),
        mmr_lambda=None if share is None else diversity("lambda_mult", share),
        fetch_k=options.get("fetch_k", 20),
        text=text,
    )


def check_search_options(options: Mapping[str, Any]) -> None:
    """Refuse values that no search can be made with, before there is one."""
    SearchPlan().merge(search_plan(options))
    AddedKeys.of(options)
    group_by(options)
    build_search((), to_filter(options.get("filter")), options)


def group_by(
    options: Mapping[str, Any], collection: MatryoshkaCollection | None = None
) -> GroupBy | None:
    """Read what a search is grouped by; None where it is not."""
    key, size = options.get("group_by"), options.get("group_size")
    if key is None and size is None:
        return None
    return group_by_key(key, size, lambda key: paths_for(collection, key))


@functools.lru_cache
def known_options(kind: type[VectorStore]) -> tuple[str, ...]:
    """List the options that searches of a class of stores take, those of a subclass among them."""
    named = [
        parameter.name
        for method in _SEARCHES
        for parameter in inspect.signature(getattr(kind, method)).parameters.values()
        if parameter.kind in {parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY}
        and parameter.name not in {"self", "query"}
    ]
    return tuple(dict.fromkeys([*SEARCH_OPTIONS, *named]))


def retrieval_options(
    kind: type[VectorStore],
    own: Mapping[str, Any],
    call: Mapping[str, Any],
    search_type: str,
    allowed: Collection[str],
) -> tuple[str, dict[str, Any]]:
    """Put one call's options over a retriever's own; a plan that is a dict changes the retriever's.

    Returns:
        The search type, and the options that it has a use for.

    Raises:
        ConfigurationError: An option or the search type does not exist, or ``mmr`` is to choose by
            a share that is none.
    """
    refuse_unknown("The retriever", call, (*known_options(kind), "search_type"))
    options = {**own, **call}
    if "plan" in options and (plan := layered(own.get("plan"), call.get("plan"))) is not None:
        options["plan"] = plan
    search_type = options.pop("search_type", search_type)
    if search_type not in allowed:
        msg = f"search_type is {search_type!r}, expected one of: {', '.join(allowed)}."
        raise ConfigurationError(msg, found=search_type, expected=tuple(allowed))
    if options.get("group_by") is None:
        options.pop("group_size", None)
    if search_type != "mmr":
        for name in _DIVERSITY:
            options.pop(name, None)
    elif "lambda_mult" in options:  # None would choose by similarity alone without a word
        diversity("lambda_mult", options["lambda_mult"])
    return search_type, options


def new_store_options(
    whose: str, options: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split options of ``from_texts`` into those of a store, connected, and those of adding."""
    refuse_unknown(whose, options, (*_OPEN, *ADD_OPTIONS, "force_recreate"))
    # The stock store takes None for what is not said.
    adding = {name: options[name] for name in ADD_OPTIONS if options.get(name) is not None}
    own = _store_options(options)
    if own.get("collection_name") is None:
        own["collection_name"] = uuid.uuid4().hex
    return own, adding


def existing_store_options(
    collection_name: str, rest: Sequence[Any], options: Mapping[str, Any]
) -> dict[str, Any]:
    """Take the arguments of ``from_existing_collection``, connected to a place that exists."""
    whose = "from_existing_collection()"
    if not isinstance(collection_name, str):
        msg = (
            f"{whose} got {collection_name!r} as collection_name, expected a str. Its order is: "
            "collection_name, embedding."
        )
        raise ConfigurationError(msg, found=collection_name, expected=str)
    given = named(whose, rest, EXISTING_ORDER, options)
    refuse_unknown(whose, given, _OPEN)
    if given.get("path") is not None or given.get("location") is not None:
        given = {"must_exist": True, **given}  # opening makes no folder
    return {**_store_options(given), "collection_name": collection_name}


def _store_options(options: Mapping[str, Any]) -> dict[str, Any]:
    place = place_of(options)
    if place and options.get("client") is not None:
        msg = f"Pass client= or {min(place)}=, not both."
        raise ConfigurationError(msg)
    own = {name: options[name] for name in _OWN if name in options}
    return {"client": None, **own, **({"client": connect(**place)} if place else {})}
