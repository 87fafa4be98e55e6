"""Two-stage search on Qdrant: embedded, local or server, framework-free."""

from mrl_adapters.qdrant.audit import AuditReport, audit
from mrl_adapters.qdrant.collection import MatryoshkaCollection
from mrl_adapters.qdrant.connect import connect
from mrl_adapters.qdrant.contents import UnreadableContentWarning
from mrl_adapters.qdrant.driver import Driver
from mrl_adapters.qdrant.edge import EdgeClient
from mrl_adapters.qdrant.layout import CollectionLayout
from mrl_adapters.qdrant.migration import (
    CopyTarget,
    MigrationPlan,
    MigrationResult,
    migrate,
    plan_migration,
)
from mrl_adapters.qdrant.opening import MissingShortVectorsWarning
from mrl_adapters.qdrant.plan import SearchPlan
from mrl_adapters.qdrant.refit import refit
from mrl_adapters.qdrant.repair import RepairResult, repair
from mrl_adapters.qdrant.unmet import UnmetLayoutWarning
from mrl_adapters.qdrant.zeros import ZeroVectorsWarning

__all__ = [
    "AuditReport",
    "CollectionLayout",
    "CopyTarget",
    "Driver",
    "EdgeClient",
    "MatryoshkaCollection",
    "MigrationPlan",
    "MigrationResult",
    "MissingShortVectorsWarning",
    "RepairResult",
    "SearchPlan",
    "UnmetLayoutWarning",
    "UnreadableContentWarning",
    "ZeroVectorsWarning",
    "audit",
    "connect",
    "migrate",
    "plan_migration",
    "refit",
    "repair",
]
