"""The client's methods that change what a collection is made of: settings, vectors, indexes."""

# ruff: noqa: ARG002, FBT001, FBT002, PLR0913, PLR0917 - the signatures are those of QdrantClient

from collections.abc import Mapping
from typing import Any

import qdrant_edge as edge
from qdrant_client import models

from mrl_adapters.edge.changes import added_vector, changed_settings, dropped_vector
from mrl_adapters.edge.client.folder import OpenFolder
from mrl_adapters.edge.collection import COMPLETED
from mrl_adapters.edge.info import edge_index_params
from mrl_adapters.edge.inventory import Since
from mrl_adapters.edge.log_repair import LogRepair
from mrl_adapters.edge.names import check_text
from mrl_adapters.edge.payloads import plain_metadata
from mrl_adapters.edge.settings import Change


class StructureMethods(OpenFolder):
    """QdrantClient's methods for a collection's settings, and ours for its index and files."""

    def update_collection(
        self,
        collection_name: str,
        optimizers_config: models.OptimizersConfigDiff | None = None,
        collection_params: models.CollectionParamsDiff | None = None,
        vectors_config: Mapping[str, models.VectorParamsDiff] | None = None,
        hnsw_config: models.HnswConfigDiff | None = None,
        quantization_config: models.QuantizationConfigDiff | None = None,
        timeout: int | None = None,
        sparse_vectors_config: Mapping[str, models.SparseVectorParams] | None = None,
        strict_mode_config: Any = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> bool:
        """Change settings of a collection; what is not given stays.

        Vector settings take effect with the next build of the index: call `optimize`, or write on.

        Returns:
            True.

        Raises:
            ValueError: There is no such vector.
            ConfigurationError: Metadata that would not come back as it is; nothing is changed.
        """
        collection = self._collection(collection_name, kwargs)
        metadata = plain_metadata(collection_name, metadata)
        with collection.lock:
            new = changed_settings(
                collection.settings,
                optimizers_config=optimizers_config,
                collection_params=collection_params,
                vectors_config=vectors_config,
                hnsw_config=hnsw_config,
                quantization_config=quantization_config,
                sparse_vectors_config=sparse_vectors_config,
            )
            if new != collection.settings:
                collection.change(Change(new))
            if metadata is not None:
                collection.set_metadata(metadata)
        return True

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
        collection = self._collection(collection_name, kwargs)
        with collection.lock:
            new = added_vector(collection.settings, vector_name, vector_name_config)
            if new is not None:
                collection.change(Change(new, add=vector_name))
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
        collection = self._collection(collection_name, kwargs)
        with collection.lock:
            new = dropped_vector(collection.settings, vector_name)
            collection.change(Change(new, drop=vector_name))
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
        """Index a payload field, dotted if nested; filters work without, and faster with it.

        `field_type` is the older name of `field_schema`: a models.PayloadSchemaType, its name, or
        ...IndexParams.
        """
        collection = self._collection(collection_name, kwargs)
        schema = edge_index_params(field_schema if field_schema is not None else field_type)
        check_text(field_name, "field name")
        operation = edge.UpdateOperation.create_field_index(field_name, schema)
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
        operation = edge.UpdateOperation.delete_field_index(field_name)
        self._collection(collection_name, kwargs).write(operation, effect=Since.REBUILT)
        return COMPLETED

    def optimize(self, collection_name: str) -> bool:
        """Build the index over all points now instead of at a later query.

        Args:
            collection_name: The collection.

        Returns:
            Whether there was something to build.
        """
        return self._collection(collection_name).optimize()

    def check_files(self, collection_name: str) -> None:
        """Make sure that all files of a collection are what they were; reads all of them.

        Opening a collection does the same, but reads the contents of the smaller files only.

        Args:
            collection_name: The collection.

        Raises:
            EngineError: They are not; says which.
        """
        self._collection(collection_name).check_files()

    def repair_log(self, collection_name: str) -> LogRepair:
        """Mend a log that cannot be applied again, and payloads too deep to be read.

        Files that are not what they were are taken as they are, if the engine can load them; what
        is missing or wrong in them is not told again. Everything else stays. It may be interrupted
        at any moment and run again; a collection that is well is left alone.

        Args:
            collection_name: The collection.

        Returns:
            What was wrong, and where the log is kept as it was.

        Raises:
            EngineError: It cannot be opened for another reason.
        """
        return self._collection(collection_name).repair()
