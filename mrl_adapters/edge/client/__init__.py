"""Qdrant Edge behind the methods of `qdrant_client.QdrantClient`."""

from mrl_adapters.edge.client.collections import CollectionMethods
from mrl_adapters.edge.client.copies import CopyMethods
from mrl_adapters.edge.client.reading import ReadMethods
from mrl_adapters.edge.client.structure import StructureMethods
from mrl_adapters.edge.client.writing import WriteMethods


class EdgeClient(CollectionMethods, StructureMethods, CopyMethods, ReadMethods, WriteMethods):
    """Qdrant's engine in this process, over a folder, with QdrantClient's methods.

    Persistent and crash-safe: what a call has written survives the death of the process. HNSW and
    quantization are the server's own. One client at a time holds a path, or several that only
    read: threads take turns in the engine, processes do not. Inside a process, share it between
    threads. It does not survive a fork: open it in the child.

    Parameters are those of QdrantClient. There is one shard, one copy and no network: `wait`,
    `ordering`, `consistency`, `timeout` and the like mean nothing, every call returns when its
    work is done and logged. What would change an answer is never ignored: `shard_key_selector`,
    unknown arguments and parts of a request that the engine does not have are refused. Every
    method that takes a collection's name takes an alias, but for `create_collection` and
    `delete_collection`, which take the collection's own. All methods that name a collection raise
    ValueError if there is none.

    Example:
        with EdgeClient("data/qdrant") as client:
            client.create_collection("docs", models.VectorParams(size=256, distance="Cosine"))

    Args:
        path: The folder; made absolute, ``~`` being the home folder, and created if absent.
        must_exist: Create nothing.
        read_only: Only search a store that exists, beside other readers: until all of them have
            closed it nobody can write. Each has a copy of what the engine insists on writing to,
            in the system's temporary folder; full vectors, codes and graphs of what is indexed
            are shared (except on Windows, where there is one reader at a time).

    Raises:
        ConfigurationError: The path is empty, or the address of a server.
        EngineError: Another client, here or in another process, has the path open; it holds
            something that is not ours; or nothing is there and something must be.
    """
