"""A collection whose files are damaged is an error of this package, in both colours."""

import asyncio
import os
from pathlib import Path

import pytest
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import VectorStoreQuery

from mrl_adapters.errors import EngineError
from mrl_adapters.llama_index import MatryoshkaVectorStore
from mrl_adapters.qdrant import CollectionLayout, connect

LAYOUT = CollectionLayout(256, (64,))


def test_searching_a_damaged_collection_is_an_error_and_others_are_found(embed_model, tmp_path):
    vector = embed_model.get_text_embedding("one")
    with connect(path=str(tmp_path)) as client:
        for name in ("docs", "others"):
            node = TextNode(id_="a", text="one", embedding=vector)
            MatryoshkaVectorStore(name, client, layout=LAYOUT).add([node])
    damage(tmp_path / "collections" / "docs")
    query = VectorStoreQuery(query_embedding=vector, similarity_top_k=1)
    with connect(path=str(tmp_path)) as client:

        def search(name: str):
            return MatryoshkaVectorStore(name, client, layout=LAYOUT).query(query)

        async def asearch(name: str):
            return await MatryoshkaVectorStore(name, client, layout=LAYOUT).aquery(query)

        with pytest.raises(EngineError, match=r"status.dat has 0 bytes.* restore "):
            search("docs")
        with pytest.raises(EngineError, match=r"status.dat has 0 bytes.* restore "):
            asyncio.run(asearch("docs"))
        assert search("others").ids == ["a"]
        assert asyncio.run(asearch("others")).ids == ["a"]


def damage(collection: Path) -> None:
    files = list(collection.glob("shard/segments/*/vector_storage*/deleted/status.dat"))
    assert files
    for file in files:
        os.truncate(file, 0)
