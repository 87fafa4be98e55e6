"""The retriever for LlamaIndex: a store and an embed_model, no index."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.instrumentation.events.retrieval import (
    RetrievalEndEvent,
    RetrievalStartEvent,
)
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, QueryType
from llama_index.core.vector_stores import (
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryResult,
)
from llama_index.core.vector_stores.types import VectorStoreQueryMode
from typing_extensions import Unpack, override

from mrl_adapters.arguments import refuse_unknown, require_list
from mrl_adapters.embeddings.inspection import model_name
from mrl_adapters.embeddings.texts import is_blank, require_query
from mrl_adapters.llama_index.embedder import UnitEmbedding, unit_mean
from mrl_adapters.llama_index.events import dispatcher, span
from mrl_adapters.llama_index.filters import to_filter
from mrl_adapters.llama_index.modes import needs_embedding, plan_of
from mrl_adapters.llama_index.options import QUERY_OPTIONS, RetrieverOptions, group_by, search_plan
from mrl_adapters.llama_index.searching import build_search
from mrl_adapters.llama_index.vector_store import MatryoshkaVectorStore
from mrl_adapters.qdrant import SearchPlan
from mrl_adapters.qdrant.mismatches import check_model
from mrl_adapters.qdrant.payload_keys import checked_added_key
from mrl_adapters.qdrant.plan import Plan


class MatryoshkaRetriever(BaseRetriever):
    """Retrieve nodes in two stages: short vectors choose, full vectors rank.

    Works in every query engine. Unlike an index's own retriever it also finds text nodes beside
    IndexNodes (an index with any IndexNode restricts its retriever to those).

    Args:
        store: The store.
        embed_model: Any embed_model, at the full size that the store was written with.
        similarity_top_k: Nodes wanted.
        filters: Metadata filters.
        plan: A SearchPlan instead of the store's own, or a dict of its knobs to change.
        **options: See :class:`~mrl_adapters.llama_index.options.RetrieverOptions`.

    Examples:
        >>> from mrl_adapters.llama_index import MatryoshkaRetriever
        >>> retriever = MatryoshkaRetriever(store, embed_model, similarity_top_k=4)
        >>> retriever.retrieve("How do I copy a directory tree?")
    """

    def __init__(
        self,
        store: MatryoshkaVectorStore,
        embed_model: BaseEmbedding,
        similarity_top_k: int = 10,
        filters: MetadataFilters | None = None,
        plan: Plan | None = None,
        **options: Unpack[RetrieverOptions],
    ) -> None:
        refuse_unknown(type(self).__name__, options, tuple(RetrieverOptions.__annotations__))
        objects = options.get("objects")
        links = None if objects is None else [*require_list(objects, "objects", "IndexNodes")]
        super().__init__(callback_manager=options.get("callback_manager"), objects=links)
        self._store = store
        self._embed_model = embed_model
        self._model = model_name(embed_model)
        if self._model:
            store.collection.learn_model(self._model)
        self.similarity_top_k = similarity_top_k
        modes = VectorStoreQueryMode
        default = modes.DEFAULT if options.get("mmr_threshold") is None else modes.MMR
        self._asked: dict[str, Any] = {
            "mode": options.get("mode", default),
            "filters": filters,
            "node_ids": options.get("node_ids"),
            "doc_ids": options.get("doc_ids"),
            "alpha": options.get("alpha"),
            "sparse_top_k": options.get("sparse_top_k"),
            "hybrid_top_k": options.get("hybrid_top_k"),
        }
        given = {"plan": plan, **options}
        self._options: dict[str, Any] = {
            name: given[name] for name in QUERY_OPTIONS if given.get(name) is not None
        }
        # A wrong option is refused now, not at the first search.
        SearchPlan().merge(search_plan(self._options))
        group_by(self._options)
        checked_added_key("signals_key", self._options.get("signals_key"))
        asked = self._query(QueryBundle("any"), [])
        plan_of(asked, self._options)
        build_search(asked, self._options, to_filter(filters))
        self._embeds = needs_embedding(asked)

    @override
    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        query = self._query(query_bundle, self._embed(query_bundle))
        return self._scored(self._store.query(query, **self._options))

    @override
    @span
    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        query = self._query(query_bundle, await self._aembed(query_bundle))
        return self._scored(await self._store.aquery(query, **self._options))

    @span
    def retrieve_batch(self, queries: Sequence[QueryType]) -> list[list[NodeWithScore]]:
        """Retrieve for several questions with one request to Qdrant.

        Args:
            queries: Questions, or query bundles.

        Returns:
            One list of nodes a question.
        """
        bundles = _started(queries)
        vectors = self._embed_all(bundles)
        asked = [self._query(*each) for each in zip(bundles, vectors, strict=True)]
        found = [self._scored(each) for each in self._store.query_batch(asked, **self._options)]
        handled = [
            self._handle_recursive_retrieval(each, nodes)
            for each, nodes in zip(bundles, found, strict=True)
        ]
        return _ended(queries, handled)

    @span
    async def aretrieve_batch(self, queries: Sequence[QueryType]) -> list[list[NodeWithScore]]:
        """Retrieve for several questions, as :meth:`retrieve_batch` does."""
        bundles = _started(queries)
        vectors = await self._aembed_all(bundles)
        asked = [self._query(*each) for each in zip(bundles, vectors, strict=True)]
        results = await self._store.aquery_batch(asked, **self._options)
        handled = [
            await self._ahandle_recursive_retrieval(each, self._scored(result))
            for each, result in zip(bundles, results, strict=True)
        ]
        return _ended(queries, handled)

    def _embed(self, bundle: QueryBundle) -> list[float] | None:
        if bundle.embedding is not None or not self._embeds:
            return bundle.embedding
        asked = _questions(bundle)
        return unit_mean([self._embed_model.get_query_embedding(text) for text in asked])

    async def _aembed(self, bundle: QueryBundle) -> list[float] | None:
        if bundle.embedding is not None or not self._embeds:
            return bundle.embedding
        asked = map(self._embed_model.aget_query_embedding, _questions(bundle))
        return unit_mean(await asyncio.gather(*asked))

    def _embed_all(self, bundles: Sequence[QueryBundle]) -> list[list[float] | None]:
        model = self._embed_model
        if not self._embeds or not isinstance(model, UnitEmbedding):
            return [self._embed(bundle) for bundle in bundles]
        asked = _joint(bundles)
        return _spread(bundles, asked, model.get_query_embeddings(list(asked)) if asked else [])

    async def _aembed_all(self, bundles: Sequence[QueryBundle]) -> list[list[float] | None]:
        model = self._embed_model
        if not self._embeds or not isinstance(model, UnitEmbedding):
            return await asyncio.gather(*map(self._aembed, bundles))
        asked = _joint(bundles)
        vectors = await model.aget_query_embeddings(list(asked)) if asked else []
        return _spread(bundles, asked, vectors)

    def _query(self, bundle: QueryBundle, embedding: list[float] | None) -> VectorStoreQuery:
        return VectorStoreQuery(
            query_embedding=embedding,
            query_str=bundle.query_str,
            similarity_top_k=self.similarity_top_k,
            **self._asked,
        )

    def _scored(self, result: VectorStoreQueryResult) -> list[NodeWithScore]:
        # The collection has been opened by now, so that it is known which model wrote it.
        if (layout := self._store.collection.layout) is not None:
            check_model(self._store.collection_name, self._model, layout.model)
        pairs: Any = zip(result.nodes or [], result.similarities or [], strict=True)
        return [NodeWithScore(node=node, score=score) for node, score in pairs]


def _questions(bundle: QueryBundle) -> list[str]:
    strings = bundle.embedding_strs
    return [text for text in strings if not is_blank(text)] or [require_query(" ".join(strings))]


def _joint(bundles: Sequence[QueryBundle]) -> dict[str, None]:
    """List what has to be embedded for several bundles, nothing twice."""
    waiting = (bundle for bundle in bundles if bundle.embedding is None)
    return dict.fromkeys(text for bundle in waiting for text in _questions(bundle))


def _spread(
    bundles: Sequence[QueryBundle], asked: Iterable[str], vectors: Sequence[list[float]]
) -> list[list[float] | None]:
    known = dict(zip(asked, vectors, strict=True))
    return [
        unit_mean([known[text] for text in _questions(bundle)])
        if bundle.embedding is None
        else bundle.embedding
        for bundle in bundles
    ]


def _started(queries: Sequence[QueryType]) -> list[QueryBundle]:
    require_list(queries, "queries", "questions")
    for query in queries:
        dispatcher.event(RetrievalStartEvent(str_or_query_bundle=query))
    return [QueryBundle(query) if isinstance(query, str) else query for query in queries]


def _ended(
    queries: Sequence[QueryType], found: list[list[NodeWithScore]]
) -> list[list[NodeWithScore]]:
    for query, nodes in zip(queries, found, strict=True):
        dispatcher.event(RetrievalEndEvent(str_or_query_bundle=query, nodes=nodes))
    return found
