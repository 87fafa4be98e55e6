"""Snapshots: what is kept in a file comes back as it was, or not at all."""

import hashlib
import io
import json
import random
import shutil
import tarfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qdrant_client import QdrantClient, models

from mrl_adapters.edge import EdgeClient
from mrl_adapters.errors import ConfigurationError, EngineError

Points = Callable[..., list[models.PointStruct]]


@pytest.fixture
def filled(
    client: EdgeClient, nested_vectors: dict[str, models.VectorParams], nested_points: Points
) -> EdgeClient:
    """A collection with all that one can have: named and sparse vectors, an index, metadata."""
    client.create_collection(
        "docs",
        nested_vectors,
        sparse_vectors_config={"words": models.SparseVectorParams()},
        metadata={"model": "ours"},
    )
    client.upsert("docs", nested_points(300))
    client.create_payload_index("docs", "n", models.PayloadSchemaType.INTEGER)
    sparse = models.SparseVector(indices=[1, 5], values=[0.5, 2.0])
    client.update_vectors("docs", [models.PointVectors(id=3, vector={"words": sparse})])
    client.set_payload("docs", {"deep": {"ä": [1, None, "x"]}}, points=[4])
    client.delete("docs", [7])
    return client


def content(client: EdgeClient, name: str) -> tuple[Any, ...]:
    """Give all that one can read of a collection."""
    info = client.get_collection(name)
    points, _ = client.scroll(name, limit=1_000, with_vectors=True)
    query = np.ones(8, dtype=np.float32)
    hits = client.query_points(name, query, using="short_8", limit=20).points
    return (
        [each.model_dump() for each in points],
        info.config.model_dump(),
        {key: index.data_type for key, index in info.payload_schema.items()},
        [(hit.id, hit.score) for hit in hits],
    )


def kept(client: EdgeClient, name: str = "docs") -> Path:
    """Take a snapshot and give its file."""
    made = client.create_snapshot(name)
    return client.path / "snapshots" / name / made.name


def nothing_is_left(client: EdgeClient) -> bool:
    return [each.name for each in (client.path / "collections").iterdir()] == ["docs"]


@pytest.mark.parametrize("indexed", [True, False], ids=["indexed", "not indexed"])
def test_it_comes_back_as_it_was(filled: EdgeClient, tmp_path: Path, *, indexed: bool) -> None:
    if indexed:
        filled.optimize("docs")
    file, before = kept(filled), content(filled, "docs")
    filled.delete("docs", models.Filter())
    assert filled.recover_snapshot("again", str(file))
    assert content(filled, "again") == before
    with EdgeClient(tmp_path / "other") as other:
        assert other.recover_snapshot("docs", file.as_uri())
        assert content(other, "docs") == before
    with EdgeClient(tmp_path / "other") as reopened:
        assert content(reopened, "docs") == before
        reopened.upsert("docs", [models.PointStruct(id=1_000, vector={}, payload={})])
        assert reopened.count("docs").count == len(before[0]) + 1


def test_it_says_what_it_is_and_is_listed(filled: EdgeClient) -> None:
    filled.update_collection_aliases(
        [
            models.CreateAliasOperation(
                create_alias=models.CreateAlias(collection_name="docs", alias_name="current")
            )
        ]
    )
    made = [filled.create_snapshot("docs"), filled.create_snapshot("current")]
    file = filled.path / "snapshots" / "docs" / made[0].name
    assert made[0].checksum == hashlib.sha256(file.read_bytes()).hexdigest()
    assert made[0].size == file.stat().st_size
    assert filled.list_snapshots("docs") == filled.list_snapshots("current") == made
    assert not filled.delete_snapshot("docs", "another")
    assert not filled.delete_snapshot("docs", "../docs/" + made[0].name)
    assert filled.delete_snapshot("docs", made[0].name)
    assert filled.list_snapshots("docs") == made[1:]
    assert [each.name for each in file.parent.iterdir()] != []
    assert filled.delete_snapshot("current", made[1].name)
    assert list(file.parent.iterdir()) == []


def test_it_outlives_its_collection(filled: EdgeClient) -> None:
    before = content(filled, "docs")
    made = filled.create_snapshot("docs")
    filled.delete_collection("docs")
    assert filled.list_snapshots("docs") == [made]
    filled.recover_snapshot("docs", str(filled.path / "snapshots" / "docs" / made.name))
    assert content(filled, "docs") == before


@pytest.mark.parametrize("name", ["Ä/ß", "a" * 300, "con", "../x"])
def test_odd_names_have_snapshots_of_their_own(client: EdgeClient, name: str) -> None:
    client.create_collection(name, models.VectorParams(size=2, distance="Cosine"))
    made = client.create_snapshot(name)
    [file] = (client.path / "snapshots").glob("*/*.snapshot")
    assert file.name == made.name
    client.delete_collection(name)
    client.recover_snapshot(name, str(file))
    assert [each.name for each in client.get_collections().collections] == [name]


def test_what_exists_is_not_replaced(filled: EdgeClient) -> None:
    file, before = kept(filled), content(filled, "docs")
    with pytest.raises(ValueError, match="docs already exists"):
        filled.recover_snapshot("docs", str(file))
    with pytest.raises(ValueError, match="name is empty"):
        filled.recover_snapshot("", str(file))
    assert content(filled, "docs") == before
    assert nothing_is_left(filled)


def tar(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("config.json"), io.BytesIO())


def archive(*members: tuple[str, str]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as file:
            for name, text in members:
                file.writestr(name, text)

    return write


MANIFEST = {"kind": "a collection of mrl-adapters", "format": 1, "collection": "d", "points": 0}
SETTINGS = {
    "format": 1,
    "name": "d",
    "settings": {"vectors": {"a": {"size": 2, "distance": "Cosine"}}},
    "change": None,
}
OURS = ("snapshot.json", json.dumps(MANIFEST))
STRANGERS: dict[str, Callable[[Path], Any]] = {
    "nothing": lambda path: None,
    "an empty file": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("hello"),
    "a folder": lambda path: path.mkdir(),
    "a server's": tar,
    "an archive of others": archive(("a.txt", "a")),
    "a manifest alone": archive(OURS),
    "a manifest that is no object": archive(("snapshot.json", "[]")),
    "a manifest that is no JSON": archive(("snapshot.json", "{")),
    "a later format": archive(("snapshot.json", json.dumps({**MANIFEST, "format": 2}))),
    "one that leads out": archive(OURS, ("shard/../../../out", "x")),
    "an absolute place": archive(OURS, ("/out", "x")),
    "files of others": archive(OURS, ("collection.json", "{}"), ("else", "x")),
    "settings that are none": archive(OURS, ("collection.json", "[1]")),
    "no shard": archive(OURS, ("collection.json", json.dumps(SETTINGS))),
}


@pytest.mark.parametrize("kind", STRANGERS)
def test_what_is_no_snapshot_is_refused_and_leaves_nothing(
    filled: EdgeClient, tmp_path: Path, kind: str
) -> None:
    place = tmp_path / "given.snapshot"
    STRANGERS[kind](place)
    with pytest.raises(EngineError, match=r"'again'"):
        filled.recover_snapshot("again", str(place))
    assert nothing_is_left(filled)
    assert not (tmp_path / "out").exists()
    assert not filled.collection_exists("again")


def test_an_address_on_the_net_is_refused(filled: EdgeClient) -> None:
    with pytest.raises(ConfigurationError, match="Download"):
        filled.recover_snapshot("again", "https://example.com/a.snapshot")


@pytest.mark.parametrize("beside", [True, False], ids=["checksum beside it", "alone"])
def test_damage_is_found_out(filled: EdgeClient, tmp_path: Path, *, beside: bool) -> None:
    file, before = kept(filled), content(filled, "docs")
    original = file.read_bytes()
    damaged_file = tmp_path / "damaged.snapshot"
    if beside:
        shutil.copy(f"{file}.checksum", f"{damaged_file}.checksum")
    draw = random.Random(0)
    for trial in range(8):
        damaged = bytearray(original)
        if trial % 2:
            damaged = damaged[: draw.randrange(len(original))]
        else:
            damaged[draw.randrange(len(original))] ^= 1 << draw.randrange(8)
        damaged_file.write_bytes(damaged)
        try:
            filled.recover_snapshot("again", str(damaged_file))
        except EngineError:
            assert nothing_is_left(filled)
        else:  # runs of zeros may be packed in several ways
            assert not beside
            assert len(damaged) == len(original)
            assert content(filled, "again") == before
            filled.delete_collection("again")


def test_a_checksum_is_compared(filled: EdgeClient) -> None:
    file = kept(filled)
    checksum = filled.list_snapshots("docs")[0].checksum
    assert checksum is not None
    with pytest.raises(EngineError, match=r"expected 00"):
        filled.recover_snapshot("again", str(file), checksum="00")
    filled.recover_snapshot("again", str(file), checksum=checksum.upper())


def test_where_it_cannot_be_written_nothing_is_left(filled: EdgeClient) -> None:
    before = content(filled, "docs")
    (filled.path / "snapshots").write_text("in the way")
    with pytest.raises(EngineError, match=r"'docs': the snapshot .* cannot be written"):
        filled.create_snapshot("docs")
    assert content(filled, "docs") == before


def test_a_collection_that_is_not_there_has_none(client: EdgeClient) -> None:
    with pytest.raises(ValueError, match="docs not found"):
        client.create_snapshot("docs")
    assert client.list_snapshots("docs") == []
    assert not client.delete_snapshot("docs", "x")


def test_a_read_only_store_can_be_copied_but_keeps_none(
    filled: EdgeClient, seal: Callable[[Path], None]
) -> None:
    path = filled.path
    filled.close()
    seal(path)
    with EdgeClient(path) as opened, pytest.raises(EngineError, match="read-only"):
        opened.create_snapshot("docs")


def test_it_holds_a_moment_while_others_write(
    filled: EdgeClient, nested_points: Points, tmp_path: Path
) -> None:
    begun = filled.count("docs").count
    done = threading.Event()

    def write() -> None:
        for start in range(1_000, 1_200):
            filled.upsert("docs", nested_points(1, start))
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    files = [kept(filled)]
    while not done.is_set() and len(files) < 3:
        files.append(kept(filled))
    thread.join()
    for number, file in enumerate(files):
        name = f"copy-{number}"
        filled.recover_snapshot(name, str(file))
        there = {each.id for each in filled.scroll(name, limit=1_000)[0]}
        written = len(there) - begun
        assert there >= set(range(1_000, 1_000 + written))


# qdrant-client's local mode has no payload indexes, and says so.
@pytest.mark.filterwarnings("ignore:Payload indexes have no effect:UserWarning")
def test_collections_are_copied_to_other_clients(filled: EdgeClient, tmp_path: Path) -> None:
    points = [each.model_dump() for each in filled.scroll("docs", limit=1_000)[0]]
    local = QdrantClient(":memory:")
    with EdgeClient(tmp_path / "other") as other:
        for target in (other, local):
            filled.migrate(target)
            found = target.scroll("docs", limit=1_000)[0]
            assert [each.model_dump() for each in found] == points
            assert target.get_collection("docs").config.metadata == {"model": "ours"}
            with pytest.raises(ValueError, match="already exist"):
                filled.migrate(target)
        assert content(other, "docs")[3] == content(filled, "docs")[3]
    local.close()


@pytest.mark.parametrize(
    ("method", "sentence"),
    [
        ("recreate_collection", r"delete_collection\(\), then create_collection\(\)"),
        ("create_full_snapshot", r"create_snapshot\(\) for each"),
        ("get_embedding_size", "mrl_adapters.embeddings"),
        ("create_shard_key", "run a Qdrant server"),
    ],
)
def test_what_is_not_offered_is_refused_by_name(
    client: EdgeClient, method: str, sentence: str
) -> None:
    with pytest.raises(AttributeError, match=rf"no {method}\(\): .*{sentence}"):
        getattr(client, method)


@pytest.mark.parametrize("place", ["snapshots", "snapshots/docs"])
def test_a_stores_snapshots_are_no_place_for_another(filled: EdgeClient, place: str) -> None:
    filled.create_snapshot("docs")
    before = sorted(filled.path.rglob("*"))
    with pytest.raises(EngineError, match="inside the store"):
        EdgeClient(filled.path / place)
    assert sorted(filled.path.rglob("*")) == before
