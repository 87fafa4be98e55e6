"""Convert `models.QueryRequest` with nested prefetches into the engine's request."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import qdrant_edge as edge
from qdrant_client import models

from mrl_adapters.edge.client_models import parsed, refuse_fields, set_fields
from mrl_adapters.edge.filters import edge_filter
from mrl_adapters.edge.names import PointId, naming_ids
from mrl_adapters.edge.queries import Lookup, QueryIntake, edge_order_by
from mrl_adapters.errors import ConfigurationError

DEFAULT_LIMIT = 10
MAX_PREFETCH_DEPTH = 64  # as the engine itself allows
_DIFFERENT_PARAMS = 256


def edge_request(request: models.QueryRequest, lookup: Lookup) -> edge.QueryRequest:
    """Convert a request."""
    limit, query, query_filter = _core(request, lookup)
    return edge.QueryRequest(
        limit=limit,
        offset=request.offset,
        query=query,
        prefetches=_prefetches(request.prefetch, lookup),
        with_vector=edge_vector_selector(request.with_vector),
        with_payload=edge_payload_selector(request.with_payload),
        filter=query_filter,
        score_threshold=request.score_threshold,
        params=edge_params(request.params),
    )


class Leg(NamedTuple):
    """One of the rankings that a query fuses: a query of its own, of so many points."""

    limit: int
    request: Callable[[int], edge.QueryRequest]
    """Returns the request for so many."""
    is_ranked: bool
    """Whether scores order it: what is drawn, or ordered by a field, they do not."""


def legs_of(request: models.QueryRequest, lookup: Lookup) -> list[Leg]:
    """Return the prefetches of a request as requests, for ids and scores; its filter is theirs."""
    wanted = edge_filter(request.filter)
    given = request.prefetch if isinstance(request.prefetch, list) else [request.prefetch]
    return [_leg(prefetch, wanted, lookup) for prefetch in given]


def _leg(given: Any, wanted: edge.Filter | None, lookup: Lookup) -> Leg:
    if isinstance(given, dict):
        given = parsed(models.Prefetch, given)
    limit, query, own = _core(given, lookup)
    if wanted is not None:
        own = wanted if own is None else edge.Filter(must=[wanted, own])

    def request(count: int) -> edge.QueryRequest:
        return edge.QueryRequest(
            limit=count,
            query=query,
            prefetches=prefetches,
            filter=own,
            score_threshold=given.score_threshold,
            params=edge_params(given.params),
        )

    prefetches = _prefetches(given.prefetch, lookup, 2)
    return Leg(limit, request, not isinstance(query, _UNRANKED))


_UNRANKED = (edge.OrderBy, edge.Sample)


def _prefetches(given: Any, lookup: Lookup, depth: int = 1) -> list[edge.Prefetch]:
    if given is None:
        return []
    if depth > MAX_PREFETCH_DEPTH:
        message = (
            f"The query has more than {MAX_PREFETCH_DEPTH} prefetches inside each other, or one "
            "holds itself. Put them side by side."
        )
        raise ConfigurationError(message)
    prefetches = given if isinstance(given, list) else [given]
    return [_prefetch(prefetch, lookup, depth) for prefetch in prefetches]


def _prefetch(given: models.Prefetch, lookup: Lookup, depth: int) -> edge.Prefetch:
    if isinstance(given, dict):
        given = parsed(models.Prefetch, given)
    limit, query, query_filter = _core(given, lookup)
    return edge.Prefetch(
        limit=limit,
        query=query,
        prefetches=_prefetches(given.prefetch, lookup, depth + 1),
        params=edge_params(given.params),
        filter=query_filter,
        score_threshold=given.score_threshold,
    )


def _core(
    given: models.QueryRequest | models.Prefetch, lookup: Lookup
) -> tuple[int, Any, edge.Filter | None]:
    """Convert what a request and a prefetch have in common: limit, query, filter."""
    if given.lookup_from is not None:
        refuse_fields(given, ["lookup_from"])
    limit = DEFAULT_LIMIT if given.limit is None else given.limit
    if limit < 1:
        message = f"{type(given).__name__} has limit {limit}. Ask for at least 1 point."
        raise ValueError(message)
    intake = QueryIntake(given.using or "", limit, lookup)
    query = intake.convert(given.query)
    wanted = edge_filter(given.filter)
    if intake.mentioned:  # points that a query names are no findings, as on the server
        others = edge.HasIdCondition(intake.mentioned)
        wanted = edge.Filter(must=[wanted] if wanted else None, must_not=[others])
    return limit, query, wanted


def scroll_request(
    scroll_filter: models.Filter | None,
    limit: int,
    order_by: str | models.OrderBy | None,
    offset: PointId | None,
    with_payload: Any,
    with_vectors: Any,
) -> edge.ScrollRequest:
    """Convert the arguments of `QdrantClient.scroll`."""
    if limit < 1:
        message = f"limit is {limit}. Ask for at least 1 point."
        raise ValueError(message)
    with naming_ids([] if offset is None else [offset]):
        return edge.ScrollRequest(
            offset=offset,
            limit=limit,
            filter=edge_filter(scroll_filter),
            with_payload=edge_payload_selector(with_payload),
            with_vector=edge_vector_selector(with_vectors),
            order_by=None if order_by is None else edge_order_by(order_by),
        )


def edge_params(given: models.SearchParams | None) -> edge.SearchParams | None:
    """Convert search parameters."""
    if given is None:
        return None
    if isinstance(given, dict):
        given = parsed(models.SearchParams, given)
    fields = set_fields(given)
    refuse_fields(given, fields.keys() - _PARAMS)
    for name in _PARTS.keys() & fields.keys():
        fields[name] = tuple(set_fields(fields[name]).items())
    return _params(tuple(fields.items()))


@lru_cache(maxsize=_DIFFERENT_PARAMS)
def _params(given: tuple[tuple[str, Any], ...]) -> edge.SearchParams:
    """Build parameters once: searches repeat them, and the engine copies what it is given."""
    fields = dict(given)
    for name in _PARTS.keys() & fields.keys():
        fields[name] = _PARTS[name](**dict(fields[name]))
    return edge.SearchParams(**fields)


_PARTS: dict[str, Any] = {
    "quantization": edge.QuantizationSearchParams,
    "acorn": edge.AcornSearchParams,
}
_PARAMS = {"hnsw_ef", "exact", "indexed_only", *_PARTS}


def edge_payload_selector(given: Any) -> Any:
    """Convert what to return of the payload."""
    if given is None or isinstance(given, bool):
        return bool(given)
    if isinstance(given, models.PayloadSelectorInclude):
        return edge.PayloadSelector.Include(given.include)
    if isinstance(given, models.PayloadSelectorExclude):
        return edge.PayloadSelector.Exclude(given.exclude)
    if isinstance(given, Sequence):
        return edge.PayloadSelector.Include(list(given))
    message = (
        f"EdgeClient does not offer the payload selector {type(given).__name__}. "
        "Pass a bool, a list of keys, PayloadSelectorInclude or PayloadSelectorExclude."
    )
    raise NotImplementedError(message)


def edge_vector_selector(given: Any) -> bool | list[str]:
    """Convert what to return of the vectors: all, none, or some by name."""
    return bool(given) if given is None or isinstance(given, bool) else list(given)
