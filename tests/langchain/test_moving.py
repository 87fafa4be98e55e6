"""Each pair in the page about moving differs in its import alone, and prints the same."""

import warnings
from pathlib import Path
from typing import Any

import pytest
from langchain_qdrant import QdrantVectorStore
from moving import check_imports, half, printed, programs

from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.langchain import MatryoshkaEmbeddings
from mrl_adapters.qdrant import OneStageWarning, connect

PROGRAMS = programs("moving_from_langchain_qdrant.md")
# Where a program has qdrant-client's local mode, the embedded engine.
EMBEDDED = {
    'QdrantClient(":memory:")': 'connect(path="embedded")',
    'location=":memory:"': 'path="embedded"',
    '"location": ":memory:"': '"path": "embedded"',
    '"numbers", ":memory:"': '"numbers", path="embedded"',
}


def run(source: str) -> str:
    """Run a program in the current folder, close what it opened, and return what it prints."""
    embeddings = MatryoshkaEmbeddings(WordLlamaEmbedder(), 256)
    names: dict[str, Any] = {"embeddings": embeddings, "connect": connect}
    out = printed(source, names)
    for each in names.values():
        if isinstance(each, QdrantVectorStore):
            each.client.close()
    return out


def test_the_page_has_programs() -> None:
    assert len(PROGRAMS) >= 14


@pytest.mark.parametrize("title", PROGRAMS)
def test_a_pair_differs_in_its_import_alone(title: str) -> None:
    check_imports(PROGRAMS[title], "langchain_qdrant", "mrl_adapters.langchain")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("title", PROGRAMS)
def test_a_pair_prints_the_same(title: str, tmp_path: Path, monkeypatch) -> None:
    before, after = half(PROGRAMS[title], "-"), half(PROGRAMS[title], "+")
    embedded = after
    for there, here in EMBEDDED.items():
        embedded = embedded.replace(there, here)
    said = {}
    for name, source in {"before": before, "after": after, "embedded": embedded}.items():
        folder = tmp_path / name
        folder.mkdir()
        monkeypatch.chdir(folder)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OneStageWarning)
            if name == "before":
                warnings.simplefilter("ignore")  # langchain-qdrant's and the local mode's own
            said[name] = run(source)
    assert said["before"].strip()
    assert said["after"] == said["embedded"] == said["before"]
