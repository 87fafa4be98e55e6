"""Options of stores and retrievers: each is honoured or refused by name, through every door."""

import asyncio
import inspect
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from langchain_core.vectorstores import VectorStoreRetriever
from pydantic import ValidationError
from reference import diverse_ranking, ranking

from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.langchain import MatryoshkaRetriever, MatryoshkaVectorStore
from mrl_adapters.qdrant import SearchPlan, connect

KNOWN = r"It has: k, filter, offset, score_threshold, plan, .*fetch_k, lambda_mult"


def ids(documents) -> list[str]:
    return [each.id for each in documents]


def run(result: Any) -> Any:
    return asyncio.run(result) if inspect.isawaitable(result) else result


# A misspelt option, at every door that takes keyword arguments

VECTOR = [1.0] * 256
DOORS = {
    "similarity_search": ("files",),
    "similarity_search_with_score": ("files",),
    "similarity_search_with_relevance_scores": ("files",),
    "similarity_search_by_vector": (VECTOR,),
    "similarity_search_with_score_by_vector": (VECTOR,),
    "max_marginal_relevance_search": ("files",),
    "max_marginal_relevance_search_by_vector": (VECTOR,),
}
ASYNC_DOORS = {
    f"a{name}": arguments
    for name, arguments in DOORS.items()
    if name != "similarity_search_with_score_by_vector"
}


@pytest.mark.parametrize("name", [*DOORS, *ASYNC_DOORS])
def test_a_search_refuses_a_misspelt_option_with_the_list(store, name):
    arguments = {**DOORS, **ASYNC_DOORS}[name]
    with pytest.raises(ConfigurationError, match=rf"no option 'filtre'.*'filter'.*{KNOWN}"):
        run(getattr(store, name)(*arguments, filtre={"n": 1}))


@pytest.mark.parametrize("colour", ["invoke", "ainvoke"])
@pytest.mark.parametrize("kind", ["own", "stores"])
def test_a_retriever_refuses_a_misspelt_option_of_one_call(store, kind, colour):
    retriever = MatryoshkaRetriever(vectorstore=store) if kind == "own" else store.as_retriever()
    with pytest.raises(ConfigurationError, match=rf"no option 'top_k'.*{KNOWN}.*search_type"):
        run(getattr(retriever, colour)("files", top_k=3))


def test_as_retriever_refuses_a_misspelt_option_at_the_top_and_in_search_kwargs(store):
    with pytest.raises(ConfigurationError, match=rf"as_retriever\(\) has no option 'kk'.*{KNOWN}"):
        store.as_retriever(kk=2)
    with pytest.raises(ConfigurationError, match=rf"search_kwargs has no option 'kk'.*{KNOWN}"):
        store.as_retriever(search_kwargs={"kk": 2})
    with pytest.raises(ConfigurationError, match="SearchPlan has no option 'exakt'"):
        store.as_retriever(plan={"exakt": True})


def test_the_retriever_refuses_a_misspelt_field_with_the_list(store):
    with pytest.raises(ValidationError, match=r"no option 'top_k'.*It has: .*k, filter, offset"):
        MatryoshkaRetriever(vectorstore=store, top_k=3)
    with pytest.raises(ValidationError, match="SearchPlan has no option 'exakt'"):
        MatryoshkaRetriever(vectorstore=store, plan={"exakt": True})


@pytest.mark.parametrize("colour", ["", "a"])
@pytest.mark.parametrize("method", ["add_texts", "add_documents", "delete"])
def test_writing_refuses_a_misspelt_option_and_does_nothing(store, method, colour):
    arguments = {"add_texts": [["one"]], "add_documents": [[]], "delete": [["a"]]}[method]
    with pytest.raises(ConfigurationError, match=r"has no option 'batchsize'.*It has: "):
        run(getattr(store, colour + method)(*arguments, batchsize=1))
    assert len(store.similarity_search("files", k=9)) == 6


@pytest.mark.parametrize("colour", ["", "a"])
def test_factories_refuse_a_misspelt_option_and_a_missing_name(client, embeddings, colour):
    factory = getattr(MatryoshkaVectorStore, f"{colour}from_texts")
    documents = getattr(MatryoshkaVectorStore, f"{colour}from_documents")
    existing = getattr(MatryoshkaVectorStore, f"{colour}from_existing_collection")
    for make in (factory, documents):
        with pytest.raises(ConfigurationError, match=r"'colection_name'.*'collection_name'"):
            run(make([], embeddings, client=client, colection_name="docs"))
    with pytest.raises(ConfigurationError, match=r"'batch_size'.*It has: collection_name, client"):
        run(existing("docs", embeddings, client=client, batch_size=3))
    assert not client.collection_exists("docs")


# What as_retriever honours


def test_options_at_the_top_and_in_search_kwargs_are_the_same(store, embeddings, vectors):
    order = [name for name, _ in ranking(embeddings.embed_query("files"), vectors)]
    evens = [name for name in order if name in "ace"]
    for options, names in (
        ({"filter": {"even": True}, "k": 2}, evens[:2]),
        ({"k": 9, "offset": 2}, order[2:]),
        ({"k": 9, "offset": 1, "filter": {"even": True}}, evens[1:]),
    ):
        expected = store.similarity_search("files", **options)
        assert ids(expected) == names
        for retriever in (
            store.as_retriever(**options),
            store.as_retriever(search_kwargs=options),
            MatryoshkaRetriever(vectorstore=store, **options),
        ):
            assert retriever.invoke("files") == expected
            assert asyncio.run(retriever.ainvoke("files")) == expected
            assert retriever.batch(["files"]) == [expected]


def test_a_calls_options_go_before_the_retrievers(store):
    retriever = store.as_retriever(k=1, filter={"even": True})
    assert ids(retriever.invoke("files", k=9, filter={"n": 3})) == ["d"]
    assert len(retriever.invoke("files", k=9)) == 3


def test_diversity_is_had_by_search_type_at_the_top_or_for_one_call(store, embeddings, vectors):
    options = {"k": 3, "fetch_k": 6, "lambda_mult": 0.0}
    diverse = store.max_marginal_relevance_search("copy files", **options)
    expected = diverse_ranking(embeddings.embed_query("copy files"), vectors, 3, 0.0)
    assert ids(diverse) == expected
    by_vector = store.max_marginal_relevance_search_by_vector(
        embeddings.embed_query("copy files"), **options
    )
    assert ids(by_vector) == expected
    assert diverse != store.similarity_search("copy files", k=3)
    assert store.as_retriever(search_type="mmr", **options).invoke("copy files") == diverse
    plain = store.as_retriever(**options)
    assert plain.invoke("copy files") == store.similarity_search("copy files", k=3)
    assert plain.invoke("copy files", search_type="mmr") == diverse
    with pytest.raises(ConfigurationError, match="search_type is 'best', expected one of: simil"):
        plain.invoke("files", search_type="best")


def test_a_relevance_threshold_works_at_the_top(store):
    retriever = store.as_retriever(
        search_type="similarity_score_threshold", score_threshold=0.6, k=6
    )
    expected = store.similarity_search_with_relevance_scores("files", k=6, score_threshold=0.6)
    assert 0 < len(expected) < 6
    assert retriever.invoke("files") == [document for document, _ in expected]


def test_an_option_given_twice_is_an_error(store):
    with pytest.raises(ConfigurationError, match="got 'k' twice: at the top and in search_kwargs"):
        store.as_retriever(k=2, search_kwargs={"k": 3})


def test_fields_of_langchains_retriever_still_work(store):
    retriever = store.as_retriever(tags=["mine"], metadata={"a": 1}, name="finder")
    assert isinstance(retriever, VectorStoreRetriever)
    assert (retriever.tags, retriever.metadata, retriever.name) == (["mine"], {"a": 1}, "finder")
    assert retriever.vectorstore is store
    assert "MatryoshkaVectorStore" in store.as_retriever(k=2).tags


def test_a_subclass_has_its_own_options_as_well(client, embeddings):
    class Shouting(MatryoshkaVectorStore):
        def similarity_search(self, query, k=4, *, loud=False, **kwargs):
            found = super().similarity_search(query, k, **kwargs)
            return [each.model_copy(update={"metadata": {"loud": loud}}) for each in found]

    store = Shouting.from_texts(["one"], embeddings, client=client, collection_name="docs")
    for retriever in (store.as_retriever(loud=True), store.as_retriever()):
        assert retriever.invoke("one", loud=True)[0].metadata == {"loud": True}
    assert store.as_retriever(loud=True, k=1).invoke("one")[0].metadata == {"loud": True}


# A dict for the plan changes what it names


@pytest.fixture
def asked(monkeypatch, store) -> list[SearchPlan]:
    """The plan of every search of the store from here on."""
    plans: list[SearchPlan] = []
    real = type(store.collection).search

    def recording(self, searches, plan=None):
        plans.append(self.plan.merge(plan))
        return real(self, searches, plan)

    monkeypatch.setattr(type(store.collection), "search", recording)
    return plans


@pytest.mark.parametrize("colour", ["invoke", "ainvoke"])
@pytest.mark.parametrize("kind", ["own", "stores"])
def test_dicts_change_the_stores_plan_the_retrievers_and_the_calls(store, asked, kind, colour):
    narrow = MatryoshkaVectorStore(
        store.driver.client, "docs", store.embeddings, plan={"min_candidates": 7}
    )
    assert narrow.plan == SearchPlan(min_candidates=7)
    own = {"plan": {"oversampling": 3}}
    retriever = (
        MatryoshkaRetriever(vectorstore=narrow, **own)
        if kind == "own"
        else narrow.as_retriever(**own)
    )
    invoke = getattr(retriever, colour)
    run(invoke("files", plan={"hnsw_ef": 64}))
    run(invoke("files", plan=SearchPlan(exact=True)))
    run(invoke("files"))
    assert asked == [
        SearchPlan(min_candidates=7, oversampling=3, hnsw_ef=64),
        SearchPlan(exact=True),
        SearchPlan(min_candidates=7, oversampling=3),
    ]


def test_a_dict_changes_the_plan_that_is_saved_with_the_collection(store, client, embeddings):
    store.driver.run(store.collection.save_plan(SearchPlan(min_candidates=33)))
    opened = MatryoshkaVectorStore.from_existing_collection(
        "docs", embeddings, client=client, plan={"timeout_s": 9}
    )
    assert opened.plan == SearchPlan(min_candidates=33, timeout_s=9)
    with pytest.raises(ConfigurationError, match="SearchPlan has no option 'timeout'"):
        MatryoshkaVectorStore(client, "docs", embeddings, plan={"timeout": 9})


# Every value of every option

NUMBERS = st.one_of(
    st.integers(-2, 9),
    st.sampled_from([2**31, 2**63, 10**30]),
    st.integers(1, 9).map(np.int32),
    st.sampled_from([0.0, 0.5, 1.0, 1.5, -0.1, 3.0, math.nan, math.inf, -math.inf]),
    st.sampled_from([0.5, 2.0]).map(np.float32),
    st.booleans(),
    st.sampled_from(["3", "", b"3", [3], {}]),
    st.none(),
)
OPTIONS = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(["k", "offset", "fetch_k", "score_threshold", "lambda_mult"], NUMBERS),
)


def wrong(name: str, value: object) -> bool:
    if value is None:
        return name != "score_threshold"
    if isinstance(value, (bool, str, bytes, list, dict)):
        return True
    if name in {"k", "offset", "fetch_k"}:
        least = 0 if name == "offset" else 1
        return not isinstance(value, (int, np.integer)) or not least <= value < 2**31
    if not math.isfinite(value):  # type: ignore[arg-type] # numbers are left
        return True
    return name == "lambda_mult" and not 0 <= value <= 1  # type: ignore[operator] # likewise


@pytest.fixture(scope="module")
def small():
    store = MatryoshkaVectorStore(connect(location=":memory:"), "docs", WordLlamaEmbedder())
    store.add_texts(["one file", "two files", "a date", "a socket"], ids=list("abcd"))
    return store


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(OPTIONS, st.booleans(), st.sampled_from(["store", "own", "stores", "stores per call"]))
@example({"lambda_mult": None}, False, "own")
def test_a_value_is_used_or_refused_by_the_options_name(small, options, colour, door):
    def search():
        if door == "store":
            found = (
                small.amax_marginal_relevance_search
                if colour
                else (small.max_marginal_relevance_search)
            )
            return run(found("files", **options))
        if door == "own":
            retriever, call = (
                MatryoshkaRetriever(vectorstore=small, search_type="mmr", **options),
                {},
            )
        elif door == "stores":
            retriever, call = small.as_retriever(search_type="mmr", **options), {}
        else:
            retriever, call = small.as_retriever(search_type="mmr"), options
        return run((retriever.ainvoke if colour else retriever.invoke)("files", **call))

    if bad := [name for name, value in options.items() if wrong(name, value)]:
        with pytest.raises((ConfigurationError, ValidationError)) as caught:
            search()
        assert any(f"{name} is" in str(caught.value) for name in bad)
    else:
        found = search()
        assert len(found) <= options.get("k", 4)
