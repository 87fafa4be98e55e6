"""How documents get into a LangChain store and out of it again, sync and async."""

from collections.abc import Iterable, Sequence
from typing import Any

from langchain_core.documents import Document
from langchain_core.vectorstores import VectorStore
from numpy.typing import ArrayLike
from typing_extensions import Unpack, override

from mrl_adapters.arguments import refuse_unknown
from mrl_adapters.embeddings import Embedder
from mrl_adapters.embeddings.embedder import ArrayEmbedder, adocument_vectors, document_vectors
from mrl_adapters.langchain.batches import batches_of, columns_of
from mrl_adapters.langchain.filters import filter_for
from mrl_adapters.langchain.options import (
    ADD_OPTIONS,
    DELETE_OPTIONS,
    AddOptions,
    DeleteOptions,
)
from mrl_adapters.langchain.progress import reporting
from mrl_adapters.qdrant import Driver, MatryoshkaCollection
from mrl_adapters.qdrant.flow import Flow
from mrl_adapters.qdrant.ids import DocumentId
from mrl_adapters.qdrant.loading import Load


class WritingStore(VectorStore):
    """The writing half of :class:`~mrl_adapters.langchain.MatryoshkaVectorStore`."""

    _driver: Driver
    _collection: MatryoshkaCollection
    _embedder: Embedder

    @override
    def add_texts(  # type: ignore[override] # unknown options are refused
        self,
        texts: Iterable[str],
        metadatas: Iterable[dict[str, Any] | None] | None = None,
        ids: Iterable[DocumentId | None] | None = None,
        batch_size: int = 256,
        **options: Unpack[AddOptions],
    ) -> list[str]:
        """Embed texts, each once at full size, and store them batch by batch.

        Args:
            texts: The texts; a generator is read batch by batch.
            metadatas: One mapping a text.
            ids: One id a text: any string, integer or UUID; one that is there already, in any
                spelling that Qdrant takes, is replaced. None entries get new ids.
            batch_size: Texts that are embedded, checked and written together.
            **options: See :class:`~mrl_adapters.langchain.options.AddOptions`.

        Returns:
            The ids, as given; integers and UUIDs as strings.

        Raises:
            ConfigurationError: Texts, metadatas and ids differ in number, something of them
                cannot be stored, or an option does not exist.
            EmbeddingError: A vector holds NaN or infinity. Nothing of its batch was written.

        Warns:
            ZeroVectorsWarning: Vectors are all zeros: those documents are stored, but no search
                finds them.

        Whatever ends the call says what became of it: the error's ``stored_ids`` and
        ``missing_ids`` (see :meth:`mrl_adapters.qdrant.loading.Load.told`). The same call again
        completes it, without storing anything twice.
        """
        load = self._load(options)
        with load.told(), reporting(options.get("progress", False), texts) as report:
            self._driver.run(self._collection.open())  # its payload keys are needed
            keys = self._collection.keys
            for batch in batches_of(texts, metadatas, ids, batch_size, keys):
                named = self._driver.run(load.name(batch.ids, batch.payloads, whole=batch.whole))
                for part, some, payloads in batch.portions(named, batch_size):
                    report(self._driver.run(load.add(part, self._embed(some), payloads)))
            if kept := self._driver.run(load.finish()):
                report(kept)
        return load.ids

    @override
    async def aadd_texts(  # type: ignore[override] # unknown options are refused
        self,
        texts: Iterable[str],
        metadatas: Iterable[dict[str, Any] | None] | None = None,
        ids: Iterable[DocumentId | None] | None = None,
        batch_size: int = 256,
        **options: Unpack[AddOptions],
    ) -> list[str]:
        """Embed and store texts, as :meth:`add_texts` does."""
        load = self._load(options)
        with load.told(), reporting(options.get("progress", False), texts) as report:
            await self._driver.arun(self._collection.open())  # its payload keys are needed
            keys = self._collection.keys
            for batch in batches_of(texts, metadatas, ids, batch_size, keys):
                flow = load.name(batch.ids, batch.payloads, whole=batch.whole)
                named = await self._driver.arun(flow)
                for part, some, payloads in batch.portions(named, batch_size):
                    vectors = await self._aembed(some)
                    report(await self._driver.arun(load.add(part, vectors, payloads)))
            if kept := await self._driver.arun(load.finish()):
                report(kept)
        return load.ids

    def _load(self, options: AddOptions) -> Load:
        refuse_unknown("add_texts()", options, ADD_OPTIONS)
        shard_key = options.get("shard_key", options.get("shard_key_selector"))
        return Load(self._collection, shard_key=shard_key, ordering=options.get("ordering"))

    @override
    def add_documents(self, documents: Iterable[Document], **options: Any) -> list[str]:
        """Embed and store documents, as :meth:`add_texts` does; their own ids are kept.

        Args:
            documents: Documents; a generator is read batch by batch.
            **options: Those of :meth:`add_texts`; ``ids`` go before the documents' own.
        """
        return self.add_texts(**{**columns_of(documents), **options})

    @override
    async def aadd_documents(self, documents: Iterable[Document], **options: Any) -> list[str]:
        return await self.aadd_texts(**{**columns_of(documents), **options})

    def _embed(self, texts: list[str]) -> ArrayLike:
        if isinstance(self._embedder, ArrayEmbedder):
            return self._embedder.embed_array(texts)
        return document_vectors(self._embedder, texts)

    async def _aembed(self, texts: list[str]) -> ArrayLike:
        if isinstance(self._embedder, ArrayEmbedder):
            return await self._embedder.aembed_array(texts)
        return await adocument_vectors(self._embedder, texts)

    @override
    def delete(  # type: ignore[override] # unknown options are refused
        self, ids: Sequence[DocumentId] | None = None, **options: Unpack[DeleteOptions]
    ) -> bool:
        """Delete documents.

        Args:
            ids: Which, in any spelling; None deletes every document. Those that are not there are
                passed over.
            **options: See :class:`~mrl_adapters.langchain.options.DeleteOptions`.

        Raises:
            ConfigurationError: There are no ids, and the filter is empty or holds for every
                document; to delete every document, give neither.
        """
        self._driver.run(self._delete(ids, options))
        return True

    @override
    async def adelete(  # type: ignore[override] # unknown options are refused
        self, ids: Sequence[DocumentId] | None = None, **options: Unpack[DeleteOptions]
    ) -> bool:
        await self._driver.arun(self._delete(ids, options))
        return True

    def _delete(self, ids: Sequence[DocumentId] | None, options: DeleteOptions) -> Flow[None]:
        refuse_unknown("delete()", options, DELETE_OPTIONS)
        yield from self._collection.open()
        condition = filter_for(self._collection, options.get("filter"))
        yield from self._collection.delete(ids, condition, ordering=options.get("ordering"))
