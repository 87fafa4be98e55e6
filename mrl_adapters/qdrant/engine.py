"""The engines behind a client, and all that differs between them."""

import re
from dataclasses import dataclass
from typing import Any

from qdrant_client import AsyncQdrantClient, QdrantClient
from qdrant_client.local.async_qdrant_local import AsyncQdrantLocal
from qdrant_client.local.qdrant_local import QdrantLocal

from mrl_adapters.edge import EdgeClient
from mrl_adapters.qdrant.layout import CLUSTER_OPTIONS
from mrl_adapters.vectors import FloatArray

_OF_VECTORS = (
    "full_datatype",
    "full_has_graph",
    "quantization",
    "hnsw_m",
    "hnsw_ef_construct",
    "sparse",
)


@dataclass(frozen=True)
class Engine:
    """What answers a client's calls.

    Args:
        name: What it is called.
        layout_options: Options of a layout that it honours, beside sizes, distance and names.
        is_server: Whether it answers over a network: perhaps late, or with what is no answer. It
            takes vectors as lists of floats, in requests of limited size, and operations side by
            side; engines in this process take float32 arrays, and one operation at a time.
        has_indexes: Whether it has graphs and payload indexes, and so settings to build and search
            them by.
        loads_what_it_reads: Whether describing a collection loads all of it.
        ranks_texts: Whether a text index can rank by BM25; a server's version must be asked.
    """

    name: str
    layout_options: tuple[str, ...]
    is_server: bool = False
    has_indexes: bool = False
    loads_what_it_reads: bool = False
    ranks_texts: bool = False

    def encode(self, vectors: FloatArray) -> Any:
        """Convert a vector, or rows of vectors, to what the engine takes.

        Returns:
            The vector, or a list of n.
        """
        if self.is_server:
            return vectors.tolist()
        return vectors if vectors.ndim == 1 else list(vectors)


EDGE = Engine(
    "edge",
    has_indexes=True,
    loads_what_it_reads=True,
    ranks_texts=True,
    layout_options=(*_OF_VECTORS, "text_index", "tenant_field"),
)
LOCAL = Engine("local", layout_options=_OF_VECTORS)
SERVER = Engine(
    "server",
    is_server=True,
    has_indexes=True,
    ranks_texts=True,
    layout_options=(*_OF_VECTORS, "text_index", "tenant_field", *CLUSTER_OPTIONS),
)


def is_older(version: str | None, oldest: tuple[int, int]) -> bool:
    """Return whether a server's version is known to be older than another.

    A build that does not say ("dev", "") is asked, and may refuse.
    """
    numbers = re.match(r"v?(\d+)\.(\d+)", version or "")
    return numbers is not None and (int(numbers[1]), int(numbers[2])) < oldest


def engine_of(client: object) -> Engine:
    """Return the engine that a client speaks to."""
    if isinstance(client, EdgeClient):
        return EDGE
    if isinstance(client, QdrantClient | AsyncQdrantClient) and isinstance(
        client._client,  # noqa: SLF001 - nothing public tells
        QdrantLocal | AsyncQdrantLocal,
    ):
        return LOCAL
    return SERVER
