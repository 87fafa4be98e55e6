"""A server's strict mode: limits of a collection, kept within instead of run into.

They are read once a collection, and anew whenever it is opened. Pages,
batches, candidates and beams are made smaller; what cannot be smaller (an exact search, a filter on
a field without an index) is left to the server to refuse, whose reason the error shows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from qdrant_client import models

from mrl_adapters.qdrant.flow import CLIENT, Flow, ask, current_engine
from mrl_adapters.user_warnings import warn_user

_KNOWN: "dict[str, dict[str, Limits]]" = {}
"""By a server's address, which a client shares with its async twins."""


class StrictModeWarning(UserWarning):
    """A search takes fewer candidates than its plan asks for: the server allows no more."""


@dataclass(frozen=True)
class Limits:
    """What a collection allows a request; None where it does not limit.

    Args:
        results: Points in an answer, and candidates of a search's every stage.
        points: Points in a request that writes.
        searches: Searches in a request.
        beam: ``hnsw_ef``.
        oversampling: How many times as many codes as results are read.
        exact: Whether exact searches and exact counts are allowed.
    """

    results: int | None = None
    points: int | None = None
    searches: int | None = None
    beam: int | None = None
    oversampling: float | None = None
    exact: bool = True

    @classmethod
    def of(cls, info: models.CollectionInfo) -> "Limits":
        """Read them from a collection's description."""
        strict = info.config.strict_mode_config
        if strict is None or not strict.enabled:
            return UNLIMITED
        writes = [strict.upsert_max_batchsize, strict.write_rate_limit]
        return cls(
            results=strict.max_query_limit,
            # What costs more than the rate allows at once is refused however long one waits.
            points=min((each for each in writes if each is not None), default=None),
            searches=strict.search_max_batchsize,
            beam=strict.search_max_hnsw_ef,
            oversampling=strict.search_max_oversampling,
            exact=strict.search_allow_exact is not False,
        )

    def page(self, wanted: int) -> int:
        """Return how many points a page may have."""
        size: int = least(wanted, self.results)
        return size

    def batches(self, requests: Sequence[models.QueryRequest]) -> Iterator[Sequence[Any]]:
        """Split searches into requests."""
        size = self.searches or max(1, len(requests))
        for start in range(0, len(requests), size):
            yield requests[start : start + size]

    def fit(self, name: str, request: models.QueryRequest) -> models.QueryRequest:
        """Make a search's stages as small as they must be.

        Args:
            name: The collection, for the warning.
            request: The search.

        Warns:
            StrictModeWarning: They are smaller than the plan asks for.
        """
        if self is UNLIMITED:
            return request
        prefetch = _stages(request.prefetch)
        fitted = [self._stage(each) for each in prefetch]
        params = self._params(request.params)
        if fitted == prefetch and params == request.params:
            return request
        msg = (
            f"Collection {name!r} is in strict mode: its searches take at most "
            f"{self.results or 'any number of'} candidates a stage and a beam of "
            f"{self.beam or 'any size'}, less than the plan asks for, and miss more. Raise "
            "max_query_limit and search_max_hnsw_ef in the collection's strict_mode_config, or "
            "choose a plan within them: SearchPlan(min_candidates=..., oversampling=..., "
            "hnsw_ef=...)."
        )
        warn_user(msg, StrictModeWarning)
        inner: Any = fitted if isinstance(request.prefetch, list) else fitted[0] if fitted else None
        return request.model_copy(update={"prefetch": inner, "params": params})

    def _stage(self, stage: models.Prefetch) -> models.Prefetch:
        inner: Any = [self._stage(each) for each in _stages(stage.prefetch)]
        limit = stage.limit if stage.limit is None else self.page(stage.limit)
        changes = {"limit": limit, "params": self._params(stage.params)}
        if inner:
            changes["prefetch"] = inner if isinstance(stage.prefetch, list) else inner[0]
        return stage.model_copy(update=changes)

    def _params(self, params: models.SearchParams | None) -> models.SearchParams | None:
        if params is None:
            return None
        changes: dict[str, Any] = {}
        if params.hnsw_ef is not None:
            changes["hnsw_ef"] = least(params.hnsw_ef, self.beam)
        codes = params.quantization
        if codes is not None and codes.oversampling is not None:
            oversampling = least(codes.oversampling, self.oversampling)
            changes["quantization"] = codes.model_copy(update={"oversampling": oversampling})
        return params.model_copy(update=changes)


UNLIMITED = Limits()


def limits_of(name: str) -> Flow[Limits]:
    """Return what a collection allows; engines in this process allow everything."""
    if not current_engine().is_server:
        return UNLIMITED
    known = _known().get(name)
    if known is None:
        info = yield from ask(lambda c: c.get_collection(name))
        known = note_limits(name, info)
    return known


def note_limits(name: str, info: models.CollectionInfo) -> Limits:
    """Remember what a collection that has just been read allows."""
    limits = Limits.of(info)
    if current_engine().is_server:
        _known()[name] = limits
    return limits


def _known() -> "dict[str, Limits]":
    remote: Any = getattr(CLIENT.get(), "_client", None)
    return _KNOWN.setdefault(str(getattr(remote, "rest_uri", None)), {})


def least(wanted: Any, allowed: Any) -> Any:
    """Return what is wanted, or as much of it as is allowed."""
    return wanted if allowed is None else min(wanted, allowed)


def _stages(prefetch: Any) -> list[models.Prefetch]:
    if prefetch is None:
        return []
    return prefetch if isinstance(prefetch, list) else [prefetch]
