import numpy as np
import pytest

from mrl_adapters.cli.comparison import compare
from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.langchain import MatryoshkaVectorStore
from mrl_adapters.qdrant import CollectionLayout, connect


@pytest.mark.parametrize(("quantization", "bytes_a_number"), [("int8", 1), (None, 4)])
def test_a_small_collection_loses_nothing_and_counts_its_first_stage(
    tmp_path: object, quantization: object, bytes_a_number: int
) -> None:
    embedder = WordLlamaEmbedder()
    layout = CollectionLayout(256, (32, 64), quantization=quantization)  # type: ignore[arg-type] # parametrised
    with connect(path=str(tmp_path)) as client:
        store = MatryoshkaVectorStore(client, "docs", embedder, layout=layout)
        store.add_texts(f"text number {number}" for number in range(20))
        questions = embedder.embed_array(["number 7", "some text"])
        full, longer, shorter = compare(store, layout, questions, texts=20, k=5)
    assert (full.stage, longer.stage, shorter.stage) == (None, 64, 32)
    # The shortlist of 100 holds all 20 texts, so nothing can be missed.
    assert full.overlap == longer.overlap == shorter.overlap == 1.0
    assert full.ram_bytes == 20 * 256 * 4
    assert longer.ram_bytes == 20 * 64 * bytes_a_number
    assert shorter.ram_bytes == 20 * 32 * bytes_a_number
    assert all(row.latency_s > 0 for row in (full, longer, shorter))


def test_overlap_falls_where_the_short_vectors_miss_neighbours(tmp_path: object) -> None:
    """Short vectors without any meaning choose 100 of 2,000 at random: about 5 % are found."""
    random = np.random.default_rng(7)
    layout = CollectionLayout(64, (1,))
    with connect(path=str(tmp_path)) as client:
        store = MatryoshkaVectorStore(client, "noise", _Noise(random), layout=layout)
        store.add_texts(map(str, range(2_000)))
        questions = random.standard_normal((20, 64)).astype(np.float32)
        full, short = compare(store, layout, questions, texts=2_000)
    assert full.overlap == 1.0
    assert short.overlap < 0.5


class _Noise:
    """Vectors that mean nothing."""

    def __init__(self, random: np.random.Generator) -> None:
        self._random = random

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return self._random.standard_normal((len(texts), 64)).tolist()

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        return self.embed_documents(texts)

    async def aembed_query(self, text: str) -> list[float]:
        return self.embed_query(text)
