"""Answer searches, page by page: pages of one size are cuts of one ranking.

A longer shortlist finds what a shorter one missed. Were it to grow with the offset, results would
move between pages: some would come twice, others never. So the ranking is made of blocks. The
first is what the first page asks for; each further one is twice as deep, ranks a shortlist for
that depth and goes behind what the blocks before it hold. A page looks at all blocks as far as it
reaches, each asked for in full whatever page wants it. What the shortlists do not reach comes last,
by exact search. Diversity orders the first block, its candidates; behind them it goes on by
similarity.

Results whose scores are equal (of documents that are twins, or have the same words, or where ranks
add up to the same) are ordered by their ids, but which of them an engine gives is chance. So each
block asks for a little more than it holds, and for much more where it would end among equals:
:func:`settled`.

All blocks of a page go out in one request: one for the first page, two for the second, and one
more whenever the depth doubles.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, TypeAlias

from qdrant_client import models

from mrl_adapters.arguments import MOST
from mrl_adapters.qdrant.answers import answers_of
from mrl_adapters.qdrant.diversity import candidates_of, diversified, is_chosen_here
from mrl_adapters.qdrant.engine import Engine
from mrl_adapters.qdrant.flow import Flow, ask, current_engine
from mrl_adapters.qdrant.hybrid import FUSED, request_of
from mrl_adapters.qdrant.ids import PointId
from mrl_adapters.qdrant.layout import CollectionLayout
from mrl_adapters.qdrant.order import by_words, in_order, tied
from mrl_adapters.qdrant.plan import SearchPlan
from mrl_adapters.qdrant.query import Search, chosen_stages
from mrl_adapters.qdrant.strict_mode import limits_of

_MORE = 8  # about as many sums of two reciprocal ranks are equal at most
_ONE = 1  # tells that a ranking by vectors ends among twins, which few do
_MOST_TIED = 256  # to read thousands of documents that are alike would take a second

MOST_CANDIDATES = 10_000
"""Beyond this many a shortlist is no shorter way than the exact search."""

_Ranking: TypeAlias = dict[PointId, models.ScoredPoint]


def answers(
    name: str, searches: Sequence[Search], layout: CollectionLayout, plan: SearchPlan
) -> Flow[list[list[models.ScoredPoint]]]:
    """Answer several searches in one request, and later pages to the end.

    Returns:
        Hits by falling score (rising distance), or by diversity; one list a search.
    """
    if not any(search.offset for search in searches):
        return (yield from _ask(name, searches, layout, plan))
    blocks = [_blocks(search, plan) for search in searches]
    asked = [block for each in blocks for block in each]
    found = iter((yield from _ask(name, asked, layout, plan)))
    results = []
    for search, some in zip(searches, blocks, strict=True):
        hits = [next(found) for _ in some]
        if search.offset:
            hits = [(yield from _page(name, search, some, hits, layout, plan))]
        results += hits
    return results


def settled(
    name: str, searches: Sequence[Search], layout: CollectionLayout, plan: SearchPlan
) -> Flow[list[list[models.ScoredPoint]]]:
    """Answer first pages that end at the same results whenever they are asked for.

    Of several results with the score of the last one, an engine gives now these and now those.
    So more are asked for than are wanted, and ids decide; where no lower score follows, once more
    for 256 of them. Among more like ones than these, which the engine gives stays chance, as it
    does among those at the end of a shortlist.

    Args:
        name: The collection.
        searches: What to look for, without offsets; diverse ones are left in their own order.
        layout: What the collection has.
        plan: How to search.

    Returns:
        Hits by falling score (rising distance), then by id; one list a search.
    """
    engine = current_engine()
    asked = [Asked(each, request_of(each, layout, plan, engine, name), plan) for each in searches]
    return (yield from settle(name, asked, layout))


class Asked(NamedTuple):
    """A first page that is asked for, and how."""

    search: Search
    request: models.QueryRequest
    plan: SearchPlan


def settle(
    name: str, asked: Sequence[Asked], layout: CollectionLayout
) -> Flow[list[list[models.ScoredPoint]]]:
    """Answer first pages of several plans as :func:`settled` does."""
    limits = yield from limits_of(name)
    for search, request, plan in asked:
        if search.mmr_lambda is None:
            more = _MORE if by_words(plan) else _ONE
            request.limit = max(search.k, limits.page(min(MOST, search.k + more)))
    results: list[list[models.ScoredPoint]] = [[] for _ in asked]
    open_ = [*range(len(asked))]
    while open_:
        found = yield from answers_of(name, [asked[at].request for at in open_], asked[0].plan)
        torn = []
        for at, hits in zip(open_, found, strict=True):
            search, request, plan = asked[at]
            results[at] = in_order(hits, search, layout, plan)
            if not search.k < len(hits) == request.limit:
                continue
            if tied(hits[-1].score, hits[search.k - 1].score, plan):
                wider = limits.page(min(MOST, search.k + _MOST_TIED))
                if request.limit < wider:
                    request.limit = wider
                    torn.append(at)
        open_ = torn
    return results


def depth(search: Search, plan: SearchPlan) -> int:
    """Return how many results the longest shortlist of a search is for."""
    return _blocks(search, plan)[-1].reach


def _ask(
    name: str, searches: Sequence[Search], layout: CollectionLayout, plan: SearchPlan
) -> Flow[list[list[models.ScoredPoint]]]:
    engine = current_engine()
    here = [is_chosen_here(each, layout, plan, engine) for each in searches]
    asked = [
        candidates_of(each, layout) if chosen else each
        for each, chosen in zip(searches, here, strict=True)
    ]
    rankings = yield from settled(name, asked, layout, plan)
    return [
        diversified(ranked, search, layout) if chosen else ranked
        for search, chosen, ranked in zip(searches, here, rankings, strict=True)
    ]


def _blocks(search: Search, plan: SearchPlan) -> list[Search]:
    """List the searches that a page is cut from, each twice as deep as the one before."""
    if not search.offset:
        return [search]
    size, end = search.reach, search.offset + search.k
    blocks = [_of_depth(search, size)]
    while size < end and plan.candidates(2 * size) <= MOST_CANDIDATES:
        size *= 2
        blocks.append(replace(_of_depth(search, size), mmr_lambda=None))
    return blocks


def _of_depth(search: Search, size: int) -> Search:
    return replace(search, k=min(size, MOST), offset=0, with_payload=False, with_vectors=False)


def _page(
    name: str,
    search: Search,
    blocks: Sequence[Search],
    found: Sequence[Sequence[models.ScoredPoint]],
    layout: CollectionLayout,
    plan: SearchPlan,
) -> Flow[list[models.ScoredPoint]]:
    ranking: _Ranking = {}
    for block, hits in zip(blocks, found, strict=True):
        _extend(ranking, hits, block.k)
        last = block
        if len(hits) < block.k:  # the end, or of what the shortlist reaches
            break
    ended = len(hits) < last.k
    size = last.k if ended else 2 * last.k
    if ended and _is_exact(layout, plan, current_engine()):
        size = MOST + 1
    exact = plan.merge({"exact": True, "min_candidates": _least_candidates(plan)})
    while len(ranking) < search.offset + search.k and size <= MOST:
        deeper = replace(_of_depth(search, size), mmr_lambda=None)
        [hits] = yield from _ask(name, [deeper], layout, exact)
        _extend(ranking, hits, size)
        size = 2 * size if len(hits) == size else MOST + 1
    page = list(ranking.values())[search.offset : search.offset + search.k]
    if search.mmr_lambda is None:
        # What a longer shortlist finds may be nearer than the last of a shorter one.
        page = in_order(page, search, layout, plan)
    return (yield from filled(name, page, search, plan))


def _extend(ranking: _Ranking, hits: Sequence[models.ScoredPoint], size: int) -> None:
    """Put what is new behind a ranking, up to a size."""
    for hit in hits:
        if len(ranking) >= size:
            return
        ranking.setdefault(hit.id, hit)


def _is_exact(layout: CollectionLayout, plan: SearchPlan, engine: Engine) -> bool:
    if plan.searches == "lexical":
        return True
    if plan.searches in FUSED:  # a longer leg lifts what only the other one held
        return False
    scans = not engine.has_indexes and not chosen_stages(layout, plan, engine)
    return plan.exact or scans


def _least_candidates(plan: SearchPlan) -> int:
    """Count what the legs of the last search hand on: fused scores grow with their length."""
    return max(plan.min_candidates, MOST_CANDIDATES if plan.searches in FUSED else 0)


def filled(
    name: str, page: list[models.ScoredPoint], search: Search, plan: SearchPlan
) -> Flow[list[models.ScoredPoint]]:
    """Fetch the payloads and vectors of a page; points that are gone by now are left out."""
    if not page or (search.with_payload is False and search.with_vectors is False):
        return page
    records = yield from ask(
        lambda c: c.retrieve(
            name,
            ids=[hit.id for hit in page],
            with_payload=search.with_payload,
            with_vectors=search.with_vectors,
            consistency=plan.consistency,
            shard_key_selector=plan.shard_key,
            timeout=plan.timeout_s,
        )
    )
    there = {record.id: record for record in records}
    return [
        hit.model_copy(update={"payload": record.payload, "vector": record.vector})
        for hit in page
        if (record := there.get(hit.id)) is not None
    ]
