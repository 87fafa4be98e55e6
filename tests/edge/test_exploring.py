"""Groups, matrices, formulas, text, feedback and diversity give what local mode gives."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qdrant_client import QdrantClient, models

from mrl_adapters.edge import EdgeClient
from mrl_adapters.errors import ConfigurationError

ROWS = np.random.default_rng(5).standard_normal((60, 8)).astype(np.float32)
WORDS = ["copy", "move", "link", "open", "close", "read", "write", "sort", "list", "tree"]
QUERY = (ROWS[0] * 0.5 + ROWS[1]).tolist()

Pair = tuple[EdgeClient, QdrantClient]


def point(at: int) -> models.PointStruct:
    row = ROWS[at].tolist()
    return models.PointStruct(
        id=at,
        vector={
            "full": row,
            "rows": [row, ROWS[(at + 7) % 60].tolist()],
            "words": models.SparseVector(
                indices=[at % 5, 5 + at % 3, 9], values=[1.0 + at / 7, 0.3 + at / 90, 0.1 + at / 80]
            ),
        },
        payload={
            "n": at,
            "team": "abc"[at % 3],
            "tags": [f"t{at % 4}", "all"],
            "odd": at % 2 == 1,
            "text": " ".join([*WORDS[: 1 + at % 10], f"only{at}"]),
            "place": {"lon": at / 10, "lat": 2.0},
            "day": f"2024-01-{1 + at % 28:02}",
            "o.d/d": at % 6,
        },
    )


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    local = QdrantClient(":memory:")
    many = models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM)
    with EdgeClient(tmp_path_factory.mktemp("exploring")) as embedded:
        for client in (embedded, local):
            client.create_collection(
                "docs",
                {
                    "full": models.VectorParams(size=8, distance="Cosine"),
                    "rows": models.VectorParams(size=8, distance="Dot", multivector_config=many),
                },
                sparse_vectors_config={"words": models.SparseVectorParams()},
            )
            client.upsert("docs", [point(at) for at in range(len(ROWS))])
            client.create_collection("teams", {"v": models.VectorParams(size=2, distance="Dot")})
            client.upsert(
                "teams",
                [models.PointStruct(id=at, vector={}, payload={"at": at}) for at in range(6)],
            )
        scored = models.TextIndexParams(type="text", tokenizer="word", scoring=True)
        for client in (embedded, local):
            client.create_payload_index("docs", "text", scored)
        yield embedded, local
    local.close()


def example(**given: Any) -> models.RecommendQuery:
    return models.RecommendQuery(recommend=models.RecommendInput(**given))


def feedback(a: float, b: float, c: float) -> models.RelevanceFeedbackQuery:
    items = [models.FeedbackItem(example=3, score=0.9), models.FeedbackItem(example=4, score=0.1)]
    params = models.NaiveFeedbackStrategyParams(a=a, b=b, c=c)
    return models.RelevanceFeedbackQuery(
        relevance_feedback=models.RelevanceFeedbackInput(
            target=QUERY, feedback=items, strategy=models.NaiveFeedbackStrategy(naive=params)
        )
    )


def decay(**given: Any) -> models.DecayParamsExpression:
    return models.DecayParamsExpression(**given)


FORMULAS: dict[str, Any] = {
    "constant": 2.0,
    "variable": "n",
    "sum": models.SumExpression(sum=["$score", models.MultExpression(mult=[0.01, "n"])]),
    "division": models.DivExpression(
        div=models.DivParams(left="$score", right="n", by_zero_default=7.0)
    ),
    "condition": models.MultExpression(
        mult=["$score", models.FieldCondition(key="odd", match=models.MatchValue(value=True))]
    ),
    "filter": models.SumExpression(
        sum=[
            "$score",
            models.Filter(must=[models.FieldCondition(key="n", range=models.Range(gte=30))]),
        ]
    ),
    "distance": models.GeoDistance(
        geo_distance=models.GeoDistanceParams(origin=models.GeoPoint(lon=1, lat=1), to="place")
    ),
    "exponential decay of a date": models.ExpDecayExpression(
        exp_decay=decay(
            x=models.DatetimeKeyExpression(datetime_key="day"),
            target=models.DatetimeExpression(datetime="2024-01-05"),
            scale=86400.0,
        )
    ),
    "bell": models.GaussDecayExpression(
        gauss_decay=decay(x="n", target=3.0, scale=20.0, midpoint=0.3)
    ),
    "line": models.LinDecayExpression(lin_decay=decay(x="n", scale=90.0)),
    "power": models.PowExpression(pow=models.PowParams(base="n", exponent=2.0)),
    "largest": models.MaxExpression(max=["n", 4.0]),
    "smallest": models.MinExpression(min=["n", 4.0]),
    "negative": models.NegExpression(neg="n"),
    "root": models.SqrtExpression(sqrt="n"),
    "absolute": models.AbsExpression(abs=models.NegExpression(neg="n")),
    "exponential": models.ExpExpression(exp="$score"),
    "logarithms": models.SumExpression(
        sum=[
            models.LnExpression(ln=models.SumExpression(sum=["n", 1.0])),
            models.Log10Expression(log10="missing"),
        ]
    ),
}
SEARCH = models.Prefetch(query=QUERY, using="full", limit=20)

SAME_AS_LOCAL: dict[str, dict[str, Any]] = {
    **{
        f"formula: {name}": {
            "query": models.FormulaQuery(formula=formula, defaults={"missing": 3.0}),
            "prefetch": SEARCH,
            "limit": 20,
        }
        for name, formula in FORMULAS.items()
    },
    "text": {"query": models.TextQuery(text="tree only9"), "using": "text", "limit": 7},
    "text with parameters": {
        "query": models.TextQuery(
            text=models.TextQueryInput(
                query="tree", scoring=models.Bm25Scoring(bm25=models.Bm25Params(k=0.5, b=0.1))
            )
        ),
        "using": "text",
        "limit": 60,
    },
    "feedback": {"query": feedback(1.0, 0.5, 0.2), "using": "full"},
    "feedback, differently": {"query": feedback(0.3, 1.0, 0.9), "using": "full"},
    "sparse average": {
        "query": example(positive=[1, 2, 8], negative=[3]),
        "using": "words",
        "limit": 60,
    },
    "sparse average, only positive": {
        "query": example(positive=[1, models.SparseVector(indices=[9, 2], values=[1.0, 2.0])]),
        "using": "words",
        "limit": 60,
    },
    "average of multi-vectors": {
        "query": example(positive=[1, 2], negative=[3]),
        "using": "rows",
    },
    "sparse best score": {
        "query": example(positive=[1, 2], negative=[3], strategy="best_score"),
        "using": "words",
        "limit": 60,
    },
}


@pytest.mark.parametrize("asked", SAME_AS_LOCAL.values(), ids=SAME_AS_LOCAL.keys())
def test_a_query_gives_what_local_mode_gives(pair: Pair, asked: dict[str, Any]) -> None:
    found, expected = (client.query_points("docs", **asked).points for client in pair)
    assert expected
    assert [each.score for each in found] == pytest.approx(
        [each.score for each in expected], rel=1e-4, abs=1e-4
    )
    if len(expected) >= 20:  # nothing is cut off among equals
        scores = {each.id: each.score for each in expected}
        assert {each.id: each.score for each in found} == pytest.approx(scores, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("diversity", [0.0, 0.3, 0.9, 1.0])
@pytest.mark.parametrize("offset", [None, 2])
def test_diversity_among_sparse_vectors(pair: Pair, diversity: float, offset: int | None) -> None:
    query = models.NearestQuery(
        nearest=models.SparseVector(indices=[1, 6, 9], values=[1.0, 0.5, 0.4]),
        mmr=models.Mmr(diversity=diversity, candidates_limit=30),
    )
    asked: dict[str, Any] = {"query": query, "using": "words", "with_vectors": ["full"]}
    found = pair[0].query_points("docs", limit=5, offset=offset, **asked).points
    expected = pair[1].query_points("docs", limit=5 + (offset or 0), **asked).points
    assert [each.id for each in found] == [each.id for each in expected][offset or 0 :]
    assert all(each.vector.keys() == {"full"} for each in found)
    plain = models.QueryRequest(query=QUERY, using="full", limit=1)
    diverse = models.QueryRequest(query=query, using="words", limit=3)
    answers = pair[0].query_batch_points("docs", [plain, diverse])
    assert [len(each.points) for each in answers] == [1, 3]
    assert answers[1].points[0].vector is None


GROUPS: dict[str, dict[str, Any]] = {
    "by a word": {"group_by": "team", "limit": 3, "group_size": 2},
    "by members of a list": {"group_by": "tags", "limit": 9, "group_size": 4},
    "by elements": {"group_by": "tags[]", "limit": 9, "group_size": 4},
    "by a number": {"group_by": "n", "limit": 7, "group_size": 2},
    "by a key in quotes": {"group_by": '"o.d/d"', "limit": 4, "group_size": 3},
    "by a bool": {"group_by": "odd", "limit": 4, "group_size": 3},
    "by nothing": {"group_by": "missing"},
    "more than there are": {"group_by": "team", "limit": 50, "group_size": 50},
    "with a prefetch": {"group_by": "team", "limit": 3, "prefetch": SEARCH},
    "with a filter": {
        "group_by": "team",
        "query_filter": models.Filter(
            must=[models.FieldCondition(key="n", range=models.Range(lt=20))]
        ),
    },
    "with a threshold": {"group_by": "team", "score_threshold": 0.4},
    "some payload": {"group_by": "team", "with_payload": ["n"]},
    "no payload": {"group_by": "team", "with_payload": False, "with_vectors": ["full"]},
}


@pytest.mark.parametrize("asked", GROUPS.values(), ids=GROUPS.keys())
def test_groups_are_those_of_local_mode(pair: Pair, asked: dict[str, Any]) -> None:
    found, expected = (
        client.query_points_groups("docs", query=QUERY, using="full", **asked).groups
        for client in pair
    )
    shape = [
        [(group.id, [hit.id for hit in group.hits]) for group in each] for each in (found, expected)
    ]
    if "prefetch" not in asked:  # local mode lets a prefetch bring everything
        assert shape[0] == shape[1]
    for group, other in zip(found, expected, strict=True):
        assert group.hits[0].payload == other.hits[0].payload or not other.hits[0].payload
        assert bool(group.hits[0].vector) == bool(other.hits[0].vector)


def test_groups_come_with_the_point_that_they_are_named_after(pair: Pair) -> None:
    asked: dict[str, Any] = {"query": QUERY, "using": "full", "group_by": '"o.d/d"', "limit": 6}
    for lookup in ("teams", models.WithLookup(collection="teams", with_payload=["at"])):
        found, expected = (
            client.query_points_groups("docs", with_lookup=lookup, **asked).groups
            for client in pair
        )
        assert [each.lookup.payload for each in found] == [each.lookup.payload for each in expected]


def test_groups_of_nothing_are_refused(pair: Pair) -> None:
    for wrong in ({"limit": 0}, {"group_size": 0}):
        with pytest.raises(ValueError, match="Expected 1 or more"):
            pair[0].query_points_groups("docs", "team", query=QUERY, using="full", **wrong)


def test_a_matrix_of_all_points_is_that_of_local_mode(pair: Pair) -> None:
    few = models.Filter(must=[models.FieldCondition(key="n", range=models.Range(lt=12))])
    found, expected = (
        client.search_matrix_pairs("docs", few, limit=4, sample=50, using="full") for client in pair
    )

    def scores(answer: models.SearchMatrixPairsResponse) -> dict[Any, float]:
        return {(each.a, each.b): each.score for each in answer.pairs}

    assert len(found.pairs) == 12 * 4
    assert scores(found) == pytest.approx(scores(expected), abs=1e-5)
    columns = pair[0].search_matrix_offsets("docs", few, limit=4, sample=50, using="full")
    assert {
        (columns.ids[row], columns.ids[column]): score
        for row, column, score in zip(
            columns.offsets_row, columns.offsets_col, columns.scores, strict=True
        )
    } == pytest.approx(scores(found))
    assert len(pair[0].search_matrix_pairs("docs", sample=9, using="full").pairs) == 9 * 3
    nobody = models.Filter(must=[models.FieldCondition(key="n", range=models.Range(lt=0))])
    assert pair[0].search_matrix_pairs("docs", nobody, using="full").pairs == []
    with pytest.raises(ValueError, match="sample is 1"):
        pair[0].search_matrix_pairs("docs", sample=1, using="full")


def test_what_is_usually_a_model_may_be_a_dict(pair: Pair) -> None:
    embedded = pair[0]
    asked = models.Filter(must=[models.FieldCondition(key="n", match=models.MatchValue(value=3))])
    spelled = {"must": [{"key": "n", "match": {"value": 3}}]}
    assert embedded.count("docs", spelled) == embedded.count("docs", asked)
    assert [each.id for each in embedded.scroll("docs", spelled)[0]] == [3]
    two = {"query": QUERY, "using": "full", "prefetch": [], "limit": 4}
    assert (
        embedded.query_points(
            "docs", {"nearest": QUERY}, "full", two, spelled, {"exact": True}
        ).points
        == embedded.query_points("docs", QUERY, "full", SEARCH, asked).points
    )
    for wrong in ({"must": 3}, {"musst": []}):
        with pytest.raises(ConfigurationError, match="Filter cannot be read from a dict: mus"):
            embedded.count("docs", wrong)


def test_the_client_says_which_engine_answers(pair: Pair) -> None:
    assert pair[0].info().title == "Qdrant Edge"
    assert pair[0].info().version.startswith("0.")


def test_a_collection_may_hold_payloads_alone(tmp_path: Path) -> None:
    with EdgeClient(tmp_path / "store") as client:
        client.create_collection("notes", vectors_config={})
        client.upsert("notes", [models.PointStruct(id=1, vector={}, payload={"n": 1})])
    with EdgeClient(tmp_path / "store") as client:
        assert client.get_collection("notes").config.params.vectors == {}
        assert client.get_collection("notes").config.params.sparse_vectors is None
        config = models.DenseVectorNameConfig(
            dense=models.DenseVectorConfig(size=2, distance="Dot")
        )
        client.create_vector_name("notes", "full", config)
        client.update_vectors("notes", [models.PointVectors(id=1, vector={"full": [1.0, 2.0]})])
        [found] = client.query_points("notes", [1.0, 1.0], using="full").points
        assert (found.id, found.score, found.payload) == (1, 3.0, {"n": 1})
