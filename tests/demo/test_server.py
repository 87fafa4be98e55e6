"""The page over a real server's collection: the same numbers as its own search gives."""

from collections.abc import Iterator
from typing import Any

import pytest
from real_server import server_client
from starlette.testclient import TestClient

from mrl_adapters.demo.app import make_app
from mrl_adapters.demo.corpus import read_corpus
from mrl_adapters.demo.serve import prepare
from mrl_adapters.demo.views import View
from mrl_adapters.demo.workbench import Workbench
from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.evaluation import OpenCollection
from mrl_adapters.langchain import MatryoshkaVectorStore
from mrl_adapters.qdrant import CollectionLayout, SparseVectors
from mrl_adapters.qdrant.query import Search

pytestmark = pytest.mark.server


@pytest.fixture
def workbench(embedder: WordLlamaEmbedder, texts: list[tuple[str, str]]) -> Iterator[Workbench]:
    layout = CollectionLayout(256, (64,), model=embedder.model, sparse=SparseVectors())
    with server_client() as client:
        store = MatryoshkaVectorStore(client, "docs", embedder, layout=layout)
        store.add_texts([text for _, text in texts], [{"title": title} for title, _ in texts])
        yield prepare(read_corpus(OpenCollection(store.collection, store.driver), embedder))


@pytest.mark.parametrize(
    ("column", "plan"),
    [("collection", {}), ("hybrid", {"hybrid": "rrf"}), ("hybrid", {"hybrid": "rescore"})],
)
def test_a_column_is_what_the_server_answers(
    workbench: Workbench, column: str, plan: dict[str, Any]
) -> None:
    text = "make a temporary file"
    asked = {"question": text, "dimensions": "64", "bits": "8", "candidates": "100"}
    if plan:
        asked["how"] = plan["hybrid"]
    with TestClient(make_app(View(workbench)), base_url="http://127.0.0.1:8422") as page:
        told = page.get(f"/{column}", params={**asked, "rotated": "false"}).json()
        scanned = page.get("/answer", params={**asked, "rotated": "false"}).json()
    store = workbench.corpus.store
    search = Search(workbench.vector(text), 10, text=text)
    plan = {**plan, "stages": (64,), "oversampling": 1.0, "min_candidates": 100}
    [hits] = store.driver.run(store.collection.search([search], plan))
    assert [hit["score"] for hit in told["hits"]] == pytest.approx([hit.score for hit in hits])
    if column == "collection":  # a scan of the same vectors in memory finds the same
        assert [hit["row"] for hit in told["hits"]] == [
            hit["row"] for hit in scanned["two_stage"]["hits"]
        ]
