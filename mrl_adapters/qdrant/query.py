"""Build Qdrant's own search requests from a layout, a plan and a vector."""

from dataclasses import dataclass
from functools import lru_cache

from qdrant_client import models

from mrl_adapters.arguments import number, whole
from mrl_adapters.edge import construct, is_text
from mrl_adapters.errors import CollectionMismatchError, ConfigurationError
from mrl_adapters.qdrant.commands import command
from mrl_adapters.qdrant.engine import SERVER, Engine
from mrl_adapters.qdrant.filters import admitted
from mrl_adapters.qdrant.layout import CollectionLayout
from mrl_adapters.qdrant.plan import SearchPlan
from mrl_adapters.qdrant.points import derive
from mrl_adapters.vectors import FloatArray, normalize

# Above this many results a server with several shards takes fewer candidates from each, as if the
# hits were spread at random; exact search takes all (qdrant, collection/src/shards, v1.19).
_UNDERSAMPLED_FROM = 128
_DIFFERENT_PARAMS = 256


@dataclass(frozen=True)
class Search:
    """One search, whatever the engine.

    Args:
        vector: The full query vector, shape (d,); None where words alone are searched for.
        k: Results wanted.
        offset: Results skipped before them.
        query_filter: Qdrant filter that every result passes.
        score_threshold: Scores that results must exceed (for distances: stay below); which
            scores these are in a hybrid search: see :mod:`mrl_adapters.qdrant.hybrid`.
        mmr_lambda: 1 ranks by similarity alone, 0 by diversity alone; None does not diversify.
        fetch_k: Candidates that diversity chooses from.
        with_payload: Whether, or which, payload is returned.
        with_vectors: Whether, or which, vectors are returned.
        text: The question itself, for plans that search by words too.
        sparse: The question's sparse vector; None has the collection compute it from the text.
        tokens: The question's token vectors, shape (tokens, d), for plans with late interaction;
            None has the collection compute them from the text.

    Raises:
        ConfigurationError: A number is outside its range.
    """

    vector: FloatArray | None
    k: int
    offset: int = 0
    query_filter: models.Filter | None = None
    score_threshold: float | None = None
    mmr_lambda: float | None = None
    fetch_k: int = 20
    with_payload: models.WithPayloadInterface = True
    with_vectors: models.WithVector = False
    text: str | None = None
    sparse: models.SparseVector | None = None
    tokens: FloatArray | None = None

    def __post_init__(self) -> None:
        """Refuse what the engines would each answer in their own way."""
        put = object.__setattr__
        put(self, "k", whole("k", self.k))
        put(self, "offset", whole("offset", self.offset, 0))
        put(self, "fetch_k", whole("fetch_k", self.fetch_k))
        if self.score_threshold is not None:
            threshold = number("score_threshold", self.score_threshold, "a finite number")
            put(self, "score_threshold", threshold)
        if self.mmr_lambda is not None:
            put(self, "mmr_lambda", diversity("mmr_lambda", self.mmr_lambda))
        if self.text is not None and not is_text(self.text):
            msg = f"text is {self.text!r}, expected the question as text, without half characters."
            raise ConfigurationError(msg, found=self.text, expected=str)

    @property
    def full(self) -> FloatArray:
        """The full query vector, which every plan but a lexical one needs."""
        if self.vector is None:
            msg = (
                "The search has no vector, and its plan compares vectors. Pass the question's "
                "vector, or plan=SearchPlan(hybrid='lexical')."
            )
            raise ConfigurationError(msg, found=None, expected="vector")
        return self.vector

    @property
    def reach(self) -> int:
        """Count the results that the full vectors must rank."""
        return self.k if self.mmr_lambda is None else max(self.k, self.fetch_k)


def diversity(name: str, value: object) -> float:
    """Read how much a search diversifies."""
    return number(name, value, "a number from 0 (diverse) to 1 (similar)", least=0, most=1)


def search_request(
    search: Search,
    layout: CollectionLayout,
    plan: SearchPlan,
    engine: Engine = SERVER,
    name: str | None = None,
) -> models.QueryRequest:
    """Build the request of one search: prefetch by short vectors, re-rank by full ones.

    The innermost prefetch is the shortest stage; the filter stands at the root, from where the
    engine hands it down to every stage. Scores are the full vectors' own. In a collection without
    stages the full vectors' graph is searched by their codes, if they have any, and as many
    candidates are re-ranked by the vectors themselves. The offset is not the engine's: see
    :mod:`mrl_adapters.qdrant.paging`.

    Returns:
        The request, not validated again: its parts come from validated objects.
    """
    query = full_query(search, layout, engine)
    if (mmr := search.mmr_lambda) is not None:
        query.mmr = models.Mmr(diversity=1.0 - mmr, candidates_limit=search.reach)
    stages = chosen_stages(layout, plan, engine, name)
    return construct(
        models.QueryRequest,
        {
            "prefetch": _prefetch(search, layout, plan, stages, engine),
            "query": query,
            "using": layout.full_name or None,
            "filter": admitted(search.query_filter),
            # The local mode scans everything and warns of settings that it has no use for.
            "params": _root_params(search, layout, plan) if engine.has_indexes else None,
            "score_threshold": search.score_threshold,
            "limit": search.k,
            "offset": None,
            "with_vector": search.with_vectors,
            "with_payload": search.with_payload,
            "shard_key": plan.shard_key,
            "lookup_from": None,
        },
    )


def full_query(search: Search, layout: CollectionLayout, engine: Engine) -> models.NearestQuery:
    """Build the query by the full vector, as the engine takes it."""
    full = normalize(search.full) if layout.distance == "Cosine" else search.full
    # Of a bare vector qdrant-client reads, and in its local mode copies, every number.
    return construct(models.NearestQuery, {"nearest": engine.encode(full), "mmr": None})


def chosen_stages(
    layout: CollectionLayout,
    plan: SearchPlan,
    engine: Engine = SERVER,
    name: str | None = None,
) -> tuple[int, ...]:
    """Choose the stages that a plan uses in a collection, shortest first.

    A plan that names none takes the longest alone: a funnel into it loses what a shorter stage
    misses, and a first list long enough to miss little takes longer than the longest stage's own
    search. The local mode has no graph and scans everything once a stage: there they are left
    out, and results are exact, unless the plan names them.

    Returns:
        The stages; none for an exact plan, nor in a collection that has none.
    """
    if plan.exact:
        return ()
    if plan.stages is None:
        return layout.stages[-1:] if engine.has_indexes else ()
    if missing := [stage for stage in plan.stages if stage not in layout.stages]:
        msg = (
            f"The plan searches stage {missing[0]}, "
            f"{'the collection' if name is None else f'collection {name!r}'} has "
            + (f"stages {layout.stages}. Choose from those" if layout.stages else "none. Name none")
        )
        if name is not None and missing[0] < layout.dimensions:
            msg += f", or add it with: {command('migrate', name, stages=missing)}"
        raise CollectionMismatchError(
            msg, collection=name, found=missing[0], expected=layout.stages
        )
    return plan.stages


def _prefetch(
    search: Search,
    layout: CollectionLayout,
    plan: SearchPlan,
    stages: tuple[int, ...],
    engine: Engine,
) -> models.Prefetch | None:
    inner: models.Prefetch | None = None
    if not stages:
        if not _is_undersampled(search, layout):
            return None
        return full_shortlist(search, layout, plan, engine)
    encode, tuned = engine.encode, engine.has_indexes
    vectors = derive(search.full, layout, stages)
    rescore = plan.rescore if layout.quantization else None
    shortlists = plan.shortlists(len(stages), search.reach)
    for stage, shortlist in zip(stages, shortlists, strict=True):
        name = layout.stage_name(stage)
        inner = construct(
            models.Prefetch,
            {
                "prefetch": inner,
                "query": encode(vectors[name]),
                "using": name,
                "filter": None,
                "params": _stage_params(plan.beam(shortlist), rescore) if tuned else None,
                "score_threshold": None,
                "limit": shortlist,
                "lookup_from": None,
            },
        )
    return inner


def full_shortlist(
    search: Search, layout: CollectionLayout, plan: SearchPlan, engine: Engine
) -> models.Prefetch | None:
    """Build the shortlist of a collection without stages, ranked by its full vectors.

    Returns:
        The shortlist by the full vectors' graph; None where there are stages, or where every full
        vector is compared anyway.
    """
    if layout.stages or plan.exact or not engine.has_indexes:
        return None
    candidates = plan.candidates(search.reach)
    return models.Prefetch.model_construct(
        query=engine.encode(search.full),
        using=layout.full_name or None,
        params=_one_stage_params(plan.beam(candidates), 1.0),
        limit=candidates,
    )


def _is_undersampled(search: Search, layout: CollectionLayout) -> bool:
    return (layout.shard_number or 1) > 1 and search.reach >= _UNDERSAMPLED_FROM


# Requests share their parameters, which nobody changes.
@lru_cache(maxsize=_DIFFERENT_PARAMS)
def _stage_params(hnsw_ef: int, rescore: bool | None) -> models.SearchParams:  # noqa: FBT001 - cached by position
    quantization = None if rescore is None else models.QuantizationSearchParams(rescore=rescore)
    return models.SearchParams(hnsw_ef=hnsw_ef, quantization=quantization)


def _root_params(search: Search, layout: CollectionLayout, plan: SearchPlan) -> models.SearchParams:
    if layout.stages or plan.exact or _is_undersampled(search, layout):
        return rescoring_params(search, layout, plan)
    candidates = plan.candidates(search.reach)
    return _one_stage_params(plan.beam(candidates), candidates / search.reach)


def rescoring_params(
    search: Search, layout: CollectionLayout, plan: SearchPlan
) -> models.SearchParams:
    """Build the settings by which full vectors score what prefetches hand to them."""
    # A graph on the full vector would be walked instead of scoring each candidate.
    return _full_params(plan.exact or layout.full_has_graph or _is_undersampled(search, layout))


@lru_cache(maxsize=_DIFFERENT_PARAMS)
def _full_params(exact: bool) -> models.SearchParams:  # noqa: FBT001 - cached by position
    # Somebody else's collection may be quantized as a whole; scores stay exact all the same.
    return models.SearchParams(
        exact=exact, quantization=models.QuantizationSearchParams(ignore=True)
    )


@lru_cache(maxsize=_DIFFERENT_PARAMS)
def _one_stage_params(hnsw_ef: int, oversampling: float) -> models.SearchParams:
    codes = models.QuantizationSearchParams(rescore=True, oversampling=oversampling)
    return models.SearchParams(hnsw_ef=hnsw_ef, quantization=codes)
