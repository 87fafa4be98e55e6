"""Keyword arguments of LangChain's methods: what there is, and what each is for."""

import functools
import inspect
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from langchain_core.vectorstores import VectorStore
from numpy.typing import ArrayLike
from qdrant_client import models
from typing_extensions import Self

from mrl_adapters.arguments import refuse_unknown
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.langchain.filters import MetadataFilter, to_filter
from mrl_adapters.qdrant import SearchPlan, connect
from mrl_adapters.qdrant.plan import Plan, layered
from mrl_adapters.qdrant.query import Search, diversity

_STORE = (
    "collection_name",
    "client",
    "layout",
    "plan",
    "async_client",
    "content_payload_key",
    "metadata_payload_key",
)
_PLACE = ("path", "url", "api_key", "location", "prefer_grpc", "timeout", "must_exist")
ADDING_OPTIONS = ("ids", "batch_size", "progress", "shard_key")


@dataclass(frozen=True)
class SearchOptions:
    """What a search may be asked for beside its question.

    Args:
        k: Documents wanted.
        filter: A dict over metadata or a Qdrant Filter.
        offset: Documents skipped before them.
        score_threshold: Scores must exceed it (distances stay below it).
        plan: A SearchPlan, or a dict of the knobs to change.
        fetch_k: Candidates that diversity chooses from.
        lambda_mult: 1 chooses by similarity alone, 0 by diversity alone; None does not diversify.
    """

    k: int = 4
    filter: MetadataFilter | None = None
    offset: int = 0
    score_threshold: float | None = None
    plan: Plan | None = None
    fetch_k: int = 20
    lambda_mult: float | None = None

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Self:
        """Take a search's keyword arguments.

        Args:
            given: Option to value.

        Raises:
            ConfigurationError: An option does not exist.
        """
        refuse_unknown("A search", given, SEARCH_OPTIONS)
        return cls(**given)

    def check(self) -> None:
        """Refuse values that no search can be made with, before there is one.

        Raises:
            ConfigurationError: As :meth:`search` does; or the plan names no known knob.
        """
        SearchPlan().merge(self.plan)
        self.search((), to_filter(self.filter))

    def search(self, embedding: ArrayLike, query_filter: models.Filter | None) -> Search:
        """Say what to search for.

        Args:
            embedding: The question's full vector, shape (d,).
            query_filter: ``filter`` as Qdrant's, for the collection that is searched.

        Raises:
            ConfigurationError: A number is none or outside its range.
        """
        mix = self.lambda_mult
        return Search(
            np.asarray(embedding, dtype=np.float32),
            self.k,
            offset=self.offset,
            query_filter=query_filter,
            score_threshold=self.score_threshold,
            mmr_lambda=None if mix is None else diversity("lambda_mult", mix),
            fetch_k=self.fetch_k,
        )


SEARCH_OPTIONS = tuple(field.name for field in fields(SearchOptions))
_DIVERSITY = ("fetch_k", "lambda_mult")
_SEARCHES = ("similarity_search", "similarity_search_with_score", "max_marginal_relevance_search")


@functools.lru_cache
def known_options(kind: type[VectorStore]) -> tuple[str, ...]:
    """List the options by which a kind of store is searched.

    Args:
        kind: The store's class; a subclass has those that its own methods name as well.
    """
    named = [
        parameter.name
        for method in _SEARCHES
        for parameter in inspect.signature(getattr(kind, method)).parameters.values()
        if parameter.kind is not parameter.VAR_KEYWORD and parameter.name not in {"self", "query"}
    ]
    return tuple(dict.fromkeys([*SEARCH_OPTIONS, *named]))


def overridden(options: Mapping[str, Any], call: Mapping[str, Any]) -> dict[str, Any]:
    """Put one call's options over a retriever's own.

    Args:
        options: The retriever's.
        call: The call's; its plan changes the retriever's where it is a dict.
    """
    return {**options, **call, "plan": layered(options.get("plan"), call.get("plan"))}


def for_search_type(search_type: object, options: dict[str, Any]) -> dict[str, Any]:
    """Leave out the options that a search type has no use for.

    Args:
        search_type: ``mmr`` or another.
        options: A retriever's options.

    Raises:
        ConfigurationError: ``mmr`` is to choose by a share that is none.
    """
    if search_type == "mmr":
        if "lambda_mult" in options:  # None would choose by similarity alone without a word
            diversity("lambda_mult", options["lambda_mult"])
        return options
    return {name: value for name, value in options.items() if name not in _DIVERSITY}


def sorted_options(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split options of ``from_texts`` and its like into those of a store and of adding to it.

    Args:
        options: ``collection_name`` (required); ``client`` or the arguments of
            :func:`~mrl_adapters.qdrant.connect`; the store's other options; those of adding.

    Returns:
        The store's, its client among them, and those of adding.

    Raises:
        ConfigurationError: No collection is named, an option is unknown, or a client is given
            beside a place to connect to.
    """
    refuse_unknown("from_texts()", options, (*_STORE, *_PLACE, *ADDING_OPTIONS))
    return store_options("from_texts()", options), _those(ADDING_OPTIONS, options)


def store_options(whose: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Take the options of a store, and connect where no client is among them.

    Args:
        whose: What was given them, for the message.
        options: Those of :func:`sorted_options`.

    Raises:
        ConfigurationError: No collection is named, or a client is given beside a place.
    """
    if options.get("collection_name") is None:
        msg = f"{whose} got no collection_name. Pass collection_name='...'."
        raise ConfigurationError(msg)
    place = _those(_PLACE, options)
    if place and options.get("client") is not None:
        msg = f"Pass client= or {min(place)}=, not both."
        raise ConfigurationError(msg)
    store = {"client": None, **_those(_STORE, options)}
    if place:
        store["client"] = connect(**place)
    return store


def existing_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Take the options of ``from_existing_collection``: a store's, and nothing to add.

    Args:
        options: See :func:`sorted_options`.

    Raises:
        ConfigurationError: As :func:`sorted_options` does.
        EngineError: Nothing is at the path.
    """
    whose = "from_existing_collection()"
    refuse_unknown(whose, options, (*_STORE, *_PLACE))
    if "path" in options or "location" in options:
        options = {"must_exist": True, **options}  # opening makes no folder
    return store_options(whose, options)


def _those(names: Collection[str], options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: options[name] for name in names if name in options}
