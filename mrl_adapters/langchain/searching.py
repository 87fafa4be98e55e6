"""Every way in which a LangChain store is searched, sync and async."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langchain_core.documents import Document
from langchain_core.vectorstores import VectorStore
from qdrant_client import models
from typing_extensions import Unpack, override

from mrl_adapters.arguments import refuse_unknown
from mrl_adapters.embeddings import Embedder
from mrl_adapters.embeddings.texts import require_query
from mrl_adapters.langchain.filters import filter_for
from mrl_adapters.langchain.options import (
    SEARCH_OPTIONS,
    DiverseSearchOptions,
    RetrieverOptions,
    SearchOptions,
    build_search,
    group_by,
)
from mrl_adapters.langchain.points import AddedKeys, relevance, to_document
from mrl_adapters.langchain.stock import MMR_ORDER, SEARCH_ORDER, search_plan
from mrl_adapters.langchain.store_retriever import StoreRetriever, retriever_of
from mrl_adapters.qdrant import Driver, MatryoshkaCollection, SearchPlan
from mrl_adapters.qdrant.flow import Flow
from mrl_adapters.qdrant.groups import ungrouped
from mrl_adapters.qdrant.ids import DocumentId
from mrl_adapters.qdrant.modes import scores_vectors, without_words
from mrl_adapters.qdrant.query import diversity
from mrl_adapters.qdrant.signals import Signals
from mrl_adapters.qdrant.stock import named

_WORDED = frozenset({"plan", "retrieval_mode", "hybrid_fusion"})

# LangChain's signatures take any option; here they are typed: hence the ignored overrides.


class SearchingStore(VectorStore):
    """The reading half of :class:`~mrl_adapters.langchain.MatryoshkaVectorStore`."""

    _driver: Driver
    _collection: MatryoshkaCollection
    _embedder: Embedder

    @property
    def plan(self) -> SearchPlan:
        """How the collection is searched unless a call says otherwise."""
        return self._collection.plan

    @override
    def get_by_ids(self, ids: Sequence[DocumentId], /) -> list[Document]:
        return self._stored(self._driver.run(self._collection.get(ids)))

    @override
    async def aget_by_ids(self, ids: Sequence[DocumentId], /) -> list[Document]:
        return self._stored(await self._driver.arun(self._collection.get(ids)))

    @override
    def similarity_search(  # type: ignore[override] # see above
        self, query: str, k: int = 4, *rest: Any, **options: Unpack[DiverseSearchOptions]
    ) -> list[Document]:
        """Find the documents nearest to a question.

        Args:
            query: The question.
            k: Documents wanted.
            *rest: The first options, in langchain-qdrant's order.
            **options: See :class:`~mrl_adapters.langchain.options.DiverseSearchOptions`.

        Raises:
            ConfigurationError: An option does not exist, or a number is outside its range.
            EmbeddingError: The question is blank.
        """
        return _documents(self.similarity_search_with_score(query, k, *rest, **options))

    @override
    async def asimilarity_search(  # type: ignore[override] # see above
        self, query: str, k: int = 4, *rest: Any, **options: Unpack[DiverseSearchOptions]
    ) -> list[Document]:
        return _documents(await self.asimilarity_search_with_score(query, k, *rest, **options))

    @override
    def similarity_search_with_score(
        self, query: str, k: int = 4, *rest: Any, **options: Unpack[DiverseSearchOptions]
    ) -> list[tuple[Document, float]]:
        """Find documents as :meth:`similarity_search` does, with the full vectors' scores."""
        vector = self._question_vector(query, options)
        return self._driver.run(self._search(vector, k, rest, options, query))

    @override
    async def asimilarity_search_with_score(
        self, query: str, k: int = 4, *rest: Any, **options: Unpack[DiverseSearchOptions]
    ) -> list[tuple[Document, float]]:
        vector = await self._aquestion_vector(query, options)
        return await self._driver.arun(self._search(vector, k, rest, options, query))

    @override
    def similarity_search_by_vector(  # type: ignore[override] # see above
        self,
        embedding: Sequence[float],
        k: int = 4,
        *rest: Any,
        **options: Unpack[DiverseSearchOptions],
    ) -> list[Document]:
        return _documents(self._driver.run(self._search(embedding, k, rest, options)))

    @override
    async def asimilarity_search_by_vector(  # type: ignore[override] # see above
        self,
        embedding: Sequence[float],
        k: int = 4,
        *rest: Any,
        **options: Unpack[DiverseSearchOptions],
    ) -> list[Document]:
        return _documents(await self._driver.arun(self._search(embedding, k, rest, options)))

    def similarity_search_with_score_by_vector(
        self,
        embedding: Sequence[float],
        k: int = 4,
        *rest: Any,
        **options: Unpack[DiverseSearchOptions],
    ) -> list[tuple[Document, float]]:
        """Find documents by a full vector of shape (d,), as :meth:`similarity_search` does."""
        return self._driver.run(self._search(embedding, k, rest, options))

    async def asimilarity_search_with_score_by_vector(
        self,
        embedding: Sequence[float],
        k: int = 4,
        *rest: Any,
        **options: Unpack[DiverseSearchOptions],
    ) -> list[tuple[Document, float]]:
        """Find documents by a full vector of shape (d,), as :meth:`similarity_search` does."""
        return await self._driver.arun(self._search(embedding, k, rest, options))

    @override
    def max_marginal_relevance_search(  # type: ignore[override] # see above
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        *rest: Any,
        **options: Unpack[SearchOptions],
    ) -> list[Document]:
        """Find documents that are near to a question and unlike each other.

        Args:
            query: The question.
            k: Documents wanted.
            fetch_k: Candidates to choose from.
            lambda_mult: 1 chooses by similarity alone, 0 by diversity alone.
            *rest: The first options, in langchain-qdrant's order.
            **options: See :class:`~mrl_adapters.langchain.options.SearchOptions`.
        """
        diverse = _diverse(fetch_k, lambda_mult, rest, options)
        vector = self._question_vector(query, diverse)
        return _documents(self._driver.run(self._search(vector, k, (), diverse, query)))

    @override
    async def amax_marginal_relevance_search(  # type: ignore[override] # see above
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        *rest: Any,
        **options: Unpack[SearchOptions],
    ) -> list[Document]:
        diverse = _diverse(fetch_k, lambda_mult, rest, options)
        vector = await self._aquestion_vector(query, diverse)
        return _documents(await self._driver.arun(self._search(vector, k, (), diverse, query)))

    def max_marginal_relevance_search_with_score(
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        *rest: Any,
        **options: Unpack[SearchOptions],
    ) -> list[tuple[Document, float]]:
        """Find documents as :meth:`max_marginal_relevance_search` does, with scores."""
        diverse = _diverse(fetch_k, lambda_mult, rest, options)
        vector = self._question_vector(query, diverse)
        return self._driver.run(self._search(vector, k, (), diverse, query))

    async def amax_marginal_relevance_search_with_score(
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        *rest: Any,
        **options: Unpack[SearchOptions],
    ) -> list[tuple[Document, float]]:
        """Find documents as :meth:`max_marginal_relevance_search` does, with scores."""
        diverse = _diverse(fetch_k, lambda_mult, rest, options)
        vector = await self._aquestion_vector(query, diverse)
        return await self._driver.arun(self._search(vector, k, (), diverse, query))

    @override
    def max_marginal_relevance_search_by_vector(  # type: ignore[override] # see above
        self,
        embedding: Sequence[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        *rest: Any,
        **options: Unpack[SearchOptions],
    ) -> list[Document]:
        diverse = _diverse(fetch_k, lambda_mult, rest, options)
        return _documents(self._driver.run(self._search(embedding, k, (), diverse)))

    @override
    async def amax_marginal_relevance_search_by_vector(  # type: ignore[override] # see above
        self,
        embedding: Sequence[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        *rest: Any,
        **options: Unpack[SearchOptions],
    ) -> list[Document]:
        diverse = _diverse(fetch_k, lambda_mult, rest, options)
        return _documents(await self._driver.arun(self._search(embedding, k, (), diverse)))

    def max_marginal_relevance_search_with_score_by_vector(
        self,
        embedding: Sequence[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        *rest: Any,
        **options: Unpack[SearchOptions],
    ) -> list[tuple[Document, float]]:
        """Find documents as :meth:`max_marginal_relevance_search` does, with scores."""
        diverse = _diverse(fetch_k, lambda_mult, rest, options)
        return self._driver.run(self._search(embedding, k, (), diverse))

    async def amax_marginal_relevance_search_with_score_by_vector(
        self,
        embedding: Sequence[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        *rest: Any,
        **options: Unpack[SearchOptions],
    ) -> list[tuple[Document, float]]:
        """Find documents as :meth:`max_marginal_relevance_search` does, with scores."""
        diverse = _diverse(fetch_k, lambda_mult, rest, options)
        return await self._driver.arun(self._search(embedding, k, (), diverse))

    @override
    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        # Read when a score is there: only then is the collection open and its distance known.
        return lambda score: self._relevance(score, {})

    @override
    def _similarity_search_with_relevance_scores(
        self, query: str, k: int = 4, **options: Any
    ) -> list[tuple[Document, float]]:
        found = self.similarity_search_with_score(query, k, **options)
        return [(document, self._relevance(score, options)) for document, score in found]

    @override
    async def _asimilarity_search_with_relevance_scores(
        self, query: str, k: int = 4, **options: Any
    ) -> list[tuple[Document, float]]:
        found = await self.asimilarity_search_with_score(query, k, **options)
        return [(document, self._relevance(score, options)) for document, score in found]

    def _relevance(self, score: float, options: Mapping[str, Any]) -> float:
        plan = self.plan.merge(search_plan(options))
        return relevance(score, self._collection.layout, by_words=not scores_vectors(plan))

    @override
    def as_retriever(  # type: ignore[override] # see above
        self, **options: Unpack[RetrieverOptions]
    ) -> StoreRetriever:
        """Make a retriever of LangChain's own kind.

        Args:
            **options: See :class:`~mrl_adapters.langchain.options.RetrieverOptions`. All but the
                tracers' can be given for one call as well: ``retriever.invoke(question, k=10)``.
        """
        return retriever_of(self, {"tags": [*self._get_retriever_tags()], **options})

    def _question_vector(self, query: str, options: Mapping[str, Any]) -> Sequence[float] | None:
        require_query(query)
        return None if self._is_lexical(options) else self._embedder.embed_query(query)

    async def _aquestion_vector(
        self, query: str, options: Mapping[str, Any]
    ) -> Sequence[float] | None:
        require_query(query)
        return None if self._is_lexical(options) else await self._embedder.aembed_query(query)

    def _is_lexical(self, options: Mapping[str, Any]) -> bool:
        """Return whether nothing need be embedded: words alone are searched for.

        Diversity compares full vectors, whatever found them.
        """
        if options.get("lambda_mult") is not None:
            return False
        if self._collection.plan.hybrid is None and options.keys().isdisjoint(_WORDED):
            return False
        return self.plan.merge(search_plan(options)).searches == "lexical"

    def _search(
        self,
        embedding: Sequence[float] | None,
        k: int,
        rest: Sequence[Any],
        options: Mapping[str, Any],
        text: str | None = None,
    ) -> Flow[list[tuple[Document, float]]]:
        if rest:
            options = named("A search", rest, SEARCH_ORDER, options)
        [found] = yield from self._search_all([embedding], k, options, [text])
        return found

    def _search_all(
        self,
        embeddings: Sequence[Sequence[float] | None],
        k: int,
        options: Mapping[str, Any],
        texts: Sequence[str | None],
    ) -> Flow[list[list[tuple[Document, float]]]]:
        refuse_unknown("A search", options, SEARCH_OPTIONS)
        yield from self._collection.open()
        query_filter = filter_for(self._collection, options.get("filter"))
        given = {**options, "k": k}
        searches = [
            build_search(embedding, query_filter, given, text)
            for embedding, text in zip(embeddings, texts, strict=True)
        ]
        added = AddedKeys.of(options)
        by, plan = group_by(options, self._collection), search_plan(options)
        if None in texts:
            plan = without_words(plan)
        if by is None:
            found = yield from self._collection.search(searches, plan)
        else:
            groups = yield from self._collection.search_groups(searches, by, plan)
            found = [*map(ungrouped, groups)]
        signals: Sequence[Signals | None] = [None] * len(searches)
        if added.signals is not None:
            signals = yield from self._collection.signals(searches, plan)
        contents = self._collection.contents
        return [
            [(to_document(point, contents, added, each), point.score) for point in points]
            for points, each in zip(found, signals, strict=True)
        ]

    def _stored(self, records: Sequence[models.Record]) -> list[Document]:
        contents = self._collection.contents
        return [to_document(record, contents) for record in records]


def _documents(scored: Sequence[tuple[Document, float]]) -> list[Document]:
    return [document for document, _ in scored]


def _diverse(
    fetch_k: int, lambda_mult: float, rest: Sequence[Any], options: SearchOptions
) -> Mapping[str, Any]:
    given = named("A search", rest, MMR_ORDER, options)
    return {**given, "fetch_k": fetch_k, "lambda_mult": diversity("lambda_mult", lambda_mult)}
