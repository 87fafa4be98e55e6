"""Empty, over-long and unwritable texts; how texts are packed into requests."""

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tiktoken
from hypothesis import given
from hypothesis import strategies as st

from mrl_adapters.embeddings import OpenAIEmbedder, OpenAIOptions, WordLlamaEmbedder
from mrl_adapters.embeddings.openai import packing
from mrl_adapters.embeddings.openai.packing import (
    Piece,
    TokenLimit,
    assemble,
    byte_length,
    cut,
    load_encoding,
    pack,
)
from mrl_adapters.errors import ConfigurationError, EmbeddingError

# A real tokeniser with a tiny table: single bytes, and the two letters "ab" as one token.
RANKS = {bytes([byte]): byte for byte in range(256)} | {b"ab": 256}
PAIRS = tiktoken.Encoding("pairs", pat_str=r"\s|\S+", mergeable_ranks=RANKS, special_tokens={})

COLOURS: dict[str, Callable[[OpenAIEmbedder, list[str]], list[list[float]]]] = {
    "sync": OpenAIEmbedder.embed_documents,
    "async": lambda embedder, texts: asyncio.run(embedder.aembed_documents(texts)),
}


def bytes_only(limit: int | None) -> TokenLimit:
    return TokenLimit(limit, lambda: None)


def exact(limit: int) -> TokenLimit:
    return TokenLimit(limit, lambda: PAIRS)


def texts_of(pieces: list[Piece]) -> list[str]:
    return [piece.text for piece in pieces]


@pytest.mark.parametrize("blank", ["", " \n"])
def test_a_blank_text_may_be_an_error_that_gives_its_place(blank: str):
    with pytest.raises(EmbeddingError, match=r"Text 1 is blank.*empty='skip'"):
        cut(["a", blank], "", bytes_only(10), OpenAIOptions(empty="error"))


async def test_skipped_texts_cost_nothing_and_keep_their_places(
    server: Any, wordllama: WordLlamaEmbedder
):
    embedder = OpenAIEmbedder("wordllama", base_url=server.url)
    vectors = await embedder.aembed_array(["", "hello", ""])
    np.testing.assert_allclose(vectors[1], wordllama.embed_query("hello"), atol=1e-7)
    assert not vectors[[0, 2]].any()
    assert server.inputs() == [["hello"]]
    assert embedder.embed_documents(["", ""]) == [[0.0] * 256] * 2
    assert (await embedder.aembed_array([])).shape == (0, 256)
    assert len(server.requests) == 1


@pytest.mark.parametrize("colour", COLOURS)
def test_the_size_of_a_blank_texts_vector_is_asked_for_once_where_it_is_not_known(
    server: Any, colour: str
):
    embedder = OpenAIEmbedder("our-own", base_url=server.url)
    for _ in range(2):
        assert COLOURS[colour](embedder, ["", " "]) == [[0.0] * 256] * 2
    assert len(server.requests) == 1


def test_a_text_that_is_no_utf_8_is_an_error_that_gives_its_place():
    with pytest.raises(EmbeddingError, match=r"Text 1 cannot be written as UTF-8.*character 2"):
        cut(["fine", "ab\ud800"], "", bytes_only(10), OpenAIOptions())


def test_a_text_that_is_too_long_is_an_error_with_its_count():
    with pytest.raises(EmbeddingError, match=r"Text 1 has 6 tokens, the model takes 5"):
        cut(["ab" * 5, "ab" * 6], "", exact(5), OpenAIOptions())


def test_without_a_tokeniser_the_server_decides_about_long_texts():
    assert texts_of(cut(["abcdef"], "", bytes_only(5), OpenAIOptions())) == ["abcdef"]


@pytest.mark.parametrize("limit", [bytes_only(12), exact(12)], ids=["bytes", "exact"])
def test_truncation_keeps_the_beginning(limit: TokenLimit):
    options = OpenAIOptions(over_long="truncate")
    [piece] = cut(["one two three four five six"], "p: ", limit, options)
    assert piece.text.startswith("p: o")
    assert byte_length(piece.text) <= 12
    assert "one two three".startswith(piece.text.removeprefix("p: "))


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80).filter(str.strip),
    st.integers(4, 40),
)
def test_split_by_bytes_loses_nothing_and_fits(text: str, limit: int):
    pieces = cut([text], "", bytes_only(limit), OpenAIOptions(over_long="split_average"))
    assert "".join(texts_of(pieces)) == text
    assert all(byte_length(piece.text) <= limit for piece in pieces)


@given(
    st.text(st.sampled_from("ab c"), min_size=1, max_size=80).filter(str.strip),
    st.integers(10, 40),
)
def test_split_by_tokens_loses_nothing_and_fits(text: str, limit: int):
    pieces = cut([text], "", exact(limit), OpenAIOptions(over_long="split_average"))
    assert "".join(texts_of(pieces)) == text
    assert all(len(PAIRS.encode_ordinary(piece.text)) <= limit for piece in pieces)


def test_a_split_falls_between_words_where_it_can():
    options = OpenAIOptions(over_long="split_average")
    pieces = cut(["alpha beta gamma delta"], "", bytes_only(11), options)
    assert texts_of(pieces) == ["alpha beta", " gamma", " delta"]


def test_each_part_gets_the_prompt():
    options = OpenAIOptions(over_long="split_average")
    pieces = cut(["p: alpha beta gamma"], "p: ", bytes_only(13), options)
    assert texts_of(pieces) == ["p: alpha", "p:  beta", "p:  gamma"]
    assert {piece.row for piece in pieces} == {0}


def test_a_limit_below_the_prompt_is_an_error():
    options = OpenAIOptions(over_long="truncate")
    with pytest.raises(ConfigurationError, match="no room for a text after the prompt"):
        cut(["alpha beta"], "a long prompt: ", bytes_only(10), options)


def test_a_split_text_gets_the_average_of_its_parts_by_length(
    server: Any, wordllama: WordLlamaEmbedder
):
    text = "copy a directory tree recursively, " * 3
    options = OpenAIOptions(over_long="split_average", max_tokens=70)
    embedder = OpenAIEmbedder("wordllama", base_url=server.url, options=options)
    vectors = embedder.embed_array(["short", text, "shorter"])
    [sent] = server.inputs()
    parts = sent[1:-1]
    assert "".join(parts) == text
    average = np.average(
        wordllama.embed_array(parts), axis=0, weights=[len(part) for part in parts]
    )
    np.testing.assert_allclose(vectors[1], average / np.linalg.norm(average), atol=1e-6)
    np.testing.assert_allclose(
        vectors[[0, 2]], wordllama.embed_array(["short", "shorter"]), atol=1e-6
    )


def test_the_registrys_length_is_the_models_limit(server: Any):
    server.embed = lambda texts: np.ones((len(texts), 1024), dtype=np.float32)
    options = OpenAIOptions(over_long="truncate", prompts=False)
    embedder = OpenAIEmbedder("mxbai-embed-large", base_url=server.url, options=options)
    embedder.embed_query("x" * 600)
    assert server.inputs() == [["x" * 512]]


@given(
    st.lists(st.integers(1, 50), max_size=60),
    st.integers(1, 10),
    st.integers(1, 100),
)
def test_requests_keep_the_order_and_both_budgets(weights: list[int], count: int, budget: int):
    pieces = [Piece("x", row, weight) for row, weight in enumerate(weights)]
    requests = pack(pieces, count, budget)
    assert [piece for request in requests for piece in request] == pieces
    for request in requests:
        assert 1 <= len(request) <= count
        assert len(request) == 1 or sum(piece.weight for piece in request) <= budget


def test_requests_are_as_few_as_the_order_allows():
    pieces = [Piece("x", row, 10) for row in range(10)]
    sizes = [len(r) for r in pack(pieces, 4, 30)]
    assert sizes == [3, 3, 3, 1]


def test_a_text_weighs_no_more_than_the_model_takes():
    [piece] = cut(["ab" * 100], "", exact(100), OpenAIOptions())
    assert piece.weight == 100


def test_pieces_come_back_to_their_rows():
    pieces = [Piece("a", 0, 1), Piece("b", 2, 1), Piece("c", 2, 3)]
    merged = assemble(pieces, np.eye(3, dtype=np.float32), 4)
    np.testing.assert_array_equal(merged, [[1, 0, 0], [0, 0, 0], [0, 1, 3], [0, 0, 0]])


def test_no_tokeniser_is_downloaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Any):
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    assert load_encoding("text-embedding-3-small") is None
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "")
    assert load_encoding("text-embedding-3-small") is None
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR")
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    assert load_encoding("text-embedding-3-small") is None


def test_a_tokeniser_in_the_cache_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Any):
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    # The name under which tiktoken itself keeps cl100k_base.
    (tmp_path / "9b5ad71b2ce5302211f9c61530b329a4922fc6a4").touch()
    monkeypatch.setattr(tiktoken, "get_encoding", lambda name: (name, PAIRS)[1])
    assert load_encoding("text-embedding-3-small") is PAIRS
    assert load_encoding("nomic-embed-text") is None
    monkeypatch.setattr(packing.importlib.util, "find_spec", lambda _name: None)
    assert load_encoding("text-embedding-3-small") is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"truncation": "both"},
        {"over_long": "ignore"},
        {"empty": "zero"},
        {"batch_size": 0},
        {"batch_size": 2049},
        {"request_tokens": 300_001},
        {"concurrency": 0},
        {"max_retries": -1},
        {"max_tokens": 0},
    ],
    ids=str,
)
def test_options_that_no_request_can_be_made_with_are_refused(wrong: dict[str, Any]):
    [name] = wrong
    with pytest.raises(ConfigurationError, match=f"{name} is .*Choose"):
        OpenAIOptions(**wrong)
