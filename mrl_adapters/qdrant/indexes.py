"""Make the payload indexes that a layout asks for."""

import warnings
from collections.abc import Mapping
from typing import TypeAlias

from qdrant_client import models

from mrl_adapters.qdrant.engine import engine_of
from mrl_adapters.qdrant.flow import Flow, ask, change
from mrl_adapters.qdrant.layout import CollectionLayout
from mrl_adapters.qdrant.mismatches import UnmetLayoutWarning

_Schema: TypeAlias = models.PayloadSchemaType | models.KeywordIndexParams


def create_indexes(name: str, schemas: Mapping[str, _Schema]) -> Flow[None]:
    """Make the indexes of a new collection; the local mode keeps none.

    Args:
        name: The collection.
        schemas: Payload field to index.
    """
    if not (yield from ask(engine_of)).has_indexes:
        return
    for field, schema in schemas.items():
        yield from _create(name, field, schema, wait=True)


def complete_indexes(
    name: str, wanted: CollectionLayout, found: CollectionLayout
) -> Flow[list[str]]:
    """Make those indexes that an existing collection lacks: nothing is lost by one more.

    A search needs none of them, so it neither waits for them nor fails with them: an engine that
    refuses (a read-only store or key) is only told of.

    Args:
        name: The collection.
        wanted: The caller's layout.
        found: The collection's own.

    Returns:
        The fields whose indexes were made.

    Warns:
        UnmetLayoutWarning: The engine refused.
    """
    schemas = wanted.index_schemas()
    missing = [field for field in schemas if field not in found.payload_indexes]
    if not missing or not (yield from ask(engine_of)).has_indexes:
        return []
    made, refused = [], []
    for field in missing:
        try:
            yield from _create(name, field, schemas[field], wait=False)
        except Exception as error:  # noqa: BLE001 - each engine refuses in its own way
            refused.append(f"{field!r} ({error})")
        else:
            made.append(field)
    if refused:
        msg = (
            f"Collection {name!r} lacks payload indexes that the layout asks for, and they could "
            f"not be made: {'; '.join(refused)}. Filters on them read every payload. Leave them "
            "out of the layout, or open the collection once with the right to change it."
        )
        warnings.warn(msg, UnmetLayoutWarning, stacklevel=2)
    return made


def _create(name: str, field: str, schema: _Schema, *, wait: bool) -> Flow[None]:
    yield from change(lambda c: c.create_payload_index(name, field, field_schema=schema, wait=wait))
