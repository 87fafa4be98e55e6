"""The spans and events of the store, for LlamaIndex's instrumentation."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from llama_index.core.instrumentation.event_handlers import NullEventHandler
from llama_index.core.instrumentation.events import BaseEvent
from llama_index.core.instrumentation.span_handlers import NullSpanHandler
from llama_index_instrumentation import get_dispatcher
from llama_index_instrumentation.dispatcher import Dispatcher
from typing_extensions import override

dispatcher: Dispatcher = get_dispatcher(__name__)

_DEAF = (NullEventHandler, NullSpanHandler)

Method = TypeVar("Method", bound=Callable[..., Any])


def span(method: Method) -> Method:
    """Open a span around each call of a method or coroutine, where anybody listens."""
    # The dispatcher asks for it at every call, and inspect would build it anew.
    cast(Any, method).__signature__ = inspect.signature(method)
    spanned = cast(Method, dispatcher.span(method))

    @wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        return (spanned if listened() else method)(*args, **kwargs)

    @wraps(method)
    async def acall(*args: Any, **kwargs: Any) -> Any:
        return await call(*args, **kwargs)

    return cast(Method, acall if inspect.iscoroutinefunction(method) else call)


def listened() -> bool:
    """Check whether anybody listens: making spans and events costs as much as sending them."""
    current = dispatcher
    while True:
        handlers = (*current.event_handlers, *current.span_handlers)
        if any(not isinstance(handler, _DEAF) for handler in handlers):
            return True
        if not current.propagate:
            return False
        current = current.parent


class MatryoshkaSearchEvent(BaseEvent):
    """An answered search.

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
