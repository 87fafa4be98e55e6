"""The embedded engine: Qdrant Edge behind the methods of `QdrantClient`."""

from mrl_adapters.qdrant.edge.client import EdgeClient

__all__ = ["EdgeClient"]
