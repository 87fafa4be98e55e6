"""What a collection held is known: closed, left by a dead process, and of earlier versions."""

import gc  # noqa: F401  # for the child
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from qdrant_client import models

from mrl_adapters.edge import EdgeClient, inventory
from mrl_adapters.edge.collection import Collection  # noqa: F401  # for the child
from mrl_adapters.edge.files import read_sealed, write_sealed
from mrl_adapters.errors import EngineError
from mrl_adapters.qdrant import audit, repair

SIZE, POINTS = 8, 300
VECTORS = {
    "full": models.VectorParams(size=SIZE, distance=models.Distance.COSINE, on_disk=True),
    "short_4": models.VectorParams(size=4, distance=models.Distance.COSINE),
}
ROWS = np.random.default_rng(0).standard_normal((POINTS + 100, SIZE)).astype(np.float32)


def points(first: int, last: int) -> list[models.PointStruct]:
    return [
        models.PointStruct(
            id=at,
            vector={"full": ROWS[at].tolist(), "short_4": ROWS[at, :4].tolist()},
            payload={"page_content": f"passage {at}"},
        )
        for at in range(first, last)
    ]


def fill(path: Path) -> None:
    with EdgeClient(path) as client:
        client.create_collection("docs", VECTORS, metadata={"round": 1})
        client.upsert("docs", points(0, POINTS))
        client.optimize("docs")
        client.upsert("docs", points(POINTS, POINTS + 10))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "store"
    fill(path)
    return path


@pytest.fixture
def store(whole: Path, tmp_path: Path) -> Path:
    return copied(whole, tmp_path / "my store")  # a name that shells take apart


def copied(store: Path, target: Path) -> Path:
    """Copy with the holes, of which the engine's files mostly consist."""
    subprocess.run(["cp", "-a", "--sparse=always", store, target], check=True)  # noqa: S603, S607
    return target


def docs(store: Path) -> Path:
    return store / "collections" / "docs"


def largest(store: Path) -> Path:
    """Give the full vectors of what is indexed."""
    [file] = docs(store).glob("shard/segments/*/vector_storage-full/matrix.dat")
    return file


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def damage(store: Path) -> None:
    flip(largest(store))


def count(store: Path) -> int:
    with EdgeClient(store) as client:
        return client.count("docs").count


def flags(store: Path) -> str:
    return (docs(store) / "inventory").read_bytes()[:4].decode()


def test_the_error_says_what_is_wrong_and_what_helps(store: Path) -> None:
    damage(store)
    with EdgeClient(store) as client, pytest.raises(EngineError) as caught:
        client.count("docs")
    told = str(caught.value)
    assert f"the content of {largest(store)} has changed" in told
    assert f"restore {docs(store)} from a backup, or delete the collection" in told
    assert "client.delete_collection('docs')) and index again" in told
    assert f"mrl-adapters repair docs --path '{store}'" in told
    assert caught.value.expected == POINTS + 10
    assert (caught.value.collection, caught.value.path) == ("docs", str(docs(store)))


def test_a_lost_segment_is_told_with_the_number_of_points(store: Path) -> None:
    shutil.rmtree(largest(store).parents[1])
    with EdgeClient(store) as client, pytest.raises(EngineError, match="is gone") as caught:
        client.count("docs")
    assert caught.value.expected == POINTS + 10


def test_opening_reads_the_smaller_files_and_audit_all_of_them(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inventory, "READ_ON_OPENING_BYTES", 0)
    with EdgeClient(store) as client:
        assert audit(client, "docs").problems == ()
    damage(store)
    with EdgeClient(store) as client:
        assert client.count("docs").count == POINTS + 10
        found = audit(client, "docs")
        assert not found.ok
        [problem] = found.problems
        assert f"the content of {largest(store)} has changed" in problem
    (largest(store)).write_bytes(b"short")
    with EdgeClient(store) as client, pytest.raises(EngineError, match="has 5 bytes, it had"):
        audit(client, "docs")


@pytest.mark.parametrize("found_by", ["opening", "audit"])
def test_repair_goes_on_with_what_is_left(
    store: Path, monkeypatch: pytest.MonkeyPatch, found_by: str
) -> None:
    if found_by == "audit":
        monkeypatch.setattr(inventory, "READ_ON_OPENING_BYTES", 0)
    damage(store)
    with EdgeClient(store) as client:
        done = repair(client, "docs")
        assert done.log is not None
        assert done.log.accepted == (f"the content of {largest(store)} has changed",)
        assert audit(client, "docs").ok
        assert repair(client, "docs").log == type(done.log)()  # nothing is wrong any more
    monkeypatch.undo()
    assert count(store) == POINTS + 10


@pytest.mark.parametrize("harm", [Path.unlink, flip], ids=["gone", "damaged"])
def test_repair_makes_another_inventory(store: Path, harm: Callable[[Path], object]) -> None:
    harm(docs(store) / "inventory")
    with EdgeClient(store) as client:
        with pytest.raises(EngineError, match="inventory is gone or damaged"):
            client.count("docs")
        repair(client, "docs")
        assert client.count("docs").count == POINTS + 10
    assert (flags(store), count(store)) == ("0000", POINTS + 10)


@pytest.mark.parametrize("file", ["collection.json", "inventory"])
def test_a_file_of_an_older_copy_is_told(store: Path, tmp_path: Path, file: str) -> None:
    older = copied(store, tmp_path / "older")
    with EdgeClient(store) as client:
        for number in (2, 3):
            client.update_collection("docs", metadata={"round": number})
    shutil.copy(docs(older) / file, docs(store) / file)
    with EdgeClient(store) as client, pytest.raises(EngineError, match=f"{file} is older than"):
        client.count("docs")


def test_settings_may_be_one_ahead_of_the_inventory(store: Path, tmp_path: Path) -> None:
    older = copied(store, tmp_path / "older")
    with EdgeClient(store) as client:
        client.update_collection("docs", metadata={"round": 2})
    # As a process leaves it that dies between writing the two.
    shutil.copy(docs(store) / "collection.json", docs(older) / "collection.json")
    for _ in range(2):
        with EdgeClient(older) as client:
            assert client.get_collection("docs").config.metadata == {"round": 2}


@pytest.mark.parametrize("harm", [Path.unlink, flip], ids=["gone", "damaged"])
def test_a_collection_that_lost_its_settings_is_named_and_can_be_deleted(
    store: Path, harm: Callable[[Path], object]
) -> None:
    harm(docs(store) / "collection.json")
    with EdgeClient(store) as client:
        for call in (client.collection_exists, client.count, client.get_collection):
            with pytest.raises(EngineError, match=r"Collection 'docs': .*collection\.json"):
                call("docs")
        with pytest.raises(EngineError, match=r"[Oo]r delete the collection"):
            client.create_collection("docs", VECTORS)
        assert client.delete_collection("docs")
        assert not client.delete_collection("docs")
    fill(store)
    assert count(store) == POINTS + 10


def of_earlier_version(store: Path) -> None:
    (docs(store) / "inventory").unlink()
    file = docs(store) / "collection.json"
    content = read_sealed(file) | {"format": 1}
    del content["revision"]
    file.write_text(json.dumps(content))


def test_a_store_of_an_earlier_version_gets_an_inventory_when_it_is_opened(store: Path) -> None:
    of_earlier_version(store)
    with EdgeClient(store) as client:
        assert client.count("docs").count == POINTS + 10
        assert client.get_collection("docs").config.metadata == {"round": 1}
    assert read_sealed(docs(store) / "collection.json")["revision"] == 1
    damage(store)
    with EdgeClient(store) as client, pytest.raises(EngineError, match="has changed"):
        client.count("docs")


def test_settings_of_an_earlier_version_that_lack_something_are_an_error(store: Path) -> None:
    of_earlier_version(store)
    file = docs(store) / "collection.json"
    content = json.loads(file.read_text())
    del content["change"]
    file.write_text(json.dumps(content))
    with EdgeClient(store) as client, pytest.raises(EngineError, match=r"collection\.json is dam"):
        client.count("docs")


ADD = f"client.upsert('docs', points({POINTS + 10}, {POINTS + 40}))"
DELETE = "client.delete('docs', [0, 1])"
DEATHS = {
    "read": (["client.count('docs')"], "0001", POINTS + 10),
    "add": ([ADD], "0011", POINTS + 40),
    "delete": ([DELETE], "0101", POINTS + 8),
    "both": ([ADD, DELETE], "0111", POINTS + 38),
    "build": ([ADD, "client.optimize('docs')"], "0001", POINTS + 40),
    "forgotten": ([ADD, "client.optimize('docs'); del client; gc.collect()"], "0001", POINTS + 40),
    "index": (["client.create_payload_index('docs', 'n', 'integer')"], "1001", POINTS + 10),
    "metadata": (["client.update_collection('docs', metadata={'a': 2})"], "0001", POINTS + 10),
    "settings": (["client.delete_vector_name('docs', 'short_4')"], "0001", POINTS + 10),
    "another engine": (
        ["inventory._engine = lambda: '0'; Collection._take = lambda *_: None", ADD],
        *("1111", POINTS + 40),
    ),
}

CHILD = """
import importlib.util, json, os, sys
spec = importlib.util.spec_from_file_location("test", sys.argv[1])
test = importlib.util.module_from_spec(spec)
spec.loader.exec_module(test)
for what, (calls, _, _) in test.DEATHS.items():
    if child := os.fork():
        assert os.waitpid(child, 0)[1] == 0, what
    else:
        names = vars(test) | {"client": test.EdgeClient(sys.argv[2] + "/" + what)}
        for call in calls:
            exec(call, names)
        os._exit(0)
"""


@pytest.fixture(scope="module")
def dead(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder of stores that processes have left without closing them."""
    folder = tmp_path_factory.mktemp("dead")
    for what in DEATHS:
        copied(whole, folder / what)
    subprocess.run([sys.executable, "-c", CHILD, __file__, str(folder)], check=True)  # noqa: S603
    return folder


@pytest.mark.parametrize("what", DEATHS)
def test_a_process_that_died_left_no_wrong_inventory(dead: Path, tmp_path: Path, what: str) -> None:
    store = copied(dead / what, tmp_path / "store")
    _, known, left = DEATHS[what]
    assert flags(store) == known
    with EdgeClient(store) as client:
        assert client.count("docs").count == left
        client.check_files("docs")
        assert flags(store) == "0001"  # opening has noted what there is now
    assert (flags(store), count(store)) == ("0000", left)


def test_a_segment_that_is_lost_after_a_process_died_is_told(dead: Path, tmp_path: Path) -> None:
    store = copied(dead / "add", tmp_path / "store")
    shutil.rmtree(next(docs(store).glob("shard/segments/*/mutable_id_tracker.mappings")).parent)
    with EdgeClient(store) as client, pytest.raises(EngineError, match="is gone"):
        client.count("docs")


def test_a_full_disk_leaves_the_older_inventory(
    store: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with EdgeClient(store) as client:
        client.upsert("docs", points(POINTS + 10, POINTS + 20))
        monkeypatch.setattr(inventory, "sealed", lambda _: full())
    assert "what it holds was not noted: [Errno 28]" in caplog.text
    monkeypatch.undo()
    assert flags(store) == "0011"
    assert not (docs(store) / "inventory.tmp").exists()
    assert count(store) == POINTS + 20


def test_read_only_stores_are_compared_and_noted_nowhere(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mrl_adapters.edge.storage.may_change", lambda _: False)
    before = (docs(store) / "inventory").read_bytes()
    with EdgeClient(store) as client:
        assert client.count("docs").count == POINTS + 10
        client.check_files("docs")
    assert (docs(store) / "inventory").read_bytes() == before
    damage(store)
    with EdgeClient(store) as client, pytest.raises(EngineError) as caught:
        client.count("docs")
    assert f"the content of {largest(store)} has changed" in str(caught.value)


def test_sealed_files_tell_every_flipped_bit(tmp_path: Path) -> None:
    file = tmp_path / "sealed.json"
    write_sealed(file, {"name": "docs", "numbers": [1, 2.5], "none": None})
    whole, wrong = file.read_bytes(), []
    for at in range(len(whole) * 8):
        content = bytearray(whole)
        content[at // 8] ^= 1 << at % 8
        file.write_bytes(content)
        try:
            found = read_sealed(file)
        except EngineError:
            continue
        if found.get("format") == 2:
            wrong.append((at, found))
    assert wrong == []
