"""Tell the engines behind a client apart, where they want to be spoken to differently."""

from enum import Enum

from qdrant_client import AsyncQdrantClient, QdrantClient
from qdrant_client.local.async_qdrant_local import AsyncQdrantLocal
from qdrant_client.local.qdrant_local import QdrantLocal

from mrl_adapters.edge import EdgeClient


class Engine(Enum):
    """What answers a client's calls."""

    EDGE = "edge"
    """Qdrant's core in this process: takes vectors as float32 arrays."""
    LOCAL = "local"
    """qdrant-client's NumPy mode: takes arrays, scans everything, warns of settings and indexes."""
    SERVER = "server"
    """A server or cluster: takes vectors as lists of floats."""


def engine_of(client: object) -> Engine:
    """Tell which engine a client speaks to.

    Args:
        client: An EdgeClient, QdrantClient or AsyncQdrantClient.
    """
    if isinstance(client, EdgeClient):
        return Engine.EDGE
    if isinstance(client, QdrantClient | AsyncQdrantClient) and isinstance(
        client._client,  # noqa: SLF001 - nothing public tells
        QdrantLocal | AsyncQdrantLocal,
    ):
        return Engine.LOCAL
    return Engine.SERVER
