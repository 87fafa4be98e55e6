"""One client at a time holds a path; a dead one holds nothing, and a fork changes nothing."""

import json
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
from mrl_adapters.errors import EngineError, told

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
    assert f"run it when process {holder.pid} has ended" in told(caught.value)
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


# In a process of its own: this one has threads, and a fork of those is warned of. It imports once
# and forks for each story: importing costs more than the stories themselves.
TELLER = """
import gc, json, multiprocessing, os, signal, sys, traceback
from qdrant_client import models
from mrl_adapters.errors import EngineError, told
from mrl_adapters.edge import EdgeClient

def points(*ids):
    return [models.PointStruct(id=at, vector=[1.0, float(at)]) for at in ids]

def begin(path):
    client = EdgeClient(path)
    for name in ("docs", "others"):
        client.create_collection(name, models.VectorParams(size=2, distance="Dot"))
    client.upsert("docs", points(1, 2))
    return client

def expect(client, count):
    assert client.count("docs").count == count
    assert len(client.query_points("docs", query=[1.0, 1.0], limit=99).points) == count

def opens_elsewhere(path):
    if (other := os.fork()) == 0:
        try:
            EdgeClient(path).close()
        except EngineError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(other, 0)[1] == 0

for name, story in json.loads(sys.argv[2]).items():
    path = f"{sys.argv[1]}/{name}"
    if (teller := os.fork()) == 0:
        try:
            exec(story, {**globals(), "path": path, "client": begin(path)})
        except Exception:
            print(json.dumps([name, traceback.format_exc()]), flush=True)
            os._exit(1)
        print(json.dumps([name, ""]), flush=True)
        os._exit(0)
    os.waitpid(teller, 0)
"""

ALIVE_WHILE_THE_PARENT_REOPENS = """
context = multiprocessing.get_context("fork")
end = context.Event()
children = [context.Process(target=end.wait) for _ in range(3)]
for child in children:
    child.start()
try:
    for count in (3, 4):
        client.upsert("docs", points(count))
        client.close()
        client = EdgeClient(path)
        expect(client, count)
        assert client.collection_exists("others") and client.count("others").count == 0
    assert all(child.is_alive() for child in children)
finally:
    end.set()
for child in children:
    child.join()
    assert child.exitcode == 0
"""

CHILDREN_END_WHILE_THE_PARENT_HOLDS = """
for at in range(3, 9):
    if (child := os.fork()) == 0:
        if at % 3 == 0:
            client.close()
        elif at % 3 == 1:
            client._collections.clear()
            del client
            gc.collect()
        sys.exit(0)  # in full, with all that Python and the engine do at the end
    assert os.waitpid(child, 0)[1] == 0
    client.upsert("docs", points(at))
    expect(client, at)
assert not opens_elsewhere(path)
client.close()
client = EdgeClient(path)
expect(client, 8)
"""

THE_CHILD_IS_TOLD = """
if (child := os.fork()) == 0:
    try:
        client.count("docs")
    except EngineError as error:
        os._exit(0 if f"forked into {os.getpid()}" in str(error) else 1)
    os._exit(2)
assert os.waitpid(child, 0)[1] == 0
expect(client, 2)
"""

THE_CHILD_OPENS_WHAT_THE_PARENT_CLOSED = """
go, went = os.pipe()
if (child := os.fork()) == 0:
    os.read(go, 1)
    with EdgeClient(path) as mine:
        mine.upsert("docs", points(3))
    os._exit(0)
client.close()
os.write(went, b"!")
assert os.waitpid(child, 0)[1] == 0
client = EdgeClient(path)
expect(client, 3)
"""

THE_PARENT_IS_KILLED = """
waits, end = os.pipe()
parent = os.fork()
if parent == 0:
    client = begin(path + "-of-the-killed")
    if os.fork() == 0:
        os.close(end)
        os.read(waits, 1)
        os._exit(0)
    os.kill(os.getpid(), signal.SIGKILL)
os.waitpid(parent, 0)
client.close()
with EdgeClient(path + "-of-the-killed") as client:
    expect(client, 2)
os.close(end)
"""


STORIES = {
    "a living child": ALIVE_WHILE_THE_PARENT_REOPENS,
    "children that end": CHILDREN_END_WHILE_THE_PARENT_HOLDS,
    "a child that asks": THE_CHILD_IS_TOLD,
    "a child that opens": THE_CHILD_OPENS_WHAT_THE_PARENT_CLOSED,
    "a killed parent": THE_PARENT_IS_KILLED,
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What went wrong in each story; nothing in one that came to its end."""
    done = subprocess.run(  # noqa: S603  # our own script
        [sys.executable, "-c", TELLER, tmp_path_factory.mktemp("forks"), json.dumps(STORIES)],
        stdout=subprocess.PIPE,
        text=True,
        timeout=200,
        check=True,
    )
    return dict(json.loads(line) for line in done.stdout.splitlines())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
@pytest.mark.parametrize("story", STORIES)
def test_a_child_never_stands_in_its_parents_way(outcomes: dict[str, str], story: str) -> None:
    assert outcomes[story] == ""
