"""A collection that another process changes behind a store that has it open."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from llama_index.core.vector_stores import VectorStoreQuery

from mrl_adapters.llama_index import MatryoshkaRetriever, MatryoshkaVectorStore
from mrl_adapters.qdrant import CollectionLayout, EdgeClient, SearchPlan, rotate
from mrl_adapters.qdrant.driver import Client

Call = Callable[..., Any]


def vectors(count: int, size: int = 32) -> list[list[float]]:
    return np.random.default_rng(3).normal(size=(count, size)).tolist()


def made(name: str, client: Client, layout: CollectionLayout) -> MatryoshkaVectorStore:
    store = MatryoshkaVectorStore(name, client, layout=layout)
    embeddings = vectors(40, layout.dimensions)
    store.add([TextNode(id_=f"n{row}", text="t", embedding=v) for row, v in enumerate(embeddings)])
    return store


@pytest.mark.parametrize("options", [{}, {"exact": False}, {"plan": {"oversampling": 2}}], ids=str)
@pytest.mark.parametrize("door", ["query", "query_batch", "retrieve"])
def test_a_saved_plan_that_a_rotation_dropped_is_dropped_here_too(
    client: Client, name: str, call: Call, options: dict[str, Any], door: str
) -> None:
    if not isinstance(client, EdgeClient):
        pytest.skip("local mode searches full vectors alone")
    store = made(name, client, CollectionLayout(32, (8,)))
    store.driver.run(store.collection.save_plan(SearchPlan(stages=(8,))))
    other = MatryoshkaVectorStore(name, client)
    [asked] = vectors(1)
    assert other.query(VectorStoreQuery(asked, similarity_top_k=1)).ids == ["n0"]
    rotate(client, name, stages=(4,))
    if door == "retrieve":
        retriever = MatryoshkaRetriever(other, MockEmbedding(32), 1, **options)
        hits: list[NodeWithScore] = call(retriever, door, QueryBundle("?", embedding=asked))
        assert [hit.node.node_id for hit in hits] == ["n0"]
        return
    query: Any = VectorStoreQuery(asked, similarity_top_k=1)
    result = call(other, door, [query] if door == "query_batch" else query, **options)
    assert (result[0] if door == "query_batch" else result).ids == ["n0"]


def test_similarities_are_those_of_the_distance_that_is_there_now(
    client: Client, name: str, call: Call
) -> None:
    if not isinstance(client, EdgeClient):
        pytest.skip("local mode does not look at the stages, which say that it is another one")
    store = made(name, client, CollectionLayout(32, (8,)))
    opened = MatryoshkaVectorStore(name, client)
    [asked] = vectors(1)
    query = VectorStoreQuery([2 * value for value in asked], similarity_top_k=1)
    assert opened.query(query).similarities == [pytest.approx(1, abs=1e-3)]
    store.clear()
    made(name, client, CollectionLayout(32, (4,), "Euclid"))
    away = float(np.linalg.norm(asked))
    assert call(opened, "query", query).similarities == [pytest.approx(1 / (1 + away), abs=1e-3)]
