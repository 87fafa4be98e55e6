"""Keep collections in order: migrate, rotate, audit and repair, without embedding anything again.

Where to look: ``run`` is the way in. ``planning`` finds out what is to be done, by ``source`` (what
the collection holds), ``layouts`` (what it is to be), ``learning`` (its rotation, from vectors that
``sampling`` draws) and ``destination`` (where a copy goes). ``describing`` tells of it without
doing anything; ``in_place`` or ``copying`` does it: by ``shorts`` (judges and writes short vectors)
and ``carrier`` (carries points over), reading by ``pages``, noting by ``checkpoint`` how far it is
and telling by ``progress``. Where the old collection is deleted already, ``remainder`` does what is
left. What comes out is in ``result``.
"""

from mrl_adapters.maintenance.audit import AuditReport, audit
from mrl_adapters.maintenance.repair import RepairResult, repair
from mrl_adapters.maintenance.result import CopyTarget, MigrationPlan, MigrationResult
from mrl_adapters.maintenance.rotate import RotationResult, rotate
from mrl_adapters.maintenance.run import migrate, plan_migration

__all__ = [
    "AuditReport",
    "CopyTarget",
    "MigrationPlan",
    "MigrationResult",
    "RepairResult",
    "RotationResult",
    "audit",
    "migrate",
    "plan_migration",
    "repair",
    "rotate",
]
