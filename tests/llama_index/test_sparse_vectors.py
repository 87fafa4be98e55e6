"""Words found by sparse vectors: BM25's on every engine, and those of LlamaIndex's functions."""

import uuid
from typing import Any

import pytest
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import VectorStoreQuery
from llama_index.core.vector_stores.types import VectorStoreQueryMode as Mode
from llama_index.vector_stores.qdrant import QdrantVectorStore
from qdrant_client import QdrantClient, models

from mrl_adapters.errors import CollectionMismatchError, ConfigurationError, EmbeddingError
from mrl_adapters.llama_index import MatryoshkaRetriever, MatryoshkaVectorStore
from mrl_adapters.qdrant import CollectionLayout, MissingSparseVectorsWarning, SparseVectors

QUESTION = "a network socket to listen"
BM25 = {"layout": CollectionLayout(256, (64,), sparse=SparseVectors())}
MODES = [Mode.HYBRID, Mode.SPARSE, Mode.TEXT_SEARCH, Mode.SEMANTIC_HYBRID]


def weigh(texts: list[str]) -> tuple[list[list[int]], list[list[float]]]:
    """Count words, as a sparse function of LlamaIndex."""
    split = [text.lower().replace(".", "").split() for text in texts]
    indices = [[*dict.fromkeys(sum(map(ord, word)) for word in words)] for words in split]
    counted = [
        [float(sum(sum(map(ord, word)) == index for word in words)) for index in row]
        for words, row in zip(split, indices, strict=True)
    ]
    return indices, counted


FUNCTIONS = {"enable_hybrid": True, "sparse_doc_fn": weigh, "sparse_query_fn": weigh}


def query(embed_model: Any, mode: Mode, text: str = QUESTION) -> VectorStoreQuery:
    embedding = embed_model.get_query_embedding(text)
    return VectorStoreQuery(
        query_embedding=embedding, query_str=text, similarity_top_k=3, mode=mode
    )


def sparse_vectors(client: Any, name: str) -> dict[str, models.SparseVectorParams]:
    return client.get_collection(name).config.params.sparse_vectors or {}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("options", [BM25, FUNCTIONS], ids=["bm25", "functions"])
def test_every_mode_works_on_every_engine(client, name, nodes, embed_model, call, options, mode):
    store = MatryoshkaVectorStore(name, client, **options)
    call(store, "add", nodes)
    found = call(store, "query", query(embed_model, mode))
    assert found.ids[0] == "d"
    retriever = MatryoshkaRetriever(store, embed_model, 3, mode=mode)
    assert [each.node_id for each in call(retriever, "retrieve", QUESTION)] == found.ids
    held, _ = client.scroll(name, with_vectors=True)
    [sparse_name] = sparse_vectors(client, name)
    assert all(each.vector[sparse_name].indices for each in held)


def test_the_flag_finds_words_by_what_the_engine_has(client, name, nodes, embed_model):
    store = MatryoshkaVectorStore(name, client, enable_hybrid=True)
    store.add(nodes)
    has_index = store.collection.layout.text_index is not None
    assert bool(sparse_vectors(client, name)) == (not has_index)
    assert has_index or isinstance(client, QdrantClient)
    assert store.query(query(embed_model, Mode.SPARSE)).ids[0] == "d"


def test_a_changed_document_is_found_by_its_new_words(client, name, nodes, embed_model):
    store = MatryoshkaVectorStore(name, client, **BM25)
    store.add(nodes)
    changed = TextNode(id_="d", text="Zebras graze.", embedding=nodes[3].embedding)
    store.add([changed])
    assert store.query(query(embed_model, Mode.SPARSE, "zebra")).ids == ["d"]
    assert store.query(query(embed_model, Mode.SPARSE, "sockets")).ids == []


@pytest.mark.parametrize("sparse_name", [None, "text-sparse"])
@pytest.mark.filterwarnings("ignore::mrl_adapters.qdrant.OneStageWarning")
@pytest.mark.filterwarnings("ignore:Payload indexes have no effect")  # the stock store's
def test_a_stock_collection_opens_and_its_sparse_vectors_find_words(
    nodes, embed_model, sparse_name
):
    memory = QdrantClient(":memory:")
    named = {} if sparse_name is None else {"sparse_vector_name": sparse_name}
    stock = QdrantVectorStore("docs", memory, **FUNCTIONS, **named)
    for node in nodes:
        node.id_ = str(uuid.uuid5(uuid.NAMESPACE_OID, node.id_))  # the stock store takes no others
    stock.add(nodes)
    store = MatryoshkaVectorStore("docs", memory, **FUNCTIONS)
    asked = query(embed_model, Mode.SPARSE)
    assert store.query(asked).ids == stock.query(asked).ids
    assert store.collection.layout.sparse.name == (sparse_name or "text-sparse-new")
    new = TextNode(text="Zebras graze.", embedding=nodes[0].embedding)
    store.add([new])
    zebra = query(embed_model, Mode.SPARSE, "zebras")
    assert store.query(zebra).ids == stock.query(zebra).ids == [new.node_id]
    unknown = MatryoshkaVectorStore("docs", memory)
    with pytest.raises(CollectionMismatchError, match=r"no sparse vectors but .*sparse_doc_fn="):
        unknown.query(asked)
    with pytest.warns(MissingSparseVectorsWarning, match="sparse_doc_fn="):
        unknown.add([new])
    memory.close()


def test_name_and_rareness_are_the_options(client, name, nodes):
    idf = models.SparseVectorParams(modifier=models.Modifier.IDF)
    given = {**FUNCTIONS, "sparse_vector_name": "words", "sparse_config": idf}
    MatryoshkaVectorStore(name, client, **given).add(nodes)
    assert sparse_vectors(client, name)["words"].modifier == models.Modifier.IDF


def test_what_cannot_be_is_refused(client, name, nodes):
    with pytest.raises(ConfigurationError, match="got no sparse_query_fn beside the other"):
        MatryoshkaVectorStore(name, client, enable_hybrid=True, sparse_doc_fn=weigh)
    on_disk = models.SparseVectorParams(index=models.SparseIndexParams(on_disk=True))
    with pytest.raises(ConfigurationError, match=r"sparse_config.index got on_disk=True"):
        MatryoshkaVectorStore(name, client, **FUNCTIONS, sparse_config=on_disk)
    broken = {**FUNCTIONS, "sparse_doc_fn": len}
    with pytest.raises(EmbeddingError, match="A sparse function returned 6, expected a pair"):
        MatryoshkaVectorStore(name, client, **broken).add(nodes)
