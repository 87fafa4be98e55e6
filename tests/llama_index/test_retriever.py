"""The retriever: a store and an embed_model, no index."""

import asyncio
import contextlib
from typing import Any

import pytest
from llama_index.core import MockEmbedding, VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.llms import MockLLM
from llama_index.core.postprocessor import SimilarityPostprocessor
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import IndexNode, QueryBundle, TextNode
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters, VectorStoreQuery
from llama_index_instrumentation import get_dispatcher
from llama_index_instrumentation.event_handlers import BaseEventHandler
from llama_index_instrumentation.span_handlers import SimpleSpanHandler
from pydantic import PrivateAttr
from qdrant_client import models
from reference import diverse_ranking, ranking, shortlists

from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.errors import CollectionMismatchError, ConfigurationError
from mrl_adapters.llama_index import (
    MatryoshkaEmbedding,
    MatryoshkaRetriever,
    MatryoshkaVectorStore,
)
from mrl_adapters.llama_index.embedder import EmbedderEmbedding
from mrl_adapters.llama_index.events import listened
from mrl_adapters.qdrant import CollectionLayout, SearchPlan, connect
from mrl_adapters.qdrant.engine import LOCAL, engine_of


class Collecting(BaseEventHandler):
    """Keep every event."""

    _seen: list[Any] = PrivateAttr(default_factory=list)

    @classmethod
    def class_name(cls) -> str:
        return "Collecting"

    def handle(self, event: Any, **_: Any) -> None:
        self._seen.append(event)

    def of(self, name: str) -> list[Any]:
        return [event for event in self._seen if event.class_name() == name]


@pytest.fixture
def events():
    root, handler = get_dispatcher(), Collecting()
    root.add_event_handler(handler)
    yield handler
    root.event_handlers.remove(handler)


@pytest.fixture
def spans():
    root, handler = get_dispatcher(), SimpleSpanHandler()
    root.add_span_handler(handler)
    yield handler
    root.span_handlers.remove(handler)


def ids(found: list[Any]) -> list[str]:
    return [each.node_id for each in found]


def test_nodes_come_with_scores(store, embed_model, call):
    found = call(MatryoshkaRetriever(store, embed_model, 2), "retrieve", "copy a folder")
    assert ids(found)[0] == "a"
    assert 1 >= found[0].score >= found[1].score


# On a server coroutines have a client of their own, which this test does not see.
@pytest.mark.parametrize("client", ["edge", "local"], indirect=True)
def test_a_batch_is_one_request(store, embed_model, call, monkeypatch):
    store.get_nodes(["a"])
    client = store.client
    asked: list[int] = []
    original = client.query_batch_points

    def counted(name: str, requests: list[Any], **options: Any) -> Any:
        asked.append(len(requests))
        return original(name, requests=requests, **options)

    monkeypatch.setattr(client, "query_batch_points", counted)
    retriever = MatryoshkaRetriever(store, embed_model, 1)
    questions = ["copy a folder", QueryBundle("compress with gzip"), "sort numbers"]
    assert [ids(found) for found in call(retriever, "retrieve_batch", questions)] == [
        ["a"],
        ["f"],
        ["e"],
    ]
    assert asked == [3]


@pytest.mark.parametrize("client", ["edge"], indirect=True)
@pytest.mark.parametrize("wrapped", [True, False])
def test_a_batch_is_one_call_of_the_embedder(store, call, monkeypatch, wrapped):
    embedder = WordLlamaEmbedder()
    model = MatryoshkaEmbedding(embedder, 256) if wrapped else EmbedderEmbedding(embedder)
    embed, calls = embedder._embed, []
    monkeypatch.setattr(
        embedder, "_embed", lambda texts, query: calls.append(texts) or embed(texts, query=query)
    )
    retriever = MatryoshkaRetriever(store, model, 2)
    given = model.get_query_embedding("sockets")
    twice = QueryBundle("a", custom_embedding_strs=["copy a folder", "zip it"])
    ready = QueryBundle("b", embedding=given)
    questions = ["copy a folder", twice, ready, "sort numbers"]
    alone = [retriever.retrieve(each) for each in questions]
    calls.clear()
    found = call(retriever, "retrieve_batch", questions)
    assert [ids(each) for each in found] == [ids(each) for each in alone]
    assert calls == [["copy a folder", "zip it", "sort numbers"]]


def test_every_option_of_the_store_reaches_the_search(store, embed_model, nodes, call, requests):
    def found(k: int = 6, **options: Any) -> list[str]:
        retriever = MatryoshkaRetriever(store, embed_model, k, **options)
        return ids(call(retriever, "retrieve", "files"))

    asked, vectors = embed_model.get_query_embedding("files"), {n.id_: n.embedding for n in nodes}
    scored = ranking(asked, vectors)
    every = [name for name, _ in scored]
    evens = MetadataFilters(filters=[MetadataFilter(key="even", value=1)])
    assert found() == every
    assert found(filters=evens) == [name for name in every if name in "ace"]
    assert found(score_threshold=(scored[1][1] + scored[2][1]) / 2) == every[:2]
    assert found(node_ids=["b", "e"]) == [name for name in every if name in "be"]
    assert found(doc_ids=["c"]) == ["c"]
    must = [models.FieldCondition(key="n", match=models.MatchValue(value=4))]
    assert found(qdrant_filters=models.Filter(must=must)) == ["e"]
    for share in (0.0, 0.4, 1.0):
        expected = diverse_ranking(asked, vectors, 4, share)
        assert found(4, mmr_threshold=share, mmr_prefetch_k=6) == expected
        assert found(4, mode="mmr", mmr_threshold=share, mmr_prefetch_k=6) == expected
    assert found(4, mode="mmr") == diverse_ranking(asked, vectors, 4, 0.5)
    for options, expected in (
        ({"plan": {"min_candidates": 7, "oversampling": 1, "stages": (64,)}}, {"short_64": 7}),
        ({"plan": {"stages": (64,)}, "exact": True}, {}),
    ):
        requests.clear()
        assert found(**options) == every
        assert [shortlists(request) for request in requests] == [expected]
    elsewhere = MatryoshkaRetriever(store, embed_model, shard_key="europe")
    with contextlib.suppress(Exception):  # no engine of these has such a shard
        call(elsewhere, "retrieve", "files")
    assert requests[-1].shard_key == "europe"


def test_a_misspelt_option_is_refused_with_the_list(store, embed_model):
    with pytest.raises(ConfigurationError, match=r"'exakt'\..*It has: .*score_threshold.*mode"):
        MatryoshkaRetriever(store, embed_model, exakt=True)
    with pytest.raises(ConfigurationError, match="Query mode svm"):
        MatryoshkaRetriever(store, embed_model, mode="svm")


def test_a_bundle_with_an_embedding_is_not_embedded_again(store, embed_model, nodes, call):
    class Refusing(type(embed_model)):
        def _get_query_embedding(self, query: str) -> list[float]:
            raise AssertionError(query)

        async def _aget_query_embedding(self, query: str) -> list[float]:
            raise AssertionError(query)

    retriever = MatryoshkaRetriever(store, Refusing(WordLlamaEmbedder(), 256), 1)
    bundle = QueryBundle("anything", embedding=nodes[4].embedding)
    assert ids(call(retriever, "retrieve", bundle)) == ["e"]


def test_several_strings_are_averaged_to_unit_length(store, embed_model, call):
    bundle = QueryBundle("x", custom_embedding_strs=["copy a directory", "copy a tree"])
    [found] = call(MatryoshkaRetriever(store, embed_model, 1), "retrieve", bundle)
    vectors = [embed_model.get_query_embedding(text) for text in bundle.embedding_strs]
    mean = embed_model.get_agg_embedding_from_queries(bundle.embedding_strs)
    assert sum(number**2 for number in mean) == pytest.approx(1)
    assert sum(number**2 for number in vectors[0]) == pytest.approx(1)
    [direct] = MatryoshkaRetriever(store, embed_model, 1).retrieve(QueryBundle("x", embedding=mean))
    assert found.node_id == direct.node_id == "a"
    assert found.score == pytest.approx(direct.score)


def test_text_nodes_are_found_beside_index_nodes(store, embed_model, call):
    target = TextNode(id_="target", text="What the link leads to.")
    link = IndexNode(id_="link", index_id="elsewhere", text="Copy a folder.", obj=target)
    store.add(embed_model([link]))
    retriever = MatryoshkaRetriever(store, embed_model, 7)
    single = call(retriever, "retrieve", "copy a folder")
    [batched] = call(retriever, "retrieve_batch", ["copy a folder"])
    for found in (single, batched):
        assert "a" in ids(found)
        # By its text: core 0.13 does not keep the id of what an IndexNode leads to.
        assert any("What the link leads to." in each.node.get_content() for each in found)


def test_links_lead_to_objects_that_are_not_stored(store, embed_model, nodes, call):
    leaf = MatryoshkaVectorStore("leaves", connect(location=":memory:"))
    leaf.add(embed_model([TextNode(id_="leaf", text="Trees are copied leaf by leaf.")]))
    inner = MatryoshkaRetriever(leaf, embed_model, 1)
    link = IndexNode(id_="link", index_id="leaves", text="Copy a folder.", obj=inner)
    with pytest.raises(ConfigurationError, match=r"obj=None, and tell the retriever: objects="):
        call(store, "add", embed_model([link]))
    store.add(embed_model([link.model_copy(update={"obj": None})]))
    retriever = MatryoshkaRetriever(store, embed_model, 7, objects=[link])
    single = call(retriever, "retrieve", "copy a folder")
    [batched] = call(retriever, "retrieve_batch", ["copy a folder"])
    for found in (single, batched):
        assert {"leaf", "a"} <= set(ids(found))
        assert "link" not in ids(found)
    with pytest.raises(ConfigurationError, match="objects"):
        MatryoshkaRetriever(store, embed_model, objects=link)


def test_another_model_than_the_collections_is_an_error(new_store, nodes, call):
    store = new_store(model="dleemiller/word-llama-l2-supercat", layout=None)
    store.add(nodes)
    other = MatryoshkaEmbedding(WordLlamaEmbedder(), 256, model="text-embedding-3-small")
    with pytest.raises(CollectionMismatchError, match="this embedding is 'text-embedding-3-small'"):
        call(MatryoshkaRetriever(store, other), "retrieve", "copy a folder")


def test_an_empty_collection_answers_with_nothing(new_store, embed_model, call):
    retriever = MatryoshkaRetriever(new_store(), embed_model)
    assert call(retriever, "retrieve", "copy") == []
    assert call(retriever, "retrieve_batch", ["copy", "paste"]) == [[], []]


def test_it_serves_a_query_engine(store, embed_model):
    retriever = MatryoshkaRetriever(store, embed_model, 1)
    engine = RetrieverQueryEngine.from_args(retriever, llm=MockLLM())
    assert "Compress data with gzip." in str(engine.query("How do I use gzip?"))
    assert "Compress data with gzip." in str(asyncio.run(engine.aquery("How do I use gzip?")))


def test_instrumentation_hears_of_each_stage(new_store, nodes, embed_model, call, events, spans):
    store = new_store(layout=CollectionLayout(256, (32, 64)))
    store.add(nodes)
    # Named, so that the local mode uses them as well.
    plan = SearchPlan(oversampling=2, min_candidates=4, funnel_factor=3, stages=(32, 64))
    call(MatryoshkaRetriever(store, embed_model, 3, plan=plan), "retrieve", "copy a folder")
    [search] = events.of("MatryoshkaSearchEvent")
    assert (search.collection_name, search.similarity_top_k) == (store.collection_name, 3)
    assert (search.stages, search.shortlists, search.found) == ([32, 64], [18, 6], 3)
    order = [event.class_name() for event in events._seen]
    assert order == [
        "RetrievalStartEvent",
        "EmbeddingStartEvent",
        "EmbeddingEndEvent",
        "MatryoshkaSearchEvent",
        "RetrievalEndEvent",
    ]
    names = {span.id_.split("-")[0] for span in spans.completed_spans}
    prefix = "a" if any("aretrieve" in name for name in names) else ""
    assert {
        f"MatryoshkaRetriever._{prefix}retrieve",
        f"MatryoshkaVectorStore.{prefix}query",
    } <= names
    inside = next(span for span in spans.completed_spans if span.id_.startswith("MatryoshkaVector"))
    assert search.span_id == inside.id_
    assert inside.parent_id.startswith(f"MatryoshkaRetriever._{prefix}retrieve")


def test_a_batch_is_reported_question_by_question(store, embed_model, call, events):
    call(MatryoshkaRetriever(store, embed_model, 2), "retrieve_batch", ["copy", "gzip"])
    assert [event.str_or_query_bundle for event in events.of("RetrievalStartEvent")] == [
        "copy",
        "gzip",
    ]
    assert [len(event.nodes) for event in events.of("RetrievalEndEvent")] == [2, 2]
    assert len(events.of("MatryoshkaSearchEvent")) == 2


def test_an_exact_search_reports_no_stages(store, embed_model, events):
    plan = SearchPlan(exact=True)
    MatryoshkaRetriever(store, embed_model, 2, plan=plan).retrieve("copy")
    [search] = events.of("MatryoshkaSearchEvent")
    assert (search.stages, search.shortlists) == ([], [])


def test_local_mode_reports_no_stages_but_those_that_a_plan_names(
    store, client, embed_model, call, events
):
    named = SearchPlan(stages=(64,))
    for plan in (None, named):
        call(MatryoshkaRetriever(store, embed_model, 2, plan=plan), "retrieve", "copy")
    default, asked = events.of("MatryoshkaSearchEvent")
    assert default.stages == ([] if engine_of(client) is LOCAL else [64])
    assert (asked.stages, asked.shortlists) == ([64], [100])


@pytest.mark.parametrize("name", ["root", "mrl_adapters.llama_index.events"])
def test_a_handler_is_heard_wherever_it_is_attached(store, embed_model, name):
    dispatcher, handler = get_dispatcher(name), Collecting()
    MatryoshkaRetriever(store, embed_model, 2).retrieve("copy")
    assert not listened()
    dispatcher.add_event_handler(handler)
    try:
        assert listened()
        MatryoshkaRetriever(store, embed_model, 2).retrieve("copy")
    finally:
        dispatcher.event_handlers.remove(handler)
    assert len(handler.of("MatryoshkaSearchEvent")) == 1


def test_a_search_of_nothing_is_told_too(new_store, events):
    query = VectorStoreQuery([1.0] * 256, similarity_top_k=3)
    new_store().query(query)
    [search] = events.of("MatryoshkaSearchEvent")
    assert (search.stages, search.found) == ([], 0)


def test_a_dispatcher_that_keeps_to_itself_hears_only_its_own(events, monkeypatch):
    monkeypatch.setattr(get_dispatcher("mrl_adapters.llama_index.events"), "propagate", False)
    assert not listened()


def test_a_failing_search_drops_its_span(store, embed_model, spans):
    retriever = MatryoshkaRetriever(store, embed_model)
    retriever.similarity_top_k = 0  # as a framework sets it later
    with pytest.raises(ValueError, match="similarity_top_k is 0"):
        retriever.retrieve("copy")
    assert any("MatryoshkaVectorStore.query" in span.id_ for span in spans.dropped_spans)


def test_a_wrong_number_or_knob_is_refused_when_the_retriever_is_made(store, embed_model):
    for wrong in (0, True, 2.0, "3"):
        with pytest.raises(ValueError, match=f"similarity_top_k is {wrong!r}, expected a whole"):
            MatryoshkaRetriever(store, embed_model, wrong)
    with pytest.raises(ValueError, match="SearchPlan has no option 'exakt'"):
        MatryoshkaRetriever(store, embed_model, plan={"exakt": True})


def test_an_indexs_retriever_refuses_a_misspelt_query_option(store, embed_model, call):
    index = VectorStoreIndex.from_vector_store(store, embed_model=embed_model)
    retriever = index.as_retriever(vector_store_kwargs={"score_treshold": 0.5})
    with pytest.raises(ValueError, match=r"no option 'score_treshold'.*'score_threshold'.*It has"):
        call(retriever, "retrieve", "copy")
    with pytest.raises(ValueError, match=r"add\(\) has no option 'shard'.*It has: shard_key"):
        index.insert_nodes([TextNode(text="one")], shard=1)


def test_any_embed_model_will_do(store, embed_model):
    class Foreign(BaseEmbedding):
        def _get_query_embedding(self, query: str) -> list[float]:
            return embed_model.get_query_embedding(query)

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return embed_model.get_query_embedding(query)

        def _get_text_embedding(self, text: str) -> list[float]:
            return embed_model.get_text_embedding(text)

    assert ids(MatryoshkaRetriever(store, Foreign(), 1).retrieve("use gzip")) == ["f"]


@pytest.mark.parametrize("distance", ["Cosine", "Dot", "Euclid", "Manhattan"])
def test_scores_are_similarities_under_every_distance(new_store, distance):
    layout = CollectionLayout(8, stages=(4,), distance=distance)
    store = new_store(layout=layout)
    vectors = [[1.0] * 7 + [float(k)] for k in range(1, 6)]
    store.add([TextNode(id_=str(k), text="t", embedding=each) for k, each in enumerate(vectors)])
    query = QueryBundle("q", embedding=[1.0] * 7 + [1.0])

    found = MatryoshkaRetriever(store, MockEmbedding(embed_dim=8), 5).retrieve(query)

    scores = [each.score or 0.0 for each in found]
    assert scores == sorted(scores, reverse=True)
    if distance in {"Euclid", "Manhattan"}:
        assert [each.node_id for each in found] == ["0", "1", "2", "3", "4"]
        assert [1 / score - 1 for score in scores] == pytest.approx([0, 1, 2, 3, 4], abs=1e-5)
        [kept] = SimilarityPostprocessor(similarity_cutoff=0.9).postprocess_nodes(found)
        assert kept.node_id == "0"
