"""Curves on data whose answer is known."""

import json
import os
import sys
import warnings
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from mrl_adapters import ConfigurationError, DimensionsError, EmbeddingError, MissingExtraError
from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.evaluation import Dataset, curve, curve_table, load_beir, plot_curve
from mrl_adapters.evaluation.figures import new_figure, save_figure
from mrl_adapters.qdrant import SparseVectors, TextIndex
from mrl_adapters.vectors import Rotation

DATA = Path(
    os.environ.get("MRL_ADAPTERS_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")
)


class Lookup:
    """Give each text the vector that was made for it."""

    def __init__(self, vectors: dict[str, np.ndarray]) -> None:
        self.vectors = vectors

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        assert all(text.strip() for text in texts)
        return [self.vectors[text].tolist() for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.vectors[text].tolist()

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        return self.embed_documents(texts)

    async def aembed_query(self, text: str) -> list[float]:
        return self.embed_query(text)


# The rotation that puts the last dimensions first.
REVERSAL = Rotation(np.eye(16, dtype=np.float32)[::-1], np.ones(16, dtype=np.float32))


@pytest.fixture
def backwards() -> tuple[Lookup, Dataset]:
    """Vectors whose last half says everything and whose first half says little."""
    rng = np.random.default_rng(0)
    scale = np.r_[np.full(8, 0.05), np.full(8, 1.0)]
    documents = {f"d{i}": scale * rng.standard_normal(16) for i in range(400)}
    queries = {
        f"q{i}": documents[f"d{i}"] + 0.3 * scale * rng.standard_normal(16) for i in range(60)
    }
    dataset = Dataset(
        documents={key: key for key in documents},
        queries={key: key for key in queries},
        qrels={f"q{i}": {f"d{i}": 1} for i in range(60)},
        name="backwards",
    )
    return Lookup(documents | queries), dataset


def test_the_first_row_is_the_full_search(backwards: tuple[Lookup, Dataset]) -> None:
    result = curve(*backwards, [8, 16, 4])
    full = result.rows[0]
    assert (full.dimensions, full.search, full.overlap, full.retained) == (
        16,
        "one-stage",
        1.0,
        1.0,
    )
    assert full.bytes_per_vector == 64
    assert [row.dimensions for row in result.rows[1:]] == [8, 8, 4, 4]
    assert (result.documents, result.queries, result.dimensions) == (400, 60, 16)


def test_two_stages_beat_one(backwards: tuple[Lookup, Dataset]) -> None:
    rows = curve(*backwards, [8]).rows
    assert [row.search for row in rows[1:]] == ["one-stage", "two-stage"]
    assert rows[2].overlap > rows[1].overlap


@pytest.mark.parametrize("rotation", [REVERSAL, "fit"], ids=["given", "fitted"])
def test_a_fitting_rotation_beats_none(
    backwards: tuple[Lookup, Dataset], rotation: Rotation | Literal["fit"]
) -> None:
    result = curve(*backwards, [8], rotation=rotation)
    rows = {(row.search, row.rotated): row for row in result.rows[1:]}
    assert rows["one-stage", True].overlap > 0.8 > rows["one-stage", False].overlap
    assert rows["two-stage", True].overlap > 0.99
    assert rows["two-stage", True].ndcg == pytest.approx(result.rows[0].ndcg, abs=0.01)


def test_without_a_smaller_size_there_is_nothing_to_rotate(
    backwards: tuple[Lookup, Dataset],
) -> None:
    assert len(curve(*backwards, [16], rotation="fit").rows) == 1


def test_a_rotation_of_too_few_rows_is_refused(backwards: tuple[Lookup, Dataset]) -> None:
    short = Rotation(REVERSAL.rows[:4], REVERSAL.energies[:4])
    with pytest.raises(DimensionsError, match="has 4 rows, 8 are asked for"):
        curve(*backwards, [8], rotation=short)


def test_re_ranking_everything_is_the_full_search(backwards: tuple[Lookup, Dataset]) -> None:
    rows = curve(*backwards, [2], k=10, oversampling=40).rows
    assert rows[2].search == "two-stage"
    assert rows[2].overlap == 1.0
    assert rows[2].ndcg == rows[0].ndcg


def test_without_dimensions_sizes_are_halved(backwards: tuple[Lookup, Dataset]) -> None:
    assert [row.dimensions for row in curve(*backwards).rows] == [16, 8, 8]
    wide = {str(i): np.random.default_rng(i).standard_normal(128) for i in range(3)}
    result = curve(Lookup(wide), Dataset(documents={key: key for key in wide}))
    assert [row.dimensions for row in result.rows] == [128, 64, 64, 32, 32]


def test_without_queries_documents_ask_for_their_neighbours(
    backwards: tuple[Lookup, Dataset],
) -> None:
    embedder, dataset = backwards
    result = curve(embedder, Dataset(documents=dataset.documents), [8])
    assert result.queries == 400
    assert not result.judged
    # A document that found itself would be its own nearest neighbour at every size.
    assert curve(embedder, Dataset(documents=dataset.documents), [1], k=1).rows[1].overlap < 0.3


def test_a_titled_document_does_not_find_itself() -> None:
    vectors = {
        text: np.random.default_rng(len(text)).standard_normal(4) for text in ("a", "T a", "bb")
    }
    dataset = Dataset({"1": "T a", "2": "bb"}, {"1": "a"}, {"1": {"1": 1}})
    assert curve(Lookup(vectors), dataset, [2], k=2).rows[0].recall == 0.0


def test_an_empty_document_is_never_embedded(backwards: tuple[Lookup, Dataset]) -> None:
    embedder, dataset = backwards
    documents = {"empty": " ", **dataset.documents}
    result = curve(embedder, Dataset(documents, dataset.queries, dataset.qrels), [8])
    assert result.documents == 401
    with pytest.raises(EmbeddingError, match="All 1 documents are empty"):
        curve(embedder, Dataset({"a": ""}, {"q0": "q0"}), [8])


def test_progress_is_told(backwards: tuple[Lookup, Dataset]) -> None:
    calls: list[tuple[str, int, int | None]] = []
    curve(*backwards, [8], progress=lambda at: calls.append((at.phase, at.done, at.total)))
    assert calls[0] == ("embedding documents", 0, 400)
    assert ("embedding queries", 60, 60) in calls
    assert calls[-1] == ("searching", 1, 1)


def test_impossible_questions_are_refused(backwards: tuple[Lookup, Dataset]) -> None:
    with pytest.raises(
        DimensionsError, match="Cannot measure 17 dimensions of vectors that have 16"
    ):
        curve(*backwards, [17])
    with pytest.raises(ConfigurationError, match=r"oversampling = 0\.5"):
        curve(*backwards, oversampling=0.5)


def test_table_and_json_say_the_same(backwards: tuple[Lookup, Dataset]) -> None:
    result = curve(*backwards, [8, 16], rotation=REVERSAL)
    assert result.judged
    table = curve_table(result).splitlines()
    assert table[0].startswith("unnamed model on backwards: 400 documents, 60 queries; two-stage")
    assert table[2] == (
        "| dimensions | search | bytes per vector | nDCG@10 | retained | recall@10 | overlap@10 |"
    )
    assert len({line.count("|") for line in table[2:]}) == 1
    assert "two-stage, rotated" in table[-1]
    data = json.loads(result.to_json())
    assert data["rows"][0]["ndcg"] == result.rows[0].ndcg
    assert len(data["rows"]) == len(table) - 4 == 5


def test_without_judgements_the_table_has_overlap_alone(backwards: tuple[Lookup, Dataset]) -> None:
    embedder, dataset = backwards
    table = curve_table(curve(embedder, Dataset(dataset.documents), [8]))
    assert "| dimensions | search | bytes per vector | overlap@10 |" in table
    assert "nDCG" not in table


def test_a_search_that_never_finds_anything_right_retains_nothing_of_nothing(
    backwards: tuple[Lookup, Dataset], tmp_path: Path
) -> None:
    embedder, dataset = backwards
    pytest.importorskip("matplotlib")
    unfindable = Dataset(dataset.documents, {"q0": "q0"}, {"q0": {"not there": 1}})
    result = curve(embedder, unfindable, [8])
    assert result.rows[0].ndcg == 0.0
    assert result.rows[1].retained is None
    assert "| - |" in curve_table(result)
    assert plot_curve(result, tmp_path / "x.svg").is_file()


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_a_picture_is_drawn(backwards: tuple[Lookup, Dataset], tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("matplotlib")
    embedder, dataset = backwards
    with warnings.catch_warnings():
        # pyparsing's and dateutil's own, raised while matplotlib is imported.
        warnings.simplefilter("ignore", DeprecationWarning)
        judged = curve(embedder, dataset, [8], rotation=REVERSAL)
        path = plot_curve(judged, tmp_path / f"judged{suffix}")
        unjudged = curve(embedder, Dataset(dataset.documents), [8])
        smaller = plot_curve(unjudged, str(tmp_path / f"unjudged{suffix}"))
    start = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[suffix]
    assert path.read_bytes().startswith(start)
    assert smaller.read_bytes().startswith(start)
    if suffix == ".svg":
        assert plot_curve(judged, tmp_path / "again.svg").read_bytes() == path.read_bytes()


def test_a_long_note_stays_inside_a_narrow_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from matplotlib.text import Text

    figure = new_figure(5, 4)
    figure.subplots()
    save_figure(figure, tmp_path / "x.png", "What was measured, told at length. " * 6)
    (note,) = figure.findobj(lambda each: isinstance(each, Text) and "told" in each.get_text())
    figure.draw_without_rendering()  # at the resolution that it is measured in below
    box = note.get_window_extent()
    assert 0 <= box.x0 < box.x1 <= figure.bbox.width
    assert 0 <= box.y0 < box.y1 <= figure.bbox.height


def test_a_picture_without_matplotlib_says_what_to_install(
    backwards: tuple[Lookup, Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"mrl-adapters\[plot\]"):
        plot_curve(curve(*backwards, [8]), tmp_path / "x.png")


def test_wordllama_on_docstrings_keeps_its_quality_with_two_stages(
    judged_docstrings: Dataset,
) -> None:
    rows = curve(WordLlamaEmbedder(), judged_docstrings, [128]).rows
    assert rows[1].overlap < 0.9
    assert rows[2].overlap > 0.97
    assert rows[2].retained is not None
    assert rows[2].retained > 0.98


def test_known_scores_of_debian_packages() -> None:
    folder = DATA / "debian-packages"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there; set MRL_ADAPTERS_DATA to the folder that holds it")
    result = curve(WordLlamaEmbedder(), load_beir(folder), [128, 64])
    assert (result.documents, result.queries) == (59_866, 2_000)
    rows = {(row.dimensions, row.search): row for row in result.rows}
    # Found by sorting all scores, without any code of this package; three digits.
    known = {"abs": 0.00051}
    assert rows[256, "one-stage"].ndcg == pytest.approx(0.495, **known)
    assert rows[256, "one-stage"].recall == pytest.approx(0.633, **known)
    assert rows[128, "one-stage"].ndcg == pytest.approx(0.457, **known)
    assert rows[64, "one-stage"].ndcg == pytest.approx(0.391, **known)
    assert rows[128, "two-stage"].overlap == pytest.approx(0.977, **known)
    assert rows[64, "two-stage"].overlap == pytest.approx(0.841, **known)


@pytest.mark.benchmark_target
@pytest.mark.parametrize("words", [TextIndex(), SparseVectors()], ids=["text index", "sparse"])
def test_hybrid_search_takes_at_most_two_and_a_half_times_a_two_stage_search(
    judged_docstrings: Dataset, words: TextIndex | SparseVectors
) -> None:
    plans = curve(WordLlamaEmbedder(), judged_docstrings, [128], hybrid=words).plans
    medians = {row.search: row.median_s for row in plans}
    shares = {name: median / medians["two-stage"] for name, median in medians.items()}
    assert {*shares} == {"two-stage", "lexical", "rrf", "dbsf", "rescore"}
    assert max(shares.values()) <= 2.5, shares
    scores = {row.search: row.ndcg for row in plans}
    assert scores["rrf"] > scores["two-stage"] + 0.05
