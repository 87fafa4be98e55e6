"""The embedded engine behind the interface of `qdrant_client.QdrantClient`."""

from typing import Any, NoReturn

from qdrant_client import QdrantClient
from qdrant_client.client_base import QdrantBase
from qdrant_client.migrate.migrate import migrate

from mrl_adapters.edge.aliasing import Aliasing
from mrl_adapters.edge.exploring import Exploring
from mrl_adapters.edge.managing import Managing
from mrl_adapters.edge.mending import Mending
from mrl_adapters.edge.schema import Schema
from mrl_adapters.edge.snapshots import Snapshots
from mrl_adapters.edge.writing import Writing
from mrl_adapters.errors import ConfigurationError

_NO_MODELS = "it embeds nothing. Use the embedders of mrl_adapters.embeddings, and pass vectors."

# What is done otherwise here; all else of QdrantClient that is missing concerns clusters.
_INSTEAD = {
    "recreate_collection": "call delete_collection(), then create_collection().",
    "create_full_snapshot": "call create_snapshot() for each collection.",
    "get_optimizations": "nothing runs in the background. Call optimize() to build the index now.",
    "get_embedding_size": _NO_MODELS,
    "list_image_models": _NO_MODELS,
    "list_late_interaction_multimodal_models": _NO_MODELS,
    "list_late_interaction_text_models": _NO_MODELS,
    "list_sparse_models": _NO_MODELS,
    "list_text_models": _NO_MODELS,
}


class EdgeClient(Managing, Aliasing, Snapshots, Schema, Exploring, Writing, Mending):
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

    def __copy__(self) -> "EdgeClient":
        """Give itself: only one may own the files."""
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> "EdgeClient":
        """Give itself, as a copy does."""
        return self

    def __reduce__(self) -> NoReturn:
        """Refuse to travel.

        Raises:
            ConfigurationError: Always: one process at a time holds the files.
        """
        msg = (
            f"{self!r} cannot be pickled: one process at a time has its folder open. Close it, and "
            "open the folder where it is needed, with connect(path=...)."
        )
        raise ConfigurationError(msg)

    def __getattr__(self, name: str) -> NoReturn:
        """Say of QdrantClient's other methods what they would need."""
        message = f"{type(self).__name__!r} object has no attribute {name!r}"
        if callable(getattr(QdrantClient, name, None)):
            instead = _INSTEAD.get(
                name,
                "the embedded engine is one shard in this process. "
                "For it, run a Qdrant server: mrl_adapters.qdrant.connect(url=...).",
            )
            message = f"EdgeClient has no {name}(): {instead}"
        raise AttributeError(message, name=name, obj=self)

    def migrate(
        self,
        dest_client: QdrantBase,
        collection_names: list[str] | None = None,
        batch_size: int = 100,
        recreate_on_collision: bool = False,  # noqa: FBT001, FBT002 - QdrantClient's signature
    ) -> None:
        """Copy collections to another client, as QdrantClient does: to a server, say.

        Args:
            dest_client: Where to; EdgeClient and QdrantClient alike.
            collection_names: Which; None copies all.
            batch_size: How many points are read at a time.
            recreate_on_collision: Whether collections that are there already are replaced.

        Raises:
            ValueError: A collection is there already, or does not exist here.
        """
        source: Any = self  # of no class that qdrant-client knows
        migrate(
            source,
            dest_client,
            collection_names=collection_names,
            batch_size=batch_size,
            recreate_on_collision=recreate_on_collision,
        )

    def close(self, grpc_grace: float | None = None, **kwargs: Any) -> None:
        """Write everything down and let others open the path; twice is harmless.

        Args:
            grpc_grace: Means nothing here.
            **kwargs: Mean nothing here.
        """
        del grpc_grace, kwargs
        self._close()
