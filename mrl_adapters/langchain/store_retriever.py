"""The retriever that ``store.as_retriever()`` gives: LangChain's own, with nothing dropped."""

from collections.abc import Mapping
from typing import Any, ClassVar

from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.vectorstores import VectorStore, VectorStoreRetriever
from pydantic import ConfigDict
from typing_extensions import override

from mrl_adapters.arguments import refuse_unknown
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.langchain.batch_retriever import ANSWER, BatchRetriever
from mrl_adapters.langchain.options import (
    check_search_options,
    known_options,
    retrieval_options,
)


class StoreRetriever(BatchRetriever, VectorStoreRetriever):
    """Search a store with ``search_kwargs``; a call's own options go before them."""

    model_config: ClassVar[ConfigDict] = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    @override
    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        answer = kwargs.pop(ANSWER, None)
        if answer is not None:
            return [*answer.documents()]
        search_type, options = self._options(kwargs)
        return self.vectorstore.search(query, search_type, **options)

    @override
    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        answer = kwargs.pop(ANSWER, None)
        if answer is not None:
            return [*answer.documents()]
        search_type, options = self._options(kwargs)
        return await self.vectorstore.asearch(query, search_type, **options)

    @override
    def _joint_options(self, call: Mapping[str, Any]) -> dict[str, Any] | None:
        search_type, options = self._options(call)
        if search_type == "similarity":
            return options
        return {"lambda_mult": 0.5, **options} if search_type == "mmr" else None

    def _options(self, call: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        return retrieval_options(
            type(self.vectorstore),
            self.search_kwargs,
            call,
            self.search_type,
            self.allowed_search_types,
        )


def retriever_of(store: VectorStore, options: Mapping[str, Any]) -> StoreRetriever:
    """Make a store's retriever of its own fields and of search options beside them.

    Raises:
        ConfigurationError: An option is unknown, or stands both at the top and in
            ``search_kwargs``.
    """
    known = known_options(type(store))
    fields = [name for name in StoreRetriever.model_fields if name not in known]
    refuse_unknown("as_retriever()", options, (*known, *fields))
    nested = options.get("search_kwargs") or {}
    refuse_unknown("search_kwargs", nested, known)
    top = {name: value for name, value in options.items() if name in known}
    if doubled := [name for name in top if name in nested]:
        msg = f"as_retriever() got {doubled[0]!r} twice: at the top and in search_kwargs. Pass one."
        raise ConfigurationError(msg, found=(top[doubled[0]], nested[doubled[0]]))
    search = {**nested, **top}
    check_search_options(search)  # told now, not at the first search
    rest = {name: value for name, value in options.items() if name in fields}
    return StoreRetriever(**{"vectorstore": store, **rest, "search_kwargs": search})
