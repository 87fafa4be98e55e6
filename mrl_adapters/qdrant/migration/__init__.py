"""Bring existing collections to two stages without embedding anything again."""

from mrl_adapters.qdrant.migration.progress import Progress, ProgressCallback
from mrl_adapters.qdrant.migration.result import CopyTarget, MigrationPlan, MigrationResult
from mrl_adapters.qdrant.migration.run import migrate, plan_migration

__all__ = [
    "CopyTarget",
    "MigrationPlan",
    "MigrationResult",
    "Progress",
    "ProgressCallback",
    "migrate",
    "plan_migration",
]
