"""Migrating, auditing and repairing over REST: every request and answer against the contract."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qdrant_client import QdrantClient, models

from mrl_adapters.maintenance import migrate
from mrl_adapters.maintenance.audit import audit
from mrl_adapters.maintenance.repair import repair
from mrl_adapters.qdrant import CopyTarget, Driver, EdgeClient, MatryoshkaCollection, SearchPlan
from mrl_adapters.qdrant.query import Search

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


@pytest.fixture
def opened(gateway: Any, tmp_path: Path) -> Iterator[Callable[[str], Any]]:
    """Opens an engine by name."""
    with ExitStack() as stack:

        def client(engine: str) -> Any:
            if engine == "edge":
                return stack.enter_context(EdgeClient(str(tmp_path / "edge")))
            if engine == "local":
                made = QdrantClient(":memory:")
            else:
                made = QdrantClient(
                    url="http://gateway", transport=gateway, check_compatibility=False
                )
            stack.callback(made.close)
            return made

        yield client


@pytest.mark.parametrize("rotation", [None, "auto"])
@pytest.mark.parametrize(
    "pair", [("rest", "edge"), ("edge", "rest"), ("local", "rest"), ("rest", "local")], ids="-".join
)
def test_everything_arrives_in_another_engine(
    opened: Callable[[str], Any], vectors: np.ndarray, pair: tuple[str, str], rotation: Any
) -> None:
    here, there = map(opened, pair)
    here.create_collection(
        "old",
        {
            "dense": models.VectorParams(size=32, distance=models.Distance.COSINE),
            "title": models.VectorParams(size=4, distance=models.Distance.DOT),
        },
        sparse_vectors_config={"words": models.SparseVectorParams()},
    )
    if pair[0] != "local":
        here.create_payload_index("old", "at", models.PayloadSchemaType.INTEGER)
    words = models.SparseVector(indices=[1, 99], values=[1.0, 0.25])
    points = [
        models.PointStruct(
            id=at,
            vector={"dense": row.tolist(), "title": [1.0, 2.0, 3.0, 4.0], "words": words},
            payload={"at": at, "deep": {"list": [1, 2.5, None, "ä"]}},
        )
        for at, row in enumerate(vectors)
    ]
    here.upsert("old", points, wait=True)

    target = CopyTarget("new", there)
    migrate(
        here, "old", stages=(8,), mode="copy", target=target, full_name="dense", rotation=rotation
    )

    assert audit(there, "new").ok
    for record in there.scroll("new", limit=COUNT, with_vectors=True)[0]:
        assert record.payload == {"at": record.id, "deep": {"list": [1, 2.5, None, "ä"]}}
        assert record.vector["title"] == [1.0, 2.0, 3.0, 4.0]
        assert record.vector["words"] == words
        unit = vectors[record.id] / np.linalg.norm(vectors[record.id])
        np.testing.assert_allclose(record.vector["dense"], unit, atol=1e-3)
    if "local" not in pair:
        kind = there.get_collection("new").payload_schema["at"].data_type
        assert kind == models.PayloadSchemaType.INTEGER
    collection, searches = MatryoshkaCollection("new"), [Search(row, 5) for row in vectors]
    for found, truth in zip(
        Driver(there).run(collection.search(searches)),
        Driver(there).run(collection.search(searches, SearchPlan(exact=True))),
        strict=True,
    ):
        assert [hit.id for hit in found] == [hit.id for hit in truth]


def test_an_alias_is_switched_in_one_request(
    gateway: Any, remote: QdrantClient, vectors: np.ndarray
) -> None:
    alias = models.CreateAlias(collection_name="old", alias_name="live")
    remote.update_collection_aliases([models.CreateAliasOperation(create_alias=alias)])

    migrate(remote, "live", stages=(8,), mode="copy", rotation="auto")

    [_, switch] = gateway.bodies("POST", "/collections/aliases")
    assert switch["actions"] == [
        {"delete_alias": {"alias_name": "live"}},
        {"create_alias": {"collection_name": "old_two_stage", "alias_name": "live"}},
    ]
    # The rotation is found behind the alias.
    answers = Driver(remote).run(MatryoshkaCollection("live").search([Search(vectors[7], 1)]))
    assert [(hit.payload or {})["at"] for hit in answers[0]] == [7]
    assert remote.count("old").count == COUNT


def test_points_that_a_legacy_writer_replaced_are_found_and_repaired(
    remote: QdrantClient, vectors: np.ndarray
) -> None:
    migrate(remote, "old", stages=(8,))
    legacy = models.PointStruct(id=3, vector={"full": vectors[9].tolist()}, payload={})
    remote.upsert("old", points=[legacy], wait=True)
    assert not audit(remote, "old").ok
    repair(remote, "old")
    assert audit(remote, "old").ok
