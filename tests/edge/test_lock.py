"""One client at a time holds a path; a dead one holds nothing."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from qdrant_client import models

from mrl_adapters.edge import EdgeClient
from mrl_adapters.errors import EngineError

HOLDER = """
import sys
from mrl_adapters.edge import EdgeClient
client = EdgeClient(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


def test_a_second_process_is_told_which_path_and_what_to_do(tmp_path: Path) -> None:
    holder = subprocess.Popen(  # noqa: S603  # our own script
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    assert holder.stdout.readline() == "open\n"
    with pytest.raises(EngineError) as caught:
        EdgeClient(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert f"process {holder.pid}" in str(caught.value)
    assert "use a Qdrant server for several processes" in str(caught.value)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdin.close()
    holder.stdout.close()
    EdgeClient(tmp_path).close()


def test_a_second_client_in_this_process_is_refused_until_the_first_closes(tmp_path: Path) -> None:
    first = EdgeClient(tmp_path)
    with pytest.raises(EngineError, match=f"process {os.getpid()}"):
        EdgeClient(tmp_path)
    first.close()
    EdgeClient(tmp_path).close()


def test_a_client_that_was_forgotten_holds_nothing(tmp_path: Path) -> None:
    client = EdgeClient(tmp_path)
    client.create_collection("docs", models.VectorParams(size=2, distance="Dot"))
    client.upsert("docs", [models.PointStruct(id=1, vector=[1.0, 2.0])])
    with pytest.warns(ResourceWarning):
        del client
    with EdgeClient(tmp_path) as again:
        assert again.count("docs").count == 1


def test_threads_share_a_client(
    client: EdgeClient,
    nested_vectors: dict[str, models.VectorParams],
    nested_points: Callable[..., list[models.PointStruct]],
) -> None:
    few = models.OptimizersConfigDiff(indexing_threshold=8)
    for name in ("one", "two"):
        client.create_collection(name, nested_vectors, optimizers_config=few)
    failures: list[BaseException] = []

    def work(at: int) -> None:
        try:
            for round_ in range(5):
                start = at * 1000 + round_ * 40
                name = ("one", "two")[at % 2]
                points = nested_points(40, start)
                client.upsert(name, points)
                found = client.query_points(
                    name,
                    query=points[3].vector["full"],
                    using="full",
                    prefetch=models.Prefetch.model_construct(
                        **models.Prefetch(using="short_8", limit=100).__dict__
                        | {"query": points[3].vector["short_8"]}
                    ),
                    limit=1,
                )
                assert found.points[0].id == start + 3
                client.delete(name, [start])
                client.update_collection(name, metadata={str(at): round_})
        except BaseException as error:  # noqa: BLE001  # shown below, in the main thread
            failures.append(error)

    threads = [threading.Thread(target=work, args=(at,)) for at in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    for name in ("one", "two"):
        assert client.count(name).count == 4 * 5 * 39
        assert len(client.get_collection(name).config.metadata) == 4


def test_a_collection_is_created_once_however_many_ask(client: EdgeClient) -> None:
    outcomes: list[str] = []

    def work() -> None:
        try:
            client.create_collection("docs", models.VectorParams(size=2, distance="Dot"))
            outcomes.append("created")
        except ValueError:
            outcomes.append("refused")

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["created"] + ["refused"] * 5
