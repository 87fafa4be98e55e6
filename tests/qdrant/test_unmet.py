"""Options of a layout that an existing collection does not have: told, never ignored in silence."""

import copy
import itertools
import pickle
import re
import warnings
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qdrant_client import QdrantClient, models

import mrl_adapters
from mrl_adapters.errors import CollectionMismatchError
from mrl_adapters.qdrant import (
    CollectionLayout,
    Driver,
    MatryoshkaCollection,
    SearchPlan,
    UnmetLayoutWarning,
    connect,
)
from mrl_adapters.qdrant.driver import Client
from mrl_adapters.qdrant.engine import LOCAL, engine_of
from mrl_adapters.qdrant.query import Search

Documents = Callable[..., np.ndarray]
Drive = Callable[[Any], Any]
SIZES: tuple[int, tuple[int, ...]] = (32, (4, 8))
# Each option with two values, of which the first is the default.
VALUES: dict[str, tuple[Any, Any]] = {
    "full_datatype": ("float16", "float32"),
    "full_has_graph": (False, True),
    "quantization": ("int8", None),
    "hnsw_m": (32, 24),
    "hnsw_ef_construct": (200, 64),
    "tenant_field": (None, "team"),
}
BOTH_WAYS = [(name, *pair) for name, (a, b) in VALUES.items() for pair in ((a, b), (b, a))]


def laid_out(**options: Any) -> CollectionLayout:
    return CollectionLayout(*SIZES, **options)


def add(driver: Driver, name: str, documents: Documents, layout: CollectionLayout) -> None:
    docs = MatryoshkaCollection(name, layout=layout)
    driver.run(docs.add(["a", "b"], documents(2), [{"team": "x", "year": 1}, {"team": "y"}]))


def told(drive: Drive, name: str, layout: CollectionLayout) -> list[str]:
    """Open a collection, and give what is warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        drive(MatryoshkaCollection(name, layout=layout).open())
    assert {each.category for each in caught} <= {UnmetLayoutWarning}
    return [str(each.message) for each in caught]


def is_local(client: Client) -> bool:
    return engine_of(client) is LOCAL


@pytest.mark.parametrize(("option", "kept", "asked"), BOTH_WAYS)
def test_an_option_that_the_collection_does_not_have_is_told_with_both_values(
    client: Client,
    driver: Driver,
    name: str,
    documents: Documents,
    option: str,
    kept: Any,
    asked: Any,
) -> None:
    add(driver, name, documents, laid_out(**{option: kept}))
    before = client.get_collection(name).config
    messages = told(driver.run, name, laid_out(**{option: asked}))
    assert told(driver.run, name, laid_out(**{option: kept})) == []
    assert told(driver.run, name, laid_out()) == []
    assert client.get_collection(name).config == before
    if option == "tenant_field" and is_local(client):
        assert messages == []  # no graphs, so none a tenant
        return
    (message,) = messages
    assert message.startswith(f"Collection {name!r} is used as it is")
    assert f"{option} is {kept!r}, the layout asks for {asked!r}" in message


@pytest.mark.parametrize(("option", "kept", "asked"), BOTH_WAYS)
def test_the_printed_line_changes_the_collection(
    client: Client,
    driver: Driver,
    name: str,
    documents: Documents,
    option: str,
    kept: Any,
    asked: Any,
) -> None:
    add(driver, name, documents, laid_out(**{option: kept}))
    layout = laid_out(**{option: asked})
    messages = told(driver.run, name, layout)
    if is_local(client) or (option, asked) == ("full_datatype", "float32"):
        assert all("embed into a new collection" in message for message in messages)
        return
    (message,) = messages
    lines = message.partition("or change it: ")[2].removesuffix(".").split("; ")
    for line in lines:
        eval(line, {"client": client, "models": models, "mrl_adapters": mrl_adapters})  # noqa: S307 - our own words
    changed = f"{name}_float16" if option == "full_datatype" else name
    assert told(driver.run, changed, layout) == []
    (hits,) = driver.run(
        MatryoshkaCollection(changed).for_all_tenants().search([Search(documents(1)[0], 9)])
    )
    assert len(hits) == 2


def test_several_options_are_told_in_one_warning(
    client: Client, driver: Driver, name: str, documents: Documents
) -> None:
    kept = {option: pair[0] for option, pair in VALUES.items()}
    asked = {option: pair[1] for option, pair in VALUES.items()}
    add(driver, name, documents, laid_out(**kept))
    (message,) = told(driver.run, name, laid_out(**asked))
    assert [option for option in VALUES if f"{option} is " in message] == [
        option for option in VALUES if option != "tenant_field" or not is_local(client)
    ]


CHOSEN = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from(pair) for name, pair in VALUES.items()}
)


def test_a_layout_opens_what_it_made_without_a_word_and_tells_all_that_differs(
    tmp_path: Path,
) -> None:
    numbers = itertools.count()
    with connect(path=str(tmp_path / "store")) as client:
        driver = Driver(client)

        @settings(max_examples=12)
        @given(CHOSEN, CHOSEN)
        def check(made: dict[str, Any], asked: dict[str, Any]) -> None:
            name = f"docs_{next(numbers)}"
            docs = MatryoshkaCollection(name, layout=laid_out(**made))
            driver.run(docs.add(["a"], np.ones((1, 32)), [{}]))
            assert told(driver.run, name, laid_out(**made)) == []
            kept = {option: pair[0] for option, pair in VALUES.items()} | made
            differing = [each for each in VALUES if each in asked and asked[each] != kept[each]]
            messages = told(driver.run, name, laid_out(**asked))
            assert len(messages) == bool(differing)
            for each in differing:
                assert (
                    f"{each} is {kept[each]!r}, the layout asks for {asked[each]!r}" in messages[0]
                )
            client.delete_collection(name)

        check()


def test_a_rotation_that_there_is_not_is_told_and_one_that_there_is_satisfies(
    driver: Driver, name: str, documents: Documents
) -> None:
    add(driver, name, documents, laid_out())
    (message,) = told(driver.run, name, laid_out(rotation="auto"))
    assert "plain slices, the layout asks for rotation='auto'" in message
    assert re.search(r"mrl-adapters rotate \S+ --stages 4,8|qdrant\.rotate\(client", message)
    rotated = f"{name}_rotated"
    docs = MatryoshkaCollection(rotated, layout=laid_out(rotation="auto"))
    ids = [str(row) for row in range(60)]
    driver.run(docs.add(ids, documents(60), [{}] * 60))
    assert told(driver.run, rotated, laid_out(rotation="auto")) == []


def test_another_full_vector_than_the_one_asked_for_is_refused(
    client: Client, drive: Drive, name: str
) -> None:
    size = models.VectorParams(size=32, distance=models.Distance.COSINE)
    short = models.VectorParams(size=8, distance=models.Distance.COSINE)
    client.create_collection(name, vectors_config={"": size, "short_8": short})
    for layout in (CollectionLayout(32, (8,)), CollectionLayout(32, (8,), full_name="")):
        assert told(drive, name, layout) == []
    for asked in ("full", "text"):
        docs = MatryoshkaCollection(name, layout=CollectionLayout(32, (8,), full_name=asked))
        with pytest.raises(
            CollectionMismatchError, match=f"full vector is '', .* {asked!r}"
        ) as met:
            drive(docs.open())
        assert (met.value.found, met.value.expected) == ("", asked)


# Payload indexes

ASKED = {"year": "integer", "metadata.source": "keyword", "text": "text"}


def test_missing_payload_indexes_are_made_at_opening(
    client: Client, driver: Driver, drive: Drive, name: str, documents: Documents
) -> None:
    add(driver, name, documents, laid_out(payload_indexes={"year": "integer"}))
    docs = MatryoshkaCollection(name, layout=laid_out(payload_indexes=ASKED))
    assert told(drive, name, laid_out(payload_indexes=ASKED)) == []
    assert drive(docs.count()) == 2
    if is_local(client):
        return
    schema = client.get_collection(name).payload_schema
    assert {field: index.data_type.value for field, index in schema.items()} == ASKED
    assert docs.layout is not None
    assert docs.layout.payload_indexes == ASKED
    drive(MatryoshkaCollection(name).open())  # who asks for none takes none away
    assert set(client.get_collection(name).payload_schema) == set(ASKED)


def test_an_index_of_another_type_stays_and_is_told(
    client: Client, driver: Driver, name: str, documents: Documents
) -> None:
    add(driver, name, documents, laid_out(payload_indexes={"year": "keyword"}))
    layout = laid_out(payload_indexes={"year": "integer"})
    messages = told(driver.run, name, layout)
    if is_local(client):
        assert messages == []
        return
    (message,) = messages
    assert "the index of 'year' is 'keyword', the layout asks for 'integer'" in message
    line = message.partition("or change it: ")[2].removesuffix(".").replace(" and ", ", ")
    eval(line, {"client": client})  # noqa: S307 - our own words
    assert told(driver.run, name, layout) == []


def test_a_missing_index_of_the_tenants_is_made_as_such(
    client: Client, driver: Driver, name: str, documents: Documents
) -> None:
    add(driver, name, documents, laid_out(tenant_field="team"))
    if is_local(client):
        return
    client.delete_payload_index(name, "team")
    driver.run(MatryoshkaCollection(name, layout=laid_out(tenant_field="team")).open())
    index = client.get_collection(name).payload_schema["team"]
    assert index.params is not None
    assert index.params.is_tenant


def test_an_adapters_own_indexes_do_not_change_a_collection_that_asks_for_none(
    client: Client, driver: Driver, name: str, documents: Documents
) -> None:
    add(driver, name, documents, laid_out())
    docs = MatryoshkaCollection(name, layout=laid_out(), payload_indexes={"doc_id": "keyword"})
    driver.run(docs.open())
    assert client.get_collection(name).payload_schema == {}
    with_own = MatryoshkaCollection(
        name, layout=laid_out(payload_indexes=ASKED), payload_indexes={"doc_id": "keyword"}
    )
    driver.run(with_own.open())
    if not is_local(client):
        assert set(client.get_collection(name).payload_schema) == {*ASKED, "doc_id"}


def test_a_store_that_may_not_be_written_to_is_searched_all_the_same(
    tmp_path: Path, seal: Callable[[Path], None], documents: Documents
) -> None:
    with connect(path=str(tmp_path / "store")) as client:
        add(Driver(client), "docs", documents, laid_out())
    seal(tmp_path / "store")
    with connect(path=str(tmp_path / "store")) as client:
        docs = MatryoshkaCollection("docs", layout=laid_out(payload_indexes={"year": "integer"}))
        with pytest.warns(UnmetLayoutWarning, match=r"could not be made: 'year' \("):
            (hits,) = Driver(client).run(docs.search([Search(documents(1)[0], 9)]))
    assert len(hits) == 2


def test_a_key_that_may_only_read_searches_all_the_same(
    gateway: httpx.BaseTransport, documents: Documents, name: str
) -> None:
    class ReadOnly(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            if request.method == "PUT" and request.url.path.endswith("/index"):
                return httpx.Response(403, json={"status": {"error": "read-only key"}})
            return gateway.handle_request(request)

    def server(transport: httpx.BaseTransport) -> QdrantClient:
        return QdrantClient(url="http://q", transport=transport, check_compatibility=False)

    add(Driver(server(gateway)), name, documents, laid_out())
    docs = MatryoshkaCollection(name, layout=laid_out(payload_indexes={"year": "integer"}))
    with pytest.warns(UnmetLayoutWarning, match="read-only key"):
        (hits,) = Driver(server(ReadOnly())).run(
            docs.search([Search(documents(1)[0], 9)], SearchPlan())
        )
    assert len(hits) == 2


def test_a_graph_that_nobody_asked_for_is_as_good_as_any_other(
    driver: Driver, name: str, documents: Documents
) -> None:
    """Collections made with another default, or by others, open as they are, without a word."""
    add(driver, name, documents, laid_out(hnsw_m=16, hnsw_ef_construct=100))
    for layout in (laid_out(), laid_out(hnsw_m=None, hnsw_ef_construct=None)):
        assert told(driver.run, name, layout) == []


# Who chose what


def test_a_layout_knows_what_its_caller_chose() -> None:
    assert CollectionLayout(512).given == {"dimensions"}
    assert laid_out().given == {"dimensions", "stages"}
    layout = laid_out(quantization="int8", model="m")
    assert layout.given == {"dimensions", "stages", "quantization", "model"}
    assert replace(layout, hnsw_m=24).given >= {"hnsw_m", "model"}
    assert not replace(layout, hnsw_m=24).given & {"full_name", "quantization", "tenant_field"}
    pickled = pickle.loads(pickle.dumps(layout))  # noqa: S301 - our own
    for again in (pickled, copy.copy(layout), copy.deepcopy(layout)):
        assert again.given == layout.given
    assert layout == laid_out(model="m")
    assert "given" not in {each.name for each in fields(layout)}
