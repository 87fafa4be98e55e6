"""Metadata under names that the store needs for itself are kept, found and deleted as any other."""

import pytest
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores import FilterOperator, MetadataFilter, MetadataFilters
from llama_index.core.vector_stores.utils import metadata_dict_to_node, node_to_metadata_dict
from qdrant_client import models

from mrl_adapters.errors import CollectionMismatchError, ConfigurationError
from mrl_adapters.langchain.points import to_document
from mrl_adapters.llama_index.points import to_node, to_payload
from mrl_adapters.qdrant.contents import STORES_OWN, Contents
from mrl_adapters.qdrant.engine import engine_of

KEYS = sorted(STORES_OWN)


def where(key: str, operator: str, value: object = None) -> MetadataFilters:
    given = MetadataFilter(key=key, operator=FilterOperator(operator), value=value)
    return MetadataFilters(filters=[given])


def node(name: str, metadata: dict[str, object]) -> TextNode:
    made = TextNode(id_=name, text=name, metadata=metadata, embedding=[1.0] * 256)
    made.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id="file")
    return made


def names(store, filters: MetadataFilters | None = None) -> str:
    return "".join(sorted(each.node_id for each in store.get_nodes(filters=filters)))


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    ("operator", "value", "found"),
    [
        ("==", "DB-1", "a"),
        ("!=", "DB-1", "bcd"),
        ("in", ["DB-1", "DB-2"], "ab"),
        ("nin", ["DB-1", "DB-2"], "cd"),
        ("==", 7, "c"),
        (">", 6, "c"),
        ("contains", "DB-2", "b"),
        ("text_match", "DB-1", "a"),
        ("is_empty", None, "d"),
    ],
)
def test_a_filter_finds_and_deletes_by_such_metadata(
    client, new_store, key, operator, value, found
):
    store = new_store()
    store.add([node("a", {key: "DB-1"}), node("b", {key: "DB-2"}), node("c", {key: 7})])
    store.add([node("d", {})])
    if operator == "text_match" and key == "doc_id" and engine_of(client).is_server:
        # It has the index that filters on it need, and a server takes one a field.
        with pytest.raises(CollectionMismatchError, match="Make the index first"):
            names(store, where(key, operator, value))
        return
    assert names(store, where(key, operator, value)) == found
    store.delete_nodes(filters=where(key, operator, value))
    assert names(store) == "".join(sorted(set("abcd") - set(found)))


@pytest.mark.parametrize("key", KEYS)
def test_a_key_below_such_a_key_is_found(new_store, key):
    store = new_store()
    store.add([node("a", {key: {"x": [{"y": 1}]}}), node("b", {key: {"x": [{"y": 2}]}})])
    assert names(store, where(f"{key}.x[].y", "==", 1)) == "a"
    assert names(store, where(f"{key}.x[].y", "!=", 1)) == "b"


@pytest.mark.parametrize("key", ["doc_id", "document_id", "ref_doc_id"])
def test_nodes_without_such_metadata_are_found_by_their_document(new_store, key):
    store = new_store()
    store.add([node("a", {key: "DB-1"}), node("b", {})])
    assert names(store, where(key, "==", "file")) == "b"
    store.delete("file")
    assert names(store) == ""


@pytest.mark.parametrize("key", KEYS)
def test_other_readers_get_such_metadata_too(key):
    given = node("a", {key: "DB-1", "page": 3})
    payload = to_payload(given)
    point = models.Record(id=1, payload=payload)
    expected = given.model_copy(update={"embedding": None})
    assert to_node(point, Contents("docs")) == expected
    assert metadata_dict_to_node(payload) == expected
    assert to_document(point, Contents("docs")).metadata == given.metadata
    assert {"doc_id", "document_id", "ref_doc_id"} <= payload.keys()
    assert {payload[each] for each in ("doc_id", "document_id", "ref_doc_id")} == {"file"}


@pytest.mark.parametrize("key", ["page_content", "metadata", "text"])
def test_metadata_under_names_of_langchain_do_not_displace_the_text(key):
    given = node("a", {key: "x"})
    document = to_document(models.Record(id=1, payload=to_payload(given)), Contents("docs"))
    assert (document.page_content, document.metadata) == ("a", {key: "x"})


@pytest.mark.parametrize("key", ["doc_id", "document_id", "ref_doc_id"])
@pytest.mark.parametrize("operator", ["!=", "is_empty"])
async def test_what_no_filter_sees_is_not_deleted_by_it(new_store, client, name, key, operator):
    store = new_store()
    store.add([node("a", {key: "DB-1"}), node("b", {})])
    point = store.driver.run(store.collection.get(["a"]))[0].id
    client.overwrite_payload(name, node_to_metadata_dict(node("a", {key: "DB-1"})), points=[point])
    given = where(key, operator, None if operator == "is_empty" else "DB-1")
    with pytest.raises(ConfigurationError, match=f"node 'a' .* metadata '{key}' = 'DB-1'"):
        store.delete_nodes(filters=given)
    with pytest.raises(ConfigurationError, match="Nothing was deleted"):
        await store.adelete_nodes(filters=MetadataFilters(filters=[where("k", "!=", 1), given]))
    assert len(store.get_nodes()) == 2
    store.delete_nodes(filters=where("k", "==", 1))
    store.delete_nodes(["b"], filters=given)
    assert len(store.get_nodes()) == 1


@pytest.mark.parametrize(
    "given",
    [
        MetadataFilters(filters=[]),
        MetadataFilters(filters=[MetadataFilters(filters=[])], condition="or"),
        where("k", "nin", []),
        where("k", "!=", None),
        MetadataFilters(filters=[where("k", "in", [])], condition="not"),
    ],
    ids=repr,
)
async def test_a_filter_that_restricts_nothing_finds_all_and_deletes_none(new_store, given):
    store = new_store()
    store.add([node("a", {"k": 1}), node("b", {})])
    assert names(store, given) == "ab"
    assert names(store, MetadataFilters(filters=[given, where("k", "==", 1)])) == "a"
    with pytest.raises(ConfigurationError):
        store.delete_nodes(filters=given)
    with pytest.raises(ConfigurationError):
        await store.adelete_nodes(filters=given)
    store.delete_nodes(["a"], filters=given)
    assert names(store) == "b"
