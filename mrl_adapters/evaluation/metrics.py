"""How good a ranking is: against an exact search, or against judgements.

Every function returns one number a query, so that means, halves and confidence bounds can be
taken from it: ``recall_at_k(rankings, qrels, k=10).mean()``.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mrl_adapters.errors import ConfigurationError

PerQuery: TypeAlias = NDArray[np.float64]
Ranking: TypeAlias = Sequence[Hashable] | NDArray[np.int64]
Qrels: TypeAlias = Mapping[str, Mapping[str, int]]

_NOTHING = -1  # code of an empty place in a ranking


def overlap_at_k(
    found: Sequence[Ranking] | NDArray[np.int64],
    exact: Sequence[Ranking] | NDArray[np.int64],
    k: int = 10,
    *,
    found_scores: ArrayLike | None = None,
    exact_scores: ArrayLike | None = None,
    tolerance: float = 1e-6,
) -> PerQuery:
    """Measure which share of the exact search's top k another search found.

    Args:
        found: Rankings of ids to judge, best first, one a query; only the first k count, each
            id once. The number -1 marks an empty place.
        exact: Rankings of an exact search with the full vectors, in the order of ``found``.
        k: How many results a user looks at.
        found_scores: Full-vector scores of ``found``, shape (queries, at least k). With both
            scores ties are fair: a document that scores as much as the k-th exact one is a hit
            even though the exact search happened to list another one of that score. Places
            without a document are NaN.
        exact_scores: Scores of ``exact``, the same way.
        tolerance: Scores this close are equal: the same product summed up in another order
            differs in the last digits.

    Returns:
        Shares from 0 to 1, shape (queries,). A query whose exact ranking is empty missed
        nothing: 1.

    Raises:
        ConfigurationError: ``k`` is below 1, the numbers of queries differ, or only one of the
            two scores was passed.
    """
    _check_k(k)
    if len(found) != len(exact):
        msg = (
            f"Got rankings of {len(found)} and exact rankings of {len(exact)} queries. "
            "Pass both for the same queries in the same order."
        )
        raise ConfigurationError(msg)
    if (found_scores is None) != (exact_scores is None):
        msg = "Got one kind of scores. Ties need both: pass found_scores and exact_scores."
        raise ConfigurationError(msg)
    if len(found) == 0:
        return np.empty(0)
    found_codes, exact_codes = _codes(found, exact, k)
    new = _first_places(found_codes)
    hits = new & np.isin(found_codes, exact_codes)
    if found_scores is not None and exact_scores is not None:
        reached = _pad(np.asarray(found_scores, dtype=np.float64), k)
        threshold = np.nanmin(
            _pad(np.asarray(exact_scores, dtype=np.float64), k),
            axis=1,
            keepdims=True,
            initial=np.inf,
        )
        hits |= new & (reached >= threshold - tolerance)
    wanted = (exact_codes != _NOTHING).sum(axis=1)
    share = np.minimum(hits.sum(axis=1), wanted) / np.maximum(wanted, 1)
    return np.where(wanted == 0, 1.0, share)


def recall_at_k(rankings: Mapping[str, Ranking], qrels: Qrels, k: int = 10) -> PerQuery:
    """Measure which share of a query's relevant documents is among the first k.

    Args:
        rankings: Document ids by query id, best first. A judged query without a ranking found
            nothing.
        qrels: Grade by query id and document id; relevant is a grade above 0.
        k: How many results count.

    Returns:
        Shares from 0 to 1, one for each query of ``qrels`` with a relevant document, in its
        order.

    Raises:
        ConfigurationError: ``k`` is below 1 or no query has a relevant document.
    """
    grades, ideal = _grades(rankings, qrels, k)
    recall: PerQuery = (grades > 0).sum(axis=1) / (ideal > 0).sum(axis=1)
    return recall


def ndcg_at_k(rankings: Mapping[str, Ranking], qrels: Qrels, k: int = 10) -> PerQuery:
    """Measure the discounted gain of the first k, against the best possible order.

    The gain is the grade itself, as in trec_eval and BEIR; a negative grade counts as 0.

    Args:
        rankings: Document ids by query id, best first. A judged query without a ranking found
            nothing.
        qrels: Grade by query id and document id; relevant is a grade above 0.
        k: How many results count.

    Returns:
        Values from 0 to 1, one for each query of ``qrels`` with a relevant document, in its
        order.

    Raises:
        ConfigurationError: ``k`` is below 1 or no query has a relevant document.

    Source:
        Järvelin and Kekäläinen 2002, doi:10.1145/582415.582418; trec_eval's ndcg_cut.
    """
    grades, ideal = _grades(rankings, qrels, k)
    discount = 1 / np.log2(np.arange(2, k + 2))
    best = _pad(ideal, k, fill=0.0) @ discount
    ndcg: PerQuery = (grades @ discount) / best
    return ndcg


def mrr(rankings: Mapping[str, Ranking], qrels: Qrels, k: int = 10) -> PerQuery:
    """Measure one over the rank of the first relevant document; 0 if the first k hold none.

    Args:
        rankings: Document ids by query id, best first. A judged query without a ranking found
            nothing.
        qrels: Grade by query id and document id; relevant is a grade above 0.
        k: How many results count.

    Returns:
        Values from 0 to 1, one for each query of ``qrels`` with a relevant document, in its
        order.

    Raises:
        ConfigurationError: ``k`` is below 1 or no query has a relevant document.
    """
    grades, _ = _grades(rankings, qrels, k)
    relevant = grades > 0
    reciprocal: PerQuery = relevant.any(axis=1) / (relevant.argmax(axis=1) + 1.0)
    return reciprocal


def _check_k(k: int) -> None:
    if k < 1:
        msg = f"k is {k}, expected at least 1."
        raise ConfigurationError(msg)


def _grades(rankings: Mapping[str, Ranking], qrels: Qrels, k: int) -> tuple[PerQuery, PerQuery]:
    """Look up the grades of the first k, and all grades of a query from the highest down."""
    _check_k(k)
    judged = {
        query: documents
        for query, documents in qrels.items()
        if any(grade > 0 for grade in documents.values())
    }
    if not judged:
        msg = "No query has a relevant document (a grade above 0). Pass qrels that judge some."
        raise ConfigurationError(msg)
    grades = np.zeros((len(judged), k))
    ideal = np.zeros((len(judged), max(map(len, judged.values()))))
    for row, (query, documents) in enumerate(judged.items()):
        # A document that is listed twice is found once, at its better place.
        places: dict[Hashable, int] = {}
        for place, document in enumerate(rankings.get(query, ())[:k]):
            places.setdefault(document, place)
        for document, place in places.items():
            grades[row, place] = max(documents.get(str(document), 0), 0)
        best = sorted((max(grade, 0) for grade in documents.values()), reverse=True)
        ideal[row, : len(best)] = best
    return grades, ideal


def _codes(
    found: Sequence[Ranking] | NDArray[np.int64],
    exact: Sequence[Ranking] | NDArray[np.int64],
    k: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Number the ids of each query; cut or fill each ranking to k places.

    The same id under another query gets another number, so that whole matrices can be compared
    at once.
    """
    if isinstance(found, np.ndarray) and isinstance(exact, np.ndarray):
        return _codes_of_rows(found[:, :k], exact[:, :k], k)
    numbers: dict[tuple[int, Hashable], int] = {}
    both = []
    for rankings in (found, exact):
        codes = np.full((len(rankings), k), _NOTHING, dtype=np.int64)
        for row, ranking in enumerate(rankings):
            places = ranking[:k]
            for place, key in enumerate(
                places.tolist() if isinstance(places, np.ndarray) else places
            ):
                if key != _NOTHING:
                    codes[row, place] = numbers.setdefault((row, key), len(numbers))
        both.append(codes)
    return both[0], both[1]


def _codes_of_rows(
    found: NDArray[np.int64], exact: NDArray[np.int64], k: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Number ids that are numbers already, all at once."""
    ids = np.concatenate([found, exact], axis=1)
    numbers = np.unique(ids, return_inverse=True)[1].reshape(ids.shape)
    codes = np.where(ids == _NOTHING, _NOTHING, numbers * len(ids) + np.arange(len(ids))[:, None])
    width = found.shape[1]
    return _filled(codes[:, :width], k), _filled(codes[:, width:], k)


def _filled(codes: NDArray[np.int64], width: int) -> NDArray[np.int64]:
    """Fill the columns to a width."""
    missing = width - codes.shape[1]
    return np.pad(codes, ((0, 0), (0, missing)), constant_values=_NOTHING)


def _first_places(codes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark the places of a row at which its code stands for the first time."""
    first = np.zeros(codes.size, dtype=bool)
    first[np.unique(codes, return_index=True)[1]] = True
    places: NDArray[np.bool_] = first.reshape(codes.shape) & (codes != _NOTHING)
    return places


def _pad(values: PerQuery, width: int, *, fill: float = np.nan) -> PerQuery:
    """Cut or fill the columns to a width."""
    padded = np.full((len(values), width), fill)
    taken = min(width, values.shape[1])
    padded[:, :taken] = values[:, :taken]
    return padded
