"""The names that frameworks and servers give to models."""

import pytest

from mrl_adapters import registry
from mrl_adapters.errors import ConfigurationError, UnknownModelError
from mrl_adapters.registry import ModelSpec

NOMIC = "nomic-ai/nomic-embed-text-v1.5"
QWEN = "Qwen/Qwen3-Embedding-0.6B"


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("openai:text-embedding-3-small", "text-embedding-3-small"),
        ("openai/text-embedding-3-large", "text-embedding-3-large"),
        ("nomic-embed-text", NOMIC),
        ("nomic-embed-text:latest", NOMIC),
        ("nomic-embed-text:v1.5", NOMIC),
        ("ollama:nomic-embed-text:v1.5", NOMIC),
        ("text-embedding-nomic-embed-text-v1.5", NOMIC),
        ("/models/nomic-embed-text-v1.5/", NOMIC),
        ("nomic-ai/nomic-embed-text-v1.5-GGUF", NOMIC),
        ("nomic-embed-text-v1.5.Q8_0.gguf", NOMIC),
        (" Nomic-AI/Nomic-Embed-Text-v1.5 ", NOMIC),
        ("qwen3-embedding:0.6b", QWEN),
        ("dengcao/Qwen3-Embedding-0.6B:latest", QWEN),
        ("embeddinggemma:300m", "google/embeddinggemma-300m"),
        ("models/gemini-embedding-001", "gemini-embedding-001"),
        ("amazon.titan-embed-text-v2:0", "amazon.titan-embed-text-v2:0"),
    ],
)
def test_models_are_found_by_the_names_that_others_give_them(written: str, name: str):
    assert registry.get(written).name == name


@pytest.mark.parametrize("name", ["qwen3-embedding", "nomic-embed-text-v1", "", "x:", "v1.5"])
def test_ambiguous_and_foreign_names_are_not_guessed(name: str):
    assert registry.find(name) is None


def test_an_unknown_name_lists_near_ones_and_how_to_register():
    with pytest.raises(UnknownModelError, match=rf"Near names: {NOMIC}.*register\(ModelSpec"):
        registry.get("nomic-embed-txt-v1.5")


def test_a_name_like_no_other_lists_no_near_ones():
    with pytest.raises(UnknownModelError) as caught:
        registry.get("zzzzzz")
    assert "Near names" not in str(caught.value)


@pytest.mark.usefixtures("own_registry")
def test_a_model_of_ones_own_is_found_by_all_its_names():
    spec = ModelSpec("us/our-model", 512, nested=(128,), aliases=("house-model",))
    registry.register(spec)
    assert registry.get("our-model") is registry.get("HOUSE-MODEL") is spec
    assert registry.names()[-1] == "us/our-model"


@pytest.mark.usefixtures("own_registry")
def test_a_taken_name_is_refused_unless_it_is_replaced():
    better = ModelSpec("text-embedding-3-small", 1536, nested=(768,))
    with pytest.raises(ConfigurationError, match="replace=True"):
        registry.register(better)
    registry.register(better, replace=True)
    assert registry.get("text-embedding-3-small") is better


@pytest.mark.usefixtures("own_registry")
def test_another_models_alias_is_never_taken_over():
    with pytest.raises(ConfigurationError, match="'nomic-embed-text' is already registered"):
        registry.register(ModelSpec("nomic-embed-text", 768), replace=True)
