"""Bring existing collections to two stages without embedding anything again.

Where to look: ``run`` is the way in. ``planning`` finds out what is to be done, by ``source`` (what
the collection holds), ``layouts`` (what it is to be), ``learning`` (its rotation, from vectors that
``sampling`` draws) and ``destination`` (where a copy goes). ``describing`` tells of it without
doing anything; ``in_place`` or ``copying`` does it: by ``shorts`` (judges and writes short vectors)
and ``carrier`` (carries points over), reading by ``pages``, noting by ``checkpoint`` how far it is
and telling by ``progress``. Where the old collection is deleted already, ``remainder`` does what is
left. What comes out is in ``result``.
"""

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
