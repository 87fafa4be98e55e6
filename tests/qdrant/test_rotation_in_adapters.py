"""Rotation in both adapters, without a line of their own about it."""

import asyncio

import numpy as np
import pytest
from langchain_core.embeddings import Embeddings
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import VectorStoreQuery
from typing_extensions import override

from mrl_adapters import langchain, llama_index
from mrl_adapters.progress import Progress
from mrl_adapters.qdrant import CollectionLayout, SearchPlan
from mrl_adapters.qdrant.driver import Client
from mrl_adapters.vectors import FloatArray, Rotation, normalize

TEXTS = [f"text {number}" for number in range(300)]
LAYOUT = CollectionLayout(32, (4, 8), rotation="auto")
FUNNEL = SearchPlan(oversampling=1, min_candidates=20, funnel_factor=2, stages=(4, 8))


def vectors() -> FloatArray:
    """One vector a text, their energy along hidden directions."""
    rng = np.random.default_rng(7)
    hidden, _ = np.linalg.qr(rng.normal(size=(32, 32)))
    made = (rng.normal(size=(len(TEXTS), 32)) * np.arange(1, 33) ** -1.0) @ hidden.T
    return normalize(made.astype(np.float32))


class Lookup(Embeddings):
    """Embed each text by its row."""

    def __init__(self) -> None:
        self._rows: dict[str, list[float]] = dict(zip(TEXTS, vectors().tolist(), strict=True))

    @override
    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self._rows[text] for text in texts]

    @override
    def embed_query(self, text: str) -> list[float]:
        return self._rows[text]


def truth(text: str) -> set[str]:
    """The ten nearest texts by full vectors."""
    rows = vectors()
    order = np.argsort(-(rows @ rows[TEXTS.index(text)]))[:10]
    return {TEXTS[row] for row in order}


def overlap(found: list[set[str]], asked: list[str]) -> float:
    shares = [len(hits & truth(text)) / 10 for hits, text in zip(found, asked, strict=True)]
    return float(np.mean(shares))


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_langchain_fits_on_the_whole_first_call_and_searches_with_it(
    client: Client, name: str, colour: str
) -> None:
    store = langchain.MatryoshkaVectorStore(client, name, Lookup(), layout=LAYOUT)
    told: list[Progress] = []
    if colour == "sync":
        ids = store.add_texts(TEXTS, ids=TEXTS, batch_size=16, progress=told.append)
    else:
        ids = asyncio.run(store.aadd_texts(TEXTS, ids=TEXTS, batch_size=16, progress=told.append))
    assert ids == TEXTS
    assert [(at.done, at.total) for at in told] == [(0, 300), (300, 300)]
    assert store.collection.layout is not None
    assert store.collection.layout.rotation == Rotation.fit(vectors(), 8)
    opened = langchain.MatryoshkaVectorStore.from_existing_collection(
        name, Lookup(), client=client, plan=FUNNEL
    )
    asked = TEXTS[:20]
    found = [
        {document.page_content for document in opened.similarity_search(text, k=10)}
        for text in asked
    ]
    assert overlap(found, asked) > 0.9


def test_llama_index_fits_on_the_whole_first_call_and_searches_with_it(
    client: Client, name: str
) -> None:
    store = llama_index.MatryoshkaVectorStore(client=client, collection_name=name, layout=LAYOUT)
    nodes = [
        TextNode(text=text, id_=str(row), embedding=vector)
        for row, (text, vector) in enumerate(zip(TEXTS, vectors().tolist(), strict=True))
    ]
    store.add(nodes)
    opened = llama_index.MatryoshkaVectorStore(client=client, collection_name=name, plan=FUNNEL)
    asked = TEXTS[:20]
    found = []
    for text in asked:
        query = VectorStoreQuery(
            query_embedding=vectors()[TEXTS.index(text)].tolist(), similarity_top_k=10
        )
        found.append({node.get_content() for node in opened.query(query).nodes or []})
    assert overlap(found, asked) > 0.9
    layout = opened.collection.layout
    assert layout is not None
    assert layout.rotation == Rotation.fit(vectors(), 8)


def test_what_one_adapter_rotated_the_other_reads(client: Client, name: str) -> None:
    writer = langchain.MatryoshkaVectorStore(client, name, Lookup(), layout=LAYOUT)
    writer.add_texts(TEXTS)
    reader = llama_index.MatryoshkaVectorStore(client=client, collection_name=name, plan=FUNNEL)
    query = VectorStoreQuery(query_embedding=vectors()[3].tolist(), similarity_top_k=10)
    found = {node.get_content() for node in reader.query(query).nodes or []}
    assert len(found & truth(TEXTS[3])) >= 8
