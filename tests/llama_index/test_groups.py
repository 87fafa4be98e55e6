"""The best nodes of each document, through the LlamaIndex store and its retrievers."""

import itertools

import pytest
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores import VectorStoreQuery
from llama_index.core.vector_stores.types import VectorStoreQueryMode

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.llama_index import MatryoshkaRetriever

SENTENCES = [
    *("Copy a directory tree.", "Copy one file over another.", "Delete a file from the disk."),
    *("Parse a date.", "Copy text to the clipboard.", "Sort a list of numbers in place."),
]
SOURCES = ["files", "files", "files", "dates", "desk", "lists"]


@pytest.fixture
def passages(new_store, embed_model):
    nodes = [
        TextNode(
            id_=name,
            text=text,
            metadata={"source": source, "doc_id": source},
            relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=f"doc-{source}")},
        )
        for name, text, source in zip("abcdef", SENTENCES, SOURCES, strict=True)
    ]
    store = new_store()
    store.add(embed_model(nodes))
    return store


def ids(nodes) -> list[str]:
    return [node.node_id for node in nodes]


def grouped(nodes, size) -> list[list[str]]:
    found: dict[str, list[str]] = {}
    for node in nodes:
        found.setdefault(node.metadata["source"], []).append(node.node_id)
    return [names[:size] for names in found.values()]


@pytest.mark.parametrize("key", ["source", "ref_doc_id", "doc_id"])
def test_top_k_counts_documents_and_each_has_its_best_nodes(passages, embed_model, call, key):
    embedding = embed_model.get_query_embedding("copy a file")
    every = passages.query(VectorStoreQuery(query_embedding=embedding, similarity_top_k=6)).nodes
    for size, k in itertools.product([1, 2], [1, 2, 4]):
        expected = [*itertools.chain(*grouped(every, size)[:k])]
        query = VectorStoreQuery(query_embedding=embedding, similarity_top_k=k)
        found = call(passages, "query", query, group_by=key, group_size=size)
        assert ids(found.nodes) == expected
        assert len(found.similarities) == len(expected)
        retriever = MatryoshkaRetriever(passages, embed_model, k, group_by=key, group_size=size)
        assert ids(call(retriever, "retrieve", "copy a file")) == expected
        [batched] = call(retriever, "retrieve_batch", ["copy a file"])
        assert ids(batched) == expected


def test_an_indexs_own_retriever_groups_by_its_keyword_arguments(passages, embed_model):
    context = StorageContext.from_defaults(vector_store=passages)
    index = VectorStoreIndex([], storage_context=context, embed_model=embed_model)
    options = {"group_by": "source", "group_size": 1}
    found = index.as_retriever(similarity_top_k=2, vector_store_kwargs=options).retrieve("copy")
    assert len({node.metadata["source"] for node in found}) == len(found) == 2


def test_what_cannot_be_grouped_by_is_refused(passages, embed_model, call):
    with pytest.raises(ConfigurationError, match="group_by is '', expected a metadata key"):
        MatryoshkaRetriever(passages, embed_model, group_by="")
    with pytest.raises(ConfigurationError, match="group_size is True"):
        MatryoshkaRetriever(passages, embed_model, group_by="source", group_size=True)
    query = VectorStoreQuery(
        query_embedding=embed_model.get_query_embedding("copy"), mode=VectorStoreQueryMode.MMR
    )
    with pytest.raises(ConfigurationError, match="ranked by similarity"):
        call(passages, "query", query, group_by="source")
