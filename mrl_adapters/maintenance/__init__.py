"""Keep collections in order without embedding again: migrate, rotate, audit, repair, back up."""

from mrl_adapters.maintenance.audit import AuditReport, audit
from mrl_adapters.maintenance.backup import BackupResult, backup, restore
from mrl_adapters.maintenance.migrate import migrate, plan_migration
from mrl_adapters.maintenance.overview import (
    CollectionOverview,
    VectorOverview,
    describe,
    list_collections,
)
from mrl_adapters.maintenance.recommendations import Recommendation
from mrl_adapters.maintenance.repair import RepairResult, repair
from mrl_adapters.maintenance.result import CopyTarget, MigrationPlan, MigrationResult
from mrl_adapters.maintenance.rotate import RotationResult, rotate

__all__ = [
    "AuditReport",
    "BackupResult",
    "CollectionOverview",
    "CopyTarget",
    "MigrationPlan",
    "MigrationResult",
    "Recommendation",
    "RepairResult",
    "RotationResult",
    "VectorOverview",
    "audit",
    "backup",
    "describe",
    "list_collections",
    "migrate",
    "plan_migration",
    "repair",
    "restore",
    "rotate",
]
