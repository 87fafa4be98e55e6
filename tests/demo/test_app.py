"""The page's server: what it answers, and whom."""

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from mrl_adapters.demo.app import make_app
from mrl_adapters.demo.views import View
from mrl_adapters.demo.workbench import Workbench

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
@pytest.mark.parametrize("path", ["/answer", "/collection"])
def test_what_cannot_be_asked_is_told(
    served: TestClient, path: str, changed: dict[str, str], told: str
) -> None:
    answer = served.get(path, params={**_QUESTION, **changed})
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
