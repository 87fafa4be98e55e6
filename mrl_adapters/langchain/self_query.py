"""What SelfQueryRetriever needs of a store: a translator of the filters that its model writes."""

import contextlib
from collections.abc import Sequence
from typing import Any

from langchain_core.structured_query import (
    Comparator,
    Comparison,
    Operation,
    Operator,
    StructuredQuery,
    Visitor,
)
from typing_extensions import override

from mrl_adapters.langchain.vector_store import MatryoshkaVectorStore

_OPERATORS = {Operator.AND: "$and", Operator.OR: "$or"}
_COMPARATORS = {
    **{each: f"${each.value}" for each in Comparator.__members__.values()},
    Comparator.CONTAIN: "$contains",
    Comparator.LIKE: "$text",  # words, as LangChain's translator for Qdrant has it
}

# SelfQueryRetriever knows stores by their classes alone, and gives its translator for Qdrant to
# those of this one.
with contextlib.suppress(ImportError):
    from langchain_qdrant import QdrantVectorStore

    QdrantVectorStore.register(MatryoshkaVectorStore)


class MatryoshkaTranslator(Visitor):
    """Translate what a SelfQueryRetriever's model asks for into a filter over metadata.

    SelfQueryRetriever finds LangChain's own translator for Qdrant by itself where langchain-qdrant
    is installed. This one needs no other package, has all comparators (``ne``, ``in``, ``nin`` and
    ``contain`` too), dates, and metadata that stand beside the text.

    Use:
        .. code-block:: python

            from mrl_adapters.langchain import MatryoshkaTranslator

            SelfQueryRetriever.from_llm(
                llm, store, "Python functions", fields,
                structured_query_translator=MatryoshkaTranslator(),
            )
    """

    allowed_operators: Sequence[Operator] | None = (*Operator,)
    allowed_comparators: Sequence[Comparator] | None = (*Comparator,)

    @override
    def visit_operation(self, operation: Operation) -> dict[str, Any]:
        """Translate a group of conditions; not: none of them holds."""
        parts = [part.accept(self) for part in operation.arguments]
        if operation.operator is Operator.NOT:
            return {"$not": {"$or": parts}}
        return {_OPERATORS[operation.operator]: parts}

    @override
    def visit_comparison(self, comparison: Comparison) -> dict[str, Any]:
        """Translate one condition."""
        value = _plain(comparison.value)
        if comparison.comparator in {Comparator.IN, Comparator.NIN} and not isinstance(value, list):
            value = [value]  # models do not always write a list of one
        return {comparison.attribute: {_COMPARATORS[comparison.comparator]: value}}

    @override
    def visit_structured_query(
        self, structured_query: StructuredQuery
    ) -> tuple[str, dict[str, Any]]:
        """Translate a whole query: the question that is left, and the search's options."""
        condition = structured_query.filter
        return structured_query.query, {"filter": condition.accept(self)} if condition else {}


def _plain(value: Any) -> Any:
    """Take dates out of the form in which LangChain's parser hands them over."""
    if isinstance(value, list | tuple):
        return [*map(_plain, value)]
    if isinstance(value, dict) and value.get("type") in {"date", "datetime"}:
        return value[value["type"]]
    return value
