"""What one query may ask for beside the query itself."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from qdrant_client import models
from typing_extensions import Self

from mrl_adapters.arguments import refuse_unknown
from mrl_adapters.qdrant import SearchPlan
from mrl_adapters.qdrant.plan import Plan


@dataclass(frozen=True)
class QueryOptions:
    """The options of one query: LlamaIndex's ``vector_store_kwargs``.

    Args:
        plan: A SearchPlan, or a mapping of the knobs to change.
        exact: Compare with every full vector instead of searching the short ones.
        shard_key: Search only these custom shards.
        score_threshold: The engine's own scores must exceed it (distances stay below it).
        qdrant_filters: A Qdrant filter that nodes must pass as well.
        mmr_threshold: In mode MMR: 1 ranks by similarity alone, 0 by diversity alone; 0.5 if None.
        mmr_prefetch_k: In mode MMR: candidates that diversity chooses from; None takes four times
            the nodes wanted, at least 20.
    """

    plan: Plan | None = None
    exact: bool | None = None
    shard_key: str | int | list[str | int] | None = None
    score_threshold: float | None = None
    qdrant_filters: models.Filter | None = None
    mmr_threshold: float | None = None
    mmr_prefetch_k: int | None = None

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Self:
        """Take a query's keyword arguments.

        Args:
            given: Option to value.

        Raises:
            ConfigurationError: An option does not exist.
        """
        refuse_unknown("A query", given, [field.name for field in fields(cls)])
        return cls(**given)

    def plan_over(self, plan: SearchPlan) -> SearchPlan:
        """Change a collection's plan for this query.

        Args:
            plan: The collection's own.
        """
        merged = plan.merge(self.plan)
        direct = {"exact": self.exact, "shard_key": self.shard_key}
        changes = {name: value for name, value in direct.items() if value is not None}
        return merged.merge(changes) if changes else merged
