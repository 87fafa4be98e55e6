"""The methods of `EdgeClient` that add and remove vector names and payload indexes."""

# ruff: noqa: FBT001, FBT002 - the signatures are those of QdrantClient

from typing import Any

import qdrant_edge as edge
from qdrant_client import models

from mrl_adapters.edge.changes import added_vector, dropped_vector
from mrl_adapters.edge.info import edge_index_params
from mrl_adapters.edge.inventory import Since
from mrl_adapters.edge.opened import COMPLETED, OpenPath
from mrl_adapters.edge.parsing import refuse_unknown
from mrl_adapters.edge.settings import Change
from mrl_adapters.edge.texts import check_text


class Schema(OpenPath):
    """Add and remove vector names and payload indexes. Parameters are those of QdrantClient.

    `wait`, `ordering` and `timeout` are accepted and mean nothing here.
    """

    def create_vector_name(
        self,
        collection_name: str,
        vector_name: str,
        vector_name_config: models.DenseVectorNameConfig | models.SparseVectorNameConfig,
        wait: bool = True,
        ordering: Any = None,
        timeout: int | None = None,
        **kwargs: Any,
    ) -> models.UpdateResult:
        """Add a named vector to a collection; its points lack it until `update_vectors`.

        Adding the same one again does nothing.

        Raises:
            ValueError: There is one of that name with other settings.
        """
        del wait, ordering, timeout
        refuse_unknown(kwargs)
        collection = self._collection(collection_name)
        with collection.lock:
            new = added_vector(collection.settings, vector_name, vector_name_config)
            if new is not None:
                collection.apply(Change(new, add=vector_name))
        return COMPLETED

    def delete_vector_name(
        self,
        collection_name: str,
        vector_name: str,
        wait: bool = True,
        ordering: Any = None,
        timeout: int | None = None,
        **kwargs: Any,
    ) -> models.UpdateResult:
        """Remove a named vector from a collection and from all its points."""
        del wait, ordering, timeout
        refuse_unknown(kwargs)
        collection = self._collection(collection_name)
        with collection.lock:
            new = dropped_vector(collection.settings, vector_name)
            collection.apply(Change(new, drop=vector_name))
        return COMPLETED

    def create_payload_index(
        self,
        collection_name: str,
        field_name: str,
        field_schema: Any = None,
        field_type: Any = None,
        wait: bool = True,
        ordering: Any = None,
        timeout: int | None = None,
        **kwargs: Any,
    ) -> models.UpdateResult:
        """Index a payload field; filters work without, and faster with it.

        Args:
            collection_name: The collection.
            field_name: The field, dotted for nested ones.
            field_schema: A models.PayloadSchemaType, its name, or ...IndexParams.
            field_type: The older name of field_schema.
            wait: Means nothing here.
            ordering: Means nothing here.
            timeout: Means nothing here.
            **kwargs: Refused.
        """
        del wait, ordering, timeout
        refuse_unknown(kwargs)
        schema = edge_index_params(field_schema if field_schema is not None else field_type)
        check_text(field_name, "field name")
        operation = edge.UpdateOperation.create_field_index(field_name, schema)
        collection = self._collection(collection_name)
        with collection.engine() as shard:
            points = shard.info().points_count
            # Words and where they are: never more than half of what the points take themselves.
            collection.write(
                operation, size=lambda _, stored: points * stored / 2, effect=Since.REBUILT
            )
        return COMPLETED

    def delete_payload_index(
        self,
        collection_name: str,
        field_name: str,
        wait: bool = True,
        ordering: Any = None,
        timeout: int | None = None,
        **kwargs: Any,
    ) -> models.UpdateResult:
        """Delete the index of a payload field."""
        del wait, ordering, timeout
        refuse_unknown(kwargs)
        operation = edge.UpdateOperation.delete_field_index(field_name)
        self._collection(collection_name).write(operation, effect=Since.REBUILT)
        return COMPLETED
