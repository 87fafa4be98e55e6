"""LlamaIndex's metadata filters to Qdrant filters, meaning what llama-index-core means.

The reference is ``build_metadata_filter_fn`` of ``llama_index.core.vector_stores.utils``; what
terms mean is decided by :mod:`mrl_adapters.qdrant.filters`, for both adapters.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from llama_index.core.vector_stores import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
)
from qdrant_client import models

from mrl_adapters.arguments import require_list
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.llama_index.reserved import DOCUMENT_KEY, places
from mrl_adapters.qdrant import MatryoshkaCollection
from mrl_adapters.qdrant.filters import (
    Field,
    Term,
    admitted,
    all_of,
    any_of,
    as_filter,
    check_nesting,
    negated,
)
from mrl_adapters.qdrant.ids import DocumentId, id_text, id_texts, stored_ids

_Build: TypeAlias = Callable[[Field], Term]


class _Collection(NamedTuple):
    """What conditions depend on: index types of payload fields, and where documents keep theirs."""

    indexes: Mapping[str, str]
    documents_key: str | None


def filter_for(
    collection: MatryoshkaCollection, filters: MetadataFilters | None
) -> models.Filter | None:
    """Build Qdrant's filter for a collection that has been opened: see :func:`to_filter`."""
    layout, found = collection.layout, collection.found
    documents_key = found.keys.metadata if found.has_documents else None
    return to_filter(filters, layout.payload_indexes if layout else None, documents_key)


def paths_for(collection: MatryoshkaCollection | None, key: str) -> list[str]:
    """List the payload paths that a metadata key may mean, in a collection that has been opened."""
    if collection is None:
        return [key]
    layout, found = collection.layout, collection.found
    documents_key = found.keys.metadata if found.has_documents else None
    meant = places(key, layout.payload_indexes if layout else {}, documents_key)
    fields = [field for place in meant for field in (place.field, place.stores) if field]
    return [field.path for field in fields]


def to_filter(
    filters: MetadataFilters | None,
    indexes: Mapping[str, str] | None = None,
    documents_key: str | None = None,
) -> models.Filter | None:
    """Convert metadata filters, nested at will; groups without a filter in them are passed over.

    A key with dots or brackets means a metadata key of that very name, and also a path into
    nested metadata; in double quotes only the former. Keys that are the store's own names as well
    (``doc_id``, ``document_id``, ``ref_doc_id`` and such): see
    :mod:`mrl_adapters.llama_index.reserved`. Deviations from the reference:

    - TEXT_MATCH, TEXT_MATCH_INSENSITIVE, and CONTAINS, ANY and ALL on a text compare whole words
      and ignore case. A text index on the field decides what a word is.
    - Text is ordered (``>``, ``<=``) where it is a date, and booleans are not ordered.
    - ALL of nothing holds where the field is there and not empty.
    - Floats that take 16 or 17 digits are equal to their two neighbours.
    - A field with a payload index holds what the index says: whole values in a keyword index,
      numbers in an integer one, and so on. Each condition is then answered by the index alone
      (0.6 against 110 ms on 20,000 points).

    Args:
        filters: The filters.
        indexes: Payload field to index type, of the collection that is searched.
        documents_key: Where LangChain's documents among its points keep their metadata; a key
            means them, too.

    Returns:
        The Qdrant filter, without conditions where all nodes pass; None without filters.

    Raises:
        ConfigurationError: A value does not go with its operator or cannot be stored, a key cannot
            be named, or groups are nested too deep.
    """
    if filters is None:
        return None
    term = _group(filters, _Collection(indexes or {}, documents_key), 1)
    return None if term is None else as_filter(term)


def _group(filters: MetadataFilters, of: _Collection, depth: int) -> Term | None:
    check_nesting(depth)
    terms: list[Term] = []
    for member in filters.filters:
        if not isinstance(member, MetadataFilters):
            terms.append(_condition(member, of))
        elif (inner := _group(member, of, depth + 1)) is not None:
            terms.append(inner)
    if not terms:
        return None
    if filters.condition == FilterCondition.OR:
        return any_of(terms)
    if filters.condition == FilterCondition.NOT:
        return negated(any_of(terms))
    return all_of(terms)


def _condition(given: MetadataFilter, of: _Collection) -> Term:
    meant = places(given.key, of.indexes, of.documents_key)
    operator = given.operator
    if operator == FilterOperator.IS_EMPTY:
        return all_of(_empty(place.field) for place in meant)
    positive = _NEGATIONS.get(operator, operator)
    # Nothing is equal to null in the reference, not even null.
    nothing = given.value is None and positive == FilterOperator.EQ
    build = _OPERATORS[positive](given)
    term = not nothing and any_of(place.holds(build) for place in meant)
    return negated(term) if operator in _NEGATIONS else term


def _empty(field: Field) -> Term:
    """Match what is missing, null, an empty array or an empty text."""
    if field.index not in {None, "keyword", "text"}:
        return field.is_empty()
    return any_of([field.is_empty(), field.is_one_of([""])])


def _stand_ins(field: Field, value: Any) -> list[Any]:
    """List what a value stands for: a filter cannot hold True, so 1 stands for it as in Python."""
    if value not in {0, 1} or field.index not in {None, "bool"}:
        return [value]
    return [bool(value)] if field.index == "bool" else [value, bool(value)]


def _equal(given: MetadataFilter) -> _Build:
    value = given.value
    if not isinstance(value, list):
        return lambda field: field.is_one_of(_stand_ins(field, value))
    if not value:
        msg = f"Filter on {given.key!r}: to find empty values use the operator IS_EMPTY."
        raise ConfigurationError(msg)
    return lambda field: field.is_list([_stand_ins(field, each) for each in value])


def _among(given: MetadataFilter) -> _Build:
    values = _values(given)
    return lambda field: field.is_one_of(
        [one for each in values for one in _stand_ins(field, each)]
    )


def _contains(given: MetadataFilter) -> _Build:
    value = _scalar(given)
    return lambda field: field.contains(_stand_ins(field, value))


def _contains_any(given: MetadataFilter) -> _Build:
    values = _values(given)
    return lambda field: any_of(field.contains(_stand_ins(field, each)) for each in values)


def _contains_all(given: MetadataFilter) -> _Build:
    values = _values(given)
    if not values:
        return lambda field: negated(field.is_empty())
    return lambda field: all_of(field.contains(_stand_ins(field, each)) for each in values)


def _text(given: MetadataFilter) -> _Build:
    value = _scalar(given)
    return lambda field: field.has_words(value)


def _ordered(bound: str) -> Callable[[MetadataFilter], _Build]:
    return lambda given: lambda field: field.compares(bound, given.value)


_OPERATORS: dict[FilterOperator, Callable[[MetadataFilter], _Build]] = {
    FilterOperator.EQ: _equal,
    FilterOperator.IN: _among,
    FilterOperator.CONTAINS: _contains,
    FilterOperator.ANY: _contains_any,
    FilterOperator.ALL: _contains_all,
    FilterOperator.TEXT_MATCH: _text,
    FilterOperator.TEXT_MATCH_INSENSITIVE: _text,
    FilterOperator.GT: _ordered("gt"),
    FilterOperator.GTE: _ordered("gte"),
    FilterOperator.LT: _ordered("lt"),
    FilterOperator.LTE: _ordered("lte"),
}
_NEGATIONS = {FilterOperator.NE: FilterOperator.EQ, FilterOperator.NIN: FilterOperator.IN}


def _values(given: MetadataFilter) -> list[Any]:
    if isinstance(given.value, list):
        return given.value
    msg = (
        f"Filter on {given.key!r}: {given.operator.name} takes a list, found {given.value!r}. "
        f"Pass value=[{given.value!r}]."
    )
    raise ConfigurationError(msg)


def _scalar(given: MetadataFilter) -> float | str:
    if isinstance(given.value, list) or given.value is None:
        msg = (
            f"Filter on {given.key!r}: {given.operator.name} takes one value, found "
            f"{given.value!r}. Use ANY or ALL for several."
        )
        raise ConfigurationError(msg)
    return given.value


def of_documents(ids: Sequence[DocumentId]) -> models.Filter:
    """Select the nodes of one or more documents."""
    given = [id_text(each, "A document's id") for each in require_list(ids, "doc_ids", "ids")]
    match = models.MatchValue(value=given[0]) if len(given) == 1 else models.MatchAny(any=given)
    return models.Filter(must=[models.FieldCondition(key=DOCUMENT_KEY, match=match)])


def of_nodes(ids: Sequence[DocumentId] | None) -> models.Filter | None:
    """Select nodes by id; None selects all."""
    if ids is None:
        return None
    return models.Filter(must=[models.HasIdCondition(has_id=stored_ids(id_texts(ids, "node_ids")))])


def join(*filters: models.Filter | None) -> models.Filter | None:
    """Select what passes all of some filters; None restricts nothing."""
    given = [each for each in map(admitted, filters) if each is not None]
    return given[0] if len(given) == 1 else models.Filter(must=[*given]) if given else None
