"""Calls that end by their deadlines in the caller's own thread, and those that need another."""

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from faulty_server import Server, drip_the_body
from qdrant_client import QdrantClient

from mrl_adapters.errors import DeadlineError
from mrl_adapters.qdrant import Driver
from mrl_adapters.qdrant.failover import Failover
from mrl_adapters.qdrant.flow import ask
from mrl_adapters.qdrant.sockets import CURRENT_DEADLINE, bind, keeps
from mrl_adapters.waiting import Deadline

MARGIN_S = 2  # of a busy machine


@pytest.fixture
def url(faulty_server: Server) -> str:
    return f"http://127.0.0.1:{faulty_server.server_port}"


@pytest.fixture
def carrier() -> Iterator[httpx.HTTPTransport]:
    with httpx.HTTPTransport() as made:
        yield made


@pytest.fixture
def web(carrier: httpx.HTTPTransport, url: str) -> Iterator[httpx.Client]:
    with httpx.Client(transport=carrier, base_url=url) as made:
        yield made


def thread_of(**options: Any) -> int:
    """Return which thread makes a request of a client with these options."""
    client = QdrantClient(timeout=9, check_compatibility=False, **options)

    def request(client: QdrantClient) -> int:
        client.get_collections()
        return threading.get_ident()

    try:
        return Driver(client).run(ask(request))
    finally:
        client.close()


def test_requests_are_made_in_the_callers_thread(url: str) -> None:
    assert thread_of(url=url) == threading.get_ident()
    assert thread_of(url=url, transport=Failover([url])) == threading.get_ident()


def test_what_carries_requests_in_its_own_way_gets_a_thread(url: str) -> None:
    class Carrier(httpx.HTTPTransport): ...

    assert thread_of(url=url, transport=Carrier()) != threading.get_ident()


@pytest.mark.filterwarnings("ignore:Auth token provider is used with an insecure:UserWarning")
def test_a_token_may_take_its_time(url: str) -> None:
    assert thread_of(url=url, auth_token_provider=lambda: "token") != threading.get_ident()


def test_connections_that_were_open_before_are_bounded_too(
    faulty_server: Server, carrier: httpx.HTTPTransport, web: httpx.Client
) -> None:
    assert web.get("/collections").status_code == 200
    assert bind(carrier)
    faulty_server.fail("", drip_the_body)
    before = CURRENT_DEADLINE.set(Deadline(1))
    began_s = time.monotonic()
    with pytest.raises(httpx.ReadTimeout):
        web.get("/collections")
    CURRENT_DEADLINE.reset(before)
    assert 0.9 < time.monotonic() - began_s < 1 + MARGIN_S
    assert web.get("/collections").status_code == 200  # without a deadline


def test_those_in_the_midst_of_a_request_are_left_alone(
    faulty_server: Server, carrier: httpx.HTTPTransport, web: httpx.Client
) -> None:
    with web.stream("GET", "/collections") as answer:
        assert not bind(carrier)
        assert b"collections" in answer.read()
    assert bind(carrier)
    assert web.get("/collections").status_code == 200


def test_nothing_is_read_after_the_deadline(
    faulty_server: Server, carrier: httpx.HTTPTransport, web: httpx.Client
) -> None:
    assert bind(carrier)
    before = CURRENT_DEADLINE.set(Deadline(0))
    with pytest.raises(httpx.TimeoutException):
        web.get("/collections")
    CURRENT_DEADLINE.reset(before)


def test_looking_up_a_name_ends_by_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    def look_up(*_: object, **__: object) -> list[object]:
        released.wait(30)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    client = QdrantClient(url="http://qdrant.invalid", timeout=1, check_compatibility=False)
    began_s = time.monotonic()
    with pytest.raises(DeadlineError):
        Driver(client).run(ask(lambda c: c.get_collections()))
    assert time.monotonic() - began_s < 1 + MARGIN_S
    released.set()
    client.close()


@pytest.mark.parametrize(("left_s", "kept"), [(9, True), (5, False)])
def test_by_grpc_a_call_has_a_limit_of_its_own(left_s: float, kept: bool) -> None:
    client = QdrantClient(
        url="http://127.0.0.1:1", timeout=9, prefer_grpc=True, check_compatibility=False
    )
    assert keeps(client, Deadline(left_s)) == kept
    client.close()
