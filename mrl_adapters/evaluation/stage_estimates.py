"""Estimates, from a sample, of the shortlists that stages would need, built or not."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from mrl_adapters.evaluation.results import StageEstimate
from mrl_adapters.evaluation.searcher import Queries, Searcher, Truth
from mrl_adapters.qdrant import CollectionLayout
from mrl_adapters.qdrant.points import derive
from mrl_adapters.qdrant.quantization import CODE_BITS
from mrl_adapters.vectors import FloatArray, Rotation

_SAMPLED_POINTS = 10_000  # points that stand for the whole collection
_QUERIES = 500
_SMALLEST = 32


def estimate_stages(
    searcher: Searcher,
    queries: Queries,
    truth: Truth,
    target: float,
    rng: np.random.Generator,
) -> tuple[StageEstimate, ...]:
    """Estimate from a sample of points which shortlist each stage size would need.

    The true neighbours of a query are known. In the whole collection as many points stand
    before one of them, by short vectors, as in the sample, divided by the share that the sample
    is. Where the collection is not rotated, a rotation is fitted on the sample and tried too.

    Returns:
        One estimate for each halving of the full size down to 32, and for each existing stage;
        none under the Manhattan distance, whose brute force would take too long.
    """
    layout = searcher.layout
    if layout.distance == "Manhattan":
        return ()
    sample = _Sample.draw(searcher, queries.part(0, _QUERIES), truth, rng)
    halvings = [layout.dimensions >> step for step in range(1, layout.dimensions.bit_length())]
    sizes = sorted({*layout.stages, *(size for size in halvings if size >= _SMALLEST)})
    if not sizes:
        return ()
    views = [layout]
    if isinstance(layout.rotation, Rotation):
        sizes = [size for size in sizes if size <= layout.rotation.dimensions]
    elif len(sample.points) >= layout.dimensions:
        rotation = Rotation.fit(sample.points, sizes[-1])
        views.append(replace(layout, stages=(sizes[0],), rotation=rotation))
    return tuple(
        StageEstimate(
            stage=size,
            rotated=view.rotation is not None,
            exists=view is layout and size in layout.stages,
            candidates=shortlist(sample.ranks(view, size), target, searcher.k),
            bytes_per_vector=math.ceil(size * CODE_BITS[layout.quantization] / 8),
        )
        for view in views
        for size in sizes
    )


class _Sample(NamedTuple):
    """Queries with the vectors of their true neighbours, among a sample of all points."""

    queries: FloatArray
    neighbours: list[FloatArray]
    points: FloatArray
    out: list[list[int]]
    """Rows of the sample that are a query's neighbours or itself: counted exactly instead."""
    scale: float
    """Points of the collection for each point of the sample."""

    @classmethod
    def draw(
        cls, searcher: Searcher, queries: Queries, truth: Truth, rng: np.random.Generator
    ) -> "_Sample":
        """Read the vectors that are needed."""
        hits = truth.ids[: len(queries.own)]
        near = dict(searcher.vectors(list(dict.fromkeys(point for ids in hits for point in ids))))
        hits = [[point for point in ids if point in near] for ids in hits]  # not those of zeros
        ids = searcher.point_ids()
        drawn = [ids[row] for row in rng.permutation(len(ids))[:_SAMPLED_POINTS].tolist()]
        sampled = dict(searcher.vectors(drawn))
        rows = {point: row for row, point in enumerate(sampled)}
        asked = [row for row, ids in enumerate(hits) if ids]
        return cls(
            queries=queries.vectors[asked],
            neighbours=[np.stack([near[point] for point in hits[row]]) for row in asked],
            points=np.stack(list(sampled.values())),
            out=[
                [rows[point] for point in (queries.own[row], *hits[row]) if point in rows]
                for row in asked
            ],
            scale=searcher.points / len(sampled),
        )

    def ranks(self, layout: CollectionLayout, size: int) -> list[FloatArray]:
        """Estimate the places of each query's neighbours in a search by short vectors."""
        layout = replace(layout, stages=(size,))
        name = layout.stage_name(size)
        asked = derive(self.queries, layout)[name]
        beyond = similarity(asked, derive(self.points, layout)[name], layout.distance)
        ranks = []
        for row, (full, out) in enumerate(zip(self.neighbours, self.out, strict=True)):
            short = derive(full, layout)[name]
            scores = similarity(asked[row : row + 1], short, layout.distance)[0]
            others = np.sort(np.delete(beyond[row], out))
            ahead = len(others) - np.searchsorted(others, scores, side="right")
            nearer = (scores[:, np.newaxis] < scores[np.newaxis]).sum(axis=1)
            ranks.append((ahead * self.scale + nearer + 1).astype(np.float32))
        return ranks


def similarity(queries: FloatArray, documents: FloatArray, distance: str) -> FloatArray:
    """Score documents so that more is nearer.

    Returns:
        Shape (m, n). For Euclid an equivalent of the distance: its negative square, less what
        does not depend on the document.
    """
    products: FloatArray = queries @ documents.T
    if distance == "Euclid":
        products = 2 * products - np.einsum("nd,nd->n", documents, documents)
    return products


def shortlist(ranks: Sequence[FloatArray], target: float, k: int) -> int:
    """Find the shortest list in which the mean share of neighbours reaches the target.

    Args:
        ranks: The places of each query's true neighbours, one array a query.
        target: That share.
        k: Results a query; no list is shorter.
    """
    # Each query weighs the same, however many neighbours it has.
    weights = np.concatenate([np.full(len(ranking), 1 / len(ranking)) for ranking in ranks])
    flat = np.concatenate(ranks)
    order = np.argsort(flat)
    reached = np.cumsum(weights[order]) / len(ranks)
    place = int(np.searchsorted(reached, target - 1e-9))
    return max(k, int(np.ceil(flat[order][min(place, len(flat) - 1)])))
