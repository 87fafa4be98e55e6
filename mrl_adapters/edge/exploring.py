"""The methods of `EdgeClient` that find groups of points, and how points lie to each other."""

# ruff: noqa: FBT001, FBT002, PLR0913, PLR0917 - the signatures are those of QdrantClient

from collections.abc import Sequence
from typing import Any

from qdrant_client import models

from mrl_adapters.edge.groups import grouped, widened
from mrl_adapters.edge.matrix import Find, as_offsets, as_pairs, distance_matrix
from mrl_adapters.edge.parsing import refuse_shard_key, refuse_unknown
from mrl_adapters.edge.reading import Reading


class Exploring(Reading):
    """Find groups and distances. Parameters are those of QdrantClient.

    `consistency` and `timeout` are accepted and mean nothing here: there is one copy, and no
    network. There is one shard: `shard_key_selector` is refused.
    """

    def query_points_groups(
        self,
        collection_name: str,
        group_by: str,
        query: Any = None,
        using: str | None = None,
        prefetch: models.Prefetch | list[models.Prefetch] | None = None,
        query_filter: models.Filter | None = None,
        search_params: models.SearchParams | None = None,
        limit: int = 10,
        group_size: int = 3,
        with_payload: bool | Sequence[str] | models.PayloadSelector = True,
        with_vectors: bool | Sequence[str] = False,
        score_threshold: float | None = None,
        with_lookup: str | models.WithLookup | None = None,
        lookup_from: models.LookupLocation | None = None,
        consistency: Any = None,
        shard_key_selector: Any = None,
        timeout: int | None = None,
        **kwargs: Any,
    ) -> models.GroupsResult:
        """Answer one query by groups of points that share a value; see `query_points`.

        Args:
            collection_name: The collection.
            group_by: The payload field whose values make the groups.
            query: As for `query_points`.
            using: As for `query_points`.
            prefetch: As for `query_points`; each brings group_size times its limit.
            query_filter: Which points count.
            search_params: As for `query_points`.
            limit: How many groups to give.
            group_size: How many points of each at most.
            with_payload: As for `query_points`.
            with_vectors: As for `query_points`.
            score_threshold: As for `query_points`.
            with_lookup: A collection whose point of the group's id comes with each group.
            lookup_from: Not available here.
            consistency: Means nothing here.
            shard_key_selector: Refused; there is one shard.
            timeout: Means nothing here.
            **kwargs: Refused.

        Returns:
            The groups, by their best point.

        Raises:
            ValueError: limit or group_size is below 1, or as for `query_points`.
        """
        del consistency, timeout
        refuse_unknown(kwargs)
        refuse_shard_key(shard_key_selector)
        for name, value in (("limit", limit), ("group_size", group_size)):
            if value < 1:
                message = f"{name} is {value}. Expected 1 or more."
                raise ValueError(message)
        wide = widened(prefetch, group_size)

        def find(count: int) -> list[models.ScoredPoint]:
            return self.query_points(
                collection_name,
                query,
                using,
                wide,
                query_filter,
                search_params,
                count,
                score_threshold=score_threshold,
                lookup_from=lookup_from,
            ).points

        groups = grouped(find, group_by, limit, group_size)
        self._dress(collection_name, groups, with_payload, with_vectors)
        if with_lookup is not None:
            self._look_up(groups, with_lookup)
        return models.GroupsResult(groups=groups)

    def _dress(
        self, collection_name: str, groups: list[models.PointGroup], payload: Any, vectors: Any
    ) -> None:
        """Give grouped points what was asked for of payload and vectors."""
        if payload is True and not vectors:
            return
        ids = list({hit.id for group in groups for hit in group.hits})
        found = {each.id: each for each in self.retrieve(collection_name, ids, payload, vectors)}
        for group in groups:
            group.hits = [
                hit.model_copy(
                    update={"payload": found[hit.id].payload, "vector": found[hit.id].vector}
                )
                for hit in group.hits
            ]

    def _look_up(self, groups: list[models.PointGroup], given: str | models.WithLookup) -> None:
        wanted = (
            given if isinstance(given, models.WithLookup) else models.WithLookup(collection=given)
        )
        payload = True if wanted.with_payload is None else wanted.with_payload
        ids = [group.id for group in groups]
        found = self.retrieve(wanted.collection, ids, payload, wanted.with_vectors or False)
        by_id = {each.id: each for each in found}
        for group in groups:
            group.lookup = by_id.get(group.id)

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
        """Tell how near random points are to each other, as pairs."""
        del consistency, timeout
        refuse_unknown(kwargs)
        refuse_shard_key(shard_key_selector)
        return as_pairs(
            distance_matrix(self._finder(collection_name), using, query_filter, limit, sample)
        )

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
        """Tell how near random points are to each other, as offsets and scores."""
        del consistency, timeout
        refuse_unknown(kwargs)
        refuse_shard_key(shard_key_selector)
        return as_offsets(
            distance_matrix(self._finder(collection_name), using, query_filter, limit, sample)
        )

    def _finder(self, collection_name: str) -> Find:
        return lambda requests: [
            each.points for each in self.query_batch_points(collection_name, requests)
        ]
