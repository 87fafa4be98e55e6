"""A store's embeddings are LangChain's own kind, whatever embedder it was given."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from langchain_classic.retrievers.document_compressors import EmbeddingsFilter
from langchain_core.embeddings import Embeddings
from langgraph.store.memory import InMemoryStore
from llama_index.core import MockEmbedding

from mrl_adapters.embeddings import TruncatedEmbedder, WordLlamaEmbedder
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.langchain import MatryoshkaEmbeddings, MatryoshkaVectorStore
from mrl_adapters.qdrant import connect

_WORDLLAMA = WordLlamaEmbedder()


class OwnEmbedder:
    """Somebody's own class, which answers with arrays."""

    def embed_documents(self, texts: list[str]) -> Any:
        return _WORDLLAMA.embed_array(texts)

    def embed_query(self, text: str) -> Any:
        return _WORDLLAMA.embed_array([text])[0]


class OwnAsyncEmbedder(OwnEmbedder):
    async def aembed_documents(self, texts: list[str]) -> Any:
        return self.embed_documents(texts)

    async def aembed_query(self, text: str) -> Any:
        return self.embed_query(text)


EMBEDDERS: dict[str, Callable[[], Any]] = {
    "wordllama": WordLlamaEmbedder,
    "truncated": lambda: TruncatedEmbedder(WordLlamaEmbedder(), 128),
    "langchain": lambda: MatryoshkaEmbeddings(WordLlamaEmbedder(), 128),
    "llama_index": lambda: MockEmbedding(8),
    "two methods": OwnEmbedder,
    "four methods": OwnAsyncEmbedder,
}


@pytest.fixture(params=EMBEDDERS)
def embedder(request: pytest.FixtureRequest) -> Any:
    return EMBEDDERS[request.param]()


@pytest.fixture
def store(embedder: Any) -> MatryoshkaVectorStore:
    return MatryoshkaVectorStore(connect(location=":memory:"), "docs", embedder)


def test_it_is_of_langchains_class_and_always_the_same(store: MatryoshkaVectorStore) -> None:
    assert isinstance(store.embeddings, Embeddings)
    assert store.embeddings is store.embeddings


def test_an_embedder_that_langchain_takes_is_given_back_itself() -> None:
    for name in ("wordllama", "truncated", "langchain"):
        embedder = EMBEDDERS[name]()
        store = MatryoshkaVectorStore(connect(location=":memory:"), "docs", embedder)
        assert store.embeddings is embedder
        assert isinstance(embedder, Embeddings)


def test_its_answers_are_python_floats_in_both_colours(store: MatryoshkaVectorStore) -> None:
    given = store.embeddings
    query, (document,) = given.embed_query("a file"), given.embed_documents(["a file"])
    assert {type(number) for number in [*query, *document]} == {float}
    assert asyncio.run(given.aembed_query("a file")) == query
    assert asyncio.run(given.aembed_documents(["a file"])) == [document]


# Its default similarity is langchain-community's, which is no longer maintained and says so.
@pytest.mark.filterwarnings("ignore:`langchain-community` is being sunset:DeprecationWarning")
def test_a_filter_over_embeddings_takes_it(store: MatryoshkaVectorStore) -> None:
    chosen = EmbeddingsFilter(embeddings=store.embeddings, k=1)
    assert chosen.embeddings is store.embeddings


def test_langgraphs_memory_takes_it(store: MatryoshkaVectorStore) -> None:
    width = len(store.embeddings.embed_query("a file"))
    memory = InMemoryStore(index={"dims": width, "embed": store.embeddings})
    memory.put(("user",), "a", {"text": "I like gzip"})
    assert [each.key for each in memory.search(("user",), query="gzip")] == ["a"]


def test_a_store_works_with_it_in_both_colours(store: MatryoshkaVectorStore) -> None:
    store.add_texts(["copy a file"], ids=["a"])
    assert [each.id for each in store.similarity_search("copy", k=1)] == ["a"]
    asyncio.run(store.aadd_texts(["copy a folder"], ids=["b"]))
    assert len(asyncio.run(store.asimilarity_search("copy", k=2))) == 2


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (WordLlamaEmbedder, r"Pass WordLlamaEmbedder\(\.\.\.\)"),
        ("text-embedding-3-small", "str is not an embedder"),
        (None, "NoneType is not an embedder"),
    ],
    ids=["a class", "a name", "none"],
)
def test_what_embeds_nothing_is_refused_when_the_store_is_made(wrong: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        MatryoshkaVectorStore(connect(location=":memory:"), "docs", wrong)
