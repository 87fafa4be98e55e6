"""The client's methods that search and read points."""

# ruff: noqa: ARG002, FBT001, FBT002, PLR0913, PLR0917 - the signatures are those of QdrantClient

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import qdrant_edge as edge
from qdrant_client import models
from qdrant_client.http import models as rest

from mrl_adapters.edge.client.folder import OpenFolder
from mrl_adapters.edge.client_models import construct
from mrl_adapters.edge.exploring import as_offsets, as_pairs, distance_matrix, look_up, query_groups
from mrl_adapters.edge.filters import edge_filter
from mrl_adapters.edge.found import record, retrieve
from mrl_adapters.edge.names import PointId, plain_id
from mrl_adapters.edge.requests import scroll_request
from mrl_adapters.edge.search import answer

_Payload = bool | Sequence[str] | models.PayloadSelector
_Vectors = bool | Sequence[str]
_Prefetches = models.Prefetch | list[models.Prefetch] | None


class ReadMethods(OpenFolder):
    """QdrantClient's methods that answer from what is stored."""

    def query_points(
        self,
        collection_name: str,
        query: Any = None,
        using: str | None = None,
        prefetch: _Prefetches = None,
        query_filter: models.Filter | None = None,
        search_params: models.SearchParams | None = None,
        limit: int = 10,
        offset: int | None = None,
        with_payload: _Payload = True,
        with_vectors: _Vectors = False,
        score_threshold: float | None = None,
        lookup_from: models.LookupLocation | None = None,
        consistency: Any = None,
        shard_key_selector: Any = None,
        timeout: int | None = None,
        **kwargs: Any,
    ) -> rest.QueryResponse:
        """Answer one query: a vector, the id of a point, or a query of qdrant_client.models.

        Vectors may be lists of floats or float buffers (NumPy arrays, memoryviews).

        Returns:
            The points, best first.

        Raises:
            ValueError: There is no such point to search by, or a limit is below 1.
            NotImplementedError: A part that the engine does not have, as `lookup_from`.
        """
        collection = self._collection(collection_name, kwargs, shard_key_selector)
        request = construct(
            models.QueryRequest,
            {
                "shard_key": None,
                "query": query,
                "using": using,
                "prefetch": prefetch,
                "filter": query_filter,
                "params": search_params,
                "limit": limit,
                "offset": offset,
                "with_payload": with_payload,
                "with_vector": with_vectors,
                "score_threshold": score_threshold,
                "lookup_from": lookup_from,
            },
        )
        return answer(collection, [request])[0]

    def query_batch_points(
        self,
        collection_name: str,
        requests: Sequence[models.QueryRequest],
        consistency: Any = None,
        timeout: int | None = None,
        **kwargs: Any,
    ) -> list[rest.QueryResponse]:
        """Answer several queries in one go, in order; see `query_points`."""
        return answer(self._collection(collection_name, kwargs), requests)

    def query_points_groups(
        self,
        collection_name: str,
        group_by: str,
        query: Any = None,
        using: str | None = None,
        prefetch: _Prefetches = None,
        query_filter: models.Filter | None = None,
        search_params: models.SearchParams | None = None,
        limit: int = 10,
        group_size: int = 3,
        with_payload: _Payload = True,
        with_vectors: _Vectors = False,
        score_threshold: float | None = None,
        with_lookup: str | models.WithLookup | None = None,
        lookup_from: models.LookupLocation | None = None,
        consistency: Any = None,
        shard_key_selector: Any = None,
        timeout: int | None = None,
        **kwargs: Any,
    ) -> models.GroupsResult:
        """Answer one query by groups of points that share a value, best first.

        As `query_points`; a prefetch brings `group_size` times its limit, as on the server.

        Raises:
            ValueError: limit or group_size is below 1, or as for `query_points`.
        """
        collection = self._collection(collection_name, kwargs, shard_key_selector)
        request = models.QueryRequest.model_construct(
            query=query,
            using=using,
            prefetch=prefetch,
            filter=query_filter,
            params=search_params,
            limit=limit,
            with_payload=with_payload,
            with_vector=with_vectors,
            score_threshold=score_threshold,
            lookup_from=lookup_from,
        )
        groups = query_groups(collection, request, group_by, group_size)
        if with_lookup is not None:
            if isinstance(with_lookup, str):
                with_lookup = models.WithLookup(collection=with_lookup)
            look_up(self._collection(with_lookup.collection), groups, with_lookup)
        return models.GroupsResult(groups=groups)

    def search_matrix_pairs(
        self,
        collection_name: str,
        query_filter: models.Filter | None = None,
        limit: int = 3,
        sample: int = 10,
        using: str | None = None,
        consistency: Any = None,
        timeout: int | None = None,
        shard_key_selector: Any = None,
        **kwargs: Any,
    ) -> models.SearchMatrixPairsResponse:
        """Score random points against each other, as pairs."""
        collection = self._collection(collection_name, kwargs, shard_key_selector)
        return as_pairs(distance_matrix(collection, using, query_filter, limit, sample))

    def search_matrix_offsets(
        self,
        collection_name: str,
        query_filter: models.Filter | None = None,
        limit: int = 3,
        sample: int = 10,
        using: str | None = None,
        consistency: Any = None,
        timeout: int | None = None,
        shard_key_selector: Any = None,
        **kwargs: Any,
    ) -> models.SearchMatrixOffsetsResponse:
        """Score random points against each other, as offsets into their ids."""
        collection = self._collection(collection_name, kwargs, shard_key_selector)
        return as_offsets(distance_matrix(collection, using, query_filter, limit, sample))

    def retrieve(
        self,
        collection_name: str,
        ids: Sequence[PointId],
        with_payload: _Payload = True,
        with_vectors: _Vectors = False,
        consistency: Any = None,
        shard_key_selector: Any = None,
        timeout: int | None = None,
        **kwargs: Any,
    ) -> list[models.Record]:
        """Return points by id, in the order of the ids; unknown ones are left out."""
        collection = self._collection(collection_name, kwargs, shard_key_selector)
        return retrieve(collection, ids, with_payload, with_vectors)

    def scroll(
        self,
        collection_name: str,
        scroll_filter: models.Filter | None = None,
        limit: int = 10,
        order_by: str | models.OrderBy | None = None,
        offset: PointId | None = None,
        with_payload: _Payload = True,
        with_vectors: _Vectors = False,
        consistency: Any = None,
        shard_key_selector: Any = None,
        timeout: int | None = None,
        **kwargs: Any,
    ) -> tuple[list[models.Record], int | str | UUID | None]:
        """Return a page of points, by id or by a payload field, and the offset of the next page."""
        collection = self._collection(collection_name, kwargs, shard_key_selector)
        request = scroll_request(scroll_filter, limit, order_by, offset, with_payload, with_vectors)
        with collection.engine() as shard:
            page, following = shard.scroll(request)
        records = [record(point) for point in page]
        return records, None if following is None else plain_id(following)

    def count(
        self,
        collection_name: str,
        count_filter: models.Filter | None = None,
        exact: bool = True,
        shard_key_selector: Any = None,
        timeout: int | None = None,
        **kwargs: Any,
    ) -> models.CountResult:
        """Count the points that a filter matches, or all."""
        collection = self._collection(collection_name, kwargs, shard_key_selector)
        request = edge.CountRequest(exact=exact, filter=edge_filter(count_filter))
        with collection.engine() as shard:
            return models.CountResult(count=shard.count(request))

    def facet(
        self,
        collection_name: str,
        key: str,
        facet_filter: models.Filter | None = None,
        limit: int = 10,
        exact: bool = False,
        consistency: Any = None,
        timeout: int | None = None,
        shard_key_selector: Any = None,
        **kwargs: Any,
    ) -> models.FacetResponse:
        """Count points by the values of a payload field, which needs a payload index."""
        collection = self._collection(collection_name, kwargs, shard_key_selector)
        request = edge.FacetRequest(key, limit, exact, edge_filter(facet_filter))
        with collection.engine() as shard:
            hits = shard.facet(request).hits
        return models.FacetResponse(
            hits=[models.FacetValueHit(value=hit.value, count=hit.count) for hit in hits]
        )
