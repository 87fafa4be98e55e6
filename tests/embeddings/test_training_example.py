"""The training example in a smaller setting: what it holds out, and that the loss tells."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from mrl_adapters.embeddings import SentenceTransformerEmbedder
from mrl_adapters.evaluation import Dataset
from mrl_adapters.vectors import truncate

SCRIPT = Path(__file__).parents[2] / "examples" / "train_matryoshka.py"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),  # torch's and transformers' own
]


@pytest.fixture(scope="module")
def example() -> ModuleType:
    pytest.importorskip("torch", reason="needs torch: pip install torch sentence-transformers")
    pytest.importorskip("sentence_transformers", minversion="5.4")
    spec = importlib.util.spec_from_file_location("train_matryoshka", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.torch.set_num_threads(1)
    return module


def folded(text: str) -> str:
    return " ".join(text.split()).lower()


def test_no_question_and_no_answer_is_trained_with(example: ModuleType):
    asked: list[str] = []
    for run in range(example.FOLDS):
        pairs, dataset = example.split(run)
        seen = {folded(text) for pair in pairs for text in pair}
        questions = {folded(text) for text in dataset.queries.values()}
        answers = {folded(dataset.documents[key]) for key in dataset.queries}
        assert not seen & (questions | answers)
        assert len(pairs) > 10 * len(dataset.queries)
        asked += dataset.queries
    assert sorted(asked) == sorted(example.corpus()[1].queries), "each is held out once"


def test_a_start_is_the_same_each_time_and_is_left_as_it_was(example: ModuleType):
    pairs = example.split(0)[0][:512]
    texts = [text for pair in pairs for text in pair]

    def weights(model: Any) -> np.ndarray:
        [parameter] = model.parameters()
        return parameter.detach().numpy().copy()

    start = example.untrained(texts, 1)
    again = example.untrained(texts, 1)
    assert start[0].tokenizer.get_vocab() == again[0].tokenizer.get_vocab()
    np.testing.assert_array_equal(weights(start), weights(again))
    assert not np.array_equal(weights(start), weights(example.untrained(texts, 2)))
    trained = example.train(start, pairs, "matryoshka", seed=0, epochs=1)
    np.testing.assert_array_equal(weights(start), weights(again))
    assert not np.array_equal(weights(start), weights(trained))


def test_short_prefixes_of_the_nested_model_match_more_pairs(example: ModuleType):
    pairs = example.split(0)[0][:512]

    start = example.untrained([text for pair in pairs for text in pair], 0)

    def matched(loss: str) -> float:
        model = example.train(start, pairs, loss, seed=0, epochs=20)
        embedder = SentenceTransformerEmbedder(model, name=loss)
        left, right = (
            truncate(embedder.embed_array([pair[side] for pair in pairs]), 32) for side in (0, 1)
        )
        return float(((left @ right.T).argmax(axis=1) == np.arange(len(pairs))).mean())

    assert matched("matryoshka") > 1.2 * matched("plain")


def test_it_prints_and_plots_both_curves(
    example: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
):
    pytest.importorskip("matplotlib")
    pairs, dataset = example.split(0)
    few = dict(list(dataset.queries.items())[:40])
    small = Dataset(dataset.documents, few, {key: dataset.qrels[key] for key in few}, "few")
    monkeypatch.setattr(example, "split", lambda run: (pairs[run : run + 512], small))
    picture = tmp_path / "retention.png"
    monkeypatch.setattr(
        "sys.argv", ["train", "--runs", "2", "--epochs", "1", "--plot", str(picture)]
    )
    example.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[3:]] == [
        [loss, str(size)] for loss in example.LOSSES for size in (768, *example.SIZES)
    ]
    assert lines[3].split()[3] == lines[9].split()[3] == "100.0%"
    assert picture.read_bytes().startswith(b"\x89PNG")
