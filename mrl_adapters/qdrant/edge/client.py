"""The embedded engine behind the interface of `qdrant_client.QdrantClient`."""

from typing import Any, NoReturn

from qdrant_client import QdrantClient

from mrl_adapters.qdrant.edge.aliasing import Aliasing
from mrl_adapters.qdrant.edge.exploring import Exploring
from mrl_adapters.qdrant.edge.managing import Managing
from mrl_adapters.qdrant.edge.mending import Mending
from mrl_adapters.qdrant.edge.schema import Schema
from mrl_adapters.qdrant.edge.writing import Writing


class EdgeClient(Managing, Aliasing, Schema, Exploring, Writing, Mending):
    """Use Qdrant's engine in this process, over a folder, with QdrantClient's methods.

    Persistent and crash-safe: what a call has written survives the death of the process. HNSW and
    quantization are the server's own. One client at a time holds a path; inside a process, share
    it between threads. It does not survive a fork: open it in the child.

    Example:
        with EdgeClient("data/qdrant") as client:
            client.create_collection("docs", models.VectorParams(size=256, distance="Cosine"))

    Args:
        path: The folder; made absolute, ``~`` being the home folder, and created if absent.
        must_exist: Create nothing.

    Raises:
        ConfigurationError: The path is empty, or the address of a server.
        EngineError: Another client, here or in another process, has the path open; it holds
            something that is not ours; or nothing is there and something must be.
    """

    def __getattr__(self, name: str) -> NoReturn:
        """Say of QdrantClient's other methods what they would need."""
        message = f"{type(self).__name__!r} object has no attribute {name!r}"
        if callable(getattr(QdrantClient, name, None)):
            message = (
                f"EdgeClient has no {name}(): the embedded engine is one shard in this process. "
                "For it, run a Qdrant server: mrl_adapters.qdrant.connect(url=...)."
            )
        raise AttributeError(message, name=name, obj=self)

    def close(self, grpc_grace: float | None = None, **kwargs: Any) -> None:
        """Write everything down and let others open the path; twice is harmless.

        Args:
            grpc_grace: Means nothing here.
            **kwargs: Mean nothing here.
        """
        del grpc_grace, kwargs
        self._close()
