"""Build the requests of searches in several ways: vectors, words and tokens in one query.

``rrf`` and ``dbsf`` fuse two legs at the root: the two-stage search, and BM25. Fused deeper down,
ranks would be those within a shard. ``rescore`` hands the shortlists of both, the short vectors'
and BM25's, to the full vectors. ``lexical`` is BM25 alone. Either leg hands on as many candidates
as the plan's shortlist has (:meth:`~mrl_adapters.qdrant.SearchPlan.candidates`).

What a score is depends on the plan, and a threshold applies to it: the full vectors' own score
with ``rescore``, the fused one with ``rrf`` and ``dbsf``, BM25's with ``lexical``; the last three
grow the better a result is, whatever the distance. Filters hold for both legs.

Late interaction ranks what the legs hand to it, at the root: the two-stage search's shortlist, with
``rescore`` BM25's beside it, with ``lexical`` BM25's. Scores are its own then. On several shards
each ranks shortlists of its own, so that more is ranked there than on one.

Source: https://qdrant.tech/documentation/concepts/hybrid-queries/
"""

from typing import Any

from qdrant_client import models

from mrl_adapters.edge import construct
from mrl_adapters.errors import CollectionMismatchError, ConfigurationError
from mrl_adapters.qdrant.commands import command
from mrl_adapters.qdrant.engine import SERVER, Engine
from mrl_adapters.qdrant.filters import admitted
from mrl_adapters.qdrant.layout import NEARER_IS_LESS, CollectionLayout
from mrl_adapters.qdrant.plan import Hybrid, SearchPlan
from mrl_adapters.qdrant.query import (
    Search,
    full_query,
    full_shortlist,
    rescoring_params,
    search_request,
)
from mrl_adapters.qdrant.weights import words_found_by

_USUAL_RRF_K = 2
FUSED = ("rrf", "dbsf")
"""Plans that fuse two rankings."""


def request_of(
    search: Search,
    layout: CollectionLayout,
    plan: SearchPlan,
    engine: Engine = SERVER,
    name: str | None = None,
) -> models.QueryRequest:
    """Build the request of one search, hybrid or by vectors alone.

    Raises:
        ConfigurationError: The plan needs the question's text, and the search has none.
        CollectionMismatchError: The collection has nothing that finds words.
    """
    how = plan.searches
    if plan.late_interaction:
        return _late_request(search, layout, plan, engine, name)
    if how is None:
        return search_request(search, layout, plan, engine, name)
    lexical = _lexical_leg(search, layout, plan, engine, name)
    if how == "lexical":
        return _request(search, plan, query=lexical.query, using=lexical.using, prefetch=None)
    if how == "rescore":
        request, shortlist = _by_full_vectors(search, layout, plan, engine, name)
        if shortlist is None:  # every full vector is compared: there is nothing to add
            return request
        return request.model_copy(update={"prefetch": [shortlist, lexical]})
    if how == "dbsf" and layout.distance in NEARER_IS_LESS:
        msg = (
            f"The plan fuses scores (hybrid='dbsf'), and "
            f"{'the collection' if name is None else f'collection {name!r}'} compares by "
            f"{layout.distance}: engines take its greatest distances for the best scores. Fuse "
            "ranks: hybrid='rrf'."
        )
        raise ConfigurationError(msg, found=layout.distance, expected="rrf")
    dense = _dense_leg(search, layout, plan, engine, name)
    query = _fusion(plan, how)
    return _request(search, plan, query=query, using=None, prefetch=[dense, lexical])


def _late_request(
    search: Search,
    layout: CollectionLayout,
    plan: SearchPlan,
    engine: Engine,
    name: str | None,
) -> models.QueryRequest:
    """Build the search whose shortlists late interaction ranks.

    Raises:
        ConfigurationError: The plan fuses, or nobody has computed the question's token vectors.
    """
    how = plan.searches
    if how in FUSED:
        msg = (
            f"The plan fuses two rankings (hybrid={how!r}), which late interaction would rank "
            "anew: pass hybrid='rescore' for the shortlists of both, or late_interaction=False."
        )
        raise ConfigurationError(msg, found=how, expected="rescore")
    if layout.late_interaction is None or search.tokens is None:
        msg = (
            "The plan ranks by late interaction, and the search has no token vectors. Pass them "
            "(tokens=...), or late_interaction=False."
        )
        raise ConfigurationError(msg, found=None, expected="tokens")
    limit = plan.ranked_late(search.reach)
    legs = []
    if how != "lexical":
        request, shortlist = _by_full_vectors(search, layout, plan, engine, name)
        legs.append(
            models.Prefetch.model_construct(
                prefetch=shortlist,
                query=full_query(search, layout, engine),
                using=request.using,
                params=request.params,
                limit=limit,
            )
        )
    if how is not None:
        lexical = _lexical_leg(search, layout, plan, engine, name)
        legs.append(lexical.model_copy(update={"limit": limit}))
    rows = models.NearestQuery.model_construct(nearest=search.tokens.tolist(), mmr=None)
    request = _request(search, plan, query=rows, using=layout.late_interaction.name, prefetch=legs)
    # Of a collection that others made, a graph would be walked instead of ranking the shortlist.
    request.params = models.SearchParams(exact=True) if engine.has_indexes else None
    return request


def _by_full_vectors(
    search: Search,
    layout: CollectionLayout,
    plan: SearchPlan,
    engine: Engine,
    name: str | None,
) -> tuple[models.QueryRequest, Any]:
    """Build a search whose full vectors rank a shortlist, which is None where they rank all."""
    request = search_request(search, layout, plan, engine, name)
    shortlist = request.prefetch or full_shortlist(search, layout, plan, engine)
    if shortlist is not None and engine.has_indexes:
        request.params = rescoring_params(search, layout, plan)
    return request, shortlist


def _dense_leg(
    search: Search,
    layout: CollectionLayout,
    plan: SearchPlan,
    engine: Engine,
    name: str | None,
) -> models.Prefetch:
    """Build the two-stage search as a leg, which hands on its whole shortlist, ranked."""
    if (leg := full_shortlist(search, layout, plan, engine)) is not None:
        return leg
    alone = search_request(search, layout, plan, engine, name)
    return construct(
        models.Prefetch,
        {
            "prefetch": alone.prefetch,
            "query": full_query(search, layout, engine),
            "using": alone.using,
            "filter": None,
            "params": alone.params,
            "score_threshold": None,
            "limit": plan.candidates(search.reach),
            "lookup_from": None,
        },
    )


def _lexical_leg(
    search: Search, layout: CollectionLayout, plan: SearchPlan, engine: Engine, name: str | None
) -> models.Prefetch:
    how = plan.searches
    if search.text is None and search.sparse is None:
        msg = (
            f"The plan searches by words (hybrid={how!r}), and the search has no text. Pass the "
            "question's text (Search(text=...), or a store's search by the question itself, not by "
            "a vector), or hybrid=None."
        )
        raise ConfigurationError(msg, found=None, expected="text")
    found_by = words_found_by(layout, engine)
    query: models.SparseVector | models.TextQuery | None = None
    using = None
    if found_by == "sparse" and layout.sparse is not None:
        query, using = search.sparse, layout.sparse.name
    elif found_by == "text_index" and layout.text_index is not None:
        query = models.TextQuery.model_construct(text=search.text)
        using = layout.text_index.field
    if query is None:
        raise _no_lexical_leg(plan, engine, name)
    return construct(
        models.Prefetch,
        {
            "prefetch": None,
            "query": query,
            "using": using,
            "filter": None,
            "params": None,
            "score_threshold": None,
            "limit": plan.candidates(search.reach),
            "lookup_from": None,
        },
    )


def _no_lexical_leg(plan: SearchPlan, engine: Engine, name: str | None) -> CollectionMismatchError:
    lacked, options = "sparse vectors", ["--sparse"]
    if engine.ranks_texts:
        lacked, options = "text index and no sparse vectors", ["--text-index", "--sparse"]
    if name is None:
        whose, ways = "the collection", ["migrate(sparse=SparseVectors())"]
    else:
        whose = f"collection {name!r}"
        ways = [command("migrate", name, option) for option in options]
    msg = (
        f"The plan searches by words (hybrid={plan.searches!r}), and {whose} has no {lacked}. "
        f"Add them with: {', or: '.join(ways)}"
    )
    return CollectionMismatchError(msg, collection=name, found=None, expected="sparse")


def _fusion(plan: SearchPlan, how: Hybrid) -> Any:
    if how == "dbsf":
        return models.FusionQuery(fusion=models.Fusion.DBSF)
    even = plan.weights[0] == plan.weights[1]
    if even and plan.rrf_k == _USUAL_RRF_K:  # known to servers of any age
        return models.FusionQuery(fusion=models.Fusion.RRF)
    weights = None if even else [*plan.weights]
    return models.RrfQuery(rrf=models.Rrf(k=plan.rrf_k, weights=weights))


def _request(
    search: Search, plan: SearchPlan, *, query: Any, using: str | None, prefetch: Any
) -> models.QueryRequest:
    return construct(
        models.QueryRequest,
        {
            "prefetch": prefetch,
            "query": query,
            "using": using,
            "filter": admitted(search.query_filter),
            "params": None,
            "score_threshold": search.score_threshold,
            "limit": search.k,
            "offset": None,
            "with_vector": search.with_vectors,
            "with_payload": search.with_payload,
            "shard_key": plan.shard_key,
            "lookup_from": None,
        },
    )
