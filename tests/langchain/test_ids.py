"""Ids of a LangChain store: any spelling, integers and UUIDs, those that the stock store gave."""

import asyncio
import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_qdrant import QdrantVectorStore
from qdrant_client import models

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.langchain import MatryoshkaEmbeddings, MatryoshkaVectorStore
from mrl_adapters.progress import Progress
from mrl_adapters.qdrant import migrate
from mrl_adapters.qdrant.driver import Client

NewStore = Callable[..., MatryoshkaVectorStore]
SOME = uuid.UUID("0f8fad5b-d9cb-469f-a165-70867728950e")


def texts_of(documents: list[Document]) -> list[str]:
    return [each.page_content for each in documents]


@pytest.mark.parametrize(
    "identifier", [17, np.int64(17), "17", SOME, str(SOME), SOME.hex, SOME.urn]
)
def test_a_document_is_added_read_replaced_and_deleted_by_any_id(
    new_store: NewStore, identifier: Any
) -> None:
    store = new_store()
    assert store.add_texts(["a file"], ids=[identifier]) == [str(identifier)]
    assert [each.id for each in store.get_by_ids([identifier])] == [str(identifier)]
    store.add_texts(["a date"], ids=[identifier])
    assert texts_of(store.similarity_search("anything", k=5)) == ["a date"]
    asyncio.run(store.aadd_texts(["a list"], ids=[identifier]))
    assert texts_of(asyncio.run(store.aget_by_ids([identifier]))) == ["a list"]
    store.delete([identifier])
    assert store.get_by_ids([identifier]) == []


def test_ids_that_the_stock_store_gave_reach_its_documents_after_a_migration(
    client: Client, embeddings: Any
) -> None:
    client.create_collection(
        "docs", vectors_config=models.VectorParams(size=256, distance=models.Distance.COSINE)
    )
    full = MatryoshkaEmbeddings(embeddings, 256)
    stock = QdrantVectorStore(
        client=client, collection_name="docs", embedding=full, validate_collection_config=False
    )
    ids = stock.add_texts(["copy a file", "parse a date", "open a socket"])
    migrate(client, "docs", stages=(64,), model=embeddings.model)
    store = MatryoshkaVectorStore(client, "docs", full)
    assert texts_of(store.get_by_ids(ids)) == ["copy a file", "parse a date", "open a socket"]
    store.add_texts(["parse a time"], ids=[ids[1]])
    store.delete(ids[:1])
    assert sorted(texts_of(store.similarity_search("parse", k=9))) == [
        "open a socket",
        "parse a time",
    ]


@pytest.mark.parametrize("wrong", [True, 1.5, b"1", float("nan"), ["a"], "\ud83d"])
def test_what_is_no_id_is_refused_before_anything_is_embedded(
    new_store: NewStore, embeddings: Any, wrong: Any
) -> None:
    store = new_store()
    with pytest.raises(ConfigurationError, match=r"ids\[1\]"):
        store.add_texts(["a file", "a date"], ids=["good", wrong])
    for call in (store.get_by_ids, store.delete):
        with pytest.raises(ConfigurationError, match=r"ids\[0\]"):
            call([wrong])
    assert embeddings.documents == []


def test_none_among_the_ids_to_delete_is_refused_and_an_empty_list_deletes_none(
    store: MatryoshkaVectorStore,
) -> None:
    with pytest.raises(ConfigurationError, match=r"ids\[0\] is None"):
        store.delete([None])  # type: ignore[list-item] # what the test is about
    store.delete([])
    assert len(store.get_by_ids(list("abcdef"))) == 6


def test_progress_counts_points_and_not_what_replaced_itself(new_store: NewStore) -> None:
    counted: list[Progress] = []
    store = new_store()
    store.add_texts(["a", "b", "c"], ids=["1", 1, SOME.hex], progress=counted.append)
    assert [(at.phase, at.done, at.total) for at in counted] == [
        ("adding texts", 0, 3),
        ("adding texts", 2, 3),
    ]
    assert texts_of(store.get_by_ids([1])) == ["b"]
