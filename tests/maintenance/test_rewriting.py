"""While a server rewrites its segments its counts are too high: what is read is the truth."""

import uuid
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from qdrant_client import QdrantClient, models

from mrl_adapters.qdrant import (
    Driver,
    MatryoshkaCollection,
    MissingShortVectorsWarning,
    audit,
    migrate,
    plan_migration,
    repair,
    rotate,
)

COUNT = 300


def fill(client: Any, name: str, count: int = COUNT) -> np.ndarray:
    client.create_collection(name, {"full": models.VectorParams(size=32, distance="Cosine")})
    rows = np.random.default_rng(0).standard_normal((count, 32)).astype(np.float32)
    for start in range(0, count, 1_000):
        part = enumerate(rows[start : start + 1_000].tolist(), start)
        client.upsert(
            name,
            [
                models.PointStruct(id=at, vector={"full": row}, payload={"text": f"text {at}"})
                for at, row in part
            ],
            wait=True,
        )
    return rows


def bare(client: Any, name: str, ids: list[int], rows: np.ndarray) -> None:
    """Replace points as a stock store does: their short vectors are gone."""
    client.upsert(
        name,
        [
            models.PointStruct(id=at, vector={"full": rows[at].tolist()}, payload={"text": "new"})
            for at in ids
        ],
        wait=True,
    )


def opening(client: Any, name: str) -> list[str]:
    """The warnings of a first use."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", MissingShortVectorsWarning)
        Driver(client).run(MatryoshkaCollection(name).count())
    return [str(each.message) for each in caught]


@pytest.fixture
def remote(gateway: Any) -> Iterator[QdrantClient]:
    client = QdrantClient(url="http://gateway", transport=gateway, check_compatibility=False)
    yield client
    client.close()


def test_points_that_have_their_short_vectors_are_not_told_of(
    gateway: Any, remote: QdrantClient
) -> None:
    fill(remote, "docs")
    migrate(remote, "docs", stages=(8,))
    gateway.rewriting = True

    assert remote.count("docs", count_filter=lacking()).count == COUNT  # the trap is set
    assert opening(remote, "docs") == []
    for sample in (None, 50):
        report = audit(remote, "docs", sample=sample)
        assert (report.missing, report.ok) == (0, True)
    assert plan_migration(remote, "docs", stages=(8,)).points_to_write == 0
    again = migrate(remote, "docs", stages=(8,))
    assert (again.corrected, again.unusable, again.settled) == (0, 0, True)
    done = repair(remote, "docs")
    assert (done.filled, done.corrected, done.settled) == (0, 0, True)
    copied = migrate(remote, "docs", stages=(8,), mode="copy")
    assert (copied.points, copied.unusable, copied.settled) == (COUNT, 0, True)


def test_points_that_lack_them_are_found_all_the_same(gateway: Any, remote: QdrantClient) -> None:
    rows = fill(remote, "docs")
    migrate(remote, "docs", stages=(8,))
    bare(remote, "docs", [3, 7, 250], rows)
    gateway.rewriting = True

    [told] = opening(remote, "docs")
    assert "2 points lack a short vector" in told  # of the hundred that it read
    report = audit(remote, "docs")
    assert (report.missing, report.ok) == (3, False)
    assert report.examples["missing"] == [3, 7, 250]
    assert repair(remote, "docs").filled == 3
    assert audit(remote, "docs").ok
    assert opening(remote, "docs") == []


def test_a_count_that_is_right_is_told_whole(remote: QdrantClient) -> None:
    rows = fill(remote, "docs")
    migrate(remote, "docs", stages=(8,))
    bare(remote, "docs", [*range(150)], rows)
    [told] = opening(remote, "docs")
    assert "150 points lack a short vector" in told


def lacking() -> models.Filter:
    return models.Filter(must_not=[models.HasVectorCondition(has_vector="short_8")])


@pytest.mark.server
def test_after_each_rotation_nothing_is_said_to_lack(open_engine: Any) -> None:
    client, name = open_engine("server"), f"rewritten_{uuid.uuid4().hex[:8]}"
    rows = fill(client, name, 20_000)
    migrate(client, name, stages=(8,))
    for turn in range(5):
        rotate(client, name)
        assert opening(client, name) == []
        assert audit(client, name).missing == audit(client, name, sample=500).missing == 0
        bare(client, name, [turn], rows)
        assert audit(client, name).missing == 1
        assert repair(client, name).filled == 1
