"""Damaged files make the engine panic: an error like others, and everything else goes on."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qdrant_client import models

from mrl_adapters.edge import EdgeClient
from mrl_adapters.errors import EngineError

SIZE = 16
ROWS = np.random.default_rng(0).standard_normal((300, SIZE)).astype(np.float32)
DELETED = "vector_storage*/deleted/status.dat"
CODES = "vector_storage*/quantized.data"


def fill(client: EdgeClient, name: str) -> None:
    int8 = models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=True)
    client.create_collection(
        name,
        models.VectorParams(
            size=SIZE,
            distance=models.Distance.COSINE,
            on_disk=True,
            quantization_config=models.ScalarQuantization(scalar=int8),
        ),
        optimizers_config=models.OptimizersConfigDiff(indexing_threshold=1),
    )
    points = [
        models.PointStruct(id=at, vector=row.tolist(), payload={"n": at})
        for at, row in enumerate(ROWS)
    ]
    client.upsert(name, points)
    client.optimize(name)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a store of two collections."""
    path = tmp_path_factory.mktemp("whole") / "store"
    with EdgeClient(path) as client:
        fill(client, "docs")
        fill(client, "others")
    return path


@pytest.fixture
def store(whole: Path, tmp_path: Path) -> Path:
    return copied(whole, tmp_path / "store")


def copied(folder: Path, target: Path) -> Path:
    """Copy with the holes, of which the engine's files mostly consist."""
    subprocess.run(["cp", "-a", "--sparse=always", folder, target], check=True)  # noqa: S603, S607
    return target


def empty(store: Path, files: str) -> None:
    found = list((store / "collections" / "docs" / "shard" / "segments").glob(f"*/{files}"))
    assert found
    for file in found:
        os.truncate(file, 0)


def search(client: EdgeClient, name: str = "docs") -> list[Any]:
    return [point.id for point in client.query_points(name, ROWS[7].tolist(), limit=3).points]


def check_told(error: EngineError, store: Path) -> None:
    folder = store / "collections" / "docs"
    assert error.collection == "docs"
    assert error.path == str(folder)
    assert f"restore {folder} from a backup, or delete the collection" in str(error)


@pytest.mark.parametrize(
    ("files", "call"),
    [
        (CODES, search),  # met by searches only
        (DELETED, search),
        (DELETED, lambda client: client.count("docs")),
        (DELETED, lambda client: client.get_collection("docs")),
        (DELETED, lambda client: client.scroll("docs")),
        (DELETED, lambda client: client.set_payload("docs", {"seen": True}, [1])),
        (DELETED, lambda client: client.optimize("docs")),
    ],
    ids=["codes", "search", "count", "describe", "scroll", "write", "optimize"],
)
def test_a_damaged_collection_is_an_error_at_every_door_and_others_go_on(
    store: Path, files: str, call: Callable[[EdgeClient], object]
) -> None:
    empty(store, files)
    with EdgeClient(store) as client:
        for _ in range(2):
            with pytest.raises(EngineError) as caught:
                call(client)
            check_told(caught.value, store)
            assert search(client, "others")[0] == 7


@pytest.mark.parametrize("files", [DELETED, CODES])
def test_what_the_error_advises_works(store: Path, whole: Path, files: str) -> None:
    empty(store, files)
    with EdgeClient(store) as client:
        with pytest.raises(EngineError):
            search(client)
        folder = "collections/docs"
        shutil.rmtree(store / folder)
        copied(whole / folder, store / folder)
        assert search(client)[0] == 7  # restored behind an open client
        empty(store, files)
    with EdgeClient(store) as client:
        with pytest.raises(EngineError):
            search(client)
        assert client.delete_collection("docs")
        fill(client, "docs")
        assert search(client)[0] == 7


class PanicException(BaseException):  # named as the engine's own
    """Stands for a panic in the middle of work, which no damaged file brings about reliably."""


class Panicking:
    """The engine's shard, but for one method, which panics once."""

    def __init__(self, shard: Any, method: str) -> None:
        self._shard = shard
        self._method = method

    def __getattr__(self, name: str) -> Any:
        if name == self._method:
            self._method = ""
            return self._panic
        return getattr(self._shard, name)

    @staticmethod
    def _panic(*given: object, **named: object) -> None:
        message = f"called with {len(given) + len(named)} arguments"
        raise PanicException(message)


@pytest.mark.parametrize(
    ("method", "call"),
    [
        ("query", search),
        ("retrieve", lambda client: client.query_points("docs", 7)),
        ("info", lambda client: client.get_collection("docs")),
        ("optimize", lambda client: client.optimize("docs")),
        ("update", lambda client: client.delete("docs", [1])),
        (
            "update",
            lambda client: client.create_vector_name(
                "docs",
                "more",
                models.DenseVectorNameConfig(
                    dense=models.DenseVectorConfig(size=4, distance=models.Distance.DOT)
                ),
            ),
        ),
    ],
)
def test_after_a_panic_the_collection_is_loaded_anew_with_all_that_was_acknowledged(
    store: Path, method: str, call: Callable[[EdgeClient], object]
) -> None:
    with EdgeClient(store) as client:
        client.upsert("docs", [models.PointStruct(id=1000, vector=ROWS[0].tolist())])
        collection: Any = client._collections["docs"]  # where the panic is put
        collection._shard = Panicking(collection._shard, method)
        with pytest.raises(EngineError, match="the engine panicked") as caught:
            call(client)
        check_told(caught.value, store)
        assert client.count("docs").count == len(ROWS) + 1
        assert search(client)[0] == 7
    with EdgeClient(store) as client:
        assert [point.id for point in client.retrieve("docs", [1000])] == [1000]


def test_a_panic_on_closing_is_an_error_and_the_path_is_free(store: Path) -> None:
    client = EdgeClient(store)
    client.upsert("docs", [models.PointStruct(id=1000, vector=ROWS[0].tolist())])
    collection: Any = client._collections["docs"]  # where the panic is put
    collection._shard = Panicking(collection._shard, "close")
    with pytest.raises(EngineError, match="the engine panicked"):
        client.close()
    with EdgeClient(store) as again:
        assert again.count("docs").count == len(ROWS) + 1
