"""Send searches and take the hits out of the answers."""

import math
from collections.abc import Sequence
from typing import Any

from qdrant_client import models

from mrl_adapters.errors import AnswerError
from mrl_adapters.qdrant.flow import CLIENT, Flow, ask, current_engine
from mrl_adapters.qdrant.grpc_search import goes_by_grpc, hits_by_grpc, query_by_grpc
from mrl_adapters.qdrant.plan import SearchPlan
from mrl_adapters.qdrant.strict_mode import limits_of


def answers_of(
    name: str, requests: Sequence[models.QueryRequest], plan: SearchPlan
) -> Flow[list[list[models.ScoredPoint]]]:
    """Send searches in one request, or as many as a server's strict mode asks for.

    Args:
        name: The collection.
        requests: The searches.
        plan: Says how long is waited, and how consistent the answer must be.

    Returns:
        The hits, one list a search.

    Raises:
        AnswerError: The server's answer is none.
    """
    limits = yield from limits_of(name)
    hits: list[list[models.ScoredPoint]] = []
    for some in limits.batches(requests):
        hits += yield from _answers(name, [limits.fit(name, each) for each in some], plan)
    return hits


def _answers(
    name: str, requests: Sequence[models.QueryRequest], plan: SearchPlan
) -> Flow[list[list[models.ScoredPoint]]]:
    if goes_by_grpc(CLIENT.get()):
        message = yield from ask(lambda c: query_by_grpc(c, name, requests, plan))
        return checked_hits(hits_by_grpc(message), len(requests))
    options: dict[str, Any] = {"consistency": plan.consistency, "timeout": plan.timeout_s}
    is_server = current_engine().is_server
    if len(requests) > 1 and is_server:
        # qdrant-client's own method copies every number of a batch, in search of texts to embed.
        sent = models.QueryRequestBatch(searches=[*requests])
        batch: Any = yield from ask(
            lambda c: c.http.search_api.query_batch_points(
                name, query_request_batch=sent, **options
            )
        )
        return checked_hits([each.points for each in batch.result or []], len(requests))
    if is_server:
        alone: Any = requests[0]
        answer = yield from ask(
            lambda c: c.query_points(
                name,
                query=alone.query,
                using=alone.using,
                prefetch=alone.prefetch,
                query_filter=alone.filter,
                search_params=alone.params,
                score_threshold=alone.score_threshold,
                limit=alone.limit,
                offset=alone.offset,
                with_vectors=alone.with_vector,
                with_payload=alone.with_payload,
                shard_key_selector=alone.shard_key,
                **options,
            )
        )
        return checked_hits([answer.points], 1)
    answers = yield from ask(lambda c: c.query_batch_points(name, requests, **options))
    return checked_hits([each.points for each in answers], len(requests))


def checked_hits(
    hits: list[list[models.ScoredPoint]], count: int
) -> list[list[models.ScoredPoint]]:
    """Return the hits of several searches, as long as there are so many answers, with scores."""
    if len(hits) != count:
        msg = (
            f"The server gave {len(hits)} answers to {count} searches. Check the address: does "
            "another service, or a proxy, answer there?"
        )
        raise AnswerError(msg, found=len(hits), expected=count)
    for points in hits:
        for hit in points:
            if not math.isfinite(hit.score):
                msg = (
                    f"The server gave point {hit.id!r} the score {hit.score}, expected a finite "
                    "number. Look at the point's vectors: mrl-adapters audit finds such."
                )
                raise AnswerError(msg, found=hit.score)
    return hits
