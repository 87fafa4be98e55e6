"""Model2VecEmbedder over a real, tiny model2vec model."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mrl_adapters.embeddings import Model2VecEmbedder
from mrl_adapters.errors import DimensionsError
from mrl_adapters.registry import MatryoshkaWarning

model2vec = pytest.importorskip("model2vec")
WORDS = {"[UNK]": 0, "copy": 1, "tree": 2, "socket": 3}
VECTORS = np.random.default_rng(0).normal(size=(4, 16)).astype(np.float32)


@pytest.fixture(scope="module")
def model() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel(WORDS, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return model2vec.StaticModel(VECTORS, tokenizer, normalize=False)


def test_vectors_are_unit_means_of_the_tokens(model: Any):
    embedder = Model2VecEmbedder(model)
    mean = VECTORS[[1, 2]].mean(axis=0)
    np.testing.assert_allclose(
        embedder.embed_query("copy tree"), mean / np.linalg.norm(mean), atol=1e-6
    )
    assert embedder.embed_array([]).shape == (0, 16)
    assert asyncio.run(embedder.aembed_query("tree")) == embedder.embed_documents(["tree"])[0]


def test_a_saved_model_is_loaded_and_shortened_with_a_warning(model: Any, tmp_path: Path):
    model.save_pretrained(tmp_path)
    with pytest.warns(MatryoshkaWarning, match="not trained to be shortened"):
        embedder = Model2VecEmbedder(tmp_path, 4)
    assert (embedder.dimensions, embedder.model) == (4, str(tmp_path))
    short = VECTORS[3, :4]
    np.testing.assert_allclose(
        embedder.embed_query("socket"), short / np.linalg.norm(short), atol=1e-6
    )


def test_a_text_without_a_token_has_a_vector_of_zeros(model: Any):
    embedder = Model2VecEmbedder(model)
    vectors = embedder.embed_array(["tree", "", "\x00", "tree"])
    assert vectors.any(axis=1).tolist() == [True, False, model.encode("\x00").any(), True]
    np.testing.assert_array_equal(vectors[3], embedder.embed_query("tree"))


def test_sizes_are_checked(model: Any):
    with pytest.raises(DimensionsError, match="1 to 16"):
        Model2VecEmbedder(model, 17)
