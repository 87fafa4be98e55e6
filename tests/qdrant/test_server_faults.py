"""A real server on loopback that is late, drips, limits rates or answers with what is no answer."""

import asyncio
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import numpy as np
import pytest
from faulty_server import (
    AFTERWARDS,
    Fault,
    Server,
    changes,
    drip_the_body,
    drip_the_headers,
    gives,
    stall,
)
from qdrant_client import AsyncQdrantClient, QdrantClient
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from mrl_adapters.errors import AnswerError, DeadlineError
from mrl_adapters.qdrant import CollectionLayout, Driver, MatryoshkaCollection
from mrl_adapters.qdrant.flow import Flow
from mrl_adapters.qdrant.query import Search

ROW = np.arange(1, 9, dtype=np.float32)
LAYOUT = CollectionLayout(8, (4,))
LATE = (DeadlineError, ResponseHandlingException)
MARGIN_S = 2  # of a busy machine


@pytest.fixture
def server(faulty_server: Server) -> Server:
    return faulty_server


class Caller:
    """Runs flows on a client of the server, in one colour."""

    def __init__(self, colour: str, url: str, timeout: int) -> None:
        self.asynchronous = colour == "async"
        self._options = {
            "url": url,
            "timeout": timeout,
            "check_compatibility": False,
            "verify": False,
        }

    def __call__(self, flow: Flow[Any]) -> Any:
        if self.asynchronous:
            return asyncio.run(self._await(flow))
        client = QdrantClient(**self._options)
        try:
            return Driver(client).run(flow)
        finally:
            client.close()

    async def _await(self, flow: Flow[Any]) -> Any:
        client = AsyncQdrantClient(**self._options)
        try:
            return await Driver(async_client=client).arun(flow)
        finally:
            await client.close()


@pytest.fixture(params=["sync", "async"])
def call(request: pytest.FixtureRequest, server: Server) -> Callable[[int], Caller]:
    url = f"http://127.0.0.1:{server.server_port}"
    return lambda timeout: Caller(request.param, url, timeout)


@pytest.fixture
def docs(server: Server) -> MatryoshkaCollection:
    """A collection of one point, opened."""
    made = MatryoshkaCollection("docs", layout=LAYOUT)
    Caller("sync", f"http://127.0.0.1:{server.server_port}", 30)(made.add(["a"], [ROW], [{}]))
    server.seen.clear()
    return made


def search(docs: MatryoshkaCollection, **plan: Any) -> Flow[Any]:
    return docs.search([Search(ROW, 1)], plan)


def took_s(work: Callable[[], object], errors: Any) -> float:
    began = time.monotonic()
    with pytest.raises(errors):
        work()
    return time.monotonic() - began


# Late


@pytest.mark.parametrize("fault", [stall, drip_the_body, drip_the_headers])
@pytest.mark.parametrize("opened", [True, False], ids=["opened", "opening"])
def test_a_search_ends_by_its_deadline(
    server: Server, call: Any, docs: MatryoshkaCollection, fault: Fault, opened: bool
) -> None:
    server.fail("" if opened else "exists", *[fault] * 9)
    searched = docs if opened else MatryoshkaCollection("docs")
    assert took_s(lambda: call(30)(search(searched, timeout_s=1)), LATE) < 1 + MARGIN_S


@pytest.mark.parametrize("fault", [stall, drip_the_body, drip_the_headers])
def test_every_call_ends_by_the_clients_timeout(
    server: Server, call: Any, docs: MatryoshkaCollection, fault: Fault
) -> None:
    server.fail("", *[fault] * 99)

    def take(name: str) -> float:
        return took_s(lambda: call(1)(CALLS[name](docs)), LATE)

    with ThreadPoolExecutor(len(CALLS)) as pool:
        assert max(pool.map(take, CALLS)) < 1 + MARGIN_S


CALLS: dict[str, Callable[[MatryoshkaCollection], Flow[Any]]] = {
    "search": search,
    "add": lambda docs: docs.add(["b"], [ROW], [{}]),
    "get": lambda docs: docs.get(["a"]),
    "delete": lambda docs: docs.delete(["b"]),
    "count": lambda docs: docs.count(),
    "scroll": lambda docs: docs.scroll(),
}


def test_a_write_shares_its_time_with_the_question_before_it(
    server: Server, call: Any, docs: MatryoshkaCollection
) -> None:
    limit_s, late_s = 6, 5.0

    def late(handler: Any, content: bytes) -> None:
        handler.server.closing.wait(late_s)
        handler.send(200, content)

    AFTERWARDS.append(late)
    server.fail("collections/docs", late)
    server.fail("points", stall)
    took = took_s(lambda: call(limit_s)(CALLS["add"](docs)), LATE)
    assert late_s < took < limit_s + MARGIN_S


def test_a_servers_failures_are_not_repeated_beyond_the_deadline(
    server: Server, call: Any, docs: MatryoshkaCollection
) -> None:
    server.fail("", *[gives(b"", 503)] * 9)
    assert took_s(lambda: call(30)(search(docs, timeout_s=1)), UnexpectedResponse) < 1 + MARGIN_S
    assert 2 <= len(server.seen) <= 4


# Rate limits


def in_s(seconds: float) -> str:
    moment = datetime.now(timezone.utc) + timedelta(seconds=seconds)
    return format_datetime(moment, usegmt=True)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("headers", "pause_s"),
    [
        (("1", "2 s from now"), 1),
        (("0.5",), 0.5),
        (("-5", "0", "a minute ago", "soon", "nan"), 0.2),
    ],
    ids=["said", "parts of seconds", "not said"],
)
def test_a_server_that_says_when_to_come_back_is_asked_then(
    server: Server,
    call: Any,
    docs: MatryoshkaCollection,
    status: int,
    headers: tuple[str, ...],
    pause_s: float,
) -> None:
    for header in headers:
        said = {"2 s from now": in_s(2), "a minute ago": in_s(-60)}.get(header, header)
        server.fail("query", gives(b"{}", status, Retry_After=said))
        began = time.monotonic()
        assert len(call(5)(search(docs))[0]) == 1, header
        assert pause_s <= time.monotonic() - began < 2 + MARGIN_S, header
    assert sum(path.endswith("query") for path in server.seen) == 2 * len(headers)


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_says_to_come_back_too_late_is_not_waited_for(
    server: Server, call: Any, docs: MatryoshkaCollection, status: int
) -> None:
    refusals = (ResourceExhaustedResponse, UnexpectedResponse)
    limit_s = 10  # what writes has twice as much
    late = ["21", "3600", "9" * 30, "1e999", "inf", in_s(3600), in_s(10**9)]
    for said in late:
        for each in CALLS.values():
            server.fail("", gives(b"{}", status, Retry_After=said))
            assert took_s(lambda: call(limit_s)(each(docs)), refusals) < limit_s, said  # noqa: B023
    assert len(server.seen) == len(late) * len(CALLS)


def test_writing_waits_as_long_again_where_the_server_asks_for_it(
    server: Server, call: Any, docs: MatryoshkaCollection
) -> None:
    server.fail("points", gives(b"{}", 429, Retry_After="1"))
    assert call(1)(CALLS["add"](docs)) == 1
    server.fail("query", gives(b"{}", 429, Retry_After="30"))
    assert took_s(lambda: call(1)(search(docs)), ResourceExhaustedResponse) < MARGIN_S


# What is no answer

NO_ANSWERS = {
    "a page": gives(b"<html><title>Welcome to nginx</title></html>"),
    "nothing": gives(b""),
    "cut off": gives(b'{"result": {"poi'),
    "null": gives(b"null"),
    "a list": gives(b"[]"),
    "no result": gives(b'{"status": "ok", "time": 0.1}'),
    "an error": gives(b'{"status": {"error": "overloaded"}, "time": 0.1}'),
    "result null": gives(b'{"result": null, "status": "ok", "time": 0.1}'),
    "another result": gives(b'{"result": [[7]], "status": "ok", "time": 0.1}'),
    "a number": gives(b'{"result": 7, "status": "ok", "time": 0.1}'),
    "no text": gives(b"\xff\xfe\x00"),
    "an endless nest": gives(b"[" * 100_000),
}


@pytest.mark.parametrize("name", sorted(CALLS))
def test_what_is_no_answer_is_said_to_be_none(
    server: Server, call: Any, docs: MatryoshkaCollection, name: str
) -> None:
    for answer in NO_ANSWERS.values():
        server.fail("", answer)
        with pytest.raises(AnswerError, match=r"server's answer cannot be read.*Check the address"):
            call(5)(CALLS[name](docs))
    assert len(server.seen) == len(NO_ANSWERS)


def test_opening_says_so_too(server: Server, call: Any) -> None:
    for answer in NO_ANSWERS.values():
        server.fail("exists", answer)
        with pytest.raises(AnswerError, match="Check the address"):
            call(5)(MatryoshkaCollection("docs").count())


@pytest.mark.parametrize("count", [0, 1, 3])
def test_answers_to_other_searches_are_refused(
    server: Server, call: Any, docs: MatryoshkaCollection, count: int
) -> None:
    server.fail("batch", changes(lambda result: result[:1] * count))
    with pytest.raises(AnswerError, match=f"gave {count} answers to 2 searches"):
        call(5)(docs.search([Search(ROW, 1)] * 2))


@pytest.mark.parametrize("score", [math.nan, math.inf])
def test_a_score_that_is_no_number_is_refused(
    server: Server, call: Any, docs: MatryoshkaCollection, score: float
) -> None:
    server.fail(
        "query", changes(lambda result: {"points": [result["points"][0] | {"score": score}]})
    )
    with pytest.raises(AnswerError, match=f"the score {score}"):
        call(5)(search(docs))


def test_pages_without_end_are_noticed(
    server: Server, call: Any, docs: MatryoshkaCollection
) -> None:
    server.fail("scroll", *[changes(lambda result: result | {"next_page_offset": 3})] * 9)
    with pytest.raises(AnswerError, match="comes that page again"):
        call(5)(docs.scroll())


def test_a_change_that_is_not_applied_yet_is_waited_for(
    server: Server, call: Any, docs: MatryoshkaCollection
) -> None:
    late = changes(lambda result: result | {"status": "wait_timeout"})
    server.fail("points", late, late)
    assert call(5)(CALLS["add"](docs)) == 1
    assert sum(path.endswith("points") for path in server.seen) == 3
    server.fail("delete", *[late] * 9)
    assert took_s(lambda: call(1)(CALLS["delete"](docs)), DeadlineError) < 1 + MARGIN_S


# Gone for a while, as while it is started again


class Absence:
    """A server that is not there from one request on, for some seconds."""

    def __init__(self, seconds: float, status: int | None) -> None:
        self._seconds, self._status = seconds, status
        self.until_s = 0.0

    def __call__(self, handler: Any, content: bytes) -> None:
        self.until_s = self.until_s or time.monotonic() + self._seconds
        if self._status:
            handler.send(self._status, b"gone")
        else:
            handler.close_connection = True  # reset, without an answer


OUTAGE_S = 5.0  # longer than a search waits


@pytest.mark.parametrize("status", [None, 502, 503])
def test_a_load_waits_for_a_server_that_is_started_again(
    server: Server, call: Any, docs: MatryoshkaCollection, status: int | None
) -> None:
    absence = Absence(OUTAGE_S, status)
    server.fail_while(lambda: not absence.until_s or time.monotonic() < absence.until_s, absence)
    rows = np.tile(ROW, (3, 1))
    assert call(20)(docs.add(["x", "y", "z"], rows, [{}] * 3)) == 3
    assert time.monotonic() >= absence.until_s


def test_a_search_does_not(server: Server, call: Any, docs: MatryoshkaCollection) -> None:
    server.fail_while(lambda: True, Absence(math.inf, 503))
    assert took_s(lambda: call(20)(search(docs)), UnexpectedResponse) < OUTAGE_S


def test_what_fails_for_good_ends_a_load_soon(
    server: Server, call: Any, docs: MatryoshkaCollection
) -> None:
    server.fail_while(lambda: True, Absence(math.inf, 500))
    rows = np.tile(ROW, (1, 1))
    assert took_s(lambda: call(20)(docs.add(["x"], rows, [{}])), UnexpectedResponse) < OUTAGE_S
