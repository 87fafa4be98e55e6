"""A small collection of real texts, its workbench, and the page that shows it."""

import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest
from page_server import served

from mrl_adapters.demo.corpus import Corpus, read_corpus
from mrl_adapters.demo.workbench import Workbench
from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.evaluation import OpenCollection
from mrl_adapters.evaluation.docstrings import docstrings
from mrl_adapters.langchain import MatryoshkaVectorStore
from mrl_adapters.qdrant import CollectionLayout, EdgeClient, TextIndex

_MODULES = ("argparse", "ast", "csv", "glob", "inspect", "pathlib", "shutil", "tarfile", "tempfile")
HOSTILE = "<script>window.hostile = true</script><img src=x onerror='window.hostile = true'>"


@pytest.fixture(scope="session")
def embedder() -> WordLlamaEmbedder:
    return WordLlamaEmbedder()


@pytest.fixture(scope="session")
def texts(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """Names and summaries of some of the standard library, and one that means harm."""
    folder = tmp_path_factory.mktemp("library")
    for name in _MODULES:
        (folder / f"{name}.py").symlink_to(Path(sysconfig.get_paths()["stdlib"], f"{name}.py"))
    found = [(entry.id, entry.summary) for entry in docstrings(folder)]
    return [*found, (HOSTILE, f"Harm the page. {HOSTILE}")]


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EdgeClient]:
    with EdgeClient(tmp_path_factory.mktemp("demo")) as opened:
        yield opened


@pytest.fixture(scope="session")
def corpus(client: EdgeClient, embedder: WordLlamaEmbedder, texts: list[tuple[str, str]]) -> Corpus:
    layout = CollectionLayout(256, (64,), model=embedder.model, text_index=TextIndex())
    store = MatryoshkaVectorStore(client, "docs", embedder, layout=layout)
    store.add_texts([text for _, text in texts], [{"title": title} for title, _ in texts])
    opened = OpenCollection(store.collection, store.driver)
    return read_corpus(opened, embedder, questions=None)


@pytest.fixture(scope="session")
def workbench(corpus: Corpus) -> Workbench:
    return Workbench(corpus)


@pytest.fixture(scope="session")
def address(workbench: Workbench) -> Iterator[str]:
    """The page's address while it is served."""
    with served(workbench) as address:
        yield address
