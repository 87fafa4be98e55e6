"""The model in the wordllama wheel."""

import asyncio
import math
import pickle
import subprocess
import sys

import numpy as np
import pytest

from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.embeddings.static import _load_wordllama
from mrl_adapters.errors import (
    ConfigurationError,
    DimensionsError,
    MissingExtraError,
)
from mrl_adapters.registry import MatryoshkaWarning

TEXTS = ["copy a directory tree", "Ein Verzeichnis kopieren", "x", "word " * 5000]


def test_vectors_are_those_of_the_package_itself(wordllama: WordLlamaEmbedder):
    import wordllama as package

    tokenizer, table = _load_wordllama()
    reference = package.inference.WordLlamaInference(
        table, type(tokenizer).from_str(tokenizer.to_str())
    )
    expected = reference.embed(TEXTS, norm=True)
    np.testing.assert_allclose(wordllama.embed_array(TEXTS), expected, atol=1e-5)


@pytest.mark.parametrize("dimensions", [256, 128, 64])
def test_vectors_are_unit_prefixes_of_the_full_one(wordllama: WordLlamaEmbedder, dimensions: int):
    short = WordLlamaEmbedder(dimensions).embed_array(TEXTS)
    full = wordllama.embed_array(TEXTS)[:, :dimensions]
    np.testing.assert_allclose(np.linalg.norm(short, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(short, full / np.linalg.norm(full, axis=1, keepdims=True), atol=1e-6)


def test_answers_are_python_floats(wordllama: WordLlamaEmbedder):
    vector = wordllama.embed_query("hello")
    assert len(vector) == wordllama.dimensions == 256
    assert type(vector) is list
    assert type(vector[0]) is float
    assert math.isclose(sum(x * x for x in vector), 1, abs_tol=1e-5)


def test_both_colours_and_all_batch_sizes_agree(wordllama: WordLlamaEmbedder):
    small = WordLlamaEmbedder(batch_size=1)

    async def ask() -> tuple[list[float], list[list[float]], np.ndarray]:
        return (
            await small.aembed_query(TEXTS[0]),
            await small.aembed_documents(TEXTS),
            await small.aembed_array(TEXTS),
        )

    query, documents, array = asyncio.run(ask())
    assert query == documents[0] == wordllama.embed_query(TEXTS[0])
    assert documents == array.tolist() == wordllama.embed_documents(TEXTS)


def test_nothing_in_nothing_out(wordllama: WordLlamaEmbedder):
    assert wordllama.embed_documents([]) == []
    assert wordllama.embed_array([]).shape == (0, 256)


def test_a_lone_string_is_not_embedded_letter_by_letter(wordllama: WordLlamaEmbedder):
    with pytest.raises(ConfigurationError, match=r"texts is .hello.*pass a list"):
        wordllama.embed_documents("hello")  # type: ignore[arg-type]  # the mistake


def test_sizes_are_checked_at_construction():
    with pytest.raises(DimensionsError, match="1 to 256"):
        WordLlamaEmbedder(257)
    with pytest.raises(ConfigurationError, match="batch_size is 0"):
        WordLlamaEmbedder(batch_size=0)
    with pytest.warns(MatryoshkaWarning, match="not trained at 100"):
        WordLlamaEmbedder(100)


def test_it_travels_between_processes_without_its_weights(wordllama: WordLlamaEmbedder):
    data = pickle.dumps(wordllama)
    assert len(data) < 500
    copy = pickle.loads(data)  # noqa: S301 - our own bytes
    assert copy.embed_query("hello") == wordllama.embed_query("hello")
    assert repr(wordllama) == (
        "WordLlamaEmbedder(model='dleemiller/word-llama-l2-supercat', dimensions=256)"
    )


def test_loading_it_leaves_the_applications_logging_alone():
    script = (
        "import logging; from mrl_adapters.embeddings import WordLlamaEmbedder; "
        "WordLlamaEmbedder().embed_query('x'); root = logging.getLogger(); "
        "assert not root.handlers and root.level == logging.WARNING"
    )
    subprocess.run([sys.executable, "-c", script], check=True)  # noqa: S603 - our own script


@pytest.mark.parametrize(
    "code",
    [
        "import mrl_adapters.embeddings",
        "from mrl_adapters.embeddings import *; WordLlamaEmbedder(); OpenAIEmbedder()",
    ],
    ids=["import", "construct"],
)
def test_no_optional_package_is_imported_before_it_is_needed(code: str):
    script = (
        f"import sys; {code}; "
        "print([m for m in ('openai', 'wordllama', 'sentence_transformers', 'torch', 'model2vec', "
        "'tiktoken', 'langchain_core', 'llama_index') if m in sys.modules])"
    )
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("package", "make"),
    [
        ("wordllama", "WordLlamaEmbedder()"),
        ("model2vec", "Model2VecEmbedder('x')"),
        ("openai", "OpenAIEmbedder()"),
        ("sentence-transformers", "SentenceTransformerEmbedder('x')"),
    ],
)
def test_a_missing_package_names_the_extra_that_brings_it(
    package: str, make: str, monkeypatch: pytest.MonkeyPatch
):
    from mrl_adapters import embeddings

    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(MissingExtraError, match=rf"{package} is not installed.*mrl-adapters\["):
        eval(make, vars(embeddings))  # noqa: S307 - one of the four lines above
