"""Every way in which a LangChain store is searched, in both colours."""

from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.documents import Document
from langchain_core.vectorstores import VectorStore
from qdrant_client import models
from typing_extensions import override

from mrl_adapters.embeddings import Embedder
from mrl_adapters.embeddings.texts import require_query
from mrl_adapters.langchain.documents import to_document
from mrl_adapters.langchain.filters import filter_for
from mrl_adapters.langchain.options import SearchOptions
from mrl_adapters.langchain.relevance import relevance
from mrl_adapters.langchain.store_retriever import StoreRetriever, retriever_of
from mrl_adapters.qdrant import Driver, MatryoshkaCollection, SearchPlan
from mrl_adapters.qdrant.flow import Flow
from mrl_adapters.qdrant.ids import DocumentId
from mrl_adapters.qdrant.query import diversity


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
        return [
            to_document(each, self._collection.contents)
            for each in self._driver.run(self._collection.get(ids))
        ]

    @override
    async def aget_by_ids(self, ids: Sequence[DocumentId], /) -> list[Document]:
        return [
            to_document(each, self._collection.contents)
            for each in await self._driver.arun(self._collection.get(ids))
        ]

    @override
    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """Find the documents nearest to a question.

        Args:
            query: The question.
            k: Documents wanted.
            **kwargs: ``filter`` (see :func:`~mrl_adapters.langchain.filters.to_filter`),
                ``offset``, ``score_threshold`` (scores must exceed it; distances stay below),
                ``plan`` (a SearchPlan, or a dict of the knobs to change for this call). The whole
                list: :class:`~mrl_adapters.langchain.options.SearchOptions`.

        Raises:
            ConfigurationError: An option does not exist, or a number is outside its range.
            EmbeddingError: The question is blank.
        """
        return _documents(self.similarity_search_with_score(query, k, **kwargs))

    @override
    async def asimilarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        return _documents(await self.asimilarity_search_with_score(query, k, **kwargs))

    @override
    def similarity_search_with_score(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """Find documents as :meth:`similarity_search` does, with the full vectors' scores."""
        return self.similarity_search_with_score_by_vector(
            self._embedder.embed_query(require_query(query)), k, **kwargs
        )

    @override
    async def asimilarity_search_with_score(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        vector = await self._embedder.aembed_query(require_query(query))
        return await self.asimilarity_search_with_score_by_vector(vector, k, **kwargs)

    @override
    def similarity_search_by_vector(
        self, embedding: Sequence[float], k: int = 4, **kwargs: Any
    ) -> list[Document]:
        return _documents(self.similarity_search_with_score_by_vector(embedding, k, **kwargs))

    @override
    async def asimilarity_search_by_vector(
        self, embedding: Sequence[float], k: int = 4, **kwargs: Any
    ) -> list[Document]:
        return _documents(
            await self.asimilarity_search_with_score_by_vector(embedding, k, **kwargs)
        )

    def similarity_search_with_score_by_vector(
        self, embedding: Sequence[float], k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """Find documents by a full vector of shape (d,), as :meth:`similarity_search` does."""
        return self._scored(self._driver.run(self._search(embedding, k, **kwargs)))

    async def asimilarity_search_with_score_by_vector(
        self, embedding: Sequence[float], k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """Find documents by a full vector of shape (d,), as :meth:`similarity_search` does."""
        return self._scored(await self._driver.arun(self._search(embedding, k, **kwargs)))

    @override
    def max_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """Find documents that are near to a question and unlike each other.

        Args:
            query: The question.
            k: Documents wanted.
            fetch_k: Candidates to choose from.
            lambda_mult: 1 chooses by similarity alone, 0 by diversity alone.
            **kwargs: Those of :meth:`similarity_search`.
        """
        return self.max_marginal_relevance_search_by_vector(
            self._embedder.embed_query(require_query(query)), k, fetch_k, lambda_mult, **kwargs
        )

    @override
    async def amax_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        vector = await self._embedder.aembed_query(require_query(query))
        return await self.amax_marginal_relevance_search_by_vector(
            vector, k, fetch_k, lambda_mult, **kwargs
        )

    @override
    def max_marginal_relevance_search_by_vector(
        self,
        embedding: Sequence[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        **kwargs: Any,
    ) -> list[Document]:
        mmr = {"fetch_k": fetch_k, "lambda_mult": diversity("lambda_mult", lambda_mult)}
        return self.similarity_search_by_vector(embedding, k, **mmr, **kwargs)

    @override
    async def amax_marginal_relevance_search_by_vector(
        self,
        embedding: Sequence[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        **kwargs: Any,
    ) -> list[Document]:
        mmr = {"fetch_k": fetch_k, "lambda_mult": diversity("lambda_mult", lambda_mult)}
        return await self.asimilarity_search_by_vector(embedding, k, **mmr, **kwargs)

    @override
    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        # Read when a score is there: only then is the collection open and its distance known.
        return lambda score: relevance(score, self._collection.layout)

    @override
    def as_retriever(self, **kwargs: Any) -> StoreRetriever:
        """Make a retriever of LangChain's own kind.

        Args:
            **kwargs: Options of :meth:`similarity_search`, here or in ``search_kwargs``;
                ``search_type`` (``similarity``, ``mmr``, ``similarity_score_threshold``);
                ``tags``, ``metadata`` and ``name`` of the retriever. All but the last three can
                be given for one call as well: ``retriever.invoke(question, k=10)``.

        Raises:
            ConfigurationError: An option does not exist, or is given twice.
        """
        return retriever_of(self, {"tags": [*self._get_retriever_tags()], **kwargs})

    def _search(
        self, embedding: Sequence[float], k: int, **kwargs: Any
    ) -> Flow[list[list[models.ScoredPoint]]]:
        options = SearchOptions.read({"k": k, **kwargs})
        yield from self._collection.open()
        search = options.search(embedding, filter_for(self._collection, options.filter))
        return (yield from self._collection.search([search], options.plan))

    def _scored(self, answers: list[list[models.ScoredPoint]]) -> list[tuple[Document, float]]:
        contents = self._collection.contents
        return [(to_document(point, contents), point.score) for point in answers[0]]


def _documents(scored: list[tuple[Document, float]]) -> list[Document]:
    return [document for document, _ in scored]
