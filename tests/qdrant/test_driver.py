"""The driver: which client answers, in which colour, and under which lock."""

import asyncio
import gc
import inspect
import re
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qdrant_client import AsyncQdrantClient, QdrantClient

import mrl_adapters.qdrant
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant import CollectionLayout, Driver, EdgeClient, MatryoshkaCollection
from mrl_adapters.qdrant.driver import Client
from mrl_adapters.qdrant.engine import EDGE, LOCAL, SERVER, Engine, engine_of
from mrl_adapters.qdrant.flow import Flow, ask
from mrl_adapters.qdrant.query import Search

Documents = Callable[..., np.ndarray]
CORE = Path(mrl_adapters.qdrant.__file__).parent


def which() -> Flow[tuple[object, str]]:
    """Tell which client a flow meets, and in which thread."""
    return (yield from ask(lambda c: (c, threading.current_thread().name)))


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[EdgeClient]:
    with EdgeClient(str(tmp_path / "vectors")) as opened:
        yield opened


@pytest.fixture
def server() -> Iterator[QdrantClient]:
    """A server's client; nothing is asked of it here."""
    made = QdrantClient(
        url="http://nowhere.invalid:6333", timeout=7, prefix="sub", check_compatibility=False
    )
    yield made
    made.close()


# Which client


def test_no_client_at_all_is_refused_with_the_way_to_get_one() -> None:
    with pytest.raises(ConfigurationError, match=r"No Qdrant client.*connect\(path='...'\)"):
        Driver()


def test_blocking_calls_need_a_blocking_client() -> None:
    driver = Driver(async_client=AsyncQdrantClient(":memory:"))
    with pytest.raises(ConfigurationError, match=r"only an asynchronous client.*or pass client="):
        driver.run(which())


async def test_the_asynchronous_client_given_answers_coroutines(edge: EdgeClient) -> None:
    given = AsyncQdrantClient(":memory:")
    assert (await Driver(edge, given).arun(which()))[0] is given


async def test_an_embedded_engine_answers_coroutines_from_another_thread(edge: EdgeClient) -> None:
    met, thread = await Driver(edge).arun(which())
    assert met is edge
    assert thread != threading.current_thread().name


async def test_local_mode_answers_coroutines_from_another_thread_too() -> None:
    local = QdrantClient(":memory:")
    met, thread = await Driver(local).arun(which())
    assert met is local
    assert thread != threading.current_thread().name


async def test_a_servers_client_gets_a_twin_of_the_same_options(server: QdrantClient) -> None:
    twin, _ = await Driver(server).arun(which())
    assert isinstance(twin, AsyncQdrantClient)
    changed = {"check_compatibility": False}
    assert twin.init_options == {**server.init_options, **changed}


async def test_a_loop_has_one_twin(server: QdrantClient) -> None:
    driver = Driver(server)
    first, _ = await driver.arun(which())
    second, _ = await driver.arun(which())
    assert first is second


def test_each_event_loop_has_a_twin_of_its_own_and_ended_ones_are_let_go(
    server: QdrantClient,
) -> None:
    driver = Driver(server)
    twins = []
    for _ in range(5):
        twin, _ = asyncio.run(driver.arun(which()))
        twins.append(weakref.ref(twin))
        del twin
    gc.collect()
    assert len({id(each) for each in twins}) == 5
    assert sum(each() is not None for each in twins) == 1


def test_loops_of_many_threads_get_one_twin_each_shared_by_the_clients_stores(
    server: QdrantClient,
) -> None:
    barrier = threading.Barrier(8)

    async def both() -> tuple[int, int]:
        barrier.wait()
        first, _ = await Driver(server).arun(which())
        second, _ = await Driver(server).arun(which())
        barrier.wait()  # none is let go before all are there
        return id(first), id(second)

    with ThreadPoolExecutor(8) as pool:
        twins = [each.result() for each in [pool.submit(asyncio.run, both()) for _ in range(8)]]
    assert all(first == second for first, second in twins)
    assert len(set(twins)) == 8


@pytest.mark.parametrize(
    ("make", "engine"),
    [
        (lambda _: QdrantClient(":memory:"), LOCAL),
        (lambda path: QdrantClient(path=str(path)), LOCAL),
        (lambda _: AsyncQdrantClient(":memory:"), LOCAL),
        (lambda _: QdrantClient(url="http://x", check_compatibility=False), SERVER),
        (lambda _: AsyncQdrantClient(url="http://x", check_compatibility=False), SERVER),
        (lambda path: EdgeClient(str(path)), EDGE),
    ],
    ids=["memory", "path", "async memory", "server", "async server", "edge"],
)
def test_engines_are_told_apart(
    make: Callable[[Path], Any], engine: Engine, tmp_path: Path
) -> None:
    client = make(tmp_path / "data")
    assert engine_of(client) is engine
    closing = client.close()
    if inspect.isawaitable(closing):
        asyncio.run(_finish(closing))


async def _finish(closing: Any) -> None:
    await closing


# Threads


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_local_mode_survives_eight_concurrent_writers(colour: str, documents: Documents) -> None:
    local = QdrantClient(":memory:")
    name, per_writer, batch = "docs", 120, 20
    vectors = documents(8 * per_writer, 16)
    # Drivers of different stores share the lock of their client.
    drivers = [Driver(local) for _ in range(8)]
    layout = CollectionLayout(16, (4,))

    def batches(writer: int) -> Iterator[Flow[None]]:
        mine = MatryoshkaCollection(name, layout=layout)
        for start in range(writer * per_writer, (writer + 1) * per_writer, batch):
            ids = [str(index) for index in range(start, start + batch)]
            yield mine.add(ids, vectors[start : start + batch], [{"at": each} for each in ids])

    def write(writer: int) -> None:
        for each in batches(writer):
            drivers[writer].run(each)

    async def write_all() -> None:
        async def one(writer: int) -> None:
            for each in batches(writer):
                await drivers[writer].arun(each)

        await asyncio.gather(*map(one, range(8)))

    if colour == "sync":
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(write, range(8)))
    else:
        asyncio.run(write_all())
    reader = MatryoshkaCollection(name)
    assert drivers[0].run(reader.count()) == len(vectors)
    stored = drivers[0].run(reader.scroll(with_vectors=["full"]))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for record in stored:
        assert record.vector["full"] == pytest.approx(unit[int(record.payload["at"])], abs=1e-3)


def test_the_embedded_engine_survives_eight_concurrent_first_writers(
    edge: EdgeClient, documents: Documents
) -> None:
    vectors = documents(8, 16)
    driver = Driver(edge)

    def write(writer: int) -> None:
        mine = MatryoshkaCollection("docs", layout=CollectionLayout(16, (4,)))
        driver.run(mine.add([str(writer)], vectors[writer : writer + 1], [{}]))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    assert driver.run(MatryoshkaCollection("docs").count()) == 8


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_folder_of_local_mode_can_be_used_from_coroutines(
    tmp_path: Path, documents: Documents
) -> None:
    local = QdrantClient(path=str(tmp_path / "local"))
    driver = Driver(local)
    docs = MatryoshkaCollection("docs")
    driver.run(docs.add(["a"], documents(1), [{}]))
    asyncio.run(driver.arun(docs.add(["b"], documents(1, seed=1), [{}])))
    assert driver.run(docs.count()) == 2
    local.close()
    # The client forgets a thread's connection without closing it: warned of here, not later.
    del local, driver
    gc.collect()


async def test_concurrent_coroutines_get_their_own_answers(
    client: Client, name: str, documents: Documents
) -> None:
    driver, docs = Driver(client), MatryoshkaCollection(name)
    vectors = documents(40)
    await driver.arun(docs.add([str(each) for each in range(40)], vectors, [{}] * 40))
    found = await asyncio.gather(
        *(driver.arun(docs.search([Search(vector, 1)])) for vector in vectors)
    )
    assert [hits[0][0].id for hits in found] == list(range(40))


# The methods that flows use


def methods_used() -> list[str]:
    """Read from the core's source every method that it calls on a client."""
    sources = [path for path in CORE.rglob("*.py") if path.parent.name != "edge"]
    source = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    return sorted(set(re.findall(r"\b(?:c|client)\.([a-z_]+)\(", source)) - {"close"})


def parameters(client: type, method: str) -> list[tuple[str, Any, Any]]:
    return [
        (each.name, each.kind, each.default)
        for each in inspect.signature(getattr(client, method)).parameters.values()
    ]


def test_the_methods_that_flows_use_are_found() -> None:
    assert {
        "collection_exists",
        "count",
        "create_collection",
        "create_payload_index",
        "delete",
        "get_collection",
        "query_batch_points",
        "query_points",
        "retrieve",
        "scroll",
        "upsert",
    } <= set(methods_used())


def test_what_writes_is_asked_for_as_a_change() -> None:
    # A cancelled operation is carried through from its first change on.
    flows = "\n".join(path.read_text(encoding="utf-8") for path in CORE.glob("*.py"))
    reads = {"collection_exists", "count", "get_aliases", "get_collection", "retrieve", "scroll"}
    reads |= {"get_collections", "info", "list_shard_keys"}  # the last two: servers only
    asked = set(re.findall(r"ask\(\s*lambda c: c\.([a-z_]+)\(", flows))
    changed = set(re.findall(r"change\(\s*lambda c: c\.([a-z_]+)\(", flows))
    assert asked <= {*reads, "query_batch_points", "query_points"}
    assert {"upsert", "delete", "create_collection", "create_payload_index"} <= changed


OF_A_CLUSTER = {"create_shard_key", "list_shard_keys"}


@pytest.mark.parametrize(
    ("other", "method"),
    [
        *((AsyncQdrantClient, method) for method in methods_used()),
        *((EdgeClient, method) for method in methods_used() if method not in OF_A_CLUSTER),
    ],
)
def test_every_client_takes_what_the_blocking_one_takes(other: type, method: str) -> None:
    assert parameters(other, method) == parameters(QdrantClient, method)
