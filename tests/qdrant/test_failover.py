"""Several addresses of one cluster: a node that is gone, stopped or starting costs no answer."""

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from faulty_server import Server, gives

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant import CollectionLayout, Driver, MatryoshkaCollection, connect
from mrl_adapters.qdrant.driver import Client
from mrl_adapters.qdrant.query import Search

Documents = Callable[..., np.ndarray]


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address at which nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def node(faulty_server: Server) -> str:
    return f"http://127.0.0.1:{faulty_server.server_port}"


def use(client: Client, how: str, documents: Documents) -> list[Any]:
    """Write a point and search it."""
    driver = Driver(client)
    docs = MatryoshkaCollection("docs", layout=CollectionLayout(32, (8,)))
    flows = docs.add(["a"], documents(1), [{}]), docs.search([Search(documents(1)[0], 1)])
    if how == "sync":
        return [driver.run(flow) for flow in flows]

    async def both() -> list[Any]:
        return [await driver.arun(flow) for flow in flows]

    return asyncio.run(both())


@pytest.mark.parametrize("how", ["sync", "async"])
def test_a_node_that_is_gone_is_passed_by(
    nobody: str, node: str, how: str, documents: Documents
) -> None:
    with_gone: Any = connect(url=[nobody, node])
    written, [hits] = use(with_gone, how, documents)
    assert (written, len(hits)) == (1, 1)
    with_gone.close()


@pytest.mark.parametrize("how", ["sync", "async"])
def test_a_node_that_does_not_answer_costs_its_share_of_the_time_once(
    node: str, how: str, documents: Documents
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stopped:  # takes connections, says nothing
        url = f"http://127.0.0.1:{stopped.getsockname()[1]}"
        client: Any = connect(url=[url, node], timeout=4)
        began_s = time.monotonic()
        written, [hits] = use(client, how, documents)
        assert (written, len(hits)) == (1, 1)
        assert 1.5 < time.monotonic() - began_s < 4
        client.close()


@pytest.mark.parametrize("how", ["sync", "async"])
def test_a_node_that_is_starting_is_passed_by(
    faulty_server: Server, nobody: str, node: str, how: str, documents: Documents
) -> None:
    client: Any = connect(url=[node, node])
    faulty_server.fail("", gives(b"starting", 503))
    written, [hits] = use(client, how, documents)
    assert (written, len(hits)) == (1, 1)
    client.close()


def test_where_no_node_answers_the_error_of_the_last_is_raised(
    nobody: str, documents: Documents
) -> None:
    client: Any = connect(url=[nobody, nobody], timeout=1)
    with pytest.raises(Exception, match=r"refused|within 1 s"):
        use(client, "sync", documents)
    client.close()


@pytest.mark.parametrize(
    ("url", "more", "told"),
    [
        ([], {}, r"url=\[\], expected the addresses of one cluster"),
        (["http://a:1/x", "http://b:1/y"], {}, "with the same path"),
        (["http://a:1", "http://b:1"], {"prefer_grpc": True}, "gRPC takes one of them"),
    ],
)
def test_addresses_that_cannot_be_one_cluster_are_refused(
    url: list[str], more: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigurationError, match=told):
        connect(url=url, **more)
