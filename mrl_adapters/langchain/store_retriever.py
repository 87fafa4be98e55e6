"""The retriever that ``store.as_retriever()`` gives: LangChain's own, with nothing dropped."""

from collections.abc import Mapping
from typing import Any

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
from mrl_adapters.langchain.options import (
    SEARCH_OPTIONS,
    SearchOptions,
    for_search_type,
    known_options,
    overridden,
)


class StoreRetriever(VectorStoreRetriever):
    """Search a store with ``search_kwargs``; a call's own options go before them."""

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    @override
    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        search_type, options = self._options(kwargs)
        return self.vectorstore.search(query, search_type, **options)

    @override
    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        search_type, options = self._options(kwargs)
        return await self.vectorstore.asearch(query, search_type, **options)

    def _options(self, call: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        known = known_options(type(self.vectorstore))
        refuse_unknown("The retriever", call, (*known, "search_type"))
        options = overridden(self.search_kwargs, call)
        search_type = options.pop("search_type", self.search_type)
        if search_type not in self.allowed_search_types:
            allowed = ", ".join(self.allowed_search_types)
            msg = f"search_type is {search_type!r}, expected one of: {allowed}."
            raise ConfigurationError(msg, found=search_type, expected=self.allowed_search_types)
        return search_type, for_search_type(search_type, options)


def retriever_of(store: VectorStore, options: Mapping[str, Any]) -> StoreRetriever:
    """Make a store's retriever.

    Args:
        store: The store.
        options: The retriever's fields (``tags``, ``search_type``, ``search_kwargs`` ...), and
            search options beside them.

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
    own = {name: value for name, value in search.items() if name in SEARCH_OPTIONS}
    SearchOptions(**own).check()  # told now, not at the first search
    rest = {name: value for name, value in options.items() if name in fields}
    return StoreRetriever(**{"vectorstore": store, **rest, "search_kwargs": search})
