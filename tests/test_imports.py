"""What importing costs, and what it must not bring along."""

import json
import subprocess
import sys

import pytest

FRAMEWORKS = {"langchain_core", "langchain", "llama_index"}
CLIENTS = {"qdrant_client", "qdrant_edge", "openai", "httpx", "grpc"}
# Not rich: httpx, on which qdrant_client stands, brings it along where it is installed.
HEAVY = {"torch", "sentence_transformers", "wordllama", "matplotlib", "typer"}
CORE = [
    "mrl_adapters.errors",
    "mrl_adapters.vectors",
    "mrl_adapters.registry",
    "mrl_adapters.embeddings",
    "mrl_adapters.qdrant",
]


def python(code: str) -> str:
    """Run code in a fresh interpreter and return what it prints."""
    return subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True
    ).stdout


def loaded_by(module: str) -> set[str]:
    """Name the top-level packages that an import brings along."""
    names = json.loads(python(f"import json, sys, {module}; print(json.dumps([*sys.modules]))"))
    return {name.split(".")[0] for name in names} | {
        name for name in names if name.startswith("mrl_adapters")
    }


def test_the_root_imports_no_framework_no_client_and_not_even_numpy() -> None:
    loaded = loaded_by("mrl_adapters")
    assert not loaded & (FRAMEWORKS | CLIENTS | HEAVY | {"numpy"})
    assert {name for name in loaded if name.startswith("mrl_adapters")} == {
        "mrl_adapters",
        "mrl_adapters.errors",
    }


@pytest.mark.parametrize("module", CORE)
def test_the_core_imports_no_framework_and_nothing_heavy(module: str) -> None:
    assert not loaded_by(module) & (FRAMEWORKS | HEAVY)


@pytest.mark.parametrize("module", CORE[:4])
def test_what_needs_no_database_imports_no_client(module: str) -> None:
    assert not loaded_by(module) & CLIENTS


@pytest.mark.parametrize(
    ("adapter", "framework", "other"),
    [
        ("mrl_adapters.langchain", "langchain_core", "llama_index"),
        ("mrl_adapters.llama_index", "llama_index", "langchain_core"),
    ],
)
def test_an_adapter_imports_its_own_framework_alone(
    adapter: str, framework: str, other: str
) -> None:
    pytest.importorskip(f"{framework}.core" if framework == "llama_index" else framework)
    loaded = loaded_by(adapter)
    assert framework in loaded
    assert not loaded & {other, "mrl_adapters." + other.removesuffix("_core")}


@pytest.mark.benchmark_target
def test_importing_the_root_takes_less_than_a_tenth_of_a_second() -> None:
    code = "import time; t = time.perf_counter(); import mrl_adapters; "
    best = min(float(python(code + "print(time.perf_counter() - t)")) for _ in range(7))
    assert best < 0.1


@pytest.mark.benchmark_target
def test_the_langchain_adapter_adds_little_to_what_it_stands_on() -> None:
    pytest.importorskip("langchain_core")
    # A ratio within one process: a busy machine slows both.
    code = (
        "from time import perf_counter as now; began = now(); "
        "import langchain_core.vectorstores, langchain_core.retrievers, qdrant_client; "
        "stood = now(); import mrl_adapters.langchain; print((now() - stood) / (stood - began))"
    )
    assert min(float(python(code)) for _ in range(3)) < 0.15
