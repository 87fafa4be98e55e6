"""Payload keys: what may be one, what points tell of them, and what a collection keeps."""

import json
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from qdrant_client import models

from mrl_adapters.errors import CollectionMismatchError, ConfigurationError
from mrl_adapters.llama_index.points import to_node
from mrl_adapters.qdrant import CollectionLayout, MatryoshkaCollection, SearchPlan, migrate, rotate
from mrl_adapters.qdrant.contents import Contents, UnreadableContentWarning
from mrl_adapters.qdrant.driver import Client
from mrl_adapters.qdrant.payload_keys import (
    STORES_OWN,
    TEXT_KEYS,
    AskedKeys,
    PayloadKeys,
    found_out,
)

Documents = Callable[..., np.ndarray]
Drive = Callable[[Any], Any]
LAYOUT = CollectionLayout(32, (8,), model="our-model")
KNOWN = {*TEXT_KEYS, "metadata", "meta", *STORES_OWN, "_collection_name"}

names = st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from('._ /:"\\[]@{}$'),
    min_size=1,
    max_size=8,
).filter(lambda name: name not in KNOWN)
scalars = st.booleans() | st.integers(-9, 9) | st.floats(0, 9) | st.none()
objects = st.dictionaries(st.text(max_size=4), scalars | st.text(max_size=4), max_size=3)


# What may be a key

WRONG = ["", None, 5, True, b"text", ["text"], *sorted(STORES_OWN), "\ud800"]


@pytest.mark.parametrize("key", [each for each in WRONG if each is not None], ids=repr)
@pytest.mark.parametrize("which", ["content", "metadata"])
def test_what_can_be_no_key_is_refused_by_what_it_was_for(which: str, key: Any) -> None:
    what = {"content": "texts", "metadata": "metadata"}[which]
    for kind in (PayloadKeys, AskedKeys):
        with pytest.raises(ConfigurationError, match=f"payload key of {what} is "):
            kind(**{which: key})


@pytest.mark.parametrize("kind", [PayloadKeys, AskedKeys])
def test_one_key_for_both_is_refused(kind: Any) -> None:
    with pytest.raises(ConfigurationError, match="are both 'text', so that one would overwrite"):
        kind("text", "text")
    with pytest.raises(ConfigurationError, match="are both 'metadata'"):
        AskedKeys("metadata").completed()


# What points tell


@given(names, names, st.lists(st.tuples(st.text(), objects | st.none()), min_size=1, max_size=10))
def test_one_text_and_one_object_have_their_keys_whatever_these_are(
    content: str, metadata: str, held: list[tuple[str, Any]]
) -> None:
    assume(content != metadata)
    payloads = [{content: text, metadata: values} for text, values in held]
    assert found_out(payloads, AskedKeys()) == PayloadKeys(content, metadata)
    contents = Contents("docs", PayloadKeys(content, metadata))
    for payload, (text, values) in zip(payloads, held, strict=True):
        assert contents.text_and_metadata(payload, 1) == (text, _flat(payload, content, values))


def _flat(payload: dict[str, Any], content: str, values: Any) -> dict[str, Any]:
    rest = {key: each for key, each in payload.items() if key != content and each is not None}
    return rest if values is None else values


@given(
    st.sampled_from(TEXT_KEYS),
    st.lists(st.dictionaries(names, scalars | st.text() | objects, max_size=4), min_size=1),
)
def test_a_usual_name_is_the_texts_and_the_rest_stands_beside_it(
    content: str, rests: list[dict[str, Any]]
) -> None:
    payloads = [{content: "hello", **rest} for rest in rests]
    found = found_out(payloads, AskedKeys())
    assert found.content == content
    contents = Contents("docs", found)
    keys = {key for rest in rests for key in rest}
    if len(keys) > 1 and any(value is not None for rest in rests for value in rest.values()):
        assert found.metadata is None
        for payload, rest in zip(payloads, rests, strict=True):
            assert contents.text_and_metadata(payload, 1) == ("hello", rest)


@pytest.mark.parametrize(
    "payloads",
    [
        [],
        [{}],
        [{"sku": "A1", "price": 3}],
        [{"sku": "A1"}],
        [{"title": "one", "summary": "two"}],
        [{"text": "one", "content": "two"}],
        [{"text": "one"}, {"content": "two"}],
        [{"inhalt": "one", "angaben": {}}, {"text2": "two", "angaben": {}}],
        [{"inhalt": "one", "angaben": {}, "mehr": {}}],
        [{"inhalt": 1, "angaben": {}}],
        [{"": "one", "angaben": {}}],
        [{"page_content": "one", "metadata": {}, "text": "two"}],
        [{"page_content": "one", "metadata": None}],
        [{"page_content": "one"}],
    ],
    ids=str,
)
def test_where_points_leave_doubt_the_usual_keys_are_taken(payloads: list[dict[str, Any]]) -> None:
    assert found_out(payloads, AskedKeys()) == PayloadKeys()


def test_among_llama_indexs_nodes_its_own_store_says_where() -> None:
    node = {"_node_content": "{}", "src": "a"}
    assert found_out([node, node], AskedKeys()) == PayloadKeys("text", None)
    assert found_out([node], AskedKeys("words", "about")) == PayloadKeys("words", "about")
    document = {"page_content": "one", "metadata": {"src": "a"}}
    assert found_out([node, document], AskedKeys()) == PayloadKeys()


@given(
    st.none() | names,
    st.none() | names,
    st.lists(
        st.dictionaries(names | st.sampled_from(sorted(KNOWN)), scalars | objects | st.text())
    ),
)
def test_whatever_points_hold_gives_keys_and_what_was_asked_for_goes_before_it(
    content: str | None, metadata: str | None, payloads: list[dict[str, Any]]
) -> None:
    assume(content is None or content != metadata)
    found = found_out(payloads, AskedKeys(content, metadata))
    assert content in {None, found.content}
    assert metadata in {None, found.metadata}


# A hit without text is never silently empty


@given(
    st.dictionaries(
        names | st.sampled_from(sorted(KNOWN)), scalars | objects | st.text(), max_size=5
    ),
    st.builds(PayloadKeys, names, st.just("metadata") | st.none()),
)
def test_a_text_is_given_as_it_stands_or_is_told_of(
    payload: dict[str, Any], keys: PayloadKeys
) -> None:
    contents = Contents("docs", keys)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        text, metadata = contents.text_and_metadata(payload, 1)
    assert isinstance(metadata, dict)
    if not told:
        given_key = [key for key in (keys.content, *TEXT_KEYS) if payload.get(key) == text]
        assert given_key
        assert keys.content in given_key or keys.content not in payload or text


def test_the_only_text_of_a_point_is_given_and_told_of_with_what_to_pass() -> None:
    for payload, text in [
        ({"sku": "A1", "price": 3}, "A1"),
        ({"title": "one", "summary": "two"}, ""),
        ({"text": "one", "content": "two"}, "one"),
    ]:
        with pytest.warns(UnreadableContentWarning, match=r"pass that as content_payload_key"):
            assert Contents("docs").text_and_metadata(payload, 1)[0] == text


@pytest.mark.parametrize("text", ["", None, "absent"])
def test_a_node_that_was_kept_without_its_text_finds_it_beside(text: str | None) -> None:
    fields = {"id_": "n", "metadata": {"k": 1}, "relationships": {}, "text": text}
    if text == "absent":
        del fields["text"]
    kept = json.dumps(fields)
    for key, keys in (("text", PayloadKeys()), ("words", PayloadKeys("words"))):
        payload = {"_node_content": kept, "_node_type": "TextNode", key: "hello", "k": 1}
        node = to_node(models.Record(id=1, payload=payload), Contents("docs", keys))
        assert node.get_content() == "hello"
        assert node.metadata == {"k": 1}
    own = {"_node_content": kept.replace('"k": 1', '"text": "mine"'), "text": "mine"}
    assert to_node(models.Record(id=1, payload=own), Contents("docs")).get_content() == ""


# What is kept with a collection


def opened(
    drive: Drive, name: str, keys: AskedKeys | None = None, layout: CollectionLayout | None = None
) -> MatryoshkaCollection:
    docs = MatryoshkaCollection(name, layout=layout, keys=keys)
    drive(docs.open())
    return docs


def stored(client: Client, name: str) -> Any:
    metadata = client.get_collection(name).config.metadata or {}
    return metadata["mrl_adapters"].get("payload_keys")


def test_a_new_collection_keeps_the_keys_of_whoever_writes_by_them(
    client: Client, drive: Drive, name: str, documents: Documents
) -> None:
    asked = AskedKeys("the text", "meta.data", kept=True)
    docs = opened(drive, name, asked, LAYOUT)
    assert docs.keys == PayloadKeys("the text", "meta.data")
    drive(docs.add(["a"], documents(1), [{"the text": "hello", "meta.data": {}}]))
    assert stored(client, name) == {"content": "the text", "metadata": "meta.data"}
    for keys in (None, AskedKeys(), AskedKeys("the text"), AskedKeys(metadata="meta.data"), asked):
        assert opened(drive, name, keys).keys == docs.keys
    for wrong, message in (
        (AskedKeys("text"), r"keeps its texts under 'the text', asked for 'text'\. Leave"),
        (AskedKeys(metadata="meta"), r"keeps its metadata under 'meta\.data', asked for 'meta'"),
    ):
        with pytest.raises(CollectionMismatchError, match=message):
            opened(drive, name, wrong)
    client.delete_collection(name)
    drive(docs.add(["b"], documents(1), [{}]))
    assert stored(client, name) == {"content": "the text", "metadata": "meta.data"}


def test_who_writes_by_no_keys_keeps_none_and_takes_none(
    client: Client, drive: Drive, name: str, documents: Documents
) -> None:
    for keys in (None, AskedKeys("words")):
        drive(opened(drive, name, keys, LAYOUT).add(["a"], documents(1), [{}]))
        assert stored(client, name) is None


def test_keys_that_were_found_out_are_kept_by_the_first_write_and_by_no_reading(
    client: Client, drive: Drive, name: str, documents: Documents
) -> None:
    payload = {"inhalt": "hello", "angaben": {"k": 1}}
    drive(MatryoshkaCollection(name, layout=LAYOUT).add(["a"], documents(1), [payload]))
    docs = opened(drive, name, AskedKeys(kept=True))
    assert docs.keys == PayloadKeys("inhalt", "angaben")
    assert drive(docs.count()) == 1
    assert stored(client, name) is None
    drive(docs.save_plan(SearchPlan(oversampling=3)))
    drive(docs.add(["b"], documents(1), [payload]))
    assert stored(client, name) == {"content": "inhalt", "metadata": "angaben"}
    again = opened(drive, name, AskedKeys("inhalt", kept=True))
    assert again.plan == SearchPlan(oversampling=3)
    with pytest.raises(CollectionMismatchError, match="'inhalt', asked for 'text'"):
        opened(drive, name, AskedKeys("text", kept=True))


def test_metadata_beside_the_text_are_kept_as_such(
    client: Client, drive: Drive, name: str, documents: Documents
) -> None:
    payload = {"text": "hello", "source": "a", "page": 1}
    drive(MatryoshkaCollection(name, layout=LAYOUT).add(["a"], documents(1), [payload]))
    docs = opened(drive, name, AskedKeys(kept=True))
    drive(docs.add(["b"], documents(1), [payload]))
    assert stored(client, name) == {"content": "text", "metadata": None}
    assert opened(drive, name).keys == PayloadKeys("text", None)
    with pytest.raises(CollectionMismatchError, match="keeps its metadata beside the texts, asked"):
        opened(drive, name, AskedKeys(metadata="metadata"))


@pytest.mark.parametrize("how", ["in_place", "copy", "rotate"])
def test_keys_go_along_with_a_migration_a_copy_and_a_rotation(
    client: Client, drive: Drive, name: str, documents: Documents, how: str
) -> None:
    asked = AskedKeys("text", "meta", kept=True)
    docs = opened(drive, name, asked, LAYOUT)
    drive(docs.add([f"d{row}" for row in range(40)], documents(40), [{} for _ in range(40)]))
    target = name
    if how == "in_place":
        migrate(client, name, stages=(4,))
    elif how == "copy":
        target = migrate(client, name, stages=(4,), mode="copy").target_name
    else:
        rotate(client, name)
    assert stored(client, target) == {"content": "text", "metadata": "meta"}
    assert opened(drive, target).keys == PayloadKeys("text", "meta")
