"""More like this: what Qdrant's own recommendations are, over every full vector."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qdrant_client import QdrantClient, models

from mrl_adapters.errors import CollectionMismatchError, ConfigurationError, EmbeddingError
from mrl_adapters.qdrant import CollectionLayout, Driver, EdgeClient, MatryoshkaCollection, Search
from mrl_adapters.qdrant.driver import Client
from mrl_adapters.qdrant.examples import Examples, search_like

COUNT = 60
LAYOUTS = {
    "two": CollectionLayout(24, (4,), full_datatype="float32"),
    "one": CollectionLayout(24, (), full_datatype="float32"),
    "euclid": CollectionLayout(24, (4,), "Euclid", full_datatype="float32"),
}
EVEN = models.Filter(must=[models.FieldCondition(key="even", match=models.MatchValue(value=True))])


@pytest.fixture(scope="module", params=["edge", "local"])
def driver(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    embedded = request.param == "edge"
    client: Client = (
        EdgeClient(str(tmp_path_factory.mktemp("like"))) if embedded else QdrantClient(":memory:")
    )
    driver = Driver(client)
    vectors = np.random.default_rng(7).normal(size=(COUNT, 24)).astype(np.float32)
    vectors[-1] = 0
    for name, layout in LAYOUTS.items():
        docs = MatryoshkaCollection(name, layout=layout)
        payloads = [{"even": number % 2 == 0} for number in range(COUNT)]
        with pytest.warns(UserWarning, match="zeros"):
            driver.run(docs.add([*range(COUNT)], vectors, payloads))
    yield driver
    client.close()


@settings(max_examples=15)
@given(data=st.data())
def test_results_are_what_recommendations_over_all_full_vectors_are(driver, data) -> None:
    name = data.draw(st.sampled_from([*LAYOUTS]))
    chosen = data.draw(st.lists(st.integers(0, COUNT - 2), min_size=1, max_size=5, unique=True))
    cut = data.draw(st.integers(1, len(chosen)))
    query_filter = data.draw(st.sampled_from([None, EVEN]))
    examples = Examples(chosen[:cut], chosen[cut:])
    docs = MatryoshkaCollection(name)
    found = driver.run(
        search_like(docs, examples, lambda vector: Search(vector, 8, query_filter=query_filter))
    )
    given = models.RecommendInput(positive=chosen[:cut], negative=chosen[cut:])
    expected = driver.client.query_points(
        name,
        query=models.RecommendQuery(recommend=given),
        using="full",
        limit=8,
        query_filter=query_filter,
    ).points
    assert [hit.id for hit in found] == [hit.id for hit in expected]
    np.testing.assert_allclose(
        [hit.score for hit in found], [hit.score for hit in expected], rtol=1e-4, atol=1e-5
    )
    assert not {hit.id for hit in found}.intersection(chosen)


def test_what_is_no_example_is_refused(driver) -> None:
    docs = MatryoshkaCollection("two")

    def search(positive: Any, negative: Any = ()) -> None:
        driver.run(search_like(docs, Examples(positive, negative), lambda each: Search(each, 3)))

    with pytest.raises(ConfigurationError, match="no positive example"):
        search([], [1])
    with pytest.raises(ConfigurationError, match="holds no document 'nothing'"):
        search([1, "nothing"])
    with pytest.raises(ConfigurationError, match="holds no document '999'"):
        search([1], [999])
    with pytest.raises(ConfigurationError, match="list"):
        search("abc")
    with pytest.raises(EmbeddingError, match="has no vector"):
        search([COUNT - 1])
    missing = MatryoshkaCollection("missing")
    with pytest.raises(CollectionMismatchError):
        driver.run(search_like(missing, Examples([1]), lambda each: Search(each, 3)))
