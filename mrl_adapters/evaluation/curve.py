"""What each size costs: quality of one-stage and two-stage search along the dimensions."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mrl_adapters import registry
from mrl_adapters.embeddings.embedder import Embedder
from mrl_adapters.embeddings.inspection import model_name
from mrl_adapters.errors import ConfigurationError, DimensionsError, EmbeddingError
from mrl_adapters.evaluation.datasets import Dataset
from mrl_adapters.evaluation.exact import Indices, Neighbours, exact_search, rescore
from mrl_adapters.evaluation.metrics import ndcg_at_k, overlap_at_k, recall_at_k
from mrl_adapters.evaluation.plans import MeasuredPlans, check_judged, measure_plans
from mrl_adapters.evaluation.results import CurveResult, CurveRow, SearchKind
from mrl_adapters.progress import Meter, ProgressCallback
from mrl_adapters.qdrant import SparseVectors, TextIndex
from mrl_adapters.vectors import (
    FloatArray,
    Reduction,
    Rotation,
    as_vectors,
    normalize,
    truncate,
)

_TEXTS_PER_BATCH = 1024
_BYTES = 4  # a float32
_SAMPLED_QUERIES = 1000
_SMALLEST = 32  # dimensions; models are not trained below


def curve(  # noqa: PLR0913 - what may be said of a measurement
    embedder: Embedder,
    dataset: Dataset,
    dimensions: Sequence[int] | None = None,
    *,
    k: int = 10,
    oversampling: float = 8.0,
    rotation: Rotation | Literal["fit"] | None = None,
    hybrid: TextIndex | SparseVectors | None = None,
    seed: int = 0,
    progress: ProgressCallback | None = None,
) -> CurveResult:
    """Measure what search loses at each size, with one stage and with two.

    Everything is embedded once at the full size and searched by brute force with cosine
    similarity, so that the numbers show the vectors, not an index. A query that is itself a
    document (same id, same text) does not find itself.

    Args:
        embedder: Gives the full vectors.
        dataset: Documents and queries. Without queries, up to 1,000 documents are asked for
            their neighbours; without judgements only overlap is measured.
        dimensions: Sizes to measure; None takes the full size halved again and again down
            to 32.
        k: Results a query.
        oversampling: Two-stage search re-ranks ``oversampling * k`` candidates.
        rotation: Measure each size with this rotation before the cut as well; "fit" learns one
            from the documents.
        hybrid: Measure what words add, too: hybrid plans beside two-stage search, in a store of the
            embedded engine that is made for it, with such a text index or such sparse vectors.
            Needs judgements.
        seed: Draws the documents that serve as queries or teach the rotation.
        progress: Called with a Progress after each step.

    Returns:
        The measured rows.

    Raises:
        ConfigurationError: ``k`` or ``oversampling`` is below 1, or hybrid plans are to be measured
            without judgements.
        DimensionsError: A size is outside 1..full size, or beyond the rotation's rows.
        EmbeddingError: Every document is empty.
    """
    if k < 1 or oversampling < 1:
        msg = f"Got k = {k} and oversampling = {oversampling}; expected at least 1 for both."
        raise ConfigurationError(msg)
    if hybrid is not None:
        check_judged(dataset)
    dataset = dataset if dataset.queries else _with_queries(dataset, seed)
    documents = _embed_documents(embedder, list(dataset.documents.values()), progress)
    queries = _embed_queries(embedder, list(dataset.queries.values()), progress)
    sizes = _sizes(dimensions, documents.shape[1])
    name = model_name(embedder)
    spec = None if name is None else registry.find(name)
    views = [_View(documents, queries, spec.reduction if spec else "prefix")]
    if rotation is not None and sizes:
        turn = Rotation.fit(documents, sizes[0], seed=seed) if rotation == "fit" else rotation
        rotated = (turn.project(documents, sizes[0]), turn.project(queries, sizes[0]))
        views.append(_View(*rotated, "prefix", rotated=True))
    judge = _Judge(dataset, normalize(documents), normalize(queries), k)
    rows = [judge.row(judge.exact, documents.shape[1], "one-stage", rotated=False)]
    shortlist = math.ceil(oversampling * k)
    meter = Meter("searching", len(sizes), progress)
    for size in sizes:
        for view in views:
            rows += judge.rows(view, size, shortlist)
        meter.step()
    plans = MeasuredPlans((), ())
    if hybrid is not None:
        ids = list(dataset.documents)
        own = {
            query: ids[row]
            for query, row in zip(dataset.queries, _own_rows(dataset).tolist(), strict=True)
            if row >= 0
        }
        plans = measure_plans(
            dataset, documents, queries, own, model=name, k=k, words=hybrid, progress=progress
        )
    return CurveResult(
        dataset=dataset.name,
        model=name,
        documents=len(documents),
        queries=len(queries),
        k=k,
        oversampling=oversampling,
        dimensions=documents.shape[1],
        rows=tuple(rows),
        plans=plans.plans,
        signals=plans.signals,
    )


@dataclass(frozen=True)
class _View:
    """Full vectors in one coordinate system, and how they are cut there."""

    documents: FloatArray
    queries: FloatArray
    reduction: Reduction
    rotated: bool = False


class _Judge:
    """Compare searches with the exact full one and with the judgements."""

    def __init__(
        self, dataset: Dataset, documents: FloatArray, queries: FloatArray, k: int
    ) -> None:
        self._dataset = dataset
        self._documents = documents
        self._queries = queries
        self._k = k
        self._ids = list(dataset.documents)
        self._exclude = _own_rows(dataset)
        self.exact = exact_search(documents, queries, k, exclude=self._exclude)
        self._full_ndcg = self._judged(self.exact)[0]

    def rows(self, view: _View, size: int, shortlist: int) -> Iterator[CurveRow]:
        """SearchKind one size with one stage and with two."""
        short = exact_search(
            truncate(view.documents, size, reduction=view.reduction),
            truncate(view.queries, size, reduction=view.reduction),
            max(shortlist, self._k),
            exclude=self._exclude,
        )
        single = Neighbours(short.indices[:, : self._k], short.scores[:, : self._k])
        yield self.row(single, size, "one-stage", rotated=view.rotated)
        again = rescore(self._documents, self._queries, short.indices, self._k)
        yield self.row(again, size, "two-stage", rotated=view.rotated)

    def row(self, found: Neighbours, size: int, search: SearchKind, *, rotated: bool) -> CurveRow:
        """Judge one search."""
        scored = rescore(self._documents, self._queries, found.indices, self._k)
        overlap = overlap_at_k(
            scored.indices,
            self.exact.indices,
            self._k,
            found_scores=scored.scores,
            exact_scores=self.exact.scores,
        )
        ndcg, recall = self._judged(found)
        return CurveRow(
            dimensions=size,
            search=search,
            rotated=rotated,
            bytes_per_vector=size * _BYTES,
            overlap=float(overlap.mean()),
            ndcg=ndcg,
            recall=recall,
            retained=ndcg / self._full_ndcg if ndcg is not None and self._full_ndcg else None,
        )

    def _judged(self, found: Neighbours) -> tuple[float | None, float | None]:
        """Measure nDCG and recall, where there are judgements."""
        if not self._dataset.qrels:
            return None, None
        rankings = {
            query: [self._ids[row] for row in rows if row >= 0]
            for query, rows in zip(self._dataset.queries, found.indices.tolist(), strict=True)
        }
        ndcg = ndcg_at_k(rankings, self._dataset.qrels, self._k)
        recall = recall_at_k(rankings, self._dataset.qrels, self._k)
        return float(ndcg.mean()), float(recall.mean())


def _with_queries(dataset: Dataset, seed: int) -> Dataset:
    """Let a sample of the documents be the queries."""
    ids = [key for key, text in dataset.documents.items() if text.strip()]
    drawn = np.random.default_rng(seed).permutation(len(ids))[:_SAMPLED_QUERIES]
    return Dataset(
        documents=dataset.documents,
        queries={ids[row]: dataset.documents[ids[row]] for row in drawn.tolist()},
        name=dataset.name,
    )


def _own_rows(dataset: Dataset) -> Indices:
    """Find for each query its own row among the documents, or -1.

    A document may carry a title before the text that serves as the query (BEIR's ArguAna).
    """
    rows = {key: row for row, key in enumerate(dataset.documents)}
    return np.array(
        [
            rows[key] if key in rows and dataset.documents[key].endswith(text) else -1
            for key, text in dataset.queries.items()
        ],
        dtype=np.int64,
    )


def _sizes(dimensions: Sequence[int] | None, full: int) -> list[int]:
    """List the sizes below the full one, from the greatest."""
    if dimensions is None:
        halvings = [full >> step for step in range(1, full.bit_length())]
        return [size for size in halvings if size >= _SMALLEST] or halvings[:1]
    if wrong := [size for size in dimensions if not 1 <= size <= full]:
        msg = (
            f"Cannot measure {wrong[0]} dimensions of vectors that have {full}. "
            f"Choose dimensions from 1 to {full}."
        )
        raise DimensionsError(msg, found=wrong[0], expected=range(1, full + 1))
    return sorted(set(dimensions) - {full}, reverse=True)


def _embed_documents(
    embedder: Embedder, texts: list[str], progress: ProgressCallback | None
) -> FloatArray:
    """Embed in batches into one array; an empty text, which models refuse, is all zeros."""
    filled = [row for row, text in enumerate(texts) if text.strip()]
    if not filled:
        msg = f"All {len(texts)} documents are empty. Pass documents that hold text."
        raise EmbeddingError(msg)
    vectors = np.empty((0, 0), dtype=np.float32)
    meter = Meter("embedding documents", len(filled), progress)
    for start in range(0, len(filled), _TEXTS_PER_BATCH):
        rows = filled[start : start + _TEXTS_PER_BATCH]
        batch = as_vectors(embedder.embed_documents([texts[row] for row in rows]))
        if start == 0:
            vectors = np.zeros((len(texts), batch.shape[1]), dtype=np.float32)
        vectors[rows] = batch
        meter.step(len(rows))
    return vectors


def _embed_queries(
    embedder: Embedder, texts: list[str], progress: ProgressCallback | None
) -> FloatArray:
    """Embed queries as queries: models may give them another prompt than documents."""
    vectors = []
    meter = Meter("embedding queries", len(texts), progress)
    for text in texts:
        vectors.append(embedder.embed_query(text))
        meter.step()
    return as_vectors(vectors)
