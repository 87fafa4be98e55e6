import json
from typing import Any

import pytest

from mrl_adapters import registry


def test_every_model_is_listed_with_its_sizes(run: Any) -> None:
    lines = run("models").stdout.splitlines()
    for name in registry.names():
        line = next(line for line in lines if line.startswith(f"{name} "))
        assert str(registry.get(name).dimensions) in line


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "nomic-embed-text:v1.5",
            [
                "nomic-ai/nomic-embed-text-v1.5",
                "layer norm",
                '"search_query: "',
                "8,192 tokens",
                "any from 64 (512, 256, 128, 64 published)",
            ],
        ),
        ("text-embedding-3-large", ["3072", "any (1024, 256 published)", "takes dimensions"]),
        ("text-embedding-ada-002", ["none: not trained for it", "learn a rotation"]),
        ("zembed-1", ["(own projection, never sliced)"]),
        ("stella_en_400M_v5", ["6144, 4096, 2048, 1024, 768, 512 (own heads, never sliced)"]),
        ("voyage-4-large", ["2048 dimensions", "unless asked   1024 dimensions"]),
        ("mxbai-embed-large-v1", ["not published"]),
        ("Qwen3-Embedding-0.6B", ["any from 32", r"query\nQuery:"]),
    ],
)
def test_one_model_is_told_in_detail(run: Any, name: str, words: list[str]) -> None:
    output = run("models", name).stdout
    for word in [*words, registry.get(name).source]:
        assert word in output


@pytest.mark.usefixtures("own_registry")
def test_a_smallest_size_alone_is_told(run: Any) -> None:
    registry.register(registry.ModelSpec("mine", 8, minimum=4))
    assert "sizes from 4" in run("models", "mine").stdout


def test_an_unknown_model_is_an_error_that_names_near_ones(run: Any) -> None:
    result = run("models", "text-embedding-3-smal")
    assert result.exit_code == 1
    assert "text-embedding-3-small" in result.stderr
    assert result.stdout == ""


def test_json_has_every_fact(run: Any) -> None:
    one = json.loads(run("models", "wordllama", "--json").stdout)
    everything = json.loads(run("models", "--json").stdout)
    assert [each["name"] for each in everything] == list(registry.names())
    assert one in everything
