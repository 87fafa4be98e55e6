"""A real server by gRPC that is gone, late, drips, resets or refuses: deadlines and data."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import numpy as np
import pytest
from grpc import StatusCode
from grpc_proxy import Calls, Wire, faulty_grpc, gives, loses_the_answer
from qdrant_client import AsyncQdrantClient, QdrantClient
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from real_server import grpc_address, new_space

from mrl_adapters.errors import DeadlineError
from mrl_adapters.qdrant import CollectionLayout, Driver, MatryoshkaCollection, connect
from mrl_adapters.qdrant.flow import Flow
from mrl_adapters.qdrant.query import Search

pytestmark = [
    pytest.mark.server,
    pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection"),
]

ROW = np.arange(1, 9, dtype=np.float32)
LIMIT_S = 5
MARGIN_S = 1.0  # a fifth of the limit
FAILURES = (grpc.RpcError, DeadlineError)


class Caller:
    """Runs flows by gRPC through a proxy, in one colour."""

    def __init__(self, colour: str, port: int) -> None:
        self.asynchronous = colour == "async"
        self.took_s = 0.0
        """How long the last one took, its client open already."""
        self._options = {"host": "127.0.0.1", "grpc_port": port, "prefer_grpc": True}

    def __call__(self, flow: Flow[Any], limit_s: int = LIMIT_S) -> Any:
        options: Any = {**self._options, "timeout": limit_s, "check_compatibility": False}
        if self.asynchronous:
            return asyncio.run(self._await(flow, options))
        client = QdrantClient(**options)
        began = time.monotonic()
        try:
            return Driver(client).run(flow)
        finally:
            self.took_s = time.monotonic() - began
            client.close()

    async def _await(self, flow: Flow[Any], options: Any) -> Any:
        client = AsyncQdrantClient(**options)
        began = time.monotonic()
        try:
            return await Driver(async_client=client).arun(flow)
        finally:
            self.took_s = time.monotonic() - began
            await client.close()


@pytest.fixture
def proxy() -> Iterator[tuple[Calls, Wire]]:
    address = grpc_address()
    with faulty_grpc(address["grpc_port"], address["api_key"]) as made:
        yield made


@pytest.fixture
def calls(proxy: tuple[Calls, Wire]) -> Calls:
    return proxy[0]


@pytest.fixture
def wire(proxy: tuple[Calls, Wire]) -> Wire:
    return proxy[1]


@pytest.fixture(params=["sync", "async"])
def call(request: pytest.FixtureRequest, wire: Wire) -> Caller:
    return Caller(request.param, wire.port)


@pytest.fixture
def real() -> Iterator[Driver]:
    """The server without the proxy."""
    client: Any = connect(**grpc_address())
    yield Driver(client)
    client.close()


@pytest.fixture
def docs(real: Driver, calls: Calls, call: Caller) -> Iterator[MatryoshkaCollection]:
    """A collection of one point, opened."""
    made = MatryoshkaCollection(new_space(), layout=CollectionLayout(8, (4,)))
    call(made.add(["a"], [ROW], [{"n": 0}]))
    calls.seen.clear()
    yield made
    real.run(made.drop())


def search(docs: MatryoshkaCollection, **plan: Any) -> Flow[Any]:
    return docs.search([Search(ROW, 1)], plan)


def add(docs: MatryoshkaCollection) -> Flow[int]:
    return docs.add(["b", "c"], [ROW, ROW], [{"n": 1}, {"n": 2}])


READS: dict[str, Callable[[MatryoshkaCollection], Flow[Any]]] = {
    "search": search,
    "get": lambda docs: docs.get(["a"]),
    "count": lambda docs: docs.count(),
    "scroll": lambda docs: docs.scroll(),
}
WRITES: dict[str, Callable[[MatryoshkaCollection], Flow[Any]]] = {
    "add": add,
    "delete": lambda docs: docs.delete(["a"]),
}
CALLS = {**READS, **WRITES}


def failed_after_s(
    call: Caller, flow: Flow[Any], limit_s: int = LIMIT_S, errors: Any = FAILURES
) -> float:
    with pytest.raises(errors):
        call(flow, limit_s)
    return call.took_s


def stored(real: Driver, docs: MatryoshkaCollection) -> dict[str, int]:
    return {str(each.id): each.payload["n"] for each in real.run(docs.scroll())}


# The wire


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("fault", ["holds_up", "drips"])
def test_every_call_ends_by_the_clients_timeout(
    wire: Wire, call: Caller, docs: MatryoshkaCollection, name: str, fault: str
) -> None:
    wire.spoil = getattr(wire, fault)
    took = failed_after_s(call, CALLS[name](docs), errors=DeadlineError)
    assert LIMIT_S - MARGIN_S < took < LIMIT_S + MARGIN_S


@pytest.mark.parametrize("fault", ["holds_up", "drips"])
def test_a_search_ends_by_its_own_deadline(
    wire: Wire, call: Caller, docs: MatryoshkaCollection, fault: str
) -> None:
    wire.spoil = getattr(wire, fault)
    took = failed_after_s(call, search(docs, timeout_s=LIMIT_S), 60, DeadlineError)
    assert LIMIT_S - MARGIN_S < took < LIMIT_S + MARGIN_S


def test_opening_counts(wire: Wire, call: Caller, docs: MatryoshkaCollection) -> None:
    wire.spoil = wire.holds_up
    closed = MatryoshkaCollection(docs.name)
    took = failed_after_s(call, search(closed, timeout_s=LIMIT_S), 60, DeadlineError)
    assert took < LIMIT_S + MARGIN_S


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("fault", ["resets", "refuses"])
def test_a_wire_that_is_cut_for_a_while_costs_time_alone(
    wire: Wire, call: Caller, docs: MatryoshkaCollection, real: Driver, name: str, fault: str
) -> None:
    if fault == "resets":
        wire.spoil = wire.resets
        mended = threading.Timer(
            1, lambda: setattr(wire, "spoil", lambda to, what: to.sendall(what))
        )
    else:
        wire.refuse()
        mended = threading.Timer(1, wire.listen_again)
    mended.start()
    call(CALLS[name](docs), 20)
    mended.join()
    left = {"add": 3, "delete": 0}.get(name, 1)
    assert len(stored(real, docs)) == left


def test_a_server_that_is_gone_is_waited_for_by_writes_alone(
    wire: Wire, call: Caller, docs: MatryoshkaCollection
) -> None:
    wire.refuse()
    assert failed_after_s(call, search(docs), 20) < 20 * 0.5
    took = failed_after_s(call, add(docs))
    assert LIMIT_S * 0.5 < took < LIMIT_S + MARGIN_S


# The server's own word


@pytest.mark.parametrize("code", [StatusCode.UNAVAILABLE, StatusCode.INTERNAL], ids=str)
@pytest.mark.parametrize("name", CALLS)
def test_a_passing_failure_is_asked_again(
    calls: Calls, call: Caller, docs: MatryoshkaCollection, name: str, code: StatusCode
) -> None:
    calls.fail("", gives(code), gives(code))
    call(CALLS[name](docs), 20)
    assert not calls.faults


@pytest.mark.parametrize("name", WRITES)
def test_a_write_whose_answer_is_lost_is_written_once(
    calls: Calls, call: Caller, docs: MatryoshkaCollection, real: Driver, name: str
) -> None:
    calls.fail("Upsert" if name == "add" else "Delete", loses_the_answer)
    call(WRITES[name](docs), 20)
    assert not calls.faults
    assert sorted(stored(real, docs).values()) == ([0, 1, 2] if name == "add" else [])


@pytest.mark.parametrize("name", WRITES)
def test_a_write_that_may_have_been_made_says_so(
    calls: Calls, wire: Wire, call: Caller, docs: MatryoshkaCollection, real: Driver, name: str
) -> None:
    def stall(context: grpc.ServicerContext, carry_out: Callable[[], bytes]) -> bytes:
        answer = carry_out()
        wire.closing.wait(3 * LIMIT_S)
        return answer

    calls.fail("Upsert" if name == "add" else "Delete", *[stall] * 9)
    with pytest.raises(DeadlineError, match="may have been made all the same"):
        call(WRITES[name](docs))
    assert sorted(stored(real, docs).values()) == ([0, 1, 2] if name == "add" else [])


def test_a_server_that_gives_up_in_time_is_asked_again(
    calls: Calls, call: Caller, docs: MatryoshkaCollection
) -> None:
    calls.fail("QueryBatch", gives(StatusCode.DEADLINE_EXCEEDED, "timed out in the cluster"))
    assert call(search(docs), 20)[0]


@pytest.mark.parametrize("name", CALLS)
def test_a_rate_limit_that_says_when_to_come_back_is_kept(
    calls: Calls, call: Caller, docs: MatryoshkaCollection, name: str
) -> None:
    calls.fail("", gives(StatusCode.RESOURCE_EXHAUSTED, "too many", retry_after="1"))
    call(CALLS[name](docs), 20)
    assert 1 <= call.took_s < 20
    assert not calls.faults


@pytest.mark.parametrize("name", CALLS)
def test_one_that_says_too_late_or_nothing_is_not_waited_for(
    calls: Calls, call: Caller, docs: MatryoshkaCollection, name: str
) -> None:
    exhausted = StatusCode.RESOURCE_EXHAUSTED
    for fault in (gives(exhausted, "too many", retry_after="3600"), gives(exhausted, "too large")):
        calls.fail("", fault)
        refusal = (ResourceExhaustedResponse, grpc.RpcError)
        assert failed_after_s(call, CALLS[name](docs), errors=refusal) < LIMIT_S
        assert not calls.faults


@pytest.mark.parametrize(
    "code",
    [StatusCode.INVALID_ARGUMENT, StatusCode.PERMISSION_DENIED, StatusCode.FAILED_PRECONDITION],
    ids=str,
)
@pytest.mark.parametrize("name", CALLS)
def test_a_refusal_is_final_and_shows_the_servers_reason(
    calls: Calls, call: Caller, docs: MatryoshkaCollection, name: str, code: StatusCode
) -> None:
    calls.fail("", gives(code, "the server's own reason"))
    with pytest.raises(grpc.RpcError, match="the server's own reason"):
        call(CALLS[name](docs))
    assert not calls.faults
