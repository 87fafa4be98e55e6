"""Many questions in one call: the vectors that each gets by itself."""

import numpy as np
import pytest
from langchain_core.embeddings import Embeddings

from mrl_adapters.embeddings import TruncatedEmbedder, WordLlamaEmbedder
from mrl_adapters.embeddings.embedder import as_embedder
from mrl_adapters.embeddings.questions import aquery_vectors, query_vectors
from mrl_adapters.llama_index import MatryoshkaEmbedding

QUESTIONS = ["copy a folder", "parse a date", "copy a folder"]


class Sided(Embeddings):
    """Questions get other vectors than documents, one at a time."""

    def embed_documents(self, texts):
        return [[float(len(text)), 1.0, 0.0] for text in texts]

    def embed_query(self, text):
        return [float(len(text)), 0.0, 1.0]


class OpenAIEmbeddings(Sided):
    """Called as the class whose questions are documents."""

    def embed_query(self, text):
        return self.embed_documents([text])[0]


class Instructed(OpenAIEmbeddings):
    """A subclass of it, whose questions are none."""

    def embed_query(self, text):
        return [1.0, 2.0, float(len(text))]


@pytest.mark.parametrize(
    "embedder",
    [
        WordLlamaEmbedder(),
        WordLlamaEmbedder(64),
        TruncatedEmbedder(WordLlamaEmbedder(), 64),
        Sided(),
        OpenAIEmbeddings(),
        Instructed(),
        TruncatedEmbedder(Sided(), 2, model="intfloat/e5-small"),
        MatryoshkaEmbedding(WordLlamaEmbedder(), 128),
    ],
    ids=lambda embedder: type(embedder).__name__,
)
async def test_questions_get_the_vectors_that_each_gets_by_itself(embedder):
    embedder = as_embedder(embedder)
    alone = [embedder.embed_query(text) for text in QUESTIONS]
    np.testing.assert_allclose(query_vectors(embedder, QUESTIONS), alone, rtol=1e-6)
    np.testing.assert_allclose(await aquery_vectors(embedder, QUESTIONS), alone, rtol=1e-6)
    assert list(query_vectors(embedder, [])) == list(await aquery_vectors(embedder, [])) == []


@pytest.mark.parametrize("dimensions", [64, 256])
async def test_blank_questions_get_zeros(dimensions):
    embedder = TruncatedEmbedder(WordLlamaEmbedder(), dimensions)
    blank, spoken = embedder.embed_queries([" ", "copy"])
    assert blank == [0.0] * dimensions
    assert spoken == embedder.embed_query("copy")
    assert await embedder.aembed_queries(["", "\n"]) == [[0.0] * dimensions] * 2


def test_what_makes_no_difference_between_questions_and_documents_is_asked_once(monkeypatch):
    asked = []
    embed = OpenAIEmbeddings.embed_documents
    monkeypatch.setattr(
        OpenAIEmbeddings,
        "embed_documents",
        lambda self, texts: asked.append(texts) or embed(self, texts),
    )
    query_vectors(OpenAIEmbeddings(), QUESTIONS)
    assert asked == [QUESTIONS]
