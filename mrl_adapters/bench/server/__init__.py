"""The same measurements on somebody's Qdrant server, in collections of the bench's own."""

from mrl_adapters.bench.server.line_up import server_line_up
from mrl_adapters.bench.server.place import Place
from mrl_adapters.bench.server.run import INDEX_LIMIT_S, run_on_server

__all__ = ["INDEX_LIMIT_S", "Place", "run_on_server", "server_line_up"]
