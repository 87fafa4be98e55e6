"""Vectors from files and texts: parted into queries and documents, nothing lost, nothing twice."""

from pathlib import Path

import numpy as np
import pytest

from mrl_adapters.bench import BenchData, from_file, from_texts, synthetic, take
from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.evaluation import Dataset
from mrl_adapters.progress import Progress
from mrl_adapters.vectors import normalize


@pytest.fixture
def vectors() -> np.ndarray:
    """More than one block of them, not of unit length."""
    return np.random.default_rng(0).normal(size=(5000, 6)).astype(np.float32)


def npy(folder: Path, vectors: np.ndarray) -> Path:
    np.save(folder / "vectors.npy", vectors)
    return folder / "vectors.npy"


def parquet(folder: Path, vectors: np.ndarray) -> Path:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet as pq

    table = pa.table({"id": range(len(vectors)), "embedding": list(vectors)})
    pq.write_table(table, folder / "vectors.parquet")
    return folder / "vectors.parquet"


def rows_of(array: np.ndarray) -> set[bytes]:
    return {row.tobytes() for row in np.asarray(array)}


@pytest.mark.parametrize("write", [npy, parquet])
def test_a_files_rows_become_queries_and_documents(tmp_path: Path, vectors, write):
    data = from_file(tmp_path / "data", write(tmp_path, vectors), queries=50, seed=2)
    assert data.documents.shape == (4950, 6)
    assert data.queries.shape == (50, 6)
    assert rows_of(data.documents) | rows_of(data.queries) == rows_of(normalize(vectors))


def test_queries_are_drawn_from_all_over_the_file_by_the_seed(tmp_path: Path, vectors):
    source = npy(tmp_path, vectors)
    first, same, other = (
        from_file(tmp_path / str(place), source, queries=50, seed=seed)
        for place, seed in enumerate((1, 1, 2))
    )
    np.testing.assert_array_equal(first.queries, same.queries)
    assert rows_of(first.queries) != rows_of(other.queries)
    places = [
        index
        for index, row in enumerate(normalize(vectors))
        if row.tobytes() in rows_of(first.queries)
    ]
    assert min(places) < 1000
    assert max(places) > 4000


def test_fewer_points_take_the_beginning_of_the_file(tmp_path: Path, vectors):
    data = from_file(tmp_path / "data", npy(tmp_path, vectors), points=100, queries=20)
    assert data.documents.shape == (100, 6)
    assert rows_of(data.documents) | rows_of(data.queries) == rows_of(normalize(vectors[:120]))


@pytest.mark.parametrize(
    ("options", "drawn"), [({}, 1_000), ({"points": 700}, 4_000), ({"points": 4_990}, 10)]
)
def test_few_queries_are_drawn_of_few_vectors(tmp_path: Path, vectors, options, drawn):
    data = from_file(tmp_path / "data", npy(tmp_path, vectors), **options)
    assert len(data.queries) == drawn


@pytest.mark.parametrize("options", [{"points": 4990}, {"queries": 5000}])
def test_more_than_the_file_holds_is_refused(tmp_path: Path, vectors, options):
    with pytest.raises(ConfigurationError, match="holds 5,000 vectors"):
        from_file(tmp_path / "data", npy(tmp_path, vectors), **{"queries": 20, **options})


@pytest.mark.parametrize("wrong", [np.zeros(5), np.zeros((0, 5)), np.zeros((3, 2), dtype=int)])
def test_an_array_of_another_kind_is_refused(tmp_path: Path, wrong):
    with pytest.raises(ConfigurationError, match=r"shape \(n, d\)"):
        from_file(tmp_path / "data", npy(tmp_path, wrong), queries=1)


def test_another_kind_of_file_is_refused(tmp_path: Path):
    with pytest.raises(ConfigurationError, match=r"Expected \.npy or \.parquet"):
        from_file(tmp_path / "data", tmp_path / "vectors.csv")


def test_a_parquet_file_without_vectors_is_refused(tmp_path: Path):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet as pq

    pq.write_table(pa.table({"text": ["a", "b"]}), tmp_path / "texts.parquet")
    with pytest.raises(ConfigurationError, match=r"\['text'\]"):
        from_file(tmp_path / "data", tmp_path / "texts.parquet", queries=1)


@pytest.mark.parametrize("ragged", [[[1.0, 2.0], [1.0]], [[1.0, 2.0], None], [[], []]])
def test_vectors_of_several_sizes_are_refused(tmp_path: Path, ragged):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet as pq

    table = pa.table({"embedding": pa.array(ragged, type=pa.list_(pa.float64()))})
    pq.write_table(table, tmp_path / "ragged.parquet")
    with pytest.raises(ConfigurationError, match="differ in size"):
        from_file(tmp_path / "data", tmp_path / "ragged.parquet", queries=1)


def test_a_corpus_is_asked_its_own_questions(tmp_path: Path):
    documents = {str(n): f"text about number {n}" for n in range(30)} | {"empty": " "}
    dataset = Dataset(documents, {"a": "which number?", "b": "what text?"}, name="numbers")
    embedder = WordLlamaEmbedder()
    data = from_texts(tmp_path, dataset, embedder, points=20)
    assert data.name == "numbers, 20 x 256"
    assert data.documents.shape == (20, 256)
    np.testing.assert_allclose(data.queries[1], embedder.embed_query("what text?"), atol=1e-6)


def test_a_corpus_without_questions_asks_some_of_its_texts(tmp_path: Path):
    words = (
        "bees",
        "cows",
        "trains",
        "stars",
        "files",
        "songs",
        "rivers",
        "clouds",
        "ships",
        "hay",
    )
    dataset = Dataset({word: f"a text about {word}" for word in words})
    data = from_texts(tmp_path, dataset, WordLlamaEmbedder(), queries=3)
    assert (len(data.documents), len(data.queries)) == (7, 3)
    assert not rows_of(data.documents) & rows_of(data.queries)


def test_a_smaller_set_has_the_same_questions(tmp_path: Path):
    steps: list[Progress] = []
    whole = synthetic(tmp_path / "whole", 300, 8, queries=30)
    part = take(tmp_path / "part", whole, 100, steps.append)
    np.testing.assert_array_equal(part.queries, whole.queries)
    np.testing.assert_array_equal(part.documents, whole.documents[:100])
    assert part.name == "synthetic nested vectors, 100 x 8"
    last = steps[-1]
    assert (last.phase, last.done, last.total) == ("writing vectors", 100, 100)


def test_data_is_opened_by_its_folder(tmp_path: Path):
    made = synthetic(tmp_path, 50, 8, queries=20)
    opened = BenchData.open(tmp_path)
    assert opened.name == made.name
    assert isinstance(opened.documents, np.memmap)


@pytest.mark.parametrize("name", ["data.json", "documents.npy", "queries.npy"])
@pytest.mark.parametrize("content", [b"mine", b'{"name": "mine"}', b"[1]"])
def test_files_of_others_are_not_written_over(tmp_path: Path, name: str, content: bytes):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigurationError, match=name):
        synthetic(tmp_path, 20, 8, queries=4)
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [(name, content)]


def test_a_link_to_a_file_of_others_is_not_followed(tmp_path: Path):
    synthetic(tmp_path / "data", 20, 8, queries=4)
    (tmp_path / "mine.npy").write_bytes(b"mine")
    (tmp_path / "data" / "queries.npy").unlink()
    (tmp_path / "data" / "queries.npy").symlink_to(tmp_path / "mine.npy")
    with pytest.raises(ConfigurationError, match="empty folder"):
        synthetic(tmp_path / "data", 20, 8, queries=4)
    assert (tmp_path / "mine.npy").read_bytes() == b"mine"


def test_what_was_written_before_is_written_over_but_is_no_source_meanwhile(tmp_path: Path):
    synthetic(tmp_path, 200, 8, queries=4)
    assert synthetic(tmp_path, 100, 8, queries=4).documents.shape == (100, 8)
    with pytest.raises(ConfigurationError, match="while it is read"):
        from_file(tmp_path, tmp_path / "documents.npy", queries=4)
    assert BenchData.open(tmp_path).documents.shape == (100, 8)
