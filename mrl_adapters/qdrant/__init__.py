"""Two-stage search on Qdrant: embedded, local or server, framework-free."""

from typing import TYPE_CHECKING, Any

from mrl_adapters.edge import EdgeClient
from mrl_adapters.qdrant.collection import MatryoshkaCollection
from mrl_adapters.qdrant.connect import connect
from mrl_adapters.qdrant.contents import UnreadableContentWarning
from mrl_adapters.qdrant.driver import Driver
from mrl_adapters.qdrant.foreign_sparse import MissingSparseVectorsWarning
from mrl_adapters.qdrant.groups import Group, GroupBy
from mrl_adapters.qdrant.late_interaction import TokenEncoder, TokenVectors
from mrl_adapters.qdrant.layout import CollectionLayout
from mrl_adapters.qdrant.lexical import TextIndex
from mrl_adapters.qdrant.mismatches import OneStageWarning, UnmetLayoutWarning
from mrl_adapters.qdrant.opening import MissingShortVectorsWarning, UnrotatedWarning
from mrl_adapters.qdrant.plan import SearchPlan
from mrl_adapters.qdrant.query import Search
from mrl_adapters.qdrant.signals import Signals
from mrl_adapters.qdrant.sparse import SparseEncoder, SparseVectors
from mrl_adapters.qdrant.writing import ZeroVectorsWarning

if TYPE_CHECKING:
    from mrl_adapters.maintenance import (
        CopyTarget,
        audit,
        migrate,
        plan_migration,
        repair,
        rotate,
    )

__all__ = [
    "CollectionLayout",
    "CopyTarget",
    "Driver",
    "EdgeClient",
    "Group",
    "GroupBy",
    "MatryoshkaCollection",
    "MissingShortVectorsWarning",
    "MissingSparseVectorsWarning",
    "OneStageWarning",
    "Search",
    "SearchPlan",
    "Signals",
    "SparseEncoder",
    "SparseVectors",
    "TextIndex",
    "TokenEncoder",
    "TokenVectors",
    "UnmetLayoutWarning",
    "UnreadableContentWarning",
    "UnrotatedWarning",
    "ZeroVectorsWarning",
    "audit",
    "connect",
    "migrate",
    "plan_migration",
    "repair",
    "rotate",
]


def __getattr__(name: str) -> Any:
    """Load maintenance, which stands on this room, when somebody asks for it here."""
    if name not in __all__:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from mrl_adapters import maintenance

    return getattr(maintenance, name)
