"""Words found by sparse vectors: BM25's on every engine, and a model's as in the stock store."""

import threading
from typing import Any

import pytest
from langchain_qdrant import QdrantVectorStore, SparseEmbeddings, SparseVector
from langchain_qdrant import RetrievalMode as StockMode
from qdrant_client import QdrantClient, models

from mrl_adapters.errors import CollectionMismatchError, ConfigurationError, EmbeddingError
from mrl_adapters.langchain import MatryoshkaRetriever, MatryoshkaVectorStore
from mrl_adapters.qdrant import (
    CollectionLayout,
    MissingSparseVectorsWarning,
    SparseVectors,
    TextIndex,
)

TEXTS = [
    *("Copy a directory tree to another place.", "Delete a file from the disk."),
    *("Parse a date from a string.", "Open a network socket and listen."),
    *("Sort a list of numbers in place.", "The gzip of a directory, compressed."),
]
QUESTION = "compressed directory"
BM25 = {"layout": CollectionLayout(256, (64,), sparse=SparseVectors())}


class Words(SparseEmbeddings):
    """Counts words; knows in which threads it was called."""

    def __init__(self, model_name: str | None = "words") -> None:
        self.model_name = model_name
        self.threads: set[int] = set()

    def embed_documents(self, texts: list[str]) -> list[SparseVector]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> SparseVector:
        self.threads.add(threading.get_ident())
        words = text.lower().replace(".", "").replace(",", "").split()
        counts = {sum(map(ord, word)): float(words.count(word)) for word in words}
        return SparseVector(indices=[*counts], values=[*counts.values()])


def scored(found: Any) -> list[tuple[str, float]]:
    return [(document.id, round(score, 5)) for document, score in found]


def sparse_vectors(client: Any, name: str = "docs") -> dict[str, models.SparseVectorParams]:
    return client.get_collection(name).config.params.sparse_vectors or {}


@pytest.mark.parametrize("mode", ["sparse", "hybrid", "dbsf", "rescore"])
async def test_every_mode_works_on_every_engine_with_no_second_model(client, embeddings, mode):
    store = MatryoshkaVectorStore(client, "docs", embeddings, retrieval_mode=mode, **BM25)
    store.add_texts(TEXTS, ids=[*"abcdef"])
    found = scored(store.similarity_search_with_score(QUESTION, k=3))
    assert found[0][0] == "f"
    assert scored(await store.asimilarity_search_with_score(QUESTION, k=3)) == found
    [batched] = await store.asimilarity_search_batch_with_score([QUESTION], k=3)
    assert scored(batched) == found
    retriever = MatryoshkaRetriever(vectorstore=store, k=3)
    assert [each.id for each in await retriever.ainvoke(QUESTION)] == [name for name, _ in found]
    opened = MatryoshkaVectorStore(client, "docs", embeddings)  # says what it has
    assert scored(opened.similarity_search_with_score(QUESTION, k=3, retrieval_mode=mode)) == found


def test_a_mode_finds_words_by_what_the_engine_has(client, embeddings):
    store = MatryoshkaVectorStore(client, "docs", embeddings, retrieval_mode="sparse")
    store.add_texts(TEXTS, ids=[*"abcdef"])
    local = isinstance(client, QdrantClient)
    assert (store.collection.layout.text_index is None) == local
    assert bool(sparse_vectors(client)) == local
    assert [each.id for each in store.similarity_search("sockets")] == ["d"]


async def test_every_way_of_writing_fills_the_sparse_vector(client, embeddings):
    store = MatryoshkaVectorStore(client, "docs", embeddings, retrieval_mode="sparse", **BM25)
    store.add_texts(["alpha"], ids=["a"])
    await store.aadd_texts(["beta"], ids=["b"])
    store.add_texts(["gamma"], ids=["a"])  # replaced
    assert [each.id for each in store.similarity_search("gamma")] == ["a"]
    assert store.similarity_search("alpha") == []
    assert [each.id for each in store.similarity_search("beta")] == ["b"]
    held = client.retrieve(
        "docs", [each.id for each in client.scroll("docs")[0]], with_vectors=True
    )
    assert all(each.vector["sparse"].indices for each in held)


async def test_a_sparse_model_is_taken_as_langchain_qdrant_takes_it(client, embeddings):
    model = Words()
    given = {"retrieval_mode": StockMode.HYBRID, "sparse_embedding": model}
    store = MatryoshkaVectorStore.from_texts(
        TEXTS, embeddings, ids=[*"abcdef"], client=client, collection_name="docs", **given
    )
    assert [*sparse_vectors(client)] == ["langchain-sparse"] == [store.sparse_vector_name]
    assert sparse_vectors(client)["langchain-sparse"].modifier is None  # a model knows rareness
    assert store.sparse_embeddings is model
    found = store.similarity_search_with_score("directory compressed", retrieval_mode="sparse")
    assert scored(found) == [("f", 2.0), ("a", 1.0)]
    model.threads.clear()
    again = await store.asimilarity_search_with_score("directory compressed", 2)
    assert scored(again)[0][0] == "f"
    assert threading.get_ident() not in model.threads  # nor does it block the event loop


@pytest.mark.filterwarnings("ignore::mrl_adapters.qdrant.OneStageWarning")
@pytest.mark.parametrize("name", ["langchain-sparse", "words"])
def test_a_stock_collection_opens_and_its_sparse_vectors_find_words(memory, embeddings, name):
    model = Words()
    named = {} if name == "langchain-sparse" else {"sparse_vector_name": name}
    stock = QdrantVectorStore.construct_instance(
        embedding=embeddings,
        retrieval_mode=StockMode.HYBRID,
        sparse_embedding=model,
        client_options={"location": ":memory:"},
        collection_name="docs",
        **named,
    )
    stock.add_texts(TEXTS)
    store = MatryoshkaVectorStore(
        stock.client, "docs", embeddings, retrieval_mode="sparse", sparse_embedding=model, **named
    )
    found = store.similarity_search_with_score("directory compressed")
    theirs = stock.similarity_search_with_score("directory compressed")
    assert found[0][0].page_content == theirs[0][0].page_content == TEXTS[5]
    assert store.sparse_vector_name == name
    store.add_texts(["Write to standard output."], ids=["new"])
    assert store.similarity_search("standard")[0].id == "new"
    [written] = stock.similarity_search("standard output", k=1)
    assert written.page_content == "Write to standard output."
    unknown = MatryoshkaVectorStore(stock.client, "docs", embeddings)
    refused = f"no sparse vectors but '{name}'.*sparse_vector_name='{name}'.*migrate.*sparse"
    with pytest.raises(CollectionMismatchError, match=refused):
        unknown.similarity_search("gzip", retrieval_mode="sparse")
    layout = CollectionLayout(256, (), sparse=SparseVectors(name=name), full_name="")
    for given in ({"layout": layout}, {"sparse_vector_name": name}):
        mistaken = {"retrieval_mode": "sparse", **given}
        taken = MatryoshkaVectorStore(stock.client, "docs", embeddings, **mistaken)
        with pytest.raises(CollectionMismatchError, match=f"'{name}' are not BM25's"):
            taken.similarity_search("gzip")
        with pytest.raises(CollectionMismatchError, match=f"'{name}' are not BM25's"):
            taken.add_texts(["gzip"])
    with pytest.warns(MissingSparseVectorsWarning, match=f"'{name}'.*sparse_embedding=") as told:
        unknown.add_texts(["one"])
    unknown.add_texts(["two"])  # told once: here it would be an error
    assert [each.filename for each in told] == [__file__]
    assert len(unknown.similarity_search("one", k=20)) == len(TEXTS) + 3


def test_the_stock_store_searches_what_this_one_wrote(memory, embeddings):
    model = Words()
    given = {"retrieval_mode": "hybrid", "sparse_embedding": model, "vector_name": "dense"}
    store = MatryoshkaVectorStore(memory, "docs", embeddings, **given)
    store.add_texts(TEXTS)
    stock = QdrantVectorStore(
        memory, "docs", embeddings, StockMode.HYBRID, "dense", sparse_embedding=model
    )
    assert stock.similarity_search("directory compressed", k=1)[0].page_content == TEXTS[5]


def test_a_model_that_is_not_at_hand_is_asked_for(client, embeddings):
    given = {"retrieval_mode": "hybrid", "sparse_embedding": Words()}
    MatryoshkaVectorStore(client, "docs", embeddings, **given).add_texts(TEXTS, ids=[*"abcdef"])
    without = MatryoshkaVectorStore(client, "docs", embeddings)
    assert without.similarity_search("Sort numbers.", k=1)[0].id == "e"
    told = r"sparse vectors 'langchain-sparse' are of 'words', which is not at hand\. Pass it"
    for act in (
        lambda: without.similarity_search("gzip", retrieval_mode="hybrid"),
        lambda: without.add_texts(["new"]),
    ):
        with pytest.raises(ConfigurationError, match=told):
            act()
    assert client.count("docs").count == len(TEXTS)
    other = {**given, "sparse_embedding": Words("splade")}
    with pytest.raises(CollectionMismatchError, match="are of 'words', the layout asks for 'spl"):
        MatryoshkaVectorStore(client, "docs", embeddings, **other).similarity_search("gzip")
    unnamed = {**given, "sparse_embedding": Words(None)}
    assert MatryoshkaVectorStore(client, "docs", embeddings, **unnamed).similarity_search("gzip")


def test_a_models_answers_are_checked_before_anything_is_written(client, embeddings):
    class Broken(Words):
        answer: Any = None

        def embed_documents(self, texts: list[str]) -> Any:
            return self.answer

    model = Broken()
    given = {"retrieval_mode": "hybrid", "sparse_embedding": model}
    store = MatryoshkaVectorStore(client, "docs", embeddings, **given)
    store.add_texts([], ids=[])
    for answer, told in (
        ([], "returned 0 vectors for 1 texts"),
        ([[1, 2]], "has no indices and values"),
        ([SparseVector(indices=[1, 1], values=[1.0, 2.0])], "has an index twice"),
        ([SparseVector(indices=[-1], values=[1.0])], "an index outside 0 to"),
        ([SparseVector(indices=[1], values=[1.0, 2.0])], r"\(1,\) indices and \(2,\) values"),
        ([SparseVector(indices=[1], values=[float("nan")])], "holds NaN or infinity"),
    ):
        model.answer = answer
        with pytest.raises(EmbeddingError, match=told):
            store.add_texts(["one"])
    assert client.count("docs").count == 0


@pytest.mark.parametrize("client", ["edge"], indirect=True)  # local mode has no text index
def test_bm25_of_fastembed_takes_the_text_index_that_there_is(client, embeddings):
    layout = CollectionLayout(256, (64,), text_index=TextIndex())
    MatryoshkaVectorStore(client, "docs", embeddings, layout=layout).add_texts(TEXTS)
    given = {"retrieval_mode": "sparse", "sparse_embedding": Words("Qdrant/bm25")}
    store = MatryoshkaVectorStore(client, "docs", embeddings, **given)
    assert store.similarity_search("sockets")[0].page_content == TEXTS[3]
    assert store.collection.layout.sparse is None


def test_language_and_weights_are_the_layouts(client, embeddings):
    german = CollectionLayout(256, (64,), sparse=SparseVectors("german", k=0.0, b=0.0))
    store = MatryoshkaVectorStore(
        client, "docs", embeddings, layout=german, retrieval_mode="sparse"
    )
    store.add_texts(["Die Häuser am Ufer, die Häuser.", "Ein Haus."], ids=["a", "b"])
    found = store.similarity_search_with_score("Haus der Häusern")
    assert {each.id for each, _ in found} == {"a", "b"}
    assert len({score for _, score in found}) == 1  # k = 0 counts a word once
    with pytest.warns(UserWarning, match="sparse is .*german.*migrate"):
        MatryoshkaVectorStore(client, "docs", embeddings, **BM25).similarity_search("Haus")


@pytest.fixture
def memory():
    client = QdrantClient(":memory:")
    yield client
    client.close()
