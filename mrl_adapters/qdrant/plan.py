"""How a collection is searched: every knob of a query, validated once."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from qdrant_client import models

from mrl_adapters.errors import ConfigurationError

_MIN_EF = 128


@dataclass(frozen=True)
class SearchPlan:
    """Say how to search: shortlist sizes, graph effort, and what is passed on to the server.

    Args:
        oversampling: Candidates that the last short stage hands to the full vectors, as a
            multiple of k + offset.
        min_candidates: The least number of candidates, however small k is.
        hnsw_ef: Size of the beam in the short vectors' graph; None takes max(128, candidates).
        exact: Skip the short vectors and compare the query with every full vector. Slow, and
            the truth that plans are measured against.
        stages: Which of the collection's stages to use, shortest first; several make a funnel.
            None uses the longest alone, and none in qdrant-client's local mode, which scans
            everything once a stage.
        funnel_factor: In a funnel of several stages, how many times as many candidates each
            stage takes as the next one.
        rescore: Re-rank the quantized short hits with the unquantized short vectors before they
            are handed on. Hardly worth its reads: it reorders a shortlist that the full vectors
            rank anyway.
        consistency: Qdrant's read consistency: how many replicas must agree.
        timeout_s: Limit for one search on the server, seconds.
        shard_key: Search only these custom shards (name or list of names).

    Raises:
        ConfigurationError: A value is outside its range.
    """

    oversampling: float = 8.0
    min_candidates: int = 100
    hnsw_ef: int | None = None
    exact: bool = False
    stages: tuple[int, ...] | None = None
    funnel_factor: float = 4.0
    rescore: bool = False
    consistency: int | models.ReadConsistencyType | None = None
    timeout_s: int | None = None
    shard_key: str | int | list[str | int] | None = None

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        _require(self.oversampling >= 1, "oversampling", self.oversampling, "a number >= 1")
        _require(math.isfinite(self.oversampling), "oversampling", self.oversampling, "finite")
        _require(self.min_candidates >= 1, "min_candidates", self.min_candidates, "at least 1")
        _require(self.hnsw_ef is None or self.hnsw_ef >= 1, "hnsw_ef", self.hnsw_ef, "at least 1")
        _require(
            1 <= self.funnel_factor < math.inf, "funnel_factor", self.funnel_factor, "finite, >= 1"
        )
        _require(
            self.timeout_s is None or self.timeout_s >= 1, "timeout_s", self.timeout_s, "at least 1"
        )
        if self.stages is not None:
            object.__setattr__(self, "stages", tuple(sorted(set(self.stages))))
            _require(bool(self.stages), "stages", (), "at least one stage (or exact=True)")

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> "SearchPlan":
        """Read a plan that was saved with a collection.

        Args:
            stored: Knob to value; knobs that this version does not know are passed over.
        """
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in stored.items() if name in known})

    def merge(self, overrides: "SearchPlan | Mapping[str, Any] | None") -> "SearchPlan":
        """Return this plan with some knobs changed for one call.

        Args:
            overrides: Another plan (replaces this one), a mapping of knob to value, or None.

        Raises:
            ConfigurationError: The mapping names a knob that does not exist.
        """
        if overrides is None:
            return self
        if isinstance(overrides, SearchPlan):
            return overrides
        known = [field.name for field in fields(self)]
        if unknown := sorted(set(overrides) - set(known)):
            msg = f"SearchPlan has no option {unknown[0]!r}. It has: {', '.join(known)}."
            raise ConfigurationError(msg)
        return replace(self, **overrides)

    def candidates(self, k: int, offset: int = 0) -> int:
        """Count the candidates that the full vectors re-rank.

        Args:
            k: Results wanted.
            offset: Results skipped before them.

        Returns:
            max(oversampling * (k + offset), min_candidates).
        """
        return max(math.ceil(self.oversampling * (k + offset)), self.min_candidates)

    def shortlists(self, stages: int, k: int, offset: int = 0) -> list[int]:
        """Count the candidates that each stage hands on, shortest stage first.

        Args:
            stages: How many short stages there are.
            k: Results wanted.
            offset: Results skipped before them.

        Returns:
            One count a stage, falling; the last is :meth:`candidates`.
        """
        last = self.candidates(k, offset)
        return [math.ceil(last * self.funnel_factor**depth) for depth in reversed(range(stages))]

    def beam(self, shortlist: int) -> int:
        """Size the graph search's beam for a shortlist.

        Args:
            shortlist: How many candidates the search must find.
        """
        return self.hnsw_ef or max(_MIN_EF, shortlist)


def _require(holds: bool, name: str, found: object, expected: str) -> None:  # noqa: FBT001 - a predicate
    if not holds:
        msg = f"SearchPlan({name}={found!r}): expected {expected}."
        raise ConfigurationError(msg)
