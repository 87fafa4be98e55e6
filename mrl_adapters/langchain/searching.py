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
)
from mrl_adapters.langchain.points import to_document
from mrl_adapters.langchain.store_retriever import StoreRetriever, retriever_of
from mrl_adapters.qdrant import CollectionLayout, Driver, MatryoshkaCollection, SearchPlan
from mrl_adapters.qdrant.flow import Flow
from mrl_adapters.qdrant.ids import DocumentId
from mrl_adapters.qdrant.query import diversity

# LangChain's signatures promise to take any option. Here unknown ones are refused, and the known
# ones are typed: hence the ignored overrides.


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
        return self._documents(self._driver.run(self._collection.get(ids)))

    @override
    async def aget_by_ids(self, ids: Sequence[DocumentId], /) -> list[Document]:
        return self._documents(await self._driver.arun(self._collection.get(ids)))

    @override
    def similarity_search(  # type: ignore[override] # see above
        self, query: str, k: int = 4, **options: Unpack[DiverseSearchOptions]
    ) -> list[Document]:
        """Find the documents nearest to a question.

        Args:
            query: The question.
            k: Documents wanted.
            **options: See :class:`~mrl_adapters.langchain.options.DiverseSearchOptions`.

        Raises:
            ConfigurationError: An option does not exist, or a number is outside its range.
            EmbeddingError: The question is blank.
        """
        return _without_scores(self.similarity_search_with_score(query, k, **options))

    @override
    async def asimilarity_search(  # type: ignore[override] # see above
        self, query: str, k: int = 4, **options: Unpack[DiverseSearchOptions]
    ) -> list[Document]:
        return _without_scores(await self.asimilarity_search_with_score(query, k, **options))

    @override
    def similarity_search_with_score(
        self, query: str, k: int = 4, **options: Unpack[DiverseSearchOptions]
    ) -> list[tuple[Document, float]]:
        """Find documents as :meth:`similarity_search` does, with the full vectors' scores."""
        vector = self._embedder.embed_query(require_query(query))
        return self._scored(self._driver.run(self._search(vector, k, options)))

    @override
    async def asimilarity_search_with_score(
        self, query: str, k: int = 4, **options: Unpack[DiverseSearchOptions]
    ) -> list[tuple[Document, float]]:
        vector = await self._embedder.aembed_query(require_query(query))
        return self._scored(await self._driver.arun(self._search(vector, k, options)))

    @override
    def similarity_search_by_vector(  # type: ignore[override] # see above
        self, embedding: Sequence[float], k: int = 4, **options: Unpack[DiverseSearchOptions]
    ) -> list[Document]:
        return self._documents(self._driver.run(self._search(embedding, k, options)))

    @override
    async def asimilarity_search_by_vector(  # type: ignore[override] # see above
        self, embedding: Sequence[float], k: int = 4, **options: Unpack[DiverseSearchOptions]
    ) -> list[Document]:
        return self._documents(await self._driver.arun(self._search(embedding, k, options)))

    def similarity_search_with_score_by_vector(
        self, embedding: Sequence[float], k: int = 4, **options: Unpack[DiverseSearchOptions]
    ) -> list[tuple[Document, float]]:
        """Find documents by a full vector of shape (d,), as :meth:`similarity_search` does."""
        return self._scored(self._driver.run(self._search(embedding, k, options)))

    async def asimilarity_search_with_score_by_vector(
        self, embedding: Sequence[float], k: int = 4, **options: Unpack[DiverseSearchOptions]
    ) -> list[tuple[Document, float]]:
        """Find documents by a full vector of shape (d,), as :meth:`similarity_search` does."""
        return self._scored(await self._driver.arun(self._search(embedding, k, options)))

    @override
    def max_marginal_relevance_search(  # type: ignore[override] # see above
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        **options: Unpack[SearchOptions],
    ) -> list[Document]:
        """Find documents that are near to a question and unlike each other.

        Args:
            query: The question.
            k: Documents wanted.
            fetch_k: Candidates to choose from.
            lambda_mult: 1 chooses by similarity alone, 0 by diversity alone.
            **options: See :class:`~mrl_adapters.langchain.options.SearchOptions`.
        """
        vector = self._embedder.embed_query(require_query(query))
        diverse = _diverse(fetch_k, lambda_mult, options)
        return self._documents(self._driver.run(self._search(vector, k, diverse)))

    @override
    async def amax_marginal_relevance_search(  # type: ignore[override] # see above
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        **options: Unpack[SearchOptions],
    ) -> list[Document]:
        vector = await self._embedder.aembed_query(require_query(query))
        diverse = _diverse(fetch_k, lambda_mult, options)
        return self._documents(await self._driver.arun(self._search(vector, k, diverse)))

    @override
    def max_marginal_relevance_search_by_vector(  # type: ignore[override] # see above
        self,
        embedding: Sequence[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        **options: Unpack[SearchOptions],
    ) -> list[Document]:
        diverse = _diverse(fetch_k, lambda_mult, options)
        return self._documents(self._driver.run(self._search(embedding, k, diverse)))

    @override
    async def amax_marginal_relevance_search_by_vector(  # type: ignore[override] # see above
        self,
        embedding: Sequence[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        **options: Unpack[SearchOptions],
    ) -> list[Document]:
        diverse = _diverse(fetch_k, lambda_mult, options)
        return self._documents(await self._driver.arun(self._search(embedding, k, diverse)))

    @override
    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        # Read when a score is there: only then is the collection open and its distance known.
        return lambda score: relevance(score, self._collection.layout)

    @override
    def as_retriever(  # type: ignore[override] # see above
        self, **options: Unpack[RetrieverOptions]
    ) -> StoreRetriever:
        """Make a retriever of LangChain's own kind.

        Args:
            **options: See :class:`~mrl_adapters.langchain.options.RetrieverOptions`. All but the
                tracers' can be given for one call as well: ``retriever.invoke(question, k=10)``.

        Raises:
            ConfigurationError: An option does not exist, or is given twice.
        """
        return retriever_of(self, {"tags": [*self._get_retriever_tags()], **options})

    def _search(
        self, embedding: Sequence[float], k: int, options: Mapping[str, Any]
    ) -> Flow[list[models.ScoredPoint]]:
        refuse_unknown("A search", options, SEARCH_OPTIONS)
        yield from self._collection.open()
        query_filter = filter_for(self._collection, options.get("filter"))
        search = build_search(embedding, query_filter, {**options, "k": k})
        return (yield from self._collection.search([search], options.get("plan")))[0]

    def _scored(self, points: Sequence[models.ScoredPoint]) -> list[tuple[Document, float]]:
        contents = self._collection.contents
        return [(to_document(point, contents), point.score) for point in points]

    def _documents(
        self, points: Sequence[models.Record] | Sequence[models.ScoredPoint]
    ) -> list[Document]:
        contents = self._collection.contents
        return [to_document(point, contents) for point in points]


def relevance(score: float, layout: CollectionLayout | None) -> float:
    """Map a score into [0, 1], where 1 is most similar, keeping the order of the hits.

    Args:
        score: Qdrant's score: a similarity under Cosine and Dot, a distance otherwise.
        layout: The collection's layout; None is taken for Cosine.

    Returns:
        Cosine: (1 + score) / 2. Dot, which has no bounds: (1 + score / (1 + abs(score))) / 2.
        Euclid and Manhattan: 1 / (1 + distance).
    """
    distance = layout.distance if layout else "Cosine"
    if distance == "Cosine":
        # float16 vectors can score a hair above 1.
        return min(1.0, max(0.0, (1.0 + score) / 2.0))
    if distance == "Dot":
        return (1.0 + score / (1.0 + abs(score))) / 2.0
    return 1.0 / (1.0 + score)


def _diverse(fetch_k: int, lambda_mult: float, options: SearchOptions) -> Mapping[str, Any]:
    share = diversity("lambda_mult", lambda_mult)
    return {**options, "fetch_k": fetch_k, "lambda_mult": share}


def _without_scores(scored: list[tuple[Document, float]]) -> list[Document]:
    return [document for document, _ in scored]
