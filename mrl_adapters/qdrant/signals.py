"""Signs of weak retrieval: how far scores spread, and how far rankings agree.

Where a question is answered well, the best result stands out from the tenth, and what short
vectors, full vectors and words each rank first is much the same. Where nothing fits, scores are
level, and each ranking names something else. Neither knows an answer: a program measures on
questions of its own what it takes for weak (``mrl-adapters curve --hybrid`` shows how well each
sign tells), and then asks again, searches elsewhere, or says that it does not know.

Signs are of the question, whatever part of the answer is looked at: always of the first ten, not of
a page, a threshold or diversity; filters and tenants hold. They take one request more, of three
searches.

Source: average overlap: Fagin, Kumar and Sivakumar, "Comparing top k lists", SODA 2003
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TypeAlias

from qdrant_client import models

from mrl_adapters.edge import construct
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant.engine import Engine
from mrl_adapters.qdrant.flow import Flow, current_engine
from mrl_adapters.qdrant.hybrid import request_of
from mrl_adapters.qdrant.layout import CollectionLayout
from mrl_adapters.qdrant.paging import Asked, settle
from mrl_adapters.qdrant.plan import SearchPlan
from mrl_adapters.qdrant.query import Search
from mrl_adapters.qdrant.weights import with_question_weights, words_found_by

DEPTH = 10
"""How many of each ranking are looked at, whatever k."""

_Ranking: TypeAlias = list[models.ScoredPoint]


@dataclass(frozen=True)
class Signals:
    """How sure a search may be of what it found; the less of each, the weaker.

    None where there is no such ranking: the search has no vector or no text, the plan uses no short
    vectors, or the collection has nothing that finds words.

    Args:
        spread: Full vectors' score of the first result less that of the tenth (distances: the
            tenth's less the first's); from 0 on, in the collection's own scores.
        words_spread: The same of BM25's scores, or a sparse model's; 0 where no word is found.
        short_full: Agreement of the short vectors' ranking and the full vectors', from 0 to 1:
            the share that their first n have in common, averaged over n from 1 to 10.
        short_words: Agreement of the short vectors' ranking and the words'.
        full_words: Agreement of the full vectors' ranking and the words'.
    """

    spread: float | None = None
    words_spread: float | None = None
    short_full: float | None = None
    short_words: float | None = None
    full_words: float | None = None

    def described(self) -> dict[str, float | None]:
        """Return name to value, as documents carry them."""
        return asdict(self)


def refuse_signals(key: object) -> None:
    """Refuse signals of what is searched for by stored documents.

    Raises:
        ConfigurationError: They are asked for.
    """
    if key is not None:
        msg = (
            f"more_like_this got signals_key={key!r}, and signals are of questions: there are no "
            "words to compare with. Leave it out."
        )
        raise ConfigurationError(msg, found=key)


def signals_of(
    name: str, searches: Sequence[Search], layout: CollectionLayout, plan: SearchPlan
) -> Flow[list[Signals]]:
    """Measure the signals of several searches, in one request.

    Args:
        name: The collection.
        searches: The searches; what they page, cut and diversify has no part.
        layout: What the collection has.
        plan: How vectors are searched.
    """
    engine = current_engine()
    early = plan.merge({"late_interaction": False})
    by_vectors, by_words = early.merge({"hybrid": None}), early.merge({"hybrid": "lexical"})
    asked: Sequence[Search] = [_first(search) for search in searches]
    finds_words = _finds_words(layout, engine)
    if finds_words:
        asked = yield from with_question_weights(name, asked, layout, by_words)
    wanted: list[list[Asked | None]] = []
    for search in asked:
        short = full = words = None
        if search.vector is not None:
            request = request_of(search, layout, by_vectors, engine, name)
            full = Asked(search, request, by_vectors)
            if (by_short := _short(request, layout)) is not None:
                short = Asked(search, by_short, by_vectors)
        if finds_words and (search.text is not None or search.sparse is not None):
            request = request_of(search, layout, by_words, engine, name)
            words = Asked(search, request, by_words)
        wanted.append([short, full, words])
    sent = [each for some in wanted for each in some if each is not None]
    found = iter((yield from settle(name, sent, layout)))
    return [_signals(*(None if each is None else next(found) for each in some)) for some in wanted]


def agreement(one: Sequence[object], other: Sequence[object]) -> float:
    """Compare the beginnings of two rankings.

    Args:
        one: Ids, the best first, each once.
        other: The same.

    Returns:
        The share that their first n have in common, averaged over n up to ten, or to the end of
        the longer one: 1 for equal rankings, 0 where nothing is in both, or both are empty.
    """
    depth = min(DEPTH, max(len(one), len(other)))
    if not depth:
        return 0.0
    shares = (len({*one[:n]} & {*other[:n]}) / n for n in range(1, depth + 1))
    return sum(shares) / depth


def _first(search: Search) -> Search:
    return replace(
        search,
        k=DEPTH,
        offset=0,
        score_threshold=None,
        mmr_lambda=None,
        with_payload=False,
        with_vectors=False,
    )


def _finds_words(layout: CollectionLayout, engine: Engine) -> bool:
    found_by = words_found_by(layout, engine)
    sparse = layout.sparse
    return found_by == "text_index" or bool(found_by and sparse and sparse.can_be_computed)


def _short(full: models.QueryRequest, layout: CollectionLayout) -> models.QueryRequest | None:
    """Build the search by short vectors alone, as the two-stage search does it."""
    stage = full.prefetch
    if not isinstance(stage, models.Prefetch) or not layout.stages:
        return None
    return construct(
        models.QueryRequest,
        {
            **full.__dict__,
            "prefetch": stage.prefetch,
            "query": stage.query,
            "using": stage.using,
            "params": stage.params,
        },
    )


def _signals(short: _Ranking | None, full: _Ranking | None, words: _Ranking | None) -> Signals:
    return Signals(
        spread=_spread(full),
        words_spread=_spread(words),
        short_full=_agreement(short, full),
        short_words=_agreement(short, words),
        full_words=_agreement(full, words),
    )


def _spread(ranking: _Ranking | None) -> float | None:
    if ranking is None:
        return None
    return abs(ranking[0].score - ranking[-1].score) if ranking else 0.0


def _agreement(one: _Ranking | None, other: _Ranking | None) -> float | None:
    if one is None or other is None:
        return None
    return agreement([hit.id for hit in one], [hit.id for hit in other])
