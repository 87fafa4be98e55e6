"""Caches, limiters and shells around an embedder: its name and its prompts show through all."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_classic.embeddings import CacheBackedEmbeddings
from langchain_core.embeddings import Embeddings
from langchain_core.stores import InMemoryByteStore
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import PrivateAttr

from mrl_adapters.embeddings import TruncatedEmbedder
from mrl_adapters.embeddings.embedder import as_embedder
from mrl_adapters.embeddings.inspection import applies_prompts, layers, model_name
from mrl_adapters.langchain import MatryoshkaEmbeddings
from mrl_adapters.langchain.embedder import EmbedderEmbeddings
from mrl_adapters.llama_index import MatryoshkaEmbedding
from mrl_adapters.llama_index.embedder import EmbedderEmbedding

_MODEL = "nomic-embed-text-v1.5"
_PROMPTS = ("search_query: ", "search_document: ")


class Plain(Embeddings):
    """A model that is sent what it is to embed, prompts and all."""

    def __init__(self) -> None:
        self.model = _MODEL
        self.asked: list[str] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self._embed(text, _PROMPTS[1]) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self._embed(text, _PROMPTS[0])

    def _embed(self, text: str, prompt: str) -> list[float]:
        self.asked.append(text)
        return [1.0, *map(float, range(767))]


class NomicEmbeddings(Plain):
    """Stands for langchain-nomic's, whose service puts the prompt by task."""

    def _embed(self, text: str, prompt: str) -> list[float]:
        return super()._embed(prompt + text, prompt)


class Around(Embeddings):
    """Somebody's own wrapper."""

    def __init__(self, held: Any, **more: Any) -> None:
        self._held_back = held
        vars(self).update(more)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return self._held_back.embed_documents(texts)

    def embed_query(self, text: str) -> list[float]:
        return self._held_back.embed_query(text)


class Slotted(Embeddings):
    __slots__ = ("__held",)

    def __init__(self, held: Any) -> None:
        self.__held = held

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return self.__held.embed_documents(texts)

    def embed_query(self, text: str) -> list[float]:
        return self.__held.embed_query(text)


class LangchainEmbedding(BaseEmbedding):
    """As LlamaIndex's shell for LangChain: a private attribute, and a class for a name."""

    _langchain_embedding: Any = PrivateAttr()

    def __init__(self, held: Any) -> None:
        super().__init__(model_name=getattr(held, "model", None) or type(held).__name__)
        self._langchain_embedding = held

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._langchain_embedding.embed_query(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return await self._langchain_embedding.aembed_query(query)

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._langchain_embedding.embed_documents([text])[0]


def cached(held: Any) -> Any:
    return CacheBackedEmbeddings.from_bytes_store(
        held, InMemoryByteStore(), namespace="n", key_encoder="sha256"
    )


WRAPPERS: dict[str, Callable[[Any], Any]] = {
    "LangChain's cache": cached,
    "one's own": Around,
    "with slots": Slotted,
    "LlamaIndex's shell": lambda held: as_embedder(LangchainEmbedding(held)),
    "ours for LangChain": EmbedderEmbeddings,
    "ours for LlamaIndex": lambda held: as_embedder(EmbedderEmbedding(held)),
    "shortened": lambda held: TruncatedEmbedder(held, 512),
    "shortened for LlamaIndex": lambda held: as_embedder(
        MatryoshkaEmbedding(EmbedderEmbedding(held), 512)
    ),
}


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([Plain, NomicEmbeddings]), st.lists(st.sampled_from([*WRAPPERS]), max_size=4)
)
def test_through_any_wrappers_each_text_gets_its_prompt_once(
    kind: type[Plain], names: list[str]
) -> None:
    base = kind()
    wrapped: Any = base
    for name in names:
        wrapped = WRAPPERS[name](wrapped)
    assert model_name(wrapped) == _MODEL
    short = MatryoshkaEmbeddings(wrapped, 256)
    short.embed_query("what")
    short.embed_documents(["this"])
    assert base.asked == ["search_query: what", "search_document: this"]
    base.asked.clear()
    asyncio.run(short.aembed_query("what else"))
    asyncio.run(short.aembed_documents(["that"]))
    assert base.asked == ["search_query: what else", "search_document: that"]


@pytest.mark.parametrize("name", WRAPPERS)
def test_llama_index_wrappers_put_it_once_as_well(name: str) -> None:
    base = NomicEmbeddings()
    short = MatryoshkaEmbedding(EmbedderEmbedding(WRAPPERS[name](base)), 256)
    short.get_query_embedding("what")
    short.get_text_embedding("this")
    assert base.asked == ["search_query: what", "search_document: this"]


def test_a_wrapper_that_holds_itself_is_looked_at_once() -> None:
    one, other = Around(None), Around(None)
    one._held_back, other._held_back = other, one
    assert model_name(one) is None
    assert not applies_prompts(one)
    assert list(layers(one)) == [one, other]
    vars(other)["base"] = NomicEmbeddings()
    assert model_name(one) == _MODEL
    assert applies_prompts(one)


def test_a_deep_pile_of_wrappers_is_looked_through() -> None:
    pile: Any = NomicEmbeddings()
    for _ in range(5_000):
        pile = Around(pile)
    assert model_name(pile) == _MODEL
    assert applies_prompts(pile)


def test_the_outermost_name_counts() -> None:
    assert model_name(Around(Plain(), model="mine")) == "mine"


def test_what_is_no_embedder_is_not_looked_into() -> None:
    class Client:
        def embed(self) -> None: ...

    assert list(layers(holder := Around(Client(), kind=Plain))) == [holder]
