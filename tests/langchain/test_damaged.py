"""A collection whose files are damaged is an error of this package, in both colours."""

import asyncio
import os
from pathlib import Path

import pytest

from mrl_adapters.errors import EngineError
from mrl_adapters.langchain import MatryoshkaVectorStore
from mrl_adapters.qdrant import connect


def test_searching_a_damaged_collection_is_an_error_and_others_are_found(embeddings, tmp_path):
    with connect(path=str(tmp_path)) as client:
        for name in ("docs", "others"):
            MatryoshkaVectorStore(client, name, embeddings).add_texts(
                ["one", "two"], ids=["a", "b"]
            )
    damage(tmp_path / "collections" / "docs")
    with connect(path=str(tmp_path)) as client:

        def search(name: str):
            return MatryoshkaVectorStore(client, name, embeddings).similarity_search("one", k=1)

        async def asearch(name: str):
            store = MatryoshkaVectorStore(client, name, embeddings)
            return await store.asimilarity_search("one", k=1)

        with pytest.raises(EngineError, match=r"status.dat has 0 bytes.* restore "):
            search("docs")
        with pytest.raises(EngineError, match=r"status.dat has 0 bytes.* restore "):
            asyncio.run(asearch("docs"))
        assert [each.id for each in search("others")] == ["a"]
        assert [each.id for each in asyncio.run(asearch("others"))] == ["a"]


def damage(collection: Path) -> None:
    files = list(collection.glob("shard/segments/*/vector_storage*/deleted/status.dat"))
    assert files
    for file in files:
        os.truncate(file, 0)
