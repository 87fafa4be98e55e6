"""Engines by the names that parametrised tests call them by."""

from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from qdrant_client import QdrantClient
from real_server import server_client

from mrl_adapters.qdrant import EdgeClient


def open_engine(opened: ExitStack, engine: str, folder: Path) -> Any:
    """Open a real server, qdrant-client's local mode, or the embedded engine.

    Args:
        opened: Closes it.
        engine: ``server``, ``local``, or any other name for the embedded engine.
        folder: Where the embedded engine keeps its files.
    """
    if engine == "server":
        return opened.enter_context(server_client())
    if engine == "local":
        return opened.enter_context(closing(QdrantClient(":memory:")))
    return opened.enter_context(EdgeClient(str(folder)))
