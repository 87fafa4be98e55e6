"""Random filters over random nodes select what the reference selects, in whatever way one asks."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
)
from llama_index.core.vector_stores.utils import build_metadata_filter_fn

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.llama_index import MatryoshkaVectorStore
from mrl_adapters.llama_index.filters import to_filter
from mrl_adapters.qdrant import CollectionLayout, connect

STAMP = 1768907725507217521
RESERVED = ["doc_id", "document_id", "ref_doc_id", "_node_type", "_node_content", "_mrl_id"]
ODD = ["a b", "a.b", "x/y:z", "it's", "größe", "[0]", "@id", "", "v1."]
KEYS = ["k", "n", "_mrl_metadata", *RESERVED, *ODD]
WORDS = ["red", "green", "blue"]

words = st.sampled_from([*WORDS, "red green"])
whole = st.integers(-2, 3) | st.sampled_from(
    [2**53, 2**53 + 1, -(2**53) - 1, STAMP, STAMP + 1, STAMP - 1, 2**63 - 1, 2**63 - 2, -(2**63)]
)
floats = st.sampled_from([0.0, 1.0, 2.0, 0.5, float(2**53), float(STAMP), 1e300])
scalars = words | whole | floats
held = (
    scalars
    | st.booleans()
    | st.none()
    | st.just("")
    | st.lists(scalars | st.booleans() | st.lists(words, max_size=2), max_size=3)
)
metadata = st.dictionaries(st.sampled_from(KEYS), held, max_size=4)
within = st.dictionaries(st.just("nested"), st.dictionaries(st.sampled_from("ab"), held))
documents = st.lists(st.builds(lambda a, b: {**a, **b}, metadata, within), min_size=1, max_size=6)

ORDERED = {FilterOperator.GT, FilterOperator.GTE, FilterOperator.LT, FilterOperator.LTE}
TEXT = {FilterOperator.TEXT_MATCH, FilterOperator.TEXT_MATCH_INSENSITIVE}
CONTAINED = {FilterOperator.CONTAINS, FilterOperator.ANY, FilterOperator.ALL}
SEVERAL = {FilterOperator.IN, FilterOperator.NIN, FilterOperator.ANY}


def flat(document: dict[str, Any]) -> dict[str, Any]:
    """Lay nested metadata beside the rest, under their paths."""
    inner = document.get("nested", {})
    return {**document, **{f"nested.{key}": value for key, value in inner.items()}}


@st.composite
def leaves(draw: st.DrawFn, nodes: list[dict[str, Any]]) -> MetadataFilter:
    """One filter, often with a value that one of the nodes holds."""
    key = draw(st.sampled_from([*KEYS, "nested.a", "nested.b"]))
    operator = draw(st.sampled_from(list(FilterOperator)))
    values = [flat(node).get(key) for node in nodes]
    members = [one for each in values for one in (each if isinstance(each, list) else [each])]
    known = [each for each in members if type(each) in {int, float, str} and each != ""]
    near = st.sampled_from(known) | scalars if known else scalars
    alike = st.one_of(st.lists(each, max_size=3) for each in (words, whole, floats))
    value: st.SearchStrategy[Any]
    if operator == FilterOperator.IS_EMPTY:
        value = st.none()
    elif operator in TEXT:
        value = st.sampled_from(WORDS)
    elif operator in ORDERED:
        value = near.filter(lambda each: not isinstance(each, str))
    elif operator in SEVERAL:
        value = alike | near.map(lambda each: [each])
    elif operator == FilterOperator.ALL:
        value = alike.filter(bool)
    elif operator == FilterOperator.CONTAINS:
        value = near
    else:
        value = near | st.none() | alike.filter(bool)
    return MetadataFilter(key=key, value=draw(value), operator=operator)


def groups(nodes: list[dict[str, Any]]) -> st.SearchStrategy[MetadataFilters]:
    """Groups of such filters, some empty, within each other."""
    group = lambda inner: st.builds(  # noqa: E731 - used twice, here
        MetadataFilters,
        filters=st.lists(inner, max_size=3),
        condition=st.sampled_from(FilterCondition),
    )
    return group(st.recursive(leaves(nodes), group, max_leaves=5))


def holds(given: MetadataFilter | MetadataFilters, node: dict[str, Any]) -> bool | None:
    """Read a filter over metadata; groups without a filter say nothing (None)."""
    if isinstance(given, MetadataFilter):
        return leaf_holds(given, node.get(given.key))
    parts = [each for each in (holds(one, node) for one in given.filters) if each is not None]
    if not parts:
        return None
    if given.condition == FilterCondition.AND:
        return all(parts)
    return any(parts) is (given.condition == FilterCondition.OR)


def leaf_holds(given: MetadataFilter, value: Any) -> bool:
    """Ask the reference, but where it raises, or where the documentation says otherwise."""
    members = value if isinstance(value, list) else [value]
    if given.operator in ORDERED:
        numbers = [each for each in members if type(each) in {int, float}]
        return any(referred(given, each) for each in numbers)
    if given.operator in TEXT:
        return any(given.value in each for each in members if isinstance(each, str))
    if given.operator not in CONTAINED or isinstance(value, list):
        return referred(given, value)
    # A number contains nothing but itself, and of a text words are contained.
    wanted = given.value if isinstance(given.value, list) else [given.value]
    parts = [
        held_by(value, each) if isinstance(value, str) else equal(value, each) for each in wanted
    ]
    return all(parts) if given.operator == FilterOperator.ALL else any(parts)


def referred(given: MetadataFilter, value: Any) -> bool:
    lookup = MetadataFilters(filters=[given])
    return bool(build_metadata_filter_fn(lambda _: {given.key: value}, lookup)(""))


def equal(value: Any, wanted: Any) -> bool:
    return value is not None and value == wanted


def held_by(text: str, wanted: Any) -> bool:
    if not isinstance(wanted, str):
        return False
    return text == wanted or (bool(wanted) and set(wanted.split()) <= set(text.split()))


@pytest.fixture(scope="module", params=["edge", "local"])
def store(request, tmp_path_factory) -> Iterator[MatryoshkaVectorStore]:
    path = str(tmp_path_factory.mktemp("nodes"))
    client = connect(path=path) if request.param == "edge" else connect(location=":memory:")
    yield MatryoshkaVectorStore("nodes", client, layout=CollectionLayout(4, (2,)))
    client.close()


def made(place: int, document: dict[str, Any]) -> TextNode:
    """Make a node; every other one comes from a document."""
    node = TextNode(id_=f"node-{place}", text="", metadata=document, embedding=[1.0] * 4)
    if place % 2:
        node.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id="source")
    return node


def agrees(store: MatryoshkaVectorStore, data: st.DataObject) -> None:
    drawn = data.draw(documents)
    nodes = {f"node-{place}": made(place, each) for place, each in enumerate(drawn)}
    store.clear()
    store.add(list(nodes.values()))
    for each in data.draw(st.lists(groups(drawn), min_size=1, max_size=5)):
        found = {
            name for name, node in nodes.items() if holds(each, flat(node.metadata)) in {None, True}
        }
        assert {node.node_id for node in store.get_nodes(filters=each)} == found
        query = VectorStoreQuery([1.0] * 4, similarity_top_k=9, filters=each)
        assert set(store.query(query).ids or []) == found
        assert store.driver.run(store.collection.count(to_filter(each))) == len(found)
    left = nodes.keys() - found
    try:
        store.delete_nodes(filters=each)
    except ConfigurationError:  # it restricts nothing, and nothing was deleted
        assert not left
        left = nodes.keys()
    rest = {node.node_id: node.metadata for node in store.get_nodes()}
    assert rest == {name: nodes[name].metadata for name in left}


QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@QUICK
@given(st.data())
def test_filters_select_the_nodes_that_the_reference_selects(store, data):
    agrees(store, data)


@pytest.mark.slow
@settings(QUICK, max_examples=1_500)
@given(st.data())
def test_filters_select_the_nodes_that_the_reference_selects_many_times(store, data):
    agrees(store, data)
