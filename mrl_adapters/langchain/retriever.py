"""The retriever for LangChain."""

import time
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
    adispatch_custom_event,
    dispatch_custom_event,
)
from langchain_core.documents import Document
from langchain_core.retrievers import LangSmithRetrieverParams
from pydantic import ConfigDict, SkipValidation, model_validator
from typing_extensions import Self, override

from mrl_adapters.arguments import refuse_unknown
from mrl_adapters.langchain.batch_retriever import ANSWER, Answer, BatchRetriever
from mrl_adapters.langchain.filters import MetadataFilter
from mrl_adapters.langchain.options import (
    SEARCH_OPTIONS,
    build_search,
    check_search_options,
    retrieval_options,
)
from mrl_adapters.langchain.stock import search_plan
from mrl_adapters.langchain.vector_store import MatryoshkaVectorStore
from mrl_adapters.qdrant.paging import depth
from mrl_adapters.qdrant.plan import Plan
from mrl_adapters.qdrant.query import chosen_stages

SEARCH_EVENT = "matryoshka_search"
_SEARCH_TYPES = ("similarity", "mmr")


class MatryoshkaRetriever(BatchRetriever):
    """Retrieve documents in two stages: short vectors choose, full vectors rank.

    Every field can be given for one call: ``retriever.invoke(question, k=10)``. Tracers get the
    names of store, embedding and model with the run's metadata, and after each search a custom
    event named ``matryoshka_search``: its ``stages``, their ``shortlists`` (none where full vectors
    are searched directly), and ``search_s``, the seconds that embedding and search took (of
    all questions, where ``batch`` asked for several in one request).

    Setup:
        ``pip install 'mrl-adapters[langchain]'``

    Key init args:
        vectorstore: A :class:`MatryoshkaVectorStore`.
        k: Documents wanted.
        filter: A dict over metadata or a Qdrant Filter.
        offset: Documents skipped before them.
        score_threshold: Scores must exceed it (distances stay below it).
        search_type: ``similarity``, or ``mmr`` for diverse results.
        fetch_k: Candidates that ``mmr`` chooses from.
        lambda_mult: 1 chooses by similarity alone, 0 by diversity alone (``mmr``).
        score_key: Metadata key under which each document gets its full vector's score, also with
            ``mmr``; in place of what it has there itself. None adds nothing.
        signals_key: Metadata key under which each document gets its question's
            :class:`~mrl_adapters.qdrant.Signals`: signs of weak retrieval. None adds nothing.
        group_by: Metadata key: ``k`` and ``offset`` count its values (the documents that passages
            are from, say), each with its best passages side by side.
        group_size: Passages of a value at most.
        retrieval_mode: What finds documents, in place of the store's: ``dense``, ``sparse``,
            ``hybrid``, ``rrf``, ``dbsf``, ``rescore`` or ``lexical``.
        hybrid_fusion: Qdrant's ``FusionQuery`` or ``RrfQuery``: how vectors and words are fused.
        plan: A SearchPlan, or a dict of the knobs to change.

    Instantiate:
        .. code-block:: python

            from mrl_adapters.langchain import MatryoshkaRetriever

            retriever = MatryoshkaRetriever(vectorstore=store, k=4)

    Use:
        .. code-block:: python

            retriever.invoke("copy a directory tree")

    Use within a chain:
        .. code-block:: python

            chain = {"context": retriever, "question": RunnablePassthrough()} | prompt | llm
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    vectorstore: MatryoshkaVectorStore
    # Checked below, as a call's options are: pydantic would make 1 of True, a Filter of a dict over
    # metadata, and a whole plan of the few knobs that a dict changes.
    k: SkipValidation[int] = 4
    filter: SkipValidation[MetadataFilter | None] = None
    offset: SkipValidation[int] = 0
    score_threshold: SkipValidation[float | None] = None
    search_type: Literal["similarity", "mmr"] = "similarity"
    fetch_k: SkipValidation[int] = 20
    lambda_mult: SkipValidation[float] = 0.5
    score_key: SkipValidation[str | None] = None
    signals_key: SkipValidation[str | None] = None
    group_by: SkipValidation[str | None] = None
    group_size: SkipValidation[int] = 3
    retrieval_mode: SkipValidation[Any] = None
    hybrid_fusion: SkipValidation[Any] = None
    plan: SkipValidation[Plan | None] = None

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown(cls, given: Any) -> Any:
        if isinstance(given, Mapping):
            refuse_unknown(cls.__name__, given, tuple(cls.model_fields))
        return given

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_search_options(
            {**self._own(), "group_by": "any" if self.group_by is None else self.group_by}
        )
        return self

    @override
    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        answer: Answer | None = kwargs.pop(ANSWER, None)
        options = self._options(kwargs)
        started = time.perf_counter()
        if answer is None:
            found = self.vectorstore.similarity_search(query, **options)
            answer = Answer(found, time.perf_counter() - started)
        documents = answer.documents()
        if run_manager.handlers:
            dispatch_custom_event(
                SEARCH_EVENT,
                self._facts(options, answer.search_s),
                config={"callbacks": run_manager.get_child()},
            )
        return documents

    @override
    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        answer: Answer | None = kwargs.pop(ANSWER, None)
        options = self._options(kwargs)
        started = time.perf_counter()
        if answer is None:
            found = await self.vectorstore.asimilarity_search(query, **options)
            answer = Answer(found, time.perf_counter() - started)
        documents = answer.documents()
        if run_manager.handlers:
            await adispatch_custom_event(
                SEARCH_EVENT,
                self._facts(options, answer.search_s),
                config={"callbacks": run_manager.get_child()},
            )
        return documents

    @override
    def _joint_options(self, call: Mapping[str, Any]) -> dict[str, Any] | None:
        return self._options(call)

    def _own(self) -> dict[str, Any]:
        """Return the fields that searches read; those that say nothing cost nothing to read."""
        own = self.__dict__  # hasattr would have pydantic look for each option that is no field
        return {
            name: own[name]
            for name in _OWN_OPTIONS
            if own[name] is not None or name not in _MAY_BE_NONE
        }

    def _options(self, call: Mapping[str, Any]) -> dict[str, Any]:
        kind = type(self.vectorstore)
        return retrieval_options(kind, self._own(), call, self.search_type, _SEARCH_TYPES)[1]

    def _facts(self, options: Mapping[str, Any], search_s: float) -> dict[str, Any]:
        return {**self._stages(options), "search_s": search_s}

    def _stages(self, options: Mapping[str, Any]) -> dict[str, Any]:
        store = self.vectorstore
        plan = store.plan.merge(search_plan(options))
        search = build_search((), None, options)
        layout = store.collection.layout
        stages = chosen_stages(layout, plan, store.driver.engine) if layout else ()
        return {
            "stages": list(stages),
            "shortlists": plan.shortlists(len(stages), depth(search, plan)),
        }

    @override
    def _get_ls_params(self, **kwargs: Any) -> LangSmithRetrieverParams:
        store = self.vectorstore
        params = super()._get_ls_params(**kwargs)
        params["ls_vector_store_provider"] = type(store).__name__
        params["ls_embedding_provider"] = type(store.embeddings).__name__
        params["ls_embedding_model"] = store.collection.model
        return params


_FIELDS = MatryoshkaRetriever.model_fields
_OWN_OPTIONS = tuple(name for name in SEARCH_OPTIONS if name in _FIELDS)
_MAY_BE_NONE = frozenset(name for name in _OWN_OPTIONS if _FIELDS[name].default is None)
