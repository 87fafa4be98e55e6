"""More like this: search a LangChain store by documents that it holds."""

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.documents import Document
from typing_extensions import Unpack

from mrl_adapters.arguments import refuse_unknown
from mrl_adapters.langchain.filters import filter_for
from mrl_adapters.langchain.options import (
    SEARCH_OPTIONS,
    DiverseSearchOptions,
    build_search,
    group_by,
)
from mrl_adapters.langchain.points import AddedKeys, to_document
from mrl_adapters.langchain.question_batches import BatchSearchingStore
from mrl_adapters.langchain.stock import search_plan
from mrl_adapters.qdrant import Search
from mrl_adapters.qdrant.examples import Examples, search_like
from mrl_adapters.qdrant.flow import Flow
from mrl_adapters.qdrant.ids import DocumentId
from mrl_adapters.qdrant.signals import refuse_signals
from mrl_adapters.vectors import FloatArray


class SimilarSearchingStore(BatchSearchingStore):
    """Find documents that are like some that are stored, and unlike others."""

    def more_like_this(
        self,
        positive: Sequence[DocumentId],
        k: int = 4,
        *,
        negative: Sequence[DocumentId] = (),
        **options: Unpack[DiverseSearchOptions],
    ) -> list[Document]:
        """Find documents that are like stored ones; these are not among them.

        Args:
            positive: Ids of documents that results are to be like.
            k: Documents wanted.
            negative: Ids of documents that results are not to be like.
            **options: See :class:`~mrl_adapters.langchain.options.DiverseSearchOptions`.

        Raises:
            ConfigurationError: No document has one of the ids, there is no positive one, or an
                option does not exist.
            EmbeddingError: One of the documents has no vector.
        """
        found = self.more_like_this_with_score(positive, k, negative=negative, **options)
        return [document for document, _ in found]

    async def amore_like_this(
        self,
        positive: Sequence[DocumentId],
        k: int = 4,
        *,
        negative: Sequence[DocumentId] = (),
        **options: Unpack[DiverseSearchOptions],
    ) -> list[Document]:
        """Find documents that are like stored ones, as :meth:`more_like_this` does."""
        found = await self.amore_like_this_with_score(positive, k, negative=negative, **options)
        return [document for document, _ in found]

    def more_like_this_with_score(
        self,
        positive: Sequence[DocumentId],
        k: int = 4,
        *,
        negative: Sequence[DocumentId] = (),
        **options: Unpack[DiverseSearchOptions],
    ) -> list[tuple[Document, float]]:
        """Find documents as :meth:`more_like_this` does, with their scores."""
        return self._driver.run(self._like(Examples(positive, negative), {**options, "k": k}))

    async def amore_like_this_with_score(
        self,
        positive: Sequence[DocumentId],
        k: int = 4,
        *,
        negative: Sequence[DocumentId] = (),
        **options: Unpack[DiverseSearchOptions],
    ) -> list[tuple[Document, float]]:
        """Find documents as :meth:`more_like_this` does, with their scores."""
        examples = Examples(positive, negative)
        return await self._driver.arun(self._like(examples, {**options, "k": k}))

    def _like(
        self, examples: Examples, options: Mapping[str, Any]
    ) -> Flow[list[tuple[Document, float]]]:
        refuse_unknown("A search", options, SEARCH_OPTIONS)
        yield from self._collection.open()
        query_filter = filter_for(self._collection, options.get("filter"))
        refuse_signals(options.get("signals_key"))
        added = AddedKeys.of(options)

        def search_for(vector: FloatArray) -> Search:
            return build_search(vector, query_filter, options)

        by = group_by(options, self._collection)
        points = yield from search_like(
            self._collection, examples, search_for, search_plan(options), by
        )
        contents = self._collection.contents
        return [(to_document(point, contents, added), point.score) for point in points]
