"""Payloads are those of langchain-qdrant: each store reads what the other wrote."""

import re
import warnings

import pytest
from langchain_core.documents import Document
from langchain_qdrant import QdrantVectorStore
from qdrant_client import models

from mrl_adapters.langchain import MatryoshkaVectorStore
from mrl_adapters.qdrant import MissingShortVectorsWarning, UnreadableContentWarning
from mrl_adapters.qdrant.commands import command


def stock(client, embeddings) -> QdrantVectorStore:
    return QdrantVectorStore(client, "docs", embeddings, vector_name="full")


def test_the_stock_store_reads_ours(store, client, embeddings):
    found = stock(client, embeddings).similarity_search(
        "delete files",
        k=2,
        filter=models.Filter(
            must=[models.FieldCondition(key="metadata.even", match=models.MatchValue(value=False))]
        ),
    )
    assert found[0].page_content == "Delete a file from the disk."
    assert found[0].metadata["n"] == 1


def test_we_read_what_the_stock_store_wrote(store, client, embeddings):
    identifier = "00000000-0000-4000-8000-000000000002"
    document = Document(page_content="Written by the stock store.", metadata={"from": "stock"})
    stock(client, embeddings).add_documents([document], ids=[identifier])
    line = re.escape(command("repair", "docs", client=client))
    with pytest.warns(MissingShortVectorsWarning, match=f"1 points lack .* {line}"):
        opened = MatryoshkaVectorStore.from_existing_collection("docs", embeddings, client=client)
    (read,) = opened.get_by_ids([identifier])
    assert (read.page_content, read.metadata) == (document.page_content, document.metadata)
    (found,) = opened.similarity_search(document.page_content, k=1, plan={"exact": True})
    assert found == read


def test_the_warning_of_missing_short_vectors_comes_once(store, client, embeddings):
    stock(client, embeddings).add_texts(["no short vector"])
    opened = MatryoshkaVectorStore(client, "docs", embeddings)
    with pytest.warns(MissingShortVectorsWarning):
        opened.similarity_search("files")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opened.similarity_search("files")


def test_documents_are_what_langchain_itself_makes(store, client):
    [found] = store.get_by_ids(["b"])
    made = Document(**{name: getattr(found, name) for name in ("id", "page_content", "metadata")})
    assert found == made
    assert (found.to_json(), found.model_dump()) == (made.to_json(), made.model_dump())


@pytest.mark.parametrize("wrong", [{"page_content": 5}, {"metadata": ["no", "mapping"]}])
def test_somebody_elses_payload_ends_no_search_and_is_told_of(store, client, wrong):
    client.set_payload("docs", wrong, points=models.Filter())
    with pytest.warns(UnreadableContentWarning, match="'docs'"):
        found = store.similarity_search("files")
    assert all(isinstance(each.page_content, str) and each.metadata is not None for each in found)
    assert found
