"""How a collection is searched: every knob of a query, validated once."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, TypeAlias, get_args

from qdrant_client import models

from mrl_adapters.arguments import MOST, flag, number, refuse_unknown, whole
from mrl_adapters.errors import ConfigurationError

Hybrid: TypeAlias = Literal["rrf", "dbsf", "rescore", "lexical"]

_MIN_EF = 128
_GREATEST_FACTOR = 1_000_000
_LEGS = 2


@dataclass(frozen=True)
class SearchPlan:
    """How to search: shortlist sizes, graph effort, and what is passed on to the server.

    In a collection without stages the candidates are those that the full vectors' own graph gives,
    and ``hnsw_ef`` is that graph's beam; ``funnel_factor`` and ``rescore`` mean nothing there.

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
        hybrid: How the question's words join the search (see :mod:`mrl_adapters.qdrant.hybrid`):
            "rrf" fuses the ranks of the two-stage search and of BM25, "dbsf" their scores,
            "rescore" ranks the shortlists of both by the full vectors, "lexical" takes BM25
            alone. None searches by vectors alone.
        weights: How much vectors and words count in "rrf", such as (0.7, 0.3); where one counts
            nothing, the other searches alone. They mean nothing in other plans.
        rrf_k: How slowly a rank loses worth in "rrf": the first of a list counts 1 / rrf_k.
        late_interaction: Whether token vectors rank the full stage's shortlist anew, by MaxSim (see
            :class:`mrl_adapters.qdrant.TokenVectors`); scores and thresholds are theirs then. With
            "rescore" they rank the vectors' shortlist and BM25's, with "lexical" BM25's.
        late_candidates: How many hits of the full stage they rank, at least k + offset and at most
            what the short stage hands on.
        rescore: Re-rank the quantized short hits with the unquantized short vectors before they
            are handed on. Hardly worth its reads: it reorders a shortlist that the full vectors
            rank anyway.
        consistency: Qdrant's read consistency: how many replicas must agree.
        timeout_s: Limit for one search on a server, opening the collection, repetitions and pauses
            included, seconds; None takes the client's timeout.
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
    hybrid: Hybrid | None = None
    weights: tuple[float, float] = (1.0, 1.0)
    rrf_k: int = 2
    late_interaction: bool = False
    late_candidates: int = 50
    consistency: int | models.ReadConsistencyType | None = None
    timeout_s: int | None = None
    shard_key: str | int | list[str | int] | None = None

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        for name, read in _KNOBS.items():
            value = getattr(self, name)
            if value is not None or name not in _OPTIONAL:
                object.__setattr__(self, name, read(f"SearchPlan's {name}", value))

    @property
    def searches(self) -> Hybrid | None:
        """How the search is done: as ``hybrid`` says, or by one side where only that counts."""
        if self.hybrid == "rrf" and 0.0 in self.weights:
            return "lexical" if self.weights[0] == 0 else None
        return self.hybrid

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> "SearchPlan":
        """Read a plan that was saved with a collection.

        Args:
            stored: Knob to value; knobs that this version does not know are passed over.
        """
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in stored.items() if name in known})

    def merge(self, overrides: "SearchPlan | Mapping[str, Any] | None") -> "SearchPlan":
        """Return this plan with some knobs changed, as for one call.

        Args:
            overrides: Another plan (replaces this one), a mapping of knob to value, or None.

        Raises:
            ConfigurationError: The mapping names a knob that does not exist, or it is neither a
                plan nor a mapping.
        """
        if overrides is None:
            return self
        if isinstance(overrides, SearchPlan):
            return overrides
        _check_kind(overrides)
        refuse_unknown("SearchPlan", overrides, [field.name for field in fields(self)])
        return replace(self, **overrides)

    def candidates(self, k: int, offset: int = 0) -> int:
        """Count the candidates that the full vectors re-rank.

        Args:
            k: Results wanted.
            offset: Results skipped before them.

        Returns:
            max(oversampling * (k + offset), min_candidates).
        """
        return min(MOST, max(math.ceil(self.oversampling * (k + offset)), self.min_candidates))

    def ranked_late(self, k: int) -> int:
        """Count the hits of each leg that late interaction ranks.

        Args:
            k: Results wanted.
        """
        return min(self.candidates(k), max(self.late_candidates, k))

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
        widths = (last * self.funnel_factor**depth for depth in reversed(range(stages)))
        return [min(MOST, math.ceil(width)) for width in widths]

    def beam(self, shortlist: int) -> int:
        """Size the graph search's beam for a shortlist.

        Args:
            shortlist: How many candidates the search must find.
        """
        return self.hnsw_ef or max(_MIN_EF, shortlist)


def _stages(name: str, value: object) -> tuple[int, ...]:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        msg = f"{name} is {value!r}, expected a tuple of sizes, such as (64, 256)."
        raise ConfigurationError(msg, found=value, expected="a tuple of sizes")
    sizes = {whole(name, size) for size in value}
    if not sizes:
        msg = f"{name} is empty, expected at least one stage (or exact=True)."
        raise ConfigurationError(msg, found=(), expected="at least one stage")
    return tuple(sorted(sizes))


def _factor(name: str, value: object) -> float:
    return number(name, value, f"a number from 1 to {_GREATEST_FACTOR:,}", 1, _GREATEST_FACTOR)


def _weights(name: str, value: object) -> tuple[float, ...]:
    expected = "two numbers from 0 to 1,000,000, for vectors and words, such as (0.7, 0.3)"
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        msg = f"{name} is {value!r}, expected {expected}."
        raise ConfigurationError(msg, found=value, expected=expected)
    read = tuple(number(name, each, expected, 0, _GREATEST_FACTOR) for each in value)
    if len(read) != _LEGS or not any(read):
        msg = f"{name} is {read!r}, expected {expected}, and not both 0."
        raise ConfigurationError(msg, found=read, expected=expected)
    return read


def _hybrid(name: str, value: object) -> object:
    if value not in get_args(Hybrid):
        msg = f"{name} is {value!r}, expected one of {get_args(Hybrid)}, or None."
        raise ConfigurationError(msg, found=value, expected=get_args(Hybrid))
    return value


def _consistency(name: str, value: object) -> object:
    if isinstance(value, str):  # by gRPC the client takes no text
        levels = [*map(str, models.ReadConsistencyType)]
        if value not in levels:
            msg = f"{name} is {value!r}, expected a number of replicas, or one of {levels}."
            raise ConfigurationError(msg, found=value, expected=levels)
        return models.ReadConsistencyType(value)
    return whole(name, value)


# How each knob's value is read; the client checks the rest.
_KNOBS: Mapping[str, Callable[[str, object], object]] = {
    "oversampling": _factor,
    "min_candidates": whole,
    "hnsw_ef": whole,
    "exact": flag,
    "stages": _stages,
    "funnel_factor": _factor,
    "rescore": flag,
    "hybrid": _hybrid,
    "weights": _weights,
    "rrf_k": whole,
    "late_interaction": flag,
    "late_candidates": whole,
    "consistency": _consistency,
    "timeout_s": whole,
}
_OPTIONAL = {"hnsw_ef", "stages", "hybrid", "consistency", "timeout_s"}

# What takes a plan: another one in its place, or the knobs to change.
Plan: TypeAlias = SearchPlan | Mapping[str, Any]


def _check_kind(plan: object) -> None:
    if not isinstance(plan, (SearchPlan, Mapping)):
        msg = f"plan is {plan!r}, expected a SearchPlan, or a dict of the knobs to change."
        raise ConfigurationError(msg, found=plan, expected=SearchPlan)


def layered(*changes: Plan | None) -> Plan | None:
    """Put changes of a plan over each other, whatever plan they will be applied to.

    Returns:
        One change that does the same.

    Raises:
        ConfigurationError: One is neither a plan nor a mapping.
    """
    whole_change: Plan | None = None
    for each in changes:
        if each is not None:
            _check_kind(each)
        if isinstance(whole_change, SearchPlan):
            whole_change = whole_change.merge(each)
        elif isinstance(each, Mapping) and whole_change:
            whole_change = {**whole_change, **each}
        elif each is not None:
            whole_change = each
    return whole_change
