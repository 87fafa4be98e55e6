"""gRPC reaches the server that REST does, or its port has to be named."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import httpx
import pytest
from qdrant_client import QdrantClient
from qdrant_client import grpc as messages
from qdrant_client.grpc import collections_service_pb2_grpc, qdrant_pb2_grpc

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant import connect
from mrl_adapters.qdrant.grpc_port import check_grpc_port


class Greeting(qdrant_pb2_grpc.QdrantServicer):
    """A server's name and version, by gRPC."""

    def __init__(self, version: str, commit: str) -> None:
        self._version, self._commit = version, commit

    def HealthCheck(self, request: object, context: object) -> object:  # noqa: N802 - gRPC's name
        return messages.HealthCheckReply(title="qdrant", version=self._version, commit=self._commit)


class Collections(collections_service_pb2_grpc.CollectionsServicer):
    """Its collections."""

    def __init__(self, *names: str) -> None:
        self._names = names

    def List(self, request: object, context: object) -> object:  # noqa: N802 - gRPC's name
        listed = [messages.CollectionDescription(name=name) for name in self._names]
        return messages.ListCollectionsResponse(collections=listed)


@contextmanager
def grpc_server(version: str, commit: str, *names: str) -> Iterator[int]:
    """A real gRPC server on loopback; its port."""
    with ThreadPoolExecutor(2) as pool:
        server = grpc.server(pool)
        qdrant_pb2_grpc.add_QdrantServicer_to_server(Greeting(version, commit), server)
        collections_service_pb2_grpc.add_CollectionsServicer_to_server(Collections(*names), server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield port
        server.stop(None).wait()


@contextmanager
def rest_and_grpc(rest_port: int, grpc_port: int) -> Iterator[QdrantClient]:
    """A client whose REST half reaches version 1.19.0, commit abc, with one collection: docs."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/":
            told = {"title": "qdrant", "version": "1.19.0", "commit": "abc"}
            return httpx.Response(200, json=told)
        return httpx.Response(200, json={"result": {"collections": [{"name": "docs"}]}})

    client = QdrantClient(
        host="127.0.0.1",
        port=rest_port,
        grpc_port=grpc_port,
        prefer_grpc=True,
        timeout=5,
        transport=httpx.MockTransport(answer),
        check_compatibility=False,
    )
    yield client
    client.close()


def test_the_same_version_commit_and_collections_prove_it() -> None:
    with grpc_server("1.19.0", "abc", "docs") as port, rest_and_grpc(7333, port) as client:
        check_grpc_port(client)


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (("1.18.0", "abc", "docs"), r"Qdrant 1\.18\.0 answers there, another server"),
        (("1.19.0", "def", "docs"), "another server"),
        (("1.19.0", "abc", "others"), "a server with other collections"),
        (("1.19.0", "abc"), "other collections"),
        (("1.19.0", "abc", "docs", "more"), "other collections"),
    ],
)
def test_another_server_is_an_error(told: tuple[str, ...], why: str) -> None:
    with (
        grpc_server(*told) as port,
        rest_and_grpc(7333, port) as client,
        pytest.raises(ConfigurationError, match=rf"127\.0\.0\.1:7333.*{why}.*grpc_port=\.\.\."),
    ):
        check_grpc_port(client)


def test_no_server_is_an_error_too() -> None:
    with (
        rest_and_grpc(7333, 1) as client,
        pytest.raises(ConfigurationError, match=r"no Qdrant answers there.*grpc_port="),
    ):
        check_grpc_port(client)


def test_qdrants_own_pair_of_ports_needs_no_proof() -> None:
    with rest_and_grpc(6333, 1) as client:
        check_grpc_port(client)


def test_connect_asks_for_the_port(faulty_server: object) -> None:
    url = f"http://127.0.0.1:{faulty_server.server_port}"  # type: ignore[attr-defined]
    with pytest.raises(ConfigurationError, match="Pass the server's own: connect"):
        connect(url=url, prefer_grpc=True, check_compatibility=False)
    connect(url=url, prefer_grpc=True, grpc_port=6334, check_compatibility=False).close()
