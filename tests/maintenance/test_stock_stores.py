"""Collections that the stock stores of both frameworks wrote, migrated both ways.

Texts are real docstrings, embedded by wordllama.
"""

import warnings
from itertools import islice

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_qdrant import QdrantVectorStore, RetrievalMode, SparseEmbeddings, SparseVector
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import VectorStoreQuery
from llama_index.vector_stores.qdrant import QdrantVectorStore as LlamaQdrantVectorStore
from qdrant_client import models

from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.evaluation.docstrings import docstrings
from mrl_adapters.langchain import MatryoshkaVectorStore
from mrl_adapters.llama_index import MatryoshkaVectorStore as LlamaMatryoshkaVectorStore
from mrl_adapters.qdrant import CopyTarget, SearchPlan, audit, migrate, repair

# The stock store asks for an index that the local mode has no use for.
pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect")

# Named, so that the local mode searches short vectors as well.
ALL = SearchPlan(oversampling=1_000, stages=(64,))
COUNT = 120


class WordHashes(SparseEmbeddings):
    """Words, by a fixed hash: sparse vectors without a model."""

    def embed_query(self, text: str) -> SparseVector:
        counts: dict[int, float] = {}
        for word in text.lower().split():
            index = sum(place * ord(letter) for place, letter in enumerate(word, 1)) % 5_000
            counts[index] = counts.get(index, 0.0) + 1.0
        return SparseVector(indices=list(counts), values=list(counts.values()))

    def embed_documents(self, texts: list[str]) -> list[SparseVector]:
        return [self.embed_query(text) for text in texts]


class WordLlama(Embeddings):
    """wordllama as LangChain's own class, which the stock store insists on."""

    def __init__(self) -> None:
        self._inner = WordLlamaEmbedder()
        self.model = self._inner.model

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [list(vector) for vector in self._inner.embed_documents(texts)]

    def embed_query(self, text: str) -> list[float]:
        return list(self._inner.embed_query(text))


def _sparse(texts: list[str]) -> tuple[list[list[int]], list[list[float]]]:
    vectors = WordHashes().embed_documents(texts)
    return [each.indices for each in vectors], [each.values for each in vectors]


@pytest.fixture(scope="module")
def embedding():
    return WordLlama()


@pytest.fixture(scope="module")
def entries():
    return list(islice(docstrings(), 0, 40 * COUNT, 40))


@pytest.fixture(scope="module")
def questions(entries):
    return [entry.summary for entry in entries[::30]]


class LangChainCase:
    """What langchain-qdrant writes."""

    def __init__(self, embedding, *, hybrid):
        self.embedding = embedding
        self.hybrid = hybrid

    def write(self, client, entries):
        size = len(self.embedding.embed_query("size"))
        client.create_collection(
            "docs",
            models.VectorParams(size=size, distance=models.Distance.COSINE),
            sparse_vectors_config={"langchain-sparse": models.SparseVectorParams()}
            if self.hybrid
            else None,
        )
        self.store(client).add_texts(
            [entry.text for entry in entries], [{"name": entry.id} for entry in entries]
        )

    def store(self, client, name="docs", vector_name=""):
        hybrid = {"sparse_embedding": WordHashes(), "retrieval_mode": RetrievalMode.HYBRID}
        return QdrantVectorStore(
            client, name, self.embedding, vector_name=vector_name, **(hybrid if self.hybrid else {})
        )

    def add(self, client, text, name="docs", vector_name=""):
        self.store(client, name, vector_name).add_documents(
            [Document(page_content=text, metadata={"name": "late"})]
        )

    def ask(self, client, question, name="docs", vector_name=""):
        # Hybrid hits of equal rank come in any order: only the dense order can be compared.
        assert len(self.store(client, name, vector_name).similarity_search(question, k=5)) == 5
        dense = QdrantVectorStore(client, name, self.embedding, vector_name=vector_name)
        return [each.metadata["name"] for each in dense.similarity_search(question, k=5)]


class LlamaIndexCase:
    """What llama-index-vector-stores-qdrant writes."""

    def __init__(self, embedding, *, hybrid):
        self.embedding = embedding
        self.hybrid = hybrid

    def write(self, client, entries):
        self._add(client, [(entry.text, entry.id) for entry in entries], "docs", "text-dense")

    def store(self, client, name="docs", vector_name="text-dense"):
        hybrid = {"enable_hybrid": True, "sparse_doc_fn": _sparse, "sparse_query_fn": _sparse}
        return LlamaQdrantVectorStore(
            name,
            client=client,
            dense_vector_name=vector_name,
            **(hybrid if self.hybrid else {}),
        )

    def _add(self, client, texts, name, vector_name):
        embedded = self.embedding.embed_documents([text for text, _ in texts])
        nodes = [
            TextNode(text=text, metadata={"name": label}, embedding=vector)
            for (text, label), vector in zip(texts, embedded, strict=True)
        ]
        self.store(client, name, vector_name).add(nodes)

    def add(self, client, text, name="docs", vector_name="text-dense"):
        self._add(client, [(text, "late")], name, vector_name)

    def ask(self, client, question, name="docs", vector_name="text-dense"):
        query = VectorStoreQuery(
            query_embedding=self.embedding.embed_query(question),
            similarity_top_k=5,
        )
        return [
            node.metadata["name"]
            for node in self.store(client, name, vector_name).query(query).nodes
        ]


@pytest.fixture(params=[False, True], ids=["dense", "hybrid"])
def hybrid(request):
    return request.param


@pytest.fixture(params=[LangChainCase, LlamaIndexCase], ids=["langchain", "llama-index"])
def stock(request, embedding, hybrid):
    return request.param(embedding, hybrid=hybrid)


def _langchain(client, embedding, question, name="docs", plan=ALL):
    store = MatryoshkaVectorStore.from_existing_collection(name, embedding, client=client)
    found = store.similarity_search_with_score(question, k=10, plan=plan)
    return [(each.metadata["name"], round(score, 3)) for each, score in found]


def _llama_index(client, embedding, question, name="docs", plan=ALL):
    store = LlamaMatryoshkaVectorStore(name, client, plan=plan)
    query = VectorStoreQuery(query_embedding=embedding.embed_query(question), similarity_top_k=10)
    answer = store.query(query)
    return [
        (node.metadata["name"], round(score, 3))
        for node, score in zip(answer.nodes, answer.similarities, strict=True)
    ]


def _same_in_both_adapters(client, embedding, questions, name="docs"):
    for question in questions:
        exact = _langchain(client, embedding, question, name, SearchPlan(exact=True))
        assert len(exact) == 10
        assert _langchain(client, embedding, question, name) == exact
        assert _llama_index(client, embedding, question, name) == exact


def test_migrated_in_place_it_is_searched_by_both_adapters_and_still_by_the_stock_store(
    client, stock, embedding, entries, questions
):
    stock.write(client, entries)
    before = [stock.ask(client, question) for question in questions]

    result = migrate(client, "docs", stages=(64, 128), model=embedding.model)

    assert (result.points, result.written) == (COUNT, COUNT)
    assert audit(client, "docs").ok
    _same_in_both_adapters(client, embedding, questions)
    assert [stock.ask(client, question) for question in questions] == before


def test_what_the_stock_store_writes_afterwards_is_found_after_a_repair(
    client, stock, embedding, entries
):
    stock.write(client, entries)
    migrate(client, "docs", stages=(64,), model=embedding.model)

    stock.add(client, "How to brew green tea without bitterness")

    report = audit(client, "docs")
    assert (report.missing, report.stale, report.ok) == (1, 0, False)
    assert repair(client, "docs").filled == 1
    assert audit(client, "docs").ok
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no MissingShortVectorsWarning any more
        [first, *_] = _langchain(client, embedding, "brewing green tea")
    assert first[0] == "late"
    assert stock.ask(client, "brewing green tea")[0] == "late"


@pytest.mark.parametrize(
    "other", ["local", "edge", pytest.param("server", marks=pytest.mark.server)]
)
def test_copied_to_another_engine_it_is_searched_by_both_adapters_and_the_stock_store(
    client, open_engine, other, stock, embedding, entries, questions
):
    stock.write(client, entries)
    before = [stock.ask(client, question) for question in questions]
    there = open_engine(other)

    result = migrate(
        client,
        "docs",
        stages=(64, 128),
        mode="copy",
        target=CopyTarget("copied", there),
        model=embedding.model,
    )

    assert (result.points, result.settled) == (COUNT, True)
    assert audit(there, "copied").ok
    _same_in_both_adapters(there, embedding, questions, "copied")
    assert [stock.ask(there, question, "copied") for question in questions] == before
    stock.add(there, "How to brew green tea without bitterness", "copied")
    assert audit(there, "copied").missing == 1
