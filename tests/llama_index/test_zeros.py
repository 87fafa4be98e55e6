"""A node whose embedding is all zeros is kept, and costs nothing that was there before."""

import asyncio

import pytest
from llama_index.core import Document, MockEmbedding, StorageContext, VectorStoreIndex
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters, VectorStoreQuery

from mrl_adapters.errors import EmbeddingError
from mrl_adapters.qdrant import ZeroVectorsWarning


class Blank(MockEmbedding):
    """Gives zeros for texts about nothing."""

    def _get_text_embedding(self, text):
        return [0.0 if "nothing" in text else 1.0] * self.embed_dim

    async def _aget_text_embedding(self, text):
        return self._get_text_embedding(text)


UPDATES = {
    "update": lambda index, document: index.update_ref_doc(document),
    "aupdate": lambda index, document: asyncio.run(index.aupdate_ref_doc(document)),
    "refresh": lambda index, document: index.refresh_ref_docs([document]),
}


@pytest.mark.parametrize("update", UPDATES)
def test_an_update_to_zeros_keeps_the_new_document(new_store, update):
    store = new_store()
    index = VectorStoreIndex.from_documents(
        [Document(text="old text", id_="d1"), Document(text="other", id_="d2")],
        storage_context=StorageContext.from_defaults(vector_store=store),
        embed_model=Blank(embed_dim=256),
    )
    with pytest.warns(ZeroVectorsWarning, match="of 1 documents"):
        UPDATES[update](index, Document(text="nothing", id_="d1"))
    texts = sorted(node.text for node in store.get_nodes())
    assert texts[0] == "nothing"
    found = [each.node.text for each in index.as_retriever(similarity_top_k=9).retrieve("text")]
    assert "nothing" not in found
    assert "other" in found
    index.delete_ref_doc("d1")
    assert "nothing" not in [node.text for node in store.get_nodes()]


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_nodes_of_zeros_are_read_and_deleted_like_others(new_store, colour):
    store = new_store()
    nodes = [
        TextNode(id_=each, text=each, embedding=embedding, metadata={"page": each})
        for each, embedding in (("a", [1.0] * 256), ("b", [0.0] * 256), ("c", [0.0] * 256))
    ]
    with pytest.warns(ZeroVectorsWarning, match=r"\('b', 'c'\)") as told:
        ids = store.add(nodes) if colour == "sync" else asyncio.run(store.async_add(nodes))
    assert (ids, len(told)) == (["a", "b", "c"], 1)
    read = {node.node_id: node.embedding for node in store.get_nodes(ids, with_embeddings=True)}
    assert set(read) == {"a", "b", "c"}
    assert read["a"] is not None
    assert read["b"] is read["c"] is None
    (node,) = store.get_nodes(
        filters=MetadataFilters(filters=[MetadataFilter(key="page", value="b")])
    )
    assert node.text == "b"
    store.delete_nodes(["b"])
    assert {node.node_id for node in store.get_nodes()} == {"a", "c"}


def test_zeros_beside_a_blank_question_take_what_passes_the_filters(store, nodes, call):
    even = MetadataFilters(filters=[MetadataFilter(key="n", value=[0, 2, 4], operator="in")])
    blank = VectorStoreQuery([0.0] * 256, query_str="", filters=even, similarity_top_k=9)
    asked = VectorStoreQuery(nodes[5].embedding, query_str="gzip", similarity_top_k=1)
    listed, found, few = call(
        store, "query_batch", [blank, asked, VectorStoreQuery([0.0] * 256, 2, query_str="")]
    )
    assert sorted(listed.ids) == ["a", "c", "e"]
    assert listed.similarities == [0.0] * 3
    assert found.ids == ["f"]
    assert len(few.ids) == 2
    assert sorted(call(store, "query", blank).ids) == ["a", "c", "e"]
    for question in (None, "a question"):
        with pytest.raises(EmbeddingError, match="all zeros"):
            call(store, "query", VectorStoreQuery([0.0] * 256, query_str=question))
