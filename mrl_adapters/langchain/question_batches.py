"""Many questions at a time: one call of the embedder, one request to Qdrant."""

from collections.abc import Sequence

from langchain_core.documents import Document
from typing_extensions import Unpack

from mrl_adapters.arguments import require_list
from mrl_adapters.embeddings.questions import aquery_vectors, query_vectors
from mrl_adapters.embeddings.texts import require_query
from mrl_adapters.langchain.options import DiverseSearchOptions
from mrl_adapters.langchain.searching import SearchingStore


class BatchSearchingStore(SearchingStore):
    """Answer many questions with one call of the embedder and one request to Qdrant."""

    def joins_questions(self) -> bool:
        """Return whether a batch finds what its questions find: subclasses may search otherwise."""
        return type(self).similarity_search is SearchingStore.similarity_search

    def similarity_search_batch(
        self, queries: Sequence[str], k: int = 4, **options: Unpack[DiverseSearchOptions]
    ) -> list[list[Document]]:
        """Find the documents nearest to each of several questions.

        Args:
            queries: The questions.
            k: Documents wanted for each.
            **options: The same for all: see
                :class:`~mrl_adapters.langchain.options.DiverseSearchOptions`.

        Returns:
            What :meth:`similarity_search` finds, one list a question.

        Raises:
            ConfigurationError: ``queries`` is one text, an option does not exist, or a number is
                outside its range.
            EmbeddingError: A question is blank.
        """
        found = self.similarity_search_batch_with_score(queries, k, **options)
        return [_documents(each) for each in found]

    async def asimilarity_search_batch(
        self, queries: Sequence[str], k: int = 4, **options: Unpack[DiverseSearchOptions]
    ) -> list[list[Document]]:
        """Find documents for several questions, as :meth:`similarity_search_batch` does."""
        found = await self.asimilarity_search_batch_with_score(queries, k, **options)
        return [_documents(each) for each in found]

    def similarity_search_batch_with_score(
        self, queries: Sequence[str], k: int = 4, **options: Unpack[DiverseSearchOptions]
    ) -> list[list[tuple[Document, float]]]:
        """Find documents as :meth:`similarity_search_batch` does, with their scores."""
        texts = _questions(queries)
        lexical = self._is_lexical(options)
        vectors = [None] * len(texts) if lexical else query_vectors(self._embedder, texts)
        return self._driver.run(self._search_all(vectors, k, options, texts))

    async def asimilarity_search_batch_with_score(
        self, queries: Sequence[str], k: int = 4, **options: Unpack[DiverseSearchOptions]
    ) -> list[list[tuple[Document, float]]]:
        """Find documents as :meth:`similarity_search_batch` does, with their scores."""
        texts = _questions(queries)
        lexical = self._is_lexical(options)
        vectors = [None] * len(texts) if lexical else await aquery_vectors(self._embedder, texts)
        return await self._driver.arun(self._search_all(vectors, k, options, texts))


def _questions(queries: Sequence[str]) -> list[str]:
    return [require_query(each) for each in require_list(queries, "queries", "questions")]


def _documents(scored: Sequence[tuple[Document, float]]) -> list[Document]:
    return [document for document, _ in scored]
