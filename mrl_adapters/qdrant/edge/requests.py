"""Convert `models.QueryRequest` with nested prefetches into the engine's query."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol
from uuid import UUID

import numpy as np
import qdrant_edge as edge
from qdrant_client import models

from mrl_adapters.qdrant.edge.config import edge_enum
from mrl_adapters.qdrant.edge.filters import edge_filter, refuse_fields, set_fields
from mrl_adapters.qdrant.edge.points import PointId

DEFAULT_LIMIT = 10

# Source: https://qdrant.tech/documentation/concepts/hybrid-queries/
_DEFAULT_RRF_K = 2
_DEFAULT_DIVERSITY = 0.5


class VectorLookup(Protocol):
    """Give the vector of a stored point, for queries by id."""

    def __call__(self, point_id: PointId, using: str) -> Any:
        """Return the vector named `using` of a point, or raise."""
        ...


def edge_request(request: models.QueryRequest, lookup: VectorLookup) -> edge.QueryRequest:
    """Convert a query.

    Args:
        request: The client's request; buffers are taken for vectors as well as lists.
        lookup: How to find the vector of a point that the query names by id.

    Returns:
        The engine's request.

    Raises:
        NotImplementedError: A part that the engine does not have.
    """
    if request.lookup_from is not None:
        refuse_fields(request, ["lookup_from"])
    query, mentioned = _query(request, lookup, request.limit or DEFAULT_LIMIT)
    return edge.QueryRequest(
        limit=request.limit or DEFAULT_LIMIT,
        offset=request.offset,
        query=query,
        prefetches=_prefetches(request.prefetch, lookup),
        with_vector=edge_vector_selector(request.with_vector),
        with_payload=edge_payload_selector(request.with_payload),
        filter=_without(edge_filter(request.filter), mentioned),
        score_threshold=request.score_threshold,
        params=edge_params(request.params),
    )


def _prefetches(given: Any, lookup: VectorLookup) -> list[edge.Prefetch]:
    if given is None:
        return []
    return [_prefetch(each, lookup) for each in (given if isinstance(given, list) else [given])]


def _prefetch(given: models.Prefetch, lookup: VectorLookup) -> edge.Prefetch:
    if given.lookup_from is not None:
        refuse_fields(given, ["lookup_from"])
    limit = given.limit or DEFAULT_LIMIT
    query, mentioned = _query(given, lookup, limit)
    return edge.Prefetch(
        limit=limit,
        query=query,
        prefetches=_prefetches(given.prefetch, lookup),
        params=edge_params(given.params),
        filter=_without(edge_filter(given.filter), mentioned),
        score_threshold=given.score_threshold,
    )


def _without(given: edge.Filter | None, ids: set[PointId]) -> edge.Filter | None:
    """Leave out the points that a query names, as the server does: they are no findings."""
    if not ids:
        return given
    return edge.Filter(must=[given] if given else None, must_not=[edge.HasIdCondition(ids)])


def _query(
    given: models.QueryRequest | models.Prefetch, lookup: VectorLookup, limit: int
) -> tuple[Any, set[PointId]]:
    """Convert the query of a request or prefetch; also the ids that it mentions."""
    query: Any = given.query
    if query is None:
        return None, set()
    using = given.using or ""
    mentioned: set[PointId] = set()
    if isinstance(query, models.NearestQuery) and query.mmr is not None:
        diversity = query.mmr.diversity
        mmr = edge.Mmr(
            _vector(query.nearest, using, lookup, mentioned),
            1.0 - (_DEFAULT_DIVERSITY if diversity is None else diversity),
            query.mmr.candidates_limit or limit,
            using,
        )
        return mmr, mentioned
    convert = _QUERIES.get(type(query).__name__)
    if convert is not None:
        return convert(query), mentioned
    nearest = query.nearest if isinstance(query, models.NearestQuery) else query
    return edge.Query.Nearest(_vector(nearest, using, lookup, mentioned), using), mentioned


def _vector(value: Any, using: str, lookup: VectorLookup, mentioned: set[PointId]) -> Any:
    """Give a query vector as the binding reads it fastest; look up the vector of an id."""
    if isinstance(value, np.ndarray):
        if value.ndim == 1:
            return np.ascontiguousarray(value, dtype=np.float32).data
        return value.tolist()
    if isinstance(value, (list, memoryview)):
        return value
    if isinstance(value, models.SparseVector):
        return edge.SparseVector(value.indices, value.values)
    if isinstance(value, (int, str, UUID)):
        mentioned.add(value)
        return lookup(value, using)
    message = (
        f"The embedded engine has no query of {type(value).__name__}. "
        "Pass a vector, a point id or a supported query of qdrant_client.models."
    )
    raise NotImplementedError(message)


def _fusion(given: models.FusionQuery) -> Any:
    if given.fusion is models.Fusion.DBSF:
        return edge.Fusion.Dbsf()
    return edge.Fusion.Rrf(_DEFAULT_RRF_K)


def _rrf(given: models.RrfQuery) -> Any:
    return edge.Fusion.Rrf(given.rrf.k or _DEFAULT_RRF_K, given.rrf.weights)


def edge_order_by(given: str | models.OrderBy) -> edge.OrderBy:
    """Convert an ordering by payload field."""
    if isinstance(given, str):
        return edge.OrderBy(given)
    start: Any = given.start_from
    return edge.OrderBy(
        given.key,
        edge_enum(edge.Direction, given.direction),
        start.isoformat() if hasattr(start, "isoformat") else start,
    )


_QUERIES: dict[str, Callable[[Any], Any]] = {
    "FusionQuery": _fusion,
    "RrfQuery": _rrf,
    "OrderByQuery": lambda given: edge_order_by(given.order_by),
    "SampleQuery": lambda _: edge.Sample.Random,
}


def edge_params(given: models.SearchParams | None) -> edge.SearchParams | None:
    """Convert search parameters.

    Raises:
        NotImplementedError: One that the engine does not have.
    """
    if given is None:
        return None
    fields = set_fields(given)
    quantization = fields.pop("quantization", None)
    acorn = fields.pop("acorn", None)
    refuse_fields(given, fields.keys() - {"hnsw_ef", "exact", "indexed_only"})
    return edge.SearchParams(
        **fields,
        quantization=edge.QuantizationSearchParams(**set_fields(quantization))
        if quantization
        else None,
        acorn=edge.AcornSearchParams(**set_fields(acorn)) if acorn else None,
    )


def edge_payload_selector(given: Any) -> Any:
    """Convert what to return of the payload: a bool, keys to give, or keys to leave out."""
    if given is None or isinstance(given, bool):
        return bool(given)
    if isinstance(given, models.PayloadSelectorInclude):
        return edge.PayloadSelector.Include(given.include)
    if isinstance(given, models.PayloadSelectorExclude):
        return edge.PayloadSelector.Exclude(given.exclude)
    if isinstance(given, Sequence):
        return edge.PayloadSelector.Include(list(given))
    message = f"The embedded engine has no payload selector {type(given).__name__}."
    raise NotImplementedError(message)


def edge_vector_selector(given: Any) -> bool | list[str]:
    """Convert what to return of the vectors: all, none, or some by name."""
    return bool(given) if given is None or isinstance(given, bool) else list(given)
