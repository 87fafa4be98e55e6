"""The best passages of each document, through the LangChain store and its retrievers."""

import itertools

import pytest
from llama_index.core.schema import TextNode

from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.langchain import MatryoshkaRetriever, MatryoshkaVectorStore
from mrl_adapters.llama_index import MatryoshkaVectorStore as NodeStore

SENTENCES = [
    *("Copy a directory tree.", "Copy one file over another.", "Delete a file from the disk."),
    *("Parse a date.", "Copy text to the clipboard.", "Sort a list of numbers in place."),
]
SOURCES = ["files", "files", "files", "dates", "desk", "lists"]


@pytest.fixture
def passages(client) -> MatryoshkaVectorStore:
    store = MatryoshkaVectorStore(client, "passages", WordLlamaEmbedder())
    metadatas = [{"source": source, "a.b": source} for source in SOURCES]
    store.add_texts(SENTENCES, metadatas, ids=[*"abcdef"])
    return store


def grouped(documents, size) -> list[list[str]]:
    found: dict[str, list[str]] = {}
    for document in documents:
        found.setdefault(document.metadata["source"], []).append(document.id)
    return [ids[:size] for ids in found.values()]


def ids(documents) -> list[str]:
    return [document.id for document in documents]


@pytest.mark.parametrize("key", ["source", "a.b", '"a.b"'])
@pytest.mark.parametrize("size", [1, 2, 3])
async def test_k_counts_documents_and_each_has_its_best_passages(passages, key, size):
    expected = grouped(passages.similarity_search("copy a file", k=6), size)
    for k in range(1, 5):
        flat = [*itertools.chain(*expected[:k])]
        options = {"k": k, "group_by": key, "group_size": size}
        assert ids(passages.similarity_search("copy a file", **options)) == flat
        assert ids(await passages.asimilarity_search("copy a file", **options)) == flat
        [batched] = passages.similarity_search_batch(["copy a file"], **options)
        assert ids(batched) == flat
    scored = passages.similarity_search_with_score("copy", 4, group_by=key, group_size=1)
    assert [score for _, score in scored] == sorted([score for _, score in scored], reverse=True)


async def test_retrievers_group_too(passages):
    [first, second] = grouped(passages.similarity_search("copy a file", k=6), 2)[:2]
    own = MatryoshkaRetriever(vectorstore=passages, k=2, group_by="source", group_size=2)
    stores = passages.as_retriever(k=2, group_by="source", group_size=2)
    for retriever in (own, stores):
        assert ids(retriever.invoke("copy a file")) == [*first, *second]
        assert ids(await retriever.ainvoke("copy a file", k=1)) == first
        assert retriever.batch(["copy a file"] * 2) == [retriever.invoke("copy a file")] * 2
    page = own.invoke("copy a file", offset=1, k=1, filter={"source": ["files", "desk"]})
    assert ids(page) == ["e"]
    assert len(own.invoke("copy a file", group_by=None, k=3)) == 3


def test_what_cannot_be_grouped_by_is_refused(passages):
    with pytest.raises(ConfigurationError, match="group_by is 3, expected a metadata key"):
        passages.similarity_search("copy", group_by=3)
    with pytest.raises(ConfigurationError, match="group_size is 0"):
        passages.as_retriever(group_by="source", group_size=0)
    with pytest.raises(ConfigurationError, match="group_by is None"):
        passages.similarity_search("copy", group_size=2)
    with pytest.raises(ValueError, match="group_size is 0"):
        MatryoshkaRetriever(vectorstore=passages, group_size=0)
    with pytest.raises(ConfigurationError, match="ranked by similarity"):
        passages.max_marginal_relevance_search("copy", group_by="source")


def test_documents_of_the_other_framework_are_grouped_beside_ours(passages):
    texts = {"copied": "Copy a directory tree somewhere else.", "slept": "Wait for a while."}
    nodes = [
        TextNode(
            id_=name,
            text=text,
            metadata={"source": "files" if name == "copied" else "time"},
            embedding=WordLlamaEmbedder().embed_query(text),
        )
        for name, text in texts.items()
    ]
    NodeStore("passages", passages.client).add(nodes)
    opened = MatryoshkaVectorStore(passages.client, "passages", WordLlamaEmbedder())
    found = opened.similarity_search("copy a directory tree", k=1, group_by="source", group_size=9)
    assert sorted(ids(found)) == ["a", "b", "c", "copied"]
