"""Blank texts: the same in every embedder, whatever the model within makes of them."""

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.embeddings import Embeddings

from mrl_adapters.embeddings import (
    Embedder,
    Model2VecEmbedder,
    OpenAIEmbedder,
    SentenceTransformerEmbedder,
    TruncatedEmbedder,
    WordLlamaEmbedder,
)
from mrl_adapters.embeddings.embedder import adocument_vectors, document_array, document_vectors
from mrl_adapters.embeddings.texts import is_blank, require_query
from mrl_adapters.errors import EmbeddingError

BLANK = ["", " ", "\n\t \r\n", "\u00a0\u2003", "\x1f"]
SPOKEN = ["hello", " a ", ".", "\u200b"]
MIXED = ["hello", "", "copy a tree", " \n", "\u00a0"]


class Refusing(Embeddings):
    """A model that wants something to be said, as APIs do, and remembers what it was asked."""

    def __init__(self, width: int = 768) -> None:
        self.width = width
        self.asked: list[str] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        assert texts
        assert all(map(str.strip, texts))
        self.asked += texts
        return np.random.default_rng(7).normal(1, 1, (len(texts), self.width)).tolist()

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


class StandIn:
    """What SentenceTransformerEmbedder needs of a model: one that answers blanks with NaN."""

    prompts: dict[str, str] = {}
    truncate_dim = None

    def get_sentence_embedding_dimension(self) -> int:
        return 8

    def encode(self, texts: list[str], **options: Any) -> np.ndarray:
        rows = [[len(text) if text.strip() else np.nan] * 8 for text in texts]
        return np.array(rows, dtype=np.float32)


class Static:
    """What Model2VecEmbedder needs of a model: one that has no token for what is blank."""

    dim = 8

    def encode(self, texts: list[str]) -> np.ndarray:
        return np.array([[float(len(text.strip()))] * 8 for text in texts])


MAKES: dict[str, Callable[[Any], Embedder]] = {
    "wordllama": lambda server: WordLlamaEmbedder(),
    "model2vec": lambda server: Model2VecEmbedder(Static()),
    "sentence-transformers": lambda server: SentenceTransformerEmbedder(StandIn()),
    "openai": lambda server: OpenAIEmbedder("wordllama", base_url=server.url),
    "truncated": lambda server: TruncatedEmbedder(Refusing(8), 4),
    "truncated, prompts": lambda server: TruncatedEmbedder(
        Refusing(), 256, model="nomic-embed-text-v1.5"
    ),
}


@pytest.mark.parametrize("kind", MAKES)
async def test_their_vectors_are_zeros_and_the_others_as_without_them(server: Any, kind: str):
    embedder = MAKES[kind](server)
    filled = [row for row, text in enumerate(MIXED) if not is_blank(text)]
    expected = np.array(embedder.embed_documents([MIXED[row] for row in filled]))
    for vectors in (embedder.embed_documents(MIXED), await embedder.aembed_documents(MIXED)):
        array = np.array(vectors)
        assert np.flatnonzero(array.any(axis=1)).tolist() == filled
        np.testing.assert_allclose(array[filled], expected, atol=1e-6)
    nothing = [[0.0] * expected.shape[1]] * 2
    assert embedder.embed_documents(["", " "]) == nothing
    assert await embedder.aembed_documents(["", " "]) == nothing
    assert embedder.embed_query(" ") == await embedder.aembed_query("") == nothing[0]


@pytest.mark.parametrize("texts", [MIXED, ["", ""], ["a"], [" ", "a"]])
def test_a_model_of_another_package_is_asked_about_the_others_alone(texts: list[str]):
    asked = Refusing()
    vectors = np.array(document_vectors(asked, texts))
    assert vectors.shape == (len(texts), 768)
    assert vectors.any(axis=1).tolist() == [not is_blank(text) for text in texts]
    assert asked.asked == ([text for text in texts if not is_blank(text)] or ["size"])
    later = np.array(asyncio.run(adocument_vectors(Refusing(), texts)))
    np.testing.assert_array_equal(later, vectors)
    np.testing.assert_allclose(document_array(Refusing(), texts), vectors, rtol=1e-6)


def test_a_wrong_number_of_vectors_is_still_told():
    class Short(Refusing):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return super().embed_documents(texts)[1:]

    with pytest.raises(EmbeddingError, match=r"1 vectors of .* for 3 texts"):
        document_array(Short(), ["a", "", "b"])


def test_with_a_prompt_before_it_a_blank_text_is_still_blank():
    base = Refusing()
    TruncatedEmbedder(base, 256, model="nomic-embed-text-v1.5").embed_documents(["", "a"])
    assert base.asked == ["search_document: a"]


@given(st.text())
def test_what_is_blank_is_what_stripping_leaves_nothing_of(text: str):
    assert is_blank(text) is (not text.strip())


@pytest.mark.parametrize("text", BLANK)
def test_a_blank_question_is_refused(text: str):
    with pytest.raises(EmbeddingError, match=r"question is blank .*nothing is near to it"):
        require_query(text)


@pytest.mark.parametrize("text", SPOKEN)
def test_any_other_question_is_asked_as_it_is(text: str):
    assert require_query(text) == text


@pytest.mark.parametrize("kind", MAKES)
async def test_half_a_character_is_refused_whatever_the_model(server: Any, kind: str):
    embedder: Any = MAKES[kind](server)
    half = "caf\ud83d"
    asks: list[Callable[[], Any]] = [
        lambda: embedder.embed_documents(["fine", half]),
        lambda: asyncio.run(embedder.aembed_documents(["fine", half])),
        lambda: embedder.embed_query(half),
        lambda: asyncio.run(embedder.aembed_query(half)),
        lambda: embedder.embed_queries(["fine", half]),
        lambda: asyncio.run(embedder.aembed_queries(["fine", half])),
    ]
    for ask in asks:
        with pytest.raises(EmbeddingError, match=r"cannot be written as UTF-8.*character 3"):
            await asyncio.to_thread(ask)


def test_half_a_question_is_refused():
    with pytest.raises(EmbeddingError, match=r"The question cannot be written as UTF-8"):
        require_query("\udc00?")
