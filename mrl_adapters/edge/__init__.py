"""The embedded engine: Qdrant Edge behind the methods of `QdrantClient`."""

from mrl_adapters.edge.client import EdgeClient
from mrl_adapters.edge.ownership import store_at
from mrl_adapters.edge.paths import AnyPath, absolute_path, is_address
from mrl_adapters.edge.permissions import may_write

__all__ = ["AnyPath", "EdgeClient", "absolute_path", "is_address", "may_write", "store_at"]
