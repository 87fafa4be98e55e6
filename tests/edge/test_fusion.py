"""Fused rankings are the engine's own, but the same each time, also where documents are twins."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qdrant_client import models

from mrl_adapters.edge import EdgeClient, fusion
from mrl_adapters.edge.requests import edge_request
from mrl_adapters.errors import ConfigurationError

COUNT = 120
ROWS = np.random.default_rng(5).standard_normal((COUNT, 8)).astype(np.float32)
RRF = models.FusionQuery(fusion=models.Fusion.RRF)
DBSF = models.FusionQuery(fusion=models.Fusion.DBSF)
TWINS = 60
"""Points of collection "twins": their vectors and words are those of one of three kinds."""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EdgeClient]:
    with EdgeClient(tmp_path_factory.mktemp("fusion")) as opened:
        fill(opened, "docs", [*range(COUNT)])
        fill(opened, "twins", [at % 3 for at in range(TWINS)])
        yield opened


def fill(client: EdgeClient, name: str, kinds: list[int]) -> None:
    client.create_collection(
        name,
        {"full": models.VectorParams(size=8, distance=models.Distance.COSINE)},
        sparse_vectors_config={"words": models.SparseVectorParams()},
    )
    points = [
        models.PointStruct(
            id=at,
            vector={
                "full": ROWS[kind].tolist(),
                "words": models.SparseVector(indices=[1, 2], values=[1.0, 1 / (kind + 1)]),
            },
            payload={"n": at},
        )
        for at, kind in enumerate(kinds)
    ]
    client.upsert(name, points)


def dense(seed: int, limit: int, **more: Any) -> models.Prefetch:
    question = np.random.default_rng(seed).standard_normal(8).tolist()
    return models.Prefetch(query=question, using="full", limit=limit, **more)


def worded(limit: int, **more: Any) -> models.Prefetch:
    words = models.SparseVector(indices=[1, 2], values=[0.3, 1.0])
    return models.Prefetch(query=words, using="words", limit=limit, **more)


def below(end: int) -> models.Filter:
    return models.Filter(must=models.FieldCondition(key="n", range=models.Range(lt=end)))


@settings(max_examples=60)
@given(data=st.data())
def test_scores_are_those_of_the_engine(client: EdgeClient, data: st.DataObject) -> None:
    limits = st.integers(1, 40)
    own = data.draw(st.sampled_from([None, below(70)]))
    legs = [
        dense(data.draw(st.integers(0, 9)), data.draw(limits), filter=own),
        worded(data.draw(limits), score_threshold=data.draw(st.sampled_from([None, 0.35]))),
        models.Prefetch(
            query=ROWS[3].tolist(), using="full", limit=9, prefetch=dense(1, data.draw(limits))
        ),
    ][: data.draw(st.integers(1, 3))]
    weights = st.lists(
        st.sampled_from([0.0, 0.3, 1.0, 4.0]), min_size=len(legs), max_size=len(legs)
    )
    rrf = models.Rrf(k=data.draw(st.sampled_from([None, 1, 2, 60])), weights=data.draw(weights))
    request = models.QueryRequest(
        query=data.draw(st.sampled_from([RRF, DBSF, models.RrfQuery(rrf=rrf)])),
        prefetch=legs,
        filter=data.draw(st.sampled_from([None, below(100)])),
        score_threshold=data.draw(st.sampled_from([None, 0.1, 0.4])),
        limit=COUNT,
    )
    found = client.query_batch_points("docs", [request])[0].points
    collection = client._collection("docs")  # the engine as it is
    [wanted] = collection.query([edge_request(request, collection.vector)])
    assert {each.id: each.score for each in found} == pytest.approx(
        {each.id: each.score for each in wanted}, abs=1e-6
    )
    scores = [each.score for each in found]
    assert scores == sorted(scores, reverse=True)
    versions = {each.id: each.version for each in wanted}
    assert {each.id: each.version for each in found} == versions


@pytest.mark.parametrize("query", [RRF, DBSF, {"fusion": "rrf"}, {"rrf": {"weights": [3, 1]}}])
@pytest.mark.parametrize("limit", [5, 20, 33])
def test_twins_come_in_one_order(client: EdgeClient, query: Any, limit: int) -> None:
    legs = [dense(2, limit), worded(limit)]
    answers = {
        tuple(
            (hit.id, hit.score)
            for hit in client.query_points("twins", query, prefetch=legs, limit=15).points
        )
        for _ in range(20)
    }
    assert len(answers) == 1
    [hits] = answers
    for (one, its), (other, others) in pairwise(hits):
        assert its > others or one < other


@pytest.mark.parametrize("size", [3, 8])
def test_offsets_cut_one_ranking(client: EdgeClient, size: int) -> None:
    legs = [dense(2, 25), worded(25)]
    whole = client.query_points("twins", RRF, prefetch=legs, limit=TWINS).points
    pages = [
        hit
        for first in range(0, TWINS, size)
        for hit in client.query_points("twins", RRF, prefetch=legs, limit=size, offset=first).points
    ]
    assert pages == whole


def test_points_come_with_what_is_asked_for(client: EdgeClient) -> None:
    legs = [dense(2, 5), worded(5)]
    hits = client.query_points(
        "docs", RRF, prefetch=legs, with_payload=["n"], with_vectors=["full"], limit=4
    ).points
    assert [hit.payload for hit in hits] == [{"n": hit.id} for hit in hits]
    assert all(isinstance(hit.vector, dict) and [*hit.vector] == ["full"] for hit in hits)
    bare = client.query_points("docs", RRF, prefetch=legs, with_payload=False).points
    assert {(hit.payload, hit.vector) for hit in bare} == {(None, None)}


def test_a_leg_ordered_by_a_field_keeps_its_order(client: EdgeClient) -> None:
    down = models.OrderBy(key="n", direction=models.Direction.DESC)
    client.create_payload_index("docs", "n", "integer")
    leg = models.Prefetch(query=models.OrderByQuery(order_by=down), limit=4)
    hits = client.query_points("docs", RRF, prefetch=leg).points
    assert [hit.id for hit in hits] == [COUNT - 1, COUNT - 2, COUNT - 3, COUNT - 4]


def test_as_many_weights_as_rankings(client: EdgeClient) -> None:
    query = models.RrfQuery(rrf=models.Rrf(weights=[1.0]))
    with pytest.raises(ConfigurationError, match="1 weights for 2 prefetches"):
        client.query_points("docs", query, prefetch=[dense(2, 5), worded(5)])


def test_what_a_server_refuses_is_refused(client: EdgeClient) -> None:
    legs = [dense(2, 5), worded(5)]
    with pytest.raises(ConfigurationError, match="k=0"):
        client.query_points("docs", models.RrfQuery(rrf=models.Rrf(k=0)), prefetch=legs)
    with pytest.raises(ConfigurationError, match="names vector 'full' itself"):
        client.query_points("docs", RRF, using="full", prefetch=legs)


def test_points_deleted_meanwhile_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with EdgeClient(tmp_path / "store") as client:
        fill(client, "docs", [*range(10)])
        retrieve = fusion.retrieve

        def late(*given: Any) -> list[models.Record]:
            client.delete("docs", [1, 2])
            return retrieve(*given)

        monkeypatch.setattr(fusion, "retrieve", late)
        hits = client.query_points("docs", RRF, prefetch=[dense(2, 10), worded(10)]).points
        assert sorted(int(hit.id) for hit in hits) == [0, *range(3, 10)]


def test_groups_follow_the_fused_ranking(client: EdgeClient) -> None:
    legs = [dense(2, 30), worded(30)]
    request = {"query": RRF, "prefetch": legs, "limit": 4, "group_by": "n", "group_size": 1}
    answers = [client.query_points_groups("twins", **request).groups for _ in range(8)]
    assert all(each == answers[0] for each in answers)
