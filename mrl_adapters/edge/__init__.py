"""The embedded engine: Qdrant Edge behind the methods of `QdrantClient`."""

from mrl_adapters.edge.client import EdgeClient
from mrl_adapters.edge.client_models import construct
from mrl_adapters.edge.limits import MAX_PAYLOAD_BYTES, MAX_PAYLOAD_DEPTH
from mrl_adapters.edge.log_repair import LogRepair
from mrl_adapters.edge.names import is_text
from mrl_adapters.edge.ownership import store_at
from mrl_adapters.edge.paths import AnyPath, absolute_path, is_address, may_write
from mrl_adapters.edge.ties import ROUNDING, by_id, nearly_equal, runs
from mrl_adapters.edge.words import WordWeights

__all__ = [
    "MAX_PAYLOAD_BYTES",
    "MAX_PAYLOAD_DEPTH",
    "ROUNDING",
    "AnyPath",
    "EdgeClient",
    "LogRepair",
    "WordWeights",
    "absolute_path",
    "by_id",
    "construct",
    "is_address",
    "is_text",
    "may_write",
    "nearly_equal",
    "runs",
    "store_at",
]
