"""What words add to vectors: hybrid plans beside two-stage search, on a store made for it."""

import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from qdrant_client import models

from mrl_adapters import registry
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.evaluation.datasets import Dataset
from mrl_adapters.evaluation.metrics import ndcg_at_k, recall_at_k
from mrl_adapters.evaluation.results import PlanRow
from mrl_adapters.evaluation.signals import SignalRow, judge_signals
from mrl_adapters.progress import Meter, ProgressCallback
from mrl_adapters.qdrant import (
    CollectionLayout,
    Driver,
    EdgeClient,
    MatryoshkaCollection,
    Search,
    SearchPlan,
    SparseVectors,
    TextIndex,
)
from mrl_adapters.vectors import FloatArray

PLANS: Mapping[str, SearchPlan] = {
    "two-stage": SearchPlan(),
    "lexical": SearchPlan(hybrid="lexical"),
    "rrf": SearchPlan(hybrid="rrf"),
    "dbsf": SearchPlan(hybrid="dbsf"),
    "rescore": SearchPlan(hybrid="rescore"),
}
"""The ways to search that are compared, by what they are called."""

SIGNALLED = ("two-stage", "rrf")
"""Those whose answers signals are compared with."""

_POINTS_PER_BATCH = 5_000
_USUAL_STAGE = 256
_WARMING = 20  # queries, before any is timed


class MeasuredPlans(NamedTuple):
    """What was measured in one store."""

    plans: tuple[PlanRow, ...]
    signals: tuple[SignalRow, ...]


def check_judged(dataset: Dataset) -> None:
    """Refuse a dataset that has no judgements to measure plans by."""
    if not dataset.qrels:
        msg = (
            f"Dataset {dataset.name!r} says of no document that it answers a query, so that it "
            "cannot show what words add. Pass one with judgements (BEIR's layout), or leave hybrid "
            "out."
        )
        raise ConfigurationError(msg, found=dataset.name)


def measure_plans(
    dataset: Dataset,
    documents: FloatArray,
    queries: FloatArray,
    own: Mapping[str, str],
    *,
    model: str | None,
    k: int,
    words: TextIndex | SparseVectors,
    progress: ProgressCallback | None = None,
) -> MeasuredPlans:
    """Ask every query by every plan, one plan after the other, and judge what they find and signal.

    Args:
        dataset: Documents, queries and judgements.
        documents: Their vectors, shape (n, d).
        queries: The queries' vectors, shape (q, d).
        own: The document that a query was taken from, which it does not find.
        model: Name of the embedding model, whose usual stage is taken.
        k: Results a query.
        words: How texts are cut into words, and what finds these.
        progress: Called with a Progress after each step.
    """
    with tempfile.TemporaryDirectory() as folder, EdgeClient(folder) as client:
        driver = Driver(client)
        collection = _filled(driver, dataset, documents, model, words, progress)
        client.optimize(collection.name)
        return _asked(driver, collection, dataset, queries, own, k, progress)


def _filled(
    driver: Driver,
    dataset: Dataset,
    documents: FloatArray,
    model: str | None,
    words: TextIndex | SparseVectors,
    progress: ProgressCallback | None,
) -> MatryoshkaCollection:
    size = documents.shape[1]
    spec = registry.find(model) if model else None
    stage = min(spec.default_stage if spec else _USUAL_STAGE, max(1, size // 2))
    sparse = words if isinstance(words, SparseVectors) else None
    index = None if isinstance(words, SparseVectors) else words
    layout = CollectionLayout(size, (stage,), model=model, text_index=index, sparse=sparse)
    collection = MatryoshkaCollection("measured", layout=layout)
    ids = [*dataset.documents]
    kept = np.flatnonzero(documents.any(axis=1)).tolist()
    meter = Meter("indexing words and vectors", len(kept), progress)
    for start in range(0, len(kept), _POINTS_PER_BATCH):
        rows = kept[start : start + _POINTS_PER_BATCH]
        payloads = [{"page_content": dataset.documents[ids[row]]} for row in rows]
        driver.run(collection.add(rows, documents[rows], payloads))
        meter.step(len(rows))
    return collection


def _asked(
    driver: Driver,
    collection: MatryoshkaCollection,
    dataset: Dataset,
    queries: FloatArray,
    own: Mapping[str, str],
    k: int,
    progress: ProgressCallback | None,
) -> MeasuredPlans:
    ids = [*dataset.documents]
    places = {name: place for place, name in enumerate(ids)}
    rankings: dict[str, dict[str, list[str]]] = {name: {} for name in PLANS}
    took_s: dict[str, list[float]] = {name: [] for name in PLANS}
    signals = {}
    meter = Meter("searching by words and vectors", len(dataset.queries), progress)
    for number, (query, text) in enumerate(dataset.queries.items()):
        search = Search(queries[number], k + (query in own), with_payload=False, text=text)
        for name, plan in PLANS.items():
            began_s = time.perf_counter()
            [hits] = driver.run(collection.search([search], plan))
            took_s[name].append(time.perf_counter() - began_s)
            found = [ids[int(hit.id)] for hit in hits]
            rankings[name][query] = [each for each in found if each != own.get(query)][:k]
        if query in own:
            itself = models.HasIdCondition(has_id=[places[own[query]]])
            search = replace(search, query_filter=models.Filter(must_not=[itself]))
        [signals[query]] = driver.run(collection.signals([search]))
        meter.step()
    plans = tuple(
        PlanRow(
            search=name,
            ndcg=float(ndcg_at_k(rankings[name], dataset.qrels, k).mean()),
            recall=float(recall_at_k(rankings[name], dataset.qrels, k).mean()),
            median_s=float(np.median(took_s[name][_WARMING:] or took_s[name])),
        )
        for name in PLANS
    )
    compared = {name: rankings[name] for name in SIGNALLED}
    return MeasuredPlans(plans, judge_signals(signals, compared, dataset.qrels, k))
