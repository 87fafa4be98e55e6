"""Shortening the vectors of any embedder by its model's recipe, prompts put once."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrl_adapters.embeddings import TruncatedEmbedder, WordLlamaEmbedder
from mrl_adapters.embeddings.inspection import model_name
from mrl_adapters.errors import ConfigurationError, DimensionsError, EmbeddingError
from mrl_adapters.registry import MatryoshkaWarning
from mrl_adapters.vectors import truncate


class Echo:
    """A LangChain-shaped embedder that remembers what it was asked."""

    def __init__(self, width: int = 8, model: str | None = None, **attributes: object) -> None:
        self.model = model
        self.width = width
        self.asked: list[str] = []
        vars(self).update(attributes)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.asked += texts
        return [self._vector(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        return self.embed_documents(texts)

    async def aembed_query(self, text: str) -> list[float]:
        return self.embed_query(text)

    def _vector(self, text: str) -> list[float]:
        return np.random.default_rng(len(text)).normal(3, 1, self.width).tolist()


class LlamaEcho:
    """A LlamaIndex-shaped embedder over an Echo."""

    def __init__(self, echo: Echo, model_name: str = "unknown") -> None:
        self.echo = echo
        self.model_name = model_name

    def get_text_embedding_batch(self, texts: list[str]) -> list[list[float]]:
        return self.echo.embed_documents(texts)

    def get_query_embedding(self, query: str) -> list[float]:
        return self.echo.embed_query(query)

    async def aget_text_embedding_batch(self, texts: list[str]) -> list[list[float]]:
        return self.get_text_embedding_batch(texts)

    async def aget_query_embedding(self, query: str) -> list[float]:
        return self.get_query_embedding(query)


async def test_all_six_methods_agree_and_give_unit_vectors():
    embedder = TruncatedEmbedder(Echo(), 4)
    expected = truncate([Echo()._vector("one"), Echo()._vector("three")], 4)
    documents = embedder.embed_documents(["one", "three"])
    assert documents == expected.tolist()
    assert await embedder.aembed_documents(["one", "three"]) == documents
    assert embedder.embed_query("one") == await embedder.aembed_query("one") == documents[0]
    np.testing.assert_array_equal(await embedder.aembed_array(["one", "three"]), expected)
    assert type(documents[0][0]) is type(embedder.embed_query("one")[0]) is float


async def test_nothing_is_asked_for_no_texts():
    echo = Echo()
    embedder = TruncatedEmbedder(echo, 4)
    assert embedder.embed_documents([]) == await embedder.aembed_documents([]) == []
    assert embedder.embed_array([]).shape == (0, 4)
    assert echo.asked == []


async def test_a_llama_index_embedding_can_be_the_base():
    echo = Echo(768)
    embedder = TruncatedEmbedder(LlamaEcho(echo, "nomic-embed-text-v1.5"), 64)
    assert await embedder.aembed_documents(["one"]) == embedder.embed_documents(["one"])
    assert await embedder.aembed_query("one") == embedder.embed_query("one")
    assert set(echo.asked) == {"search_document: one", "search_query: one"}


def test_the_nomic_recipe_subtracts_the_mean_before_the_slice():
    echo = Echo(768, "nomic-embed-text:v1.5")
    vector = np.array(TruncatedEmbedder(echo, 64, prompts=False).embed_query("one"))
    raw = np.array(echo._vector("one"))
    by_hand = ((raw - raw.mean()) / raw.std())[:64]
    np.testing.assert_allclose(vector, by_hand / np.linalg.norm(by_hand), atol=1e-6)
    plain = raw[:64] / np.linalg.norm(raw[:64])
    assert abs(vector @ plain) < 0.9


def test_a_vector_that_the_base_has_shortened_is_only_sliced():
    echo = Echo(512, "nomic-embed-text-v1.5")
    vector = np.array(TruncatedEmbedder(echo, 64, prompts=False).embed_query("one"))
    raw = np.array(echo._vector("one"))[:64]
    np.testing.assert_allclose(vector, raw / np.linalg.norm(raw), atol=1e-6)


def test_the_model_can_be_said_where_the_base_does_not():
    echo = Echo(768)
    embedder = TruncatedEmbedder(echo, 256, model="nomic-ai/nomic-embed-text-v1.5")
    embedder.embed_documents(["a", "search_document: b"])
    embedder.embed_query("c")
    assert echo.asked == ["search_document: a", "search_document: b", "search_query: c"]
    assert embedder.model == model_name(embedder) == "nomic-ai/nomic-embed-text-v1.5"


@given(st.lists(st.text().filter(str.strip), min_size=1, max_size=3))
def test_wrapping_twice_puts_each_prompt_once(texts: list[str]):
    echo = Echo(768, "embeddinggemma-300m")
    inner = TruncatedEmbedder(echo, 512)
    TruncatedEmbedder(inner, 128).embed_documents(texts)
    prompt = "title: none | text: "
    assert echo.asked == [text if text.startswith(prompt) else prompt + text for text in texts]


@pytest.mark.parametrize(
    "attributes",
    [
        {"query_instruction": "search: "},
        {"embed_instruction": "text: "},
        {"query_encode_kwargs": {"prompt": "q: "}},
        {"encode_kwargs": {"prompt_name": "query"}},
        {"applies_prompts": True},
    ],
    ids=lambda value: next(iter(value)),
)
def test_a_base_with_prompts_of_its_own_gets_none_of_ours(attributes: dict[str, object]):
    echo = Echo(768, "nomic-embed-text-v1.5", **attributes)
    TruncatedEmbedder(echo, 256).embed_query("one")
    TruncatedEmbedder(echo, 256, prompts=True).embed_query("two")
    assert echo.asked == ["one", "search_query: two"]


def test_a_base_whose_service_knows_queries_gets_no_prompt():
    class NomicEmbeddings(Echo):
        pass

    class Mine(NomicEmbeddings):
        pass

    echo = Mine(768, "nomic-embed-text-v1.5", encode_kwargs={"batch_size": 4})
    TruncatedEmbedder(echo, 256).embed_query("one")
    assert echo.asked == ["one"]


def test_options_without_a_prompt_do_not_count_as_one():
    echo = Echo(768, "nomic-embed-text-v1.5", encode_kwargs={"batch_size": 4})
    TruncatedEmbedder(echo, 256).embed_query("one")
    assert echo.asked == ["search_query: one"]


def test_sizes_are_checked_at_construction_where_the_model_is_known():
    with pytest.raises(DimensionsError, match="1 to 768"):
        TruncatedEmbedder(Echo(768, "nomic-embed-text-v1.5"), 769)
    with pytest.raises(ConfigurationError, match="projection"):
        TruncatedEmbedder(Echo(2560, "zembed-1"), 256)
    with pytest.warns(MatryoshkaWarning, match="nearest is 128"):
        TruncatedEmbedder(WordLlamaEmbedder(), 100)
    with pytest.raises(DimensionsError, match="Choose at least 1"):
        TruncatedEmbedder(Echo(), 0)


def test_a_base_that_gives_fewer_dimensions_is_an_error():
    with pytest.raises(DimensionsError, match="Echo gave vectors of 8 dimensions, asked for 9"):
        TruncatedEmbedder(Echo(8), 9).embed_query("one")


@pytest.mark.parametrize(
    ("vectors", "problem"),
    [
        ([[1.0, 2.0]], "gave 1 vectors of .2. dimensions for 2 texts"),
        ([[1.0, 2.0], [1.0]], r"2 vectors of \[1, 2\] dimensions"),
        ([[1.0, 2.0], [1.0, float("nan")]], "Vector 1 holds NaN"),
    ],
    ids=["count", "ragged", "nan"],
)
async def test_a_base_that_answers_wrongly_is_an_error(vectors: list[list[float]], problem: str):
    class Wrong(Echo):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            del texts
            return vectors

    embedder = TruncatedEmbedder(Wrong(), 1)
    with pytest.raises(EmbeddingError, match=problem):
        embedder.embed_documents(["a", "b"])
    with pytest.raises(EmbeddingError, match=problem):
        await embedder.aembed_documents(["a", "b"])


def test_a_lone_string_is_not_embedded_letter_by_letter():
    with pytest.raises(ConfigurationError, match="expected a list of strings"):
        TruncatedEmbedder(Echo(), 4).embed_documents("hello")  # type: ignore[arg-type]  # the mistake


def test_what_is_no_embedder_is_refused():
    with pytest.raises(ConfigurationError, match="str is not an embedder"):
        TruncatedEmbedder("text-embedding-3-small", 256)


def test_it_can_be_printed_and_pickled():
    embedder = TruncatedEmbedder(WordLlamaEmbedder(), 64)
    assert repr(embedder) == (
        "TruncatedEmbedder(WordLlamaEmbedder(...), 64, model='dleemiller/word-llama-l2-supercat')"
    )
    copy = pickle.loads(pickle.dumps(embedder))  # noqa: S301 - our own bytes
    assert copy.embed_query("x") == embedder.embed_query("x")
    assert isinstance(embedder.base, WordLlamaEmbedder)
