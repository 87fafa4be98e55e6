"""Reading the bodies of embeddings answers."""

import base64
import json
from typing import Any

import numpy as np
import pytest

from mrl_adapters.embeddings import Usage
from mrl_adapters.embeddings.openai import answers
from mrl_adapters.embeddings.openai.answers import Answer
from mrl_adapters.errors import EmbeddingError


def body(*embeddings: Any, **more: Any) -> bytes:
    data = [{"index": at, "embedding": embedding} for at, embedding in enumerate(embeddings)]
    return json.dumps({"data": data, **more}).encode()


def decode(content: bytes, texts: list[str], rows: list[int] | None = None) -> Answer:
    return answers.decode(content, texts, rows or list(range(len(texts))))


def test_numbers_and_base64_are_the_same():
    vector = np.array([0.25, -1, 3], dtype="<f4")
    encoded = base64.b64encode(vector.tobytes()).decode()
    answer = decode(body(encoded, vector.tolist()), ["a", "b"])
    np.testing.assert_array_equal(answer.vectors, [vector, vector])
    assert answer.vectors.dtype == np.float32


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        ({"prompt_tokens": 3, "total_tokens": 4}, Usage(1, 3, 4)),
        ({"prompt_tokens": 3}, Usage(1, 3, 0)),
        ({"prompt_tokens": None}, Usage(1, 0, 0)),
        ({"prompt_tokens": "3"}, Usage(1, 0, 0)),
        ([3], Usage(1, 0, 0)),
        (None, Usage(1, 0, 0)),
    ],
)
def test_usage_is_read_where_it_is_given(usage: dict[str, int] | None, counted: Usage):
    assert decode(body([1.0], usage=usage), ["a"]).usage == counted


def test_places_are_the_order_where_no_index_is_given():
    answer = decode(b'{"data": [{"embedding": [1]}, {"embedding": [2]}]}', ["a", "b"])
    assert answer.vectors.tolist() == [[1], [2]]


@pytest.mark.parametrize("content", [b"", b"[]", b'{"data": null}', b'{"data": [1]}', b"3"])
def test_what_is_no_embeddings_answer_is_shown(content: bytes):
    with pytest.raises(EmbeddingError, match="not an embeddings answer") as caught:
        decode(content, ["a"])
    assert content[:20].decode() in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        {"error": {"message": "no such model"}},
        {"error": "no such model"},
        {"object": "error", "message": "no such model", "code": 404},
        {"detail": "no such model", "data": None},
    ],
)
def test_an_error_with_status_200_is_told(content: dict[str, Any]):
    with pytest.raises(EmbeddingError, match="an error in place of embeddings: no such model"):
        decode(json.dumps(content).encode(), ["a"])


@pytest.mark.parametrize("odd", [0, 1, 3])
def test_vectors_without_one_size_are_an_error_that_names_the_odd_one(odd: int):
    vectors = [[1.0, 2.0] for _ in range(4)]
    vectors[odd] = [1.0]
    with pytest.raises(EmbeddingError, match=rf"Text {odd}.* 1 dimensions, .* expected one size"):
        decode(body(*vectors), ["a", "b", "c", "d"])


ENCODED = base64.b64encode(np.array([0.25, -1, 3], dtype="<f4").tobytes()).decode()


@pytest.mark.parametrize(
    "written",
    [
        [0.25, -1, 3],
        [[0.25, -1, 3]],
        ["0.25", "-1", "3"],
        "[0.25, -1, 3]",
        ENCODED,
        ENCODED.rstrip("="),
        ENCODED.replace("+", "-").replace("/", "_"),
        ENCODED[:7] + "\n" + ENCODED[7:] + "\n",
    ],
    ids=["numbers", "nested", "strings", "a text", "base64", "unpadded", "url-safe", "lines"],
)
def test_a_vector_is_read_however_it_is_written(written: Any):
    assert decode(body(written), ["a"]).vectors.tolist() == [[0.25, -1, 3]]


@pytest.mark.parametrize(
    ("written", "why"),
    [
        (None, "null or empty"),
        ([], "null or empty"),
        ("", "null or empty"),
        ([[]], "null or empty"),
        ([[1.0, 2.0]] * 3, "3 vectors, one a token"),
        ([1.0, None], "null"),
        ([1.0, float("nan")], "NaN"),
        ([1.0, float("-inf")], "infinity"),
        ([1.0, 1e39], "infinity"),
        (["x", "y"], "convert"),
        ([True, False], "no numbers"),
        ([[1.0], [2.0, 3.0]], ""),
        ([{"a": 1}], ""),
        ({"a": 1}, ""),
        (1, "a single number"),
        (True, ""),
        ("AAA=", ""),
        ("no base64!", ""),
        ("[1, ", ""),
    ],
)
def test_a_vector_that_cannot_be_used_is_told_by_its_text(written: Any, why: str):
    with pytest.raises(EmbeddingError, match=rf"^Text 8 \('that one'\).*{why}") as caught:
        decode(body([1.0, 2.0], written), ["this one", "that one"], [7, 8])
    assert "base_url" not in str(caught.value)


@pytest.mark.parametrize("index", [0, None, "0", 0.0], ids=repr)
def test_an_index_in_any_form_is_read(index: Any):
    items = [{"index": index and 1, "embedding": [2]}, {"index": index, "embedding": [1]}]
    if index is None:
        items.reverse()
    else:
        items[0]["index"] = type(index)(1)
    assert decode(json.dumps({"data": items}).encode(), ["a", "b"]).vectors.tolist() == [[1], [2]]


@pytest.mark.parametrize("indices", [(0, 0), (1, 2), (0, 0.5), ("a", 0), ([], 1), (-1, 0)])
def test_indices_that_say_nothing_are_refused(indices: tuple[Any, Any]):
    items = [{"index": index, "embedding": [1]} for index in indices]
    with pytest.raises(EmbeddingError, match="which vector belongs to which text"):
        decode(json.dumps({"data": items}).encode(), ["a", "b"])
