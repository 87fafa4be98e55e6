"""What stages that a collection does not have would need: an estimate from a sample."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mrl_adapters.evaluation.probe import Probe, Queries, Truth
from mrl_adapters.qdrant.points import derive
from mrl_adapters.vectors import FloatArray

_SAMPLE = 10_000  # points that stand for the whole collection
_QUERIES = 150
_SMALLEST = 32


@dataclass(frozen=True)
class StageEstimate:
    """How long a shortlist a stage would need, were its own search exact.

    Args:
        stage: Size of the short vectors.
        exists: Whether the collection has this stage.
        candidates: Shortlist that reaches the target overlap on average, rounded up to what the
            sample can tell apart.
        bytes_per_vector: Size of its int8 codes, or of its float32 numbers without quantization.
    """

    stage: int
    exists: bool
    candidates: int
    bytes_per_vector: int


def estimate_stages(
    probe: Probe,
    queries: Queries,
    truth: Truth,
    target: float,
    rng: np.random.Generator,
) -> tuple[StageEstimate, ...]:
    """Estimate from a sample of points which shortlist each stage size would need.

    The true neighbours of a query are known. In the whole collection as many points stand
    before one of them, by short vectors, as in the sample, times the share that the sample is.

    Args:
        probe: The collection.
        queries: Some of the queries.
        truth: Their exact neighbours.
        target: Mean overlap to reach.
        rng: Draws the sample.

    Returns:
        One estimate for each halving of the full size down to 32, and for each existing stage;
        none under the Manhattan distance, whose brute force would take too long.
    """
    layout = probe.layout
    if layout.distance == "Manhattan":
        return ()
    queries = queries.part(0, _QUERIES)
    near = dict(probe.vectors(list({point for ids in truth.ids[:_QUERIES] for point in ids})))
    ids = probe.point_ids()
    drawn = [ids[row] for row in rng.permutation(len(ids))[:_SAMPLE].tolist()]
    sampled = dict(probe.vectors(drawn))
    rows = {point: row for row, point in enumerate(sampled)}
    points = np.stack(list(sampled.values()))
    halvings = [layout.dimensions >> step for step in range(1, layout.dimensions.bit_length())]
    sizes = sorted({*layout.stages, *(size for size in halvings if size >= _SMALLEST)})
    scale = probe.points / len(points)
    estimates = []
    for size in sizes:
        wide = replace(layout, stages=(size,))
        name = wide.stage_name(size)
        documents, asked = derive(points, wide)[name], derive(queries.vectors, wide)[name]
        beyond = similarity(asked, documents, layout.distance)
        ranks = []
        for row, (own, neighbours) in enumerate(
            zip(queries.own, truth.ids[:_QUERIES], strict=True)
        ):
            known = [near[point] for point in neighbours if point in near]
            if not known:
                continue
            short = derive(np.stack(known), wide)[name]
            scores = similarity(asked[row : row + 1], short, layout.distance)[0]
            # Neighbours, and the query itself, are counted exactly: they leave the sample.
            out = [rows[point] for point in (own, *neighbours) if point in rows]
            others = np.delete(beyond[row], out)
            ahead = len(others) - np.searchsorted(np.sort(others), scores, side="right")
            ranks.append(ahead * scale + (scores[:, None] < scores[None, :]).sum(axis=1) + 1)
        estimates.append(
            StageEstimate(
                stage=size,
                exists=size in layout.stages,
                candidates=_shortlist(ranks, target, probe.k),
                bytes_per_vector=size * (1 if layout.quantization else 4),
            )
        )
    return tuple(estimates)


def similarity(queries: FloatArray, documents: FloatArray, distance: str) -> FloatArray:
    """Score documents so that more is nearer.

    Args:
        queries: Shape (m, d).
        documents: Shape (n, d).
        distance: Cosine, Dot or Euclid.

    Returns:
        Shape (m, n). For Euclid an equivalent of the distance: its negative square, less what
        does not depend on the document.
    """
    products: FloatArray = queries @ documents.T
    if distance == "Euclid":
        products = 2 * products - np.einsum("nd,nd->n", documents, documents)
    return products


def _shortlist(ranks: Sequence[FloatArray], target: float, k: int) -> int:
    """Find the shortest list in which the mean share of neighbours reaches the target."""
    # Each query weighs the same, however many neighbours it has.
    weights = np.concatenate([np.full(len(each), 1 / len(each)) for each in ranks])
    flat = np.concatenate(ranks)
    order = np.argsort(flat)
    reached = np.cumsum(weights[order]) / len(ranks)
    place = int(np.searchsorted(reached, target - 1e-9))
    return max(k, int(np.ceil(flat[order][min(place, len(flat) - 1)])))
