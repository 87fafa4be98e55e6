"""Ctrl-C at any moment: the same client goes on, and nothing that was acknowledged is lost."""

import gc
import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from qdrant_client import models

from mrl_adapters import edge
from mrl_adapters.edge import EdgeClient

# Between the opening of a file and the `with` around it nobody else can close it.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    yield
    gc.collect()  # what an interrupted call left open is not the next test's


HOME = str(Path(edge.__file__).parent)
# What only reads files, block by block, would be most of the lines.
READING = {"digest", "_digest", "_extents", "_states", "_noted", "is_final", "built_segments"}
DOT = models.VectorParams(size=2, distance=models.Distance.DOT)
SHORT = models.DenseVectorNameConfig(dense=models.DenseVectorConfig(size=2, distance="Dot"))
QUICK = models.VectorParamsDiff(hnsw_config=models.HnswConfigDiff(m=4))


def points(first: int, last: int) -> list[models.PointStruct]:
    return [
        models.PointStruct(id=at, vector={"a": [1.0, at], "b": [0.0, 1.0]}, payload={"n": at})
        for at in range(first, last)
    ]


def fill(client: EdgeClient) -> None:
    client.create_collection("docs", {"a": DOT, "b": DOT}, metadata={"round": 1})
    client.upsert("docs", points(1, 60))
    client.optimize("docs")
    client.upsert("docs", points(60, 81))


ACTIONS: dict[str, Callable[[EdgeClient], Any]] = {
    "upsert": lambda client: client.upsert("docs", points(81, 91)),
    "delete": lambda client: client.delete("docs", [1, 80]),
    "payload": lambda client: client.set_payload("docs", {"seen": True}, models.Filter()),
    "optimize": lambda client: client.optimize("docs"),
    "add a vector": lambda client: client.create_vector_name("docs", "short", SHORT),
    "drop a vector": lambda client: client.delete_vector_name("docs", "b"),
    "settings": lambda client: client.update_collection("docs", vectors_config={"a": QUICK}),
    "metadata": lambda client: client.update_collection("docs", metadata={"round": 2}),
    "payload index": lambda client: client.create_payload_index("docs", "n", "integer"),
    "create": lambda client: client.create_collection("more", {"a": DOT, "b": DOT}),
    "delete a collection": lambda client: client.delete_collection("other"),
    "load": lambda client: client.count("docs"),
    "close": lambda client: client.close(),
}


def check(client: EdgeClient, action: str) -> None:
    """Make sure that everything is as it was, or as the action leaves it."""
    info = client.get_collection("docs")
    vectors = set(info.config.params.vectors)
    wanted = [{"a", "b"}]
    wanted += {"add a vector": [{"a", "b", "short"}], "drop a vector": [{"a"}]}.get(action, [])
    assert vectors in wanted
    found = client.scroll("docs", limit=1000, with_vectors=True)[0]
    ids = {each.id for each in found}
    before = set(range(1, 81))
    if action == "delete":
        assert before - {1, 80} <= ids <= before
    else:
        assert ids in ([before, set(range(1, 91))] if action == "upsert" else [before])
    assert all(each.payload["n"] == each.id for each in found)
    assert all(set(each.vector) >= vectors - {"short"} for each in found)
    near = client.query_points("docs", [0.0, 1.0], "a", limit=1).points
    assert near[0].id == max(ids)
    assert info.config.metadata["round"] in ([1, 2] if action == "metadata" else [1])
    # And it takes what comes.
    client.set_payload("docs", {"checked": True}, [2])
    assert client.retrieve("docs", [2])[0].payload["checked"]
    client.update_collection("docs", metadata={"checked": True})
    if action == "create" and not client.collection_exists("more"):
        client.create_collection("more", {"a": DOT, "b": DOT})
    if action == "create":
        client.upsert("more", points(1, 2))
    if client.collection_exists("other"):
        assert client.count("other").count == 1
    else:
        assert action == "delete a collection"


def interrupted_at(action: str, path: Path, line: int) -> int:
    """Raise KeyboardInterrupt at the n-th line that an action runs; give how many it ran."""
    seen = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal seen
        if not frame.f_code.co_filename.startswith(HOME) or frame.f_code.co_name in READING:
            return None
        if event == "line":
            seen += 1
            if seen == line:
                raise KeyboardInterrupt
        return trace

    client = EdgeClient(path)
    if not client.collection_exists("docs"):
        fill(client)
        client.create_collection("other", {"a": DOT, "b": DOT})
        client.upsert("other", points(1, 2))
        if action == "load":
            client.close()
            client = EdgeClient(path)
    caught = None
    former = sys.gettrace()  # whoever measures which lines run goes on afterwards
    sys.settrace(trace)
    try:
        ACTIONS[action](client)
    except KeyboardInterrupt as error:
        caught = error  # kept on purpose: its traceback holds what the action held
    finally:
        sys.settrace(former)
    if action != "close":
        check(client, action)
        client.close()
    elif client._storage is not None:
        client.close()
    with EdgeClient(path) as reopened:
        check(reopened, action)
    del caught
    return seen


def try_lines(action: str, tmp_path: Path, trials: int) -> None:
    """Interrupt an action at lines drawn from all that it runs."""
    lines = interrupted_at(action, tmp_path / "whole", 0)
    assert lines > 5
    for line in random.Random(action).sample(range(1, lines + 1), min(trials, lines)):
        interrupted_at(action, tmp_path / str(line), line)


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_interrupted_at_some_line_loses_nothing(action: str, tmp_path: Path) -> None:
    try_lines(action, tmp_path, trials=1)


@pytest.mark.slow
@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_interrupted_at_any_line_loses_nothing(action: str, tmp_path: Path) -> None:
    try_lines(action, tmp_path, trials=60)


CHILD = """
import importlib.util, json, os, random, shutil, signal, sys, threading, time
from pathlib import Path
spec = importlib.util.spec_from_file_location("interrupts", sys.argv[1])
test = importlib.util.module_from_spec(spec)
spec.loader.exec_module(test)
from mrl_adapters.edge import EdgeClient

root, trials = Path(sys.argv[2]), int(sys.argv[3])
rng = random.Random(0)
spent, hits = {}, 0


def interrupt(signum, frame):
    # Raise in what is under test only, not in this script around it.
    global hits
    while frame is not None:
        if frame.f_code.co_filename.startswith(test.HOME):
            hits += 1
            raise KeyboardInterrupt
        frame = frame.f_back


signal.signal(signal.SIGINT, interrupt)
for trial in range(-len(test.ACTIONS), trials):
    action = list(test.ACTIONS)[trial % len(test.ACTIONS)]
    client = EdgeClient(root / str(trial))
    test.fill(client)
    client.create_collection("other", {"a": test.DOT, "b": test.DOT})
    client.upsert("other", test.points(1, 2))
    if action == "load":
        client.close()
        client = EdgeClient(root / str(trial))
    first, second = sorted(rng.uniform(0, spent.get(action, 0)) for _ in range(2))

    def disturb():
        time.sleep(first)
        os.kill(os.getpid(), signal.SIGINT)
        if trial % 2:
            time.sleep(second - first)
            os.kill(os.getpid(), signal.SIGINT)

    sender = threading.Thread(target=disturb)
    began = time.monotonic()
    if trial >= 0:
        sender.start()
    try:
        test.ACTIONS[action](client)
    except KeyboardInterrupt as error:
        caught = error  # kept on purpose: its traceback holds what the action held
    if trial >= 0:
        sender.join()
        time.sleep(0.01)
    else:
        spent[action] = time.monotonic() - began
    if action != "close":
        test.check(client, action)
    client.close()
    with EdgeClient(root / str(trial)) as client:
        test.check(client, action)
    shutil.rmtree(root / str(trial))
print(json.dumps(hits))
"""


def interrupted_by_signals(trials: int, path: Path) -> int:
    """Send SIGINT to actions at random moments, twice to every other one; give how many arrived."""
    child = subprocess.run(  # noqa: S603  # our own script
        [sys.executable, "-c", CHILD, __file__, path, str(trials)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    hits: int = json.loads(child.stdout)
    return hits


def test_real_signals_lose_nothing(tmp_path: Path) -> None:
    assert interrupted_by_signals(13, tmp_path) >= 3


@pytest.mark.slow
def test_many_real_signals_lose_nothing(tmp_path: Path) -> None:
    assert interrupted_by_signals(400, tmp_path) >= 150
