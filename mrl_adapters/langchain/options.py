"""Options of the store's methods: typed for editors, refused by name where they do not exist."""

import functools
import inspect
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from langchain_core.vectorstores import VectorStore
from numpy.typing import ArrayLike
from qdrant_client import AsyncQdrantClient, models
from typing_extensions import TypedDict

from mrl_adapters.arguments import refuse_unknown
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.langchain.filters import MetadataFilter, to_filter
from mrl_adapters.progress import ProgressCallback
from mrl_adapters.qdrant import CollectionLayout, SearchPlan, connect
from mrl_adapters.qdrant.driver import Client
from mrl_adapters.qdrant.plan import Plan, layered
from mrl_adapters.qdrant.query import Search, diversity


class SearchOptions(TypedDict, total=False):
    """The options of a search, beside its question and k.

    Args:
        filter: A dict over metadata (see :func:`~mrl_adapters.langchain.filters.to_filter`), or a
            Qdrant Filter.
        offset: Documents skipped before those that are returned.
        score_threshold: Scores must exceed it (distances stay below it).
        plan: A SearchPlan, or a dict of the knobs to change.
    """

    filter: MetadataFilter | None
    offset: int
    score_threshold: float | None
    plan: Plan | None


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
        batch_size: Texts that are embedded, checked and written together.
        progress: True shows a bar; a function is called with a Progress after each
            batch.
        shard_key: Custom shard to write to.
    """

    batch_size: int
    progress: bool | ProgressCallback
    shard_key: str | int | None


class OpenOptions(TypedDict, total=False):
    """The options of opening a store: its own, and a client or where to connect to.

    Args:
        client: EdgeClient or QdrantClient; instead of it the arguments of
            :func:`~mrl_adapters.qdrant.connect`, from ``path`` to ``must_exist``.
        layout: How a new collection is laid out.
        plan: How it is searched: a SearchPlan, or a dict of the knobs to change.
        async_client: Used by the async methods; None derives one from ``client``.
        content_payload_key, metadata_payload_key: Where payloads keep the text and the metadata.
    """

    client: Client | None
    layout: CollectionLayout | None
    plan: Plan | None
    async_client: AsyncQdrantClient | None
    content_payload_key: str | None
    metadata_payload_key: str | None
    path: str | None
    url: str | None
    api_key: str | None
    location: str | None
    prefer_grpc: bool
    timeout: int | None
    must_exist: bool


class FromTextsOptions(OpenOptions, AddOptions, total=False):
    """The options of ``from_texts`` and its like: of opening a store and of adding to it."""

    collection_name: str


_PLACE = ("path", "url", "api_key", "location", "prefer_grpc", "timeout", "must_exist")
_OPEN = ("collection_name", *OpenOptions.__annotations__)
_ADD = tuple(AddOptions.__annotations__)
_DIVERSITY = ("fetch_k", "lambda_mult")
SEARCH_OPTIONS = ("k", *DiverseSearchOptions.__annotations__)
ADD_OPTIONS = ("ids", *_ADD)
_SEARCHES = ("similarity_search", "similarity_search_with_score", "max_marginal_relevance_search")


def build_search(
    embedding: ArrayLike, query_filter: models.Filter | None, options: Mapping[str, Any]
) -> Search:
    """Build a search for a full vector of shape (d,), or refuse a number outside its range."""
    share = options.get("lambda_mult")
    return Search(
        np.asarray(embedding, dtype=np.float32),
        options.get("k", 4),
        offset=options.get("offset", 0),
        query_filter=query_filter,
        score_threshold=options.get("score_threshold"),
        mmr_lambda=None if share is None else diversity("lambda_mult", share),
        fetch_k=options.get("fetch_k", 20),
    )


def check_search_options(options: Mapping[str, Any]) -> None:
    """Refuse values that no search can be made with, before there is one."""
    SearchPlan().merge(options.get("plan"))
    build_search((), to_filter(options.get("filter")), options)


@functools.lru_cache
def known_options(kind: type[VectorStore]) -> tuple[str, ...]:
    """List the options that searches of a class of stores take, those of a subclass among them."""
    named = [
        parameter.name
        for method in _SEARCHES
        for parameter in inspect.signature(getattr(kind, method)).parameters.values()
        if parameter.kind is not parameter.VAR_KEYWORD and parameter.name not in {"self", "query"}
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
    options = {**own, **call, "plan": layered(own.get("plan"), call.get("plan"))}
    search_type = options.pop("search_type", search_type)
    if search_type not in allowed:
        msg = f"search_type is {search_type!r}, expected one of: {', '.join(allowed)}."
        raise ConfigurationError(msg, found=search_type, expected=tuple(allowed))
    if search_type != "mmr":
        options = {name: value for name, value in options.items() if name not in _DIVERSITY}
    elif "lambda_mult" in options:  # None would choose by similarity alone without a word
        diversity("lambda_mult", options["lambda_mult"])
    return search_type, options


def new_store_options(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split options of ``from_texts`` into those of a store, connected, and those of adding."""
    refuse_unknown("from_texts()", options, (*_OPEN, *ADD_OPTIONS))
    adding = {name: options[name] for name in ADD_OPTIONS if name in options}
    return _store_options("from_texts()", options), adding


def existing_store_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Take the options of ``from_existing_collection``, connected to a place that exists."""
    whose = "from_existing_collection()"
    refuse_unknown(whose, options, _OPEN)
    if "path" in options or "location" in options:
        options = {"must_exist": True, **options}  # opening makes no folder
    return _store_options(whose, options)


def _store_options(whose: str, options: Mapping[str, Any]) -> dict[str, Any]:
    if options.get("collection_name") is None:
        msg = f"{whose} got no collection_name. Pass collection_name='...'."
        raise ConfigurationError(msg)
    place = {name: options[name] for name in _PLACE if name in options}
    if place and options.get("client") is not None:
        msg = f"Pass client= or {min(place)}=, not both."
        raise ConfigurationError(msg)
    own = {name: options[name] for name in _OPEN if name in options and name not in place}
    return {"client": None, **own, **({"client": connect(**place)} if place else {})}
