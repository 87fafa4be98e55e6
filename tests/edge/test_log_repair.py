"""A store that an earlier version harmed says so at opening, and is mended without a loss."""

import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import qdrant_edge as edge
from qdrant_client import models

from mrl_adapters.edge import EdgeClient
from mrl_adapters.edge.log_repair import LogRepair
from mrl_adapters.edge.paths import LOG_BACKUP_FOLDER
from mrl_adapters.errors import EngineError

UUID = "550e8400-e29b-41d4-a716-446655440000"
IDS = [1, 2, 3, 4]
Update = Callable[[], edge.UpdateOperation]


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


def bounded(**bounds: float) -> edge.Filter:
    return edge.Filter(must=[edge.FieldCondition("n", range=edge.RangeFloat(**bounds))])


def inside(levels: int) -> edge.Filter:
    inner = edge.Filter(must=[edge.HasIdCondition({1})])
    for _ in range(levels):
        inner = edge.Filter(must=[inner])
    return inner


def payloads(client: EdgeClient) -> dict[Any, Any]:
    return {each.id: each.payload for each in client.scroll("docs", limit=100)[0]}


def harm(path: Path, update: Update, *, killed: bool) -> None:
    """Make a store, and let the engine log what EdgeClient would refuse."""
    made = path.with_name("made")
    with EdgeClient(made) as client:
        client.create_collection("docs", models.VectorParams(size=1, distance="Dot"))
        client.upsert(
            "docs",
            [models.PointStruct(id=at, vector=[1.0], payload={"n": at}) for at in IDS],
        )
        collection = client._collection("docs")
        with collection.engine() as shard:
            shard.update(update())
            shard.update(
                edge.UpdateOperation.upsert_points([edge.Point(9, [1.0], {"text": "after"})])
            )
            if killed:  # the files as a killed process leaves them
                shutil.copytree(made, path)
            else:
                shard.flush()
                shard.update(update())  # the last one is applied again at every opening
    if not killed:
        shutil.copytree(made, path)
    shutil.rmtree(made)


def refused_then_mended(path: Path, match: str) -> tuple[LogRepair, dict[Any, Any]]:
    with EdgeClient(path) as client:
        command = f"mrl-adapters repair docs --path {path}"
        with pytest.raises(EngineError, match=match) as refused:
            client.count("docs")
        assert command in str(refused.value)
        assert refused.value.collection == "docs"
        done = client.repair_log("docs")
        assert done.backup is not None
        assert Path(done.backup).is_dir()
        found = payloads(client)
        assert client.repair_log("docs") == LogRepair()
    with EdgeClient(path) as client:  # and it stays mended
        assert payloads(client) == found
        client.upsert("docs", [models.PointStruct(id=10, vector=[1.0], payload={"new": True})])
    with EdgeClient(path) as client:
        assert payloads(client) == {**found, 10: {"new": True}}
    return done, found


AS_IT_WAS = {**{at: {"n": at} for at in IDS}, 9: {"text": "after"}}


@pytest.mark.parametrize("killed", [True, False], ids=["killed", "closed"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("bound", ["gt", "gte", "lt", "lte"])
def test_a_bound_that_is_not_finite_goes_on_matching_what_it_matched(
    tmp_path: Path, bound: str, value: float, *, killed: bool
) -> None:
    path = tmp_path / "store"
    harm(
        path,
        lambda: edge.UpdateOperation.delete_points_by_filter(bounded(**{bound: value})),
        killed=killed,
    )
    done, found = refused_then_mended(path, "NaN or infinity")
    everything = (bound in {"lt", "lte"}) == (value != -math.inf)
    assert found == ({9: {"text": "after"}} if everything else AS_IT_WAS)
    assert done.bounds >= 1
    assert (done.cut, done.dropped) == (0, 0)


@pytest.mark.parametrize("killed", [True, False], ids=["killed", "closed"])
@pytest.mark.parametrize("levels", [124, 200])
def test_a_value_that_is_too_deep_loses_its_depth_and_nothing_else(
    tmp_path: Path, levels: int, *, killed: bool
) -> None:
    path = tmp_path / "store"
    harm(
        path,
        lambda: edge.UpdateOperation.upsert_points(
            [
                edge.Point(1, [2.0], {"text": "one", "k": deep(levels)}),
                edge.Point(UUID, [2.0], {"text": "two", "k": deep(levels)}),
                edge.Point(2, [2.0], {"text": "three"}),
            ]
        ),
        killed=killed,
    )
    done, found = refused_then_mended(path, "nested too deeply")
    assert {at: payload.get("text") for at, payload in found.items()} == {
        1: "one", UUID: "two", 2: "three", 3: None, 4: None, 9: "after",
    }  # fmt: skip
    assert done.cut >= 1
    assert not done.emptied
    assert bool(done.restored) == (levels == 200 and not killed)


@pytest.mark.parametrize("killed", [True, False], ids=["killed", "closed"])
def test_a_payload_set_too_deep_is_taken_out(tmp_path: Path, *, killed: bool) -> None:
    path = tmp_path / "store"
    harm(
        path,
        lambda: edge.UpdateOperation.overwrite_payload([3], {"text": "x", "k": deep(300)}),
        killed=killed,
    )
    _, found = refused_then_mended(path, "nested too deeply")
    assert found.keys() == AS_IT_WAS.keys()
    assert found[3]["text"] == "x"


@pytest.mark.parametrize("killed", [True, False], ids=["killed", "closed"])
def test_an_operation_whose_filter_is_too_deep_is_taken_out(
    tmp_path: Path, *, killed: bool
) -> None:
    path = tmp_path / "store"
    harm(
        path,
        lambda: edge.UpdateOperation.set_payload_by_filter(inside(70), {"seen": True}, None),
        killed=killed,
    )
    done, found = refused_then_mended(path, "nested too deeply")
    assert done.dropped >= 1
    assert {at: payload.get("n") for at, payload in found.items()} == {
        1: 1, 2: 2, 3: 3, 4: 4, 9: None,
    }  # fmt: skip


def test_a_repair_that_is_killed_is_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store"
    harm(
        path,
        lambda: edge.UpdateOperation.delete_points_by_filter(bounded(gt=math.nan)),
        killed=True,
    )

    def power_cut(self: Path, target: Path) -> None:
        raise KeyboardInterrupt

    with EdgeClient(path) as client:
        with monkeypatch.context() as patched:
            patched.setattr(Path, "replace", power_cut)
            with pytest.raises(KeyboardInterrupt):
                client.repair_log("docs")
        assert client.repair_log("docs").bounds == 1
        assert payloads(client) == AS_IT_WAS


def test_a_store_that_is_well_is_left_alone(tmp_path: Path) -> None:
    with EdgeClient(tmp_path) as client:
        client.create_collection("docs", models.VectorParams(size=1, distance="Dot"))
        assert client.repair_log("docs") == LogRepair()
        with pytest.raises(ValueError, match="Collection other not found"):
            client.repair_log("other")
    with EdgeClient(tmp_path) as client:
        assert client.repair_log("docs") == LogRepair()
        assert not client.repair_log("docs").mended
        client.delete_collection("docs")
    assert not list(tmp_path.rglob(LOG_BACKUP_FOLDER))


@pytest.mark.parametrize("levels", [0, 70])
def test_a_harmed_store_that_is_read_only_is_named_where_it_lies(
    tmp_path: Path, seal: Callable[[Path], None], levels: int
) -> None:
    path = tmp_path / "a store"
    chosen = inside(levels) if levels else bounded(gt=math.nan)
    harm(path, lambda: edge.UpdateOperation.clear_payload_by_filter(chosen), killed=True)
    seal(path)
    with EdgeClient(path) as client:
        with pytest.raises(EngineError, match=f"mrl-adapters repair docs --path '{path}'"):
            client.count("docs")
        with pytest.raises(EngineError, match="is read-only"):
            client.repair_log("docs")
