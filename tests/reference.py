"""What searches are compared with: brute force over full vectors, and the requests themselves."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from qdrant_client import AsyncQdrantClient, models

from mrl_adapters.qdrant import EdgeClient
from mrl_adapters.qdrant.driver import Client


def ranking(
    question: Sequence[float], vectors: Mapping[str, Sequence[float]]
) -> list[tuple[str, float]]:
    """Rank ids by the cosine of their vectors, nearest first, by brute force."""
    scores = {name: _cosine(question, vector) for name, vector in vectors.items()}
    return sorted(scores.items(), key=lambda item: -item[1])


def diverse_ranking(
    question: Sequence[float], vectors: Mapping[str, Sequence[float]], k: int, share: float
) -> list[str]:
    """Choose k ids greedily by maximal marginal relevance, among all of them."""
    chosen = [ranking(question, vectors)[0][0]]
    while len(chosen) < k:
        margins = {
            name: share * _cosine(question, vector)
            - (1 - share) * max(_cosine(vector, vectors[other]) for other in chosen)
            for name, vector in vectors.items()
            if name not in chosen
        }
        chosen.append(max(margins, key=margins.__getitem__))
    return chosen


# A single search on a server is no batch: what a request calls its parts, and what they are there.
_PARTS = {
    "query": "query",
    "using": "using",
    "prefetch": "prefetch",
    "filter": "query_filter",
    "params": "search_params",
    "score_threshold": "score_threshold",
    "limit": "limit",
    "with_vector": "with_vectors",
    "with_payload": "with_payload",
    "shard_key": "shard_key_selector",
}


def record_requests(client: Client, monkeypatch: pytest.MonkeyPatch) -> list[models.QueryRequest]:
    """Return the list that gets each search request of a client from here on."""
    recorded: list[models.QueryRequest] = []

    def recording(answer: Any) -> Any:
        def query_batch_points(*given: Any, **options: Any) -> Any:
            recorded.extend(options["requests"] if "requests" in options else given[-1])
            return answer(*given, **options)

        return query_batch_points

    def recording_one(answer: Any) -> Any:
        def query_points(*given: Any, **options: Any) -> Any:
            parts = {name: options[of] for name, of in _PARTS.items()}
            recorded.append(models.QueryRequest.model_construct(**parts))
            return answer(*given, **options)

        return query_points

    # A coroutine's search of a server goes by a client that its event loop gets when it is needed.
    for owner in (client, AsyncQdrantClient):
        monkeypatch.setattr(owner, "query_batch_points", recording(owner.query_batch_points))
        if not isinstance(owner, EdgeClient):
            monkeypatch.setattr(owner, "query_points", recording_one(owner.query_points))
    return recorded


def shortlists(request: models.QueryRequest) -> dict[str, int]:
    """Return the limit of each stage of a request by the name of its vector, outermost first."""
    limits, stage = {}, request.prefetch
    while stage is not None:
        limits[stage.using] = stage.limit
        stage = stage.prefetch
    return limits


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    left, right = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    return float(left @ right / np.linalg.norm(left) / np.linalg.norm(right))
