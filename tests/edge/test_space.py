"""A disk that gets full ends no process and loses nothing: a clear error comes while there is room.

Each story runs in a process of its own, on a small file system: a page of a mapped file that finds
no room would end the process, whatever Python did.
"""

import json
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qdrant_client import models

from mrl_adapters.edge import EdgeClient, space
from mrl_adapters.errors import EngineError

DISK_BYTES = 400 << 20
SIZE, SHORT, POINTS = 64, 16, 600
MANY = 40_000
ROWS = np.random.default_rng(0).standard_normal((MANY, SIZE)).astype(np.float32)
SMALLEST = 35 << 20  # with less, not everything is loaded where files lie in memory
IN_PARTS = {"add", "add and search", "payloads", "collections", "payload indexes"}  # many calls
ADDED = models.DenseVectorNameConfig(dense=models.DenseVectorConfig(size=8, distance="Dot"))


def mounts(folder: Path) -> list[str]:
    """Give a command under which a folder is a small file system that nobody else sees."""
    script = f'mount -t tmpfs -o size={DISK_BYTES} tmpfs "$0" && exec "$@"'
    return ["unshare", "--map-root-user", "--mount", "sh", "-c", script, str(folder)]


def can_mount() -> bool:
    if shutil.which("unshare") is None:  # not Linux
        return False
    done = subprocess.run([*mounts(Path("/mnt")), "true"], check=False, capture_output=True)  # noqa: S603
    return done.returncode == 0


needs_mounts = pytest.mark.skipif(not can_mount(), reason="no user may mount a file system here")


def points(first: int, last: int) -> list[models.PointStruct]:
    return [
        models.PointStruct(
            id=at,
            vector={"full": ROWS[at].tolist(), "short": ROWS[at, :SHORT].tolist()},
            payload={"text": f"passage {at} " * 20, "n": at},
        )
        for at in range(first, last)
    ]


def fill(client: EdgeClient) -> None:
    vectors = {
        "full": models.VectorParams(size=SIZE, distance="Cosine", on_disk=True),
        "short": models.VectorParams(size=SHORT, distance="Cosine"),
    }
    client.create_collection("docs", vectors)
    client.upsert("docs", points(0, POINTS))
    client.optimize("docs")
    client.upsert("docs", points(POINTS, POINTS + 50))


def add_all(client: EdgeClient) -> None:
    for first in range(POINTS + 50, MANY, 500):
        client.upsert("docs", points(first, min(first + 500, MANY)))


def add_at_once(client: EdgeClient) -> None:
    client.upsert("docs", points(POINTS + 50, MANY))


def rewrite(client: EdgeClient) -> None:
    for at in range(200):
        client.set_payload("docs", {"more": f"{at} " * 2000}, models.Filter())


def make_collections(client: EdgeClient) -> None:
    for number in range(30):
        client.create_collection(f"more{number}", models.VectorParams(size=4, distance="Dot"))


def make_indexes(client: EdgeClient) -> None:
    for number in range(40):
        client.create_payload_index("docs", f"field{number}", "keyword")


def search_after_adding(client: EdgeClient) -> None:
    client.update_collection(
        "docs", optimizers_config=models.OptimizersConfigDiff(indexing_threshold=1)
    )
    for first in range(POINTS + 50, MANY, 500):
        client.upsert("docs", points(first, min(first + 500, MANY)))
        client.query_points("docs", ROWS[0].tolist(), "full")


ACTIONS: dict[str, Callable[[EdgeClient], Any]] = {
    "add": add_all,
    "add at once": add_at_once,
    "add and search": search_after_adding,
    "payloads": rewrite,
    "collections": make_collections,
    "payload indexes": make_indexes,
    "a vector": lambda client: client.create_vector_name("docs", "added", ADDED),
    "no vector": lambda client: client.delete_vector_name("docs", "short"),
    "settings": lambda client: client.update_collection(
        "docs", vectors_config={"full": models.VectorParamsDiff(on_disk=False)}
    ),
    "metadata": lambda client: client.update_collection("docs", metadata={"a": "b" * 1000}),
    "delete": lambda client: client.delete("docs", list(range(0, POINTS, 2))),
    "build": lambda client: client.optimize("docs"),
    "open": lambda client: client.count("docs"),
}


def content(client: EdgeClient) -> dict[Any, Any]:
    found = client.scroll("docs", limit=MANY, with_payload=["n", "more"])[0]
    return {each.id: each.payload for each in found}


def free(path: Path) -> int:
    return shutil.disk_usage(path).free


def leave(path: Path, left: int) -> None:
    """Take all room but so much."""
    with path.open("wb") as file:
        while (room := free(path.parent) - left) > 0:
            file.write(bytes(min(room, 1 << 20)))
            file.flush()


def story(disk: Path, action: str, left: int) -> str:
    """Do something where little room is left; say what came of it."""
    path, ballast = disk / "store", disk / "ballast"
    with EdgeClient(path) as client:
        fill(client)
        before = content(client)
    client = EdgeClient(path)
    if action != "open":
        client.count("docs")
    leave(ballast, left)
    done = not refused(lambda: ACTIONS[action](client))
    after: dict[Any, Any] = {}
    if refused(lambda: after.update(content(client))):
        assert action == "open" or left < SMALLEST  # not even loading has room
    elif client.query_points("docs", ROWS[0].tolist(), "full", limit=1).points[0].id not in after:
        pytest.fail("a search finds what is not there")
    refused(client.close)
    ballast.unlink()
    for _ in range(2):
        with EdgeClient(path) as client:
            found = content(client)
            assert found == after or not after
            assert set(found) >= set(before) or action == "delete"
            assert found == before or done or action in IN_PARTS
    with EdgeClient(path) as client:
        client.upsert("docs", whole_points(client, 1000))
        client.optimize("docs")
        assert set(range(1000)) <= set(content(client))
        assert client.query_points("docs", ROWS[999].tolist(), "full").points[0].id == 999
    return "done" if done else "refused"


def refused(call: Callable[[], Any]) -> bool:
    """Tell whether a call says that there is no room, and in numbers what it knows of that."""
    try:
        call()
    except EngineError as error:
        numbers = re.search(r"needs about [\d,]+ MB.* are free", str(error))
        if not re.search(r"No space left on /", str(error)):
            raise
        if numbers and not (isinstance(error.found, int) and isinstance(error.expected, int)):
            raise
        return True
    return False


def whole_points(client: EdgeClient, last: int) -> list[models.PointStruct]:
    """Give points with the vectors that the collection has now."""
    names = client.get_collection("docs").config.params.vectors
    made = points(0, last)
    for each in made:
        each.vector = {name: row for name, row in each.vector.items() if name in names}
    return made


# Imports once and forks for each story: importing costs more than most of the stories themselves.
CHILD = """
import importlib.util, json, os, shutil, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("full_disk", sys.argv[1])
test = importlib.util.module_from_spec(spec)
spec.loader.exec_module(test)
disk = Path(sys.argv[2], "story")
for action, left in json.loads(sys.argv[3]):
    disk.mkdir()
    if (child := os.fork()) == 0:
        outcome = test.story(disk, action, left)
        print(json.dumps([action, left, outcome]), flush=True)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        sys.exit(f"{action} with {left:,} bytes left ended the process")
    shutil.rmtree(disk)
"""


def outcomes(folder: Path, stories: list[tuple[str, int]]) -> dict[tuple[str, int], str]:
    """Run stories in processes of their own; a signal that ends one is an error."""
    child = subprocess.run(  # noqa: S603  # our own script
        [*mounts(folder), sys.executable, "-c", CHILD, __file__, folder, json.dumps(stories)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 0, child.stderr[-3000:]
    told = [json.loads(line) for line in child.stdout.splitlines()]
    return {(action, left): outcome for action, left, outcome in told}


@needs_mounts
def test_a_disk_that_gets_full_ends_nothing_and_loses_nothing(tmp_path: Path) -> None:
    lefts = {"add at once": 120, "build": 2, "open": 3, "metadata": 0}  # megabytes
    stories = [(action, left << 20) for action, left in lefts.items()]
    assert outcomes(tmp_path, stories) == dict.fromkeys(stories, "refused")


@needs_mounts
@pytest.mark.slow
@pytest.mark.parametrize("action", ACTIONS)
def test_however_full_a_disk_is_nothing_is_lost(tmp_path: Path, action: str) -> None:
    rng = random.Random(action)
    lefts = [0, 1 << 16, 1 << 20, *(int(2 ** rng.uniform(20, 28)) for _ in range(7))]
    table = {
        left: outcome
        for (_, left), outcome in outcomes(tmp_path, [(action, left) for left in lefts]).items()
    }
    print(action, {f"{left / 2**20:.2f} MB": what for left, what in table.items()})  # noqa: T201  # shown with -s
    assert "refused" in table.values() or action == "metadata"


def test_what_lies_in_memory_gives_room_to_what_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "two words" / "store"
    there.mkdir(parents=True)
    file = tmp_path / "mounts"
    monkeypatch.setattr(space, "_MOUNTS", file)
    escaped = str(there.parent).replace(" ", "\\040")
    file.write_text(f"/dev/a / ext4 rw 0 0\ntmpfs {escaped} tmpfs rw 0 0\n")
    assert space.fills_holes(there)
    assert not space.fills_holes(tmp_path)
    file.unlink()  # another system
    assert not space.fills_holes(there)
