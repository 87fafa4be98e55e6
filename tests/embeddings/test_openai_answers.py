"""Reading the bodies of embeddings answers."""

import base64
import json
from typing import Any

import numpy as np
import pytest

from mrl_adapters.embeddings.openai.conversation import Terms, converse, decode
from mrl_adapters.embeddings.openai.usage import Usage
from mrl_adapters.errors import EmbeddingError


def body(*embeddings: Any, **more: Any) -> bytes:
    data = [{"index": at, "embedding": embedding} for at, embedding in enumerate(embeddings)]
    return json.dumps({"data": data, **more}).encode()


def test_numbers_and_base64_are_the_same():
    vector = np.array([0.25, -1, 3], dtype="<f4")
    encoded = base64.b64encode(vector.tobytes()).decode()
    answer = decode(body(encoded, vector.tolist()), 2)
    np.testing.assert_array_equal(answer.vectors, [vector, vector])
    assert answer.vectors.dtype == np.float32


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        ({"prompt_tokens": 3, "total_tokens": 4}, Usage(1, 3, 4)),
        ({"prompt_tokens": 3}, Usage(1, 3, 0)),
        ({"prompt_tokens": None}, Usage(1, 0, 0)),
        (None, Usage(1, 0, 0)),
    ],
)
def test_usage_is_read_where_it_is_given(usage: dict[str, int] | None, counted: Usage):
    assert decode(body([1.0], usage=usage), 1).usage == counted


def test_places_are_the_order_where_no_index_is_given():
    answer = decode(b'{"data": [{"embedding": [1]}, {"embedding": [2]}]}', 2)
    assert answer.vectors.tolist() == [[1], [2]]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"error": {"message": "no such model"}}',
        b'{"data": null}',
        b'{"data": [1]}',
        b'{"data": [{"embedding": "AAA="}]}',
        b'{"data": [{"embedding": {"a": 1}}]}',
        b'{"data": [{"embedding": ["x"]}]}',
        b'{"data": [{"embedding": 1}]}',
    ],
)
def test_what_is_no_embeddings_answer_is_shown(content: bytes):
    with pytest.raises(EmbeddingError, match="not an embeddings answer") as caught:
        decode(content, 1)
    assert content[:20].decode() in str(caught.value)


@pytest.mark.parametrize("embeddings", [([1.0], [1.0, 2.0]), ([], [])], ids=["ragged", "empty"])
def test_vectors_without_one_size_are_an_error(embeddings: tuple[list[float], ...]):
    with pytest.raises(EmbeddingError, match="expected one size"):
        decode(body(*embeddings), len(embeddings))


def test_a_refused_parameter_is_left_out_from_then_on():
    class RefusedError(Exception):
        status_code = 422

    terms = Terms(64, optional=True)
    flow = converse("m", ["a"], terms)
    assert next(flow)["dimensions"] == 64
    assert "dimensions" not in flow.throw(RefusedError())
    with pytest.raises(StopIteration):
        flow.send(body([1.0]))
    assert terms.dimensions is None


def test_what_is_refused_without_the_parameter_too_was_not_its_fault():
    class RefusedError(Exception):
        status_code = 400

    terms = Terms(64, optional=True)
    flow = converse("m", ["a"], terms)
    next(flow)
    flow.throw(RefusedError())
    with pytest.raises(RefusedError):
        flow.throw(RefusedError())
    assert terms.dimensions == 64
