"""The reading methods of `EdgeClient`."""

# ruff: noqa: FBT001, FBT002, PLR0913, PLR0917 - the signatures are those of QdrantClient

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import qdrant_edge as edge
from qdrant_client import models
from qdrant_client.http import models as rest

from mrl_adapters.edge.client_models import construct
from mrl_adapters.edge.diversity import candidates_request, chosen, needs_own_diversity
from mrl_adapters.edge.filters import edge_filter
from mrl_adapters.edge.ids import PointId, naming_ids, plain_id, spelled
from mrl_adapters.edge.opened import OpenPath
from mrl_adapters.edge.parsing import refuse_shard_key, refuse_unknown
from mrl_adapters.edge.queries import edge_order_by
from mrl_adapters.edge.requests import (
    edge_payload_selector,
    edge_request,
    edge_vector_selector,
)
from mrl_adapters.edge.results import record, scored_point


class Reading(OpenPath):
    """Read points. Parameters are those of QdrantClient.

    `consistency` and `timeout` are accepted and mean nothing here: there is one copy, and no
    network. There is one shard: `shard_key_selector` is refused.
    """

    def query_points(
        self,
        collection_name: str,
        query: Any = None,
        using: str | None = None,
        prefetch: models.Prefetch | list[models.Prefetch] | None = None,
        query_filter: models.Filter | None = None,
        search_params: models.SearchParams | None = None,
        limit: int = 10,
        offset: int | None = None,
        with_payload: bool | Sequence[str] | models.PayloadSelector = True,
        with_vectors: bool | Sequence[str] = False,
        score_threshold: float | None = None,
        lookup_from: models.LookupLocation | None = None,
        consistency: Any = None,
        shard_key_selector: Any = None,
        timeout: int | None = None,
        **kwargs: Any,
    ) -> rest.QueryResponse:
        """Answer one query.

        Args:
            collection_name: The collection.
            query: A vector (list of floats or float buffer), the id of a stored point, or a query
                of qdrant_client.models.
            using: The vector to search; None for the unnamed one.
            prefetch: Searches whose results the query ranks again, nested at will.
            query_filter: Which points count.
            search_params: hnsw_ef, exact, quantization.
            limit: How many points to give.
            offset: How many to leave out first.
            with_payload: Whether to give payloads, or which keys.
            with_vectors: Whether to give vectors, or which ones.
            score_threshold: The score that a point must exceed.
            lookup_from: Not available here.
            consistency: Means nothing here.
            shard_key_selector: Refused; there is one shard.
            timeout: Means nothing here.
            **kwargs: Refused.

        Returns:
            The points, best first.

        Raises:
            ValueError: There is no such collection, or no such point to search by.
            NotImplementedError: A part that the engine does not have.
        """
        del consistency, timeout
        refuse_unknown(kwargs)
        refuse_shard_key(shard_key_selector)
        fields = {
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
        }
        request = construct(models.QueryRequest, fields)
        return self.query_batch_points(collection_name, [request])[0]

    def query_batch_points(
        self,
        collection_name: str,
        requests: Sequence[models.QueryRequest],
        consistency: Any = None,
        timeout: int | None = None,
        **kwargs: Any,
    ) -> list[rest.QueryResponse]:
        """Answer several queries in one go; see `query_points`.

        Returns:
            One response for each request, in order.
        """
        del consistency, timeout
        refuse_unknown(kwargs)
        collection = self._collection(collection_name)
        sparse = collection.settings.sparse_vectors
        if sparse and any(needs_own_diversity(each, sparse) for each in requests):
            return [self._diverse(collection_name, each, sparse) for each in requests]
        answers = collection.query([edge_request(each, collection.vector) for each in requests])
        responses = []
        for request, answer in zip(requests, answers, strict=True):
            wanted = edge_vector_selector(request.with_vector)
            points = [scored_point(each, wanted) for each in answer]
            responses.append(construct(rest.QueryResponse, {"points": points}))
        return responses

    def _diverse(
        self, collection_name: str, request: models.QueryRequest, sparse: Any
    ) -> rest.QueryResponse:
        """Answer a request that may ask for diversity among sparse vectors."""
        if not needs_own_diversity(request, sparse):
            return self.query_batch_points(collection_name, [request])[0]
        [found] = self.query_batch_points(collection_name, [candidates_request(request)])
        points = chosen(request, found.points)
        wanted = edge_vector_selector(request.with_vector)
        vectors = {}
        if wanted:
            ids = [each.id for each in points]
            records = self.retrieve(
                collection_name, ids, with_payload=False, with_vectors=request.with_vector or False
            )
            vectors = {each.id: each.vector for each in records}
        given = [each.model_copy(update={"vector": vectors.get(each.id)}) for each in points]
        return rest.QueryResponse(points=given)

    def retrieve(
        self,
        collection_name: str,
        ids: Sequence[PointId],
        with_payload: bool | Sequence[str] | models.PayloadSelector = True,
        with_vectors: bool | Sequence[str] = False,
        consistency: Any = None,
        shard_key_selector: Any = None,
        timeout: int | None = None,
        **kwargs: Any,
    ) -> list[models.Record]:
        """Give points by id, in the order of the ids; unknown ones are left out."""
        del consistency, timeout
        refuse_unknown(kwargs)
        refuse_shard_key(shard_key_selector)
        with naming_ids(ids), self._collection(collection_name).engine() as shard:
            found = shard.retrieve(
                list(ids), edge_payload_selector(with_payload), edge_vector_selector(with_vectors)
            )
        records = [record(each) for each in found]
        if len(records) == len(ids):
            return records
        # The engine gives a point once, however often it is asked for.
        by_id = {each.id: each for each in records}
        return [by_id[same] for each in ids if (same := spelled(each)) in by_id]

    def scroll(
        self,
        collection_name: str,
        scroll_filter: models.Filter | None = None,
        limit: int = 10,
        order_by: str | models.OrderBy | None = None,
        offset: PointId | None = None,
        with_payload: bool | Sequence[str] | models.PayloadSelector = True,
        with_vectors: bool | Sequence[str] = False,
        consistency: Any = None,
        shard_key_selector: Any = None,
        timeout: int | None = None,
        **kwargs: Any,
    ) -> tuple[list[models.Record], int | str | UUID | None]:
        """Give a page of points, by id or by a payload field.

        Returns:
            The points, and the offset of the next page or None.
        """
        del consistency, timeout
        refuse_unknown(kwargs)
        refuse_shard_key(shard_key_selector)
        if limit < 1:
            message = f"limit is {limit}. Ask for at least 1 point."
            raise ValueError(message)
        with naming_ids([] if offset is None else [offset]):
            request = edge.ScrollRequest(
                offset=offset,
                limit=limit,
                filter=edge_filter(scroll_filter),
                with_payload=edge_payload_selector(with_payload),
                with_vector=edge_vector_selector(with_vectors),
                order_by=None if order_by is None else edge_order_by(order_by),
            )
        with self._collection(collection_name).engine() as shard:
            found, following = shard.scroll(request)
        return [record(each) for each in found], None if following is None else plain_id(following)

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
        del timeout
        refuse_unknown(kwargs)
        refuse_shard_key(shard_key_selector)
        request = edge.CountRequest(exact=exact, filter=edge_filter(count_filter))
        with self._collection(collection_name).engine() as shard:
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
        del consistency, timeout
        refuse_unknown(kwargs)
        refuse_shard_key(shard_key_selector)
        request = edge.FacetRequest(key, limit, exact, edge_filter(facet_filter))
        with self._collection(collection_name).engine() as shard:
            hits = shard.facet(request).hits
        return models.FacetResponse(
            hits=[models.FacetValueHit(value=hit.value, count=hit.count) for hit in hits]
        )
