"""Collections in strict mode: requests stay within what is allowed, and say what that costs."""

import asyncio
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from qdrant_client import QdrantClient, models
from real_server import server_client

from mrl_adapters.qdrant import (
    CollectionLayout,
    Driver,
    MatryoshkaCollection,
    SearchPlan,
    audit,
    migrate,
    repair,
    rotate,
)
from mrl_adapters.qdrant.query import Search, search_request
from mrl_adapters.qdrant.strict_mode import UNLIMITED, Limits, StrictModeWarning

Documents = Callable[..., np.ndarray]

LAYOUT = CollectionLayout(32, (8, 16))
STRICT = models.StrictModeConfig(
    enabled=True,
    max_query_limit=20,
    upsert_max_batchsize=30,
    search_max_hnsw_ef=40,
    search_max_batchsize=2,
    search_allow_exact=False,
)
LIMITS = Limits(results=20, points=30, beam=40, searches=2, exact=False)


def described(strict: models.StrictModeConfig | None) -> models.CollectionInfo:
    client = QdrantClient(":memory:")
    client.create_collection("a", vectors_config=models.VectorParams(size=2, distance="Dot"))
    info = client.get_collection("a")
    client.close()
    info.config.strict_mode_config = strict
    return info


def test_limits_are_read_from_the_collection() -> None:
    assert Limits.of(described(STRICT)) == LIMITS
    slow = models.StrictModeConfig(enabled=True, upsert_max_batchsize=30, write_rate_limit=5)
    assert Limits.of(described(slow)) == Limits(points=5)
    for off in (None, STRICT.model_copy(update={"enabled": False}), models.StrictModeConfig()):
        assert Limits.of(described(off)) is UNLIMITED


@pytest.mark.parametrize("stages", [None, (8,), (8, 16)])
@pytest.mark.parametrize("layout", [LAYOUT, CollectionLayout(32, ())], ids=["staged", "one stage"])
def test_every_stage_of_a_search_is_made_to_fit(
    layout: CollectionLayout, stages: tuple[int, ...] | None, documents: Documents
) -> None:
    if stages and not layout.stages:
        return
    plan = SearchPlan(stages=stages)
    request = search_request(Search(documents(1)[0], 4), layout, plan)
    with pytest.warns(StrictModeWarning, match="'docs' is in strict mode.*20 .*40"):
        fitted = LIMITS.fit("docs", request)
    limits, beams = [], []
    stage: Any = fitted
    while stage is not None:
        limits.append(stage.limit)
        beams.append(stage.params.hnsw_ef or 0)
        stage = stage.prefetch
    assert max(limits) <= 20
    assert max(beams) == 40
    # The request that others share is as it was.
    assert request == search_request(Search(documents(1)[0], 4), layout, plan)


def test_what_fits_is_left_as_it_is(documents: Documents) -> None:
    request = search_request(
        Search(documents(1)[0], 4), LAYOUT, SearchPlan(min_candidates=5, oversampling=2, hnsw_ef=8)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert LIMITS.fit("docs", request) is request
        assert UNLIMITED.fit("docs", request) is request


def test_requests_that_write_have_as_many_points_as_allowed(
    over_rest: Callable[[Any], Any], stand_in: Any, documents: Documents, monkeypatch: Any
) -> None:
    monkeypatch.setattr(Limits, "of", classmethod(lambda cls, info: LIMITS))
    docs = MatryoshkaCollection("docs", layout=LAYOUT)
    over_rest(docs.add([*map(str, range(70))], documents(70), [{}] * 70))
    sizes = [len(body["points"]) for body in stand_in.bodies("PUT", "/docs/points")]
    assert sizes == [30, 30, 10]


@pytest.mark.server
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_collection_in_strict_mode_does_all_that_others_do(
    mode: str, documents: Documents
) -> None:
    vectors = documents(130, seed=3)
    with server_client() as client:
        driver = Driver(client)

        def drive(flow: Any) -> Any:
            return driver.run(flow) if mode == "sync" else asyncio.run(driver.arun(flow))

        docs = MatryoshkaCollection("docs", layout=CollectionLayout(32, (8,)))
        drive(docs.add(["first"], vectors[:1], [{}]))
        client.update_collection("docs", strict_mode_config=STRICT)
        docs = MatryoshkaCollection("docs")
        drive(docs.add([*map(str, range(129))], vectors[1:], [{"n": n} for n in range(129)]))
        assert drive(docs.count()) == 130
        assert len(drive(docs.scroll())) == 130
        with pytest.warns(StrictModeWarning):
            hits = drive(docs.search([Search(vectors[7], 4)] * 5))
        assert [each[0].id for each in hits] == [hits[0][0].id] * 5
        assert audit(client, "docs").ok
        migrate(client, "docs", stages=(8, 16))
        repair(client, "docs")
        rotate(client, "docs", stages=(16,))
        assert audit(client, "docs").ok
        drive(docs.delete(["5", "7"]))
        assert drive(docs.count()) == 128
