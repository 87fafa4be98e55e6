"""Two-stage search on Qdrant: embedded, local or server, framework-free."""

from mrl_adapters.qdrant.collection import MatryoshkaCollection
from mrl_adapters.qdrant.connect import connect
from mrl_adapters.qdrant.driver import Driver
from mrl_adapters.qdrant.edge import EdgeClient
from mrl_adapters.qdrant.layout import CollectionLayout
from mrl_adapters.qdrant.opening import MissingShortVectorsWarning
from mrl_adapters.qdrant.plan import SearchPlan

__all__ = [
    "CollectionLayout",
    "Driver",
    "EdgeClient",
    "MatryoshkaCollection",
    "MissingShortVectorsWarning",
    "SearchPlan",
    "connect",
]
