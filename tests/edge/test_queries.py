"""Queries give what qdrant-client's local mode gives, and exact scores where they are asked for."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qdrant_client import QdrantClient, models

from mrl_adapters.edge import EdgeClient
from mrl_adapters.errors import DimensionsError, EmbeddingError

ROWS = np.random.default_rng(3).standard_normal((80, 16)).astype(np.float32)
QUERY = ROWS[0] * 0.5 + ROWS[1]
PREFETCH = models.Prefetch(query=QUERY[:4].tolist(), using="short", limit=30)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EdgeClient, QdrantClient]]:
    local = QdrantClient(":memory:")
    with EdgeClient(tmp_path_factory.mktemp("queries")) as embedded:
        for client in (embedded, local):
            client.create_collection(
                "docs",
                {
                    "full": models.VectorParams(
                        size=16, distance="Cosine", hnsw_config=models.HnswConfigDiff(m=0)
                    ),
                    "short": models.VectorParams(size=4, distance="Cosine"),
                },
                sparse_vectors_config={"words": models.SparseVectorParams()},
            )
            client.upsert(
                "docs",
                [
                    models.PointStruct(
                        id=at,
                        vector={
                            "full": row.tolist(),
                            "short": row[:4].tolist(),
                            "words": models.SparseVector(indices=[at % 7], values=[float(at + 1)]),
                        },
                        payload={"n": at, "odd": at % 2 == 1},
                    )
                    for at, row in enumerate(ROWS)
                ],
            )
        embedded.create_payload_index("docs", "n", "integer")
        yield embedded, local
    local.close()


def short(query: Any, **more: Any) -> models.Prefetch:
    return models.Prefetch(query=query, using="short", limit=30, **more)


ODD = models.Filter(must=models.FieldCondition(key="odd", match=models.MatchValue(value=True)))

SAME_AS_LOCAL: dict[str, dict[str, Any]] = {
    "plain": {"query": QUERY.tolist(), "using": "full"},
    "array": {"query": QUERY, "using": "full"},
    "two stages": {"query": QUERY, "using": "full", "prefetch": PREFETCH},
    "three stages": {
        "query": QUERY,
        "using": "full",
        "prefetch": models.Prefetch(
            query=QUERY[:4].tolist(), using="short", limit=20, prefetch=[PREFETCH]
        ),
    },
    "offset": {"query": QUERY, "using": "full", "prefetch": PREFETCH, "offset": 3, "limit": 4},
    "filter at the root": {
        "query": QUERY,
        "using": "full",
        "prefetch": PREFETCH,
        "query_filter": ODD,
    },
    "threshold": {"query": QUERY, "using": "full", "prefetch": PREFETCH, "score_threshold": 0.2},
    "by id": {"query": 5, "using": "full"},
    "by id, two stages": {"query": 5, "using": "full", "prefetch": short(5)},
    "nearest": {"query": models.NearestQuery(nearest=QUERY.tolist()), "using": "full"},
    "diverse": {
        "query": models.NearestQuery(
            nearest=QUERY.tolist(), mmr=models.Mmr(diversity=0.4, candidates_limit=25)
        ),
        "using": "full",
        "prefetch": PREFETCH,
        "limit": 6,
    },
    "diverse, with a vector": {
        "query": models.NearestQuery(nearest=QUERY.tolist(), mmr=models.Mmr(diversity=0.4)),
        "using": "full",
        "with_vectors": ["short"],
    },
    "diverse by default": {
        "query": models.NearestQuery(nearest=QUERY.tolist(), mmr=models.Mmr()),
        "using": "full",
        "limit": 6,
    },
    "sparse": {
        "query": models.SparseVector(indices=[3, 4], values=[1.0, 0.5]),
        "using": "words",
    },
    "fusion": {
        "query": models.FusionQuery(fusion=models.Fusion.RRF),
        "prefetch": [PREFETCH, models.Prefetch(query=QUERY.tolist(), using="full", limit=7)],
        "limit": 3,
    },
    "average": {
        "query": models.RecommendQuery(
            recommend=models.RecommendInput(positive=[1, QUERY.tolist()], negative=[7])
        ),
        "using": "full",
    },
    "only positive": {
        "query": models.RecommendQuery(recommend=models.RecommendInput(positive=[1, 2])),
        "using": "full",
    },
    "best score": {
        "query": models.RecommendQuery(
            recommend=models.RecommendInput(
                positive=[1, 2], negative=[7], strategy=models.RecommendStrategy.BEST_SCORE
            )
        ),
        "using": "full",
    },
    "sum of scores": {
        "query": models.RecommendQuery(
            recommend=models.RecommendInput(
                positive=[1, 2], negative=[7], strategy=models.RecommendStrategy.SUM_SCORES
            )
        ),
        "using": "full",
    },
    "discover": {
        "query": models.DiscoverQuery(
            discover=models.DiscoverInput(
                target=QUERY.tolist(), context=[models.ContextPair(positive=2, negative=9)]
            )
        ),
        "using": "full",
    },
    "some payload": {"query": QUERY, "using": "full", "with_payload": ["odd"]},
    "payload without": {
        "query": QUERY,
        "using": "full",
        "with_payload": models.PayloadSelectorExclude(exclude=["odd"]),
    },
    "payload with": {
        "query": QUERY,
        "using": "full",
        "with_payload": models.PayloadSelectorInclude(include=["n"]),
    },
    "no payload": {"query": QUERY, "using": "full", "with_payload": False},
    "some vectors": {"query": QUERY, "using": "full", "with_vectors": ["short"]},
}


@pytest.mark.parametrize("request_", SAME_AS_LOCAL.values(), ids=SAME_AS_LOCAL.keys())
def test_a_query_gives_what_local_mode_gives(
    pair: tuple[EdgeClient, QdrantClient], request_: dict[str, Any]
) -> None:
    found, expected = (client.query_points("docs", **request_).points for client in pair)
    assert expected
    assert [each.id for each in found] == [each.id for each in expected]
    assert [each.score for each in found] == pytest.approx(
        [each.score for each in expected], abs=1e-5
    )
    assert [each.payload or {} for each in found] == [each.payload or {} for each in expected]
    for one, other in zip(found, expected, strict=True):
        assert (one.vector or {}).keys() == (other.vector or {}).keys()
        if one.vector:
            assert one.vector["short"] == pytest.approx(other.vector["short"], abs=1e-6)


def test_context_search_prefers_the_positive_side(pair: tuple[EdgeClient, QdrantClient]) -> None:
    sides = models.ContextPair(positive=ROWS[2].tolist(), negative=ROWS[9].tolist())
    query = models.ContextQuery(context=sides)
    found, expected = (
        {
            each.id
            for each in client.query_points("docs", query=query, using="full", limit=60).points
            if each.score >= -1e-6
        }
        for client in pair
    )
    assert found == expected


def test_a_batch_gives_each_request_its_own_answer(pair: tuple[EdgeClient, QdrantClient]) -> None:
    requests = [
        models.QueryRequest(query=QUERY.tolist(), using="full", limit=3),
        models.QueryRequest(query=QUERY[:4].tolist(), using="short", limit=2, filter=ODD),
        models.QueryRequest(
            query=QUERY.tolist(), using="full", prefetch=PREFETCH, limit=4, with_payload=True
        ),
    ]
    found, expected = (client.query_batch_points("docs", requests) for client in pair)
    assert [[each.id for each in answer.points] for answer in found] == [
        [each.id for each in answer.points] for answer in expected
    ]
    assert found[0].points[0].payload is None
    assert found[2].points[0].payload == {"n": found[2].points[0].id, "odd": True}
    assert pair[0].query_batch_points("docs", []) == []


def test_weighted_fusion_prefers_the_weightier_search(
    pair: tuple[EdgeClient, QdrantClient],
) -> None:
    searches = [
        models.Prefetch(query=ROWS[3].tolist(), using="full", limit=5),
        models.Prefetch(query=ROWS[4].tolist(), using="full", limit=5),
    ]

    def best(weights: list[float]) -> Any:
        query = models.RrfQuery(rrf=models.Rrf(k=2, weights=weights))
        return pair[0].query_points("docs", query=query, prefetch=searches).points[0].id

    assert (best([5.0, 1.0]), best([1.0, 5.0])) == (3, 4)


def test_distribution_based_fusion_works(pair: tuple[EdgeClient, QdrantClient]) -> None:
    query = models.FusionQuery(fusion=models.Fusion.DBSF)
    both = [PREFETCH, models.Prefetch(query=QUERY.tolist(), using="full", limit=7)]
    found = pair[0].query_points("docs", query=query, prefetch=both).points
    best = pair[0].query_points("docs", query=QUERY, using="full", limit=1).points[0]
    assert found[0].id == best.id


def test_points_can_be_ordered_and_sampled(pair: tuple[EdgeClient, QdrantClient]) -> None:
    down = models.OrderBy(key="n", direction=models.Direction.DESC, start_from=50)
    embedded = pair[0]
    for found in (
        embedded.query_points("docs", query=models.OrderByQuery(order_by=down), limit=3).points,
        embedded.scroll("docs", order_by=down, limit=3)[0],
    ):
        assert [each.id for each in found] == [50, 49, 48]
    assert [each.id for each in embedded.scroll("docs", order_by="n", limit=2)[0]] == [0, 1]
    sample = models.SampleQuery(sample=models.Sample.RANDOM)
    assert len({each.id for each in embedded.query_points("docs", query=sample).points}) == 10


def test_no_query_gives_points_in_order_of_their_ids(
    pair: tuple[EdgeClient, QdrantClient],
) -> None:
    assert [each.id for each in pair[0].query_points("docs", limit=3).points] == [0, 1, 2]


def test_a_threshold_leaves_out_the_score_that_equals_it(
    pair: tuple[EdgeClient, QdrantClient],
) -> None:
    embedded = pair[0]
    found = embedded.query_points("docs", query=QUERY, using="full", limit=5).points
    above = embedded.query_points(
        "docs", query=QUERY, using="full", limit=5, score_threshold=found[2].score
    ).points
    assert [each.id for each in above] == [each.id for each in found[:2]]


def test_scrolling_pages_through_everything_once(pair: tuple[EdgeClient, QdrantClient]) -> None:
    embedded, seen, offset = pair[0], [], None
    while True:
        page, offset = embedded.scroll("docs", limit=33, offset=offset, scroll_filter=ODD)
        seen += [each.id for each in page]
        if offset is None:
            break
    assert seen == list(range(1, 80, 2))


def test_retrieving_keeps_the_order_and_leaves_out_unknown_ids(
    pair: tuple[EdgeClient, QdrantClient],
) -> None:
    found = pair[0].retrieve("docs", [5, 999, 1], with_payload=False)
    assert [(each.id, each.payload, each.vector) for each in found] == [
        (5, None, None),
        (1, None, None),
    ]


def test_an_id_that_is_asked_for_twice_is_given_twice(
    pair: tuple[EdgeClient, QdrantClient],
) -> None:
    asked = [5, 999, 1, 5]
    found, expected = ([each.id for each in client.retrieve("docs", asked)] for client in pair)
    assert found == expected == [5, 1, 5]


def test_facets_count_values(pair: tuple[EdgeClient, QdrantClient]) -> None:
    embedded = pair[0]
    embedded.create_payload_index("docs", "odd", models.PayloadSchemaType.BOOL)
    hits = embedded.facet("docs", "odd", exact=True).hits
    assert {hit.value: hit.count for hit in hits} == {True: 40, False: 40}
    filtered = embedded.facet("docs", "odd", facet_filter=ODD, exact=True).hits
    assert {hit.value: hit.count for hit in filtered if hit.count} == {True: 40}


@pytest.mark.parametrize(
    "query", [[float("nan")] * 16, np.full(16, np.inf), np.full(16, np.nan, dtype=np.float32)]
)
def test_a_query_vector_without_meaning_is_refused(
    pair: tuple[EdgeClient, QdrantClient], query: Any
) -> None:
    with pytest.raises(EmbeddingError, match="query vector holds NaN"):
        pair[0].query_points("docs", query=query, using="full")


def test_a_query_buffer_whose_squares_overflow_is_answered_as_the_list_is(
    pair: tuple[EdgeClient, QdrantClient],
) -> None:
    large = np.full(16, 1e25, dtype=np.float32)
    found = [
        pair[0].query_points("docs", query=each, using="full") for each in (large, large.tolist())
    ]
    assert found[0] == found[1]


def test_other_mistakes_are_errors_not_empty_answers(
    pair: tuple[EdgeClient, QdrantClient],
) -> None:
    embedded = pair[0]
    with pytest.raises(DimensionsError, match="expected dim: 16, got 3"):
        embedded.query_points("docs", query=[1.0, 2.0, 3.0], using="full")
    with pytest.raises(ValueError, match="Not existing vector name error: nope"):
        embedded.query_points("docs", query=[1.0], using="nope")
    with pytest.raises(ValueError, match="limit is 0"):
        embedded.scroll("docs", limit=0)
    with pytest.raises(ValueError, match="point 999 has no vector 'full'"):
        embedded.query_points("docs", query=999, using="full")
    with pytest.raises(ValueError, match="limit 0"):
        embedded.query_points("docs", query=QUERY, using="full", limit=0)
    nothing = models.RecommendQuery(recommend=models.RecommendInput(negative=[1]))
    with pytest.raises(ValueError, match="no positive example"):
        embedded.query_points("docs", query=nothing, using="full")


@pytest.mark.parametrize(
    ("request_", "named"),
    [
        ({"query": models.Document(text="x", model="y"), "using": "full"}, "Document"),
        (
            {"query": QUERY, "using": "full", "lookup_from": models.LookupLocation(collection="x")},
            "lookup_from",
        ),
        (
            {
                "query": QUERY,
                "using": "full",
                "search_params": models.SearchParams(idf=models.IdfScope.GLOBAL),
            },
            "SearchParams.idf",
        ),
        ({"query": QUERY, "using": "full", "with_payload": {"n"}}, "payload selector set"),
    ],
)
def test_what_is_not_offered_is_named(
    pair: tuple[EdgeClient, QdrantClient], request_: dict[str, Any], named: str
) -> None:
    with pytest.raises(NotImplementedError, match=named):
        pair[0].query_points("docs", **request_)


def test_rescoring_is_exact_whatever_the_short_vector_costs(
    tmp_path: Path,
    nested_vectors: dict[str, models.VectorParams],
    nested_points: Callable[..., list[models.PointStruct]],
) -> None:
    points = nested_points(400)
    rows = np.array([each.vector["full"] for each in points])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    query = rows[7] + rows[8]
    with EdgeClient(tmp_path) as client:
        client.create_collection("docs", nested_vectors)
        client.upsert("docs", points)
        client.optimize("docs")
        for params in (
            None,
            models.SearchParams(exact=True),
            models.SearchParams(quantization=models.QuantizationSearchParams(ignore=True)),
            models.SearchParams(hnsw_ef=64, indexed_only=True, acorn=models.AcornSearchParams()),
        ):
            found = client.query_points(
                "docs",
                query=query,
                using="full",
                prefetch=models.Prefetch(query=query[:8], using="short_8", limit=400)
                if params is None
                else models.Prefetch.model_construct(
                    **models.Prefetch(using="short_8", limit=400, params=params).__dict__
                    | {"query": query[:8]}
                ),
                search_params=params,
            ).points
            expected = np.sort(rows @ query)[::-1][:10] / np.linalg.norm(query)
            assert [each.score for each in found] == pytest.approx(expected, abs=5e-4)
