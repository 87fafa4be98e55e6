"""Filters as LangChain users write them: a plain dict over metadata, or Qdrant's own Filter."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from qdrant_client import models

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant import MatryoshkaCollection
from mrl_adapters.qdrant.filters import (
    Field,
    Term,
    all_of,
    any_of,
    as_filter,
    check_nesting,
    compared,
    fields,
    negated,
)
from mrl_adapters.qdrant.filters.keys import paths
from mrl_adapters.qdrant.payload_keys import PayloadKeys

MetadataFilter: TypeAlias = models.Filter | Mapping[str, Any]


@dataclass(frozen=True)
class _Place:
    """The places of a collection's metadata, and the index types of its fields."""

    prefixes: tuple[str | None, ...]
    indexes: Mapping[str, str]

    def fields(self, keys: tuple[str, ...]) -> list[Field]:
        return [field for prefix in self.prefixes for field in fields(keys, prefix, self.indexes)]


def to_filter(
    given: MetadataFilter | None,
    indexes: Mapping[str, str] | None = None,
    metadata_key: str | None = PayloadKeys.metadata,
    *,
    has_nodes: bool = False,
) -> models.Filter | None:
    r"""Build Qdrant's filter.

    A dict maps metadata keys to what they must be; all of its entries must hold:

    - ``{"source": "a.md"}`` equal, or with it among the members where the metadata is a list;
    - ``{"source": ["a.md", "b.md"]}`` one of these;
    - ``{"source": None}`` missing, null or an empty list;
    - ``{"page": {"$gte": 3, "$lt": 9}}`` operators, below;
    - ``{"author": {"name": "Ada"}}`` nested metadata (so does ``{"author.name": "Ada"}``, and
      ``{"authors[].name": "Ada"}`` looks into each member of a list);
    - ``{"$or": [...]}``, ``{"$and": [...]}``, ``{"$not": {...}}``, also below a key.

    Operators: $eq and $ne, $in and $nin (lists); $gt, $gte, $lt, $lte (numbers, dates); $exists
    (True or False); $contains (a member of a list, or words of a text); $text (all of these words);
    $like ("text", "text%" or "%text%").

    Whole numbers and floats are equal where Python says so, booleans are no numbers, and $ne, $nin
    and $not also hold where the key is missing. $or and $in of nothing hold nowhere, $and and $nin
    of nothing everywhere. A key with dots means nested metadata and also a key of that very name;
    in double quotes only the latter: ``{'"a.b"': 1}``.

    Args:
        given: Such a dict, a Qdrant filter (used as it is: its keys start with ``metadata.``), or
            None.
        indexes: Payload field to index type, of the collection that is searched.
        metadata_key: Where its payloads keep metadata; None where they stand beside the text.
        has_nodes: Whether LlamaIndex's nodes are among its points, whose metadata stand in the
            payload itself: a key means them, too.

    Returns:
        The filter, without conditions where a dict restricts nothing; None for None.

    Raises:
        ConfigurationError: An operator is unknown, or a value has no such comparison.
    """
    if given is None or isinstance(given, models.Filter):
        return given
    if not isinstance(given, Mapping):
        msg = (
            f"filter is {type(given).__name__}, expected a dict over metadata such as "
            "{'source': 'a.md'} or a qdrant_client.models.Filter."
        )
        raise ConfigurationError(msg)
    prefixes = dict.fromkeys([metadata_key, *([None] if has_nodes else [])])
    return as_filter(_entries(given, (), _Place(tuple(prefixes), indexes or {}), 1))


def filter_for(
    collection: MatryoshkaCollection, given: MetadataFilter | None
) -> models.Filter | None:
    """Build Qdrant's filter for a collection that has been opened: see :func:`to_filter`."""
    if given is None:
        return None
    layout = collection.layout
    indexes = layout.payload_indexes if layout else None
    found = collection.found
    return to_filter(given, indexes, collection.keys.metadata, has_nodes=found.has_nodes)


def paths_for(collection: MatryoshkaCollection | None, key: str) -> list[str]:
    """List the payload paths that a metadata key may mean, in a collection that has been opened."""
    if collection is None:
        return paths([key], PayloadKeys.metadata)
    layout, found = collection.layout, collection.found
    prefixes = dict.fromkeys([collection.keys.metadata, *([None] if found.has_nodes else [])])
    indexes = layout.payload_indexes if layout else None
    return [path for prefix in prefixes for path in paths([key], prefix, indexes)]


def _entries(given: Mapping[Any, Any], keys: tuple[str, ...], place: _Place, depth: int) -> Term:
    """Read a dict: entries about the metadata, or about what stands under a key."""
    check_nesting(depth)
    operators = [key for key in given if isinstance(key, str) and key.startswith("$")]
    if keys and not given:
        msg = (
            f"Filter on {_named(keys)}: {{}} says nothing. Write what it must be, or leave it out."
        )
        raise ConfigurationError(msg)
    if keys and operators and len(operators) < len(given):
        other = next(key for key in given if key not in operators)
        msg = (
            f"Filter on {_named(keys)}: found the operator {operators[0]!r} beside the key "
            f"{other!r}. Begin operators with $, and write keys in a dict of their own."
        )
        raise ConfigurationError(msg)
    return all_of([_entry(key, wanted, keys, place, depth) for key, wanted in given.items()])


def _entry(key: Any, wanted: Any, keys: tuple[str, ...], place: _Place, depth: int) -> Term:
    if isinstance(key, int) and not isinstance(key, bool):
        key = str(key)  # as it is stored
    if not isinstance(key, str):
        msg = f"Filter key {key!r} is {type(key).__name__}, expected str: metadata keys are text."
        raise ConfigurationError(msg)
    if key in _GROUPS:
        parts = [_below(part, keys, place, depth) for part in _parts(key, wanted)]
        return _GROUPS[key](parts)
    if not key.startswith("$"):
        return _below(wanted, (*keys, key), place, depth)
    if key not in _OPERATORS or not keys:
        raise _unknown(key)
    meant = place.fields(keys)
    return _OPERATORS[key](meant, compared(meant[0].name, wanted))


def _below(wanted: Any, keys: tuple[str, ...], place: _Place, depth: int) -> Term:
    if isinstance(wanted, Mapping):
        return _entries(wanted, keys, place, depth + 1)
    if not keys:
        msg = f"Filter: $and, $or and $not take dicts over metadata, found {wanted!r}."
        raise ConfigurationError(msg)
    meant = place.fields(keys)
    return _equal(meant, compared(meant[0].name, wanted))


def _parts(key: str, wanted: Any) -> Collection[Any]:
    if key == "$not":
        if isinstance(wanted, Mapping):
            return [wanted]
        msg = f"Filter: $not takes a dict, found {type(wanted).__name__} {wanted!r}."
        raise ConfigurationError(msg)
    if isinstance(wanted, Collection) and not isinstance(wanted, Mapping | str | bytes):
        return wanted
    msg = (
        f"Filter: {key} takes a list of dicts, found {type(wanted).__name__} {wanted!r}. Write "
        f"{{{key!r}: [{{...}}, {{...}}]}}."
    )
    raise ConfigurationError(msg)


_GROUPS: dict[str, Callable[[list[Term]], Term]] = {
    "$and": all_of,
    "$or": any_of,
    "$not": lambda parts: negated(parts[0]),
}


def _equal(meant: list[Field], value: Any) -> Term:
    return _one_of(meant, value if isinstance(value, list) else [value])


def _one_of(meant: list[Field], values: list[Any]) -> Term:
    if any(value is None for value in values):
        # Empty under every name that the key may stand for.
        empty = all_of(field.is_empty() for field in meant)
        return any_of([empty, _one_of(meant, [value for value in values if value is not None])])
    return any_of(field.holds_one_of(values) for field in meant)


def _among(meant: list[Field], value: Any) -> Term:
    if not isinstance(value, list):
        msg = (
            f"Filter on {meant[0].name!r}: $in and $nin take a list, found {value!r}. Pass "
            f"[{value!r}]."
        )
        raise ConfigurationError(msg)
    return _one_of(meant, value)


def _exists(meant: list[Field], value: Any) -> Term:
    if not isinstance(value, bool):
        msg = f"Filter on {meant[0].name!r}: $exists takes True or False, found {value!r}."
        raise ConfigurationError(msg)
    missing = all_of(field.is_empty() for field in meant)
    return negated(missing) if value else missing


def _contains(meant: list[Field], value: Any) -> Term:
    if isinstance(value, list) or value is None:
        msg = (
            f"Filter on {meant[0].name!r}: $contains takes one value, found {value!r}. Join "
            "several by $and or $or."
        )
        raise ConfigurationError(msg)
    return any_of(field.contains([value]) for field in meant)


def _any_field(build: Callable[[Field, Any], Term]) -> Callable[[list[Field], Any], Term]:
    return lambda meant, value: any_of(build(field, value) for field in meant)


def _ordered(bound: str) -> Callable[[list[Field], Any], Term]:
    return _any_field(lambda field, value: field.compares(bound, value))


_OPERATORS: dict[str, Callable[[list[Field], Any], Term]] = {
    "$eq": _equal,
    "$ne": lambda meant, value: negated(_equal(meant, value)),
    "$in": _among,
    "$nin": lambda meant, value: negated(_among(meant, value)),
    "$gt": _ordered("gt"),
    "$gte": _ordered("gte"),
    "$lt": _ordered("lt"),
    "$lte": _ordered("lte"),
    "$exists": _exists,
    "$contains": _contains,
    "$text": _any_field(Field.has_words),
    "$like": _any_field(Field.is_like),
}


def _named(keys: tuple[str, ...]) -> str:
    return repr(".".join(keys))


def _unknown(name: str) -> ConfigurationError:
    return ConfigurationError(
        f"Filter operator {name!r} is not known here. Over metadata: {', '.join(_GROUPS)}; of a "
        f"key: {', '.join(_OPERATORS)} and the same. A key that begins with $ stands in double "
        "quotes. For anything else pass a qdrant_client.models.Filter."
    )
