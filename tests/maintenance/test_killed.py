"""A migrating process is killed at random moments, again and again, and goes on each time."""

import gc
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import closing

import numpy as np
import pytest
from qdrant_client import QdrantClient, models

from mrl_adapters.errors import MigrationError
from mrl_adapters.qdrant import (
    CopyTarget,
    EdgeClient,
    audit,
    connect,
    migrate,
    plan_migration,
    repair,
)

# qdrant-client's local mode leaves databases unclosed (of deleted collections; one in memory, to
# look at SQLite), which Python tells from 3.13 on.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning")
POINTS = 3_000
CHILD = """
import sys
from mrl_adapters.qdrant import CopyTarget, connect, migrate
from mrl_adapters.maintenance import client as client_module, copy

client_module._POINTS_PER_PAGE = 25
copy._PAGES_PER_CHECKPOINT = 4
mode, here, there = sys.argv[1:]
with connect(path=here) as client:
    if mode == "copy":
        with connect(path=there) as other:
            print("begin", flush=True)
            result = migrate(client, "docs", stages=(8, 16), mode="copy",
                             target=CopyTarget(client=other))
            print("end", result.settled, flush=True)
    else:
        rotation = "auto" if mode == "rotated" else None
        print("begin", flush=True)
        print("end", migrate(client, "docs", stages=(8, 16), rotation=rotation).settled, flush=True)
"""


@pytest.fixture(autouse=True)
def collected():
    """Collect what a test left, while its warnings are filtered."""
    yield
    gc.collect()


@pytest.fixture
def written(tmp_path):
    """A collection of the embedded engine, closed."""
    path = str(tmp_path / "here")
    full = np.random.default_rng(0).standard_normal((POINTS, 32)).astype(np.float32)
    with connect(path=path) as client:
        params = models.VectorParams(size=32, distance=models.Distance.COSINE)
        client.create_collection("docs", params)
        client.upsert(
            "docs",
            [
                models.PointStruct.model_construct(id=number, vector=row, payload={"n": number})
                for number, row in enumerate(full)
            ],
        )
    return path, full


def _start(mode, here, there):
    child = subprocess.Popen(  # noqa: S603 - this interpreter, this file's own script
        [sys.executable, "-c", CHILD, mode, here, there], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "begin\n"
    return child


def _finish(child):
    assert child.communicate()[0] == "end True\n"
    assert child.returncode == 0


def _write_by_the_stock_store(path, full, number):
    """Between two runs somebody replaces a point; it has no short vectors then."""
    full[number] = full[number + 1]
    vector = full[number].tolist()
    with connect(path=path) as client:
        mixed = isinstance(client.get_collection("docs").config.params.vectors, dict)
        point = models.PointStruct(id=number, vector={"": vector} if mixed else vector)
        client.upsert("docs", [point])


def _check(client, name, full):
    report = audit(client, "docs")
    assert (report.ok, report.points, report.checked) == (True, POINTS, POINTS)
    for record in client.scroll("docs", limit=POINTS, with_vectors=[name])[0]:
        vector = record.vector[name] if isinstance(record.vector, dict) else record.vector
        expected = full[record.id] / np.linalg.norm(full[record.id])
        assert np.allclose(vector, expected, atol=1e-3)


def _survives(mode, kills, tmp_path, written):
    path, full = written
    there, spare = str(tmp_path / "there"), str(tmp_path / "spare")
    shutil.copytree(path, spare)
    child = _start(mode, spare, str(tmp_path / "spare-there"))
    began_s = time.monotonic()
    _finish(child)
    whole_s = time.monotonic() - began_s
    rng = random.Random(kills)
    killed = 0
    while killed < kills:
        child = _start(mode, path, there)
        try:
            child.wait(timeout=rng.uniform(0, whole_s))
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            child.communicate()
            killed += 1
        else:
            _finish(child)
            if mode == "copy":
                # A finished copy is not touched again: the next kills need a new one.
                with connect(path=there) as client:
                    _check(client, "", full)
                shutil.rmtree(there)
        if mode != "copy":
            _write_by_the_stock_store(path, full, killed)
    _finish(_start(mode, path, there))
    with connect(path=there if mode == "copy" else path) as client:
        _check(client, "", full)


@pytest.mark.parametrize("mode", ["in_place", "copy", "rotated"])
def test_a_killed_migration_goes_on(mode, tmp_path, written):
    _survives(mode, 3, tmp_path, written)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["in_place", "copy"])
def test_fifty_kills_leave_every_point_with_its_own_short_vectors(mode, tmp_path, written):
    _survives(mode, 50, tmp_path, written)


KILLED_AFTER_DELETING = """
import os, signal, sys
from contextlib import closing
from mrl_adapters.qdrant import CopyTarget, EdgeClient, connect, migrate
from qdrant_client import QdrantClient

engine, path, alias = sys.argv[1:]
kind = EdgeClient if engine == "edge" else QdrantClient
delete = kind.delete_collection

def deleted(self, name, *args, **kwargs):
    delete(self, name, *args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)

kind.delete_collection = deleted
target = CopyTarget("new", alias=alias or None, delete_source=True)
with closing(kind(path=path)) as client:
    migrate(client, "docs", stages=(8,), mode="copy", target=target)
"""


def _kill_after_deleting(engine, path, alias):
    child = subprocess.run(  # noqa: S603 - this interpreter, this file's own script
        [sys.executable, "-c", KILLED_AFTER_DELETING, engine, path, alias], check=False
    )
    assert child.returncode == -signal.SIGKILL


def _names(client):
    return {each.name for each in client.get_collections().collections}


def _aliases(client):
    return {each.alias_name: each.collection_name for each in client.get_aliases().aliases}


@pytest.mark.parametrize("engine", ["edge", "local"])
def test_a_kill_between_deleting_the_source_and_giving_its_name_away_is_finished(
    engine, tmp_path, legacy
):
    path = str(tmp_path)
    kind = EdgeClient if engine == "edge" else QdrantClient
    # The embedded engine would load every collection to find out which is the copy.
    said = (
        r"Check the name and the place"
        if engine == "edge"
        else r"'new' is a finished copy of it.*run it again"
    )
    with closing(kind(path=path)) as client:
        legacy(client)
    _kill_after_deleting(engine, path, "docs")
    target = CopyTarget("new", alias="docs", delete_source=True)
    job = {"stages": (8,), "mode": "copy", "target": target}

    with closing(kind(path=path)) as client:
        assert (_names(client), _aliases(client)) == ({"new"}, {})
        for told in (audit, repair):
            with pytest.raises(MigrationError, match=said):
                told(client, "docs")
        with pytest.raises(MigrationError, match=r"finished its copy 'new', with stages \(8,\)"):
            migrate(client, "docs", **{**job, "stages": (16,)})
        plan = plan_migration(client, "docs", **job)
        assert (plan.steps, plan.resumes) == (("switch alias 'docs' to 'new'",), True)
        assert (plan.points, plan.points_to_write) == (200, 0)
        done = migrate(client, "docs", **job)
        again = migrate(client, "docs", **job)

    with closing(kind(path=path)) as client:
        assert (_names(client), _aliases(client)) == ({"new"}, {"docs": "new"})
        assert audit(client, "docs").ok
    assert (done.collection_name, done.target_name, done.points) == ("docs", "new", 200)
    assert (done.resumed, again.resumed, again.points) == (True, False, 200)


@pytest.mark.parametrize(
    ("engine", "alias"), [("edge", ""), ("edge", "docs"), ("local", "live"), ("local", "docs")]
)
def test_a_kill_between_deleting_the_source_and_its_rotation_is_finished(
    engine, alias, tmp_path, legacy
):
    path = str(tmp_path)
    kind = EdgeClient if engine == "edge" else QdrantClient
    with closing(kind(path=path)) as client:
        legacy(client)
        legacy(client, "kept__rotation")  # somebody's own, whatever it is called
        migrate(client, "docs", stages=(8,), rotation="auto")
    _kill_after_deleting(engine, path, alias)
    target = CopyTarget("new", alias=alias or None, delete_source=True)

    with closing(kind(path=path)) as client:
        assert "docs__rotation" in _names(client)
        migrate(client, "docs", stages=(8,), mode="copy", target=target)
        assert _names(client) == {"new", "new__rotation", "kept__rotation"}
        assert audit(client, alias or "new").ok
