"""Warnings name the line of the user's program, whichever way leads there."""

import asyncio
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import VectorStoreQuery
from qdrant_client import QdrantClient, models

import mrl_adapters
from mrl_adapters import langchain, llama_index
from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.qdrant import Driver, MatryoshkaCollection, OneStageWarning
from mrl_adapters.registry import MatryoshkaWarning

Ask = Callable[[QdrantClient], Any]


def _store(client: QdrantClient) -> langchain.MatryoshkaVectorStore:
    return langchain.MatryoshkaVectorStore(client, "docs", WordLlamaEmbedder())


def _nodes(client: QdrantClient) -> llama_index.MatryoshkaVectorStore:
    return llama_index.MatryoshkaVectorStore("docs", client=client)


_VECTOR = [0.1] * 256
_WAYS: dict[str, Ask] = {
    "core": lambda client: Driver(client).run(MatryoshkaCollection("docs").open()),
    "store": lambda client: _store(client).similarity_search("honey"),
    "retriever": lambda client: _store(client).as_retriever().invoke("honey"),
    "documents": lambda client: _store(client).add_texts(["honey"]),
    "query": lambda client: _nodes(client).query(VectorStoreQuery(query_embedding=_VECTOR)),
    "nodes": lambda client: _nodes(client).add([TextNode(text="honey", embedding=_VECTOR)]),
}


def _places(ask: Ask) -> list[str]:
    client = QdrantClient(":memory:")
    client.create_collection("docs", models.VectorParams(size=256, distance="Cosine"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ask(client)
    return [each.filename for each in caught if each.category is OneStageWarning]


@pytest.mark.parametrize("way", _WAYS)
def test_a_warning_of_a_collection_names_the_callers_line(way: str) -> None:
    assert _places(_WAYS[way]) == [__file__]


def test_from_a_thread_that_works_for_a_coroutine_no_line_of_this_package_is_named() -> None:
    [place] = _places(lambda client: asyncio.run(_store(client).asimilarity_search("honey")))
    assert not Path(place).is_relative_to(Path(mrl_adapters.__file__).parent)


def test_a_warning_of_a_model_names_the_callers_line() -> None:
    with pytest.warns(MatryoshkaWarning) as caught:
        langchain.MatryoshkaEmbeddings(WordLlamaEmbedder(), 100)
    assert caught[0].filename == __file__
