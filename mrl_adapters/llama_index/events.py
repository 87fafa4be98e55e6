"""What the store tells LlamaIndex's instrumentation."""

from llama_index.core.instrumentation.events import BaseEvent
from typing_extensions import override


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
