"""What both retrievers share: a batch is one search, and each of its questions keeps a run."""

import abc
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import get_config_list
from langchain_core.vectorstores import VectorStore
from typing_extensions import override

from mrl_adapters.embeddings.texts import is_blank
from mrl_adapters.errors import ConfigurationError

ANSWER = "_answer"
"""Under this name a retriever's run is handed what its question found in a batch."""


class Answer(NamedTuple):
    """What a question found in a batch, or why none of it was answered.

    Args:
        found: The documents, or the error.
        search_s: Seconds that embedding and search of the whole batch took.
    """

    found: list[Document] | Exception
    search_s: float

    def documents(self) -> list[Document]:
        """Return the documents, or raise the error in the question's own run."""
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


class BatchRetriever(BaseRetriever):
    """A retriever whose ``batch`` asks once for all questions; each still has a run of its own."""

    vectorstore: VectorStore

    @override
    def batch(
        self,
        inputs: list[str],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[list[Document]]:
        options = self._batch_options(inputs, kwargs)
        if options is None:
            return super().batch(inputs, config, return_exceptions=return_exceptions, **kwargs)
        started = time.perf_counter()
        try:
            store: Any = self.vectorstore
            found: Any = store.similarity_search_batch(inputs, **options)
        except Exception as error:  # noqa: BLE001 - raised, or returned, by each run
            found = [error] * len(inputs)
        search_s = time.perf_counter() - started
        results: list[Any] = []
        configs = get_config_list(config, len(inputs))
        for question, own, each in zip(inputs, configs, found, strict=True):
            answer = {ANSWER: Answer(each, search_s)}
            try:
                results.append(self.invoke(question, own, **kwargs, **answer))
            except Exception as error:
                if not return_exceptions:
                    raise
                results.append(error)
        return results

    @override
    async def abatch(
        self,
        inputs: list[str],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[list[Document]]:
        options = self._batch_options(inputs, kwargs)
        if options is None:
            return await super().abatch(
                inputs, config, return_exceptions=return_exceptions, **kwargs
            )
        started = time.perf_counter()
        try:
            store: Any = self.vectorstore
            found: Any = await store.asimilarity_search_batch(inputs, **options)
        except Exception as error:  # noqa: BLE001 - raised, or returned, by each run
            found = [error] * len(inputs)
        search_s = time.perf_counter() - started
        results: list[Any] = []
        configs = get_config_list(config, len(inputs))
        for question, own, each in zip(inputs, configs, found, strict=True):
            answer = {ANSWER: Answer(each, search_s)}
            try:
                results.append(await self.ainvoke(question, own, **kwargs, **answer))
            except Exception as error:
                if not return_exceptions:
                    raise
                results.append(error)
        return results

    @abc.abstractmethod
    def _joint_options(self, call: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return a call's options as ``similarity_search`` takes them; None if it does not."""

    def _batch_options(
        self, inputs: Sequence[Any], call: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """Return the options of a joint search; None where each question is to go by itself.

        So does each where one cannot be asked: what is wrong with it is its own run's matter.
        """
        asked = all(isinstance(each, str) and not is_blank(each) for each in inputs)
        store: Any = self.vectorstore
        joint = hasattr(store, "joins_questions") and store.joins_questions()
        if len(inputs) <= 1 or not asked or not joint or "run_id" in call:
            return None
        try:
            return self._joint_options(call)
        except ConfigurationError:
            return None
