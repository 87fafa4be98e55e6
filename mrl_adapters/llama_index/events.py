"""What the store tells LlamaIndex's instrumentation."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast

from llama_index.core.instrumentation.events import BaseEvent
from llama_index_instrumentation import get_dispatcher
from typing_extensions import override

dispatcher = get_dispatcher(__name__)

Method = TypeVar("Method", bound=Callable[..., Any])


def span(method: Method) -> Method:
    """Open a span around each call of a method.

    Args:
        method: The method; coroutines as well.
    """
    # The dispatcher asks for it at every call, and inspect would build it anew.
    method.__signature__ = inspect.signature(method)  # type: ignore[attr-defined] # inspect's own name for it
    return cast(Method, dispatcher.span(method))


class MatryoshkaSearchEvent(BaseEvent):
    """One search was answered.

    Args:
        collection_name: The collection.
        similarity_top_k: Nodes wanted.
        stages: Sizes of the short vectors that were searched, shortest first; none where every
            full vector was compared.
        shortlists: Candidates that each stage handed on.
        found: Nodes found.
    """

    collection_name: str
    similarity_top_k: int
    stages: list[int]
    shortlists: list[int]
    found: int

    @classmethod
    @override
    def class_name(cls) -> str:
        return "MatryoshkaSearchEvent"
