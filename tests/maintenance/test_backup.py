"""What belongs together comes back from one file, in any engine, or nothing does."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qdrant_client import QdrantClient, models
from typer.testing import CliRunner

from mrl_adapters.cli.app import app
from mrl_adapters.edge import EdgeClient
from mrl_adapters.errors import EngineError, MigrationError
from mrl_adapters.maintenance import audit, backup, migrate, restore
from mrl_adapters.qdrant import Driver, MatryoshkaCollection, SearchPlan, connect

# qdrant-client leaves the databases of deleted collections unclosed.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect"),
]
PLAN = SearchPlan(oversampling=3, stages=(8,))


def fill(client: Any, legacy: Any, *, rotated: bool) -> None:
    """Make a two-stage collection with a plan, and another beside it."""
    legacy(client)
    legacy(client, "other", count=5)
    migrate(client, "docs", stages=(8,), rotation="auto" if rotated else None)
    Driver(client).run(MatryoshkaCollection("docs").save_plan(PLAN))


def everything(client: Any, name: str) -> dict[Any, Any]:
    records, _ = client.scroll(name, limit=1_000, with_payload=True, with_vectors=True)
    return {record.id: (record.payload, record.vector) for record in records}


@pytest.mark.parametrize("rotated", [False, True], ids=["plain", "rotated"])
@pytest.mark.parametrize(
    "other", ["edge", "local", pytest.param("server", marks=pytest.mark.server)]
)
def test_it_comes_back_whole_in_any_engine(
    client: Any, open_engine: Any, other: str, legacy: Any, tmp_path: Path, rotated: bool
) -> None:
    fill(client, legacy, rotated=rotated)
    before = everything(client, "docs")
    there = open_engine(other)

    made = backup(client, "docs", tmp_path / "docs.backup")
    done = restore(there, tmp_path / "docs.backup", collection_name="back")

    names = ("docs", "docs__rotation") if rotated else ("docs",)
    assert (made.collections, made.points) == (names, 200)
    assert (done.collection_name, done.points) == ("back", 200)
    assert {each.name for each in there.get_collections().collections} == {
        name.replace("docs", "back") for name in names
    }
    assert audit(there, "back").ok
    collection = MatryoshkaCollection("back")
    Driver(there).run(collection.open(must_exist=True))
    assert collection.plan.oversampling == PLAN.oversampling
    after = everything(there, "back")
    assert after.keys() == before.keys()
    for point, (payload, vectors) in before.items():
        assert after[point][0] == payload
        assert vectors.keys() == after[point][1].keys()
        for name, vector in vectors.items():
            unit = np.array(vector) / np.linalg.norm(vector)
            back = np.array(after[point][1][name])
            assert np.allclose(back / np.linalg.norm(back), unit, atol=1e-3)
    assert [each.name for each in tmp_path.iterdir() if each.is_file()] == ["docs.backup"]


def test_nothing_is_replaced(open_engine: Any, legacy: Any, tmp_path: Path) -> None:
    client, file = open_engine("edge"), tmp_path / "docs.backup"
    fill(client, legacy, rotated=True)
    backup(client, "docs", file)
    content = file.read_bytes()
    before = everything(client, "docs")

    with pytest.raises(EngineError, match="exists already, and was left as it is"):
        backup(client, "docs", file)
    with pytest.raises(MigrationError, match="'docs' exists already, and nothing was written"):
        restore(client, file)
    client.create_collection("new__rotation", models.VectorParams(size=2, distance="Dot"))
    with pytest.raises(MigrationError, match="'new__rotation' exists already"):
        restore(client, file, collection_name="new")

    assert (file.read_bytes(), everything(client, "docs")) == (content, before)
    assert not client.collection_exists("new")
    assert client.list_snapshots("docs") == []


@pytest.mark.parametrize("place", [0.05, 0.5, 0.95])
def test_a_damaged_file_is_refused_before_anything_is_written(
    open_engine: Any, legacy: Any, tmp_path: Path, place: float
) -> None:
    file = tmp_path / "docs.backup"
    source = open_engine("edge")
    fill(source, legacy, rotated=True)
    backup(source, "docs", file)
    content = bytearray(file.read_bytes())
    with zipfile.ZipFile(file) as archive:
        [first, *_] = archive.infolist()
        at = first.header_offset + 100 + int(place * (first.file_size - 200))
    content[at] ^= 0xFF
    file.write_bytes(content)
    there = open_engine("edge")

    with pytest.raises(EngineError, match="is damaged, or none that"):
        restore(there, file)
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(EngineError, match="is damaged, or none that"):
        restore(there, file)

    assert there.get_collections().collections == []


def test_what_was_restored_in_part_is_taken_back(
    open_engine: Any, legacy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, file = open_engine("edge"), tmp_path / "docs.backup"
    fill(client, legacy, rotated=True)
    backup(client, "docs", file)
    recover = EdgeClient.recover_snapshot

    def fail(self: EdgeClient, name: str, location: str) -> bool:
        if name == "new":
            raise InterruptedError
        return recover(self, name, location)

    monkeypatch.setattr(EdgeClient, "recover_snapshot", fail)
    with pytest.raises(InterruptedError):
        restore(client, file, collection_name="new")
    assert {each.name for each in client.get_collections().collections} == {
        "docs", "docs__rotation", "other",
    }  # fmt: skip


def test_by_the_command_line(legacy: Any, tmp_path: Path) -> None:
    with connect(path=tmp_path / "old") as client:
        fill(client, legacy, rotated=True)

    def run(*words: object) -> tuple[int, str]:
        result = CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "200"})
        return result.exit_code, " ".join((result.stdout + result.stderr).split())

    file, new = tmp_path / "docs.backup", tmp_path / "new"
    assert run("backup", "docs", file, "--path", tmp_path / "old") == (
        0,
        f"docs: 200 points are in {file}.",
    )
    assert run("restore", file, "--path", new) == (0, f"docs: 200 points are back from {file}.")
    code, told = run("restore", file, "--path", new)
    assert (code, "exists already, and nothing was written" in told) == (1, True)
    assert run("restore", file, "--as", "again", "--path", new)[0] == 0
    code, told = run("backup", "typo", tmp_path / "x", "--path", new)
    assert (code, "'typo' does not exist" in told) == (1, True)
    code, told = run("restore", tmp_path / "nothing", "--path", new)
    assert (code, "nothing" in told) == (1, True)
    with connect(path=new) as client:
        assert audit(client, "docs").ok
        assert audit(client, "again").ok


def test_a_server_is_backed_up_and_restored_through_its_own_calls(
    gateway: Any, legacy: Any, tmp_path: Path
) -> None:
    remote = QdrantClient(url="http://gateway", transport=gateway, check_compatibility=False)
    fill(remote, legacy, rotated=False)
    backup(remote, "docs", tmp_path / "docs.backup")
    remote.delete_collection("docs")
    assert restore(remote, tmp_path / "docs.backup").points == 200
    assert audit(remote, "docs").ok
    remote.close()


def test_a_point_that_comes_before_the_reading_is_in_it(
    gateway: Any, legacy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = QdrantClient(url="http://gateway", transport=gateway, check_compatibility=False)
    legacy(remote)
    copy = remote.migrate

    def written_to(*arguments: Any) -> None:
        remote.upsert("docs", [models.PointStruct(id=999, vector=[1.0] * 32, payload={})])
        copy(*arguments)

    monkeypatch.setattr(remote, "migrate", written_to)
    assert backup(remote, "docs", tmp_path / "docs.backup").points == 201
    with EdgeClient(tmp_path / "new") as there:
        assert restore(there, tmp_path / "docs.backup").points == 201
    remote.close()
