"""SelfQueryRetriever itself over our stores, with a model that writes down its answers."""

import datetime as dt
import importlib
import json
import subprocess
import sys
import uuid
from typing import Any

import pytest
from langchain_classic.chains.query_constructor.schema import AttributeInfo
from langchain_classic.retrievers import SelfQueryRetriever
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.structured_query import Comparator, Comparison, Operation, Operator
from langchain_qdrant import QdrantVectorStore

from mrl_adapters.langchain import MatryoshkaTranslator, MatryoshkaVectorStore
from mrl_adapters.qdrant import CollectionLayout, Driver, MatryoshkaCollection

# SelfQueryRetriever imports many modules of langchain-community, which is out of date.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

MOVIES = [
    ("a", {"year": 1999, "genre": "science fiction", "on": dt.date(1999, 3, 31), "cast": ["Ann"]}),
    ("b", {"year": 2010, "genre": "drama", "on": dt.date(2010, 7, 8), "cast": ["Ann", "Bo"]}),
    ("c", {"year": 2020, "genre": "drama", "on": dt.date(2020, 1, 5), "cast": []}),
    ("d", {"year": 2021, "genre": "a comedy of drama"}),
]
FIELDS = [
    AttributeInfo(name=name, description=name, type="string")
    for name in ("year", "genre", "on", "cast")
]


@pytest.fixture
def finds_translators() -> None:
    """Skip what langchain-classic 1.0.8 can do for no store with langchain-community 0.4.2."""
    stores = importlib.import_module("langchain_community.vectorstores")
    if not hasattr(stores, "DatabricksVectorSearch"):
        pytest.skip("langchain-community has stores no more that SelfQueryRetriever looks for")


@pytest.fixture
def movies(new_store) -> MatryoshkaVectorStore:
    store = new_store()
    store.add_texts(
        [f"film {name}" for name, _ in MOVIES], [about for _, about in MOVIES], [*"abcd"]
    )
    return store


def answering(store: Any, *filters: str, limit: int | None = None, **given: Any) -> Any:
    answers = [
        "```json\n" + json.dumps({"query": "film", "filter": each, "limit": limit}) + "\n```"
        for each in filters
    ]
    llm = FakeListChatModel(responses=answers)
    return SelfQueryRetriever.from_llm(llm, store, "films", FIELDS, enable_limit=True, **given)


@pytest.mark.usefixtures("finds_translators")
def test_it_finds_its_translator(movies) -> None:
    assert isinstance(movies, QdrantVectorStore)
    retriever = answering(movies, 'and(eq("genre", "drama"), gt("year", 2015))', "NO_FILTER")
    assert type(retriever.structured_query_translator).__name__ == "QdrantTranslator"
    assert [each.id for each in retriever.invoke("new dramas")] == ["c"]
    assert len(retriever.invoke("films")) == 4


@pytest.mark.usefixtures("finds_translators")
def test_it_finds_its_translator_for_a_collections_own_key(client, embeddings) -> None:
    keys = {"content_payload_key": "text", "metadata_payload_key": "about"}
    MatryoshkaVectorStore(client, "kept", embeddings, **keys).add_texts(["film"], [{"year": 5}])
    store = MatryoshkaVectorStore.from_existing_collection("kept", embeddings, client=client)
    assert len(answering(store, 'lt("year", 6)').invoke("films")) == 1
    assert answering(store, 'lt("year", 5)').invoke("films") == []


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ('eq("year", 2010)', "b"),
        ('ne("year", 2010)', "acd"),
        ('gte("year", 2020)', "cd"),
        ('in("year", [1999, 2021])', "ad"),
        ('in("genre", "drama")', "bc"),
        ('nin("year", [1999, 2021])', "bc"),
        ('contain("cast", "Ann")', "ab"),
        ('like("genre", "drama")', "bcd"),
        ('lt("on", "2010-07-08")', "a"),
        ('lte("on", DATE)', "ab"),
        ('gt("on", "2010-07-07T23:00:00Z")', "bc"),
        ('or(eq("year", 1999), and(eq("genre", "drama"), lt("year", 2015)))', "ab"),
        ('not(eq("genre", "drama"))', "ad"),
        ('and(not(eq("year", 1999)), not(eq("year", 2010)))', "cd"),
    ],
)
async def test_ours_knows_each_comparator(movies, condition: str, expected: str) -> None:
    asked = condition.replace("DATE", '"2010-07-08"')
    retriever = answering(movies, asked, structured_query_translator=MatryoshkaTranslator())
    found = retriever.invoke("films")
    assert "".join(sorted(each.id for each in found)) == expected
    assert await retriever.ainvoke("films") == found


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"date": "2010-07-08", "type": "date"}, "ab"),
        ({"datetime": "2010-07-08T00:00:00", "type": "datetime"}, "ab"),
        ([{"date": "2010-07-08", "type": "date"}], "b"),
    ],
)
def test_dates_come_as_langchains_parser_hands_them_over(movies, value, expected) -> None:
    comparator = Comparator.IN if isinstance(value, list) else Comparator.LTE
    condition = Comparison(comparator=comparator, attribute="on", value=value)
    wanted = condition.accept(MatryoshkaTranslator())
    found = movies.similarity_search("film", filter=wanted)
    assert "".join(sorted(each.id for each in found)) == expected


def test_not_of_several_holds_where_none_of_them_does(movies) -> None:
    parts = [
        Comparison(comparator=Comparator.EQ, attribute="year", value=year) for year in (1999, 2010)
    ]
    wanted = Operation(operator=Operator.NOT, arguments=parts).accept(MatryoshkaTranslator())
    found = movies.similarity_search("film", filter=wanted)
    assert sorted(each.id for each in found) == ["c", "d"]


def test_limit_and_search_kwargs_reach_the_store(movies) -> None:
    ours = {"structured_query_translator": MatryoshkaTranslator()}
    exact = {"plan": {"exact": True}, "k": 3}
    retriever = answering(movies, 'gt("year", 1)', limit=2, search_kwargs=exact, **ours)
    assert len(retriever.invoke("two films")) == 2
    some = {"k": 3, "fetch_k": 4}
    diverse = answering(movies, 'gt("year", 1)', search_type="mmr", search_kwargs=some, **ours)
    assert len(diverse.invoke("films")) == 3


def test_ours_filters_metadata_that_stand_beside_the_text(client, embeddings) -> None:
    layout = CollectionLayout(256, (64,))
    client.create_collection("flat", vectors_config=layout.vectors_config())
    collection = MatryoshkaCollection("flat")
    vectors = embeddings.embed_documents(["film"])
    payloads = [{"text": "film", "year": 5}]
    Driver(client).run(collection.add([str(uuid.uuid4())], vectors, payloads))
    opened = MatryoshkaVectorStore.from_existing_collection("flat", embeddings, client=client)
    assert opened.metadata_payload_key is None
    ours = {"structured_query_translator": MatryoshkaTranslator()}
    assert len(answering(opened, 'lt("year", 6)', **ours).invoke("films")) == 1
    assert answering(opened, 'lt("year", 5)', **ours).invoke("films") == []


def test_the_adapter_goes_without_langchain_qdrant() -> None:
    code = (
        "import sys; sys.modules['langchain_qdrant'] = None; import mrl_adapters.langchain as ours;"
        "print(ours.MatryoshkaTranslator.__name__)"
    )
    ended = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True
    )
    assert ended.stdout.strip() == "MatryoshkaTranslator"
