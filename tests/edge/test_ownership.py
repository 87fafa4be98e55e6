"""What is not ours is refused by what it looks like, and stays as it is, byte for byte."""

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qdrant_client import QdrantClient, models

from mrl_adapters.edge import EdgeClient
from mrl_adapters.edge.paths import passing_name
from mrl_adapters.errors import EngineError

PARAMS = models.VectorParams(size=2, distance="Dot")


def tree(path: Path) -> dict[str, bytes | str | None]:
    """Everything below a folder: bytes of files, targets of links, None for folders."""
    return {
        str(each.relative_to(path)): str(each.readlink())
        if each.is_symlink()
        else each.read_bytes()
        if each.is_file()
        else None
        for each in path.rglob("*")
    }


def store(path: Path) -> Path:
    with EdgeClient(path) as client:
        client.create_collection("docs", PARAMS)
        client.upsert("docs", [models.PointStruct(id=1, vector=[1.0, 2.0])])
    return path


def local_mode(path: Path) -> Path:
    client = QdrantClient(path=str(path))
    client.create_collection("docs", vectors_config=PARAMS)
    client.upsert("docs", [models.PointStruct(id=1, vector=[1.0, 2.0])])
    client.close()
    return path


def server(path: Path) -> Path:
    segment = path / "collections" / "docs" / "0" / "segments" / "one"
    segment.mkdir(parents=True)
    (segment / "segment.json").write_text("{}")
    (path / "collections" / "docs" / "config.json").write_text('{"params": {}, "wal_config": {}}')
    (path / "aliases").mkdir()
    (path / "aliases" / "data.json").write_text("{}")
    (path / "raft_state.json").write_text('{"state": {}}')
    return path


def server_without_state(path: Path) -> Path:
    (server(path) / "raft_state.json").unlink()
    shutil.rmtree(path / "aliases")
    return path


def ansible(path: Path) -> Path:
    (path / "collections" / "ansible_collections" / "community").mkdir(parents=True)
    (path / "collections" / "requirements.yml").write_text("collections: []")
    (path / "site.yml").write_text("- hosts: all")
    return path


def written(path: Path, name: str, content: str = "mine") -> Path:
    path.mkdir(parents=True)
    (path / name).write_text(content)
    return path


def a_file(path: Path) -> Path:
    path.write_text("mine")
    return path


def a_dead_link(path: Path) -> Path:
    path.symlink_to("nowhere")
    return path


def shard(path: Path) -> Path:
    shutil.copytree(store(path.with_name("store")) / "collections" / "docs" / "shard", path)
    return path


# What is there, what is opened of it, and what the error says.
FOREIGN: dict[str, tuple[Callable[[Path], Path], str, str]] = {
    "server": (server, "", "is the storage of a Qdrant server.*url="),
    "server, only collections": (server_without_state, "", "is the storage of a Qdrant server"),
    "server's parent": (lambda at: server(at / "storage").parent, "", r"is above .*storage, the"),
    "server's collections": (server, "collections", r"is inside .*, the storage of a Qdrant"),
    "server's collection": (server, "collections/docs", r"is inside .*, the storage of a Qdrant"),
    "server's shard": (server, "collections/docs/0", r"is inside .*, the storage of a Qdrant"),
    "server that has just begun": (
        lambda at: written(at, ".qdrant-initialized", ""), "", "is the storage of a Qdrant server"
    ),
    "local mode": (local_mode, "", r"qdrant-client's local mode. Open.*location=.*or copy"),
    "local mode's collections": (local_mode, "collection", r"is inside .*local mode.*location="),
    "local mode's collection": (local_mode, "collection/docs", r"is inside .*local mode"),
    "local mode's parent": (lambda at: local_mode(at / "old").parent, "", r"is above .*local mode"),
    "store's collections": (store, "collections", r"is inside the store .*path='.*/here'"),
    "store's collection": (store, "collections/docs", r"is inside the store .*path='.*/here'"),
    "store's shard": (store, "collections/docs/shard", r"is inside the store .*path='.*/here'"),
    "store's new": (store, "collections/new", r"is inside the store .*path='.*/here'"),
    "store's parent": (lambda at: store(at / "data").parent, "", r"holds one.*path='.*/here/data'"),
    "store's parent's parent": (
        lambda at: store(at / "app" / "data").parent.parent, "", r"Pass path='.*/here/app/data'"
    ),
    "store that is called collections": (
        lambda at: store(at / "collections").parent, "", r"Pass path='.*/here/collections'"
    ),
    "Ansible project": (ansible, "", r"not ours: it holds collections, site.yml"),
    "file": (a_file, "", r"is a file, not a folder"),
    "dead link": (a_dead_link, "", r"is a symbolic link to nothing"),
    "shard of the engine": (shard, "", r"is a shard of Qdrant Edge by itself"),
    "somebody's marker": (lambda at: written(at, "mrl-adapters.json"), "", "not ours"),
    "somebody's lock": (lambda at: written(at, ".lock"), "", "not ours: it holds .lock"),
    "somebody's collection.json": (
        lambda at: written(at / "collections" / "x", "collection.json", "{}").parent.parent,
        "", "not ours: it holds collections",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("must_exist", [False, True], ids=["making", "reading"])
def test_a_folder_of_others_is_refused_by_what_it_is_before_it_is_touched(
    tmp_path: Path, kind: str, must_exist: bool
) -> None:
    make, opened, message = FOREIGN[kind]
    path = make(tmp_path / "here") / opened
    before = tree(tmp_path)
    with pytest.raises(EngineError, match=message) as caught:
        EdgeClient(path, must_exist=must_exist)
    assert str(path) in str(caught.value)
    assert tree(tmp_path) == before


def test_a_later_format_asks_for_the_version_that_wrote_it(tmp_path: Path) -> None:
    marker = store(tmp_path / "here") / "mrl-adapters.json"
    marker.write_text(json.dumps(json.loads(marker.read_text()) | {"format": 2}))
    before = tree(tmp_path)
    with pytest.raises(EngineError, match=r"has format 2, expected 1\. Open it with the version"):
        EdgeClient(tmp_path / "here")
    assert tree(tmp_path) == before


@pytest.mark.parametrize("collections", [["docs"], []])
def test_a_store_of_an_earlier_version_is_known_by_its_own_files(
    tmp_path: Path, collections: list[str]
) -> None:
    with EdgeClient(tmp_path / "here") as client:
        for name in collections:
            client.create_collection(name, PARAMS)
    marker = tmp_path / "here" / "mrl-adapters.json"
    written_before = marker.read_bytes()
    marker.unlink()
    with EdgeClient(tmp_path / "here", must_exist=True) as client:
        assert [each.name for each in client.get_collections().collections] == collections
    assert marker.read_bytes() == written_before


def test_a_folder_that_only_systems_wrote_into_is_empty(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    (tmp_path / ".DS_Store").write_text("Finder's")
    with pytest.raises(EngineError, match="the folder is empty"):
        EdgeClient(tmp_path, must_exist=True)
    store(tmp_path)
    assert (tmp_path / ".DS_Store").read_text() == "Finder's"


def test_only_what_we_left_on_its_way_is_swept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = store(tmp_path / "here") / "collections"
    half_made = root / passing_name("new")
    shutil.copytree(root / "docs" / "shard", half_made / "shard")
    shutil.copytree(root / "docs", root / passing_name("gone"))
    mixed = root / passing_name("gone")
    shutil.copytree(root / "docs", mixed)
    (mixed / "notes.txt").write_text("mine")
    precious = written(tmp_path / "precious", "shard")
    link = root / passing_name("new")
    link.symlink_to(precious)
    within = root / passing_name("gone")
    within.mkdir()
    (within / "shard").symlink_to(precious)
    written(root / "roles", "main.yml")
    written(root / ".mrl-new-of-somebody", "shard")
    EdgeClient(tmp_path / "here").close()
    left = {each.name for each in root.iterdir()}
    assert left == {"docs", mixed.name, link.name, "roles", ".mrl-new-of-somebody"}
    assert tree(mixed) == {"notes.txt": b"mine"}
    assert tree(precious) == {"shard": b"mine"}
    assert f"{root / 'roles'} is no collection: left as it is" in caplog.messages


@pytest.mark.parametrize("what", ["half made", "not ours", "a file", "a link"])
def test_a_place_that_is_taken_is_an_error_that_names_it(tmp_path: Path, what: str) -> None:
    root = store(tmp_path / "here") / "collections"
    taken = root / "other"
    if what == "half made":  # as versions before left it: without collection.json
        shutil.copytree(root / "docs" / "shard", taken / "shard")
    elif what == "not ours":
        written(taken, "notes.txt")
    elif what == "a file":
        a_file(taken)
    else:
        a_dead_link(taken)
    before = tree(root)
    with EdgeClient(tmp_path / "here") as client:
        assert not client.collection_exists("other")
        assert not client.delete_collection("other")
        with pytest.raises(EngineError, match=rf"{taken} is there already and is no collection"):
            client.create_collection("other", PARAMS)
        assert tree(root) == before
        assert [each.name for each in client.get_collections().collections] == ["docs"]


def test_an_empty_folder_gives_its_place_to_a_collection(tmp_path: Path) -> None:
    (store(tmp_path / "here") / "collections" / "other").mkdir()
    with EdgeClient(tmp_path / "here") as client:
        client.create_collection("other", PARAMS)
        assert client.count("other").count == 0


def test_a_collection_is_deleted_whole_and_what_others_put_beside_it_stays(tmp_path: Path) -> None:
    root = store(tmp_path / "here") / "collections"
    with EdgeClient(tmp_path / "here") as client:
        client.create_collection("other", PARAMS)
        client.upsert("other", [models.PointStruct(id=1, vector=[1.0, 2.0])])
        client.update_collection("other", metadata={"a": 1})
        client.optimize("other")
        client.delete_collection("other")
        assert [each.name for each in root.iterdir()] == ["docs"]
        (root / "docs" / "notes.txt").write_text("mine")
        assert client.delete_collection("docs")
        assert not client.collection_exists("docs")
    assert tree(root) == {"docs": None, "docs/notes.txt": b"mine"}


def test_a_collection_behind_a_link_loses_the_link_alone(tmp_path: Path) -> None:
    root = store(tmp_path / "here") / "collections"
    elsewhere = tmp_path / "elsewhere"
    (root / "docs").rename(elsewhere)
    (root / "docs").symlink_to(elsewhere)
    with EdgeClient(tmp_path / "here") as client:
        assert client.count("docs").count == 1
        client.delete_collection("docs")
        assert not client.collection_exists("docs")
    assert list(root.iterdir()) == []
    assert (elsewhere / "collection.json").exists()
    assert (elsewhere / "shard" / "segments").is_dir()


# --- any tree -------------------------------------------------------------------------------------

# Names that we, Qdrant and anybody else use.
OURS_AND_QDRANTS = [
    "collections",
    "collection.json",
    "shard",
    "docs",
    "other",
    ".lock",
    "mrl-adapters.json",
    "config.json",
    "meta.json",
    "collection",
    "0",
    "segments",
    "wal",
    ".mrl-new-1",
    "raft_state.json",
    "aliases",
]
names = st.sampled_from(OURS_AND_QDRANTS) | st.text("abcXYZ._- %é", min_size=1, max_size=8).filter(
    lambda name: set(name) != {"."}
)
# A lock with a process id beside an empty `collections` is what earlier versions wrote.
contents = st.sampled_from(
    [b"", b"{}", b"[]", b'{"format": 1}', b'{"name": "docs"}', b'{"params']
) | st.binary(max_size=20).filter(lambda content: not content.strip().isdigit())
trees = st.recursive(
    contents, lambda inside: st.dictionaries(names, inside, max_size=4), max_leaves=8
).filter(lambda drawn: isinstance(drawn, dict))


def put(path: Path, drawn: bytes | dict) -> None:
    """Write a drawn tree where nothing is yet."""
    if isinstance(drawn, bytes):
        path.write_bytes(drawn)
        return
    path.mkdir(exist_ok=True)
    for name, inside in drawn.items():
        if not (path / name).exists():
            put(path / name, inside)


@settings(max_examples=200, deadline=None)
@given(drawn=trees)
def test_any_tree_of_others_is_as_it_was_after_an_attempt_to_open_it(drawn: dict) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "here")
        put(path, drawn)
        before = tree(path)
        for must_exist in (True, False):
            if must_exist or before:
                with pytest.raises(EngineError):
                    EdgeClient(path, must_exist=must_exist)
        assert tree(path) == before


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(beside=trees, among=trees)
def test_any_tree_inside_a_store_is_as_it_was_after_the_store_was_used(
    beside: dict, among: dict
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "here")
        with EdgeClient(path) as client:
            client.create_collection("%", PARAMS)
        own = set(tree(path)) - {"collections"}
        put(path, beside)
        put(path / "collections", among)
        theirs = {name: what for name, what in tree(path).items() if name not in own}
        with EdgeClient(path) as client:
            for name in ("docs", "%"):
                try:
                    if not client.collection_exists(name):
                        client.create_collection(name, PARAMS)
                except EngineError:
                    continue  # its place is taken
                client.upsert(name, [models.PointStruct(id=1, vector=[1.0, 2.0])])
                assert len(client.query_points(name, query=[1.0, 2.0]).points) == 1
                client.delete_collection(name)
        now = tree(path)
        # Folders without any file may have given their place to a collection.
        assert {name: now.get(name) for name in theirs if theirs[name] is not None} == {
            name: what for name, what in theirs.items() if what is not None
        }
