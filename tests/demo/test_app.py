"""The page's server: what it answers, and whom."""

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from mrl_adapters.demo.app import make_app
from mrl_adapters.demo.corpus import read_corpus
from mrl_adapters.demo.views import View
from mrl_adapters.demo.workbench import Workbench
from mrl_adapters.edge import EdgeClient
from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.evaluation import OpenCollection
from mrl_adapters.langchain import MatryoshkaVectorStore
from mrl_adapters.qdrant import CollectionLayout
from mrl_adapters.qdrant.query import Search

_SETTING = {"dimensions": "64", "bits": "8", "candidates": "100", "rotated": "false"}
_QUESTION = {"question": "make a temporary file", **_SETTING}


@pytest.fixture(scope="module")
def served(workbench: Workbench) -> Iterator[TestClient]:
    with TestClient(make_app(View(workbench)), base_url="http://127.0.0.1:8422") as client:
        yield client


def test_an_answer_has_all_columns(served: TestClient) -> None:
    told = served.get("/answer", params=_QUESTION).json()
    assert 0 <= told["overlap_short"] <= told["overlap_two_stage"] <= 1
    for column in ("short", "two_stage", "full"):
        assert len(told[column]["hits"]) == 10
        assert told[column]["latency_ms"] > 0
        assert {"title", "snippet", "score", "place", "row"} == set(told[column]["hits"][0])
    assert [hit["place"] for hit in told["full"]["hits"]] == list(range(1, 11))
    asked = served.get("/collection", params=_QUESTION).json()
    assert asked["at_setting"]
    assert asked["how"] == "stage 64, 100 candidates"
    assert [hit["row"] for hit in asked["hits"]] == [
        hit["row"] for hit in told["two_stage"]["hits"]
    ]


@pytest.mark.parametrize("how", ["rrf", "dbsf", "rescore", "lexical"])
def test_words_join_where_the_collection_finds_them(
    served: TestClient, workbench: Workbench, how: str
) -> None:
    asked = {**_QUESTION, "question": "mkdtemp"}
    told = served.get("/hybrid", params={**asked, "how": how}).json()
    store = workbench.corpus.store
    search = Search(workbench.vector("mkdtemp"), 10, text="mkdtemp")
    plan = {"hybrid": how, "stages": (64,), "oversampling": 1.0, "min_candidates": 100}
    [hits] = store.driver.run(store.collection.search([search], plan))
    assert [hit["score"] for hit in told["hits"]] == [hit.score for hit in hits]
    assert told["how"] == ("words alone" if how == "lexical" else "stage 64, 100 candidates")
    full = served.get("/answer", params=asked).json()["full"]["hits"]
    places = {hit["row"]: hit["place"] for hit in full}
    assert all(hit["place"] == places.get(hit["row"], hit["place"]) for hit in told["hits"])


def test_a_plan_that_is_none_is_told(served: TestClient) -> None:
    told = served.get("/hybrid", params={**_QUESTION, "how": "words"})
    assert told.status_code == 400
    assert "expected one of rrf, dbsf, rescore, lexical" in told.json()["error"]


def test_without_a_text_index_there_is_no_hybrid_column(
    client: EdgeClient, embedder: WordLlamaEmbedder
) -> None:
    layout = CollectionLayout(256, (64,), model=embedder.model)
    store = MatryoshkaVectorStore(client, "no words", embedder, layout=layout)
    store.add_texts(["Bees make honey.", "Cows give milk."])
    bench = Workbench(read_corpus(OpenCollection(store.collection, store.driver), embedder))
    asked: Any = TestClient(make_app(View(bench)), base_url="http://127.0.0.1:8422")
    assert 'id="hybrid"' not in asked.get("/").text
    told = asked.get("/hybrid", params={**_QUESTION, "how": "rrf"})
    assert "it has no text index" in told.json()["error"]


def test_a_setting_is_judged(served: TestClient) -> None:
    told = served.get("/setting", params=_SETTING).json()
    assert told["bytes"] == 64
    assert told["full_bytes"] == 1024
    assert sum(sum(trace["y"]) for trace in told["chart"]["data"]) == 2 * told["questions"]
    overlaps = [(each["two_stage"], each["short"]) for each in told["harmed"]]
    assert overlaps == sorted(overlaps)
    compile(told["code"], "code", "exec")


@pytest.mark.parametrize("path", ["/", "/answer", "/setting", "/page.js", "/nothing"])
def test_every_answer_has_a_strict_policy(served: TestClient, path: str) -> None:
    headers = served.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"question": ""}, "The question is empty"),
        ({"question": " \t"}, "The question is empty"),
        ({"question": "x" * 10_001}, "more than 10,000 characters"),
        ({"dimensions": "65"}, "expected one of 64, 128, 256"),
        ({"dimensions": ""}, "Expected a whole number as dimensions"),
        ({"dimensions": "-64"}, "Expected a whole number as dimensions"),
        ({"dimensions": "6²"}, "Expected a whole number as dimensions"),
        ({"dimensions": "9" * 5000}, "Expected a whole number as dimensions"),
        ({"bits": "3"}, "expected one of 32, 8, 4, 2, 1"),
        ({"candidates": "0"}, "expected one of 10"),
        ({"candidates": "1e3"}, "Expected a whole number as candidates"),
        ({"sample": "100"}, "There are 100 sample questions"),
        ({"sample": "first"}, "Expected a whole number as sample"),
    ],
)
@pytest.mark.parametrize("path", ["/answer", "/collection", "/hybrid?how=rrf"])
def test_what_cannot_be_asked_is_told(
    served: TestClient, path: str, changed: dict[str, str], told: str
) -> None:
    route, _, how = path.partition("?how=")
    answer = served.get(route, params={**_QUESTION, "how": how, **changed})
    assert answer.status_code == 400
    assert told in answer.json()["error"]


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:8422", "localhost:8422", "LOCALHOST", "[::1]:8422", "192.168.1.7:8422", "10.0.0.1"],
)
def test_addresses_and_this_machines_names_are_served(served: TestClient, host: str) -> None:
    assert served.get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8422", "127.0.0.1.evil.example", "", "localhost.evil"]
)
@pytest.mark.parametrize("path", ["/", "/answer", "/page.js"])
def test_foreign_names_are_refused(served: TestClient, host: str, path: str) -> None:
    answer = served.get(path, headers={"host": host}, params=_QUESTION)
    assert answer.status_code == 421
    assert "Open it by its address" in answer.text


def test_a_name_that_was_bound_is_served(workbench: Workbench) -> None:
    served: Any = TestClient(make_app(View(workbench), hosts=["Box.local"]))
    assert served.get("/", headers={"host": "box.local:80"}).status_code == 200


def test_only_reading_is_offered(served: TestClient) -> None:
    assert served.post("/answer", params=_QUESTION).status_code == 405


def test_nothing_is_loaded_from_the_net(served: TestClient) -> None:
    for path in ("/", "/page.js", "/page.css"):
        assert "//" not in served.get(path).text.replace("http://www.w3.org", "").replace("// ", "")
