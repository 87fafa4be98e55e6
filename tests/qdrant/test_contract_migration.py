"""Migrating, auditing and repairing over REST: every request and answer against the contract."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from qdrant_client import QdrantClient, models

from mrl_adapters.qdrant import Driver, MatryoshkaCollection
from mrl_adapters.qdrant.audit import audit
from mrl_adapters.qdrant.migration import migrate
from mrl_adapters.qdrant.query import Search
from mrl_adapters.qdrant.repair import repair

COUNT = 40


@pytest.fixture
def vectors(documents: Callable[..., np.ndarray]) -> np.ndarray:
    return documents(COUNT)


@pytest.fixture
def remote(gateway: Any, contract: object, vectors: np.ndarray) -> QdrantClient:
    """A single-stage collection that somebody else made, behind REST."""
    assert contract is not None  # skipped without the description: nothing would be checked
    made = QdrantClient(url="http://gateway", transport=gateway, check_compatibility=False)
    full = models.VectorParams(size=32, distance=models.Distance.COSINE)
    made.create_collection("old", vectors_config={"full": full})
    points = [
        models.PointStruct(id=at, vector={"full": vectors[at].tolist()}, payload={"at": at})
        for at in range(COUNT)
    ]
    made.upsert("old", points=points, wait=True)
    return made


@pytest.mark.parametrize("mode", ["in_place", "copy"])
def test_a_migrated_collection_is_searched_by_two_stages(
    mode: Any, remote: QdrantClient, vectors: np.ndarray
) -> None:
    result = migrate(remote, "old", stages=(8,), mode=mode)
    assert result.written == COUNT
    assert audit(remote, result.target_name).ok
    searches = [Search(vector, 1) for vector in vectors]
    answers = Driver(remote).run(MatryoshkaCollection(result.target_name).search(searches))
    assert [hits[0].payload["at"] for hits in answers if hits[0].payload] == list(range(COUNT))


def test_points_that_a_legacy_writer_replaced_are_found_and_repaired(
    remote: QdrantClient, vectors: np.ndarray
) -> None:
    migrate(remote, "old", stages=(8,))
    legacy = models.PointStruct(id=3, vector={"full": vectors[9].tolist()}, payload={})
    remote.upsert("old", points=[legacy], wait=True)
    assert not audit(remote, "old").ok
    repair(remote, "old")
    assert audit(remote, "old").ok
