"""The registry as a table, and the documentation's copy of it."""

import runpy
from pathlib import Path

import pytest

from mrl_adapters import registry
from mrl_adapters.registry import lookup
from mrl_adapters.registry.table import markdown, table

PAGE = Path(__file__).parents[2] / ".github" / "docs" / "models.md"
BEGIN, END = "<!-- models: begin -->", "<!-- models: end -->"


def test_the_table_has_a_row_a_model():
    assert [row["model"] for row in table()] == list(registry.names())


def test_a_row_says_what_to_know():
    row = next(row for row in table() if row["model"].endswith("embed-text-v1.5"))
    assert row == {
        "model": "nomic-ai/nomic-embed-text-v1.5",
        "dimensions": "768",
        "nested": "any ≥ 64 (512, 256, 128, 64)",
        "max tokens": "8,192",
        "reduction": "layer norm, slice",
        "prompts": "query, document",
        "first stage": "256",
    }


@pytest.mark.parametrize(
    ("model", "sizes"),
    [
        ("mixedbread-ai/mxbai-embed-large-v1", "not published"),
        ("jinaai/jina-embeddings-v5-text-nano", "512, 256, 128, 64, 32"),
        ("Qwen/Qwen3-Embedding-4B", "any ≥ 32"),
        ("text-embedding-3-small", "any (512)"),
        ("text-embedding-ada-002", ""),
    ],
)
def test_sizes_say_what_is_known(model: str, sizes: str):
    assert next(row["nested"] for row in table() if row["model"] == model) == sizes


@pytest.mark.usefixtures("own_registry")
def test_a_smallest_size_alone_is_said_too():
    registry.register(registry.ModelSpec("mine", 8, minimum=4))
    assert table()[-1]["nested"] == "down to 4"


def test_markdown_links_models_to_their_sources():
    text = markdown()
    assert "[jinaai/jina-embeddings-v3](https://arxiv.org/abs/2409.10173)" in text
    assert len(text.splitlines()) == len(registry.names()) + 2


def test_a_model_without_an_address_is_not_linked(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lookup, "_SPECS", {})
    monkeypatch.setattr(lookup, "_INDEX", {})
    registry.register(registry.ModelSpec("mine", 8, source="our own notes"))
    assert "| mine | 8 |" in markdown()


def test_the_module_prints_the_table_to_paste(capsys: pytest.CaptureFixture[str]):
    runpy.run_module("mrl_adapters.registry", run_name="__main__")
    assert capsys.readouterr().out == markdown()


def test_the_documentation_shows_this_registry():
    text = PAGE.read_text(encoding="utf-8")
    shown = text.partition(BEGIN)[2].partition(END)[0].strip()
    assert shown == markdown().strip(), "paste: python -m mrl_adapters.registry"
