"""A cluster of several nodes: shards, copies, and nodes that stop, are killed and come back.

QDRANT_CLUSTER_URLS names its nodes, comma-separated, as processes on this machine: they are stopped
and killed here, and started again as they were started.
"""

import contextlib
import os
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import psutil
import pytest
from qdrant_client import QdrantClient, models

from mrl_adapters.errors import ConfigurationError, DeadlineError
from mrl_adapters.qdrant import (
    CollectionLayout,
    Driver,
    MatryoshkaCollection,
    SearchPlan,
    audit,
    connect,
    migrate,
    repair,
    rotate,
)
from mrl_adapters.qdrant.companion import companion_name
from mrl_adapters.qdrant.query import Search

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

DIMENSIONS, POINTS, LIMIT_S = 64, 600, 12
SLACK_S = 0.2 * LIMIT_S


@pytest.fixture(scope="module")
def urls() -> list[str]:
    given = os.environ.get("QDRANT_CLUSTER_URLS")
    if not given:
        pytest.skip("needs a running cluster: set QDRANT_CLUSTER_URLS to its nodes' addresses")
    return given.split(",")


@pytest.fixture
def name(urls: list[str]) -> Iterator[str]:
    """A collection's name that nobody else uses; what it names is deleted afterwards."""
    chosen = f"mrl_test_{uuid.uuid4().hex[:12]}"
    yield chosen
    client = QdrantClient(url=urls[0], timeout=60)
    for each in (chosen, companion_name(chosen)):
        if client.collection_exists(each):
            client.delete_collection(each)
    client.close()


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    rng = np.random.default_rng(0)
    weights = 0.97 ** np.arange(DIMENSIONS)
    made: np.ndarray = (rng.standard_normal((POINTS, DIMENSIONS)) * weights).astype(np.float32)
    return made


@contextlib.contextmanager
def cluster(urls: list[str]) -> Iterator[Driver]:
    client = connect(url=urls, timeout=LIMIT_S)
    yield Driver(client)
    client.close()


def filled(driver: Driver, name: str, vectors: np.ndarray, **options: int) -> MatryoshkaCollection:
    docs = MatryoshkaCollection(name, layout=CollectionLayout(DIMENSIONS, (32,), **options))
    driver.run(docs.add([*range(len(vectors))], vectors, [{} for _ in vectors]))
    return docs


def nearest(vectors: np.ndarray, question: np.ndarray, k: int) -> list[str]:
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return [str(row) for row in np.argsort(-(units @ question), kind="stable")[:k]]


def process_of(url: str) -> psutil.Process:
    port = urlsplit(url).port
    for each in psutil.net_connections("tcp"):
        if each.laddr and each.laddr.port == port and each.status == psutil.CONN_LISTEN:
            return psutil.Process(each.pid)
    pytest.skip(f"{url} is no process of this machine")


@pytest.mark.parametrize("copies", [1, 2])
@pytest.mark.parametrize("shards", [1, 3, 6])
def test_every_node_gives_the_exact_answer(
    urls: list[str], name: str, vectors: np.ndarray, shards: int, copies: int
) -> None:
    with cluster(urls) as driver:
        filled(driver, name, vectors, shard_number=shards, replication_factor=copies)
    questions = np.random.default_rng(1).standard_normal((5, DIMENSIONS)).astype(np.float32)
    for url in urls:
        with cluster([url]) as driver:
            docs = MatryoshkaCollection(name, plan=SearchPlan(exact=True))
            searches = [Search(each, 10) for each in questions]
            found = driver.run(docs.search(searches))
            short = driver.run(docs.search(searches, SearchPlan(min_candidates=300)))
        expected = [nearest(vectors, each, 10) for each in questions]
        assert [[str(hit.id) for hit in hits] for hits in found] == expected
        shared = [
            len({str(hit.id) for hit in hits} & set(best))
            for hits, best in zip(short, expected, strict=True)
        ]
        assert sum(shared) >= 0.95 * 10 * len(questions)


@pytest.mark.parametrize("shards", [1, 3])
def test_maintenance_over_several_shards(
    urls: list[str], name: str, vectors: np.ndarray, shards: int
) -> None:
    with cluster(urls) as driver:
        filled(driver, name, vectors, shard_number=shards, replication_factor=2)
        client = driver.client
        assert client is not None
        migrate(client, name, stages=(16, 32))
        rotate(client, name, stages=(16,))
        mended = repair(client, name)
        assert (mended.filled, mended.corrected) == (0, 0)
        assert audit(client, name).ok
        companion = companion_name(name)
        params = client.get_collection(companion).config.params
        assert (params.shard_number, params.replication_factor) == (1, 2)
        # As earlier versions have left it.
        client.update_collection(
            companion, collection_params=models.CollectionParamsDiff(replication_factor=1)
        )
        advice = [each for each in audit(client, name).recommendations if "copies" in each.topic]
        assert [each.topic for each in advice] == ["rotation_copies"]
        assert "POST /collections/" + companion in advice[0].fix


def test_custom_shards_are_written_to_searched_and_deleted_from(
    urls: list[str], name: str, vectors: np.ndarray
) -> None:
    layout = CollectionLayout(DIMENSIONS, (32,))
    with cluster(urls) as driver:
        client: Any = driver.client
        docs = MatryoshkaCollection(name, layout=layout)
        with pytest.raises(ConfigurationError, match=r"shard_keys=\('eu',\)"):
            driver.run(docs.add(["a"], vectors[:1], [{}], shard_key="eu"))
        assert not client.collection_exists(name)
        first = replace(layout, shard_keys=("eu",), shard_number=1)
        driver.run(
            MatryoshkaCollection(name, layout=first).add(["a"], vectors[:1], [{}], shard_key="eu")
        )
        # Another key is made when it is asked for: also what an interrupted creation has left out.
        docs = MatryoshkaCollection(name, layout=replace(first, shard_keys=("eu", 7)))
        for key in ("eu", 7):
            rows = [f"{key}{row}" for row in range(50)]
            payloads = [{"n": row} for row in range(50)]
            driver.run(docs.add(rows, vectors[:50], payloads, shard_key=key))
        [hits] = driver.run(docs.search([Search(vectors[3], 2)], SearchPlan(shard_key="eu")))
        assert hits[0].shard_key == "eu"
        driver.run(docs.delete(["eu3", "73", "a"]))
        few = models.FieldCondition(key="n", range=models.Range(lt=10))
        driver.run(docs.delete(None, models.Filter(must=[few])))
        assert driver.run(docs.count()) == 80
        driver.run(docs.delete())
        assert driver.run(docs.count()) == 0


def test_tenants_over_several_shards(urls: list[str], name: str, vectors: np.ndarray) -> None:
    with cluster(urls) as driver:
        layout = CollectionLayout(DIMENSIONS, (32,), tenant_field="user", shard_number=3)
        docs = MatryoshkaCollection(name, layout=layout)
        for tenant, rows in (("ada", vectors[:200]), ("bob", vectors[200:400])):
            driver.run(
                docs.for_tenant(tenant).add(
                    [f"{tenant}{row}" for row in range(len(rows))], rows, [{} for _ in rows]
                )
            )
        [hits] = driver.run(docs.for_tenant("ada").search([Search(vectors[300], 50)]))
        assert len(hits) == 50
        assert {hit.payload["user"] for hit in hits} == {"ada"}
        assert driver.run(docs.for_tenant("bob").count()) == 200


def stopped(process: psutil.Process) -> Callable[[], object]:
    process.send_signal(signal.SIGSTOP)
    return lambda: process.send_signal(signal.SIGCONT)


def killed(process: psutil.Process) -> Callable[[], object]:
    command, folder, variables = process.cmdline(), process.cwd(), process.environ()
    process.kill()
    process.wait()
    # As nobody's child: it outlives this process.
    again = ["setsid", "--fork", *command]
    quiet = subprocess.DEVNULL
    return lambda: subprocess.run(  # noqa: S603 - as it was started
        again, cwd=folder, env=variables, stdout=quiet, stderr=quiet, check=True
    )


@pytest.mark.parametrize("fail", [stopped, killed])
@pytest.mark.parametrize("copies", [2, 3])
def test_a_node_that_fails_under_load_loses_nothing(
    urls: list[str],
    name: str,
    vectors: np.ndarray,
    copies: int,
    fail: Callable[[psutil.Process], Callable[[], object]],
) -> None:
    """Reads are right and in time; what a write acknowledged is there when the node is back."""
    acknowledged: set[str] = set()
    took_s: list[float] = []
    wrong: list[object] = []
    ended = threading.Event()
    with cluster(urls) as driver:
        docs = filled(driver, name, vectors, shard_number=3, replication_factor=copies)

        def write() -> None:
            for turn in range(10**6):
                if ended.is_set():
                    return
                identifier = f"late{turn}"
                began_s = time.monotonic()
                # It may have been made all the same: it is not acknowledged, that is all.
                with contextlib.suppress(DeadlineError, OSError, RuntimeError, ValueError):
                    driver.run(docs.add([identifier], vectors[:1], [{}], acknowledged=acknowledged))
                took_s.append(time.monotonic() - began_s)

        def read() -> None:
            expected = nearest(vectors, vectors[7], 5)
            while not ended.is_set():
                began_s = time.monotonic()
                [hits] = driver.run(docs.search([Search(vectors[7], 5)], SearchPlan(exact=True)))
                took_s.append(time.monotonic() - began_s)
                if [str(hit.id) for hit in hits] != expected:
                    wrong.append(hits)

        threads = [threading.Thread(target=each) for each in (write, read)]
        for each in threads:
            each.start()
        time.sleep(1)
        come_back = fail(process_of(urls[0]))
        time.sleep(2 * LIMIT_S)
        come_back()
        time.sleep(LIMIT_S)
        ended.set()
        for each in threads:
            each.join()
        assert not wrong
        assert max(took_s) < LIMIT_S + SLACK_S
        assert len(acknowledged) > 10
        present = driver.run(docs.get(sorted(acknowledged)))
        assert len(present) == len(acknowledged)
    for url in urls:
        with cluster([url]) as driver:
            assert len(driver.run(MatryoshkaCollection(name).get(sorted(acknowledged)))) == len(
                acknowledged
            )
