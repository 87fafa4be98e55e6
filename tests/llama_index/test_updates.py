"""An update that is refused costs nothing of what was there, whoever makes it."""

import math
from typing import Any

import pytest
from llama_index.core import Document, VectorStoreIndex
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.storage.docstore import SimpleDocumentStore

from mrl_adapters.errors import MRLError
from mrl_adapters.llama_index import MatryoshkaVectorStore
from mrl_adapters.qdrant import CollectionLayout

SIZE = 32


@pytest.fixture
def store(new_store: Any) -> MatryoshkaVectorStore:
    made: MatryoshkaVectorStore = new_store(layout=CollectionLayout(SIZE, (8,)))
    return made


def held(store: MatryoshkaVectorStore) -> list[Any]:
    """All that the store holds: ids, texts, metadata, every vector."""
    records = store.driver.run(store.collection.scroll(with_vectors=True))
    # Cosine rescales what has unit length already, so that last digits may differ.
    return [
        (each.id, each.payload, {name: approx(vector) for name, vector in each.vector.items()})
        for each in sorted(records, key=lambda each: str(each.id))
    ]


def approx(vector: list[float]) -> list[float]:
    return [round(number, 5) for number in vector]


class Half(MockEmbedding):
    """Numbers of a wrong size where a text says so."""

    def _get_text_embedding(self, text: str) -> list[float]:
        return super()._get_text_embedding(text)[: SIZE - 1 if "short" in text else SIZE]

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embedding(text)


REFUSED: dict[str, dict[str, Any]] = {
    "NaN": {"text": "new", "metadata": {"x": math.nan}},
    "infinity": {"text": "new", "metadata": {"x": {"deep": [math.inf]}}},
    "a huge integer": {"text": "new", "metadata": {"x": 2**70}},
    "a lone surrogate": {"text": "new", "metadata": {"x": "\ud800"}},
    "an object": {"text": "new", "metadata": {"x": object()}},
    "a wrong size": {"text": "short", "metadata": {}},
}


def index_of(store: MatryoshkaVectorStore) -> VectorStoreIndex:
    return VectorStoreIndex.from_vector_store(store, embed_model=Half(embed_dim=SIZE))


@pytest.mark.parametrize("kind", REFUSED)
def test_the_old_document_is_back(store: MatryoshkaVectorStore, call: Any, kind: str) -> None:
    index = index_of(store)
    for name in "DE":
        index.insert(Document(text=f"good {name}", id_=name, metadata={"x": 1}))
    before = held(store)
    with pytest.raises(MRLError) as caught:
        call(index, "update_ref_doc", Document(id_="D", **REFUSED[kind]))
    assert vars(caught.value)["restored_ids"] == ["D"]
    assert held(store) == before
    call(index, "update_ref_doc", Document(id_="D", text="better", metadata={"x": 2}))
    assert sorted(node.get_content() for node in store.get_nodes()) == ["better", "good E"]


def test_pipelines_lose_none_of_their_documents(store: MatryoshkaVectorStore) -> None:
    pipeline = IngestionPipeline(
        transformations=[Half(embed_dim=SIZE)],
        vector_store=store,
        docstore=SimpleDocumentStore(),
        docstore_strategy=DocstoreStrategy.UPSERTS,
    )
    names = ["a", "b", "c"]
    pipeline.run(documents=[Document(text=f"good {name}", id_=name) for name in names])
    before = held(store)
    changed = [Document(text=f"new {name}", id_=name) for name in names]
    changed[1].metadata["x"] = math.nan
    with pytest.raises(MRLError) as caught:
        pipeline.run(documents=changed)
    assert sorted(vars(caught.value)["restored_ids"]) == names
    assert held(store) == before


def part(number: int, **metadata: Any) -> TextNode:
    node = TextNode(text=f"part {number}", id_=f"p{number}", metadata=metadata)
    node.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id="D")
    node.embedding = [1.0] * SIZE
    return node


def test_what_is_deleted_for_good_stays_away(store: MatryoshkaVectorStore, call: Any) -> None:
    call(store, "add", [part(1), part(2)])
    call(store, "delete", "D")
    other = TextNode(text="other", id_="o", embedding=[1.0] * SIZE, metadata={"x": math.nan})
    with pytest.raises(MRLError) as caught:
        call(store, "add", [other])
    assert "restored_ids" not in vars(caught.value)
    assert store.get_nodes() == []


def test_a_document_that_was_replaced_is_not_brought_back(
    store: MatryoshkaVectorStore, call: Any
) -> None:
    call(store, "add", [part(1)])
    call(store, "delete", "D")
    call(store, "add", [part(2)])
    with pytest.raises(MRLError):
        call(store, "add", [part(3, x=math.nan)])
    assert [node.node_id for node in store.get_nodes()] == ["p2"]


def test_of_large_documents_the_newest_are_kept(
    store: MatryoshkaVectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mrl_adapters.llama_index.updates._MOST_POINTS", 3)
    store.add([part(number) for number in range(4)])
    store.delete("D")
    assert store._replaced._points == {}
    with pytest.raises(MRLError) as caught:
        store.add([part(1, x=math.nan)])
    assert "restored_ids" not in vars(caught.value)
