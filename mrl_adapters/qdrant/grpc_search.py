"""Searches by gRPC, sent without a look at every number.

qdrant-client's own methods look through queries for texts that it is to embed, number by number,
and copy those of a batch beforehand. Searches here hold vectors, which need neither.
"""

from collections.abc import Sequence
from typing import Any

from qdrant_client import QdrantClient, grpc, models
from qdrant_client.conversions.conversion import GrpcToRest, RestToGrpc

from mrl_adapters.qdrant.plan import SearchPlan


def goes_by_grpc(client: object) -> bool:
    """Return whether a client, blocking or not, sends its requests by gRPC."""
    options: Any = getattr(client, "init_options", {})
    return bool(options.get("prefer_grpc"))


def query_by_grpc(
    client: QdrantClient, name: str, requests: Sequence[models.QueryRequest], plan: SearchPlan
) -> Any:
    """Send searches, in one request.

    Args:
        client: Blocking or, under that type, async.
        name: The collection.
        requests: The searches.
        plan: Says how long is waited, and how consistent the answer must be.

    Returns:
        The message that answers, or what to await for it.
    """
    agreed = plan.consistency
    message = grpc.QueryBatchPoints(
        collection_name=name,
        query_points=[RestToGrpc.convert_query_request(each, name) for each in requests],
        read_consistency=None if agreed is None else RestToGrpc.convert_read_consistency(agreed),
        timeout=plan.timeout_s,
    )
    limit_s = plan.timeout_s or client.init_options.get("timeout")
    return client.grpc_points.QueryBatch(message, timeout=limit_s)


def hits_by_grpc(answer: grpc.QueryBatchResponse) -> list[list[models.ScoredPoint]]:
    """Read the message that answers searches: the hits, one list a search."""
    return [[GrpcToRest.convert_scored_point(hit) for hit in each.result] for each in answer.result]
