"""What was acknowledged survives SIGKILL, and the path opens, whenever the process dies."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from qdrant_client import models

from mrl_adapters.edge import EdgeClient, files, settings, shard, storage
from mrl_adapters.errors import EngineError

# The child imports once and forks for each run: importing costs more than the run itself.
PARENT = """
import itertools, json, os, sys
import numpy as np
from qdrant_client import models
from mrl_adapters.edge import EdgeClient

def say(**event):
    print(json.dumps(event), flush=True)

def add_documents(client, start):
    if not client.collection_exists("docs"):
        client.create_collection(
            "docs",
            {"full": models.VectorParams(size=64, distance="Cosine", datatype="float16"),
             "short": models.VectorParams(size=8, distance="Cosine")},
            optimizers_config=models.OptimizersConfigDiff(indexing_threshold=16),
        )
    rng = np.random.default_rng(start)
    for first in itertools.count(start, 20):
        ids = list(range(first, first + 20))
        rows = rng.standard_normal((20, 64)).astype(np.float32)
        client.upsert("docs", [
            models.PointStruct.model_construct(
                id=at, vector={"full": row, "short": row[:8]}, payload={"text": f"passage {at}"}
            )
            for at, row in zip(ids, rows)
        ])
        say(added=ids)
        if first % 60 == 0:
            say(deleting=ids[:3])
            client.delete("docs", ids[:3])
            say(deleted=ids[:3])
        if first % 100 == 0:
            client.query_points("docs", query=rows[0], using="full")

def manage_collections(client, start):
    params = models.VectorParams(size=2, distance="Dot")
    config = models.DenseVectorNameConfig(dense=models.DenseVectorConfig(size=2, distance="Dot"))
    quick = models.VectorParamsDiff(hnsw_config=models.HnswConfigDiff(m=4))
    for at in itertools.count(start):
        name = f"docs{at}"
        client.create_collection(name, params, metadata={"round": 0})
        client.upsert(name, [models.PointStruct(id=1, vector=[1.0, 2.0])])
        say(created=name)
        client.update_collection(name, metadata={"round": 1})
        say(updated=name)
        client.create_vector_name(name, "short", config)
        say(extended=name)
        client.update_collection(name, vectors_config={"short": quick})
        client.update_vectors(name, [models.PointVectors(id=1, vector={"short": [3.0, 4.0]})])
        say(filled=name)
        if at % 2:
            say(deleting=name)
            client.delete_collection(name)
            say(deleted=name)

for line in sys.stdin:
    job, path, start = json.loads(line)
    if child := os.fork():
        os.waitpid(child, 0)
        print("\\nend", flush=True)
    else:
        print(os.getpid(), flush=True)
        globals()[job](EdgeClient(path), start)
"""


class Victim:
    """Processes to kill, one after the other."""

    def __init__(self) -> None:
        self.parent = subprocess.Popen(  # noqa: S603  # our own script
            [sys.executable, "-c", PARENT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.parent.stdin is not None
        assert self.parent.stdout is not None
        self.orders, self.words = self.parent.stdin, self.parent.stdout

    def run(self, job: str, path: Path, start: int, delay_s: float) -> list[dict[str, Any]]:
        """Let a job run, kill it `delay_s` after its first word, and give all that it said."""
        print(json.dumps([job, str(path), start]), file=self.orders, flush=True)
        process = int(self.words.readline())
        said = [self.words.readline()]
        time.sleep(delay_s)
        os.kill(process, signal.SIGKILL)
        said += iter(self.words.readline, "end\n")
        return [json.loads(line) for line in said if line.startswith("{") and line.endswith("}\n")]

    def close(self) -> None:
        self.orders.close()
        self.words.close()
        self.parent.wait()


@pytest.fixture(scope="module")
def victim() -> Iterator[Victim]:
    started = Victim()
    yield started
    started.close()


def check_documents(victim: Victim, path: Path, kills: int, longest_s: float) -> None:
    rng = random.Random(kills)
    expected: set[int] = set()
    for start in range(0, kills * 100_000, 100_000):
        doubtful: set[int] = set()
        for event in victim.run("add_documents", path, start, rng.uniform(0.0, longest_s)):
            expected |= set(event.get("added", []))
            doubtful = set(event.get("deleting", []))  # only the last event is not followed up
            expected -= set(event.get("deleted", []))
        with EdgeClient(path) as client:
            found = client.retrieve("docs", sorted(expected), with_vectors=["short"])
            ids = {each.id for each in found}
            assert expected - doubtful <= ids <= expected
            expected = ids
            assert all(each.payload == {"text": f"passage {each.id}"} for each in found)
            assert all(len(each.vector["short"]) == 8 for each in found)


def check_collections(victim: Victim, path: Path, kills: int, longest_s: float) -> None:
    rng = random.Random(kills)
    state: dict[str, set[str]] = {}
    for start in range(0, kills * 1000, 1000):
        for event in victim.run("manage_collections", path, start, rng.uniform(0.0, longest_s)):
            [(word, name)] = event.items()
            state.setdefault(name, set()).add(word)
        with EdgeClient(path) as client:
            names = {each.name for each in client.get_collections().collections}
            for name in names:
                assert client.count(name).count <= 1
                client.get_collection(name)
            for name, words in state.items():
                assert (name in names) or ("deleting" in words)
                assert "deleted" not in words or name not in names
                if name in names:
                    check_collection(client, name, words)


def check_collection(client: EdgeClient, name: str, words: set[str]) -> None:
    config = client.get_collection(name).config
    if "updated" in words:
        assert config.metadata == {"round": 1}
    if "extended" in words:
        assert "short" in config.params.vectors
    if "filled" in words:
        assert client.query_points(name, query=[3.0, 4.0], using="short").points[0].score == 25.0
        assert config.params.vectors["short"].hnsw_config.m == 4


def test_acknowledged_documents_survive_a_killed_process(victim: Victim, tmp_path: Path) -> None:
    check_documents(victim, tmp_path, kills=8, longest_s=0.4)


def test_collections_survive_a_killed_process(victim: Victim, tmp_path: Path) -> None:
    check_collections(victim, tmp_path, kills=5, longest_s=0.5)


@pytest.mark.slow
def test_acknowledged_documents_survive_many_killed_processes(
    victim: Victim, tmp_path: Path
) -> None:
    check_documents(victim, tmp_path, kills=40, longest_s=2.0)


@pytest.mark.slow
def test_collections_survive_many_killed_processes(victim: Victim, tmp_path: Path) -> None:
    check_collections(victim, tmp_path, kills=25, longest_s=0.8)


# --- death at a chosen moment ---------------------------------------------------------------


class Death(BaseException):
    """The process is no more; nothing catches it."""


def bury(client: EdgeClient) -> None:
    """Let go of what a dead process would no longer hold, writing nothing."""
    for collection in client._collections.values():
        collection._shard = None
    client._collections.clear()
    assert client._storage is not None
    client._storage.close()


def dying(*_: object, **__: object) -> None:
    raise Death


PARAMS = models.VectorParams(size=2, distance="Dot")
SHORT = models.DenseVectorNameConfig(dense=models.DenseVectorConfig(size=2, distance="Dot"))


def test_death_in_creation_leaves_no_collection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = EdgeClient(tmp_path)
    monkeypatch.setattr(settings, "write_sealed", dying)
    with pytest.raises(Death):
        client.create_collection("docs", PARAMS)
    monkeypatch.undo()
    bury(client)
    with EdgeClient(tmp_path) as client:
        assert not client.collection_exists("docs")
        assert list((tmp_path / "collections").iterdir()) == []
        client.create_collection("docs", PARAMS)
        assert client.count("docs").count == 0


def test_a_creation_that_failed_can_be_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with EdgeClient(tmp_path) as client:
        monkeypatch.setattr(settings, "write_sealed", dying)
        with pytest.raises(Death):
            client.create_collection("docs", PARAMS)
        monkeypatch.undo()
        client.create_collection("docs", PARAMS)
        assert client.count("docs").count == 0


def test_death_in_deletion_leaves_no_collection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = EdgeClient(tmp_path)
    client.create_collection("docs", PARAMS)
    monkeypatch.setattr(storage.shutil, "rmtree", dying)
    with pytest.raises(Death):
        client.delete_collection("docs")
    monkeypatch.undo()
    bury(client)
    with EdgeClient(tmp_path) as client:
        assert client.get_collections().collections == []
        assert list((tmp_path / "collections").iterdir()) == []


@pytest.mark.parametrize("writes_survived", [0, 1])
@pytest.mark.parametrize(
    ("change", "before", "after"),
    [
        (lambda client: client.create_vector_name("docs", "short", SHORT), {""}, {"", "short"}),
        (lambda client: client.delete_vector_name("docs", "old"), {"", "old"}, {""}),
    ],
    ids=["adding", "removing"],
)
def test_death_while_the_vectors_change_is_either_before_or_after(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    writes_survived: int,
    change: Callable[[EdgeClient], object],
    before: set[str],
    after: set[str],
) -> None:
    client = EdgeClient(tmp_path)
    client.create_collection("docs", dict.fromkeys(before, PARAMS))
    client.upsert("docs", [models.PointStruct(id=1, vector={key: [1.0, 2.0] for key in before})])
    real, left = settings.write_sealed, [writes_survived]

    def sometimes_dying(path: Path, content: object) -> None:
        if not left[0]:
            raise Death
        left[0] -= 1
        real(path, content)

    monkeypatch.setattr(settings, "write_sealed", sometimes_dying)
    with pytest.raises(Death):
        change(client)
    monkeypatch.undo()
    bury(client)
    expected = after if writes_survived else before
    for _ in range(2):
        with EdgeClient(tmp_path) as client:
            vectors = client.get_collection("docs").config.params.vectors
            assert (set(vectors) if isinstance(vectors, dict) else {""}) == expected
            client.update_vectors(
                "docs",
                [models.PointVectors(id=1, vector={key: [3.0, 4.0] for key in expected})],
            )
            for name in expected:
                found = client.query_points("docs", query=[3.0, 4.0], using=name)
                assert found.points[0].score == 25.0


@pytest.mark.parametrize("changed", [0, 1], ids=["first segment", "second segment"])
@pytest.mark.parametrize(
    ("change", "before", "after"),
    [
        (lambda client: client.create_vector_name("docs", "short", SHORT), {"a"}, {"a", "short"}),
        (lambda client: client.delete_vector_name("docs", "old"), {"a", "old"}, {"a"}),
    ],
    ids=["adding", "removing"],
)
def test_a_vector_changed_in_one_segment_of_two_is_changed_in_both(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changed: int,
    change: Callable[[EdgeClient], object],
    before: set[str],
    after: set[str],
) -> None:
    def points(*ids: int) -> list[models.PointStruct]:
        return [models.PointStruct(id=at, vector={key: [1.0, 2.0] for key in before}) for at in ids]

    with EdgeClient(tmp_path / "old") as client:
        client.create_collection("docs", dict.fromkeys(before, PARAMS))
        client.upsert("docs", points(*range(1, 301)))
        client.optimize("docs")
        client.upsert("docs", points(301))
    shutil.copytree(tmp_path / "old", tmp_path / "new")
    client = EdgeClient(tmp_path / "new")
    client.count("docs")
    real = settings.write_sealed
    steps = iter([real, dying])

    def sometimes_dying(path: Path, content: object) -> None:
        next(steps)(path, content)

    monkeypatch.setattr(settings, "write_sealed", sometimes_dying)
    with pytest.raises(Death):
        change(client)
    monkeypatch.undo()
    bury(client)
    # What a process leaves that died between two segments.
    segments = Path("collections/docs/shard/segments")
    one = sorted(each.name for each in (tmp_path / "new" / segments).iterdir())[changed]
    shutil.rmtree(tmp_path / "new" / segments / one)
    (tmp_path / "new" / segments / "11111111-2222-4333-8444-555555555555").mkdir()
    shutil.copytree(tmp_path / "old" / segments / one, tmp_path / "new" / segments / one)
    for _ in range(2):
        with EdgeClient(tmp_path / "new") as client:
            assert set(client.get_collection("docs").config.params.vectors) == after
            assert len(client.scroll("docs", limit=999)[0]) == 301
            found = client.query_points("docs", query=[1.0, 0.0], using="a", limit=999).points
            assert len(found) == 301
            if "short" in after:
                filled = [
                    models.PointVectors(id=at, vector={"short": [3.0, 4.0]}) for at in (1, 301)
                ]
                client.update_vectors("docs", filled)
                near = client.query_points("docs", query=[3.0, 4.0], using="short").points
                assert {each.id for each in near} == {1, 301}


def refusing(*_: object) -> None:
    message = "the engine says no"
    raise Exception(message)  # noqa: TRY002  # the binding raises nothing finer


@pytest.mark.parametrize(("step", "there"), [("vector_creation", False), ("load_shard", True)])
def test_a_vector_that_could_not_be_added_leaves_the_collection_usable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, there: bool
) -> None:
    with EdgeClient(tmp_path) as client:
        client.create_collection("docs", {"a": PARAMS})
        client.upsert("docs", [models.PointStruct(id=1, vector={"a": [1.0, 2.0]})])
        monkeypatch.setattr(shard, step, refusing)
        with pytest.raises(EngineError, match="'docs': the engine says no"):
            client.create_vector_name("docs", "short", SHORT)
        monkeypatch.undo()
        assert ("short" in client.get_collection("docs").config.params.vectors) is there
        client.create_vector_name("docs", "short", SHORT)
        client.update_vectors("docs", [models.PointVectors(id=1, vector={"short": [3.0, 4.0]})])
    with EdgeClient(tmp_path) as client:
        found = client.query_points("docs", query=[3.0, 4.0], using="short").points
        assert found[0].score == 25.0


def test_a_shard_that_is_damaged_is_an_error_that_names_the_collection(tmp_path: Path) -> None:
    with EdgeClient(tmp_path) as client:
        client.create_collection("docs", PARAMS)
    folder = tmp_path / "collections" / "docs"
    settings = json.loads((folder / "collection.json").read_text())
    settings |= {"format": 1, "revision": None}  # of an earlier version: nothing else is known
    del settings["crc32"]
    change = {"settings": settings["settings"], "add": None, "drop": None}
    [file] = folder.glob("shard/segments/*/segment.json")
    file.write_text("{")
    for state in (settings, settings | {"change": change}):
        (folder / "collection.json").write_text(json.dumps(state))
        with EdgeClient(tmp_path) as client, pytest.raises(EngineError, match="Collection 'docs'"):
            client.count("docs")


def test_the_engines_own_settings_file_may_be_torn(tmp_path: Path) -> None:
    with EdgeClient(tmp_path) as client:
        client.create_collection("docs", PARAMS)
        client.upsert("docs", [models.PointStruct(id=1, vector=[1.0, 2.0])])
    (tmp_path / "collections" / "docs" / "shard" / "edge_config.json").write_text('{"vec')
    with EdgeClient(tmp_path) as client:
        assert client.count("docs").count == 1


def test_half_a_settings_file_never_replaces_a_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = EdgeClient(tmp_path)
    client.create_collection("docs", PARAMS, metadata={"a": 1})
    monkeypatch.setattr(files.os, "fsync", dying)
    with pytest.raises(Death):
        client.update_collection("docs", metadata={"a": 2})
    monkeypatch.undo()
    bury(client)
    with EdgeClient(tmp_path) as client:
        assert client.get_collection("docs").config.metadata == {"a": 1}
